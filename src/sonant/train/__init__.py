"""Training: a loop, checkpoints, recipes, export. One trainer for all recipes."""

from sonant.train.config import DataConfig, LossConfig, OptimizerConfig, TokensConfig, TrainConfig
from sonant.train.export import export
from sonant.train.flat_start import AlignmentConfig
from sonant.train.loop import Trainer, train
from sonant.train.mmi import FlatStartMmi, MmiConfig, train_mmi
from sonant.train.sherpa import export_sherpa

__all__ = [
    "AlignmentConfig",
    "DataConfig",
    "FlatStartMmi",
    "LossConfig",
    "MmiConfig",
    "OptimizerConfig",
    "TokensConfig",
    "TrainConfig",
    "Trainer",
    "export",
    "export_sherpa",
    "train",
    "train_mmi",
]
