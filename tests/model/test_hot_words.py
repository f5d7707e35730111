"""Hot words, language models and lists of words, for the bundled model and real recordings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant import audio
from sonant.errors import ConfigError, SearchError
from sonant.fst import NgramLm
from sonant.fst.graphs import Lexicon
from sonant.model import Model
from sonant.search import Fusion, HotWords
from sonant.stream import Final, Session

JFK = Path(__file__).resolve().parent.parent / "data" / "speech" / "jfk.flac"
SAID = "AND SO MY FELLOW AMERICANS ASK NOT WHAT YOUR COUNTRY CAN DO FOR YOU"
TRANSDUCER: dict[str, Any] = {"decoder": "beam", "head": "transducer", "beam": 8}


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return audio.load(JFK).samples[: 8 * 16000]


def few_words(model: Model) -> Fusion:
    pieces = model.tokens.pieces
    lexicon = Lexicon.spelled(
        sorted(set(SAID.split())), lambda w: [pieces[i] for i in model.tokens.encode(w)]
    )
    return Fusion(pieces, lexicon, lm=NgramLm.train([SAID], 2), lm_weight=0.5)


def test_a_hot_word_is_heard(model: Model, wave: np.ndarray):
    """In any case, by text or by tokens; and a negative boost makes a word go."""
    plain = model.transcribe(wave, sample_rate=16000, **TRANSDUCER)
    assert "YOUR COUNTRY" not in plain.text
    ids = tuple(model.tokens.encode("YOUR COUNTRY"))
    for hot in ({"your country": 10.0}, HotWords({"YOUR COUNTRY": 10.0}), HotWords({ids: 10.0})):
        found = model.transcribe(wave, sample_rate=16000, hot_words=hot, **TRANSDUCER)
        assert "YOUR COUNTRY" in found.text
    assert "NOT" in plain.text.split()
    shy = model.transcribe(wave, sample_rate=16000, hot_words={"not": -20.0}, **TRANSDUCER)
    assert "NOT" not in shy.text.split()


def test_no_hot_words_change_nothing(model: Model, wave: np.ndarray):
    chosen: list[dict[str, Any]] = [TRANSDUCER, {**TRANSDUCER, "head": "ctc"}, {"head": "transducer"}]
    for options in chosen:
        expected = model.transcribe(wave, sample_rate=16000, alternatives=2, **options)
        found = model.transcribe(wave, sample_rate=16000, alternatives=2, hot_words={}, **options)
        assert [found.text, *(a.text for a in found.alternatives)] == [
            expected.text, *(a.text for a in expected.alternatives)
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("decoder", "head"), [("beam", "ctc"), ("greedy", "transducer"), ("beam", "transducer")]
)
def test_streaming_equals_offline_with_all_of_it(model: Model, wave: np.ndarray, decoder: Any, head: Any):
    options: dict[str, Any] = {"decoder": decoder, "head": head}
    for fusion in (None, few_words(model)):
        added: dict[str, Any] = {"fusion": fusion, "hot_words": {"fellow americans": 6.0}}
        whole = model.transcribe(wave, sample_rate=16000, **options, **added)
        with model.stream(**options, **added) as stream:
            for piece in np.split(wave, [1, 900, 9000, 9001, 50000]):
                stream.feed(piece)
            assert stream.finish() == whole
        session = Session(model, encoding="f32le", **options, **added)
        session.receive(wave.astype("<f4").tobytes())
        session.finish()
        (events,) = Session.step([session])
        assert events == [Final(whole)]


@pytest.mark.parametrize("head", ["ctc", "transducer"])
def test_with_a_list_of_words_these_alone_are_written(model: Model, wave: np.ndarray, head: Any):
    fusion = few_words(model)
    plain = model.transcribe(wave, sample_rate=16000, decoder="beam", beam=16, head=head)
    found = model.transcribe(wave, sample_rate=16000, decoder="beam", beam=16, head=head, fusion=fusion)
    said = SAID.split()
    assert not set(plain.text.split()) <= set(said)
    assert set(found.text.split()) <= set(said)
    assert sum(word in said for word in found.text.split()) > sum(word in said for word in plain.text.split())


def test_hot_words_change_on_the_way(model: Model, wave: np.ndarray):
    with model.stream(hot_words={}, **TRANSDUCER) as stream:
        stream.feed(wave[: 3 * 16000])
        stream.set_hot_words({"your country": 10.0})
        stream.feed(wave[3 * 16000 :])
        assert "YOUR COUNTRY" in stream.finish().text
    session = Session(model, hot_words={"your country": 10.0}, **TRANSDUCER)
    session.set_hot_words(None)
    session.receive((wave * 32767).astype("<i2").tobytes())
    session.finish()
    ((final,),) = Session.step([session])
    assert "YOUR COUNTRY" not in final.transcript.text


def test_what_does_not_fit_is_named(model: Model, wave: np.ndarray):
    def transcribe(**options: Any) -> None:
        model.transcribe(wave, sample_rate=16000, **options)

    with pytest.raises(ConfigError, match="decoder='beam'"):
        transcribe(decoder="greedy", head="ctc", hot_words={"a": 1.0})
    with pytest.raises(SearchError, match="hot word '广州'"):
        transcribe(hot_words={"广州": 1.0}, **TRANSDUCER)
    with pytest.raises(SearchError, match="hot word ''"):
        transcribe(hot_words={"": 1.0}, **TRANSDUCER)
    with pytest.raises(SearchError, match="boost: found nan"):
        transcribe(hot_words={"a": float("nan")}, **TRANSDUCER)
    with pytest.raises(SearchError, match="found a list"):
        transcribe(hot_words=["a"], **TRANSDUCER)
    with pytest.raises(SearchError, match="without fusion"):
        model.stream(**TRANSDUCER).set_hot_words({"a": 1.0})
    with pytest.raises(SearchError, match="greedy CTC"):
        model.stream(head="ctc").set_hot_words({"a": 1.0})


def test_files_of_hot_words(tmp_path: Path):
    path = tmp_path / "hot.txt"
    path.write_text("﻿New  York\n\nice cream\t2.5\n")
    assert HotWords.read(path, 4.0).phrases == {"New York": 4.0, "ice cream": 2.5}
    for text, error in (
        ("a\nb\tmuch\n", r"hot\.txt:2: found 'b\\tmuch'"),
        ("\t3\n", r"hot\.txt:1"),
        ("a\tinf\n", r"hot\.txt:1"),
        ("a b\na  b\n", r"hot\.txt:2: found the phrase 'a b' a second time"),
    ):
        path.write_text(text)
        with pytest.raises(SearchError, match=error):
            HotWords.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SearchError, match="UTF-8"):
        HotWords.read(path)
    with pytest.raises(SearchError, match=r"none\.txt"):
        HotWords.read(tmp_path / "none.txt")
