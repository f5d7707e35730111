"""The transducer's log-probability, summed over all alignments (Graves 2012).

A lattice cell (t, u) stands for "frame t, u tokens emitted". From it, `blank[t, u]` leads to (t + 1, u) and
`emit[t, u]` to (t, u + 1). All paths start in (0, 0) and end with the blank of (frames - 1, tokens).
"""

import torch
from torch import Tensor

from sonant.errors import ConfigError
from sonant.ops.transducer import reference


def total_log_prob(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """Log of the sum over all alignments of the product of their probabilities.

    blank (batch, frames, tokens + 1), emit (batch, frames, tokens): log-probabilities, float32 or float64.
    frames, tokens (batch,) int64: each recording's own lengths, at least one frame. Gives (batch,),
    differentiable in blank and emit.

    What lies beyond a recording's own lengths is never looked at, even where it is not a number. A recording
    that no alignment can give has -inf, and no gradient. Raises ConfigError for shapes, types and lengths
    that do not fit.
    """
    if blank.ndim != 3 or blank.shape[2] < 1 or emit.shape != (*blank.shape[:2], blank.shape[2] - 1):
        raise ConfigError(
            f"blank is {tuple(blank.shape)}, emit {tuple(emit.shape)}: expected (batch, frames, tokens + 1) "
            "and (batch, frames, tokens)"
        )
    if blank.dtype != emit.dtype or blank.dtype not in (torch.float32, torch.float64):
        raise ConfigError(
            f"blank is {blank.dtype}, emit {emit.dtype}: expected float32 or float64, and both the same"
        )
    batch, length, states = blank.shape
    check_lengths("frames", frames, batch, least=1, most=length)
    check_lengths("tokens", tokens, batch, least=0, most=states - 1)
    if batch == 0:
        return blank.new_zeros(0)
    return reference.total_log_prob(blank, emit, frames, tokens)


def check_lengths(name: str, lengths: Tensor, batch: int, *, least: int, most: int) -> None:
    """Raises ConfigError unless there is a length from least to most for each of the batch."""
    if lengths.shape != (batch,):
        raise ConfigError(f"{name} is {tuple(lengths.shape)}, expected ({batch},), one length a recording")
    if lengths.dtype != torch.int64:
        raise ConfigError(f"{name} is {lengths.dtype}, expected int64")
    if batch and (int(lengths.min()) < least or int(lengths.max()) > most):
        raise ConfigError(
            f"{name} {lengths.tolist()} outside {least}..{most}, which the scores have room for"
        )


__all__ = ["check_lengths", "total_log_prob"]
