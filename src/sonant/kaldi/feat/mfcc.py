"""Mel-frequency cepstral coefficients (PyKaldi's `kaldi.feat.mfcc`)."""

from dataclasses import field

from sonant.features import mfcc
from sonant.kaldi.feat._computers import FrameComputer, WaveFeature
from sonant.kaldi.feat.mel import MelBanksOptions
from sonant.kaldi.feat.window import FrameExtractionOptions
from sonant.kaldi.util.options import Options, option

__all__ = ["Mfcc", "MfccComputer", "MfccOptions"]


class MfccOptions(Options):
    frame_opts: FrameExtractionOptions = field(default_factory=FrameExtractionOptions)
    mel_opts: MelBanksOptions = field(default_factory=lambda: MelBanksOptions(23))
    num_ceps: int = option(13, "num-ceps", "Number of cepstra, C0 among them")
    use_energy: bool = option(True, "use-energy", "The energy of the frame in the place of C0")
    energy_floor: float = option(0.0, "energy-floor", "Smallest energy, if dither is 0: say 0.1 or 1")
    raw_energy: bool = option(True, "raw-energy", "The energy before preemphasis and window")
    cepstral_lifter: float = option(22.0, "cepstral-lifter", "Constant of the scaling of the cepstra")
    htk_compat: bool = option(False, "htk-compat", "Energy or C0 last, C0 times the square root of 2")


class MfccComputer(FrameComputer):
    """MfccComputer(opts)"""

    _Feature, _Config = mfcc.Mfcc, mfcc.MfccConfig


class Mfcc(WaveFeature):
    """Mfcc(opts)"""

    _Feature, _Config = mfcc.Mfcc, mfcc.MfccConfig
