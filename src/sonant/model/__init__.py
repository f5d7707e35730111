"""Model = features + network + search + tokens, and the bundle that holds one on disk."""

from sonant.model.bundle import Bundle, BundleConfig, Head
from sonant.model.graph_decoding import GraphDecoding
from sonant.model.model import Decoder, Model, Phrases, load
from sonant.model.recognition import Recognition

__all__ = [
    "Bundle",
    "BundleConfig",
    "Decoder",
    "GraphDecoding",
    "Head",
    "Model",
    "Phrases",
    "Recognition",
    "load",
]
