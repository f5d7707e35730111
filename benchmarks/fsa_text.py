"""Automata as text beside k2: reading k2's and OpenFst's lines, and writing k2's.

    python benchmarks/fsa_text.py [--k2 PYTHON] [--arcs 1000000]

PYTHON is one that has k2 (1.23.2, say, under Python 3.8). CPU times of one call, medians; one thread.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time

TURNS = 3


def measured(k2, arcs):
    """CPU milliseconds of each; runs under k2's Python 3.8 too."""
    generator = random.Random(0)
    states = arcs // 5
    lines = [
        f"{i * states // arcs} {generator.randrange(states)} {generator.randrange(1, 5000)} "
        f"{generator.uniform(-9, 0):.4f}"
        for i in range(arcs)
    ]
    ours = "\n".join([*lines, f"{states - 1} {states} -1 0", str(states)])
    openfst = "\n".join([*lines, f"{states - 1} 1.5"])
    fsa = k2.Fsa.from_str(ours)
    calls = {
        "Fsa.from_str": lambda: k2.Fsa.from_str(ours),
        "Fsa.from_openfst": lambda: k2.Fsa.from_openfst(openfst),
        "to_str_simple": lambda: k2.to_str_simple(fsa),
    }
    found = {}
    for name, call in calls.items():
        times = []
        for _ in range(TURNS):
            began = time.process_time()
            call()
            times.append(time.process_time() - began)
        found[name] = statistics.median(times) * 1000
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--k2", help="a Python that has k2")
    parser.add_argument("--arcs", type=int, default=1_000_000)
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_peer:
        import k2
        import torch

        torch.set_num_threads(1)
        print(json.dumps(measured(k2, options.arcs)))
        return
    import torch

    import sonant.fsa

    torch.set_num_threads(1)
    ours, theirs = measured(sonant.fsa, options.arcs), {}
    if options.k2:
        command = [options.k2, __file__, "--as-peer", "--arcs", str(options.arcs)]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        theirs = json.loads(found.stdout.splitlines()[-1])
    print(f"| {options.arcs:,} arcs, 1 thread | sonant, CPU ms | k2: ms, ratio |\n|---|---|---|")
    for name, cpu in ours.items():
        peer = f"{theirs[name]:.0f}, {theirs[name] / cpu:.1f}x" if name in theirs else ""
        print(f"| {name} | {cpu:.0f} | {peer} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
