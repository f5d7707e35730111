"""How a waveform is cut into windowed frames (PyKaldi's `kaldi.feat.window`)."""

from functools import cache
from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import FeatureError
from sonant.features import Spectrogram, SpectrogramConfig
from sonant.features.frames import native_options
from sonant.kaldi.feat._arrays import as_array, destination
from sonant.kaldi.feat._configs import config_of
from sonant.kaldi.matrix import Vector
from sonant.kaldi.util.options import Options, option

__all__ = [
    "FeatureWindowFunction",
    "FrameExtractionOptions",
    "dither",
    "extract_window",
    "first_sample_of_frame",
    "num_frames",
    "preemphasize",
    "process_window",
]


@cache
def _noise() -> Any:
    """Of `dither`: like Kaldi's, it goes on from call to call and begins anew with the process."""
    from numpy.random import default_rng  # here, as numpy.random takes long to import

    return default_rng(0)


class FrameExtractionOptions(Options):
    """Options for extracting frames, with Kaldi's defaults: the noise of dither is among them."""

    samp_freq: float = option(
        16000.0, "sample-frequency", "Rate of the waveform in Hz; must be that of the file, where it has one"
    )
    frame_shift_ms: float = option(10.0, "frame-shift", "Milliseconds from frame to frame")
    frame_length_ms: float = option(25.0, "frame-length", "Length of a frame in milliseconds")
    dither: float = option(
        1.0, "dither", "Deviation of the noise added to samples; with 0 set --energy-floor, say to 0.1 or 1"
    )
    preemph_coeff: float = option(0.97, "preemphasis-coefficient", "Coefficient of the preemphasis")
    remove_dc_offset: bool = option(True, "remove-dc-offset", "Subtract its mean from each frame")
    window_type: str = option(
        "povey", "window-type", '"hamming"|"hanning"|"povey"|"rectangular"|"sine"|"blackman"'
    )
    round_to_power_of_two: bool = option(
        True, "round-to-power-of-two", "Pad frames with zeros to a power of two before the Fourier transform"
    )
    blackman_coeff: float = option(0.42, "blackman-coeff", "Coefficient of the generalized Blackman window")
    snip_edges: bool = option(
        True,
        "snip-edges",
        "Only frames that lie in the waveform; else a frame for each shift, the ends mirrored",
    )
    allow_downsample: bool = option(
        False, "allow-downsample", "Resample a waveform whose rate is higher than --sample-frequency"
    )
    allow_upsample: bool = option(
        False, "allow-upsample", "Resample a waveform whose rate is lower than --sample-frequency"
    )
    max_feature_vectors: int = option(
        -1, "max-feature-vectors", "Of online features, keep only so many of the latest frames; -1 for all"
    )

    def window_shift(self) -> int:
        """Samples from frame to frame."""
        return _framing(self).shift

    def window_size(self) -> int:
        """Samples of a frame."""
        return _framing(self).length

    def padded_window_size(self) -> int:
        """Samples of a frame with the zeros that fill it up for the Fourier transform."""
        return _framing(self).padded


def _native_options(opts: FrameExtractionOptions) -> Any:
    return native_options(Spectrogram._Options, config_of(SpectrogramConfig, opts))


def _framing(opts: FrameExtractionOptions) -> Any:
    return _native.framing(_native_options(opts))


class FeatureWindowFunction:
    """FeatureWindowFunction(): empty; `from_options` makes the window that options ask for."""

    def __init__(self) -> None:
        self.window = Vector()
        """(window_size,)"""

    @classmethod
    def from_options(cls, opts: FrameExtractionOptions) -> "FeatureWindowFunction":
        made = cls()
        made.window = Vector(_native.window(_native_options(opts)))
        return made

    @classmethod
    def from_other(cls, other: "FeatureWindowFunction") -> "FeatureWindowFunction":
        made = cls()
        made.window = Vector(other.window)
        return made


def num_frames(num_samples: int, opts: FrameExtractionOptions, flush: bool = True) -> int:
    """Frames of a waveform of `num_samples`; with flush=False those that no later sample can change."""
    if num_samples < 0:
        raise FeatureError(f"num_samples={num_samples}; expected the length of a waveform, 0 or more")
    return _framing(opts).count(num_samples, flush)


def first_sample_of_frame(frame: int, opts: FrameExtractionOptions) -> int:
    """Number of the first sample of a frame; it may be negative with snip_edges=False."""
    return _framing(opts).first_sample(frame)


def _in_place(waveform: Any, what: str) -> np.ndarray:
    return destination(waveform, as_array(waveform, 1, np.float32, what).shape, what)


def dither(waveform: Any, dither_value: float) -> None:
    """Adds Gaussian noise of that deviation to a vector, in place."""
    samples = _in_place(waveform, "waveform")
    if dither_value:
        samples += dither_value * _noise().standard_normal(len(samples), np.float32)


def preemphasize(waveform: Any, preemph_coeff: float) -> None:
    """Subtracts from each sample of a vector its predecessor times `preemph_coeff`, in place.

    The first sample has itself as a predecessor.
    """
    if not 0 <= preemph_coeff <= 1:
        raise FeatureError(f"preemph_coeff={preemph_coeff}; expected 0 to 1")
    samples = _in_place(waveform, "waveform")
    if len(samples):
        samples -= preemph_coeff * np.concatenate([samples[:1], samples[:-1]])


def process_window(
    opts: FrameExtractionOptions, window_function: FeatureWindowFunction, window: Any
) -> float:
    """Dither, offset, preemphasis and window function on a frame (window_size,), in place.

    Returns the log-energy before preemphasis and window.
    """
    samples = destination(window, (opts.window_size(),), "window")
    dither(samples, opts.dither)
    if opts.remove_dc_offset:
        samples -= samples.mean(dtype=np.float64)
    log_energy = np.log(max(float(samples @ samples), float(np.finfo(np.float32).eps)))
    preemphasize(samples, opts.preemph_coeff)
    samples *= destination(window_function.window, samples.shape, "window_function")
    return float(log_energy)


def extract_window(
    sample_offset: int,
    wave: Any,
    f: int,
    opts: FrameExtractionOptions,
    window_function: FeatureWindowFunction,
    window: Any,
) -> float:
    """Writes frame `f` of a waveform, after `process_window`, into `window`, (padded_window_size,).

    wave: (samples,), the samples from number `sample_offset` of the waveform on.
    window: a Vector, which is resized, or another vector or array of that length.
    Returns the log-energy before preemphasis and window.
    """
    framing, samples = _framing(opts), as_array(wave, 1, np.float32, "wave")
    first, length, end = framing.first_sample(f), framing.length, sample_offset + len(samples)
    inside = sample_offset <= first and first + length <= end
    if f < 0 or sample_offset < 0 or not (inside or (not opts.snip_edges and first < end and len(samples))):
        raise FeatureError(
            f"frame {f} is samples {first} to {first + length - 1}; wave has {sample_offset} to {end - 1}"
        )
    if sample_offset and first < sample_offset:
        raise FeatureError(
            f"frame {f} begins at sample {first}; wave begins at {sample_offset}: only the start of the "
            "waveform, sample_offset=0, can be mirrored"
        )
    if isinstance(window, Vector):
        window.resize_(framing.padded)
    output = destination(window, (framing.padded,), "window")
    position = np.arange(first, first + length) - sample_offset
    phase = position % (2 * len(samples))
    output[:length] = samples[np.where(phase < len(samples), phase, 2 * len(samples) - 1 - phase)]
    output[length:] = 0
    return process_window(opts, window_function, output[:length])
