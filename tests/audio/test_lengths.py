"""Headers that state a wrong length, or none, and files that end too early."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonant.audio import blocks, describe, load
from sonant.errors import AudioError

SPEECH = Path(__file__).parents[1] / "data" / "speech"
FLAC = (SPEECH / "jfk.flac").read_bytes()
MP3 = (SPEECH / "1462-170145-0013.mp3").read_bytes()
OPUS = (SPEECH / "1898-145715-0049.opus").read_bytes()
# quiet, then loud: a guess of the length from the first frames of a variable bit rate is far off
NOISE = np.random.default_rng(0).standard_normal(160000).astype(np.float32) * 0.1
NOISE[:80000] *= 0.001


def encoded(form: str, subtype: str, samples: np.ndarray = NOISE, rate: int = 16000, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype, **options)
    return file.getvalue()


def wav_stating(riff: int, data: int) -> bytes:
    raw = bytearray(encoded("WAV", "PCM_16"))
    at = raw.find(b"data")
    raw[4:8], raw[at + 4 : at + 8] = struct.pack("<I", riff), struct.pack("<I", data)
    return bytes(raw)


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0, 0),
        (0xFFFFFFFF, 0),
        (36, 0),
        (0x7FFFFFFF, 0x7FFFFFFF),
        (0x7FFFF024, 0x7FFFF000),
        (0, 0x80000000),
    ],
)
def test_streamed_wav(riff, data):
    whole = load(encoded("WAV", "PCM_16")).samples
    raw = wav_stating(riff, data)
    assert np.array_equal(load(raw).samples, whole)
    assert np.array_equal(load(io.BytesIO(raw)).samples, whole)
    assert describe(raw).duration == 10.0


def test_empty_wav_is_told_from_a_streamed_one():
    header = encoded("WAV", "PCM_16", NOISE[:0])
    tagged = bytearray(header + b"LIST\x04\x00\x00\x00INFO")
    tagged[4:8] = struct.pack("<I", len(tagged) - 8)
    with pytest.raises(AudioError, match="holds no samples"):
        load(bytes(tagged))


def test_chunks_after_the_samples_are_no_samples():
    raw = encoded("WAV", "PCM_16") + b"LIST\x04\x00\x00\x00INFO"
    assert load(raw).duration == 10


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "IMA_ADPCM"),
        ("RF64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("NIST", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "OPUS"),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated(form, subtype, part, tmp_path):
    data = encoded(form, subtype)
    path = tmp_path / f"talk.{form.lower()}"
    path.write_bytes(data[: round(len(data) * part)])
    for source in (path, path.read_bytes()):
        with pytest.raises(AudioError, match="truncated") as caught:
            load(source)
    assert f"{path.stat().st_size} bytes" in str(caught.value)
    with pytest.raises(AudioError, match=path.name):
        load(path)


@pytest.mark.parametrize(("data", "name"), [(FLAC, "flac"), (MP3, "mp3"), (OPUS, "opus")])
@pytest.mark.parametrize("part", [0.01, 0.3, 0.7, 0.95])
def test_truncated_speech(data, name, part):
    with pytest.raises(AudioError, match="truncated"):
        load(data[: round(len(data) * part)])


def test_how_far_it_went():
    with pytest.raises(AudioError, match=r"after 5\.\d\d s of the 11\.00 s that it states"):
        load(FLAC[: len(FLAC) // 2])
    with pytest.raises(AudioError, match=r"after 5\.00 s of the 10\.00 s that it states \(160044 bytes\)"):
        load(encoded("WAV", "PCM_16")[:160044])
    with pytest.raises(AudioError, match=r"after 0\.00 s \(44 bytes\)"):
        load(encoded("WAV", "PCM_16")[:44])
    with pytest.raises(AudioError, match=r"inside a page, after \d\.\d\d s"):
        load(OPUS[: len(OPUS) // 2])


def test_what_could_be_read_comes_before_the_error():
    got = []
    with pytest.raises(AudioError, match="truncated"):
        got.extend(blocks(FLAC[: len(FLAC) // 2], seconds=1))
    samples = np.concatenate(got)
    assert len(samples) > 4.5 * 16000
    assert np.array_equal(samples, load(FLAC).samples[: len(samples)])


def test_damage_inside():
    for data in (FLAC, OPUS):
        broken = bytearray(data)
        middle = len(broken) // 2
        broken[middle : middle + 400] = bytes(400)
        with pytest.raises(AudioError, match="damaged"):
            load(bytes(broken))


def test_flac_of_unknown_length():
    raw = bytearray(FLAC)
    raw[21] &= 0xF0
    raw[22:26] = bytes(4)
    assert np.array_equal(load(bytes(raw)).samples, load(FLAC).samples)
    assert describe(bytes(raw)).duration is None
    with pytest.raises(AudioError, match=r"after \d\.\d\d s \("):
        load(bytes(raw[: len(raw) // 2]))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000])
@pytest.mark.parametrize("count", [1, 2])
def test_mp3_without_a_length(rate, count):
    samples = np.repeat(NOISE[60000:100000, None], count, axis=1)
    raw = bytearray(encoded("MP3", "MPEG_LAYER_III", samples, rate, bitrate_mode="VARIABLE"))
    mark = max(raw.find(b"Xing", 0, 64), raw.find(b"Info", 0, 64))
    raw[mark : mark + 4] = bytes(4)
    got = load(bytes(raw), target_rate=rate).samples
    assert 40000 <= len(got) < 40000 + 4 * 1152  # all of it, and the encoder's delay
    assert describe(bytes(raw)).duration is None
    half = load(bytes(raw[: len(raw) // 2]), target_rate=rate).samples  # nothing tells that more was there
    assert 0 < len(half) < 40000


def test_joined_files():
    other = (SPEECH / "84-121123-0021.mp3").read_bytes()
    assert load(MP3 + other).duration == pytest.approx(load(MP3).duration + load(other).duration, abs=0.3)
    second = (SPEECH / "2416-152139-0023.opus").read_bytes()
    joined = load(OPUS + second).samples
    assert np.array_equal(joined, np.concatenate([load(OPUS).samples, load(second).samples]))
    assert describe(OPUS + second).duration == pytest.approx(len(joined) / 16000)
    with pytest.raises(AudioError, match=r"changes from 16000 Hz.* to 8000 Hz.*after 3\.59 s"):
        load(OPUS + (SPEECH / "7_jackson_0.opus").read_bytes())


def test_tags_around_an_mp3():
    size = 200_000
    head = b"ID3\x04\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    assert np.array_equal(load(head + MP3).samples, load(MP3).samples)
    tail = b"TAG" + bytes(125)
    assert np.array_equal(load(MP3 + tail).samples, load(MP3).samples)


def test_ogg_of_a_live_stream_has_no_last_page():
    last = OPUS.rfind(b"OggS")
    assert 0.6 < load(OPUS[:last]).duration / load(OPUS).duration < 1
