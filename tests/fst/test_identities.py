"""What must hold between operations for every automaton: with cycles and without, in both semirings.

An automaton with cycles is looked at through its strings of at most a few labels: composed with the acceptor
of these it has no cycles left, if it has no input epsilons.
"""

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant import fst as f
from sonant.errors import FstError
from sonant.fst import Encoder, Fst

Relation = dict[tuple[tuple[int, ...], tuple[int, ...]], float]
LABELS = 3
Row = tuple[int, int, int, float, int]


def built(rows: list[Row], finals: list[float], kind: str = "standard") -> Fst:
    return Fst.from_arrays(
        0, finals, *([list(c) for c in zip(*rows, strict=True)] or [[]] * 5), arc_type=kind
    )


@st.composite
def machines(
    draw: st.DrawFn, acyclic: bool = True, acceptor: bool = False, eps: bool = True, kind: str = "standard"
) -> Fst:
    count = draw(st.integers(1, 5))
    low = 0 if eps else 1
    rows = []
    for _ in range(draw(st.integers(0, 9))):
        s, t = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        i = draw(st.integers(low, LABELS))
        o = i if acceptor else draw(st.integers(low, LABELS))
        if acyclic and s >= t:
            continue
        # In the log semiring what comes round a cycle must be less than what went in.
        rows.append((s, i, o, draw(st.integers(0, 8)) / 4 + (3 if kind == "log" and not acyclic else 0), t))
    finals = [draw(st.sampled_from([math.inf, 0.0, 0.5, 1.75])) for _ in range(count)]
    return built(rows, finals, kind)


def any_machine(seed: int, kind: str = "standard", eps: float = 0.0, acceptor: bool = False) -> Fst:
    """With cycles."""
    r = random.Random(seed)
    count = r.randrange(2, 6)
    rows = []
    for _ in range(r.randrange(3, 12)):
        i = 0 if r.random() < eps else r.randrange(1, LABELS + 1)
        o = i if acceptor else r.randrange(LABELS + 1)
        rows.append((r.randrange(count), i, o, r.randrange(9) / 4 + 3 * (kind == "log"), r.randrange(count)))
    return built(rows, [r.randrange(8) / 4 if r.random() < 0.4 else math.inf for _ in range(count)], kind)


def relation(fst: Fst) -> Relation:
    """All paths of an automaton without cycles, those with the same labels as one."""
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = defaultdict(list)
    stack = [(fst.start, (), (), 0.0)] if fst.start >= 0 else []
    while stack:
        state, ins, outs, cost = stack.pop()
        if (final := fst.final(state)) != math.inf:
            found[ins, outs].append(cost + final)  # type: ignore[operator]
        for i, o, weight, to in fst.arcs_of(state):
            stack.append((to, ins + (i,) * (i > 0), outs + (o,) * (o > 0), cost + weight))  # type: ignore[operator]
    log = fst.arc_type == "log"
    return {
        labels: -math.log(sum(math.exp(-c) for c in costs)) if log else min(costs)
        for labels, costs in found.items()
    }


def short(fst: Fst, longest: int = 4) -> Relation:
    """The relation of input strings of at most so many labels."""
    rows = [(s, i, i, 0.0, s + 1) for s in range(longest) for i in range(1, LABELS + 1)]
    return relation(f.compose(built(rows, [0.0] * (longest + 1), fst.arc_type), fst.copy().arc_sort()))


def same(found: Relation, expected: Relation) -> None:
    assert found.keys() == expected.keys()
    for labels, cost in expected.items():
        assert found[labels] == pytest.approx(cost, abs=5e-3)


