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
    assert set(os.listdir(folder)) == {
        *(
            "summary.json",
            "utterances.jsonl",
            "errors.txt",
            "failures.jsonl",
            "options.json",
            "readings.jsonl",
        ),
        *("recogs-dev-greedy.txt", "errs-dev-greedy.txt", "wer-summary-dev.txt", "cer-summary-dev.txt"),
    }
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
    summary = json.loads((tmp_path / "errors" / "summary.json").read_text())
    assert (summary["utterances"], summary["failures"]) == (3, 1)
    (failure,) = (tmp_path / "errors" / "failures.jsonl").read_text().splitlines()
    assert json.loads(failure)["id"] == "lost" and "lost.flac" in json.loads(failure)["reason"]


def test_an_evaluation_goes_on_where_it_was_killed(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "errors"
    command = ["evaluate", str(manifest), "--output", str(folder)]
    assert main(command) == 0
    whole = (folder / "recogs-dev-greedy.txt").read_text()
    log = folder / "readings.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    # One recording was done, and said otherwise so that its second coming would show; the next was cut off.
    first = json.loads(lines[0]) | {"hypothesis": "KEPT"}
    log.write_text(json.dumps(first) + "\n" + lines[1][:40])
    assert main(command) == 0
    recogs = (folder / "recogs-dev-greedy.txt").read_text()
    assert f"{first['id']}:\thyp=['KEPT']" in recogs
    changed = [a for a, b in zip(whole.splitlines(), recogs.splitlines(), strict=True) if a != b]
    assert len(changed) == 1
    assert len(log.read_text().splitlines()) == 4  # the part of a line is passed over
    assert main(command) == 0 and (folder / "recogs-dev-greedy.txt").read_text() == recogs
    capsys.readouterr()
    # Other options have other results; the normaliser is no such option.
    assert main([*command, "--normalizer", "whisper"]) == 0
    assert main([*command, "--decoder", "beam"]) == 1
    assert "another command (decoder: greedy, now beam); give another --output" in capsys.readouterr().err
    assert main([*command, "--restart"]) == 0
    assert (folder / "recogs-dev-greedy.txt").read_text() == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--decoder", "one-best"], "expected --graph, or --words and --lm"),
        (
            ["--decoder", "nbest-rescoring", "--graph", "WORDS"],
            "--rescore-lm None: expected a language model",
        ),
        (["--decoder", "beam", "--graph", "WORDS"], "--decoder beam: expected one of one-best"),
        (["--decoder", "fast-beam", "--graph", "WORDS"], "expected --decoder fast-beam-lg"),
        (["--decoder", "one-best", "--graph", "nowhere.fst"], "nowhere.fst: no such file"),
        (["--decoder", "beam", "--lodr", "WORDS"], "expected --token-lm too"),
        (["--decoder", "prefix-beam", "--head", "transducer"], "expected head ctc"),
        (["--decoder", "fast-beam", "--head", "ctc"], "expected head transducer"),
        (
            ["--decoder", "fast-beam", "--hot-words", "WORDS"],
            "a search over a graph, with fusion or hot words",
        ),
    ],
)
def test_options_that_do_not_fit_are_named(manifest, tmp_path, capsys, options, message):
    words = tmp_path / "words.txt"
    words.write_text("HELLO\n")
    options = [str(words) if option == "WORDS" else option for option in options]
    assert main(["evaluate", str(manifest), *options]) == 1
    assert message in capsys.readouterr().err
