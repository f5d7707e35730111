"""Forward-backward and ragged rows on a GPU: Triton's kernels beside torch's operations (the reference).

    python benchmarks/fsa_gpu.py [--automata 32] [--frames 400] [--states 80] [--degree 3] [--tile 1024]
                                 [--warps 4] [--gigabytes-per-second 3350]

Values and gradients are compared with the reference first. Then, for each: milliseconds of one call (median
of 20, with the device waited for), the memory it takes at most, and the time that the bytes alone would take
which it cannot do without (those that ops/fsa_scores/triton.py counts) at the given bandwidth.

A second table has the operations over frames: CTC beside torch's kernel, and LF-MMI's denominator of
benchmarks/mmi_denominator.py, dense intersection exact and pruned, connect, top_sort and shortest_path beside
the native core on the CPU of the same machine, whose results they must give.
"""

import argparse
import statistics
import sys
import time

TURNS = 20


def lattices(torch, options):
    """As dense intersection gives them: `degree` arcs from each state of a frame to states of the next."""
    count, frames, width, degree = options.automata, options.frames, options.states, options.degree
    states = 1 + frames * width + 1
    state = torch.arange(frames * width) % width
    frame = torch.arange(frames * width) // width
    step = torch.arange(degree)
    dest = 1 + (frame[:, None] + 1) * width + (state[:, None] + step) % width
    dest[-width:, 0] = states - 1
    inner = torch.ones(frames * width, degree, dtype=torch.bool)
    inner[-width:, 1:] = False
    source = (1 + torch.arange(frames * width))[:, None].expand(-1, degree)
    source = torch.cat([torch.zeros(width, dtype=torch.int64), source[inner]])
    dest = torch.cat([1 + torch.arange(width), dest[inner]])
    label = torch.where(dest == states - 1, -1, 1)
    one = torch.stack([source, dest, label, torch.zeros_like(label)], 1).to(torch.int32)
    sizes = torch.bincount(source, minlength=states).repeat(count)
    splits = torch.nn.functional.pad(sizes.cumsum(0), (1, 0)).to(torch.int32)
    return one.repeat(count, 1), splits, (torch.arange(count + 1) * states).to(torch.int32)


def measured(torch, call, backend, turns=TURNS):
    """Median milliseconds and the most megabytes over what was there before."""
    call(backend)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before, times = torch.cuda.memory_allocated(), []
    for _ in range(turns):
        began = time.perf_counter()
        call(backend)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000, (torch.cuda.max_memory_allocated() - before) / 1e6


def tasks(torch, options):
    """Name, function of the backend, and the bytes that are moved at least."""
    from sonant.ops import fsa_scores, segments

    arrays = [array.cuda() for array in lattices(torch, options)]
    arcs, states = len(arrays[0]), len(arrays[1]) - 1
    for dtype in (torch.float32, torch.float64):
        size = torch.finfo(dtype).bits // 8
        scores = torch.randn(arcs, dtype=dtype, device="cuda")
        bits = f"float{size * 8}"
        pulled = (8 + size) * (arcs + states)
        graphs = fsa_scores.Graphs(*arrays)  # whose order of arcs is found in the first call

        def total(backend, log, graphs, scores=scores):
            leaf = scores.clone().requires_grad_()
            found = fsa_scores.total_scores(graphs(), leaf, log, backend)
            found.sum().backward()
            return found.detach(), leaf.grad

        for log in (True, False):
            kind = "log" if log else "tropical"
            both = pulled + (4 + 2 * size) * arcs + (8 + 3 * size) * states
            name = f"total scores and gradient, {kind}, {bits}"
            yield name, lambda by, log=log, graphs=graphs, total=total: total(by, log, lambda: graphs), both
        new = lambda: fsa_scores.Graphs(*arrays)  # noqa: E731
        name = f"the same of a new Graphs, which sorts its arcs, log, {bits}"
        yield name, lambda by, total=total, new=new: total(by, True, new), both + 100 * arcs
        yield (
            f"arc posteriors, log, {bits}",
            lambda by, graphs=graphs, scores=scores: (fsa_scores.arc_posteriors(graphs, scores, True, by),),
            2 * pulled + (8 + 2 * size) * arcs,
        )
        ids, rows = graphs.states_of_arcs()[0], graphs.state_splits

        def normalizers(backend, scores=scores, ids=ids, rows=rows):
            leaf = scores.clone().requires_grad_()
            if backend == "reference":
                found = segments.reference.log_sum_exp(leaf, ids, len(rows) - 1)
            else:
                found = segments.log_sum_exp(leaf, ids, rows)
            found[found.isfinite()].sum().backward()
            return found.detach(), leaf.grad

        yield (
            f"log-sum-exp of rows and gradient, {bits}",
            normalizers,
            3 * size * arcs + (8 + 3 * size) * states,
        )


