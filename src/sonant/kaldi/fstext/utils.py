"""Lattices from one form into the other, scales, linear automata, labels (PyKaldi's `kaldi.fstext.utils`).

Functions that take an automaton to write into (`ofst`, or `fst` in place) change that one, as Kaldi's do.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sonant.errors import FstError
from sonant.fst import Fst, special
from sonant.kaldi.fstext import weight
from sonant.kaldi.fstext.arcs import StdArc
from sonant.kaldi.fstext.automata import FstBase, MutableFstBase
from sonant.kaldi.fstext.kinds import (
    CompactLatticeConstFst,
    CompactLatticeVectorFst,
    LatticeConstFst,
    LatticeVectorFst,
    LogConstFst,
    LogVectorFst,
    StdConstFst,
    StdVectorFst,
)
from sonant.kaldi.fstext.operations import shortestpath
from sonant.kaldi.fstext.properties import COACCESSIBLE
from sonant.kaldi.fstext.semirings import DELTA
from sonant.kaldi.fstext.special import minimize_encoded_std_fst as minimize_encoded_std_fst
from sonant.kaldi.fstext.special import phi_compose as phi_compose
from sonant.kaldi.fstext.special import phi_compose_lattice as phi_compose_lattice
from sonant.kaldi.fstext.special import rho_compose as rho_compose
from sonant.kaldi.fstext.symbols import SymbolTable

StdFst = StdVectorFst | StdConstFst
LatticeFst = LatticeVectorFst | LatticeConstFst
CompactLatticeFst = CompactLatticeVectorFst | CompactLatticeConstFst
Scale = list[list[float]]
_TIMES: dict[Any, Any] = {
    weight.TropicalWeight: weight.times_tropical_weight,
    weight.LogWeight: weight.times_log_weight,
    weight.LatticeWeight: weight.times_lattice_weight,
    weight.CompactLatticeWeight: weight.times_compact_lattice_weight,
    weight.KwsIndexWeight: weight.times_kws_index_weight,
}


def _native(fst: Any, *kinds: type[FstBase]) -> Any:
    """The native automaton of an argument, whose type is checked."""
    if not isinstance(fst, kinds):
        raise TypeError(f"a {type(fst).__name__}; expected {' or '.join(kind.__name__ for kind in kinds)}")
    return fst.native


# Lattices


def convert_lattice_to_compact_lattice(ifst: LatticeFst, invert: bool = True) -> CompactLatticeVectorFst:
    """Transition-ids become strings in weights, words the labels; chains of arcs become one.

    `invert`: transition-ids are the input labels, as in Kaldi's lattices; else they are the output labels.
    """
    return CompactLatticeVectorFst.of_native(
        _native(ifst, LatticeVectorFst, LatticeConstFst).to_compact(invert)
    )


def convert_compact_lattice_to_lattice(ifst: CompactLatticeFst, invert: bool = True) -> LatticeVectorFst:
    """Strings become chains of arcs with one transition-id each, words the labels of their first arcs."""
    native = _native(ifst, CompactLatticeVectorFst, CompactLatticeConstFst)
    return LatticeVectorFst.of_native(native.to_plain(invert))


def convert_lattice_to_std(ifst: LatticeFst | CompactLatticeFst) -> StdVectorFst:
    """The two costs are added; strings of a compact lattice are left out."""
    kinds = (LatticeVectorFst, LatticeConstFst, CompactLatticeVectorFst, CompactLatticeConstFst)
    return StdVectorFst.of_native(_native(ifst, *kinds).to_tropical())


def convert_std_to_lattice(ifst: StdFst) -> LatticeVectorFst:
    """Costs become graph costs."""
    return LatticeVectorFst.of_native(_native(ifst, StdVectorFst, StdConstFst).to_lattice())


def cast_log_to_std(ifst: LogVectorFst) -> StdVectorFst:
    """The same costs."""
    return StdVectorFst.of_native(_native(ifst, LogVectorFst, LogConstFst).to_tropical())


def cast_std_to_log(ifst: StdVectorFst) -> LogVectorFst:
    """The same costs."""
    return LogVectorFst.of_native(_native(ifst, StdVectorFst, StdConstFst).to_log())


def lattice_scale(lmwt: float, acwt: float) -> Scale:
    """The matrix that scales the graph and the acoustic costs of a lattice."""
    return [[float(lmwt), 0.0], [0.0, float(acwt)]]


def default_lattice_scale() -> Scale:
    return lattice_scale(1, 1)


def graph_lattice_scale(lmwt: float) -> Scale:
    return lattice_scale(lmwt, 1)


def acoustic_lattice_scale(acwt: float) -> Scale:
    return lattice_scale(1, acwt)


def _scaled(scale: Sequence[Sequence[float]], fst: Any, kind: type[MutableFstBase]) -> None:
    matrix = np.asarray(scale, np.float64)
    if matrix.shape != (2, 2):
        raise FstError(f"a scale of shape {matrix.shape}; expected (2, 2), as lattice_scale() makes it")
    fst.native = _native(fst, kind).scaled(*matrix.ravel().tolist())


def scale_lattice(scale: Scale, fst: LatticeVectorFst) -> None:
    """(graph, acoustic) becomes the matrix times it, in place. A compact lattice is taken too."""
    kind = CompactLatticeVectorFst if isinstance(fst, CompactLatticeVectorFst) else LatticeVectorFst
    _scaled(scale, fst, kind)


def scale_compact_lattice(scale: Scale, fst: CompactLatticeVectorFst) -> None:
    """(graph, acoustic) becomes the matrix times it, in place."""
    _scaled(scale, fst, CompactLatticeVectorFst)


def compact_lattice_has_alignment(fst: CompactLatticeFst) -> bool:
    """Whether a weight has a string."""
    _native(fst, CompactLatticeVectorFst, CompactLatticeConstFst)
    view = fst.to_fst()
    return bool(view.arcs["string_length"].any() or view.states["string_length"].any())


def remove_alignments_from_compact_lattice(fst: CompactLatticeVectorFst) -> None:
    """Takes the strings away, in place."""
    fst.native = _native(fst, CompactLatticeVectorFst).without_strings()


# Linear automata


def get_linear_symbol_sequence(fst: FstBase) -> tuple[list[int], list[int], Any]:
    """The input labels, the output labels (without epsilons) and the total weight of the only path.

    Raises FstError (a ValueError) where there is more than one path.
    """
    kind: Any = fst._arc.weight_type
    isymbols: list[int] = []
    osymbols: list[int] = []
    state, raws = fst.start(), []
    if state < 0:
        return isymbols, osymbols, kind.zero()
    while (final := fst.final(state)) == kind.zero():
        arcs = fst.native.arcs(state)
        if len(arcs) != 1 or len(raws) > fst.num_states():
            raise FstError(f"state {state} has {len(arcs)} arcs: the automaton is not linear")
        ilabel, olabel, raw, state = arcs[0]
        isymbols += [ilabel] if ilabel else []
        osymbols += [olabel] if olabel else []
        raws.append(raw)
    if fst.num_arcs(state):
        raise FstError(f"the final state {state} has {fst.num_arcs(state)} arcs: the automaton is not linear")
    total = kind.one()
    for factor in [*map(kind.of_raw, raws), final]:
        total = _TIMES[kind](total, factor)
    return isymbols, osymbols, total


def make_linear_acceptor(labels: Iterable[int], ofst: StdVectorFst) -> None:
    """Makes `ofst` accept this sequence of labels."""
    make_linear_acceptor_with_alternatives(([label] for label in labels), ofst)


def make_linear_acceptor_with_alternatives(labels: Iterable[Iterable[int]], ofst: StdVectorFst) -> None:
    """Makes `ofst` accept one of the labels at each position."""
    arc = ofst._arc
    ofst.delete_states()
    state = ofst.add_state()
    ofst.set_start(state)
    for alternatives in labels:
        following = ofst.add_state()
        for label in alternatives:
            ofst.add_arc(state, arc(label, label, arc.weight_type.one(), following))
        state = following
    ofst.set_final(state)


# Labels and weights of all arcs at once


def _labels(fst: FstBase, field: str, include_eps: bool) -> list[int]:
    labels = np.unique(fst.to_fst().arcs[field])
    return (labels if include_eps else labels[labels != 0]).tolist()


def get_input_symbols(fst: FstBase, include_eps: bool) -> list[int]:
    """The labels that occur, sorted."""
    return _labels(fst, "ilabel", include_eps)


def get_output_symbols(fst: FstBase, include_eps: bool) -> list[int]:
    """The labels that occur, sorted."""
    return _labels(fst, "olabel", include_eps)


def get_symbols(symtab: SymbolTable, include_eps: bool) -> list[int]:
    """The keys of a table."""
    return [key for key, _ in symtab if include_eps or key != 0]


def highest_numbered_input_symbol(fst: FstBase) -> int:
    """0 where there are no arcs."""
    return max(0, int(fst.to_fst().arcs["ilabel"].max(initial=0)))


def highest_numbered_output_symbol(fst: FstBase) -> int:
    """0 where there are no arcs."""
    return max(0, int(fst.to_fst().arcs["olabel"].max(initial=0)))


def clear_symbols(clear_input: bool, clear_output: bool, fst: StdVectorFst) -> None:
    """Labels become epsilon, in place."""

    def change(arcs: np.ndarray) -> None:
        for field in ("ilabel",) * clear_input + ("olabel",) * clear_output:
            arcs[field] = 0

    _changed(fst, change)


def remove_some_input_symbols(to_remove: Iterable[int], fst: StdVectorFst) -> None:
    """Input labels of the list become epsilon, in place."""
    removed = np.asarray(list(to_remove), np.int32)

    def change(arcs: np.ndarray) -> None:
        arcs["ilabel"][np.isin(arcs["ilabel"], removed)] = 0

    _changed(fst, change)


def map_input_symbols(symbol_map: Sequence[int], fst: StdVectorFst) -> None:
    """Input label i becomes symbol_map[i], in place; epsilon and labels beyond the map stay."""
    mapping = np.asarray(symbol_map, np.int32)

    def change(arcs: np.ndarray) -> None:
        inside = (arcs["ilabel"] > 0) & (arcs["ilabel"] < len(mapping))
        arcs["ilabel"][inside] = mapping[arcs["ilabel"][inside]]

    _changed(fst, change)


def propagate_final(phi_label: int, fst: StdVectorFst) -> None:
    """A state without a final cost gets that of the state its arc with the input label `phi_label` leads to,
    and that arc's, in place."""
    _in_place(special.propagate_final, fst, phi_label)


