"""Transition models: transition probabilities, and the ids of transitions (Kaldi's `hmm/transition-model`).

A transition-state (from 1) is a (phone, state of its HMM, pdf of its transitions, pdf of its self-loop). A
transition-id (from 1) is a transition out of such a state; alignments and the input labels of decoding graphs
are made of them. A transition-index (from 0) is the place of a transition in its state's list.
"""

import bisect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.fst.graphs.hmm import TransitionTables
from sonant.kaldi.hmm.topology import NO_PDF, HmmTopology, checked
from sonant.kaldi.hmm.transition_update import (
    MapTransitionUpdateConfig,
    MleTransitionUpdateConfig,
    reestimated,
)
from sonant.kaldi.matrix import DoubleVector

Tuple = tuple[int, int, int, int]


class TransitionModel:
    """Transition probabilities and ids. Empty until it is read, or made by `from_topo`."""

    def __init__(self) -> None:
        self._topo = HmmTopology()
        self._tuples: list[Tuple] = []
        self._log_probs = np.zeros(1, np.float32)  # by transition-id: number 0 is of none
        self._compute_derived()
        self._compute_derived_of_probs()

    @classmethod
    def from_topo(cls, ctx_dep: Any, hmm_topo: HmmTopology) -> "TransitionModel":
        """The model of a topology's phones and probabilities with the pdfs of the tree `ctx_dep`.

        Raises AcousticModelError where the tree has no pdf for a state.
        """
        hmm_topo.check()
        model = cls()
        model._topo = hmm_topo
        model._tuples = sorted(_tuples_of(ctx_dep, hmm_topo))
        model._compute_derived()
        probabilities = [1.0]
        for phone, state, _, _ in model._tuples:
            probabilities += [probability for _, probability in hmm_topo._entry(phone)[state].transitions]
        model._log_probs = np.log(np.array(probabilities, np.float32))
        model._compute_derived_of_probs()
        model._check()
        return model

    def _compute_derived(self) -> None:
        self._first_id = [0]  # by transition-state
        self._state_of = [0]  # by transition-id, as all that follow
        self._pdf_of, self._is_self_loop, self._is_final = [-1], [False], [False]
        self._self_loop_of = [0]  # by transition-state
        for number, (phone, state, forward, self_loop) in enumerate(self._tuples, 1):
            entry = self._topo._entry(phone)
            self._first_id.append(len(self._state_of))
            self._self_loop_of.append(0)
            for destination, _ in entry[state].transitions:
                loops = destination == state
                if loops:
                    self._self_loop_of[number] = len(self._state_of)
                self._state_of.append(number)
                self._is_self_loop.append(loops)
                self._pdf_of.append(self_loop if loops else forward)
                self._is_final.append(destination + 1 == len(entry))
        self._first_id.append(len(self._state_of))
        self._num_pdfs = max((pdf + 1 for t in self._tuples for pdf in t[2:]), default=0)

    def _compute_derived_of_probs(self) -> None:
        self._tables: TransitionTables | None = None
        self._non_self_loop = [0.0]
        for loop in self._self_loop_of[1:]:
            left = 1.0 - math.exp(self._log_probs[loop]) if loop else 1.0
            self._non_self_loop.append(math.log(max(left, 1e-10)) if loop else 0.0)

    def _check(self) -> None:
        if self._tuples != sorted(set(self._tuples)):
            raise AcousticModelError("the transition-states are not sorted, or occur twice")
        if not (np.isfinite(self._log_probs[1:]) & (self._log_probs[1:] <= 0)).all():
            raise AcousticModelError("a transition's log-probability is above 0 or not finite")

    def _check_tuples(self) -> None:
        """What must hold before the ids can be counted out."""
        ids = 0
        for number, (phone, state, forward, self_loop) in enumerate(self._tuples, 1):
            entry = self._topo._entry(phone)
            if not 0 <= state < len(entry) - 1:
                raise AcousticModelError(
                    f"transition-state {number} is of state {state} of phone {phone}, which has {len(entry)} "
                    "states; expected one that is not the last"
                )
            if min(forward, self_loop) < 0 or max(forward, self_loop) >= 1 << 30:
                raise AcousticModelError(f"transition-state {number} has the pdfs {forward} and {self_loop}")
            ids += len(entry[state].transitions)
        if len(self._log_probs) != ids + 1:
            raise AcousticModelError(
                f"{len(self._log_probs)} log-probabilities for {ids} transition-ids; "
                "expected one for each and one before them"
            )

    # Counts and maps

    def get_topo(self) -> HmmTopology:
        return self._topo

    def get_phones(self) -> list[int]:
        return self._topo.get_phones()

    def num_transition_ids(self) -> int:
        return len(self._state_of) - 1

    def num_transition_states(self) -> int:
        return len(self._tuples)

    def num_pdfs(self) -> int:
        return self._num_pdfs

    def num_phones(self) -> int:
        """The highest phone."""
        return max((phone for phone, *_ in self._tuples), default=0)

    def num_transition_indices(self, trans_state: int) -> int:
        return self._first_id[self._state(trans_state) + 1] - self._first_id[trans_state]

    def _id(self, trans_id: int) -> int:
        if not 0 < trans_id < len(self._state_of):
            raise AcousticModelError(
                f"there is no transition-id {trans_id}; expected 1 to {self.num_transition_ids()}: "
                "does the alignment or graph belong to this model?"
            )
        return trans_id

    def _state(self, trans_state: int) -> int:
        if not 0 < trans_state <= len(self._tuples):
            raise AcousticModelError(
                f"there is no transition-state {trans_state}; expected 1 to {len(self._tuples)}"
            )
        return trans_state

    def pair_to_transition_id(self, trans_state: int, trans_index: int) -> int:
        if not 0 <= trans_index < self.num_transition_indices(trans_state):
            raise AcousticModelError(
                f"transition-state {trans_state} has no transition-index {trans_index}; "
                f"expected 0 to {self.num_transition_indices(trans_state) - 1}"
            )
        return self._first_id[trans_state] + trans_index

    def tuple_to_transition_state(self, phone: int, hmm_state: int, pdf: int, self_loop_pdf: int) -> int:
        wanted = (phone, hmm_state, pdf, self_loop_pdf)
        found = bisect.bisect_left(self._tuples, wanted)
        if found == len(self._tuples) or self._tuples[found] != wanted:
            raise AcousticModelError(
                f"no transition-state has phone {phone}, state {hmm_state} and the pdfs {pdf} and "
                f"{self_loop_pdf}: do the tree and the model belong together?"
            )
        return found + 1

    def transition_id_to_transition_state(self, trans_id: int) -> int:
        return self._state_of[self._id(trans_id)]

    def transition_id_to_transition_index(self, trans_id: int) -> int:
        return trans_id - self._first_id[self._state_of[self._id(trans_id)]]

    def transition_id_to_pdf(self, trans_id: int) -> int:
        return self._pdf_of[self._id(trans_id)]

    transition_id_to_pdf_fast = transition_id_to_pdf

    def _pdfs_by_id(self) -> np.ndarray:
        """(num_transition_ids + 1,) int32: the pdf of each transition-id, -1 for 0, which is none."""
        return np.array([-1, *self._pdf_of[1:]], np.int32)

    def transition_id_to_phone(self, trans_id: int) -> int:
        return self._tuples[self._state_of[self._id(trans_id)] - 1][0]

    def transition_id_to_hmm_state(self, trans_id: int) -> int:
        return self._tuples[self._state_of[self._id(trans_id)] - 1][1]

    def transition_id_to_pdf_class(self, trans_id: int) -> int:
        state = self._state_of[self._id(trans_id)]
        if self._is_self_loop[trans_id]:
            return self.transition_state_to_self_loop_pdf_class(state)
        return self.transition_state_to_forward_pdf_class(state)

    def transition_state_to_phone(self, trans_state: int) -> int:
        return self._tuples[self._state(trans_state) - 1][0]

    def transition_state_to_hmm_state(self, trans_state: int) -> int:
        return self._tuples[self._state(trans_state) - 1][1]

    def transition_state_to_forward_pdf(self, trans_state: int) -> int:
        return self._tuples[self._state(trans_state) - 1][2]

    def transition_state_to_self_loop_pdf(self, trans_state: int) -> int:
        return self._tuples[self._state(trans_state) - 1][3]

    def transition_state_to_forward_pdf_class(self, trans_state: int) -> int:
        phone, state, *_ = self._tuples[self._state(trans_state) - 1]
        return self._topo._entry(phone)[state].forward_pdf_class

    def transition_state_to_self_loop_pdf_class(self, trans_state: int) -> int:
        phone, state, *_ = self._tuples[self._state(trans_state) - 1]
        return self._topo._entry(phone)[state].self_loop_pdf_class

    def self_loop_of(self, trans_state: int) -> int:
        """The transition-id of a state's self-loop; 0 if it has none."""
        return self._self_loop_of[self._state(trans_state)]

    def is_self_loop(self, trans_id: int) -> bool:
        return self._is_self_loop[self._id(trans_id)]

    def is_final(self, trans_id: int) -> bool:
        """True for a transition to the last state of its phone."""
        return self._is_final[self._id(trans_id)]

    def compatible(self, other: "TransitionModel") -> bool:
        """True where both have the same topology and ids, whatever their probabilities."""
        return self._topo == other._topo and self._tuples == other._tuples

    # Probabilities

    def get_transition_log_prob(self, trans_id: int) -> float:
        return float(self._log_probs[self._id(trans_id)])

    def get_transition_prob(self, trans_id: int) -> float:
        return float(np.exp(self._log_probs[self._id(trans_id)]))

    def get_non_self_loop_log_prob(self, trans_state: int) -> float:
        """The logarithm of one less the probability of the self-loop; at least -23."""
        return self._non_self_loop[self._state(trans_state)]

    def get_transition_log_prob_ignoring_self_loops(self, trans_id: int) -> float:
        """Among the transitions that leave its state. Raises AcousticModelError for a self-loop."""
        if self.is_self_loop(trans_id):
            raise AcousticModelError(
                f"transition-id {trans_id} is a self-loop; expected one that leaves its state"
            )
        return self.get_transition_log_prob(trans_id) - self._non_self_loop[self._state_of[trans_id]]

    def tables(self) -> TransitionTables:
        """As arrays, from which `sonant.fst.graphs` makes graphs; kept until the probabilities change."""
        if self._tables is None:
            self._tables = _tables_of(self._topo, self._tuples, self._log_probs)
        return self._tables

    # Estimation

    def init_stats(self, stats: Any = None) -> Any:
        """Makes `stats`, a DoubleVector, zeros by transition-id: (num_transition_ids() + 1,).

        Without one, makes one. Returns it.
        """
        if stats is None:
            stats = DoubleVector()
        stats.resize_(len(self._state_of))
        stats.set_zero_()
        return stats

    def accumulate(self, prob: float, trans_id: int, stats: Any) -> None:
        """Adds `prob` to the count of a transition-id."""
        if len(stats) != len(self._state_of):
            raise AcousticModelError(
                f"{len(stats)} counts; expected {len(self._state_of)}, as init_stats makes them"
            )
        stats[self._id(trans_id)] += prob

    def mle_update(self, stats: Any, cfg: MleTransitionUpdateConfig) -> tuple[float, float]:
        """Maximum likelihood from counts by transition-id; (gain in log-likelihood, count)."""

        def estimate(counts: np.ndarray, old: np.ndarray) -> np.ndarray | None:
            if counts.sum() < cfg.mincount or not counts.any():
                return None
            new = (counts / counts.sum()).astype(np.float32)
            for _ in range(3):
                new = np.maximum(new / new.sum(), np.float32(cfg.floor))
            return new

        return self._update(stats, estimate, cfg.share_for_pdfs)

    def map_update(self, stats: Any, cfg: MapTransitionUpdateConfig) -> tuple[float, float]:
        """As mle_update, maximum a posteriori: the present model counts `tau` times."""

        def estimate(counts: np.ndarray, old: np.ndarray) -> np.ndarray:
            return ((counts + cfg.tau * old) / (counts.sum() + cfg.tau)).astype(np.float32)

        return self._update(stats, estimate, cfg.share_for_pdfs)

    def _update(self, stats: Any, estimate: Any, share: bool) -> tuple[float, float]:
        counts = np.asarray(stats, np.float64)
        if counts.shape != self._log_probs.shape:
            raise AcousticModelError(f"counts {counts.shape}; expected {self._log_probs.shape}")
        groups: list[list[int]] = [[state] for state in range(1, len(self._tuples) + 1)]
        if share:
            by_pdf: dict[int, set[int]] = {}
            for state, (_, _, forward, self_loop) in enumerate(self._tuples, 1):
                by_pdf.setdefault(forward, set()).add(state)
                by_pdf.setdefault(self_loop, set()).add(state)
            groups = [sorted(by_pdf[pdf]) for pdf in sorted(by_pdf)]
        self._log_probs, gain, total = reestimated(counts, self._log_probs, self._first_id, groups, estimate)
        self._compute_derived_of_probs()
        return gain, total

    # Files

    def read(self, is_: Input, binary: bool) -> None:
        """Reads a transition model, such as begins a .mdl file.

        Raises ArkError for what is none, AcousticModelError where its parts do not fit together.
        """
        is_.expect(binary, "<TransitionModel>")
        read = TransitionModel()
        read._topo.read(is_, binary)
        token = is_.token(binary)
        if token not in ("<Triples>", "<Tuples>"):
            is_.error(f"expected <Triples> or <Tuples>, found '{token}'")
        for _ in range(is_.integer(binary)):
            phone, state, forward = is_.integer(binary), is_.integer(binary), is_.integer(binary)
            self_loop = is_.integer(binary) if token == "<Tuples>" else forward
            read._tuples.append((phone, state, forward, self_loop))
        is_.expect(binary, token.replace("<", "</"))
        is_.expect(binary, "<LogProbs>")
        read._log_probs = is_.vector(binary, "float32")
        is_.expect(binary, "</LogProbs>")
        is_.expect(binary, "</TransitionModel>")
        checked(is_, read._check_tuples)
        read._compute_derived()
        checked(is_, read._check)
        read._compute_derived_of_probs()
        vars(self).update(vars(read))

    def write(self, os: Output, binary: bool) -> None:
        extended = not self._topo.is_hmm()
        name = "Tuples" if extended else "Triples"
        end = b"" if binary else b"\n"
        os.token(binary, "<TransitionModel>")
        os.write(end)
        self._topo.write(os, binary)
        os.token(binary, f"<{name}>")
        os.integer(binary, len(self._tuples))
        os.write(end)
        for values in self._tuples:
            for value in values if extended else values[:3]:
                os.integer(binary, value)
            os.write(end)
        os.token(binary, f"</{name}>")
        os.write(end)
        os.token(binary, "<LogProbs>")
        os.write(end)
        os.vector(binary, self._log_probs)
        os.token(binary, "</LogProbs>")
        os.write(end)
        os.token(binary, "</TransitionModel>")
        os.write(end)

    def print_model(self, os: Output, phone_names: Sequence[str], occs: Any = None) -> None:
        """Writes the model for readers; `phone_names` is indexed by phone, `occs` (if given) by pdf."""
        for number, (phone, state, forward, self_loop) in enumerate(self._tuples, 1):
            pdfs = f"forward-pdf = {forward} self-loop-pdf = {self_loop}"
            if self._topo.is_hmm():
                pdfs = f"pdf = {forward}"
            if not phone < len(phone_names):
                raise AcousticModelError(f"phone {phone} has no name; {len(phone_names)} names were given")
            where = f"Transition-state {number}: phone = {phone_names[phone]} hmm-state = {state}"
            os.write(f"{where} {pdfs}\n".encode())
            for index, (destination, _) in enumerate(self._topo._entry(phone)[state].transitions):
                trans_id = self._first_id[number] + index
                line = f" Transition-id = {trans_id} p = {self.get_transition_prob(trans_id):.7g}"
                if occs is not None:
                    line += f" count of pdf = {float(occs[self._pdf_of[trans_id]]):.7g}"
                way = "self-loop" if destination == state else f"{state} -> {destination}"
                os.write(f"{line} [{way}]\n".encode())


