"""Composition, determinize_star and minimization beside OpenFst's and Kaldi's own code (through kaldifst)."""

import math
import random
from pathlib import Path

import kaldifst

from sonant.fst import Fst, compose, determinize, determinize_star, minimize, minimize_encoded


def machine(r: random.Random, acceptor: bool = False) -> Fst:
    n, rows = r.randrange(1, 8), []
    for _ in range(r.randrange(16)):
        s, t = sorted((r.randrange(n), r.randrange(n)))
        i = 0 if r.random() < 0.2 and not acceptor else r.randrange(1, 4)
        o = i if acceptor else r.randrange(4)
        if s < t:
            rows.append((s, i, o, r.randrange(16) / 4, t))
    finals = [r.randrange(8) / 4 if r.random() < 0.4 else math.inf for _ in range(n)]
    return Fst.from_arrays(0, finals, *([list(c) for c in zip(*rows, strict=True)] or [[]] * 5))


def theirs(fst: Fst, folder: Path) -> kaldifst.StdVectorFst:
    fst.write(folder / "ours.fst")
    return kaldifst.StdVectorFst.read(str(folder / "ours.fst"))


def ours(fst: kaldifst.StdVectorFst, folder: Path) -> Fst:
    fst.write(str(folder / "theirs.fst"))
    return Fst.read(folder / "theirs.fst")


def content(fst: Fst) -> list[object]:
    return [fst.start, *((fst.final(s), sorted(fst.arcs_of(s))) for s in range(fst.num_states))]


def test_compositions_are_the_same_state_by_state(tmp_path: Path) -> None:
    for seed in range(300):
        r = random.Random(seed)
        a, b = machine(r), machine(r)
        a.arc_sort("olabel")
        b.arc_sort("ilabel")
        peer = kaldifst.compose(theirs(a, tmp_path), theirs(b, tmp_path))
        expected = ours(kaldifst.StdVectorFst(peer), tmp_path)
        assert content(compose(a, b)) == content(expected)


def test_determinized_and_minimized_automata_have_the_same_states(tmp_path: Path) -> None:
    for seed in range(300):
        a = machine(random.Random(seed), acceptor=True)
        peer = theirs(a, tmp_path)
        kaldifst.determinize_star(peer)
        assert determinize_star(a).num_states == peer.num_states
        assert determinize(a).num_states == kaldifst.determinize(theirs(a, tmp_path)).num_states
        kaldifst.minimize_encoded(peer)
        assert minimize_encoded(determinize_star(a)).num_states == peer.num_states
        peer = theirs(determinize(a), tmp_path)
        kaldifst.minimize(peer, delta=1 / 1024)
        assert minimize(determinize(a)).num_states == peer.num_states
