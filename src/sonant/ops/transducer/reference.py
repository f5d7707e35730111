"""The definitions, in torch; autograd does the rest.

Where a token takes its frame, all cells of a frame depend on the frame before. Where it does not, all cells
with the same t + u depend on the diagonal before, so that frames + tokens small steps suffice."""

import torch
from torch import Tensor

# What a cell may say, where that is no token.
NOTHING, PADDING = -1, -2
# Stands for log 0. Finite, since the gradient of logaddexp(-inf, -inf) is not a number.
IMPOSSIBLE = -1e30


def total_log_prob(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool) -> Tensor:
    batch, length, columns = blank.shape
    # One more row, of the cells where no frame is left.
    blank = _inside(torch.nn.functional.pad(blank, (0, 0, 0, 1)), frames, tokens + 1)
    more = length + 1 - emit.shape[1]
    said_at_last = frames if more or diagonal else frames + 1
    emit = _inside(torch.nn.functional.pad(emit, (0, 0, 0, more)), said_at_last, tokens)
    if not diagonal:
        blank, emit = _skew(blank, length + columns), _skew(emit, length + columns)
    else:
        blank, emit = blank.transpose(0, 1), emit.transpose(0, 1)

    alpha = torch.full_like(blank[0], IMPOSSIBLE)
    alpha[:, 0] = 0
    rows = [alpha]
    for stay, say in zip(blank[:-1], emit[:-1], strict=True):
        advance = torch.nn.functional.pad(alpha[:, :-1] + say, (1, 0), value=IMPOSSIBLE)
        alpha = torch.logaddexp(alpha + stay, advance)
        rows.append(alpha)
    end = frames if diagonal else frames + tokens
    total = torch.stack(rows)[end, torch.arange(batch, device=frames.device), tokens]
    return total.masked_fill(total < IMPOSSIBLE / 2, -torch.inf)


def occupancies(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool):
    with torch.enable_grad():
        scores = blank.detach().requires_grad_(), emit.detach().requires_grad_()
        totals = total_log_prob(*scores, frames, tokens, diagonal)
        return totals.detach(), *torch.autograd.grad(totals.sum(), scores)


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
    # Filled rather than clamped alone: a zero gradient times the slope at a NaN would be NaN.
    return scores.masked_fill(~within(scores, frames, columns), IMPOSSIBLE).clamp(min=IMPOSSIBLE)


def within(scores: Tensor, frames: Tensor, columns: Tensor) -> Tensor:
    """(batch, frames, columns) bool: the cells within a recording's lengths."""
    frame = torch.arange(scores.shape[1], device=scores.device)[:, None]
    column = torch.arange(scores.shape[2], device=scores.device)
    return (frame < frames[:, None, None]) & (column < columns[:, None, None])


def token_log_probs(logits: Tensor, said: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    padding = said == PADDING
    # Cells whose logits must not enter any gradient: padding, and those where everything is impossible.
    impossible = (logits.detach().amax(dim=-1) == -torch.inf) & ~padding
    logits = logits.masked_fill((impossible | padding)[..., None], 0.0)
    norm = torch.logsumexp(logits, dim=-1)
    of_blank = (logits[..., blank] - norm).masked_fill(impossible, -torch.inf)
    of_token = logits.gather(-1, said.clamp(min=0).long()[..., None]).squeeze(-1) - norm
    of_token = of_token.masked_fill(impossible, -torch.inf)
    return of_blank.masked_fill(padding, 0.0), of_token.masked_fill(said < 0, 0.0)


def joint_log_probs(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    said: Tensor,
    blank: int,
    activation: str,
) -> tuple[Tensor, Tensor]:
    # Padding may be no numbers: 0 times these, in the gradient of the weight, would be none either.
    padding = said == PADDING
    encoder = encoder.masked_fill(padding.all(2)[..., None], 0.0)
    predictor = predictor.masked_fill(padding.all(1)[..., None], 0.0)
    hidden = getattr(torch, activation)(encoder[:, :, None] + predictor[:, None])
    return token_log_probs(torch.nn.functional.linear(hidden, weight, bias), said, blank)
