"""The recordings of tests/data as one long one, for benchmarks of features."""

from pathlib import Path

import numpy as np
import soundfile

SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
RATE, SECONDS = 16000, 60


def speech() -> np.ndarray:
    """(RATE * SECONDS,) float32: the 16 kHz recordings of tests/data one after another, and again."""
    found = []
    for path in sorted(SPEECH.iterdir()):
        if path.suffix in (".flac", ".mp3", ".opus") and soundfile.info(path).samplerate == RATE:
            found.append(soundfile.read(path, dtype="float32")[0])
    return np.resize(np.concatenate(found), RATE * SECONDS)
