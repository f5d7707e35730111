"""Features of speech as Kaldi defines them, offline and streaming, and what is done to them afterwards."""

from sonant.features.cmvn import (
    accumulate_cmvn,
    apply_cmvn,
    cmvn_stats,
    cmvn_transform,
    skip_dims_in_stats,
    sliding_cmn,
)
from sonant.features.context import (
    FrameFilters,
    FrameFilterStream,
    add_deltas,
    add_shifted_deltas,
    deltas,
    reverse_frames,
    shifted_deltas,
    splice_frames,
    splicing,
)
from sonant.features.fbank import Fbank, FbankConfig, FbankStream
from sonant.features.mfcc import Mfcc, MfccConfig, MfccStream
from sonant.features.online_cmvn import OnlineCmvn, OnlineCmvnConfig, OnlineCmvnStream
from sonant.features.pitch import Pitch, PitchConfig, PitchStream, ProcessPitchConfig, process_pitch
from sonant.features.plp import Plp, PlpConfig, PlpStream
from sonant.features.spectrogram import Spectrogram, SpectrogramConfig, SpectrogramStream
from sonant.features.vad import energy_vad

__all__ = [
    "Fbank",
    "FbankConfig",
    "FbankStream",
    "FrameFilterStream",
    "FrameFilters",
    "Mfcc",
    "MfccConfig",
    "MfccStream",
    "OnlineCmvn",
    "OnlineCmvnConfig",
    "OnlineCmvnStream",
    "Pitch",
    "PitchConfig",
    "PitchStream",
    "Plp",
    "PlpConfig",
    "PlpStream",
    "ProcessPitchConfig",
    "Spectrogram",
    "SpectrogramConfig",
    "SpectrogramStream",
    "accumulate_cmvn",
    "add_deltas",
    "add_shifted_deltas",
    "apply_cmvn",
    "cmvn_stats",
    "cmvn_transform",
    "deltas",
    "energy_vad",
    "process_pitch",
    "reverse_frames",
    "shifted_deltas",
    "skip_dims_in_stats",
    "sliding_cmn",
    "splice_frames",
    "splicing",
]