KINDS = pytest.mark.parametrize("kind", ["standard", "log"])
KEEPING: dict[str, Callable[[Fst], Fst]] = {
    "rmepsilon": f.rmepsilon,
    "rmepsilon, backwards": lambda a: f.rmepsilon(a, reverse=True),
    "remove_eps_local": f.remove_eps_local,
    "push to the start": f.push,
    "push to the end": lambda a: f.push(a, to_final=True),
    "minimize": lambda a: f.minimize(a, allow_nondet=True),
    "minimize_encoded": f.minimize_encoded,
    "reverse twice": lambda a: f.reverse(f.reverse(a)),
    "reverse twice, without a new start": lambda a: f.reverse(f.reverse(a, False), False),
    "connect": f.connect,
    "arcsort": f.arcsort,
    "invert twice": lambda a: f.invert(f.invert(a)),
}


@KINDS
@pytest.mark.parametrize("name", KEEPING)
def test_what_keeps_every_path(name: str, kind: str) -> None:
    operation = KEEPING[name]

    @settings(max_examples=40)
    @given(machines(kind=kind))
    def acyclic(a: Fst) -> None:
        same(relation(operation(a)), relation(a))

    acyclic()
    for seed in range(40):
        a = any_machine(seed, kind)
        same(short(operation(a)), short(a))


@KINDS
def test_determinization_keeps_every_path(kind: str) -> None:
    @settings(max_examples=60)
    @given(machines(kind=kind, acceptor=True, eps=False))
    def acceptors(a: Fst) -> None:
        least = f.determinize(a)
        same(relation(least), relation(a))
        assert all(
            len({i for i, *_ in least.arcs_of(s)}) == least.states["num_arcs"][s]
            for s in range(least.num_states)
        )

    acceptors()
    done = 0
    for seed in range(120):  # cycles may have no twins, and then there is no deterministic automaton
        a = any_machine(seed, kind, acceptor=True)
        try:
            least = f.determinize(a, max_states=200)
        except FstError as error:
            assert "max_states=200" in str(error)
            continue
        done += 1
        same(short(least), short(a))
        same(short(f.minimize(least)), short(a))
    assert done > 40


@KINDS
def test_composition_is_associative(kind: str) -> None:
    def both(a: Fst, b: Fst, c: Fst) -> tuple[Fst, Fst]:
        a, b = a.copy().arc_sort("olabel"), b.copy().arc_sort("ilabel")
        c = c.copy().arc_sort("ilabel")
        return (
            f.compose(f.compose(a, b).arc_sort("olabel"), c),
            f.compose(a, f.compose(b, c).arc_sort("ilabel")),
        )

    @settings(max_examples=60)
    @given(machines(kind=kind), machines(kind=kind), machines(kind=kind))
    def acyclic(a: Fst, b: Fst, c: Fst) -> None:
        left, right = both(a, b, c)
        same(relation(left), relation(right))

    acyclic()
    for seed in range(60):
        left, right = both(*(any_machine(3 * seed + i, kind) for i in range(3)))
        for x, y in ((left, right), (right, left)):
            assert f.random_equivalent(x, y, 10, 5e-3, seed=seed, max_length=12)


@KINDS
def test_rational_operations_are_those_of_sets(kind: str) -> None:
    def summed(*parts: Relation) -> Relation:
        costs: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = defaultdict(list)
        for part in parts:
            for labels, cost in part.items():
                costs[labels].append(cost)
        log = kind == "log"
        return {k: -math.log(sum(math.exp(-c) for c in v)) if log else min(v) for k, v in costs.items()}

    def joined(a: Relation, b: Relation, longest: int = 4) -> Relation:
        pairs = [
            {(x[0] + y[0], x[1] + y[1]): c + d} for x, c in a.items() for y, d in b.items()
            if len(x[0] + y[0]) <= longest
        ]  # fmt: skip
        return summed(*pairs)

    for seed in range(60):
        a, b = any_machine(2 * seed, kind), any_machine(2 * seed + 1, kind)
        in_a, in_b = short(a), short(b)
        same(short(f.union(a, b)), summed(in_a, in_b))
        same(short(f.concat(a, b)), joined(in_a, in_b))
        if () in {x for x, _ in in_a}:
            continue  # the empty string again and again: as many paths as one likes
        power, powers = in_a, [in_a]
        for _ in range(3):
            powers.append(power := joined(power, in_a))
        same(short(f.closure(a, True)), summed(*powers))
        same(short(f.closure(a)), summed({((), ()): 0.0}, *powers))


