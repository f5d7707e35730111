"""Kaldi's own mixtures, statistics and updates: golden files of tests/kaldi/gmm.

    YESNO_ASSETS=<the yesno run> <python 3.7 with pykaldi 0.2.1> tests/oracle/make_gmm_golden.py

YESNO_ASSETS is the folder of the run whose model is in tests/data/kaldi-yesno; its MFCC archive is read.
"""

import os

import numpy as np
from kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
from kaldi.gmm import (
    AccumDiagGmm,
    AccumFullGmm,
    DiagGmm,
    FullGmm,
    GmmUpdateFlags,
    MapDiagGmmOptions,
    MleDiagGmmOptions,
    MleFullGmmOptions,
    get_split_targets,
    map_diag_gmm_update,
    ml_objective,
    mle_diag_gmm_update,
    mle_full_gmm_update,
)
from kaldi.gmm.am import (
    AccumAmDiagGmm,
    AmDiagGmm,
    DecodableAmDiagGmmScaled,
    map_am_diag_gmm_update,
    mle_am_diag_gmm_update,
)
from kaldi.hmm import TransitionModel
from kaldi.matrix import DoubleVector, Matrix, Vector
from kaldi.matrix.packed import SpMatrix
from kaldi.util.io import xopen
from kaldi.util.table import SequentialIntVectorReader, SequentialMatrixReader
from kaldi_objects import YESNO, golden, read, write

GMM = golden("gmm")
FLAGS = int(GmmUpdateFlags.ALL)


def diag(rng, count, dim, weights=None):
    gmm = DiagGmm(count, dim)
    gmm.set_weights(
        Vector((rng.dirichlet(np.ones(count) * 3) if weights is None else weights).astype(np.float32))
    )
    gmm.set_inv_vars_and_means(
        Matrix(rng.uniform(0.5, 2, (count, dim)).astype(np.float32)),
        Matrix(rng.randn(count, dim).astype(np.float32)),
    )
    gmm.compute_gconsts()
    return gmm


def full(rng, count, dim):
    gmm = FullGmm(count, dim)
    gmm.set_weights(Vector(rng.dirichlet(np.ones(count) * 3).astype(np.float32)))
    inverses = []
    for _ in range(count):
        a = rng.randn(dim, dim) * 0.4 + np.eye(dim)
        inverses.append(sp(a @ a.T + 0.3 * np.eye(dim)))
    gmm.set_inv_covars_and_means(inverses, Matrix(rng.randn(count, dim).astype(np.float32)))
    gmm.compute_gconsts()
    return gmm


def sp(square):
    matrix = SpMatrix(len(square))
    matrix.copy_from_mat_(Matrix(square.astype(np.float32)))
    return matrix


def statistics(rng, gmm, frames):
    acc = AccumDiagGmm.new(gmm, FLAGS)
    for frame in frames:
        acc.accumulate_from_diag(gmm, Vector(frame), 0.75)
    return acc