def over_frames(torch):
    """Name, call, the peer's name and call, which give what must agree; and the bytes that are moved at
    least, where they are known.
    """
    import mmi_denominator as mmi

    import sonant.fsa as k2
    from sonant.losses.ctc import by_graphs, by_torch
    from sonant.ops.fsa_frames import Leak, Sequences, total_scores
    from sonant.ops.fsa_scores import Graphs

    torch.manual_seed(0)
    batch, frames, vocabulary, tokens = 32, 400, 500, 40
    logits = torch.randn(batch, frames, vocabulary, device="cuda")
    targets = torch.randint(1, vocabulary, (batch, tokens), device="cuda")
    lengths = [torch.full((batch,), n, device="cuda") for n in (frames, tokens)]

    def ctc(by, *rest):
        leaf = logits.clone().requires_grad_()
        loss = by(leaf.log_softmax(-1), targets, *lengths, 0, *rest)
        loss.sum().backward()
        return loss.detach(), leaf.grad

    name = f"CTC loss from logits, B={batch} T={frames} V={vocabulary} U={tokens}"
    moved = 4 * batch * frames * (2 * (2 * tokens + 2) + 3 * vocabulary)
    yield name, lambda: ctc(by_graphs, "standard", 0.0), "torch", lambda: ctc(by_torch), moved

    fsa, count = mmi.denominator(), mmi.BATCH * mmi.FRAMES
    arrays = fsa.arcs.values(), fsa.arcs.state_splits(), torch.tensor([0, mmi.STATES + 1], dtype=torch.int32)
    scores, ids = torch.randn(count, mmi.CLASSES), torch.arange(mmi.BATCH, dtype=torch.int32)
    of = Sequences(ids * mmi.FRAMES, torch.full_like(ids, mmi.FRAMES), torch.zeros_like(ids))
    share = torch.full((mmi.STATES + 1,), 1 / mmi.STATES)
    share[-1] = 0

    def denominator(device, leak):
        graphs = Graphs(*(array.to(device) for array in arrays))
        weights, rows = fsa.scores.detach().to(device), scores.to(device)

        def call():
            leaf = rows.clone().requires_grad_()
            found = total_scores(graphs, weights, leaf, of, leak)
            found.sum().backward()
            return found.detach(), leaf.grad

        return call

    moved = 4 * count * (2 * mmi.STATES + 3 * mmi.CLASSES)
    name = f"denominator, {mmi.STATES:,} states, {mmi.ARCS:,} arcs, B={mmi.BATCH} T={mmi.FRAMES}"
    for kind, leak in (("", None), (", leaky", Leak(1e-3, share))):
        yield name + kind, denominator("cuda", leak), "CPU", denominator("cpu", leak), moved

    topology = k2.ctc_topo(60)
    log_probs = (3 * torch.randn(8, 150, 61)).log_softmax(-1)
    segments = torch.tensor([[i, 0, 150] for i in range(8)], dtype=torch.int32)

    def inputs(device):
        return topology.to(device), k2.DenseFsaVec(log_probs.to(device), segments)

    def arcs(fsas):
        return fsas.arcs.values()[:, :3], fsas.arcs.state_splits(), fsas.scores

    both = {device: inputs(device) for device in ("cuda", "cpu")}
    lattices = {device: k2.intersect_dense(*both[device], 10.0) for device in both}
    operations = {
        "intersect_dense, topology of 61 states, beam 10, B=8 T=150": lambda device: k2.intersect_dense(
            *both[device], 10.0
        ),
        "intersect_dense_pruned, the same, beams 20 and 8": lambda device: k2.intersect_dense_pruned(
            *both[device], 20.0, 8.0, 30, 10000
        ),
        "connect of what the first gives": lambda device: k2.connect(lattices[device]),
        "top_sort of that": lambda device: k2.top_sort(lattices[device]),
        "shortest_path of that": lambda device: k2.shortest_path(lattices[device], True),
    }
    for name, operation in operations.items():
        calls = (lambda device=device, do=operation: arcs(do(device)) for device in ("cuda", "cpu"))
        mine, peer = calls
        yield name, mine, "CPU", peer, None


