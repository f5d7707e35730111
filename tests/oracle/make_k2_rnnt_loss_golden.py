# ruff: noqa: E501
"""Golden values of k2's transducer losses, for tests/fsa/test_golden.py.

PYTHON tests/oracle/make_k2_rnnt_loss_golden.py tests/fsa/golden      (a Python 3.8 that has k2 1.23.2)
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from make_fsa_golden import write

BOUNDARIES = [
    "None",
    "torch.tensor([[0, 0, 3, 6], [0, 0, 0, 4], [0, 0, 2, 5]])",
    "torch.tensor([[1, 2, 3, 6], [0, 1, 2, 6], [1, 0, 3, 5]])",
]
TYPES = ["regular", "modified", "constrained"]

MAKE = (
    "def x(*shape, seed=0):\n"
    "    n = int(torch.tensor(shape).prod())\n"
    "    return ((torch.arange(n, dtype=torch.float64) * 1.7 + seed).sin() * 2).reshape(*shape).requires_grad_(True)\n"
    "am, lm, logits = x(3, 6, 5), x(3, 4, 5, seed=3), x(3, 6, 4, 5, seed=5)\n"
    "symbols = torch.tensor([[1, 2, 2], [3, 4, 1], [4, 1, 2]])\n"
    "def v(found, *of):\n"
    "    loss, grads = found if isinstance(found, tuple) else (found, [])\n"
    "    loss.sum().backward()\n"
    "    return [loss, *grads] + [y.grad for y in of]\n"
)


def loss_cases():
    for boundary in BOUNDARIES:
        for kind in TYPES:
            more = f"boundary={boundary}, rnnt_type='{kind}'"
            losses = [
                f"v(k2.rnnt_loss_simple(lm, am, symbols, 0, {more}, reduction='none', return_grad=True), am, lm)",
                f"v(k2.rnnt_loss_smoothed(lm, am, symbols, 2, 0.3, 0.2, {more}, delay_penalty=0.1, return_grad=True), am, lm)",
                f"v(k2.rnnt_loss(logits, symbols, 0, {more}, reduction='sum', delay_penalty=0.2), logits)",
            ]
            parts = [
                f"list(k2.get_rnnt_logprobs(lm, am, symbols, 0, {more}))",
                f"list(k2.get_rnnt_logprobs_smoothed(lm, am, symbols, 0, 0.25, 0.0, {more}))",
                f"list(k2.get_rnnt_logprobs_joint(logits, symbols, 0, {more}))",
            ]
            yield MAKE, losses + (parts if boundary == BOUNDARIES[1] else [])


def pruning_cases():
    for boundary in BOUNDARIES[1:2]:
        for kind in TYPES:
            for width in (2, 3, 7):
                make = MAKE + (
                    f"b = {boundary}\n"
                    f"_, (px, py) = k2.rnnt_loss_simple(lm, am, symbols, 0, b, rnnt_type='{kind}', return_grad=True)\n"
                    f"ranges = k2.get_rnnt_prune_ranges(px, py, b, {width})\n"
                    "a, l = k2.do_rnnt_pruning(am, lm, ranges)\n"
                )
                yield (
                    make,
                    [
                        "ranges",
                        "l",
                        f"v(k2.rnnt_loss_pruned(a * l, symbols, ranges, 0, b, rnnt_type='{kind}', reduction='none'), am, lm)",
                        f"v(k2.rnnt_loss_pruned(a + l, symbols, ranges, 0, b, rnnt_type='{kind}', delay_penalty=0.1), am, lm)",
                        f"k2.get_rnnt_logprobs_pruned(a + l, symbols, ranges, 0, b, '{kind}')[0]",
                    ],
                )
    for seed in range(6):
        make = MAKE + (
            f"lm, am = x(2, 13, 6, seed={seed}) * 3, x(2, 30, 6, seed={seed + 50}) * 3\n"
            f"symbols = torch.arange(24).reshape(2, 12) * {2 * seed + 1} % 5 + 1\n"
            "b = torch.tensor([[0, 0, 12, 30], [0, 0, 7, 19]])\n"
            "_, (px, py) = k2.rnnt_loss_smoothed(lm, am, symbols, 0, 0.1, 0.1, b, return_grad=True)\n"
        )
        yield make, [f"k2.get_rnnt_prune_ranges(px, py, b, {width})" for width in (2, 3, 5)]


def recursion_cases():
    for columns in (6, 7):
        make = MAKE + f"px, py = x(3, 3, {columns}), x(3, 4, 6, seed=9)\n"
        for boundary in BOUNDARIES:
            yield (
                make,
                [
                    f"v(k2.mutual_information_recursion(px, py, {boundary}, return_grad=True), px, py)",
                    f"v(k2.joint_mutual_information_recursion([px, px * 0.5], [py, py * 0.25], {boundary}), px, py)",
                ],
            )


if __name__ == "__main__":
    write(sys.argv[1], "rnnt_loss", [*loss_cases(), *pruning_cases(), *recursion_cases()])
