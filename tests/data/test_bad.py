"""Bad manifests and recordings: each kind named, all at once where they can be, fatal or left out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sonant import audio
from sonant.audio import Utterance, read_corpus
from sonant.data import BadData, Item, Loader, WaveCache
from sonant.data.bad import learnable, read_corpora, usable
from sonant.errors import AudioError, ConfigError, ManifestError
from sonant.text import Tokens

SPEECH = Path(__file__).parent / "speech"
ROWS = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A copy of the real recordings, to be spoiled."""
    shutil.copytree(SPEECH, tmp_path / "corpus")
    return tmp_path / "corpus"


def change(corpus: Path, **changes: dict) -> None:
    """Changes fields of the rows whose ids begin so."""
    rows = []
    for row in ROWS:
        for start, fields in changes.items():
            if row["id"].replace("-", "_").startswith(start.lstrip("u")):
                row = row | fields
        rows.append(json.dumps(row) + "\n")
    (corpus / "manifest.jsonl").write_text("".join(rows))


def checked(corpus: Path, bad: BadData) -> list[Utterance]:
    return usable(read_corpora([corpus], bad), bad, text=str.strip, min_duration=0.3, max_duration=30.0)


def test_all_that_a_manifest_has_wrong_is_named_at_once(corpus: Path):
    (corpus / "jfk.flac").unlink()
    change(
        corpus,
        u1462={"text": " "},
        u2902={"duration": 0.01},
        u84={"duration": 3 * 3600.0},
        u174={"duration": "long"},
        u7_jackson={"sample_rate": "fast"},
        u1898={"duration": 0.2},  # short, but no mistake: left out without a word
    )
    expected = [
        "jfk.flac does not exist",
        "1462-170145-0013: nothing is left of its text ' '",
        "2902-9006-0000.mp3 lasts 0.01 s, expected 0.05 to 3600",
        "84-121123-0021.mp3 lasts 10800 s, expected 0.05 to 3600",
        "duration 'long', expected seconds above 0",
        "sample_rate 'fast', expected Hz, a whole number above 0",
    ]
    with pytest.raises(ManifestError) as caught:
        checked(corpus, BadData("stop"))
    for message in expected:
        assert message in str(caught.value)
    assert "2 absurd duration, 3 bad line, 1 empty text: mend them, or leave them out" in str(caught.value)

    said: list[str] = []
    bad = BadData("skip", said.append)
    kept = checked(corpus, bad)
    assert len(kept) == len(ROWS) - 7
    assert all(message in "\n".join(said) for message in expected)
    assert bad.counts == {"absurd duration": 2, "bad line": 3, "empty text": 1}
    assert str(bad) == "2 absurd duration, 3 bad line, 1 empty text"


def test_many_bad_lines_are_counted(tmp_path: Path):
    rows = [json.dumps({"audio": f"gone{i}.wav", "text": "a"}) + "\n" for i in range(25)]
    (tmp_path / "list.jsonl").write_text("".join(rows))
    with pytest.raises(ManifestError, match=r"gone9\.wav(?s:.*)\nand 15 more\n25 bad line: mend"):
        checked(tmp_path / "list.jsonl", BadData("stop"))


def test_nothing_wrong_says_nothing(corpus: Path):
    said: list[str] = []
    assert checked(corpus, BadData("skip", said.append)) and not said
    assert checked(corpus, BadData("stop"))


def test_texts_that_the_vocabulary_lacks_or_the_recording_has_no_room_for():
    utterances = [u for u in read_corpus(SPEECH) if u.text.isascii() and u.text.isupper()]
    tokens = Tokens.train([u.text for u in utterances], None, kind="char")
    said: list[str] = []
    bad = BadData("skip", said.append)

    def changed(place: int, text: str) -> list[Utterance]:
        return [
            Utterance(u.id, u.audio, text, u.duration) if i == place else u for i, u in enumerate(utterances)
        ]

    def learned(found: list[Utterance], rate: float = 25.0) -> list[Utterance]:
        return learnable(found, bad, lacks=tokens.lacks, encode=tokens.encode, tokens_per_second=rate)

    assert learned(utterances) == utterances and not said
    found = changed(1, "CAFÉ 7")
    assert learned(found) == utterances[:1] + utterances[2:]
    assert f"{found[1].id}: no token holds 'É', '7' of its text 'CAFÉ 7'" in said[-1]
    duration = utterances[0].duration
    # A blank has to stand between equal tokens: AAAA takes eight frames with the word's mark.
    rate = 8.01 / duration
    assert learned(changed(0, "AAAA")[:1], rate) and not learned(changed(0, "AAAAA")[:1], rate)
    assert f"of {duration:g} s has 8 frames, its text needs 10" in said[-1]
    assert bad.counts == {"unknown tokens": 1, "text too long": 1}
    with pytest.raises(ManifestError, match="no token holds"):
        learnable(found, BadData("stop"), lacks=tokens.lacks, encode=tokens.encode, tokens_per_second=25.0)


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_text(path: Path) -> None:
    path.write_bytes(b"<html>404</html>" * 50)


