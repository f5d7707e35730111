"""Lattices that cannot be: each ends in an error that says what is wrong."""

import math
from typing import Any

import numpy as np
import pytest

from sonant.errors import FstError, SonantError
from sonant.fst import Fst, OnDemand, SymbolTable
from sonant.lattice import Lattice, Transitions, WordBoundaries, align_phones, align_words


def line(weight=(1.0, 2.0), final=(0.0, 0.0), loop=False, ids=(1, 2), kind="lattice4"):
    fst: Any = Fst(kind)
    fst.add_states(len(ids) + 1)
    fst.set_start(0)
    for state, label in enumerate(ids):
        more = ((label,),) if kind != "lattice4" else ()
        fst.add_arc(state, label, label, (*weight, *more), state + 1)
    if loop:
        fst.add_arc(1, 3, 0, (0.5, 0.5), 0)
    if final:
        fst.set_final(len(ids), final if kind == "lattice4" else (*final, ()))
    return fst


TRANSITIONS = Transitions(
    np.array([0, 1, 1]), np.array([0, 1, 0], bool), np.array([0, 0, 1], bool), np.zeros(3, bool)
)
BOUNDARIES = WordBoundaries({1: "singleton"})
OPERATIONS = {
    "determinize": lambda lattice: lattice.determinize(),
    "phones": lambda lattice: lattice.determinize(phones=[0, 1, 1, 1]),
    "posteriors": lambda lattice: lattice.posteriors(),
    "mbr": lambda lattice: lattice.mbr(),
    "oracle": lambda lattice: lattice.oracle([1, 2]),
    "depth": lambda lattice: lattice.depth_per_frame(),
    "limit_depth": lambda lattice: lattice.limit_depth(2),
    "times": lambda lattice: lattice.state_times(),
    "prune": lambda lattice: lattice.prune(1.0),
    "sorted": lambda lattice: lattice.sorted(),
    "nbest": lambda lattice: lattice.nbest(3),
    "longest": lambda lattice: lattice.longest_sentence(),
    "words": lambda lattice: align_words(lattice, TRANSITIONS, BOUNDARIES),
    "align_phones": lambda lattice: align_phones(lattice, TRANSITIONS),
    "minimize": lambda lattice: lattice.minimize(),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_cycles_are_named(name):
    with pytest.raises(FstError, match="cycle"):
        OPERATIONS[name](Lattice(line(loop=True)))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("final", [None, (math.inf, math.inf)])
def test_a_lattice_without_a_path_gives_nothing_or_an_error_that_says_so(name, final):
    for lattice in (Lattice(line(final=final)), Lattice(Fst("lattice4")), Lattice(Fst("compactlattice44"))):
        try:
            result = OPERATIONS[name](lattice)
        except FstError as error:
            assert "no path" in str(error) or "empty" in str(error)
        else:
            if isinstance(result, Lattice) and name != "sorted":
                assert result.nbest(1) == []


@pytest.mark.parametrize("weight", [(math.nan, 0.0), (0.0, -math.inf), (math.inf, 0.0)])
def test_costs_that_are_no_costs_are_refused(weight):
    with pytest.raises(FstError, match=r"weight|cost"):
        Lattice(line(weight=weight))
    with pytest.raises(FstError, match=r"weight|cost"):
        Lattice(line(final=weight))


def test_automata_that_are_no_lattices_are_refused():
    with pytest.raises(FstError, match="standard"):
        Lattice(Fst())
    with pytest.raises(FstError, match="lattice"):
        Lattice.of(Fst())
    with pytest.raises(FstError, match="int"):
        Lattice.of(3)
    dangling = line()
    dangling.add_arc(0, 1, 1, (0.0, 0.0), 7)
    with pytest.raises(FstError, match="7"):
        Lattice(dangling)


def test_words_that_are_not_in_the_table_are_named():
    lattice = Lattice(line(), SymbolTable([("<eps>", 0), ("one", 1)]))
    assert lattice.text([1, 1]) == "one one"
    with pytest.raises(FstError, match="word 2 has no symbol"):
        lattice.text(lattice.best_path().words)


def test_transition_ids_of_another_model_are_named():
    for operation in (
        lambda lattice: align_words(lattice, TRANSITIONS, BOUNDARIES),
        lambda lattice: align_phones(lattice, TRANSITIONS),
        lambda lattice: lattice.determinize(phones=[0, 1, 1]),
    ):
        with pytest.raises(FstError, match="transition-id 5; the model has 2"):
            operation(Lattice(line(ids=(1, 5))))
    with pytest.raises(FstError, match="phone 1"):
        align_words(Lattice(line()), TRANSITIONS, WordBoundaries({}))
    with pytest.raises(FstError, match="singleton"):
        WordBoundaries({1: "middle"})  # pyright: ignore[reportArgumentType]
    with pytest.raises(FstError, match="unequal"):
        Transitions(np.zeros(3), np.zeros(3), np.zeros(2), np.zeros(3))


def test_what_does_not_fit_is_told_with_the_lattice():
    whole = align_words(Lattice(line()), TRANSITIONS, BOUNDARIES)
    assert "transition-ids" in whole.flaw  # a second word without any
    cut = align_phones(Lattice(line(ids=(1,))), TRANSITIONS)
    assert "cut off" in cut.flaw
    with pytest.raises(FstError, match="max_states=2"):
        align_words(Lattice(line()), TRANSITIONS, BOUNDARIES, max_states=2)


def test_ways_of_unequal_lengths_are_named():
    fst = line()
    fst.add_arc(0, 4, 0, (1.0, 1.0), 2)
    for operation in ("posteriors", "mbr", "depth", "times"):
        with pytest.raises(FstError, match="equally long"):
            OPERATIONS[operation](Lattice(fst))


@pytest.mark.parametrize(
    ("match", "call"),
    [
        ("beam", lambda lattice: lattice.determinize(-1.0)),
        ("beam", lambda lattice: lattice.determinize(math.nan)),
        ("beam", lambda lattice: lattice.prune(-1)),
        ("n=0", lambda lattice: lattice.nbest(0)),
        ("arcs_per_frame=0", lambda lattice: lattice.limit_depth(0)),
        ("scale=nan", lambda lattice: lattice.rescore(OnDemand.history(2), math.nan)),
        ("graph=inf", lambda lattice: lattice.scale(math.inf)),
        ("penalty", lambda lattice: lattice.add_word_penalty(math.nan)),
        ("reference", lambda lattice: lattice.oracle([0])),
        ("reference", lambda lattice: lattice.oracle([[1]])),
        ("word -3", lambda lattice: lattice.mbr(words=[-3])),
        ("max_states=0", lambda lattice: align_words(lattice, TRANSITIONS, BOUNDARIES, 0)),
    ],
)
def test_arguments_that_cannot_be_are_named(match, call):
    with pytest.raises(FstError, match=match):
        call(Lattice(line()))


@pytest.mark.parametrize("compact", [False, True])
def test_files_that_are_cut_off_or_changed_never_crash(compact, paths):
    lattice = paths.random_lattice(1, frames=3)
    data = (lattice.determinize() if compact else lattice).to_bytes()
    for end in range(len(data)):
        with pytest.raises(SonantError):
            Lattice.read(data[:end])
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            changed[at] = rng.integers(0, 256)
        try:
            read = Lattice.read(bytes(changed))
            read.nbest(2)
            read.mbr()
            read.posteriors()
        except SonantError:
            pass


def test_a_lattice_beyond_the_memory_is_pruned_more_and_says_so(paths, caplog):
    lattice = paths.random_lattice(2, frames=20, width=3)
    whole = lattice.determinize(5.0)
    made = lattice.determinize(5.0, max_memory=30_000)
    assert made.num_states < whole.num_states
    assert "max_memory=30000" in caplog.text
    assert made.best_path().cost == pytest.approx(lattice.best_path().cost, abs=1e-3)