def make_preceding_input_symbols_same(start_is_epsilon: bool, fst: StdVectorFst) -> None:
    """Gives all arcs that come to a state one input label, with new states and epsilons, in place."""
    _in_place(special.make_preceding_input_symbols_same, fst, start_is_epsilon)


def make_following_input_symbols_same(end_is_epsilon: bool, fst: StdVectorFst) -> None:
    """Gives all arcs that leave a state one input label, with new states and epsilons, in place."""
    _in_place(special.make_following_input_symbols_same, fst, end_is_epsilon)


def remove_useless_arcs(fst: StdVectorFst) -> None:
    """Removes the worse arcs of those with one input label between two states, and loops of input epsilons,
    in place."""
    _in_place(special.remove_useless_arcs, fst)


def _in_place(operation: Any, fst: StdVectorFst, *args: Any) -> None:
    _native(fst, StdVectorFst)
    fst.native = operation(fst.to_fst(), *args).native


def equal_align(ifst: StdFst, length: int, rand_seed: int, ofst: StdVectorFst, num_retries: int = 10) -> bool:
    """Fills `ofst` with a random path of exactly `length` input labels, see `sonant.fst.equal_align`.

    Returns False, with the reason in the log, where there is none. Raises FstError where the automaton is not
    connected. As in Kaldi `ofst` must be empty."""
    _native(ifst, StdVectorFst, StdConstFst)
    if _native(ofst, StdVectorFst).num_states():
        raise FstError(f"an automaton of {ofst.num_states()} states to write into; expected an empty one")
    if ifst.start() >= 0 and ifst.properties(COACCESSIBLE, True) != COACCESSIBLE:
        raise FstError("equal_align of an automaton with states that lead to no final one: connect it first")
    try:
        ofst.native = special.equal_align(ifst.to_fst(), length, rand_seed, num_retries).native
    except FstError as error:
        logging.getLogger("sonant.kaldi").warning("%s", error)
        return False
    return True


