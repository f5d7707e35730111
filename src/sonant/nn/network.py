"""The recognition network: an encoder with a CTC head, a predictor and a joiner."""

from dataclasses import dataclass, field

from torch import nn

from sonant.errors import ConfigError
from sonant.nn.choice import EncoderConfig, PredictorConfig
from sonant.nn.conformer import Conformer, ConformerConfig
from sonant.nn.heads import CtcHead, CtcHeadConfig, Joiner, JoinerConfig
from sonant.nn.lstm import LstmEncoder, LstmEncoderConfig
from sonant.nn.predictors import (
    LstmPredictor,
    LstmPredictorConfig,
    StatelessPredictor,
    StatelessPredictorConfig,
)
from sonant.nn.relative_conformer import RelativeConformer, RelativeConformerConfig
from sonant.nn.zipformer import Zipformer, ZipformerConfig

Encoder = Conformer | RelativeConformer | LstmEncoder | Zipformer
Predictor = StatelessPredictor | LstmPredictor

ENCODER_CONFIGS = (ConformerConfig, RelativeConformerConfig, LstmEncoderConfig, ZipformerConfig)
PREDICTOR_CONFIGS = (StatelessPredictorConfig, LstmPredictorConfig)


@dataclass(frozen=True)
class NetworkConfig:
    encoder: EncoderConfig = field(default_factory=ConformerConfig)
    tokens: int = 256  # with the blank
    predictor: PredictorConfig = field(default_factory=StatelessPredictorConfig)
    joiner: JoinerConfig = JoinerConfig()
    ctc: CtcHeadConfig = CtcHeadConfig()
    middle: int = (
        0  # outputs of the head on the middle layer, which serves training alone; 0: as many as tokens
    )

    def __post_init__(self):
        if self.tokens < 2:
            raise ConfigError(f"tokens {self.tokens}: expected at least 2, the blank and another")
        for option, kinds in (("encoder", ENCODER_CONFIGS), ("predictor", PREDICTOR_CONFIGS)):
            if not isinstance(getattr(self, option), kinds):
                expected = ", ".join(kind.__name__ for kind in kinds)
                raise ConfigError(f"{option} {getattr(self, option)!r}: expected one of {expected}")


def new_encoder(config: EncoderConfig) -> Encoder:
    match config:
        case ConformerConfig():
            return Conformer(config)
        case RelativeConformerConfig():
            return RelativeConformer(config)
        case LstmEncoderConfig():
            return LstmEncoder(config)
        case ZipformerConfig():
            return Zipformer(config)
        case _:
            raise ConfigError(f"no encoder is made of {config!r}")


def new_predictor(config: PredictorConfig, tokens: int) -> Predictor:
    match config:
        case StatelessPredictorConfig():
            return StatelessPredictor(config, tokens)
        case LstmPredictorConfig():
            return LstmPredictor(config, tokens)
        case _:
            raise ConfigError(f"no predictor is made of {config!r}")


class Network(nn.Module):
    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        dim = config.encoder.dim
        self.encoder = new_encoder(config.encoder)
        self.ctc = CtcHead(config.ctc, dim, config.tokens)
        self.middle = nn.Linear(dim, config.middle or config.tokens)
        self.predictor = new_predictor(config.predictor, config.tokens)
        self.joiner = Joiner(config.joiner, dim, config.predictor.dim, config.tokens)

    def transducer_parameters(self) -> int:
        """How many parameters encoder, predictor and joiner have; the CTC heads are left out."""
        parts = (self.encoder, self.predictor, self.joiner)
        return sum(parameter.numel() for part in parts for parameter in part.parameters())