def classes(fst: Fst) -> int:
    """States of the least machine of a deterministic connected acceptor without costs (Moore)."""
    name: list[float] = [float(fst.final(s) == 0) for s in range(fst.num_states)]  # type: ignore[arg-type]
    while True:
        rows = [
            (name[s], tuple(sorted((i, name[t]) for i, _, _, t in fst.arcs_of(s))))
            for s in range(fst.num_states)
        ]
        numbers = {row: n for n, row in enumerate(dict.fromkeys(rows))}
        if len(numbers) == len(set(name)):
            return len(numbers)
        name = [float(numbers[row]) for row in rows]


def by_reversing_twice(fst: Fst) -> int:
    """States of the least machine, as Brzozowski (1962) makes it: sets of states of what is turned, twice."""
    arcs = {(s, i, t) for s in range(fst.num_states) for i, _, _, t in fst.arcs_of(s)}
    first: set[object] = {fst.start}
    last: set[object] = {s for s in range(fst.num_states) if fst.final(s) != math.inf}
    for _ in range(2):
        arcs = {(t, i, s) for s, i, t in arcs}
        start, first, last = frozenset(last), {frozenset(last)}, first
        sets, after = [start], set()
        for here in sets:
            for label in {i for s, i, _ in arcs if s in here}:
                to = frozenset(t for s, i, t in arcs if s in here and i == label)
                after.add((here, label, to))
                if to not in sets:
                    sets.append(to)
        last = {one for one in sets if one & last}  # pyright: ignore[reportOperatorIssue]
        arcs, states = after, sets
    return len(states) - (frozenset() in states)


def test_minimal_is_minimal() -> None:
    smaller = 0
    for seed in range(200):
        a = f.arcmap(any_machine(seed, acceptor=True), "rmweight")
        whole = f.connect(f.determinize(a))
        found = f.minimize(whole)
        assert found.num_states == by_reversing_twice(whole)
        assert found.num_states == (classes(whole) if whole.num_states else 0)
        assert f.equivalent(found, whole)
        smaller += found.num_states < whole.num_states
        encoder = Encoder(labels=True, weights=False)
        again = encoder.decode(f.minimize(encoder.encode(whole)))
        assert again.num_states == found.num_states
    assert smaller > 30


def test_distances_of_cycles_are_those_of_all_pairs() -> None:
    """Floyd and Warshall's, with negative costs but no negative cycles: costs moved by potentials."""
    for seed in range(100):
        r = random.Random(seed)
        a = any_machine(seed, eps=0.2)
        move = [r.randrange(-20, 20) / 4 for _ in range(a.num_states)]
        rows = [
            (s, i, o, w + move[t] - move[s], t) for s in range(a.num_states) for i, o, w, t in a.arcs_of(s)
        ]  # type: ignore[operator]
        b = built(rows, list(a.states["final"]))  # pyright: ignore[reportArgumentType]
        n = b.num_states
        between = np.full((n, n), np.inf)
        np.fill_diagonal(between, 0)
        for s, _, _, w, t in rows:
            between[s, t] = min(between[s, t], w)
        for k, s in itertools.product(range(n), range(n)):
            between[s] = np.minimum(between[s], between[s, k] + between[k])
        assert f.shortest_distance(b) == pytest.approx(between[0], abs=1e-4)
        assert f.shortest_distance(b, source=n - 1) == pytest.approx(between[n - 1], abs=1e-4)
        to_end = (between + b.states["final"]).min(axis=1)
        assert f.shortest_distance(b, reverse=True) == pytest.approx(to_end, abs=1e-4)


