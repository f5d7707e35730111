"""Mel filters, and the arithmetic of cepstra (PyKaldi's `kaldi.feat.mel`)."""

import math
from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import FeatureError
from sonant.features import Fbank, FbankConfig
from sonant.kaldi.feat._arrays import as_array, destination
from sonant.kaldi.feat._configs import config_of
from sonant.kaldi.feat.window import FrameExtractionOptions
from sonant.kaldi.matrix import Vector
from sonant.kaldi.util.options import Options, option

__all__ = [
    "MelBanks",
    "MelBanksOptions",
    "compute_lifter_coeffs",
    "compute_lpc",
    "get_equal_loudness_vector",
]


class MelBanksOptions(Options):
    """MelBanksOptions(num_bins=25)"""

    num_bins: int = option(25, "num-mel-bins", "Number of triangular mel filters")
    low_freq: float = option(20.0, "low-freq", "Lower edge of the lowest filter in Hz")
    high_freq: float = option(
        0.0, "high-freq", "Upper edge of the highest filter in Hz; if <= 0, from half the sample frequency"
    )
    vtln_low: float = option(100.0, "vtln-low", "Lower knee of the warp of frequencies in Hz")
    vtln_high: float = option(
        -500.0, "vtln-high", "Upper knee in Hz; if negative, from half the sample frequency"
    )
    debug_mel: bool = option(False, "debug-mel", "Kaldi prints its filters with it; it changes nothing here")
    htk_mode: bool = False  # no command line of Kaldi's has it


class MelBanks:
    """MelBanks(opts, frame_opts, vtln_warp_factor): triangular filters on the mel scale."""

    def __init__(
        self, opts: MelBanksOptions, frame_opts: FrameExtractionOptions, vtln_warp_factor: float = 1.0
    ):
        self._fbank = Fbank(config_of(FbankConfig, frame_opts, opts, vtln_warp=float(vtln_warp_factor)))

    @classmethod
    def from_other(cls, other: "MelBanks") -> "MelBanks":
        made = cls.__new__(cls)
        made._fbank = other._fbank
        return made

    def num_bins(self) -> int:
        return self._fbank.config.num_mel_bins

    def get_center_freqs(self) -> Vector:
        """(num_bins,) in Hz."""
        return Vector(_native.mel_centers(self._fbank._native, self._fbank.config.vtln_warp))

    def compute(self, fft_energies: Any, mel_energies_out: Any) -> None:
        """Filters a power spectrum (N/2 + 1,), or without its last frequency, into (num_bins,)."""
        filters = self._fbank.mel_filters
        spectrum = as_array(fft_energies, 1, np.float32, "fft_energies")
        if len(spectrum) not in (filters.shape[1], filters.shape[1] - 1):
            raise FeatureError(
                f"fft_energies has {len(spectrum)} frequencies; expected {filters.shape[1]}, "
                "half the padded window's length and one"
            )
        output = destination(mel_energies_out, (len(filters),), "mel_energies_out")
        output[:] = filters[:, : len(spectrum)] @ spectrum
        if self._fbank.config.htk_mode:
            np.maximum(output, 1.0, out=output)

    @staticmethod
    def mel_scale(freq: float) -> float:
        """Hz to mel."""
        return _native.mel_of(freq)

    @staticmethod
    def inverse_mel_scale(mel_freq: float) -> float:
        """Mel to Hz."""
        return _native.hertz_of(mel_freq)

    @staticmethod
    def vtln_warp_freq(
        vtln_low_cutoff: float,
        vtln_high_cutoff: float,
        low_freq: float,
        high_freq: float,
        vtln_warp_factor: float,
        freq: float,
    ) -> float:
        """A frequency in Hz, warped: piecewise linear, and as it is outside low_freq to high_freq."""
        if not (
            low_freq < vtln_low_cutoff < vtln_high_cutoff < high_freq and 0 < vtln_warp_factor < math.inf
        ):
            raise FeatureError(
                f"knees {vtln_low_cutoff} and {vtln_high_cutoff} Hz in {low_freq} to {high_freq} Hz, factor "
                f"{vtln_warp_factor}; expected low < low knee < high knee < high, and a positive factor"
            )
        return _native.warped_hertz(
            low_freq, high_freq, vtln_low_cutoff, vtln_high_cutoff, vtln_warp_factor, freq
        )

    @staticmethod
    def vtln_warp_mel_freq(
        vtln_low_cutoff: float,
        vtln_high_cutoff: float,
        low_freq: float,
        high_freq: float,
        vtln_warp_factor: float,
        mel_freq: float,
    ) -> float:
        """The same from mel to mel; the cutoffs are in Hz."""
        hertz = MelBanks.vtln_warp_freq(
            vtln_low_cutoff,
            vtln_high_cutoff,
            low_freq,
            high_freq,
            vtln_warp_factor,
            _native.hertz_of(mel_freq),
        )
        return _native.mel_of(hertz)


def compute_lifter_coeffs(Q: float, coeffs: Any) -> None:
    """Fills a vector with 1 + Q/2 sin(pi i / Q), which cepstra are multiplied by."""
    output = destination(coeffs, as_array(coeffs, 1, np.float32, "coeffs").shape, "coeffs")
    output[:] = _native.lifter(Q, len(output))


def compute_lpc(autocorr_in: Any, lpc_out: Any) -> float:
    """Linear prediction by Durbin's recursion: writes (order,) from autocorrelations (order + 1,).

    Returns the logarithm of the residual's energy, -inf where there is none.
    """
    autocorrelation = np.ascontiguousarray(as_array(autocorr_in, 1, np.float32, "autocorr_in"))
    energy, predictor = _native.linear_prediction(autocorrelation)
    destination(lpc_out, predictor.shape, "lpc_out")[:] = predictor
    return math.log(energy) if energy > 0 else -math.inf


def get_equal_loudness_vector(mel_banks: MelBanks) -> Vector:
    """(num_bins,): how loud the ear finds each filter's center, in PLP."""
    fbank = mel_banks._fbank
    return Vector(_native.mel_loudness(fbank._native, fbank.config.vtln_warp))
