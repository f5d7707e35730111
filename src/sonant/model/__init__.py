"""Model = features + network + search + tokens, and the bundle that holds one on disk.

`sonant.model.gmm.GmmModel`: experiments of Kaldi, for alignment.
"""

from sonant.model.bundle import Bundle, BundleConfig, Head
from sonant.model.evaluation import Evaluation, Failure, Reading, evaluate
from sonant.model.graph_decoding import GraphDecoding
from sonant.model.model import Decoder, Model, Phrases, load
from sonant.model.recognition import Recognition

__all__ = [
    "Bundle",
    "BundleConfig",
    "Decoder",
    "Evaluation",
    "Failure",
    "GraphDecoding",
    "Head",
    "Model",
    "Phrases",
    "Reading",
    "Recognition",
    "evaluate",
    "load",
]
