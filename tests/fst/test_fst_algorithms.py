"""Operations on automata against their definition: the relation of small machines, path by path."""

import contextlib
import itertools
import math
import random
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from sonant import fst as f
from sonant.errors import FstError, FstIndexError
from sonant.fst import Fst, SymbolTable

SEEDS = range(60)
Relation = dict[tuple[tuple[int, ...], tuple[int, ...]], float]


def machine(seed: int, arc_type: str = "standard", acyclic: bool = True, epsilons: bool = True) -> Fst:
    """Small, with epsilons, useless states, parallel arcs and, in lattices, negative acoustic costs."""
    rng = random.Random(seed)
    count = rng.randrange(2, 7)
    fst = Fst(arc_type)
    fst.add_states(count)
    fst.set_start(0 if acyclic else rng.randrange(count))
    low = 0 if epsilons else 1

    def weight() -> Any:
        cost = rng.randrange(1, 9) / 4 + (2 if arc_type == "log" and not acyclic else 0)
        if arc_type == "lattice4":
            return cost, rng.randrange(-4, 9) / 4
        if arc_type == "compactlattice44":
            return cost, rng.randrange(-4, 9) / 4, tuple(rng.randrange(1, 9) for _ in range(rng.randrange(3)))
        return cost

    for _ in range(rng.randrange(20)):
        source, to = rng.randrange(count), rng.randrange(count)
        if acyclic:
            if source == to:
                continue
            source, to = sorted((source, to))
        labels = rng.randrange(low, 3), rng.randrange(low, 3)
        if arc_type == "compactlattice44":
            labels = labels[0], labels[0]
        fst.add_arc(source, *labels, weight(), to)
    for state in range(count):
        if rng.random() < 0.5:
            fst.set_final(state, weight())
    return fst


def cost_of(weight: Any) -> float:
    return weight if isinstance(weight, float) else weight[0] + weight[1]


def paths(
    fst: Fst, longest: int = 99
) -> list[tuple[tuple[int, ...], tuple[int, ...], float, tuple[int, ...]]]:
    """(input, output, cost, string) of every successful path of at most so many arcs."""
    found = []
    stack: list[Any] = [(fst.start, (), (), 0.0, (), 0)] if fst.start >= 0 else []
    while stack:
        state, ins, outs, cost, string, length = stack.pop()
        final = fst.final(state)
        if not math.isinf(cost_of(final)):
            tail = tuple(final[2]) if isinstance(final, tuple) and len(final) > 2 else ()
            found.append((ins, outs, cost + cost_of(final), string + tail))
        if length == longest:
            continue
        for ilabel, olabel, weight, to in fst.arcs_of(state):
            more = tuple(weight[2]) if isinstance(weight, tuple) and len(weight) > 2 else ()
            stack.append(
                (
                    to,
                    ins + ((ilabel,) if ilabel else ()),
                    outs + ((olabel,) if olabel else ()),
                    cost + cost_of(weight),
                    string + more,
                    length + 1,
                )
            )
    return found


def relation(fst: Fst) -> Relation:
    """The semiring sum of the paths with the same strings."""
    sums: dict[Any, list[float]] = defaultdict(list)
    for ins, outs, cost, _ in paths(fst):
        sums[ins, outs].append(cost)
    return {strings: total(fst.arc_type, costs) for strings, costs in sums.items()}


def total(arc_type: str, costs: list[float]) -> float:
    if not costs:
        return math.inf
    return -math.log(sum(math.exp(-c) for c in costs)) if arc_type == "log" else min(costs)


def assert_same(found: Relation, expected: Relation) -> None:
    assert found.keys() == expected.keys()
    for strings, cost in expected.items():
        assert found[strings] == pytest.approx(cost, abs=1e-4)


KINDS = ["standard", "log", "lattice4", "compactlattice44"]


