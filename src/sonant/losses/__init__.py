"""Sequence losses: scores and targets in, one loss per recording out."""

from sonant.fsa import MWERLoss, mwer_loss
from sonant.losses.ctc import ctc_loss
from sonant.losses.mmi import MmiLoss, mmi_loss
from sonant.losses.mmi_graphs import MmiGraphs, classes_of
from sonant.losses.transducer import rnnt_loss, rnnt_loss_fused

__all__ = [
    "MWERLoss",
    "MmiGraphs",
    "MmiLoss",
    "classes_of",
    "ctc_loss",
    "mmi_loss",
    "mwer_loss",
    "rnnt_loss",
    "rnnt_loss_fused",
]
