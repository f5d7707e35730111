"""Two processes, as torchrun starts them, are one run: the losses, weights and files of one process."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sonant.errors import ConfigError
from sonant.train import checkpoint, train
from sonant.train.parallel import Ranks

RECIPE = """
from pathlib import Path
from sonant.train import TrainConfig, checkpoint

def config() -> TrainConfig:
    return checkpoint.msgspec.json.decode(
        Path({path!r}).read_bytes(), type=TrainConfig, dec_hook=checkpoint._decode
    )
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def processes(tmp_path: Path, config, size: int) -> list[subprocess.CompletedProcess[str]]:
    """`sonant train` so many times, with what torchrun tells each."""
    (tmp_path / "config.json").write_bytes(checkpoint.msgspec.json.encode(config, enc_hook=str))
    (tmp_path / "recipe.py").write_text(RECIPE.format(path=str(tmp_path / "config.json")))
    given = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(size)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "sonant", "train", str(tmp_path / "recipe.py")],
            env={**os.environ, **given, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    return [
        subprocess.CompletedProcess((), process.returncode, out, error)
        for process in started
        for out, error in [process.communicate(timeout=120)]
    ]


def losses(log: Path) -> list[list[tuple[str, float]]]:
    """What a log says of each step, without the time it took."""
    rows = [re.split(r"  +", line) for line in log.read_text().splitlines() if " step " in line]
    return [[(n, float(v)) for n, v in (part.split() for part in row[2:-2])] for row in rows]


def test_two_processes_are_one_run(tiny, tmp_path):
    """With dropout, masks, noise, a transducer that joins late, and an odd number of batches."""
    options = dict(precision="float32", log_every=1, save_every=1)
    single = tiny("single", accumulate=2, **options)
    train(single)
    config = tiny("double", **options)
    ranks = processes(tmp_path, config, 2)
    assert [rank.returncode for rank in ranks] == [0, 0], ranks[0].stderr + ranks[1].stderr
    # The first alone tells of it.
    assert "valid WER" in ranks[0].stdout and ranks[1].stdout == ""

    one, two = (losses(c.exp / "train.log") for c in (single, config))
    assert len(one) == 4
    assert [name for name, _ in one[-1]] == ["ctc", "middle", "norm", "rate", "transducer"]
    for first, second in zip(one, two, strict=True):
        assert [name for name, _ in first] == [name for name, _ in second]
        for (name, expected), (_, found) in zip(first, second, strict=True):
            assert found == pytest.approx(expected, rel=0.01), name  # three digits are written
    one, two = (checkpoint.load_training(c.exp / "last") for c in (single, config))
    assert one["position"] == two["position"] == (2, 0, 4)
    for name, expected in one["network"].items():
        torch.testing.assert_close(two["network"][name], expected, rtol=1e-3, atol=1e-5)
    wer = [re.findall(r"valid WER.*", (c.exp / "train.log").read_text()) for c in (single, config)]
    assert wer[0] == wer[1] and len(wer[0]) == 2
    assert sorted(p.name for p in single.exp.iterdir()) == sorted(p.name for p in config.exp.iterdir())


def test_one_process_needs_no_torchrun(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    ranks = Ranks.join("cpu")
    assert (ranks.rank, ranks.size) == (0, 1)
    assert ranks.gather("a") == ["a"] and ranks.first(lambda: 3) == 3
    assert ranks.sum(torch.ones(2)).tolist() == [1, 1]


def test_more_processes_than_gpus_is_named(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="process 3 of this machine, but torch finds 2 GPUs: give torchrun"):
        Ranks.join("auto")
