"""Operations that keep a weighted relation and say it otherwise: where labels stand on its paths, how many
paths say the same, and which automata call which.

Each gives a new automaton; a list of automata as first argument gives a list of results. `max_states` bounds
the result (FstError where it would have more); without it that may take half of the memory of this machine.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sonant import _native
from sonant.errors import FstError
from sonant.fst.algorithms import DELTA, invert, like, prune
from sonant.fst.automaton import Fst, Weight
from sonant.fst.bounds import bounds
from sonant.fst.composition import determinize
from sonant.fst.parallel import over_lists

Labelling = Literal["neither", "input", "output", "both"]
_NO_STATE = -1


@over_lists
def push_labels(
    fst: Fst, to_final: bool = False, remove_common_affix: bool = False, max_states: int | None = None
) -> Fst:
    """Output labels moved as far towards the start as they go, or towards the final states.

    What all paths have in common at their beginning (end) comes first (last), or is left out where
    `remove_common_affix`. Where an arc comes to have several labels, those behind the first go on to the arcs
    after it. The paths' weights and labels stay; states on no successful path go.
    """
    return like(
        fst, _native.fst_push_labels(fst.native, to_final, remove_common_affix, bounds(max_states, None)[0])
    )


@over_lists
def synchronize(fst: Fst, max_states: int | None = None) -> Fst:
    """On each path an input label stands beside an output label until one side is at its end (Mohri 2003).

    Raises FstError where a cycle has more labels on one side than on the other.
    """
    return like(fst, _native.fst_synchronize(fst.native, bounds(max_states, None)[0]))


@over_lists
def epsnormalize(
    fst: Fst, eps_norm_type: Literal["input", "output"] = "input", max_states: int | None = None
) -> Fst:
    """On each path arcs with epsilon as input (output) label come last, and none has epsilon on both sides
    (Mohri 2002).

    Raises FstError where a cycle has more output than input labels (input than output), for these could not
    wait for the end.
    """
    if eps_norm_type not in ("input", "output"):
        raise FstError(f"eps_norm_type={eps_norm_type!r}; expected 'input' or 'output'")
    if eps_norm_type == "output":
        return invert(epsnormalize(invert(fst), max_states=max_states))
    return like(fst, _native.fst_normalize_input_epsilons(fst.native, bounds(max_states, None)[0]))


@over_lists
def disambiguate(
    fst: Fst,
    delta: float = DELTA,
    weight: Weight | None = None,
    nstate: int = _NO_STATE,
    max_states: int | None = None,
) -> Fst:
    """One successful path for each input string, with the weight of all of its paths (Mohri and Riley 2015).

    An unambiguous automaton stays as it is, determinizable or not. Epsilon is a label like others. Costs that
    differ by less than `delta` are taken for equal. The result is pruned with `weight` and `nstate` if these
    are given. Raises FstError where a transducer is not functional, and beyond `max_states` (default: 50
    times the states and arcs, at least a million).
    """
    if not isinstance(fst.native, _native.StdFst | _native.LogFst | _native.LatticeFst):
        raise FstError(f"disambiguate of arcs of type {fst.arc_type}; expected standard, log or lattice4")
    if not 0 < delta < 1e6:
        raise FstError(f"delta={delta}; expected a small positive number, such as 1/1024")
    result = like(fst, _native.fst_disambiguate(fst.native, delta, bounds(max_states, None)[0]))
    return result if weight is None and nstate < 0 else prune(result, weight, nstate)


@over_lists
def determinize_pruned(
    fst: Fst,
    delta: float = DELTA,
    weight: Weight | None = None,
    nstate: int = _NO_STATE,
    *,
    disambiguate: bool = False,
    subsequential_label: int = 0,
    max_states: int | None = None,
) -> Fst:
    """`determinize` without what costs more than `weight` over the best path, and with at most `nstate`
    states.

    The automaton is pruned before and after, which tells as much as pruning in between would, for a string's
    best path has the cost that it is determinized to. Raises FstError in the log semiring if there is a
    threshold, and as `determinize` does.
    """
    if weight is not None:
        fst = prune(fst, weight)
    result = determinize(
        fst, delta, disambiguate=disambiguate, subsequential_label=subsequential_label, max_states=max_states
    )
    return result if weight is None and nstate < 0 else prune(result, weight, nstate)


def _sides(name: str, labelling: str) -> tuple[bool, bool]:
    if labelling not in ("neither", "input", "output", "both"):
        raise FstError(f"{name}={labelling!r}; expected neither, input, output or both")
    return labelling in ("input", "both"), labelling in ("output", "both")


def replace(
    automata: Mapping[int, Fst] | Iterable[tuple[int, Fst]],
    root: int | None = None,
    call_arc_labeling: Labelling = "input",
    return_arc_labeling: Labelling = "neither",
    epsilon_on_replace: bool = False,
    return_label: int = 0,
    max_depth: int | None = None,
    max_states: int | None = None,
) -> Fst:
    """The automaton of label `root` (the first one), in which each arc whose output label names one of the
    automata has become that automaton: a recursive transition network, expanded.

    The labels of such a call stay on the sides that `call_arc_labeling` names, and the way back has
    `return_label` on those of `return_arc_labeling`; none where `epsilon_on_replace`. `max_depth` lets
    automata call themselves, and leaves out calls from deeper than that. Raises FstError where an automaton
    calls itself without it, where a label names two automata, and where arcs are of several types.
    """
    given: Any = automata.items() if isinstance(automata, Mapping) else automata
    pairs: list[tuple[int, Fst]] = list(given)
    if not pairs:
        raise FstError("replace of no automata; give (label, automaton) pairs, the root's among them")
    first = pairs[0][1]
    for label, fst in pairs:
        if fst.arc_type != first.arc_type:
            raise FstError(
                f"replace: label {label} has arcs of type {fst.arc_type}, the first automaton has "
                f"{first.arc_type}; expected the same"
            )
    if max_depth is not None and not 0 < max_depth < 2**32:
        raise FstError(f"max_depth={max_depth}; expected a positive number, or None")
    for label in (return_label, *(label for label, _ in pairs)):
        if not 0 <= label < 2**31:
            raise FstError(f"replace with the label {label}; expected 0 to {2**31 - 1}")
    call, back = (
        _sides("call_arc_labeling", call_arc_labeling),
        _sides("return_arc_labeling", return_arc_labeling),
    )
    if epsilon_on_replace:
        call = back = (False, False)
    root = pairs[0][0] if root is None else root
    natives: Any = [(label, fst.native) for label, fst in pairs]
    result = _native.fst_replace(
        first.native, natives, root, *call, *back, return_label, max_depth or 0, bounds(max_states, None)[0]
    )
    return like(dict(pairs)[root], result)
