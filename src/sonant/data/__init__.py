"""Corpora for training: manifests, augmentation, batches."""

from sonant.data.augment import SpecAugment, WaveAugment
from sonant.data.batches import Item, epoch_batches
from sonant.data.loader import Batch, Loader, WaveCache

__all__ = [
    "Batch",
    "Item",
    "Loader",
    "SpecAugment",
    "WaveAugment",
    "WaveCache",
    "epoch_batches",
]
