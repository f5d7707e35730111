"""Kaldi's own decoding graphs, stage by stage: golden files of tests/fst/test_graphs_hmm.py.

    <python 3.7 with pykaldi 0.2.1> tests/oracle/make_graphs_hmm_golden.py

Each file is a setup: a decision tree, a transition model, an LG and what Kaldi makes of them.
"""

import numpy as np
from kaldi.fstext import StdFstCompiler, StdVectorFst
from kaldi.fstext.special import (
    compose_context,
    determinize_star_in_log,
    remove_eps_local,
    table_compose,
)
from kaldi.fstext.utils import (
    convert_std_to_lattice,
    minimize_encoded_std_fst,
    remove_some_input_symbols,
)
from kaldi.hmm import (
    HmmTopology,
    HTransducerConfig,
    TransitionModel,
    add_self_loops,
    add_transition_probs,
    add_transition_probs_lat,
    get_h_transducer,
)
from kaldi.tree import ContextDependency
from kaldi.util.io import xopen
from kaldi_objects import SCRATCH, TESTS, read_text

GOLDEN = TESTS / "fst" / "golden" / "graphs"

# Topologies by number of emitting states: (text of the states, pdf-classes).
CHAIN = (
    "<State> 0 <ForwardPdfClass> 0 <SelfLoopPdfClass> 1 <Transition> 0 0.5 <Transition> 1 0.5 </State>\n"
    "<State> 1 </State>\n",
    2,
)
SKIPS = (  # a first state with two ways on, a way back, a state that emits nothing
    "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.25 <Transition> 2 0.25 </State>\n"
    "<State> 1 <Transition> 2 0.625 <Transition> 3 0.375 </State>\n"
    "<State> 2 <PdfClass> 1 <Transition> 3 0.75 <Transition> 4 0.25 </State>\n"
    "<State> 3 <PdfClass> 0 <Transition> 3 0.25 <Transition> 0 0.25 <Transition> 4 0.5 </State>\n"
    "<State> 4 </State>\n",
    2,
)
SILENT_START = (
    "<State> 0 <Transition> 1 0.5 <Transition> 2 0.5 </State>\n"
    "<State> 1 <PdfClass> 0 <Transition> 1 0.75 <Transition> 3 0.25 </State>\n"
    "<State> 2 <PdfClass> 1 <Transition> 3 1.0 </State>\n"
    "<State> 3 </State>\n",
    2,
)


def bakis(states):
    lines = [
        f"<State> {s} <PdfClass> {s} <Transition> {s} 0.75 <Transition> {s + 1} 0.25 </State>\n"
        for s in range(states)
    ]
    return "".join(lines) + f"<State> {states} </State>\n", states


def topology(entries):
    """From [(phones, (states, classes))]."""
    text = "<Topology>\n"
    for phones, (states, _) in entries:
        listed = " ".join(map(str, phones))
        text += f"<TopologyEntry>\n<ForPhones>\n{listed}\n</ForPhones>\n{states}</TopologyEntry>\n"
    return read_text(HmmTopology, text + "</Topology>\n")


def tree(rng, width, central, roots, phones, depth):
    """A random tree; `roots` is [(phones that share it, pdf-classes)]."""
    leaves = [0]

    def node(depth):
        if depth == 0 or rng.rand() < 0.2:
            leaves[0] += 1
            return f"CE {leaves[0] - 1} "
        asked = sorted(rng.choice([0, *phones], rng.randint(1, len(phones)), False).tolist())
        split = f"SE {rng.randint(width)} [ {' '.join(map(str, asked))} ]\n"
        return split + "{ " + node(depth - 1) + node(depth - 1) + "} "

    def over(sets):
        if len(sets) == 1:
            classes = sets[0][1]
            return f"TE -1 {classes} ( " + "".join(node(depth) for _ in range(classes)) + ") "
        half = len(sets) // 2
        first = sorted(phone for some, _ in sets[:half] for phone in some)
        text = f"SE {central} [ {' '.join(map(str, first))} ]\n"
        return text + "{ " + over(sets[:half]) + over(sets[half:]) + "} "

    text = f"ContextDependency {width} {central} ToPdf {over(roots)}EndContextDependency "
    return read_text(ContextDependency, text)


def lg(rng, phones, disambig, words):
    """A loop of words with a silence (the first phone) that may follow each; homophones are told apart."""
    compiler, arcs, states = StdFstCompiler(), [], 1
    spelled = {}
    for word in range(1, words + 1):
        spelling = tuple(rng.choice(phones[1:], rng.randint(1, 4)).tolist())
        same = spelled.setdefault(spelling, [])
        same.append(word)
        symbols = [*spelling, disambig[len(same) % len(disambig)]]
        state, cost = 0, 0.25 * rng.randint(1, 9)
        for place, symbol in enumerate(symbols):
            arcs.append((state, states, symbol, word if place == 0 else 0, cost if place == 0 else 0))
            state, states = states, states + 1
        arcs += [(state, 0, 0, 0, 0.5), (state, 0, phones[0], 0, 1.0)]
    for arc in arcs:
        compiler.write("{} {} {} {} {}\n".format(*arc))
    compiler.write("0 1.5\n")
    fst = compiler.compile()
    determinize_star_in_log(fst)
    minimize_encoded_std_fst(fst)
    return fst


