"""From a checkpoint to a bundle: ONNX graphs in float and int8, weights, tokens, configuration, card."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sonant.errors import ConfigError, TrainingError
from sonant.model.bundle import CONFIG, PARTS, TOKENS, WEIGHTS, BundleConfig, Head, checksum, onnx_name
from sonant.nn import BLANK, Conformer, Network, StatelessPredictor
from sonant.train import checkpoint
from sonant.train.config import TrainConfig
from sonant.train.keep import Choice, averaged
from sonant.train.onnx_graphs import TOLERANCE, Part, largest_difference, quiet, to_onnx
from sonant.train.shared_weights import share_weights

CARD = "README.md"


class EncoderStep(nn.Module):
    def __init__(self, encoder: Conformer, ctc: nn.Linear):
        super().__init__()
        self.encoder = encoder
        self.ctc = ctc
        self.state = type(encoder.initial_state(1))

    def forward(self, features: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        encoder: Any = self.encoder
        out, after = encoder.step(features, self.state(*state))
        return out, self.ctc(out).log_softmax(dim=-1), *after


class JoinerStep(nn.Module):
    def __init__(self, network: Network):
        super().__init__()
        self.joiner = network.joiner

    def forward(self, encoder_out: Tensor, predictor_out: Tensor) -> Tensor:
        # A middle axis makes matrix products of what would be fused with the bias, which is not quantised.
        return self.joiner(encoder_out[:, None], predictor_out[:, None])[:, 0].log_softmax(dim=-1)


# Of the encoders' states, those whose batch is not the first axis.
STATE_AXES = {"keys": 1, "values": 1, "gated": 1}


def streaming(network: Network) -> tuple[Conformer, StatelessPredictor]:
    """Encoder and predictor. Raises ConfigError where bundles have no place for what they take and keep."""
    config, encoder, predictor = network.config, network.encoder, network.predictor
    if not isinstance(encoder, Conformer) or not isinstance(predictor, StatelessPredictor):
        raise ConfigError(
            f"a bundle has no place for a {config.encoder.kind} encoder with a {config.predictor.kind} "
            "predictor: expected a conformer with a stateless one; see sonant.train.export_sherpa for others"
        )
    return encoder, predictor


def parts(network: Network, batch: int = 2) -> dict[str, Part]:
    config, encoder, predictor = network.config, *streaming(network)
    state = encoder.initial_state(batch)._asdict()
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    features = noise(batch, config.encoder.step, config.encoder.features)
    context = predictor.config.context
    contexts = torch.randint(BLANK, config.tokens, (batch, context), generator=generator)
    frames = {
        "encoder_out": noise(batch, config.encoder.dim),
        "predictor_out": noise(batch, config.predictor.dim),
    }
    return {
        "encoder": Part(
            EncoderStep(encoder, network.ctc),
            {"features": features, **state},
            ["encoder_out", "ctc", *(f"next_{name}" for name in state)],
            {"features": 0, **{name: STATE_AXES.get(name, 0) for name in state}},
            variadic=True,
        ),
        "predictor": Part(predictor, {"contexts": contexts}, ["predictor_out"], {"contexts": 0}),
        "joiner": Part(JoinerStep(network), frames, ["log_probs"], dict.fromkeys(frames, 0)),
    }


def quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """Matrices as 8-bit integers with a scale for each 64 values.

    Activations are quantised row by row, so that a frame's result does not depend on what shares its batch or
    chunk.
    """
    with quiet():
        from onnxruntime.quantization import onnx_model
        from onnxruntime.quantization.matmul_nbits_quantizer import (
            DefaultWeightOnlyQuantConfig,
            MatMulNBitsQuantizer,
        )

        config = DefaultWeightOnlyQuantConfig(block_size=64, is_symmetric=True, accuracy_level=4, bits=8)
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        # It knows MatMul alone; a linear layer of rows, as in the joiner, is a Gemm.
        onnx_model.ONNXModel(copy).replace_gemm_with_matmul()
        quantizer = MatMulNBitsQuantizer(copy, algo_config=config)
        quantizer.process()
        # It wraps the graph it was given.
        return cast(onnx_model.ONNXModel, quantizer.model).model


def export(
    source: str | Path,
    folder: str | Path,
    *,
    name: str = "",
    language: str = "en",
    head: Head = "transducer",
    choice: Choice | None = None,
) -> None:
    """Writes a bundle.

    source: a checkpoint's folder, or that of a run, whose last checkpoint is taken, or the mean of several
    with `choice`. folder: made anew; must not hold anything yet. head: what the bundle decodes with unless
    told otherwise. Raises CheckpointError where there is no checkpoint, ConfigError where the folder is in
    use, TrainingError if ONNX and torch disagree. name: of the model; that of the run where it is empty.
    """
    source, folder = Path(source), Path(folder)
    if choice is None:
        of_run = checkpoint.exists(source / "last")
        config, tokens, network = checkpoint.load(source / "last" if of_run else source)
    else:
        config, tokens, network = averaged(source, choice)
    streaming(network)
    if head not in get_args(Head):
        raise ConfigError(f"head={head!r}: expected one of {', '.join(get_args(Head))}")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: give a new folder")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty: give a new folder, or remove it first")
    if not name:
        name = config.exp.resolve().name
    # The weights are kept in half precision; the float graphs are made of the same rounded numbers.
    state = {n: t.half() if t.is_floating_point() else t for n, t in network.state_dict().items()}
    network.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in state.items()})

    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        new.chmod(0o755)
        weights = {n: t.contiguous() for n, t in state.items() if not n.startswith("middle.")}
        save_file(weights, new / WEIGHTS)
        tokens.save(new / TOKENS)
        for part_name, part in parts(network).items():
            model = to_onnx(part)
            onnx.save(quantize(model), new / onnx_name(part_name, "int8"))
            path = new / onnx_name(part_name, "float")
            onnx.save(share_weights(model, new / WEIGHTS), path)
            difference = largest_difference(part, path)
            if not difference < TOLERANCE:
                raise TrainingError(
                    f"{part_name}: ONNX differs from torch by {difference:.2g}, expected {TOLERANCE}"
                )
        (new / CARD).write_text(card(config, network, name), encoding="utf-8")
        files = [WEIGHTS, TOKENS, *(onnx_name(p, kind) for p in PARTS for kind in ("int8", "float"))]
        bundle = bundle_config(config, network, name, language, head)
        bundle = replace(bundle, sha256={file: checksum(new / file) for file in files})
        (new / CONFIG).write_bytes(msgspec.json.format(msgspec.json.encode(bundle)) + b"\n")
        for path in new.iterdir():
            path.chmod(0o644)
        if folder.exists():
            folder.rmdir()
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def bundle_config(
    config: TrainConfig, network: Network, name: str, language: str, head: Head
) -> BundleConfig:
    """Of a bundle without files."""
    shape = network.config
    encoder, predictor = streaming(network)
    mean: Any = network.encoder.feature_mean
    return BundleConfig(
        name=name,
        language=language,
        features=config.fbank,
        step=encoder.config.step,
        subsampling=encoder.config.subsampling,
        padding=tuple(mean.tolist()),
        tokens=shape.tokens,
        context=predictor.config.context,
        head=head,
    )


def card(config: TrainConfig, network: Network, name: str) -> str:
    parameters = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("middle."))
    corpora = ", ".join(path.name for path in config.data.train)
    encoder = streaming(network)[0].config
    return f"""# {name}

A streaming {encoder.kind} ({encoder.layers} layers of {encoder.dim}, {parameters / 1e6:.1f} M parameters)
with a CTC head and a transducer with a stateless predictor, trained with sonant for {config.epochs} epochs
on:
{corpora}.

Text units: {network.config.tokens} SentencePiece tokens ({config.tokens.kind}).
Input: {config.fbank.num_mel_bins} log-mel features at {config.fbank.sample_frequency:.0f} Hz.
It decides every {encoder.step * 10} ms.

Word error rate: measure it with `sonant evaluate MANIFEST --model THIS_FOLDER` and write it here, with the
data.
Licence: that of your data; write it here.
"""
