"""Recordings beside their texts, as they are and with sentences added, taken out and exchanged."""

import json
from pathlib import Path

import numpy as np
import pytest

from sonant import audio
from sonant.errors import AudioError, ConfigError, SearchError, TokenError
from sonant.model import Model
from sonant.search import AlignmentConfig

SPEECH = Path(__file__).resolve().parents[1] / "data" / "speech"
JFK = SPEECH / "jfk.flac"
INAUGURAL = (
    "And so, my fellow Americans, ask not what your country can do for you \u2014 ask what you can do for "
    "your country."
)
ROWS = {row["id"]: row for row in map(json.loads, (SPEECH / "manifest.jsonl").read_text().splitlines())}
# Read English, each some five seconds; the model knows the speakers of none of the first four.
READ = [
    "2086-149220-0026",
    "174-168635-0014",
    "2277-149896-0002",
    "84-121123-0021",
    "1898-145715-0049",
    "2416-152139-0023",
]


@pytest.fixture(scope="module")
def recording() -> tuple[np.ndarray, list[float], list[str]]:
    """(six sentences one after another at 16 kHz, where each begins and the last ends (s), their texts)."""
    parts = [audio.load(SPEECH / ROWS[name]["audio"], target_rate=16000).samples for name in READ]
    begins = np.concatenate([[0], np.cumsum([len(part) for part in parts])]) / 16000
    return np.concatenate(parts), begins.tolist(), [ROWS[name]["text"] for name in READ]


