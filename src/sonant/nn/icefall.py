"""Checkpoints of icefall: `pretrained.pt`, `epoch-N.pt` and `checkpoint-N.pt` of its zipformer recipe.

Such a file is torch.save of a dict: "model" holds the weights, "model_avg" their mean over all batches so far
(float64), "batch_idx_train" how many those were. The network is read from the shapes of the weights.

icefall computes features of samples in [-1, 1], 80 bins, without dither, `high_freq=-400` and
`snip_edges=False`, and does not normalise them.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from sonant.errors import CheckpointError, ConfigError
from sonant.nn.heads import JoinerConfig
from sonant.nn.network import Network, NetworkConfig
from sonant.nn.predictors import StatelessPredictorConfig
from sonant.nn.published import NAMES
from sonant.nn.zipformer import ZipformerConfig

# icefall's names and those of `Network`; all that follows is the same.
PREFIXES = (
    ("encoder_embed.", "encoder.encoder_embed."),
    ("encoder.", "encoder."),
    *NAMES.items(),
    ("ctc_output.1.", "ctc."),
)
# Heads of which a Network has none: those of the pruned loss, and the attention decoder.
LEFT_OUT = ("simple_am_proj.", "simple_lm_proj.", "attention_decoder.")
# What no checkpoint of icefall has.
OWN = ("encoder.feature_mean", "encoder.feature_scale", "middle.weight", "middle.bias")


@dataclass(frozen=True)
class IcefallModel:
    network: Network  # ready to compute; `middle` is zero, and so are the heads that are not there
    transducer: bool  # whether predictor and joiner are there
    ctc: bool  # whether the CTC head is there
    left_out: tuple[str, ...]  # names of weights that a Network has no place for


def load_icefall(
    path: str | Path,
    *,
    weights: Literal["model", "model_avg"] = "model",
    after: str | Path | None = None,
    chunk: int | None = None,
    left_context: int | None = None,
    features: int = 80,
    position_head_dim: int = 4,
) -> IcefallModel:
    """The network of a checkpoint.

    weights: those of the last batch or the mean of all; after: an earlier checkpoint, for the mean of the
    batches between the two, as icefall's `--epoch N --avg M --use-averaged-model 1` has it (its `after` is
    epoch N - M). chunk and left_context, in frames of 20 ms, for causal networks; features and
    position_head_dim as trained, since the weights do not tell.

    Raises CheckpointError where the file is not such a checkpoint, ConfigError where chunk does not fit.
    """
    checkpoint = _read(path)
    state = _average(path, checkpoint, after) if after is not None else _weights(path, checkpoint, weights)
    config = icefall_config(state, str(path), features=features, position_head_dim=position_head_dim)
    if chunk is not None or left_context is not None:
        encoder: Any = config.encoder
        config = replace(config, encoder=replace(encoder, chunk=chunk, left_context=left_context))

    found: dict[str, Tensor] = {}
    left_out = []
    for name, value in state.items():
        ours = our_name(name)
        if ours is not None:
            found[ours] = value.float()
        elif name.startswith(LEFT_OUT):
            left_out.append(name)
        else:
            raise CheckpointError(f"{path}: {name}: expected weights of a zipformer, transducer or CTC")
    parts = {name.partition(".")[0] for name in found}
    # Without storage, which nothing would be kept of.
    with torch.device("meta"):
        network = Network(config)
    optional = {"ctc"} - parts | ({"predictor", "joiner"} if "joiner" not in parts else set())
    for name, wanted in network.state_dict().items():
        if name in OWN or name.partition(".")[0] in optional:
            found[name] = (torch.ones if name == "encoder.feature_scale" else torch.zeros)(wanted.shape)
        elif name not in found:
            raise CheckpointError(f"{path}: {icefall_name(name)} is missing: a truncated or other model")
        elif found[name].shape != wanted.shape:
            raise CheckpointError(
                f"{path}: {icefall_name(name)} has the shape {tuple(found[name].shape)}; "
                f"the other weights want {tuple(wanted.shape)}"
            )
    unknown = found.keys() - network.state_dict().keys()
    if unknown:
        raise CheckpointError(f"{path}: {icefall_name(min(unknown))}: no weight of a zipformer of this shape")
    network.load_state_dict(found, assign=True)
    return IcefallModel(network.eval(), "joiner" in parts, "ctc" in parts, tuple(left_out))


def our_name(name: str) -> str | None:
    """The name in `Network` of a weight of icefall's, None where there is no place for it."""
    for theirs, ours in PREFIXES:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return None


def icefall_name(name: str) -> str:
    """icefall's name of a weight of a `Network`; its own where icefall has none."""
    for theirs, ours in PREFIXES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def icefall_state(network: Network) -> dict[str, Tensor]:
    """The weights of a network with a zipformer by icefall's names. What features are normalised by and the
    head `middle` have none and are left out."""
    return {icefall_name(name): value for name, value in network.state_dict().items() if name not in OWN}


