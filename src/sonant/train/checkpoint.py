"""Checkpoints: folders with weights and all that a resumed run needs to go on exactly.

    weights.safetensors   the moving average, what evaluation and export read
    running.safetensors   the mean of the weights of all steps so far, in float64, if the run keeps it
    training.pt           weights, optimiser and position, read by a resumed run alone; in `last` only
    tokens.model          SentencePiece
    config.json           the run's configuration

A checkpoint is written beside its place, made sure to be on disk and moved there, so that a kill or a full
disk never harms the one before.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from sonant.errors import CheckpointError, ConfigError, TokenError
from sonant.nn import EncoderConfig, Network, PredictorConfig
from sonant.nn.network import ENCODER_CONFIGS, PREDICTOR_CONFIGS
from sonant.text import Tokens
from sonant.train.config import TrainConfig

WEIGHTS, TRAINING, TOKENS, CONFIG = "weights.safetensors", "training.pt", "tokens.model", "config.json"
RUNNING = "running.safetensors"


@dataclass(frozen=True)
class Position:
    """How far training has come: `batch` batches of epoch `epoch` are done."""

    epoch: int = 0
    batch: int = 0
    step: int = 0


def save(
    folder: Path,
    config: TrainConfig,
    tokens: Tokens,
    average: Mapping[str, Tensor],
    training: Mapping[str, Any] | None = None,
    *,
    running: Mapping[str, Tensor] | None = None,
    running_steps: int = 0,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Writes a checkpoint in place of the one before. Raises CheckpointError, with that one as it was.

    training: what `load_training` gives again. running: the mean of the weights of `running_steps` steps.
    notes: what `load_notes` gives again.
    """
    new, old = _beside(folder, "new"), _beside(folder, "old")
    if not folder.exists() and old.exists():
        # Killed between the two renames below: what stands there is the only checkpoint.
        os.rename(old, folder)
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        save_file({name: t.contiguous() for name, t in average.items()}, new / WEIGHTS, dict(notes or {}))
        if running:
            steps = {"steps": str(running_steps)}
            save_file({name: t.contiguous() for name, t in running.items()}, new / RUNNING, steps)
        if training is not None:
            torch.save(dict(training), new / TRAINING)
        tokens.save(new / TOKENS)
        (new / CONFIG).write_bytes(msgspec.json.format(msgspec.json.encode(config, enc_hook=str)))
        for path in (*new.iterdir(), new):
            _settle(path)
        if folder.exists():
            os.rename(folder, old)
        os.rename(new, folder)
        _settle(folder.parent)
    except Exception as error:
        shutil.rmtree(new, ignore_errors=True)
        raise CheckpointError(
            f"{folder}: cannot be written ({error}); an earlier checkpoint is as it was"
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def _settle(path: Path) -> None:
    """Waits until a file, or a folder's list of names, would be there after a loss of power."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")


def place(folder: Path) -> Path:
    """Where a checkpoint is: a kill while saving may have left it beside its place."""
    old = _beside(folder, "old") if folder.name else folder
    return old if old.exists() and not folder.exists() else folder


def exists(folder: Path) -> bool:
    """Whether there is a checkpoint, whole or not."""
    return place(folder).exists()


def load_training(folder: Path) -> dict[str, Any]:
    """What `save` was given as `training`."""
    path = place(folder) / TRAINING
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path}: cannot be read ({first_of(error)}); remove {folder} to start anew"
        ) from None


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The moving average."""
    return _tensors(place(folder) / WEIGHTS)


def load_running(folder: Path) -> tuple[dict[str, Tensor], int]:
    """The running average, and of how many steps it is."""
    path = place(folder) / RUNNING
    if place(folder).is_dir() and not path.exists():
        raise CheckpointError(f"{folder}: has no {RUNNING}; expected a run with keep.average_every above 0")
    tensors = _tensors(path)
    return tensors, int(_notes(path).get("steps", "0"))


def load_notes(folder: Path) -> dict[str, str]:
    return _notes(place(folder) / WEIGHTS)


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read ({first_of(error)})") from None


def _notes(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read ({first_of(error)})") from None


def load_tokens(folder: Path, mend: str = "") -> Tokens:
    try:
        return Tokens.load(place(folder) / TOKENS)
    except TokenError as error:
        raise CheckpointError(f"{error}; {mend or f'remove {folder} to start anew'}") from None


def load(folder: str | Path) -> tuple[TrainConfig, Tokens, Network]:
    """The configuration, tokens and averaged network of a checkpoint. Raises CheckpointError."""
    folder = place(Path(folder))
    missing = [name for name in (WEIGHTS, TOKENS, CONFIG) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder}: not a checkpoint, {', '.join(missing)} missing; expected a folder of `sonant train`"
        )
    try:
        config = msgspec.json.decode((folder / CONFIG).read_bytes(), type=TrainConfig, dec_hook=_decode)
    except (msgspec.DecodeError, ConfigError) as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from None
    network = Network(config.network)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except Exception as error:
        raise CheckpointError(f"{folder / WEIGHTS}: {first_of(error)}") from None
    tokens = load_tokens(folder)
    if len(tokens) != config.network.tokens:
        raise CheckpointError(
            f"{folder}: {TOKENS} has {len(tokens)} tokens, {CONFIG} says {config.network.tokens}"
        )
    return config, tokens, network.eval()


def first_of(error: Exception) -> str:
    """The first complaint of an error of torch, which may list one for each weight."""
    title, *complaints = str(error).splitlines() or [type(error).__name__]
    return complaints[0].strip() if title.startswith("Error(s) in loading") and complaints else title


def _decode(kind: type, value: Any) -> Any:
    """The kinds of field that JSON has no form for: paths, and which encoder or predictor it is."""
    choices = {EncoderConfig: ENCODER_CONFIGS, PredictorConfig: PREDICTOR_CONFIGS}.get(kind)
    if choices is None:
        return kind(value)
    # Without a name it is of the time when there was but one.
    name = value.get("kind", choices[0].kind) if isinstance(value, dict) else value
    for choice in choices:
        if choice.kind == name:
            return msgspec.convert(value, choice)
    raise ValueError(f"kind {name!r}, expected one of {', '.join(choice.kind for choice in choices)}")