def frames_table(torch, options):
    print("\n| what | here, ms | MB | peer: ms, ratio | by bytes alone, ms |")
    print("|---|---|---|---|---|")
    for name, mine, peer, its, moved in over_frames(torch):
        for found, expected in zip(mine(), its(), strict=True):
            torch.testing.assert_close(
                found.cpu(), expected.cpu(), rtol=1e-3, atol=1e-3, msg=lambda m, n=name: f"{n}: {m}"
            )
        for found, again in zip(mine(), mine(), strict=True):
            if not torch.equal(found, again):
                sys.exit(f"error: {name}: two runs gave two results")
        ours, memory = measured(torch, lambda _, call=mine: call(), None)
        theirs, _ = measured(torch, lambda _, call=its: call(), None, 3 if peer == "CPU" else TURNS)
        bound = "" if moved is None else f"{moved / options.gigabytes_per_second / 1e6:.3f}"
        ratio = f"{peer} {theirs:.3f}, {theirs / ours:.2f}x"
        print(f"| {name} | {ours:.3f} | {memory:.0f} | {ratio} | {bound} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name, value in dict(automata=32, frames=400, states=80, degree=3, tile=1024, warps=4).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--gigabytes-per-second", type=float, default=3350, help="of the device: H100 SXM")
    options = parser.parse_args()
    if options.degree > options.states:
        sys.exit(f"error: --degree {options.degree}, expected at most --states, which is {options.states}")
    import torch

    if not torch.cuda.is_available():
        sys.exit("nothing measured: torch sees no GPU here (torch.cuda.is_available() is False)")
    try:
        from sonant.ops.segments import triton
    except ImportError as error:
        sys.exit(f"nothing measured: {error}; pip install triton")
    triton.TILE = options.tile
    triton.LAUNCH["num_warps"] = options.warps

    versions = f"torch {torch.__version__}, triton {triton.triton.__version__}"
    print(f"{torch.cuda.get_device_name()}, {versions}, {options}")
    print("| what | Triton, ms | MB | torch: ms, ratio | MB | by bytes alone, ms |")
    print("|---|---|---|---|---|---|")
    for name, call, moved in tasks(torch, options):
        for found, expected in zip(call(None), call("reference"), strict=True):
            close = 1e-3 if found.dtype == torch.float32 else 1e-8
            torch.testing.assert_close(
                found, expected, rtol=close, atol=close, msg=lambda m, n=name: f"{n}: {m}"
            )
        for found, again in zip(call(None), call(None), strict=True):
            if not torch.equal(found, again):
                sys.exit(f"error: {name}: two runs gave two results")
        ours, memory = measured(torch, call, None)
        theirs, their_memory = measured(torch, call, "reference")
        bound = moved / options.gigabytes_per_second / 1e6
        print(
            f"| {name} | {ours:.3f} | {memory:.0f} | {theirs:.3f}, {theirs / ours:.2f}x | {their_memory:.0f} "
            f"| {bound:.3f} |",
            flush=True,
        )
    frames_table(torch, options)


if __name__ == "__main__":
    main()
