"""What a training run is: plain frozen dataclasses. A recipe is a function that returns a TrainConfig."""

from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal

from sonant.data import SpecAugment
from sonant.errors import ConfigError
from sonant.features import FbankConfig
from sonant.nn import NetworkConfig
from sonant.train.flat_start import AlignmentConfig


def check(config: Any, **bounds: tuple[float, float]) -> None:
    """Raises ConfigError unless each named field is within its bounds."""
    for option, (least, most) in bounds.items():
        value = getattr(config, option)
        if not least <= value <= most:
            expected = f"{least} to {most}" if most < inf else f"{least} or more"
            raise ConfigError(f"{option} {value}: expected {expected}")


@dataclass(frozen=True)
class DataConfig:
    train: tuple[Path, ...]  # manifests or corpus folders
    valid: Path | None = None  # None: `held_out` utterances of the training set
    held_out: int = 40
    noise: Path | None = None
    responses: Path | None = None  # room impulse responses
    noise_probability: float = 0.3
    reverb_probability: float = 0.1
    narrowband_probability: float = 0.0  # as if by telephone, 8 kHz
    snr: tuple[float, float] = (5.0, 25.0)  # decibels of speech above noise
    gain: tuple[float, float] = (-10.0, 3.0)  # decibels
    bad: Literal["stop", "skip"] = "stop"  # what is done about lines and recordings that cannot be used
    upper: bool = True  # text in upper case, without punctuation except apostrophes
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    min_duration: float = 0.5  # seconds; shorter utterances are left out
    max_duration: float = 20.0  # seconds; longer ones too
    batch_duration: float = 80.0  # seconds of audio in a batch, padding included
    last: Literal["keep", "drop"] = "keep"  # batches that are not full, or do not go round the processes
    features: Literal["device", "threads"] = "device"  # where features are made
    cache_gb: float = 4.0  # memory for decoded audio
    threads: int = 2

    def __post_init__(self):
        check(self, held_out=(0, inf), noise_probability=(0, 1), reverb_probability=(0, 1), threads=(1, inf))


@dataclass(frozen=True)
class TokensConfig:
    kind: Literal["bpe", "unigram", "char"] = "bpe"
    size: int = 128
    model: Path | None = (
        None  # a SentencePiece model, such as `sonant prepare`'s; None: learned from the texts
    )


@dataclass(frozen=True)
class LossConfig:
    ctc: float = 1.0
    middle: float = (
        0.3  # on the middle layer: aligned phones if there are any, else CTC (Lee and Watanabe 2021)
    )
    transducer: float = 0.5
    transducer_from: float = 0.0  # part of training before which the transducer is left out, in [0, 1]

    def __post_init__(self):
        check(self, ctc=(0, inf), middle=(0, inf), transducer=(0, inf), transducer_from=(0, 1))


@dataclass(frozen=True)
class OptimizerConfig:
    learning_rate: float = 1e-3  # at its peak
    warmup: int = 500  # steps
    decay: float = 1.0  # the part of training, its end, over which the rate falls to zero as a cosine
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 1e-2
    clip_norm: float = 5.0
    average: float = 0.999  # decay of the running average of the weights, which is what is kept

    def __post_init__(self):
        check(self, learning_rate=(0, inf), warmup=(0, inf), decay=(0, 1), clip_norm=(0, inf), average=(0, 1))


@dataclass(frozen=True)
class TrainConfig:
    exp: Path  # folder for checkpoints and logs
    data: DataConfig
    tokens: TokensConfig = TokensConfig()
    fbank: FbankConfig = FbankConfig(num_mel_bins=80, dither=0.0, high_freq=-400.0)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    spec_augment: SpecAugment = SpecAugment()
    alignment: AlignmentConfig | None = None  # phones for the middle layer to learn
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    epochs: int = 30
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16, mixed
    threads: int = 0  # 0: all cores
    log_every: int = 20  # steps
    save_every: int = 200  # steps
    valid_every: int = 1  # epochs

    def __post_init__(self):
        check(self, epochs=(1, inf), threads=(0, inf))
        check(self, log_every=(1, inf), save_every=(1, inf), valid_every=(1, inf))
        bins, features = self.fbank.num_mel_bins, self.network.encoder.features
        if bins != features:
            raise ConfigError(
                f"fbank.num_mel_bins {bins}, network.encoder.features {features}: make them equal"
            )
