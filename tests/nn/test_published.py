"""Published networks: how many parameters, and icefall's names for them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sonant.errors import CheckpointError, ConfigError
from sonant.nn import (
    Network,
    RelativeConformerConfig,
    StatelessPredictorConfig,
    aishell_stateless,
    caiman,
    from_icefall,
    load_icefall_conformer,
)

SMALL = RelativeConformerConfig(
    features=12, dim=16, layers=2, heads=2, feedforward=24, kernel=5, norm="batch"
)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (aishell_stateless(), 87_939_824),
        (caiman("testing"), 49_006_080),
        (caiman("base"), 84_690_432),
        (caiman("large"), 195_590_400),
    ],
)
def test_as_many_parameters_as_published(config, parameters):
    """Of CAIMAN-ASR 49, 85 (84.7) and 196 million are published."""
    with torch.device("meta"):
        assert Network(config).transducer_parameters() == parameters


def small(norm: str, context: int, project: bool) -> Network:
    config = aishell_stateless(tokens=9)
    predictor = StatelessPredictorConfig(16, context, group=1, relu=False)
    joiner = replace(config.joiner, dim=16, project=project)
    encoder = replace(SMALL, norm=norm)
    torch.manual_seed(0)
    return Network(replace(config, encoder=encoder, predictor=predictor, joiner=joiner)).eval()


def icefall_state(network: Network) -> dict[str, torch.Tensor]:
    theirs = {
        "predictor.embedding": "decoder.embedding",
        "predictor.convolution": "decoder.conv",
        "joiner.encoder": "joiner.encoder_proj",
        "joiner.predictor": "joiner.decoder_proj",
        "joiner.output": "joiner.output_linear",
    }
    state = {}
    for name, tensor in network.state_dict().items():
        part, _, kind = name.rpartition(".")
        if not name.startswith(("ctc", "middle", "encoder.feature")):
            state[f"{theirs.get(part, part)}.{kind}"] = tensor
    return state


# What the seed's recipe saves of a layer, by icefall's names.
LAYER = """
conv_module.depthwise_conv.bias conv_module.depthwise_conv.weight conv_module.norm.bias
conv_module.norm.num_batches_tracked conv_module.norm.running_mean conv_module.norm.running_var
conv_module.norm.weight conv_module.pointwise_conv1.bias conv_module.pointwise_conv1.weight
conv_module.pointwise_conv2.bias conv_module.pointwise_conv2.weight feed_forward.0.bias feed_forward.0.weight
feed_forward.3.bias feed_forward.3.weight feed_forward_macaron.0.bias feed_forward_macaron.0.weight
feed_forward_macaron.3.bias feed_forward_macaron.3.weight norm_conv.bias norm_conv.weight norm_ff.bias
norm_ff.weight norm_ff_macaron.bias norm_ff_macaron.weight norm_final.bias norm_final.weight norm_mha.bias
norm_mha.weight self_attn.in_proj.bias self_attn.in_proj.weight self_attn.linear_pos.weight
self_attn.out_proj.bias self_attn.out_proj.weight self_attn.pos_bias_u self_attn.pos_bias_v
"""
AROUND = """
decoder.conv.weight decoder.embedding.weight encoder.after_norm.bias encoder.after_norm.weight
encoder.encoder_embed.conv.0.bias encoder.encoder_embed.conv.0.weight encoder.encoder_embed.conv.2.bias
encoder.encoder_embed.conv.2.weight encoder.encoder_embed.out.bias encoder.encoder_embed.out.weight
encoder.encoder_output_layer.1.bias encoder.encoder_output_layer.1.weight joiner.output_linear.bias
joiner.output_linear.weight
"""


def test_the_names_are_those_of_icefall():
    found = icefall_state(small("batch", 2, project=False))
    layers = {f"encoder.encoder.layers.{i}.{name}" for i in range(2) for name in LAYER.split()}
    assert set(found) == layers | set(AROUND.split())


@torch.no_grad()
@pytest.mark.parametrize(
    ("norm", "context", "project"), [("batch", 2, False), ("layer", 1, False), ("layer", 3, True)]
)
def test_a_checkpoint_of_icefall_loads(tmp_path: Path, norm, context, project):
    network = small(norm, context, project)
    torch.save({"model": icefall_state(network), "batch_idx_train": 7}, tmp_path / "epoch-1.pt")
    found = load_icefall_conformer(tmp_path / "epoch-1.pt")
    # With a context of 1 there is no convolution whose groups would be known.
    assert found.config == network.config and not found.training
    features, contexts = torch.randn(1, 40, 12), torch.randint(9, (1, 1, context))
    assert torch.equal(found.encoder(features)[0], network.encoder(features)[0])
    assert torch.equal(found.predictor(contexts), network.predictor(contexts))
    frame = torch.randn(1, 16)
    assert torch.equal(found.joiner(frame, frame), network.joiner(frame, frame))


def test_what_is_no_such_checkpoint_is_named(tmp_path: Path):
    state = icefall_state(small("batch", 2, project=False))
    for name in ("decoder.embedding.weight", "encoder.after_norm.bias", "joiner.output_linear.bias"):
        with pytest.raises(CheckpointError, match=r"embedding|bias"):
            from_icefall({n: t for n, t in state.items() if n != name})
    with pytest.raises(CheckpointError, match="simple_am_proj"):
        from_icefall(state | {"simple_am_proj.weight": torch.zeros(2)})
    with pytest.raises(CheckpointError, match="not icefall's stateless transducer"):
        from_icefall({"weight": torch.zeros(2)})
    path = tmp_path / "pretrained.pt"
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"pretrained.pt: expected icefall's checkpoint"):
        load_icefall_conformer(path)
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2):
        path.write_bytes(content[:cut])
        with pytest.raises(CheckpointError, match=r"pretrained.pt: cannot be read"):
            load_icefall_conformer(path)
    with pytest.raises(ConfigError, match="size 'huge': expected one of testing, base, large"):
        caiman("huge")  # pyright: ignore[reportArgumentType]
