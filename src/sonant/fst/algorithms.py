"""Operations on automata. Each gives a new one; a list of automata as first argument gives a list of results.

Weights are costs as `Fst` has them. Results keep the symbol tables of what they come from.
"""

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import _FLOATS, Fst, Weight
from sonant.fst.bounds import bounds
from sonant.fst.parallel import over_lists
from sonant.fst.symbols import SymbolTable

DELTA = 1 / 1024
QueueType = Literal["auto", "fifo", "lifo", "shortest", "state", "top"]
MapType = Literal[
    "identity",
    "input_epsilon",
    "output_epsilon",
    "invert",
    "plus",
    "power",
    "quantize",
    "rmweight",
    "superfinal",
    "times",
    "arc_sum",
    "arc_unique",
]
Relabelling = Mapping[int, int] | Iterable[tuple[int, int]]
_BITS = {  # of OpenFst's properties
    "acceptor": 16,
    "acyclic": 35,
    "top_sorted": 38,
    "input_deterministic": 18,
    "output_deterministic": 20,
    "input_sorted": 28,
    "output_sorted": 30,
    "weighted": 32,
}


def like(fst: Fst, native: Any, swapped: bool = False) -> Fst:
    """A result with the symbol tables of `fst`."""
    result = Fst.of_native(native)
    tables = (fst.input_symbols, fst.output_symbols)
    result.input_symbols, result.output_symbols = tables[::-1] if swapped else tables
    return result


def same_type(operation: str, a: Fst, b: Fst) -> None:
    if a.arc_type != b.arc_type:
        raise FstError(f"{operation} of arcs of type {a.arc_type} and {b.arc_type}; expected the same")


def costs(arc_type: str, weight: Weight) -> list[float]:
    """The numbers of a weight; a float stands for the first of several, and infinity for all of them."""
    floats = _FLOATS[arc_type]
    if isinstance(weight, int | float):
        return [float(weight)] + [float(weight) if math.isinf(weight) else 0.0] * (floats - 1)
    values = [float(value) for value in weight[:floats]]  # pyright: ignore[reportArgumentType]
    if len(values) != floats or (len(weight) > floats and weight[floats]):  # pyright: ignore
        raise FstError(f"the weight {weight}; expected {floats} costs and no string")
    return values


def threshold_of(weight: Weight | None) -> float:
    """A threshold as one number: the sum of the costs; infinite where there is none."""
    if weight is None:
        return math.inf
    return float(weight) if isinstance(weight, int | float) else float(weight[0]) + float(weight[1])


def _path_semiring(operation: str, fst: Fst) -> None:
    if fst.arc_type not in ("standard", "lattice4", "compactlattice44"):
        raise FstError(
            f"{operation} of arcs of type {fst.arc_type}: there is no best path in this semiring; "
            "convert to the tropical one first"
        )


def check_queue(fst: Fst, queue_type: str) -> None:
    """Distances do not depend on the queue, and the best one is chosen; but 'top' promises an acyclic
    automaton and 'shortest' a semiring that has a best path."""
    if queue_type not in ("auto", "fifo", "lifo", "shortest", "state", "top"):
        raise FstError(
            f"unknown queue type '{queue_type}'; expected auto, fifo, lifo, shortest, state or top"
        )
    if queue_type == "shortest" and fst.arc_type == "log":
        raise FstError("queue_type='shortest' in the log semiring, which has no order; use 'auto'")
    if queue_type == "top" and not is_acyclic(fst):
        raise FstError(f"queue_type='top' for {fst!r}, which has a cycle; use 'auto'")


def is_acyclic(fst: Fst) -> bool:
    acyclic = 1 << _BITS["acyclic"]
    return bool(fst.native.properties(acyclic, True) & acyclic)


# Structure


@over_lists
def connect(fst: Fst) -> Fst:
    """Without states that no successful path goes through; the others keep their order."""
    return like(fst, _native.fst_connect(fst.native))


@over_lists
def arcsort(fst: Fst, sort_type: Literal["ilabel", "olabel"] = "ilabel") -> Fst:
    """The arcs of each state by their labels; those with the same one stay in their order."""
    return fst.copy().arc_sort(sort_type)


@over_lists
def topsort(fst: Fst) -> Fst:
    """States numbered so that arcs lead to higher ones. Raises FstError where there is a cycle."""
    result = fst.copy()
    if not result.native.topological_sort():
        raise FstError(
            f"{fst!r} has a cycle, so its states have no topological order; "
            "take the cycle away, or prune it out"
        )
    return result


@over_lists
def reverse(fst: Fst, require_superinitial: bool = True) -> Fst:
    """Every path backwards (strings of compact lattices too). State 0 is new and leads to what were final
    states; without `require_superinitial` a single final state becomes the start itself where it can."""
    return like(fst, _native.fst_reverse(fst.native, require_superinitial))


