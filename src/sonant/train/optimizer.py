"""How weights are changed: an optimiser of a network, and its learning rate at each step."""

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from sonant.train import schedules
from sonant.train.bounds import check
from sonant.train.lamb import Lamb, LambConfig
from sonant.train.scaled_adam import ScaledAdam, ScaledAdamConfig
from sonant.train.schedules import EdenConfig, HoldConfig


@dataclass(frozen=True)
class OptimizerConfig:
    kind: Literal["adamw", "scaled-adam", "lamb"] = "adamw"
    learning_rate: float = 1e-3  # at its peak
    schedule: Literal["cosine", "noam", "hold", "eden"] = "cosine"
    warmup: int = 500  # steps
    decay: float = 1.0  # cosine: the part of training, its end, over which the rate falls to zero
    hold: HoldConfig = HoldConfig()
    eden: EdenConfig = EdenConfig()
    betas: tuple[float, float] = (0.9, 0.98)  # AdamW's
    weight_decay: float = 1e-2  # AdamW's
    scaled_adam: ScaledAdamConfig = ScaledAdamConfig()
    lamb: LambConfig = LambConfig()
    clip_norm: float = 5.0  # of all gradients together; 0: no clipping
    average: float = 0.999  # decay of the running average of the weights, which is what is kept
    scale_floor: float = 2.0**-14  # float16: below it the scale of the losses means that a run is lost

    def __post_init__(self):
        check(self, learning_rate=(0, inf), warmup=(0, inf), decay=(0, 1), clip_norm=(0, inf), average=(0, 1))
        check(self, weight_decay=(0, inf), scale_floor=(0, inf))


def learning_rate(
    config: OptimizerConfig, step: int, steps: int, epoch: int = 0, batch_seconds: float = 0.0
) -> float:
    """At a step of so many, both from 0; `batch_seconds` of audio in a step, for Eden's reference."""
    match config.schedule:
        case "cosine":
            factor = schedules.cosine(step, config.warmup, config.decay, steps)
        case "noam":
            factor = schedules.noam(step, config.warmup)
        case "hold":
            factor = schedules.hold(step, config.warmup, config.hold)
        case "eden":
            reference = config.eden.reference
            counted = step * batch_seconds / reference if reference and batch_seconds else step
            factor = schedules.eden(counted, epoch, config.warmup, config.eden)
    return config.learning_rate * factor


def make_optimizer(config: OptimizerConfig, network: nn.Module) -> Optimizer:
    """Of all parameters that are to be trained; matrices decay, biases and norms do not."""
    decay = config.lamb.weight_decay if config.kind == "lamb" else config.weight_decay
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    match config.kind:
        case "adamw":
            return torch.optim.AdamW(groups, lr=0.0, betas=config.betas, fused=True)
        case "scaled-adam":
            return ScaledAdam([{"params": group["params"]} for group in groups], config.scaled_adam)
        case "lamb":
            return Lamb(groups, config.lamb)
