"""Exports for sherpa-onnx, run by sherpa-onnx: on real speech its greedy search says what ours says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import sherpa_onnx
import torch

from sonant import audio
from sonant.errors import ConfigError
from sonant.features import Fbank, FbankConfig
from sonant.nn import (
    BLANK,
    ConformerConfig,
    EncoderConfig,
    JoinerConfig,
    LstmEncoderConfig,
    LstmPredictorConfig,
    Network,
    NetworkConfig,
    RelativeConformerConfig,
    StatelessPredictorConfig,
)
from sonant.train import export_sherpa

SPEECH = Path(__file__).parents[1] / "data" / "speech" / "jfk.flac"
TOKENS = 24
# sherpa-onnx centres its frames, and takes samples as they are.
FBANK = FbankConfig(num_mel_bins=80, dither=0.0, high_freq=-400.0, snip_edges=False, sample_scale=1.0)
KALDI = 32768.0


@dataclass(frozen=True)
class Case:
    encoder: EncoderConfig
    streaming: bool
    joiner: JoinerConfig = JoinerConfig(24)


RELATIVE = RelativeConformerConfig(dim=24, layers=2, heads=2, feedforward=24, kernel=5, norm="batch")
CHUNKS = RelativeConformerConfig(
    dim=24, layers=2, heads=2, feedforward=24, kernel=5, causal=True, chunk=4, left_context=8
)
CASES = {
    "conformer": Case(RELATIVE, False, JoinerConfig(24, project=False)),
    "streaming conformer": Case(CHUNKS, True),
    "streaming lstm": Case(LstmEncoderConfig(dim=24, post_layers=1, chunk=2), True, JoinerConfig(24, "relu")),
}


@torch.no_grad()
def make(case: Case, samples: np.ndarray) -> Network:
    """Random weights, that say something and not always the same."""
    torch.manual_seed(0)
    network = Network(
        NetworkConfig(case.encoder, TOKENS, StatelessPredictorConfig(24, group=1, relu=False), case.joiner)
    ).eval()
    features = torch.from_numpy(Fbank(FBANK).compute(samples)) + 2 * torch.tensor(KALDI).log()
    network.encoder.feature_mean.copy_(features.mean(dim=0))
    network.encoder.feature_scale.copy_(1 / features.std(dim=0))
    for name, tensor in network.encoder.state_dict().items():
        if name.endswith("norm.running_mean"):
            tensor.normal_(std=0.1)
    if isinstance(project := network.joiner.encoder, torch.nn.Linear):
        # Untrained, it says of all frames nearly the same: the difference is made larger.
        out = project(network.encoder(network.encoder.normalize(features[None]))[0][0])
        project.weight.div_(out.std())
        project.bias.sub_(out.mean(dim=0)).div_(out.std())
    network.joiner.output.weight.mul_(8.0)
    for bias in range(-6, 20):
        network.joiner.output.bias[BLANK] = bias
        if len(greedy(network, samples, case.streaming)) < 150:
            break
    return network


@torch.no_grad()
def greedy(network: Network, samples: np.ndarray, streaming: bool) -> list[int]:
    """At most one token a frame, of the whole recording in one pass; in streaming of whole chunks alone."""
    raw = torch.from_numpy(Fbank(FBANK).compute(samples)) + 2 * torch.tensor(KALDI).log()
    if streaming:
        config = network.encoder.config
        overlap = 3 if isinstance(config, RelativeConformerConfig) else 0
        # It waits for one frame more than it needs.
        chunks = (len(raw) - 1 - overlap) // config.step
        raw = raw[: chunks * config.step + overlap]
    out, _ = network.encoder(network.encoder.normalize(raw[None]), torch.tensor([len(raw)]))
    said = [BLANK, BLANK]
    for frame in out[0, : network.encoder.output_lengths(torch.tensor(len(raw)))]:
        token = int(network.joiner(frame, network.predictor(torch.tensor(said[-2:])[None])[0]).argmax())
        said += [token] if token != BLANK else []
    return said[2:]


def heard(folder: Path, samples: np.ndarray, streaming: bool) -> list[int]:
    files: dict[str, Any] = {part: str(folder / f"{part}.onnx") for part in ("encoder", "decoder", "joiner")}
    files["tokens"] = str(folder / "tokens.txt")
    if streaming:
        online = sherpa_onnx.OnlineRecognizer.from_transducer(**files)
        stream = online.create_stream()
        stream.accept_waveform(16000, samples)
        stream.input_finished()
        while online.is_ready(stream):
            online.decode_stream(stream)
        tokens = online.tokens(stream)
    else:
        offline = sherpa_onnx.OfflineRecognizer.from_transducer(**files)
        stream = offline.create_stream()
        stream.accept_waveform(16000, samples)
        offline.decode_stream(stream)
        tokens = stream.result.tokens
    return [int(token.strip().removeprefix("t")) for token in tokens]


@pytest.mark.parametrize("name", CASES)
def test_sherpa_onnx_says_what_we_say(name: str, tmp_path: Path):
    case, samples = CASES[name], audio.load(SPEECH).samples
    network = make(case, samples)
    expected = greedy(network, samples, case.streaming)
    assert len(set(expected)) > 3 and 20 < len(expected) < 150
    # As if it had been trained on samples of 16 bits.
    export_sherpa(network, tmp_path, fbank=FbankConfig(num_mel_bins=80), streaming=case.streaming)
    (tmp_path / "tokens.txt").write_text("".join(f"t{i} {i}\n" for i in range(TOKENS)))
    assert heard(tmp_path, samples, case.streaming) == expected
    metadata = {p.key: p.value for p in onnx.load(tmp_path / "decoder.onnx").metadata_props}
    assert metadata == {"context_size": "2", "vocab_size": str(TOKENS)}


def test_what_sherpa_onnx_cannot_run_is_named(tmp_path: Path):
    stateless = StatelessPredictorConfig(24)
    for config, message in (
        (NetworkConfig(RELATIVE, predictor=LstmPredictorConfig(8)), "a lstm predictor: sherpa-onnx knows"),
        (NetworkConfig(RELATIVE, predictor=stateless), "encoder.chunk 0: a stream needs chunks"),
        (
            NetworkConfig(ConformerConfig(dim=16), predictor=stateless),
            "a conformer encoder: sherpa-onnx",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            export_sherpa(Network(config), tmp_path / "model")
    lstm = NetworkConfig(LstmEncoderConfig(dim=8), predictor=stateless)
    with pytest.raises(ConfigError, match="a lstm encoder: expected relative_conformer without streaming"):
        export_sherpa(Network(lstm), tmp_path / "model", streaming=False)
    assert not (tmp_path / "model").exists()