@over_lists
def union(fst: Fst, *others: Fst) -> Fst:
    """The paths of all of them."""
    return _folded("union", _native.fst_union, fst, others)


@over_lists
def concat(fst: Fst, *others: Fst) -> Fst:
    """A path of the first, then one of the second, and so on."""
    return _folded("concat", _native.fst_concat, fst, others)


def _folded(name: str, operation: Any, fst: Fst, others: tuple[Fst, ...]) -> Fst:
    native = fst.native
    for other in others:
        same_type(name, fst, other)
        native = operation(native, other.native)
    return like(fst, native.copy() if native is fst.native else native)


@over_lists
def closure(fst: Fst, closure_plus: bool = False) -> Fst:
    """Paths one after another, any number of times, none too; at least once where `closure_plus`."""
    return like(fst, _native.fst_closure(fst.native, closure_plus))


# Labels


@over_lists
def invert(fst: Fst) -> Fst:
    """Input and output change places, and their symbol tables."""
    return like(fst, _native.fst_invert(fst.native), swapped=True)


@over_lists
def project(fst: Fst, project_output: bool = False) -> Fst:
    """An acceptor of the input strings, or of the output strings."""
    result = like(fst, _native.fst_project(fst.native, project_output))
    table = fst.output_symbols if project_output else fst.input_symbols
    result.input_symbols = result.output_symbols = table
    return result


@over_lists
def relabel(fst: Fst, ipairs: Relabelling = (), opairs: Relabelling = ()) -> Fst:
    """Other labels: {old: new} or (old, new) pairs for input and output; those not named stay."""
    pairs = [[(int(old), int(new)) for old, new in dict(p).items()] for p in (ipairs, opairs)]
    for old, new in pairs[0] + pairs[1]:
        if new < 0:
            raise FstError(f"relabel {old} to {new}: a label is 0 or more")
    return like(fst, _native.fst_relabel(fst.native, *pairs))


def _symbol_pairs(
    side: str, old: SymbolTable | None, new: SymbolTable | None, unknown: str
) -> list[tuple[int, int]]:
    if new is None:
        return []
    if old is None:
        raise FstError(f"the automaton has no table of {side} symbols; give old_{side[0]}symbols")
    if unknown and unknown not in new:
        raise FstError(f"the unknown symbol '{unknown}' is not in the new table of {side} symbols")
    pairs = []
    for symbol, key in old:
        if symbol in new:
            pairs.append((key, new[symbol]))
        elif unknown:
            pairs.append((key, new[unknown]))
        else:
            raise FstError(f"the {side} symbol '{symbol}' is not in the new table; give an unknown symbol")
    return pairs


@over_lists
def relabel_tables(
    fst: Fst,
    old_isymbols: SymbolTable | None = None,
    new_isymbols: SymbolTable | None = None,
    unknown_isymbol: str = "",
    attach_new_isymbols: bool = True,
    old_osymbols: SymbolTable | None = None,
    new_osymbols: SymbolTable | None = None,
    unknown_osymbol: str = "",
    attach_new_osymbols: bool = True,
) -> Fst:
    """Labels of the old tables (the automaton's own where none are given) become those of the new ones.

    Raises FstError where a symbol is in the old table alone and no unknown symbol stands for it.
    """
    if new_isymbols is None and new_osymbols is None:
        raise FstError("relabel_tables without a new table of symbols; give new_isymbols or new_osymbols")
    result = relabel(
        fst,
        _symbol_pairs("input", old_isymbols or fst.input_symbols, new_isymbols, unknown_isymbol),
        _symbol_pairs("output", old_osymbols or fst.output_symbols, new_osymbols, unknown_osymbol),
    )
    if new_isymbols is not None and attach_new_isymbols:
        result.input_symbols = new_isymbols
    if new_osymbols is not None and attach_new_osymbols:
        result.output_symbols = new_osymbols
    return result


# Weights


@over_lists
def arcmap(
    fst: Fst,
    map_type: MapType | Literal["to_log", "to_std", "to_standard"] = "identity",
    delta: float = DELTA,
    weight: Weight | None = None,
    power: float = 1.0,
) -> Fst:
    """All weights, or all labels, changed: OpenFst's mappers.

    | map_type | |
    |---|---|
    | `identity`, `rmweight`, `invert` | as it is, without weights, weights inverted |
    | `plus`, `times`, `power`, `quantize` | with `weight` (default: changes nothing), `power`, `delta` |
    | `input_epsilon`, `output_epsilon` | labels of one side become epsilon |
    | `superfinal` | one final state with weight one |
    | `arc_sum`, `arc_unique` | arcs with the same labels and destination: summed; of equal ones one |
    | `to_log`, `to_std` | the same costs in the other semiring |
    """
    if map_type in ("to_log", "to_std", "to_standard"):
        return _in_semiring(fst, "log" if map_type == "to_log" else "standard")
    mapper = getattr(_native.Mapper, map_type, None)
    if not isinstance(mapper, _native.Mapper):
        raise FstError(f"unknown map type '{map_type}'; see sonant.fst.arcmap")
    if weight is None:
        weight = math.inf if map_type == "plus" else 0.0
    return like(fst, _native.fst_map(fst.native, mapper, costs(fst.arc_type, weight), power, delta))


