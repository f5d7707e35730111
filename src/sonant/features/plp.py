"""Kaldi's perceptual linear prediction (`feat/feature-plp` of Kaldi; Hermansky 1990)."""

from dataclasses import dataclass

from sonant import _native
from sonant.features.frames import FrameStream, MelConfig, MelFeature


@dataclass(frozen=True)
class PlpConfig(MelConfig):
    """Kaldi's PlpOptions, MelBanksOptions and FrameExtractionOptions: Kaldi's names and defaults.

    FrameConfig says which options are ours, and that Kaldi's default adds noise.
    A frame of zeros has no spectrum to predict: Kaldi's cepstra are then NaN, ours 0.
    """

    lpc_order: int = 12
    """Of the all-pole model, 1 to num_mel_bins + 1."""
    num_ceps: int = 13
    """Cepstra, the zeroth among them: 1 to lpc_order + 1."""
    use_energy: bool = True
    """The log-energy of the frame in the place of cepstrum 0, which is that of the model's residual."""
    htk_compat: bool = False
    """Cepstrum 0, or the energy, last."""
    compress_factor: float = 0.33333
    """Exponent of the filters' powers, from intensity to loudness."""
    cepstral_lifter: float = 22.0
    """Q of the factors 1 + Q/2 sin(pi i / Q) of the cepstra; 0 for none."""
    cepstral_scale: float = 1.0
    """Factor of the cepstra; not of the energy."""


class Plp(MelFeature[PlpConfig]):
    """Computes PLP of whole waveforms, or of a stream. Immutable: threads may share it.

    `dim` is num_ceps. Raises FeatureError for options that make no features.
    """

    _Config = PlpConfig
    _Options = _native.PlpOptions


PlpStream = FrameStream
"""What `Plp.stream` returns."""
