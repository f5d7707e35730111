"""A streaming conformer (Gulati et al. 2020) with chunked attention (Zhang et al. 2020, "Unified streaming").

Every 4 feature frames become one encoder frame. Encoder frames are grouped into chunks; a frame attends to
its own chunk and to `left_context` frames before that chunk. The convolutions look only back. So the network
run chunk by chunk with a carried state computes exactly what one pass over the whole recording computes.

Padding is part of the definition rather than masked away: the features of a recording end in frames of zeros
(after normalisation) up to a whole chunk, in training and in streaming alike.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant.errors import ConfigError
from sonant.nn.choice import EncoderConfig

SUBSAMPLING = 4
# A first output frame of the two stride-2 convolutions needs 4 + 3 feature frames.
FEATURE_TAIL = 3


@dataclass(frozen=True)
class ConformerConfig(EncoderConfig):
    features: int = 80  # feature dimension
    dim: int = 256
    layers: int = 12
    heads: int = 4
    feedforward: int = 1024
    kernel: int = 15  # frames of the depthwise convolution
    chunk: int = 12  # encoder frames of 40 ms
    left_context: int = 60  # encoder frames; a multiple of chunk
    subsampling_channels: int = 32
    dropout: float = 0.1
    kind: Literal["conformer"] = "conformer"

    def __post_init__(self):
        for option, value in vars(self).items():
            if option == "kind":
                continue
            least = 0 if option in ("left_context", "dropout") else 1
            if value < least:
                raise ConfigError(f"{option} {value}: expected at least {least}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout}: expected a probability below 1")
        if self.dim % (2 * self.heads):
            raise ConfigError(
                f"dim {self.dim} is not a multiple of 2 * heads ({2 * self.heads}): change either"
            )
        if self.left_context % self.chunk:
            raise ConfigError(f"left_context {self.left_context} is not a multiple of chunk {self.chunk}")

    @property
    def subsampling(self) -> int:
        return SUBSAMPLING

    @property
    def step(self) -> int:
        """Feature frames that one chunk takes."""
        return self.chunk * SUBSAMPLING


class ConformerState(NamedTuple):
    """What one chunk leaves for the next."""

    tail: Tensor  # (batch, 3, features), the last normalised feature frames
    keys: Tensor  # (layers, batch, left_context, dim)
    values: Tensor  # (layers, batch, left_context, dim)
    gated: Tensor  # (layers, batch, kernel - 1, dim)
    seen: Tensor  # (batch,) int64, encoder frames so far, at most left_context


class Subsampling(nn.Module):
    """Two stride-2 convolutions: (batch, 4 * n + 3, features) to (batch, n, dim)."""

    def __init__(self, config: ConformerConfig):
        super().__init__()
        channels = config.subsampling_channels
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=(0, 1))
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=(0, 1))
        bins = (config.features + 3) // 4
        self.project = nn.Linear(channels * bins, config.dim)

    def forward(self, features: Tensor) -> Tensor:
        x = F.silu(self.first(features.unsqueeze(1)))
        x = F.silu(self.second(x))
        return self.project(x.transpose(1, 2).flatten(2))


class SharedDropout(nn.Module):
    """Dropout whose mask is drawn once per recording and channel and shared by all its frames, as Kaldi's
    TDNN-F recipes do: x (batch, frames, dim). On a CPU it costs next to nothing, where a mask per element is
    a third of a step.
    """

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return x
        return x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.probability)


class FeedForward(nn.Sequential):
    def __init__(self, config: ConformerConfig):
        super().__init__(
            nn.LayerNorm(config.dim),
            nn.Linear(config.dim, config.feedforward),
            nn.SiLU(),
            SharedDropout(config.dropout),
            nn.Linear(config.feedforward, config.dim),
            SharedDropout(config.dropout),
        )


def rotation_table(length: int, dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (length, 1, dim / 2) of rotary position embedding (Su et al. 2021)."""
    frequency = 10000.0 ** (-torch.arange(0, dim, 2, device=device) / dim)
    angle = torch.arange(length, device=device)[:, None, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates the halves of the last axis of x (batch, length, heads, dim) by its position."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


class Attention(nn.Module):
    """Every chunk attends to itself and to the `left_context` frames before it."""

    def __init__(self, config: ConformerConfig):
        super().__init__()
        self.config = config
        self.norm = nn.LayerNorm(config.dim)
        self.project_in = nn.Linear(config.dim, 3 * config.dim)
        self.project_out = nn.Linear(config.dim, config.dim)
        self.dropout = SharedDropout(config.dropout)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (batch, chunks * chunk, dim), keys and values (batch, left_context, dim) of the frames before.

        mask, broadcast to (batch, chunks, left_context + chunk): which frames of each chunk's window exist.
        Gives the output and the last `left_context` keys and values.
        """
        left, chunk, heads = self.config.left_context, self.config.chunk, self.config.heads
        query, key, value = self.project_in(self.norm(x)).chunk(3, dim=-1)
        key = torch.cat((keys.to(key.dtype), key), dim=1)
        value = torch.cat((values.to(value.dtype), value), dim=1)

        def blocks(t: Tensor) -> Tensor:
            return t.unflatten(1, (-1, chunk)).unflatten(-1, (heads, -1)).transpose(2, 3)

        def windows(t: Tensor) -> Tensor:
            """(batch, left + chunks * chunk, dim) to (batch, chunks, heads, left + chunk, dim / heads)"""
            t = blocks(t)
            count = left // chunk + 1
            return torch.cat([t[:, i : t.shape[1] - count + 1 + i] for i in range(count)], dim=3)

        # Rotated before the windows overlap: positions count from the first key here, only differences
        # matter.
        cos, sin = rotation_table(key.shape[1], x.shape[2] // heads, x.device)
        query = rotate(query.unflatten(-1, (heads, -1)), cos[left:], sin[left:]).flatten(2)
        rotated = rotate(key.unflatten(-1, (heads, -1)), cos, sin).flatten(2)
        scores = blocks(query) @ windows(rotated).transpose(-1, -2)
        if scores.dtype != torch.float64:
            scores = scores.float()
        scores = scores * (x.shape[2] // heads) ** -0.5
        weights = scores.masked_fill(~mask[:, :, None, None, :], -torch.inf).softmax(dim=-1)
        out = weights.to(value.dtype) @ windows(value)
        out = out.transpose(2, 3).reshape(x.shape)
        # Counted from the front: left may be 0.
        last = key.shape[1] - left
        return self.dropout(self.project_out(out)), key[:, last:], value[:, last:]


class Convolution(nn.Module):
    """Gated, depthwise, causal."""

    def __init__(self, config: ConformerConfig):
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        self.expand = nn.Linear(config.dim, 2 * config.dim)
        self.depthwise = nn.Conv1d(config.dim, config.dim, config.kernel, groups=config.dim)
        self.depthwise_norm = nn.LayerNorm(config.dim)
        self.contract = nn.Linear(config.dim, config.dim)
        self.dropout = SharedDropout(config.dropout)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, n, dim), gated frames before it (batch, kernel - 1, dim); and the next such."""
        gated = F.glu(self.expand(self.norm(x)), dim=-1)
        gated = torch.cat((before.to(gated.dtype), gated), dim=1)
        x = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        x = self.contract(F.silu(self.depthwise_norm(x)))
        return self.dropout(x), gated[:, gated.shape[1] - before.shape[1] :]


class ConformerLayer(nn.Module):
    def __init__(self, config: ConformerConfig):
        super().__init__()
        self.feedforward_in = FeedForward(config)
        self.attention = Attention(config)
        self.convolution = Convolution(config)
        self.feedforward_out = FeedForward(config)
        self.norm = nn.LayerNorm(config.dim)

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, gated: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = x + 0.5 * self.feedforward_in(x)
        attended, keys, values = self.attention(x, keys, values, mask)
        x = x + attended
        convolved, gated = self.convolution(x, gated)
        x = x + convolved
        x = x + 0.5 * self.feedforward_out(x)
        return self.norm(x), keys, values, gated


class Conformer(nn.Module):
    """Encoder: features (batch, frames, features) to (batch, frames / 4, dim)."""

    feature_mean: Tensor  # (features,)
    feature_scale: Tensor  # (features,), one over the standard deviation

    def __init__(self, config: ConformerConfig):
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.features))
        self.register_buffer("feature_scale", torch.ones(config.features))
        self.subsampling = Subsampling(config)
        self.dropout = SharedDropout(config.dropout)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.layers))

    def normalize(self, features: Tensor) -> Tensor:
        return (features - self.feature_mean) * self.feature_scale

    @staticmethod
    def output_lengths(lengths: Tensor) -> Tensor:
        """Encoder frames that hold anything of recordings of so many feature frames."""
        return (lengths + SUBSAMPLING - 1) // SUBSAMPLING

    def initial_state(self, batch: int) -> ConformerState:
        config, device = self.config, self.feature_mean.device

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, device=device)

        return ConformerState(
            tail=zeros(batch, FEATURE_TAIL, config.features),
            keys=zeros(config.layers, batch, config.left_context, config.dim),
            values=zeros(config.layers, batch, config.left_context, config.dim),
            gated=zeros(config.layers, batch, config.kernel - 1, config.dim),
            seen=torch.zeros(batch, dtype=torch.int64, device=device),
        )

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Whole recordings in one pass.

        features (batch, frames, features): normalised, zero beyond each one's end, so that the lengths need
        not be known.

        Gives the output (batch, chunks * chunk, dim) and that of the middle layer, for an intermediate loss.
        """
        missing = -features.shape[1] % self.config.step
        out, middle, _ = self._run(F.pad(features, (0, 0, 0, missing)), self.initial_state(features.shape[0]))
        return out, middle

    def step(self, features: Tensor, state: ConformerState) -> tuple[Tensor, ConformerState]:
        """Some chunks of a stream: raw features (batch, n * step, features) to (batch, n * chunk, dim)."""
        out, _, state = self._run(self.normalize(features), state)
        return out, state

    def _run(self, features: Tensor, state: ConformerState) -> tuple[Tensor, Tensor, ConformerState]:
        left, chunk = self.config.left_context, self.config.chunk
        features = torch.cat((state.tail, features), dim=1)
        x = self.dropout(self.subsampling(features))

        first = torch.arange(x.shape[1] // chunk, device=x.device) * chunk
        seen = state.seen[:, None, None] + first[:, None]
        mask = torch.arange(left + chunk, device=x.device) >= left - seen

        middle = x
        after: list[tuple[Tensor, ...]] = []
        for i, layer in enumerate(self.layers):
            x, *carried = layer(x, state.keys[i], state.values[i], state.gated[i], mask)
            after.append(tuple(carried))
            if i + 1 == (self.config.layers + 1) // 2:
                middle = x
        keys, values, gated = (torch.stack(parts) for parts in zip(*after, strict=True))
        seen = torch.clamp(state.seen + x.shape[1], max=left)
        return x, middle, ConformerState(features[:, -FEATURE_TAIL:], keys, values, gated, seen)
