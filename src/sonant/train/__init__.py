"""Training: a loop, checkpoints, recipes, export. One trainer for all recipes."""

from sonant.train.config import DataConfig, KeepConfig, StartConfig, TokensConfig, TrainConfig
from sonant.train.export import export
from sonant.train.flat_start import AlignmentConfig
from sonant.train.keep import Choice, averaged
from sonant.train.lamb import LambConfig
from sonant.train.loop import Trainer, train
from sonant.train.mmi import FlatStartMmi, MmiConfig, train_mmi
from sonant.train.objective import LossConfig
from sonant.train.optimizer import OptimizerConfig
from sonant.train.recognizer import load_checkpoint
from sonant.train.scaled_adam import ScaledAdamConfig
from sonant.train.schedules import EdenConfig, HoldConfig
from sonant.train.sherpa import export_sherpa

__all__ = [
    "AlignmentConfig",
    "Choice",
    "DataConfig",
    "EdenConfig",
    "FlatStartMmi",
    "HoldConfig",
    "KeepConfig",
    "LambConfig",
    "LossConfig",
    "MmiConfig",
    "OptimizerConfig",
    "ScaledAdamConfig",
    "StartConfig",
    "TokensConfig",
    "TrainConfig",
    "Trainer",
    "averaged",
    "export",
    "export_sherpa",
    "load_checkpoint",
    "train",
    "train_mmi",
]
