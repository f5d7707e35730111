"""Lattices a second beside Kaldi: determinization, minimum Bayes risk, rescoring and what goes with them.

    python benchmarks/lattice.py --kaldi PYTHON [--lattices 20] [--corpus CORPUS]

PYTHON is one that has pykaldi (benchmarks/kaldi_peer.py says how to get one). The same program, by PyKaldi's
names, runs in both, in turns, on the same raw lattices of 300 frames. They are random ones, up to six states
a frame, 200 words, with a trigram of random sentences that backs off; or, with CORPUS (sentences in capitals,
one a line, .xz or plain), those that a search finds in the graph of 3,000 words of
benchmarks/graph_search.py, with a trigram of the corpus. `posteriors` are Python's lists in both, which
Python makes in most of that time; the last row has the arrays of Lattice.posteriors(), beside Kaldi's lists.
Numbers are of CPU time (medians of five).
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from fst_machines import sentences
from kaldi_peer import Peer
from search_graphs import graph, scores, spelled

from sonant.fst import Fst, NgramLm, SymbolTable, relabel
from sonant.kaldi import fstext
from sonant.kaldi.fstext.special import StdBackoffDeterministicOnDemandFst, StdUnweightedNgramFst
from sonant.kaldi.lat import functions, sausages
from sonant.kaldi.util.table import LatticeWriter, SequentialLatticeReader
from sonant.lattice import Lattice
from sonant.search import GraphSearch, GraphSearchConfig

TURNS = 5
BEAM = 6.0

JOBS = """
def jobs(folder, beam):
    with SequentialLatticeReader("ark:" + folder + "/lat.ark") as reader:
        raw = [fstext.LatticeVectorFst(lattice) for _, lattice in reader]
    compact = [functions.determinize_lattice_pruned(lattice, beam) for lattice in raw]
    for lattice in compact:
        functions.top_sort_lattice_if_needed(lattice)
    grammar = fstext.StdVectorFst.read(folder + "/G.fst")

    def each(lattices, operation):
        return lambda: sum(operation(lattice) for lattice in lattices)

    def copied(operation):
        def job(lattice):
            copy = lattice.copy()
            operation(copy)
            return copy.num_states()
        return job

    def minimized(lattice):
        functions.push_compact_lattice_strings(lattice)
        functions.push_compact_lattice_weights(lattice)
        functions.minimize_compact_lattice(lattice)

    def rescored(lattice):
        model = StdBackoffDeterministicOnDemandFst(grammar)
        return functions.compose_compact_lattice_deterministic(lattice, model).num_states()

    def rescored_pruned(lattice):
        model = StdBackoffDeterministicOnDemandFst(grammar)
        opts = functions.ComposeLatticePrunedOptions()
        return functions.compose_compact_lattice_pruned(opts, lattice, model).num_states()

    return {
        "determinization": each(raw, lambda f: functions.determinize_lattice_pruned(f, beam).num_states()),
        "minimum Bayes risk": each(
            compact, lambda f: len(sausages.MinimumBayesRisk(f).get_one_best())
        ),
        "trigram rescoring": each(compact, rescored),
        "trigram rescoring, best parts first": each(compact, rescored_pruned),
        "pushing, minimization": each(compact, copied(minimized)),
        "pruning": each(compact, copied(lambda f: functions.prune_lattice(2.0, f))),
        "depth limit": each(compact, copied(lambda f: functions.compact_lattice_limit_depth(5, f))),
        "posteriors": each(raw, lambda f: len(functions.lattice_forward_backward(f)[1])),
        "n-gram history": each(compact, lambda f: functions.compose_compact_lattice_deterministic(
            f, StdUnweightedNgramFst(3)).num_states()),
    }
"""

PEER = (
    """
import json, sys, time
from kaldi import fstext
from kaldi.fstext.special import StdBackoffDeterministicOnDemandFst, StdUnweightedNgramFst
from kaldi.lat import functions, sausages
from kaldi.util.table import SequentialLatticeReader
"""
    + JOBS
    + """
