"""Model = features + network + search + tokens, and the bundle that holds one on disk."""

from sonant.model.bundle import Bundle, BundleConfig
from sonant.model.model import Decoder, Model, load
from sonant.model.recognition import Recognition

__all__ = ["Bundle", "BundleConfig", "Decoder", "Model", "Recognition", "load"]
