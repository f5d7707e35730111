"""Schedules of the learning rate: factors of its peak, by the step, from 0.

cosine   linear warm-up, the peak, then a cosine down to zero at the last step
noam     Vaswani et al. 2017: linear warm-up to the peak, then 1 / sqrt(step). Icefall's and ESPnet's factor f
         at a network of width d is a peak of f / sqrt(d * warmup)
hold     CAIMAN-ASR's: linear warm-up, `hold` steps at the peak, then half of it after each `half_life`, never
         below `least` of the peak
eden     Yao et al. 2024: (1 + (step / batches)^2)^-1/4 * (1 + (epoch / epochs)^2)^-1/4, times a warm-up from
         `start` to 1
"""

import math
from dataclasses import dataclass
from math import inf

from sonant.train.bounds import check


@dataclass(frozen=True)
class HoldConfig:
    hold: int = 18000  # steps
    half_life: float = 10880.0  # steps
    least: float = 0.1  # of the peak

    def __post_init__(self):
        check(self, hold=(0, inf), half_life=(1, inf), least=(0, 1))


@dataclass(frozen=True)
class EdenConfig:
    batches: float = 7500.0
    epochs: float = 3.5
    start: float = 0.5
    reference: float = 0.0  # seconds of audio in a batch that `batches` counts; 0: the steps of this run

    def __post_init__(self):
        check(self, batches=(1e-9, inf), epochs=(1e-9, inf), start=(0, 1), reference=(0, inf))


def rise(step: float, warmup: int) -> float:
    return min(1.0, (step + 1) / max(1, warmup))


def cosine(step: int, warmup: int, decay: float, steps: int) -> float:
    """`decay`: the part of all `steps`, their end, over which the rate falls."""
    start = (1 - decay) * steps
    done = (step - start) / max(1.0, steps - start)
    return rise(step, warmup) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, max(0.0, done))))


def noam(step: int, warmup: int) -> float:
    warmup = max(1, warmup)
    return min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))


def hold(step: int, warmup: int, config: HoldConfig) -> float:
    past = max(0, step - warmup - config.hold)
    return rise(step, warmup) * max(config.least, 0.5 ** (past / config.half_life))


def eden(step: float, epoch: float, warmup: int, config: EdenConfig) -> float:
    warm = 1.0 if step >= warmup else config.start + (1 - config.start) * step / warmup
    by_step = (1 + (step / config.batches) ** 2) ** -0.25
    return by_step * (1 + (epoch / config.epochs) ** 2) ** -0.25 * warm
