"""Forward-backward and ragged rows on a GPU: Triton's kernels beside torch's operations (the reference).

    python benchmarks/fsa_gpu.py [--automata 32] [--frames 400] [--states 80] [--degree 3] [--tile 1024]
                                 [--warps 4] [--gigabytes-per-second 3350]

Values and gradients are compared with the reference first. Then, for each: milliseconds of one call (median
of 20, with the device waited for), the memory it takes at most, and the time that the bytes alone would take
which it cannot do without (those that ops/fsa_scores/triton.py counts) at the given bandwidth.
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


def measured(torch, call, backend):
    """Median milliseconds and the most megabytes over what was there before."""
    call(backend)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before, times = torch.cuda.memory_allocated(), []
    for _ in range(TURNS):
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


if __name__ == "__main__":
    main()
