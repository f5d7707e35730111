"""CTC's loss and gradient, B=32 T=400 V=500 U=40: sonant.losses beside torch's own kernel and k2.

    python benchmarks/ctc_loss.py [--k2 PYTHON] [--threads 1]

PYTHON is one that has k2 (1.23.2, say, under Python 3.8). From logits to their gradient; CPU
time, medians, and the largest differences of losses and of gradients from torch's in float64.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import torch

BATCH, FRAMES, CLASSES, TOKENS, TURNS = 32, 400, 500, 40, 7


def problem():
    torch.manual_seed(0)
    return torch.randn(BATCH, FRAMES, CLASSES), torch.randint(1, CLASSES, (BATCH, TOKENS))


def measured(loss, turns=TURNS, dtype=torch.float32):
    """Median CPU milliseconds, losses and gradient."""
    times, found, leaf = [], None, None
    for _ in range(turns + 1):
        leaf = problem()[0].to(dtype).requires_grad_(True)
        began = time.process_time()
        found = loss(leaf)
        found.sum().backward()
        times.append(time.process_time() - began)
    return 1000 * statistics.median(times[1:]), found.detach(), leaf.grad


def k2_loss(k2, beam):
    targets = problem()[1].tolist()
    segments = torch.tensor([[i, 0, FRAMES] for i in range(BATCH)], dtype=torch.int32)

    def loss(logits):
        dense = k2.DenseFsaVec(logits.log_softmax(-1), segments)
        return k2.ctc_loss(k2.ctc_graph(targets), dense, output_beam=beam, reduction="none")

    return loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--k2", help="a Python that has k2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.as_peer:
        import k2

        print(json.dumps([measured(k2_loss(k2, beam))[0] for beam in (10, 1000)]))
        return
    if options.threads < (os.cpu_count() or 1) and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    import torch.nn.functional as F

    import sonant.fsa
    from sonant.losses import ctc_loss

    targets = problem()[1]
    frames, tokens = torch.full((BATCH,), FRAMES), torch.full((BATCH,), TOKENS)
    of = {
        "torch": lambda x: F.ctc_loss(
            x.log_softmax(-1).transpose(0, 1), targets, frames, tokens, reduction="none"
        ),
        "sonant.losses.ctc_loss": lambda x: ctc_loss(x, targets, frames, tokens),
        "with topology='modified'": lambda x: ctc_loss(x, targets, frames, tokens, topology="modified"),
        "with delay_penalty": lambda x: ctc_loss(x, targets, frames, tokens, delay_penalty=0.01),
        "sonant.fsa.ctc_loss of graphs": k2_loss(sonant.fsa, 10),
    }
    found = {name: measured(loss) for name, loss in of.items()}
    exact = measured(of["torch"], 1, torch.float64)[1:]
    times = {name: values[0] for name, values in found.items()}
    if options.k2:
        command = [options.k2, __file__, "--as-peer", "--threads", str(options.threads)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        times["k2, beam 10"], times["k2, beam 1000"] = json.loads(output.splitlines()[-1])
    print(f"| CTC loss and gradient, {options.threads} thread(s) | CPU ms | torch / this | differences |")
    print("|---|---|---|---|")
    for name, milliseconds in times.items():
        apart = ""
        if name in ("torch", "sonant.losses.ctc_loss", "sonant.fsa.ctc_loss of graphs"):
            pairs = zip(found[name][1:], exact, strict=True)
            apart = ", ".join(f"{float((ours - theirs).abs().max()):.1e}" for ours, theirs in pairs)
        print(f"| {name} | {milliseconds:.1f} | {times['torch'] / milliseconds:.2f}x | {apart} |")


if __name__ == "__main__":
    main()
