"""What a training run is: plain frozen dataclasses. A recipe is a function that returns a TrainConfig."""

from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal

from sonant.data import SpecAugment
from sonant.errors import ConfigError
from sonant.features import FbankConfig
from sonant.nn import NetworkConfig
from sonant.train.bounds import check
from sonant.train.flat_start import AlignmentConfig
from sonant.train.objective import LossConfig
from sonant.train.optimizer import OptimizerConfig


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
class KeepConfig:
    """Checkpoints beside `last`: epoch-N, step-N and best, without the state of training."""

    epochs: int = 1  # epochs between two that are kept; 0: none
    every: int = 0  # steps between two that are kept; 0: none
    last: int = 30  # how many of each kind, the last ones; 0: all
    best: bool = True  # that with the fewest errors in validation
    average_every: int = 100  # steps between two weights of the running average; 0: there is none

    def __post_init__(self):
        check(self, epochs=(0, inf), every=(0, inf), last=(0, inf), average_every=(0, inf))


@dataclass(frozen=True)
class StartConfig:
    """What a run starts from instead of nothing; its optimiser, schedule and averages are new."""

    source: Path | None = None  # a checkpoint, a run (its last checkpoint is taken) or a bundle
    partial: bool = False  # whether weights may be missing, or of another shape; they begin anew then
    skip: tuple[str, ...] = ()  # patterns (as of a shell) of weights that begin anew
    freeze: tuple[str, ...] = ()  # patterns of parameters that are not trained, as "encoder.*"
    keep_tokens: bool = True  # whether its tokens are this run's, too


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
    start: StartConfig = StartConfig()
    keep: KeepConfig = KeepConfig()
    epochs: int = 30
    accumulate: int = 1  # batches of each process that an update is of
    global_batch: float = (
        0.0  # seconds in an update, over all processes, which sets `accumulate`; 0: it does not
    )
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # auto: bfloat16, mixed
    threads: int = 0  # 0: all cores
    log_every: int = 20  # steps
    save_every: int = 200  # steps
    valid_every: int = 1  # epochs
    profile: int = 0  # steps to profile, near the beginning; into `exp/profile`

    def __post_init__(self):
        check(self, epochs=(1, inf), threads=(0, inf), accumulate=(1, inf), global_batch=(0, inf))
        check(self, log_every=(1, inf), save_every=(1, inf), valid_every=(1, inf), profile=(0, inf))
        bins, features = self.fbank.num_mel_bins, self.network.encoder.features
        if bins != features:
            raise ConfigError(
                f"fbank.num_mel_bins {bins}, network.encoder.features {features}: make them equal"
            )

    def update_batches(self, processes: int) -> int:
        """How many batches an update is of, over all processes."""
        each = self.accumulate
        if self.global_batch:
            each = max(1, round(self.global_batch / (self.data.batch_duration * processes)))
        return each * processes

    def update_seconds(self, processes: int) -> float:
        """Of audio in an update, padding included."""
        return self.update_batches(processes) * self.data.batch_duration
