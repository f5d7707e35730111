"""The transducer loss (Graves 2012), full and unpruned."""

import torch
from torch import Tensor

from sonant.ops.transducer import total_log_prob


def transducer_loss(logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor, *, blank: int = 0) -> Tensor:
    """Negative log-probability of the targets, (batch,).

    logits (batch, frames, tokens + 1, vocabulary), unnormalised; targets (batch, tokens) int64; frames and tokens
    (batch,) int64, the lengths of each recording. Computed in float32 at least.
    """
    if logits.dtype not in (torch.float32, torch.float64):
        logits = logits.float()
    norm = torch.logsumexp(logits, dim=-1)
    blank_scores = logits[..., blank] - norm
    index = targets[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    emit_scores = logits[:, :, :-1].gather(-1, index).squeeze(-1) - norm[:, :, :-1]
    return -total_log_prob(blank_scores, emit_scores, frames, tokens)
