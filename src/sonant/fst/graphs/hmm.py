"""HMMs in decoding graphs: H, self-loops and transition probabilities, as Kaldi's `hmm/hmm-utils` makes
them.

Input labels of H are transition-ids (from 1); those of disambiguation symbols come after the last one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.bounds import bounds
from sonant.fst.graphs.context import ContextLabels


@dataclass(frozen=True, eq=False)
class TransitionTables:
    """A topology and a transition model as int32 and float32 arrays.

    An entry of the topology has the states first_state[e] to first_state[e + 1], the last of which is its
    end; a state has the transitions first_transition[s] to first_transition[s + 1]. Each row of `tuples` is
    a transition-state (from 1), and its transitions in their order are the transition-ids (from 1)."""

    entry_of: np.ndarray
    """(phones + 1,): the entry of each phone, -1 for none."""
    first_state: np.ndarray
    """(entries + 1,)"""
    pdf_classes: np.ndarray
    """(states, 2): of a state's transitions and of its self-loop; -1 where it emits nothing."""
    first_transition: np.ndarray
    """(states + 1,)"""
    destination: np.ndarray
    """(transitions,): the state of the entry that a transition leads to."""
    probability: np.ndarray
    """(transitions,)"""
    tuples: np.ndarray
    """(transition-states, 4): phone, state of its entry, pdf of its transitions and of its self-loop;
    sorted."""
    log_probs: np.ndarray
    """(transition-ids + 1,); number 0 is of none."""

    @cached_property
    def native(self) -> _native.Transitions:
        """For the algorithms of the native core. Raises FstError where the tables do not fit together."""
        return _native.Transitions(
            self.entry_of,
            self.first_state,
            self.pdf_classes,
            self.first_transition,
            self.destination,
            self.probability,
            self.tuples,
            self.log_probs,
        )

    @property
    def num_ids(self) -> int:
        """Transition-ids."""
        return len(self.log_probs) - 1

    @cached_property
    def num_classes(self) -> np.ndarray:
        """(phones + 1,): the pdf-classes of each phone, 0 where the topology has no entry for it."""
        highest = self.pdf_classes.max(1, initial=-1) + 1
        of_entry = np.maximum.reduceat(highest, self.first_state[:-1]) if len(highest) else highest
        return np.where(self.entry_of >= 0, of_entry[self.entry_of], 0)


class TransitionModel(Protocol):
    """What a transition model offers here; `sonant.kaldi.hmm.TransitionModel` is one."""

    def tables(self) -> TransitionTables: ...


class DecisionTree(Protocol):
    """What a tree offers here; `sonant.kaldi.tree.ContextDependency` is one."""

    def context_width(self) -> int: ...

    def central_position(self) -> int: ...

    def compute_pdfs(self, windows: np.ndarray, pdf_class: int) -> np.ndarray:
        """The pdf of each window of phones, int32 (windows, width), for a pdf-class; -1 where there is
        none."""
        ...


