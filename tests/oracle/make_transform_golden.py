"""Makes tests/kaldi/transform/golden/transforms.npz: Kaldi's transforms and what it estimates them from.

Run with the Python 3.7 that PyPI's pykaldi 0.2.1 is installed in: python make_transform_golden.py
The inputs are formulas, and are stored beside the outputs; statistics and models as Kaldi's binary files.
"""

from pathlib import Path

import numpy as np
from kaldi import transform as tf
from kaldi.gmm import DiagGmm
from kaldi.matrix import DoubleMatrix, DoubleVector, Matrix, Vector
from kaldi.matrix.packed import DoubleSpMatrix
from kaldi.transform import lda, lvtln, mllr, mllt
from kaldi.util.io import xopen

GOLDEN = Path(__file__).parents[1] / "kaldi" / "transform" / "golden"
TEMPORARY = Path("/tmp/sonant_golden.bin")
RNG = np.random.RandomState(5)
DIM, FRAMES = 4, 150

arrays = {}


def keep(name, value):
    arrays[name] = np.array(value.numpy() if hasattr(value, "numpy") else value)


def file_of(thing):
    with xopen(str(TEMPORARY), "wb") as ko:
        thing.write(ko.stream(), True)
    return np.frombuffer(TEMPORARY.read_bytes(), np.uint8)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


MEANS, INV_VARS, WEIGHTS = normal(3, DIM), np.exp(normal(3, DIM) / 3), np.array([0.5, 0.2, 0.3], np.float32)
CLASSES = RNG.randint(0, 3, FRAMES)
DATA = (MEANS[CLASSES] + normal(FRAMES, DIM)).dot(np.eye(DIM) + 0.3 * normal(DIM, DIM)) + np.float32(0.3)
DATA = DATA.astype(np.float32)
arrays.update(data=DATA, means=MEANS, inv_vars=INV_VARS, weights=WEIGHTS)


def gmm():
    model = DiagGmm(3, DIM)
    model.set_weights(Vector(WEIGHTS))
    model.set_inv_vars_and_means(Matrix(INV_VARS), Matrix(MEANS))
    model.compute_gconsts()
    return model


def lda_estimates():
    classes = 6
    label = np.arange(FRAMES) % classes
    data = DATA + normal(classes, DIM)[label] * 2
    weight = np.where(np.arange(FRAMES) % 5, 1, 0.5).astype(np.float32)
    arrays.update({"lda data": data, "lda label": label, "lda weight": weight})
    estimate = lda.LdaEstimate()
    estimate.init(classes, DIM)
    for i in range(FRAMES):
        estimate.accumulate(Vector(data[i]), int(label[i]), float(weight[i]))
    keep("lda file", file_of(estimate))
    keep("lda count", estimate.tot_count())
    cases = {
        "2": dict(dim=2), "4": dict(dim=4), "offset": dict(dim=3, remove_offset=True),
        "factor": dict(dim=3, within_class_factor=0.6),
        "both": dict(dim=2, within_class_factor=0.2, remove_offset=True),
    }  # fmt: skip
    for name, values in cases.items():
        options = lda.LdaEstimateOptions()
        for key, value in values.items():
            setattr(options, key, value)
        m, full = Matrix(), Matrix()
        estimate.estimate(options, m, full)
        keep(f"lda {name}", m)
        keep(f"lda {name} full", full)
    estimate.scale(0.25)
    keep("lda scaled file", file_of(estimate))
    # Fewer classes than dimensions, all of them seen once: a singular within-class covariance.
    flat = lda.LdaEstimate()
    flat.init(3, DIM)
    for i in range(3):
        flat.accumulate(Vector(data[i]), i)
    options.dim, options.within_class_factor, options.remove_offset = 2, 1.0, False
    keep("lda flat file", file_of(flat))
    try:
        flat.estimate(options, m)
        keep("lda flat", m)
    except RuntimeError:
        print("lda flat: refused")


