"""Lazy composition and look-ahead beside eager composition and sets of paths; n-gram automata as they lie."""

import gc
import math
import random
import threading

import pytest

from sonant.errors import ArkError, FstError, FstIndexError, SonantError
from sonant.fst import (
    ComposeFst,
    Fst,
    NgramFst,
    arcsort,
    compose,
    connect,
    find_reachability,
    isomorphic,
    lookahead_relabel,
    random_equivalent,
)
from tests.fst.test_fst_composition import machine, relation, same
from tests.fst.test_fst_types import CONTEXTS, ngram_file

FILTERS = ("auto", "null", "trivial", "sequence", "alt_sequence", "match", "no_match")
SMALL = 1 << 14  # the least cache


def pair(r: random.Random, kind: str = "standard", acyclic: bool = True, eps: float = 0.3) -> tuple[Fst, Fst]:
    left = machine(r, r.randint(1, 8), r.randint(0, 16), eps=eps, kind=kind, acyclic=acyclic)
    right = machine(r, r.randint(1, 8), r.randint(0, 16), eps=eps, kind=kind, acyclic=acyclic)
    return arcsort(left, "olabel"), arcsort(right, "ilabel")


def large(r: random.Random) -> tuple[Fst, Fst]:
    left = machine(r, 60, 400, labels=12, acyclic=False)
    right = machine(r, 60, 400, labels=12, acyclic=False)
    return arcsort(left, "olabel"), arcsort(right, "ilabel")


# Without look-ahead


@pytest.mark.parametrize("filter", FILTERS)
def test_all_of_it_is_what_compose_gives(filter):
    r = random.Random(filter)
    for _ in range(60):
        kind = r.choice(["standard", "log"])
        left, right = pair(r, kind, acyclic=False)
        for ends in (True, False):
            lazy = ComposeFst(left, right, filter)
            assert lazy.expand(connect=ends).equal(compose(left, right, filter, ends), 0)


@pytest.mark.parametrize("special", ["phi", "rho", "sigma"])
def test_special_labels(special):
    r = random.Random(special)
    for _ in range(100):
        left, right = pair(r)
        rows = {s: right.arcs_of(s) for s in range(right.num_states)}
        for s in range(right.num_states - 1):  # leads on, so that failures have no cycle
            if r.random() < 0.5:
                right.add_arc(
                    s, 9, r.choice([0, 9]) if special == "phi" else 9, 0.5, r.randrange(s + 1, len(rows))
                )
        right = arcsort(right, "ilabel")
        expected = compose(left, right, special=(special, 9))
        assert ComposeFst(left, right, special=(special, 9)).expand().equal(expected, 0)


def test_lattices():
    left, right = Fst("lattice4"), Fst("lattice4")
    for fst, weight in ((left, (1.0, 2.0)), (right, (0.5, 0.25))):
        fst.add_states(2)
        fst.set_start(0)
        fst.set_final(1, weight)
        fst.add_arc(0, 1, 1, weight, 1)
    lazy = ComposeFst(left, right)
    assert (lazy.arcs_of(0), lazy.final(1)) == ([(1, 1, (1.5, 2.25), 1)], (1.5, 2.25))


def test_states_are_made_when_they_are_asked_for():
    left, right = large(random.Random(1))
    whole = compose(left, right, connect=False)
    lazy = ComposeFst(left, right)
    assert (lazy.start, lazy.num_known_states) == (0, 1)
    assert len(lazy.arcs_of(0)) == len(whole.arcs_of(0))
    assert 1 < lazy.num_known_states < whole.num_states
    with pytest.raises(FstIndexError, match="is not known"):
        lazy.arcs_of(lazy.num_known_states)
    for bad in (-1, 2**40):
        with pytest.raises(FstIndexError):
            lazy.final(bad)
    assert lazy.explore(10**6) == (whole.num_states, whole.num_arcs)


def test_a_small_cache_gives_the_same_states_again():
    r = random.Random(2)
    left, right = large(r)
    lazy = ComposeFst(left, right, max_bytes=SMALL)
    first = {}
    for _ in range(4000):  # in any order: numbers stay
        state = r.randrange(lazy.num_known_states)
        arcs = lazy.arcs_of(state)
        assert first.setdefault(state, arcs) == arcs
        assert lazy.cached_bytes <= SMALL
    assert sum(map(len, first.values())) * 16 > 4 * SMALL
    free = ComposeFst(left, right)
    assert ComposeFst(left, right, max_bytes=SMALL).expand().equal(free.expand(), 0)