def safe_determinize_wrapper(ifst: StdVectorFst, ofst: StdVectorFst, delta: float = DELTA) -> None:
    """Determinizes into `ofst` as far as that makes nothing bigger, see `sonant.fst.safe_determinize`."""
    _safe_determinize(ifst, ofst, delta)


def safe_determinize_minimize_wrapper(ifst: StdVectorFst, ofst: StdVectorFst, delta: float = DELTA) -> None:
    """The same; then removes epsilons locally and merges equal states."""
    _safe_determinize(ifst, ofst, delta, minimize=True)


def safe_determinize_minimize_wrapper_in_log(
    ifst: StdVectorFst, ofst: StdVectorFst, delta: float = DELTA
) -> None:
    """The same, adding up the probabilities of paths."""
    _safe_determinize(ifst, ofst, delta, use_log=True, minimize=True)


def _safe_determinize(ifst: StdVectorFst, ofst: StdVectorFst, delta: float, **options: Any) -> None:
    for fst in (ifst, ofst):
        _native(fst, StdVectorFst)
    ofst.native = special.safe_determinize(ifst.to_fst(), delta, **options).native


def apply_probability_scale(scale: float, fst: StdVectorFst) -> None:
    """All costs times `scale`, in place."""

    def change(arcs: np.ndarray) -> None:
        arcs["weight"] *= scale

    _changed(fst, change, lambda finals: np.where(np.isinf(finals), finals, finals * np.float32(scale)))


