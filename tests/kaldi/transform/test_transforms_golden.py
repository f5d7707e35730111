"""Transforms and their estimation, against Kaldi's (tests/oracle/make_transform_golden.py)."""

from pathlib import Path

import numpy as np
import pytest
from sonant._native import Input, Output

from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector, Matrix, Vector
from sonant.kaldi.matrix.packed import DoubleSpMatrix
from sonant.kaldi.transform import apply_affine_transform, compose_transforms, mllr
from sonant.kaldi.transform.lda import LdaEstimate, LdaEstimateOptions
from sonant.kaldi.transform.lvtln import LinearVtln
from sonant.kaldi.transform.mllt import MlltAccs

GOLDEN = np.load(Path(__file__).parent / "golden" / "transforms.npz")
DATA = GOLDEN["data"]
DIM = DATA.shape[1]


def load(kind, name):
    thing = kind()
    is_ = Input.from_bytes(GOLDEN[name].tobytes(), name)
    thing.read(is_, is_.header())
    assert is_.peek() == -1
    return thing


def file_of(thing, binary=True) -> bytes:
    os = Output.in_memory()
    os.header(binary)
    thing.write(os, binary)
    return os.getvalue()


def near(ours, name, rtol=1e-5, atol=1e-5):
    np.testing.assert_allclose(np.asarray(ours), GOLDEN[name], rtol=rtol, atol=atol)


def same_stats(ours, name, rtol=1e-5):
    """Statistics equal those of Kaldi's file: to 1e-5 of the largest, since Kaldi adds them up in float32."""
    theirs = load(type(ours), name)
    assert ours.dim() == theirs.dim()
    for part in (
        part for part in vars(theirs) if part in ("_k", "_g", "beta_", "_counts", "_sums", "_second")
    ):
        expected = np.asarray(getattr(theirs, part))
        np.testing.assert_allclose(
            getattr(ours, part), expected, rtol=rtol, atol=rtol * np.abs(expected).max()
        )


@pytest.fixture(scope="module")
def gmm():
    model = DiagGmm(3, DIM)
    model.set_weights(Vector(GOLDEN["weights"]))
    model.set_inv_vars_and_means(Matrix(GOLDEN["inv_vars"]), Matrix(GOLDEN["means"]))
    model.compute_gconsts()
    return model


# LDA


def test_lda_statistics():
    estimate = LdaEstimate()
    estimate.init(6, DIM)
    data, label, weight = (GOLDEN[f"lda {name}"] for name in ("data", "label", "weight"))
    for row, c, w in zip(data, label, weight, strict=True):
        estimate.accumulate(Vector(row), int(c), float(w))
    same_stats(estimate, "lda file")
    assert estimate.tot_count() == pytest.approx(GOLDEN["lda count"])
    at_once = LdaEstimate()
    at_once.init(6, DIM)
    at_once.accumulate(data, label, weight)
    np.testing.assert_allclose(at_once._second, estimate._second, rtol=1e-12)
    estimate.scale(0.25)
    same_stats(estimate, "lda scaled file")
    estimate.zero_accumulators()
    assert (estimate.tot_count(), estimate.num_classes(), estimate.dim()) == (0, 6, DIM)


@pytest.mark.parametrize(
    ("name", "options"),
    {
        "2": dict(dim=2),
        "4": dict(dim=4),
        "offset": dict(dim=3, remove_offset=True),
        "factor": dict(dim=3, within_class_factor=0.6),
        "both": dict(dim=2, within_class_factor=0.2, remove_offset=True),
    }.items(),
)
def test_lda(name, options):
    estimate, m, full = load(LdaEstimate, "lda file"), Matrix(), Matrix(7, 7)
    estimate.estimate(LdaEstimateOptions(**options), m, full)
    for ours, key in (m, f"lda {name}"), (full, f"lda {name} full"):
        theirs = GOLDEN[key]
        signs = np.sign(np.sum(ours.numpy() * theirs, axis=1, keepdims=True))
        np.testing.assert_allclose(ours.numpy() * signs, theirs, rtol=1e-3, atol=1e-4)


# MLLT


def test_mllt_statistics(gmm):
    accs = MlltAccs.new(DIM, 0.0)
    likelihoods = [accs.accumulate_from_gmm(gmm, Vector(row), 0.7) for row in DATA]
    near(likelihoods, "mllt likelihoods")
    same_stats(accs, "mllt file")
    one = MlltAccs.new(DIM, 0.0)
    one.accumulate_from_posteriors(gmm, Vector(DATA[0]), Vector([0.2, 0.3, 0.9]))
    one.accumulate_from_gmm_preselect(gmm, [2, 0], Vector(DATA[1]), 0.5)
    same_stats(one, "mllt one file")