def mllt_updates():
    accs = mllt.MlltAccs.new(DIM, 0.0)
    likelihoods = [accs.accumulate_from_gmm(gmm(), Vector(row), 0.7) for row in DATA]
    keep("mllt likelihoods", np.array(likelihoods))
    keep("mllt file", file_of(accs))
    start = Matrix(np.eye(DIM))
    keep("mllt impr", np.array(accs.update(start)))
    keep("mllt", start)
    other = Matrix(np.eye(DIM) + 0.2 * np.arange(DIM * DIM).reshape(DIM, DIM) % 0.7)
    keep("mllt start", other)
    keep("mllt 2 impr", np.array(accs.update(other)))
    keep("mllt 2", other)
    one = mllt.MlltAccs.new(DIM, 0.0)
    one.accumulate_from_posteriors(gmm(), Vector(DATA[0]), Vector([0.2, 0.3, 0.9]))
    one.accumulate_from_gmm_preselect(gmm(), [2, 0], Vector(DATA[1]), 0.5)
    keep("mllt one file", file_of(one))


def stats_of(data):
    accs = mllr.FmllrDiagGmmAccs.from_dim(DIM)
    likelihoods = [accs.accumulate_for_gmm(gmm(), Vector(row), 0.9) for row in data]
    # Kaldi holds the last frame back until another comes: this one weighs nothing.
    accs.accumulate_from_posteriors(gmm(), Vector([9.0] * DIM), Vector([0.0] * 3))
    return accs, likelihoods


def fmllr():
    accs, likelihoods = stats_of(DATA)
    keep("fmllr likelihoods", np.array(likelihoods))
    keep("fmllr file", file_of(accs))
    few = mllr.FmllrDiagGmmAccs.from_dim(DIM)
    few.accumulate_from_posteriors(gmm(), Vector(DATA[0]), Vector([0.2, 0.3, 0.9]))
    few.accumulate_from_posteriors_preselect(gmm(), [2, 1], Vector(DATA[1]), Vector([0.4, 0.1]))
    few.accumulate_for_gmm_preselect(gmm(), [2, 0], Vector(DATA[2]), 0.5)
    few.accumulate_from_posteriors(gmm(), Vector([9.0] * DIM), Vector([0.0] * 3))
    keep("fmllr few file", file_of(few))
    unit = Matrix(np.eye(DIM, DIM + 1))
    other = Matrix(np.eye(DIM, DIM + 1) + 0.1 * normal(DIM, DIM + 1))
    keep("start", other)
    # Diagonal and offset transforms start from such.
    starts = {"full": other, "none": unit}
    for kind, square in ("diag", np.diag([0.7, 1.5, 1.0, 2.0])), ("offset", np.eye(DIM)):
        starts[kind] = Matrix(np.hstack((square, normal(DIM, 1))))
        keep(f"start {kind}", starts[kind])
    for name, start in ("unit", unit), ("other", other):
        keep(f"auxf {name}", mllr.fmllr_aux_func_diag_gmm(start, accs))
        keep(f"auxf double {name}", mllr.fmllr_aux_func_diag_gmm_double(DoubleMatrix(start), accs))
        gradient = Matrix(DIM, DIM + 1)
        keep(f"gradient auxf {name}", mllr.fmllr_auxf_gradient(start, accs, gradient))
        keep(f"gradient {name}", gradient)
        keep(f"logdet {name}", mllr.compute_fmllr_log_det(start))
        for kind in "full", "diag", "offset", "none":
            start = unit if name == "unit" else starts[kind]
            for iterations in (1, 5, 40):
                output = Matrix(DIM, DIM + 1)
                change = mllr.compute_fmllr_matrix_diag_gmm(start, accs, kind, iterations, output)
                keep(f"fmllr {kind} {iterations} {name}", output)
                keep(f"fmllr {kind} {iterations} {name} change", change)
        for count, kind in (100, "full"), (100, "diag"), (1000, "full"):
            start = unit if name == "unit" else starts[kind]
            options = mllr.FmllrOptions()
            options.min_count, options.update_type = count, kind
            matrix = Matrix(start)
            keep(f"update {kind} {count} {name} change", np.array(accs.update(options, matrix)))
            keep(f"update {kind} {count} {name}", matrix)
    # One row by hand.
    transform, inverse = DoubleMatrix(other), DoubleSpMatrix(DIM + 1)
    inverse.set_unit_()
    inverse.scale_(0.01)
    mllr.fmllr_inner_update(inverse, DoubleVector(np.arange(DIM + 1) * 3.0), 100.0, 2, transform)
    keep("inner", transform)


