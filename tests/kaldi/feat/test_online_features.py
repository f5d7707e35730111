"""Online features: what they do as frames arrive, and with bad input. Values: test_processing_golden.py."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sonant._native import Input, Output

from sonant.errors import ArkError, FeatureError, MatrixError, OptionError
from sonant.kaldi.feat import functions as ff
from sonant.kaldi.feat import online as fo
from sonant.kaldi.feat.mfcc import MfccOptions
from sonant.kaldi.itf import OnlineFeatureInterface
from sonant.kaldi.matrix import DoubleMatrix, Matrix, Vector
from sonant.kaldi.util.options import ParseOptions

F = np.random.default_rng(2).standard_normal((50, 3)).astype(np.float32)
STATS = np.array([[50.0, 0, 10, 100], [200, 90, 40, 0]])


class Arriving(OnlineFeatureInterface):
    """A user's own source: frames become ready as `ready` is raised."""

    def __init__(self, features: np.ndarray, ready: int = 0):
        self.features, self.ready, self.asked = features, ready, []

    def dim(self) -> int:
        return self.features.shape[1]

    def num_frames_ready(self) -> int:
        return self.ready

    def is_last_frame(self, frame: int) -> bool:
        return frame + 1 == len(self.features) == self.ready

    def frame_shift_in_seconds(self) -> float:
        return 0.02

    def get_frame(self, frame: int, feat: Any) -> None:
        assert 0 <= frame < self.ready
        self.asked.append(frame)
        feat[:] = self.features[frame]


def cmvn(source, **options):
    state = fo.OnlineCmvnState(STATS)
    return fo.OnlineCmvn(fo.OnlineCmvnOptions(**options), state, source)


MAKERS = {
    "cache": fo.OnlineCacheFeature,
    "delta": lambda src: fo.OnlineDeltaFeature(ff.DeltaFeaturesOptions(2, 2), src),
    "splice": lambda src: fo.OnlineSpliceFrames(fo.OnlineSpliceOptions(left_context=3, right_context=2), src),
    "transform": lambda src: fo.OnlineTransform(F[:2], src),
    "cmvn": lambda src: cmvn(src, cmn_window=10, speaker_frames=10, global_frames=10, modulus=4),
    "append": lambda src: fo.OnlineAppendFeature(src, fo.OnlineMatrixFeature(F[::-1])),
}
LATENCY = {"delta": 4, "splice": 2}


@pytest.mark.parametrize("name", MAKERS)
@given(steps=st.lists(st.integers(0, 9)))
def test_frames_are_the_same_however_they_arrive(name, steps):
    whole = MAKERS[name](fo.OnlineMatrixFeature(F))
    expected = Matrix(50, whole.dim())
    whole.get_frames(range(50), expected)
    source = Arriving(F)
    online = MAKERS[name](source)
    assert online.num_frames_ready() == 0
    assert online.frame_shift_in_seconds() == 0.02
    done = 0
    for step in [*steps, 50]:
        source.ready = min(source.ready + step, 50)
        ready = online.num_frames_ready()
        assert ready == (50 if source.ready == 50 else max(source.ready - LATENCY.get(name, 0), 0))
        for frame in range(done, ready):
            row = Vector(online.dim())
            online.get_frame(frame, row)
            np.testing.assert_array_equal(row.numpy(), expected.numpy()[frame])
            assert online.is_last_frame(frame) == (frame == 49)
        done = ready


@given(st.lists(st.integers(0, 49), min_size=1))
def test_frames_in_any_order(frames):
    for make in MAKERS.values():
        online = make(fo.OnlineMatrixFeature(F))
        expected, output = Matrix(50, online.dim()), Matrix(len(frames), online.dim())
        make(fo.OnlineMatrixFeature(F)).get_frames(range(50), expected)
        online.get_frames(frames, output)
        np.testing.assert_array_equal(output.numpy(), expected.numpy()[frames])