@pytest.mark.parametrize("arc_type", KINDS)
def test_the_relation_stays(arc_type: str) -> None:
    for seed in SEEDS:
        fst = machine(seed, arc_type)
        expected = relation(fst)
        for operation in (f.connect, f.rmepsilon, f.remove_eps_local, f.topsort, f.arcsort):
            result = operation(fst)
            result.check()
            assert_same(relation(result), expected)
        assert_same(relation(f.statemap(fst, "arc_sum")), expected)
        assert_same(relation(f.arcmap(fst, "superfinal")), expected)
        assert_same(relation(f.rmepsilon(fst, connect=False)), expected)
        assert_same(relation(f.rmepsilon(fst, reverse=True)), expected)
        assert not any(i == o == 0 for i, o in f.rmepsilon(fst).arcs[["ilabel", "olabel"]].tolist())
        local = f.remove_eps_local(fst)
        assert (local.num_states, local.num_arcs) <= (fst.num_states, fst.num_arcs)
        if arc_type != "compactlattice44":
            for to_final in (False, True):
                assert_same(relation(f.push(fst, to_final)), expected)


@pytest.mark.parametrize("arc_type", KINDS)
def test_rational_operations(arc_type: str) -> None:
    for seed in SEEDS:
        a, b = machine(seed, arc_type), machine(seed + 1000, arc_type)
        left, right = paths(a), paths(b)
        assert sorted(paths(f.union(a, b))) == sorted(left + right)
        both = [tuple(x + y for x, y in zip(p, q, strict=True)) for p, q in itertools.product(left, right)]
        assert sorted(paths(f.concat(a, b))) == sorted(both) or a.start < 0
        turned = [(p[0][::-1], p[1][::-1], pytest.approx(p[2]), p[3][::-1]) for p in sorted(left)]
        assert sorted(paths(f.reverse(f.reverse(a)))) == sorted(left)
        for superinitial in (True, False):
            back = f.reverse(a, superinitial)
            assert sorted(p[3] for p in paths(back)) == sorted(p[3] for p in turned)
            assert len(paths(back)) == len(left) and all(p in turned for p in paths(back))
        assert sorted((p[1], p[0]) for p in paths(f.invert(a))) == sorted(p[:2] for p in left)
        assert sorted(p[:2] for p in paths(f.project(a))) == sorted((p[0], p[0]) for p in left)
        assert sorted(p[:2] for p in paths(f.project(a, True))) == sorted((p[1], p[1]) for p in left)


def test_closure() -> None:
    fst = Fst.from_text("0 1 1 2 0.5\n1 0.25\n")
    star, plus = f.closure(fst), f.closure(fst, closure_plus=True)
    strings = {p[0]: p[2] for p in paths(star, 7)}
    assert strings == {(): 0, (1,): 0.75, (1, 1): 1.5, (1, 1, 1): 2.25}
    assert () not in {p[0] for p in paths(plus, 7)}
    assert paths(f.closure(Fst())) == [((), (), 0, ())]


@pytest.mark.parametrize("arc_type", KINDS)
def test_shortest_distance_is_the_sum_of_paths(arc_type: str) -> None:
    for seed in SEEDS:
        fst = machine(seed, arc_type)
        forward = f.shortest_distance(fst)
        backward = f.shortest_distance(fst, reverse=True)
        for state in range(fst.num_states):
            to_here = fst.copy()
            zero: Any = {"lattice4": (math.inf,) * 2, "compactlattice44": (math.inf, math.inf, ())}
            for other in range(fst.num_states):
                to_here.set_final(other, zero.get(arc_type, math.inf))
            one: Any = {"lattice4": (0, 0), "compactlattice44": (0, 0, ())}
            to_here.set_final(state, one.get(arc_type, 0.0))
            from_here = fst.copy()
            from_here.set_start(state)
            for found, reached in ((forward[state], to_here), (backward[state], from_here)):
                value = found if isinstance(found, np.floating) else found[0] + found[1]
                costs = paths(reached)
                assert value == pytest.approx(total(arc_type, [p[2] for p in costs]), abs=1e-4)
                if isinstance(found, tuple) and costs:
                    assert found[2] in [p[3] for p in costs if p[2] == pytest.approx(value, abs=1e-4)]


def bellman_ford(fst: Fst) -> np.ndarray:
    distance = np.full(fst.num_states, math.inf)
    distance[fst.start] = 0
    for _ in range(fst.num_states):
        for state in range(fst.num_states):
            for _, _, weight, to in fst.arcs_of(state):
                distance[to] = min(distance[to], distance[state] + cost_of(weight))
    return distance


