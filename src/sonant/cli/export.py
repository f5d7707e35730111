"""sonant export: the bundle of a training checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from sonant.cli.extras import training_tier


@dataclass(frozen=True)
class Export:
    """Write the bundle of a training checkpoint: what `sonant.load` and `--model` read."""

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint that `sonant train` has written, or the folder of a run, whose last one is taken."""

    folder: tyro.conf.Positional[Path]
    """The folder of the bundle; it is made where it does not exist."""

    name: str = ""
    """What the model is called; without it as the checkpoint's folder."""

    language: str = "en"
    """BCP 47."""

    head: Literal["ctc", "transducer"] = "transducer"
    """What the model searches with unless told otherwise."""

    epoch: int = 0
    """Of a run: the checkpoint after so many epochs, and those before it as --avg says; 0: the last."""

    step: int = 0
    """Of a run, instead of an epoch: the checkpoint after so many steps."""

    avg: int = 0
    """Of a run: the mean of the weights over so many epochs (or kept steps) up to that one."""

    running: bool = True
    """With --avg: the mean over all steps, of running averages; without it, of the checkpoints alone."""


def main(argv: Sequence[str]) -> int:
    options = tyro.cli(Export, prog="sonant export", args=argv)
    train = training_tier("sonant export")
    several = options.epoch or options.step or options.avg
    train.export(
        options.checkpoint,
        options.folder,
        name=options.name,
        language=options.language,
        head=options.head,
        choice=train.Choice(options.epoch, options.step, options.avg or 1, options.running)
        if several
        else None,
    )
    print(options.folder)
    return 0
