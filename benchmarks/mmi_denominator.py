"""The denominator of LF-MMI, forward-backward, of 10,000 states and 50,000 arcs: B=128, T=150.

    python benchmarks/mmi_denominator.py [--threads 1] [--lattice 1]

CPU time, medians, and the peak of memory above what was there. Beside it the same by the lattice
(intersect_dense without a beam, and get_tot_scores) of as few sequences as --lattice says, whose time is
scaled up to the batch.
"""

import argparse
import os
import resource
import statistics
import time

import torch

import sonant.fsa as k2
from sonant.ops.fsa_frames import Leak, Sequences, total_scores
from sonant.ops.fsa_scores import Graphs

STATES, ARCS, BATCH, FRAMES, CLASSES = 10_000, 50_000, 128, 150, 3000


def denominator() -> k2.Fsa:
    """Arcs from anywhere to anywhere, all states final."""
    torch.manual_seed(0)
    states = torch.arange(STATES)
    source, dest = torch.randint(STATES, (2, ARCS))
    label = torch.randint(CLASSES, (ARCS,))
    inner = torch.stack([source, dest, label, torch.zeros_like(source)], 1)
    final = torch.stack([states, states * 0 + STATES, states * 0 - 1, states * 0], 1)
    rows = torch.cat([inner, final])
    fsa = k2.Fsa(rows[rows[:, 0].argsort(stable=True)].to(torch.int32))
    fsa.scores = torch.rand(fsa.num_arcs).log()
    return fsa


def measured(call, turns: int) -> float:
    """Median CPU seconds."""
    times = []
    for _ in range(turns):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MiB


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lattice", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.threads < (os.cpu_count() or 1) and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    fsa = denominator()
    graphs = Graphs(
        fsa.arcs.values(), fsa.arcs.state_splits(), torch.tensor([0, STATES + 1], dtype=torch.int32)
    )
    scores = torch.randn(BATCH * FRAMES, CLASSES).requires_grad_()
    ids = torch.arange(BATCH, dtype=torch.int32)
    of = Sequences(ids * FRAMES, torch.full_like(ids, FRAMES), torch.zeros_like(ids))
    share = torch.full((STATES + 1,), 1 / STATES)
    share[-1] = 0

    def call(count: int, leak: Leak | None = None, gradient: bool = True) -> None:
        part = Sequences(of.first[:count], of.frames[:count], of.graph_of[:count])
        rows = scores[: count * FRAMES] if gradient else scores.detach()[: count * FRAMES]
        total = total_scores(graphs, fsa.scores, rows, part, leak).sum()
        if gradient:
            torch.autograd.grad(total, rows)

    def lattice() -> None:
        rows = scores[: options.lattice * FRAMES].view(options.lattice, FRAMES, CLASSES)
        segments = torch.tensor([[i, 0, FRAMES] for i in range(options.lattice)], dtype=torch.int32)
        found = k2.intersect_dense(fsa, k2.DenseFsaVec(rows, segments), 1e4, max_states=2**30)
        torch.autograd.grad(found.get_tot_scores(True, True).sum(), scores)

    began = peak()
    rows = [
        ("totals alone", measured(lambda: call(BATCH, gradient=False), 3), peak() - began),
        ("totals and gradient", measured(lambda: call(BATCH), 3), peak() - began),
        ("totals and gradient, leaky", measured(lambda: call(BATCH, Leak(1e-3, share)), 3), peak() - began),
    ]
    few = options.lattice
    if few:
        scale = BATCH / few
        rows.append((f"by the lattice, of {few}, scaled", scale * measured(lattice, 1), None))
    size = f"{STATES:,} states, {ARCS:,} arcs, B={BATCH} T={FRAMES}, {CLASSES:,} classes"
    print(f"| {size}, {options.threads} thread(s) | CPU s | MiB more |\n|---|---|---|")
    for name, seconds, memory in rows:
        print(f"| {name} | {seconds:.2f} | {'' if memory is None else f'{memory:.0f}'} |")


if __name__ == "__main__":
    main()
