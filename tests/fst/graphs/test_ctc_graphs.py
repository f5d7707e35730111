"""CTC topologies and graphs beside their definitions: every frame sequence is tried."""

import contextlib
import itertools
import math
import random
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import FstError
from sonant.fst import Fst, SymbolTable, compose, shortest_distance
from sonant.fst.graphs import (
    TOPOLOGIES,
    Lexicon,
    compose_ctc,
    compose_hlg,
    compose_tlg,
    ctc_topology,
    lexicon_fst,
    read_tokens,
)


def collapsed(frames: tuple[int, ...]) -> tuple[int, ...]:
    """Graves et al. 2006: runs become one, label 1 (the blank) goes."""
    return tuple(label for label, _ in itertools.groupby(frames) if label != 1)


def paths(frames: tuple[int, ...], fst: Fst) -> dict[tuple[int, ...], list[float]]:
    """The costs of all paths that read the frames, by what they write."""
    chain = Fst()
    chain.add_states(len(frames) + 1)
    chain.set_start(0)
    chain.set_final(len(frames), 0.0)
    for t, label in enumerate(frames):
        chain.add_arc(t, label, label, 0.0, t + 1)
    found: dict[tuple[int, ...], list[float]] = {}
    both = compose(chain, fst)

    def follow(state: int, cost: float, written: tuple[int, ...]) -> None:
        final = float(both.final(state))  # type: ignore[arg-type]
        if math.isfinite(final):
            found.setdefault(written, []).append(cost + final)
        for _, olabel, weight, target in both.arcs_of(state):
            follow(target, cost + float(weight), (*written, olabel) if olabel else written)  # type: ignore[arg-type]

    if both.start >= 0:
        follow(both.start, 0.0, ())
    return found


def all_frames(tokens: int, longest: int):
    return (f for n in range(longest + 1) for f in itertools.product(range(1, tokens + 1), repeat=n))


def test_the_standard_topology_is_ctc():
    t = ctc_topology([1, 2, 3])
    assert (t.num_states, t.num_arcs) == (3, 9)
    for frames in all_frames(3, 5):
        assert paths(frames, t) == {collapsed(frames): [0.0]}


def test_the_compact_topology_may_repeat_without_a_blank():
    t = ctc_topology([1, 2, 3], "compact")
    assert (t.num_states, t.num_arcs) == (3, 7)
    for frames in all_frames(3, 5):
        found = paths(frames, t)
        expected = {()}
        for k, frame in enumerate(frames):
            if frame == 1:
                continue
            longer = {(*e, frame) for e in expected}
            expected = longer | expected if k and frames[k - 1] == frame else longer
        assert collapsed(frames) in expected
        assert set(found) == expected


def test_the_minimal_topology_has_no_runs():
    t = ctc_topology([1, 2, 3], "minimal")
    assert (t.num_states, t.num_arcs) == (1, 3)
    for frames in all_frames(3, 4):
        assert paths(frames, t) == {tuple(f for f in frames if f != 1): [0.0]}


def test_without_self_loops():
    standard, compact = (ctc_topology([1, 2, 3], t, self_loops=False) for t in ("standard", "compact"))
    for frames in all_frames(3, 4):
        runs = any(a == b != 1 for a, b in itertools.pairwise(frames))
        assert paths(frames, standard) == ({} if runs else {collapsed(frames): [0.0]})
        assert paths(frames, compact) == {tuple(f for f in frames if f != 1): [0.0]}


TOKENS = ("<blk>", "a", "b")
LEXICON = "A a\nAB a b\nB b\nBA b a\nB2 b\n"
ARPA = r"""
\data\
ngram 1=7
ngram 2=4

\1-grams:
-99 <s> -0.3
-0.8 </s>
-0.6 A -0.25
-0.7 AB -0.1
-1.5 B -0.2
-0.9 BA
-1.1 B2

\2-grams:
-0.1 <s> A
-0.2 A B
-0.9 B </s>
-0.4 AB AB

\end\
"""


