"""Every encoder and every predictor is trained, saved, resumed and learns."""

from dataclasses import replace

import pytest
import torch

from sonant.nn import (
    JoinerConfig,
    LstmEncoderConfig,
    LstmPredictorConfig,
    NetworkConfig,
    RelativeConformerConfig,
    StatelessPredictorConfig,
)
from sonant.train import LossConfig, OptimizerConfig, Trainer, checkpoint

ATTENTION = RelativeConformerConfig(features=20, dim=16, layers=2, heads=2, feedforward=32, kernel=3)
LSTM = LstmEncoderConfig(features=20, dim=16, pre_layers=1, post_layers=2, dropout=0.0)
NETWORKS = {
    "seed": NetworkConfig(
        replace(ATTENTION, norm="batch"),
        predictor=StatelessPredictorConfig(16, group=1, relu=False),
        joiner=JoinerConfig(16, project=False),
    ),
    "dynamic": NetworkConfig(
        replace(ATTENTION, causal=True, dynamic_chunks=True),
        predictor=LstmPredictorConfig(8, layers=1, dropout=0.1),
        joiner=JoinerConfig(16),
    ),
    "caiman": NetworkConfig(LSTM, predictor=LstmPredictorConfig(8), joiner=JoinerConfig(16, "relu")),
    "lstm": NetworkConfig(LSTM, predictor=StatelessPredictorConfig(8), joiner=JoinerConfig(16)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_trains_and_its_checkpoint_is_itself(tiny, name, precision):
    config = tiny(network=NETWORKS[name], epochs=1, loss=LossConfig(), precision=precision)
    trainer = Trainer(config)
    values = [values for _, values in trainer.epoch()]
    assert all("transducer" in found for found in values)
    trainer.save()
    loaded, _, network = checkpoint.load(trainer.last)
    assert loaded.network == replace(config.network, tokens=len(trainer.tokens))
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, trainer.averages.moving[key]), key
    resumed = Trainer(config)
    assert resumed.position == trainer.position


@pytest.mark.parametrize("name", ["seed", "caiman"])
def test_it_learns_its_few_recordings(tiny, name):
    config = tiny(
        network=NETWORKS[name],
        epochs=20,
        precision="float32",
        loss=LossConfig(),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup=10),
    )
    data = replace(config.data, noise=None, responses=None, speeds=(1.0,), held_out=0, batch_duration=20.0)
    trainer = Trainer(replace(config, data=data))
    losses = [values["transducer"] for _ in range(20) for _, values in trainer.epoch()]
    assert losses[-1] < 0.75 * losses[0]
