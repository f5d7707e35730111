"""Resampling and convolution (PyKaldi's `kaldi.feat.signal`).

For anything but Kaldi's own numbers, `sonant.audio` resamples with sharper filters.
"""

from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import as_array, destination, features_of
from sonant.kaldi.matrix import Vector

__all__ = [
    "ArbitraryResample",
    "LinearResample",
    "convolve_signals",
    "downsample_wave_form",
    "fft_based_block_convolve_signals",
    "fft_based_convolve_signals",
]


class LinearResample:
    """LinearResample(sample_rate_in_hz, samp_rate_out_hz, filter_cutoff_hz, num_zeros)

    From one sampling rate to another, in pieces. The filter is a sinc of `filter_cutoff_hz` under a Hanning
    window that ends at its `num_zeros`-th zero on each side. Rates are whole Hz.

    Raises FeatureError for rates and filters that make no signal.
    """

    def __init__(
        self, sample_rate_in_hz: float, samp_rate_out_hz: float, filter_cutoff_hz: float, num_zeros: int
    ):
        self._native = _native.LinearResample(
            _whole(sample_rate_in_hz, "sample_rate_in_hz"),
            _whole(samp_rate_out_hz, "samp_rate_out_hz"),
            filter_cutoff_hz,
            num_zeros,
        )

    def resample(self, input: Any, flush: bool) -> Vector:
        """The output that is complete with this piece of the signal.

        flush: it is the last piece, nothing follows but zeros; the next begins another signal. The outputs of
        all pieces are, bit for bit, that of the whole.
        Raises FeatureError for samples that are not finite.
        """
        return Vector.from_numpy(self._native.resample(_signal(input, "input"), bool(flush)))

    def reset(self) -> None:
        """Forgets the pieces: the next begins another signal."""
        self._native.reset()


class ArbitraryResample:
    """ArbitraryResample(num_samples_in, samp_rate_hz, filter_cutoff_hz, sample_points_secs, num_zeros)

    Signals of `num_samples_in` samples, zero outside them, at any points in time; the first sample is at 0 s.
    The filter is that of LinearResample.

    Raises FeatureError for points and filters that make no signal.
    """

    def __init__(
        self,
        num_samples_in: int,
        samp_rate_hz: float,
        filter_cutoff_hz: float,
        sample_points_secs: Any,
        num_zeros: int,
    ):
        points = _signal(sample_points_secs, "sample_points_secs")
        self._native = _native.ArbitraryResample(
            num_samples_in, samp_rate_hz, filter_cutoff_hz, points, num_zeros
        )

    @property
    def num_samples_in(self) -> int:
        return self._native.num_inputs

    @property
    def num_samples_out(self) -> int:
        return self._native.num_outputs

    def resample(self, input: Any, output: Any) -> None:
        """Resamples the rows of `input`, (signals, num_samples_in), into those of `output`, (signals,
        num_samples_out). Raises FeatureError or MatrixError for other shapes."""
        rows = features_of(input, "input")
        destination(output, (len(rows), self.num_samples_out), "output")[:] = self._native.resample(rows)

    def resample_vector(self, input: Any, output: Any) -> None:
        """Resamples `input`, (num_samples_in,), into `output`, (num_samples_out,)."""
        row = _signal(input, "input")[None]
        destination(output, (self.num_samples_out,), "output")[:] = self._native.resample(row)[0]


def downsample_wave_form(orig_freq: float, wave: Any, new_freq: float) -> Vector:
    """The waveform at another rate, lower or higher, in whole Hz. Raises FeatureError."""
    rates = _whole(orig_freq, "orig_freq"), _whole(new_freq, "new_freq")
    return Vector.from_numpy(_native.downsample(_signal(wave, "wave"), *rates))


def convolve_signals(filter: Any, signal: Vector) -> None:
    """Replaces `signal` by its convolution with `filter`, longer by len(filter) - 1. Directly."""
    _convolve(filter, signal, np.convolve)


def fft_based_convolve_signals(filter: Any, signal: Vector) -> None:
    """As convolve_signals, by one Fourier transform of the whole signal."""
    _convolve(filter, signal, _fft_convolve)


def fft_based_block_convolve_signals(filter: Any, signal: Vector) -> None:
    """As convolve_signals, by Fourier transforms of blocks of the signal (overlap and add)."""
    _convolve(filter, signal, _block_convolve)


def _convolve(filter: Any, signal: Vector, method: Any) -> None:
    if not isinstance(signal, Vector):
        raise FeatureError(
            f"signal: {type(signal).__name__}; expected a Vector, which can become longer: Vector(signal)"
        )
    taps, samples = (_signal(array, name) for array, name in ((filter, "filter"), (signal, "signal")))
    if not (len(taps) and len(samples)):
        lengths = f"a filter of {len(taps)} and a signal of {len(samples)} samples"
        raise FeatureError(f"{lengths}; expected 1 or more of each")
    convolved = method(samples.astype(np.float64), taps.astype(np.float64))
    signal.resize_(len(convolved))
    signal.copy_(convolved)


def _fft_convolve(samples: np.ndarray, taps: np.ndarray) -> np.ndarray:
    length = len(samples) + len(taps) - 1
    size = 1 << (length - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(taps, size), size)[:length]


def _block_convolve(samples: np.ndarray, taps: np.ndarray) -> np.ndarray:
    size = 1 << (4 * len(taps) - 1).bit_length()
    block = size - len(taps) + 1
    spectrum = np.fft.rfft(taps, size)
    blocks = -(-len(samples) // block)
    convolved = np.zeros(blocks * block + len(taps) - 1)
    for start in range(0, len(samples), block):
        part = np.fft.irfft(np.fft.rfft(samples[start : start + block], size) * spectrum, size)
        convolved[start : start + size] += part[: len(convolved) - start]
    return convolved[: len(samples) + len(taps) - 1]


def _signal(value: Any, what: str) -> np.ndarray:
    return np.ascontiguousarray(as_array(value, 1, np.float32, what))


def _whole(rate: float, name: str) -> int:
    if not 0 < rate < 1 << 31 or rate != int(rate):
        raise FeatureError(f"{name}={rate!r}; expected a rate in whole Hz")
    return int(rate)
