"""The bundle: a model as a folder.

config.json           features, shapes, what to decode with, and the SHA-256 of every file below
tokens.model          SentencePiece
encoder.onnx          chunk of features and state in; encoder frames, CTC log-probabilities and state out
predictor.onnx        contexts in, predictor frames out
joiner.onnx           an encoder frame and a predictor frame in, log-probabilities out
*.int8.onnx           the same three with 8-bit weights
weights.safetensors   the weights, from which encoder.onnx and its fellows read theirs, and training goes on
README.md             model card
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from sonant.errors import ModelError
from sonant.features import FbankConfig

CONFIG, TOKENS, WEIGHTS = "config.json", "tokens.model", "weights.safetensors"
PARTS = ("encoder", "predictor", "joiner")
Precision = Literal["int8", "float"]
Head = Literal["ctc", "transducer"]
BUNDLED = Path(__file__).parent / "bundles" / "english"


@dataclass(frozen=True)
class BundleConfig:
    name: str
    language: str  # BCP 47
    features: FbankConfig
    step: int  # feature frames that the encoder takes at a time
    subsampling: int  # feature frames to an encoder frame
    padding: tuple[float, ...]  # the feature frame that completes the last step of a recording
    tokens: int  # vocabulary, with the blank
    context: int  # tokens that the predictor sees
    head: Head  # what to decode with unless told otherwise
    sha256: dict[str, str] = field(default_factory=dict)

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return int(self.features.sample_frequency)

    @property
    def frame_seconds(self) -> float:
        """Seconds to an encoder frame."""
        return self.subsampling * self.features.frame_shift * 0.001


def onnx_name(part: str, precision: Precision) -> str:
    return f"{part}.int8.onnx" if precision == "int8" else f"{part}.onnx"


def checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Bundle:
    """A bundle on disk whose configuration is read and checked; `file` checks and gives the others."""

    def __init__(self, folder: Path):
        self.folder = folder
        if not folder.exists():
            raise ModelError(
                f"{folder}: no such model; expected a bundle's folder, as `sonant export` writes it"
            )
        path = folder / CONFIG
        if not folder.is_dir() or not path.is_file():
            raise ModelError(
                f"{folder}: not a model; expected a folder with {CONFIG}, as `sonant export` writes it"
            )
        try:
            self.config = msgspec.json.decode(path.read_bytes(), type=BundleConfig)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: {error}; export the model anew") from None
        if len(self.config.padding) != self.config.features.num_mel_bins:
            raise ModelError(
                f"{path}: padding has {len(self.config.padding)} values, expected one for each of "
                f"{self.config.features.num_mel_bins} mel bins"
            )

    def has(self, precision: Precision) -> bool:
        return all(onnx_name(part, precision) in self.config.sha256 for part in PARTS)

    def file(self, name: str) -> Path:
        """The path of a file whose content is what the configuration says."""
        path = self.folder / name
        expected = self.config.sha256.get(name)
        if expected is None:
            raise ModelError(
                f"{self.folder}: this bundle has no {name}; export it again with `sonant export`"
            )
        if not path.is_file():
            raise ModelError(f"{path}: missing, though {CONFIG} lists it; install or export the model again")
        found = checksum(path)
        if found != expected:
            raise ModelError(
                f"{path}: corrupt: SHA-256 is {found[:12]}..., {CONFIG} says {expected[:12]}...; "
                "install or export the model again"
            )
        return path
