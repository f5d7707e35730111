"""LAMB (You et al. 2020): Adam whose step in each tensor is as long as the tensor.

With m and v the moments of the gradient, both without their bias, and x the tensor,

    u = m / (sqrt(v) + eps) + weight_decay * x,    x <- x - rate * |x| / |u| * u

where the ratio is 1 if either norm is 0, and for tensors that do not decay (biases, norms), which then are
Adam's. The defaults are CAIMAN-ASR's.
"""

# pyright: reportPrivateImportUsage=false
# (_foreach_*: one kernel for many tensors, as torch's own optimisers have them)

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from sonant.train.bounds import check


@dataclass(frozen=True)
class LambConfig:
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-9
    weight_decay: float = 1e-2

    def __post_init__(self):
        check(self, weight_decay=(0, inf), eps=(0, inf))


class Lamb(Optimizer):
    """`groups` as of any optimiser of torch, each with its `weight_decay`."""

    def __init__(self, groups: Iterable[Any], config: LambConfig, lr: float = 0.0):
        self.config = config
        super().__init__(groups, {"lr": lr, "weight_decay": config.weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            if given:
                self._group(given, group["lr"], group["weight_decay"])

    def _group(self, tensors: list[Tensor], rate: float, decay: float) -> None:
        first, second = self.config.betas
        gradients = [p.grad for p in tensors if p.grad is not None]
        states = [self.state[p] for p in tensors]
        for state, tensor in zip(states, tensors, strict=True):
            if not state:
                state |= {"step": 0, "mean": torch.zeros_like(tensor), "square": torch.zeros_like(tensor)}
            state["step"] += 1
        means, squares = [s["mean"] for s in states], [s["square"] for s in states]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        steps = [s["step"] for s in states]
        below = torch._foreach_div(squares, [1 - second**t for t in steps])
        torch._foreach_sqrt_(below)
        torch._foreach_add_(below, self.config.eps)
        change = torch._foreach_div(means, [1 - first**t for t in steps])
        torch._foreach_div_(change, below)
        if decay:
            torch._foreach_add_(change, tensors, alpha=decay)
            size, length = (torch.stack(torch._foreach_norm(x)) for x in (tensors, change))
            ratio = torch.where((size > 0) & (length > 0), size / length, 1.0)
            torch._foreach_mul_(change, list(ratio.unbind()))
        torch._foreach_add_(tensors, change, alpha=-rate)
