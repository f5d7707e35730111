"""Acoustic models of diagonal mixtures (PyKaldi's `kaldi.gmm.am`), their statistics and updates."""

from sonant.kaldi.gmm.am_diag import AmDiagGmm
from sonant.kaldi.gmm.am_update import AccumAmDiagGmm, map_am_diag_gmm_update, mle_am_diag_gmm_update
from sonant.kaldi.gmm.decodable import (
    DecodableAmDiagGmm,
    DecodableAmDiagGmmScaled,
    DecodableAmDiagGmmUnmapped,
)

__all__ = [
    "AccumAmDiagGmm",
    "AmDiagGmm",
    "DecodableAmDiagGmm",
    "DecodableAmDiagGmmScaled",
    "DecodableAmDiagGmmUnmapped",
    "map_am_diag_gmm_update",
    "mle_am_diag_gmm_update",
]
