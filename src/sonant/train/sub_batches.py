"""A loss of a batch in parts, where it needs far more memory than the network before it.

The gradients of each part are computed at once, on what the encoder and the predictor gave, detached from
them; what is kept are those gradients, and one backward pass through the network follows. The result is that
of the whole batch.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Loss = Callable[[slice, list[Tensor]], Tensor]


def in_parts(
    loss: Loss, parts: int, rows: Sequence[Tensor], weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """The sum of the losses, and each of them, without gradient, (batch,).

    rows (batch, ...) each; weights: what all parts share. `loss(part, tensors)` gives the losses of the
    recordings of a slice, from those rows of `rows`; it may use the weights as they are.
    """
    total, each = _InParts.apply(loss, parts, len(rows), *rows, *weights)  # pyright: ignore[reportGeneralTypeIssues]
    return total, each


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Loss, parts: int, number: int, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        rows, weights = tensors[:number], tensors[number:]
        batch = len(rows[0])
        bounds = [batch * i // parts for i in range(parts + 1)]
        shared = [torch.zeros_like(w) for w in weights]
        pieces: list[list[Tensor]] = [[] for _ in rows]
        each: list[Tensor] = []
        for begin, end in pairwise(bounds):
            if begin == end:
                continue
            part = slice(begin, end)
            with torch.enable_grad():
                inputs = [row[part].detach().requires_grad_() for row in rows]
                found = loss(part, inputs)
                gradients = torch.autograd.grad(found.sum(), [*inputs, *weights])
            each.append(found.detach())
            for piece, gradient in zip(pieces, gradients, strict=False):
                piece.append(gradient)
            for weight, gradient in zip(shared, gradients[number:], strict=True):
                weight += gradient
        ctx.save_for_backward(*(torch.cat(piece) for piece in pieces), *shared)
        losses = torch.cat(each)
        ctx.mark_non_differentiable(losses)
        return losses.sum(), losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None, None, None, *(gradient * slopes[0] for gradient in ctx.saved_tensors)
