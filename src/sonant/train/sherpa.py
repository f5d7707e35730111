"""A network as sherpa-onnx runs it: encoder.onnx, decoder.onnx, joiner.onnx, tokens.txt, with the names and
metadata that icefall's export-onnx.py and export-onnx-streaming.py give theirs.

The projections into the joiner are in the encoder's and the decoder's graph. sherpa-onnx computes features of
samples in [-1, 1] where Kaldi and we take them as 16-bit integers; on logarithms that is a constant, and is
taken from the mean.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import onnx
import torch
from torch import Tensor, nn

from sonant.errors import ConfigError, TrainingError
from sonant.features import FbankConfig
from sonant.nn import (
    BLANK,
    LstmEncoder,
    LstmState,
    Network,
    RelativeConformer,
    RelativeConformerState,
    StatelessPredictor,
)
from sonant.nn.relative_conformer import OVERLAP
from sonant.text import Tokens
from sonant.train.onnx_graphs import TOLERANCE, Part, largest_difference, to_onnx

Metadata = Mapping[str, str | int]


class Normalized(nn.Module):
    """Its encoder, and what sherpa-onnx's features lack."""

    shift: Tensor

    def __init__(self, network: Network, fbank: FbankConfig):
        super().__init__()
        self.encoder = network.encoder
        self.project = network.joiner.encoder
        self.register_buffer("shift", torch.tensor(2 * math.log(fbank.sample_scale)))


class WholeEncoder(Normalized):
    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder.normalize(x + self.shift)
        padding = torch.arange(x.shape[1], device=x.device) >= x_lens[:, None]
        out, _ = self.encoder(features.masked_fill(padding[..., None], 0.0), x_lens)
        return self.project(out), self.encoder.output_lengths(x_lens)


