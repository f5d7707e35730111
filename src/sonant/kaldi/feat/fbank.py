"""Outputs of mel filters (PyKaldi's `kaldi.feat.fbank`)."""

from dataclasses import field

from sonant.features import fbank
from sonant.kaldi.feat._computers import FrameComputer, WaveFeature
from sonant.kaldi.feat.mel import MelBanksOptions
from sonant.kaldi.feat.window import FrameExtractionOptions
from sonant.kaldi.util.options import Options, option

__all__ = ["Fbank", "FbankComputer", "FbankOptions"]


class FbankOptions(Options):
    frame_opts: FrameExtractionOptions = field(default_factory=FrameExtractionOptions)
    mel_opts: MelBanksOptions = field(default_factory=lambda: MelBanksOptions(23))
    use_energy: bool = option(False, "use-energy", "The energy of the frame as one more column")
    energy_floor: float = option(0.0, "energy-floor", "Smallest energy, if dither is 0: say 0.1 or 1")
    raw_energy: bool = option(True, "raw-energy", "The energy before preemphasis and window")
    htk_compat: bool = option(False, "htk-compat", "The energy last")
    use_log_fbank: bool = option(True, "use-log-fbank", "The logarithms of what the filters put out")
    use_power: bool = option(True, "use-power", "Filter the power spectrum, else the magnitudes")


class FbankComputer(FrameComputer):
    """FbankComputer(opts)"""

    _Feature, _Config = fbank.Fbank, fbank.FbankConfig


class Fbank(WaveFeature):
    """Fbank(opts)"""

    _Feature, _Config = fbank.Fbank, fbank.FbankConfig
