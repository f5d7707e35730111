"""Features made of the frames around: deltas, shifted deltas, splicing.

Definition: `feat/feature-functions` of Kaldi. All three are the same: every block of the output is a weighted
sum of neighbouring frames, and beyond the ends of a recording its first and last frame go on.
"""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import FeatureError
from sonant.features.checks import feature_matrix, whole_number

Features = npt.NDArray[np.float32]


class FrameFilters:
    """Weighted sums of the frames around each frame, side by side. Immutable: threads may share it.

    blocks: for each block of the output `(first, taps)`: its frame t is the sum over k of
        taps[k] * features[t + first + k], computed in float32.
    """

    def __init__(self, blocks: Sequence[tuple[int, npt.ArrayLike]]):
        firsts = [first for first, _ in blocks]
        taps = [np.asarray(weights, np.float32).tolist() for _, weights in blocks]
        self.num_blocks = len(blocks)
        self.left = max([0, *(-first for first in firsts)])
        """Frames before a frame that it needs."""
        self.right = max([0, *(first + len(w) - 1 for first, w in zip(firsts, taps, strict=True))])
        """Frames after a frame that it needs."""
        self._native = _native.FrameFilters(firsts, taps)

    @overload
    def compute(self, features: Features) -> Features: ...
    @overload
    def compute(self, features: Sequence[Features]) -> list[Features]: ...
    def compute(self, features: Features | Sequence[Features]) -> Features | list[Features]:
        """A whole recording, or each of a list of them.

        features: (frames, dim) float32. Returns (frames, num_blocks * dim) float32.
        Raises FeatureError for another type or shape.
        """
        if isinstance(features, list | tuple):
            return [self.compute(matrix) for matrix in features]
        matrix = feature_matrix(features)
        return self._native.compute(matrix, 0, len(matrix))

    def compute_range(self, features: Features, begin: int, end: int) -> Features:
        """The frames begin to end of what `compute` returns for these features."""
        matrix = feature_matrix(features)
        begin = whole_number(begin, "begin", 0, len(matrix))
        return self._native.compute(matrix, begin, whole_number(end, "end", begin, len(matrix)))

    def stream(self) -> "FrameFilterStream":
        """A new stream: one recording whose frames arrive in pieces."""
        return FrameFilterStream(self)


class FrameFilterStream:
    """One recording whose frames arrive in pieces.

    Whatever the pieces, the output is bit for bit that of `FrameFilters.compute`. A frame comes out when the
    `right` frames after it have arrived, and no more than `left + right` are kept.
    """

    def __init__(self, filters: FrameFilters):
        self._filters = filters
        self._kept: Features | None = None  # the frames that frames to come need
        self._done = 0  # of those kept: how many have been put out
        self._finished = False

    def feed(self, features: Features) -> Features:
        """The frames that the next frames (any number, (frames, dim) float32) complete: (new_frames, ...)."""
        self._refuse_after_end()
        kept = self._kept
        new = feature_matrix(features, dim=None if kept is None else kept.shape[1])
        joined = new if kept is None else np.concatenate((kept, new))
        end = max(len(joined) - self._filters.right, self._done)
        output = self._filters._native.compute(joined, self._done, end)
        first = max(end - self._filters.left, 0)
        self._kept, self._done = joined[first:].copy(), end - first
        return output

    def finish(self) -> Features:
        """Ends the recording. Returns its last frames; (0, 0) where none ever came."""
        self._refuse_after_end()
        self._finished = True
        if self._kept is None:
            return np.empty((0, 0), np.float32)
        return self._filters._native.compute(self._kept, self._done, len(self._kept))

    def _refuse_after_end(self) -> None:
        if self._finished:
            raise FeatureError("this stream is finished; expected no more calls: start another")


def deltas(order: int = 2, window: int = 2) -> FrameFilters:
    """The features, their deltas, the deltas of those, to the `order`-th: order + 1 blocks.

    window: a delta is the slope over the frames from `window` before to `window` after (1 to 999).
    """
    order, window = whole_number(order, "order", 0, 999), whole_number(window, "window", 1, 999)
    whole_number(order * window, "order * window", 0, 10_000)
    taps = [np.ones(1, np.float32)]
    for _ in range(order):
        taps.append(_slopes(window, taps[-1]))
    return FrameFilters([(-i * window, weights) for i, weights in enumerate(taps)])


def shifted_deltas(window: int = 1, num_blocks: int = 7, block_shift: int = 3) -> FrameFilters:
    """The features, and `num_blocks` deltas of frames that lie `block_shift` apart, from the present one on.

    (Torres-Carrasquillo et al. 2002, "Approaches to language identification using Gaussian mixture models and
    shifted delta cepstral features".)
    """
    window = whole_number(window, "window", 1, 999)
    num_blocks = whole_number(num_blocks, "num_blocks", 1, 999)
    block_shift = whole_number(block_shift, "block_shift", 1, 999)
    slope = _slopes(window, np.ones(1, np.float32))
    return FrameFilters(
        [(0, np.ones(1, np.float32)), *((i * block_shift - window, slope) for i in range(num_blocks))]
    )


def splicing(left_context: int = 4, right_context: int = 4) -> FrameFilters:
    """The frames from `left_context` before to `right_context` after, side by side."""
    left = whole_number(left_context, "left_context", 0, 9999)
    right = whole_number(right_context, "right_context", 0, 9999)
    return FrameFilters([(offset, np.ones(1, np.float32)) for offset in range(-left, right + 1)])


def add_deltas(features: Any, order: int = 2, window: int = 2) -> Any:
    """`deltas(order, window).compute(features)`: (frames, dim) -> (frames, (order + 1) * dim)."""
    return deltas(order, window).compute(features)


def add_shifted_deltas(features: Any, window: int = 1, num_blocks: int = 7, block_shift: int = 3) -> Any:
    """`shifted_deltas(...).compute(features)`: (frames, dim) -> (frames, (num_blocks + 1) * dim)."""
    return shifted_deltas(window, num_blocks, block_shift).compute(features)


def splice_frames(features: Any, left_context: int = 4, right_context: int = 4) -> Any:
    """`splicing(...).compute(features)`: (frames, dim) -> (frames, (left + 1 + right) * dim)."""
    return splicing(left_context, right_context).compute(features)


def reverse_frames(features: Features) -> Features:
    """The last frame first: (frames, dim) float32, a new array."""
    return feature_matrix(features)[::-1].copy()


def _slopes(window: int, taps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The weights of the least-squares slopes of what `taps` makes, summed in Kaldi's order."""
    result = np.zeros(len(taps) + 2 * window, np.float32)
    total = np.float32(0)
    for j in range(-window, window + 1):
        total += np.float32(j * j)
        result[j + window : j + window + len(taps)] += np.float32(j) * taps
    return result * (np.float32(1) / total)
