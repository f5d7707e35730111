"""Files of automata: a tropical transducer of 500,000 states and 2 million arcs, 200,000 words, 600 lattices.

    pip install kaldifst
    python benchmarks/fst_files.py [--kaldi PYTHON]

Peers: OpenFst through kaldifst in this process, and Kaldi's own OpenFst through PyKaldi where PYTHON is a
Python 3.7 that has it (another process, which reads and writes the same files). All take turns; the ratio is
of the CPU times (medians). Reading a const file is timed three times: into memory; mapped, as is the default;
and mapped with all arcs looked at, which is what a decoder would do in the end. The peers' files are compared
with ours byte for byte.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kaldifst
import numpy as np
from kaldi_peer import Peer

from sonant.fst import Fst, SymbolTable
from sonant.kaldi import fstext
from sonant.kaldi.util import table

LATTICES = Path(__file__).parents[1] / "tests" / "kaldi" / "fstext" / "golden"

STATES, ARCS, WORDS, TURNS = 500_000, 2_000_000, 200_000, 9
Job = Callable[[], object]


def graph() -> Fst:
    rng = np.random.default_rng(0)
    source = np.concatenate([np.arange(STATES), rng.integers(0, STATES, ARCS - STATES)])
    labels = rng.integers(0, WORDS, (2, ARCS)) * (rng.random((2, ARCS)) < 0.7)
    finals = np.where(rng.random(STATES) < 0.05, rng.random(STATES), np.inf)
    return Fst.from_arrays(0, finals, source, *labels, rng.random(ARCS), rng.integers(0, STATES, ARCS))


def ours(folder: Path) -> dict[str, Job]:
    vector, const = (str(folder / name) for name in ("vector.fst", "const.fst"))
    read, fixed = Fst.read(vector), Fst.read(const, map=False)
    words = SymbolTable.read(folder / "words.txt")

    def through(path: str) -> object:
        fst = Fst.read(path)
        return int(fst.arcs["nextstate"].max())

    def each_arc(states: int = 20_000) -> None:
        fst = fstext.StdVectorFst(read)
        for state in range(states):
            for arc in fst.arcs(state):
                arc.ilabel, arc.olabel, arc.weight.value, arc.nextstate  # noqa: B018

    def lattices(kind: str, name: str) -> Job:
        reader = getattr(table, f"Sequential{kind}Reader")

        def read_all() -> None:
            with reader(f"ark:{folder / name}") as opened:
                for _ in opened:
                    pass

        return read_all

    return {
        "read vector": lambda: Fst.read(vector),
        "read const": lambda: Fst.read(const, map=False),
        "read const, mapped": lambda: Fst.read(const),
        "read const, mapped, each arc": lambda: through(const),
        "write vector": lambda: read.write(folder / "ours.vector"),
        "write const": lambda: fixed.write(folder / "ours.const", "const"),
        "read words, text": lambda: SymbolTable.read(folder / "words.txt"),
        "read words, binary": lambda: SymbolTable.read(folder / "words.bin"),
        "write words, text": lambda: words.write_text(folder / "ours.txt"),
        "each arc in Python": each_arc,
        "read lattices": lattices("Lattice", "lat.ark"),
        "read lattices, text": lattices("Lattice", "lat.txt"),
        "read compact lattices": lattices("CompactLattice", "clat.ark"),
        "read compact lattices, text": lattices("CompactLattice", "clat.txt"),
    }


def peer_kaldifst(folder: Path) -> dict[str, Job]:
    vector, const = (str(folder / name) for name in ("vector.fst", "const.fst"))
    read, fixed = kaldifst.StdVectorFst.read(vector), kaldifst.StdConstFst.read(const)
    words = kaldifst.SymbolTable.read_text(str(folder / "words.txt"))

    def each_arc(states: int = 20_000) -> None:
        for state in range(states):
            for arc in kaldifst.ArcIterator(read, state):
                arc.ilabel, arc.olabel, arc.weight.value, arc.nextstate  # noqa: B018

    return {
        "read vector": lambda: kaldifst.StdVectorFst.read(vector),
        "read const": lambda: kaldifst.StdConstFst.read(const),
        "write vector": lambda: read.write(str(folder / "peer.vector")),
        "write const": lambda: fixed.write(str(folder / "peer.const")),
        "read words, text": lambda: kaldifst.SymbolTable.read_text(str(folder / "words.txt")),
        "read words, binary": lambda: kaldifst.SymbolTable.read(str(folder / "words.bin")),
        "write words, text": lambda: words.write_text(str(folder / "peer.txt")),
        "each arc in Python": each_arc,
    }


PYKALDI = """
import json, sys, time
from kaldi.fstext import StdConstFst, StdVectorFst, SymbolTable
from kaldi.util.table import SequentialCompactLatticeReader, SequentialLatticeReader
folder = sys.argv[1]
read, fixed = StdVectorFst.read(folder + "/vector.fst"), StdConstFst.read(folder + "/const.fst")
words = SymbolTable.read_text(folder + "/words.txt")
def read_all(reader, name):
    with reader("ark:" + folder + "/" + name) as opened:
        for _ in opened:
            pass
