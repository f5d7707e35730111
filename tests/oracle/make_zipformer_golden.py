"""Writes tests/nn/golden/zipformer.npz: what the networks of the package `zipformer` 0.1.3 (of icefall's
authors, on PyPI, with icefall's names) compute, and the names and shapes of their weights.

    pip download --no-deps zipformer==0.1.3 && unzip -d FOLDER zipformer-0.1.3-py3-none-any.whl
    python tests/oracle/make_zipformer_golden.py FOLDER

Only its modules of networks are imported, so that nothing else need be installed.
"""

import contextlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "nn"))

from zipformer_weights import TINY, of_name

GOLDEN = Path(__file__).parents[1] / "nn" / "golden" / "zipformer.npz"


def package(folder: str):
    """The module `zipformer.modules.model`, among stand-ins for what its network does not call."""

    class Anything(types.ModuleType):
        def __getattr__(self, name: str):
            return None

    utils = Anything("zipformer.utils")
    utils.torch_autocast = contextlib.nullcontext
    whole = types.ModuleType("zipformer")
    whole.__path__ = [str(Path(folder) / "zipformer")]
    sys.modules.update({"zipformer": whole, "zipformer.utils": utils, "atdataset": Anything("atdataset")})
    import zipformer.modules.model as model

    return model


def numbers(values) -> str:
    return ",".join(map(str, values))


def build(model, config, tokens: int, dims: int, ctc: bool, chunk: int, left: int):
    return model.AsrModel(
        feature_dim=config.features,
        downsampling_factor=numbers(config.downsampling),
        encoder_dim=numbers(config.dims),
        num_encoder_layers=numbers(config.layers),
        encoder_unmasked_dim=numbers(config.dims),
        query_head_dim=str(config.query_dim),
        pos_head_dim=str(config.position_head_dim),
        value_head_dim=str(config.value_dim),
        num_heads=numbers(config.heads),
        feedforward_dim=numbers(config.feedforward),
        cnn_module_kernel=numbers(config.kernels),
        pos_dim=config.position_dim,
        causal=config.causal,
        chunk_size=str(chunk),
        left_context_frames=str(left),
        use_ctc=ctc,
        vocab_size=tokens,
        decoder_dim=dims,
        joiner_dim=dims,
    ).eval()


def shapes(network) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in network.state_dict().items()}


@torch.no_grad()
def main(folder: str) -> None:
    from dataclasses import replace

    from sonant.nn import ZIPFORMER_L, ZIPFORMER_M, ZIPFORMER_S

    model = package(folder)
    torch.set_num_threads(1)
    out: dict[str, np.ndarray] = {}
    sizes = {}
    for name, config in {
        "S": ZIPFORMER_S,
        "M": ZIPFORMER_M,
        "L": ZIPFORMER_L,
        "M causal": replace(ZIPFORMER_M, causal=True),
    }.items():
        network = build(model, config, 500, 512, ctc=False, chunk=-1, left=-1)
        sizes[name] = sum(p.numel() for p in network.parameters())
        if name in ("M", "M causal"):
            out[f"names {name}"] = np.array(json.dumps(shapes(network)))
    out["parameters"] = np.array(json.dumps(sizes))

    rng = np.random.default_rng(0)
    out["features"] = rng.standard_normal((2, 149, TINY.features)).astype(np.float32)
    out["tokens"] = np.array([[0, 3], [3, 1], [5, 5]])
    features = torch.from_numpy(out["features"])
    for name, causal, chunk, left in (
        ("whole", False, -1, -1),
        ("causal", True, -1, -1),
        ("chunks", True, 16, 32),
        ("unbounded", True, 8, -1),
    ):
        network = build(model, replace(TINY, causal=causal), 11, 16, ctc=True, chunk=chunk, left=left)
        network.load_state_dict({n: of_name(n, v.shape) for n, v in network.state_dict().items()})
        lengths = torch.full((2,), features.shape[1])
        x, lengths = network.encoder_embed(features, lengths)
        padding = torch.zeros(x.shape[:2], dtype=torch.bool)
        x, _ = network.encoder(x.transpose(0, 1), lengths, padding)
        out[name] = x.transpose(0, 1).numpy()
        if name == "whole":
            out["names tiny"] = np.array(json.dumps(shapes(network)))
            out["ctc"] = network.ctc_output(x.transpose(0, 1)).numpy()
            predicted = network.decoder(torch.from_numpy(out["tokens"]), need_pad=False)
            joined = network.joiner(x.transpose(0, 1)[:1, :3], predicted.transpose(0, 1))
            out["joined"] = joined.numpy()
        if name == "chunks":
            out["stream"] = stream(network, features, chunk, left).numpy()
    np.savez_compressed(GOLDEN, **out)
    print(GOLDEN, GOLDEN.stat().st_size, sizes)


def stream(network, features: torch.Tensor, chunk: int, left: int) -> torch.Tensor:
    """Chunk by chunk, as icefall's streaming_decode.py."""
    embedded = network.encoder_embed.get_init_states(len(features))
    states = network.encoder.get_init_states(len(features))
    parts, done = [], 0
    for at in range(0, features.shape[1] - 2 * chunk - 13 + 1, 2 * chunk):
        window = features[:, at : at + 2 * chunk + 13]
        lengths = torch.full((len(features),), window.shape[1])
        x, lengths, embedded = network.encoder_embed.streaming_forward(window, lengths, embedded)
        unseen = (torch.arange(left) < left - done).expand(len(features), left)
        padding = torch.cat((unseen, torch.zeros(x.shape[:2], dtype=torch.bool)), dim=1)
        x, _, states = network.encoder.streaming_forward(x.transpose(0, 1), lengths, states, padding)
        parts.append(x.transpose(0, 1))
        done += chunk
    return torch.cat(parts, dim=1)


if __name__ == "__main__":
    main(sys.argv[1])
