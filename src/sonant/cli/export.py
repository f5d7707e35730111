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
    """A checkpoint that `sonant train` has written."""

    folder: tyro.conf.Positional[Path]
    """The folder of the bundle; it is made where it does not exist."""

    name: str = ""
    """What the model is called; without it as the checkpoint's folder."""

    language: str = "en"
    """BCP 47."""

    head: Literal["ctc", "transducer"] = "transducer"
    """What the model searches with unless told otherwise."""


def main(argv: Sequence[str]) -> int:
    options = tyro.cli(Export, prog="sonant export", args=argv)
    training_tier("sonant export").export(
        options.checkpoint, options.folder, name=options.name, language=options.language, head=options.head
    )
    print(options.folder)
    return 0
