"""Operations that keep a weighted relation, against the relation itself: all paths of random automata."""

import math
import random
import signal
import threading
from collections import Counter

import pytest

from sonant import fst
from sonant.errors import FstError
from sonant.fst import Fst
from sonant.kaldi import fstext

KINDS = ("standard", "log", "lattice4")
Relation = dict[tuple[tuple[int, ...], tuple[int, ...]], float]


def random_fst(
    rng: random.Random, kind: str, states: int, cyclic: bool = False, acceptor: bool = False
) -> Fst:
    made = Fst(kind)
    made.add_states(states)
    made.set_start(0)

    def weight(most: int) -> float | tuple[float, float]:
        first = rng.randint(0, most) / 4 + (2 if cyclic else 0)
        return (first, rng.randint(0, most) / 4) if kind == "lattice4" else first

    for state in range(states):
        for _ in range(rng.randint(0, 3)):
            to = rng.randrange(states) if cyclic else rng.randint(state + 1, states)
            if to == states:
                continue
            ilabel = rng.randint(0, 3)
            olabel = ilabel if acceptor else rng.randint(0, 3)
            made.add_arc(state, ilabel, olabel, weight(8), to)
        if rng.random() < 0.3 or state == states - 1:
            made.set_final(state, weight(4))
    return made


def relation(machine: Fst, longest: int | None = None, epsilons: bool = False) -> Relation:
    """What each path says and costs; paths that say the same are summed. `epsilons` count as labels."""
    found: Relation = {}

    def number(weight: object) -> float:
        return sum(weight) if isinstance(weight, tuple) else float(weight)  # type: ignore[arg-type]

    stack = [(machine.start, (), (), 0.0, 0)] if machine.start >= 0 else []
    while stack:
        state, ins, outs, cost, length = stack.pop()
        if (final := number(machine.final(state))) < math.inf:
            key, new = (ins, outs), cost + final
            old = found.get(key, math.inf)
            least, most = sorted((old, new))
            log = machine.arc_type == "log" and most < math.inf
            found[key] = least - math.log1p(math.exp(least - most)) if log else least
        if longest is not None and length == longest:
            continue
        for ilabel, olabel, weight, to in machine.arcs_of(state):
            stack.append(
                (
                    to,
                    ins + ((ilabel,) if ilabel or epsilons else ()),
                    outs + ((olabel,) if olabel or epsilons else ()),
                    cost + number(weight),
                    length + 1,
                )
            )
    return found


def assert_same(found: Relation, wanted: Relation) -> None:
    assert found.keys() == wanted.keys()
    for key, cost in wanted.items():
        assert found[key] == pytest.approx(cost, abs=1e-2)