def test_cycles_and_negative_costs() -> None:
    for seed in range(300):
        fst = machine(seed, acyclic=False)
        rng = random.Random(seed)
        potential = [rng.randrange(8) for _ in range(fst.num_states)]
        for moved in (fst, f.reweight(fst, potential)):  # the second has negative costs and the same cycles
            expected = bellman_ford(moved)
            np.testing.assert_allclose(f.shortest_distance(moved), expected, atol=1e-5)
            finals = np.array([cost_of(moved.final(s)) for s in range(moved.num_states)])
            path = f.shortest_path(moved)
            best = float(np.min(expected + finals))
            assert [p[2] for p in paths(path)] == ([] if math.isinf(best) else [pytest.approx(best)])


def test_log_cycles_against_linear_algebra() -> None:
    for seed in range(100):
        fst = machine(seed, "log", acyclic=False)
        transition = np.zeros((fst.num_states,) * 2)
        for state in range(fst.num_states):
            for _, _, weight, to in fst.arcs_of(state):
                transition[state, to] += math.exp(-cost_of(weight))
        if max(abs(np.linalg.eigvals(transition))) > 0.9:
            continue
        final = np.array([math.exp(-cost_of(fst.final(s))) for s in range(fst.num_states)])
        expected = np.linalg.solve(np.eye(fst.num_states) - transition, final)
        found = np.exp(-f.shortest_distance(fst, reverse=True, delta=1e-8).astype(float))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
        weight = f.shortest_distance(f.rmepsilon(fst, delta=1e-8), reverse=True, delta=1e-8)
        start = f.rmepsilon(fst).start
        if start >= 0:
            assert math.exp(-weight[start]) == pytest.approx(expected[fst.start], rel=1e-4)


@pytest.mark.parametrize("arc_type", ["standard", "lattice4", "compactlattice44"])
def test_n_best(arc_type: str) -> None:
    for seed in range(150):
        fst = machine(seed, arc_type)
        every = sorted(p[2] for p in paths(fst))
        for count in (1, 2, 5, 1000):
            found = paths(f.shortest_path(fst, count))
            assert sorted(p[2] for p in found) == pytest.approx(every[:count])
            assert all(p in paths(fst) for p in found)
        chain = f.shortest_path(fst, 1000)
        if chain.num_states:
            assert all(len(chain.arcs_of(s)) <= 1 for s in range(1, chain.num_states))
        near = [cost for cost in every if cost <= every[0] + 1] if every else []
        assert len(paths(f.shortest_path(fst, 1000, weight=1.0))) == len(near)


@pytest.mark.parametrize("arc_type", ["standard", "lattice4"])
def test_n_best_strings(arc_type: str) -> None:
    for seed in range(150):
        fst = machine(seed, arc_type)
        best: dict[Any, float] = {}
        for ins, _, cost, _ in paths(fst):
            best[ins] = min(cost, best.get(ins, math.inf))
        for count in (2, 1000):
            found = paths(f.shortest_path(fst, count, unique=True))
            assert len({p[0] for p in found}) == len(found) == min(count, len(best))
            assert sorted(p[2] for p in found) == pytest.approx(sorted(best.values())[:count])


def test_n_best_of_cycles_and_ties() -> None:
    loop = Fst.from_text("0 0 1 1 0\n0 1 2 2 0\n1\n")
    assert sorted(len(p[0]) for p in paths(f.shortest_path(loop, 5, unique=True))) == [1, 2, 3, 4, 5]
    assert len(paths(f.shortest_path(loop, 5))) == 5
    # 2^60 paths that cost the same: a search that spreads over them would not come back
    ties = Fst.from_text("".join(f"{i} {i + 1} {x} {x}\n" for i in range(60) for x in (1, 2)) + "60\n")
    for unique in (False, True):
        assert len(paths(f.shortest_path(ties, 40, unique=unique))) == 40


def test_prune_keeps_what_is_near_the_best() -> None:
    for seed in range(150):
        for arc_type in ("standard", "lattice4", "compactlattice44"):
            fst = machine(seed, arc_type)
            every = paths(fst)
            best = min((p[2] for p in every), default=math.inf)
            pruned = f.prune(fst, 0.75)
            kept = paths(pruned)
            assert [p for p in every if p[2] <= best + 0.75 and p not in kept] == []
            beyond = f.prune(pruned, 0.75)
            assert beyond.equal(pruned)
            few = f.prune(fst, nstate=2)
            assert few.num_states <= 2


