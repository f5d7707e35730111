"""CTC (Graves et al. 2006)."""

import torch.nn.functional as F
from torch import Tensor


def ctc_loss(logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor, *, blank: int = 0) -> Tensor:
    """Negative log-probability of the targets, (batch,).

    logits (batch, frames, vocabulary), unnormalised; targets (batch, tokens) int64; frames and tokens (batch,) int64. A
    recording with fewer frames than its targets need counts as zero, with no gradient.
    """
    log_probs = logits.float().log_softmax(dim=-1).transpose(0, 1)
    return F.ctc_loss(log_probs, targets, frames, tokens, blank=blank, reduction="none", zero_infinity=True)