def _tables_of(topo: HmmTopology, tuples: list[Tuple], log_probs: np.ndarray) -> TransitionTables:
    states = [state for entry in topo._entries for state in entry]
    transitions = [transition for state in states for transition in state.transitions]

    def offsets(sizes: list[int]) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)

    return TransitionTables(
        np.array(topo._entry_of, np.int32),
        offsets([len(entry) for entry in topo._entries]),
        np.array([(s.forward_pdf_class, s.self_loop_pdf_class) for s in states], np.int32).reshape(-1, 2),
        offsets([len(state.transitions) for state in states]),
        np.array([destination for destination, _ in transitions], np.int32),
        np.array([probability for _, probability in transitions], np.float32),
        np.array(tuples, np.int32).reshape(-1, 4),
        np.ascontiguousarray(log_probs, np.float32),
    )


def _tuples_of(ctx_dep: Any, topo: HmmTopology) -> list[Tuple]:
    """The transition-states that the states of a topology's phones have in the contexts of a tree."""
    phones = topo.get_phones()
    states: dict[tuple[int, int, int], list[int]] = {}  # by phone and its two pdf-classes
    for phone in phones:
        for number, state in enumerate(topo._entry(phone)):
            if state.forward_pdf_class != NO_PDF:
                key = (phone, state.forward_pdf_class, state.self_loop_pdf_class)
                states.setdefault(key, []).append(number)
    if topo.is_hmm():
        info = ctx_dep.get_pdf_info(phones, topo.get_phone_to_num_pdf_classes())
        return [
            (phone, state, pdf, pdf)
            for pdf, pairs in enumerate(info)
            for phone, pdf_class in pairs
            for state in states[phone, pdf_class, pdf_class]
        ]
    classes: list[list[tuple[int, int]]] = [[] for _ in range(phones[-1] + 1)]
    for phone, forward, self_loop in states:
        classes[phone].append((forward, self_loop))
    info = ctx_dep.get_pdf_pair_info(phones, classes)
    return [
        (phone, state, *pdfs)
        for phone in phones
        for pair, found in zip(classes[phone], info[phone], strict=True)
        for pdfs in found
        for state in states[phone, *pair]
    ]


def get_pdfs_for_phones(trans_model: TransitionModel, phones: Sequence[int]) -> tuple[bool, list[int]]:
    """(True where no other phone has them, the pdfs of the phones)."""
    wanted = set(phones)
    pdfs = {pdf for phone, _, *both in trans_model._tuples if phone in wanted for pdf in both}
    others = {pdf for phone, _, *both in trans_model._tuples if phone not in wanted for pdf in both}
    return not pdfs & others, sorted(pdfs)


def get_phones_for_pdfs(trans_model: TransitionModel, pdfs: Sequence[int]) -> tuple[bool, list[int]]:
    """(True where they have no other pdf, the phones that have one of the pdfs)."""
    wanted = set(pdfs)
    phones = {phone for phone, _, *both in trans_model._tuples if wanted & set(both)}
    own = {pdf for phone, _, *both in trans_model._tuples if phone in phones for pdf in both}
    return own <= wanted, sorted(phones)
