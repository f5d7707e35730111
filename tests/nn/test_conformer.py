"""The encoder: streaming is the whole pass, and nothing leaks from the future, from padding or from long
ago."""

from dataclasses import replace

import pytest
import torch

from sonant.errors import ConfigError
from sonant.nn import Conformer, ConformerConfig

TINY = ConformerConfig(
    features=20,
    dim=16,
    layers=3,
    heads=2,
    feedforward=32,
    kernel=5,
    chunk=3,
    left_context=6,
    subsampling_channels=4,
)
CLOSE = dict(rtol=0, atol=1e-5)


def conformer(config: ConformerConfig = TINY) -> Conformer:
    torch.manual_seed(0)
    network = Conformer(config).eval()
    network.feature_mean.normal_(5.0, 2.0)
    network.feature_scale.uniform_(0.2, 0.5)
    return network


def random_features(batch: int, frames: int, config: ConformerConfig = TINY) -> torch.Tensor:
    return 5 + 3 * torch.randn(
        batch, frames, config.features, generator=torch.Generator().manual_seed(frames)
    )


def stream(network: Conformer, features: torch.Tensor, chunks: list[int]) -> torch.Tensor:
    """Raw features through `step`, so many chunks a call."""
    state = network.initial_state(len(features))
    parts, at = [], 0
    for count in chunks:
        size = count * network.config.step
        out, state = network.step(features[:, at : at + size], state)
        parts.append(out)
        at += size
    assert at == features.shape[1]
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize("left_context", [0, 3, 6, 30])
@pytest.mark.parametrize("kernel", [1, 2, 5, 40])
@torch.no_grad()
def test_streaming_equals_the_whole_pass(left_context, kernel):
    config = replace(TINY, left_context=left_context, kernel=kernel)
    network = conformer(config)
    features = random_features(2, 8 * config.step)
    whole, _ = network(network.normalize(features))
    assert whole.shape == (2, 8 * config.chunk, config.dim)
    for chunks in ([1] * 8, [8], [3, 1, 4], [1, 7]):
        torch.testing.assert_close(stream(network, features, chunks), whole, **CLOSE)


@torch.no_grad()
def test_streams_that_began_at_different_times_share_a_step():
    network = conformer()
    features = random_features(2, 6 * TINY.step)
    alone = [stream(network, row[None], [1] * 6) for row in features]
    state = network.initial_state(1)
    for i in range(4):  # the first is four chunks ahead
        _, state = network.step(features[:1, i * TINY.step : (i + 1) * TINY.step], state)
    fresh = network.initial_state(1)
    axes = {"keys": 1, "values": 1, "gated": 1}
    both = type(state)(
        *(torch.cat(pair, axes.get(name, 0)) for name, *pair in zip(state._fields, state, fresh, strict=True))
    )
    inputs = torch.stack([features[0, 4 * TINY.step : 5 * TINY.step], features[1, : TINY.step]])
    out, _ = network.step(inputs, both)
    torch.testing.assert_close(out[0], alone[0][0, 4 * TINY.chunk : 5 * TINY.chunk], **CLOSE)
    torch.testing.assert_close(out[1], alone[1][0, : TINY.chunk], **CLOSE)


@torch.no_grad()
def test_later_chunks_do_not_change_earlier_output():
    network = conformer()
    features = random_features(1, 6 * TINY.step)
    before, _ = network(features)
    features[:, 3 * TINY.step :] = torch.nan
    after, _ = network(features)
    assert torch.equal(before[:, : 3 * TINY.chunk], after[:, : 3 * TINY.chunk])
    assert torch.isnan(after[:, 3 * TINY.chunk :]).all()


@torch.no_grad()
def test_a_frame_sees_all_of_its_chunk():
    network = conformer()
    features = random_features(1, 3 * TINY.step)
    before, _ = network(features)
    # Among the features of chunk 1, the first three of the last encoder frame in it.
    features[:, 2 * TINY.step - 6] += 1
    after, _ = network(features)
    changed = (before != after).any(dim=2)[0]
    assert changed[TINY.chunk : 2 * TINY.chunk].all()