def sentences(pieces: tuple[int, ...], spellings: list[tuple[str, tuple[int, ...]]]):
    """All word sequences that are spelled like this."""
    if not pieces:
        yield ()
    for word, spelling in spellings:
        if pieces[: len(spelling)] == spelling:
            for rest in sentences(pieces[len(spelling) :], spellings):
                yield (word, *rest)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_graph_has_the_paths_and_costs_of_its_parts(tmp_path, topology):
    from sonant.fst import NgramLm

    arpa = tmp_path / "lm.arpa"
    arpa.write_text(ARPA)
    lm = NgramLm.read(arpa)
    lexicon = Lexicon.from_text(LEXICON)
    tlg = compose_tlg(TOKENS, lexicon, arpa, topology)
    words = tlg.output_symbols
    assert words is not None and tlg.input_symbols is not None
    assert [tlg.input_symbols.symbol(k) for k in range(4)] == ["<eps>", *TOKENS]
    spellings = [(e.word, tuple(TOKENS.index(p) + 1 for p in e.phones)) for e in lexicon.pronunciations]
    t = ctc_topology([1, 2, 3], topology)
    for frames in all_frames(3, 5):
        expected = {
            tuple(words[w] for w in sentence): -lm.score_sentence(" ".join(sentence))
            for pieces in paths(frames, t)
            for sentence in sentences(pieces, spellings)
        }
        found = paths(frames, tlg)
        assert set(found) == set(expected)
        for sentence, cost in expected.items():
            # A word sequence has paths with and without backing off, as the grammar has, and minimization
            # rounds costs to multiples of 1 / 1024.
            assert min(found[sentence]) <= cost + 5e-3
            assert any(abs(c - cost) < 5e-3 for c in found[sentence]), (frames, sentence)


def test_each_path_comes_once():
    """In the log semiring: what frames cost is the sum over sentences, and T adds none."""
    lexicon = Lexicon.from_text("A a\nAB a b\nB b\n")
    words = SymbolTable(["<eps>", "A", "AB", "B", "#0"])
    grammar = Fst.from_text("0 0 1 1 1.5\n0 0 2 2 0.5\n0 0 3 3 2\n0 0.25\n")
    tlg = compose_tlg(TOKENS, lexicon, grammar, words=words)
    cost = {"A": 1.5, "AB": 0.5, "B": 2.0}
    spellings = [("A", (2,)), ("AB", (2, 3)), ("B", (3,))]
    for frames in all_frames(3, 5):
        wanted = {
            tuple(words[w] for w in s): sum(cost[w] for w in s) + 0.25
            for s in sentences(collapsed(frames), spellings)
        }
        found = paths(frames, tlg)
        assert set(found) == set(wanted)
        for sentence, costs in found.items():
            assert costs == pytest.approx([wanted[sentence]], abs=2e-3)


def test_hlg_of_another_h():
    """An H that halves the frame rate: each token is read twice."""
    lexicon, count = Lexicon.from_text("A a\nB b\nAB a b\n").disambiguated()
    phones = SymbolTable(["<eps>", "a", "b", *(f"#{n}" for n in range(count + 1))])
    words = SymbolTable(["<eps>", "A", "AB", "B", "#0"])
    l_disambig = lexicon_fst(lexicon, phones, words, pass_through=[(3, 4)])
    h = Fst.from_text("0 1 7 1\n1 0 7 0\n0 2 8 2\n2 0 8 0\n0\n").arc_sort("olabel")
    grammar = Fst.from_text("0 1 1 1 1\n0 1 2 2 2\n1 1 3 3 3\n1\n")
    hlg = compose_hlg(h, l_disambig, grammar, disambig=[3, 4])
    assert {k: pytest.approx(v, abs=2e-3) for k, v in paths((7, 7, 8, 8), hlg).items()} == {
        (2,): [2.0],
        (1, 3): [4.0],
    }
    assert paths((7, 8), hlg) == {}
    with pytest.raises(FstError, match="accepts nothing"):
        compose_hlg(Fst.from_text("0 1 7 9\n1\n").arc_sort("olabel"), l_disambig, grammar)


@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_composed_without_t_is_the_same(topology, self_loops):
    """As composed with T: but for T's own dead ends the same automaton, on random ones with epsilons."""
    rng = random.Random(f"{topology} {self_loops}")
    for _ in range(150):
        n = rng.randint(1, 6)
        lg = Fst()
        lg.add_states(n)
        lg.set_start(rng.randrange(n))
        for state in range(n):
            for _ in range(rng.randint(0, 4)):
                label = rng.choice([0, 2, 3, 4, 7])  # 7 is no token
                lg.add_arc(state, label, rng.randint(0, 3), float(rng.randint(0, 8)), rng.randrange(n))
            if rng.random() < 0.4:
                lg.set_final(state, float(rng.randint(0, 8)))
        lg.arc_sort("ilabel")
        direct = compose_ctc(lg, [1, 2, 3, 4], topology, self_loops=self_loops)
        wanted = compose(ctc_topology([1, 2, 3, 4], topology, self_loops=self_loops), lg)
        for frames in rng.sample(list(all_frames(4, 4)), 12):
            assert counted(frames, direct) == counted(frames, wanted)
        assert direct.num_states <= wanted.num_states and direct.num_arcs <= wanted.num_arcs


