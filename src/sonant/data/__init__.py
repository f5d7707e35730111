"""Corpora for training: manifests, augmentation, batches."""

from sonant.data.augment import SpecAugment, WaveAugment
from sonant.data.batches import Item, epoch_batches
from sonant.data.loader import Batch, Loader, WaveCache
from sonant.data.manifest import Utterance, read_corpus, write_manifest

__all__ = [
    "Batch",
    "Item",
    "Loader",
    "SpecAugment",
    "Utterance",
    "WaveAugment",
    "WaveCache",
    "epoch_batches",
    "read_corpus",
    "write_manifest",
]
