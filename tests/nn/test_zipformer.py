"""The zipformer: icefall's values, names and sizes; streaming equals the whole pass; padding is not seen."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sonant.errors import ConfigError, FeatureError
from sonant.nn import (
    ZIPFORMER_L,
    ZIPFORMER_M,
    ZIPFORMER_S,
    JoinerConfig,
    Network,
    NetworkConfig,
    StatelessPredictorConfig,
    Zipformer,
    ZipformerConfig,
)
from sonant.nn.icefall import icefall_state

GOLDEN = np.load(Path(__file__).parent / "golden" / "zipformer.npz")
WEIGHTS = runpy.run_path(str(Path(__file__).with_name("zipformer_weights.py")))
TINY: ZipformerConfig = WEIGHTS["TINY"]
CASES = {
    "whole": TINY,
    "causal": replace(TINY, causal=True),
    "chunks": replace(TINY, causal=True, chunk=16, left_context=32),
    "unbounded": replace(TINY, causal=True, chunk=8),
}
CLOSE = dict(rtol=0, atol=2e-5)


def zipformer(config: ZipformerConfig) -> Zipformer:
    """With the weights that the golden values were made with."""
    network = Zipformer(config).eval()
    for name, value in network.state_dict().items():
        if not name.startswith("feature_"):
            theirs = name if name.startswith("encoder_embed.") else f"encoder.{name}"
            value.copy_(WEIGHTS["of_name"](theirs, value.shape))
    return network


def random_features(batch: int, frames: int) -> torch.Tensor:
    return torch.randn(batch, frames, TINY.features, generator=torch.Generator().manual_seed(frames))


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_outputs_are_icefalls(case):
    out, _ = zipformer(CASES[case])(torch.from_numpy(GOLDEN["features"]))
    torch.testing.assert_close(out, torch.from_numpy(GOLDEN[case]), **CLOSE)


@torch.no_grad()
def test_streams_are_icefalls():
    network, features = zipformer(CASES["chunks"]), torch.from_numpy(GOLDEN["features"])
    state, parts = network.initial_state(2), []
    for at in range(0, features.shape[1] - network.config.window + 1, network.config.step):
        out, state = network.step(features[:, at : at + network.config.window], state)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, dim=1), torch.from_numpy(GOLDEN["stream"]), **CLOSE)


ICEFALL = StatelessPredictorConfig(512), JoinerConfig(512)


def parameters(config: ZipformerConfig) -> int:
    """Of a transducer with 500 tokens, as icefall counts: with the two heads of its pruned loss."""
    with torch.device("meta"):
        network = Network(
            NetworkConfig(
                config, tokens=500, predictor=StatelessPredictorConfig(512), joiner=JoinerConfig(512)
            )
        )
    heads = 500 * (config.dim + 1) + 500 * (512 + 1)
    state = icefall_state(network)
    return heads + sum(v.numel() for name, v in state.items() if not name.startswith("ctc_output."))


@pytest.mark.parametrize(
    ("config", "exactly", "published"),
    [
        (ZIPFORMER_S, 23_285_615, 23.3),
        (ZIPFORMER_M, 65_549_011, 65.5),
        (ZIPFORMER_L, 148_439_574, 148.4),
        (replace(ZIPFORMER_M, causal=True), 66_110_931, 66.1),
    ],
)
def test_there_are_as_many_parameters_as_published(config, exactly, published):
    assert parameters(config) == exactly
    assert round(exactly / 1e6, 1) == published
    assert exactly in json.loads(str(GOLDEN["parameters"])).values()


@pytest.mark.parametrize("causal", [False, True])
def test_weights_have_icefalls_names_and_shapes(causal):
    with torch.device("meta"):
        config = NetworkConfig(
            replace(ZIPFORMER_M, causal=causal),
            tokens=500,
            predictor=StatelessPredictorConfig(512),
            joiner=JoinerConfig(512),
        )
        found = {name: list(v.shape) for name, v in icefall_state(Network(config)).items()}
    expected = json.loads(str(GOLDEN["names M causal" if causal else "names M"]))
    heads = {name for name in expected if name.startswith("simple_")}
    assert len(heads) == 4
    ctc = {"ctc_output.1.weight": [500, 512], "ctc_output.1.bias": [500]}
    assert found == {name: shape for name, shape in expected.items() if name not in heads} | ctc
    assert "encoder.encoders.0.layers.0.self_attn_weights.in_proj.weight" in found


@pytest.mark.parametrize(
    "config", [TINY, CASES["causal"], CASES["chunks"], replace(CASES["chunks"], chunk=32, left_context=None)]
)
@torch.no_grad()
def test_padding_and_neighbours_are_not_looked_at(config):
    network = zipformer(config)
    lengths = torch.tensor([0, 8, 9, 60, 61, 95, 150])
    features = random_features(len(lengths), 150)
    padding = torch.arange(150) >= lengths[:, None]
    out, middle = network(features.masked_fill(padding[..., None], torch.nan), lengths)
    assert out.shape[1] == network.output_lengths(torch.tensor(150))
    for i, length in enumerate(lengths.tolist()):
        count = int(network.output_lengths(lengths)[i])
        assert count == max(0, (length - 7) // 2 + 1) // 2
        alone, alone_middle = network(features[i : i + 1, :length])
        torch.testing.assert_close(out[i, :count], alone[0, :count], **CLOSE)
        torch.testing.assert_close(middle[i, :count], alone_middle[0, :count], **CLOSE)


@pytest.mark.parametrize("chunk", [16, 32, 64])
@pytest.mark.parametrize("left_context", [64, 128, 256])
@torch.no_grad()
def test_streaming_equals_the_whole_pass(chunk, left_context):
    network = zipformer(replace(TINY, causal=True, chunk=chunk, left_context=left_context))
    network.feature_mean.normal_(2.0, 1.0)
    network.feature_scale.uniform_(0.5, 1.5)
    lengths = torch.tensor([700, 9, 333, 698, 12])
    features = random_features(len(lengths), 700)
    whole, _ = network(network.normalize(features), lengths)

    # What a stream is not given yet, or is beyond its end, is worse than noise.
    step, window = network.config.step, network.config.window
    padded = torch.full((len(lengths), 8 * 2 * 64 + 13, TINY.features), torch.nan)
    for row, some, length in zip(padded, features, lengths.tolist(), strict=True):
        row[:length] = some[:length]
    state, parts, at = network.initial_state(len(lengths)), [], 0
    for chunks in (1, 2, 1, 3, *[1] * 60):
        size = chunks * step + 13
        if at + size > padded.shape[1]:
            break
        out, state = network.step(padded[:, at : at + size], state, (lengths - at).clamp(0, size))
        assert out.shape[1] == chunks * chunk // 2
        parts.append(out)
        at += chunks * step
    assert at + window > padded.shape[1]
    streamed = torch.cat(parts, dim=1)
    for i, count in enumerate(network.output_lengths(lengths).tolist()):
        torch.testing.assert_close(streamed[i, :count], whole[i, :count], **CLOSE)


@torch.no_grad()
def test_a_stream_forgets_and_does_not_foresee():
    """Frames change with those of their chunk, of the left context and its layers, and no others."""
    network = zipformer(replace(TINY, causal=True, chunk=16, left_context=16))
    features = random_features(1, 1200)
    whole, _ = network(features)
    for at in (0, 600, 1100):
        changed = features.clone()
        changed[:, at] += 3.0
        moved = (network(changed)[0] - whole).abs().amax(dim=-1)[0] > 1e-6
        first = int(moved.nonzero()[0])
        # From the chunk that the first 20 ms frame which sees it is in; four layers of a chunk and half a
        # kernel at most see that later.
        assert first >= max(0, (at - 14) // 2) // 16 * 8
        assert not moved[first + 4 * (8 + 8 + 16) :].any()


def test_gradients_reach_every_weight():
    torch.manual_seed(0)
    for config in (TINY, replace(TINY, causal=True, training_chunks=(16,))):
        network = Zipformer(config)
        out, middle = network(random_features(3, 150), torch.tensor([150, 70, 20]))
        (out.square().mean() + middle.square().mean()).backward()
        silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not silent
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_chunks_are_drawn_in_training_alone():
    torch.manual_seed(0)
    config = replace(
        TINY, causal=True, dropout=0.0, training_chunks=(8, None), training_left_contexts=(8, None)
    )
    network, features = zipformer(config), random_features(1, 150)
    with torch.no_grad():
        assert len({float(network(features)[0].sum()) for _ in range(8)}) == 1
        network.train()
        assert len({float(network(features)[0].sum()) for _ in range(30)}) == 3


@torch.no_grad()
def test_mixed_precision():
    for config in (TINY, CASES["chunks"]):
        network, features = zipformer(config), random_features(2, 150)
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = network(features)
        whole, _ = network(features)
        assert float((found.float() - whole).abs().mean() / whole.abs().mean()) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(layers=()), r"layers \(\): expected 1 numbers"),
        (dict(dims=(16, 32)), r"dims \(16, 32\): expected 3 numbers, one for each stack"),
        (dict(heads=(2, 0, 2)), "expected at least 1"),
        (dict(kernels=(7, 4, 9)), "expected odd numbers"),
        (dict(dims=(16, 30, 24)), "expected multiples of 4"),
        (dict(channels=(8, 32)), "three numbers"),
        (dict(value_dim=0), "value_dim 0: expected at least 1"),
        (dict(position_dim=7), "position_dim 7: expected an even number"),
        (dict(features=6), "features 6: expected at least 7"),
        (dict(dropout=1.0), "expected a probability below 1"),
        (dict(chunk=16), "not causal"),
        (dict(causal=True, chunk=6), "chunk 6: expected a multiple of 4"),
        (dict(causal=True, training_chunks=(16, 2)), "chunk 2: expected a multiple of 4"),
        (dict(causal=True, training_chunks=()), "at least one of each"),
        (dict(causal=True, chunk=16, left_context=24), "left_context 24 is not a multiple of chunk 16"),
    ],
)
def test_a_size_that_cannot_work_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(TINY, **change)


def test_streams_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="a stream needs a causal network and a chunk"):
        Zipformer(TINY).initial_state(1)
    with pytest.raises(ConfigError, match="left_context None: a stream needs"):
        Zipformer(CASES["unbounded"]).initial_state(1)
    network = Zipformer(CASES["chunks"])
    for frames in (0, 13, 32, 46):
        with pytest.raises(FeatureError, match=rf"{frames} feature frames: expected n \* 32 \+ 13"):
            network.step(random_features(1, frames), network.initial_state(1))
