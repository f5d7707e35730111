"""Training: a loop, checkpoints, recipes. One trainer for all recipes."""

from sonant.train.config import DataConfig, LossConfig, OptimizerConfig, TokensConfig, TrainConfig
from sonant.train.loop import Trainer, train

__all__ = ["DataConfig", "LossConfig", "OptimizerConfig", "TokensConfig", "TrainConfig", "Trainer", "train"]
