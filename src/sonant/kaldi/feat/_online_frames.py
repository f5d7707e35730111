"""The base of online features whose frames come from arrays or from other online features."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import destination
from sonant.kaldi.itf import OnlineFeatureInterface


class OnlineFrames(OnlineFeatureInterface):
    """What the online features of this package share: `_rows` makes any number of frames at once."""

    @abstractmethod
    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        """The frames, all of them ready, as an array (frames, dim)."""

    def get_frame(self, frame: int, feat: Any) -> None:
        destination(feat, (self.dim(),), "feat")[:] = self._checked_rows(range(frame, frame + 1))[0]

    def get_frames(self, frames: Sequence[int], feats: Any) -> None:
        output = destination(feats, (len(frames), self.dim()), "feats")
        if len(frames):
            output[:] = self._checked_rows(frames)

    def _checked_rows(self, frames: Sequence[int]) -> np.ndarray:
        ready = self.num_frames_ready()
        ends = (frames[0], frames[-1]) if isinstance(frames, range) else (min(frames), max(frames))
        for frame in ends:
            if not 0 <= frame < ready:
                raise FeatureError(f"frame {frame} was asked for; expected 0 to {ready - 1}, those ready now")
        return self._rows(frames)


class DerivedFrames(OnlineFrames):
    """Frames that are made of another source's, one for one."""

    def __init__(self, src: OnlineFeatureInterface):
        self._src = src

    def dim(self) -> int:
        return self._src.dim()

    def num_frames_ready(self) -> int:
        return self._src.num_frames_ready()

    def is_last_frame(self, frame: int) -> bool:
        return self._src.is_last_frame(frame)

    def frame_shift_in_seconds(self) -> float:
        return self._src.frame_shift_in_seconds()


def rows_of(src: OnlineFeatureInterface, frames: Sequence[int]) -> np.ndarray:
    """Frames of a source as an array (frames, dim)."""
    rows = np.empty((len(frames), src.dim()), np.float32)
    if len(frames):
        src.get_frames(frames, rows)
    return rows


def runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges (begin, end) of frames that follow each other, in the order in which they are listed."""
    if isinstance(frames, range) and frames.step == 1:
        return [(frames.start, frames.stop)]
    numbers = np.asarray(frames)
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    begins = numbers[np.concatenate(([0], breaks))]
    ends = numbers[np.concatenate((breaks, [len(numbers)])) - 1] + 1
    return list(zip(begins.tolist(), ends.tolist(), strict=True))
