"""The transducer's loss and gradient beside torchaudio, k2 and plain torch: CPU time and memory.

    python benchmarks/transducer_loss.py [--k2 PYTHON] [--threads 1] [--turns 5]
    python benchmarks/transducer_loss.py --device cuda [--turns 20] [--tile 128 128 64 8 3]

PYTHON is one that has k2 1.23.2 and torchaudio 0.12.1 (Python 3.8). From logits, or from what goes into the
joiner, to all gradients; medians, each row in a process of its own. Memory is what the process takes more
than before the call, at its peak, the gradients that stay included.

On a GPU: milliseconds with the device waited for and megabytes of its memory, of two sizes of joiner, beside
torch's joiner with torchaudio's loss where that is there. `--tile`: cells, tokens and dims of a tile of the
fused products, warps, stages.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

LOGITS = 8, 200, 40, 500
JOINER = 8, 200, 40, 500, 512
TRAINED_STEPS = 20


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(make, call, turns):
    """Median CPU seconds, and the most bytes taken beyond those before."""
    times, peak, value = [], 0, 0.0
    for _ in range(turns + 1):
        inputs = make()
        before, done = resident(), threading.Event()
        found = [before]

        def watch(found=found, done=done):
            while not done.wait(0.002):
                found.append(resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.process_time()
        loss = call(*inputs)
        loss.backward()
        times.append(time.process_time() - began)
        done.set()
        watcher.join()
        value, peak = float(loss.detach()), max(peak, max(found) - before)
    return 1000 * statistics.median(times[1:]), peak / 2**20, value


def targets_and_lengths(batch, frames, tokens, vocabulary):
    torch.manual_seed(0)
    lengths = torch.full((batch,), frames), torch.full((batch,), tokens)
    return torch.randint(1, vocabulary, (batch, tokens)), *lengths


def make_logits():
    batch, frames, tokens, vocabulary = LOGITS
    torch.manual_seed(1)
    return (torch.randn(batch, frames, tokens + 1, vocabulary).requires_grad_(),)


def make_joiner():
    batch, frames, tokens, vocabulary, dim = JOINER
    torch.manual_seed(1)
    joiner = torch.nn.Linear(dim, vocabulary)
    parts = torch.randn(batch, frames, dim), torch.randn(batch, tokens + 1, dim)
    return *(x.requires_grad_() for x in parts), joiner


def make_trained():
    """The same after some steps of training: alignments are sharp then, as for most of a training."""
    saved = Path(tempfile.gettempdir(), "sonant_transducer_loss.pt")
    if not saved.exists():
        from sonant.losses import rnnt_loss_fused

        encoder, predictor, joiner = make_joiner()
        optimizer = torch.optim.Adam([encoder, predictor, *joiner.parameters()], 0.05)
        for _ in range(TRAINED_STEPS):
            optimizer.zero_grad()
            loss = rnnt_loss_fused(encoder, predictor, joiner, *targets_and_lengths(*LOGITS))
            loss.backward()
            optimizer.step()
        torch.save([encoder.detach(), predictor.detach(), joiner.state_dict()], saved)
    encoder, predictor, weights = torch.load(saved)
    joiner = torch.nn.Linear(JOINER[-1], JOINER[-2])
    joiner.load_state_dict(weights)
    return encoder.requires_grad_(), predictor.requires_grad_(), joiner


def plain_torch(logits):
    """Graves's recursion over the diagonals of log-softmax, as one would write it."""
    targets = targets_and_lengths(*LOGITS)[0]
    scores = logits.log_softmax(-1)
    blank = scores[..., 0]
    index = targets[:, None, :, None].expand(-1, scores.shape[1], -1, -1)
    emit = scores[:, :, :-1].gather(3, index).squeeze(3)
    alpha = torch.nn.functional.pad(emit[:, 0].cumsum(1), (1, 0))
    for t in range(1, scores.shape[1]):
        stay = alpha + blank[:, t - 1]
        # log sum of exp along a row, said tokens taken out first
        said = torch.nn.functional.pad(emit[:, t].cumsum(1), (1, 0))
        alpha = torch.logcumsumexp(stay - said, 1) + said
    return -(alpha[:, -1] + blank[:, -1, -1]).mean()