def path_labels(machine: Fst) -> list[list[tuple[int, int]]]:
    found, stack = [], [(machine.start, ())] if machine.start >= 0 else []
    while stack:
        state, labels = stack.pop()
        if str(machine.final(state)) not in ("inf", "(inf, inf)"):
            found.append(list(labels))
        stack.extend((to, (*labels, (i, o))) for i, o, _, to in machine.arcs_of(state))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_relation_stays(kind: str):
    for seed in range(400):
        rng = random.Random(seed)
        machine = random_fst(rng, kind, rng.randint(1, 7))
        wanted = relation(machine)
        synchronous = fst.synchronize(machine)
        early, late = fst.push_labels(machine), fst.push_labels(machine, to_final=True)
        by_input, by_output = fst.epsnormalize(machine), fst.epsnormalize(machine, "output")
        for made in (synchronous, early, late, by_input, by_output):
            assert_same(relation(made), wanted)
        for labels in path_labels(synchronous):  # pairs of labels, then what one side has more of
            rest = [pair for pair in labels if pair != (0, 0)]
            both = sum(1 for i, o in rest if i and o)
            assert all(i and o for i, o in rest[:both])
            assert not any(i for i, _ in rest[both:]) or not any(o for _, o in rest[both:])
        for made, side in ((by_input, 0), (by_output, 1)):
            for labels in path_labels(made):
                said = [pair[side] != 0 for pair in labels]
                assert said == sorted(said, reverse=True)
                assert (0, 0) not in labels


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_pushed_as_far_as_they_go(kind: str):
    for seed in range(300):
        rng = random.Random(seed)
        machine = fst.connect(random_fst(rng, kind, rng.randint(2, 7)))
        wanted = relation(machine)
        outputs = [outs for _, outs in wanted]
        if not outputs:
            continue
        shortest = min(outputs, key=len)
        first = next((i for i, x in enumerate(shortest) if any(o[i] != x for o in outputs)), len(shortest))
        last = next(
            (i for i in range(len(shortest)) if any(o[-1 - i] != shortest[-1 - i] for o in outputs)),
            len(shortest),
        )
        without_first = fst.push_labels(machine, remove_common_affix=True)
        assert_same(relation(without_first), {(i, o[first:]): cost for (i, o), cost in wanted.items()})
        without_last = fst.push_labels(machine, to_final=True, remove_common_affix=True)
        assert_same(
            relation(without_last), {(i, o[: len(o) - last]): cost for (i, o), cost in wanted.items()}
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cyclic", [False, True])
def test_disambiguated_automata_have_one_path_for_each_string(kind: str, cyclic: bool):
    bounded = 0
    for seed in range(300):
        rng = random.Random(seed)
        machine = random_fst(rng, kind, rng.randint(1, 5), cyclic, acceptor=True)
        longest = 4 if cyclic else None
        try:
            made = fst.disambiguate(machine, max_states=2000)
        except FstError as error:
            assert "more than max_states=2000" in str(error)
            bounded += 1
            continue
        assert_same(relation(made, longest, epsilons=True), relation(machine, longest, epsilons=True))
        if not cyclic:
            strings = Counter(tuple(i for i, _ in labels) for labels in path_labels(made))
            assert set(strings.values()) <= {1}
    assert bounded <= (40 if cyclic else 0)


def test_an_unambiguous_automaton_stays_even_where_it_cannot_be_determinized():
    machine = Fst.from_text("0 1 1 1 1\n0 2 1 1 2\n1 1 2 2 1\n2 2 2 2 3\n1 3 3 3\n2 3 4 4\n3\n")
    with pytest.raises(FstError):
        fst.determinize(machine, max_states=1000)
    assert fst.isomorphic(fst.disambiguate(machine), machine)


def test_disambiguate_takes_functional_transducers_alone():
    twice = Fst.from_text("0 1 1 5 1\n0 2 1 0 2\n1 3 2 6\n2 3 2 5 1\n2 4 3 5\n4 3 4 6\n3\n")
    with pytest.raises(FstError, match="not functional"):
        fst.disambiguate(twice)
    late = Fst.from_text("0 1 1 5 1\n0 2 1 0 2\n1 3 2 0\n2 3 2 5 0.5\n3\n")
    made = fst.disambiguate(late)
    assert relation(made) == {((1, 2), (5,)): 1.0}
    assert len(path_labels(made)) == 1


def test_thresholds_prune():
    machine = Fst.from_text("0 1 1 1 0\n0 2 2 2 5\n0 3 1 1 1\n1 4 3 3\n2 4 3 3\n3 4 4 4 9\n4\n")
    for operation in (fst.disambiguate, fst.transduction.determinize_pruned):
        assert len(relation(operation(machine, weight=5.0))) == 2
        assert len(relation(operation(machine, weight=4.0))) == 1
        assert operation(machine, nstate=3).num_states <= 3
        with pytest.raises(FstError, match="semiring"):
            operation(fst.arcmap(machine, "to_log"), weight=1.0)


def test_cycles_that_have_no_end():
    ahead = Fst.from_text("0 0 1 2\n0 0 0 3\n0\n")  # more output than input
    with pytest.raises(FstError, match="cycle through states 0 and 0"):
        fst.synchronize(ahead)
    with pytest.raises(FstError, match="cycle through state 0"):
        fst.epsnormalize(ahead)
    assert fst.random_equivalent(ahead, fst.epsnormalize(ahead, "output"), 50, seed=1, max_length=20)
    assert fst.random_equivalent(ahead, fst.push_labels(ahead), 50, seed=1, max_length=20)
    even = Fst.from_text("0 1 1 0\n1 0 0 2\n0\n")
    made = fst.synchronize(even)
    assert fst.random_equivalent(even, made, 50, seed=1, max_length=20)
    dead = Fst.from_text("0 1 1 1\n0 2 1 1\n2 2 1 0\n1\n")  # a cycle on no successful path
    assert relation(fst.synchronize(dead)) == {((1,), (1,)): 0.0}


def test_results_are_bounded():
    # Each output is known at the end alone, so that all of them must wait.
    lines = [f"{s} {s + 1} 0 {x}" for s in range(14) for x in (1, 2)]
    lines += [f"{s} {s + 1} 1 0" for s in range(14, 28)] + ["28"]
    wide = Fst.from_text("\n".join(lines) + "\n")
    for operation in (fst.synchronize, fst.epsnormalize):
        with pytest.raises(FstError, match="more than max_states=1000"):
            operation(wide, max_states=1000)
        with pytest.raises(FstError, match="max_states=0"):
            operation(wide, max_states=0)


def expanded(machines: dict[int, Fst], root: int, depth: int, longest: int = 99) -> Relation:
    """The definition: each call is a string of the automaton that it names."""
    found: Relation = {}
    for (ins, outs), cost in relation(machines[root], longest, epsilons=True).items():
        ways = [((), (), cost)]
        for i, o in zip(ins, outs, strict=True):
            if o in machines:
                below = expanded(machines, o, depth - 1, longest) if depth else {}
                ways = [
                    (a + ((i,) if i else ()) + x, b + y, c + d)
                    for a, b, c in ways
                    for (x, y), d in below.items()
                ]
            else:
                ways = [(a + ((i,) if i else ()), b + ((o,) if o else ()), c) for a, b, c in ways]
        for a, b, c in ways:
            found[a, b] = min(found.get((a, b), math.inf), c)
    return found


def test_networks_against_their_definition():
    for seed in range(300):
        rng = random.Random(seed)
        machines = {}
        for name in (101, 102, 103):
            machine = random_fst(rng, "standard", rng.randint(1, 4))
            for state in range(machine.num_states - 1):
                if name < 103 and rng.random() < 0.5:
                    machine.add_arc(state, rng.randint(0, 3), rng.randint(name + 1, 103), 0.5, state + 1)
            machines[name] = machine
        assert_same(relation(fst.replace(machines, 101)), expanded(machines, 101, 3))


def test_automata_that_call_themselves():
    nested = {7: Fst.from_text("0 1 1 1\n1 2 5 7\n2 3 2 2\n0 3 3 3\n3\n")}  # a^n x b^n
    with pytest.raises(FstError, match="label 7 calls itself"):
        fst.replace(nested)
    made = relation(fst.replace(nested, call_arc_labeling="neither", max_depth=3))
    assert [ins for ins, _ in sorted(made, key=lambda key: len(key[0]))] == [
        (3,), (1, 3, 2), (1, 1, 3, 2, 2), (1, 1, 1, 3, 2, 2, 2)
    ]  # fmt: skip
    chain = [
        (1, Fst.from_text("0 1 5 2\n1\n")),
        (2, Fst.from_text("0 1 5 3\n1\n")),
        (3, Fst.from_text("0 1 5 2\n1\n")),
    ]
    with pytest.raises(FstError, match=r"label 2 calls itself through 3; .* give max_depth"):
        fst.replace(chain, 1)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "no automata"),
        ([1, 1], {}, "two automata have the label 1"),
        ([0], {}, "label 0"),
        ([-4], {}, "label -4"),
        ([1], {"root": 2}, "root label 2"),
        ([1], {"call_arc_labeling": "some"}, "expected neither, input, output or both"),
        ([1], {"max_depth": 0}, "max_depth=0"),
        ([1], {"return_label": -1}, "label -1"),
    ],
)
def test_networks_that_make_no_sense(labels: list[int], options: dict[str, object], message: str):
    with pytest.raises(FstError, match=message):
        fst.replace([(label, Fst()) for label in labels], **options)  # type: ignore[arg-type]
    with pytest.raises(FstError, match="expected the same"):
        fst.replace([(1, Fst()), (2, Fst("log"))])


