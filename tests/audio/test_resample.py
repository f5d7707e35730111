import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.audio import StreamResampler
from sonant.errors import AudioError

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 20000).astype(np.float32)


def resampled(samples: np.ndarray, rates: tuple[int, int], cuts: list[int]) -> np.ndarray:
    stream = StreamResampler(*rates)
    out = [stream.feed(piece) for piece in np.split(samples, sorted(cuts))]
    return np.concatenate([*out, stream.finish()])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        [(8000, 16000), (44100, 16000), (48000, 16000), (16000, 16000), (16000, 8000), (11025, 16000)]
    ),
    st.lists(st.integers(0, 20000), max_size=12),
    st.integers(0, 20000),
)
def test_any_chunking_gives_the_same_samples(rates, cuts, length):
    samples = NOISE[:length]
    whole = resampled(samples, rates, [])
    assert np.array_equal(resampled(samples, rates, [min(cut, length) for cut in cuts]), whole)
    assert abs(len(whole) - length * rates[1] / rates[0]) <= 1
    assert (len(whole) > 0) == (length > 0)


def test_time_is_kept():
    click = np.zeros(48000, np.float32)
    click[24000] = 1.0
    assert resampled(click, (48000, 16000), [100, 30000]).argmax() == 8000


def test_bad_use():
    with pytest.raises(AudioError, match="to_rate is 0"):
        StreamResampler(16000, 0)
    stream = StreamResampler(8000, 16000)
    with pytest.raises(AudioError, match="expected float32 samples"):
        stream.feed(np.zeros(10))
    with pytest.raises(AudioError, match="found list"):
        stream.feed([0.0])
    assert len(stream.finish()) == 0
    with pytest.raises(AudioError, match="after finish"):
        stream.feed(np.zeros(10, np.float32))
    with pytest.raises(AudioError, match="called before"):
        stream.finish()
