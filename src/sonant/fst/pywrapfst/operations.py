"""pywrapfst's functions: each makes a new automaton, or tells something of two."""

from collections.abc import Iterable
from typing import Any

from sonant.fst import algorithms, composition, transduction
from sonant.fst.pywrapfst.automata import (
    DELTA,
    NO_STATE_ID,
    QUEUE_TYPES,
    REWEIGHT_TYPES,
    SHORTEST_DELTA,
    Fst,
    converted,
    wrapped,
)
from sonant.fst.pywrapfst.errors import FstArgError, FstOpError, chosen, operating
from sonant.fst.pywrapfst.weights import Weight, WeightLike, cost_of

_SELECTIONS = ("uniform", "log_prob", "fast_log_prob")
_LABELLINGS = ("neither", "input", "output", "both")
_MAPS = (
    "identity", "input_epsilon", "invert", "output_epsilon", "plus", "power", "quantize", "rmweight",
    "superfinal", "times", "to_log", "to_log64", "to_std", "to_standard",
)  # fmt: skip
_MAPPED_TYPES = {"to_log": "log", "to_log64": "log64", "to_std": "standard", "to_standard": "standard"}


def _made(ifst: Fst, operation: Any, *args: Any, **options: Any) -> Any:
    with operating():
        return wrapped(operation(ifst._fst, *args, **options), ifst._arc_type)


def _threshold(ifst: Fst, weight: WeightLike | None) -> float | None:
    return None if weight is None else cost_of(ifst.weight_type(), weight)


def _alike(name: str, ifst1: Fst, ifst2: Fst) -> None:
    if ifst1._arc_type != ifst2._arc_type:
        raise FstOpError(
            f"Operation failed: {name} of arcs of type {ifst1._arc_type} and {ifst2._arc_type}; "
            "expected the same"
        )


def arcmap(
    ifst: Fst,
    delta: float = DELTA,
    map_type: str = "identity",
    power: float = 1.0,
    weight: WeightLike | None = None,
) -> Any:
    chosen("map type", map_type, _MAPS)
    kind: Any = "to_log" if map_type == "to_log64" else map_type
    result = _made(ifst, algorithms.arcmap, kind, delta, _threshold(ifst, weight), power)
    result._arc_type = _MAPPED_TYPES.get(map_type, ifst._arc_type)
    return result


def compose(ifst1: Fst, ifst2: Fst, compose_filter: str = "auto", connect: bool = True) -> Any:
    return _combined("compose", composition.compose, ifst1, ifst2, compose_filter, connect)


def intersect(ifst1: Fst, ifst2: Fst, compose_filter: str = "auto", connect: bool = True) -> Any:
    return _combined("intersect", composition.intersect, ifst1, ifst2, compose_filter, connect)


def difference(ifst1: Fst, ifst2: Fst, compose_filter: str = "auto", connect: bool = True) -> Any:
    """The filter changes no result here: the second automaton has no epsilons."""
    chosen("compose filter type", compose_filter, tuple(composition.FILTERS))
    _alike("difference", ifst1, ifst2)
    return _made(ifst1, composition.difference, ifst2._fst, connect)


def _combined(name: str, operation: Any, ifst1: Fst, ifst2: Fst, compose_filter: str, connect: bool) -> Any:
    chosen("compose filter type", compose_filter, tuple(composition.FILTERS))
    _alike(name, ifst1, ifst2)
    return _made(ifst1, operation, ifst2._fst, compose_filter, connect)


def convert(ifst: Fst, fst_type: str = "") -> Any:
    """As a 'vector' or a 'const' automaton."""
    return converted(ifst, fst_type)


def determinize(
    ifst: Fst,
    delta: float = SHORTEST_DELTA,
    det_type: str = "functional",
    nstate: int = NO_STATE_ID,
    subsequential_label: int = 0,
    weight: WeightLike | None = None,
    increment_subsequential_label: bool = False,
) -> Any:
    """`det_type`: 'functional', or 'disambiguate' to keep the best of several outputs; several outputs of one
    input ('nonfunctional') are an FstOpError, so nothing is there for `increment_subsequential_label`."""
    del increment_subsequential_label
    chosen("determinization type", det_type, ("functional", "nonfunctional", "disambiguate"))
    return _made(
        ifst,
        transduction.determinize_pruned,
        delta,
        _threshold(ifst, weight),
        nstate,
        disambiguate=det_type == "disambiguate",
        subsequential_label=subsequential_label,
    )


def disambiguate(
    ifst: Fst,
    delta: float = DELTA,
    nstate: int = NO_STATE_ID,
    subsequential_label: int = 0,
    weight: WeightLike | None = None,
) -> Any:
    """No output is ever owed at the end, so `subsequential_label` stands nowhere."""
    del subsequential_label
    return _made(ifst, transduction.disambiguate, delta, _threshold(ifst, weight), nstate)


def epsnormalize(ifst: Fst, eps_norm_type: str = "input") -> Any:
    chosen("epsilon normalization type", eps_norm_type, ("input", "output"))
    return _made(ifst, transduction.epsnormalize, eps_norm_type)


