"""Kaldi's filterbank features (`feat/feature-fbank` of Kaldi)."""

from dataclasses import dataclass

from sonant import _native
from sonant.features.frames import FrameStream, MelConfig, MelFeature


@dataclass(frozen=True)
class FbankConfig(MelConfig):
    """Kaldi's FbankOptions, MelBanksOptions and FrameExtractionOptions: Kaldi's names and defaults.

    Three options are ours: `vtln_warp` (Kaldi takes it with each utterance), `sample_scale` (Kaldi's
    features are defined on 16-bit integers; samples in [-1, 1] are multiplied by this first) and `seed` (of
    the dither). Kaldi's default adds noise: `dither=0.0` gives features that depend on the samples alone.
    """

    use_energy: bool = False
    """Add a column with the log-energy of the frame, first (last with htk_compat)."""
    htk_compat: bool = False
    """Put the energy last."""
    use_log_fbank: bool = True
    """Natural logarithm of the filters' energies (not below float's epsilon), rather than the energies."""
    use_power: bool = True
    """Filter the power spectrum, rather than the magnitudes."""


class Fbank(MelFeature[FbankConfig]):
    """Computes filterbank features of whole waveforms, or of a stream. Immutable: threads may share it.

    `dim` is num_mel_bins, and one more with use_energy.
    Raises FeatureError for options that make no features.
    """

    _Config = FbankConfig
    _Options = _native.FbankOptions


FbankStream = FrameStream
"""What `Fbank.stream` returns."""
