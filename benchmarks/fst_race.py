"""Operations on automata by several libraries (benchmarks/fst_peers.py), each in a process of its own."""

import argparse
import contextlib
import statistics
import sys
import tempfile
from pathlib import Path

from fst_machines import lexicon_and_grammar, random_machines, sentences
from fst_peers import LIBRARIES
from kaldi_peer import Peer

PEERS = str(Path(__file__).with_name("fst_peers.py"))
MOST = 60.0  # seconds: what takes longer is given up
LONG = 10.0  # what takes longer is done once more only


class Table:
    """Rows of a table in Markdown: CPU milliseconds and peak memory of each library, and their ratios."""

    def __init__(self, kaldi_python: str | None, turns: int):
        self.pythons = {name: sys.executable for name in LIBRARIES if name != "kaldi"}
        if kaldi_python:
            self.pythons["kaldi"] = kaldi_python
        self.turns = turns
        self.ratios: list[float] = []
        self.parts: list[float] = []
        names = ", ".join(self.pythons)
        print(f"| machine | operation | states | ms: {names} | ratio | MB: {names} | part |")
        print("|---|---|---|---|---|---|---|", flush=True)

    def row(self, machine: str, operation: str, folder: str) -> None:
        with contextlib.ExitStack() as stack:
            peers = {
                name: stack.enter_context(Peer(python, [PEERS, name, operation, folder], name))
                for name, python in self.pythons.items()
            }
            firsts = {name: peer.ask("first", MOST) for name, peer in peers.items()}
            firsts = {name: first for name, first in firsts.items() if first}
            turns = 1 if max(first["seconds"] for first in firsts.values()) > LONG else self.turns
            times: dict[str, list[float]] = {name: [] for name in firsts}
            for _ in range(turns):
                for name, seconds in times.items():
                    seconds.append(peers[name].ask("again")["seconds"])
        median = {name: statistics.median(seconds) for name, seconds in times.items()}
        memory = {name: first["memory"] for name, first in firsts.items()}
        others = [name for name in median if name != "sonant"]
        self.ratios.append(min(median[name] for name in others) / median["sonant"])
        self.parts.append(memory["sonant"] / min(memory[name] for name in others))
        sizes = sorted({first["states"] for first in firsts.values()} - {None})
        spent = self._shown({name: 1000 * value for name, value in median.items()}, 1)
        print(
            f"| {machine} | {operation} | {', '.join(map(str, sizes))} | {spent} | {self.ratios[-1]:.1f} "
            f"| {self._shown(memory, 0)} | {self.parts[-1]:.2f} |",
            flush=True,
        )

    def _shown(self, values: dict[str, float], digits: int) -> str:
        return ", ".join(f"{values[name]:.{digits}f}" if name in values else "-" for name in self.pythons)

    def end(self) -> None:
        mean = statistics.geometric_mean
        print("\nratio of CPU times, the fastest peer's over ours:", end=" ")
        print(f"geometric mean {mean(self.ratios):.2f}, least {min(self.ratios):.2f}")
        print("part of the memory of the peer that needs least:", end=" ")
        print(f"geometric mean {mean(self.parts):.2f}, most {max(self.parts):.2f}")


def race(operations: tuple[str, ...]) -> None:
    """The command line of a benchmark: the operations on L o G of some sizes, and on random machines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--words", type=int, nargs="*", default=[3000, 20000])
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=operations)
    parser.add_argument("--kaldi", metavar="PYTHON", help="a Python that has pykaldi")
    options = parser.parse_args()
    text = sentences(options.corpus, options.sentences)
    table = Table(options.kaldi, options.turns)
    for size in (*options.words, 0):
        machines = lexicon_and_grammar(text, size) if size else random_machines()
        with tempfile.TemporaryDirectory() as folder:
            for name, machine in machines.items():
                machine.write(f"{folder}/{name}.fst")
            for operation in options.only:
                table.row(f"{size} words" if size else "random", operation, folder)
    table.end()
