"""Recordings in, mono float32 samples out.

    source -> opened bytes -> decoded chunks (samples, channels) -> mono -> resampled -> blocks

`load` gives a whole recording, `blocks` the same samples piece by piece in bounded memory, `describe` what a
file says about itself; `read_corpus` gives the recordings of a corpus and what is said in them. Nothing is
heavy to import: soundfile, soxr and PyAV are imported when first used.
"""

from sonant.audio.manifest import Utterance, read_corpus, write_manifest
from sonant.audio.recording import Audio, AudioInfo, Source, blocks, describe, load
from sonant.audio.resample import StreamResampler

__all__ = [
    "Audio",
    "AudioInfo",
    "Source",
    "StreamResampler",
    "Utterance",
    "blocks",
    "describe",
    "load",
    "read_corpus",
    "write_manifest",
]
