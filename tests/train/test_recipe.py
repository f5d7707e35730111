"""The recipe of the bundled model, through the command line, on a corpus of a few seconds."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sonant
from sonant.cli import main
from sonant.train import Choice, averaged

RECIPE = Path(__file__).parents[2] / "recipes" / "mini_librispeech.py"
SPEECH = Path(__file__).parents[1] / "data" / "speech"
SMALL = [
    "--data.held-out",
    "1",
    "--data.batch-duration",
    "6",
    "--tokens.kind",
    "char",
    "--tokens.size",
    "20",
    "--network.encoder.layers",
    "1",
    "--network.encoder.dim",
    "16",
    "--network.encoder.heads",
    "2",
    "--network.encoder.feedforward",
    "16",
    "--network.encoder.subsampling-channels",
    "2",
    "--network.predictor.dim",
    "8",
    "--network.joiner.dim",
    "16",
    "--optimizer.warmup",
    "2",
    "--threads",
    "1",
    "--log-every",
    "1",
    "--keep.average-every",
    "1",
]


def test_the_recipe_trains_exports_and_transcribes(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    exp = tmp_path / "exp"
    options = ["--data", str(corpus), "--exp", str(exp), "--noise", str(corpus), *SMALL]
    assert main(["train", str(RECIPE), *options, "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "steps in 1 epochs" in printed and "epoch 0 done" in printed and "valid WER" in printed
    # The same command with more epochs goes on.
    assert main(["train", str(RECIPE), *options, "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    assert "epoch 0 " not in printed and "epoch 1 done" in printed

    # The mean over both epochs.
    averages = ["--epoch", "2", "--avg", "2", "--name", "exp"]
    assert main(["export", str(exp), str(tmp_path / "model"), *averages]) == 0
    weights = averaged(exp, Choice(epoch=2, count=2))[2].state_dict()["ctc.weight"]
    stored = load_file(tmp_path / "model" / "weights.safetensors")["ctc.weight"]
    assert torch.equal(stored, weights.half())
    capsys.readouterr()
    model = sonant.load(tmp_path / "model")
    assert model.config.name == "exp"
    assert model.transcribe(SPEECH / "jfk.flac").duration == pytest.approx(11.0)


def test_a_corpus_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert (
        main(["train", str(RECIPE), "--data", str(tmp_path / "nowhere"), "--exp", str(tmp_path / "exp")]) == 1
    )
    assert "nowhere: no such manifest or folder" in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()