def of_logits(name):
    targets, frames, tokens = targets_and_lengths(*LOGITS)
    if name == "plain torch":
        return plain_torch
    if name == "torchaudio":
        from torchaudio.functional import rnnt_loss

        ints = [x.int() for x in (targets, frames, tokens)]
        return lambda logits: rnnt_loss(logits, *ints, blank=0)
    if name == "k2":
        import k2

        boundary = torch.stack([tokens * 0, tokens * 0, tokens, frames], 1)
        return lambda logits: k2.rnnt_loss(logits, targets, 0, boundary)
    from sonant.losses import rnnt_loss

    overwrite = name == "sonant, overwrite"
    return lambda logits: rnnt_loss(logits, targets, frames, tokens, blank=0, overwrite=overwrite)


def of_joiner(name):
    targets, frames, tokens = targets_and_lengths(*LOGITS)
    if name == "sonant, fused":
        from sonant.losses import rnnt_loss_fused

        return lambda encoder, predictor, joiner: rnnt_loss_fused(
            encoder, predictor, joiner, targets, frames, tokens
        )
    loss = plain_torch if name == "plain torch" else of_logits(name)
    return lambda encoder, predictor, joiner: loss(
        joiner(torch.tanh(encoder[:, :, None] + predictor[:, None]))
    )


def pruned(k2, s_range=5):
    """The simple loss, ranges, and the pruned loss of a joiner's logits, as icefall trains."""
    targets, frames, tokens = targets_and_lengths(*LOGITS)
    boundary = torch.stack([tokens * 0, tokens * 0, tokens, frames], 1)

    def call(am, lm):
        simple, (px, py) = k2.rnnt_loss_smoothed(lm, am, targets, 0, 0.25, 0.0, boundary, return_grad=True)
        ranges = k2.get_rnnt_prune_ranges(px, py, boundary, s_range)
        am_pruned, lm_pruned = k2.do_rnnt_pruning(am, lm, ranges)
        return 0.5 * simple + k2.rnnt_loss_pruned(am_pruned + lm_pruned, targets, ranges, 0, boundary)

    return call


def make_simple():
    batch, frames, tokens, vocabulary = LOGITS
    torch.manual_seed(1)
    parts = torch.randn(batch, frames, vocabulary), torch.randn(batch, tokens + 1, vocabulary)
    return tuple(x.requires_grad_() for x in parts)


def one(task, name, turns):
    if task == "pruned":
        import importlib

        return measured(
            make_simple, pruned(importlib.import_module("k2" if name == "k2" else "sonant.fsa")), turns
        )
    if task == "logits":
        return measured(make_logits, of_logits(name), turns)
    return measured(make_trained if task == "trained" else make_joiner, of_joiner(name), turns)


# ---- On a GPU

GPU_SIZES = (16, 245, 60, 8704, 512), (30, 200, 60, 500, 512)


def gpu_losses(targets, frames, tokens, precision):
    """Names, and losses of encoder, predictor and joiner: factors of products in `precision`, but where the
    name says float32.
    """
    from sonant.losses import rnnt_loss, rnnt_loss_fused

    def fused(encoder, predictor, joiner):
        return rnnt_loss_fused(encoder, predictor, joiner, targets, frames, tokens)

    def logits(encoder, predictor, joiner):
        return joiner(torch.tanh(encoder[:, :, None] + predictor[:, None]))

    def cast(loss):
        def call(*inputs):
            with torch.autocast(targets.device.type, precision):
                return loss(*inputs)

        return call

    ours = lambda *inputs: rnnt_loss(logits(*inputs), targets, frames, tokens, blank=0, overwrite=True)  # noqa: E731
    losses = {"sonant, fused": cast(fused), "sonant, fused, float32": fused}
    losses["torch's joiner, sonant's loss"] = cast(ours)
    try:
        from torchaudio.functional import rnnt_loss as theirs
    except ImportError as error:
        print(f"torchaudio is not compared: {error}", file=sys.stderr)
        return losses
    ints = [x.int() for x in (targets, frames, tokens)]
    losses["torch's joiner, torchaudio's loss"] = cast(
        lambda *inputs: theirs(logits(*inputs).float(), *ints, blank=0)
    )
    return losses


def gpu_inputs(batch, frames, tokens, vocabulary, dim, device):
    torch.manual_seed(1)
    joiner = torch.nn.Linear(dim, vocabulary, device=device)
    parts = torch.randn(batch, frames, dim), torch.randn(batch, tokens + 1, dim)
    return *(x.to(device).requires_grad_() for x in parts), joiner


