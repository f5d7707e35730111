"""What is done to features, against what Kaldi did (tests/oracle/make_processing_golden.py)."""

import re
from pathlib import Path

import numpy as np
import pytest

from sonant import _native
from sonant.kaldi.feat import functions as ff
from sonant.kaldi.feat import online as fo
from sonant.kaldi.ivector import VadEnergyOptions, compute_vad_energy
from sonant.kaldi.matrix import DoubleMatrix, Matrix, Vector
from sonant.kaldi.transform.cmvn import Cmvn

GOLDEN = np.load(Path(__file__).parent / "golden" / "processing.npz")
FEATS, OTHER = GOLDEN["feats"], GOLDEN["other"]


def cases(prefix: str) -> list:
    """The golden arrays whose name begins so: id, options of the name."""
    found = []
    for name in GOLDEN.files:
        if re.match(prefix + r" \w+=", name):
            options = dict(pair.split("=") for pair in name[len(prefix) :].split())
            found.append(pytest.param(name, {k: eval(v) for k, v in options.items()}, id=name))
    assert len(found) > 1
    return found


def near(ours, name: str, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(np.asarray(ours), GOLDEN[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "options"), cases("deltas"))
def test_deltas(name, options):
    result = ff.compute_deltas(ff.DeltaFeaturesOptions(**options), Matrix(FEATS))
    assert isinstance(result, Matrix)
    np.testing.assert_array_equal(result.numpy(), GOLDEN[name])  # the same sums in the same order
    frame = Vector(result.num_cols)
    ff.DeltaFeatures(ff.DeltaFeaturesOptions(**options)).process(FEATS, 3, frame)
    np.testing.assert_array_equal(frame.numpy(), result.numpy()[3])


def test_deltas_longer_than_the_recording():
    near(ff.compute_deltas(ff.DeltaFeaturesOptions(3, 3), Matrix(FEATS[:3])), "short deltas")


@pytest.mark.parametrize(("name", "options"), cases("shifted"))
def test_shifted_deltas(name, options):
    opts = ff.ShiftedDeltaFeaturesOptions(**options)
    result = ff.compute_shift_deltas(opts, Matrix(FEATS[:30]))
    np.testing.assert_array_equal(result.numpy(), GOLDEN[name])
    frame = np.empty(result.num_cols, np.float32)
    ff.ShiftedDeltaFeatures(opts).process(FEATS[:30], 29, frame)
    np.testing.assert_array_equal(frame, result.numpy()[29])


@pytest.mark.parametrize(("name", "options"), cases("splice"))
def test_splicing(name, options):
    np.testing.assert_array_equal(ff.splice_frames(Matrix(FEATS[:8]), **options).numpy(), GOLDEN[name])


@pytest.mark.parametrize(("name", "options"), cases("sliding"))
def test_sliding_cmn(name, options):
    output = Matrix(*FEATS.shape)
    ff.sliding_window_cmn(ff.SlidingWindowCmnOptions(max_warnings=0, **options), Matrix(FEATS), output)
    near(output, name)


def test_the_other_functions():
    np.testing.assert_array_equal(ff.reverse_frames(Matrix(FEATS)).numpy(), GOLDEN["reverse"])
    spectrum = Vector(FEATS[:4].ravel()[:16])
    ff.compute_power_spectrum(spectrum)
    np.testing.assert_allclose(spectrum.numpy()[:9], GOLDEN["power"][:9], rtol=1e-6)
    for bases, dim in (3, 4), (13, 24), (1, 2):
        near(ff.init_idft_bases(bases, dim), f"idft {bases} {dim}", 1e-6)


def test_statistics():
    plain, weighted, skipping = Cmvn(5), Cmvn(5), Cmvn(5)
    plain.accumulate(Matrix(FEATS))
    np.testing.assert_array_equal(plain.stats.numpy(), GOLDEN["stats"])  # to the last bit
    plain.accumulate(OTHER)
    np.testing.assert_array_equal(plain.stats.numpy(), GOLDEN["stats of both"])
    weighted.accumulate(Matrix(FEATS), Vector(GOLDEN["weights"]))
    np.testing.assert_array_equal(weighted.stats.numpy(), GOLDEN["stats weighted"])
    weighted.accumulate(Vector(FEATS[0]), 2.5)
    np.testing.assert_array_equal(weighted.stats.numpy(), GOLDEN["stats weighted and a frame"])
    skipping.accumulate(FEATS)
    skipping.skip_dims([1, 4])
    np.testing.assert_array_equal(skipping.stats.numpy(), GOLDEN["stats skipping 1 4"])
    for name, cmvn in ("all", plain), ("skipping", skipping):
        for norm_vars in (False, True):
            for reverse in (False, True):
                output = Matrix(OTHER)
                cmvn.apply(output, norm_vars, reverse)
                near(output, f"apply {name} norm_vars={norm_vars} reverse={reverse}")


VAD = [name for name in GOLDEN.files if name.startswith("vad")]


@pytest.mark.parametrize("name", VAD)
def test_vad(name):
    threshold, scale, context, proportion = map(float, name.split()[1:])
    options = VadEnergyOptions(
        vad_energy_threshold=threshold,
        vad_energy_mean_scale=scale,
        vad_frames_context=int(context),
        vad_proportion_threshold=proportion,
    )
    voiced = compute_vad_energy(options, Matrix(GOLDEN["energy"]))
    assert isinstance(voiced, Vector)
    np.testing.assert_array_equal(voiced.numpy(), GOLDEN[name])


def frames_of(source, frames):
    output = np.empty((len(frames), source.dim()), np.float32)
    for frame, row in zip(frames, output, strict=True):
        source.get_frame(frame, row)
    at_once = Matrix(len(frames), source.dim())
    source.get_frames(list(frames), at_once)
    np.testing.assert_array_equal(at_once.numpy(), output)
    return output


@pytest.fixture
def source():
    return fo.OnlineMatrixFeature(Matrix(FEATS))


def test_online_features(source):
    other = fo.OnlineMatrixFeature(OTHER)
    near(frames_of(fo.OnlineCacheFeature(source), [3, 4, 3, 89]), "online cache", 0)
    near(frames_of(fo.OnlineAppendFeature(source, other), range(40)), "online append", 0)
    for order, window in (0, 2), (2, 2), (3, 1):
        delta = fo.OnlineDeltaFeature(ff.DeltaFeaturesOptions(order, window), source)
        frames = range(delta.num_frames_ready())
        near(frames_of(delta, frames), f"online deltas order={order} window={window}", 0)
    for left, right in (4, 4), (0, 3), (2, 0):
        options = fo.OnlineSpliceOptions(left_context=left, right_context=right)
        splice = fo.OnlineSpliceFrames(options, source)
        name = f"online splice left_context={left} right_context={right}"
        near(frames_of(splice, range(0, 90, 4)), name, 0)
    transform = GOLDEN["transform"]
    near(frames_of(fo.OnlineTransform(Matrix(transform), source), range(90)), "online affine")
    near(frames_of(fo.OnlineTransform(transform[:, :5], source), range(90)), "online linear")


CMVN = {
    "plain": {}, "vars": dict(normalize_variance=True), "none": dict(normalize_mean=False),
    "small": dict(cmn_window=20, speaker_frames=10, global_frames=5),
    "small vars": dict(cmn_window=20, speaker_frames=10, global_frames=5, normalize_variance=True),
    "small modulus": dict(cmn_window=20, speaker_frames=20, global_frames=20, modulus=3),
    "no global frames": dict(cmn_window=30, speaker_frames=0, global_frames=0),
    "large": dict(cmn_window=100, speaker_frames=100, global_frames=60, normalize_variance=True),
    "skip": dict(cmn_window=40, speaker_frames=30, global_frames=9, normalize_variance=True, skip_dims="0:3"),
}  # fmt: skip


def state_of(name: str) -> fo.OnlineCmvnState:
    is_ = _native.Input.from_bytes(GOLDEN[name].tobytes(), name)
    state = fo.OnlineCmvnState()
    state.read(is_, is_.header())
    return state


def same_states(ours: fo.OnlineCmvnState, name: str) -> None:
    theirs = state_of(name)
    for part in "global_cmvn_stats", "speaker_cmvn_stats", "frozen_state":
        mine, other = getattr(ours, part).numpy(), getattr(theirs, part).numpy()
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", CMVN)
def test_online_cmvn(name, source):
    options = fo.OnlineCmvnOptions(**CMVN[name])
    state = fo.OnlineCmvnState.from_stats(DoubleMatrix(GOLDEN["stats of both"]))
    cmvn = fo.OnlineCmvn(options, state, source)
    near(frames_of(cmvn, range(90)), f"cmvn {name}")
    backwards = frames_of(fo.OnlineCmvn(options, state, source), range(89, -1, -1))
    np.testing.assert_array_equal(backwards[::-1], frames_of(cmvn, range(90)))
    after = cmvn.get_state(39)
    same_states(after, f"cmvn {name} state")
    second = fo.OnlineCmvn(options, after, fo.OnlineMatrixFeature(OTHER))
    near(frames_of(second, range(40)), f"cmvn {name} second")
    same_states(second.get_state(12), f"cmvn {name} state 2")
    second.freeze(20)
    near(frames_of(second, range(40)), f"cmvn {name} frozen")
    last = second.get_state(25)
    same_states(last, f"cmvn {name} state 3")
    third = fo.OnlineCmvn.without_state(options, source)
    third.set_state(last)
    np.testing.assert_array_equal(frames_of(third, [7]), frames_of(fo.OnlineCmvn(options, last, source), [7]))


@pytest.mark.parametrize("binary", [True, False])
def test_a_state_survives_writing_and_reading(binary):
    state = state_of("cmvn small vars state 3")
    os = _native.Output.in_memory()
    os.header(binary)
    state.write(os, binary)
    if binary:
        assert os.getvalue() == GOLDEN["cmvn small vars state 3"].tobytes()
    is_ = _native.Input.from_bytes(os.getvalue(), "state")
    again = fo.OnlineCmvnState()
    again.read(is_, is_.header())
    np.testing.assert_allclose(again.frozen_state.numpy(), state.frozen_state.numpy(), rtol=1e-5)
