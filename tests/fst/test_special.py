"""Kaldi's additions as functions of sonant.fst: identities, and bad input (results: tests/kaldi/fstext)."""

import logging
import math
import random

import numpy as np
import pytest

from sonant import fst as operations
from sonant.errors import FstError
from sonant.fst import Fst


def random_fst(r: random.Random, n: int, m: int, labels: int = 3, epsilon: float = 0.3) -> Fst:
    fst = Fst()
    fst.add_states(n)
    fst.set_start(0)
    for _ in range(m):
        i, o = (0 if r.random() < epsilon else r.randrange(1, labels + 1) for _ in range(2))
        fst.add_arc(r.randrange(n), i, o, r.randrange(32) / 16, r.randrange(n))
    fst.set_final(n - 1, 0.5)
    return operations.connect(fst)


def sums(fst: Fst) -> np.ndarray:
    rows = [[fst.final(s), *(arc[2] for arc in fst.arcs_of(s))] for s in range(fst.num_states)]
    return np.array([-np.logaddexp.reduce(-np.array(row, float)) for row in rows])


def test_push_special_makes_all_states_sum_to_one_value():
    r = random.Random(1)
    for _ in range(60):
        fst = random_fst(r, r.randrange(1, 12), r.randrange(1, 40))
        pushed = operations.push_special(fst, 1e-4)
        if fst.num_states:
            assert np.ptp(sums(pushed)) < 2e-4
            assert operations.random_equivalent(fst, pushed, paths=10, seed=1)
    stochastic = Fst.from_text(f"0 0 1 1 {math.log(2)}\n0 1 2 2 {math.log(4)}\n0 {math.log(4)}\n1 0\n")
    assert sums(operations.push_special(stochastic, 1e-6)) == pytest.approx(0, abs=1e-5)


def test_push_special_of_a_long_chain_and_of_what_cannot_be():
    # Long, and with probabilities that no float has; without cycles it is exact all the same.
    chain = Fst.from_text("".join(f"{s} {s + 1} 1 1 {s % 3}\n" for s in range(2000)) + "2000\n")
    pushed = operations.push_special(chain)
    assert np.ptp(sums(pushed)) < 1e-4
    assert operations.shortest_distance(pushed, True)[0] == pytest.approx(1999, rel=1e-4)
    far = Fst.from_text("0 1 1 1 900\n0 1 2 2 30\n1 2 1 1\n1 900\n2 3 1 1 2000\n3\n")
    assert np.ptp(sums(operations.push_special(far))) < 1e-4
    assert operations.random_equivalent(far, operations.push_special(far), paths=20, seed=1)
    with pytest.raises(FstError, match="connect it first"):
        operations.push_special(Fst.from_text("0 1 1 1\n0 2 1 1\n1\n"))
    nan = Fst.from_text("0 1 1 1\n1\n")
    nan.add_arc(0, 1, 1, math.nan, 1)
    with pytest.raises(FstError, match="no number"):
        operations.push_special(nan)
    with pytest.raises(FstError, match="too far"):
        operations.push_special(Fst.from_text("0 1 1 1 800\n0 0 1 1\n1 0 1 1 800\n1 800\n0 5\n"))
    with pytest.raises(FstError, match="arcs of type log"):
        operations.push_special(Fst("log"))
    with pytest.raises(FstError, match="delta=0"):
        operations.push_special(chain, 0)
    assert operations.push_special(Fst()).num_states == 0


def test_push_special_says_where_it_does_not_converge(caplog):
    slow = Fst.from_text("0 0 1 1\n0 1 1 1 14\n1 1 1 1 0.000001\n1 14\n")
    with caplog.at_level(logging.WARNING, "sonant.fst"):
        operations.push_special(slow, 1e-9)
    assert "after 2000 iterations sums differ by" in caplog.text


def test_propagate_final_of_bad_input():
    with pytest.raises(FstError, match="cycle through state"):
        operations.propagate_final(Fst.from_text("0 1 9 0\n1 0 9 0\n"), 9)
    with pytest.raises(FstError, match="state 0 has two arcs with label 9"):
        operations.propagate_final(Fst.from_text("0 1 9 0\n0 2 9 0\n1\n2\n"), 9)
    chain = Fst.from_text("".join(f"{s} {s + 1} 9 0 1\n" for s in range(100_000)) + "100000\n")
    assert operations.propagate_final(chain, 9).final(0) == 100_000


