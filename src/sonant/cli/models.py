"""Which model a command runs: a bundle, or the folder of a training run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from sonant.errors import ConfigError

if TYPE_CHECKING:
    from sonant.model import Model


@dataclass(frozen=True)
class ModelOptions:
    """Which model to run."""

    model: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of a model, or of a training run; without it the bundled English model."""

    epoch: int | None = None
    """Of a training run: the checkpoint of the end of this epoch."""

    step: int | None = None
    """Of a training run: the checkpoint of this step."""

    avg: int = 1
    """Of a training run: the mean of so many checkpoints, that of the epoch or step and those before."""

    running: bool = False
    """With --avg: the mean of all steps between those checkpoints, of their running averages."""

    @property
    def name(self) -> str:
        """For people to read."""
        return "bundled" if self.model is None else str(self.model)

    def load(self, command: str) -> "Model":
        import sonant

        if self.model is not None and _is_run(self.model):
            from sonant.cli.extras import training_tier

            return training_tier(command).load_checkpoint(
                self.model, epoch=self.epoch, step=self.step, average=self.avg, running=self.running
            )
        chosen = {"epoch": self.epoch, "step": self.step, "avg": None if self.avg == 1 else self.avg}
        for option, value in chosen.items():
            if value is not None:
                raise ConfigError(
                    f"--{option} {value}: {self.name} is no folder of `sonant train`; expected one, or no "
                    f"--{option}"
                )
        return sonant.load(self.model)


def _is_run(folder: Path) -> bool:
    """A checkpoint, or a folder of them, rather than a bundle, which has graphs too."""
    places = folder, *folder.glob("*/")
    if any(any(place.glob("encoder*.onnx")) for place in places):
        return False
    return any((place / "weights.safetensors").is_file() for place in places)