def test_a_cache_that_is_too_small():
    left, right = large(random.Random(3))
    with pytest.raises(FstError, match="expected at least 16384"):
        ComposeFst(left, right, max_bytes=SMALL - 1)
    with pytest.raises(FstError, match="expected a positive number"):
        ComposeFst(left, right, max_bytes=0)
    star = Fst.from_arrays(
        0, [0.0, 0.0], [0] * 2000, list(range(1, 2001)), list(range(1, 2001)), [0.0] * 2000, [1] * 2000
    )
    loop = Fst.from_arrays(
        0, [0.0], [0] * 2000, list(range(1, 2001)), list(range(1, 2001)), [0.0] * 2000, [0] * 2000
    )
    with pytest.raises(FstError, match=r"2000 arcs.*raise max_bytes"):
        ComposeFst(star, loop, max_bytes=SMALL).arcs_of(0)
    assert len(ComposeFst(star, loop, max_bytes=4 * SMALL).arcs_of(0)) == 2000


def test_input_labels_can_be_removed():
    left = Fst.from_arrays(0, [math.inf, 0.0], [0, 0], [7, 8], [1, 2], [0.5, 1.0], [1, 1])
    right = Fst.from_arrays(0, [0.0], [0, 0], [1, 2], [1, 2], [0.0, 0.0], [0, 0])
    lazy = ComposeFst(left, right, remove_input_labels=[8, 100])
    assert [arc[0] for arc in lazy.arcs_of(0)] == [7, 0]
    with pytest.raises(FstError, match="cannot be removed"):
        ComposeFst(left, right, remove_input_labels=[-3])


def test_inputs_may_change_and_go():
    left, right = large(random.Random(4))
    whole = compose(left, right)
    lazy = ComposeFst(left, right)
    left.add_arc(0, 1, 1, 0.0, 0)
    left.set_final(0, 3.0)
    del left, right
    gc.collect()
    assert lazy.expand().equal(whole, 0)


def test_threads_share_automata_and_compositions():
    left, right = lookahead_relabel(*large(random.Random(5)))
    whole = ComposeFst(left, right, lookahead=True).expand()
    shared = ComposeFst(left, right, lookahead=True, max_bytes=SMALL)
    shared.explore(10**6)
    results = []

    def work() -> None:
        own = ComposeFst(left, right, lookahead=True, max_bytes=SMALL)
        results.append(own.expand().equal(whole, 0) and shared.expand().equal(whole, 0))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_what_cannot_be_composed():
    left, right = pair(random.Random(6))
    unsorted = Fst.from_arrays(0, [0.0], [0, 0], [2, 1], [2, 1], [0.0, 0.0], [0, 0])
    with pytest.raises(FstError, match="sort"):
        ComposeFst(unsorted, unsorted)
    with pytest.raises(FstError, match="expected the same"):
        ComposeFst(left, Fst("log"))
    with pytest.raises(FstError, match="compactlattice44; expected"):
        ComposeFst(Fst("compactlattice44"), Fst("compactlattice44"))
    with pytest.raises(FstError, match="filter="):
        ComposeFst(left, right, "other")  # type: ignore[arg-type]
    with pytest.raises(FstError, match="special="):
        ComposeFst(left, right, special=("chi", 3))  # type: ignore[arg-type]
    with pytest.raises(FstError, match="max_states=-1"):
        ComposeFst(left, right).explore(-1)
    with pytest.raises(FstError, match="more than"):
        ComposeFst(*large(random.Random(7))).expand(max_states=10)


def test_nothing_to_compose():
    empty = Fst()
    for lazy in (ComposeFst(empty, empty), ComposeFst(*lookahead_relabel(empty, empty), lookahead=True)):
        assert (lazy.start, lazy.num_known_states, lazy.explore(5)) == (-1, 0, (0, 0))
        assert lazy.expand().num_states == 0


# Look-ahead


def reached(fst: Fst, field: int) -> list[set[int]]:
    """By definition: labels (and -1 for the end) that come first on paths from each state."""
    sets: list[set[int]] = [set() for _ in range(fst.num_states)]
    changed = True
    while changed:
        changed = False
        for s in range(fst.num_states):
            found = set() if fst.final(s) == math.inf else {-1}
            for arc in fst.arcs_of(s):
                found |= {arc[field]} if arc[field] else sets[arc[3]]
            changed |= found != sets[s]
            sets[s] = found
    return sets


