"""The LSTM encoder of CAIMAN-ASR, after NVIDIA's and MLPerf's RNN-T (He et al. 2019).

`stack` feature frames side by side are one input; `pre_layers` LSTMs; `time_stack` of their outputs side by
side; `post_layers` LSTMs. So frame i sees what it is made of, stack * time_stack feature frames, and all
before, nothing after. A recording ends in frames of zeros (after normalisation) up to a whole output frame,
in training and in streaming alike.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant.errors import ConfigError
from sonant.nn.choice import EncoderConfig


@dataclass(frozen=True)
class LstmEncoderConfig(EncoderConfig):
    features: int = 80  # feature dimension
    dim: int = 1024
    pre_layers: int = 2
    post_layers: int = 6
    stack: int = 3  # feature frames that are one input
    time_stack: int = 2  # outputs of the first layers that are one input of the last
    chunk: int = 1  # output frames of a step
    dropout: float = 0.1
    kind: Literal["lstm"] = "lstm"

    def __post_init__(self):
        for option in ("features", "dim", "pre_layers", "post_layers", "stack", "time_stack", "chunk"):
            if getattr(self, option) < 1:
                raise ConfigError(f"{option} {getattr(self, option)}: expected at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout}: expected a probability below 1")

    @property
    def subsampling(self) -> int:
        return self.stack * self.time_stack

    @property
    def step(self) -> int:
        return self.chunk * self.subsampling

    @property
    def layers(self) -> int:
        return self.pre_layers + self.post_layers


class LstmState(NamedTuple):
    """What the frames, or tokens, so far leave for the next."""

    hidden: Tensor  # (layers, batch, dim)
    cell: Tensor  # (layers, batch, dim)


class LstmLayers(nn.Module):
    """One LSTM upon the other, dropout between."""

    def __init__(self, inputs: int, dim: int, layers: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.LSTM(dim if i else inputs, dim, batch_first=True) for i in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        for layer in self.layers:
            for name, parameter in layer.named_parameters():
                # Half the usual, and what is forgotten is learned, as the MLPerf model begins.
                parameter.data.mul_(0.5)
                if name.startswith("bias"):
                    forget = parameter.data[dim : 2 * dim]
                    forget.fill_(1.0 if name.startswith("bias_ih") else 0.0)

    def forward(self, x: Tensor, state: LstmState) -> tuple[list[Tensor], LstmState]:
        """x (batch, steps, inputs) to the outputs (batch, steps, dim) of each layer, and the next state."""
        outputs: list[Tensor] = []
        after: list[tuple[Tensor, Tensor]] = []
        # In one precision, which is that of the state.
        with torch.autocast(x.device.type, enabled=False):
            for i, layer in enumerate(self.layers):
                x = self.dropout(x) if outputs else x.to(state.hidden.dtype)
                x, carried = layer(x, (state.hidden[i : i + 1], state.cell[i : i + 1]))
                outputs.append(x)
                after.append(carried)
        hidden, cell = (torch.cat(parts) for parts in zip(*after, strict=True))
        return outputs, LstmState(hidden, cell)


class LstmEncoder(nn.Module):
    """Encoder: features (batch, frames, features) to (batch, output_lengths(frames), dim)."""

    feature_mean: Tensor  # (features,)
    feature_scale: Tensor  # (features,), one over the standard deviation

    def __init__(self, config: LstmEncoderConfig):
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.features))
        self.register_buffer("feature_scale", torch.ones(config.features))
        dim = config.dim
        self.pre = LstmLayers(config.stack * config.features, dim, config.pre_layers, config.dropout)
        self.post = LstmLayers(config.time_stack * dim, dim, config.post_layers, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def normalize(self, features: Tensor) -> Tensor:
        return (features - self.feature_mean) * self.feature_scale

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames that hold anything of recordings of so many feature frames."""
        return (lengths + self.config.subsampling - 1) // self.config.subsampling

    def initial_state(self, batch: int) -> LstmState:
        zeros = self.feature_mean.new_zeros(self.config.layers, batch, self.config.dim)
        return LstmState(zeros, zeros.clone())

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Whole recordings: normalised features (batch, frames, features), zero beyond each one's end, so
        that the lengths need not be known. Gives the output and that of the middle one of the last layers."""
        missing = -features.shape[1] % self.config.subsampling
        features = F.pad(features, (0, 0, 0, missing))
        outputs, _ = self._run(features, self.initial_state(features.shape[0]))
        return outputs[-1], outputs[(len(outputs) - 1) // 2]

    def step(self, features: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Some frames of a stream: raw features (batch, n * subsampling, features) to (batch, n, dim)."""
        if features.shape[1] % self.config.subsampling:
            raise ConfigError(
                f"{features.shape[1]} feature frames: expected a multiple of {self.config.subsampling}"
            )
        outputs, state = self._run(self.normalize(features), state)
        return outputs[-1], state

    def _run(self, features: Tensor, state: LstmState) -> tuple[list[Tensor], LstmState]:
        pre = self.config.pre_layers
        x = features.unflatten(1, (-1, self.config.stack)).flatten(2)
        outputs, first = self.pre(x, LstmState(state.hidden[:pre], state.cell[:pre]))
        x = self.dropout(outputs[-1]).unflatten(1, (-1, self.config.time_stack)).flatten(2)
        outputs, last = self.post(x, LstmState(state.hidden[pre:], state.cell[pre:]))
        return outputs, LstmState(torch.cat((first.hidden, last.hidden)), torch.cat((first.cell, last.cell)))
