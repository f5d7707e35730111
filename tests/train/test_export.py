"""From a checkpoint to a bundle that the runtime tier reads."""

import importlib
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

import sonant
from sonant import audio, train
from sonant.audio import read_corpus
from sonant.errors import CheckpointError, ConfigError, ModelError, TrainingError
from sonant.features import Fbank, FbankConfig
from sonant.model.bundle import PARTS
from sonant.nn import (
    ConformerConfig,
    JoinerConfig,
    LstmEncoderConfig,
    LstmPredictorConfig,
    Network,
    NetworkConfig,
    StatelessPredictorConfig,
    ZipformerConfig,
)
from sonant.nn import Fbank as TorchFbank
from sonant.search import ctc_greedy
from sonant.text import Tokens
from sonant.train import DataConfig, TrainConfig, checkpoint
from sonant.train.export import parts
from sonant.train.shared_weights import SMALLEST

SPEECH = Path(__file__).parents[1] / "data" / "speech"
PART_FILES = [f"{part}{suffix}.onnx" for part in PARTS for suffix in ("", ".int8")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose last checkpoint is a network of random weights."""
    folder = tmp_path_factory.mktemp("runs") / "toneless"
    tokens = Tokens.train([u.text.upper() for u in read_corpus(SPEECH) if u.text.isascii()], 40)
    encoder = ConformerConfig(
        features=40,
        dim=64,
        layers=2,
        heads=2,
        feedforward=128,
        kernel=5,
        chunk=4,
        left_context=8,
        subsampling_channels=8,
    )
    config = TrainConfig(
        exp=folder,
        data=DataConfig(train=(Path("corpora/tones"),)),
        fbank=FbankConfig(num_mel_bins=40, dither=0.0),
        network=NetworkConfig(encoder, 40, StatelessPredictorConfig(64), JoinerConfig(64)),
    )
    torch.manual_seed(0)
    network = Network(config.network)
    with torch.no_grad():
        network.encoder.feature_mean.normal_(14.0, 2.0)
        network.encoder.feature_scale.uniform_(0.2, 0.5)
        # Otherwise it is never sure of anything, and blanks only come by chance.
        network.ctc.weight.mul_(4.0)
        network.joiner.output.weight.mul_(4.0)
        network.joiner.output.bias[0] = 3.0
    # In half precision, as a bundle has them.
    weights = {n: t.half().float() if t.is_floating_point() else t for n, t in network.state_dict().items()}
    checkpoint.save(folder / "last", config, tokens, weights, {})
    return folder


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    folder = run.parent / "bundle"
    train.export(run, folder)
    return folder


@pytest.fixture(scope="module")
def rounded(run: Path) -> Network:
    """The checkpoint's network with its weights in half precision, as a bundle has them."""
    _, _, network = checkpoint.load(run / "last")
    network.load_state_dict({name: t.half().float() for name, t in network.state_dict().items()})
    return network


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run_encoder(path: Path, features: torch.Tensor, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Encoder frames and CTC scores of features (batch, n * step, bins), a step at a time."""
    encoder = session(path)
    state = [t.numpy() for t in network.encoder.initial_state(len(features))]
    names = [i.name for i in encoder.get_inputs()]
    parts = []
    for chunk in features.split(network.config.encoder.step, dim=1):
        frames, ctc, *state = encoder.run(None, dict(zip(names, [chunk.numpy(), *state], strict=True)))
        parts.append((frames, ctc))
    frames, ctc = zip(*parts, strict=True)
    return np.concatenate(frames, axis=1), np.concatenate(ctc, axis=1)


def speech_features(network: Network, steps: int = 12) -> torch.Tensor:
    """Of two real recordings, cut to the same length."""
    native = Fbank(FbankConfig(num_mel_bins=network.config.encoder.features, dither=0.0))
    size = steps * network.config.encoder.step
    rows = [
        native.compute(audio.load(SPEECH / name).samples)[:size]
        for name in ("jfk.flac", "BAC009S0724W0121.flac")
    ]
    return torch.from_numpy(np.stack(rows))


@pytest.mark.parametrize(("precision", "tolerance"), [("float", 1e-3), ("int8", 0.3)])
@torch.no_grad()
def test_the_encoder_step_by_step_equals_torch_in_one_pass(bundle, rounded, precision, tolerance):
    features = speech_features(rounded)
    out, _ = rounded.encoder(rounded.encoder.normalize(features))
    ctc = rounded.ctc(out).log_softmax(dim=-1)
    path = bundle / ("encoder.onnx" if precision == "float" else "encoder.int8.onnx")
    for batch in (features, features[:1]):
        found = run_encoder(path, batch, rounded)
        for got, expected in zip(found, (out, ctc), strict=True):
            np.testing.assert_allclose(got, expected[: len(batch)].numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("precision", "tolerance"), [("float", 1e-3), ("int8", 0.3)])
@pytest.mark.parametrize("batch", [1, 2, 9])
@torch.no_grad()
def test_predictor_and_joiner_equal_torch(bundle, rounded, precision, tolerance, batch):
    suffix = "" if precision == "float" else ".int8"
    contexts = torch.randint(0, 40, (batch, 2), generator=torch.Generator().manual_seed(batch))
    frames = torch.randn(batch, 64, generator=torch.Generator().manual_seed(batch))
    predicted = rounded.predictor(contexts)
    (found,) = session(bundle / f"predictor{suffix}.onnx").run(None, {"contexts": contexts.numpy()})
    np.testing.assert_allclose(found, predicted.numpy(), rtol=0, atol=tolerance)
    inputs = {"encoder_out": frames.numpy(), "predictor_out": predicted.numpy()}
    (found,) = session(bundle / f"joiner{suffix}.onnx").run(None, inputs)
    np.testing.assert_allclose(
        found, rounded.joiner(frames, predicted).log_softmax(dim=-1).numpy(), rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("precision", ["float", "int8"])
def test_the_bundle_is_a_model(bundle, precision):
    model = sonant.load(bundle, precision=precision)
    assert (
        model.config.name == "toneless"
        and model.config.language == "en"
        and model.config.head == "transducer"
    )
    for head in ("ctc", "transducer"):
        whole = model.transcribe(SPEECH / "jfk.flac", head=head)
        assert whole.text and whole.duration == pytest.approx(11.0)
        samples = audio.load(SPEECH / "jfk.flac").samples
        with model.stream(head=head) as stream:
            for start in range(0, len(samples), 7001):
                stream.feed(samples[start : start + 7001])
            assert stream.finish().text == whole.text


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
@pytest.mark.parametrize("head", ["ctc", "transducer"])
def test_the_run_itself_is_a_model_with_the_same_texts(run, bundle, decoder, head):
    sources = [SPEECH / "BAC009S0724W0121.flac", SPEECH / "7_jackson_0.opus"]
    models = train.load_checkpoint(run), sonant.load(bundle, precision="float")
    assert models[0].config.name == "toneless"
    found, expected = (list(model.transcribe(sources, decoder=decoder, head=head)) for model in models)
    assert [t.text for t in found] == [t.text for t in expected]
    assert [[w.start for w in t.words] for t in found] == [[w.start for w in t.words] for t in expected]


@torch.no_grad()
def test_the_model_hears_what_torch_hears(run, bundle, rounded):
    """From samples to text: the runtime tier's whole way and the training tier's."""
    config, tokens, _ = checkpoint.load(run / "last")
    model = sonant.load(bundle, precision="float")
    samples = torch.from_numpy(audio.load(SPEECH / "BAC009S0724W0121.flac").samples)[None]
    features = rounded.encoder.normalize(TorchFbank(config.fbank)(samples))
    out, _ = rounded.encoder(features)
    scores = rounded.ctc(out).log_softmax(dim=-1)[
        0, : int(rounded.encoder.output_lengths(torch.tensor(features.shape[1])))
    ]
    (best,) = ctc_greedy([scores.numpy()])
    found = model.transcribe(SPEECH / "BAC009S0724W0121.flac", head="ctc")
    assert found.text == tokens.decode(list(best.tokens)) != ""


def external(path: Path) -> dict[str, onnx.TensorProto]:
    """The initialisers that a graph reads from another file."""
    graph = onnx.load(str(path), load_external_data=False).graph
    return {t.name: t for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}


def test_float_graphs_take_their_weights_from_the_one_file(bundle):
    weights = load_file(bundle / "weights.safetensors")
    taken = set()
    for part in PARTS:
        graph = onnx.load(str(bundle / f"{part}.onnx"), load_external_data=False).graph
        kept = [t for t in graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL]
        assert all(np.prod(t.dims) < SMALLEST for t in kept), [
            t.name for t in kept if np.prod(t.dims) >= SMALLEST
        ]
        for tensor in external(bundle / f"{part}.onnx").values():
            assert {e.key: e.value for e in tensor.external_data}["location"] == "weights.safetensors"
            taken.add(tensor.name.removeprefix("weights."))
    assert taken == {name for name, t in weights.items() if t.numel() >= SMALLEST}
    assert not any(name.startswith("middle.") for name in weights)
    assert {t.dtype for t in weights.values()} == {torch.float16}
    # What is left in the graphs is small against the weights that they would hold.
    assert (
        sum((bundle / f"{part}.onnx").stat().st_size for part in PARTS)
        < (bundle / "weights.safetensors").stat().st_size
    )


def test_float_graphs_follow_their_weights_file(bundle, rounded, tmp_path):
    """Nothing of the weights is left in the graph: another file makes another model."""
    for name in ("joiner.onnx", "weights.safetensors"):
        (tmp_path / name).write_bytes((bundle / name).read_bytes())
    weights = load_file(tmp_path / "weights.safetensors")
    weights["joiner.output.weight"].mul_(0.5)
    save_file(weights, tmp_path / "weights.safetensors")
    inputs = {"encoder_out": np.ones((1, 64), np.float32), "predictor_out": np.ones((1, 64), np.float32)}
    before, after = (session(folder / "joiner.onnx").run(None, inputs)[0] for folder in (bundle, tmp_path))
    assert np.abs(before - after).max() > 0.1


def test_int8_graphs_stand_alone_and_hold_8_bit_matrices(bundle):
    for part in PARTS:
        graph = onnx.load(str(bundle / f"{part}.int8.onnx")).graph
        assert not external(bundle / f"{part}.int8.onnx")
        if part != "predictor":  # which has an embedding and a convolution, no matrix
            assert any(node.op_type == "MatMulNBits" for node in graph.node)
            assert not [
                n
                for n in graph.node
                if n.op_type in ("MatMul", "Gemm") and n.input[1] in {t.name for t in graph.initializer}
            ]


def test_a_graph_tells_nothing_of_the_machine_it_was_made_on(bundle):
    for file in PART_FILES:
        content = (bundle / file).read_bytes()
        for trace in (
            b"site-packages",
            b".py",
            str(Path(sonant.__file__).parent).encode(),
            str(bundle.parent).encode(),
        ):
            assert trace not in content, (file, trace)


def test_what_is_in_the_folder(bundle):
    assert sorted(path.name for path in bundle.iterdir()) == sorted(
        [*PART_FILES, "README.md", "config.json", "tokens.model", "weights.safetensors"]
    )
    assert bundle.stat().st_mode & 0o777 == 0o755
    assert set(json.loads((bundle / "config.json").read_text())["sha256"]) == {
        *PART_FILES,
        "tokens.model",
        "weights.safetensors",
    }
    card = (bundle / "README.md").read_text()
    assert card.startswith("# toneless\n") and "tones" in card and "40 SentencePiece tokens (bpe)" in card


@pytest.mark.parametrize("damage", ["missing", "changed"])
@pytest.mark.parametrize("name", ["encoder.onnx", "weights.safetensors", "tokens.model"])
def test_a_damaged_bundle_is_named(bundle, tmp_path, name, damage):
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if damage == "changed":
        (tmp_path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=rf"{name}: {'missing' if damage == 'missing' else 'corrupt'}"):
        sonant.load(tmp_path, precision="float")


def test_options_and_an_empty_folder_without_a_word(run, tmp_path, caplog, capfd):
    root = logging.getLogger()
    before = list(root.handlers), root.level, root.manager.disable
    folder = tmp_path / "bundle"
    folder.mkdir()
    train.export(run / "last", folder, name="tönchen", language="de", head="ctc")
    config = sonant.load(folder).config
    assert (config.name, config.language, config.head) == ("tönchen", "de", "ctc")
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# tönchen\n")
    # What the exporter and the quantiser log and install is not the user's.
    assert (list(root.handlers), root.level, root.manager.disable) == before
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert capfd.readouterr() == ("", "")


def test_a_folder_in_use_is_refused_and_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"is not empty: give a new folder"):
        train.export(run, tmp_path)
    with pytest.raises(ConfigError, match=r"mine.txt is a file: give a new folder"):
        train.export(run, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere: not a checkpoint, weights.safetensors"):
        train.export(tmp_path / "nowhere", tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_head_that_is_none_is_named(run, tmp_path):
    with pytest.raises(ConfigError, match=r"head='rnn': expected one of ctc, transducer"):
        train.export(run, tmp_path / "bundle", head="rnn")


def test_a_network_that_bundles_have_no_place_for_is_named(run, tmp_path, monkeypatch):
    config, tokens, _ = checkpoint.load(run / "last")
    encoder = ZipformerConfig(
        layers=(1,), downsampling=(1,), dims=(8,), feedforward=(8,), heads=(1,), kernels=(3,)
    )
    network = Network(replace(config.network, encoder=encoder))
    monkeypatch.setattr(checkpoint, "load", lambda folder: (config, tokens, network))
    with pytest.raises(ConfigError, match="a bundle has no place for a zipformer encoder"):
        train.export(run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_graphs_that_differ_leave_no_folder(run, tmp_path, monkeypatch):
    export = importlib.import_module("sonant.train.export")
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    with pytest.raises(TrainingError, match=r"encoder: ONNX differs from torch by .*, expected 0.0"):
        train.export(run, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(LstmEncoderConfig(dim=8, pre_layers=1, post_layers=1)),
        NetworkConfig(ConformerConfig(dim=8, layers=1), predictor=LstmPredictorConfig(8)),
    ],
)
def test_a_network_that_a_bundle_has_no_place_for_is_named(config):
    with pytest.raises(ConfigError, match=r"no place for a .* encoder with a .* predictor: expected a conf"):
        parts(Network(config))
