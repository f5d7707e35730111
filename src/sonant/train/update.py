"""One update of the weights: several batches, over several ranks, with a stop at what is no number."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from sonant.data import Batch
from sonant.errors import ConfigError, TrainingError
from sonant.train.checkpoint import Position
from sonant.train.config import TrainConfig
from sonant.train.objective import Losses, Objective
from sonant.train.optimizer import learning_rate, make_optimizer
from sonant.train.parallel import Ranks, together


@dataclass(frozen=True)
class Part:
    """A batch of an update."""

    batch: Batch
    index: int  # its place in the epoch, on which its random numbers depend
    weight: float = 1.0  # 0: here only because other ranks have one more, and must not wait for ever


def reproducible(seed: int, epoch: int, index: int) -> None:
    """The random numbers of a batch: the same on any rank, and in a run that goes on from the middle."""
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0]))


def autocast(config: TrainConfig, device: torch.device) -> AbstractContextManager[Any]:
    if config.precision == "float32":
        return nullcontext()
    half = torch.float16 if config.precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, half)


class Updater:
    def __init__(self, config: TrainConfig, objective: Objective, ranks: Ranks, steps: int):
        self._config, self._ranks, self._steps = config, ranks, steps
        self._objective = objective
        self._model = ranks.wrap(objective, unused=config.loss.parts_unused)
        self._parameters = [p for p in objective.network.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(config.optimizer, objective.network)
        self.scaler = torch.amp.GradScaler(  # pyright: ignore[reportPrivateImportUsage]
            ranks.device.type, enabled=config.precision == "float16"
        )

    def losses(self, part: Part, position: Position, model: nn.Module | None = None) -> Losses:
        config = self._config
        transducer = config.loss.transducer > 0
        transducer = transducer and position.step >= config.loss.transducer_from * self._steps
        reproducible(config.seed, position.epoch, part.index)
        with autocast(config, self._ranks.device):
            return (model or self._objective)(part.batch, transducer)

    def __call__(self, parts: Sequence[Part], position: Position) -> dict[str, float]:
        """Gives each loss per token, over all parts of all ranks, and the gradient's norm.

        With float16 a step whose gradients overflow is left out. Raises TrainingError, with the weights as
        they were, where a loss or gradient is no number, or float16 does not serve.
        """
        config, ranks = self._config.optimizer, self._ranks
        rate = learning_rate(
            config, position.step, self._steps, position.epoch, self._config.update_seconds(ranks.size)
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        tokens = torch.stack([part.batch.target_lengths.sum() * part.weight for part in parts])
        every = ranks.sum(tokens.sum().double())

        self._objective.train()
        self.optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for i, part in enumerate(parts):
            with together(self._model, last=i + 1 == len(parts)):
                found = self.losses(part, position, self._model)
                # Gradients become means over the ranks, and are to be sums.
                total = self._weighted(found) * (part.weight * ranks.size / every)
                if not total.requires_grad:
                    raise ConfigError(
                        f"step {position.step}: no loss of this step has a parameter that is trained; free "
                        "some of start.freeze, or let the transducer begin earlier by loss.transducer_from"
                    )
                self.scaler.scale(total.float()).backward()
            for name, (loss, _) in found.items():
                sums[name] = sums.get(name, 0.0) + part.weight * loss.detach().double()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self._parameters, config.clip_norm or math.inf)
        losses = ranks.sum(torch.stack(list(sums.values()))) / every
        *numbers, size = torch.cat((losses, norm.double()[None])).tolist()
        values = dict(zip(sums, numbers, strict=True)) | {"norm": size}
        finite = all(math.isfinite(value) for value in numbers)
        overflow = self.scaler.is_enabled() and finite and not math.isfinite(size)
        if not overflow and not (finite and math.isfinite(size)):
            self._blame(parts, position, values)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scaler.is_enabled():
            values["scale"] = self.scaler.get_scale()
        if overflow:
            del values["norm"]
            if values["scale"] < config.scale_floor:
                raise TrainingError(
                    f"step {position.step}: gradients overflow in float16 even with the losses scaled by "
                    f"{values['scale']:g}, expected {config.scale_floor:g} at least; use bfloat16 or "
                    "float32, or lower optimizer.learning_rate"
                )
        return values

    def _weighted(self, losses: Losses) -> Tensor:
        zero = torch.zeros((), device=self._ranks.device)
        return sum((getattr(self._config.loss, name) * loss for name, (loss, _) in losses.items()), zero)

    def _blame(self, parts: Sequence[Part], position: Position, values: dict[str, float]) -> NoReturn:
        """Each part again, alone: its random numbers, and so what went wrong in it, are the same."""
        names = [name for found in self._ranks.gather(self._culprits(parts, position)) for name in found]
        if not names:  # each is a number, their sum is none
            names = [
                n for found in self._ranks.gather([n for p in parts for n in p.batch.ids]) for n in found
            ]
        shown = ", ".join(f"{name} {value}" for name, value in values.items())
        raise TrainingError(
            f"step {position.step}: {shown}; expected finite losses and gradients, on utterances "
            f"{', '.join(dict.fromkeys(names))}: look at these, or lower optimizer.learning_rate"
        )

    def _culprits(self, parts: Sequence[Part], position: Position) -> list[str]:
        """The recordings whose loss is no number, else those of the batches whose gradient is none."""
        by_loss: list[str] = []
        by_gradient: list[str] = []
        for part in parts:
            found = self.losses(part, position)
            finite = torch.stack([each.isfinite() for _, each in found.values()]).all(dim=0).tolist()
            by_loss += [name for name, good in zip(part.batch.ids, finite, strict=True) if not good]
            # Not backward(), which would send gradients to the other ranks.
            gradients = torch.autograd.grad(self._weighted(found), self._parameters, allow_unused=True)
            if not all(bool(g.isfinite().all()) for g in gradients if g is not None):
                by_gradient += part.batch.ids
        return by_loss or by_gradient
