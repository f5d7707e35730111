"""CTC (Graves et al. 2006)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sonant.errors import ConfigError
from sonant.losses.lengths import at_least_float32, check, padding

# Stands for log 0 in torch's CTC, whose gradient is not a number at -inf.
IMPOSSIBLE = -1e30


def ctc_loss(logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor, *, blank: int = 0) -> Tensor:
    """Negative log-probability of the targets, (batch,).

    logits (batch, frames, vocabulary), unnormalised; targets (batch, tokens) int64; frames and tokens
    (batch,) int64, the lengths of each recording, beyond which nothing is looked at. Computed in float32 at
    least. A recording whose targets no alignment gives (fewer frames than they need, or -inf on all ways)
    counts as zero, with no gradient.

    Raises ConfigError for shapes, lengths or targets that do not fit the logits.
    """
    _check(logits, targets, frames, tokens)
    if not 0 <= blank < logits.shape[2]:
        raise ConfigError(f"blank {blank}, but the logits have tokens 0..{logits.shape[2] - 1}")
    if logits.shape[0] == 0:
        return at_least_float32(logits).new_zeros(0)
    scores = _log_probs(logits, frames).clamp(min=IMPOSSIBLE)
    targets = targets.masked_fill(padding(tokens, targets.shape[1]), blank)
    loss = F.ctc_loss(
        scores.transpose(0, 1), targets, frames, tokens, blank, reduction="none", zero_infinity=True
    )
    return loss.masked_fill(loss > -IMPOSSIBLE / 2, 0.0)


def _check(logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor) -> None:
    if logits.ndim != 3:
        raise ConfigError(f"logits are {tuple(logits.shape)}, expected (batch, frames, vocabulary)")
    check(logits, targets, frames, tokens, least_frames=0)


def _log_probs(logits: Tensor, frames: Tensor) -> Tensor:
    """Normalised over the vocabulary. What stands beyond a recording's end, NaN even, is in no gradient."""
    logits = at_least_float32(logits)
    impossible = logits.detach().amax(dim=-1, keepdim=True) == -torch.inf
    beyond = padding(frames, logits.shape[1])[..., None]
    scores = logits.masked_fill(impossible | beyond, 0.0).log_softmax(dim=-1)
    return scores.masked_fill(impossible, -torch.inf)
