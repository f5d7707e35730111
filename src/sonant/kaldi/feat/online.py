"""Features that become ready frame by frame (PyKaldi's `kaldi.feat.online`).

Each class takes its frames from another OnlineFeatureInterface, of which only frames that are asked for are
read, as often as they are: put an OnlineCacheFeature over what is expensive.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant import features
from sonant.errors import FeatureError
from sonant.features.context import FrameFilters
from sonant.kaldi.feat._arrays import features_of
from sonant.kaldi.feat._online_cmvn import OnlineCmvn, OnlineCmvnOptions, OnlineCmvnState
from sonant.kaldi.feat._online_frames import DerivedFrames, OnlineFrames, rows_of, runs
from sonant.kaldi.feat.functions import DeltaFeaturesOptions
from sonant.kaldi.feat.online_base import OnlineFbank, OnlineMfcc, OnlinePlp
from sonant.kaldi.itf import OnlineFeatureInterface
from sonant.kaldi.util.options import Options, option

__all__ = [
    "OnlineAppendFeature",
    "OnlineCacheFeature",
    "OnlineCmvn",
    "OnlineCmvnOptions",
    "OnlineCmvnState",
    "OnlineDeltaFeature",
    "OnlineFbank",
    "OnlineMatrixFeature",
    "OnlineMfcc",
    "OnlinePlp",
    "OnlineSpliceFrames",
    "OnlineSpliceOptions",
    "OnlineTransform",
]


class OnlineMatrixFeature(OnlineFrames):
    """OnlineMatrixFeature(mat): a matrix (frames, dim), all of which is ready. It is not copied."""

    def __init__(self, mat: Any):
        self._mat = features_of(mat, "mat")

    def dim(self) -> int:
        return self._mat.shape[1]

    def num_frames_ready(self) -> int:
        return len(self._mat)

    def is_last_frame(self, frame: int) -> bool:
        return frame + 1 == len(self._mat)

    def frame_shift_in_seconds(self) -> float:
        """Nobody knows: 0.01, as Kaldi says."""
        return 0.01

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        if isinstance(frames, range) and frames.step == 1:
            return self._mat[frames.start : frames.stop]
        return self._mat[np.asarray(frames)]


class OnlineCacheFeature(DerivedFrames):
    """OnlineCacheFeature(src): keeps every frame that was asked for."""

    def __init__(self, src: OnlineFeatureInterface):
        super().__init__(src)
        self._cache: dict[int, np.ndarray] = {}

    def clear_cache(self) -> None:
        """Forgets them: call it where the source has changed."""
        self._cache.clear()

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        missing = [frame for frame in dict.fromkeys(frames) if frame not in self._cache]
        self._cache.update(zip(missing, rows_of(self._src, missing), strict=True))
        return np.stack([self._cache[frame] for frame in frames])


class OnlineAppendFeature(OnlineFrames):
    """OnlineAppendFeature(src1, src2): the columns of two sources side by side."""

    def __init__(self, src1: OnlineFeatureInterface, src2: OnlineFeatureInterface):
        self._both = src1, src2

    def dim(self) -> int:
        return self._both[0].dim() + self._both[1].dim()

    def num_frames_ready(self) -> int:
        return min(src.num_frames_ready() for src in self._both)

    def is_last_frame(self, frame: int) -> bool:
        return any(src.is_last_frame(frame) for src in self._both)

    def frame_shift_in_seconds(self) -> float:
        return self._both[0].frame_shift_in_seconds()

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        return np.hstack([rows_of(src, frames) for src in self._both])


class _ContextFrames(DerivedFrames):
    """Frames that are made of those around them in the source."""

    def __init__(self, filters: FrameFilters, src: OnlineFeatureInterface):
        super().__init__(src)
        self._filters = filters

    def dim(self) -> int:
        return self._src.dim() * self._filters.num_blocks

    def num_frames_ready(self) -> int:
        """As many as the source has, less those whose right context may yet come."""
        ready = self._src.num_frames_ready()
        if ready > 0 and self._src.is_last_frame(ready - 1):
            return ready
        return max(ready - self._filters.right, 0)

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        ready = self._src.num_frames_ready()
        parts = []
        for begin, end in runs(frames):
            first = max(begin - self._filters.left, 0)
            around = rows_of(self._src, range(first, min(end + self._filters.right, ready)))
            parts.append(self._filters.compute_range(around, begin - first, end - first))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class OnlineDeltaFeature(_ContextFrames):
    """OnlineDeltaFeature(opts, src): with DeltaFeaturesOptions, the frames of `compute_deltas`."""

    def __init__(self, opts: DeltaFeaturesOptions, src: OnlineFeatureInterface):
        super().__init__(features.deltas(opts.order, opts.window), src)


class OnlineSpliceOptions(Options):
    left_context: int = option(4, "left-context", "Frames before each frame to put with it")
    right_context: int = option(4, "right-context", "Frames after each frame to put with it")


class OnlineSpliceFrames(_ContextFrames):
    """OnlineSpliceFrames(opts, src): the frames of `splice_frames`."""

    def __init__(self, opts: OnlineSpliceOptions, src: OnlineFeatureInterface):
        super().__init__(features.splicing(opts.left_context, opts.right_context), src)


class OnlineTransform(DerivedFrames):
    """OnlineTransform(transform, src): each frame times a matrix (new_dim, dim), or (new_dim, dim + 1).

    The last column of the latter is added.
    """

    def __init__(self, transform: Any, src: OnlineFeatureInterface):
        super().__init__(src)
        matrix, dim = features_of(transform, "transform"), src.dim()
        if matrix.shape[1] not in (dim, dim + 1):
            raise FeatureError(
                f"a transform of {matrix.shape[1]} columns for features of {dim}; "
                f"expected {dim}, or {dim + 1} with an offset"
            )
        self._linear = np.ascontiguousarray(matrix[:, :dim].T)
        self._offset = matrix[:, dim].copy() if matrix.shape[1] > dim else np.zeros(len(matrix), np.float32)

    def dim(self) -> int:
        return len(self._offset)

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        # Row by row (a stack of 1 x dim matrices), so that no frame's rounding depends on its neighbours.
        return np.matmul(rows_of(self._src, frames)[:, np.newaxis], self._linear)[:, 0] + self._offset