def test_symbols_around_states_are_made_the_same_and_relations_stay():
    r = random.Random(2)
    for _ in range(40):
        fst = random_fst(r, r.randrange(1, 7), r.randrange(1, 16))
        for flag in (False, True):
            preceding = operations.make_preceding_input_symbols_same(fst, flag)
            following = operations.make_following_input_symbols_same(fst, flag)
            for made in (preceding, following):
                assert operations.random_equivalent(fst, made, paths=10, seed=1)
            comes = {}
            for state in range(preceding.num_states):
                for label, _, _, to in preceding.arcs_of(state):
                    assert comes.setdefault(to, label) == label
            for s in range(following.num_states):
                assert len({arc[0] for arc in following.arcs_of(s)}) <= 1


def test_useless_arcs_are_in_no_best_path():
    r = random.Random(3)
    for _ in range(40):
        fst = random_fst(r, r.randrange(1, 6), r.randrange(1, 25), labels=2)
        small = operations.remove_useless_arcs(fst)
        assert small.num_arcs <= fst.num_arcs
        best = [operations.shortest_path(operations.project(one)).text() for one in (fst, small)]
        assert best[0] == best[1]


def test_equal_align():
    loops = Fst.from_text("0 0 1 0 0.5\n0 1 2 7\n1 1 3 0\n1 2 4 8\n2 0.25\n")
    path = operations.equal_align(loops, 9, 3)
    assert [arc[0] for s in range(path.num_states) for arc in path.arcs_of(s)] == [1, 1, 1, 1, 2, 3, 3, 3, 4]
    assert operations.equal_align([loops, loops], 2, 1)[1].num_arcs == 2
    with pytest.raises(FstError, match="shortest has 2 input labels, which is more than length=1"):
        operations.equal_align(loops, 1, 3)
    with pytest.raises(FstError, match="no self-loop"):
        operations.equal_align(Fst.from_text("0 1 1 1\n1\n"), 4, 0)
    with pytest.raises(FstError, match="connect it first"):
        operations.equal_align(Fst.from_text("0 1 1 1\n0 2 1 1\n1\n"), 4, 0)
    with pytest.raises(FstError, match="without a start state"):
        operations.equal_align(Fst(), 4, 0)
    with pytest.raises(FstError, match="length=-1"):
        operations.equal_align(loops, -1, 0)


def test_safe_determinization_of_what_has_no_twins():
    endless = Fst.from_text("0 0 1 1 1\n0 1 1 1\n1 1 1 1\n1 2 2 2\n2\n0 3 1 1\n3 3 1 1 0.5\n3\n")
    safe = operations.safe_determinize(endless)
    assert safe.num_states <= endless.num_states + 4
    assert operations.random_equivalent(endless, safe, paths=50, seed=1, max_length=40)
    in_log = operations.safe_determinize(endless, use_log=True)
    assert operations.random_equivalent(endless, in_log, paths=50, seed=1, max_length=40)
    assert operations.safe_determinize(Fst()).num_states == 0
    with pytest.raises(FstError, match="not connected"):
        operations.predeterminize(Fst.from_text("0 1 1 1\n2\n1\n"))
    with pytest.raises(FstError, match="standard or log"):
        operations.safe_determinize(Fst("lattice4"))
    ready, labels = operations.predeterminize(endless, 100)
    assert labels and labels[0] == 100
    assert operations.determinize_star(ready).num_states > 0


def test_lattices_that_cannot_be_determinized_end_in_an_error():
    loop = Fst.from_text("0 0 1 1 1,0\n0 1 1 2\n1 1 1 2\n1 2 2 0\n2\n", "lattice4")
    with pytest.raises(FstError, match=r"determinize_star of an automaton of 3 states"):
        operations.determinize_lattice(loop, max_states=10_000)
    with pytest.raises(FstError, match="expected lattice4"):
        operations.determinize_lattice(Fst())
    with pytest.raises(FstError, match="max_states=0"):
        operations.determinize_lattice(loop, max_states=0)
    assert operations.determinize_lattice(Fst("lattice4")).num_states == 0
