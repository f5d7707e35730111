"""Whatever is wrong with a recording, the message names it, what was found and what was expected."""

import io
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sonant.audio import Audio, blocks, describe, load
from sonant.errors import AudioError

SECOND = np.zeros(16000, np.float32)


def wav(samples: np.ndarray = SECOND, rate: int = 16000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def fails(source, *parts: str, **options) -> None:
    """load and blocks raise AudioError whose message holds every part."""
    for call in (load, lambda *a, **k: list(blocks(*a, **k))):
        with pytest.raises(AudioError) as caught:
            call(source, **options)
        for part in parts:
            assert part in str(caught.value)


def test_paths(tmp_path):
    missing = tmp_path / "nothing.wav"
    fails(missing, str(missing), "no such file")
    fails(str(missing), str(missing), "no such file")
    fails(tmp_path, str(tmp_path), "is a directory")
    fails(tmp_path / "nothing.wav" / "a.wav", "nothing.wav", "no such file")
    fails("a\0b.wav", "null byte")
    (tmp_path / "file").write_bytes(b"x")
    fails(tmp_path / "file" / "a.wav", "cannot be opened", "Not a directory")
    with pytest.raises(AudioError, match="no such file"):
        describe(missing)


def test_not_audio(tmp_path):
    text = tmp_path / "talk.wav"
    text.write_text("this is the text of a talk, not its sound\n" * 100)
    fails(text, str(text), "not audio", "text b'this is the text", "expected wav, flac, ogg, opus or mp3")
    empty = tmp_path / "empty.wav"
    empty.touch()
    fails(empty, str(empty), "empty (0 bytes)")
    fails(b"", "<bytes>", "empty")
    fails(io.BytesIO(), "<file>", "empty")
    fails(bytes(1000), "not audio")
    fails(b"RIFF\x24\x00\x00\x00WAVE", "cannot be decoded", "No 'data' chunk")
    fails(b"ID3\x04\x00\x00\x00\x00\x00\x10" + bytes(100), "begins with", "ID3")
    fails(b"\xff\xf3\x58\xc0" + bytes(40), "<bytes>")
    fails(b"OggS", "truncated")
    fails(12, "a int is no recording")
    fails(None, "NoneType")
    fails([0.0, 0.1], "a list is no recording", "array")


def test_no_samples():
    fails(wav(SECOND[:0]), "<bytes>", "holds no samples", "wav")
    fails(SECOND[:0], "<array>", "holds no samples", sample_rate=16000)
    fails(np.zeros((0, 2), np.float32), "holds no samples", sample_rate=16000)
    fails(np.zeros((2, 0), np.float32), "holds no samples", sample_rate=16000)
    fails(Audio(SECOND[:0], 16000, "nothing"), "nothing", "holds no samples")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(value):
    bad = np.zeros(50000, np.float32)
    bad[40000] = value
    fails(bad, "<array>", "sample 40000", f"{value:g}", "expected a number in [-1, 1]", sample_rate=16000)
    fails(bad.astype(np.float64), "sample 40000", sample_rate=16000)
    fails(wav(bad, subtype="FLOAT"), "<bytes>", "sample 40000", f"{value:g}")
    fails(np.stack([np.zeros(50000, np.float32), bad]), "sample 40000 of channel 1", sample_rate=16000)


def test_integers_cast_to_float():
    fails(np.full(100, 1234.0), "sample 0 is 1234", "divided by 32768", sample_rate=16000)
    fails(np.full(100, 1e300), "sample 0 is inf", sample_rate=16000)
    assert load(np.full(100, 1.5), sample_rate=16000).samples.max() == 1.5  # loud, but real


def test_arrays():
    fails(SECOND, "<array>", "pass sample_rate=")
    for dtype in (np.int64, np.uint16, np.int8, bool, complex, object):
        fails(SECOND.astype(dtype), str(np.dtype(dtype)), "expected float32", sample_rate=16000)
    fails(np.array(["a"]), "<U1", sample_rate=16000)
    fails(np.zeros((2, 3, 100), np.float32), "shape (2, 3, 100)", sample_rate=16000)
    fails(np.float32(0.5).reshape(()), "shape ()", sample_rate=16000)
    fails(np.zeros((4, 4), np.float32), "does not tell samples from channels", sample_rate=16000)
    fails(np.zeros((400, 401), np.float32), "400 channels", sample_rate=16000)
    fails(SECOND, "encoding='s16le' is for raw bytes", sample_rate=16000, encoding="s16le")


@pytest.mark.parametrize("rate", [0, -16000, 16, 10**7, 16000.5, np.nan, "16000", True])
def test_rates_that_cannot_be(rate):
    fails(SECOND, "<array>", f"sample_rate is {rate!r}", "1000 to 768000", sample_rate=rate)
    fails(SECOND, f"target_rate is {rate!r}", sample_rate=16000, target_rate=rate)
    fails(bytes(100), f"sample_rate is {rate!r}", sample_rate=rate, encoding="s16le")


def test_rates_in_files():
    fails(wav(rate=1), "the sample rate in its header is 1")
    fails(wav(), "header says 16000 Hz, but sample_rate=8000", sample_rate=8000)
    assert load(wav(), sample_rate=16000).duration == 1
    with pytest.raises(AudioError, match="did you mean 16000"):
        load(SECOND, sample_rate=16)


def test_channels():
    fails(wav(), "channel=1", "the only channel is 0", channel=1)
    fails(wav(np.zeros((100, 2))), "channel=2", "expected 0 to 1", channel=2)
    fails(wav(np.zeros((100, 2))), "channel=-1", channel=-1)
    fails(wav(), "channel='left'", channel="left")
    fails(wav(), "channels=2 is for raw PCM", channels=2)


def test_raw_pcm():
    fails(
        bytes(1001),
        "1001 bytes",
        "whole number of s16le samples",
        "1 left over",
        encoding="s16le",
        sample_rate=8000,
    )
    fails(bytes(1002), "2 bytes x 2 channels", "2 left over", encoding="s16le", sample_rate=8000, channels=2)
    fails(bytes(1000), "pass sample_rate=", encoding="s16le")
    fails(bytes(1000), "encoding='pcm'", "expected one of s16le", encoding="pcm", sample_rate=8000)
    fails(bytes(1000), "channels=0", encoding="s16le", sample_rate=8000, channels=0)
    fails(b"", "empty", encoding="s16le", sample_rate=8000)
    fails(np.array([np.nan], "<f4").tobytes(), "sample 0 is nan", encoding="f32le", sample_rate=8000)


class Failing(io.RawIOBase):
    """A file on a disk that fails after some bytes."""

    def __init__(self, data: bytes, good: int, can_seek: bool):
        self.file, self.good, self.can_seek = io.BytesIO(data), good, can_seek

    def seekable(self):
        return self.can_seek

    def tell(self):
        return self.file.tell()

    def seek(self, offset, whence=0):
        return self.file.seek(offset, whence)

    def read(self, size=-1):
        if self.file.tell() + max(size, 0) > self.good:
            raise OSError("the disk is gone")
        return self.file.read(size)


@pytest.mark.parametrize("can_seek", [True, False])
def test_file_objects_that_fail(can_seek, capfd):
    for good in (0, 100, 40000):
        fails(Failing(wav(np.zeros(50000)), good, can_seek), "<file>", "reading failed", "the disk is gone")
    assert capfd.readouterr().err == ""


def test_file_objects_of_text():
    fails(io.StringIO("text"), "binary mode, 'rb'")
    closed = io.BytesIO(wav())
    closed.close()
    fails(closed, "cannot be used", "closed file")


@settings(max_examples=200, deadline=None)
@given(
    junk=st.binary(min_size=1, max_size=60),
    at=st.integers(0, 200),
    part=st.sampled_from([0.005, 0.02, 0.5, 1.0, 1.0]),
    form=st.sampled_from(["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "RF64", "NIST"]),
)
@example(b"\xb2", 50, 0.02, "NIST")  # a digit (superscript two) that is no number
def test_damaged_files_never_raise_anything_else(junk, at, part, form):
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(3000) / 9) * 0.5, 16000, format=form)
    data = bytearray(file.getvalue())
    data[at : at + len(junk)] = junk
    with suppress(AudioError):
        assert np.isfinite(load(bytes(data[: round(len(data) * part)])).samples).all()
