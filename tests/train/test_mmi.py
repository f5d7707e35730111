"""LF-MMI from a flat start: the recipe through the command line, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sonant.cli import main
from sonant.errors import ConfigError
from sonant.nn.tdnn import Tdnn, TdnnConfig
from sonant.train import FlatStartMmi, MmiConfig, train_mmi

RECIPE = Path(__file__).parents[2] / "recipes" / "yesno.py"
RECORDING = Path(__file__).parents[1] / "data" / "speech" / "0_0_0_0_1_1_1_1.flac"
LEXICON = {"NO": "L O", "YES": "K E N"}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    row = {"audio": str(RECORDING), "text": "NO NO NO NO YES YES YES YES", "duration": 6.35}
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row | {"id": str(i)}) + "\n" for i in range(3)))
    return manifest


def test_the_recipe_trains(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--held-out", "1", "--starts", "2", "--start-epochs", "1", "--epochs", "1", "--batch", "2"]
    assert main(["train", str(RECIPE), "--data", str(corpus), "--exp", str(tmp_path / "exp"), *options]) == 0
    assert "start 2:" in (said := capsys.readouterr().out) and "in 8 words" in said
    assert load_file(tmp_path / "exp" / "network.safetensors")["out.bias"].shape == (12,)


def test_the_same_seed_gives_the_same_network(corpus: Path, tmp_path: Path):
    row = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    config = MmiConfig(
        tmp_path, (corpus,), LEXICON, network=TdnnConfig(4, 8), starts=1, start_epochs=2, epochs=2
    )
    losses = [FlatStartMmi(config).train([row, row], ["NO YES", "YES"], log=lambda _: None) for _ in "ab"]
    assert losses[0] == losses[1]


def test_the_network_keeps_one_frame_of_three():
    network = Tdnn(TdnnConfig(features=4, dim=8), 5).eval()
    features = torch.randn(2, 8, 4)
    for frames in range(1, 9):
        assert network(features[:, :frames]).shape == (2, network.output_lengths(frames), 5)
    assert network.output_lengths(8) == 3


def test_what_cannot_be_is_named(corpus: Path, tmp_path: Path):
    row = torch.randn(60, 20)
    for change, texts, message in (
        ({"starts": 0}, [], "starts 0"),
        ({"speed": 1.0}, [], "speed 1.0"),
        ({"held_out": -1}, [], "held_out -1"),
        ({}, [], "0 recordings and 0 texts"),
        ({}, ["NO MAYBE"], "'MAYBE' has no pronunciation"),
    ):
        with pytest.raises(ConfigError, match=message):
            FlatStartMmi(MmiConfig(tmp_path, (corpus,), LEXICON, **change)).train([row] * len(texts), texts)
    with pytest.raises(ConfigError, match="held_out 3 of 3 recordings"):
        train_mmi(MmiConfig(tmp_path, (corpus,), LEXICON, held_out=3))
    for options, message in (
        ({"dim": 0}, "dim 0"),
        ({"dropout": 1.0}, "dropout 1"),
        ({"dilations": (0,)}, "0"),
    ):
        with pytest.raises(ConfigError, match=message):
            TdnnConfig(**options)
