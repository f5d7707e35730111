"""Online features that are computed from a waveform; `kaldi.feat.online` has them too."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from sonant.errors import FeatureError
from sonant.features.frames import FrameConfig, FrameFeature
from sonant.kaldi.feat._arrays import as_array
from sonant.kaldi.feat._computers import WaveFeature, resampled_rate
from sonant.kaldi.feat._configs import config_of
from sonant.kaldi.feat._online_frames import OnlineFrames
from sonant.kaldi.feat.fbank import Fbank, FbankOptions
from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
from sonant.kaldi.feat.plp import Plp, PlpOptions
from sonant.kaldi.itf import OnlineBaseFeature
from sonant.kaldi.matrix import Vector

__all__ = ["OnlineFbank", "OnlineMfcc", "OnlinePlp"]


class LatestFrames:
    """Frames by number, of which only the last `most` are sure to be kept."""

    def __init__(self, dim: int, most: int | None):
        self._rows = np.empty((64, dim), np.float32)
        self._most = most
        self._first = 0  # the number of the frame in row 0
        self.count = 0

    def append(self, frames: np.ndarray) -> None:
        held = self.count - self._first
        if held + len(frames) > len(self._rows):
            kept = held if self._most is None else min(held, self._most)
            rows = self._rows[held - kept : held]
            self._rows = np.empty((2 * (kept + len(frames)), frames.shape[1]), np.float32)
            self._rows[:kept] = rows
            self._first = self.count - kept
            held = kept
        self._rows[held : held + len(frames)] = frames
        self.count += len(frames)

    def rows(self, numbers: Sequence[int]) -> np.ndarray:
        if (oldest := min(numbers)) < self._first:
            raise FeatureError(
                f"frame {oldest} was asked for; those before {self._first} are gone, by "
                f"max_feature_vectors={self._most}: raise it, or set it to -1"
            )
        return self._rows[np.asarray(numbers) - self._first]


class OnlineWaveFeature(OnlineFrames, OnlineBaseFeature):
    """Features of a waveform, on the scale of 16-bit integers, that arrives in pieces."""

    _Kind: ClassVar[type[WaveFeature]]

    def __init__(self, opts: Any):
        feature: FrameFeature[FrameConfig] = self._Kind._Feature(config_of(self._Kind._Config, opts))
        self._frame_opts = opts.frame_opts
        self._shift = opts.frame_opts.frame_shift_ms / 1000
        self._dim = feature.dim
        self._stream = feature.stream()
        most = opts.frame_opts.max_feature_vectors
        self._frames = LatestFrames(feature.dim, most if most > 0 else None)
        self._finished = False
        self._rate: float | None = None  # of what has arrived
        self._resampler: Any = None

    def dim(self) -> int:
        return self._dim

    def num_frames_ready(self) -> int:
        return self._frames.count

    def is_last_frame(self, frame: int) -> bool:
        return self._finished and frame == self._frames.count - 1

    def frame_shift_in_seconds(self) -> float:
        return self._shift

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        return self._frames.rows(frames)

    def accept_waveform(self, sampling_rate: float, waveform: Any) -> None:
        samples = np.ascontiguousarray(as_array(waveform, 1, np.float32, "waveform"))
        if not len(samples):
            return
        if self._finished:
            raise FeatureError("samples after input_finished(); expected none: make another object")
        if self._rate is None:
            self._begin(sampling_rate)
        if sampling_rate != self._rate:
            raise FeatureError(
                f"samples of {sampling_rate:g} Hz after those of {self._rate:g} Hz; expected one rate"
            )
        self._feed(samples, False)

    def _begin(self, rate: float) -> None:
        wanted = resampled_rate(self._frame_opts, rate)
        if wanted is not None:
            from sonant.kaldi.feat.signal import LinearResample

            self._resampler = LinearResample(rate, wanted, min(rate, wanted) / 2, 6)
        self._rate = rate

    def _feed(self, samples: np.ndarray, flush: bool) -> None:
        if self._resampler is not None:
            samples = self._resampler.resample(Vector(samples), flush).numpy()
        self._frames.append(self._stream.feed(samples))

    def input_finished(self) -> None:
        if self._finished:
            return
        if self._resampler is not None:
            self._feed(np.zeros(0, np.float32), True)
        self._frames.append(self._stream.finish())
        self._finished = True


class OnlineMfcc(OnlineWaveFeature):
    """OnlineMfcc(opts)"""

    _Kind = Mfcc

    def __init__(self, opts: MfccOptions):
        super().__init__(opts)


class OnlineFbank(OnlineWaveFeature):
    """OnlineFbank(opts)"""

    _Kind = Fbank

    def __init__(self, opts: FbankOptions):
        super().__init__(opts)


class OnlinePlp(OnlineWaveFeature):
    """OnlinePlp(opts)"""

    _Kind = Plp

    def __init__(self, opts: PlpOptions):
        super().__init__(opts)
