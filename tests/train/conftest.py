import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from sonant import audio
from sonant.data import SpecAugment
from sonant.features import FbankConfig
from sonant.nn import ConformerConfig, JoinerConfig, NetworkConfig, StatelessPredictorConfig
from sonant.train import DataConfig, LossConfig, OptimizerConfig, TokensConfig, TrainConfig, train

SPEECH = Path(__file__).parents[1] / "data" / "speech"
NETWORK = NetworkConfig(
    ConformerConfig(
        features=20,
        dim=16,
        layers=2,
        heads=2,
        feedforward=32,
        kernel=3,
        chunk=4,
        left_context=8,
        subsampling_channels=4,
        dropout=0.2,
    ),
    predictor=StatelessPredictorConfig(8),
    joiner=JoinerConfig(16),
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first second and a half of eight real recordings, with their first words."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()][:8]
    with open(folder / "manifest.jsonl", "w") as manifest:
        for i, row in enumerate(rows):
            samples = audio.load(SPEECH / row["audio"]).samples[: 20000 + 800 * i]
            soundfile.write(folder / f"{row['id']}.wav", samples, 16000)
            short = {
                "id": row["id"],
                "audio": f"{row['id']}.wav",
                "text": " ".join(row["text"].split()[:3]),
                "duration": len(samples) / 16000,
            }
            manifest.write(json.dumps(short) + "\n")
    return folder


def tiny_config(exp: Path, corpus: Path, **changes: Any) -> TrainConfig:
    """A run of seconds that uses everything: validation, noise, reverberation, masks, dropout, all losses."""
    data = DataConfig(
        train=(corpus,),
        held_out=1,
        noise=corpus,
        responses=corpus,
        noise_probability=0.5,
        reverb_probability=0.5,
        batch_duration=4.0,
    )
    config = TrainConfig(
        exp=exp,
        data=data,
        tokens=TokensConfig("char", 18),
        fbank=FbankConfig(num_mel_bins=20, dither=0.0),
        network=NETWORK,
        spec_augment=SpecAugment(frequency_width=5),
        loss=LossConfig(transducer_from=0.4),
        optimizer=OptimizerConfig(warmup=3),
        epochs=2,
        threads=1,
        log_every=2,
        save_every=2,
    )
    return replace(config, **changes)


@pytest.fixture
def tiny(tmp_path: Path, corpus: Path):
    return lambda exp="exp", **changes: tiny_config(tmp_path / exp, corpus, **changes)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """The folder of a tiny run of one epoch, which tests leave as it is."""
    config = tiny_config(tmp_path_factory.mktemp("trained") / "exp", corpus, epochs=1)
    train(config)
    return config.exp
