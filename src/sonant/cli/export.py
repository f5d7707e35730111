"""sonant export: the bundle of a training checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from sonant.cli.extras import training_tier


@dataclass(frozen=True)
class Export:
    """Write the bundle of a training checkpoint: what `sonant.load` and `--model` read."""

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint that `sonant train` has written."""

    folder: tyro.conf.Positional[Path]
    """The folder of the bundle; it is made where it does not exist."""


def main(argv: Sequence[str]) -> int:
    options = tyro.cli(Export, prog="sonant export", args=argv)
    training_tier("sonant export").export(options.checkpoint, options.folder)
    print(options.folder)
    return 0
