"""Mixtures by weights, means and (co)variances in double precision, for updates (Kaldi's `gmm/*-gmm-normal`)."""

from typing import Any

import numpy as np

from sonant.kaldi.gmm.flags import GmmUpdateFlags


class DiagGmmNormal:
    """`weights_` (gaussians,), `means_` and `vars_` (gaussians, dim) of a DiagGmm: numpy arrays, float64."""

    def __init__(self, gmm: Any):
        self.copy_from_diag_gmm(gmm)

    def copy_from_diag_gmm(self, diaggmm: Any) -> None:
        self.weights_ = diaggmm._weights.astype(np.float64)
        self.vars_ = 1 / diaggmm._inverses.astype(np.float64)
        self.means_ = diaggmm._means * self.vars_

    def copy_to_diag_gmm(self, diaggmm: Any, flags: int = GmmUpdateFlags.ALL) -> None:
        """Sets what `flags` say; the constants must then be computed."""
        old = DiagGmmNormal(diaggmm)
        weights = self.weights_ if flags & GmmUpdateFlags.WEIGHTS else old.weights_
        variances = self.vars_ if flags & GmmUpdateFlags.VARIANCES else old.vars_
        means = self.means_ if flags & GmmUpdateFlags.MEANS else old.means_
        inverses = (1 / variances).astype(np.float32)
        diaggmm._take(weights, means.astype(np.float32) * inverses, inverses)
