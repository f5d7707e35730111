"""The base of online features whose frames come from arrays or from other online features."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
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
        destination(feat, (self.dim(),), "feat")[:] = self._checked_rows([frame])[0]

    def get_frames(self, frames: Sequence[int], feats: Any) -> None:
        output = destination(feats, (len(frames), self.dim()), "feats")
        if len(frames):
            output[:] = self._checked_rows(frames)

    def _checked_rows(self, frames: Sequence[int]) -> np.ndarray:
        ready = self.num_frames_ready()
        for frame in min(frames), max(frames):
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


def runs(frames: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges (begin, end) of frames that follow each other, in the order in which they are listed."""
    begin = end = None
    for frame in frames:
        if begin is not None and frame == end:
            end += 1
            continue
        if begin is not None and end is not None:
            yield begin, end
        begin, end = frame, frame + 1
    if begin is not None and end is not None:
        yield begin, end