class RelativeConformerStep(Normalized):
    def forward(self, x: Tensor, attn: Tensor, conv: Tensor, processed_lens: Tensor) -> tuple[Tensor, ...]:
        encoder = cast(RelativeConformer, self.encoder)
        # What sherpa-onnx counts is feature frames.
        state = RelativeConformerState(attn, conv, processed_lens // encoder.config.subsampling)
        out, state = encoder.step(x + self.shift, state)
        return self.project(out), state.attention, state.convolution


class LstmStep(Normalized):
    def forward(self, x: Tensor, state0: Tensor, state1: Tensor) -> tuple[Tensor, ...]:
        out, state = cast(LstmEncoder, self.encoder).step(x + self.shift, LstmState(state0, state1))
        return self.project(out), *state


class Decoder(nn.Module):
    def __init__(self, network: Network):
        super().__init__()
        self.predictor = network.predictor
        self.project = network.joiner.predictor

    def forward(self, y: Tensor) -> Tensor:
        return self.project(self.predictor(y))


class JoinerOutput(nn.Module):
    def __init__(self, network: Network):
        super().__init__()
        self.after_sum = network.joiner.after_sum()

    def forward(self, encoder_out: Tensor, decoder_out: Tensor) -> Tensor:
        return self.after_sum(encoder_out + decoder_out)


@dataclass(frozen=True)
class Graph:
    part: Part
    metadata: Metadata


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def whole_encoder(network: Network, fbank: FbankConfig) -> Graph:
    if not isinstance(network.encoder, RelativeConformer):
        raise ConfigError(
            f"a {network.config.encoder.kind} encoder: expected relative_conformer without streaming; export "
            "it with streaming, whole recordings give the same"
        )
    part = Part(
        WholeEncoder(network, fbank),
        {"x": noise(2, 97, network.config.encoder.features), "x_lens": torch.tensor([97, 80])},
        ["encoder_out", "encoder_out_lens"],
        {"x": 0, "x_lens": 0},
        {"x": 1},
    )
    metadata = {"model_type": "conformer", "version": 1, "model_author": "sonant", "comment": "non-streaming"}
    return Graph(part, metadata)


def encoder_step(network: Network, fbank: FbankConfig) -> Graph:
    encoder = network.encoder
    common = {"version": 1, "model_author": "sonant", "decode_chunk_len": encoder.config.step}
    if isinstance(encoder, LstmEncoder):
        shape = (encoder.config.layers, 2, encoder.config.dim)
        x = noise(2, encoder.config.step, encoder.config.features)
        part = Part(
            LstmStep(network, fbank),
            {"x": x, "state0": noise(*shape), "state1": noise(*shape)},
            ["encoder_out", "new_state0", "new_state1"],
            {"x": 0, "state0": 1, "state1": 1},
        )
        dims = {"num_encoder_layers": shape[0], "d_model": shape[2], "rnn_hidden_size": shape[2]}
        return Graph(part, common | dims | {"model_type": "lstm", "T": x.shape[1]})
    if not isinstance(encoder, RelativeConformer):
        raise ConfigError(
            f"a {encoder.config.kind} encoder: sherpa-onnx has no place for its state; expected "
            "relative_conformer or lstm"
        )
    config = encoder.config
    if not config.chunk:
        raise ConfigError("encoder.chunk 0: a stream needs chunks; export with streaming off")
    left, kernel, dim = config.left_context, config.kernel, config.dim
    part = Part(
        RelativeConformerStep(network, fbank),
        {
            "x": noise(2, config.step + OVERLAP, config.features),
            "cached_attn": noise(config.layers, left, 2, dim),
            "cached_conv": noise(config.layers, kernel - 1, 2, dim),
            "processed_lens": torch.tensor([0, 2 * config.step]),
        },
        ["encoder_out", "new_cached_attn", "new_cached_conv"],
        {"x": 0, "cached_attn": 2, "cached_conv": 2, "processed_lens": 0},
    )
    metadata = {
        "model_type": "conformer",
        "T": config.step + OVERLAP,
        "pad_length": OVERLAP,
        "chunk_size": config.chunk,
        "left_context": left,
        "right_context": 0,
        "num_encoder_layers": config.layers,
        "encoder_dim": dim,
        "cnn_module_kernel": kernel,
    }
    return Graph(part, common | metadata)


def graphs(network: Network, fbank: FbankConfig, streaming: bool) -> dict[str, Graph]:
    predictor = network.predictor
    if not isinstance(predictor, StatelessPredictor):
        raise ConfigError(
            f"a {network.config.predictor.kind} predictor: sherpa-onnx knows stateless ones alone, with our "
            "features"
        )
    tokens, context, dim = network.config.tokens, predictor.config.context, network.config.joiner.dim
    y = torch.randint(BLANK, tokens, (2, context), generator=torch.Generator().manual_seed(0))
    inputs = {"encoder_out": noise(2, dim), "decoder_out": noise(2, dim)}
    return {
        "encoder": (encoder_step if streaming else whole_encoder)(network, fbank),
        "decoder": Graph(
            Part(Decoder(network), {"y": y}, ["decoder_out"], {"y": 0}),
            {"context_size": context, "vocab_size": tokens},
        ),
        "joiner": Graph(
            Part(JoinerOutput(network), inputs, ["logit"], dict.fromkeys(inputs, 0)), {"joiner_dim": dim}
        ),
    }


def export_sherpa(
    network: Network,
    folder: str | Path,
    *,
    tokens: Tokens | None = None,
    fbank: FbankConfig | None = None,
    streaming: bool = True,
) -> None:
    """Writes encoder.onnx, decoder.onnx and joiner.onnx, and tokens.txt where tokens are given.

    For sherpa-onnx's OnlineRecognizer, or, without `streaming`, its OfflineRecognizer. fbank: what the
    network was trained on; None: sherpa-onnx's own features. Raises ConfigError for a network that
    sherpa-onnx cannot run, TrainingError if ONNX and torch disagree.
    """
    folder = Path(folder)
    fbank = fbank or FbankConfig(num_mel_bins=network.config.encoder.features, sample_scale=1.0)
    made = graphs(network.eval(), fbank, streaming)
    folder.mkdir(parents=True, exist_ok=True)
    for name, graph in made.items():
        model = to_onnx(graph.part)
        for key, value in graph.metadata.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, str(value)
        path = folder / f"{name}.onnx"
        onnx.save(model, path)
        difference = largest_difference(graph.part, path)
        if not difference < TOLERANCE:
            path.unlink()
            raise TrainingError(f"{name}: ONNX differs from torch by {difference:.2g}, expected {TOLERANCE}")
    if tokens is not None:
        lines = [f"{piece} {i}\n" for i, piece in enumerate(tokens.pieces)]
        (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