def test_connect_keeps_what_lies_on_successful_paths() -> None:
    dropped = 0
    for seed in range(200):
        a = any_machine(seed, eps=0.2)
        after = {s: {t for *_, t in a.arcs_of(s)} for s in range(a.num_states)}

        def closed(states: set[int], step: dict[int, set[int]]) -> set[int]:
            while more := {t for s in states for t in step[s]} - states:
                states = states | more
            return states

        before = {t: {s for s in after if t in after[s]} for t in after}
        useful = sorted(closed({0}, after) & closed({s for s in after if a.final(s) != math.inf}, before))
        number = {s: n for n, s in enumerate(useful)}
        found = f.connect(a)
        assert found.num_states == len(useful)
        assert found.start == number.get(0, -1)
        for s in useful:
            assert found.final(number[s]) == a.final(s)
            expected = [(i, o, w, number[t]) for i, o, w, t in a.arcs_of(s) if t in number]
            assert found.arcs_of(number[s]) == expected
        dropped += len(useful) < a.num_states
    assert dropped > 50


@given(machines())
def test_topological_order(a: Fst) -> None:
    ordered = f.topsort(a)
    assert all(s < t for s in range(ordered.num_states) for *_, t in ordered.arcs_of(s))
    same(relation(ordered), relation(a))
    assert sorted(ordered.states["num_arcs"]) == sorted(a.states["num_arcs"])


@settings(max_examples=60)
@given(machines())
def test_n_best_are_the_first_of_all(a: Fst) -> None:
    costs: list[float] = []
    stack = [(a.start, 0.0)]
    while stack:
        state, cost = stack.pop()
        if (final := a.final(state)) != math.inf:
            costs.append(cost + final)  # type: ignore[operator]
        stack.extend((t, cost + w) for _, _, w, t in a.arcs_of(state))  # type: ignore[operator]
    for count in (1, 2, 5):
        best = f.shortest_path(a, count)
        found = []
        for _, _, cost, state in best.arcs_of(best.start) if best.num_states else []:
            while best.states["num_arcs"][state]:
                ((_, _, more, state),) = best.arcs_of(state)
                cost += more
            found.append(cost + best.final(state))
        if best.num_states and best.final(best.start) != math.inf:
            found.append(best.final(best.start))
        assert sorted(found) == pytest.approx(sorted(costs)[:count])


def test_n_best_of_large_automata() -> None:
    """They are looked for near the start first; what pruning leaves is small and searched as a whole."""
    rng = np.random.default_rng(0)
    states, arcs = 30_000, 90_000
    for far in (0, 1):  # with ends everywhere, and with few
        source = np.concatenate([np.arange(states), rng.integers(0, states, arcs - states)])
        labels = rng.integers(0, 50, arcs)
        finals = np.where(rng.random(states) < (0.001 if far else 0.1), rng.random(states), np.inf)
        to = rng.integers(0, states, arcs)
        a = Fst.from_arrays(0, finals, source, labels, labels, rng.random(arcs), to)
        for unique in (False, True):
            best = f.shortest_path(a, 40, unique)
            margin = 3.0
            small = f.prune(a, margin)
            assert 0 < small.num_states < 20_000
            expected = f.shortest_path(small, 40, unique)
            costs = [sorted(chain_costs(x)) for x in (best, expected)]
            assert len(costs[0]) == 40
            assert costs[0] == pytest.approx(costs[1], abs=1e-4)
            near = f.shortest_path(a, 40, unique, weight=0.5)
            assert sorted(chain_costs(near)) == pytest.approx(
                [c for c in costs[0] if c <= costs[0][0] + 0.5], abs=1e-4
            )


def chain_costs(fst: Fst) -> list[float]:
    found, stack = [], [(fst.start, 0.0)] if fst.start >= 0 else []
    while stack:
        state, cost = stack.pop()
        if (final := fst.final(state)) != math.inf:
            found.append(cost + final)  # type: ignore[operator]
        stack.extend((t, cost + w) for _, _, w, t in fst.arcs_of(state))  # type: ignore[operator]
    return found
