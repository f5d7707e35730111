import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sonant
from sonant.cli import main

SPEECH = Path(__file__).resolve().parents[1] / "data" / "speech"
RECORDING = SPEECH / "1462-170145-0013.mp3"
OTHER = SPEECH / "2902-9006-0000.mp3"


@pytest.fixture(scope="module")
def text() -> str:
    return sonant.load().transcribe(RECORDING).text


def test_text_goes_to_standard_output(capsys: pytest.CaptureFixture[str], text: str):
    assert main(["transcribe", str(RECORDING)]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == text
    assert text
    assert printed.err == ""


def test_formats_go_to_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str):
    formats = ["txt", "json", "srt", "vtt", "tsv", "ctm", "TextGrid"]
    chosen = [word for format in formats for word in ("--format", format)]
    folder = tmp_path / "a" / "b"
    assert main(["transcribe", str(RECORDING), str(OTHER), *chosen, "--output-dir", str(folder)]) == 0
    expected = {f"{path.stem}.{format}" for path in (RECORDING, OTHER) for format in formats}
    assert set(os.listdir(folder)) == expected
    assert capsys.readouterr().out == ""
    assert (folder / f"{RECORDING.stem}.txt").read_text().strip() == text
    assert (folder / f"{RECORDING.stem}.vtt").read_text().startswith("WEBVTT")
    assert text in (folder / f"{RECORDING.stem}.json").read_text()
    assert json.loads((folder / f"{OTHER.stem}.json").read_text())
    ctm = (folder / f"{RECORDING.stem}.ctm").read_text().splitlines()
    assert len(ctm) == len(text.split())
    assert all(line.startswith(f"{RECORDING.stem} 1 ") for line in ctm)


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str):
    bad = tmp_path / "notes.wav"
    bad.write_text("not a recording\n")
    missing = tmp_path / "missing.flac"
    folder = tmp_path / "out"
    files = [str(path) for path in (bad, missing, RECORDING)]
    assert main(["transcribe", *files, "-o", str(folder)]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("2 of 3 recordings could not be transcribed:\n")
    assert str(bad) in printed
    assert str(missing) in printed
    assert "Traceback" not in printed
    assert os.listdir(folder) == [f"{RECORDING.stem}.txt"]
    assert (folder / f"{RECORDING.stem}.txt").read_text().strip() == text


def test_the_decoder_is_passed_on(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["transcribe", str(RECORDING), "--decoder", "guess"])
    assert stopped.value.code == 2
    assert "guess" in capsys.readouterr().err
    texts = set()
    for options in ((), ("--decoder", "beam"), ("--head", "ctc"), ("--head", "transducer")):
        assert main(["transcribe", str(RECORDING), *options]) == 0
        texts.add(capsys.readouterr().out)
    assert len(texts) > 1


def test_an_unknown_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["transcribe", str(RECORDING), "--model", str(tmp_path / "none")]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert str(tmp_path / "none") in printed


def test_two_recordings_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["transcribe", "a/talk.wav", "b/talk.flac", "-o", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().err
    assert "a/talk.wav" in printed
    assert "b/talk.flac" in printed
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "out").write_text("")
    assert main(["transcribe", str(RECORDING), "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'out'}: File exists\n"


def test_no_recording_is_an_error(capsys: pytest.CaptureFixture[str]):
    assert main(["transcribe"]) == 1
    assert "no recording was given" in capsys.readouterr().err


def test_an_unknown_format_is_a_usage_error():
    result = subprocess.run(
        [sys.executable, "-m", "sonant", "transcribe", "a.wav", "--format", "doc"], capture_output=True
    )
    assert result.returncode == 2


def test_hot_words_a_language_model_and_words(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str):
    from sonant.fst import NgramLm

    said = "AND I SHE WHISPERED I FELT THAT YOU WERE FEELING THAT"
    hot, words, lm = (tmp_path / name for name in ("hot.txt", "words.txt", "lm.arpa"))
    hot.write_text("she whispered\t15\nthat you were feeling\n")
    words.write_text("\n".join(sorted(set(said.split()))) + "\n")
    NgramLm.train([said], 2).write(lm)

    def heard(*options: str) -> str:
        assert main(["transcribe", str(RECORDING), "--decoder", "beam", "--beam", "16", *options]) == 0
        return capsys.readouterr().out.strip()

    plain = heard()
    assert "SHE WHISPERED" not in plain
    assert "SHE WHISPERED" in heard("--hot-words", str(hot), "--hot-word-boost", "2")
    assert set(heard("--lm", str(lm), "--words", str(words)).split()) <= set(said.split())
    assert heard("--lm", str(lm), "--lm-weight", "1") != plain
    words.write_text("THAT\nélan\n")
    assert main(["transcribe", str(RECORDING), "--words", str(words)]) == 1
    assert "élan" in capsys.readouterr().err
    assert main(["transcribe", str(RECORDING), "--hot-words", str(tmp_path / "none")]) == 1
    assert "none: no such file" in capsys.readouterr().err
