"""Manifests and corpus folders."""

import json
import shutil
from pathlib import Path

import pytest
import soundfile

from sonant import audio
from sonant.audio import Utterance, read_corpus, write_manifest
from sonant.errors import ManifestError

SPEECH = Path(__file__).parents[1] / "data" / "speech"


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    """As OpenSLR distributes it: speaker/chapter/*.flac with their texts beside them."""
    root = tmp_path / "LibriSpeech" / "train-clean-5"
    for line in (SPEECH / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "LibriSpeech" not in row["source"]:
            continue
        speaker, chapter, _ = row["id"].split("-")
        folder = root / speaker / chapter
        folder.mkdir(parents=True)
        samples = audio.load(SPEECH / row["audio"]).samples
        soundfile.write(folder / f"{row['id']}.flac", samples, 16000, subtype="PCM_16")
        (folder / f"{speaker}-{chapter}.trans.txt").write_text(f"{row['id']} {row['text']}\n")
    return root


def manifest(tmp_path: Path, *lines: object) -> Path:
    shutil.copy(SPEECH / "sb-spk1_snt1.flac", tmp_path / "a.flac")
    path = tmp_path / "list.jsonl"
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return path


def test_the_recordings_of_the_repository():
    utterances = read_corpus(SPEECH)
    assert utterances == read_corpus(SPEECH / "manifest.jsonl")
    assert len(utterances) == 13
    by_id = {u.id: u for u in utterances}
    assert by_id["jfk"].duration == 11.0 and by_id["jfk"].text.startswith("And so, my fellow Americans")
    assert by_id["sb-spk1_snt1"].speaker == "spk1"
    for u in utterances:
        assert u.audio.is_file()


def test_what_a_line_leaves_out(tmp_path: Path):
    (found,) = read_corpus(manifest(tmp_path, {"audio": "a.flac", "text": "THE CHILD"}, "", "   "))
    assert found.id == "a" and found.speaker == ""
    assert found.duration == pytest.approx(2.87, abs=0.01)
    (found,) = read_corpus(manifest(tmp_path, {"audio": "a.flac", "text": "", "id": 7, "speaker": None}))
    assert found.id == "7" and found.speaker == ""


def test_librispeech_folders(librispeech: Path):
    utterances = read_corpus(librispeech)
    assert read_corpus(librispeech.parent) == utterances
    assert len(utterances) == 8
    assert [u.id for u in utterances] == sorted(u.id for u in utterances)
    named = {u.id: u for u in read_corpus(SPEECH)}
    for u in utterances:
        assert u.text == named[u.id].text and u.speaker == named[u.id].speaker
        assert u.duration == pytest.approx(named[u.id].duration, abs=0.1)
        assert u.audio.suffix == ".flac"


def test_librispeech_lines_that_are_wrong_are_all_named(librispeech: Path):
    texts = sorted(librispeech.rglob("*.trans.txt"))
    texts[0].write_text(texts[0].read_text() + "1-2-3 NOBODY RECORDED THIS\n")
    texts[1].write_text(texts[1].read_text().split()[0] + "\n")
    texts[2].write_bytes(b"1-2-4 \xff\xfe\n")
    broken = next(texts[3].parent.glob("*.flac"))
    broken.write_bytes(b"not flac")
    with pytest.raises(ManifestError) as caught:
        read_corpus(librispeech)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"{texts[0]}:2: audio") and "1-2-3.flac does not exist" in lines[0]
    assert lines[1].startswith(f"{texts[1]}:1: no text after")
    assert lines[2].startswith(f"{texts[2]}:1: not text in UTF-8")
    assert lines[3].startswith(f"{texts[3]}:1: ") and broken.name in lines[3]


