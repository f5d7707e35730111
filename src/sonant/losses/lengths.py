"""What every loss asks of its inputs: that shapes fit each other, and that padding counts for nothing."""

import torch
from torch import Tensor

from sonant.errors import ConfigError
from sonant.ops.transducer import check_lengths


def check(
    logits: Tensor,
    targets: Tensor,
    frames: Tensor,
    tokens: Tensor,
    *,
    least_frames: int,
    vocabulary: int | None = None,
) -> None:
    """logits (batch, frames, ..., vocabulary), or any of another last dimension with `vocabulary`; targets
    (batch, tokens) int64, frames and tokens (batch,) int64.

    Raises ConfigError that names what does not fit.
    """
    batch, length = logits.shape[:2]
    vocabulary = logits.shape[-1] if vocabulary is None else vocabulary
    if targets.ndim != 2 or targets.shape[0] != batch or targets.dtype != torch.int64:
        raise ConfigError(
            f"targets are {tuple(targets.shape)} {targets.dtype}, expected ({batch}, tokens) int64, for "
            f"logits of {tuple(logits.shape)}"
        )
    check_lengths("frames", frames, batch, least=least_frames, most=length)
    check_lengths("tokens", tokens, batch, least=0, most=targets.shape[1])
    said = targets[~padding(tokens, targets.shape[1])]
    if said.numel() and (int(said.min()) < 0 or int(said.max()) >= vocabulary):
        raise ConfigError(
            f"targets {int(said.min())}..{int(said.max())}, but the logits have tokens 0..{vocabulary - 1}"
        )


def padding(lengths: Tensor, size: int) -> Tensor:
    """(batch, size) bool: what lies beyond each one's length."""
    return torch.arange(size, device=lengths.device) >= lengths[:, None]


def at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