@pytest.mark.parametrize("head", ["ctc", "transducer"])
def test_a_speech(model: Model, head):
    found = model.align(JFK, INAUGURAL, head=head)
    assert [word.text for word in found.words] == [w for w in INAUGURAL.split() if w != "\u2014"]
    assert [(word.text, word.position, word.reason) for word in found.unsaid] == [
        ("\u2014", 14, "punctuation")
    ]
    assert found.unmatched == () and found.complete and found.name == str(JFK)
    assert [INAUGURAL.split()[position] for position in found.positions] == [w.text for w in found.words]
    times = [time for word in found.words for time in (word.start, word.end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= found.duration
    assert all(0 < word.confidence <= 1 for word in found.words)
    # By ear: he pauses after "Americans,", "ask", "not" and "you".
    starts = {word.text: word.start for word in reversed(found.words)}
    for text, second in (("And", 0.3), ("fellow", 1.4), ("ask", 3.3), ("not", 4.05), ("what", 5.4)):
        assert starts[text] == pytest.approx(second, abs=0.15)


def test_words_lie_in_their_sentences(model: Model, recording):
    samples, begins, texts = recording
    found = model.align(samples, "\n".join(texts), sample_rate=16000)
    assert found.unsaid == () and found.unmatched == ()
    sentence = [number for number, text in enumerate(texts) for _ in text.split()]
    for word, number in zip(found.words, sentence, strict=True):
        assert begins[number] - 0.1 <= word.start < word.end <= begins[number + 1] + 0.1


def test_a_sentence_that_the_text_lacks(model: Model, recording):
    samples, begins, texts = recording
    found = model.align(samples, " ".join(texts[:2] + texts[3:]), sample_rate=16000)
    assert found.unsaid == ()
    # Most of it, though short words of the sentences around may be heard in it.
    assert sum(part.end - part.start for part in found.unmatched) > 0.6 * (begins[3] - begins[2])
    assert all(begins[2] < part.start < part.end < begins[3] + 1.2 for part in found.unmatched)
    assert "WALKS THE LARD" in " ".join(part.heard for part in found.unmatched)


def test_a_sentence_that_was_not_said(model: Model, recording):
    samples, begins, texts = recording
    added = "THE MOON IS MADE OF GREEN CHEESE AND NOBODY EVER EATS IT"
    found = model.align(samples, " ".join([*texts[:3], added, *texts[3:]]), sample_rate=16000)
    assert [word.text for word in found.unsaid] == added.split()
    assert {word.reason for word in found.unsaid} == {"not heard"}
    first = len(" ".join(texts[:3]).split())
    assert [word.position for word in found.unsaid] == list(range(first, first + len(added.split())))
    assert all(begins[2] < word.after < begins[3] for word in found.unsaid)
    assert found.unmatched == ()


def test_a_sentence_in_the_place_of_another(model: Model, recording):
    samples, begins, texts = recording
    other = "NINE OLD FISHERMEN QUIETLY PLAYED CARDS BENEATH A SMOKY YELLOW LAMP"
    found = model.align(samples, " ".join([*texts[:4], other, *texts[5:]]), sample_rate=16000)
    unsaid = [word.text for word in found.unsaid]
    assert unsaid[:11] == other.split() and len(unsaid) <= 13
    assert sum(part.end - part.start for part in found.unmatched) > 0.6 * (begins[5] - begins[4])
    assert all(begins[4] < part.start < part.end < begins[5] + 1.2 for part in found.unmatched)


def test_a_part_of_a_longer_text(model: Model):
    """A recording of one sentence, and the text of all."""
    texts = [ROWS[name]["text"] for name in READ]
    found = model.align(SPEECH / ROWS[READ[4]]["audio"], " ".join(texts))
    assert [word.text for word in found.words] == texts[4].split()
    assert len(found.unsaid) == len(" ".join(texts).split()) - len(found.words)


def test_any_case_and_punctuation(model: Model):
    expected = model.align(JFK, INAUGURAL)
    for text in (
        INAUGURAL.upper(),
        INAUGURAL.lower(),
        INAUGURAL.replace(" ", "  \n"),
        f"\u201c{INAUGURAL}\u201d",
    ):
        found = model.align(JFK, text)
        assert [(w.start, w.end) for w in found.words] == [(w.start, w.end) for w in expected.words]
    curly = model.align(SPEECH / ROWS[READ[5]]["audio"], ROWS[READ[5]]["text"].replace("'", "\u2019"))
    straight = model.align(SPEECH / ROWS[READ[5]]["audio"], ROWS[READ[5]]["text"])
    assert [word.end for word in curly.words] == [word.end for word in straight.words]
    assert curly.words[0].text == "YOU\u2019RE"


def test_strict(model: Model):
    added = INAUGURAL.replace("Americans,", "Americans, dear friends,")
    assert len(model.align(JFK, added).unsaid) >= 2
    strict = model.align(JFK, added, config=AlignmentConfig.strict())
    assert [word.reason for word in strict.unsaid] == ["punctuation"]
    with pytest.raises(SearchError, match="tokens do not fit 11 frames"):
        model.align(SPEECH / "7_jackson_0.opus", INAUGURAL, config=AlignmentConfig.strict())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text has no words; expected the words that were said"),
        (" \n", "the text has no words"),
        ("\u2014 ... !", "the text has 3 words, of punctuation alone"),
        (
            "ask 20 caf\u00e9",
            r"model 'english' lack .*'2' \('20', word 2\), '0' .*'\u00e9' .*word 3.*; write numbers",
        ),
        ("\u5e7f\u5dde\u5e02\u623f\u5730\u4ea7", "and 1 more; write numbers"),
    ],
)
def test_texts_that_cannot_be_spelled(model: Model, text: str, message: str):
    with pytest.raises(TokenError, match=message):
        model.align(JFK, text)


def test_what_cannot_be_aligned(model: Model, tmp_path: Path):
    with pytest.raises(SearchError, match=r"jfk.flac: none of the 4 words of the text was heard in 11.00 s"):
        model.align(JFK, "zigzag quixotic jazz buzzwords")
    with pytest.raises(SearchError, match="the recording is too short for it"):
        model.align(SPEECH / "7_jackson_0.opus", "zigzag quixotic jazz buzzwords")
    with pytest.raises(SearchError, match="the recording: none of the 1 words"):
        model.align(np.zeros(1600, np.float32), "hello", sample_rate=16000)
    with pytest.raises(AudioError, match="no such file"):
        model.align(tmp_path / "none.wav", "hello")
    with pytest.raises(ConfigError, match="head='both'"):
        model.align(JFK, "hello", head="both")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TokenError, match="text is a list; expected a str"):
        model.align(JFK, ["hello"])  # pyright: ignore[reportArgumentType]
