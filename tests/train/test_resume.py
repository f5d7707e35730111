"""A run that was stopped and resumed is the run that was never stopped, bit for bit."""

import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from sonant.audio import read_corpus
from sonant.errors import CheckpointError
from sonant.nn import JoinerConfig
from sonant.text import spoken
from sonant.train import AlignmentConfig, Trainer, checkpoint, train
from sonant.train.progress import Progress

STEPS = 7  # of the tiny run, in two epochs


class Killed(BaseException):
    """What no `except Exception` catches."""


def differences(first: Any, second: Any, where: str = "") -> list[str]:
    """Where two nests of dicts, lists and tensors are not the same, bit for bit."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [where]
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        return [d for key in first for d in differences(first[key], second[key], f"{where}/{key}")]
    if isinstance(first, list | tuple):
        assert len(first) == len(second)
        pairs = enumerate(zip(first, second, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{where}/{i}")]
    return [] if first == second else [where]


def run_until(config, step: int) -> None:
    """Trains, and is killed after so many steps."""

    def update(progress: Progress, position: checkpoint.Position, *values: Any) -> None:
        if position.step == step:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "update", update)
        with pytest.raises(Killed):
            train(config)


@pytest.fixture
def never_stopped(tiny) -> dict[str, Any]:
    config = tiny("never-stopped")
    trainer = Trainer(config)
    assert trainer.steps == STEPS and [len(trainer._batches(epoch)) for epoch in range(2)] == [4, 3]
    trainer.run()
    return checkpoint.load_training(config.exp / "last")


def test_two_runs_are_the_same(tiny, never_stopped):
    train(tiny("again"))
    again = checkpoint.load_training(tiny("again").exp / "last")
    assert differences(never_stopped, again) == []
    assert again["position"] == (2, 0, STEPS)


def test_another_seed_is_another_run(tiny, never_stopped):
    config = tiny("other", seed=1)
    train(config)
    assert differences(never_stopped["network"], checkpoint.load_training(config.exp / "last")["network"])


def test_a_run_goes_on_with_another_precision(tiny, never_stopped):
    for epochs, precision in ((3, "float16"), (4, "float32"), (5, "float16")):
        train(tiny("never-stopped", epochs=epochs, precision=precision))
    longer = checkpoint.load_training(tiny("never-stopped").exp / "last")
    assert longer["position"][0] == 5 and longer["scaler"]["scale"] > 0


@pytest.mark.parametrize("save_every", [1, 2])
def test_stopped_at_any_step_and_resumed(tiny, never_stopped, save_every):
    for step in range(1, STEPS + 1):
        config = tiny(f"stopped-{step}", save_every=save_every)
        run_until(config, step)
        train(config)
        resumed = checkpoint.load_training(config.exp / "last")
        assert differences(never_stopped, resumed) == [], f"stopped at step {step}"


def test_stopped_again_and_again(tiny, never_stopped):
    config = tiny("often", save_every=1)
    for step in range(1, STEPS + 1):
        run_until(config, min(step + 1, STEPS))
    train(config)
    assert differences(never_stopped, checkpoint.load_training(config.exp / "last")) == []


def test_a_run_that_is_done_is_left_alone_and_can_be_made_longer(tiny, never_stopped):
    config = tiny("never-stopped")
    train(config)
    assert differences(never_stopped, checkpoint.load_training(config.exp / "last")) == []
    train(tiny("never-stopped", epochs=3))
    longer = checkpoint.load_training(config.exp / "last")
    assert longer["position"][0] == 3
    assert differences(never_stopped["network"], longer["network"])


def test_killed_while_a_checkpoint_is_written(tiny, never_stopped, tmp_path: Path):
    """The process is gone in the middle of the file, the third time that one is written."""
    config = tiny("killed", save_every=1)
    (tmp_path / "config.json").write_bytes(checkpoint.msgspec.json.encode(config, enc_hook=str))
    code = f"""