def test_mllt():
    accs = load(MlltAccs, "mllt file")
    for name, start in ("mllt", np.eye(DIM)), ("mllt 2", GOLDEN["mllt start"]):
        matrix = Matrix(start)
        near(accs.update(matrix), f"{name} impr", rtol=1e-4)
        near(matrix, name, rtol=1e-4, atol=1e-4)
        again = Matrix(start)
        assert MlltAccs.update_static(accs.beta_, accs.G_, again) == pytest.approx(
            GOLDEN[f"{name} impr"], 1e-4
        )
        np.testing.assert_allclose(again.numpy(), matrix.numpy(), rtol=1e-5)


def test_random_pruning_keeps_the_mean(gmm):
    accs = MlltAccs.new(DIM, 0.5)
    for _ in range(400):
        accs.accumulate_from_posteriors(gmm, DATA[0], [0.1, 0.0, 0.9])
    assert accs.beta_ == pytest.approx(400, rel=0.05)
    assert 2 * accs.beta_ == pytest.approx(round(2 * accs.beta_ - 0.8 * 400) + 0.8 * 400)  # 0.5s and 0.9s


# fMLLR


def accumulated(gmm, data):
    accs = mllr.FmllrDiagGmmAccs.from_dim(DIM)
    return accs, [accs.accumulate_for_gmm(gmm, Vector(row), 0.9) for row in data]


def test_fmllr_statistics(gmm):
    accs, likelihoods = accumulated(gmm, DATA)
    near(likelihoods, "fmllr likelihoods")
    same_stats(accs, "fmllr file")
    few = mllr.FmllrDiagGmmAccs.from_dim(DIM)
    few.accumulate_from_posteriors(gmm, Vector(DATA[0]), Vector([0.2, 0.3, 0.9]))
    few.accumulate_from_posteriors_preselect(gmm, [2, 1], Vector(DATA[1]), Vector([0.4, 0.1]))
    few.accumulate_for_gmm_preselect(gmm, [2, 0], Vector(DATA[2]), 0.5)
    same_stats(few, "fmllr few file")


def start_of(name, kind):
    if name == "unit" or kind == "none":
        return mllr.init_fmllr(DIM)
    return Matrix(GOLDEN["start" if kind == "full" else f"start {kind}"])


@pytest.mark.parametrize("name", ["unit", "other"])
@pytest.mark.parametrize("kind", ["full", "diag", "offset", "none"])
@pytest.mark.parametrize("iterations", [1, 5, 40])
def test_fmllr(name, kind, iterations):
    accs, output = load(mllr.FmllrDiagGmmAccs, "fmllr file"), Matrix(DIM, DIM + 1)
    change = mllr.compute_fmllr_matrix_diag_gmm(start_of(name, kind), accs, kind, iterations, output)
    near(output, f"fmllr {kind} {iterations} {name}", rtol=1e-4, atol=1e-4)
    near(change, f"fmllr {kind} {iterations} {name} change", rtol=1e-3)


@pytest.mark.parametrize("name", ["unit", "other"])
def test_fmllr_update_and_objective(name):
    accs = load(mllr.FmllrDiagGmmAccs, "fmllr file")
    for count, kind in (100, "full"), (100, "diag"), (1000, "full"):
        matrix = start_of(name, kind)
        change = accs.update(mllr.FmllrOptions(min_count=count, update_type=kind), matrix)
        near(change, f"update {kind} {count} {name} change", rtol=1e-3)
        near(matrix, f"update {kind} {count} {name}", rtol=1e-4, atol=1e-4)
    start, gradient = start_of(name, "full"), Matrix(DIM, DIM + 1)
    near(mllr.fmllr_aux_func_diag_gmm(start, accs), f"auxf {name}")
    near(mllr.fmllr_aux_func_diag_gmm_double(DoubleMatrix(start), accs), f"auxf double {name}")
    near(mllr.fmllr_auxf_gradient(start, accs, gradient), f"gradient auxf {name}")
    near(gradient, f"gradient {name}", atol=1e-3)
    near(mllr.compute_fmllr_log_det(start), f"logdet {name}")


