import io
import json
from pathlib import Path

import numpy as np
import pytest

import sonant
from sonant import audio
from sonant.errors import AudioError, ConfigError, SearchError
from sonant.model import Model
from sonant.text import Transcript, error_rate

JFK = Path(__file__).resolve().parent.parent / "data" / "speech" / "jfk.flac"
DECODERS = [("greedy", "ctc"), ("beam", "ctc"), ("greedy", "transducer"), ("beam", "transducer")]


def test_words_carry_times_and_confidence(model: Model):
    transcript = model.transcribe(JFK)
    assert transcript.duration == pytest.approx(11.0, abs=0.01)
    assert transcript.text == " ".join(word.text for word in transcript.words)
    assert len(transcript.words) > 8
    assert all(
        0 <= w.start < w.end <= transcript.duration and 0 < w.confidence <= 1 for w in transcript.words
    )
    starts = [word.start for word in transcript.words]
    assert starts == sorted(starts)
    # He pauses for more than a second after "fellow Americans" and the model hears it.
    gaps = [b.start - a.end for a, b in zip(transcript.words, transcript.words[1:], strict=False)]
    assert max(gaps) > 0.6


@pytest.mark.parametrize(("decoder", "head"), DECODERS)
def test_every_search_hears_english(model: Model, decoder, head):
    """Far from chance on five sentences, five hours of training notwithstanding."""
    folder = JFK.parent
    names = ["1462-170145-0013", "2902-9006-0000", "2086-149220-0026", "84-121123-0021", "174-168635-0014"]
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    chosen = [row for row in rows if row["id"] in names]
    found = model.transcribe([folder / row["audio"] for row in chosen], decoder=decoder, head=head)
    result = error_rate([row["text"] for row in chosen], [t.text for t in found], unit="char")
    assert result.rate < 0.6


def test_the_same_recording_in_every_form(model: Model):
    expected = model.transcribe(JFK)
    samples = audio.load(JFK)
    pcm = (samples.samples * 32768).astype("<i2").tobytes()
    assert model.transcribe(str(JFK)).text == expected.text
    assert model.transcribe(JFK.read_bytes()).text == expected.text
    assert model.transcribe(io.BytesIO(JFK.read_bytes())).text == expected.text
    assert model.transcribe(samples.samples, sample_rate=16000).text == expected.text
    assert model.transcribe(pcm, sample_rate=16000, encoding="s16le").text == expected.text
    assert model.transcribe(
        np.stack([samples.samples, 0 * samples.samples]), sample_rate=16000, channel=0
    ).text == (expected.text)


@pytest.mark.parametrize(("decoder", "head"), DECODERS)
def test_a_list_gives_what_each_gives_alone(model: Model, recordings: list[Path], decoder, head):
    chosen = recordings[:13]
    together = list(model.transcribe(chosen, decoder=decoder, head=head))
    assert [t.name for t in together] == [str(path) for path in chosen]
    assert [t.text for t in together] == [
        model.transcribe(path, decoder=decoder, head=head).text for path in chosen
    ]


def test_float_and_int8_weights_agree(model: Model, recordings: list[Path]):
    exact = sonant.load(precision="float")
    chosen = recordings[:13]
    references = [t.text for t in exact.transcribe(chosen)]
    found = [t.text for t in model.transcribe(chosen)]
    assert error_rate(references, found, unit="char").rate < 0.03


def test_alternatives_come_best_first(model: Model):
    transcript = model.transcribe(JFK, decoder="beam", beam=8, alternatives=3)
    texts = [transcript.text, *(a.text for a in transcript.alternatives)]
    assert len(texts) == 4
    assert len(set(texts)) > 1


@pytest.mark.parametrize("samples", [0, 1, 300, 401, 7999])
def test_a_recording_shorter_than_a_word(model: Model, samples: int):
    wave = np.zeros(samples, dtype=np.float32)
    if samples == 0:
        with pytest.raises(AudioError):
            model.transcribe(wave, sample_rate=16000)
    else:
        transcript = model.transcribe(wave, sample_rate=16000)
        assert transcript == Transcript("", (), 0.0, samples / 16000)


def test_silence_says_nothing(model: Model):
    assert model.transcribe(np.zeros(48000, dtype=np.float32), sample_rate=16000).text == ""


def test_ten_minutes_take_no_more_memory_than_one(model: Model):
    """So three hours would only take longer: the audio is read, and forgotten, in blocks."""
    import tracemalloc

    second = np.random.default_rng(0).normal(0, 1e-3, 16000).astype("<f4").tobytes()

    def peak(seconds: int) -> int:
        tracemalloc.start()
        with model.stream() as stream:
            for _ in range(seconds // 30):
                stream.feed(np.frombuffer(second * 30, "<f4"))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short = peak(60)
    assert peak(600) < 1.2 * short + 1e6


def test_bad_options_are_named(model: Model):
    with pytest.raises(ConfigError, match="decoder='best'"):
        model.transcribe(JFK, decoder="best")  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(ConfigError, match="head='mmi'"):
        model.stream(head="mmi")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SearchError, match="beam"):
        model.transcribe(JFK, decoder="beam", beam=0)


def test_bad_recordings_are_named(model: Model, tmp_path: Path):
    text = tmp_path / "notes.wav"
    text.write_text("this is no recording")
    with pytest.raises(AudioError, match=r"notes\.wav"):
        model.transcribe(text)
    with pytest.raises(AudioError, match=r"gone\.flac"):
        model.transcribe(tmp_path / "gone.flac")
    with pytest.raises(AudioError):
        model.transcribe(np.array([0.1, np.nan, 0.2], dtype=np.float32), sample_rate=16000)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(JFK.read_bytes()[:90000])
    with pytest.raises(AudioError, match=r"cut\.flac"):
        model.transcribe(cut)
    # What came before in a list is given, and the error comes in its place.
    found = model.transcribe([JFK, text])
    with pytest.raises(AudioError, match=r"notes\.wav"):
        list(found)


def test_threads_share_a_model(model: Model, recordings: list[Path]):
    from concurrent.futures import ThreadPoolExecutor

    chosen = recordings[:8]
    expected = [model.transcribe(path).text for path in chosen]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda path: model.transcribe(path).text, chosen)) == expected
