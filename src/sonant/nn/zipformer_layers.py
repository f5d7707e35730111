"""The layers of the zipformer (Yao et al. 2024, "Zipformer: a faster and better encoder for automatic speech
recognition"), with the names and shapes of parameters of icefall's checkpoints.

A layer computes its attention weights once and uses them three times: in two attentions and, those of the
first head, in a gated module that takes the place of a convolution. With x the layer's input:

    y = x + feed_forward1(x);  y += nonlin_attention(y);  y += self_attn1(y);  y += conv_module1(y)
    y += feed_forward2(y);     y = bypass_mid(x, y)
    y += self_attn2(y);        y += conv_module2(y);      y += feed_forward3(y)
    output = bypass(x, norm(y))                            where bypass(x, y) = x + scale * (y - x)

Everything is (batch, frames, dim). What a layer keeps of the frames before is a LayerState; a whole recording
starts from one that holds no frames.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant.fsa.swoosh import swoosh_l_forward, swoosh_r_forward
from sonant.nn.conformer import SharedDropout

# Where no key may be seen at all, in padding, softmax must still give numbers.
MASKED = -1000.0


class LayerState(NamedTuple):
    """What a layer keeps of the frames before: the last `left` of them, and half a kernel of them."""

    keys: Tensor  # (batch, left, heads * query_dim)
    gated: Tensor  # (batch, left, 3 * dim / 4), of the gated attention
    values1: Tensor  # (batch, left, heads * value_dim)
    values2: Tensor  # (batch, left, heads * value_dim)
    convolved1: Tensor  # (batch, kernel // 2, dim), of the convolutions
    convolved2: Tensor  # (batch, kernel // 2, dim)


class Frames(NamedTuple):
    """Which frames there are, at the rate of one stack."""

    mask: Tensor  # (batch, 1 or frames, left + frames) bool, the keys that each frame may see
    counts: Tensor  # (batch,) int64, frames that are the recording's; the others are padding
    chunk: int | None  # frames that a convolution may see ahead of and behind; None: the whole recording

    def padding(self, frames: int) -> Tensor:
        """(batch, frames) bool"""
        return torch.arange(frames, device=self.counts.device) >= self.counts[:, None]


def extend(before: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    """The frames before and the new ones, and as many of the last as there were before."""
    if before.shape[1] == 0:
        return new, before
    both = torch.cat((before.to(new.dtype), new), dim=1)
    return both, both[:, both.shape[1] - before.shape[1] :]


def scaled(layer: nn.Linear | nn.Conv2d, scale: float):
    """A layer whose weights begin as much smaller, as ScaledAdam and deep residual sums want them."""
    with torch.no_grad():
        layer.weight *= scale
        if layer.bias is not None:
            layer.bias.uniform_(-0.1 * scale, 0.1 * scale)
    return layer


class BiasNorm(nn.Module):
    """x * exp(log_scale) / RMS(x - bias): a normalisation that can keep how long a vector was."""

    def __init__(self, dim: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(1e-4 * torch.randn(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * ((x - self.bias).square().mean(dim=-1, keepdim=True) ** -0.5 * self.log_scale.exp())


class Bypass(nn.Module):
    """From x to y, as far in each channel as its scale says."""

    def __init__(self, dim: int):
        super().__init__()
        self.bypass_scale = nn.Parameter(torch.full((dim,), 0.5))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + (y - x) * self.bypass_scale


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int, dropout: float):
        super().__init__()
        self.in_proj = nn.Linear(dim, hidden)
        self.dropout = SharedDropout(dropout)
        self.out_proj = scaled(nn.Linear(hidden, dim), 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_proj(self.dropout(swoosh_l_forward(self.in_proj(x))))


def position_encoding(frames: int, left: int, dim: int, device: torch.device) -> Tensor:
    """Of the distances key - query from -(frames + left - 1) to frames - 1: (2 * frames + left - 1, dim).

    A distance d becomes an angle in (-pi / 2, pi / 2) that tells near ones apart and far ones hardly,
    atan(2 pi / sqrt(dim) * sign(d) * log(1 + |d| / sqrt(dim))), of which the encoding holds the cosines and
    sines of the multiples 1 ... dim / 2, but for the last sine, which is a constant 1.
    """
    distance = torch.arange(1 - frames - left, frames, device=device, dtype=torch.float32)
    root = math.sqrt(dim)
    angle = (2 * math.pi / root * distance.sign() * torch.log1p(distance.abs() / root)).atan()
    angles = angle[:, None] * torch.arange(1, dim // 2 + 1, device=device)
    encoded = torch.stack((angles.cos(), angles.sin()), dim=-1).flatten(1)
    return torch.cat((encoded[:, :-1], torch.ones_like(encoded[:, :1])), dim=-1)


class AttentionWeights(nn.Module):
    """softmax(query . key + position query . position): (batch, heads, frames, left + frames).

    Queries are not divided by anything: the projection begins small instead.
    """

    def __init__(self, dim: int, heads: int, query_dim: int, position_head_dim: int, position_dim: int):
        super().__init__()
        self.heads, self.query_dim = heads, query_dim
        self.position_head_dim, self.position_dim = position_head_dim, position_dim
        self.in_proj = scaled(nn.Linear(dim, heads * (2 * query_dim + position_head_dim)), query_dim**-0.25)
        self.linear_pos = scaled(nn.Linear(position_dim, heads * position_head_dim, bias=False), 0.05)

    def forward(self, x: Tensor, before: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """mask as in Frames, before (batch, left, heads * query_dim); gives the next such, too."""
        size = self.heads * self.query_dim
        query, key, position = self.in_proj(x).split(
            (size, size, self.heads * self.position_head_dim), dim=-1
        )
        key, kept = extend(before, key)

        def by_head(t: Tensor) -> Tensor:
            return t.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        frames, keys = x.shape[1], key.shape[1]
        encoding = position_encoding(frames, keys - frames, self.position_dim, x.device)
        encoding = self.linear_pos(encoding.to(x.dtype)).unflatten(-1, (self.heads, -1))
        distances = by_head(position) @ encoding.permute(1, 2, 0)
        # Row i holds all distances; key j is at frames - 1 - i + j. With one column more, a row later is one
        # column earlier in the same memory.
        count = distances.shape[-1]
        flat = F.pad(distances, (0, 1)).flatten(2)[..., frames - 1 : frames - 1 + frames * count]
        scores = (
            by_head(query) @ by_head(key).transpose(2, 3) + flat.unflatten(2, (frames, count))[..., :keys]
        )
        if scores.dtype != torch.float64:
            scores = scores.float()
        weights = scores.masked_fill(~mask[:, None], MASKED).softmax(dim=-1)
        return weights.to(query.dtype), kept


class SelfAttention(nn.Module):
    def __init__(self, dim: int, heads: int, value_dim: int):
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(dim, heads * value_dim)
        self.out_proj = scaled(nn.Linear(heads * value_dim, dim), 0.05)

    def forward(self, x: Tensor, weights: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        values, kept = extend(before, self.in_proj(x))
        out = weights @ values.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.out_proj(out.transpose(1, 2).flatten(2)), kept


class GatedAttention(nn.Module):
    """(attention of tanh(a) * b) * c of three projections of x."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.in_proj = nn.Linear(dim, 3 * hidden)
        self.out_proj = scaled(nn.Linear(hidden, dim), 0.05)

    def forward(self, x: Tensor, weights: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """weights (batch, frames, left + frames)"""
        gate, value, factor = self.in_proj(x).chunk(3, dim=-1)
        gated, kept = extend(before, gate.tanh() * value)
        return self.out_proj(weights @ gated * factor), kept


class ChunkConvolution(nn.Module):
    """A depthwise convolution that sees as much as attention does: what is before, and its own chunk.

    The sum of one that looks back, half a kernel wide, and one over the chunk alone, whose output is scaled
    near the chunk's edges, where a part of its kernel sees nothing.
    """

    def __init__(self, dim: int, kernel: int):
        super().__init__()
        self.kernel = kernel
        self.causal_conv = nn.Conv1d(dim, dim, kernel // 2 + 1, groups=dim)
        self.chunkwise_conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.chunkwise_conv_scale = nn.Parameter(torch.zeros(2, dim, kernel))
        with torch.no_grad():
            self.causal_conv.bias.uniform_(-0.1, 0.1)  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, x: Tensor, frames: Frames) -> Tensor:
        """x (batch, dim, kernel // 2 + n), zero in padding, to (batch, dim, n)."""
        back = self.causal_conv(x)
        x = x[..., self.kernel // 2 :]
        length = x.shape[2]
        if frames.chunk is None:
            return back + self.chunkwise_conv(x) * self._whole_scale(frames.counts, length)
        chunk = frames.chunk
        blocks = x.unflatten(2, (length // chunk, chunk)).transpose(1, 2)
        inside = self.chunkwise_conv(blocks.flatten(0, 1)).unflatten(0, blocks.shape[:2])
        first, last = self.chunkwise_conv_scale
        room = max(chunk - self.kernel, 0)
        scale = 1 + F.pad(first[:, :chunk], (0, room)) + F.pad(last[:, -chunk:], (room, 0))
        return back + (inside * scale).transpose(1, 2).flatten(2)

    def _whole_scale(self, counts: Tensor, length: int) -> Tensor:
        """(batch, dim, length), for recordings of so many frames, each a chunk."""
        first, last = self.chunkwise_conv_scale
        scale = 1 + F.pad(first[:, :length], (0, max(length - self.kernel, 0)))
        place = torch.arange(length, device=counts.device) - (counts[:, None] - self.kernel)
        outside = (place < 0) | (place >= self.kernel)
        return scale + F.pad(last, (0, 1))[:, place.masked_fill(outside, self.kernel)].transpose(0, 1)


class Convolution(nn.Module):
    def __init__(self, dim: int, kernel: int, causal: bool):
        super().__init__()
        self.in_proj = nn.Linear(dim, 2 * dim)
        self.depthwise_conv = (
            ChunkConvolution(dim, kernel)
            if causal
            else nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        )
        self.out_proj = scaled(nn.Linear(dim, dim), 0.05)

    def forward(self, x: Tensor, frames: Frames, before: Tensor) -> tuple[Tensor, Tensor]:
        gated = F.glu(self.in_proj(x), dim=-1).masked_fill(frames.padding(x.shape[1])[..., None], 0.0)
        if isinstance(self.depthwise_conv, ChunkConvolution):
            gated, before = extend(before, gated)
            out = self.depthwise_conv(gated.transpose(1, 2), frames)
        else:
            out = self.depthwise_conv(gated.transpose(1, 2))
        return self.out_proj(swoosh_r_forward(out.transpose(1, 2))), before


class ZipformerLayer(nn.Module):
    bypass_scale: Tensor  # (dim,), in icefall's checkpoints, used by nobody

    def __init__(
        self,
        dim: int,
        heads: int,
        query_dim: int,
        value_dim: int,
        position_head_dim: int,
        position_dim: int,
        feedforward: int,
        kernel: int,
        causal: bool,
        dropout: float,
    ):
        super().__init__()
        self.bypass = Bypass(dim)
        self.bypass_mid = Bypass(dim)
        self.self_attn_weights = AttentionWeights(dim, heads, query_dim, position_head_dim, position_dim)
        self.self_attn1 = SelfAttention(dim, heads, value_dim)
        self.self_attn2 = SelfAttention(dim, heads, value_dim)
        self.feed_forward1 = FeedForward(dim, feedforward * 3 // 4, dropout)
        self.feed_forward2 = FeedForward(dim, feedforward, dropout)
        self.feed_forward3 = FeedForward(dim, feedforward * 5 // 4, dropout)
        self.nonlin_attention = GatedAttention(dim, 3 * dim // 4)
        self.conv_module1 = Convolution(dim, kernel, causal)
        self.conv_module2 = Convolution(dim, kernel, causal)
        self.norm = BiasNorm(dim)
        # A parameter without gradient would stop training on several devices.
        self.register_buffer("bypass_scale", torch.full((dim,), 0.5))

    def forward(self, x: Tensor, frames: Frames, state: LayerState) -> tuple[Tensor, LayerState]:
        weights, keys = self.self_attn_weights(x, state.keys, frames.mask)
        y = x + self.feed_forward1(x)
        out, gated = self.nonlin_attention(y, weights[:, 0], state.gated)
        y = y + out
        out, values1 = self.self_attn1(y, weights, state.values1)
        y = y + out
        out, convolved1 = self.conv_module1(y, frames, state.convolved1)
        y = y + out
        y = self.bypass_mid(x, y + self.feed_forward2(y))
        out, values2 = self.self_attn2(y, weights, state.values2)
        y = y + out
        out, convolved2 = self.conv_module2(y, frames, state.convolved2)
        y = y + out
        y = self.norm(y + self.feed_forward3(y))
        return self.bypass(x, y), LayerState(keys, gated, values1, values2, convolved1, convolved2)