def test_writing_and_reading_again(tmp_path: Path, librispeech: Path):
    utterances = read_corpus(librispeech) + read_corpus(SPEECH)[8:]
    path = librispeech.parent / "manifest.jsonl"
    write_manifest(utterances, path)
    assert [Utterance(**vars(u) | {"audio": u.audio.resolve()}) for u in read_corpus(path)] == [
        Utterance(**vars(u) | {"audio": u.audio.resolve()}) for u in utterances
    ]
    # What lies below the manifest moves with it.
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert not any(Path(row["audio"]).is_absolute() for row in rows[:8])
    assert all(Path(row["audio"]).is_absolute() for row in rows[8:])
    librispeech.parent.rename(tmp_path / "moved")
    assert [u.id for u in read_corpus(tmp_path / "moved")] == [u.id for u in utterances]


BAD_LINES = [
    ("{", "not a JSON object in UTF-8"),
    ("[1]", "expected a JSON object, got list"),
    ({"text": "A"}, "'audio' is None, expected a string"),
    ({"audio": "a.flac"}, "'text' is None, expected a string"),
    ({"audio": "a.flac", "text": 3}, "'text' is 3, expected a string"),
    ({"audio": "b.flac", "text": "A"}, "b.flac does not exist"),
    ({"audio": "a.flac", "text": "A", "duration": 0}, "duration 0, expected seconds above 0"),
    ({"audio": "a.flac", "text": "A", "duration": "3"}, "duration '3'"),
    ({"audio": "a.flac", "text": "A", "duration": True}, "duration True"),
    ('{"audio": "a.flac", "text": "A", "duration": NaN}', "duration nan"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_a_bad_line_is_named(tmp_path: Path, line: object, message: str):
    path = manifest(tmp_path, {"audio": "a.flac", "text": "A"}, "", line)
    with pytest.raises(ManifestError) as caught:
        read_corpus(path)
    assert str(caught.value).startswith(f"{path}:3: ") and message in str(caught.value)


def test_all_bad_lines_are_named_and_many_are_counted(tmp_path: Path):
    path = manifest(tmp_path, {"audio": "a.flac", "text": "A"}, *(line for line, _ in BAD_LINES))
    with pytest.raises(ManifestError) as caught:
        read_corpus(path)
    lines = str(caught.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == [f"{path}:{n}:" for n in range(2, 12)]
    path.write_text(path.read_text() + 5 * "{\n")
    with pytest.raises(ManifestError) as caught:
        read_corpus(path)
    assert str(caught.value).splitlines()[10:] == ["and 5 more bad lines"]


def test_an_id_that_stands_twice(tmp_path: Path):
    path = manifest(tmp_path, *2 * [{"audio": "a.flac", "text": "A"}])
    with pytest.raises(ManifestError, match=r"list.jsonl:2: id 'a' stands in the corpus twice"):
        read_corpus(path)


def test_audio_that_cannot_be_measured(tmp_path: Path):
    path = manifest(tmp_path, {"audio": "b.wav", "text": "A"})
    (tmp_path / "b.wav").write_bytes(b"this is text")
    with pytest.raises(ManifestError, match=r"list.jsonl:1: .*b\.wav"):
        read_corpus(path)


def test_bytes_that_are_no_text(tmp_path: Path):
    path = tmp_path / "list.jsonl"
    path.write_bytes(b'{"audio": "\xff"}\n')
    with pytest.raises(ManifestError, match=r"list.jsonl:1: not a JSON object in UTF-8"):
        read_corpus(path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path):
    path = manifest(tmp_path, {"audio": "a.flac", "text": "A"})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_corpus(path)) == 1


def test_nothing_there(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"nowhere: no such manifest or folder"):
        read_corpus(tmp_path / "nowhere")
    with pytest.raises(
        ManifestError, match=r"no utterance found; expected a manifest.jsonl or LibriSpeech's"
    ):
        read_corpus(tmp_path)
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(ManifestError, match=r"manifest.jsonl: cannot be read: Is a directory"):
        read_corpus(tmp_path)


def test_a_manifest_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"nowhere.*: cannot be written: No such file or directory"):
        write_manifest(read_corpus(SPEECH), tmp_path / "nowhere" / "list.jsonl")
