import json
from pathlib import Path

import numpy as np
import pytest

import sonant
from sonant import audio
from sonant.errors import SessionError
from sonant.model import Model
from sonant.stream import Final, Partial, Session

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture(scope="module")
def model() -> Model:
    return sonant.load()


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    """58 real utterances, as 16-bit integers at 16 kHz."""
    found = []
    for folder in ("speech", "short"):
        for line in (DATA / folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
            samples = audio.load(DATA / folder / json.loads(line)["audio"]).samples
            found.append(np.clip(samples * 32768, -32768, 32767).astype("<i2"))
    assert len(found) >= 50
    return found


def cut(wave: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """In random pieces of 1 sample to a second."""
    places, at = [], 0
    while at < len(wave):
        at += int(np.exp(generator.uniform(0, np.log(16000)))) if generator.random() < 0.9 else 1
        places.append(at)
    return np.split(wave, places)


@pytest.mark.parametrize(
    ("decoder", "head"),
    [("greedy", "ctc"), ("beam", "ctc"), ("greedy", "transducer"), ("beam", "transducer")],
)
def test_streaming_equals_offline(model: Model, waves: list[np.ndarray], decoder, head):
    generator = np.random.default_rng(0)
    for wave in waves:
        whole = model.transcribe(wave, sample_rate=16000, decoder=decoder, head=head)
        with model.stream(decoder=decoder, head=head) as stream:
            for piece in cut(wave, generator):
                stream.feed(piece)
            assert stream.finish() == whole


def test_a_stream_at_another_rate(model: Model):
    path = DATA / "speech" / "jfk.flac"
    narrow = audio.load(path, target_rate=8000)
    expected = model.transcribe(narrow.samples, sample_rate=8000)
    with model.stream(sample_rate=8000) as stream:
        for piece in cut(narrow.samples, np.random.default_rng(1)):
            stream.feed(piece)
        found = stream.finish()
    assert found.text == expected.text
    assert found.duration == pytest.approx(11.0, abs=0.01)


def test_partials_grow(model: Model, waves: list[np.ndarray]):
    wave = waves[0]
    seen = []
    with model.stream() as stream:
        for piece in np.split(wave, range(4000, len(wave), 4000)):
            stream.feed(piece)
            seen.append(stream.partial())
        final = stream.finish()
    lengths = [len(t.words) for t in seen]
    assert lengths == sorted(lengths)
    assert lengths[0] <= 1
    assert final.text.startswith(seen[-1].text.rsplit(" ", 1)[0])


def test_what_a_stream_does_not_take(model: Model):
    with model.stream() as stream:
        for bad in (b"odd", np.zeros((2, 2), np.float32), np.zeros(3, np.int64), [0.0], np.array([np.inf])):
            with pytest.raises(SessionError):
                stream.feed(bad)  # pyright: ignore[reportArgumentType]
        stream.feed(np.zeros(100, np.float32))
        stream.finish()
        with pytest.raises(SessionError, match="ended"):
            stream.feed(b"")
        with pytest.raises(SessionError, match="ended"):
            stream.finish()


def test_sessions_take_bytes_cut_anywhere_and_run_together(model: Model, waves: list[np.ndarray]):
    """20 clients side by side, their bytes cut in mid-sample: each hears what it would have heard alone."""
    generator = np.random.default_rng(2)
    chosen = waves[:20]
    sessions = [Session(model) for _ in chosen]
    pieces = [[wave.tobytes()[i : i + 3333] for i in range(0, 2 * len(wave), 3333)] for wave in chosen]
    finals: dict[int, str] = {}
    partials = 0
    while len(finals) < len(sessions):
        for i, session in enumerate(sessions):
            if generator.random() < 0.3 or i in finals:
                continue
            if pieces[i]:
                session.receive(pieces[i].pop(0))
            elif not session.closed:
                session.finish()
        for i, events in enumerate(Session.step(sessions)):
            for event in events:
                if isinstance(event, Final):
                    assert i not in finals
                    finals[i] = event.transcript.text
                else:
                    assert isinstance(event, Partial)
                    partials += 1
    assert [finals[i] for i in range(len(chosen))] == [
        model.transcribe(wave, sample_rate=16000).text for wave in chosen
    ]
    assert partials > 20


def test_a_session_says_what_is_wrong(model: Model):
    with pytest.raises(SessionError, match="encoding='mp3'"):
        Session(model, encoding="mp3")
    session = Session(model)
    session.receive(b"\0\0\0")
    with pytest.raises(SessionError, match="1 bytes into a sample of 2"):
        session.finish()
    with pytest.raises(SessionError, match="ended"):
        session.receive(b"\0")
    session = Session(model, encoding="f32le")
    with pytest.raises(SessionError, match="finite"):
        session.receive(np.array([np.nan], "<f4").tobytes())


def test_an_empty_stream(model: Model):
    session = Session(model)
    assert Session.step([session]) == [[]]
    session.finish()
    ((final,),) = Session.step([session])
    assert isinstance(final, Final)
    assert final.transcript.text == ""
    assert session.closed
    assert Session.step([session]) == [[]]