@pytest.mark.parametrize("side", ["input", "output"])
def test_reachability_is_what_is_reached(side):
    r = random.Random(side)
    for _ in range(300):
        fst = machine(r, r.randint(1, 9), r.randint(0, 20), labels=6, eps=0.5, acyclic=r.random() < 0.5)
        reach = find_reachability(fst, side)
        pairs = dict(reach.relabel_pairs(False))
        new = pairs | {-1: reach.final_label}
        for s, labels in enumerate(reached(fst, side == "output")):
            told = {label for begin, end in reach.of(s) for label in range(begin, end)}
            assert told == {new[label] for label in labels}
        assert (
            sorted(pairs.values())
            == sorted(set(range(1, len(pairs) + 2)) - {reach.final_label})[: len(pairs)]
        )


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("kind", ["standard", "log"])
@pytest.mark.parametrize("push", [(False, False), (True, False), (False, True), (True, True)])
def test_look_ahead_keeps_the_relation(side, kind, push):
    r = random.Random(f"{side}{kind}{push}")
    for _ in range(130):
        left, right = pair(r, kind, eps=0.4)
        expected = relation(compose(left, right))
        a, b = lookahead_relabel(left, right, side)
        lazy = ComposeFst(a, b, lookahead=True, push_weights=push[0], push_labels=push[1])
        same(relation(lazy.expand()), expected)
        same(relation(lazy.expand(connect=False)), expected)


@pytest.mark.parametrize("side", ["input", "output"])
def test_look_ahead_with_cycles_of_epsilons(side):
    r = random.Random(side)
    for i in range(60):
        left, right = pair(r, acyclic=False, eps=0.5)
        expected = compose(left, right)
        made = ComposeFst(
            *lookahead_relabel(left, right, side), lookahead=True, push_weights=i % 2 == 0
        ).expand()
        assert (made.num_states == 0) == (expected.num_states == 0)
        assert random_equivalent(made, expected, paths=30, seed=i, delta=0.01)


def lexicon(words: int, phones: int, r: random.Random) -> Fst:
    """Words as strings of phones in a tree; a word comes out at its end."""
    fst = Fst()
    fst.set_start(fst.add_state())
    fst.set_final(0, 0.0)
    tree: dict[tuple[int, int], int] = {}
    for word in range(1, words + 1):
        state = 0
        for _ in range(r.randint(2, 5)):
            phone = r.randint(1, phones)
            if (state, phone) not in tree:
                tree[state, phone] = fst.add_state()
                fst.add_arc(state, phone, 0, 0.25, tree[state, phone])
            state = tree[state, phone]
        fst.add_arc(state, phones + 1, word, 0.0, 0)
    return fst


def test_look_ahead_makes_fewer_states():
    r = random.Random(8)
    spoken, sentence = lexicon(200, 12, r), [r.randint(1, 200) for _ in range(20)]
    n = len(sentence)
    text = Fst.from_arrays(
        0, [math.inf] * n + [0.0], list(range(n)), sentence, sentence, [1.0] * n, list(range(1, n + 1))
    )
    plain = ComposeFst(arcsort(spoken, "olabel"), text)
    ahead = ComposeFst(*lookahead_relabel(spoken, text), lookahead=True)
    plain.explore(10**6), ahead.explore(10**6)
    assert ahead.num_known_states < plain.num_known_states / 20
    same(relation(connect(ahead.expand())), relation(compose(arcsort(spoken, "olabel"), text)))
    unlooked = [
        s for s in range(ahead.num_known_states) if not ahead.arcs_of(s) and ahead.final(s) == math.inf
    ]
    assert unlooked == []


def test_look_ahead_errors():
    left, right = large(random.Random(9))
    with pytest.raises(FstError, match="make them with lookahead_relabel"):
        ComposeFst(left, right, lookahead=True)
    a, b = lookahead_relabel(left, right)
    with pytest.raises(FstError, match="a filter of its own"):
        ComposeFst(a, b, "match", lookahead=True)
    other = left.copy()
    other.reachability = a.reachability  # not relabelled
    with pytest.raises(FstError, match=r"do not belong|not sorted"):
        ComposeFst(other, b, lookahead=True)
    small = machine(random.Random(1), 3, 3)
    small.reachability = a.reachability
    with pytest.raises(FstError, match="60 states, it has 3"):
        ComposeFst(small, b, lookahead=True)
    with pytest.raises(FstError, match=r"right automaton .* is not sorted"):
        ComposeFst(a, Fst.from_arrays(0, [0.0], [0, 0], [2, 1], [2, 1], [0.0, 0.0], [0, 0]), lookahead=True)
    ComposeFst(a, b, lookahead=True)
    a.add_arc(0, 1, 10**6, 0.0, 0)  # what was right is so no longer
    with pytest.raises(FstError, match="do not belong"):
        ComposeFst(a, b, lookahead=True)
    lattices = Fst("lattice4")
    with pytest.raises(FstError, match="expected standard"):
        lookahead_relabel(lattices, lattices)
    with pytest.raises(FstError, match="side="):
        find_reachability(left, "middle")  # type: ignore[arg-type]


