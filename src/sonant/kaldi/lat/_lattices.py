"""PyKaldi's automata as lattices, and what a transition model says of its ids."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sonant.kaldi.fstext import CompactLatticeVectorFst, LatticeVectorFst
from sonant.kaldi.hmm import TransitionModel
from sonant.lattice import Lattice, Transitions

_known: "WeakKeyDictionary[TransitionModel, tuple[Any, Transitions]]" = WeakKeyDictionary()


def lattice_of(lat: Any, *kinds: type) -> Lattice:
    """The lattice of an automaton, which is shared. Raises TypeError where it is none of `kinds` (by
    default either of lattices)."""
    expected = kinds or (LatticeVectorFst, CompactLatticeVectorFst)
    if not isinstance(lat, expected):
        names = " or ".join(kind.__name__ for kind in expected)
        raise TypeError(f"a {type(lat).__name__}; expected {names}")
    return Lattice.of(lat)


def compact_of(clat: Any) -> Lattice:
    return lattice_of(clat, CompactLatticeVectorFst)


def raw_of(lat: Any) -> Lattice:
    return lattice_of(lat, LatticeVectorFst)


def made(lattice: Lattice) -> Any:
    """As PyKaldi has it."""
    kind = CompactLatticeVectorFst if lattice.is_compact else LatticeVectorFst
    return kind.of_native(lattice.fst.native)


def transitions_of(model: TransitionModel) -> Transitions:
    """Kept for each model until it is read anew."""
    key, found = _known.get(model, (None, None))
    if found is not None and key is model._state_of:
        return found
    states = np.asarray(model._state_of)
    tuples = np.array([(0, 0), *((phone, state) for phone, state, *_ in model._tuples)])
    loops = np.asarray(model._is_self_loop)
    phones, hmm_states = tuples[states].T
    first = (hmm_states == 0) & ~loops & (phones > 0)
    made = Transitions(phones.astype(np.int32), first, np.asarray(model._is_final), loops)
    _known[model] = (model._state_of, made)
    return made
