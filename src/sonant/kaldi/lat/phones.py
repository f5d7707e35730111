"""Phones of lattices, by a transition model: what is said when, and training criteria by phones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst import Fst
from sonant.kaldi.fstext import CompactLatticeVectorFst, LatticeVectorFst
from sonant.kaldi.hmm import Posterior, TransitionModel, merge_posteriors, split_to_phones
from sonant.kaldi.lat._lattices import compact_of, raw_of, transitions_of


def _checked(model: TransitionModel, ids: np.ndarray) -> np.ndarray:
    """Transition-ids, which the model has (0 is none)."""
    most = model.num_transition_ids()
    if ids.size and not 0 <= ids.min() <= ids.max() <= most:
        wrong = ids[(ids < 0) | (ids > most)][0]
        raise FstError(f"the lattice has the transition-id {wrong}; the model has {most}")
    return ids


def _sources(fst: Fst) -> np.ndarray:
    return np.repeat(np.arange(fst.num_states, dtype=np.int32), fst.states["num_arcs"])


def _changed(lat: LatticeVectorFst, **columns: np.ndarray) -> None:
    """The raw lattice with other columns of arcs, in place."""
    fst = raw_of(lat).fst
    arcs = fst.arcs
    made = Fst.from_arrays(
        fst.start,
        fst.states["final"],
        _sources(fst),
        *(columns.get(name, arcs[name]) for name in ("ilabel", "olabel", "weight", "nextstate")),
        arc_type="lattice4",
    )
    lat.native = made.native


def convert_lattice_to_phones(trans_model: TransitionModel, lat: LatticeVectorFst) -> None:
    """Phones take the place of words, on the arcs that enter them, in place."""
    ids = _checked(trans_model, raw_of(lat).fst.arcs["ilabel"])
    _changed(lat, olabel=transitions_of(trans_model).first_phones[ids])


def convert_compact_lattice_to_phones(trans_model: TransitionModel, lat: CompactLatticeVectorFst) -> None:
    """Phones take the place of the transition-ids that lead out of them, others go, in place."""
    fst = compact_of(lat).fst
    transitions = transitions_of(trans_model)
    _checked(trans_model, fst.strings)

    def phones(weight: Any) -> Any:
        return (*weight[:2], [int(transitions.phones[i]) for i in weight[2] if transitions.last[i]])

    made = Fst("compactlattice44")
    made.add_states(fst.num_states)
    for state in range(fst.num_states):
        made.set_final(state, phones(fst.final(state)))
        for ilabel, olabel, weight, nextstate in fst.arcs_of(state):
            made.add_arc(state, ilabel, olabel, phones(weight), nextstate)
    if fst.start >= 0:
        made.set_start(fst.start)
    lat.native = made.native


def _linear(clat: Any) -> list[tuple[int, tuple[int, ...]]]:
    """(word, transition-ids) of the arcs of the only path."""
    fst = compact_of(clat).fst
    state, found = fst.start, []
    if state < 0:
        raise FstError("the lattice is empty; expected one path")
    while not np.isfinite(fst.final(state)[0]):  # pyright: ignore[reportIndexIssue]
        arcs = fst.arcs_of(state)
        if len(arcs) != 1 or len(found) > fst.num_states:
            raise FstError(
                f"state {state} of the lattice has {len(arcs)} arcs; expected a lattice of one path"
            )
        word, _, weight, state = arcs[0]
        found.append((word, tuple(weight[2])))  # pyright: ignore
    if fst.arcs_of(state):
        raise FstError(f"the final state {state} of the lattice has arcs; expected a lattice of one path")
    return found


def compact_lattice_to_word_alignment(clat: Any) -> tuple[list[int], list[int], list[int]]:
    """(words, first frames, lengths) of the arcs of a lattice of one path, silences (0) too.

    Align it by words before. Raises FstError (a ValueError) where it has several paths or none."""
    arcs = _linear(clat)
    lengths = [len(ids) for _, ids in arcs]
    begins = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(int).tolist()
    return [word for word, _ in arcs], begins, lengths


def compact_lattice_to_word_prons(
    tmodel: TransitionModel, clat: Any
) -> tuple[list[int], list[int], list[int], list[list[int]], list[list[int]]]:
    """The same, with the phones of each arc and their lengths."""
    prons: list[list[int]] = []
    phone_lengths: list[list[int]] = []
    for _, ids in _linear(clat):
        _checked(tmodel, np.asarray(ids, np.int64))
        _, phones = split_to_phones(tmodel, list(ids))
        prons.append([tmodel.transition_id_to_phone(phone[0]) for phone in phones])
        phone_lengths.append([len(phone) for phone in phones])
    return *compact_lattice_to_word_alignment(clat), prons, phone_lengths


def lattice_active_phones(lat: Any, trans: TransitionModel, sil_phones: Sequence[int]) -> list[set[int]]:
    """The phones of each frame, but for silences."""
    lattice = raw_of(lat)
    frames, times = lattice.state_times()
    fst = lattice.fst
    ids = _checked(trans, fst.arcs["ilabel"])
    phones, at = transitions_of(trans).phones[ids], times[_sources(fst)]
    active: list[set[int]] = [set() for _ in range(frames)]
    silences = set(sil_phones)
    for phone, time in zip(phones[ids > 0].tolist(), at[ids > 0].tolist(), strict=True):
        if time >= 0 and phone not in silences:
            active[time].add(phone)
    return active


def lattice_boost(
    trans: TransitionModel,
    alignment: Sequence[int],
    silence_phones: Sequence[int],
    b: float,
    max_silence_error: float,
    lat: LatticeVectorFst,
) -> None:
    """Makes arcs with another phone than the alignment's cheaper, by `b` a frame (Povey et al., "Boosted
    MMI for model and feature-space discriminative training", 2008); silences by max_silence_error * b. In
    place.

    Raises FstError where the alignment is not as long as the lattice.
    """
    if not 0 <= max_silence_error <= 1:
        raise FstError(f"max_silence_error={max_silence_error}; expected a number in [0, 1]")
    lattice = raw_of(lat).sorted()
    frames, times = lattice.state_times()
    if frames != len(alignment):
        raise FstError(f"a lattice of {frames} frames, an alignment of {len(alignment)}; expected as many")
    lat.native = lattice.fst.native
    fst = lattice.fst
    phones = transitions_of(trans).phones
    ids = _checked(trans, fst.arcs["ilabel"])
    reference = np.append(phones[_checked(trans, np.asarray(alignment, np.int64))], 0)
    wrong = np.where(np.isin(phones[ids], list(silence_phones)), max_silence_error, 1.0)
    wrong[(ids == 0) | (phones[ids] == reference[times[_sources(fst)]])] = 0
    weight = fst.arcs["weight"].copy()
    weight[:, 0] -= (b * wrong).astype(np.float32)
    _changed(lat, weight=weight)


def lattice_forward_backward_mmi(
    trans: TransitionModel,
    lat: LatticeVectorFst,
    num_ali: Sequence[int],
    drop_frames: bool,
    convert_to_pdf_ids: bool,
    cancel: bool,
) -> tuple[float, list[list[tuple[int, float]]]]:
    """(log-probability of the lattice, the alignment's posteriors minus the lattice's).

    `convert_to_pdf_ids` sums them by pdf, `cancel` adds up what both have, `drop_frames` leaves out frames
    where they have nothing in common. Raises FstError where the alignment is not as long as the lattice."""
    found = raw_of(lat).posteriors()
    if len(found.frames) != len(num_ali):
        raise FstError(
            f"a lattice of {len(found.frames)} frames, an alignment of {len(num_ali)}; expected as many"
        )
    numerator, denominator = Posterior.from_alignment(list(num_ali)), Posterior.from_posteriors(found.frames)
    denominator.scale(-1.0)
    if convert_to_pdf_ids:
        numerator = numerator.convert_transitions_to_pdfs(trans)
        denominator = denominator.convert_transitions_to_pdfs(trans)
    _, merged = merge_posteriors(numerator, denominator, cancel, drop_frames)
    return found.log_probability, merged.get_posteriors()


def lattice_forward_backward_mpe_variants(
    trans: TransitionModel,
    silence_phones: Sequence[int],
    lat: LatticeVectorFst,
    num_ali: Sequence[int],
    criterion: str,
    one_silence_class: bool,
) -> tuple[float, list[list[tuple[int, float]]]]:
    """(expected number of right frames, its derivatives by transition-id at each frame).

    A frame is right where its phone ('mpfe') or its pdf ('smbr') is the alignment's. Silences are never
    right, or, with `one_silence_class`, are all the same (Povey 2003; Gibson and Hain, Interspeech
    2006)."""
    if criterion not in ("mpfe", "smbr"):
        raise FstError(f"criterion={criterion!r}; expected 'mpfe' or 'smbr'")
    lattice = raw_of(lat)
    frames, times = lattice.state_times()
    if frames != len(num_ali):
        raise FstError(f"a lattice of {frames} frames, an alignment of {len(num_ali)}; expected as many")
    fst = lattice.fst
    ids = _checked(trans, fst.arcs["ilabel"])
    reference = np.append(_checked(trans, np.asarray(num_ali, np.int64)), 0)[times[_sources(fst)]]
    phones = transitions_of(trans).phones
    silent, both_silent = (np.isin(phones[x], list(silence_phones)) for x in (ids, reference))
    kinds = phones if criterion == "mpfe" else np.asarray(trans._pdf_of)
    right = kinds[ids] == kinds[reference]
    right = right | (silent & both_silent) if one_silence_class else right & ~silent
    accuracies = np.ascontiguousarray(right & (ids > 0), np.float32)
    expected, *found = _native.lattice_accuracy_posteriors(fst.native, accuracies)
    return expected, _native.posterior_frames(*found)
