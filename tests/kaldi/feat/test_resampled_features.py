"""Features of waveforms of another rate than that of the options (make_feat_parts_golden.py)."""

from pathlib import Path

import numpy as np
import pytest

from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
from sonant.kaldi.feat.online_base import OnlineMfcc
from sonant.kaldi.matrix import Matrix, Vector

TESTS = Path(__file__).parents[2]
RECORDINGS = {"down": ("mandarin16k", 16000.0, 8000.0), "up": ("yesno8k", 8000.0, 16000.0)}


@pytest.fixture(params=RECORDINGS)
def case(request) -> tuple[MfccOptions, float, Vector, np.ndarray, np.ndarray]:
    recording, rate, wanted = RECORDINGS[request.param]
    with np.load(TESTS / "features" / "golden" / "waves.npz") as archive:
        wave = Vector(archive[recording].astype(np.float32))
    with np.load(Path(__file__).with_name("golden") / "parts.npz") as archive:
        expected, online = archive[f"resampled {request.param}"], archive[f"resampled online {request.param}"]
    opts = MfccOptions()
    opts.frame_opts.dither = 0.0
    opts.frame_opts.samp_freq = wanted
    opts.frame_opts.allow_downsample = opts.frame_opts.allow_upsample = True
    opts.mel_opts.high_freq = 3700.0
    return opts, rate, wave, expected, online


def test_a_whole_waveform(case):
    opts, rate, wave, expected, _ = case
    found = Mfcc(opts).compute_features(wave, rate, 1.0)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("size", [37, 1000, 16000])
def test_online(case, size):
    opts, rate, wave, _, expected = case
    online = OnlineMfcc(opts)
    for start in range(0, len(wave), size):
        online.accept_waveform(rate, wave[start : start + size])
    online.input_finished()
    found = Matrix(online.num_frames_ready(), 13)
    online.get_frames(range(len(found)), found)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)