def counted(frames: tuple[int, ...], fst: Fst) -> list[tuple[float, int]]:
    """Costs of all paths with up to three epsilons of LG, and of how many."""
    chain = Fst.from_text(
        "".join(f"{t} {t + 1} {x} {x}\n" for t, x in enumerate(frames)) + f"{len(frames)}\n"
    )
    chain = Fst.from_text("0\n") if not frames else chain
    both = compose(chain, fst)
    found: Counter[float] = Counter()

    def follow(state: int, cost: float, longest: int) -> None:
        final = float(both.final(state))  # type: ignore[arg-type]
        if math.isfinite(final):
            found[cost + final] += 1
        for _, _, weight, target in both.arcs_of(state) if longest else ():
            follow(target, cost + float(weight), longest - 1)  # type: ignore[arg-type]

    if both.start >= 0:
        follow(both.start, 0.0, len(frames) + 3)
    return sorted(found.items())


def test_thousands_of_tokens():
    grammar = Fst.from_text("".join(f"0 {k} {k} {k} 1\n{k} 0 {k} 0\n" for k in range(2, 5001, 7)) + "0\n")
    graph = compose_ctc(grammar.arc_sort("ilabel"), range(1, 5001))
    assert graph.num_states < 6000 and graph.num_arcs < 2_000_000
    with pytest.raises(FstError, match="more than max_states=100"):
        compose_ctc(grammar, range(1, 5001), max_states=100)
    with pytest.raises(FstError, match="expected standard"):
        compose_ctc(Fst("log"), [1, 2])
    assert compose_ctc(Fst(), [1, 2]).num_states == 0


def test_bad_topologies():
    for labels in ([1], [0, 1], [1, 1], [1, -2]):
        with pytest.raises(FstError, match="label"):
            ctc_topology(labels)
    with pytest.raises(FstError, match="expected standard, compact, minimal"):
        ctc_topology([1, 2], "round")  # type: ignore[arg-type]
    with pytest.raises(FstError, match="take 'compact'"):
        ctc_topology(range(1, 10001), max_arcs=10**6)


def test_bad_graphs(tmp_path):
    grammar = Fst.from_text("0 0 1 1 1.5\n0\n")
    with pytest.raises(FstError, match=r"text:2: 'X' has the phone 'x'"):
        compose_tlg(TOKENS, Lexicon.from_text("A a\nX x\n"), grammar)
    with pytest.raises(FstError, match="'B' has the phone '<blk>'"):
        compose_tlg(TOKENS, Lexicon.from_text("A a\nB <blk>\n"), grammar)
    with pytest.raises(FstError, match="no two alike"):
        compose_tlg(("<blk>", "a", "a"), Lexicon.from_text("A a\n"), grammar)
    with pytest.raises(FstError, match="look like disambiguation"):
        compose_tlg(("<blk>", "a", "#0"), Lexicon.from_text("A a\n"), grammar)
    (tmp_path / "lm.arpa").write_text(ARPA)
    with pytest.raises(FstError, match="more than max_states=3"):
        compose_tlg(TOKENS, Lexicon.from_text(LEXICON), tmp_path / "lm.arpa", max_states=3)


def test_tokens_of_a_network(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text("<blk> 0\n▁A 2\na 1\n#0 3\n", encoding="utf-8")
    assert read_tokens(path) == ("<blk>", "a", "▁A")
    path.write_text("<eps> 0\nSIL 1\n")  # the phone recipes of icefall call the blank so
    assert read_tokens(path) == ("<blk>", "SIL")
    path.write_text("_\na\nb\n")
    assert read_tokens(path) == ("<blk>", "a", "b")
    for text, message in {
        "a 0\nb x\n": ":2: 'b x'; expected a token and its id",
        "a 0\nb 0\n": ":2: 'b' has the id 0, as 'a' in line 1",
        "a 0\nb 2\n": "none with the id 1",
        f"a 0\nb {'9' * 5000}\n": "expected a token and its id",
        "a 0\n": "expected the blank, with the id 0, and at least one more",
        "a 0\nb 1\nb 2\n": ":3: 'b' comes twice, and is in line 2 too",
        "a 0\n<blk> 1\n": ":2: '<blk>' is not the id 0",
    }.items():
        path.write_text(text)
        with pytest.raises(FstError) as caught:
            read_tokens(path)
        assert message in str(caught.value)


def test_topologies_have_no_costs():
    for topology in TOPOLOGIES:
        t = ctc_topology(range(1, 30), topology)
        assert not t.arcs["weight"].any()
        assert np.isfinite(shortest_distance(t, reverse=True)).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "<blk>", "<eps>", "#0", "0", "1", "2", "\n", "\t", "\0", "-1"])))
def test_any_tokens_are_read_or_an_error(parts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.txt"
        path.write_text(" ".join(parts))
        with contextlib.suppress(FstError):
            tokens = read_tokens(path)
            assert tokens[0] == "<blk>" and len(set(tokens)) == len(tokens) > 1
