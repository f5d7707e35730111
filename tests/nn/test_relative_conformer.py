"""The conformer with relative positions: the formulas, the masked pass, and chunk by chunk."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sonant.errors import ConfigError
from sonant.nn import RelativeConformer, RelativeConformerConfig
from sonant.nn.relative_conformer import (
    OVERLAP,
    RelativeAttention,
    RelativeConformerLayer,
    relative_positions,
)

TINY = RelativeConformerConfig(features=12, dim=16, layers=3, heads=2, feedforward=24, kernel=5)
STREAMING = replace(TINY, causal=True, chunk=3, left_context=6)
CLOSE = dict(rtol=0, atol=1e-5)


def encoder(config: RelativeConformerConfig) -> RelativeConformer:
    torch.manual_seed(0)
    network = RelativeConformer(config).eval()
    with torch.no_grad():
        network.feature_mean.normal_()
        network.feature_scale.uniform_(0.5, 2.0)
        for name, tensor in network.state_dict().items():
            if name.endswith("norm.running_mean"):
                tensor.normal_()
            elif name.endswith(("norm.running_var", "norm.weight")):
                tensor.uniform_(0.5, 2.0)
    return network


def random_features(batch: int, frames: int) -> Tensor:
    return torch.randn(batch, frames, TINY.features, generator=torch.Generator().manual_seed(1))


def attention_by_the_formula(attention: RelativeAttention, x: Tensor, allowed: Tensor) -> Tensor:
    """Dai et al. 2019, section 3.3, of x (frames, dim), a score at a time."""
    frames, dim = x.shape
    size = dim // attention.heads
    query, key, value = (x @ attention.in_proj.weight.T + attention.in_proj.bias).split(dim, dim=1)
    out = torch.zeros(frames, dim)
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(frames):
            scores = torch.full((frames,), -math.inf)
            for j in range(frames):
                if allowed[i, j]:
                    angles = [(i - j) / 10000 ** (2 * (k // 2) / dim) for k in range(dim)]
                    place = torch.tensor([(math.cos if k % 2 else math.sin)(a) for k, a in enumerate(angles)])
                    place = (attention.linear_pos.weight @ place)[part]
                    content = (query[i, part] + attention.pos_bias_u[head]) @ key[j, part]
                    scores[j] = content + (query[i, part] + attention.pos_bias_v[head]) @ place
            out[i, part] = (scores / math.sqrt(size)).softmax(0) @ value[:, part]
    return out @ attention.out_proj.weight.T + attention.out_proj.bias


def layer_by_the_formula(layer: RelativeConformerLayer, x: Tensor) -> Tensor:
    """Gulati et al. 2020, figure 1, of x (frames, dim)."""

    def linear(weights: torch.nn.Module, y: Tensor) -> Tensor:
        return y @ weights.weight.reshape(weights.weight.shape[:2]).T + weights.bias

    def feed_forward(norm: torch.nn.Module, parts: torch.nn.Sequential, y: Tensor) -> Tensor:
        hidden = linear(parts[0], norm(y))
        return y + linear(parts[3], hidden * hidden.sigmoid()) / 2

    x = feed_forward(layer.norm_ff_macaron, layer.feed_forward_macaron, x)
    everything = torch.ones(len(x), len(x), dtype=torch.bool)
    x = x + attention_by_the_formula(layer.self_attn, layer.norm_mha(x), everything)
    convolution = layer.conv_module
    value, gate = linear(convolution.pointwise_conv1, layer.norm_conv(x)).chunk(2, dim=1)
    gated = value * gate.sigmoid()
    half = (convolution.depthwise_conv.kernel_size[0] - 1) // 2
    weight = convolution.depthwise_conv.weight[:, 0]
    y = torch.stack(
        [
            sum(weight[:, k] * gated[t + k - half] for k in range(2 * half + 1) if 0 <= t + k - half < len(x))
            for t in range(len(x))
        ]
    )
    y = convolution.norm(y + convolution.depthwise_conv.bias)
    x = x + linear(convolution.pointwise_conv2, y * y.sigmoid())
    return layer.norm_final(feed_forward(layer.norm_ff, layer.feed_forward, x))


@torch.no_grad()
@pytest.mark.parametrize(("frames", "left"), [(1, 0), (5, 0), (1, 3), (4, 3)])
def test_attention_is_the_formula(frames, left):
    torch.manual_seed(0)
    attention = RelativeAttention(8, 2)
    x = torch.randn(left + frames, 8)
    allowed = torch.rand(left + frames, left + frames) < 0.6
    allowed |= torch.eye(left + frames, dtype=torch.bool)
    positions = relative_positions(frames, left, 8, x.device)
    found = attention(x[None], positions, ~allowed[left:][None, None], frames)
    expected = attention_by_the_formula(attention, x, allowed)[left:]
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_the_encoder_is_the_paper(norm):
    network = encoder(replace(TINY, norm=norm, layers=2))
    features = random_features(1, 30)
    x = features[0]
    for convolution in (network.encoder_embed.conv[0], network.encoder_embed.conv[2]):
        x = F.conv2d(x[None] if x.ndim == 2 else x, convolution.weight, convolution.bias, stride=2).relu()
    x = network.encoder_embed.out(x.transpose(0, 1).flatten(1)) * 4.0  # the root of dim
    assert len(x) == network.output_lengths(torch.tensor(30)) == 6
    middle = layer_by_the_formula(network.encoder.layers[0], x)
    expected = layer_by_the_formula(network.encoder.layers[1], middle)
    expected = network.encoder_output_layer[1](network.after_norm(expected))
    found, found_middle = network(features)
    torch.testing.assert_close(found_middle[0], middle, **CLOSE)
    torch.testing.assert_close(found[0], expected, **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize(("chunk", "left"), [(1, 0), (1, 4), (3, 6), (5, 0), (4, 40)])
def test_chunk_by_chunk_is_the_masked_pass(norm, chunk, left):
    network = encoder(replace(STREAMING, norm=norm, chunk=chunk, left_context=left))
    step = network.config.step
    features = random_features(2, 5 * step + OVERLAP)
    whole, _ = network(network.normalize(features))
    state, outputs = network.initial_state(2), []
    for i in range(5):
        out, state = network.step(features[:, i * step : (i + 1) * step + OVERLAP], state)
        outputs.append(out)
    assert whole.shape == (2, 5 * chunk, 16) and state.seen.tolist() == [5 * chunk] * 2
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole, **CLOSE)


@torch.no_grad()
def test_a_chunk_sees_itself_and_its_left_context_and_no_more():
    network = encoder(replace(STREAMING, layers=1, kernel=1, left_context=3))
    features = random_features(1, 4 * 12 + OVERLAP)
    before, _ = network(features)
    for at, chunks in ((0, [0, 1]), (23, [1, 2]), (47, [3])):
        changed = features.clone()
        changed[:, at] += 1.0
        after, _ = network(changed)
        differs = (before != after).any(dim=2)[0].unflatten(0, (4, 3)).any(dim=1)
        assert differs.nonzero().flatten().tolist() == chunks, at


@torch.no_grad()
@pytest.mark.parametrize("config", [TINY, STREAMING, replace(TINY, norm="batch")])
def test_a_recording_alone_is_the_same_as_in_a_batch(config):
    network = encoder(config)
    lengths = torch.tensor([61, 7, 34, 38])
    features = random_features(4, 61)
    together, middle = network(features, lengths)
    for i, frames in enumerate(network.output_lengths(lengths).tolist()):
        alone, alone_middle = network(features[i : i + 1, : lengths[i]])
        torch.testing.assert_close(together[i, :frames], alone[0], **CLOSE)
        torch.testing.assert_close(middle[i, :frames], alone_middle[0], **CLOSE)
    assert together.isfinite().all()


@torch.no_grad()
def test_dynamic_chunks_are_drawn_anew_and_are_off_in_evaluation():
    config = replace(TINY, causal=True, dynamic_chunks=True, dropout=0.0, layers=1, kernel=1)
    network = encoder(config)
    features = random_features(1, 143)  # 35 encoder frames
    fixed = {chunk: encoder(replace(config, chunk=chunk, left_context=40 * chunk)) for chunk in range(1, 26)}
    fixed[0] = encoder(replace(config, dynamic_chunks=False))
    expected = {chunk: one(features)[0] for chunk, one in fixed.items()}
    torch.testing.assert_close(network(features)[0], expected[0])
    network.train()
    drawn = set()
    for _ in range(60):
        found, _ = network(features)
        drawn |= {chunk for chunk, out in expected.items() if torch.allclose(out, found, rtol=0, atol=1e-5)}
    assert 0 in drawn and len(drawn) > 10


def test_gradient():
    config = RelativeConformerConfig(
        features=8, dim=4, layers=1, heads=1, feedforward=4, kernel=3, causal=True, chunk=2, left_context=2
    )
    network = encoder(config).double()
    features = torch.randn(2, 19, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    lengths = torch.tensor([19, 12])

    def valid(x: Tensor) -> Tensor:
        out, _ = network(x, lengths)
        return torch.cat([row[:n] for row, n in zip(out, network.output_lengths(lengths), strict=True)])

    assert torch.autograd.gradcheck(valid, features.requires_grad_(), fast_mode=True)


def test_what_is_given_is_checked():
    network = encoder(TINY)
    with pytest.raises(ConfigError, match="6 feature frames: an encoder frame is made of 7"):
        network(random_features(1, 6))
    with pytest.raises(ConfigError, match="15 feature frames for chunks of 0: expected causal"):
        network.step(random_features(1, 15), network.initial_state(1))
    network = encoder(STREAMING)
    with pytest.raises(ConfigError, match="14 feature frames for chunks of 3"):
        network.step(random_features(1, 14), network.initial_state(1))
    assert network.output_lengths(torch.tensor([0, 1, 6, 7, 10, 11])).tolist() == [0, 0, 0, 1, 1, 2]
