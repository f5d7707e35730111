"""Sequence losses: scores and targets in, one loss per recording out."""

from sonant.losses.ctc import ctc_loss
from sonant.losses.transducer import transducer_loss

__all__ = ["ctc_loss", "transducer_loss"]
