"""Perceptual linear prediction (PyKaldi's `kaldi.feat.plp`)."""

from dataclasses import field

from sonant.features import plp
from sonant.kaldi.feat._computers import FrameComputer, WaveFeature
from sonant.kaldi.feat.mel import MelBanksOptions
from sonant.kaldi.feat.window import FrameExtractionOptions
from sonant.kaldi.util.options import Options, option

__all__ = ["Plp", "PlpComputer", "PlpOptions"]


class PlpOptions(Options):
    frame_opts: FrameExtractionOptions = field(default_factory=FrameExtractionOptions)
    mel_opts: MelBanksOptions = field(default_factory=lambda: MelBanksOptions(23))
    lpc_order: int = option(12, "lpc-order", "Order of the linear prediction")
    num_ceps: int = option(13, "num-ceps", "Number of cepstra, C0 among them")
    use_energy: bool = option(True, "use-energy", "The energy of the frame in the place of C0")
    energy_floor: float = option(0.0, "energy-floor", "Smallest energy, if dither is 0: say 0.1 or 1")
    raw_energy: bool = option(True, "raw-energy", "The energy before preemphasis and window")
    compress_factor: float = option(0.33333, "compress-factor", "Exponent of what the filters put out")
    cepstral_lifter: int = option(22, "cepstral-lifter", "Constant of the scaling of the cepstra")
    cepstral_scale: float = option(1.0, "cepstral-scale", "Factor of the cepstra")
    htk_compat: bool = option(False, "htk-compat", "Energy or C0 last")


class PlpComputer(FrameComputer):
    """PlpComputer(opts)"""

    _Feature, _Config = plp.Plp, plp.PlpConfig


class Plp(WaveFeature):
    """Plp(opts)"""

    _Feature, _Config = plp.Plp, plp.PlpConfig
