"""Search with a larger language model than that of the graph, while searching: beside Kaldi.

    python benchmarks/biglm_search.py CORPUS [--kaldi PYTHON] [--words 3000]

PYTHON: one that has pykaldi, which holds Kaldi itself: Python 3.7 with `pip install 'numpy<1.22' pykaldi`.

The graph of benchmarks/graph_search.py (bigrams seen seven times) and the difference of its grammar and one
of bigrams seen twice, both with backoff arcs; 1,000 frames, beam 12, 7,000 tokens at most, one thread.
Processes take turns; ratios are of CPU times (medians). `alone`: over the graph without the models.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from fst_machines import sentences
from kaldi_peer import Peer
from search_graphs import bigrams, graph, scores

BEAM, MOST, LEAST, LATTICE_BEAM = 12.0, 7000, 200, 10.0

KALDI = f"""
import json, sys, time
import numpy as np
from kaldi.decoder import *
from kaldi.fstext import read_fst_kaldi
from kaldi.fstext.special import *
from kaldi.fstext.utils import apply_probability_scale, get_linear_symbol_sequence
from kaldi.matrix import Matrix

graph, old, new = (read_fst_kaldi(sys.argv[1] + "/%s.fst" % name) for name in ("graph", "old", "new"))
apply_probability_scale(-1.0, old)
scores = Matrix(np.load(sys.argv[1] + "/scores.npy"))

def search(kind):
    decoder, options = dict(path=(BiglmFasterDecoder, BiglmFasterDecoderOptions),
                            lattice=(LatticeBiglmFasterDecoder, LatticeFasterDecoderOptions))[kind]
    options = options()
    options.beam, options.max_active, options.min_active = {BEAM}, {MOST}, {LEAST}
    if kind == "lattice":
        options.lattice_beam = {LATTICE_BEAM}
    started = time.process_time()
    first, second = StdBackoffDeterministicOnDemandFst(old), StdBackoffDeterministicOnDemandFst(new)
    both = StdComposeDeterministicOnDemandFst(first, second)
    decoder = decoder(graph, options, StdCacheDeterministicOnDemandFst(both))
    decoder.decode(DecodableMatrixScaled(scores, 1.0))
    lattice = decoder.get_raw_lattice() if kind == "lattice" else None
    best = decoder.get_best_path() if lattice is None else None
    seconds = time.process_time() - started
    weight = get_linear_symbol_sequence(best or decoder.get_best_path())[2]
    size = lattice and [lattice.num_states(), sum(lattice.num_arcs(s) for s in lattice.states())]
    return dict(seconds=seconds, cost=weight.value1 + weight.value2, size=size)

print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(search(line.strip())), flush=True)
"""

SONANT = f"""
import json, sys, time
import numpy as np
from sonant.fst import Fst, OnDemand
from sonant.search import GraphSearch, GraphSearchConfig, LmGraph

graph, old, new = (Fst.read(sys.argv[1] + "/%s.fst" % name) for name in ("graph", "old", "new"))
scores = np.load(sys.argv[1] + "/scores.npy")
lm = OnDemand.composed(OnDemand.scaled(-1, OnDemand.backoff(old)), OnDemand.backoff(new))
config = dict(beam={BEAM}, lattice_beam={LATTICE_BEAM}, max_active={MOST}, min_active={LEAST})
graphs = {{"": LmGraph(graph, lm), " alone": graph}}
searches = dict((kind + more, GraphSearch(given, GraphSearchConfig(lattice=kind == "lattice", **config)))
                for kind in ("path", "lattice") for more, given in graphs.items())

def search(kind):
    started = time.process_time()
    result, = searches[kind].search([scores], num_threads=1)
    seconds = time.process_time() - started
    size = result.lattice and [result.lattice.num_states, result.lattice.num_arcs]
    return dict(seconds=seconds, cost=result.cost, size=size)

print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(search(line.strip())), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--kaldi", metavar="PYTHON", help="a Python that has pykaldi")
    options = parser.parse_args()
    text = sentences(options.corpus, options.sentences)
    decoding, words = graph(text, options.words, 7)
    old, new = bigrams(text, words, 7, 0), bigrams(text, words, 2, 0)
    print(f"graph of {decoding.num_arcs} arcs, grammars of {old.num_arcs} and {new.num_arcs}")
    with tempfile.TemporaryDirectory() as folder:
        for name, fst in ("graph", decoding), ("old", old), ("new", new):
            fst.write(f"{folder}/{name}.fst")
        np.save(f"{folder}/scores.npy", scores(text, words, options.frames, 1.5, 1))
        programs = {"sonant": (sys.executable, SONANT, ("", " alone"))}
        if options.kaldi:
            programs["Kaldi"] = (options.kaldi, KALDI, ("",))
        peers = {}
        for name, (python, program, _) in programs.items():
            Path(folder, name).write_text(program)
            peers[name] = Peer(python, [f"{folder}/{name}", folder], name)
        for kind in "path", "lattice":
            answers: dict[str, list[dict[str, float]]] = {}
            for _ in range(options.turns):
                for name, (_, _, kinds) in programs.items():
                    for more in kinds:
                        answers.setdefault(name + more, []).append(peers[name].ask(kind + more))
            ours = statistics.median(answer["seconds"] for answer in answers["sonant"])
            for name, found in answers.items():
                seconds = statistics.median(answer["seconds"] for answer in found)
                print(
                    f"{kind:8} {name:14} {options.frames / seconds:8.0f} frames/s  ratio {seconds / ours:.2f}"
                    f"  cost {found[-1]['cost']:.3f}  lattice {found[-1]['size']}"
                )
        for peer in peers.values():
            peer.close()


if __name__ == "__main__":
    main()
