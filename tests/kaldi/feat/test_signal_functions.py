"""kaldi.feat.signal: PyKaldi's names and shapes over the native resampling; convolution by definition."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import FeatureError, MatrixError, SonantError
from sonant.kaldi.feat.signal import (
    ArbitraryResample,
    LinearResample,
    convolve_signals,
    downsample_wave_form,
    fft_based_block_convolve_signals,
    fft_based_convolve_signals,
)
from sonant.kaldi.matrix import Matrix, SubVector, Vector

GOLDEN = np.load(Path(__file__).parents[2] / "features" / "golden" / "resample.npz")
DESCRIBED = json.loads(str(GOLDEN["cases"]))
SIGNAL = GOLDEN["signal"]


def test_linear_resample_in_pieces():
    rate_in, rate_out, cutoff, zeros, (length,) = DESCRIBED["linear"][0]
    linear = LinearResample(rate_in, rate_out, cutoff, zeros)
    found = [linear.resample(Vector(SIGNAL[i : i + length]), False) for i in range(0, 1500, length)]
    assert all(isinstance(piece, Vector) for piece in found)
    found += [linear.resample(SubVector(SIGNAL[:5].copy()), True), linear.resample(SIGNAL[:40], flush=True)]
    np.testing.assert_allclose(np.concatenate([p.numpy() for p in found]), GOLDEN["linear0"], atol=1e-3)
    linear.resample(SIGNAL, False)
    assert linear.reset() is None
    np.testing.assert_array_equal(linear.resample(SIGNAL[:40], True), found[-1])
    assert linear.resample(Vector(), True).dim == 0


def test_downsample_wave_form():
    for index, (rate_in, rate_out) in enumerate(DESCRIBED["down"]):
        ours = downsample_wave_form(rate_in, Vector(SIGNAL), float(rate_out))
        assert isinstance(ours, Vector)
        np.testing.assert_allclose(ours.numpy(), GOLDEN[f"down{index}"], atol=1e-3)


def test_arbitrary_resample_writes_into_what_it_is_given():
    inputs, rate, cutoff, zeros = DESCRIBED["arbitrary"][1]
    points = GOLDEN["arbitrary1_points"]
    arbitrary = ArbitraryResample(inputs, rate, cutoff, Vector(points), zeros)
    assert (arbitrary.num_samples_in, arbitrary.num_samples_out) == (inputs, len(points))
    rows = np.stack([SIGNAL[:inputs], SIGNAL[:inputs][::-1]])
    output, row = Matrix(2, len(points)), Vector(len(points))
    assert arbitrary.resample(Matrix(rows), output) is None
    np.testing.assert_allclose(output.numpy(), GOLDEN["arbitrary1"], atol=1e-3)
    arbitrary.resample_vector(Vector(rows[1]), row)
    np.testing.assert_array_equal(row.numpy(), output.numpy()[1])
    array = np.zeros(len(points), np.float32)
    arbitrary.resample_vector(rows[1], array)
    np.testing.assert_array_equal(array, row.numpy())
    with pytest.raises(FeatureError, match="input of 49 samples; expected 50"):
        arbitrary.resample_vector(rows[0][:49], row)
    with pytest.raises(MatrixError, match="output"):
        arbitrary.resample_vector(rows[0], Vector(3))
    with pytest.raises(MatrixError, match="output"):
        arbitrary.resample(rows, np.zeros((2, len(points))))


CONVOLUTIONS = [convolve_signals, fft_based_convolve_signals, fft_based_block_convolve_signals]


@pytest.mark.parametrize("convolve", CONVOLUTIONS)
@settings(max_examples=40, deadline=None)
@given(taps=st.integers(1, 70), samples=st.integers(1, 500))
def test_convolutions(convolve, taps, samples):
    """All three are the convolution. (Those of Kaldi 5.5.950 by Fourier transform are not.)"""
    values = np.random.default_rng(taps).standard_normal(taps + samples).astype(np.float32)
    signal = Vector(values[taps:])
    assert convolve(Vector(values[:taps]), signal) is None
    assert signal.dim == samples + taps - 1
    exact = np.convolve(values[taps:].astype(np.float64), values[:taps].astype(np.float64))
    np.testing.assert_allclose(signal.numpy(), exact, atol=1e-5)


def test_wrong_use_of_signals_is_named():
    with pytest.raises(FeatureError, match=r"sample_rate_in_hz=8000\.5; expected a rate in whole Hz"):
        LinearResample(8000.5, 16000, 1000.0, 1)
    with pytest.raises(FeatureError, match="samp_rate_out_hz=0"):
        LinearResample(8000, 0, 1000.0, 1)
    with pytest.raises(FeatureError, match="new_freq=nan"):
        downsample_wave_form(8000, SIGNAL, float("nan"))
    with pytest.raises(FeatureError, match="orig_freq=inf"):
        downsample_wave_form(float("inf"), SIGNAL, 8000)
    with pytest.raises(SonantError):
        downsample_wave_form(8000, Matrix(2, 2), 16000)
    for convolve in CONVOLUTIONS:
        with pytest.raises(FeatureError, match="signal: ndarray; expected a Vector, which can become longer"):
            convolve(SIGNAL[:3], SIGNAL)
        with pytest.raises(FeatureError, match="a filter of 0 and a signal of 3 samples"):
            convolve(Vector(), Vector(SIGNAL[:3]))
