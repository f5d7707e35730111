"""Kaldi's own trees, topologies, transition models: golden files of tests/kaldi/tree and tests/kaldi/hmm.

    <python 3.7 with pykaldi 0.2.1> tests/oracle/make_hmm_golden.py

Everything random has a fixed seed, but for the tree that Kaldi draws itself: that is kept once it is there.
"""

import numpy as np
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
from kaldi.matrix import DoubleVector, Vector
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
from kaldi_objects import SCRATCH, YESNO, attempt, golden, read, read_text, save, text_of, write

TREE, HMM = golden("tree"), golden("hmm")

SPLITS = (
    "ContextDependency 3 1 ToPdf SE 0 [ 2 3 ]\n{ TE -1 4 ( CE 0 CE 1 NULL CE 5 ) SE 1 [ 1 4 7 ]\n"
    "{ CE 2 TE 2 3 ( NULL CE 3 CE 4 ) } } EndContextDependency "
)


def emap(text):
    SCRATCH.write_text(text)
    with xopen(str(SCRATCH)) as ki:
        return EventMap.read_event_map(ki.stream(), ki.binary)


def trees():
    write(TREE / "splits", read_text(ContextDependency, SPLITS))
    path = TREE / "triphone.bin"
    if not path.exists():
        write(TREE / "triphone", _gen_rand_context_dependency_large([1, 2, 3, 5], 3, 1, True)[0])
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
    save(TREE / "expected.json", expected)
    stats = GaussClusterable.new_with_dim(3, 0.01)
    other = GaussClusterable.new_with_dim(3, 0.01)
    for frame, weight in (([1.0, 2, 3], 2.0), ([1.5, -2, 3], 1.0), ([0.5, 0.25, -1], 4.0)):
        stats.add_stats(Vector(frame), weight)
        other.add_stats(Vector(frame[::-1]), weight * 2)
    pairs = [([(-1, 0), (0, 1), (1, 2)], stats), ([(-1, 1), (1, 2)], other)]
    for suffix, binary in ((".bin", True), (".txt", False)):
        with xopen(str(TREE / ("stats" + suffix)), "wb" if binary else "wt") as ko:
            write_build_tree_stats(ko.stream(), binary, pairs)
    save(
        TREE / "stats.json",
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
    triphone = read(ContextDependency, TREE / "triphone.bin")
    write(HMM / "chain_topo", chain_topo)
    write(HMM / "hmm_topo", hmm_topo)
    write(HMM / "chain_tree", chain_tree)
    for name, topo, tree in (("chain", chain_topo, chain_tree), ("hmm", hmm_topo, triphone)):
        if name == "hmm":  # phone 1 has two pdf-classes in this tree, phone 2 has one
            tree = monophone_context_dependency([1, 2, 3, 5], [-1, 3, 3, 3, -1, 3])
        model = TransitionModel.from_topo(tree, topo)
        write(HMM / (name + "_model"), model)
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
    save(HMM / "expected.json", expected)


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
    write(HMM / "posterior", post)
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


trees()
hmms()
