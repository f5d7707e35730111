"""Kaldi's resampling in the native core: Kaldi's numbers, the definition, any pieces, any rates.

(Resampling of recordings is `sonant.audio`'s; this one is for Kaldi's numbers.)
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import FeatureError

GOLDEN = np.load(Path(__file__).parent / "golden" / "resample.npz")
DESCRIBED = json.loads(str(GOLDEN["cases"]))
SIGNAL = GOLDEN["signal"]
TOLERANCE = 1e-6 * float(np.abs(SIGNAL).max())  # samples of 1,300: float's resolution is 1e-4


def pieces(samples: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    found, at, i = [], 0, 0
    while at < len(samples):
        found.append(samples[at : at + lengths[i % len(lengths)]])
        at += lengths[i % len(lengths)]
        i += 1
    return found


def definition(x: np.ndarray, rate_in: int, points: np.ndarray, cutoff: float, zeros: int) -> np.ndarray:
    """Values at points in seconds: a sinc under a Hanning window, summed over all samples."""
    t = points[:, None] - np.arange(len(x)) / rate_in
    inside = np.abs(t) < zeros / (2 * cutoff)
    window = np.where(inside, 0.5 + 0.5 * np.cos(2 * np.pi * cutoff / zeros * t), 0)
    return (window * 2 * cutoff * np.sinc(2 * cutoff * t) / rate_in) @ x


@pytest.mark.parametrize("index", range(len(DESCRIBED["down"])))
def test_downsampling_is_kaldis(index):
    rate_in, rate_out = DESCRIBED["down"][index]
    ours, theirs = _native.downsample(SIGNAL, rate_in, rate_out), GOLDEN[f"down{index}"]
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("index", range(len(DESCRIBED["linear"])))
def test_pieces_are_kaldis(index):
    rate_in, rate_out, cutoff, zeros, lengths = DESCRIBED["linear"][index]
    linear = _native.LinearResample(rate_in, rate_out, cutoff, zeros)
    found = [linear.resample(piece, False) for piece in pieces(SIGNAL[:1500], lengths)]
    found += [linear.resample(SIGNAL[:5], True), linear.resample(SIGNAL[:40], True)]
    assert [len(piece) for piece in found] == GOLDEN[f"linear{index}_counts"].tolist()
    np.testing.assert_allclose(np.concatenate(found), GOLDEN[f"linear{index}"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("index", range(len(DESCRIBED["arbitrary"])))
def test_arbitrary_points_are_kaldis(index):
    inputs, rate, cutoff, zeros = DESCRIBED["arbitrary"][index]
    points = GOLDEN[f"arbitrary{index}_points"]
    arbitrary = _native.ArbitraryResample(inputs, rate, cutoff, points, zeros)
    assert (arbitrary.num_inputs, arbitrary.num_outputs) == (inputs, len(points))
    rows = np.stack([SIGNAL[:inputs], SIGNAL[:inputs][::-1]])
    np.testing.assert_allclose(arbitrary.resample(rows), GOLDEN[f"arbitrary{index}"], rtol=0, atol=TOLERANCE)


RATES = st.sampled_from([1, 7, 100, 999, 1000, 8000, 11025, 15999, 16000, 22050, 44100, 48000])


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_pieces_and_rates_are_the_definition(data):
    rate_in, rate_out = data.draw(RATES), data.draw(RATES)
    cutoff = min(rate_in, rate_out) * data.draw(st.floats(0.05, 0.5))
    zeros = data.draw(st.integers(1, 8))
    length = data.draw(st.integers(0, 600))
    if length * rate_out > 30000 * rate_in:
        length = 30000 * rate_in // rate_out
    x = SIGNAL[:length]
    linear = _native.LinearResample(rate_in, rate_out, cutoff, zeros)
    whole = linear.resample(x, True)
    assert len(whole) == -(-length * rate_out // rate_in)
    points = np.arange(len(whole)) / rate_out
    exact = definition(x.astype(np.float64), rate_in, points, float(np.float32(cutoff)), zeros)
    np.testing.assert_allclose(whole, exact, rtol=0, atol=5 * TOLERANCE)

    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=20)))
    parts = np.split(x, cuts)
    found = [linear.resample(part, False) for part in parts]
    # What is withheld is what a window that ends behind the samples reaches into.
    withheld = len(whole) - sum(map(len, found))
    assert 0 <= withheld <= math.ceil(zeros / (2 * cutoff) * rate_out) + 1
    found.append(linear.resample(SIGNAL[:0], True))
    np.testing.assert_array_equal(np.concatenate(found), whole)
    # And it is as new.
    np.testing.assert_array_equal(linear.resample(x, True), whole)


@settings(max_examples=100, deadline=None)
@given(
    points=st.lists(st.floats(-2, 4, width=32), max_size=80),
    inputs=st.integers(1, 200),
    zeros=st.integers(1, 6),
    cutoff=st.floats(1, 50, width=32),
)
def test_any_points_are_the_definition(points, inputs, zeros, cutoff):
    at = np.array(points, np.float32)
    ours = _native.ArbitraryResample(inputs, 100.0, cutoff, at, zeros).resample(SIGNAL[None, :inputs])[0]
    exact = definition(SIGNAL[:inputs].astype(np.float64), 100, at.astype(np.float64), cutoff, zeros)
    # Points are floats: 4 s in steps of 2e-7 s.
    np.testing.assert_allclose(ours, exact, rtol=0, atol=200 * TOLERANCE)


def test_a_long_signal_goes_through_in_blocks():
    x = np.resize(SIGNAL, 200000)
    for rate_in, rate_out in ((16000, 4000), (44100, 16000), (16000, 15999)):
        linear = _native.LinearResample(rate_in, rate_out, 0.49 * min(rate_in, rate_out), 6)
        whole = linear.resample(x, True)
        halves = [linear.resample(x[:99999], False), linear.resample(x[99999:], True)]
        np.testing.assert_array_equal(np.concatenate(halves), whole)


def test_reset_forgets():
    linear = _native.LinearResample(16000, 4000, 1000.0, 1)
    whole = linear.resample(SIGNAL, True)
    linear.resample(SIGNAL[:777], False)
    linear.reset()
    np.testing.assert_array_equal(linear.resample(SIGNAL, True), whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 8000, 1000.0, 1), "rates of 0 and 8000 Hz; expected whole numbers above 0"),
        ((8000, -1, 1000.0, 1), "rates of 8000 and -1 Hz"),
        ((8000, 16000, 4001.0, 1), "cutoff=4001 Hz with the rate of the input=8000 Hz"),
        ((8000, 4000, 3000.0, 1), "cutoff=3000 Hz with the rate of the output=4000 Hz"),
        ((8000, 4000, 0.0, 1), "cutoff=0 Hz"),
        ((8000, 4000, float("nan"), 1), "cutoff=nan Hz"),
        ((8000, 4000, 1000.0, 0), "num_zeros=0; expected 1 or more"),
        ((8000, 4000, 1e-30, 1), "too many weights"),
        ((2**31 - 1, 2**31 - 2, 1e9, 6), "expected rates with a greater common divisor (1)"),
    ],
)
def test_filters_that_make_no_signal(arguments, message):
    with pytest.raises(FeatureError) as caught:
        _native.LinearResample(*arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_sound_are_refused(value):
    spoilt = SIGNAL[:100].copy()
    spoilt[60] = value
    with pytest.raises(FeatureError, match="sample 60 of 100 is"):
        _native.LinearResample(16000, 4000, 1000.0, 1).resample(spoilt, True)
    with pytest.raises(FeatureError, match="sample 60 of 100 is"):
        _native.downsample(spoilt, 16000, 8000)
    arbitrary = _native.ArbitraryResample(100, 100.0, 40.0, np.zeros(1, np.float32), 2)
    with pytest.raises(FeatureError, match="sample 60 of 100 is"):
        arbitrary.resample(spoilt[None])
    with pytest.raises(FeatureError, match="input of 60 samples; expected 100"):
        arbitrary.resample(spoilt[None, :60])
    with pytest.raises(FeatureError, match="sample point nan"):
        _native.ArbitraryResample(10, 100.0, 40.0, np.array([np.nan], np.float32), 2)
    with pytest.raises(FeatureError, match="num_samples_in=0"):
        _native.ArbitraryResample(0, 100.0, 40.0, np.zeros(1, np.float32), 2)