def spoil_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def spoil_missing(path: Path) -> None:
    path.unlink()


def spoil_long(path: Path) -> None:
    """Three hours in fact, three seconds in the manifest."""
    with soundfile.SoundFile(path, "w", 16000, 1, format="FLAC") as file:
        hour = np.zeros(16000 * 3600, np.int16)
        for _ in range(3):
            file.write(hour)


def spoil_short(path: Path) -> None:
    soundfile.write(path, np.zeros(160), 16000)


def spoil_rate(path: Path) -> None:
    samples = audio.load(path, target_rate=8000).samples
    soundfile.write(path, samples, 8000)


SPOILS = {
    spoil_empty: "is empty|is not audio|empty",
    spoil_text: "is not audio that sonant knows",
    spoil_truncated: "truncated",
    spoil_missing: "No such file|does not exist|no such",
    spoil_long: r"lasts 1\d\d\.00 s, 2\.\d+ s in its manifest",
    spoil_short: r"lasts 0\.01 s",
    spoil_rate: "its header says 8000 Hz, but sample_rate=16000",
}


def loader(utterances, bad: BadData, **options) -> Loader:
    return Loader(
        utterances, lambda text: [ord(c) for c in text], WaveCache(16000, 0), None, bad=bad, **options
    )


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda f: f.__name__)
def test_a_recording_that_goes_bad_in_mid_epoch(corpus: Path, spoil):
    utterances = [u for u in read_corpus(corpus) if u.audio.suffix == ".flac" and u.duration < 10]
    utterances = sorted(utterances, key=lambda u: u.id)[-2:]  # read before it goes bad
    spoil(utterances[1].audio)
    plan = [[Item(0, 1.0), Item(1, 1.0)], [Item(1, 1.0)], [Item(0, 1.0)]]
    with pytest.raises(AudioError, match=SPOILS[spoil]) as caught:
        list(loader(utterances, BadData("stop"))(plan))
    assert utterances[1].audio.name in str(caught.value)

    said: list[str] = []
    bad = BadData("skip", said.append)
    made = list(loader(utterances, bad)(plan))
    # One batch has one less; one that would have none has the next of the corpus.
    good = utterances[0].id
    assert [batch.ids for batch in made] == [(good,), (good,), (good,)]
    assert torch.equal(made[0].samples, made[1].samples) and torch.equal(made[0].targets, made[1].targets)
    assert bad.counts == {"unusable recording": 1}
    (line,) = said
    assert utterances[1].audio.name in line and line.endswith(": left out")


def test_a_corpus_of_nothing_but_bad_recordings_ends(corpus: Path):
    utterances = read_corpus(corpus)
    for u in utterances:
        spoil_text(u.audio)
    with pytest.raises(
        AudioError, match="neither it nor the 100 recordings after it in the corpus can be used"
    ):
        list(loader(utterances, BadData("skip", lambda line: None))([[Item(0, 1.0)]]))


def test_what_is_left_out_does_not_depend_on_threads(corpus: Path):
    utterances = read_corpus(corpus)
    for u in utterances[::3]:
        spoil_text(u.audio)
    plan = [[Item(i, 1.0), Item((i + 3) % len(utterances), 1.0)] for i in range(len(utterances))]

    def made(threads: int) -> list[tuple]:
        bad = BadData("skip", lambda line: None)
        found = [(b.ids, b.seeds, b.samples.sum()) for b in loader(utterances, bad, threads=threads)(plan, 2)]
        assert bad.counts == {"unusable recording": len(utterances[::3])}
        return found

    assert made(1) == made(4)


def test_a_policy_that_is_none():
    with pytest.raises(ConfigError, match="bad 'ignore': expected 'stop' or 'skip'"):
        BadData("ignore")  # type: ignore[arg-type]
