import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

SPEECH = Path(__file__).parents[1] / "data" / "speech"


@pytest.fixture(scope="session")
def recordings() -> list[tuple[str, np.ndarray, int]]:
    """Every recording of tests/data: its name, (samples,) float32 in [-1, 1], its rate in Hz."""
    found = []
    for line in (SPEECH / "manifest.jsonl").read_text().splitlines():
        name = json.loads(line)["audio"]
        samples, rate = soundfile.read(SPEECH / name, dtype="float32")
        found.append((name, samples, rate))
    return found


@pytest.fixture(scope="session")
def speech(recordings: list[tuple[str, np.ndarray, int]]) -> np.ndarray:
    """Three seconds of a sentence at 16 kHz: silence, then speech."""
    (samples,) = [samples for name, samples, _ in recordings if name.endswith("BAC009S0724W0121.flac")]
    return samples[:48000]


@pytest.fixture(scope="session")
def paper() -> SimpleNamespace:
    """The definitions in double precision: paper.py."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("paper.py"))))
