"""The LSTM encoder: against torch's LSTMs, and chunk by chunk against the whole."""

import pytest
import torch

from sonant.errors import ConfigError
from sonant.nn import LstmEncoder, LstmEncoderConfig

TINY = LstmEncoderConfig(features=5, dim=8, pre_layers=2, post_layers=3, stack=3, time_stack=2)
CLOSE = dict(rtol=0, atol=1e-6)


def encoder() -> LstmEncoder:
    torch.manual_seed(0)
    network = LstmEncoder(TINY).eval()
    with torch.no_grad():
        network.feature_mean.normal_()
        network.feature_scale.uniform_(0.5, 2.0)
    return network


def random_features(batch: int, frames: int) -> torch.Tensor:
    return torch.randn(batch, frames, TINY.features, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_frames_are_stacked_before_and_between_the_layers():
    network = encoder()
    features = random_features(2, 16)  # of the third output frame two feature frames are missing
    padded = torch.cat((features, torch.zeros(2, 2, 5)), dim=1)
    x = torch.cat([padded[:, i::3] for i in range(3)], dim=2)
    for layer in network.pre.layers:
        x, _ = layer(x)
    x = torch.cat((x[:, ::2], x[:, 1::2]), dim=2)
    outputs = []
    for layer in network.post.layers:
        x, _ = layer(x)
        outputs.append(x)
    found, middle = network(features)
    assert found.shape == (2, 3, 8)
    torch.testing.assert_close(found, outputs[2], **CLOSE)
    torch.testing.assert_close(middle, outputs[1], **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("steps", [[1] * 7, [7], [2, 4, 1]])
def test_chunk_by_chunk_is_the_whole(steps):
    network = encoder()
    features = random_features(2, 7 * 6)
    whole, _ = network(network.normalize(features))
    state, outputs, at = network.initial_state(2), [], 0
    for count in steps:
        out, state = network.step(features[:, at : at + 6 * count], state)
        outputs.append(out)
        at += 6 * count
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole, **CLOSE)
    assert state.hidden.shape == state.cell.shape == (5, 2, 8)


@torch.no_grad()
def test_nothing_is_seen_of_what_comes_later_or_beside():
    network = encoder()
    features = random_features(2, 30)
    before, _ = network(features)
    features[0, 18:] = torch.nan
    after, _ = network(features)
    assert torch.equal(after[0, :3], before[0, :3]) and after[0, 3:].isnan().all()
    torch.testing.assert_close(after[1], before[1], **CLOSE)
    assert network.output_lengths(torch.tensor([0, 1, 6, 7])).tolist() == [0, 1, 1, 2]


def test_what_is_forgotten_is_learned():
    for layer in (*encoder().pre.layers, *encoder().post.layers):
        forget = slice(8, 16)
        assert (layer.bias_ih_l0[forget] == 1).all() and (layer.bias_hh_l0[forget] == 0).all()
        assert layer.weight_hh_l0.abs().max() <= 0.5 / 8**0.5


def test_every_parameter_has_a_gradient_in_mixed_precision_too():
    network = encoder().train()
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = network(random_features(2, 24))
    assert out.dtype == torch.float32
    out.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and (parameter.grad != 0).any(), name


def test_half_an_output_frame_is_named():
    with pytest.raises(ConfigError, match="8 feature frames: expected a multiple of 6"):
        encoder().step(random_features(1, 8), encoder().initial_state(1))
