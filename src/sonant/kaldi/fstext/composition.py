"""PyKaldi's functions that make an automaton of one or two: compose, determinize and so on."""

from typing import Any

from sonant import _native
from sonant.errors import FstError
from sonant.fst import Fst, transduction
from sonant.kaldi.fstext import enums
from sonant.kaldi.fstext.automata import FstBase
from sonant.kaldi.fstext.kinds import VECTOR_TYPES
from sonant.kaldi.fstext.semirings import DELTA

NO_STATE = -1
REDUCIBLE = (_native.StdFst, _native.LogFst, _native.LatticeFst)
# OpenFst's names and numbers of filters, and those of the native core.
_FILTERS = {
    name: number
    for number, name in enumerate(
        ("auto", "null", "trivial", "sequence", "alt_sequence", "match", "no_match")
    )
}


def check(fst: Any, operation: str) -> FstBase:
    if not isinstance(fst, FstBase):
        raise TypeError(f"{operation} of a {type(fst).__name__}; expected an automaton")
    return fst


def reducible(fst: Any, operation: str) -> Any:
    """The native automaton, where costs can be divided."""
    native = check(fst, operation).native
    if not isinstance(native, REDUCIBLE):
        raise FstError(f"{operation} of arcs of type {fst._arc.type()}; expected standard, log or lattice4")
    return native


def made(native: Any, inputs: FstBase, outputs: FstBase) -> Any:
    """A vector automaton with the symbol tables of the two sides."""
    result: Any = VECTOR_TYPES[native.arc_type].of_native(native)
    result._isymbols, result._osymbols = inputs._isymbols, outputs._osymbols
    return result


def combined(
    name: str,
    ifst1: Any,
    ifst2: Any,
    connect: bool = True,
    compose_filter: str = "auto",
    special: int = 0,
    label: int = -1,
) -> Any:
    if compose_filter not in _FILTERS:
        raise FstError(f"unknown compose filter '{compose_filter}'; expected {', '.join(_FILTERS)}")
    if check(ifst1, name)._arc is not check(ifst2, name)._arc:
        raise TypeError(
            f"{name} of arcs of type {ifst1._arc.type()} and {ifst2._arc.type()}; expected the same"
        )
    native = getattr(_native, name)(
        ifst1.native, ifst2.native, _FILTERS[compose_filter], connect, special, label, 0, 0
    )
    return made(native, ifst1, ifst2)


def compose(ifst1: Any, ifst2: Any, connect: bool = True, compose_filter: str = "auto") -> Any:
    """The relation of `ifst1` followed by that of `ifst2`, a vector automaton.

    `compose_filter`: 'auto', 'null', 'trivial', 'sequence', 'alt_sequence', 'match' or 'no_match'. Raises
    FstError where neither ifst1 is sorted by output labels nor ifst2 by input labels."""
    return combined("compose", ifst1, ifst2, connect, compose_filter)


def intersect(ifst1: Any, ifst2: Any, connect: bool = True, compose_filter: str = "auto") -> Any:
    """The strings that both acceptors have. Raises FstError where one is a transducer."""
    return combined("intersect", ifst1, ifst2, connect, compose_filter)


def difference(ifst1: Any, ifst2: Any, connect: bool = True, compose_filter: str = "auto") -> Any:
    """The strings of `ifst1` that the unweighted, deterministic acceptor `ifst2` does not have."""
    return combined("difference", ifst1, ifst2, connect, compose_filter)


def determinize(
    ifst: Any,
    delta: float = DELTA,
    weight: Any = None,
    nstate: int = NO_STATE,
    subsequential_label: int = 0,
    det_type: str = "functional",
    increment_subsequential_label: bool = False,
) -> Any:
    """At most one arc with an input label leaves a state; epsilon is a label like others.

    `det_type`: 'functional', or 'disambiguate' to keep the best of several outputs. Raises FstError, with
    the input that leads there, where the automaton is not functional or cannot be determinized."""
    kind = enums.GetDeterminizeType(det_type)
    if kind == enums.DeterminizeType.DETERMINIZE_NONFUNCTIONAL:
        raise FstError("determinize does not keep several outputs of an input; encode the labels first")
    best = kind == enums.DeterminizeType.DETERMINIZE_DISAMBIGUATE
    native = reducible(ifst, "determinize")
    if weight is not None:
        weight = ifst._weight(weight)
    determinized = transduction.determinize_pruned(
        Fst.of_native(native),
        delta,
        weight,
        nstate,
        disambiguate=best,
        subsequential_label=subsequential_label,
    )
    return made(determinized.native, ifst, ifst)


def equivalent(ifst1: Any, ifst2: Any, delta: float = DELTA) -> bool:
    """Whether two deterministic acceptors without epsilons have the same strings with the same costs."""
    if check(ifst1, "equivalent")._arc is not check(ifst2, "equivalent")._arc:
        raise TypeError(f"arcs of type {ifst1._arc.type()} and {ifst2._arc.type()}; expected the same")
    return _native.equivalent(reducible(ifst1, "equivalent"), ifst2.native, delta)
