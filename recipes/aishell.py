"""AISHELL-1 (OpenSLR SLR33): 178 hours of Mandarin, characters as tokens.

    sonant prepare aishell data_aishell --out DIR
    sonant train recipes/aishell.py --data DIR/train.jsonl --valid DIR/dev.jsonl \\
        --token-model DIR/tokens.model

The encoder is that of icefall's transducer for this corpus (12 layers of 512, 8 heads, feedforward 2048), and
so is the augmentation. One token of context: for characters icefall found it better than two. Not measured on
the whole corpus.
"""

from pathlib import Path

from sonant.data import SpecAugment
from sonant.nn import ConformerConfig, JoinerConfig, NetworkConfig, StatelessPredictorConfig
from sonant.train import DataConfig, LossConfig, OptimizerConfig, TokensConfig, TrainConfig


def config(
    data: tuple[Path, ...],
    token_model: Path,
    exp: Path = Path("exp/aishell"),
    valid: Path | None = None,
    noise: Path | None = None,
    responses: Path | None = None,
    epochs: int = 60,
    seed: int = 0,
) -> TrainConfig:
    return TrainConfig(
        exp=exp,
        data=DataConfig(
            train=data,
            valid=valid,
            noise=noise,
            responses=responses,
            noise_probability=0.5,
            snr=(10.0, 20.0),
            upper=False,
            min_duration=1.0,
            max_duration=12.0,
            batch_duration=250.0,
            threads=8,
        ),
        tokens=TokensConfig(kind="char", model=token_model),
        network=NetworkConfig(
            encoder=ConformerConfig(layers=12, dim=512, heads=8, feedforward=2048),
            predictor=StatelessPredictorConfig(512, context=1),
            joiner=JoinerConfig(512),
        ),
        spec_augment=SpecAugment(2, 27, 10, 100, 0.015, time_warp=80, probability=0.9),
        loss=LossConfig(ctc=0.2, middle=0.2, transducer=1.0),
        optimizer=OptimizerConfig(learning_rate=8e-4, warmup=5000),
        epochs=epochs,
        seed=seed,
    )