def test_random_paths() -> None:
    fst = Fst.from_text("0 1 1 1 1.6094379\n0 1 2 2 0.22314355\n1 0 3 3 0.69314718\n1 0.69314718\n", "log")
    one, same = (f.randgen(fst, 500, seed=3, select="log_prob") for _ in range(2))
    assert one.equal(same) and not one.equal(f.randgen(fst, 500, seed=4, select="log_prob"))
    firsts = [p[0][0] for p in paths(one, 1000)]
    assert len(firsts) == 500 and 60 < firsts.count(1) < 140  # a fifth of them
    assert 200 < [p[0][0] for p in paths(f.randgen(fst, 500, seed=3), 1000)].count(1) < 300
    merged = f.randgen(fst, 500, seed=3, select="log_prob", weighted=True, remove_total_weight=True)
    assert sum(math.exp(-p[2]) for p in paths(merged, 1000)) == pytest.approx(1, abs=1e-4)
    assert all(len(p[0]) <= 1 for p in paths(f.randgen(fst, 50, seed=1, max_length=1)))
    assert f.randgen(Fst(), 5).num_states == 0


def test_isomorphic() -> None:
    for seed in range(200):
        fst = f.connect(machine(seed, acyclic=False))
        rng = random.Random(seed)
        order = list(range(fst.num_states))
        rng.shuffle(order)
        moved = Fst()
        moved.add_states(fst.num_states)
        arcs = [(s, *arc) for s in range(fst.num_states) for arc in fst.arcs_of(s)]
        rng.shuffle(arcs)
        for source, ilabel, olabel, weight, to in arcs:
            moved.add_arc(order[source], ilabel, olabel, weight, order[to])
        for state in range(fst.num_states):
            moved.set_final(order[state], fst.final(state))
        if fst.start >= 0:
            moved.set_start(order[fst.start])
        assert f.isomorphic(fst, moved)
        if arcs:
            source, ilabel, olabel, weight, to = arcs[0]
            moved.add_arc(order[source], ilabel, olabel, weight, order[to])
            assert not f.isomorphic(fst, moved)
    # all arcs alike: which state is which is known only further on
    a = Fst.from_text("0 1 1 1\n0 2 1 1\n0 3 1 1\n1 4 1 1\n2 4 2 2\n3 4 3 3\n4\n")
    b = Fst.from_text("0 1 1 1\n0 2 1 1\n0 3 1 1\n1 4 3 3\n2 4 1 1\n3 4 2 2\n4\n")
    assert f.isomorphic(a, b)


def test_labels_and_symbols() -> None:
    old, new = SymbolTable(["<eps>", "a", "b"]), SymbolTable(["<eps>", "b", "a", "<unk>"])
    fst = Fst.from_text("0 1 a b\n1\n", input_symbols=old, output_symbols=old)
    assert f.relabel(fst, {1: 7}).arcs_of(0) == [(7, 2, 0, 1)]
    changed = f.relabel_tables(fst, new_isymbols=new)
    assert changed.arcs_of(0) == [(2, 2, 0, 1)] and changed.text() == fst.text()
    with pytest.raises(FstError, match="'b' is not in the new table"):
        f.relabel_tables(fst, new_osymbols=SymbolTable(["<eps>", "a"]))
    few = SymbolTable(["<eps>", "a", "?"])
    assert f.relabel_tables(fst, new_osymbols=few, unknown_osymbol="?").arcs_of(0)[0][1] == 2
    swapped = f.invert(f.relabel_tables(fst, new_isymbols=new))
    assert (swapped.input_symbols, swapped.output_symbols) == (
        old,
        new,
    ) or swapped.text() == "0\t1\tb\ta\n1\n"


