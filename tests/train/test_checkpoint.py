"""Checkpoints on disk: whole or not there."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sonant.errors import CheckpointError
from sonant.nn import Network
from sonant.text import Tokens
from sonant.train import checkpoint


class Killed(BaseException):
    pass


@pytest.fixture
def save(tiny, tmp_path: Path):
    """Writes a checkpoint that holds the given number in both of its weight files."""
    tokens = Tokens.train(["ABC ABD"], None, kind="char")
    config = tiny()
    config = replace(config, network=replace(config.network, tokens=len(tokens)))
    network = Network(config.network)
    folder = tmp_path / "exp" / "last"

    def write(number: float) -> Path:
        weights = {name: t.detach().clone() for name, t in network.state_dict().items()}
        weights["ctc.bias"][0] = number
        checkpoint.save(folder, config, tokens, weights, {"number": number})
        return folder

    return write


def number_in(folder: Path) -> float:
    _, _, network = checkpoint.load(folder)
    number = checkpoint.load_training(folder)["number"]
    assert network.ctc.bias[0].item() == number
    return number


def test_what_was_saved_is_loaded(save, tiny):
    folder = save(1.0)
    config, tokens, network = checkpoint.load(str(folder))
    assert config == replace(tiny(), network=config.network)
    assert isinstance(config.exp, Path) and isinstance(config.data.train[0], Path)
    assert tokens.decode(tokens.encode("ABD")) == "ABD"
    assert not network.training
    assert number_in(save(2.0)) == 2.0
    assert [path.name for path in folder.parent.iterdir()] == ["last"]


# Each step of saving, in its order.
STEPS = ["save_file", "torch.save", "Tokens.save", "json.encode", "os.rename", "second os.rename"]


def interrupt(patch: pytest.MonkeyPatch, step: str, error: type[BaseException]) -> None:
    """Makes a step of saving write half of its file and then fail."""

    def fail(what, path, *rest):
        path = Path(path) if isinstance(path, str | os.PathLike) else None
        if path and not path.exists():
            path.write_bytes(b"half")
        raise error("No space left on device")

    match step:
        case "save_file":
            patch.setattr(checkpoint, "save_file", fail)
        case "torch.save":
            patch.setattr(torch, "save", fail)
        case "Tokens.save":
            patch.setattr(Tokens, "save", fail)
        case "json.encode":
            patch.setattr(checkpoint.msgspec.json, "encode", lambda *_, **__: fail(None, None))
        case "os.rename":
            patch.setattr(os, "rename", lambda *_: fail(None, None))
        case "second os.rename":
            rename = os.rename
            calls = iter([rename, lambda *_: fail(None, None)])
            patch.setattr(os, "rename", lambda a, b: next(calls)(a, b))


@pytest.mark.parametrize("again", STEPS)
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_moment_leaves_the_checkpoint_before(save, step, again):
    folder = save(1.0)
    for number, killed_in in ((2.0, step), (3.0, again)):
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, killed_in, Killed)
            with pytest.raises(Killed):
                save(number)
        assert checkpoint.exists(folder)
        assert number_in(folder) == 1.0
    assert number_in(save(4.0)) == 4.0
    assert [path.name for path in folder.parent.iterdir()] == ["last"]


@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk_is_an_error_and_leaves_the_checkpoint_before(save, step):
    folder = save(1.0)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, step, OSError)
        with pytest.raises(
            CheckpointError, match=r"last: cannot be written \(No space left on device\); an earlier"
        ):
            save(2.0)
    assert number_in(folder) == 1.0
    assert number_in(save(3.0)) == 3.0
    assert [path.name for path in folder.parent.iterdir()] == ["last"]


def test_a_folder_that_cannot_be_made(save, tmp_path: Path):
    (tmp_path / "exp").write_text("a file")
    with pytest.raises(CheckpointError, match=r"exp.last: cannot be written"):
        save(1.0)


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage"])
@pytest.mark.parametrize(
    "name", [checkpoint.WEIGHTS, checkpoint.TRAINING, checkpoint.TOKENS, checkpoint.CONFIG]
)
def test_a_damaged_file_is_named(save, name, damage):
    folder = save(1.0)
    path = folder / name
    content = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "garbage":
            path.write_bytes(b"\xff\x00garbage" * 100)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(folder)
        checkpoint.load_training(folder)
    assert str(folder) in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"epochs": 2', b'"epochs": "2"', r"Expected `int`, got `str` - at `\$.epochs`"),
        (b'"epochs": 2', b'"epochs": 0', "epochs 0: expected 1 or more"),
        (b'"context": 2', b'"context": 3', "size mismatch for predictor"),
        (b'"kind": "conformer"', b'"kind": "former"', "kind 'former', expected one of conformer, rel"),
        (b'"heads": 2', b'"heads": "2"', r"Expected `int`, got `str`"),
        (b'"kind": "char"', b'"kind": "syllable"', r"Invalid enum value 'syllable' - at `\$.tokens.kind`"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(save, old, new, message):
    path = save(1.0) / checkpoint.CONFIG
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(path.parent)


def test_a_checkpoint_of_before_there_was_a_choice_of_encoders(save):
    path = save(1.0) / checkpoint.CONFIG
    whole, _, _ = checkpoint.load(path.parent)
    content = json.loads(path.read_bytes())
    assert content["network"]["encoder"].pop("kind") == "conformer"
    path.write_text(json.dumps(content))
    assert checkpoint.load(path.parent)[0] == whole


def test_tokens_of_another_model_are_named(save):
    folder = save(1.0)
    Tokens.train(["ABC ABD ABE"], None, kind="char").save(folder / checkpoint.TOKENS)
    with pytest.raises(CheckpointError, match=r"tokens.model has 8 tokens, config.json says 7"):
        checkpoint.load(folder)


def test_no_checkpoint_at_all(tmp_path: Path):
    assert not checkpoint.exists(tmp_path / "nowhere")
    with pytest.raises(
        CheckpointError, match=r"nowhere: not a checkpoint, weights.safetensors, .* missing; expected"
    ):
        checkpoint.load(tmp_path / "nowhere")