def _in_semiring(fst: Fst, arc_type: str) -> Fst:
    if fst.arc_type == arc_type:
        return fst.copy()
    convert = getattr(fst.native, "to_log" if arc_type == "log" else "to_tropical", None)
    if convert is None:
        raise FstError(f"arcs of type {fst.arc_type} cannot become {arc_type}")
    return like(fst, convert())


@over_lists
def statemap(fst: Fst, map_type: Literal["arc_sum", "arc_unique", "identity"]) -> Fst:
    """Arcs with the same labels and destination become one, their weights summed; of equal arcs one stays."""
    if map_type not in ("arc_sum", "arc_unique", "identity"):
        raise FstError(f"unknown state map type '{map_type}'; expected arc_sum, arc_unique or identity")
    return arcmap(fst, map_type)


@over_lists
def shortest_distance(
    fst: Fst,
    reverse: bool = False,
    source: int = -1,
    queue_type: QueueType = "auto",
    delta: float = DELTA,
) -> Any:
    """The semiring sum of all paths from `source` (the start) to each state, or from each state to the
    final ones where `reverse`: float32 (num_states,), (num_states, 2 or 3) for lattices and keyword
    indexes, a list of
    (graph, acoustic, transition-ids) for compact lattices. Infinite where there is no path.

    In the log semiring what comes round a cycle is followed until it is less than `delta` of the whole.
    Raises FstError where a cycle has a negative cost, or a probability of one or more.
    """
    check_queue(fst, queue_type)
    found = _native.fst_shortest_distance(fst.native, reverse, source, delta)
    return found[:, 0] if isinstance(found, np.ndarray) and found.shape[1] == 1 else found


@over_lists
def shortest_path(
    fst: Fst,
    nshortest: int = 1,
    unique: bool = False,
    queue_type: QueueType = "auto",
    delta: float = DELTA,
    weight: Weight | None = None,
    nstate: int = -1,
) -> Fst:
    """The best path, or the `nshortest` best, each a chain of arcs from the start state, the best one first.

    `unique`: paths of different input strings (epsilons aside), the best one of each. Paths that cost more
    than `weight` over the best are left out, and those that would make the result exceed `nstate` states.
    Empty where there is no path. Raises FstError in the log semiring, which has no best path, and for
    negative cycles.
    """
    del delta  # the distances of path semirings are exact
    _path_semiring("shortest path", fst)
    if nshortest < 0:
        raise FstError(f"nshortest={nshortest}; expected 0 or more")
    check_queue(fst, queue_type)
    return like(fst, _native.fst_shortest_path(fst.native, nshortest, unique, threshold_of(weight), nstate))


@over_lists
def prune(fst: Fst, weight: Weight | None = None, nstate: int = -1, delta: float = DELTA) -> Fst:
    """Without states and arcs whose best path costs more than `weight` over the best of all, and with at most
    `nstate` states. Raises FstError in the log semiring."""
    del delta
    _path_semiring("prune", fst)
    return like(fst, _native.fst_prune(fst.native, threshold_of(weight), nstate))


@over_lists
def push(fst: Fst, to_final: bool = False, delta: float = DELTA, remove_total_weight: bool = False) -> Fst:
    """Weights moved along the paths as far as they go towards the start, or the final states; each path keeps
    its weight but for the total one, if that is to be removed. `push_labels` does so with output labels."""
    return like(fst, _native.fst_push(fst.native, to_final, delta, remove_total_weight))


@over_lists
def reweight(fst: Fst, potentials: Any, to_final: bool = False) -> Fst:
    """An arc's weight w from s to t becomes p(s)^-1 w p(t), or p(s) w p(t)^-1 where `to_final`; each path
    keeps its weight. `potentials` (num_states,), or (num_states, 2 or 3), as `shortest_distance` gives
    them; those
    that are left out are infinite."""
    rows = np.ascontiguousarray(potentials, np.float32).reshape(-1, _FLOATS[fst.arc_type])
    return like(fst, _native.fst_reweight(fst.native, rows, to_final))


# Epsilons


