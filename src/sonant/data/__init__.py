"""Corpora for training: manifests, augmentation, batches."""

from sonant.data.augment import SpecAugment, WaveAugment
from sonant.data.bad import BadData
from sonant.data.batches import Item, epoch_batches, rank_batches
from sonant.data.loader import Batch, Loader, Recordings, WaveCache

__all__ = [
    "BadData",
    "Batch",
    "Item",
    "Loader",
    "Recordings",
    "SpecAugment",
    "WaveAugment",
    "WaveCache",
    "epoch_batches",
    "rank_batches",
]
