"""Transforms of features and what they are estimated from (PyKaldi's `kaldi.transform`)."""

from sonant.kaldi.transform import cmvn, lda, lvtln, mllr, mllt
from sonant.kaldi.transform._affine import AffineXformStats, apply_affine_transform, compose_transforms

__all__ = [
    "AffineXformStats",
    "apply_affine_transform",
    "cmvn",
    "compose_transforms",
    "lda",
    "lvtln",
    "mllr",
    "mllt",
]
