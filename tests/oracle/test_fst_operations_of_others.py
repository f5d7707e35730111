"""Operations on random automata beside OpenFst: the same automata where OpenFst's are the only right
ones, else the same paths with the same costs.

    python tests/oracle/test_fst_operations_of_others.py 5000 [--pynini]

compares that many automata of each kind, with pynini's OpenFst (`pip install pynini`) in both semirings."""

import argparse
import math
import random
import traceback
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kaldifst
import pytest

from sonant import fst as f
from sonant.errors import FstError
from sonant.fst import Fst

COUNT = 60
Relation = dict[tuple[tuple[int, ...], tuple[int, ...]], float]


class Kaldifst:
    """OpenFst's operations that kaldifst has: of the tropical semiring."""

    kinds = ("standard",)
    filters = ("alt_sequence", "match", "sequence")

    def __init__(self, folder: Path):
        self.path = str(folder / "machine.fst")

    def theirs(self, fst: Fst) -> Any:
        fst.write(self.path)
        return kaldifst.StdVectorFst.read(self.path)

    def ours(self, fst: Any) -> Fst:
        fst.write(self.path)
        return Fst.read(self.path, map=False)

    def changed(self, operation: Callable[..., Any], fst: Fst, **options: Any) -> Fst:
        peer = self.theirs(fst)
        operation(peer, **options)
        return self.ours(peer)

    def compose(self, a: Fst, b: Fst, name: str) -> Fst:
        left = self.theirs(a)
        return self.ours(kaldifst.StdVectorFst(kaldifst.compose(left, self.theirs(b), compose_filter=name)))

    def determinize(self, a: Fst) -> Fst:
        return self.ours(kaldifst.determinize(self.theirs(a)))

    def shortest_path(self, a: Fst, count: int) -> Fst:
        return self.ours(kaldifst.shortest_path(self.theirs(a), count))

    def reverse(self, a: Fst) -> Fst:
        return self.ours(kaldifst.reverse(self.theirs(a)))

    def minimize(self, a: Fst) -> Fst:
        return self.changed(kaldifst.minimize, a, delta=1 / 1024)

    def rmepsilon(self, a: Fst) -> Fst:
        return self.changed(kaldifst.rmepsilon, a)

    def connect(self, a: Fst) -> Fst:
        return self.changed(kaldifst.connect, a)


class Pynini(Kaldifst):
    """All of OpenFst's operations, in both semirings."""

    kinds = ("standard", "log")
    filters = (*Kaldifst.filters, "no_match", "null", "trivial")

    def __init__(self, folder: Path):
        super().__init__(folder)
        import pywrapfst  # pyright: ignore[reportMissingImports]

        self.p = pywrapfst

    def theirs(self, fst: Fst) -> Any:
        fst.write(self.path)
        return self.p.Fst.read(self.path)

    def compose(self, a: Fst, b: Fst, name: str) -> Fst:
        left = self.theirs(a)
        return self.ours(self.p.compose(left, self.theirs(b), compose_filter=name))

    def determinize(self, a: Fst) -> Fst:
        return self.ours(self.p.determinize(self.theirs(a), delta=1 / 1024))

    def shortest_path(self, a: Fst, count: int) -> Fst:
        return self.ours(self.p.shortestpath(self.theirs(a), nshortest=count))

    def reverse(self, a: Fst) -> Fst:
        return self.ours(self.p.reverse(self.theirs(a)))

    def minimize(self, a: Fst) -> Fst:
        return self.ours(self.theirs(a).minimize(delta=1 / 1024))

    def rmepsilon(self, a: Fst) -> Fst:
        return self.ours(self.theirs(a).rmepsilon())

    def connect(self, a: Fst) -> Fst:
        return self.ours(self.theirs(a).connect())

    def prune(self, a: Fst, threshold: float) -> Fst:
        return self.ours(self.p.prune(self.theirs(a), weight=threshold))

    def push(self, a: Fst, to_final: bool) -> Fst:
        kind = "to_final" if to_final else "to_initial"
        return self.ours(self.theirs(a).push(reweight_type=kind))

    def distance(self, a: Fst, reverse: bool) -> list[float]:
        found = [float(w) for w in self.p.shortestdistance(self.theirs(a), reverse=reverse)]
        return found + [math.inf] * (a.num_states - len(found))


def machine(r: random.Random, kind: str, acceptor: bool = False, acyclic: bool = True) -> Fst:
    count, rows = r.randrange(1, 7), []
    for _ in range(r.randrange(14)):
        s, t = r.randrange(count), r.randrange(count)
        i = 0 if r.random() < 0.2 and not acceptor else r.randrange(1, 4)
        o = i if acceptor else r.randrange(4) * (i != 0 or r.random() < 0.5)
        if acyclic and s >= t:
            continue
        rows.append((s, i, o, r.randrange(1, 17) / 4 + (4 if kind == "log" and not acyclic else 0), t))
    finals = [r.randrange(8) / 4 if r.random() < 0.4 else math.inf for _ in range(count)]
    return Fst.from_arrays(
        0, finals, *([list(c) for c in zip(*rows, strict=True)] or [[]] * 5), arc_type=kind
    )


