"""Mini LibriSpeech (OpenSLR SLR31): five hours of read English.

    sonant train recipes/mini_librispeech.py --data CORPUS

CORPUS is a manifest or folder of `data`'s kinds, such as OpenSLR's LibriSpeech/train-clean-5. The bundled
English model is this recipe on two CPU cores, with noise and room responses.
"""

from pathlib import Path

from sonant.data import SpecAugment
from sonant.nn import ConformerConfig, NetworkConfig
from sonant.train import AlignmentConfig, DataConfig, LossConfig, OptimizerConfig, TokensConfig, TrainConfig


def config(
    data: tuple[Path, ...],
    exp: Path = Path("exp/mini_librispeech"),
    valid: Path | None = None,
    noise: Path | None = None,
    responses: Path | None = None,
    epochs: int = 17,
    seed: int = 0,
) -> TrainConfig:
    return TrainConfig(
        exp=exp,
        data=DataConfig(
            train=data,
            valid=valid,
            noise=noise,
            responses=responses,
            noise_probability=0.15,
            batch_duration=32.0,
        ),
        tokens=TokensConfig(kind="char", size=30),
        network=NetworkConfig(encoder=ConformerConfig(layers=6, dim=192, feedforward=576)),
        spec_augment=SpecAugment(frequency_masks=1, frequency_width=20, time_masks=3, time_width=25),
        alignment=AlignmentConfig(),
        loss=LossConfig(middle=0.5, transducer=0.5, transducer_from=0.75),
        optimizer=OptimizerConfig(learning_rate=8e-4, warmup=300, decay=0.4),
        epochs=epochs,
        seed=seed,
    )
