"""The zipformer (Yao et al. 2024): stacks of layers at several frame rates, streaming or not, with the names
and shapes of icefall's checkpoints.

Feature frames of 10 ms become frames of 20 ms by convolutions. Each stack averages its `downsampling` frames
into one, runs its layers, repeats their output and mixes it with its input. The output takes each channel
from the last stack that has it, and averages pairs: frames of 40 ms.

A network that is `causal` may be run in chunks. A frame then attends to its own chunk and to `left_context`
frames before that, convolutions look back and within the chunk, and `step` with a carried state computes
exactly what `forward` does. Chunks and contexts are counted in frames of 20 ms.

Padding is not looked at: a recording's output is the same alone and in any batch.

icefall's Balancer, Whiten, schedules of dropout and skipping of layers steer its training and change no
output; they are left out.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant.errors import ConfigError, FeatureError
from sonant.fsa.swoosh import swoosh_l_forward, swoosh_r_forward
from sonant.nn.choice import EncoderConfig
from sonant.nn.conformer import SharedDropout
from sonant.nn.zipformer_layers import BiasNorm, Bypass, Frames, LayerState, ZipformerLayer, scaled

# A 20 ms frame is computed from 9 feature frames, 2 apart, and three frames to either side.
EMBEDDING = 7
LOOK_AHEAD = 3
# Feature frames of a window that are the next window's, too.
OVERLAP = EMBEDDING + 2 * LOOK_AHEAD


@dataclass(frozen=True)
class ZipformerConfig(EncoderConfig):
    """One value for each stack in the first six. The default is icefall's M of 65.5 M parameters."""

    layers: tuple[int, ...] = (2, 2, 3, 4, 3, 2)
    downsampling: tuple[int, ...] = (1, 2, 4, 8, 4, 2)
    dims: tuple[int, ...] = (192, 256, 384, 512, 384, 256)
    feedforward: tuple[int, ...] = (512, 768, 1024, 1536, 1024, 768)
    heads: tuple[int, ...] = (4, 4, 4, 8, 4, 4)
    kernels: tuple[int, ...] = (31, 31, 15, 15, 15, 31)  # frames of the stack; odd
    query_dim: int = 32  # of a head, of keys too
    value_dim: int = 12  # of a head
    position_head_dim: int = 4  # of a head's position queries
    position_dim: int = 48
    features: int = 80
    channels: tuple[int, int, int] = (8, 32, 128)  # of the convolutions before the first stack
    causal: bool = False
    chunk: int | None = None  # None: the whole recording
    left_context: int | None = None  # None: all that is before
    training_chunks: tuple[int | None, ...] = (16, 32, 64, None)  # one is drawn for each batch, if causal
    training_left_contexts: tuple[int | None, ...] = (64, 128, 256, None)
    dropout: float = 0.1
    kind: Literal["zipformer"] = "zipformer"

    def __post_init__(self):
        stacks = len(self.layers)
        for option in ("layers", "downsampling", "dims", "feedforward", "heads", "kernels"):
            found = getattr(self, option)
            if len(found) != stacks or not stacks:
                raise ConfigError(f"{option} {found}: expected {stacks or 1} numbers, one for each stack")
            if min(found) < 1:
                raise ConfigError(f"{option} {found}: expected at least 1")
        if len(self.channels) != 3 or min(self.channels) < 1:
            raise ConfigError(f"channels {self.channels}: expected three numbers of at least 1")
        for option in ("query_dim", "value_dim", "position_head_dim"):
            if getattr(self, option) < 1:
                raise ConfigError(f"{option} {getattr(self, option)}: expected at least 1")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ConfigError(f"kernels {self.kernels}: expected odd numbers")
        if any(dim % 4 for dim in self.dims):
            raise ConfigError(f"dims {self.dims}: expected multiples of 4")
        if self.position_dim < 2 or self.position_dim % 2:
            raise ConfigError(f"position_dim {self.position_dim}: expected an even number")
        if self.features < 7:
            raise ConfigError(f"features {self.features}: expected at least 7")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout}: expected a probability below 1")
        if not self.causal:
            if self.chunk is not None:
                raise ConfigError(f"chunk {self.chunk} of a network that is not causal: set causal, or None")
            return
        if not (self.training_chunks and self.training_left_contexts):
            raise ConfigError("training_chunks and training_left_contexts: expected at least one of each")
        for chunk in (self.chunk, *self.training_chunks):
            if chunk is not None and (chunk < 1 or chunk % self.block):
                raise ConfigError(
                    f"chunk {chunk}: expected a multiple of {self.block}, the frames that stacks average"
                )
        if self.chunk is not None and (self.left_context or 0) % self.chunk:
            raise ConfigError(f"left_context {self.left_context} is not a multiple of chunk {self.chunk}")

    @property
    def dim(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return max(self.dims)

    @property
    def block(self) -> int:
        """Frames of 20 ms that every stack averages into whole frames, and the output too."""
        return math.lcm(2, *self.downsampling)

    @property
    def subsampling(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Feature frames for one of the output."""
        return 4

    @property
    def step(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Feature frames from one window of a stream to the next."""
        if self.chunk is None:
            raise ConfigError("chunk None: a stream needs a causal network and a chunk, as 16, 32 or 64")
        return 2 * self.chunk

    @property
    def window(self) -> int:
        """Feature frames that one chunk is computed from."""
        return self.step + OVERLAP

    @property
    def bins(self) -> int:
        """Width of the convolutions' last output."""
        return ((self.features - 1) // 2 - 1) // 2


ZIPFORMER_S = ZipformerConfig(
    layers=(2, 2, 2, 2, 2, 2),
    dims=(192, 256, 256, 256, 256, 256),
    feedforward=(512, 768, 768, 768, 768, 768),
)
ZIPFORMER_M = ZipformerConfig()
ZIPFORMER_L = ZipformerConfig(
    layers=(2, 2, 4, 5, 4, 2),
    dims=(192, 256, 512, 768, 512, 256),
    feedforward=(512, 768, 1536, 2048, 1536, 768),
)


class ZipformerState(NamedTuple):
    """What one chunk leaves for the next."""

    embedded: Tensor  # (batch, channels[2], 3, bins), frames before ConvNeXt
    seen: Tensor  # (batch,) int64, frames of 20 ms so far, at most left_context
    layers: tuple[LayerState, ...]  # of all stacks, in order


class ConvNeXt(nn.Module):
    """Depthwise over time and frequency, then a bottleneck turned inside out (Liu et al. 2022)."""

    def __init__(self, channels: int):
        super().__init__()
        self.depthwise_conv = nn.Conv2d(channels, channels, 7, padding=(0, 3), groups=channels)
        self.pointwise_conv1 = nn.Conv2d(channels, 3 * channels, 1)
        self.pointwise_conv2 = scaled(nn.Conv2d(3 * channels, channels, 1), 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, 3 + n + 3, bins) to (batch, channels, n, bins)."""
        y = self.pointwise_conv2(swoosh_l_forward(self.pointwise_conv1(self.depthwise_conv(x))))
        return x[:, :, LOOK_AHEAD : x.shape[2] - LOOK_AHEAD] + y


class Embedding(nn.Module):
    """(batch, 2 * n + 7, features) to n frames of 20 ms."""

    def __init__(self, config: ZipformerConfig):
        super().__init__()
        one, two, three = config.channels
        # icefall's names: between them stood activations.
        self.conv = nn.ModuleDict(
            {
                "0": nn.Conv2d(1, one, 3, padding=(0, 1)),
                "4": nn.Conv2d(one, two, 3, stride=2),
                "7": nn.Conv2d(two, three, 3, stride=(1, 2)),
            }
        )
        self.convnext = ConvNeXt(three)
        self.out = nn.Linear(three * config.bins, config.dims[0])
        self.out_norm = BiasNorm(config.dims[0])
        self.dropout = SharedDropout(config.dropout)

    def convolve(self, features: Tensor, counts: Tensor) -> Tensor:
        """(batch, channels, n, bins), zero in all but the first `counts` frames."""
        x = features.unsqueeze(1)
        for convolution in self.conv.values():
            x = swoosh_r_forward(convolution(x))
        padding = torch.arange(x.shape[2], device=x.device) >= counts[:, None]
        return x.masked_fill(padding[:, None, :, None], 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """From `convolve`, with three frames before and after, to (batch, n, dim)."""
        x = self.convnext(x).transpose(1, 2).flatten(2)
        return self.dropout(self.out_norm(self.out(x)))


class Downsample(nn.Module):
    """Weighted averages of `factor` frames, the last real frame standing for those that are missing."""

    def __init__(self, factor: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(factor))

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """x (batch, frames, dim), of which `counts` are real, to (batch, frames / factor, dim)."""
        place = torch.minimum(torch.arange(x.shape[1], device=x.device), (counts[:, None] - 1).clamp(min=0))
        x = x.gather(1, place[..., None].expand_as(x))
        return self.bias.softmax(dim=0).to(x.dtype) @ x.unflatten(1, (-1, len(self.bias)))


class Stack(nn.Module):
    def __init__(self, config: ZipformerConfig, i: int):
        super().__init__()
        self.layers = nn.ModuleList(
            ZipformerLayer(
                config.dims[i],
                config.heads[i],
                config.query_dim,
                config.value_dim,
                config.position_head_dim,
                config.position_dim,
                config.feedforward[i],
                config.kernels[i],
                config.causal,
                config.dropout,
            )
            for _ in range(config.layers[i])
        )

    def forward(self, x: Tensor, frames: Frames, states: list[LayerState]) -> tuple[Tensor, list[LayerState]]:
        after = []
        for layer, state in zip(self.layers, states, strict=True):
            x, kept = layer(x, frames, state)
            after.append(kept)
        return x, after


class SlowStack(nn.Module):
    """A stack at a lower frame rate than its input and output."""

    def __init__(self, config: ZipformerConfig, i: int):
        super().__init__()
        self.downsample = Downsample(config.downsampling[i])
        self.encoder = Stack(config, i)
        self.out_combiner = Bypass(config.dims[i])

    def forward(
        self, x: Tensor, counts: Tensor, frames: Frames, states: list[LayerState]
    ) -> tuple[Tensor, list[LayerState]]:
        """counts: real frames of x; frames: those of the stack."""
        y, after = self.encoder(self.downsample(x, counts), frames, states)
        return self.out_combiner(x, y.repeat_interleave(len(self.downsample.bias), dim=1)), after


class Zipformer(nn.Module):
    """Encoder: features (batch, frames, features) to (batch, about frames / 4, dim)."""

    feature_mean: Tensor  # (features,)
    feature_scale: Tensor  # (features,), one over the standard deviation

    def __init__(self, config: ZipformerConfig):
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.features))
        self.register_buffer("feature_scale", torch.ones(config.features))
        self.encoder_embed = Embedding(config)
        self.encoders = nn.ModuleList(
            Stack(config, i) if factor == 1 else SlowStack(config, i)
            for i, factor in enumerate(config.downsampling)
        )
        self.downsample_output = Downsample(2)

    def normalize(self, features: Tensor) -> Tensor:
        return (features - self.feature_mean) * self.feature_scale

    @staticmethod
    def embedded_lengths(lengths: Tensor) -> Tensor:
        """Frames of 20 ms of so many feature frames."""
        return ((lengths - EMBEDDING) // 2).clamp(min=0)

    @staticmethod
    def output_lengths(lengths: Tensor) -> Tensor:
        """Encoder frames of recordings of so many feature frames; none where there are fewer than 9."""
        return (Zipformer.embedded_lengths(lengths) + 1) // 2

    def initial_state(self, batch: int) -> ZipformerState:
        """Raises ConfigError where the network has no chunk or no bound of its left context."""
        config, device = self.config, self.feature_mean.device
        if config.step and config.left_context is None:
            raise ConfigError("left_context None: a stream needs a number of frames, as 64, 128 or 256")
        return ZipformerState(
            torch.zeros(batch, config.channels[-1], LOOK_AHEAD, config.bins, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            self._layer_states(batch, config.left_context or 0),
        )

    def _layer_states(self, batch: int, left_context: int) -> tuple[LayerState, ...]:
        config = self.config

        def zeros(frames: int, dim: int) -> Tensor:
            return torch.zeros(batch, frames, dim, device=self.feature_mean.device)

        states: list[LayerState] = []
        for i, factor in enumerate(config.downsampling):
            left, dim, heads = left_context // factor, config.dims[i], config.heads[i]
            states += [
                LayerState(
                    zeros(left, heads * config.query_dim),
                    zeros(left, 3 * dim // 4),
                    zeros(left, heads * config.value_dim),
                    zeros(left, heads * config.value_dim),
                    zeros(config.kernels[i] // 2, dim),
                    zeros(config.kernels[i] // 2, dim),
                )
                for _ in range(config.layers[i])
            ]
        return tuple(states)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Whole recordings in one pass.

        features (batch, frames, features), normalised; lengths (batch,), frames of each, all if None.

        Gives the output (batch, output_lengths(frames), dim) and that of the widest stack, for an
        intermediate loss. What is beyond a recording's own output_lengths has no meaning.
        """
        batch, frames = features.shape[:2]
        if lengths is None:
            lengths = torch.full((batch,), frames, device=features.device)
        counts = self.embedded_lengths(lengths)
        x = self.encoder_embed.convolve(F.pad(features, (0, 0, 0, max(0, EMBEDDING + 2 - frames))), counts)
        x = self.encoder_embed(F.pad(x, (0, 0, LOOK_AHEAD, LOOK_AHEAD)))
        chunk, left = self._chunks()
        missing = -x.shape[1] % (chunk or self.config.block)
        size = (x.shape[1] + 1) // 2
        x = F.pad(x, (0, 0, 0, missing))
        rates = {d: self._whole(counts, x.shape[1], d, chunk, left) for d in self.config.downsampling}
        out, middle, _ = self._run(x, counts, rates, self._layer_states(batch, 0))
        return out[:, :size], middle[:, :size]

    def step(
        self, features: Tensor, state: ZipformerState, lengths: Tensor | None = None
    ) -> tuple[Tensor, ZipformerState]:
        """Some chunks of a stream: raw features (batch, n * config.step + 13, features) to
        (batch, n * chunk / 2, dim).

        The last 13 features are the first of the next call's. lengths (batch,): how many are the recording's,
        all if None; output_lengths of a whole recording says how many frames of output there are in all.
        Raises FeatureError for another number of features.
        """
        config = self.config
        chunk, left = config.step // 2, config.left_context or 0
        calls, rest = divmod(features.shape[1] - OVERLAP, config.step)
        if calls < 1 or rest:
            raise FeatureError(
                f"{features.shape[1]} feature frames: expected n * {config.step} + {OVERLAP}, "
                f"the last {OVERLAP} of which come again in the next call"
            )
        if lengths is None:
            lengths = torch.full(features.shape[:1], features.shape[1], device=features.device)
        counts = self.embedded_lengths(lengths)
        x = self.encoder_embed.convolve(self.normalize(features), counts)
        x = torch.cat((state.embedded.to(x.dtype), x), dim=2)
        embedded = x[:, :, calls * chunk : calls * chunk + LOOK_AHEAD]
        seen, layers, parts = state.seen, state.layers, []
        for i, part in enumerate(self.encoder_embed(x).split(chunk, dim=1)):
            real = (counts - i * chunk).clamp(0, chunk)
            rates = {d: self._window(real, seen, d) for d in config.downsampling}
            out, _, layers = self._run(part, real, rates, layers)
            parts.append(out)
            seen = (seen + chunk).clamp(max=left)
        return torch.cat(parts, dim=1), ZipformerState(embedded, seen, layers)

    def _chunks(self) -> tuple[int | None, int | None]:
        """Chunk and left context of this pass; in training, drawn."""
        config = self.config
        if not (self.training and config.causal):
            return config.chunk, config.left_context
        chunk, left = (
            drawn[int(torch.randint(len(drawn), ()))]
            for drawn in (config.training_chunks, config.training_left_contexts)
        )
        if chunk is not None and left is not None:
            left = max(left // chunk, 1) * chunk
        return chunk, left

    @staticmethod
    def _whole(counts: Tensor, length: int, factor: int, chunk: int | None, left: int | None) -> Frames:
        """The frames of a stack that averages `factor` of `length`, of which `counts` are real."""
        place = torch.arange(0, length, factor, device=counts.device)
        mask = (place < counts[:, None])[:, None]
        if chunk is not None:
            behind = place[:, None] // chunk - place // chunk
            mask = mask & (behind >= 0)
            if left is not None:
                mask = mask & (behind <= left // chunk)
        return Frames(mask, -(-counts // factor), None if chunk is None else chunk // factor)

    def _window(self, counts: Tensor, seen: Tensor, factor: int) -> Frames:
        """As _whole, of one chunk of a stream."""
        chunk = self.config.step // 2
        old = torch.arange(-(self.config.left_context or 0), 0, factor, device=counts.device)
        new = torch.arange(0, chunk, factor, device=counts.device)
        mask = torch.cat((old >= -seen[:, None], new < counts[:, None]), dim=1)[:, None]
        return Frames(mask, -(-counts // factor), chunk // factor)

    def _run(
        self, x: Tensor, counts: Tensor, rates: dict[int, Frames], layers: tuple[LayerState, ...]
    ) -> tuple[Tensor, Tensor, tuple[LayerState, ...]]:
        """All stacks: x (batch, frames, dims[0]), of which `counts` are real. Gives the output, that of the
        widest stack, and what the layers keep."""
        config = self.config
        outputs: list[Tensor] = []
        states, after = iter(layers), []
        for i, stack in enumerate(self.encoders):
            x = F.pad(x[..., : config.dims[i]], (0, max(config.dims[i] - x.shape[2], 0)))
            own = [next(states) for _ in range(config.layers[i])]
            frames = rates[config.downsampling[i]]
            x, kept = stack(x, frames, own) if isinstance(stack, Stack) else stack(x, counts, frames, own)
            outputs.append(x)
            after += kept
        whole = outputs[-1]
        for output in reversed(outputs[:-1]):
            whole = torch.cat((whole, output[..., whole.shape[2] :]), dim=-1)
        widest = outputs[config.dims.index(config.dim)]
        return (
            self.downsample_output(whole, counts),
            self.downsample_output(widest, counts),
            tuple(after),
        )