def relation(fst: Fst) -> Relation:
    """Of an automaton without cycles."""
    found: dict[Any, list[float]] = defaultdict(list)
    stack: list[Any] = [(fst.start, (), (), 0.0)] if fst.start >= 0 else []
    while stack:
        state, ins, outs, cost = stack.pop()
        if (final := fst.final(state)) != math.inf:
            found[ins, outs].append(cost + final)
        for i, o, weight, to in fst.arcs_of(state):
            stack.append((to, ins + (i,) * (i > 0), outs + (o,) * (o > 0), cost + weight))
    log = fst.arc_type == "log"
    return {
        labels: -math.log(sum(math.exp(-c) for c in costs)) if log else min(costs)
        for labels, costs in found.items()
    }


def same(found: Fst, expected: Fst) -> None:
    a, b = relation(found), relation(expected)
    assert a.keys() == b.keys()
    for labels, cost in b.items():
        assert a[labels] == pytest.approx(cost, abs=5e-3)


def content(fst: Fst) -> list[Any]:
    return [fst.start, *((fst.final(s), sorted(fst.arcs_of(s))) for s in range(fst.num_states))]


def costs_of_chains(fst: Fst) -> list[float]:
    return sorted(chains(fst))


def chains(fst: Fst) -> list[float]:
    found, stack = [], [(fst.start, 0.0)] if fst.start >= 0 else []
    while stack:
        state, cost = stack.pop()
        if (final := fst.final(state)) != math.inf:
            found.append(cost + final)  # type: ignore[operator]
        stack.extend((t, cost + w) for _, _, w, t in fst.arcs_of(state))  # type: ignore[operator]
    return found


def compare(peer: Kaldifst, kind: str, seed: int) -> None:
    r = random.Random(f"{kind} {seed}")
    a, b = machine(r, kind), machine(r, kind)
    cyclic = machine(r, kind, acyclic=False)
    acceptor = machine(r, kind, acceptor=True)
    # The only right ones: state by state.
    a_sorted, b_sorted = a.copy().arc_sort("olabel"), b.copy().arc_sort("ilabel")
    for name in peer.filters:
        found, expected = f.compose(a_sorted, b_sorted, name), peer.compose(a_sorted, b_sorted, name)  # type: ignore[arg-type]
        if isinstance(peer, Pynini) or name == "sequence":
            assert content(found) == content(expected), name
        else:  # kaldifst is Kaldi's table_compose, which with other filters comes to other states
            same(found, expected)
    for fst in (a, cyclic):
        assert content(f.connect(fst)) == content(peer.connect(fst))
        assert content(f.reverse(fst)) == content(peer.reverse(fst))
    # As many states, and the same paths.
    least, expected = f.determinize(acceptor), peer.determinize(acceptor)
    assert f.isomorphic(least, expected, 5e-3)
    theirs, ours = peer.minimize(least), f.minimize(least)
    assert ours.num_states == theirs.num_states
    same(ours, theirs)
    # The same paths, and no more states.
    for fst in (a, b):
        ours, theirs = f.rmepsilon(fst), peer.rmepsilon(fst)
        same(ours, theirs)
        assert ours.num_states == theirs.num_states
    if kind == "standard":
        for count in (1, 3, 10):
            for fst in (a, cyclic):
                found, expected = (
                    costs_of_chains(x) for x in (f.shortest_path(fst, count), peer.shortest_path(fst, count))
                )
                assert found == pytest.approx(expected, abs=1e-4)
    if not isinstance(peer, Pynini):
        return
    for fst in (a, cyclic):
        for backwards in (False, True):
            found = f.shortest_distance(fst, reverse=backwards, delta=1e-6)
            reached = [x if found[s] < math.inf else math.inf for s, x in
                       enumerate(peer.distance(fst, backwards))]  # fmt: skip
            assert list(found) == pytest.approx(reached, abs=2e-2 if kind == "log" else 1e-4)
        if kind == "standard":
            assert f.isomorphic(f.prune(fst, 2.1), peer.prune(fst, 2.1), 1e-4)
    for to_final in (False, True):
        trim = f.connect(a)
        found, expected = f.push(trim, to_final), peer.push(trim, to_final)
        same(found, expected)
        if not to_final and kind == "standard":
            assert f.isomorphic(found, expected, 5e-3)


def test_operations_beside_openfst(tmp_path: Path) -> None:
    peer = Kaldifst(tmp_path)
    for seed in range(COUNT):
        compare(peer, "standard", seed)


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--pynini", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peer = (Pynini if options.pynini else Kaldifst)(Path(folder))
        failures: dict[str, list[str]] = defaultdict(list)
        for kind in peer.kinds:
            for seed in range(options.count):
                try:
                    compare(peer, kind, seed)
                except (AssertionError, FstError) as error:
                    line = traceback.extract_tb(error.__traceback__)[-1 if isinstance(error, FstError) else 1]
                    failures[f"line {line.lineno}: {line.line} {str(error)[:80]}"].append(f"{kind} {seed}")
        print(f"{options.count * len(peer.kinds)} times, {sum(map(len, failures.values()))} differences")
        for what, where in failures.items():
            print(f"{what}: {len(where)}, first {where[:3]}")


if __name__ == "__main__":
    main()
