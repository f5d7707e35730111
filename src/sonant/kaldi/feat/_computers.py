"""What the features of this package share: of a waveform, of one windowed frame."""

import copy
from typing import Any, ClassVar, Self

import numpy as np

from sonant.errors import FeatureError
from sonant.features.frames import FrameConfig, FrameFeature
from sonant.kaldi.feat._arrays import as_array, destination
from sonant.kaldi.feat._configs import config_of
from sonant.kaldi.feat.window import FrameExtractionOptions
from sonant.kaldi.matrix import Matrix, Vector


class _Computing:
    _Feature: ClassVar[type[FrameFeature]]
    _Config: ClassVar[type[FrameConfig]]
    _opts: Any
    _feature: FrameFeature

    def __init__(self, opts: Any):
        self._opts = copy.deepcopy(opts)
        self._feature = self._Feature(config_of(self._Config, opts))

    @classmethod
    def from_other(cls, other: "_Computing") -> Self:
        """A copy."""
        return cls(other._opts)

    def dim(self) -> int:
        """Features per frame."""
        return self._feature.dim


class FrameComputer(_Computing):
    """Features of single frames, for those who cut and window them themselves."""

    def get_frame_options(self) -> FrameExtractionOptions:
        return copy.deepcopy(self._opts.frame_opts)

    def need_raw_log_energy(self) -> bool:
        """Whether `compute` reads signal_log_energy: the energy before preemphasis and window."""
        return getattr(self._opts, "use_energy", True) and self._opts.raw_energy

    def compute(self, signal_log_energy: float, vtln_warp: float, signal_frame: Any, feature: Any) -> None:
        """Writes the features of one frame into `feature`, (dim,).

        signal_frame: (padded_window_size,), as `extract_window` makes it. It is left as it is.
        """
        frame = np.ascontiguousarray(as_array(signal_frame, 1, np.float32, "signal_frame"))
        output = destination(feature, (self.dim(),), "feature")
        native = self._feature._native
        output[:] = native.compute_windowed(frame, signal_log_energy, self._feature._warp(vtln_warp))[0]


class WaveFeature(_Computing):
    """Features of whole waveforms, on the scale of 16-bit integers."""

    def compute(self, wave: Any, vtln_warp: float = 1.0) -> Matrix:
        """Features (frames, dim) of a waveform (samples,) of the options' rate.

        A waveform that is too short for a frame gives an empty matrix. Raises FeatureError for samples that
        are not finite.
        """
        samples = np.ascontiguousarray(as_array(wave, 1, np.float32, "wave"))
        features = self._feature._compute(samples, vtln_warp, 1)
        return Matrix.from_numpy(features if len(features) else np.zeros((0, 0), np.float32))

    def compute_features(self, wave: Any, sample_freq: float, vtln_warp: float = 1.0) -> Matrix:
        """Features of a waveform (samples,) of any rate in Hz that the options allow to be resampled."""
        rate = resampled_rate(self._opts.frame_opts, sample_freq)
        if rate is None:
            return self.compute(wave, vtln_warp)
        from sonant.kaldi.feat.signal import downsample_wave_form

        return self.compute(downsample_wave_form(sample_freq, Vector(wave), rate), vtln_warp)


def resampled_rate(opts: FrameExtractionOptions, sample_freq: float) -> float | None:
    """The rate to resample to, None where it is that of the options.

    Raises FeatureError where the options do not allow that.
    """
    wanted = opts.samp_freq
    if sample_freq == wanted:
        return None
    name = "allow_downsample" if sample_freq > wanted else "allow_upsample"
    if not (0 < sample_freq < float("inf") and getattr(opts, name)):
        raise FeatureError(
            f"a waveform of {sample_freq:g} Hz; expected samp_freq={wanted:g} Hz of the options: "
            f"change it, or set {name}=True"
        )
    return wanted