def test_maps() -> None:
    fst = Fst.from_text("0 1 1 2 0.5\n0 1 1 2 0.75\n1 0.25\n")
    assert f.arcmap(fst, "times", weight=1.0).arcs_of(0)[0][2] == 1.5
    assert f.arcmap(fst, "plus", weight=0.6).arcs_of(0)[1][2] == pytest.approx(0.6)
    assert f.arcmap(fst, "power", power=2).final(1) == 0.5
    assert f.arcmap(fst, "invert").final(1) == -0.25
    assert f.arcmap(fst, "rmweight").arcs["weight"].tolist() == [0, 0]
    assert f.arcmap(fst, "quantize", delta=0.5).arcs["weight"].tolist() == [0.5, 1.0]
    assert f.arcmap(fst, "input_epsilon").arcs["ilabel"].tolist() == [0, 0]
    assert f.arcmap(fst, "to_log").arc_type == "log"
    assert f.statemap(fst, "arc_sum").arcs_of(0) == [(1, 2, 0.5, 1)]
    assert f.statemap(f.arcmap(fst, "rmweight"), "arc_unique").num_arcs == 1
    assert f.statistics(fst).final_states == 1 and f.statistics(fst).acyclic


def test_lists_are_done_in_parallel() -> None:
    machines = [machine(seed) for seed in range(20)]
    for one, many in zip(machines, f.rmepsilon(machines), strict=True):
        assert f.rmepsilon(one).equal(many, 0)
    assert f.connect([]) == []
    with pytest.raises(FstError, match="negative cost"):
        f.shortest_path([*machines, Fst.from_text("0 0 1 1 -1\n0\n")])


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: f.shortest_path(Fst("log")), "no best path"),
        (lambda: f.shortest_distance(Fst.from_text("0 1 1 1 -1\n1 0 1 1 0.5\n")), "negative cost"),
        (lambda: f.rmepsilon(Fst.from_text("0 1 0 0 -1\n1 0 0 0 0.5\n1\n")), "negative cost"),
        (lambda: f.shortest_distance(Fst.from_text("0 0 1 1 0\n0\n", "log")), "no finite sum"),
        (lambda: f.rmepsilon(Fst.from_text("0 1 0 0 -1\n1 0 0 0 0.5\n1\n", "log")), "no finite sum"),
        (lambda: f.topsort(Fst.from_text("0 0 1 1\n0\n")), "cycle"),
        (lambda: f.union(Fst(), Fst("log")), "expected the same"),
        (lambda: f.shortest_distance(Fst(), queue_type="best"), "unknown queue type"),  # pyright: ignore
        (lambda: f.shortest_distance(Fst.from_text("0 0 1 1\n0\n"), queue_type="top"), "cycle"),
        (lambda: f.relabel(Fst(), {1: -3}), "0 or more"),
        (lambda: f.prune(Fst(), -1.0), "0 or more"),
        (lambda: f.arcmap(Fst(), "odd"), "unknown map type"),  # pyright: ignore
        (lambda: f.reweight(Fst(), [1.0]), "1 potentials"),
    ],
)
def test_errors_name_the_mend(run: Any, message: str) -> None:
    with pytest.raises(FstError, match=message):
        run()


def test_a_result_that_grows_too_much_is_refused() -> None:
    lines = [f"{i} {i + 1} 0 0\n{i} {i + 1} {i + 1} {i + 1}\n" for i in range(100)]
    fst = Fst.from_text("".join(lines) + "100\n")
    assert f.rmepsilon(fst).num_arcs == 5050
    with pytest.raises(FstError, match="max_arcs=1000"):
        f.rmepsilon(fst, max_arcs=1000)


def test_bad_machines() -> None:
    hanging = Fst()
    hanging.set_start(hanging.add_state())
    hanging.add_arc(0, 1, 1, 0.0, 5)
    for operation in (f.connect, f.rmepsilon, f.shortest_path, f.reverse, f.push, f.prune, f.topsort):
        with pytest.raises(FstError, match="leads to state 5"):
            operation(hanging)
    with pytest.raises(FstIndexError, match="source"):
        f.shortest_distance(Fst.from_text("0\n"), source=4)
    for weight in (math.nan, -math.inf):
        odd = Fst.from_text("0 1 0 0\n1 2 1 1\n2 0 1 1\n2\n")
        odd.add_arc(1, 0, 0, weight, 0)
        for operation in (f.connect, f.rmepsilon, f.shortest_path, f.push, f.prune, f.shortest_distance):
            with contextlib.suppress(FstError):  # any answer will do, as long as it comes
                operation(odd)
