"""The transducer loss (Graves 2012), full and unpruned."""

import torch
from torch import Tensor

from sonant.errors import ConfigError
from sonant.losses.lengths import at_least_float32, check, padding
from sonant.ops.transducer import total_log_prob


def transducer_loss(
    logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor, *, blank: int = 0
) -> Tensor:
    """Negative log-probability of the targets, (batch,).

    logits (batch, frames, tokens + 1, vocabulary), unnormalised; targets (batch, tokens) int64; frames and
    tokens (batch,) int64, the lengths of each recording, at least one frame, beyond which nothing is looked
    at. Computed in float32 at least. A recording whose targets no alignment gives, for -inf on all ways, has
    +inf and no gradient.

    Raises ConfigError for shapes, lengths or targets that do not fit the logits.
    """
    if logits.ndim != 4 or logits.shape[2] != targets.shape[-1] + 1:
        raise ConfigError(
            f"logits are {tuple(logits.shape)} for targets of {tuple(targets.shape)}, expected (batch, "
            "frames, tokens + 1, vocabulary) for (batch, tokens)"
        )
    check(logits, targets, frames, tokens, least_frames=1)
    if not 0 <= blank < logits.shape[3]:
        raise ConfigError(f"blank {blank}, but the logits have tokens 0..{logits.shape[3] - 1}")
    logits = at_least_float32(logits)
    # Cells whose logits must not enter any gradient: padding, and those where everything is impossible.
    impossible = logits.detach().amax(dim=-1) == -torch.inf
    beyond = padding(frames, logits.shape[1])[:, :, None] | padding(tokens + 1, logits.shape[2])[:, None, :]
    logits = logits.masked_fill((impossible | beyond)[..., None], 0.0)

    norm = torch.logsumexp(logits, dim=-1)
    blank_scores = (logits[..., blank] - norm).masked_fill(impossible, -torch.inf)
    targets = targets.masked_fill(padding(tokens, targets.shape[1]), blank)
    index = targets[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    emit_scores = logits[:, :, :-1].gather(-1, index).squeeze(-1) - norm[:, :, :-1]
    emit_scores = emit_scores.masked_fill(impossible[:, :, :-1], -torch.inf)
    return -total_log_prob(blank_scores, emit_scores, frames, tokens)
