"""A conformer with relative positions (Gulati et al. 2020; Dai et al. 2019, section 3.3).

The encoder of icefall's stateless transducer recipes, under their parameters' names, so that their
checkpoints load. Two 3x3 convolutions of stride 2, without padding, make encoder frame i of feature frames
4i .. 4i + 6; `layers` blocks follow, each half a feed-forward layer, attention, convolution, and another
half.

Whole recordings: every frame attends to every other, and convolutions look both ways. With `causal` the
convolutions look back alone, and with `chunk` a frame attends to its own chunk and `left_context` frames
before it; then a chunk at a time, with an explicit state, computes what one masked pass does.
`dynamic_chunks` draws the chunk anew for each batch in training (Zhang et al. 2020), and one network serves
any chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant.errors import ConfigError
from sonant.nn.choice import EncoderConfig

SUBSAMPLING = 4
# Feature frames that an encoder frame sees beyond the four that are its own.
OVERLAP = 3


@dataclass(frozen=True)
class RelativeConformerConfig(EncoderConfig):
    features: int = 80  # feature dimension
    dim: int = 512
    layers: int = 12
    heads: int = 8
    feedforward: int = 2048
    kernel: int = 31  # frames of the depthwise convolution
    dropout: float = 0.1
    norm: Literal["batch", "layer"] = "layer"  # of the convolution; icefall had "batch" until June 2022
    causal: bool = False
    chunk: int = 0  # encoder frames of 40 ms that attend to each other; 0: the whole recording
    left_context: int = 64  # encoder frames; a multiple of chunk. For chunks alone
    dynamic_chunks: bool = False
    kind: Literal["relative_conformer"] = "relative_conformer"

    def __post_init__(self):
        for option in ("features", "dim", "layers", "heads", "feedforward", "kernel"):
            least = 7 if option == "features" else 1
            if getattr(self, option) < least:
                raise ConfigError(f"{option} {getattr(self, option)}: expected at least {least}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout}: expected a probability below 1")
        if self.dim % self.heads or self.dim % 2:
            raise ConfigError(
                f"dim {self.dim}: expected an even multiple of heads ({self.heads}); change either"
            )
        if self.kernel % 2 == 0:
            raise ConfigError(f"kernel {self.kernel}: expected an odd number")
        if min(self.chunk, self.left_context) < 0 or (self.chunk and self.left_context % self.chunk):
            raise ConfigError(f"left_context {self.left_context} is not a multiple of chunk {self.chunk}")
        if (self.chunk or self.dynamic_chunks) and not self.causal:
            raise ConfigError("chunks need causal convolutions: set causal, or chunk 0 and no dynamic_chunks")

    @property
    def subsampling(self) -> int:
        return SUBSAMPLING

    @property
    def step(self) -> int:
        """Feature frames from one chunk to the next; a step is given OVERLAP more."""
        return self.chunk * SUBSAMPLING


class RelativeConformerState(NamedTuple):
    """What one chunk leaves for the next."""

    attention: Tensor  # (layers, left_context, batch, dim), what was attended to
    convolution: Tensor  # (layers, kernel - 1, batch, dim), what went into the depthwise convolutions
    seen: Tensor  # (batch,) int64, encoder frames so far


class Subsampling(nn.Module):
    """(batch, frames, features) to (batch, ((frames - 1) // 2 - 1) // 2, dim)"""

    def __init__(self, features: int, dim: int):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, dim, 3, stride=2), nn.ReLU(), nn.Conv2d(dim, dim, 3, stride=2), nn.ReLU()
        )
        self.out = nn.Linear(dim * (((features - 1) // 2 - 1) // 2), dim)

    def forward(self, features: Tensor) -> Tensor:
        return self.out(self.conv(features.unsqueeze(1)).transpose(1, 2).flatten(2))


def relative_positions(queries: int, left: int, dim: int, device: torch.device) -> Tensor:
    """Sines and cosines (left + 2 * queries - 1, dim) of how far a key is before its query: from
    left + queries - 1 down to 1 - queries."""
    distance = torch.arange(left + queries - 1, -queries, -1, device=device, dtype=torch.float32)
    frequency = torch.exp(
        torch.arange(0, dim, 2, device=device, dtype=torch.float32) * (-torch.tensor(10000.0).log() / dim)
    )
    angle = distance[:, None] * frequency
    return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1)


def by_key(scores: Tensor, keys: int) -> Tensor:
    """Scores by distance (..., queries, keys + queries - 1), the farthest first, to (..., queries, keys).

    Row i's keys begin queries - 1 - i columns from the left: with a column more, one row after the other,
    each begins one place earlier in a table that is one column narrower.
    """
    queries, distances = scores.shape[-2:]
    flat = F.pad(scores, (0, 1)).flatten(-2)[..., queries - 1 :]
    return flat[..., : queries * distances].unflatten(-1, (queries, distances))[..., :keys]


class RelativeAttention(nn.Module):
    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)
        self.linear_pos = nn.Linear(dim, dim, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(heads, dim // heads))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, dim // heads))
        for weight in (self.in_proj.weight, self.pos_bias_u, self.pos_bias_v):
            nn.init.xavier_uniform_(weight)
        for linear in (self.in_proj, self.out_proj):
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, positions: Tensor, unseen: Tensor, queries: int) -> Tensor:
        """x (batch, keys, dim), of which the last `queries` ask; positions (distances, dim).

        unseen, broadcast to (batch, 1, queries, keys): what no query may look at. To (batch, queries, dim).
        """
        query, key, value = self.in_proj(x).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2).chunk(3, 1)
        query = query[:, :, query.shape[2] - queries :]
        distance = self.linear_pos(positions).unflatten(-1, (self.heads, -1)).transpose(0, 1)
        content = (query + self.pos_bias_u[:, None]) @ key.transpose(-1, -2)
        place = (query + self.pos_bias_v[:, None]) @ distance.transpose(-1, -2)
        scores = (content + by_key(place, x.shape[1])) * query.shape[-1] ** -0.5
        if scores.dtype != torch.float64:
            scores = scores.float()
        # Not -inf: padding asks too, and may have nothing to look at.
        scores = scores.masked_fill(unseen, torch.finfo(scores.dtype).min)
        out = scores.softmax(dim=-1).to(value.dtype) @ value
        return self.out_proj(out.transpose(1, 2).flatten(2))


class Convolution(nn.Module):
    """Gated and depthwise."""

    def __init__(self, config: RelativeConformerConfig):
        super().__init__()
        dim = config.dim
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1)
        self.depthwise_conv = nn.Conv1d(dim, dim, config.kernel, groups=dim)
        self.norm = nn.BatchNorm1d(dim) if config.norm == "batch" else nn.LayerNorm(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1)

    def forward(self, x: Tensor, padding: Tensor | None, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (batch, frames, dim), padding (batch, frames); before (batch, kernel - 1, dim), gated frames, or
        None, to look both ways. And the last kernel - 1 gated frames."""
        gated = F.glu(self.pointwise_conv1(x.transpose(1, 2)), dim=1)
        if padding is not None:
            gated = gated.masked_fill(padding[:, None], 0.0)
        context = self.depthwise_conv.kernel_size[0] - 1
        if before is None:
            gated = F.pad(gated, (context // 2, context // 2))
        else:
            gated = torch.cat((before.transpose(1, 2).to(gated.dtype), gated), dim=2)
        x = self.depthwise_conv(gated)
        if isinstance(self.norm, nn.LayerNorm):
            x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        else:
            x = self.norm(x)
        x = self.pointwise_conv2(F.silu(x)).transpose(1, 2)
        return x, gated[:, :, gated.shape[2] - context :].transpose(1, 2)


class RelativeConformerLayer(nn.Module):
    def __init__(self, config: RelativeConformerConfig):
        super().__init__()

        def feed_forward() -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(config.dim, config.feedforward),
                nn.SiLU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.feedforward, config.dim),
            )

        self.feed_forward_macaron, self.feed_forward = feed_forward(), feed_forward()
        self.self_attn = RelativeAttention(config.dim, config.heads)
        self.conv_module = Convolution(config)
        self.norm_ff_macaron = nn.LayerNorm(config.dim)
        self.norm_mha = nn.LayerNorm(config.dim)
        self.norm_conv = nn.LayerNorm(config.dim)
        self.norm_ff = nn.LayerNorm(config.dim)
        self.norm_final = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        unseen: Tensor,
        padding: Tensor | None,
        attended: Tensor | None,
        convolved: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x (batch, frames, dim); what the frames before left, each (batch, some frames, dim), and what these
        leave."""
        frames = x.shape[1]
        x = x + 0.5 * self.dropout(self.feed_forward_macaron(self.norm_ff_macaron(x)))
        keys = self.norm_mha(x)
        if attended is not None:
            keys = torch.cat((attended.to(keys.dtype), keys), dim=1)
        x = x + self.dropout(self.self_attn(keys, positions, unseen, frames))
        found, gated = self.conv_module(self.norm_conv(x), padding, convolved)
        x = x + self.dropout(found)
        x = x + 0.5 * self.dropout(self.feed_forward(self.norm_ff(x)))
        return self.norm_final(x), keys[:, frames:], gated


class Layers(nn.Module):
    """Holds the layers under the name that icefall gives them."""

    def __init__(self, config: RelativeConformerConfig):
        super().__init__()
        self.layers = nn.ModuleList(RelativeConformerLayer(config) for _ in range(config.layers))


class RelativeConformer(nn.Module):
    """Encoder: features (batch, frames, features) to (batch, about frames / 4, dim)."""

    feature_mean: Tensor  # (features,)
    feature_scale: Tensor  # (features,), one over the standard deviation

    def __init__(self, config: RelativeConformerConfig):
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.features))
        self.register_buffer("feature_scale", torch.ones(config.features))
        self.encoder_embed = Subsampling(config.features, config.dim)
        self.encoder = Layers(config)
        self.after_norm = nn.LayerNorm(config.dim)
        self.encoder_output_layer = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.dim, config.dim)
        )
        self.dropout = nn.Dropout(config.dropout)

    def normalize(self, features: Tensor) -> Tensor:
        return (features - self.feature_mean) * self.feature_scale

    @staticmethod
    def output_lengths(lengths: Tensor) -> Tensor:
        """Encoder frames of recordings of so many feature frames; none of fewer than 7."""
        return (((lengths - 1) // 2 - 1) // 2).clamp(min=0)

    def initial_state(self, batch: int) -> RelativeConformerState:
        config, device = self.config, self.feature_mean.device
        return RelativeConformerState(
            torch.zeros(config.layers, config.left_context, batch, config.dim, device=device),
            torch.zeros(config.layers, config.kernel - 1, batch, config.dim, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
        )

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Whole recordings in one pass, at least 7 feature frames.

        features (batch, frames, features): normalised. lengths (batch,): feature frames of each; None: all.
        Gives the output (batch, output_lengths(frames), dim) and that of the middle layer.
        """
        if features.shape[1] < SUBSAMPLING + OVERLAP:
            raise ConfigError(f"{features.shape[1]} feature frames: an encoder frame is made of 7, pad them")
        x = self.encoder_embed(features)
        frames = x.shape[1]
        place = torch.arange(frames, device=x.device)
        padding = None if lengths is None else place >= self.output_lengths(lengths)[:, None]
        unseen = self._unseen(place)
        if padding is not None:
            unseen = unseen | padding[:, None, None]
        config = self.config
        before = x.new_zeros(x.shape[0], config.kernel - 1, config.dim) if config.causal else None
        out, middle, _ = self._run(x, 0, unseen, padding, [(None, before)] * config.layers)
        return out, middle

    def _unseen(self, place: Tensor) -> Tensor:
        """What the chunks hide, (1, 1, frames, frames)."""
        config, frames = self.config, place.shape[0]
        chunk, left = config.chunk, config.left_context
        if self.training and config.dynamic_chunks:
            # As icefall: the whole recording, or 1 to 25 frames, with all that is before.
            chunk = int(torch.randint(1, max(2, frames), ()))
            chunk, left = (0 if chunk > 0.75 * frames else chunk % 25 + 1), frames
        if not chunk:
            return torch.zeros_like(place, dtype=torch.bool)[None, None, None]
        first = place // chunk * chunk
        return ((place >= first[:, None] + chunk) | (place < first[:, None] - left))[None, None]

    def step(self, features: Tensor, state: RelativeConformerState) -> tuple[Tensor, RelativeConformerState]:
        """A chunk of a stream: raw features (batch, step + 3, features), the last 3 of which are given again
        as the first of the next, to (batch, chunk, dim)."""
        config = self.config
        if not config.chunk or features.shape[1] != config.step + OVERLAP:
            raise ConfigError(
                f"{features.shape[1]} feature frames for chunks of {config.chunk}: expected causal, a chunk, "
                f"and chunk * {SUBSAMPLING} + {OVERLAP} frames"
            )
        x = self.encoder_embed(self.normalize(features))
        left, chunk = config.left_context, config.chunk
        key = torch.arange(left + chunk, device=x.device)
        unseen = (key < left - state.seen[:, None])[:, None, None]
        before = [
            (state.attention[i].transpose(0, 1), state.convolution[i].transpose(0, 1))
            for i in range(config.layers)
        ]
        out, _, after = self._run(x, left, unseen, None, before)
        attention, convolution = (
            torch.stack([t.transpose(0, 1) for t in ts]) for ts in zip(*after, strict=True)
        )
        return out, RelativeConformerState(attention, convolution, state.seen + chunk)

    def _run(
        self,
        x: Tensor,
        left: int,
        unseen: Tensor,
        padding: Tensor | None,
        before: Sequence[tuple[Tensor | None, Tensor | None]],
    ) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        positions = self.dropout(relative_positions(x.shape[1], left, self.config.dim, x.device).to(x.dtype))
        x = middle = self.dropout(x * self.config.dim**0.5)
        after: list[tuple[Tensor, Tensor]] = []
        for i, (layer, (attended, convolved)) in enumerate(zip(self.encoder.layers, before, strict=True)):
            x, *left_over = layer(x, positions, unseen, padding, attended, convolved)
            after.append((left_over[0], left_over[1]))
            if i + 1 == (self.config.layers + 1) // 2:
                middle = x
        return self.encoder_output_layer(self.after_norm(x)), middle, after
