"""Which utterances stand together in a batch, and in which order the batches come.

A function of the seed and the epoch alone, so that training resumed in mid-epoch goes on with the very next
batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonant.errors import ConfigError


@dataclass(frozen=True)
class Item:
    """One utterance of a batch: its place in the corpus and the speed at which it is played."""

    index: int
    speed: float


def epoch_batches(
    durations: Sequence[float],
    *,
    epoch: int,
    seed: int,
    max_duration: float,
    speeds: Sequence[float] = (1.0,),
    ascending: bool = False,
) -> list[list[Item]]:
    """The batches of one epoch, each of recordings of about one length.

    durations in seconds. A batch is at most `max_duration` seconds long, padding included; a recording longer
    than that stands alone. Every utterance comes once an epoch, at a speed drawn from `speeds`. `ascending`
    gives the shortest first, which helps a first epoch. Raises ConfigError.
    """
    if not max_duration > 0:
        raise ConfigError(f"max_duration {max_duration}: expected seconds above 0")
    if not speeds or min(speeds) <= 0:
        raise ConfigError(f"speeds {tuple(speeds)}: expected factors above 0")
    generator = np.random.default_rng([seed, epoch])
    chosen = generator.choice(np.asarray(speeds), size=len(durations))
    played = np.asarray(durations) / chosen
    # The jitter mixes neighbours, so that two epochs do not make the same batches.
    order = np.argsort(played * generator.uniform(0.95, 1.05, size=len(played)), kind="stable")

    batches: list[list[Item]] = []
    batch: list[Item] = []
    longest = 0.0
    for index in order:
        longest_with = max(longest, played[index])
        if batch and longest_with * (len(batch) + 1) > max_duration:
            batches.append(batch)
            batch, longest_with = [], played[index]
        batch.append(Item(int(index), float(chosen[index])))
        longest = longest_with
    if batch:
        batches.append(batch)
    if not ascending:
        generator.shuffle(batches)
    return batches
