"""Recordings in, mono float32 samples out.

    source -> opened bytes -> decoded chunks (samples, channels) -> mono -> resampled -> blocks

`load` gives a whole recording, `blocks` the same samples piece by piece in bounded memory, `describe` what a
file says about itself. soundfile, soxr and PyAV are imported when first used.
"""

from sonant.audio.recording import Audio, AudioInfo, Source, blocks, describe, load
from sonant.audio.resample import StreamResampler

__all__ = ["Audio", "AudioInfo", "Source", "StreamResampler", "blocks", "describe", "load"]
