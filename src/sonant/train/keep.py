"""Which checkpoints stay beside `last`, and the mean of several of them.

    epoch-N   after N epochs     step-N   after N steps     best   with the fewest errors so far

They hold no state of training, only weights: the moving average, and icefall's running one.
"""

import os
import re
import shutil
from dataclasses import dataclass
from math import inf
from pathlib import Path

from sonant.errors import CheckpointError, ConfigError
from sonant.nn import Network
from sonant.text import Tokens
from sonant.train import average, checkpoint
from sonant.train.bounds import check
from sonant.train.checkpoint import first_of
from sonant.train.config import TrainConfig


@dataclass(frozen=True)
class Choice:
    """Which checkpoints of a run are averaged: the last `count` up to one of an epoch or of a step."""

    epoch: int = 0  # 0: the last that there is
    step: int = 0  # instead of an epoch: 0 where epochs are meant
    count: int = 1
    running: bool = True  # the mean of all steps between, of running averages; else of the checkpoints

    def __post_init__(self):
        check(self, epoch=(0, inf), step=(0, inf), count=(1, inf))
        if self.epoch and self.step:
            raise ConfigError(f"epoch {self.epoch} and step {self.step}: expected one of them")


def numbered(exp: Path, kind: str) -> list[tuple[int, Path]]:
    """The checkpoints `kind`-N of a run, in the order of N."""
    found = [(re.fullmatch(rf"{kind}-(\d+)", path.name), path) for path in exp.glob(f"{kind}-*")]
    return sorted((int(match[1]), path) for match, path in found if match)


def forget(exp: Path, kind: str, last: int) -> None:
    """Removes all but the last ones; 0: none."""
    for path in exp.glob(f"{kind}-*.gone"):  # of a run that was killed meanwhile
        shutil.rmtree(path, ignore_errors=True)
    for _, path in numbered(exp, kind)[:-last] if last else ():
        gone = path.with_name(f"{path.name}.gone")
        os.rename(path, gone)  # half a checkpoint is never seen
        shutil.rmtree(gone, ignore_errors=True)


def averaged(exp: Path, choice: Choice) -> tuple[TrainConfig, Tokens, Network]:
    """The configuration and tokens of the last of the checkpoints, and their mean as a network.

    With `running` the mean of the weights of all steps (of each `average_every`-th) after the checkpoint
    that is `count` before, up to the one that is named; before the first there is the beginning. Raises
    CheckpointError, with those that there are, where one is missing.
    """
    kind, number = ("step", choice.step) if choice.step else ("epoch", choice.epoch)
    there = dict(numbered(exp, kind))
    if not there:
        raise CheckpointError(f"{exp}: has no {kind}-N; expected a run with keep.{_option(kind)} above 0")
    number = number or max(there)
    upto = sorted(n for n in there if n <= number)
    need = choice.count + 1 if choice.running else choice.count
    wanted = upto[-need:]
    # An epoch's neighbours are known by their numbers; a step's are those that were kept.
    if kind == "epoch":
        wanted = [n for n in range(number - need + 1, number + 1) if n > 0]
    whole = len(wanted) == need or (choice.running and len(wanted) == need - 1)
    if number not in there or not whole or not set(wanted) <= set(there):
        shown = ", ".join(map(str, there and sorted(there)))
        raise CheckpointError(
            f"{exp}: the last {choice.count} up to {kind}-{number} are not there, only {kind} {shown}; "
            "give another end or a smaller count, or keep more with keep.last"
        )
    folders = [there[n] for n in wanted]
    config, tokens, network = checkpoint.load(folders[-1])
    if not choice.running:
        weights = average.mean([checkpoint.load_weights(folder) for folder in folders])
    else:
        end, end_steps = checkpoint.load_running(folders[-1])
        begun = len(folders) > choice.count
        start, start_steps = checkpoint.load_running(folders[0]) if begun else (end, 0)
        if end_steps <= start_steps:
            raise CheckpointError(
                f"{folders[-1]}: its running average is of {end_steps} steps, that of {folders[0].name} of "
                f"{start_steps}: nothing lies between; keep.average_every is too large, or count too small"
            )
        weights = average.between(end, end_steps, start, start_steps)
    try:
        network.load_state_dict(weights)
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{folders[0]}: is of another network than {folders[-1]}: {first_of(error)}"
        ) from None
    return config, tokens, network


def _option(kind: str) -> str:
    return "every" if kind == "step" else "epochs"