def test_one_row_by_hand():
    transform, inverse = DoubleMatrix(GOLDEN["start"]), DoubleSpMatrix(DIM + 1)
    inverse.set_unit_()
    inverse.scale_(0.01)
    mllr.fmllr_inner_update(inverse, DoubleVector(np.arange(DIM + 1) * 3.0), 100.0, 2, transform)
    near(transform, "inner")


@pytest.mark.parametrize("name", ["affine", "linear", "square"])
def test_a_transform_of_features_in_their_statistics(name, gmm):
    accs, _ = accumulated(gmm, DATA[:40])
    mllr.apply_feature_transform_to_stats(Matrix(GOLDEN[f"feature transform {name}"]), accs)
    same_stats(accs, f"feature transformed {name} file")


def test_a_transform_of_means_in_the_statistics(gmm):
    accs, _ = accumulated(gmm, DATA[:40])
    mllr.apply_model_transform_to_stats(Matrix(GOLDEN["model transform"]), accs)
    same_stats(accs, "model transformed file")


# Transforms


@pytest.mark.parametrize("name", ["linear linear", "affine linear", "affine affine", "linear affine"])
def test_composition(name):
    a, b = GOLDEN[f"{name} a"], GOLDEN[f"{name} b"]
    composed = compose_transforms(Matrix(a), Matrix(b), name.endswith("affine"))
    is_ = Input.from_bytes(GOLDEN[f"{name} file"].tobytes(), name)
    theirs = Matrix().read_(is_, is_.header()).numpy()
    np.testing.assert_allclose(composed.numpy(), theirs, rtol=1e-5, atol=1e-5)


def test_an_affine_transform_of_a_vector():
    vector = Vector(DATA[0])
    apply_affine_transform(Matrix(GOLDEN["apply 5 transform"]), vector)
    near(vector, "apply 5")


# Linear VTLN


@pytest.mark.parametrize("kind", ["none", "offset", "diag"])
@pytest.mark.parametrize("scale", [1.0, 0.0, 0.5])
def test_lvtln(kind, scale):
    model, accs = load(LinearVtln, "lvtln file"), load(mllr.FmllrDiagGmmAccs, "fmllr file")
    output = Matrix(DIM, DIM + 1)
    result = model.compute_transform(accs, kind, scale, output)
    near(result, f"lvtln {kind} {scale} result", rtol=1e-3, atol=1e-3)
    near(output, f"lvtln {kind} {scale}", rtol=1e-4, atol=1e-4)


def test_lvtln_classes():
    model, theirs = LinearVtln.new(DIM, 4, 1), load(LinearVtln, "lvtln file")
    for i in range(4):
        model.set_transform(i, Matrix(GOLDEN[f"warp transform {i}"]))
        model.set_warp(i, 0.85 + 0.1 * i)
        out = Matrix(DIM, DIM)
        theirs.get_transform(i, out)
        np.testing.assert_array_equal(out.numpy(), GOLDEN[f"warp transform {i}"])
        assert theirs.get_warp(i) == pytest.approx(0.85 + 0.1 * i)
    assert (theirs.dim(), theirs.num_classes()) == (DIM, 4)
    np.testing.assert_allclose(model._log_dets, theirs._log_dets, rtol=1e-5)
    output = Matrix(DIM, DIM + 1)
    result = model.compute_transform(mllr.FmllrDiagGmmAccs.from_dim(DIM), "offset", 1.0, output)
    near(result, "lvtln nothing result")
    near(output, "lvtln nothing")


# Files

FILES = [
    (LdaEstimate, "lda file"),
    (MlltAccs, "mllt file"),
    (mllr.FmllrDiagGmmAccs, "fmllr file"),
    (LinearVtln, "lvtln file"),
]


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_files_are_written_as_they_were_read(kind, name):
    thing = load(kind, name)
    if kind is not LdaEstimate:  # whose second statistics lose the last bit on the way
        assert file_of(thing) == GOLDEN[name].tobytes()
    text = Input.from_bytes(file_of(thing, False), "text")
    again = kind()
    again.read(text, text.header())
    for part, value in vars(thing).items():
        if part != "_random":
            np.testing.assert_allclose(vars(again)[part], value, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("kind", "name"), FILES[:3])
def test_statistics_are_added(kind, name):
    thing = load(kind, name)
    is_ = Input.from_bytes(GOLDEN[name].tobytes(), name)
    thing.read(is_, is_.header(), True)
    once = load(kind, name)
    for part in "_k", "_g", "_counts", "_sums", "_second":
        if hasattr(once, part):
            np.testing.assert_allclose(getattr(thing, part), 2 * getattr(once, part), rtol=1e-6)