def stats_transforms():
    pieces = {
        "affine": np.eye(DIM, DIM + 1) + 0.2 * normal(DIM, DIM + 1),
        "linear": np.eye(DIM) + 0.2 * normal(DIM, DIM),
        "square": np.vstack((np.eye(DIM, DIM + 1) + 0.2 * normal(DIM, DIM + 1), np.eye(1, DIM + 1, DIM))),
    }  # fmt: skip
    for name, transform in pieces.items():
        arrays[f"feature transform {name}"] = transform = transform.astype(np.float32)
        accs, _ = stats_of(DATA[:40])
        mllr.apply_feature_transform_to_stats(Matrix(transform), accs)
        keep(f"feature transformed {name} file", file_of(accs))
    model = np.zeros((DIM, DIM + 1), np.float32)
    model[:, :DIM], model[:, DIM] = np.diag([0.5, 2, 1.5, -1]), [1, -2, 0.5, 0]
    arrays["model transform"] = model
    accs, _ = stats_of(DATA[:40])
    mllr.apply_model_transform_to_stats(Matrix(model), accs)
    keep("model transformed file", file_of(accs))


def compositions():
    cases = {
        "linear linear": (4, 4, False),
        "affine linear": (5, 4, False),
        "affine affine": (5, 5, True),
        "linear affine": (4, 5, True),
    }
    for name, (a_columns, b_columns, affine) in cases.items():
        a, b = normal(3, a_columns), normal(4, b_columns)
        arrays[f"{name} a"], arrays[f"{name} b"] = a, b
        keep(f"{name} file", file_of(tf.compose_transforms(Matrix(a), Matrix(b), affine)))
    for columns in (4, 5):
        vector, transform = Vector(DATA[0]), Matrix(normal(DIM, columns))
        keep(f"apply {columns} transform", transform)
        if columns == DIM + 1:
            tf.apply_affine_transform(transform, vector)
            keep(f"apply {columns}", vector)


def warps():
    accs, _ = stats_of(DATA)
    model = lvtln.LinearVtln.new(DIM, 4, 1)
    for i in range(4):
        transform = np.eye(DIM, dtype=np.float32) * (1 + 0.1 * i) + 0.1 * normal(DIM, DIM)
        arrays[f"warp transform {i}"] = transform
        model.set_transform(i, Matrix(transform))
        model.set_warp(i, 0.85 + 0.1 * i)
    keep("lvtln file", file_of(model))
    for kind in "none", "offset", "diag":
        for scale in (1.0, 0.0, 0.5):
            output = Matrix(DIM, DIM + 1)
            keep(f"lvtln {kind} {scale} result", np.array(model.compute_transform(accs, kind, scale, output)))
            keep(f"lvtln {kind} {scale}", output)
    output = Matrix(DIM, DIM + 1)
    nothing = mllr.FmllrDiagGmmAccs.from_dim(DIM)
    keep("lvtln nothing result", np.array(model.compute_transform(nothing, "offset", 1.0, output)))
    keep("lvtln nothing", output)


if __name__ == "__main__":
    lda_estimates()
    mllt_updates()
    fmllr()
    stats_transforms()
    compositions()
    warps()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(GOLDEN / "transforms.npz", **arrays)
    TEMPORARY.unlink()
    print(len(arrays), (GOLDEN / "transforms.npz").stat().st_size)