def each_arc():
    for state in range(20000):
        for arc in read.arcs(state):
            arc.ilabel, arc.olabel, arc.weight.value, arc.nextstate
jobs = {
    "read vector": lambda: StdVectorFst.read(folder + "/vector.fst"),
    "read const": lambda: StdConstFst.read(folder + "/const.fst"),
    "write vector": lambda: read.write(folder + "/kaldi.vector"),
    "write const": lambda: fixed.write(folder + "/kaldi.const"),
    "read words, text": lambda: SymbolTable.read_text(folder + "/words.txt"),
    "read words, binary": lambda: SymbolTable.read(folder + "/words.bin"),
    "write words, text": lambda: words.write_text(folder + "/kaldi.txt"),
    "each arc in Python": each_arc,
    "read lattices": lambda: read_all(SequentialLatticeReader, "lat.ark"),
    "read lattices, text": lambda: read_all(SequentialLatticeReader, "lat.txt"),
    "read compact lattices": lambda: read_all(SequentialCompactLatticeReader, "clat.ark"),
    "read compact lattices, text": lambda: read_all(SequentialCompactLatticeReader, "clat.txt"),
}
print(json.dumps(sorted(jobs)), flush=True)
for line in sys.stdin:
    job = jobs[line.strip()]
    start = time.process_time()
    job()
    print(time.process_time() - start, flush=True)
"""


def timed(job: Job) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kaldi", help="a Python 3.7 that has pykaldi 0.2.1")
    python = parser.parse_args().kaldi
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        fst = graph()
        fst.write(folder / "vector.fst")
        fst.write(folder / "const.fst", "const")
        words = SymbolTable(f"word{i}" for i in range(WORDS))
        words.write_text(folder / "words.txt")
        words.write(folder / "words.bin")
        for lattices in LATTICES.glob("*lat.*"):
            (folder / lattices.name).write_bytes(lattices.read_bytes() * 300)

        peers: dict[str, dict[str, Callable[[], float]]] = {}
        for who, jobs in (("sonant", ours(folder)), ("kaldifst", peer_kaldifst(folder))):
            peers[who] = {job: lambda work=work: timed(work) for job, work in jobs.items()}
        if python:
            other = stack.enter_context(Peer(python, ["-c", PYKALDI, name]))
            peers["pykaldi"] = {job: lambda job=job: other.ask(job) for job in json.loads(other.greeting)}

        rows = list(peers["sonant"])
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(TURNS):
            for row in rows:
                for who, jobs in peers.items():
                    if row in jobs:
                        times.setdefault((row, who), []).append(jobs[row]())
        for made in ("vector", "const", "txt"):
            for who in ("peer", "kaldi")[: len(peers) - 1]:
                assert (folder / f"{who}.{made}").read_bytes() == (folder / f"ours.{made}").read_bytes(), made

        print(f"{fst.num_states} states, {fst.num_arcs} arcs, {WORDS} words; CPU ms (medians of {TURNS})")
        for row in rows:
            base = "read const" if row.startswith("read const") else row
            mine = statistics.median(times[row, "sonant"]) * 1e3
            line = f"{row:30} sonant {mine:8.2f}"
            for who in [who for who in list(peers)[1:] if base in peers[who]]:
                theirs = statistics.median(times[base, who]) * 1e3
                line += f"   {who} {theirs:8.2f} ({theirs / mine:.2f}x)"
            print(line)


if __name__ == "__main__":
    main()