def remove_weights(fst: StdVectorFst) -> None:
    """All costs of arcs and final states become 0, in place."""

    def change(arcs: np.ndarray) -> None:
        arcs["weight"] = 0

    _changed(fst, change, lambda finals: np.where(np.isinf(finals), finals, np.float32(0)))


def _changed(fst: StdVectorFst, arcs: Any, finals: Any = None) -> None:
    """Lets `arcs` change a copy of the table of arcs, and `finals` return the new final costs."""
    _native(fst, StdVectorFst)
    view = fst.to_fst()
    table, states = view.arcs.copy(), view.states
    arcs(table)
    source = np.repeat(np.arange(len(states), dtype=np.int32), states["num_arcs"])
    costs = states["final"] if finals is None else finals(states["final"])
    fst.native = Fst.from_arrays(
        fst.start(), costs, source, table["ilabel"], table["olabel"], table["weight"], table["nextstate"]
    ).native


def is_stochastic_fst(fst: StdFst, delta: float = 0.01, min_sum: Any = None, max_sum: Any = None) -> bool:
    """Whether the best cost of what leaves each state, the final cost included, is within `delta` of 0.

    `min_sum` and `max_sum`, TropicalWeights, are set to the extremes.
    """
    return _is_stochastic(fst, delta, min_sum, max_sum, np.minimum.reduceat)


