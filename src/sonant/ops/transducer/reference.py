"""The forward recursion of Graves 2012, for a batch; autograd does the rest.

All cells with the same t + u depend only on the diagonal before, so that frames + tokens small steps suffice.
"""

import torch
from torch import Tensor

# Stands for log 0. Finite, since the gradient of logaddexp(-inf, -inf) is not a number.
IMPOSSIBLE = -1e30


def _skew(scores: Tensor, diagonals: int) -> Tensor:
    """(batch, frames, columns) to (diagonals, batch, columns), where [d, :, u] is [:, d - u, u]."""
    _, frames, columns = scores.shape
    padded = torch.nn.functional.pad(scores, (0, 0, 0, diagonals - frames), value=IMPOSSIBLE)
    column = torch.arange(columns, device=scores.device)
    row = torch.arange(diagonals, device=scores.device)[:, None] - column
    skewed = padded[:, row.clamp(min=0), column]
    return skewed.masked_fill(row < 0, IMPOSSIBLE).transpose(0, 1)


def _inside(scores: Tensor, frames: Tensor, columns: Tensor) -> Tensor:
    """scores (batch, frames, columns), impossible where they are -inf or beyond a recording's lengths."""
    frame = torch.arange(scores.shape[1], device=scores.device)[:, None]
    column = torch.arange(scores.shape[2], device=scores.device)
    outside = (frame >= frames[:, None, None]) | (column >= columns[:, None, None])
    # Filled rather than clamped alone: a zero gradient times the slope at a NaN would be NaN.
    return scores.masked_fill(outside, IMPOSSIBLE).clamp(min=IMPOSSIBLE)


def total_log_prob(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    _, length, states = blank.shape
    diagonals = length + states - 1
    blanks = _skew(_inside(blank, frames, tokens + 1), diagonals).unbind(0)
    emits = _skew(_inside(emit, frames, tokens), diagonals).unbind(0)

    alpha = torch.full_like(blanks[0], IMPOSSIBLE)
    alpha[:, 0] = 0
    ends = [alpha + blanks[0]]
    for d in range(1, diagonals):
        stay = ends[-1]
        advance = torch.nn.functional.pad(alpha[:, :-1] + emits[d - 1], (1, 0), value=IMPOSSIBLE)
        alpha = torch.logaddexp(stay, advance)
        ends.append(alpha + blanks[d])
    recording = torch.arange(len(frames), device=frames.device)
    total = torch.stack(ends)[frames - 1 + tokens, recording, tokens]
    return total.masked_fill(total < IMPOSSIBLE / 2, -torch.inf)
