"""A run on a corpus with bad recordings: fatal or left out as configured, and said in its log."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sonant.errors import AudioError, ManifestError
from sonant.text import Tokens
from sonant.train import TokensConfig, train


@pytest.fixture
def spoiled(corpus: Path, tmp_path: Path) -> Path:
    """The corpus with one recording that is cut off, and one line whose recording is missing."""
    folder = tmp_path / "spoiled"
    shutil.copytree(corpus, folder)
    paths = sorted(folder.glob("*.wav"))
    paths[2].write_bytes(paths[2].read_bytes()[:9000])
    paths[5].unlink()
    return folder


def test_bad_recordings_stop_a_run_or_are_left_out(tiny, spoiled: Path, capsys):
    config = tiny()
    data = replace(config.data, train=(spoiled,), held_out=0, noise=None, responses=None)
    lines = (spoiled / "manifest.jsonl").read_text().splitlines(keepends=True)
    names = sorted(json.loads(line)["audio"] for line in lines)
    cut, missing = names[2], names[5]
    with pytest.raises(ManifestError, match=f"{missing} does not exist"):
        train(replace(config, data=data))
    (spoiled / "manifest.jsonl").write_text("".join(line for line in lines if missing not in line))
    with pytest.raises(AudioError, match=f"{cut}: .*truncated"):
        train(replace(config, data=data))

    (spoiled / "manifest.jsonl").write_text("".join(lines))
    skipping = replace(config, exp=config.exp.with_name("skipping"), data=replace(data, bad="skip"))
    train(skipping)
    said = capsys.readouterr().err
    assert said.count(f"{missing} does not exist") == 1 and said.count(f"{cut}: ") == 1
    log = (skipping.exp / "train.log").read_text()
    assert "epoch 1 done in" in log and "left out 1 bad line, 1 unusable recording" in log


def test_texts_beyond_a_given_vocabulary(tiny, corpus: Path, tmp_path: Path):
    Tokens.train(["ABCDEFGH"], None, kind="char").save(tmp_path / "few.model")
    config = tiny(tokens=TokensConfig("char", model=tmp_path / "few.model"))
    with pytest.raises(ManifestError, match=r"no token holds 'N'.*of its text (?s:.*)7 unknown tokens: mend"):
        train(config)


def test_features_from_the_loader_are_learned_from(tiny):
    config = tiny()
    train(replace(config, epochs=1, data=replace(config.data, features="threads")))
    assert "epoch 0 done" in (config.exp / "train.log").read_text()