def mixtures():
    rng = np.random.RandomState(4)
    arrays = {}
    gmm = diag(rng, 8, 5)
    write(GMM / "diag", gmm)
    write(GMM / "zero_weight", diag(rng, 4, 3, np.array([0.5, 0.5, 0, 0])))
    frames = (rng.randn(60, 5) * 1.2).astype(np.float32)
    arrays["frames"] = frames
    for name, mixture in (("diag", gmm), ("full", full(rng, 6, 5))):
        write(GMM / name, mixture)
        arrays[name + "_log_likelihoods"] = np.stack(
            [np.array(mixture.log_likelihoods(Vector(f))) for f in frames]
        )
        arrays[name + "_log_likelihood"] = np.array([mixture.log_likelihood(Vector(f)) for f in frames])
        arrays[name + "_posteriors"] = np.stack(
            [np.array(mixture.component_posteriors(Vector(f))[1]) for f in frames]
        )
        selected = [mixture.gaussian_selection(Vector(f), 3) for f in frames]
        arrays[name + "_selected"] = np.array([list(s[1]) for s in selected])
        arrays[name + "_selected_log_likelihood"] = np.array([s[0] for s in selected])
        preselected = [mixture.gaussian_selection_preselect(Vector(f), [0, 2, 3, 5], 2) for f in frames]
        arrays[name + "_preselected"] = np.array([list(s[1]) for s in preselected])
        merged = type(mixture)().copy(mixture)
        # Of full Gaussians the first choice only: for later ones Kaldi's determinants are those of before it.
        order = merged.merge(3 if name == "diag" else 5)
        if name == "diag":
            arrays["diag_merge_order"] = np.array(order)
        write(GMM / (name + "_merged"), merged)
        one = type(mixture)().copy(mixture)
        one.merge(1)
        write(GMM / (name + "_one"), one)
        split = type(mixture)().copy(mixture)
        arrays[name + "_split_order"] = np.array(split.split(13, 0.0))
        write(GMM / (name + "_split"), split)
        removed = type(mixture)().copy(mixture)
        removed.remove_components([1, 4], True)
        removed.compute_gconsts()
        write(GMM / (name + "_removed"), removed)
    write(GMM / "full_from_diag", FullGmm().copy(gmm))
    write(GMM / "diag_from_full", DiagGmm().copy(read(FullGmm, GMM / "full.bin")))
    other = diag(rng, 8, 5)
    write(GMM / "other", other)
    for flags in (FLAGS, 1, 5):
        mixed = DiagGmm().copy(gmm)
        mixed.interpolate(0.3, other, flags)
        write(GMM / f"interpolated_{flags}", mixed)
    model = AmDiagGmm()
    model.init(gmm, 1)
    model.add_pdf(other)
    model.merge_by_count(Vector([100.0, 5.0]), 9, 0.25, 1.0)
    write(GMM / "am_merged", model)
    acc = statistics(rng, gmm, frames)
    write(GMM / "acc", acc)
    arrays["objective"] = np.array(ml_objective(gmm, acc))
    smoothed = AccumDiagGmm.with_other(acc)
    smoothed.smooth_stats(2.0)
    write(GMM / "acc_smooth", smoothed)
    smoothed.smooth_with_model(3.0, gmm)
    smoothed.smooth_with_accum(1.5, acc)
    smoothed.add(0.3, acc)
    smoothed.scale(0.5, 7)
    write(GMM / "acc_mixed", smoothed)
    for name, options, flags in (
        ("plain", dict(min_gaussian_occupancy=3.0), FLAGS),
        ("keep", dict(min_gaussian_occupancy=6.0, remove_low_count_gaussians=False), FLAGS),
        ("remove", dict(min_gaussian_occupancy=6.0), FLAGS),
        ("floor", dict(min_gaussian_occupancy=0.0, min_variance=0.9), FLAGS),
        (
            "floors",
            dict(min_gaussian_occupancy=0.0, variance_floor_vector=DoubleVector([0.1, 0.5, 0.9, 1.0, 2.0])),
            FLAGS,
        ),
        ("variances", dict(min_gaussian_occupancy=0.0), 2),
        ("means", dict(min_gaussian_occupancy=0.0), 1),
        ("weights", dict(min_gaussian_occupancy=0.0), 4),
    ):
        config = MleDiagGmmOptions()
        for key, value in options.items():
            setattr(config, key, value)
        updated = DiagGmm().copy(gmm)
        arrays["mle_" + name] = np.array(mle_diag_gmm_update(config, acc, flags, updated))
        write(GMM / ("mle_" + name), updated)
    for name, flags in (("all", FLAGS), ("means", 1), ("variances", 2)):
        updated = DiagGmm().copy(gmm)
        arrays["map_" + name] = np.array(map_diag_gmm_update(MapDiagGmmOptions(), acc, flags, updated))
        write(GMM / ("map_" + name), updated)
    arrays["occupancies"] = occupancies = rng.uniform(0, 1000, 40).astype(np.float32)
    for power, least in ((0.25, 20.0), (1.0, 0.0), (0.2, 100.0)):
        arrays[f"targets_{power:g}_{least:g}"] = np.array(
            get_split_targets(Vector(occupancies), 200, power, least)
        )
    np.savez_compressed(str(GMM / "mixtures.npz"), **arrays)


