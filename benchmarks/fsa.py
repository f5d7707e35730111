"""Differentiable automata beside k2 and torch: CTC, forward-backward, dense intersection.

    python benchmarks/fsa.py [--k2 PYTHON] [--threads 2]

PYTHON is one that has k2 (1.23.2, say, under Python 3.8). Times are CPU times of one call on one thread,
medians. The last column is how many times as fast sonant is on --threads threads, by the wall: the shortest
of several calls of each, which take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

TURNS = 5
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def use_threads(torch, count):
    """torch is told so, and the native core goes by the cores that it may use."""
    torch.set_num_threads(count)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, CORES[:count])


def measured(torch, setup, threads=(1,), turns=TURNS):
    """Median CPU seconds and least wall seconds of the function that `setup` makes anew each time, on each of
    these numbers of threads.
    """
    times = {count: [] for count in threads}
    for _ in range(turns):
        for count in threads:
            use_threads(torch, count)
            setup()()  # on another core, say, nothing is at hand yet
            call = setup()
            began = time.process_time(), time.perf_counter()
            call()
            times[count].append((time.process_time() - began[0], time.perf_counter() - began[1]))
    use_threads(torch, threads[0])
    return [
        (statistics.median(cpu for cpu, _ in times[count]), min(wall for _, wall in times[count]))
        for count in threads
    ]


def threads_to_show(options):
    """One, and what --threads asks for where there are as many cores."""
    return (1, options.threads) if 1 < options.threads <= (len(CORES) or os.cpu_count()) else (1,)


def tasks(k2, torch):
    """Runs under k2's Python 3.8 too, with k2 or with sonant.fsa as `k2`."""
    torch.manual_seed(0)
    batch, frames, classes, tokens = 32, 400, 500, 40
    scores = torch.randn(batch, frames, classes)
    targets = torch.randint(1, classes, (batch, tokens))
    segments = torch.tensor([[i, 0, frames] for i in range(batch)], dtype=torch.int32)

    def ctc():
        leaf = scores.clone().requires_grad_(True)

        def call():
            graph = k2.ctc_graph(targets.tolist())
            dense = k2.DenseFsaVec(leaf.log_softmax(-1), segments)
            lattice = k2.intersect_dense(graph, dense, 10.0)
            lattice.get_tot_scores(use_double_scores=True, log_semiring=True).sum().backward()

        return call

    yield "CTC loss, B=32 T=400 V=500 U=40, beam 10", ctc

    tokens_of_graph, small = 60, 8
    dense_scores = torch.randn(small, 150, tokens_of_graph + 1).log_softmax(-1)
    topology = k2.ctc_topo(tokens_of_graph)
    short = torch.tensor([[i, 0, 150] for i in range(small)], dtype=torch.int32)
    topologies = k2.create_fsa_vec([topology] * small)
    lattices = k2.intersect_dense(topologies, k2.DenseFsaVec(dense_scores, short), 8.0)

    def dense():
        leaf = dense_scores.clone().requires_grad_(True)
        return lambda: k2.intersect_dense(topologies, k2.DenseFsaVec(leaf, short), 8.0)

    yield "intersect_dense, topology of 61 states, 3,781 arcs, B=8 T=150", dense

    peaked = (3 * torch.randn(small, 150, tokens_of_graph + 1)).log_softmax(-1)

    def few():
        leaf = peaked.clone().requires_grad_(True)
        return lambda: k2.intersect_dense(topologies, k2.DenseFsaVec(leaf, short), 2.0)

    yield "the same of peaked scores, beam 2", few

    def totals(log):
        def setup():
            fsas = lattices.detach().clone().requires_grad_(True)
            if hasattr(fsas, "_cache"):
                fsas._cache.clear()
            return lambda: fsas.get_tot_scores(True, log).sum().backward()

        return setup

    size = "of what the second row gives"
    yield f"get_tot_scores and its gradient, log, {size}", totals(True)
    yield f"get_tot_scores and its gradient, tropical, {size}", totals(False)

    def post():
        fsas = lattices.detach().clone()
        if hasattr(fsas, "_cache"):
            fsas._cache.clear()
        return lambda: fsas.get_arc_post(True, True)

    yield f"get_arc_post, {size}", post
    yield f"shortest_path, {size}", lambda: lambda: k2.shortest_path(lattices.detach().clone(), True)


def torch_ctc(torch):
    torch.manual_seed(0)
    scores, targets = torch.randn(32, 400, 500), torch.randint(1, 500, (32, 40))
    lengths, widths = torch.full((32,), 400), torch.full((32,), 40)

    def setup():
        leaf = scores.clone().requires_grad_(True)

        def call():
            output = leaf.log_softmax(-1).transpose(0, 1)
            torch.nn.functional.ctc_loss(output, targets, lengths, widths, reduction="sum").backward()

        return call

    return setup


def run(k2, torch, threads=(1,)):
    use_threads(torch, 1)
    return {name: measured(torch, setup, threads) for name, setup in tasks(k2, torch)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--k2", help="a Python that has k2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_peer:
        import k2
        import torch

        print(json.dumps(run(k2, torch)))
        return
    import torch

    import sonant.fsa

    threads = threads_to_show(options)
    ours = run(sonant.fsa, torch, threads)
    peers = {"torch": {next(iter(ours)): measured(torch, torch_ctc(torch))}}
    if options.k2:
        command = [options.k2, __file__, "--as-peer"]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        peers["k2"] = json.loads(found.stdout.splitlines()[-1])
    columns = ["what, one thread", "sonant, CPU ms", *(f"{peer}: ms, ratio" for peer in peers)]
    columns += [f"sonant on {count} threads" for count in threads[1:]]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for name, found in ours.items():
        cpu, wall = found[0]
        cells = [name, f"{cpu * 1000:.1f}"]
        for peer in peers.values():
            theirs = peer[name][0][0] if name in peer else None
            cells.append("" if theirs is None else f"{theirs * 1000:.1f}, {theirs / cpu:.2f}x")
        cells += [f"{wall / shared:.2f}x as fast" for _, shared in found[1:]]
        print(f"| {' | '.join(cells)} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
