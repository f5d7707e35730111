"""LibriSpeech (OpenSLR SLR12): 960 hours of read English.

    sonant prepare librispeech LibriSpeech --out DIR
    sonant train recipes/librispeech.py --data DIR/train-*.jsonl --valid DIR/dev-clean.jsonl \\
        --token-model DIR/tokens.model --noise MUSAN

The augmentation is icefall's: three speeds, noise on half of the recordings at 10 to 20 dB, ten masks of time
that cover 15 % at most, two of 27 filters, a warp of 80 frames. MUSAN is a manifest of noises, such as of
that corpus (SLR17); --responses takes one of room responses (SLR28). Not measured on the whole corpus.
"""

from pathlib import Path

from sonant.data import SpecAugment
from sonant.nn import ConformerConfig, JoinerConfig, NetworkConfig, StatelessPredictorConfig
from sonant.train import DataConfig, LossConfig, OptimizerConfig, TokensConfig, TrainConfig


def config(
    data: tuple[Path, ...],
    exp: Path = Path("exp/librispeech"),
    valid: Path | None = None,
    token_model: Path | None = None,
    noise: Path | None = None,
    responses: Path | None = None,
    epochs: int = 30,
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
            min_duration=1.0,
            max_duration=20.0,
            batch_duration=300.0,
            threads=8,
        ),
        tokens=TokensConfig(kind="bpe", size=500, model=token_model),
        network=NetworkConfig(
            encoder=ConformerConfig(layers=12, dim=512, heads=8, feedforward=2048),
            predictor=StatelessPredictorConfig(512),
            joiner=JoinerConfig(512),
        ),
        spec_augment=SpecAugment(2, 27, 10, 100, 0.015, time_warp=80, probability=0.9),
        loss=LossConfig(ctc=0.2, middle=0.2, transducer=1.0),
        optimizer=OptimizerConfig(learning_rate=8e-4, warmup=5000),
        epochs=epochs,
        seed=seed,
    )