# Files


@pytest.mark.parametrize("side", ["output", "input"])
def test_look_ahead_files(side):
    r = random.Random(side)
    kind = f"{side[0]}label_lookahead"
    for _ in range(20):
        left, right = lookahead_relabel(*pair(r, acyclic=False), side=side)
        known = left if side == "output" else right
        data = known.to_bytes(kind)
        read = Fst.read(data)
        assert read.format == kind and read.equal(known, 0) and read.to_bytes(kind) == data
        assert [read.reachability.of(s) for s in range(read.num_states)] == [
            known.reachability.of(s) for s in range(known.num_states)
        ]
        pairs = (read, right) if side == "output" else (left, read)
        assert (
            ComposeFst(*pairs, lookahead=True)
            .expand()
            .equal(ComposeFst(left, right, lookahead=True).expand(), 0)
        )
    with pytest.raises(FstError, match="no look-ahead data"):
        Fst().to_bytes(kind)
    with pytest.raises(FstError, match="format="):
        Fst().to_bytes("other")  # type: ignore[arg-type]


def test_look_ahead_data_that_lie_raise_or_do_no_harm():
    r = random.Random(10)
    left, right = lookahead_relabel(*pair(r, acyclic=False))
    data = left.to_bytes("olabel_lookahead")
    for end in range(len(data)):
        with pytest.raises(ArkError):
            Fst.read(data[:end])
    refused = 0
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << r.randrange(8)
        try:
            fst = Fst.read(bytes(changed))
            ComposeFst(fst, right, lookahead=True).explore(2000)
        except SonantError:
            refused += 1
    assert refused > len(data) / 4


@pytest.mark.parametrize("seed", range(20))
def test_ngram_automata_as_they_lie(seed):
    data, expected = ngram_file(seed)
    lying = NgramFst.read(data)
    assert (lying.num_states, lying.start) == (CONTEXTS, 0)
    assert [(lying.final(s), lying.arcs_of(s)) for s in range(CONTEXTS)] == expected
    assert lying.expand().equal(Fst.read(data), 0)
    assert NgramFst.read(lying.to_bytes()).to_bytes() == lying.to_bytes()
    for bad in (-1, CONTEXTS):
        with pytest.raises(FstIndexError):
            lying.arcs_of(bad)


