import json
from pathlib import Path

import pytest

import sonant
from sonant.model import Model

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture(scope="session")
def model() -> Model:
    return sonant.load()


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """The 58 real utterances of the repository, Mandarin and Hebrew among them."""
    found: list[Path] = []
    for folder in ("speech", "short"):
        lines = (DATA / folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        found += [DATA / folder / json.loads(line)["audio"] for line in lines]
    return found