@over_lists
def rmepsilon(
    fst: Fst,
    connect: bool = True,
    reverse: bool = False,
    queue_type: QueueType = "auto",
    delta: float = DELTA,
    weight: Weight | None = None,
    nstate: int = -1,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """Without arcs that have epsilon on both sides; the weighted relation stays.

    The result is pruned with `weight` and `nstate` if these are given, and not connected where `connect` is
    false. `reverse` works on the reversed automaton, which suits some shapes better. Raises FstError for
    cycles of epsilons with a negative cost or a probability of one, and where the result has more than
    `max_states` or `max_arcs` (default: more than half of the memory holds).
    """
    most = bounds(max_states, max_arcs)
    check_queue(fst, queue_type if queue_type != "top" else "auto")
    native = fst.native
    if reverse:
        native = _native.fst_reverse(native, False)
    native = _native.fst_remove_epsilons(native, connect, delta, *most)
    if reverse:
        native = _native.fst_reverse(native, False)
        native = _native.fst_remove_epsilons(native, connect, delta, *most)
    result = like(fst, native)
    return result if weight is None and nstate < 0 else prune(result, weight, nstate)


@over_lists
def remove_eps_local(fst: Fst, keep_sums: bool = False, *, consume: bool = False) -> Fst:
    """Removes those epsilons whose removal does not make the automaton bigger; the relation stays. With
    `keep_sums` what leaves a state sums to the same probability as before (single costs only). With `consume`
    the given automaton is empty afterwards, which takes less memory."""
    return like(fst, _native.fst_remove_epsilons_locally(fst.native, keep_sums, consume))


# Looking at automata


@over_lists
def randgen(
    fst: Fst,
    npath: int = 1,
    seed: int | None = None,
    select: Literal["uniform", "log_prob", "fast_log_prob"] = "uniform",
    max_length: int = 0x7FFFFFFF,
    weighted: bool = False,
    remove_total_weight: bool = False,
) -> Fst:
    """`npath` random successful paths side by side: the same ones for the same seed, on every platform.

    `select`: each arc of a state is as likely, or as likely as its weight says. A path that is longer than
    `max_length` is given up. `weighted`: paths that are alike become one, with the cost of how often it came
    (over `npath` where `remove_total_weight`); otherwise there are no weights.
    """
    if select not in ("uniform", "log_prob", "fast_log_prob"):
        raise FstError(
            f"unknown random arc selection '{select}'; expected uniform, log_prob or fast_log_prob"
        )
    if npath < 0 or max_length < 0:
        raise FstError(f"npath={npath}, max_length={max_length}; expected 0 or more")
    seed = secrets.randbits(64) if seed is None else seed % 2**64
    return like(
        fst,
        _native.fst_random_paths(
            fst.native, npath, seed, select != "uniform", max_length, weighted, remove_total_weight
        ),
    )


def equal(a: Fst, b: Fst, delta: float = DELTA) -> bool:
    """The same states and arcs in the same order, with weights that differ by at most `delta`."""
    return a.equal(b, delta)


def isomorphic(a: Fst, b: Fst, delta: float = DELTA) -> bool:
    """Whether one is the other with its states (those that can be reached) and arcs in another order.

    Raises FstError where too many arcs with the same labels and weights leave too many ways to try.
    """
    same_type("isomorphic", a, b)
    return _native.fst_isomorphic(a.native, b.native, delta)


@dataclass(frozen=True)
class Statistics:
    """What fstinfo tells."""

    arc_type: str
    states: int
    arcs: int
    start: int
    final_states: int
    input_epsilons: int
    output_epsilons: int
    epsilons: int
    input_labels: int
    output_labels: int
    connected_states: int
    acceptor: bool
    acyclic: bool
    top_sorted: bool
    input_deterministic: bool
    output_deterministic: bool
    input_sorted: bool
    output_sorted: bool
    weighted: bool


@over_lists
def statistics(fst: Fst) -> Statistics:
    """Counts and properties, all of them looked for."""
    arcs, states = fst.arcs, fst.states
    finals = states["final"].reshape(len(states), _FLOATS[fst.arc_type])
    ilabel, olabel = arcs["ilabel"], arcs["olabel"]
    found = fst.native.properties(sum(1 << bit for bit in _BITS.values()), True)

    return Statistics(
        arc_type=fst.arc_type,
        states=len(states),
        arcs=len(arcs),
        start=fst.start,
        final_states=int(np.isfinite(finals).any(axis=1).sum()),
        input_epsilons=int((ilabel == 0).sum()),
        output_epsilons=int((olabel == 0).sum()),
        epsilons=int(((ilabel == 0) & (olabel == 0)).sum()),
        input_labels=len(np.unique(ilabel)),
        output_labels=len(np.unique(olabel)),
        connected_states=connect(fst).num_states,
        **{name: bool(found & 1 << bit) for name, bit in _BITS.items()},
    )