def gpu_measured(loss, inputs, turns):
    """Median milliseconds, megabytes beyond those before, and the loss."""
    encoder, predictor, joiner = inputs
    leaves = [encoder, predictor, *joiner.parameters()]
    times, value = [], 0.0
    for _ in range(turns + 2):  # the first two compile and choose
        for leaf in leaves:
            leaf.grad = None
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before, began = torch.cuda.memory_allocated(), time.perf_counter()
        found = loss(*inputs)
        found.backward()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
        value, peak = float(found.detach()), torch.cuda.max_memory_allocated() - before
    return 1000 * statistics.median(times[2:]), peak / 1e6, value


def gpu_table(turns, tile):
    if not torch.cuda.is_available():
        sys.exit("nothing measured: torch sees no GPU here (torch.cuda.is_available() is False)")
    from sonant.ops.segments import triton_serves

    device = torch.device("cuda")
    serves = triton_serves(device)
    if tile and serves:
        from sonant.ops.transducer import triton

        kind = triton.FusedJoiner
        kind.CELLS, kind.TOKENS, kind.DIMS = tile[:3]
        triton.PRODUCTS.update(num_warps=tile[3], num_stages=tile[4])
    kernels = "Triton's kernels" if serves else "no Triton: torch's products in tiles"
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {kernels}, products of bfloat16\n")
    print("| what, forward and backward | ms | MB | loss | theirs / ours |")
    print("|---|---|---|---|---|")
    for size in GPU_SIZES:
        numbers = [x.to(device) for x in targets_and_lengths(*size[:4])]
        title, first = " ".join(f"{name}={n}" for name, n in zip("BTUVD", size, strict=True)), None
        for name, loss in gpu_losses(*numbers, torch.bfloat16).items():
            try:
                milliseconds, megabytes, value = gpu_measured(loss, gpu_inputs(*size, device), turns)
            except torch.cuda.OutOfMemoryError:
                print(f"| {title}: {name} | out of memory | | | |", flush=True)
                continue
            first = first or (milliseconds, megabytes)
            ratio = f"{milliseconds / first[0]:.1f}x, {megabytes / first[1]:.1f}x"
            print(
                f"| {title}: {name} | {milliseconds:.2f} | {megabytes:.0f} | {value:.3f} | {ratio} |",
                flush=True,
            )


TASKS = {
    "logits": (
        "loss of logits, B=8 T=200 U=40 V=500",
        ["sonant", "sonant, overwrite", "plain torch", "torchaudio", "k2"],
    ),
    "joiner": ("with the joiner, D=512", ["sonant, fused", "sonant", "plain torch", "torchaudio", "k2"]),
    "trained": ("with the joiner, trained", ["sonant, fused", "sonant", "plain torch", "torchaudio", "k2"]),
    "pruned": ("smoothed and pruned losses, s=5", ["sonant", "k2"]),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--k2", help="a Python that has k2 and torchaudio")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tile", type=int, nargs=5)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.device == "cuda":
        gpu_table(options.turns, options.tile)
        return
    if options.one:
        print(json.dumps(one(*options.one, options.turns)))
        return
    Path(tempfile.gettempdir(), "sonant_transducer_loss.pt").unlink(missing_ok=True)
    limits = ["taskset", "-c", ",".join(map(str, range(options.threads)))]
    print(f"| what, {options.threads} thread(s) | CPU ms | MiB | loss | theirs / ours |")
    print("|---|---|---|---|---|")
    for task, (title, names) in TASKS.items():
        first = None
        for name in names:
            python = options.k2 if name in ("torchaudio", "k2") else sys.executable
            if python is None:
                continue
            command = [*limits, python, __file__, "--threads", str(options.threads)]
            command += ["--turns", str(options.turns), "--one", task, name]
            output = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ).stdout
            milliseconds, mebibytes, loss = json.loads(output.splitlines()[-1])
            first = first or (milliseconds, mebibytes)
            ratio = f"{milliseconds / first[0]:.1f}x, {mebibytes / first[1]:.1f}x"
            print(
                f"| {title}: {name} | {milliseconds:.0f} | {mebibytes:.0f} | {loss:.4f} | {ratio} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