def test_the_cache_asks_once():
    source = Arriving(F, 50)
    cache = fo.OnlineCacheFeature(source)
    cache.get_frames([3, 4, 3], Matrix(3, 3))
    cache.get_frame(4, Vector(3))
    assert source.asked == [3, 4]
    cache.clear_cache()
    cache.get_frame(4, Vector(3))
    assert source.asked == [3, 4, 4]


def test_online_cmvn_asks_for_each_frame_about_twice():
    """Once as it enters the window, once as it leaves; more only where an earlier frame is asked for."""
    source = Arriving(F, 50)
    online = cmvn(source, cmn_window=10, speaker_frames=10, global_frames=10)
    for frame in range(50):
        online.get_frame(frame, Vector(3))
    assert len(source.asked) == 50 + 40
    online.get_frame(30, Vector(3))
    assert len(source.asked) <= 90 + 2 * 20


def test_frames_go_into_vectors_arrays_and_views():
    source = fo.OnlineMatrixFeature(Matrix(F))
    matrix, array = Matrix(2, 3), np.zeros((3, 5), np.float32)
    source.get_frame(7, matrix[1])
    source.get_frame(8, array[2, 1:4])
    np.testing.assert_array_equal(matrix.numpy()[1], F[7])
    np.testing.assert_array_equal(array[2], [0, *F[8], 0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.get_frame(50, Vector(3)), FeatureError, "frame 50 was asked for; expected 0 to 49"),
        (lambda s: s.get_frame(-1, Vector(3)), FeatureError, "frame -1"),
        (lambda s: s.get_frames([1, 60], Matrix(2, 3)), FeatureError, "frame 60"),
        (lambda s: s.get_frame(0, Vector(4)), MatrixError, "feat: Vector of 4; expected 3"),
        (lambda s: s.get_frame(0, [0, 0, 0]), MatrixError, "feat: list of 3 cannot be written to"),
        (lambda s: s.get_frame(0, np.zeros(3)), MatrixError, "ndarray of 3 cannot be written to; .*float32"),
        (lambda s: s.get_frames([0], Matrix(2, 3)), MatrixError, "feats: Matrix of 2x3; expected 1x3"),
        (lambda s: fo.OnlineTransform(Matrix(2, 5), s), FeatureError, "5 columns for features of 3"),
        (lambda s: cmvn(s, skip_dims="1:x"), OptionError, "skip_dims='1:x'"),
        (lambda s: cmvn(s, skip_dims="3"), FeatureError, "skip_dims: 3; expected 0 to 2"),
        (lambda s: cmvn(s, modulus=0), OptionError, "modulus=0; expected 1 or more"),
        (lambda s: cmvn(s, cmn_window=10), FeatureError, "speaker_frames=600; expected 0 to 10"),
        (lambda s: cmvn(s).freeze(50), FeatureError, "frame 50; expected 0 to 49"),
        (lambda s: cmvn(s).get_state(-1), FeatureError, "frame -1"),
        (
            lambda s: fo.OnlineCmvn.without_state(fo.OnlineCmvnOptions(), s).get_frame(0, Vector(3)),
            FeatureError,
            "no global statistics",
        ),
        (
            lambda s: fo.OnlineCmvn(fo.OnlineCmvnOptions(), fo.OnlineCmvnState(np.ones((2, 9))), s),
            FeatureError,
            r"shape \(2, 9\); expected \(2, 4\)",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(fo.OnlineMatrixFeature(F))


def test_a_state_cannot_be_set_after_the_first_frame():
    online = cmvn(fo.OnlineMatrixFeature(F))
    online.set_state(fo.OnlineCmvnState(STATS * 2))
    online.get_frame(0, Vector(3))
    with pytest.raises(FeatureError, match="set_state after frames were computed"):
        online.set_state(fo.OnlineCmvnState(STATS))


def test_a_state_is_a_copy():
    state = fo.OnlineCmvnState(DoubleMatrix(STATS))
    online = cmvn(fo.OnlineMatrixFeature(F))
    after = online.get_state(9)
    after.global_cmvn_stats[0, 0] = 7
    assert state.global_cmvn_stats[0, 0] == online.get_state(9).global_cmvn_stats[0, 0] == 50


def test_a_state_cut_anywhere_raises():
    os = Output.in_memory()
    cmvn(fo.OnlineMatrixFeature(F)).get_state(9).write(os, True)
    whole = os.getvalue()
    for length in range(len(whole)):
        with pytest.raises(ArkError):
            fo.OnlineCmvnState().read(Input.from_bytes(whole[:length], "state"), True)


def test_a_pipeline_of_a_waveform_in_pieces():
    """MFCC, normalised, with deltas: as samples arrive, and of all of them at once."""
    samples = (1000 * np.sin(np.arange(8000) ** 1.5 / 300)).astype(np.float32)
    results = []
    for size in 8000, 700:
        options = MfccOptions()
        options.frame_opts.dither = 0.0
        mfcc = fo.OnlineMfcc(options)
        normal = fo.OnlineCmvn(fo.OnlineCmvnOptions(), fo.OnlineCmvnState(np.ones((2, 14))), mfcc)
        wide = fo.OnlineDeltaFeature(ff.DeltaFeaturesOptions(), fo.OnlineCacheFeature(normal))
        rows = []
        for start in range(0, 8000, size):
            mfcc.accept_waveform(16000, samples[start : start + size])
            if start + size >= 8000:
                mfcc.input_finished()
            for frame in range(len(rows), wide.num_frames_ready()):
                rows.append(np.zeros(39, np.float32))
                wide.get_frame(frame, rows[-1])
        assert wide.is_last_frame(len(rows) - 1)
        results.append(np.array(rows))
    np.testing.assert_array_equal(*results)
    assert results[0].shape == (48, 39)


def test_options_have_kaldis_names():
    po = ParseOptions("usage")
    options = fo.OnlineCmvnOptions(), ff.SlidingWindowCmnOptions()
    for each in options:
        each.register(po)
    po.parse_args(["x", "--cmn-window=50", "--norm-vars=true", "--min-cmn-window=3", "--skip-dims=1"])
    assert options[1].cmn_window == 50
    assert options[1].normalize_variance
    assert options[1].min_window == 3
    assert options[0].skip_dims == "1"


def test_functions_refuse_bad_input():
    for call, message in (
        (lambda: ff.splice_frames(Matrix(), 1, 1), "no features: an empty matrix"),
        (lambda: ff.reverse_frames(Matrix()), "no features"),
        (lambda: ff.sliding_window_cmn(ff.SlidingWindowCmnOptions(), Matrix(), Matrix()), "no features"),
        (
            lambda: ff.sliding_window_cmn(ff.SlidingWindowCmnOptions(), F, Matrix(50, 2)),
            "output: Matrix of 50x2",
        ),
        (lambda: ff.SlidingWindowCmnOptions(cmn_window=0).check(), "cmn_window=0; expected 1 or more"),
        (lambda: ff.SlidingWindowCmnOptions(center=True, min_window=0).check(), "min_window=0 with center"),
        (lambda: ff.DeltaFeatures(ff.DeltaFeaturesOptions()).process(F, 50, Vector(9)), "begin=50|end=51"),
        (lambda: ff.compute_power_spectrum(Vector(3)), "3 values; expected an even number"),
        (lambda: ff.init_idft_bases(3, 1), "n_bases=3, dimension=1"),
    ):
        with pytest.raises((FeatureError, MatrixError), match=message):
            call()
    assert ff.compute_deltas(ff.DeltaFeaturesOptions(), Matrix()).shape == (0, 0)
    assert ff.compute_shift_deltas(ff.ShiftedDeltaFeaturesOptions(), Matrix(0, 0)).shape == (0, 0)
