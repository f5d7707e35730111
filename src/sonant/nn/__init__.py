"""Networks for training, on torch: features in, scores out. A stream's state is passed in and out."""

from sonant.nn.conformer import SUBSAMPLING, Conformer, ConformerConfig, ConformerState
from sonant.nn.fbank import Fbank
from sonant.nn.network import BLANK, Joiner, Network, NetworkConfig, StatelessPredictor

__all__ = [
    "BLANK",
    "SUBSAMPLING",
    "Conformer",
    "ConformerConfig",
    "ConformerState",
    "Fbank",
    "Joiner",
    "Network",
    "NetworkConfig",
    "StatelessPredictor",
]