import os, torch
from sonant.train import TrainConfig, checkpoint, train
save, count = torch.save, 0
def dying(what, path):
    global count
    count += 1
    save(what, path)
    if count == 3:
        os.truncate(path, os.path.getsize(path) // 2)
        os._exit(9)
torch.save = dying
text = open({str(tmp_path / "config.json")!r}, "rb").read()
train(checkpoint.msgspec.json.decode(text, type=TrainConfig, dec_hook=checkpoint._decode))
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == 9, killed.stderr
    assert checkpoint.load_training(config.exp / "last")["position"] == (0, 2, 2)
    train(config)
    assert differences(never_stopped, checkpoint.load_training(config.exp / "last")) == []


def counted(config, limit: float) -> int:
    """Trains, and counts the functions called from the first step on; at the limit the process is gone."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls >= limit:
            os.kill(os.getpid(), signal.SIGKILL)

    trainer = Trainer(config)
    step = trainer.step

    def first(*parts: Any) -> dict[str, float]:
        sys.setprofile(count)
        return step(*parts)

    trainer.step = first  # type: ignore[method-assign]
    try:
        trainer.run()
    finally:
        sys.setprofile(None)
    return calls


def test_killed_at_any_moment(tiny, never_stopped, tmp_path: Path):
    """SIGKILL at a random call of any function: in a step, in backward, while saving, between epochs."""
    config = tiny("killed", save_every=1)
    calls = counted(tiny("counted", save_every=1), math.inf)
    limit = random.SystemRandom().randrange(1, calls)
    (tmp_path / "config.json").write_bytes(checkpoint.msgspec.json.encode(config, enc_hook=str))
    code = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
from test_resume import checkpoint, counted
from sonant.train import TrainConfig
text = open({str(tmp_path / "config.json")!r}, "rb").read()
counted(checkpoint.msgspec.json.decode(text, type=TrainConfig, dec_hook=checkpoint._decode), {limit})
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, f"call {limit} of {calls}: {killed.stderr}"
    train(config)
    resumed = checkpoint.load_training(config.exp / "last")
    assert differences(never_stopped, resumed) == [], f"killed at call {limit} of {calls}"
    for name, found in (("epoch-1", 4), ("epoch-2", STEPS)):
        whole, again = (checkpoint.load_weights(c.exp / name) for c in (tiny("never-stopped"), config))
        assert differences(whole, again) == [], f"{name}, after {found} steps"


def test_a_resumed_run_with_another_network_is_refused(tiny, never_stopped):
    config = tiny("never-stopped")
    wider = replace(config, network=replace(config.network, joiner=JoinerConfig(24)))
    with pytest.raises(
        CheckpointError,
        match=r"last: does not fit this configuration \(size mismatch for joiner.encoder.weight.*\); go on",
    ):
        Trainer(wider)
    assert differences(never_stopped, checkpoint.load_training(config.exp / "last")) == []


@pytest.fixture
def spelling(corpus, tmp_path: Path) -> AlignmentConfig:
    """A lexicon whose phones are letters."""
    words = {word for u in read_corpus(corpus) for word in spoken(u.text).split()}
    path = tmp_path / "lexicon.txt"
    path.write_text("".join(f"{word} {' '.join(word)}\n" for word in sorted(words)))
    return AlignmentConfig(lexicon=path, iterations=2)


def test_alignments_are_made_once_and_a_resumed_run_is_the_same(tiny, spelling, capsys):
    options = dict(alignment=spelling, save_every=2)
    train(tiny("whole", **options))
    assert capsys.readouterr().out.count("aligning 7 recordings from a flat start") == 1
    config = tiny("stopped", **options)
    run_until(config, 3)
    capsys.readouterr()
    train(config)
    assert "aligning" not in capsys.readouterr().out
    whole, resumed = (
        checkpoint.load_training(config.exp.with_name(n) / "last") for n in ("whole", "stopped")
    )
    assert differences(whole, resumed) == []
    # One output of the middle layer for each phone, silence and the unknown.
    letters = set(spelling.lexicon.read_text()) - set(" \n")
    assert len(whole["network"]["middle.bias"]) == len(letters) + 2


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"damaged", "cannot be read"), (save({"a.wav": torch.zeros(3)}), "has not .*, of a changed corpus")],
    ids=["damaged", "of another corpus"],
)
def test_alignments_that_do_not_fit_are_named(tiny, spelling, content, message):
    config = tiny(alignment=spelling)
    config.exp.mkdir()
    (config.exp / "alignments.safetensors").write_bytes(content)
    with pytest.raises(
        CheckpointError, match=rf"alignments.safetensors: {message}.*; remove it to align anew"
    ):
        Trainer(config)
