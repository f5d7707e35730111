"""Operations that make a new automaton, by PyKaldi's and pywrapfst's names (see `sonant.fst`)."""

from typing import Any

from sonant.errors import FstError
from sonant.fst import Fst, algorithms
from sonant.kaldi.fstext.automata import NO_STATE_ID, FstBase, MutableFstBase
from sonant.kaldi.fstext.kinds import VECTOR_TYPES
from sonant.kaldi.fstext.semirings import DELTA


def made(ifst: FstBase, operation: Any, *args: Any, **options: Any) -> Any:
    """What an operation of sonant.fst makes of the automaton, as a vector automaton with the same symbols."""
    native = operation(Fst.of_native(ifst.native), *args, **options).native
    result: MutableFstBase = VECTOR_TYPES[native.arc_type].of_native(native)
    result._isymbols, result._osymbols = ifst._isymbols, ifst._osymbols
    return result


def _threshold(ifst: FstBase, weight: Any) -> Any:
    return None if weight is None else ifst._weight(weight)


def arcmap(ifst: FstBase, map_type: str = "identity", delta: float = DELTA, weight: Any = None) -> Any:
    """Weights or labels changed by a mapper, see `sonant.fst.arcmap`. `weight` is one where none is given for
    'times', and zero for 'plus'."""
    if weight is not None:
        weight = ifst._weight(weight)
    return made(ifst, algorithms.arcmap, map_type, delta, weight)


def statemap(ifst: FstBase, map_type: str) -> Any:
    """'arc_sum' or 'arc_unique': arcs that are alike become one."""
    return made(ifst, algorithms.statemap, map_type)


def isomorphic(ifst1: FstBase, ifst2: FstBase, delta: float = DELTA) -> bool:
    """Whether they are the same but for the numbers of states and the order of arcs."""
    return algorithms.isomorphic(Fst.of_native(ifst1.native), Fst.of_native(ifst2.native), delta)


def prune(ifst: FstBase, weight: Any = None, nstate: int = NO_STATE_ID, delta: float = DELTA) -> Any:
    """Without what costs more than `weight` over the best path."""
    return made(ifst, algorithms.prune, _threshold(ifst, weight), nstate, delta)


def push(
    ifst: FstBase,
    push_weights: bool = False,
    push_labels: bool = False,
    remove_common_affix: bool = False,
    remove_total_weight: bool = False,
    to_final: bool = False,
    delta: float = DELTA,
) -> Any:
    """Weights moved towards the start or the final states."""
    if push_labels or remove_common_affix:
        raise FstError("push of labels is not here yet; push_weights=True is")
    if not push_weights:
        return made(ifst, lambda fst: fst)
    return made(ifst, algorithms.push, to_final, delta, remove_total_weight)


def randgen(
    ifst: FstBase,
    npath: int = 1,
    seed: int | None = None,
    select: Any = "uniform",
    max_length: int = 0x7FFFFFFF,
    weighted: bool = False,
    remove_total_weight: bool = False,
) -> Any:
    """Random successful paths side by side."""
    return made(ifst, algorithms.randgen, npath, seed, select, max_length, weighted, remove_total_weight)


def reverse(ifst: FstBase, require_superinitial: bool = True) -> Any:
    """Every path backwards."""
    return made(ifst, algorithms.reverse, require_superinitial)


def rmepsilon(
    ifst: FstBase,
    connect: bool = True,
    reverse: bool = False,
    queue_type: Any = "auto",
    delta: float = DELTA,
    weight: Any = None,
    nstate: int = NO_STATE_ID,
) -> Any:
    """Without arcs that have epsilon on both sides."""
    threshold = _threshold(ifst, weight)
    return made(ifst, algorithms.rmepsilon, connect, reverse, queue_type, delta, threshold, nstate)


def shortestdistance(
    ifst: FstBase,
    reverse: bool = False,
    source: int = NO_STATE_ID,
    queue_type: Any = "auto",
    delta: float = DELTA,
) -> list[Any]:
    """The weight of all paths from `source` (the start) to each state, or from each to the final ones."""
    found = algorithms.shortest_distance(Fst.of_native(ifst.native), reverse, source, queue_type, delta)
    rows = found if isinstance(found, list) else found.tolist()
    return [ifst._arc.weight_type.of_raw(row if isinstance(row, float) else tuple(row)) for row in rows]


def shortestpath(
    ifst: FstBase,
    nshortest: int = 1,
    unique: bool = False,
    queue_type: Any = "auto",
    delta: float = DELTA,
    weight: Any = None,
    nstate: int = NO_STATE_ID,
) -> Any:
    """The best paths, each a chain of arcs from the start state, the best one first."""
    threshold = _threshold(ifst, weight)
    return made(ifst, algorithms.shortest_path, nshortest, unique, queue_type, delta, threshold, nstate)
