"""Features of speech as Kaldi defines them, offline and streaming, in the native core."""

from sonant.features.fbank import Fbank, FbankConfig, FbankStream
from sonant.features.mfcc import Mfcc, MfccConfig, MfccStream
from sonant.features.plp import Plp, PlpConfig, PlpStream
from sonant.features.spectrogram import Spectrogram, SpectrogramConfig, SpectrogramStream

__all__ = [
    "Fbank",
    "FbankConfig",
    "FbankStream",
    "Mfcc",
    "MfccConfig",
    "MfccStream",
    "Plp",
    "PlpConfig",
    "PlpStream",
    "Spectrogram",
    "SpectrogramConfig",
    "SpectrogramStream",
]
