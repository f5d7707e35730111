"""Networks for training, on torch: features in, scores out. A stream's state is passed in and out."""

from sonant.nn.choice import EncoderConfig, PredictorConfig
from sonant.nn.conformer import SUBSAMPLING, Conformer, ConformerConfig, ConformerState
from sonant.nn.fbank import Fbank
from sonant.nn.heads import CtcHead, CtcHeadConfig, Joiner, JoinerConfig
from sonant.nn.lstm import LstmEncoder, LstmEncoderConfig, LstmState
from sonant.nn.network import Network, NetworkConfig
from sonant.nn.predictors import (
    BLANK,
    LstmPredictor,
    LstmPredictorConfig,
    StatelessPredictor,
    StatelessPredictorConfig,
)
from sonant.nn.published import aishell_stateless, caiman, from_icefall, load_icefall_conformer
from sonant.nn.relative_conformer import RelativeConformer, RelativeConformerConfig, RelativeConformerState
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
    "CtcHead",
    "CtcHeadConfig",
    "EncoderConfig",
    "Fbank",
    "Joiner",
    "JoinerConfig",
    "LstmEncoder",
    "LstmEncoderConfig",
    "LstmPredictor",
    "LstmPredictorConfig",
    "LstmState",
    "Network",
    "NetworkConfig",
    "PredictorConfig",
    "RelativeConformer",
    "RelativeConformerConfig",
    "RelativeConformerState",
    "StatelessPredictor",
    "StatelessPredictorConfig",
    "Zipformer",
    "ZipformerConfig",
    "ZipformerState",
    "aishell_stateless",
    "caiman",
    "from_icefall",
    "load_icefall_conformer",
]