def equal(ifst1: Fst, ifst2: Fst, delta: float = DELTA) -> bool:
    return ifst1._arc_type == ifst2._arc_type and ifst1._fst.equal(ifst2._fst, delta)


def equivalent(ifst1: Fst, ifst2: Fst, delta: float = DELTA) -> bool:
    """Of deterministic acceptors without epsilons; FstOpError for others."""
    _alike("equivalent", ifst1, ifst2)
    with operating():
        return composition.equivalent(ifst1._fst, ifst2._fst, delta)


def isomorphic(ifst1: Fst, ifst2: Fst, delta: float = DELTA) -> bool:
    _alike("isomorphic", ifst1, ifst2)
    with operating():
        return algorithms.isomorphic(ifst1._fst, ifst2._fst, delta)


def prune(
    ifst: Fst, delta: float = DELTA, nstate: int = NO_STATE_ID, weight: WeightLike | None = None
) -> Any:
    return _made(ifst, algorithms.prune, _threshold(ifst, weight), nstate, delta)


def push(
    ifst: Fst,
    delta: float = SHORTEST_DELTA,
    push_weights: bool = False,
    push_labels: bool = False,
    remove_common_affix: bool = False,
    remove_total_weight: bool = False,
    reweight_type: str = "to_initial",
) -> Any:
    to_final = chosen("reweight type", reweight_type, REWEIGHT_TYPES) == "to_final"

    def operation(fst: Any) -> Any:
        if push_weights:
            fst = algorithms.push(fst, to_final, delta, remove_total_weight)
        return transduction.push_labels(fst, to_final, remove_common_affix) if push_labels else fst.copy()

    return _made(ifst, operation)


def randequivalent(
    ifst1: Fst,
    ifst2: Fst,
    npath: int = 1,
    delta: float = DELTA,
    select: str = "uniform",
    max_length: int = 0x7FFFFFFF,
    seed: int = 0,
) -> bool:
    """A `seed` of 0 takes another one each time."""
    chosen("random arc selection type", select, _SELECTIONS)
    _alike("randequivalent", ifst1, ifst2)
    given: Any = select
    with operating():
        return composition.random_equivalent(
            ifst1._fst, ifst2._fst, npath, delta, seed or None, max_length, given
        )


def randgen(
    ifst: Fst,
    npath: int = 1,
    select: str = "uniform",
    max_length: int = 0x7FFFFFFF,
    weighted: bool = False,
    remove_total_weight: bool = False,
    seed: int = 0,
) -> Any:
    """A `seed` of 0 takes another one each time."""
    chosen("random arc selection type", select, _SELECTIONS)
    return _made(
        ifst, algorithms.randgen, npath, seed or None, select, max_length, weighted, remove_total_weight
    )


def replace(
    pairs: Iterable[tuple[int, Fst]],
    call_arc_labeling: str = "input",
    return_arc_labeling: str = "neither",
    epsilon_on_replace: bool = False,
    return_label: int = 0,
) -> Any:
    """The first automaton, in which arcs whose output label names one of the pairs have become that one."""
    given = list(pairs)
    if not given:
        raise FstArgError("No replacement pairs specified; the first one is the root")
    for labelling in (call_arc_labeling, return_arc_labeling):
        chosen("replace label type", labelling, _LABELLINGS)
    for _, fst in given:
        _alike("replace", given[0][1], fst)
    natives = [(label, fst._fst) for label, fst in given]
    options: Any = (call_arc_labeling, return_arc_labeling, epsilon_on_replace, return_label)
    return _made(given[0][1], lambda _: transduction.replace(natives, None, *options))


def reverse(ifst: Fst, require_superinitial: bool = True) -> Any:
    return _made(ifst, algorithms.reverse, require_superinitial)


def shortestdistance(
    ifst: Fst,
    delta: float = SHORTEST_DELTA,
    nstate: int = NO_STATE_ID,
    queue_type: str = "auto",
    reverse: bool = False,
) -> list[Weight]:
    """From the state `nstate` (the start) to each, or from each to the final ones."""
    kind: Any = chosen("queue type", queue_type, QUEUE_TYPES)
    with operating():
        found = algorithms.shortest_distance(ifst._fst, reverse, nstate, kind, delta)
    return [ifst._weight(value) for value in found.tolist()]


def shortestpath(
    ifst: Fst,
    delta: float = SHORTEST_DELTA,
    nshortest: int = 1,
    nstate: int = NO_STATE_ID,
    queue_type: str = "auto",
    unique: bool = False,
    weight: WeightLike | None = None,
) -> Any:
    chosen("queue type", queue_type, QUEUE_TYPES)
    threshold = _threshold(ifst, weight)
    return _made(ifst, algorithms.shortest_path, nshortest, unique, queue_type, delta, threshold, nstate)


def statemap(ifst: Fst, map_type: str) -> Any:
    chosen("map type", map_type, ("arc_sum", "arc_unique", "identity"))
    return _made(ifst, algorithms.statemap, map_type)


def synchronize(ifst: Fst) -> Any:
    return _made(ifst, transduction.synchronize)