made = jobs(sys.argv[1], float(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    start = time.process_time()
    found = made[line.strip()]()
    print(json.dumps([time.process_time() - start, found]), flush=True)
"""
)


def random_lattice(r: random.Random, words: list[int], frames: int = 300, width: int = 6) -> Fst:
    fst = Fst("lattice4")
    layers = [[fst.add_state()]]
    fst.set_start(0)
    for _ in range(frames):
        layers.append([fst.add_state() for _ in range(r.randint(1, width))])
    for t in range(frames):
        for s in layers[t]:
            for d in layers[t + 1]:
                if d != layers[t + 1][0] and r.random() > 0.7:
                    continue
                word = r.choice(words) if r.random() < 0.05 else 0
                weight = (r.uniform(0, 3), r.uniform(-1, 4))
                fst.add_arc(s, r.randint(1, 5000), word, weight, d)
    for s in layers[-1]:
        fst.set_final(s, (r.random(), 0.0))
    return fst


def write_machines(folder: Path, lattices: int) -> None:
    r = random.Random(0)
    lines = [" ".join(f"w{r.randint(1, 200)}" for _ in range(12)) for _ in range(20000)]
    lm = NgramLm.train(lines, 3, smoothing="katz")
    words = sorted({int(lm.symbols[word]) for line in lines for word in line.split()})
    backoff = lm.symbols.add("#0")
    grammar = relabel(lm.to_fst(symbols=lm.symbols), [(backoff, 0)]).arc_sort()
    grammar.input_symbols = grammar.output_symbols = None
    grammar.write(folder / "G.fst")
    with LatticeWriter(f"ark:{folder}/lat.ark") as writer:
        for i in range(lattices):
            writer[f"lattice-{i:03}"] = fstext.LatticeVectorFst(random_lattice(r, words)).connect()


def write_decoded(folder: Path, lattices: int, corpus: str) -> None:
    text = sentences(corpus, 60000)
    decoding, words = graph(text, 3000, 7)
    lines = [" ".join(line) for line in text if all(word in words for word in line)]
    lm = NgramLm.train(lines, 3, smoothing="katz", vocabulary=list(words))
    table = SymbolTable(
        [("<eps>", 0), *words.items(), *((s, 3001 + i) for i, s in enumerate(("#0", "<s>", "</s>")))]
    )
    grammar = relabel(lm.to_fst(symbols=table), [(int(table["#0"]), 0)]).arc_sort()
    grammar.input_symbols = grammar.output_symbols = None
    grammar.write(folder / "G.fst")
    said = spelled(text, words, 20000)
    search = GraphSearch(decoding, GraphSearchConfig(beam=12.0, max_active=7000, lattice_beam=6.0))
    columns = int(decoding.arcs["ilabel"].max())
    found = search.search([scores(said, columns, 300, 1.5, seed) for seed in range(lattices)], num_threads=1)
    with LatticeWriter(f"ark:{folder}/lat.ark") as writer:
        for i, result in enumerate(found):
            assert result.lattice is not None
            print(f"lattice {i}: {result.lattice.num_states} states, {result.lattice.num_arcs} arcs")
            writer[f"lattice-{i:03}"] = fstext.LatticeVectorFst(result.lattice)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kaldi", required=True)
    parser.add_argument("--lattices", type=int, default=20)
    parser.add_argument("--corpus", help="sentences, for lattices of a search")
    options = parser.parse_args()
    names = {
        "fstext": fstext,
        "functions": functions,
        "sausages": sausages,
        "SequentialLatticeReader": SequentialLatticeReader,
        "StdBackoffDeterministicOnDemandFst": StdBackoffDeterministicOnDemandFst,
        "StdUnweightedNgramFst": StdUnweightedNgramFst,
    }
    exec(JOBS, names)
    with tempfile.TemporaryDirectory() as name:
        if options.corpus:
            write_decoded(Path(name), options.lattices, options.corpus)
        else:
            write_machines(Path(name), options.lattices)
        ours = names["jobs"](name, BEAM)  # type: ignore[operator]
        with SequentialLatticeReader(f"ark:{name}/lat.ark") as reader:
            raw = [Lattice.of(lattice) for _, lattice in reader]
        ours["posteriors, arrays"] = lambda: sum(len(lattice.posteriors().begin) - 1 for lattice in raw)
        with Peer(options.kaldi, ["-c", PEER, name, str(BEAM)]) as peer:
            print("| | sonant (lattices/s) | Kaldi (lattices/s) | ratio | same size |\n|---|---|---|---|---|")
            for job, call in ours.items():
                times: tuple[list[float], list[float]] = ([], [])
                sizes = set()
                for _ in range(TURNS):
                    start = time.process_time()
                    sizes.add(call())
                    times[0].append(time.process_time() - start)
                    took, size = peer.ask(job.removesuffix(", arrays"))
                    times[1].append(took)
                    sizes.add(size)
                mine, theirs = (options.lattices / statistics.median(each) for each in times)
                same = "yes" if len(sizes) == 1 else f"no: {sorted(sizes)}"
                print(f"| {job} | {mine:,.0f} | {theirs:,.0f} | {mine / theirs:.1f} | {same} |", flush=True)


if __name__ == "__main__":
    main()
