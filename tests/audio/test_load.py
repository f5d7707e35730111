"""Real files, encoded files and arrays all come out as the same mono float32 samples."""

import io
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonant.audio import Audio, blocks, describe, load
from sonant.errors import AudioError

SPEECH = Path(__file__).parents[1] / "data" / "speech"
ROWS = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text("utf-8").splitlines()]


def tone(seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    parts = [0.3 * np.sin(2 * np.pi * 220 * (1 + c) * time) for c in range(channels)]
    return np.stack(parts, axis=1).astype(np.float32)


def encoded(samples: np.ndarray, rate: int, form: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_real_recordings(row):
    path = SPEECH / row["audio"]
    audio, info = load(path), describe(path)
    assert (audio.samples.dtype, audio.samples.ndim) == (np.float32, 1)
    assert (audio.sample_rate, audio.name) == (16000, str(path))
    assert audio.duration == pytest.approx(row["duration"], abs=0.01)
    assert info.duration == pytest.approx(row["duration"], abs=0.01)
    assert (info.sample_rate, info.channels) == (row["sample_rate"], 1)
    assert info.format == {"flac": "flac", "mp3": "mp3", "opus": "ogg"}[row["audio"].split(".")[-1]]
    assert 0.01 < np.abs(audio.samples).max() <= 1


def test_every_kind_of_source_gives_the_same_samples(tmp_path):
    path = SPEECH / "jfk.flac"
    data = path.read_bytes()
    expected = load(path).samples
    with open(path, "rb") as file:
        assert np.array_equal(load(file).samples, expected)
        assert np.array_equal(load(file).samples, expected)  # from its start again
        assert load(file).name == str(path)
    assert np.array_equal(load(str(path)).samples, expected)
    assert np.array_equal(load(bytearray(data)).samples, expected)
    assert np.array_equal(load(io.BytesIO(data)).samples, expected)
    assert (load(data).name, load(io.BytesIO(data)).name) == ("<bytes>", "<file>")
    pcm = soundfile.read(path, dtype="int16")[0]
    assert np.array_equal(load(pcm, sample_rate=16000).samples, expected)
    assert np.array_equal(load(load(path)).samples, expected)


class Trickle:
    """A file object that only reads, a few bytes at a time: a socket, a decompressor."""

    def __init__(self, data: bytes):
        self.file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self.file.read(min(size, 1000) if size >= 0 else size)


def test_file_objects_that_cannot_seek():
    data = (SPEECH / "1898-145715-0049.opus").read_bytes()
    expected = load(data).samples
    assert np.array_equal(load(Trickle(data)).samples, expected)
    readable, writable = os.pipe()

    def write() -> None:
        with os.fdopen(writable, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write)
    with os.fdopen(readable, "rb") as pipe:
        writer.start()
        assert np.array_equal(load(pipe).samples, expected)
    writer.join()


def test_a_named_pipe(tmp_path):
    data = (SPEECH / "sb-spk1_snt1.flac").read_bytes()
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    assert np.array_equal(load(path).samples, load(data).samples)
    writer.join()


@pytest.mark.parametrize(
    ("form", "subtype", "kind"),
    [
        ("WAV", "PCM_16", "wav"),
        ("WAV", "PCM_24", "wav"),
        ("WAV", "FLOAT", "wav"),
        ("WAV", "ULAW", "wav"),
        ("WAV", "IMA_ADPCM", "wav"),
        ("RF64", "PCM_16", "wav"),
        ("WAVEX", "PCM_16", "wav"),
        ("AIFF", "PCM_16", "aiff"),
        ("AU", "PCM_16", "au"),
        ("W64", "PCM_16", "w64"),
        ("NIST", "PCM_16", "nist"),
        ("CAF", "PCM_16", "caf"),
        ("FLAC", "PCM_16", "flac"),
        ("OGG", "VORBIS", "ogg"),
        ("OGG", "OPUS", "ogg"),
        ("MP3", "MPEG_LAYER_III", "mp3"),
    ],
)
def test_every_format(form, subtype, kind):
    samples = tone(1.5, 16000, 2)
    data = encoded(samples, 16000, form, subtype)
    got = load(data, channel=0).samples
    # ADPCM comes in blocks of samples: the last one is filled up
    assert 24000 <= len(got) < 24000 + 1100
    assert np.abs(got[2000:22000] - samples[2000:22000, 0]).max() < 0.1
    info = describe(data)
    assert (info.sample_rate, info.channels, info.format) == (16000, 2, kind)
    assert info.duration == pytest.approx(len(got) / 16000)


def test_channels():
    samples = tone(0.5, channels=3)
    data = encoded(samples, 16000, "WAV", "FLOAT")
    assert np.allclose(load(data).samples, samples.mean(axis=1), atol=1e-7)
    for channel in range(3):
        assert np.array_equal(load(data, channel=channel).samples, samples[:, channel])
    for array in (samples, np.ascontiguousarray(samples.T)):
        assert np.array_equal(load(array, sample_rate=16000, channel=2).samples, samples[:, 2])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_rates(rate):
    audio = load(tone(1.0, rate), sample_rate=rate)
    assert abs(len(audio.samples) - 16000) <= 1
    inner = slice(1000, 15000)
    assert np.abs(audio.samples[:15999] - tone()[:15999, 0])[inner].max() < 1e-3


def test_target_rate():
    assert load(SPEECH / "jfk.flac", target_rate=8000).sample_rate == 8000
    assert len(load(SPEECH / "jfk.flac", target_rate=8000).samples) == 88000


@pytest.mark.parametrize("dtype", ["int16", ">i2", "int32", "uint8", "float16", "float32", "float64"])
def test_array_types(dtype):
    samples = tone(0.1)[:, 0]
    kind = np.dtype(dtype)
    if kind.kind == "i":
        array = np.round(samples * 2.0 ** (8 * kind.itemsize - 1)).astype(kind)
    else:
        array = np.round(samples * 128 + 128).astype(kind) if kind.kind == "u" else samples.astype(kind)
    got = load(array, sample_rate=16000).samples
    assert got.dtype == np.float32
    assert np.abs(got - samples).max() <= {1: 1 / 250, 2: 1 / 4000}.get(kind.itemsize, 1e-7)


def test_integers_at_full_scale():
    got = load(np.array([-32768, 0, 32767], np.int16), sample_rate=16000).samples
    assert got.tolist() == [-1.0, 0.0, 32767 / 32768]
    assert load(np.array([0, 128, 255], np.uint8), sample_rate=16000).samples.tolist() == [-1, 0, 127 / 128]


@pytest.mark.parametrize(
    ("encoding", "dtype"),
    [("s16le", "<i2"), ("s16be", ">i2"), ("s32le", "<i4"), ("f32le", "<f4"), ("f64le", "<f8"), ("u8", "u1")],
)
def test_raw_pcm(encoding, dtype, tmp_path):
    samples = tone(0.5, 8000)[:, 0]
    kind = np.dtype(dtype)
    array = samples.astype(kind) if kind.kind == "f" else None
    if array is None:
        array = np.round(samples * 2.0 ** (8 * kind.itemsize - 1) + 128 * (kind.kind == "u")).astype(kind)
    expected = load(array, sample_rate=8000, target_rate=8000).samples
    got = load(array.tobytes(), sample_rate=8000, encoding=encoding, target_rate=8000).samples
    assert np.array_equal(got, expected)
    path = tmp_path / "call.raw"
    path.write_bytes(array.tobytes())
    for source in (path, Trickle(array.tobytes())):
        assert np.array_equal(
            load(source, sample_rate=8000, encoding=encoding, target_rate=8000).samples, expected
        )
    info = describe(path, sample_rate=8000, encoding=encoding)
    assert (info.sample_rate, info.channels, info.duration, info.format) == (8000, 1, 0.5, "raw")


def test_raw_pcm_of_two_channels_and_of_telephones():
    pair = np.array([[1000, -1000], [2000, -2000]], "<i2")
    options = {"encoding": "s16le", "sample_rate": 16000, "channels": 2}
    assert load(pair.tobytes(), channel=1, **options).samples.tolist() == [-1000 / 32768, -2000 / 32768]
    assert np.abs(load(pair.tobytes(), **options).samples).max() == 0
    law = load(bytes([0xFF, 0x80, 0x00]), encoding="mulaw", sample_rate=8000, target_rate=8000).samples
    assert law[0] == 0
    assert law[1] > 0.9
    assert law[2] < -0.9


def test_one_sample():
    for rate in (8000, 16000, 48000, 96000):
        got = load(np.array([0.25], np.float32), sample_rate=rate).samples
        assert 1 <= len(got) <= 2
        assert np.isfinite(got).all()
    assert load(encoded(tone(1 / 16000), 16000, "WAV", "PCM_16"), target_rate=16000).samples.shape == (1,)
    assert load(encoded(tone(1 / 44100, 44100), 44100, "WAV", "PCM_16")).samples.shape == (1,)


@pytest.mark.parametrize("seconds", [0.001, 0.5, 0.77, 3.0, 11.0, 30.0])
def test_blocks_join_to_the_whole(seconds):
    path = SPEECH / "jfk.flac"
    for rate in (16000, 11025):
        whole = load(path, target_rate=rate).samples
        pieces = list(blocks(path, target_rate=rate, seconds=seconds))
        assert np.array_equal(np.concatenate(pieces), whole)
        assert {len(piece) for piece in pieces[:-1]} <= {round(seconds * rate)}
        assert 0 < len(pieces[-1]) <= round(seconds * rate)


def test_blocks_are_lazy_and_close_their_file():
    pieces = blocks(SPEECH / "jfk.flac", seconds=1)
    assert len(next(pieces)) == 16000
    pieces.close()  # filterwarnings = error: an unclosed file would fail
    with pytest.raises(AudioError, match="seconds > 0"):
        blocks(SPEECH / "jfk.flac", seconds=0)


def test_audio_is_what_it_says():
    audio = Audio(np.zeros(8000, np.float32), 16000, "silence")
    assert audio.duration == 0.5
    assert load(audio, target_rate=8000).name == "silence"
    assert describe(audio).duration == 0.5
    with pytest.raises(AudioError, match="at 16000 Hz, but sample_rate=8000"):
        load(audio, sample_rate=8000)
