"""Checkpoints of icefall: the same network, whatever is wrong is named, and averages are those between."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sonant.errors import CheckpointError, ConfigError
from sonant.nn import JoinerConfig, Network, NetworkConfig, StatelessPredictorConfig
from sonant.nn.icefall import icefall_state, load_icefall

GOLDEN = np.load(Path(__file__).parent / "golden" / "zipformer.npz")
WEIGHTS = runpy.run_path(str(Path(__file__).with_name("zipformer_weights.py")))
SHAPES = json.loads(str(GOLDEN["names tiny"]))
TRAINED = dict(features=20, position_head_dim=2)


def state() -> dict[str, torch.Tensor]:
    return {name: WEIGHTS["of_name"](name, shape) for name, shape in SHAPES.items()}


def saved(path: Path, weights: dict[str, torch.Tensor], **others) -> Path:
    torch.save({"model": weights} | others, path)
    return path


@torch.no_grad()
def test_a_checkpoint_computes_what_icefalls_network_does(tmp_path):
    found = load_icefall(saved(tmp_path / "pretrained.pt", state()), **TRAINED)
    network = found.network
    assert network.config.encoder == WEIGHTS["TINY"]
    assert (network.config.tokens, network.config.predictor.dim, network.config.joiner.dim) == (11, 16, 16)
    assert (network.predictor.config.context, found.transducer, found.ctc) == (2, True, True)
    assert sorted(found.left_out) == [
        f"simple_{part}_proj.{kind}" for part in ("am", "lm") for kind in ("bias", "weight")
    ]
    close = dict(rtol=0, atol=2e-5)
    out, _ = network.encoder(torch.from_numpy(GOLDEN["features"]))
    torch.testing.assert_close(out, torch.from_numpy(GOLDEN["whole"]), **close)
    torch.testing.assert_close(network.ctc(out).log_softmax(dim=-1), torch.from_numpy(GOLDEN["ctc"]), **close)
    predicted = network.predictor(torch.from_numpy(GOLDEN["tokens"]))
    joined = network.joiner(out[:1, :3], predicted[None])
    torch.testing.assert_close(joined, torch.from_numpy(GOLDEN["joined"]), **close)

    assert not network.middle.weight.any()
    assert all(p.requires_grad and p.is_leaf for p in network.parameters())
    back = icefall_state(network)
    assert back.keys() == {name for name in SHAPES if not name.startswith("simple_")}
    assert all(torch.equal(back[name], state()[name]) for name in back)


def test_a_causal_network_may_be_given_a_chunk(tmp_path):
    with torch.device("meta"):
        shape = replace(WEIGHTS["TINY"], causal=True)
        names = icefall_state(
            Network(
                NetworkConfig(
                    shape, tokens=11, predictor=StatelessPredictorConfig(16), joiner=JoinerConfig(16)
                )
            )
        )
    path = saved(tmp_path / "a.pt", {n: WEIGHTS["of_name"](n, v.shape) for n, v in names.items()})
    encoder = load_icefall(path, chunk=16, left_context=32, **TRAINED).network.config.encoder
    assert encoder == replace(shape, chunk=16, left_context=32)
    with pytest.raises(ConfigError, match="chunk 6: expected a multiple of 4"):
        load_icefall(path, chunk=6, **TRAINED)


@pytest.mark.parametrize("heads", ["transducer", "ctc"])
@torch.no_grad()
def test_a_head_that_is_not_there_is_zero(tmp_path, heads):
    others = ("ctc_output.",) if heads == "transducer" else ("decoder.", "joiner.", "simple_")
    weights = {name: value for name, value in state().items() if not name.startswith(others)}
    found = load_icefall(saved(tmp_path / "a.pt", weights), **TRAINED)
    assert (found.transducer, found.ctc) == (heads == "transducer", heads == "ctc")
    network = found.network
    absent = network.ctc if heads == "transducer" else network.joiner.output
    assert not absent.weight.any() and not absent.bias.any()
    assert network.config.tokens == 11


def test_weights_of_means(tmp_path):
    """Two means over the first 10 and the first 40 batches give that of the 30 between."""
    batches = [{n: v.double() + 0.01 * i for n, v in state().items()} for i in range(40)]
    mean = {n: torch.stack([b[n] for b in batches]).mean(dim=0) for n in SHAPES}
    early = {n: torch.stack([b[n] for b in batches[:10]]).mean(dim=0) for n in SHAPES}
    between = {n: torch.stack([b[n] for b in batches[10:]]).mean(dim=0) for n in SHAPES}
    first = saved(tmp_path / "epoch-1.pt", state(), model_avg=early, batch_idx_train=10)
    last = saved(tmp_path / "epoch-4.pt", state(), model_avg=mean, batch_idx_train=40)

    found = icefall_state(load_icefall(last, weights="model_avg", **TRAINED).network)
    assert all(torch.equal(value, mean[name].float()) for name, value in found.items())
    found = icefall_state(load_icefall(last, after=first, **TRAINED).network)
    for name, value in found.items():
        torch.testing.assert_close(value, between[name].float(), rtol=0, atol=1e-5)

    with pytest.raises(CheckpointError, match=r"epoch-4.pt has 40 batches, .*epoch-1.pt 10: expected fewer"):
        load_icefall(first, after=last, **TRAINED)
    plain = saved(tmp_path / "plain.pt", state())
    with pytest.raises(CheckpointError, match=r"plain.pt: batch_idx_train is None"):
        load_icefall(last, after=plain, **TRAINED)
    with pytest.raises(CheckpointError, match=r"plain.pt: no weights under 'model_avg', there are model"):
        load_icefall(plain, weights="model_avg", **TRAINED)


def without(name: str) -> dict[str, torch.Tensor]:
    return {n: v for n, v in state().items() if n != name}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "no encoder.encoders.0.layers.0.self_attn_weights.linear_pos.weight"),
        ({"w": torch.zeros(3)}, "expected the weights of icefall's zipformer recipe"),
        (without("encoder.encoders.1.encoder.layers.1.norm.log_scale"), "layers.1.norm.log_scale is missing"),
        (without("joiner.output_linear.bias"), "joiner.output_linear.bias is missing"),
        (without("decoder.conv.weight"), "no decoder.conv.weight"),
        (
            state() | {"encoder.encoders.0.layers.0.norm.bias": torch.zeros(16, 1)},
            r"encoder.encoders.0.layers.0.norm.bias has the shape \(16, 1\); the other weights want \(16,\)",
        ),
        (state() | {"encoder.encoders.0.layers.0.norm.bias": torch.zeros(18)}, "make no zipformer: dims"),
        (state() | {"encoder.more": torch.zeros(1)}, "encoder.more: no weight of a zipformer of this shape"),
        (state() | {"lm.weight": torch.zeros(1)}, "lm.weight: expected weights of a zipformer"),
        (
            state() | {"encoder.encoders.0.layers.0.self_attn_weights.linear_pos.weight": torch.zeros(0, 12)},
            "make no zipformer",
        ),
    ],
)
def test_weights_that_fit_no_network_are_named(tmp_path, weights, message):
    with pytest.raises(CheckpointError, match=message):
        load_icefall(saved(tmp_path / "a.pt", weights), **TRAINED)


def test_features_that_it_was_not_trained_on(tmp_path):
    with pytest.raises(CheckpointError, match="not trained on 80 features"):
        load_icefall(saved(tmp_path / "a.pt", state()), position_head_dim=2)


def test_files_that_are_no_checkpoints(tmp_path):
    whole = saved(tmp_path / "whole.pt", state()).read_bytes()
    path = tmp_path / "a.pt"
    for content in (b"", b"PK", b"not a file of torch", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"a.pt: cannot be read"):
            load_icefall(path)
    with pytest.raises(CheckpointError, match=r"absent.pt: cannot be read"):
        load_icefall(tmp_path / "absent.pt")
    for found in ([1], {}, {"model": 3}, {"model": {"a": 3}}):
        torch.save(found, path)
        with pytest.raises(CheckpointError, match=r"a.pt: (a list|no weights)"):
            load_icefall(path)