def yesno():
    """Frames of a recording of the run, their likelihoods, statistics and updates of the model."""
    model, am = TransitionModel(), AmDiagGmm()
    with xopen(str(YESNO / "40.mdl")) as ki:
        model.read(ki.stream(), ki.binary)
        am.read(ki.stream(), ki.binary)
    assets = os.environ["YESNO_ASSETS"]
    with SequentialMatrixReader(f"ark:{assets}/data/train_yesno/data/raw_mfcc_train_yesno.1.ark") as reader:
        key, feats = next(iter(reader))
        values = np.array(feats)
    values = values - values.mean(0)
    frames = np.array(compute_deltas(DeltaFeaturesOptions(), Matrix(values.astype(np.float32))))[:200]
    likelihoods = np.array([[am.log_likelihood(p, Vector(f)) for p in range(am.num_pdfs())] for f in frames])
    kept = Matrix(frames)  # the decodable does not keep it alive
    decodable = DecodableAmDiagGmmScaled(am, model, kept, 0.1)
    scaled = np.array([[decodable.log_likelihood(t, i) for i in (1, 7, 30)] for t in range(0, 200, 10)])
    with SequentialIntVectorReader(f"ark:gunzip -c {YESNO / 'ali.1.gz'} |") as reader:
        ali = next(list(a) for k, a in reader if k == key)[:200]
    pdfs = [model.transition_id_to_pdf(t) for t in ali]
    initial = AmDiagGmm()
    with xopen(str(YESNO / "0.mdl")) as ki:
        TransitionModel().read(ki.stream(), ki.binary)
        initial.read(ki.stream(), ki.binary)
    acc = AccumAmDiagGmm()
    acc.init(initial, FLAGS)
    for time, pdf in enumerate(pdfs):
        acc.accumulate_for_gmm(initial, Vector(frames[time]), pdf, 1.0)
    write(GMM / "am_acc", acc)
    config = MleDiagGmmOptions()
    config.min_gaussian_occupancy = 3.0
    results = [mle_am_diag_gmm_update(config, acc, FLAGS, initial)]
    write(GMM / "am_mle", initial)
    results.append(map_am_diag_gmm_update(MapDiagGmmOptions(), acc, FLAGS, initial))
    write(GMM / "am_map", initial)
    occupancies = np.array([np.sum(np.array(pdfs) == p) for p in range(11)], np.float32)
    initial.split_by_count(Vector(occupancies), 30, 0.0, 0.25, 3.0)
    write(GMM / "am_split", initial)
    np.savez_compressed(
        str(GMM / "yesno.npz"),
        frames=frames,
        log_likelihoods=likelihoods.astype(np.float32),
        scaled=scaled,
        pdfs=pdfs,
        totals=np.array([acc.tot_count(), acc.tot_log_like(), acc.tot_stats_count()]),
        results=np.array(results),
        occupancies=occupancies,
    )


def full_updates():
    gmm, frames = read(FullGmm, GMM / "full.bin"), np.load(str(GMM / "mixtures.npz"))["frames"]
    acc = AccumFullGmm.new_with_full(gmm, FLAGS)
    for frame in frames:
        acc.accumulate_from_full(gmm, Vector(frame), 0.75)
    acc.accumulate_for_component(Vector(frames[0]), 1, 2.0)
    acc.accumulate_from_posteriors(Vector(frames[1]), Vector([0.1, 0.2, 0.3, 0, 0, 0.4]))
    write(GMM / "acc_full", acc)
    write(GMM / "acc_full_weights", AccumFullGmm.new_with_params(2, 3, 4))
    arrays = {}
    for name, flags, floor, condition in (
        ("all", FLAGS, 0.001, 1e4),
        ("floor", FLAGS, 0.5, 1e4),
        ("condition", FLAGS, 0.001, 3.0),
        ("variances", 2, 0.001, 1e4),
        ("means", 1, 0.001, 1e4),
    ):
        config = MleFullGmmOptions()
        config.min_gaussian_occupancy = 2.0
        config.remove_low_count_gaussians = False
        config.variance_floor, config.max_condition = floor, condition
        updated = FullGmm().copy(gmm)
        arrays[name] = np.array(mle_full_gmm_update(config, acc, flags, updated))
        write(GMM / ("fmle_" + name), updated)
    np.savez_compressed(str(GMM / "full_updates.npz"), **arrays)


mixtures()
full_updates()
yesno()
