"""Autograd over what native.py and triton.py compute: sums over alignments, and rows of logits."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant.errors import ConfigError

# blank, emit, frames, tokens, diagonal, whether occupancies are wanted: totals, and those of blank and emit.
Sums = Callable[[Tensor, Tensor, Tensor, Tensor, bool, bool], tuple[Tensor, Tensor, Tensor]]
# logits (rows, vocabulary), said (rows,), blank: norm, log-probabilities of blank and token, (rows,) each.
RowLogProbs = Callable[[Tensor, Tensor, int], Sequence[Tensor]]
# The same, norm, slopes of blank and token, and where the gradient of logits goes: into their place, or not.
RowGradient = Callable[[Tensor, Tensor, int, Tensor, Tensor, Tensor, Tensor], None]


class _Totals(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool, sums: Sums
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        totals, *shares = sums(blank, emit, frames, tokens, diagonal, wanted)
        ctx.save_for_backward(*shares)
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        slope = slopes[0][:, None, None]
        of_blank, of_emit = ctx.saved_tensors
        return of_blank * slope, of_emit * slope, None, None, None, None


def total_log_prob(
    blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool, sums: Sums
) -> Tensor:
    found = _Totals.apply(blank, emit, frames, tokens, diagonal, sums)
    assert isinstance(found, Tensor)
    return found


class _TokenLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        said: Tensor,
        blank: int,
        overwrite: bool,
        log_probs: RowLogProbs,
        gradient: RowGradient,
    ) -> tuple[Tensor, Tensor]:
        flat = logits.detach().contiguous().flatten(0, -2)
        said = said.contiguous()
        norm, of_blank, of_token = log_probs(flat, said.flatten(), blank)
        # Kept by hand where it is overwritten, which autograd would find to be an error.
        ctx.save_for_backward(norm, said, *(() if overwrite else (flat,)))
        ctx.flat = flat if overwrite else None
        ctx.blank, ctx.shape, ctx.overwrite, ctx.gradient = blank, logits.shape, overwrite, gradient
        return of_blank.view(said.shape), of_token.view(said.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        norm, said, *kept = ctx.saved_tensors
        flat = ctx.flat if ctx.overwrite else kept[0]
        if flat is None:
            raise ConfigError(
                "a second gradient of logits that the first has overwritten; use overwrite=False"
            )
        ctx.flat = None
        gradient = flat if ctx.overwrite else torch.empty_like(flat)
        of_rows = (x.contiguous().flatten() for x in slopes)
        ctx.gradient(flat, said.flatten(), ctx.blank, norm, *of_rows, gradient)
        return gradient.view(ctx.shape), None, None, None, None, None


def token_log_probs(
    logits: Tensor,
    said: Tensor,
    blank: int,
    overwrite: bool,
    log_probs: RowLogProbs,
    gradient: RowGradient,
) -> tuple[Tensor, Tensor]:
    found = _TokenLogProbs.apply(logits, said, blank, overwrite, log_probs, gradient)
    of_blank, of_token = found  # pyright: ignore[reportGeneralTypeIssues]
    return of_blank, of_token
