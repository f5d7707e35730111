"""From what encoder and predictor give to tokens: the joiner and the CTC head."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from sonant.errors import ConfigError


@dataclass(frozen=True)
class JoinerConfig:
    dim: int = 256
    activation: Literal["tanh", "relu"] = "tanh"
    project: bool = True  # else encoder and predictor are added as they are, and both have `dim`

    def __post_init__(self):
        if self.dim < 1:
            raise ConfigError(f"dim {self.dim}: expected at least 1")
        if self.activation not in ("tanh", "relu"):
            raise ConfigError(f"activation {self.activation!r}: expected 'tanh' or 'relu'")


class Joiner(nn.Module):
    """encoder (..., encoder_dim) and predictor (..., predictor_dim), broadcast, to logits (..., tokens)."""

    def __init__(self, config: JoinerConfig, encoder_dim: int, predictor_dim: int, tokens: int):
        super().__init__()
        if not config.project and not config.dim == encoder_dim == predictor_dim:
            raise ConfigError(
                f"dim {config.dim}, of the encoder {encoder_dim}, of the predictor {predictor_dim}: without "
                "projections they must be equal"
            )
        self.config = config
        self.encoder = nn.Linear(encoder_dim, config.dim) if config.project else nn.Identity()
        self.predictor = nn.Linear(predictor_dim, config.dim) if config.project else nn.Identity()
        self.activation = nn.Tanh() if config.activation == "tanh" else nn.ReLU()
        self.output = nn.Linear(config.dim, tokens)

    def forward(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        return self.output(self.activation(self.encoder(encoder) + self.predictor(predictor)))

    def lattice(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """Every frame with every context: (batch, frames, encoder_dim) and (batch, tokens + 1, predictor_dim)
        to (batch, frames, tokens + 1, vocabulary)."""
        hidden = self.encoder(encoder).unsqueeze(2) + self.predictor(predictor).unsqueeze(1)
        return self.output(self.activation(hidden))

    def after_sum(self) -> nn.Sequential:
        """What comes after the two are added, as `rnnt_loss_fused` takes it; of the same weights."""
        return nn.Sequential(self.activation, self.output)


@dataclass(frozen=True)
class CtcHeadConfig:
    dropout: float = 0.0

    def __post_init__(self):
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout}: expected a probability below 1")


class CtcHead(nn.Linear):
    """Encoder frames (..., dim) to logits (..., tokens)."""

    def __init__(self, config: CtcHeadConfig, dim: int, tokens: int):
        super().__init__(dim, tokens)
        self.config = config

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.dropout(input, self.config.dropout, self.training))
