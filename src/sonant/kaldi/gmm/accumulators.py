"""Statistics of frames for the estimation of diagonal mixtures (Kaldi's `gmm/mle-diag-gmm`)."""

from typing import Any

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.gmm.normal import DiagGmmNormal
from sonant.kaldi.gmm.statistics import Array, Statistics
from sonant.kaldi.matrix import DoubleMatrix
from sonant.kaldi.matrix._checks import operand


class AccumDiagGmm(Statistics):
    """Of each Gaussian: occupancy, sum of frames, sum of their squares; which ones, `flags_` say."""

    @classmethod
    def new(cls, gmm: DiagGmm, flags: int) -> "AccumDiagGmm":
        """Empty statistics for the mixture."""
        acc = cls()
        acc.resize_with_gmm(gmm, flags)
        return acc

    @classmethod
    def with_other(cls, other: "AccumDiagGmm") -> "AccumDiagGmm":
        """A copy."""
        return other._copy()

    def _moments(self, frames: Array) -> Array:
        return frames**2

    def _numbers(self, dim: int) -> int:
        return dim

    def resize_with_gmm(self, gmm: DiagGmm, flags: int) -> None:
        self.resize(gmm.num_gauss(), gmm.dim(), flags)

    def variance_accumulator(self) -> DoubleMatrix:
        """(gaussians, dim): sums of squared frames, a copy; empty without variances."""
        return DoubleMatrix(self._squares)

    def accumulate_from_diag(self, gmm: DiagGmm, data: Any, frame_posterior: float) -> float:
        """Adds a frame (dim,) with its posteriors under `gmm`, times a weight; returns its log-likelihood."""
        return self._accumulate(gmm, data, frame_posterior)

    def accumulate_from_diag_multi_threaded(
        self, gmm: DiagGmm, data: Any, frame_weights: Any, num_threads: int
    ) -> float:
        """As accumulate_from_diag, of frames (frames, dim); returns the weighted sum of log-likelihoods."""
        self._check_fits(gmm)
        frames = gmm._frames(data)
        weights = operand(frame_weights, (len(frames),), np.float64, "frame_weights")
        total, posteriors = gmm._posteriors(frames, num_threads)
        self._add(posteriors * weights[:, None], frames.astype(np.float64))
        return float(total @ weights)

    def add_stats_for_component(self, comp_id: int, occ: float, x_stats: Any, x2_stats: Any) -> None:
        """Adds occupancy, sum and sum of squares (dim,) to one Gaussian."""
        i = self._index(comp_id)
        self._occupancy[i] += occ
        if len(self._means):
            self._means[i] += operand(x_stats, (self._dim,), np.float64, "x_stats")
        if len(self._squares):
            self._squares[i] += operand(x2_stats, (self._dim,), np.float64, "x2_stats")

    def smooth_stats(self, tau: float) -> None:
        """Adds `tau` to every occupancy, keeping means and variances."""
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(self._occupancy > 0, (self._occupancy + tau) / self._occupancy, 1.0)[:, None]
        self._occupancy += tau
        for array in self._arrays()[1:]:
            if len(array):
                array *= factor

    def smooth_with_accum(self, tau: float, src_acc: "AccumDiagGmm") -> None:
        """Adds frames like those of other statistics, `tau` for each Gaussian that has any there."""
        self._check_same(src_acc)
        seen = src_acc._occupancy != 0
        factor = np.zeros(self.num_gauss())
        factor[seen] = tau / src_acc._occupancy[seen]
        self._occupancy[seen] += tau
        for array, other in zip(self._arrays()[1:], src_acc._arrays()[1:], strict=True):
            if len(array):
                array += factor[:, None] * other

    def smooth_with_model(self, tau: float, src_gmm: DiagGmm) -> None:
        """Adds `tau` frames for each Gaussian that are distributed as in the model."""
        self._check_fits(src_gmm)
        normal = DiagGmmNormal(src_gmm)
        self._occupancy += tau
        if len(self._means):
            self._means += tau * normal.means_
        if len(self._squares):
            self._squares += tau * (normal.vars_ + normal.means_**2)

    def assert_equal(self, other: "AccumDiagGmm") -> None:
        """Raises AcousticModelError unless both are the same to within float's precision."""
        self._check_same(other)
        for array, theirs in zip(self._arrays(), other._arrays(), strict=True):
            if not np.allclose(array, theirs, rtol=1e-3):
                raise AcousticModelError("the statistics differ")

    def _read_squares(self, is_: Input, binary: bool) -> Array:
        is_.expect(binary, "<DIAGVARACCS>")
        return is_.matrix(binary, "float64")

    def _write_squares(self, os: Output, binary: bool) -> None:
        os.token(binary, "<DIAGVARACCS>")
        os.matrix(binary, self._squares.astype(np.float32))


def ml_objective(gmm: DiagGmm, diag_gmm_acc: AccumDiagGmm) -> float:
    """The auxiliary function of EM: the expected log-likelihood of the frames of the statistics."""
    diag_gmm_acc._check_fits(gmm)
    gmm._require_gconsts()
    occupied = diag_gmm_acc._occupancy != 0  # 0 times minus infinity is nothing
    objective = float((diag_gmm_acc._occupancy * gmm._gconsts)[occupied].sum())
    if len(diag_gmm_acc._means):
        objective += float((diag_gmm_acc._means * gmm._means).sum())
    if len(diag_gmm_acc._squares):
        objective -= 0.5 * float((diag_gmm_acc._squares * gmm._inverses).sum())
    return objective
