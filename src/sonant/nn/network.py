"""The recognition network: an encoder with a CTC head, a stateless predictor and a joiner."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant.errors import ConfigError
from sonant.nn.conformer import Conformer, ConformerConfig
from sonant.nn.encoder import EncoderConfig
from sonant.nn.zipformer import Zipformer, ZipformerConfig

BLANK = 0


@dataclass(frozen=True)
class NetworkConfig:
    encoder: EncoderConfig = field(default_factory=ConformerConfig)
    tokens: int = 256  # with the blank
    predictor_dim: int = 256
    context: int = 2  # tokens that the predictor sees
    joiner_dim: int = 256
    middle: int = (
        0  # outputs of the head on the middle layer, which serves training alone; 0: as many as tokens
    )

    def __post_init__(self):
        if self.tokens < 2:
            raise ConfigError(f"tokens {self.tokens}: expected at least 2, the blank and another")
        if self.predictor_dim < 4 or self.predictor_dim % 4:
            raise ConfigError(f"predictor_dim {self.predictor_dim}: expected a multiple of 4")
        for option in ("context", "joiner_dim"):
            if getattr(self, option) < 1:
                raise ConfigError(f"{option} {getattr(self, option)}: expected at least 1")


class StatelessPredictor(nn.Module):
    """Embedding and a convolution over the last `context` tokens (Ghodsi et al. 2020), no recurrence.

    contexts (..., context) int64, to (..., predictor_dim).
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        dim = config.predictor_dim
        self.context = config.context
        self.embedding = nn.Embedding(config.tokens, dim)
        self.convolution = nn.Conv1d(dim, dim, config.context, groups=dim // 4, bias=False)

    def forward(self, contexts: Tensor) -> Tensor:
        flat = self.embedding(contexts.flatten(0, -2))
        out = self.convolution(flat.transpose(1, 2)).squeeze(2)
        return F.relu(out).unflatten(0, contexts.shape[:-1])

    def contexts(self, targets: Tensor) -> Tensor:
        """targets (batch, tokens) to the contexts of each and the end: (batch, tokens + 1, context)."""
        return F.pad(targets, (self.context, 0), value=BLANK).unfold(1, self.context, 1)


class Joiner(nn.Module):
    """encoder (..., dim) and predictor (..., predictor_dim), broadcast, to logits (..., tokens)."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.encoder = nn.Linear(config.encoder.dim, config.joiner_dim)
        self.predictor = nn.Linear(config.predictor_dim, config.joiner_dim)
        self.output = nn.Linear(config.joiner_dim, config.tokens)

    def forward(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        return self.output(torch.tanh(self.encoder(encoder) + self.predictor(predictor)))

    def lattice(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """Every frame with every context: (batch, frames, dim) and (batch, tokens + 1, predictor_dim) to
        (batch, frames, tokens + 1, vocabulary)."""
        hidden = self.encoder(encoder).unsqueeze(2) + self.predictor(predictor).unsqueeze(1)
        return self.output(torch.tanh(hidden))


def encoder_config(kind: str) -> type[ConformerConfig] | type[ZipformerConfig]:
    """The configuration of this kind of encoder. Raises ConfigError."""
    for found in (ConformerConfig, ZipformerConfig):
        if found.kind == kind:
            return found
    raise ConfigError(f"encoder of kind {kind!r}: expected conformer or zipformer")


def build_encoder(config: EncoderConfig) -> Conformer | Zipformer:
    match config:
        case ConformerConfig():
            return Conformer(config)
        case ZipformerConfig():
            return Zipformer(config)
        case _:
            raise ConfigError(f"encoder {config}: expected a ConformerConfig or a ZipformerConfig")


class Network(nn.Module):
    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        self.ctc = nn.Linear(config.encoder.dim, config.tokens)
        self.middle = nn.Linear(config.encoder.dim, config.middle or config.tokens)
        self.predictor = StatelessPredictor(config)
        self.joiner = Joiner(config)
