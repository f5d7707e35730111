"""sonant: a speech-recognition workbench.

model = sonant.load()
model.transcribe("talk.flac").text
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sonant.audio import Source
    from sonant.model import Model
    from sonant.text import Transcript

__version__ = "0.1.0"
__all__ = ["__version__", "load", "transcribe"]


def load(path: "str | os.PathLike[str] | None" = None, **options: Any) -> "Model":
    """Loads a model: the English one in the package, or a bundle's folder. Options: `sonant.model.load`."""
    from sonant.model import load

    return load(path, **options)


def transcribe(source: "Source", **options: Any) -> "Transcript":
    """What is said in a recording, by the English model in the package. Options: see `Model.transcribe`."""
    return load().transcribe(source, **options)
