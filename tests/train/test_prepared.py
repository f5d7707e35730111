"""From a folder of recordings to a model that transcribes, by the commands of the docs; other recipes."""

import shutil
from pathlib import Path

import pytest

from sonant.audio import read_corpus
from sonant.cli import main
from sonant.cli.train import configure, recipe

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "data" / "speech"
SMALL = {
    "data.min-duration": 0.3,
    "data.batch-duration": 6,
    "network.encoder.layers": 1,
    "network.encoder.dim": 16,
    "network.encoder.heads": 2,
    "network.encoder.feedforward": 16,
    "network.encoder.subsampling-channels": 2,
    "network.predictor.dim": 8,
    "network.joiner.dim": 16,
    "optimizer.warmup": 2,
    "threads": 1,
}


def test_from_a_folder_of_recordings_to_a_transcript(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for u in read_corpus(corpus):
        shutil.copy(u.audio, folder)
        (folder / f"{u.id}.txt").write_text(u.text)
    out = tmp_path / "prepared"
    assert (
        main(["prepare", "folder", str(folder), "--out", str(out), "--held-out", "1", "--text", "as-is"]) == 0
    )
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == f"recipe: sonant train {out / 'recipe.py'}"
    command = told.removeprefix("recipe: sonant ").split()
    small = [word for option, value in SMALL.items() for word in (f"--{option}", str(value))]
    assert main([*command, "--epochs", "1", *small]) == 0
    printed = capsys.readouterr().out
    assert "epoch 0 done" in printed and "valid WER" in printed
    assert main(["export", str(out / "exp"), str(tmp_path / "model")]) == 0
    assert main(["transcribe", "--model", str(tmp_path / "model"), str(SPEECH / "jfk.flac")]) == 0


@pytest.mark.parametrize("name", ["librispeech", "aishell"])
def test_a_recipe_makes_a_configuration(name: str, tmp_path: Path):
    arguments = ["--data", "a.jsonl", "b.jsonl", "--token-model", "tokens.model", "--data.bad", "skip"]
    config = configure(recipe(str(ROOT / "recipes" / f"{name}.py")), arguments, prog="sonant train")
    assert config.data.train == (Path("a.jsonl"), Path("b.jsonl")) and config.data.bad == "skip"
    assert config.tokens.model == Path("tokens.model") and config.exp == Path("exp", name)
    assert config.data.upper == (name == "librispeech")
