"""RIFF files, against what Kaldi read of them (tests/oracle/make_processing_golden.py)."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sonant._native import Input, Output

from sonant.errors import ArkError, FeatureError, SonantError
from sonant.kaldi.feat.wave import WAVE_SAMPLE_MAX, WaveData, WaveInfo
from sonant.kaldi.matrix import Matrix

GOLDEN = np.load(Path(__file__).parent / "golden" / "processing.npz")
NAMES = [name[5:-6] for name in GOLDEN.files if name.startswith("wave ") and name.endswith(" bytes")]


def content(name: str) -> bytes:
    return GOLDEN[f"wave {name} bytes"].tobytes()


def read(data: bytes) -> WaveData:
    wave = WaveData()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        wave.read(Input.from_bytes(data, "a.wav"))
    return wave


@pytest.mark.parametrize("name", [name for name in NAMES if f"wave {name} data" in GOLDEN.files])
def test_what_kaldi_reads(name):
    wave = read(content(name))
    np.testing.assert_array_equal(wave.data().numpy(), GOLDEN[f"wave {name} data"])
    rate, channels, samples, streamed, reverse = GOLDEN[f"wave {name} info"]
    info = WaveInfo()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        info.read(is_ := Input.from_bytes(content(name), "a.wav"))
    assert content(name)[: is_.tell()][-8:-4] == b"data"
    assert (info.samp_freq, info.num_channels, info.is_streamed) == (rate, channels, streamed)
    assert info.reverse_bytes == reverse
    assert info.block_align == 2 * channels
    assert wave.samp_freq == rate
    if not streamed:
        assert info.sample_count == samples
        assert info.data_bytes == samples * 2 * channels
        assert info.duration == samples / rate


BAD = {
    "no riff": "the first 4 bytes: expected 'RIFF' or 'RIFX', found 'RIFG'",
    "no wave": "the form: expected 'WAVE', found 'WAVX'",
    "nothing": "the first 4 bytes: expected 4 bytes, found the end of the file after 0",
    "format 14": "the size of chunk 'fmt ': expected 16 or more, found 14",
    "float": "the format: expected 1 .PCM. or 65534 .extensible., found 3: convert it to 16-bit PCM",
    "short extensible": "the size of an extensible chunk 'fmt ': expected 40 or more, found 18",
    "other guid": "the format: expected PCM, 00000001-.*, found .*-64636261",
    "8 bits": "bits per sample: expected 16, found 8",
    "no channels": "the number of channels: expected 1 or more, found 0",
    "byte rate": "bytes per second: expected 16000, found 5",
    "align": "bytes per sample of all channels: expected 2, found 4",
    "no data": "expected samples after the header, found the end of the file",
    "no data but size": "expected samples after the header, found the end of the file",
}


def test_bad_headers_are_all_here():
    assert set(BAD) == {name for name in NAMES if f"wave {name} data" not in GOLDEN.files}


@pytest.mark.parametrize("name", BAD)
def test_what_kaldi_refuses(name):
    with pytest.raises(ArkError, match=f"^a.wav:\\d+: WAVE: {BAD[name]}"):
        read(content(name))


def test_a_file_cut_off_gives_a_warning_and_what_is_there():
    with pytest.warns(RuntimeWarning, match="expected 8 bytes of samples, found 5"):
        WaveData().read(Input.from_bytes(content("cut"), "a.wav"))


def test_a_header_that_counts_wrong_gives_a_warning():
    with pytest.warns(RuntimeWarning, match="the header counts 100 bytes, its parts 36 . 8"):
        WaveInfo().read(Input.from_bytes(content("riff size wrong"), "a.wav"))


def test_the_stream_is_left_behind_the_samples():
    is_ = Input.from_bytes(content("plain") + b"key RIFF", "ark")
    WaveData().read(is_)
    assert is_.read() == b"key RIFF"


def test_writing():
    wave = WaveData.from_data(22050, Matrix(GOLDEN["wave samples"]))
    os = Output.in_memory()
    with pytest.warns(RuntimeWarning, match="2 of 14 samples are beyond 16 bits"):
        wave.write(os)
    assert os.getvalue() == GOLDEN["wave written"].tobytes()


@given(
    st.integers(1, 5).flatmap(
        lambda channels: st.lists(
            st.lists(st.integers(-32768, 32767), min_size=channels, max_size=channels), min_size=1
        )
    ),
    st.integers(1, 400_000),
)
def test_samples_survive_writing_and_reading(samples, rate):
    data = np.array(samples, np.float32).T
    os = Output.in_memory()
    WaveData.from_data(rate, data).write(os)
    wave = read(os.getvalue())
    np.testing.assert_array_equal(wave.data().numpy(), data)
    assert (wave.samp_freq, wave.duration) == (rate, data.shape[1] / rate)


def test_a_file_cut_anywhere_raises_or_gives_fewer_samples():
    whole = content("extensible")
    for length in range(len(whole)):
        try:
            data = read(whole[:length]).data()
        except ArkError:
            assert length <= len(whole) - 8  # every sample is cut off
        else:
            assert data.num_cols == (length - len(whole) + 8) // 2


@given(st.sampled_from(["plain", "stereo", "extensible", "junk", "rifx"]), st.data())
def test_changed_bytes_never_crash(name, data):
    changed = bytearray(content(name))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            wave = read(bytes(changed))
        except SonantError:
            return
    assert wave.data().numpy().size <= len(changed) // 2


@given(st.binary())
def test_any_bytes_after_a_beginning_never_crash(tail):
    for start in b"", b"RIFF\0\0\0\0WAVE", content("plain")[:20]:
        with contextlib.suppress(SonantError):
            read(start + tail)


def test_the_contents_move():
    one, two = WaveData.from_data(8000, [[1, 2, 3]]), WaveData()
    two.copy_from(one)
    one.data()[0, 0] = 7
    assert two.data().numpy().tolist() == [[1, 2, 3]]
    one.swap(two)
    assert two.data()[0, 0] == 7
    one.clear()
    assert (one.samp_freq, one.duration, one.data().shape) == (0, 0, (0, 0))
    assert WAVE_SAMPLE_MAX == 32768


@pytest.mark.parametrize(
    ("rate", "data", "message"),
    [
        (8000, np.zeros((0, 0)), "without samples"),
        (8000, [[1, np.nan]], "not finite"),
        (0, [[1, 2]], "expected what fits"),
        (2**31, [[1, 2]], "expected what fits"),
    ],
)
def test_what_cannot_be_written(rate, data, message):
    with pytest.raises(FeatureError, match=message):
        WaveData.from_data(rate, data).write(Output.in_memory())
