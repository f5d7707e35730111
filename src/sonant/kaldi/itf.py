"""The interfaces through which Kaldi's objects meet (PyKaldi's `kaldi.itf`)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any


class OnlineFeatureInterface(ABC):
    """Features that become ready frame by frame."""

    @abstractmethod
    def dim(self) -> int:
        """Features per frame."""

    @abstractmethod
    def num_frames_ready(self) -> int:
        """Frames that can be had now; it only grows."""

    @abstractmethod
    def is_last_frame(self, frame: int) -> bool:
        """True where the input has finished and `frame` is its last one; frame -1 where there is none."""

    @abstractmethod
    def get_frame(self, frame: int, feat: Any) -> None:
        """Writes frame `frame` into `feat`, a Vector, SubVector or numpy array (dim,)."""

    @abstractmethod
    def frame_shift_in_seconds(self) -> float: ...

    def get_frames(self, frames: Sequence[int], feats: Any) -> None:
        """Writes the frames into the rows of `feats`, a Matrix, SubMatrix or numpy array (frames, dim)."""
        for row, frame in enumerate(frames):
            self.get_frame(frame, feats[row])


class OnlineBaseFeature(OnlineFeatureInterface):
    """Online features that are computed from a waveform."""

    @abstractmethod
    def accept_waveform(self, sampling_rate: float, waveform: Any) -> None:
        """Takes the next samples, on the scale of 16-bit integers. Raises FeatureError for another rate."""

    @abstractmethod
    def input_finished(self) -> None:
        """Says that no samples follow."""


class DecodableInterface(ABC):
    """Acoustic log-likelihoods for a decoder."""

    @abstractmethod
    def log_likelihood(self, frame: int, index: int) -> float:
        """Of the 1-based index (a transition-id as a rule) at the 0-based frame."""

    @abstractmethod
    def is_last_frame(self, frame: int) -> bool: ...

    @abstractmethod
    def num_indices(self) -> int: ...

    def num_frames_ready(self) -> int:
        """Frames that can be asked for now."""
        raise TypeError(f"{type(self).__name__} does not say how many frames it has: define num_frames_ready")
