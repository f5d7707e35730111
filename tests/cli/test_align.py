import io
import json
from pathlib import Path

import pytest

from sonant.cli import main

JFK = Path(__file__).resolve().parents[1] / "data" / "speech" / "jfk.flac"
TEXT = (
    "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your "
    "country."
)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "jfk.txt"
    path.write_text(TEXT + "\n")
    return path


def test_ctm_goes_to_standard_output(text: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["align", str(JFK), str(text)]) == 0
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert [row[4] for row in rows] == TEXT.split()
    assert {(row[0], row[1]) for row in rows} == {("jfk", "1")}
    assert [float(row[2]) for row in rows] == sorted(float(row[2]) for row in rows)
    assert printed.err == ""


def test_files(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for format in ("TextGrid", "json", "srt"):
        out = tmp_path / f"jfk.{format}"
        command = ["align", str(JFK), str(text), "--format", format, "--output", str(out)]
        assert main(command) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "jfk.TextGrid").read_text().count('text = "ask"') == 2
    value = json.loads((tmp_path / "jfk.json").read_text())
    assert [word["text"] for word in value["words"]] == TEXT.split()
    assert [word["position"] for word in value["words"]] == list(range(22))
    assert "fellow Americans" in (tmp_path / "jfk.srt").read_text()


def test_differences_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    text = TEXT.replace("ask not", "the moon is made of green cheese, ask not")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["align", str(JFK), "-", "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("not heard: words 6 to 12, at ")
    assert printed.err.endswith(" s: the moon is made of green cheese,\n")
    assert [word["text"] for word in json.loads(printed.out)["unsaid"]] == text.split()[5:12]

    less = "And so, my fellow Americans, ask what you can do for your country."
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(less.encode())))
    assert main(["align", str(JFK), "-", "--format", "TextGrid"]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("not in the text: ") and "heard as '" in printed.err
    assert 'name = "not in the text"' in printed.out


def test_strict(text: Path, capsys: pytest.CaptureFixture[str]):
    text.write_text("zigzag quixotic jazz buzzwords")
    assert main(["align", str(JFK), str(text)]) == 1
    assert "none of the 4 words of the text was heard" in capsys.readouterr().err
    assert main(["align", str(JFK), str(text), "--strict"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n", "there is no text in it; expected what the recording says"),
        (b"caf\xe9 au lait", "byte 3 is 0xe9, which is no UTF-8"),
        (b"ask 20", "lack characters of the text: '2'"),
        (b"...", "1 words, of punctuation alone"),
    ],
)
def test_errors_are_one_line(text: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str):
    text.write_bytes(content)
    assert main(["align", str(JFK), str(text)]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and message in printed.err and printed.err.count("\n") == 1
    assert main(["align", str(JFK), str(text) + "x"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["align", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("AUDIO", "TEXT", "--format", "--model", "--head", "--strict"))


YESNO = JFK.parents[1] / "kaldi-yesno"
NO_YES = JFK.parent / "0_0_0_0_1_1_1_1.flac"


def test_mixtures_of_kaldi(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    conf, text = tmp_path / "mfcc.conf", tmp_path / "text"
    conf.write_text("--use-energy=false\n--sample-frequency=8000\n")
    text.write_text("no, no no no yes yes yes yes maybe")
    command = ["align", str(NO_YES), str(text), "--model", str(YESNO / "40.mdl"), "--feats", str(conf)]
    assert main(command) == 0
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert [row[4] for row in rows] == text.read_text().split()
    assert printed.err.startswith("not in the model's lexicon: word 9, at ")
    assert main([*command, "--tier", "phones", "--beam", "20"]) == 0
    spans = [line.split()[2:5] for line in capsys.readouterr().out.splitlines()]
    assert [span[2] for span in spans if span[2] != "SIL"] == ["N"] * 4 + ["Y"] * 4
    ends = [float(begin) + float(length) for begin, length, _ in spans]
    assert [float(begin) for begin, _, _ in spans[1:]] == pytest.approx(ends[:-1])
    assert main([*command, "--format", "json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["unknown"] == [8] and [phone["text"] for phone in value["phones"]].count("Y") == 4
    assert main([*command, "--format", "TextGrid", "--cmvn", f"{YESNO / 'cmvn_train_yesno.ark'}:7"]) == 0
    grid = capsys.readouterr().out
    assert 'name = "phones"' in grid and grid.count('text = "N"') == 4


def test_options_of_other_models(text: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["align", str(JFK), str(text), "--tier", "phones"]) == 1
    assert "--tier phones is for a Kaldi experiment" in capsys.readouterr().err
    assert main(["align", str(JFK), str(text), "--beam", "3"]) == 1
    assert "--beam is for a Kaldi experiment" in capsys.readouterr().err
    assert main(["align", str(JFK), str(text), "--model", str(YESNO / "40.mdl"), "--head", "transducer"]) == 1
    assert "--head transducer with mixtures" in capsys.readouterr().err
