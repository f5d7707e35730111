"""Posteriors of frames: for each frame, (id, weight) pairs (Kaldi's `hmm/posterior`).

The ids are transition-ids as a rule; pdf-ids or phones after a conversion.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from sonant import _native
from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.hmm.transition import TransitionModel
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.matrix._checks import operand

Entries = list[tuple[int, float]]


class Posterior:
    """The posteriors of an utterance."""

    def __init__(self) -> None:
        self._frames: list[Entries] = []

    @classmethod
    def from_posteriors(cls, post: Sequence[Sequence[tuple[int, float]]]) -> "Posterior":
        """From a list of (id, weight) pairs for each frame."""
        posterior = cls()
        posterior._frames = [[(int(i), float(weight)) for i, weight in frame] for frame in post]
        return posterior

    @classmethod
    def from_alignment(cls, ali: Sequence[int]) -> "Posterior":
        """From one id for each frame, with weight 1."""
        return cls.from_posteriors([[(i, 1.0)] for i in ali])

    def __len__(self) -> int:
        return len(self._frames)

    def get_posteriors(self) -> list[Entries]:
        """A list of (id, weight) pairs for each frame."""
        return [list(frame) for frame in self._frames]

    def read(self, is_: Input, binary: bool) -> None:
        """Reads posteriors. Raises ArkError for anything else."""
        self._frames = _native.read_posterior(is_, binary)

    def write(self, os: Output, binary: bool) -> None:
        _native.write_posterior(os, binary, self._frames)

    def total(self) -> float:
        """The sum of all weights."""
        return sum(weight for frame in self._frames for _, weight in frame)

    def scale(self, scale: float) -> None:
        """Multiplies every weight; by 0, leaves none."""
        self._frames = [_scaled(frame, lambda _: scale) for frame in self._frames]

    def convert_transitions_to_pdfs(self, tmodel: TransitionModel) -> "Posterior":
        """Posteriors of pdf-ids, from those of transition-ids."""
        return self._summed(tmodel.transition_id_to_pdf)

    def convert_transitions_to_phones(self, tmodel: TransitionModel) -> "Posterior":
        """Posteriors of phones, from those of transition-ids."""
        return self._summed(tmodel.transition_id_to_phone)

    def _summed(self, convert: Callable[[int], int]) -> "Posterior":
        frames = [_merged((convert(i), weight) for i, weight in frame) for frame in self._frames]
        return Posterior.from_posteriors(frames)

    def sort_by_pdfs(self, tmodel: TransitionModel) -> None:
        """Puts transition-ids of the same pdf next to each other in every frame."""
        self._frames = [
            sorted(frame, key=lambda entry: tmodel.transition_id_to_pdf(entry[0])) for frame in self._frames
        ]

    def to_matrix(self, post_dim: int) -> Matrix:
        """(frames, post_dim): the weights by id, of two entries of one id the last.

        Raises AcousticModelError for an id beyond post_dim.
        """
        matrix = np.zeros((len(self._frames), post_dim), np.float32)
        for row, frame in zip(matrix, self._frames, strict=True):
            for i, weight in frame:
                if not 0 <= i < post_dim:
                    raise AcousticModelError(f"a posterior of id {i} in a matrix of {post_dim} columns")
                row[i] = weight
        return Matrix(matrix)

    def to_pdf_matrix(self, model: TransitionModel) -> Matrix:
        """(frames, pdfs): the weights by pdf-id."""
        return self.convert_transitions_to_pdfs(model).to_matrix(model.num_pdfs())

    def weight_silence(
        self, tmodel: TransitionModel, silence_set: Collection[int], silence_scale: float
    ) -> None:
        """Multiplies the weights of transition-ids of silence phones; by 0, leaves none of them."""
        phone_of = tmodel.transition_id_to_phone
        self._frames = [
            _scaled(frame, lambda i: silence_scale if phone_of(i) in silence_set else 1.0)
            for frame in self._frames
        ]

    def weight_silence_distributed(
        self, tmodel: TransitionModel, silence_set: Collection[int], silence_scale: float
    ) -> None:
        """As weight_silence, but what a frame loses it loses in proportion over all of its entries."""
        phone_of = tmodel.transition_id_to_phone
        for number, frame in enumerate(self._frames):
            total = sum(weight for _, weight in frame)
            silent = sum(weight for i, weight in frame if phone_of(i) in silence_set)
            if total:
                scale = (silent * silence_scale + total - silent) / total
                self._frames[number] = _scaled(frame, lambda _, scale=scale: scale)


def _scaled(frame: Entries, scale: Callable[[int], float]) -> Entries:
    return [(i, weight * scale(i)) for i, weight in frame if scale(i) != 0.0]


def _merged(entries: Any) -> Entries:
    """One entry for each id with the sum of its weights, where that is not 0; in the order of appearance."""
    sums: dict[int, float] = {}
    for i, weight in entries:
        sums[i] = sums.get(i, 0.0) + weight
    return [(i, weight) for i, weight in sums.items() if weight != 0.0]


def posterior_entries_are_disjoint(
    post_entries1: Sequence[tuple[int, float]], post_entries2: Sequence[tuple[int, float]]
) -> bool:
    """True where the two have no id in common."""
    return not {i for i, _ in post_entries1} & {i for i, _ in post_entries2}


def merge_posteriors(
    post1: Posterior, post2: Posterior, merge: bool, drop_frames: bool
) -> tuple[int, Posterior]:
    """(number of frames in which the two have no id in common, the entries of both).

    They are sorted by id, and `merge` makes one entry of those with the same id; `drop_frames` empties the
    frames that were counted. Raises AcousticModelError where the numbers of frames differ.
    """
    if len(post1) != len(post2):
        raise AcousticModelError(
            f"posteriors of {len(post1)} and {len(post2)} frames; expected the same number"
        )
    disjoint, frames = 0, []
    for first, second in zip(post1._frames, post2._frames, strict=True):
        apart = posterior_entries_are_disjoint(first, second)
        disjoint += apart
        both = [] if apart and drop_frames else first + second
        frames.append(sorted(_merged(both) if merge else both))
    return disjoint, Posterior.from_posteriors(frames)


def vector_to_posterior_entries(log_likes: Any, num_gselect: int, min_post: float) -> tuple[float, Entries]:
    """(log of the sum of the likelihoods that were kept, [(index, posterior)] from the likeliest on).

    Keeps the `num_gselect` likeliest of `log_likes` (n,) that are more than `min_post` times as likely as the
    best, and of these those with posteriors of at least `min_post`, but always one.
    Raises AcousticModelError for values that are not finite.
    """
    values = operand(log_likes, (None,), np.float32, "log_likes").astype(np.float64)
    if not (num_gselect > 0 and 0 <= min_post < 1):
        raise AcousticModelError(
            f"num_gselect={num_gselect}, min_post={min_post}; expected above 0, and in [0, 1)"
        )
    if not len(values) or not np.isfinite(values.max()):
        raise AcousticModelError(
            f"{len(values)} log-likelihoods, the highest not finite; expected at least one"
        )
    order = np.argsort(-values, kind="stable")[:num_gselect]
    weights = np.exp(values[order] - values[order[0]])
    weights = weights[weights > min_post]
    kept = max(1, int((weights >= min_post * weights.sum()).sum()))
    total = weights[:kept].sum()
    entries = list(zip(order[:kept].tolist(), (weights[:kept] / total).tolist(), strict=True))
    return float(values[order[0]] + np.log(total)), entries
