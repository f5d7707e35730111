"""Alignments, lists of transition-ids by frame: splitting and converting them (Kaldi's `hmm/hmm-utils`).

In an alignment as Kaldi's graphs give them ("reordered"), the self-loops of a state come after the transition
that leaves it; otherwise before.
"""

import random
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from sonant.errors import AcousticModelError
from sonant.kaldi.hmm.topology import NO_PDF, HmmTopology
from sonant.kaldi.hmm.transition import TransitionModel


def split_to_phones(trans_model: TransitionModel, alignment: Sequence[int]) -> tuple[bool, list[list[int]]]:
    """(True where the phones are complete, the transition-ids of each phone).

    Raises AcousticModelError for a transition-id that the model does not have.
    """
    reordered = _is_reordered(trans_model, alignment)
    whole, phones, current = True, [], []
    state_of, loops = trans_model.transition_id_to_transition_state, trans_model.is_self_loop
    ended = False  # a final transition was seen, of which self-loops may follow
    for position, trans_id in enumerate(alignment):
        current.append(trans_id)
        last = position + 1 == len(alignment)
        following = 0 if last else alignment[position + 1]
        ended = ended or trans_model.is_final(trans_id)
        if ended:
            if not last and reordered and loops(following):
                if state_of(following) != state_of(trans_id):
                    whole = False
                continue
            ended = False
        elif last or (
            trans_model.transition_id_to_phone(trans_id) != trans_model.transition_id_to_phone(following)
        ):
            whole = False  # the phone ends without a final transition
        else:
            continue
        phones.append(current)
        current = []
    for ids in phones:
        first = state_of(ids[0])
        entry = trans_model.get_topo()._entry(trans_model.transition_state_to_phone(first))
        if entry[0].forward_pdf_class != NO_PDF and trans_model.transition_state_to_hmm_state(first) != 0:
            whole = False
    return whole, phones


def _is_reordered(trans_model: TransitionModel, alignment: Sequence[int]) -> bool:
    """True where self-loops follow the transition that leaves their state."""
    loops, state_of = trans_model.is_self_loop, trans_model.transition_id_to_transition_state
    for first, second in pairwise(alignment):
        if state_of(first) != state_of(second) and loops(first) != loops(second):
            return loops(first)
    return bool(len(alignment)) and not loops(alignment[0]) and loops(alignment[-1])


def _change_order(trans_model: TransitionModel, ids: list[int]) -> list[int]:
    """The ids of a phone in the other order."""
    changed: list[int] = []
    for _, group in groupby(ids, trans_model.transition_id_to_transition_state):
        run = list(group)
        run[0], run[-1] = run[-1], run[0]
        changed += run
    return changed


def convert_alignment(
    old_trans_model: TransitionModel,
    new_trans_model: TransitionModel,
    new_ctx_dep: Any,
    old_alignment: Sequence[int],
    subsample_factor: int,
    repeat_frames: bool,
    reorder: bool,
) -> list[int]:
    """The alignment in the ids of another model, whose phones must be those of the old one.

    `subsample_factor` divides the frame rate (1: keeps it), `repeat_frames` then interleaves the alignments
    that begin at each frame, so that there are as many frames as before. Where a phone's topology or length
    changes, its states are a random path through the new one. Raises AcousticModelError for an alignment of
    incomplete phones, one that becomes too short, and a tree without a pdf for its phones.
    """
    return convert_alignment_with_phone_map(
        old_trans_model,
        new_trans_model,
        new_ctx_dep,
        old_alignment,
        subsample_factor,
        repeat_frames,
        reorder,
        None,
    )


