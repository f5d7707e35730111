"""A run's folder as a model: the checkpoint that was asked for, means of several. Its texts are those of its
bundle: test_export.py."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sonant import audio
from sonant.audio import read_corpus
from sonant.cli import main
from sonant.errors import CheckpointError, ConfigError
from sonant.features import FbankConfig
from sonant.nn import ConformerConfig, JoinerConfig, Network, NetworkConfig, StatelessPredictorConfig
from sonant.text import Tokens
from sonant.train import DataConfig, TrainConfig, checkpoint, load_checkpoint

SPEECH = Path(__file__).parents[1] / "data" / "speech"
JFK = SPEECH / "jfk.flac"


def save(folder: Path, exp: Path, seed: int) -> None:
    """A network of random weights."""
    tokens = Tokens.train([u.text.upper() for u in read_corpus(SPEECH) if u.text.isascii()], 40)
    encoder = ConformerConfig(
        features=40, dim=32, layers=2, heads=2, feedforward=64, kernel=5, chunk=4, left_context=8,
        subsampling_channels=8,
    )  # fmt: skip
    config = TrainConfig(
        exp=exp,
        data=DataConfig(train=(Path("corpora/tones"),)),
        fbank=FbankConfig(num_mel_bins=40, dither=0.0),
        network=NetworkConfig(
            encoder, tokens=40, predictor=StatelessPredictorConfig(32), joiner=JoinerConfig(32)
        ),
    )
    torch.manual_seed(seed)
    network = Network(config.network)
    with torch.no_grad():
        network.encoder.feature_mean.normal_(14.0, 2.0)
        network.encoder.feature_scale.uniform_(0.2, 0.5)
        network.ctc.weight.mul_(4.0)
        network.joiner.output.weight.mul_(4.0)
        network.joiner.output.bias[0] = 3.0
    checkpoint.save(folder, config, tokens, dict(network.state_dict()), {})


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "toneless"
    for seed, name in enumerate(("last", "epoch-1", "epoch-2", "epoch-3", "step-400")):
        save(folder / name, folder, seed)
    return folder


def test_streaming_equals_offline(exp):
    model = load_checkpoint(exp)
    samples = audio.load(JFK).samples[:40000]
    whole = model.transcribe(samples, sample_rate=16000)
    with model.stream() as stream:
        for start in range(0, len(samples), 7001):
            stream.feed(samples[start : start + 7001])
        assert stream.finish().text == whole.text


def test_epoch_step_and_mean(exp):
    assert load_checkpoint(exp, epoch=3).path == exp / "epoch-3"
    assert load_checkpoint(exp, step=400).path == exp / "step-400"
    assert load_checkpoint(exp / "epoch-1").path == exp / "epoch-1"
    both = [load_file(exp / n / "weights.safetensors") for n in ("epoch-3", "epoch-2")]
    mean = {n: (t + both[1][n]) / 2 if t.is_floating_point() else t for n, t in both[0].items()}
    found = load_checkpoint(exp, epoch=3, average=2)
    frame = np.ones((1, 32), np.float32)
    network = Network(checkpoint.load(exp / "last")[2].config)
    network.load_state_dict(mean)
    expected = network.joiner(
        torch.from_numpy(frame), network.predictor(torch.zeros(1, 2, dtype=torch.int64))
    )
    scores = found.network.step(frame, np.zeros((1, 2), np.int64))
    np.testing.assert_allclose(scores, expected.log_softmax(-1).detach().numpy(), atol=1e-5)


def test_what_is_not_there_is_named(exp, tmp_path):
    with pytest.raises(CheckpointError, match="the last 1 up to epoch-9 are not there, only epoch 1, 2, 3"):
        load_checkpoint(exp, epoch=9)
    with pytest.raises(CheckpointError, match="the last 5 up to epoch-2 are not there"):
        load_checkpoint(exp, epoch=2, average=5)
    with pytest.raises(ConfigError, match="count"):
        load_checkpoint(exp, epoch=2, average=0)
    with pytest.raises(ConfigError, match="expected an epoch or a step too"):
        load_checkpoint(exp, average=2)
    with pytest.raises(ConfigError, match="expected one of them"):
        load_checkpoint(exp, epoch=2, step=400)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint(tmp_path)


def test_the_commands_take_a_run_as_a_model(exp, tmp_path, capsys):
    seven = SPEECH / "7_jackson_0.opus"
    assert main(["transcribe", str(seven), "--model", str(exp)]) == 0
    assert capsys.readouterr().out.strip() == load_checkpoint(exp).transcribe(seven).text
    assert main(["transcribe", str(seven), "--model", str(exp), "--epoch", "3", "--avg", "2"]) == 0
    mean = load_checkpoint(exp, epoch=3, average=2)
    assert capsys.readouterr().out.strip() == mean.transcribe(seven).text
    assert main(["transcribe", str(JFK), "--epoch", "3"]) == 1
    assert "--epoch 3: bundled is no folder of `sonant train`" in capsys.readouterr().err
    assert main(["transcribe", str(JFK), "--model", str(tmp_path)]) == 1
    assert "not a model" in capsys.readouterr().err