def h_transducer(
    labels: ContextLabels | Iterable[Sequence[int]],
    tree: DecisionTree,
    transition_model: TransitionModel,
    transition_scale: float = 1.0,
    *,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> tuple[Fst, list[int]]:
    """(H, the input labels of its disambiguation symbols): transition-ids to the labels of C, without
    self-loops.

    From its start state, which is the only final one, H has a way for each label; labels with the same
    phone and pdfs share it. Costs are those of the transitions that leave a state, among each other, times
    `transition_scale`. Raises FstError for windows that are not of the tree's width, and phones that the
    topology or the tree does not know."""
    windows = labels if isinstance(labels, ContextLabels) else ContextLabels.of(labels)
    tables = transition_model.tables()
    pdfs = _pdfs_of(windows, tree, tables)
    fst, disambig = tables.native.h_transducer(
        windows.begins,
        windows.symbols,
        tree.context_width(),
        tree.central_position(),
        pdfs,
        _scale(transition_scale, "transition_scale"),
        *bounds(max_states, max_arcs),
    )
    return Fst.of_native(fst), disambig


def _pdfs_of(labels: ContextLabels, tree: DecisionTree, tables: TransitionTables) -> np.ndarray:
    """int32 (labels, pdf-classes): the pdfs of the windows of phones, -1 for all else."""
    width, central = tree.context_width(), tree.central_position()
    sizes = np.diff(labels.begins)
    phones = sizes == width
    phones[labels.disambig] = False
    places = np.flatnonzero(phones)
    windows = labels.symbols[labels.begins[places][:, None] + np.arange(width)]
    middle = windows[:, central]
    known = (middle > 0) & (middle < len(tables.entry_of))
    known[known] = tables.entry_of[middle[known]] >= 0
    if not known.all():
        window = windows[np.argmin(known)]
        raise FstError(
            f"phone {window[central]} of the window {window.tolist()} has no entry in the topology, whose "
            f"phones are {_ranges(np.flatnonzero(tables.entry_of >= 0))}: are the graph's phones those of "
            "the model, and are all disambiguation symbols given?"
        )
    classes = tables.num_classes[middle]
    pdfs = np.full((len(labels), max(1, classes.max(initial=0))), -1, np.int32)
    for pdf_class in range(classes.max(initial=0)):
        asked = classes > pdf_class
        found = tree.compute_pdfs(windows[asked], pdf_class)
        if (found < 0).any():
            window = windows[asked][np.argmin(found)].tolist()
            raise FstError(
                f"the tree has no pdf for the phones {window} and pdf-class {pdf_class}: does it belong to "
                "the model and its phones?"
            )
        pdfs[places[asked], pdf_class] = found
    return pdfs


def _ranges(numbers: np.ndarray) -> str:
    """3, 4, 5, 9 as "3-5, 9"."""
    if not len(numbers):
        return "none"
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _scale(value: float, name: str) -> float:
    if not (np.isfinite(value) and value >= 0):
        raise FstError(f"{name}={value}; expected a number of 0 or more")
    return float(value)


def _symbols(disambig: Iterable[int]) -> np.ndarray:
    symbols = np.unique(np.asarray(list(disambig), np.int64))
    if len(symbols) and not 0 <= symbols[0] <= symbols[-1] < 1 << 31:
        raise FstError(f"disambiguation symbols from {symbols[0]} to {symbols[-1]}; expected labels")
    return symbols.astype(np.int32)


def add_self_loops(
    fst: Fst,
    transition_model: TransitionModel,
    disambig: Iterable[int] = (),
    self_loop_scale: float = 1.0,
    reorder: bool = True,
    check_no_self_loops: bool = True,
    *,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """The graph with the self-loops of its transition-ids, and the costs of leaving them, times the scale.

    With `reorder` a self-loop comes after the transition that leaves its state, which is what decoders
    want; otherwise before. States at which different self-loops would meet come apart first, by epsilons.
    Raises FstError for an input label that is no transition-id and not in `disambig`, a graph without a
    start state, and, where `check_no_self_loops`, one that has self-loops already."""
    native = fst.native
    if not isinstance(native, _native.StdFst):
        raise FstError(f"add_self_loops of arcs of type {fst.arc_type}; expected standard")
    result = Fst.of_native(
        transition_model.tables().native.add_self_loops(
            native,
            _symbols(disambig),
            _scale(self_loop_scale, "self_loop_scale"),
            reorder,
            check_no_self_loops,
            *bounds(max_states, max_arcs),
        )
    )
    result.output_symbols = fst.output_symbols
    return result


def add_transition_probs(
    fst: Fst,
    transition_model: TransitionModel,
    disambig: Iterable[int] = (),
    transition_scale: float = 1.0,
    self_loop_scale: float = 1.0,
) -> Fst:
    """The costs of the transition probabilities on a graph (tropical) or lattice that was made without
    them.

    Those of self-loops, and of leaving them, are scaled by `self_loop_scale`, those of the transitions
    among each other by `transition_scale`. In lattices the graph cost grows. Raises FstError for an input
    label that is no transition-id and not in `disambig`."""
    native = fst.native
    if not isinstance(native, _native.StdFst | _native.LatticeFst):
        raise FstError(f"add_transition_probs of arcs of type {fst.arc_type}; expected standard or lattice4")
    result = Fst.of_native(
        transition_model.tables().native.add_transition_probs(
            native,
            _symbols(disambig),
            _scale(transition_scale, "transition_scale"),
            _scale(self_loop_scale, "self_loop_scale"),
        )
    )
    result.input_symbols, result.output_symbols = fst.input_symbols, fst.output_symbols
    return result
