"""Which utterances stand together in a batch, and in which order the batches come.

A function of the seed and the epoch alone, so that training resumed in mid-epoch goes on with the very next
batch, and so that several processes agree on it without a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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
    world: int = 1,
    last: Literal["keep", "drop"] = "keep",
) -> list[list[Item]]:
    """The batches of one epoch, each of recordings of about one length.

    durations in seconds. A batch is at most `max_duration` seconds long, padding included; a recording longer
    than that stands alone. Every utterance comes once an epoch, at a speed drawn from `speeds`. `ascending`
    gives the shortest first, which helps a first epoch.

    world: processes that share the epoch. Their number divides that of the batches, each `world` in a row
    are of about one length, so that no process waits for another, and `rank_batches` gives each its own.
    last: where the batches do not go round, "keep" repeats some, drawn at random, and "drop" leaves some
    out; "drop" leaves out a last batch with room for more as well.

    Raises ConfigError, also where "drop" would leave nothing.
    """
    if not max_duration > 0:
        raise ConfigError(f"max_duration {max_duration}: expected seconds above 0")
    if not speeds or min(speeds) <= 0:
        raise ConfigError(f"speeds {tuple(speeds)}: expected factors above 0")
    if world < 1 or last not in ("keep", "drop"):
        raise ConfigError(f"world {world}, last {last!r}: expected 1 or more, 'keep' or 'drop'")
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
    if batch and not (last == "drop" and longest * (len(batch) + 1) <= max_duration):
        batches.append(batch)
    groups = _groups(batches, world, last, generator)
    if last == "drop" and len(durations) and not groups:
        raise ConfigError(
            f"last 'drop' leaves nothing of {len(durations)} utterances to {world} processes at max_duration "
            f"{max_duration:g}: lower it, or 'keep' the last batches"
        )
    if not ascending:
        generator.shuffle(groups)
    return [batch for group in groups for batch in group]


def _groups(
    batches: list[list[Item]], world: int, last: str, generator: np.random.Generator
) -> list[list[list[Item]]]:
    """Batches, sorted by length, in groups of `world`."""
    over = len(batches) % world
    if over and last == "drop":
        # At random, since the last ones are always the longest recordings.
        out = set(generator.choice(len(batches), size=over, replace=False).tolist())
        batches = [batch for i, batch in enumerate(batches) if i not in out]
    elif over:
        times = np.ones(len(batches), dtype=np.int64)
        np.add.at(times, generator.integers(len(batches), size=world - over), 1)
        batches = [batch for batch, n in zip(batches, times, strict=True) for _ in range(n)]
    return [batches[i : i + world] for i in range(0, len(batches), world)]


def rank_batches(batches: Sequence[list[Item]], rank: int, world: int) -> list[list[Item]]:
    """The batches of one of `world` processes, as many for each. Raises ConfigError where they do not go
    round: make them with `epoch_batches(world=...)`."""
    if not 0 <= rank < world or len(batches) % world:
        raise ConfigError(
            f"rank {rank} of {world}, {len(batches)} batches: expected a rank below the number of processes, "
            "and that number to divide the batches"
        )
    return list(batches[rank::world])
