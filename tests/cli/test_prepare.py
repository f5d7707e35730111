"""sonant prepare, on small folders of each published layout with real recordings in them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonant import audio
from sonant.audio import read_corpus
from sonant.audio.survey import Surveyed, survey
from sonant.cli import main
from sonant.cli.prepare import STEPS
from sonant.cli.train import configure, recipe
from sonant.text import Tokens

DATA = Path(__file__).parents[1] / "data"
SHORT = [u for u in read_corpus(DATA / "short") if u.text.isupper()][:9]


def prepare(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    """What is printed; of a failure, what is said on standard error."""
    assert main(["prepare", *map(str, arguments)]) == status
    out, err = capsys.readouterr()
    return err if status else out


def put(folder: Path, name: str, i: int = 0) -> Path:
    """One real recording under another name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = audio.load(SHORT[i].audio)
    soundfile.write(path, sound.samples, sound.sample_rate)
    return path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder for each of two speakers, with texts beside the recordings."""
    folder = tmp_path / "recordings"
    for i, u in enumerate(SHORT):
        path = put(folder, f"{'anna' if i % 2 else 'ben'}/{u.id}.wav", i)
        path.with_suffix(".txt").write_text(f"{u.text.capitalize()}.\n")
    return folder


def configured(path: Path):
    return configure(recipe(str(path)), ["--epochs", "3"], prog="sonant train")


def test_a_folder_becomes_a_recipe_that_trains(recordings: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    printed = prepare(capsys, "folder", recordings, "--out", out, "--held-out", 2)
    assert [line.split(":")[0] for line in printed.splitlines() if line.startswith(STEPS)] == list(STEPS)
    assert "train: 7 utterances, 0.00 h, 2 speakers, 16000 Hz: 7" in printed and "1 to 2 s" in printed

    train, valid = (read_corpus(out / f"{name}.jsonl") for name in ("train", "valid"))
    assert len(train) == 7 and len(valid) == 2
    by_id = {u.id.split("-", 1)[1]: u for u in train + valid}
    for u in SHORT:
        found = by_id[u.id]
        assert found.text == u.text and found.speaker in ("anna", "ben") and found.sample_rate == 16000
        assert found.duration == pytest.approx(len(audio.load(u.audio).samples) / 16000, abs=1e-3)
    assert Tokens.load(out / "tokens.model").lacks("".join(u.text for u in train)) == []
    statistics = json.loads((out / "statistics.json").read_text())
    assert sum(statistics["train"]["durations"].values()) == statistics["train"]["utterances"] == 7
    assert statistics["train"]["words"] == sum(len(u.text.split()) for u in train)

    config = configured(out / "recipe.py")
    assert config.epochs == 3 and config.data.upper and config.tokens.model == out / "tokens.model"
    assert [read_corpus(path) for path in config.data.train] == [train]
    assert config.data.valid == out / "valid.jsonl" and config.exp == out / "exp"


def test_what_is_done_is_not_done_again(recordings: Path, tmp_path: Path, capsys):
    command = ("folder", recordings, "--out", tmp_path / "out")
    prepare(capsys, *command)
    assert prepare(capsys, *command).count("done before") == len(STEPS) - 1
    # Other tokens: the steps after them, too.
    printed = prepare(capsys, *command, "--tokens", "bpe", "--vocab-size", 40)
    assert printed.count("done before") == 2 and "40 bpe tokens" in printed
    # A recording more: all of them, though those that are known are not looked into.
    path = put(recordings, "anna/new.wav")
    path.with_suffix(".txt").write_text("lectures")
    known = (tmp_path / "out" / "survey.jsonl").read_text()
    assert "done before" not in prepare(capsys, *command)
    found = (tmp_path / "out" / "survey.jsonl").read_text()
    assert found.startswith(known) and found.count("\n") == len(SHORT) + 1


def test_steps_by_name(recordings: Path, tmp_path: Path, capsys):
    command = ("folder", recordings, "--out", tmp_path / "out")
    failure = prepare(capsys, *command, "--steps", "tokens", status=1)
    assert "step tokens needs list, which is not done in" in failure
    printed = prepare(capsys, *command, "--to", "manifests")
    assert "manifests:" in printed and "tokens:" not in printed
    assert not (tmp_path / "out" / "recipe.py").exists()
    printed = prepare(capsys, *command, "--from", "manifests", "--to", "tokens")
    assert [line.split(":")[0] for line in printed.splitlines()] == ["manifests", "tokens"]
    assert "done before" not in printed
    printed = prepare(capsys, *command, "--steps", "tokens", "statistics")
    assert "done before" not in printed and "list:" not in printed and "recipe:" not in printed
    assert "the steps are list, survey" in prepare(
        capsys, *command, "--from", "recipe", "--to", "list", status=1
    )
    assert "--steps with --from or --to" in prepare(
        capsys, *command, "--steps", "list", "--to", "list", status=1
    )


def test_all_that_is_bad_is_named_at_once(recordings: Path, tmp_path: Path, capsys):
    paths = sorted(recordings.rglob("*.wav"))
    paths[0].write_bytes(b"no audio at all")
    paths[1].write_bytes(paths[1].read_bytes()[:3000])
    paths[2].with_suffix(".txt").write_text(" ?! ")
    paths[3].with_suffix(".txt").unlink()
    soundfile.write(paths[4], np.full(160, 0.1), 16000)
    command = ("folder", recordings, "--out", tmp_path / "out", "--held-out", 1)
    failure = prepare(capsys, *command, "--check", "decode", status=1)
    reasons = ("is not audio that sonant knows", "truncated", "left of its text '?!'", "left of its text ''")
    for path, reason in zip(paths, reasons, strict=False):
        (line,) = [line for line in failure.splitlines() if path.name in line]
        assert reason in line
    assert f"{paths[4]}: lasts 0.01 s, expected 0.05 to 3600" in failure
    assert "5 cannot be used: mend them, or leave them out with --bad skip" in failure
    assert not (tmp_path / "out" / "train.jsonl").exists()

    printed = prepare(capsys, *command, "--check", "decode", "--bad", "skip")
    assert "5 left out, see" in printed and "train.jsonl 3, valid.jsonl 1" in printed
    assert len((tmp_path / "out" / "bad.tsv").read_text().splitlines()) == 5
    # The header says nothing of an end that is missing.
    assert "4 cannot be used" in prepare(capsys, *command, status=1)


def test_a_survey_that_was_killed_goes_on(recordings: Path, tmp_path: Path):
    paths = sorted(recordings.rglob("*.wav"))
    kept = tmp_path / "survey.jsonl"
    whole = survey(paths, kept)
    assert len(whole) == len(paths) and all(one.sample_rate == 16000 for one in whole.values())
    written = kept.read_bytes()
    ends = [i + 1 for i, byte in enumerate(written) if byte == ord("\n")]
    for cut in (0, 1, ends[0] - 1, ends[0], ends[3] + 10, len(written) - 1):
        kept.write_bytes(written[:cut])
        seen: list[int] = []
        assert survey(paths, kept, progress=seen.append) == whole
        assert seen[0] == sum(end <= cut for end in ends) and sum(seen) == len(paths)
        assert sorted(kept.read_bytes().splitlines()) == sorted(written.splitlines())


def test_a_recording_that_has_changed_is_looked_into_again(recordings: Path, tmp_path: Path):
    path, kept = sorted(recordings.rglob("*.wav"))[0], tmp_path / "survey.jsonl"
    before = survey([path], kept)[path]
    soundfile.write(path, np.full(8000, 0.1), 8000)
    assert survey([path, tmp_path / "gone.wav"], kept) == {path: Surveyed(1.0, 8000)} != {path: before}


def test_yesno(tmp_path: Path, capsys):
    for i in range(34):
        marks = "_".join(f"{i:08b}")
        put(tmp_path / "data" / "waves_yesno", f"{marks}.wav")
    prepare(capsys, "yesno", tmp_path / "data", "--out", tmp_path / "out")
    train, test = (read_corpus(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "test"))
    assert len(train) == 31 and len(test) == 3
    assert train[5].id == "0_0_0_0_0_1_0_1" and train[5].text == "NO NO NO NO NO YES NO YES"
    config = configure(recipe(str(tmp_path / "out" / "recipe.py")), [], prog="sonant train")
    assert config.held_out == 3 and config.sample_rate == 8000
    assert [len(read_corpus(path)) for path in config.data] == [31, 3]


def test_librispeech(tmp_path: Path, capsys):
    for subset, some in (("train-clean-5", SHORT[:4]), ("dev-clean-2", SHORT[4:6]), ("other", SHORT[6:])):
        for i, u in enumerate(some):
            chapter = tmp_path / "LibriSpeech" / subset / "12" / "34"
            put(chapter, f"12-34-{i}.flac", i)
            with open(chapter / "12-34.trans.txt", "a") as file:
                file.write(f"12-34-{i} {u.text}\n")
    printed = prepare(capsys, "mini_librispeech", tmp_path, "--out", tmp_path / "out")
    assert "list: train-clean-5 4, dev-clean-2 2 recordings" in printed
    assert [u.speaker for u in read_corpus(tmp_path / "out" / "dev-clean-2.jsonl")] == ["12", "12"]
    config = configured(tmp_path / "out" / "recipe.py")
    assert config.data.valid == tmp_path / "out" / "dev-clean-2.jsonl"
    assert config.data.train == (tmp_path / "out" / "train-clean-5.jsonl",)
    # Another corpus to measure errors on.
    prepare(capsys, "mini_librispeech", tmp_path, "--out", tmp_path / "out", "--valid", DATA / "short")
    assert configured(tmp_path / "out" / "recipe.py").data.valid == tmp_path / "out" / "valid.jsonl"


def test_aishell(tmp_path: Path, capsys):
    lines = []
    said = ["而 对 楼市 成交", "广州市 房地产", "中介 协会 分析"]
    for subset, speaker, number in (("train", 2, 0), ("train", 3, 1), ("dev", 724, 2), ("test", 764, 3)):
        name = f"BAC009S{speaker:04d}W0{number}"
        put(tmp_path / "data_aishell" / "wav" / subset / f"S{speaker:04d}", f"{name}.wav")
        if number < 3:  # as in the published corpus, some recordings have no text
            lines.append(f"{name} {said[number]}\n")
    transcript = tmp_path / "data_aishell" / "transcript" / "aishell_transcript_v0.8.txt"
    transcript.parent.mkdir()
    transcript.write_text("".join([*lines, "BAC009S9999W1 没有 录音\n"]), encoding="utf-8")
    printed = prepare(capsys, "aishell", tmp_path, "--out", tmp_path / "out")
    assert "list: train 2, dev 1, test 0 recordings" in printed
    train = read_corpus(tmp_path / "out" / "train.jsonl")
    assert [(u.text, u.speaker) for u in train] == [("而对楼市成交", "S0002"), ("广州市房地产", "S0003")]
    assert "no token holds" in printed and "'析' in 1" in printed
    config = configured(tmp_path / "out" / "recipe.py")
    assert not config.data.upper and config.tokens.kind == "char" and config.alignment is None


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_table(tmp_path: Path, capsys, delimiter: str):
    rows = [delimiter.join(("Sentence", "up_votes", "path", "client_id"))]
    for i, u in enumerate(SHORT[:4]):
        put(tmp_path / "clips", f"{u.id}.wav", i)
        rows.append(delimiter.join((f'"{u.text}"', "2", f"clips/{u.id}.wav", f"speaker{i % 2}")))
    rows.append(delimiter.join(("Nowhere", "1", "clips/nowhere.wav", "x")))
    table = tmp_path / "list.tsv"
    table.write_text("\ufeff" + "\n".join(rows) + "\n", encoding="utf-8")
    command = ("csv", table, "--out", tmp_path / "out", "--held-out", 1)
    failure = prepare(capsys, *command, status=1)
    assert "clips/nowhere.wav: there is no such recording" in failure and "1 cannot be used" in failure
    prepare(capsys, *command, "--bad", "skip")
    found = [u for name in ("train", "valid") for u in read_corpus(tmp_path / "out" / f"{name}.jsonl")]
    assert {(u.id, u.text) for u in found} == {(u.id, u.text) for u in SHORT[:4]}
    assert {u.speaker for u in found} == {"speaker0", "speaker1"}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("yesno", r"looked in .*waves_yesno .*SLR1, https://www.openslr.org/1/"),
        ("mini_librispeech", r"train-clean-5, dev-clean-2.*SLR31"),
        ("librispeech", r"train-clean-100, .*SLR12"),
        ("aishell", r"looked in .*data_aishell for .*aishell_transcript_v0.8.txt and wav/.*SLR33"),
        ("folder", "no recording in it"),
        ("csv", "no such table; expected a .csv or .tsv with a heading"),
    ],
)
def test_a_corpus_that_is_not_there(tmp_path: Path, capsys, kind: str, message: str):
    (tmp_path / "empty").mkdir()
    failure = prepare(capsys, kind, tmp_path / "empty", "--out", tmp_path / "out", status=1)
    assert re.search(message, failure, re.S), failure
    assert not list((tmp_path / "out").iterdir())


def test_a_table_without_the_columns(tmp_path: Path, capsys):
    (tmp_path / "list.csv").write_text("file,words\na.wav,hello\n")
    failure = prepare(capsys, "csv", tmp_path / "list.csv", "--out", tmp_path / "out", status=1)
    assert "list.csv:1: its columns are ['file', 'words'], none of which is text or transcript" in failure


def test_a_manifest_with_bad_lines(tmp_path: Path, capsys):
    shutil.copytree(DATA / "short", tmp_path / "short")
    (tmp_path / "short" / "174-50561-0014.mp3").unlink()
    with open(tmp_path / "short" / "manifest.jsonl", "a") as file:
        file.write("{broken\n")
    command = ("folder", tmp_path / "short", "--out", tmp_path / "out")
    failure = prepare(capsys, *command, status=1)
    assert "174-50561-0014.mp3 does not exist" in failure and "not a JSON object" in failure
    assert "2 left out" in prepare(capsys, *command, "--bad", "skip", "--text", "as-is")