def backing_off(r: random.Random, words: int, order: int) -> Fst:
    """An n-gram automaton whose contexts are those that arcs lead to; context (0,) begins a sentence."""
    contexts = {(): 0, (0,): 1}
    follow: dict[tuple[int, ...], list[int]] = {}
    queue = [(), (0,)]
    for context in queue:
        count = words if not context else r.randint(0, min(words // 2, 20))
        follow[context] = sorted(r.sample(range(1, words + 1), count))
        for word in follow[context]:
            longer = (*context, word)[-order + 1 :]
            if longer not in contexts and longer[1:] in contexts and r.random() < 0.4:
                contexts[longer] = len(contexts)
                queue.append(longer)
    fst = Fst()
    fst.add_states(len(contexts))
    fst.set_start(1)
    for context, state in contexts.items():
        if r.random() < 0.7:
            fst.set_final(state, r.randrange(8) / 4)
        if context:
            fst.add_arc(state, 0, 0, r.randrange(8) / 4, contexts[context[1:]])
        for word in follow[context]:
            longest = (*context, word)
            while longest not in contexts:
                longest = longest[1:]
            fst.add_arc(state, word, word, r.randrange(8) / 4, contexts[longest])
    return fst


def test_ngram_automata_are_made_and_composed_without_expansion():
    r = random.Random(11)
    for i in range(30):
        grammar = backing_off(r, 8, r.randint(1, 4)) if i else backing_off(r, 8, 2)
        data = grammar.to_bytes("ngram")
        lying = NgramFst.read(data)
        assert lying.to_bytes() == data == NgramFst(Fst.read(data)).to_bytes()
        whole = lying.expand()
        left = arcsort(machine(r, 8, 16, labels=7, eps=0.4), "olabel")
        expected = relation(compose(left, arcsort(grammar, "ilabel")))
        same(relation(compose(left, whole)), expected)
        assert isomorphic(ComposeFst(left, lying).expand(), compose(left, whole))
        for special in ("rho", "sigma"):  # the last word stands for others
            expected_ = compose(left, whole, special=(special, 8))
            assert isomorphic(ComposeFst(left, lying, special=(special, 8)).expand(), expected_)
        a, b = lookahead_relabel(left, whole)
        try:
            renumbered = NgramFst(b)
        except FstError:  # words that the left side lacks became one
            continue
        ahead = ComposeFst(a, renumbered, lookahead=True)
        same(relation(ahead.expand()), expected)


def test_what_is_no_ngram_automaton():
    def fst(*rows: tuple[int, int, int, int], states: int = 2) -> Fst:
        made = Fst.from_arrays(
            0, [0.0] * states, *map(list, zip(*[(s, i, o, 0.0, t) for s, i, o, t in rows], strict=True))
        )
        return made

    for rows, message in [
        ([(0, 1, 2, 1)], "labels 1 and 2"),
        ([(0, 1, 1, 1)], "neither state 0 nor state 1 has a backoff"),
        ([(0, 0, 0, 1), (1, 0, 0, 0)], "every state has a backoff"),
        ([(0, 2, 2, 0), (0, 1, 1, 0), (1, 0, 0, 0)], "not sorted"),
        ([(0, 1, 1, 0), (1, 0, 0, 0)], "no arc tells the context of state 1"),
        ([(0, 1, 1, 1), (0, 2, 2, 1), (1, 0, 0, 0)], "does not lead to the longest context"),
    ]:
        with pytest.raises(FstError, match=message):
            fst(*rows).to_bytes("ngram")
    with pytest.raises(FstError, match="start state"):
        Fst().to_bytes("ngram")
    with pytest.raises(FstError, match="expected standard or log"):
        NgramFst(Fst("lattice4"))
    with pytest.raises(ArkError, match="expected ngram"):
        NgramFst.read(Fst().to_bytes())


def test_ngram_files_that_lie():
    r = random.Random(12)
    data = backing_off(r, 6, 3).to_bytes("ngram")
    left = arcsort(machine(r, 8, 20, labels=6), "olabel")
    for end in range(len(data)):
        with pytest.raises(ArkError):
            NgramFst.read(data[:end])
    for at in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= change
            try:
                ComposeFst(left, NgramFst.read(bytes(changed))).explore(5000)
            except SonantError:
                continue


def test_a_mapped_ngram_file_takes_no_memory(tmp_path):
    grammar = backing_off(random.Random(13), 4000, 2)
    path = tmp_path / "Gr.fst"
    grammar.write(path, "ngram")
    mapped, held = NgramFst.read(path), NgramFst.read(path, map=False)
    assert (mapped.resident_bytes, held.to_bytes()) == (0, mapped.to_bytes())
    assert held.resident_bytes > 1 << 16
    assert mapped.arcs_of(1) == held.arcs_of(1)
    words = [1, 2, 3, 3999]
    text = Fst.from_arrays(0, [math.inf] * 4 + [0.0], [0, 1, 2, 3], words, words, [0.0] * 4, [1, 2, 3, 4])
    assert ComposeFst(text, mapped).expand().equal(compose(text, mapped.expand()), 0)


def test_a_mapped_const_file_is_not_looked_at_until_it_is_used(tmp_path):
    n = 20000
    path = tmp_path / "big.fst"
    chain = Fst.from_arrays(
        0, [math.inf] * n + [0.0], list(range(n)), [1] * n, [1] * n, [0.0] * n, list(range(1, n + 1))
    )
    chain.write(path, "const")
    data = bytearray(path.read_bytes())
    data[-4:] = (n + 1).to_bytes(4, "little")  # where the last arc leads
    path.write_bytes(data)
    with pytest.raises(ArkError, match="leads to state"):
        Fst.read(path, map=False)
    mapped = Fst.read(path)
    assert mapped.arcs_of(0) == [(1, 1, 0.0, 1)]
    with pytest.raises(FstError, match="leads to state"):
        ComposeFst(mapped, mapped)
