"""ScaledAdam (Yao et al. 2024, "Zipformer", section 3.5): Adam relative to the size of each tensor.

With theta a tensor, r its root mean square before the step, g its gradient and A(.) what Adam makes of a
gradient (moments m, v by beta1, beta2; sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)),

    theta <- theta - rate * r * A(g) - rate * size_rate * A(g . theta) * theta

The first change is as large a part of a tensor whatever its size is; the second one learns the size, along
its gradient g . theta. As the authors' program has it, and the paper does not tell: the size stays within
`least_size` and `largest_size`, tensors of one number are left to Adam at `scalar_rate` times the rate, and
gradients that are more than `clip` times as large as usual are scaled down to that, where the size of all
gradients is the norm of each times r, and the usual one the median of the last `window` steps.
"""

# pyright: reportPrivateImportUsage=false
# (_foreach_*: one kernel for many tensors, as torch's own optimisers have them)

import math
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from sonant.train.bounds import check

FIRST = 10  # steps that a median is of, at least


@dataclass(frozen=True)
class ScaledAdamConfig:
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    size_rate: float = 0.1  # of a tensor's size, relative to the rate
    scalar_rate: float = 0.1  # of tensors of one number, relative to the rate
    least_size: float = 1e-5  # root mean square of a tensor
    largest_size: float = 3.0
    largest_scalar: float = 10.0
    clip: float = 2.0  # medians of the gradients' size; 0: no clipping
    window: int = 100  # steps that the median is of

    def __post_init__(self):
        check(self, size_rate=(0, inf), scalar_rate=(0, inf), clip=(0, inf), window=(FIRST, inf))


class ScaledAdam(Optimizer):
    """`groups` as of any optimiser of torch; `lr` may be changed in them before each step."""

    def __init__(self, groups: Iterable[Any], config: ScaledAdamConfig, lr: float = 0.0):
        self.config = config
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        clip = self._clip() if self.config.clip else None
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            tensors = [p for p in given if p.numel() > 1]
            scalars = [p for p in given if p.numel() == 1]
            if tensors:
                self._tensors(tensors, group["lr"], clip)
            if scalars:
                change = self._adam(scalars, [_gradient(p, clip) for p in scalars], "")
                torch._foreach_mul_(change, -group["lr"] * self.config.scalar_rate)
                torch._foreach_add_(scalars, change)
                most = self.config.largest_scalar
                torch._foreach_clamp_min_(scalars, -most)
                torch._foreach_clamp_max_(scalars, most)

    def _tensors(self, tensors: list[Tensor], rate: float, clip: Tensor | None) -> None:
        config = self.config
        gradients = [_gradient(p, clip) for p in tensors]
        size = _sizes(tensors)
        slopes = [torch.dot(g.flatten(), p.flatten()) for g, p in zip(gradients, tensors, strict=True)]
        change = self._adam(tensors, gradients, "")
        growth = torch.stack(self._adam(tensors, slopes, "size_")) * (-rate * config.size_rate)
        growth = torch.where(size > config.largest_size, growth.clamp(max=0.0), growth)
        growth = torch.where(size < config.least_size, growth.clamp(min=0.0), growth)
        torch._foreach_mul_(change, list((size.clamp(min=config.least_size) * -rate).unbind()))
        torch._foreach_mul_(tensors, list((1 + growth).unbind()))
        torch._foreach_add_(tensors, change)

    def _adam(self, parameters: list[Tensor], gradients: list[Tensor], prefix: str) -> list[Tensor]:
        """The direction that Adam takes for each gradient, which belong to the parameters."""
        first, second = self.config.betas
        states = [self.state[p] for p in parameters]
        for state, gradient in zip(states, gradients, strict=True):
            if f"{prefix}step" not in state:
                state[f"{prefix}step"] = 0
                state[f"{prefix}mean"] = torch.zeros_like(gradient)
                state[f"{prefix}square"] = torch.zeros_like(gradient)
            state[f"{prefix}step"] += 1
        means = [state[f"{prefix}mean"] for state in states]
        squares = [state[f"{prefix}square"] for state in states]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        below = torch._foreach_sqrt(squares)
        torch._foreach_add_(below, self.config.eps)
        found = torch._foreach_div(means, below)
        steps = [state[f"{prefix}step"] for state in states]
        torch._foreach_mul_(found, [math.sqrt(1 - second**t) / (1 - first**t) for t in steps])
        return list(found)

    def _clip(self) -> Tensor | None:
        """What all gradients are to be multiplied by, once enough of them are known."""
        given = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        if not given:
            return None
        size = _sizes(given)
        scalar = torch.tensor([p.numel() == 1 for p in given], device=size.device)
        weight = torch.where(scalar, self.config.scalar_rate, size)
        norm = torch.linalg.vector_norm(
            torch.stack(torch._foreach_norm([_gradient(p) for p in given])) * weight
        )
        before: Tensor = self.state.get("norms", {}).get("recent", norm.new_zeros(0))  # pyright: ignore
        self.state["norms"] = {"recent": torch.cat((before, norm[None]))[-self.config.window :]}  # pyright: ignore
        if len(before) < FIRST:
            return None
        return (self.config.clip * before.median() / norm.clamp(min=1e-30)).clamp(max=1.0)


def _gradient(parameter: Tensor, clip: Tensor | None = None) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad if clip is None else parameter.grad * clip


def _sizes(tensors: list[Tensor]) -> Tensor:
    """The root mean square of each, (tensors,)."""
    norms = torch.stack(torch._foreach_norm(tensors))
    return norms / torch.tensor([math.sqrt(p.numel()) for p in tensors], dtype=norms.dtype).to(norms.device)
