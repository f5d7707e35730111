"""CTC (Graves et al. 2006)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def ctc_loss(logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor, *, blank: int = 0) -> Tensor:
    """Negative log-probability of the targets, (batch,).

    logits (batch, frames, vocabulary), unnormalised; targets (batch, tokens) int64; frames and tokens (batch,) int64. A
    recording with fewer frames than its targets need counts as zero, with no gradient.
    """
    log_probs = logits.float().log_softmax(dim=-1).transpose(0, 1)
    return F.ctc_loss(log_probs, targets, frames, tokens, blank=blank, reduction="none", zero_infinity=True)


def uniform_alignment_loss(logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """Negative log-probability (batch,) of targets spread evenly over the frames: the flat start of HMM training.

    Some hundred steps of it teach a network which sounds go with which tokens, roughly, and spare CTC the long time in
    which it says nothing but blanks. Shapes as in ctc_loss; scaled to the tokens, as if each had one frame.
    """
    position = torch.arange(logits.shape[1], device=logits.device)
    index = (position * tokens[:, None]) // frames[:, None].clamp(min=1)
    aligned = targets.gather(1, torch.minimum(index, tokens[:, None] - 1).clamp(min=0))
    nll = F.cross_entropy(logits.float().transpose(1, 2), aligned, reduction="none")
    nll = nll.masked_fill((position >= frames[:, None]) | (tokens[:, None] == 0), 0.0)
    return nll.sum(dim=1) * tokens / frames
