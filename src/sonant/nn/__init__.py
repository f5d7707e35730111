"""Networks for training, on torch: features in, scores out. A stream's state is passed in and out."""

from sonant.nn.conformer import SUBSAMPLING, Conformer, ConformerConfig, ConformerState
from sonant.nn.encoder import EncoderConfig
from sonant.nn.fbank import Fbank
from sonant.nn.network import (
    BLANK,
    Joiner,
    Network,
    NetworkConfig,
    StatelessPredictor,
    encoder_config,
)
from sonant.nn.zipformer import (
    ZIPFORMER_L,
    ZIPFORMER_M,
    ZIPFORMER_S,
    Zipformer,
    ZipformerConfig,
    ZipformerState,
)

__all__ = [
    "BLANK",
    "SUBSAMPLING",
    "ZIPFORMER_L",
    "ZIPFORMER_M",
    "ZIPFORMER_S",
    "Conformer",
    "ConformerConfig",
    "ConformerState",
    "EncoderConfig",
    "Fbank",
    "Joiner",
    "Network",
    "NetworkConfig",
    "StatelessPredictor",
    "Zipformer",
    "ZipformerConfig",
    "ZipformerState",
    "encoder_config",
]
