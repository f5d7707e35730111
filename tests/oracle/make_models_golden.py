"""Kaldi's own trees, transition models and mixtures: the golden files of tests/kaldi/{tree,hmm,gmm}.

    YESNO_ASSETS=<the yesno run> <python 3.7 with pykaldi 0.2.1> tests/oracle/make_models_golden.py

YESNO_ASSETS is the folder of the run whose model is in tests/data/kaldi-yesno; its MFCC archive is read.

Everything random has a fixed seed, but for the tree that Kaldi draws itself: that is kept once it is there.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from kaldi.gmm import (
    AccumDiagGmm,
    DiagGmm,
    FullGmm,
    GmmUpdateFlags,
    MapDiagGmmOptions,
    MleDiagGmmOptions,
    get_split_targets,
    map_diag_gmm_update,
    ml_objective,
    mle_diag_gmm_update,
)
from kaldi.gmm.am import (
    AccumAmDiagGmm,
    AmDiagGmm,
    DecodableAmDiagGmmScaled,
    map_am_diag_gmm_update,
    mle_am_diag_gmm_update,
)
from kaldi.hmm import (
    HmmTopology,
    MapTransitionUpdateConfig,
    MleTransitionUpdateConfig,
    Posterior,
    TransitionModel,
    convert_alignment,
    get_ilabel_mapping,
    get_pdfs_for_phones,
    get_phones_for_pdfs,
    merge_posteriors,
    split_to_phones,
    vector_to_posterior_entries,
)
from kaldi.matrix import DoubleVector, Matrix, Vector
from kaldi.matrix.packed import SpMatrix
from kaldi.tree import (
    ContextDependency,
    EventMap,
    GaussClusterable,
    get_tree_structure,
    monophone_context_dependency,
    monophone_context_dependency_shared,
    write_build_tree_stats,
)
from kaldi.tree._context_dep import _gen_rand_context_dependency_large
from kaldi.util import ConstIntegerSet
from kaldi.util.io import xopen
from kaldi.util.table import SequentialIntVectorReader

TESTS = Path(__file__).resolve().parents[1]
YESNO = TESTS / "data" / "kaldi-yesno"
FLAGS = int(GmmUpdateFlags.ALL)


def read(cls, path, *more):
    obj = cls()
    with xopen(str(path)) as ki:
        obj.read(ki.stream(), ki.binary, *more)
    return obj


def read_text(cls, text):
    (OUT / "scratch").write_text(text)
    obj = read(cls, OUT / "scratch")
    os.remove(str(OUT / "scratch"))
    return obj


def write(name, *objs):
    """name.bin and name.txt, as Kaldi writes the objects one after another."""
    for suffix, binary in ((".bin", True), (".txt", False)):
        with xopen(str(OUT / (name + suffix)), "wb" if binary else "wt") as ko:
            for obj in objs:
                obj.write(ko.stream(), binary)


def text_of(write_object, *args):
    path = str(OUT / "scratch")
    with xopen(path, "wt") as ko:
        write_object(ko.stream(), *args)
    text = Path(path).read_text()
    os.remove(path)
    return text


def attempt(function, *args):
    """What it returns, or None where it fails."""
    try:
        return function(*args)
    except (ValueError, RuntimeError):
        return None


def save(name, values):
    (OUT / name).write_text(json.dumps(values, sort_keys=True, separators=(",", ":")) + "\n")


# Trees

SPLITS = (
    "ContextDependency 3 1 ToPdf SE 0 [ 2 3 ]\n{ TE -1 4 ( CE 0 CE 1 NULL CE 5 ) SE 1 [ 1 4 7 ]\n"
    "{ CE 2 TE 2 3 ( NULL CE 3 CE 4 ) } } EndContextDependency "
)


def emap(text):
    (OUT / "scratch").write_text(text)
    with xopen(str(OUT / "scratch")) as ki:
        return EventMap.read_event_map(ki.stream(), ki.binary)


def trees():
    write("splits", read_text(ContextDependency, SPLITS))
    path = OUT / "triphone.bin"
    if not path.exists():
        write("triphone", _gen_rand_context_dependency_large([1, 2, 3, 5], 3, 1, True)[0])
    tree = read(ContextDependency, path)
    rng = np.random.RandomState(1)
    windows = [[*rng.randint(0, 7, 3).tolist(), int(rng.randint(-1, 5))] for _ in range(300)]
    classes = [-1, 2, 1, 3, -1, 3]
    expected = {
        "windows": windows,
        "pdfs": [attempt(tree.compute, w[:3], w[3]) for w in windows],
        "structure": get_tree_structure(tree.to_pdf_map()),
        "num_pdfs": tree.num_pdfs(),
        "pdf_info": tree.get_pdf_info([1, 2, 3, 5], classes),
        "answers": [[[list(pair) for pair in e], tree.to_pdf_map().multi_map(e)] for e in EVENTS],
        "pair_classes": [[], [[0, 1]], [[0, 0], [1, 0]], [[0, 1], [1, 2]], [], [[2, 0]]],
    }
    pairs = tree.get_pdf_pair_info([1, 2, 3, 5], [[tuple(p) for p in c] for c in expected["pair_classes"]])
    expected["pair_info"] = [[sorted(found) for found in phone] for phone in pairs]
    monophone = []
    for sets in ([[1, 2, 3]], [[5]], [[1, 7]], [[1], [2, 3]]):
        if len(sets) == 1:
            tree = monophone_context_dependency(sets[0], CLASSES)
            sets = [[phone] for phone in sets[0]]
        else:
            tree = monophone_context_dependency_shared(sets, CLASSES)
        monophone.append([sets, text_of(tree.write, False)])
    sets = [[1, 2], [3], [5, 9], [12], [7]]
    tree = monophone_context_dependency_shared(sets, CLASSES)
    monophone.append([sets, text_of(tree.write, False)])
    expected["monophone"] = monophone
    expected["classes"] = CLASSES
    expected["pruned"] = []
    for text in PRUNED:
        pruned = emap(text).prune()
        shown = None if pruned is None else text_of(EventMap.write_event_map, False, pruned)
        expected["pruned"].append([text, shown])
    values = emap(PRUNED[-1]).map_values({0}, {2: 12, 3: 13})
    expected["map_values"] = text_of(values.write_to_stream, False)
    save("expected.json", expected)
    stats = GaussClusterable.new_with_dim(3, 0.01)
    other = GaussClusterable.new_with_dim(3, 0.01)
    for frame, weight in (([1.0, 2, 3], 2.0), ([1.5, -2, 3], 1.0), ([0.5, 0.25, -1], 4.0)):
        stats.add_stats(Vector(frame), weight)
        other.add_stats(Vector(frame[::-1]), weight * 2)
    pairs = [([(-1, 0), (0, 1), (1, 2)], stats), ([(-1, 1), (1, 2)], other)]
    for suffix, binary in ((".bin", True), (".txt", False)):
        with xopen(str(OUT / ("stats" + suffix)), "wb" if binary else "wt") as ko:
            write_build_tree_stats(ko.stream(), binary, pairs)
    save(
        "stats.json",
        {
            "objf": stats.objf(),
            "plus": stats.objf_plus(other),
            "distance": stats.distance(other),
            "normalizer": stats.normalizer(),
        },
    )


EVENTS = [
    [],
    [(-1, 0)],
    [(0, 1)],
    [(1, 2)],
    [(0, 1), (1, 2)],
    [(-1, 1), (1, 5)],
    [(-1, 2), (0, 3), (1, 5), (2, 0)],
]
CLASSES = [-1, 3, 3, 3, 3, 5, 3, 3, 3, 2, 3, 3, 3]
PRUNED = [
    "SE 0 [ 1 ]\n{ CE -1 CE 2 } ",
    "TE 0 3 ( NULL CE -1 CE -1 ) ",
    "TE 0 4 ( NULL CE 3 CE -1 NULL ) ",
    "TE 0 3 ( NULL CE -1 CE 3 ) ",
    "CE -1 ",
    "SE 0 [ 2 3 ]\n{ TE -1 4 ( CE 0 CE 1 NULL CE 5 ) SE 1 [ 1 4 7 ]\n{ CE 2 TE 2 3 ( NULL CE 3 CE 4 ) } } ",
]

# HMMs

TOPO = """<Topology> <TopologyEntry> <ForPhones> 1 2 3 </ForPhones>
<State> 0 <ForwardPdfClass> 0 <SelfLoopPdfClass> 1 <Transition> 0 0.5 <Transition> 1 0.5 </State>
<State> 1 </State> </TopologyEntry>
<TopologyEntry> <ForPhones> 5 </ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.3 <Transition> 1 0.5 <Transition> 2 0.2 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.9 <Transition> 3 0.1 </State>
<State> 2 <Transition> 1 1.0 </State>
<State> 3 </State> </TopologyEntry> </Topology> """
HMM_TOPO = """<Topology> <TopologyEntry> <ForPhones> 1 2 3 5 </ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.75 <Transition> 1 0.25 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.75 <Transition> 2 0.25 </State>
<State> 2 <PdfClass> 2 <Transition> 2 0.75 <Transition> 3 0.25 </State>
<State> 3 </State> </TopologyEntry> </Topology> """
CHAIN_TREE = (
    "ContextDependency 3 1 ToPdf SE 1 [ 1 2 3 ]\n{ SE 0 [ 1 5 ]\n "
    "{ TE -1 2 ( CE 0 CE 1 ) TE -1 2 ( CE 2 CE 3 ) } SE -1 [ 0 ]\n "
    "{ CE 4 SE 2 [ 3 ]\n { CE 5 CE 6 } } } EndContextDependency "
)


def describe(model):
    """All maps of a transition model."""
    ids = range(1, model.num_transition_ids() + 1)
    states = range(1, model.num_transition_states() + 1)
    return {
        "num_pdfs": model.num_pdfs(),
        "num_phones": model.num_phones(),
        "ids": [
            [
                model.transition_id_to_pdf(t),
                model.transition_id_to_phone(t),
                model.transition_id_to_hmm_state(t),
                model.transition_id_to_transition_index(t),
                model.transition_id_to_transition_state(t),
                model.transition_id_to_pdf_class(t),
                model.is_final(t),
                model.is_self_loop(t),
            ]
            for t in ids
        ],
        "probs": [[model.get_transition_prob(t), model.get_transition_log_prob(t)] for t in ids],
        "ignoring": [
            None if model.is_self_loop(t) else model.get_transition_log_prob_ignoring_self_loops(t)
            for t in ids
        ],
        "states": [
            [
                model.transition_state_to_forward_pdf(s),
                model.transition_state_to_forward_pdf_class(s),
                model.transition_state_to_self_loop_pdf(s),
                model.transition_state_to_self_loop_pdf_class(s),
                model.transition_state_to_phone(s),
                model.transition_state_to_hmm_state(s),
                model.self_loop_of(s),
                model.num_transition_indices(s),
            ]
            for s in states
        ],
        "non_self_loop": [model.get_non_self_loop_log_prob(s) for s in states],
        "log_probs": log_probs(model),
    }


def log_probs(model):
    return [model.get_transition_log_prob(t) for t in range(1, model.num_transition_ids() + 1)]


def updates(topo, tree):
    """Log-probabilities after each kind of update, from the same counts."""
    found = {}
    for name, config in (
        ("mle", MleTransitionUpdateConfig()),
        ("mle_shared", MleTransitionUpdateConfig(share_for_pdfs=True)),
        ("mle_floor", MleTransitionUpdateConfig(floor=0.2, mincount=20.0)),
        ("map", MapTransitionUpdateConfig()),
        ("map_shared", MapTransitionUpdateConfig()),
    ):
        if name == "map_shared":
            config.share_for_pdfs = True
        model = TransitionModel.from_topo(tree, topo)
        stats = DoubleVector()
        model.init_stats(stats)
        for t in range(1, model.num_transition_ids() + 1):
            model.accumulate((t * 7 % 13) * 1.5, t, stats)
        update = model.mle_update if name.startswith("mle") else model.map_update
        found[name] = [list(update(stats, config)), log_probs(model)]
    return found


def hmms():
    expected = {}
    chain_topo, chain_tree = read_text(HmmTopology, TOPO), read_text(ContextDependency, CHAIN_TREE)
    hmm_topo = read_text(HmmTopology, HMM_TOPO)
    triphone = read(ContextDependency, TESTS / "kaldi" / "tree" / "golden" / "triphone.bin")
    write("chain_topo", chain_topo)
    write("hmm_topo", hmm_topo)
    write("chain_tree", chain_tree)
    for name, topo, tree in (("chain", chain_topo, chain_tree), ("hmm", hmm_topo, triphone)):
        if name == "hmm":  # phone 1 has two pdf-classes in this tree, phone 2 has one
            tree = monophone_context_dependency([1, 2, 3, 5], [-1, 3, 3, 3, -1, 3])
        model = TransitionModel.from_topo(tree, topo)
        write(name + "_model", model)
        expected[name] = describe(model)
        expected[name]["updates"] = updates(topo, tree)
        names = ["<eps>", "a", "b", "c", "d", "e"]
        occupancies = DoubleVector([1.5 * i for i in range(model.num_pdfs())])
        expected[name]["printed"] = text_of(model.print_model, names)
        expected[name]["printed_occs"] = text_of(model.print_model, names, occupancies)
        expected[name]["pdfs_for"] = [
            [list(phones), get_pdfs_for_phones(model, list(phones))]
            for phones in ([1], [5], [1, 2, 3], [2, 5])
        ]
        expected[name]["phones_for"] = [
            [list(pdfs), get_phones_for_pdfs(model, list(pdfs))]
            for pdfs in ([0], [0, 1], [0, 1, 2, 3], [4], [4, 5, 6])
        ]
        expected[name]["classes"] = topo.get_phone_to_num_pdf_classes()
        expected[name]["min_length"] = [topo.min_length(p) for p in topo.get_phones()]
    expected["alignments"] = alignments()
    expected["posteriors"] = posteriors()
    save("expected.json", expected)


def alignments():
    """Alignments of the yesno run and damaged ones: how they split; and as another model has them."""
    model, tree = read(TransitionModel, YESNO / "40.mdl"), read(ContextDependency, YESNO / "tree")
    rng = np.random.RandomState(2)
    cases = []
    with SequentialIntVectorReader(f"ark:gunzip -c {YESNO / 'ali.1.gz'} |") as reader:
        whole = [list(ali) for _, ali in reader]
    for ali in whole[:6]:
        cases.append(ali[:200])
        start, end = sorted(rng.randint(0, len(ali), 2))
        cases.append(ali[start : end + 1])
        broken = ali[40:140]
        del broken[rng.randint(0, len(broken))]
        cases.append(broken)
    cases += [[], [17], [18], [4, 1, 1], [16, 18, 17], [2, 16, 18, 26], [26, 28, 30, 29, 29, 3]]
    split = []
    for ali in cases:
        try:
            whole_phones, phones = split_to_phones(model, ali)
        except (ValueError, RuntimeError):
            continue
        split.append([ali, whole_phones, phones])
    ali = whole[0]
    # The same phones under a tree that shares pdfs and numbers them differently, self-loops first.
    shared = monophone_context_dependency_shared([[2, 3], [1]], [-1, 5, 3, 3])
    other = TransitionModel.from_topo(shared, model.get_topo())
    return {
        "split": split,
        "converted": convert_alignment(model, other, shared, ali, 1, False, True),
        "reordered": convert_alignment(model, model, tree, ali, 1, False, False),
        "ali": ali,
        "ilabels": get_ilabel_mapping([[], [1], [2], [3], [-4], [2]], shared, other),
    }


def posteriors():
    model = read(TransitionModel, YESNO / "40.mdl")
    frames = [
        [(1, 0.5), (2, 0.25), (20, 0.3)],
        [(25, 1.0)],
        [(3, 1.0)],
        [(2, 0.1), (1, 0.2), (17, 0.3)],
        [],
        [(3, 0.5), (3, 0.25)],
    ]
    second = [[(1, 0.5), (4, 0.25)], [(26, 1.0)], [(3, 1.0), (2, 0.5)], [], [(1, 1.0)], [(3, 0.5)]]
    post = Posterior.from_posteriors(frames)
    write("posterior", post)
    found = {"frames": frames, "second": second, "total": post.total()}
    found["pdfs"] = post.convert_transitions_to_pdfs(model).get_posteriors()
    found["phones"] = post.convert_transitions_to_phones(model).get_posteriors()
    found["matrix"] = np.array(post.to_matrix(30)).tolist()
    found["pdf_matrix"] = np.array(post.to_pdf_matrix(model)).tolist()
    for name, scale in (("weighted", 0.1), ("silenced", 0.0)):
        for method in ("weight_silence", "weight_silence_distributed"):
            post = Posterior.from_posteriors(frames)
            getattr(post, method)(model, ConstIntegerSet.from_list([1]), scale)
            found[name + "_" + method] = post.get_posteriors()
    found["merged"] = []
    for merge in (True, False):
        for drop in (True, False):
            count, post = merge_posteriors(
                Posterior.from_posteriors(frames), Posterior.from_posteriors(second), merge, drop
            )
            found["merged"].append([merge, drop, count, post.get_posteriors()])
    rng = np.random.RandomState(3)
    found["entries"] = []
    for _ in range(60):
        likes = (rng.randn(rng.randint(1, 12)) * 2).astype(np.float32)
        select, least = int(rng.randint(1, 9)), float(rng.choice([0.0, 0.05, 0.2, 0.5]))
        found["entries"].append(
            [likes.tolist(), select, least, vector_to_posterior_entries(Vector(likes), select, least)]
        )
    return found


# Mixtures


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
    write("diag", gmm)
    write("zero_weight", diag(rng, 4, 3, np.array([0.5, 0.5, 0, 0])))
    frames = (rng.randn(60, 5) * 1.2).astype(np.float32)
    arrays["frames"] = frames
    for name, mixture in (("diag", gmm), ("full", full(rng, 6, 5))):
        write(name, mixture)
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
        write(name + "_merged", merged)
        one = type(mixture)().copy(mixture)
        one.merge(1)
        write(name + "_one", one)
        split = type(mixture)().copy(mixture)
        arrays[name + "_split_order"] = np.array(split.split(13, 0.0))
        write(name + "_split", split)
        removed = type(mixture)().copy(mixture)
        removed.remove_components([1, 4], True)
        removed.compute_gconsts()
        write(name + "_removed", removed)
    write("full_from_diag", FullGmm().copy(gmm))
    write("diag_from_full", DiagGmm().copy(read(FullGmm, OUT / "full.bin")))
    other = diag(rng, 8, 5)
    write("other", other)
    for flags in (FLAGS, 1, 5):
        mixed = DiagGmm().copy(gmm)
        mixed.interpolate(0.3, other, flags)
        write(f"interpolated_{flags}", mixed)
    model = AmDiagGmm()
    model.init(gmm, 1)
    model.add_pdf(other)
    model.merge_by_count(Vector([100.0, 5.0]), 9, 0.25, 1.0)
    write("am_merged", model)
    acc = statistics(rng, gmm, frames)
    write("acc", acc)
    arrays["objective"] = np.array(ml_objective(gmm, acc))
    smoothed = AccumDiagGmm.with_other(acc)
    smoothed.smooth_stats(2.0)
    write("acc_smooth", smoothed)
    smoothed.smooth_with_model(3.0, gmm)
    smoothed.smooth_with_accum(1.5, acc)
    smoothed.add(0.3, acc)
    smoothed.scale(0.5, 7)
    write("acc_mixed", smoothed)
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
        write("mle_" + name, updated)
    for name, flags in (("all", FLAGS), ("means", 1), ("variances", 2)):
        updated = DiagGmm().copy(gmm)
        arrays["map_" + name] = np.array(map_diag_gmm_update(MapDiagGmmOptions(), acc, flags, updated))
        write("map_" + name, updated)
    arrays["occupancies"] = occupancies = rng.uniform(0, 1000, 40).astype(np.float32)
    for power, least in ((0.25, 20.0), (1.0, 0.0), (0.2, 100.0)):
        arrays[f"targets_{power:g}_{least:g}"] = np.array(
            get_split_targets(Vector(occupancies), 200, power, least)
        )
    np.savez_compressed(str(OUT / "mixtures.npz"), **arrays)


def yesno():
    """Frames of a recording of the run, their likelihoods, statistics and updates of the model."""
    model, am = TransitionModel(), AmDiagGmm()
    with xopen(str(YESNO / "40.mdl")) as ki:
        model.read(ki.stream(), ki.binary)
        am.read(ki.stream(), ki.binary)
    from kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
    from kaldi.util.table import SequentialMatrixReader

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
    write("am_acc", acc)
    config = MleDiagGmmOptions()
    config.min_gaussian_occupancy = 3.0
    results = [mle_am_diag_gmm_update(config, acc, FLAGS, initial)]
    write("am_mle", initial)
    results.append(map_am_diag_gmm_update(MapDiagGmmOptions(), acc, FLAGS, initial))
    write("am_map", initial)
    occupancies = np.array([np.sum(np.array(pdfs) == p) for p in range(11)], np.float32)
    initial.split_by_count(Vector(occupancies), 30, 0.0, 0.25, 3.0)
    write("am_split", initial)
    np.savez_compressed(
        str(OUT / "yesno.npz"),
        frames=frames,
        log_likelihoods=likelihoods.astype(np.float32),
        scaled=scaled,
        pdfs=pdfs,
        totals=np.array([acc.tot_count(), acc.tot_log_like(), acc.tot_stats_count()]),
        results=np.array(results),
        occupancies=occupancies,
    )


STEPS = [("tree", trees), ("hmm", hmms), ("gmm", mixtures), ("gmm", yesno)]

if len(sys.argv) == 1:
    for number in range(len(STEPS)):  # each in a process of its own, as some of these calls damage others
        subprocess.run([sys.executable, __file__, str(number)], check=True)
else:
    room, step = STEPS[int(sys.argv[1])]
    OUT = TESTS / "kaldi" / room / "golden"
    OUT.mkdir(parents=True, exist_ok=True)
    step()
