"""Operations that make a new automaton, by PyKaldi's and pywrapfst's names (see `sonant.fst`)."""

from collections.abc import Iterable
from typing import Any

from sonant.errors import FstError
from sonant.fst import Fst, algorithms, composition, transduction
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
    """Weights and output labels moved towards the start or the final states."""

    def operation(fst: Fst) -> Fst:
        if push_weights:
            fst = algorithms.push(fst, to_final, delta, remove_total_weight)
        return transduction.push_labels(fst, to_final, remove_common_affix) if push_labels else fst

    return made(ifst, operation)


def disambiguate(
    ifst: FstBase,
    delta: float = DELTA,
    weight: Any = None,
    nstate: int = NO_STATE_ID,
    subsequential_label: int = 0,
) -> Any:
    """One successful path for each input string, with the weight of all of its paths.

    No output is ever owed at the end, so `subsequential_label` stands nowhere. Raises FstError where a
    transducer is not functional."""
    del subsequential_label
    return made(ifst, transduction.disambiguate, delta, _threshold(ifst, weight), nstate)


def epsnormalize(ifst: FstBase, eps_norm_output: bool = False) -> Any:
    """On each path arcs with epsilon as input label (or output label) come last."""
    return made(ifst, transduction.epsnormalize, "output" if eps_norm_output else "input")


def synchronize(ifst: FstBase) -> Any:
    """On each path an input label stands beside an output label until one side is at its end."""
    return made(ifst, transduction.synchronize)


def replace(
    pairs: Iterable[tuple[int, FstBase]],
    root_label: int,
    call_arc_labeling: Any = "input",
    return_arc_labeling: Any = "neither",
    epsilon_on_replace: bool = False,
    return_label: int = 0,
) -> Any:
    """The automaton of `root_label`, in which each arc whose output label names one of the (label, automaton)
    pairs has become that automaton."""
    given = list(pairs)
    root = dict(given).get(root_label)
    if root is None:
        raise FstError(f"replace: no automaton has the root label {root_label}; give it among the pairs")
    natives = [(label, Fst.of_native(fst.native)) for label, fst in given]
    return made(
        root,
        lambda _: transduction.replace(
            natives, root_label, call_arc_labeling, return_arc_labeling, epsilon_on_replace, return_label
        ),
    )


def randequivalent(
    ifst1: FstBase,
    ifst2: FstBase,
    npath: int = 1,
    delta: float = DELTA,
    seed: int | None = None,
    select: Any = "uniform",
    max_length: int = 0x7FFFFFFF,
) -> bool:
    """Whether both give the labels of random paths the same weights: False is sure, True is not."""
    if ifst1._arc is not ifst2._arc:
        raise TypeError(f"arcs of type {ifst1._arc.type()} and {ifst2._arc.type()}; expected the same")
    left, right = Fst.of_native(ifst1.native), Fst.of_native(ifst2.native)
    return composition.random_equivalent(left, right, npath, delta, seed, max_length, select)


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