def convert_alignment_with_phone_map(
    old_trans_model: TransitionModel,
    new_trans_model: TransitionModel,
    new_ctx_dep: Any,
    old_alignment: Sequence[int],
    subsample_factor: int,
    repeat_frames: bool,
    reorder: bool,
    phone_map: Sequence[int] | None,
) -> list[int]:
    """As convert_alignment, to the phones `phone_map[phone]`."""
    if subsample_factor < 1:
        raise AcousticModelError(f"subsample_factor={subsample_factor}; expected 1 or more")
    whole, split = split_to_phones(old_trans_model, old_alignment)
    if not whole:
        raise AcousticModelError("the alignment has incomplete phones; expected whole ones, of the old model")
    phones = [old_trans_model.transition_id_to_phone(ids[0]) for ids in split]
    if phone_map is not None:
        phones = [mapped_phone(phone_map, phone) for phone in phones]
    conversion = _Conversion(old_trans_model, new_trans_model, new_ctx_dep, split, phones)
    conversion.old_reordered, conversion.new_reordered = (
        _is_reordered(old_trans_model, old_alignment),
        reorder,
    )
    shifts = range(subsample_factor - 1, -1, -1) if repeat_frames else [subsample_factor - 1]
    shifted = [conversion.run(shift, subsample_factor) for shift in shifts]
    longest = max((len(ids) for ids in shifted), default=0)
    return [ids[i] for i in range(longest) for ids in shifted if i < len(ids)]


def mapped_phone(phone_map: Sequence[int], phone: int) -> int:
    """`phone_map[phone]`. Raises AcousticModelError where the map has nothing for it."""
    mapped = phone_map[phone] if 0 <= phone < len(phone_map) else -1
    if mapped < 0:
        raise AcousticModelError(f"the map of phones has nothing for phone {phone}")
    return mapped


class _Conversion:
    """An alignment, split into phones, on its way from one model to another."""

    old_reordered = new_reordered = True

    def __init__(
        self, old: TransitionModel, new: TransitionModel, tree: Any, split: list[list[int]], phones: list[int]
    ):
        self.old, self.new, self.tree, self.split, self.phones = old, new, tree, split, phones

    def run(self, shift: int, factor: int) -> list[int]:
        lengths = [len(ids) for ids in self.split]
        if factor != 1 or self.old.get_topo() != self.new.get_topo():
            lengths = _new_lengths(self.new.get_topo(), self.phones, lengths, shift, factor)
        width, central = self.tree.context_width(), self.tree.central_position()
        padded = [0] * central + self.phones + [0] * width
        converted: list[int] = []
        for place, ids in enumerate(self.split):
            converted += self._phone(ids, padded[place : place + width], self.phones[place], lengths[place])
        return converted

    def _phone(self, ids: list[int], window: list[int], phone: int, length: int) -> list[int]:
        entry = self.new.get_topo()._entry(phone)
        if entry != self.old.get_topo()._entry(self.old.transition_id_to_phone(ids[0])) or length != len(ids):
            new = self._random_path(window, phone, length)
            return _change_order(self.new, new) if self.new_reordered else new
        new = [
            self.new.pair_to_transition_id(
                self._state(window, phone, self.old.transition_id_to_hmm_state(trans_id)),
                self.old.transition_id_to_transition_index(trans_id),
            )
            for trans_id in ids
        ]
        return _change_order(self.new, new) if self.new_reordered != self.old_reordered else new

    def _state(self, window: list[int], phone: int, hmm_state: int) -> int:
        """The new transition-state of a state of a phone in its window."""
        state = self.new.get_topo()._entry(phone)[hmm_state]
        forward = self.tree.compute(window, state.forward_pdf_class)
        self_loop = self.tree.compute(window, state.self_loop_pdf_class)
        return self.new.tuple_to_transition_state(phone, hmm_state, forward, self_loop)

    def _random_path(self, window: list[int], phone: int, length: int) -> list[int]:
        """`length` transition-ids, not reordered, through the phone: each path equally likely."""
        entry = self.new.get_topo()._entry(phone)
        emits = [state.forward_pdf_class != NO_PDF for state in entry]
        # ways[n][s]: paths from state s to the last that take n more frames. States that emit nothing lead on
        # in the same frame; as they have no self-loops, as many sweeps as there are states settle them.
        ways = [[0] * len(entry) for _ in range(length + 1)]
        ways[0][-1] = 1
        for left in range(length + 1):
            for _ in entry if not all(emits[:-1]) else entry[:1]:
                for state, known in enumerate(entry[:-1]):
                    after = ways[left - 1] if emits[state] and left else ways[left]
                    if not emits[state] or left:
                        ways[left][state] = sum(after[destination] for destination, _ in known.transitions)
        if not ways[length][0]:
            raise AcousticModelError(f"phone {phone} cannot be passed in {length} frames")
        ids: list[int] = []
        state, left = 0, length
        while state != len(entry) - 1:
            after = ways[left - emits[state]]
            weights = [after[destination] for destination, _ in entry[state].transitions]
            index = random.choices(range(len(weights)), weights)[0]
            if emits[state]:
                ids.append(self.new.pair_to_transition_id(self._state(window, phone, state), index))
                left -= 1
            state = entry[state].transitions[index][0]
        return ids


