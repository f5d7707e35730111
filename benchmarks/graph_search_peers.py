"""The programs that benchmarks/graph_search.py runs, one for each decoder.

Each gets a folder (graph.fst, scores.npy, options.json), reads the graph, and searches once for every line
that names a kind: path, lattice (raw), determinized. An answer has CPU seconds, the best path's cost, the
size of the lattice, and megabytes: what reading the graph made memory grow by, and what a search added."""

_SERVE = """
import json, sys, time
import numpy as np

def memory(field):
    return int(open("/proc/self/status").read().split(field + ":")[1].split()[0]) / 1024

def serve(search, before):
    ready = memory("VmRSS")
    open("/proc/self/clear_refs", "w").write("5")  # forgets the peak so far
    print("ready", flush=True)
    for line in sys.stdin:
        if line.startswith("batch"):
            print(json.dumps(batch(*line.split()[1:])), flush=True)
            continue
        seconds, cost, size = search(line.strip())
        added = memory("VmHWM") - ready
        found = dict(seconds=seconds, cost=cost, size=size, graph=ready - before, search=added)
        print(json.dumps(found), flush=True)

folder = sys.argv[1]
scores = np.load(folder + "/scores.npy")
settings = json.load(open(folder + "/options.json"))
"""

KALDI = (
    _SERVE
    + """
from kaldi.decoder import *
from kaldi.fstext import StdConstFst
from kaldi.fstext.utils import get_linear_symbol_sequence
from kaldi.matrix import Matrix

before = memory("VmRSS")
graph, matrix = StdConstFst.read(folder + "/graph.fst"), Matrix(scores)

def search(kind):
    options = FasterDecoderOptions() if kind == "path" else LatticeFasterDecoderOptions()
    for name, value in settings.items():
        if hasattr(options, name):
            setattr(options, name, value)
    started = time.process_time()
    decoder = (FasterDecoder if kind == "path" else LatticeFasterDecoder)(graph, options)
    decoder.decode(DecodableMatrixScaled(matrix, 1.0))
    get = dict(path="get_best_path", lattice="get_raw_lattice", determinized="get_lattice")[kind]
    found = getattr(decoder, get)()
    seconds = time.process_time() - started
    weight = get_linear_symbol_sequence(found if kind == "path" else decoder.get_best_path())[2]
    states = None if kind == "path" else range(found.num_states())
    size = states and [len(states), sum(found.num_arcs(s) for s in states)]
    return seconds, weight.value1 + weight.value2, size

serve(search, before)
"""
)

KALDI_DECODER = (
    _SERVE
    + """
import kaldifst
from kaldi_decoder import DecodableCtc, FasterDecoder, FasterDecoderOptions

before = memory("VmRSS")
graph = kaldifst.StdConstFst.read(folder + "/graph.fst")

def search(kind):
    options = FasterDecoderOptions(**{k: settings[k] for k in ("beam", "max_active", "min_active")})
    started = time.process_time()
    decoder = FasterDecoder(graph, options)
    decoder.decode(DecodableCtc(scores))
    ok, best = decoder.get_best_path()
    seconds = time.process_time() - started
    weight = kaldifst.get_linear_symbol_sequence(best)[3]
    return seconds, weight.value1 + weight.value2, None

serve(search, before)
"""
)

# The arcs are those of the graph without epsilons, which k2's search does not know; its label 0 is the blank.
K2 = (
    _SERVE
    + """
import k2, torch
torch.set_num_threads(1)
before = memory("VmRSS")
arcs, words = (torch.from_numpy(np.load(folder + "/k2_" + name + ".npy")) for name in ("arcs", "words"))
graph = k2.Fsa(arcs, words)

def search(kind):
    started = time.process_time()
    lattice = k2.get_lattice(
        torch.from_numpy(scores)[None], torch.tensor([len(scores)]), graph,
        settings["beam"], settings["lattice_beam"], settings["min_active"], settings["max_active"],
    )
    best = k2.one_best_decoding(lattice) if kind == "path" else None
    seconds = time.process_time() - started
    cost = -float(lattice.get_tot_scores(use_double_scores=True, log_semiring=False)[0])
    size = None if best is not None else [lattice.arcs.shape().tot_size(1), lattice.arcs.num_elements()]
    return seconds, cost, size

with torch.no_grad():
    serve(search, before)
"""
)

SONANT = (
    _SERVE
    + """
from sonant.fst import Fst
from sonant.search import GraphSearch, GraphSearchConfig

before = memory("VmRSS")

def searches(kind):
    config = GraphSearchConfig(lattice=kind != "path", determinize=kind == "determinized", **settings)
    return GraphSearch(Fst.read(folder + "/graph.fst"), config)

kind = sys.argv[2]
searcher = searches(kind)

def search(_):
    started = time.process_time()
    result, = searcher.search([scores], num_threads=1)
    seconds = time.process_time() - started
    size = result.lattice and [result.lattice.num_states, result.lattice.num_arcs]
    return seconds, result.cost, size

def batch(count, threads):
    started = time.perf_counter(), time.process_time()
    searcher.search([scores] * int(count), num_threads=int(threads))
    return time.perf_counter() - started[0], time.process_time() - started[1]

serve(search, before)
"""
)
