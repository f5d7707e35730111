"""Log power spectra (PyKaldi's `kaldi.feat.spectrogram`)."""

from dataclasses import field

from sonant.features import spectrogram
from sonant.kaldi.feat._computers import FrameComputer, WaveFeature
from sonant.kaldi.feat.window import FrameExtractionOptions
from sonant.kaldi.util.options import Options, option

__all__ = ["Spectrogram", "SpectrogramComputer", "SpectrogramOptions"]


class SpectrogramOptions(Options):
    frame_opts: FrameExtractionOptions = field(default_factory=FrameExtractionOptions)
    energy_floor: float = option(
        0.0, "energy-floor", "Smallest energy in column 0, if dither is 0: say 0.1 or 1; not of the others"
    )
    raw_energy: bool = option(True, "raw-energy", "The energy before preemphasis and window")
    return_raw_fft: bool = option(False, "return-raw-fft", "The Fourier transform, not its log power")


class SpectrogramComputer(FrameComputer):
    """SpectrogramComputer(opts)"""

    _Feature, _Config = spectrogram.Spectrogram, spectrogram.SpectrogramConfig


class Spectrogram(WaveFeature):
    """Spectrogram(opts). `vtln_warp` changes nothing."""

    _Feature, _Config = spectrogram.Spectrogram, spectrogram.SpectrogramConfig