def icefall_config(
    state: dict[str, Tensor], source: str, *, features: int = 80, position_head_dim: int = 4
) -> NetworkConfig:
    """What network the weights of icefall's zipformer recipe are of; source is named in errors."""

    def size(name: str, axis: int) -> int:
        if name not in state or state[name].dim() <= axis:
            raise CheckpointError(f"{source}: no {name}: expected the weights of icefall's zipformer recipe")
        return state[name].shape[axis]

    stacks = 0
    rows: list[tuple[int, ...]] = []
    causal = False
    while any(name.startswith(f"encoder.encoders.{stacks}.") for name in state):
        stack = f"encoder.encoders.{stacks}."
        factor = state[stack + "downsample.bias"].numel() if stack + "downsample.bias" in state else 1
        layers = stack + ("layers." if factor == 1 else "encoder.layers.")
        count = 0
        while any(name.startswith(f"{layers}{count}.") for name in state):
            count += 1
        first = layers + "0."
        depthwise = first + "conv_module1.depthwise_conv."
        causal = depthwise + "chunkwise_conv.weight" in state
        kernel = size(depthwise + ("chunkwise_conv.weight" if causal else "weight"), 2)
        heads = size(first + "self_attn_weights.linear_pos.weight", 0) // position_head_dim
        rows.append(
            (
                count,
                factor,
                size(first + "norm.bias", 0),
                size(first + "feed_forward2.in_proj.weight", 0),
                heads,
                kernel,
            )
        )
        stacks += 1
    first = "encoder.encoders.0." + ("encoder." if rows and rows[0][1] > 1 else "") + "layers.0."
    positions = size(first + "self_attn_weights.linear_pos.weight", 1)
    one, two, three = (size(f"encoder_embed.conv.{i}.weight", 0) for i in (0, 4, 7))
    layers, factors, dims, feedforward, heads, kernels = zip(*rows, strict=True)
    try:
        encoder = ZipformerConfig(
            layers,
            factors,
            dims,
            feedforward,
            heads,
            kernels,
            query_dim=(size(first + "self_attn_weights.in_proj.weight", 0) // heads[0] - position_head_dim)
            // 2,
            value_dim=size(first + "self_attn1.in_proj.weight", 0) // heads[0],
            position_head_dim=position_head_dim,
            position_dim=positions,
            features=features,
            channels=(one, two, three),
            causal=causal,
        )
        if encoder.bins * three != size("encoder_embed.out.weight", 1):
            raise CheckpointError(
                f"{source}: not trained on {features} features: encoder_embed.out.weight has "
                f"{size('encoder_embed.out.weight', 1)} columns, expected {encoder.bins * three}"
            )
        if "joiner.output_linear.weight" not in state:
            return NetworkConfig(encoder, tokens=size("ctc_output.1.weight", 0))
        return NetworkConfig(
            encoder,
            tokens=size("decoder.embedding.weight", 0),
            predictor=StatelessPredictorConfig(
                dim=size("decoder.embedding.weight", 1), context=size("decoder.conv.weight", 2)
            ),
            joiner=JoinerConfig(size("joiner.encoder_proj.weight", 0)),
        )
    except (ConfigError, ZeroDivisionError) as error:
        raise CheckpointError(f"{source}: its shapes make no zipformer: {error}") from None


def _read(path: str | Path) -> dict[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        title = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{path}: cannot be read ({title}); expected a file of icefall's with plain tensors, as "
            "pretrained.pt"
        ) from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: a {type(found).__name__}; expected a dict with a key 'model'")
    return found


def _weights(path: str | Path, checkpoint: dict[str, Any], key: str) -> dict[str, Tensor]:
    state = checkpoint.get(key)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(
            f"{path}: no weights under {key!r}, there are {', '.join(map(str, checkpoint)) or 'no keys'}"
        )
    # Of a model that was wrapped for several devices.
    return {name.removeprefix("module."): value for name, value in state.items()}


def _average(path: str | Path, end: dict[str, Any], after: str | Path) -> dict[str, Tensor]:
    """Means over the first n and the first m batches give that over those between."""
    start = _read(after)
    counts = []
    for name, checkpoint in ((path, end), (after, start)):
        count = checkpoint.get("batch_idx_train")
        if not isinstance(count, int) or count < 1:
            raise CheckpointError(f"{name}: batch_idx_train is {count}; expected the number of batches")
        counts.append(count)
    last, first = counts
    if first >= last:
        raise CheckpointError(f"{after} has {first} batches, {path} {last}: expected fewer")
    late, early = _weights(path, end, "model_avg"), _weights(after, start, "model_avg")
    if {n: v.shape for n, v in late.items()} != {n: v.shape for n, v in early.items()}:
        raise CheckpointError(f"{after} and {path}: weights of different networks")
    return {
        name: late[name].double() * (last / (last - first)) - early[name].double() * (first / (last - first))
        for name in late
    }