def perturbed(model, rng):
    """Other probabilities than the topology's."""
    SCRATCH.unlink()
    with xopen(str(SCRATCH), "wt") as ko:
        model.write(ko.stream(), False)
    text = SCRATCH.read_text()
    head, _ = text.split("<LogProbs>")
    probs = [0.0]
    for state in range(1, model.num_transition_states() + 1):
        some = rng.rand(model.num_transition_indices(state)) + 0.1
        probs += np.log(some / some.sum()).tolist()
    numbers = " ".join(f"{value:.6f}" for value in probs)
    return read_text(TransitionModel, f"{head}<LogProbs>\n [ {numbers} ]\n</LogProbs>\n</TransitionModel>\n")


def content(obj):
    with xopen(str(SCRATCH), "wb") as ko:
        obj.write(ko.stream(), True)
    return SCRATCH.read_bytes()


def bytes_of(fst):
    fst.write(str(SCRATCH))
    return SCRATCH.read_bytes()


def save_setup(name, rng, width, central, roots, phones, disambig, entries, depth, words=9, scale=1.0):
    tree_of = tree(rng, width, central, roots, phones, depth)
    model = perturbed(TransitionModel.from_topo(tree_of, topology(entries)), rng)
    grammar = lg(rng, phones, disambig, words)
    parts = {"tree": content(tree_of), "model": content(model), "lg": bytes_of(grammar)}
    clg, labels = compose_context(sorted(disambig), width, central, grammar.copy())
    parts["clg"] = bytes_of(clg)
    config = HTransducerConfig()
    config.transition_scale = scale
    h, symbols = get_h_transducer(labels, tree_of, model, config)
    parts["h"] = bytes_of(h)
    clg.arcsort("ilabel")
    graph = StdVectorFst()
    table_compose(h, clg, graph)
    parts["composed"] = bytes_of(graph)
    determinize_star_in_log(graph)
    parts["determinized"] = bytes_of(graph)
    remove_some_input_symbols(symbols, graph)
    summing = StdVectorFst(graph)
    remove_eps_local(summing, True)
    parts["local_sums"] = bytes_of(summing)
    remove_eps_local(graph)
    parts["local"] = bytes_of(graph)
    minimize_encoded_std_fst(graph)
    parts["hclga"] = bytes_of(graph)
    for kind, reorder in (("hclg", True), ("hclg_before", False)):
        looped = StdVectorFst(graph)
        add_self_loops(model, [], 0.25, reorder, True, looped)
        parts[kind] = bytes_of(looped)
    h_looped = StdVectorFst(h)
    add_self_loops(model, symbols, 1.0, True, True, h_looped)
    parts["h_looped"] = bytes_of(h_looped)
    for kind, scales in (("same", (0.5, 0.5)), ("scaled", (0.75, 0.25))):
        with_probs = StdVectorFst(h_looped)
        add_transition_probs(model, symbols, *scales, with_probs)
        parts["probs_" + kind] = bytes_of(with_probs)
    lattice = convert_std_to_lattice(h_looped)
    remove_some_input_symbols_lattice(lattice, symbols)
    parts["lattice"] = bytes_of(lattice)
    add_transition_probs_lat(model, 0.75, 0.25, lattice)
    parts["lattice_probs"] = bytes_of(lattice)
    arrays = {key: np.frombuffer(value, np.uint8) for key, value in parts.items()}
    begins = np.cumsum([0] + [len(window) for window in labels])
    flat = np.array([phone for window in labels for phone in window], np.int32)
    np.savez_compressed(
        str(GOLDEN / f"{name}.npz"),
        begins=begins.astype(np.int64),
        symbols=flat,
        h_disambig=np.array(symbols, np.int32),
        disambig=np.array(disambig, np.int32),
        transition_scale=np.float32(scale),
        **arrays,
    )
    print(name, len(labels), "labels; states", [g.num_states() for g in (grammar, clg, h, graph, looped)])


def remove_some_input_symbols_lattice(lattice, symbols):
    for state in range(lattice.num_states()):
        arcs = list(lattice.arcs(state))
        lattice.delete_arcs(state)
        for arc in arcs:
            arc.ilabel = 0 if arc.ilabel in symbols else arc.ilabel
            lattice.add_arc(state, arc)


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(7)
    phones = [1, 2, 3, 4, 5]
    three, five = bakis(3), bakis(5)
    hmm = [([1], five), ([2, 3, 4, 5], three)]
    own = [([1], 5), ([2], 3), ([3], 3), ([4], 3), ([5], 3)]
    save_setup("monophone", rng, 1, 0, own, phones, [7, 8], hmm, 0)
    save_setup("triphone", rng, 3, 1, own, phones, [7, 8], hmm, 3, words=7, scale=0.5)
    shared = [([1], 2), ([2, 5], 2), ([3, 4], 2)]
    save_setup("chain", rng, 2, 1, shared, phones, [6, 9], [(phones, CHAIN)], 3)
    # Phones of word position: 2 to 5 begin words, 12 to 15 end them, and they share the roots of their trees.
    positions = [1, 2, 3, 4, 5, 12, 13, 14, 15]
    roots = [([1], 2), ([2, 12], 3), ([3, 13], 3), ([4, 14], 3), ([5, 15], 3)]
    entries = [([1], SILENT_START), (positions[1:], three)]
    save_setup("positions", rng, 3, 1, roots, positions, [20, 21, 22], entries, 2, words=7)
    skips = [([1, 2, 3, 4, 5], SKIPS)]
    save_setup("skips", rng, 2, 0, [([p], 2) for p in phones], phones, [10, 11, 12], skips, 2, words=6)
    save_setup("wide", rng, 4, 2, shared, phones, [6, 9], [(phones, bakis(2))], 3, words=5)


if __name__ == "__main__":
    main()
