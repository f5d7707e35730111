"""Kaldi's spectrogram (`feat/feature-spectrogram` of Kaldi)."""

from dataclasses import dataclass

from sonant import _native
from sonant.features.frames import FrameConfig, FrameFeature, FrameStream


@dataclass(frozen=True)
class SpectrogramConfig(FrameConfig):
    """Kaldi's SpectrogramOptions and FrameExtractionOptions: Kaldi's names and defaults.

    FrameConfig says which options are ours, and that Kaldi's default adds noise.
    """

    return_raw_fft: bool = False
    """The transform itself: re 0, re N/2, re 1, im 1, re 2, ... where N is the length of the padded frame."""


class Spectrogram(FrameFeature[SpectrogramConfig]):
    """Computes log power spectra of whole waveforms, or of a stream. Immutable: threads may share it.

    `dim` is N/2 + 1 for padded frames of N samples: the log-energy of the frame, then the logarithm of
    the power at k / N of the sample frequency for k = 1 to N/2. With return_raw_fft it is N.
    Raises FeatureError for options that make no features.
    """

    _Config = SpectrogramConfig
    _Options = _native.SpectrogramOptions


SpectrogramStream = FrameStream
"""What `Spectrogram.stream` returns."""
