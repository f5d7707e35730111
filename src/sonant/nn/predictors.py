"""What has been said so far, to a vector: the predictors of transducers. Token BLANK is 0."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from sonant.errors import ConfigError
from sonant.nn.choice import PredictorConfig
from sonant.nn.lstm import LstmLayers, LstmState

BLANK = 0


@dataclass(frozen=True)
class StatelessPredictorConfig(PredictorConfig):
    dim: int = 256
    context: int = 2  # tokens that it sees
    group: int = 4  # channels that the convolution mixes
    relu: bool = True
    kind: Literal["stateless"] = "stateless"

    def __post_init__(self):
        if self.group < 1 or self.dim < 1 or self.dim % self.group:
            raise ConfigError(f"dim {self.dim}: expected a multiple of group ({self.group})")
        if self.context < 1:
            raise ConfigError(f"context {self.context}: expected at least 1")


class StatelessPredictor(nn.Module):
    """Embedding and a convolution over the last `context` tokens (Ghodsi et al. 2020), no recurrence.

    contexts (..., context) int64, to (..., dim). For a context of 1 there is no convolution.
    """

    def __init__(self, config: StatelessPredictorConfig, tokens: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(tokens, config.dim)
        if config.context > 1:
            self.convolution = nn.Conv1d(
                config.dim, config.dim, config.context, groups=config.dim // config.group, bias=False
            )

    def forward(self, contexts: Tensor) -> Tensor:
        out = self.embedding(contexts.flatten(0, -2)).transpose(1, 2)
        if self.config.context > 1:
            out = self.convolution(out)
        out = out.squeeze(2)
        return (F.relu(out) if self.config.relu else out).unflatten(0, contexts.shape[:-1])

    def contexts(self, targets: Tensor) -> Tensor:
        """targets (batch, tokens) to the contexts of each and the end: (batch, tokens + 1, context)."""
        context = self.config.context
        return F.pad(targets, (context, 0), value=BLANK).unfold(1, context, 1)

    def prefixes(self, targets: Tensor) -> Tensor:
        """targets (batch, tokens) to what is said of each prefix, the empty one first: (batch, tokens + 1,
        dim)."""
        return self(self.contexts(targets))


@dataclass(frozen=True)
class LstmPredictorConfig(PredictorConfig):
    dim: int = 512
    layers: int = 2
    dropout: float = 0.3
    kind: Literal["lstm"] = "lstm"

    def __post_init__(self):
        for option in ("dim", "layers"):
            if getattr(self, option) < 1:
                raise ConfigError(f"{option} {getattr(self, option)}: expected at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout}: expected a probability below 1")


class LstmPredictor(nn.Module):
    """Embedding and LSTMs over all tokens so far (Graves 2012). It begins with a vector of zeros, which is
    what BLANK is taken for; so the blank has no row in the embedding, token t has row t - 1."""

    def __init__(self, config: LstmPredictorConfig, tokens: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(tokens - 1, config.dim)
        self.lstm = LstmLayers(config.dim, config.dim, config.layers, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def initial_state(self, batch: int) -> LstmState:
        zeros = self.embedding.weight.new_zeros(self.config.layers, batch, self.config.dim)
        return LstmState(zeros, zeros.clone())

    def forward(self, tokens: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """tokens (batch, n) int64 to (batch, n, dim) and the next state."""
        embedded = self.embedding((tokens - 1).clamp(min=0)) * (tokens != BLANK)[..., None]
        outputs, state = self.lstm(embedded, state)
        return self.dropout(outputs[-1]), state

    def prefixes(self, targets: Tensor) -> Tensor:
        """targets (batch, tokens) to what is said of each prefix, the empty one first: (batch, tokens + 1,
        dim)."""
        out, _ = self(F.pad(targets, (1, 0), value=BLANK), self.initial_state(targets.shape[0]))
        return out