def test_strings_of_compact_lattices_stay_with_their_arcs():
    lattice = Fst("compactlattice44")
    lattice.add_states(3)
    lattice.set_start(0)
    lattice.add_arc(0, 1, 1, (1, 2, (10, 11)), 1)
    lattice.add_arc(1, 7, 7, (0, 1, (12,)), 2)
    lattice.set_final(2, (0.5, 0, (13,)))
    called = Fst("compactlattice44")
    called.add_states(2)
    called.set_start(0)
    called.add_arc(0, 2, 2, (3, 0, (20, 21)), 1)
    called.set_final(1, (0, 0, (22,)))
    made = fst.replace([(9, lattice), (7, called)])
    weights = [weight for state in range(made.num_states) for *_, weight, _ in made.arcs_of(state)]
    assert [tuple(weight[2]) for weight in weights] == [(10, 11), (12,), (20, 21), (22,)]  # type: ignore[index]
    for operation in (fst.synchronize, fst.epsnormalize, fst.push_labels):
        assert fst.isomorphic(operation(lattice), lattice)
    with pytest.raises(FstError, match="compactlattice44"):
        fst.disambiguate(lattice)


def test_lists_and_symbols():
    words = fst.SymbolTable(["<eps>", "a", "b"])
    machine = Fst.from_text("0 1 a b\n1\n", input_symbols=words, output_symbols=words)
    for operation in (fst.synchronize, fst.epsnormalize, fst.push_labels, fst.disambiguate):
        for made in operation([machine, machine]):
            assert made.text() == machine.text()


