"""The transducer's total log-probability over all alignments (Graves 2012), from log-probabilities on its lattice.

A lattice cell (t, u) stands for "frame t, u tokens emitted". From it, `blank[t, u]` leads to (t + 1, u) and `emit[t, u]`
to (t, u + 1). All paths start in (0, 0) and end with the blank of (frames - 1, tokens).
"""

from torch import Tensor

from sonant.errors import ConfigError
from sonant.ops.transducer import reference


def total_log_prob(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """Log of the sum over all alignments of the product of their probabilities.

    blank (batch, frames, tokens + 1), emit (batch, frames, tokens): log-probabilities, float32 or float64. frames, tokens
    (batch,) int64: each recording's own lengths, at least one frame. Gives (batch,), differentiable in blank and emit.
    """
    batch, length, states = blank.shape
    if emit.shape != (batch, length, states - 1):
        raise ConfigError(f"emit is {tuple(emit.shape)}, blank {tuple(blank.shape)}: emit needs one column less")
    for name, lengths, most in (("frames", frames, length), ("tokens", tokens, states - 1)):
        if lengths.shape != (batch,):
            raise ConfigError(f"{name} is {tuple(lengths.shape)}, expected ({batch},), one length a recording")
        least = int(name == "frames")
        if batch and (int(lengths.min()) < least or int(lengths.max()) > most):
            raise ConfigError(f"{name} {lengths.tolist()} outside {least}..{most}, which the scores have room for")
    return reference.total_log_prob(blank, emit, frames, tokens)


__all__ = ["total_log_prob"]
