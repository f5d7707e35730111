"""The recipe that `sonant prepare` writes: a Python file that `sonant train` runs, to be read and changed."""

from dataclasses import dataclass

YESNO = '''"""{title}

    sonant train {path}

LF-MMI from a flat start; the last {held_out} recordings are not trained on, but recognised.
"""

from pathlib import Path

from sonant.train import MmiConfig

HERE = Path(__file__).parent


def config(exp: Path = HERE / "exp", seed: int = 0) -> MmiConfig:
    return MmiConfig(
        exp=exp,
        data=(HERE / "train.jsonl", HERE / "test.jsonl"),
        lexicon={{"NO": "L O", "YES": "K E N"}},
        held_out={held_out},
        sample_rate=8000,
        seed=seed,
    )
'''

TRANSDUCER = '''"""{title}

    sonant train {path}
    sonant train {path} --noise NOISES --responses ROOMS --epochs 40

{hours:.2f} h to train on. Every number here is a guess from that size, to be changed.
"""

from pathlib import Path

from sonant.nn import ConformerConfig, NetworkConfig
from sonant.train import {imports}DataConfig, LossConfig, OptimizerConfig, TokensConfig, TrainConfig

HERE = Path(__file__).parent


def config(
    exp: Path = HERE / "exp",
    noise: Path | None = None,
    responses: Path | None = None,
    epochs: int = {epochs},
    seed: int = 0,
) -> TrainConfig:
    return TrainConfig(
        exp=exp,
        data=DataConfig(
            train=({train},),
            valid={valid},
            noise=noise,
            responses=responses,
            upper={upper},
            batch_duration={batch},
        ),
        tokens=TokensConfig(kind="{kind}", model=HERE / "tokens.model"),
        network=NetworkConfig(
            encoder=ConformerConfig(layers={layers}, dim={dim}, heads={heads}, feedforward={feedforward})
        ),
        alignment={alignment},
        loss=LossConfig(transducer_from={transducer_from}),
        optimizer=OptimizerConfig(warmup={warmup}),
        epochs=epochs,
        seed=seed,
    )
'''


@dataclass(frozen=True)
class Size:
    """What a corpus of so many hours, at most, is given."""

    hours: float
    layers: int
    dim: int
    heads: int
    feedforward: int
    epochs: int
    batch: float  # seconds
    warmup: int  # steps


SIZES = (
    Size(20, 6, 192, 4, 576, 20, 32.0, 300),
    Size(200, 12, 256, 4, 1024, 40, 80.0, 1000),
    Size(float("inf"), 12, 512, 8, 2048, 30, 200.0, 5000),
)


def transducer_recipe(
    *, title: str, path: str, hours: float, train: list[str], valid: str | None, spoken: bool, kind: str
) -> str:
    """train, valid: names of manifests beside the recipe. spoken: whether texts are LibriSpeech's English."""
    size = next(size for size in SIZES if hours <= size.hours)
    # CTC alone says nothing but blanks for long on a few hours; phones give it something to learn.
    flat_start = spoken and hours <= SIZES[0].hours
    return TRANSDUCER.format(
        title=title,
        path=path,
        hours=hours,
        train=", ".join(f'HERE / "{name}"' for name in train),
        valid="None" if valid is None else f'HERE / "{valid}"',
        upper=spoken,
        kind=kind,
        alignment="AlignmentConfig()" if flat_start else "None",
        transducer_from=0.5 if flat_start else 0.0,
        layers=size.layers,
        dim=size.dim,
        heads=size.heads,
        feedforward=size.feedforward,
        epochs=size.epochs,
        batch=size.batch,
        warmup=size.warmup,
        imports="AlignmentConfig, " if flat_start else "",
    )


def yesno_recipe(*, title: str, path: str, held_out: int) -> str:
    return YESNO.format(title=title, path=path, held_out=held_out)