def test_names_of_pykaldi():
    compiler = fstext.StdFstCompiler()
    print("0 1 1 5 1\n0 1 0 5 2\n1 2 0 6\n2", file=compiler)
    machine = compiler.compile()
    assert fstext.epsnormalize(machine).num_arcs(0) == 2
    assert fstext.epsnormalize(machine, eps_norm_output=True).num_states() == 3
    assert fstext.synchronize(machine).start() == 0
    assert (
        fstext.push(machine, push_labels=True, push_weights=True, remove_common_affix=True).num_states() > 0
    )
    assert fstext.randequivalent(machine, fstext.push(machine, push_labels=True), npath=10, select="log_prob")
    assert not fstext.randequivalent(machine, fstext.arcmap(machine, "rmweight"), npath=20, seed=3)
    assert fstext.replace([(100, machine), (7, machine)], 7, epsilon_on_replace=True).num_states() == 3
    with pytest.raises(FstError, match="root label 3"):
        fstext.replace([(7, machine)], 3)
    assert fstext.disambiguate(machine, weight=0.5).num_states() > 0


def test_a_long_operation_can_be_interrupted():
    # A string of 40 free choices, all of which must wait: it would go on for ever.
    lines = [f"{s} {s + 1} 0 {x}" for s in range(40) for x in (1, 2)]
    lines += [f"{s} {s + 1} 1 0" for s in range(40, 80)] + ["80"]
    wide = Fst.from_text("\n".join(lines) + "\n")
    for operation in (fst.synchronize, fst.epsnormalize):
        timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            operation(wide, max_states=10**7)
        timer.join()