def is_stochastic_fst_in_log(
    fst: StdFst, delta: float = 0.01, min_sum: Any = None, max_sum: Any = None
) -> bool:
    """Whether the probabilities of what leaves each state sum to 1: the log is within `delta` of 0."""
    return _is_stochastic(fst, delta, min_sum, max_sum, _log_sums)


def _log_sums(costs: np.ndarray, at: np.ndarray) -> np.ndarray:
    return -np.logaddexp.reduceat(-costs, at)


def _is_stochastic(fst: StdFst, delta: float, min_sum: Any, max_sum: Any, summed: Any) -> bool:
    _native(fst, StdVectorFst, StdConstFst)
    view = fst.to_fst()
    states = view.states
    if not len(states):
        return True
    ends = np.cumsum(states["num_arcs"], dtype=np.int64)
    costs = np.insert(view.arcs["weight"].astype(np.float64), ends, states["final"])
    sums = summed(costs, np.concatenate([[0], (ends + np.arange(1, len(states) + 1))[:-1]]))
    lowest, highest = float(sums.min()), float(sums.max())
    for told, value in ((min_sum, lowest), (max_sum, highest)):
        if told is not None:
            told.raw = float(np.float32(value))
    return lowest >= -delta and highest <= delta


def _following_input_labels(fst: StdFst, end_is_epsilon: bool) -> list[set[int]]:
    finals = np.isfinite(fst.to_fst().states["final"])
    return [
        {arc[0] for arc in fst.native.arcs(state)} | ({0} if end_is_epsilon and finals[state] else set())
        for state in range(fst.num_states())
    ]


def following_input_symbols_are_same(end_is_epsilon: bool, fst: StdFst) -> bool:
    """Whether the arcs that leave a state have one input label, for every state."""
    return all(len(labels) <= 1 for labels in _following_input_labels(fst, end_is_epsilon))


def preceding_input_symbols_are_same(start_is_epsilon: bool, fst: StdFst) -> bool:
    """Whether the arcs that come to a state have one input label, for every state."""
    arcs = fst.to_fst().arcs
    pairs = np.stack([arcs["nextstate"], arcs["ilabel"]], 1)
    if start_is_epsilon and fst.start() >= 0:
        pairs = np.concatenate([pairs, [[fst.start(), 0]]])
    pairs = np.unique(pairs, axis=0)
    return len(np.unique(pairs[:, 0])) == len(pairs)


def convert_nbest_to_list(fst: StdFst) -> list[StdVectorFst]:
    """The paths of an automaton in which they part at the start only, as n-best search makes it."""
    made = []
    start = fst.start()
    if start < 0:
        return made
    if fst.final(start) != fst._arc.weight_type.zero():  # the path without arcs
        empty = StdVectorFst()
        empty.set_start(empty.add_state())
        empty.set_final(0, fst.final(start))
        made.append(empty)
    for first in fst.arcs(start):
        path = StdVectorFst()
        state, arc = path.add_state(), first
        path.set_start(state)
        while True:
            following = path.add_state()
            path.add_arc(state, StdArc(arc.ilabel, arc.olabel, arc.weight, following))
            state = following
            rest, final = fst.native.arcs(arc.nextstate), fst.final(arc.nextstate)
            if final != fst._arc.weight_type.zero():
                path.set_final(state, final)
            if not rest:
                break
            if len(rest) > 1 or path.num_states() > fst.num_states() + 1:
                raise FstError(
                    f"state {arc.nextstate} has {len(rest)} arcs: paths may part at the start only"
                )
            arc = StdArc.of_raw(rest[0])
        made.append(path)
    return made


# The best paths


def nbest_as_fsts(fst: StdFst, n: int) -> list[StdVectorFst]:
    """The n best paths, each as an automaton, the best one first."""
    if n < 0:
        raise FstError(f"n={n}; expected 0 or more")
    return convert_nbest_to_list(shortestpath(fst, n))
