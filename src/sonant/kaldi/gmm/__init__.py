"""Gaussian mixtures and acoustic models of them (PyKaldi's `kaldi.gmm`)."""

from sonant.kaldi.gmm import am
from sonant.kaldi.gmm.accumulators import AccumDiagGmm, ml_objective
from sonant.kaldi.gmm.accumulators_full import AccumFullGmm
from sonant.kaldi.gmm.am_diag import get_split_targets
from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.gmm.flags import (
    GmmUpdateFlags,
    augment_gmm_flags,
    gmm_flags_to_string,
    string_to_gmm_flags,
)
from sonant.kaldi.gmm.full import FullGmm
from sonant.kaldi.gmm.normal import DiagGmmNormal, FullGmmNormal
from sonant.kaldi.gmm.update import (
    MapDiagGmmOptions,
    MleDiagGmmOptions,
    map_diag_gmm_update,
    mle_diag_gmm_update,
)
from sonant.kaldi.gmm.update_full import MleFullGmmOptions, mle_full_gmm_update

__all__ = [
    "AccumDiagGmm",
    "AccumFullGmm",
    "DiagGmm",
    "DiagGmmNormal",
    "FullGmm",
    "FullGmmNormal",
    "GmmUpdateFlags",
    "MapDiagGmmOptions",
    "MleDiagGmmOptions",
    "MleFullGmmOptions",
    "am",
    "augment_gmm_flags",
    "get_split_targets",
    "gmm_flags_to_string",
    "map_diag_gmm_update",
    "ml_objective",
    "mle_diag_gmm_update",
    "mle_full_gmm_update",
    "string_to_gmm_flags",
]
