"""Kaldi's mel-frequency cepstral coefficients (`feat/feature-mfcc` of Kaldi; Davis & Mermelstein 1980)."""

from dataclasses import dataclass

from sonant import _native
from sonant.features.frames import FrameStream, MelConfig, MelFeature


@dataclass(frozen=True)
class MfccConfig(MelConfig):
    """Kaldi's MfccOptions, MelBanksOptions and FrameExtractionOptions: Kaldi's names and defaults.

    FrameConfig says which options are ours, and that Kaldi's default adds noise.
    """

    num_ceps: int = 13
    """Cepstra, the zeroth among them: 1 to num_mel_bins."""
    use_energy: bool = True
    """The log-energy of the frame in the place of cepstrum 0."""
    htk_compat: bool = False
    """Cepstrum 0, or the energy, last; cepstrum 0 times the square root of 2."""
    cepstral_lifter: float = 22.0
    """Q of the factors 1 + Q/2 sin(pi i / Q) of the cepstra; 0 for none."""


class Mfcc(MelFeature[MfccConfig]):
    """Computes MFCC of whole waveforms, or of a stream. Immutable: threads may share it.

    `dim` is num_ceps. Raises FeatureError for options that make no features.
    """

    _Config = MfccConfig
    _Options = _native.MfccOptions


MfccStream = FrameStream
"""What `Mfcc.stream` returns."""
