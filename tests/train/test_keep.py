"""Which checkpoints a run keeps, and what several of them are together."""

import os
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sonant.errors import CheckpointError, ConfigError
from sonant.train import KeepConfig, Trainer, checkpoint, train
from sonant.train.average import Averages, between
from sonant.train.keep import Choice, averaged, forget, numbered
from sonant.train.update import Part


class Counter(nn.Module):
    """A weight, a buffer of floats and one that counts."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))


def test_averages_are_those_of_their_definitions():
    torch.manual_seed(0)
    network = Counter()
    averages = Averages(network, decay=0.9, period=2)
    moving, kept = torch.zeros(3), []
    at: dict[int, dict] = {}
    for step in range(1, 41):
        with torch.no_grad():
            network.weight.copy_(torch.randn(3))
            network.get_buffer("mean").add_(1.0)
            network.get_buffer("seen").add_(3)
        averages.update(network, step)
        decay = min(0.9, step / (step + 9))
        moving = decay * moving + (1 - decay) * network.weight.detach()
        torch.testing.assert_close(averages.moving["weight"], moving)
        if step % 2 == 0:
            kept.append(network.weight.detach().double().clone())
        if step % 10 == 0:
            at[step] = {name: t.clone() for name, t in averages.running.items()}
    assert averages.steps == 40 and averages.moving["seen"] == averages.running["seen"] == 120
    assert averages.running["weight"].dtype == torch.float64
    torch.testing.assert_close(averages.running["weight"], torch.stack(kept).mean(dim=0))
    # Steps 21 to 40: every second one, of which ten are the mean.
    found = between(at[40], 40, at[20], 20)
    torch.testing.assert_close(found["weight"], torch.stack(kept[10:]).mean(dim=0).float())
    torch.testing.assert_close(found["mean"], torch.full((2,), 31.0))
    assert found["seen"] == 120 and found["weight"].dtype == torch.float32


@pytest.fixture
def run(tiny):
    """Four epochs, with the weights after each step."""
    config = tiny(epochs=4, keep=KeepConfig(every=3, last=3, average_every=1))
    trainer = Trainer(config)
    weights: list[dict[str, torch.Tensor]] = []
    ends: list[int] = []
    step = trainer.step

    def watched(*parts: Part):
        values = step(*parts)
        weights.append({name: t.detach().clone() for name, t in trainer.network.state_dict().items()})
        ends.append(trainer.position.epoch)
        return values

    trainer.step = watched  # type: ignore[method-assign]
    trainer.run()
    return config, weights, ends


def test_what_is_kept_and_the_averages_of_it(run):
    config, weights, ends = run
    names = sorted(path.name for path in config.exp.iterdir() if path.is_dir())
    steps = [n for n in range(1, len(weights) + 1) if n % 3 == 0][-3:]
    assert [n for n, _ in numbered(config.exp, "epoch")] == [2, 3, 4]
    assert [n for n, _ in numbered(config.exp, "step")] == steps
    assert {"best", "last", "tensorboard"} <= set(names)
    assert not (config.exp / "epoch-4" / checkpoint.TRAINING).exists()
    assert float(checkpoint.load_notes(config.exp / "best")["wer"]) >= 0

    # The running averages of two epochs tell the mean of the steps between, exactly.
    for choice, first in ((Choice(), 3), (Choice(epoch=4, count=2), 2), (Choice(epoch=3), 2)):
        _, tokens, network = averaged(config.exp, choice)
        last = choice.epoch or 4
        chosen = [w for w, e in zip(weights, ends, strict=True) if first <= e < last]
        for name, tensor in network.state_dict().items():
            expected = torch.stack([w[name].double() for w in chosen]).mean(dim=0).float()
            torch.testing.assert_close(tensor, expected, rtol=1e-5, atol=1e-6)
        assert len(tokens) == network.config.tokens and not network.training
    *_, found = averaged(config.exp, Choice(step=steps[-1], count=2))
    for name, tensor in found.state_dict().items():
        expected = torch.stack([w[name].double() for w in weights[steps[0] : steps[-1]]]).mean(dim=0).float()
        torch.testing.assert_close(tensor, expected, rtol=1e-5, atol=1e-6)
    # The plain mean of checkpoints is that of their weights.
    *_, found = averaged(config.exp, Choice(count=3, running=False))
    parts = [checkpoint.load_weights(config.exp / f"epoch-{n}") for n in (2, 3, 4)]
    for name, tensor in found.state_dict().items():
        expected = torch.stack([p[name].double() for p in parts]).mean(dim=0).float()
        torch.testing.assert_close(tensor, expected)

    for choice, message in (
        (Choice(epoch=5), "the last 1 up to epoch-5 are not there, only epoch 2, 3, 4; give another"),
        (Choice(epoch=2), "the last 1 up to epoch-2 are not there, only epoch 2, 3, 4"),
        (Choice(count=3), "the last 3 up to epoch-4 are not there"),
        (Choice(count=4, running=False), "the last 4 up to epoch-4 are not there"),
        (Choice(step=7), "the last 1 up to step-7 are not there, only step "),
    ):
        with pytest.raises(CheckpointError, match=message):
            averaged(config.exp, choice)


def test_from_the_beginning(tiny):
    config = tiny(keep=KeepConfig(average_every=1, best=False))
    train(config)
    assert not (config.exp / "best").exists()
    *_, network = averaged(config.exp, Choice(epoch=2, count=2))
    running, steps = checkpoint.load_running(config.exp / "last")
    assert steps == 7
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, running[name].float())


def test_a_run_without_them_says_so(tiny):
    config = tiny(epochs=1, keep=KeepConfig(epochs=1, average_every=0))
    train(config)
    with pytest.raises(
        CheckpointError, match=r"epoch-1: has no running.safetensors; expected a run with keep"
    ):
        averaged(config.exp, Choice())
    with pytest.raises(CheckpointError, match=r"has no step-N; expected a run with keep.every above 0"):
        averaged(config.exp, Choice(step=2))
    averaged(config.exp, Choice(running=False))
    with pytest.raises(ConfigError, match="epoch 1 and step 2: expected one of them"):
        Choice(epoch=1, step=2)
    with pytest.raises(ConfigError, match="count 0: expected 1 or more"):
        Choice(count=0)


def test_the_best_stays_over_a_resumed_run(tiny, monkeypatch):
    rates = iter([0.5, 0.7, 0.6, 0.4])
    monkeypatch.setattr(Trainer, "validate", lambda self: SimpleNamespace(rate=next(rates)))
    best = tiny().exp / "best"
    train(tiny())
    assert checkpoint.load_notes(best) == {"wer": "0.5", "epoch": "1"}
    train(tiny(epochs=3))
    assert checkpoint.load_notes(best) == {"wer": "0.5", "epoch": "1"}
    train(tiny(epochs=4))
    assert checkpoint.load_notes(best) == {"wer": "0.4", "epoch": "4"}


def test_forgetting_is_by_number_and_whole(tmp_path: Path):
    for n in (1, 2, 9, 10, 11):
        (tmp_path / f"step-{n}").mkdir()
        (tmp_path / f"step-{n}" / "file").write_text("x")
    (tmp_path / "step-3.gone").mkdir()
    (tmp_path / "step-x").mkdir()
    forget(tmp_path, "step", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-10", "step-11", "step-x"]
    forget(tmp_path, "step", 0)
    assert [n for n, _ in numbered(tmp_path, "step")] == [10, 11]


def test_a_full_disk_in_the_middle_of_any_file_leaves_the_checkpoint_before(tiny):
    """The system refuses to write beyond so many bytes of a file, as a full disk does."""
    trainer = Trainer(tiny())
    trainer.run()
    last = trainer.last
    whole = {path.name: path.read_bytes() for path in last.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    sizes = {name: len(content) for name, content in whole.items()}
    assert sizes[checkpoint.TRAINING] > sizes[checkpoint.WEIGHTS] > 1000
    for limit in (1, 500, sizes[checkpoint.WEIGHTS] - 1, sizes[checkpoint.TRAINING] // 2):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            with pytest.raises(
                CheckpointError, match=r"last: cannot be written \(.*\); an earlier checkpoint"
            ):
                trainer.save()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert {path.name: path.read_bytes() for path in last.iterdir()} == whole
        assert not [name for name in os.listdir(last.parent) if name.startswith("last.")]
    trainer.save()