def _new_lengths(topo: HmmTopology, phones: list[int], old: list[int], shift: int, factor: int) -> list[int]:
    """The lengths of the phones at the new frame rate; those too short for their topology borrow frames."""
    least = [topo.min_length(phone) for phone in phones]
    ends = [(sum(old[:place]) + shift) // factor for place in range(len(old) + 1)]
    lengths = [end - start for start, end in pairwise(ends)]
    if sum(lengths) < sum(least):
        raise AcousticModelError(
            f"{sum(lengths)} frames for {len(phones)} phones, which need at least {sum(least)}"
        )
    while short := [place for place, length in enumerate(lengths) if length < least[place]]:
        for place in short:
            spare = [other for other, length in enumerate(lengths) if length > least[other]]

            # the nearest, by the frames in between; on a tie the one on the left
            def distance(other: int, place: int = place) -> tuple[int, int]:
                low, high = sorted((other, place))
                return sum(lengths[low + 1 : high]), other

            lender = min(spare, key=distance)
            lengths[lender] -= 1
            lengths[place] += 1
    return lengths


def convert_phnx_to_prons(
    phnx: Sequence[int], words: Sequence[int], word_start_sym: int, word_end_sym: int
) -> list[list[int]]:
    """[word, phone, phone, ...] for each word, and [0, phone, ...] for phones between words.

    `phnx` has phones, with the two symbols around those of each word. Raises AcousticModelError where the
    symbols do not match, or the number of words does not.
    """
    prons: list[list[int]] = []
    waiting = list(words)
    inside = False
    for symbol in phnx:
        if symbol == word_start_sym and not inside:
            if not waiting or waiting[0] == 0:
                raise AcousticModelError(f"more pronunciations than the {len(words)} words")
            inside = True
            prons.append([waiting.pop(0)])
        elif symbol == word_end_sym and inside:
            inside = False
        elif symbol in (0, word_start_sym, word_end_sym):
            raise AcousticModelError(f"symbol {symbol} among the phones, where none is expected")
        elif inside or (prons and prons[-1][0] == 0):
            prons[-1].append(symbol)
        else:
            prons.append([0, symbol])
    if inside or waiting:
        raise AcousticModelError(
            f"{len(waiting)} words without a pronunciation" if waiting else "a word has no end"
        )
    return prons


def get_ilabel_mapping(
    ilabel_info_old: Sequence[Sequence[int]], ctx_dep: Any, trans_model: TransitionModel
) -> list[int]:
    """For each context-dependent symbol the first that has the same phone and pdfs.

    `ilabel_info_old[symbol]` is its window of phones; [] for epsilon, one number of 0 or less for a
    disambiguation symbol. These stay as they are.
    """
    first: dict[tuple[int, ...], int] = {}
    mapping = []
    for symbol, window in enumerate(ilabel_info_old):
        if len(window) == 0 or (len(window) == 1 and window[0] <= 0):
            mapping.append(symbol)
            continue
        phone = window[ctx_dep.central_position()]
        classes = range(trans_model.get_topo().num_pdf_classes(phone))
        key = (phone, *(ctx_dep.compute(window, pdf_class) for pdf_class in classes))
        mapping.append(first.setdefault(key, symbol))
    return mapping
