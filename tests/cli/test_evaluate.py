import json
import os
from pathlib import Path

import pytest

from sonant.cli import main

SPEECH = Path(__file__).resolve().parents[1] / "data" / "speech"
NAMES = ("1462-170145-0013", "2902-9006-0000", "84-121123-0021")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three utterances of LibriSpeech's dev-clean, by absolute path."""
    rows = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]
    rows = [row | {"audio": str(SPEECH / row["audio"])} for row in rows if row["id"] in NAMES]
    assert len(rows) == len(NAMES)
    path = tmp_path / "dev.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_numbers_add_up(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "errors"
    assert main(["evaluate", str(manifest), "--output", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "WER" in printed
    assert "CER" in printed
    assert "RTF" in printed
    assert set(os.listdir(folder)) == {"summary.json", "utterances.jsonl", "errors.txt"}
    summary = json.loads((folder / "summary.json").read_text())
    rows = [json.loads(line) for line in (folder / "utterances.jsonl").read_text().splitlines()]
    assert {row["id"] for row in rows} == set(NAMES)
    assert summary["utterances"] == len(NAMES)
    assert summary["word"]["reference_length"] == sum(len(row["reference"].split()) for row in rows)
    for unit in ("word", "character"):
        counts = summary[unit]
        for key in ("errors", "substitutions", "deletions", "insertions", "reference_length"):
            assert counts[key] == sum(row[unit][key] for row in rows)
        assert counts["rate"] == pytest.approx(counts["errors"] / counts["reference_length"], abs=1e-6)
    errors = [row["word"]["errors"] for row in rows]
    assert errors == sorted(errors, reverse=True)
    # Real speech and a real model: far from perfect perhaps, but not noise.
    assert summary["character"]["rate"] < 0.6
    assert 0 < summary["real_time_factor"] < 5


def test_the_normalizer_is_used(manifest: Path, tmp_path: Path):
    row = json.loads(manifest.read_text().splitlines()[0])
    heard = json.dumps(row | {"text": row["text"].lower().replace(" ", ", ") + "."}) + "\n"
    manifest.write_text(heard)
    rates = {}
    for normalizer in ("none", "whisper"):
        folder = tmp_path / normalizer
        assert main(["evaluate", str(manifest), "--normalizer", normalizer, "-o", str(folder)]) == 0
        rates[normalizer] = json.loads((folder / "summary.json").read_text())["word"]["rate"]
    assert rates["whisper"] < rates["none"]


def test_a_missing_recording_is_named_before_the_work_begins(
    manifest: Path, capsys: pytest.CaptureFixture[str]
):
    with open(manifest, "a") as file:
        file.write(json.dumps({"id": "lost", "audio": "lost.flac", "text": "LOST"}) + "\n")
    assert main(["evaluate", str(manifest)]) == 1
    assert "dev.jsonl:4: audio" in capsys.readouterr().err


def test_a_recording_that_cannot_be_read_is_named_and_not_counted(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with open(manifest, "a") as file:
        row = {"id": "lost", "audio": "lost.flac", "text": "LOST", "duration": 1.0}
        file.write(json.dumps(row) + "\n")
    (manifest.parent / "lost.flac").write_text("this is no recording")
    assert main(["evaluate", str(manifest), "--output", str(tmp_path / "errors")]) == 1
    printed = capsys.readouterr()
    assert "1 of 4 utterances could not be transcribed" in printed.err
    assert "lost.flac" in printed.err
    assert json.loads((tmp_path / "errors" / "summary.json").read_text())["utterances"] == 3
