"""Features of speech: Kaldi's log-mel filterbank and pitch, offline and streaming, in the native core."""

from sonant.features.fbank import Fbank, FbankConfig, FbankStream
from sonant.features.pitch import Pitch, PitchConfig, PitchStream, ProcessPitchConfig, process_pitch

__all__ = [
    "Fbank",
    "FbankConfig",
    "FbankStream",
    "Pitch",
    "PitchConfig",
    "PitchStream",
    "ProcessPitchConfig",
    "process_pitch",
]
