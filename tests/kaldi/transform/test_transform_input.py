"""Transforms: properties, and bad input. Values against Kaldi: test_transforms_golden.py."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sonant._native import Input, Output

from sonant.errors import ArkError, FeatureError, MatrixError, SonantError
from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.matrix import DoubleMatrix, Matrix, Vector
from sonant.kaldi.transform import AffineXformStats, apply_affine_transform, compose_transforms, mllr
from sonant.kaldi.transform.cmvn import Cmvn, acc_cmvn_stats, apply_cmvn, init_cmvn_stats
from sonant.kaldi.transform.lda import LdaEstimate, LdaEstimateOptions
from sonant.kaldi.transform.lvtln import LinearVtln
from sonant.kaldi.transform.mllt import MlltAccs

GOLDEN = np.load(Path(__file__).parent / "golden" / "transforms.npz")
F = np.random.default_rng(1).standard_normal((30, 3)).astype(np.float32)
FILES = {
    LdaEstimate: "lda file",
    MlltAccs: "mllt file",
    mllr.FmllrDiagGmmAccs: "fmllr file",
    LinearVtln: "lvtln file",
}


def whole(kind) -> bytes:
    return GOLDEN[FILES[kind]].tobytes()


def read(kind, data: bytes):
    is_ = Input.from_bytes(data, "stats")
    thing = kind()
    thing.read(is_, is_.header())
    return thing


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_anywhere_raises(kind):
    data = whole(kind)
    for length in range(len(data)):
        with pytest.raises(ArkError):
            read(kind, data[:length])


@pytest.mark.parametrize("kind", FILES)
@given(data=st.data())
def test_changed_bytes_never_crash(kind, data):
    changed = bytearray(whole(kind))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        thing = read(kind, bytes(changed))
    except SonantError:
        return
    thing.write(Output.in_memory(), True)


@pytest.mark.parametrize("kind", FILES)
@given(tail=st.binary(max_size=60))
def test_random_bytes_never_crash(kind, tail):
    for start in b"", b"\0B", whole(kind)[:20]:
        with pytest.raises(ArkError):
            read(kind, start + tail)


affine = st.integers(0, 2**31).map(
    lambda seed: np.random.default_rng(seed).standard_normal((3, 4)).astype(np.float32)
)


@given(affine, affine, affine)
def test_composition_is_associative_and_what_it_says(a, b, c):
    vector = Vector(F[0])
    for transform in c, b, a:
        apply_affine_transform(Matrix(transform), vector)
    left = compose_transforms(compose_transforms(a, b, True), c, True)
    right = compose_transforms(a, compose_transforms(b, c, True), True)
    np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-4, atol=1e-3)
    once = Vector(F[0])
    apply_affine_transform(left, once)
    np.testing.assert_allclose(once.numpy(), vector.numpy(), rtol=1e-3, atol=1e-2)


def test_lda_separates_classes_and_makes_their_covariance_the_identity():
    rng = np.random.default_rng(4)
    label = np.arange(3000) % 3
    data = (
        rng.standard_normal((3000, 4)) @ rng.standard_normal((4, 4)) + 5 * rng.standard_normal((3, 4))[label]
    )
    estimate = LdaEstimate()
    estimate.init(3, 4)
    estimate.accumulate(data, label)
    transform = Matrix()
    estimate.estimate(LdaEstimateOptions(dim=2, remove_offset=True), transform)
    projected = data @ transform.numpy()[:, :4].T + transform.numpy()[:, 4]
    np.testing.assert_allclose(projected.mean(0), 0, atol=1e-4)
    within = projected - np.stack([projected[label == c].mean(0) for c in range(3)])[label]
    np.testing.assert_allclose(np.cov(within.T), np.eye(2), atol=1e-2)


def model(dim: int = 3) -> DiagGmm:
    gmm = DiagGmm(2, dim)
    gmm.set_weights(Vector([0.5, 0.5]))
    gmm.set_inv_vars_and_means(Matrix(np.ones((2, dim))), Matrix(np.arange(2.0 * dim).reshape(2, dim) / dim))
    gmm.compute_gconsts()
    return gmm


def stats() -> mllr.FmllrDiagGmmAccs:
    accs = mllr.FmllrDiagGmmAccs.from_dim(3)
    gmm = model()
    for row in F:
        accs.accumulate_for_gmm(gmm, row, 1.0)
    return accs


@given(affine)
def test_fmllr_undoes_a_transform_of_the_features(transform):
    """From transformed features the estimate makes what it makes of the others, wherever it starts."""
    square = transform[:, :3] + 3 * np.eye(3, dtype=np.float32)
    if np.linalg.cond(square) > 20:
        return
    transform = np.column_stack((square, transform[:, 3]))
    accs, moved = stats(), stats()
    mllr.apply_feature_transform_to_stats(transform, moved)
    plain, other = mllr.init_fmllr(3), mllr.init_fmllr(3)
    mllr.compute_fmllr_matrix_diag_gmm_full(plain, accs, 200, plain)
    mllr.compute_fmllr_matrix_diag_gmm_full(other, moved, 200, other)
    both = compose_transforms(other, transform, True)
    np.testing.assert_allclose(
        mllr.fmllr_aux_func_diag_gmm(both, accs),
        mllr.fmllr_aux_func_diag_gmm(plain, accs),
        rtol=1e-3,
        atol=0.1,
    )


def test_the_gradient_is_the_slope_of_the_objective():
    accs, gradient = stats(), Matrix(3, 4)
    start = np.eye(3, 4) + 0.1
    mllr.fmllr_auxf_gradient(DoubleMatrix(start), accs, gradient)
    for i, j in (0, 0), (1, 3), (2, 1):
        step = np.zeros((3, 4))
        step[i, j] = 1e-5
        slope = (
            mllr.fmllr_aux_func_diag_gmm(start + step, accs)
            - mllr.fmllr_aux_func_diag_gmm(start - step, accs)
        ) / 2e-5
        assert gradient[i, j] == pytest.approx(slope, rel=1e-3, abs=1e-2)


def test_statistics_are_whole_after_each_frame_and_add_up():
    accs, one, two = stats(), mllr.FmllrDiagGmmAccs.from_dim(3), AffineXformStats()
    for row in F[:10]:
        one.accumulate_for_gmm(model(), row, 1.0)
    assert one.beta_ == pytest.approx(10)
    two.init(3, 3)
    for row in F[10:]:
        single = mllr.FmllrDiagGmmAccs.from_dim(3)
        single.accumulate_for_gmm(model(), row, 1.0)
        two.add(single)
    copy = mllr.FmllrDiagGmmAccs.from_other(one)
    copy.add(two)
    np.testing.assert_allclose(copy.K_.numpy(), accs.K_.numpy())
    np.testing.assert_allclose(np.asarray(copy.G_[2]), np.asarray(accs.G_[2]))
    assert one.beta_ == pytest.approx(10)
    copy.set_zero()
    assert (copy.beta_, copy.dim(), copy.dim_, len(copy.G_)) == (0, 3, 3, 3)


def test_statistics_from_those_of_full_gaussians():
    gmm, posteriors = model(), np.random.default_rng(5).random((30, 2)).astype(np.float32)
    accs = mllr.FmllrDiagGmmAccs.from_dim(3)
    for row, weights in zip(F, posteriors, strict=True):
        accs.accumulate_from_posteriors(gmm, row, weights)

    class Full:  # the part of AccumFullGmm that is asked for
        occupancy = staticmethod(lambda: posteriors.sum(0))
        mean_accumulator = staticmethod(lambda: posteriors.T @ F)
        covariance_accumulator = staticmethod(lambda: [(F.T * w) @ F for w in posteriors.T])

    same = mllr.FmllrDiagGmmAccs.from_gmm(gmm, Full())
    assert same.beta_ == pytest.approx(accs.beta_)
    np.testing.assert_allclose(same._k, accs._k, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(same._g, accs._g, rtol=1e-4, atol=1e-4)
    with pytest.raises(FeatureError, match="2 Gaussians of 3 dimensions with a mixture of 2 of 4"):
        mllr.FmllrDiagGmmAccs.from_gmm(model(4), Full())


def lda(count: int = 30) -> LdaEstimate:
    estimate = LdaEstimate()
    estimate.init(3, 3)
    estimate.accumulate(F[:count], np.arange(count) % 3)
    return estimate


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lda().estimate(LdaEstimateOptions(dim=3), Matrix()), FeatureError, "expected 1 to 2"),
        (lambda: lda().estimate(LdaEstimateOptions(), Matrix()), FeatureError, "dim=40 for features of 3"),
        (lambda: lda(3).estimate(LdaEstimateOptions(dim=2), Matrix()), FeatureError, "is singular"),
        (lambda: lda(0).estimate(LdaEstimateOptions(dim=2), Matrix()), FeatureError, "LDA without frames"),
        (lambda: lda().accumulate(F[0], 3), FeatureError, "class_id=3; expected 0 to 2"),
        (lambda: lda().accumulate(F[0, :2], 0), FeatureError, r"shape \(2,\); expected \(3,\)"),
        (lambda: lda().accumulate(F[0] * np.nan, 0), FeatureError, "not finite"),
        (
            lambda: compose_transforms(Matrix(3, 4), Matrix(5, 4), True),
            FeatureError,
            "a has 4 columns; expected 5",
        ),
        (
            lambda: compose_transforms(Matrix(), Matrix(5, 4), True),
            FeatureError,
            "expected none that is empty",
        ),
        (
            lambda: apply_affine_transform(Matrix(3, 3), Vector(3)),
            FeatureError,
            r"shape \(3, 3\) for a vector of 3",
        ),
        (lambda: MlltAccs.new(3).update(Matrix(np.eye(3))), FeatureError, "MLLT: "),
        (lambda: MlltAccs.new(3).update(Matrix(3, 4)), MatrixError, "M: Matrix of 3x4; expected 3x3"),
        (lambda: MlltAccs.new(-3), FeatureError, "dim=-3"),
        (lambda: MlltAccs.new(4).accumulate_from_gmm(model(), F[0], 1.0), FeatureError, "expected 4"),
        (lambda: stats().accumulate_for_gmm(model(), F[0, :2], 1.0), SonantError, "2"),
        (
            lambda: stats().accumulate_from_posteriors(model(), F[0], [1.0]),
            FeatureError,
            "1 posteriors for 2 Gaussians",
        ),
        (
            lambda: stats().accumulate_from_posteriors_preselect(model(), [2], F[0], [1.0]),
            FeatureError,
            r"gselect=\[2\]; expected Gaussians from 0 to 1",
        ),
        (
            lambda: stats().accumulate_from_posteriors(model(), F[0], [np.nan, 1.0]),
            FeatureError,
            "not finite",
        ),
        (lambda: stats().update(mllr.FmllrOptions(), Matrix(3, 4)), FeatureError, "fmllr_mat is zero"),
        (
            lambda: mllr.compute_fmllr_matrix_diag_gmm(np.eye(3, 4), stats(), "half", 1, Matrix(3, 4)),
            FeatureError,
            "fMLLR of type 'half'; expected 'full'",
        ),
        (
            lambda: mllr.compute_fmllr_matrix_diag_gmm_full(
                np.eye(3, 4), mllr.FmllrDiagGmmAccs.from_dim(3), 5, Matrix(3, 4)
            ),
            FeatureError,
            "expected more frames",
        ),
        (
            lambda: mllr.compute_fmllr_matrix_diag_gmm_offset(
                np.eye(3, 4), mllr.FmllrDiagGmmAccs.from_dim(3), Matrix(3, 4)
            ),
            FeatureError,
            "statistics of 0 frames",
        ),
        (
            lambda: mllr.compute_fmllr_matrix_diag_gmm_diagonal(np.ones((3, 4)), stats(), Matrix(3, 4)),
            FeatureError,
            "from a diagonal one",
        ),
        (
            lambda: mllr.compute_fmllr_matrix_diag_gmm_offset(np.ones((3, 4)), stats(), Matrix(3, 4)),
            FeatureError,
            "that is the unit",
        ),
        (
            lambda: mllr.apply_feature_transform_to_stats(Matrix(3, 5), stats()),
            FeatureError,
            r"shape \(3, 5\)",
        ),
        (lambda: mllr.apply_model_transform_to_stats(np.ones((3, 4)), stats()), FeatureError, "a diagonal"),
        (
            lambda: stats().add(mllr.FmllrDiagGmmAccs.from_dim(2)),
            FeatureError,
            "dimension 2 .* to those of 3",
        ),
        (lambda: mllr.compute_fmllr_log_det(Matrix(3, 3)), FeatureError, r"expected \(dim, dim . 1\)"),
        (lambda: LinearVtln.new(3, 2, 2), FeatureError, "default_class=2"),
        (lambda: LinearVtln.new(3, 2, 1).set_warp(2, 1.0), FeatureError, "class 2; expected 0 to 1"),
        (lambda: LinearVtln.new(3, 2, 1).set_transform(0, Matrix(2, 2)), FeatureError, r"shape \(2, 2\)"),
        (lambda: LinearVtln.new(3, 2, 1).set_transform(0, Matrix(3, 3)), FeatureError, "singular"),
        (
            lambda: LinearVtln.new(3, 2, 1).compute_transform(stats(), "full", 1.0, Matrix(3, 4)),
            FeatureError,
            "norm_type='full'",
        ),
        (lambda: Cmvn().accumulate(F), FeatureError, "there are no statistics"),
        (lambda: Cmvn(2).accumulate(F), FeatureError, r"shape \(2, 3\); expected \(2, 4\)"),
        (lambda: Cmvn(3).apply(Matrix(F)), FeatureError, "statistics of 0 frames"),
        (lambda: Cmvn(3).skip_dims([3]), FeatureError, "dims=3; expected 0 to 2"),
        (
            lambda: acc_cmvn_stats(F, None, Matrix(2, 4)),
            MatrixError,
            "stats: Matrix of 2x4 cannot be written to",
        ),
        (
            lambda: apply_cmvn(np.ones((2, 4)), False, [[1, 2, 3]]),
            MatrixError,
            "feats: list .* cannot be written",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_cmvn_keeps_statistics_in_files(tmp_path):
    cmvn, other = Cmvn(3), Cmvn()
    cmvn.accumulate(F)
    for binary in True, False:
        cmvn.write_stats(str(tmp_path / "stats"), binary)
        other.read_stats(str(tmp_path / "stats"))
        np.testing.assert_allclose(other.stats.numpy(), cmvn.stats.numpy(), rtol=1e-5)


def test_statistics_in_a_view():
    """Rows of a wider matrix are not contiguous."""
    wide, stats = DoubleMatrix(2, 9), DoubleMatrix()
    init_cmvn_stats(3, stats)
    acc_cmvn_stats(F, None, stats)
    acc_cmvn_stats(F, None, wide.range(0, 2, 2, 4))
    np.testing.assert_array_equal(wide.numpy()[:, 2:6], stats.numpy())
    assert not wide.numpy()[:, 6:].any()
