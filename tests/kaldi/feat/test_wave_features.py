"""Features of waveforms as PyKaldi's scripts ask for them, against the numbers of Kaldi itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from sonant import features
from sonant.errors import FeatureError, MatrixError
from sonant.kaldi.feat.fbank import Fbank, FbankOptions
from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
from sonant.kaldi.feat.online_base import OnlineFbank, OnlineMfcc, OnlinePlp
from sonant.kaldi.feat.plp import Plp, PlpOptions
from sonant.kaldi.feat.spectrogram import Spectrogram, SpectrogramOptions
from sonant.kaldi.matrix import Matrix, Vector
from sonant.kaldi.util.options import ParseOptions

GOLDEN = Path(__file__).parents[2] / "features" / "golden"
KINDS = {
    "fbank": (Fbank, FbankOptions),
    "mfcc": (Mfcc, MfccOptions),
    "plp": (Plp, PlpOptions),
    "spectrogram": (Spectrogram, SpectrogramOptions),
}
ONLINE = {
    "fbank": (OnlineFbank, FbankOptions),
    "mfcc": (OnlineMfcc, MfccOptions),
    "plp": (OnlinePlp, PlpOptions),
}


@pytest.fixture(scope="module")
def waves() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "waves.npz") as archive:
        return {name: archive[name].astype(np.float32) for name in archive}


@pytest.fixture
def wave(waves) -> np.ndarray:
    return waves["mandarin16k"]


def options(kind, **given):
    opts = kind()
    opts.frame_opts.dither = 0.0
    for name, value in given.items():
        setattr(opts if hasattr(opts, name) else opts.frame_opts, name, value)
    return opts


@pytest.mark.parametrize("feature", KINDS)
def test_every_option_by_its_name_on_the_command_line(tmp_path, waves, feature):
    archive = np.load(GOLDEN / f"{feature}.npz")
    for i, case in enumerate(json.loads(str(archive["cases"])).values()):
        expected = archive[str(i)]
        opts, parser = KINDS[feature][1](), ParseOptions("")
        opts.register(parser)
        lines = [
            f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
            for name, value in {**case["options"], "dither": 0}.items()
            if name != "htk-mode"
        ]
        if case["options"].get("htk-mode"):
            opts.mel_opts.htk_mode = True
        parser.parse_args(["compute", *lines])
        name, first, end = case["wave"]
        found = KINDS[feature][0](opts).compute(Vector(waves[name][first:end]), case["warp"])
        assert found.shape == expected.shape
        if expected.size:  # tests/features holds every number to Kaldi's
            assert np.median(np.abs(found.numpy() - expected)) < 2e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("feature", KINDS)
def test_what_is_returned_and_what_is_taken(wave, feature):
    kind, opts = KINDS[feature][0], options(KINDS[feature][1])
    computer = kind(opts)
    matrix = computer.compute(Vector(wave), 1.0)
    assert isinstance(matrix, Matrix)
    assert matrix.shape == (98, computer.dim())
    same = kind.from_other(computer)
    for samples in (wave, wave.astype(np.float64), wave.astype(np.int16), wave.tolist()):
        np.testing.assert_array_equal(same.compute_features(samples, 16000.0, 1.0).numpy(), matrix.numpy())
    opts.frame_opts.snip_edges = False  # what a computer does was settled when it was made
    np.testing.assert_array_equal(computer.compute(wave, 1.0).numpy(), matrix.numpy())
    assert computer.compute(wave[:300], 1.0).shape == (0, 0)
    plain = getattr(features, feature.capitalize())
    (expected,) = plain(plain._Config(dither=0.0)).compute([wave / 32768])
    np.testing.assert_array_equal(matrix.numpy(), expected)


def test_errors(wave):
    mfcc = Mfcc(options(MfccOptions))
    with pytest.raises(FeatureError, match=r"8000 Hz; expected samp_freq=16000 .* allow_upsample=True"):
        mfcc.compute_features(wave, 8000.0, 1.0)
    with pytest.raises(FeatureError, match=r"48000 Hz; .* set allow_downsample=True"):
        mfcc.compute_features(wave, 48000.0, 1.0)
    with pytest.raises(FeatureError, match=r"nan Hz"):
        Mfcc(options(MfccOptions, allow_upsample=True)).compute_features(wave, float("nan"), 1.0)
    with pytest.raises(FeatureError, match="sample 3 of 16000 is nan"):
        mfcc.compute(np.where(np.arange(16000) == 3, np.nan, wave), 1.0)
    with pytest.raises(MatrixError, match="wave"):
        mfcc.compute(np.zeros((2, 16000)), 1.0)
    with pytest.raises(FeatureError, match="vtln_warp=0; expected a positive factor"):
        mfcc.compute(wave, 0.0)
    with pytest.raises(FeatureError, match="num_ceps=30; expected 1 to 23"):
        Mfcc(options(MfccOptions, num_ceps=30))
    with pytest.raises(FeatureError, match="window_type='blackmann'"):
        Mfcc(options(MfccOptions, window_type="blackmann"))


def test_dither_is_on_by_default(wave):
    noisy, clean = Mfcc(MfccOptions()).compute(wave, 1.0), Mfcc(options(MfccOptions)).compute(wave, 1.0)
    assert 0 < np.abs(noisy.numpy() - clean.numpy()).max() < 20


@pytest.mark.parametrize("feature", ONLINE)
@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("size", [1, 77, 160, 5000, 16000])
def test_online_equals_offline_in_any_chunking(wave, feature, snip_edges, size):
    opts = options(ONLINE[feature][1], snip_edges=snip_edges)
    expected = KINDS[feature][0](opts).compute(wave, 1.0).numpy()
    online = ONLINE[feature][0](opts)
    assert online.num_frames_ready() == 0
    assert not online.is_last_frame(-1)
    for start in range(0, len(wave), size):
        online.accept_waveform(16000.0, Vector(wave[start : start + size]))
        assert not online.is_last_frame(online.num_frames_ready() - 1)
    online.input_finished()
    online.input_finished()
    assert online.num_frames_ready() == len(expected)
    assert online.is_last_frame(len(expected) - 1)
    assert not online.is_last_frame(len(expected) - 2)
    assert online.frame_shift_in_seconds() == pytest.approx(0.01)
    found = Matrix(len(expected), online.dim())
    online.get_frames(range(len(expected)), found)
    np.testing.assert_array_equal(found.numpy(), expected)
    frame = Vector(online.dim())
    online.get_frame(5, frame)
    np.testing.assert_array_equal(frame.numpy(), expected[5])


def test_online_frames_that_are_gone_or_not_there_yet(wave):
    online = OnlineMfcc(options(MfccOptions, max_feature_vectors=10))
    for start in range(0, 16000, 400):
        online.accept_waveform(16000.0, wave[start : start + 400])
    frame = np.zeros(13, np.float32)
    expected = Mfcc(options(MfccOptions)).compute(wave, 1.0).numpy()
    for number in range(88, 98):
        online.get_frame(number, frame)
        np.testing.assert_array_equal(frame, expected[number])
    with pytest.raises(FeatureError, match="frame 98 was asked for; expected 0 to 97"):
        online.get_frame(98, frame)
    with pytest.raises(FeatureError, match=r"frame 0 was asked for; those before \d+ are gone"):
        online.get_frame(0, frame)


def test_online_errors(wave):
    online = OnlineMfcc(options(MfccOptions))
    with pytest.raises(FeatureError, match=r"48000 Hz; .* set allow_downsample=True"):
        online.accept_waveform(48000.0, wave)
    online.accept_waveform(16000.0, wave)
    with pytest.raises(FeatureError, match=r"8000 Hz after those of 16000 Hz"):
        online.accept_waveform(8000.0, wave)
    online.input_finished()
    online.accept_waveform(16000.0, wave[:0])
    with pytest.raises(FeatureError, match=r"samples after input_finished\(\)"):
        online.accept_waveform(16000.0, wave)


def test_online_input_that_never_comes():
    online = OnlinePlp(options(PlpOptions))
    online.input_finished()
    assert online.num_frames_ready() == 0
    assert online.is_last_frame(-1)
