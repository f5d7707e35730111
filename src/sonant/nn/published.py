"""Networks that others published, by their names and sizes, and their checkpoints."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sonant.errors import CheckpointError, ConfigError
from sonant.nn.heads import JoinerConfig
from sonant.nn.lstm import LstmEncoderConfig
from sonant.nn.network import Network, NetworkConfig
from sonant.nn.predictors import LstmPredictorConfig, StatelessPredictorConfig
from sonant.nn.relative_conformer import RelativeConformerConfig

# icefall's names of what is not the encoder, and ours.
NAMES = {
    "decoder.embedding.": "predictor.embedding.",
    "decoder.conv.": "predictor.convolution.",
    "joiner.encoder_proj.": "joiner.encoder.",
    "joiner.decoder_proj.": "joiner.predictor.",
    "joiner.output_linear.": "joiner.output.",
}


def aishell_stateless(tokens: int = 4336) -> NetworkConfig:
    """icefall's AISHELL transducer_stateless and transducer_stateless_modified: 87,939,824 parameters with
    its 4336 characters."""
    return NetworkConfig(
        RelativeConformerConfig(norm="batch"),
        tokens,
        StatelessPredictorConfig(512, context=2, group=1, relu=False),
        JoinerConfig(512, project=False),
    )


def caiman(size: Literal["testing", "base", "large"]) -> NetworkConfig:
    """CAIMAN-ASR's testing-1023sp, base-8703sp and large-17407sp: 49, 85 and 196 million parameters."""
    sizes = {
        "testing": (1024, 3, 1023, 512, 512),
        "base": (1024, 6, 8703, 512, 768),
        "large": (1536, 6, 17407, 768, 1024),
    }
    if size not in sizes:
        raise ConfigError(f"size {size!r}: expected one of {', '.join(sizes)}")
    dim, post, pieces, predictor, joiner = sizes[size]
    return NetworkConfig(
        LstmEncoderConfig(dim=dim, post_layers=post),
        pieces + 1,
        LstmPredictorConfig(predictor),
        JoinerConfig(joiner, "relu"),
    )


def from_icefall(state: Mapping[str, Tensor]) -> Network:
    """The network of the parameters of icefall's stateless transducer with a conformer of plain layers
    (transducer_stateless, transducer_stateless_modified).

    The sizes are those of the parameters. Raises
    CheckpointError for parameters of another network.
    """
    try:
        layers = 1 + max(int(m[1]) for n in state if (m := re.match(r"encoder\.encoder\.layers\.(\d+)\.", n)))
        first = "encoder.encoder.layers.0."
        heads, _ = state[f"{first}self_attn.pos_bias_u"].shape
        tokens, predictor_dim = state["decoder.embedding.weight"].shape
        dim = state["encoder.after_norm.weight"].shape[0]
        bins = state["encoder.encoder_embed.out.weight"].shape[1] // dim
        convolution = state.get("decoder.conv.weight")
        project = "joiner.encoder_proj.weight" in state
        config = NetworkConfig(
            RelativeConformerConfig(
                features=4 * bins + 4,
                dim=dim,
                layers=layers,
                heads=heads,
                feedforward=state[f"{first}feed_forward.0.weight"].shape[0],
                kernel=state[f"{first}conv_module.depthwise_conv.weight"].shape[2],
                norm="batch" if f"{first}conv_module.norm.running_mean" in state else "layer",
            ),
            tokens,
            StatelessPredictorConfig(
                predictor_dim,
                context=1 if convolution is None else convolution.shape[2],
                group=1 if convolution is None else convolution.shape[1],
                relu=False,
            ),
            JoinerConfig(state["joiner.output_linear.weight"].shape[1], project=project),
        )
        network = Network(config)
    except (KeyError, ValueError, AttributeError, ConfigError) as error:
        raise CheckpointError(f"not icefall's stateless transducer with a conformer: {error}") from None
    renamed = {ours(name): tensor for name, tensor in state.items()}
    own = {n: t for n, t in network.state_dict().items() if n.startswith(("ctc.", "middle."))}
    own |= {f"encoder.feature_{n}": getattr(network.encoder, f"feature_{n}") for n in ("mean", "scale")}
    try:
        network.load_state_dict(own | renamed)
    except RuntimeError as error:
        raise CheckpointError(str(error).splitlines()[1].strip()) from None
    return network.eval()


def ours(name: str) -> str:
    for theirs, own in NAMES.items():
        if name.startswith(theirs):
            return own + name.removeprefix(theirs)
    return name


def load_icefall_conformer(path: str | Path) -> Network:
    """The same, of `pretrained.pt` or `epoch-N.pt`, whose parameters are under "model"."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path}: cannot be read ({said[0]})") from None
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict):
        raise CheckpointError(f"{path}: expected icefall's checkpoint, a dict with the parameters as 'model'")
    try:
        return from_icefall(checkpoint["model"])
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