@torch.no_grad()
def test_the_left_context_is_limited():
    """One layer with kernel 1: an output depends on left_context encoder frames before its chunk, and no
    more."""
    config = replace(TINY, layers=1, kernel=1)
    network = conformer(config)
    chunks, seen = 6, config.left_context // config.chunk
    features = random_features(1, chunks * config.step)
    before, _ = network(features)
    changed = features.clone()
    # Three features more than a chunk's own are in its first encoder frame.
    changed[:, : config.step - 3] += 1.0
    after, _ = network(changed)
    differs = (before != after).any(dim=2)[0].unflatten(0, (chunks, config.chunk)).any(dim=1)
    assert differs.tolist() == [i <= seen for i in range(chunks)]


@torch.no_grad()
def test_a_recording_alone_is_the_same_as_in_a_batch():
    network = conformer()
    lengths = torch.tensor([97, 40, 1, 12])
    features = torch.zeros(4, 97, TINY.features)
    for row, length in zip(features, lengths, strict=True):
        row[:length] = network.normalize(random_features(1, int(length)))[0]
    together, middle = network(features)
    for i, frames in enumerate(network.output_lengths(lengths).tolist()):
        alone, alone_middle = network(features[i : i + 1, : lengths[i]])
        torch.testing.assert_close(together[i, :frames], alone[0, :frames], **CLOSE)
        torch.testing.assert_close(middle[i, :frames], alone_middle[0, :frames], **CLOSE)


@torch.no_grad()
def test_padding_with_the_mean_is_padding_with_zeros_after_normalisation():
    network = conformer()
    features = random_features(1, 2 * TINY.step - 5)
    whole, _ = network(network.normalize(features))
    padded = torch.cat((features, network.feature_mean.expand(1, 5, -1)), dim=1)
    torch.testing.assert_close(stream(network, padded, [1, 1]), whole, **CLOSE)


def test_output_lengths():
    assert Conformer.output_lengths(torch.tensor([0, 1, 4, 5, 8])).tolist() == [0, 1, 1, 2, 2]
    out, middle = conformer()(torch.zeros(1, 1, TINY.features))
    assert out.shape == middle.shape == (1, TINY.chunk, TINY.dim)


@pytest.mark.parametrize(("layers", "middle"), [(1, 1), (2, 1), (3, 2), (4, 2)])
@torch.no_grad()
def test_the_middle_layer(layers, middle):
    network = conformer(replace(TINY, layers=layers))
    outputs = []
    for layer in network.layers:
        layer.register_forward_hook(lambda module, inputs, output: outputs.append(output[0]))
    out, found = network(random_features(1, TINY.step))
    assert torch.equal(found, outputs[middle - 1]) and torch.equal(out, outputs[-1])


def test_dropout_is_drawn_once_per_recording_and_channel_and_off_in_evaluation():
    network = conformer(replace(TINY, dropout=0.5))
    x = torch.ones(4, 7, TINY.dim)
    assert torch.equal(network.dropout(x), x)
    dropped = network.train().dropout(x)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])


def test_every_parameter_has_a_gradient():
    network = conformer(replace(TINY, dropout=0.1)).train()
    out, _ = network(random_features(2, 4 * TINY.step))
    out.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


def test_gradient():
    config = replace(
        TINY, features=5, dim=4, layers=1, heads=1, feedforward=4, chunk=2, left_context=2, kernel=2
    )
    network = conformer(replace(config, subsampling_channels=1)).double()
    features = network.normalize(random_features(1, 16, config).double())
    assert torch.autograd.gradcheck(lambda x: network(x)[0], features.requires_grad_())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(dim=18), r"dim 18 is not a multiple of 2 \* heads \(4\)"),
        (dict(left_context=7), "left_context 7 is not a multiple of chunk 3"),
        (dict(left_context=-3), "left_context -3: expected at least 0"),
        (dict(chunk=0), "chunk 0: expected at least 1"),
        (dict(kernel=0), "kernel 0: expected at least 1"),
        (dict(layers=0), "layers 0"),
        (dict(dropout=1.0), r"dropout 1\.0: expected a probability below 1"),
    ],
)
def test_a_size_that_cannot_work_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(TINY, **change)
