"""Deterministic automata that are made as one walks along (Kaldi's `fstext/deterministic-fst`), over
`sonant.fst.OnDemand`.

A class of yours that derives from StdDeterministicOnDemandFst and has start, final and get_arc goes wherever
one of these does.
"""

from typing import Any

from sonant.errors import FstError
from sonant.fst import Fst, OnDemand, compose_on_demand
from sonant.kaldi.fstext.arcs import StdArc
from sonant.kaldi.fstext.automata import FstBase
from sonant.kaldi.fstext.kinds import VECTOR_TYPES, StdConstFst, StdVectorFst
from sonant.kaldi.fstext.semirings import TropicalWeight


class NoArc(FstError):
    """A state has no arc with a label: no reason to stop a composition."""


class _Called:
    """A model of PyKaldi's kind as one of `sonant.fst`'s."""

    def __init__(self, model: "StdDeterministicOnDemandFst"):
        self._model = model

    def start(self) -> int:
        return self._model.start()

    def final(self, state: int) -> float:
        return self._model.final(state).value

    def step(self, state: int, label: int) -> tuple[float, int, int] | None:
        try:
            arc = self._model.get_arc(state, label)
        except ValueError as error:
            if isinstance(error, FstError) and not isinstance(error, NoArc):
                raise
            return None
        return arc.weight.value, arc.olabel, arc.nextstate


class StdDeterministicOnDemandFst:
    """An automaton with one arc for a label at most, and no epsilons."""

    _model: OnDemand | None = None

    def model(self) -> OnDemand:
        """The same as a `sonant.fst.OnDemand`."""
        # One of Python's is not kept here, or the two would keep each other alive.
        return OnDemand.of(_Called(self)) if self._model is None else self._model

    def _made(self) -> OnDemand:
        if self._model is None:
            raise FstError(
                f"{type(self).__name__} has no start, final and get_arc: define all three, or use one of its "
                "other subclasses"
            )
        return self._model

    def start(self) -> int:
        return self._made().start()

    def final(self, s: int) -> TropicalWeight:
        return TropicalWeight(self._made().final(s))

    def get_arc(self, s: int, ilabel: int) -> StdArc:
        """The arc with this label. Raises FstError (a ValueError) where there is none."""
        found = self._made().step(s, ilabel)
        if found is None:
            raise NoArc(f"state {s} has no arc with label {ilabel}")
        cost, olabel, following = found
        return StdArc(ilabel, olabel, TropicalWeight(cost), following)


def _checked(model: Any) -> OnDemand:
    if not isinstance(model, StdDeterministicOnDemandFst):
        raise TypeError(f"a {type(model).__name__}; expected a StdDeterministicOnDemandFst")
    return model.model()


class StdBackoffDeterministicOnDemandFst(StdDeterministicOnDemandFst):
    """A grammar whose epsilons are taken where a state has no arc with the label, or no final cost."""

    def __init__(self, fst: StdVectorFst | StdConstFst):
        if not isinstance(fst, StdVectorFst | StdConstFst):
            raise TypeError(f"a {type(fst).__name__}; expected StdVectorFst or StdConstFst")
        self._model = OnDemand.backoff(Fst.of_native(fst.native))


class ScaleDeterministicOnDemandFst(StdDeterministicOnDemandFst):
    """Another one with its costs times `scale`."""

    def __init__(self, scale: float, det_fst: StdDeterministicOnDemandFst):
        self._model = OnDemand.scaled(scale, _checked(det_fst))


class StdUnweightedNgramFst(StdDeterministicOnDemandFst):
    """Takes all labels at no cost; a state is the last n - 1 of them."""

    def __init__(self, n: int):
        self._model = OnDemand.history(n)


class StdComposeDeterministicOnDemandFst(StdDeterministicOnDemandFst):
    """The output labels of the first go into the second."""

    def __init__(self, fst1: StdDeterministicOnDemandFst, fst2: StdDeterministicOnDemandFst):
        self._model = OnDemand.composed(_checked(fst1), _checked(fst2))


class StdCacheDeterministicOnDemandFst(StdDeterministicOnDemandFst):
    """Remembers the arcs of another one."""

    def __init__(self, fst: StdDeterministicOnDemandFst, num_cached_arcs: int = 100000):
        self._model = OnDemand.cached(_checked(fst), num_cached_arcs)


def compose_deterministic_on_demand_fst(
    fst1: FstBase, fst2: StdDeterministicOnDemandFst, inverse: bool = False
) -> Any:
    """`fst1` composed with the model; with `inverse` the inverse of the model composed with `fst1`. Lattices
    are taken too, and get the model's costs as graph costs. States that lead nowhere stay."""
    if not isinstance(fst1, FstBase):
        raise TypeError(f"a {type(fst1).__name__}; expected an automaton")
    made = compose_on_demand(Fst.of_native(fst1.native), _checked(fst2), inverse=inverse, connect=False)
    result = VECTOR_TYPES[made.arc_type].of_native(made.native)
    result._isymbols, result._osymbols = fst1._isymbols, fst1._osymbols
    return result
