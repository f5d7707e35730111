"""Mixtures by weights, means and variances in double precision, for updates (Kaldi's `gmm/*-gmm-normal`)."""

from typing import Any

import numpy as np

from sonant.kaldi.gmm.flags import GmmUpdateFlags
from sonant.kaldi.gmm.mixture import random_numbers
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector
from sonant.kaldi.matrix._checks import operand
from sonant.kaldi.matrix.packed import DoubleSpMatrix


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


class FullGmmNormal:
    """`weights_` (gaussians,), `means_` (gaussians, dim) and `vars_`, a list of covariances, of a FullGmm."""

    def __init__(self) -> None:
        self.resize(0, 0)

    @classmethod
    def new_with_other(cls, gmm: Any) -> "FullGmmNormal":
        normal = cls()
        normal.copy_from_full(gmm)
        return normal

    def resize(self, nMix: int, dim: int) -> None:
        self.weights_ = DoubleVector(np.zeros(nMix))
        self.means_ = DoubleMatrix(np.zeros((nMix, dim)))
        self.vars_ = [DoubleSpMatrix(np.zeros((dim, dim))) for _ in range(nMix)]

    def rand(self, feats: Any) -> None:
        """Fills a matrix (frames, dim) with random frames of this distribution."""
        weights = operand(self.weights_, (None,), np.float64, "weights_")
        means = operand(self.means_, (len(weights), None), np.float64, "means_")
        for row, i in enumerate(random_numbers.choice(len(weights), len(feats), p=weights / weights.sum())):
            covariance = operand(self.vars_[i], (means.shape[1],) * 2, np.float64, "vars_")
            feats[row] = random_numbers.multivariate_normal(means[i], covariance)

    def copy_from_full(self, fullgmm: Any) -> None:
        weights, means, covariances = fullgmm._moments()
        self.weights_, self.means_ = DoubleVector(weights), DoubleMatrix(means)
        self.vars_ = [DoubleSpMatrix(covariance) for covariance in covariances]

    def copy_to_full(self, fullgmm: Any, flags: int = GmmUpdateFlags.ALL) -> None:
        """Sets what `flags` say; the constants must then be computed."""
        weights, means, covariances = fullgmm._moments()
        if flags & GmmUpdateFlags.WEIGHTS:
            weights = operand(self.weights_, weights.shape, np.float64, "weights_")
        if flags & GmmUpdateFlags.MEANS:
            means = operand(self.means_, means.shape, np.float64, "means_")
        if flags & GmmUpdateFlags.VARIANCES:
            shape = covariances.shape[1:]
            covariances = np.stack([operand(v, shape, np.float64, "vars_") for v in self.vars_])
        fullgmm._take_moments(weights, means, covariances)


def square_of(packed: np.ndarray, dim: int) -> np.ndarray:
    """(dim, dim) from its lower triangle, row after row."""
    square = np.zeros((dim, dim), packed.dtype)
    rows, columns = np.tril_indices(dim)
    square[rows, columns] = square[columns, rows] = packed
    return square
