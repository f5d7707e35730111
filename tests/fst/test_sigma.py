"""Composition with a label that stands for any: the same as with an arc for every label in its place."""

import random

import numpy as np
import pytest

from sonant.errors import FstError
from sonant.fst import Fst, compose

LABELS, SIGMA = (1, 2, 3), 9


def machine(draw: random.Random, labels: tuple[int, ...], acceptor: bool) -> Fst:
    """A small acyclic automaton."""
    fst = Fst()
    count = draw.randint(2, 5)
    fst.add_states(count)
    fst.set_start(0)
    fst.set_final(count - 1, 0.5)
    for state in range(count - 1):
        for _ in range(draw.randint(1, 4)):
            ilabel = draw.choice(labels)
            olabel = ilabel if acceptor else draw.choice(LABELS)
            fst.add_arc(state, ilabel, olabel, draw.randint(0, 8) / 4, draw.randint(state + 1, count - 1))
    return fst


def spelt_out(fst: Fst) -> Fst:
    """Every sigma as an arc for each label."""
    made = Fst()
    made.add_states(fst.num_states)
    made.set_start(fst.start)
    for state in range(fst.num_states):
        made.set_final(state, fst.final(state))
        for ilabel, olabel, weight, nextstate in fst.arcs_of(state):
            for label in LABELS if ilabel == SIGMA else (ilabel,):
                made.add_arc(state, label, label if olabel == SIGMA else olabel, weight, nextstate)
    return made


def paths(fst: Fst) -> dict[tuple, float]:
    """The cost of the best path of each pair of strings."""
    found: dict[tuple, float] = {}

    def walk(state: int, strings: tuple, cost: float) -> None:
        final = fst.final(state)
        assert isinstance(final, float)
        if np.isfinite(final):
            found[strings] = min(found.get(strings, np.inf), cost + final)
        for ilabel, olabel, weight, nextstate in fst.arcs_of(state):
            assert isinstance(weight, float)
            ahead = (strings[0] + (ilabel,) * (ilabel > 0), strings[1] + (olabel,) * (olabel > 0))
            walk(nextstate, ahead, cost + weight)

    if fst.start >= 0:
        walk(fst.start, ((), ()), 0.0)
    return found


@pytest.mark.parametrize("acceptor", [True, False])
def test_sigma_is_every_label(acceptor: bool):
    met = 0
    for seed in range(300):
        draw = random.Random(seed)
        left = machine(draw, LABELS, acceptor=False)
        right = machine(draw, (*LABELS, SIGMA), acceptor).arc_sort("ilabel")
        found = paths(compose(left, right, special=("sigma", SIGMA)))
        expected = paths(compose(left, spelt_out(right).arc_sort("ilabel")))
        assert found.keys() == expected.keys()
        assert found == pytest.approx(expected)
        met += len(expected)
    assert met > 100


def test_a_special_that_is_none():
    with pytest.raises(FstError, match="expected 'phi', 'rho' or 'sigma'"):
        compose(Fst(), Fst(), special=("any", 3))  # type: ignore[arg-type]
