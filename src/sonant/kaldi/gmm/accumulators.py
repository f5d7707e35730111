"""Statistics of frames for the estimation of diagonal mixtures (Kaldi's `gmm/mle-diag-gmm`)."""

from typing import Any

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.gmm.flags import GmmUpdateFlags, augment_gmm_flags
from sonant.kaldi.gmm.normal import DiagGmmNormal
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector
from sonant.kaldi.matrix._checks import operand

Array = np.ndarray


class AccumDiagGmm:
    """Of each Gaussian: occupancy, sum of frames, sum of their squares; which ones, `flags_` say."""

    def __init__(self) -> None:
        self.flags_ = 0
        self._occupancy, self._means, self._squares = np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))
        self._dim = 0

    @classmethod
    def new(cls, gmm: DiagGmm, flags: int) -> "AccumDiagGmm":
        """Empty statistics for the mixture."""
        acc = cls()
        acc.resize_with_gmm(gmm, flags)
        return acc

    @classmethod
    def with_other(cls, other: "AccumDiagGmm") -> "AccumDiagGmm":
        """A copy."""
        acc = cls()
        acc.flags_, acc._dim = other.flags_, other._dim
        acc._occupancy, acc._means, acc._squares = (a.copy() for a in other._arrays())
        return acc

    def _arrays(self) -> tuple[Array, Array, Array]:
        return self._occupancy, self._means, self._squares

    def resize(self, num_gauss: int, dim: int, flags: int) -> None:
        """Becomes empty statistics; `flags` are augmented by what they need."""
        if num_gauss < 0 or dim < 0:
            raise AcousticModelError(f"statistics of {num_gauss} Gaussians of dimension {dim}")
        self.flags_, self._dim = int(augment_gmm_flags(flags)), dim
        self._occupancy = np.zeros(num_gauss)
        self._means = np.zeros((num_gauss, dim) if self.flags_ & GmmUpdateFlags.MEANS else (0, 0))
        self._squares = np.zeros((num_gauss, dim) if self.flags_ & GmmUpdateFlags.VARIANCES else (0, 0))

    def resize_with_gmm(self, gmm: DiagGmm, flags: int) -> None:
        self.resize(gmm.num_gauss(), gmm.dim(), flags)

    def num_gauss(self) -> int:
        return len(self._occupancy)

    def dim(self) -> int:
        return self._dim

    def occupancy(self) -> DoubleVector:
        """(gaussians,): sums of posteriors, a copy."""
        return DoubleVector(self._occupancy)

    def mean_accumulator(self) -> DoubleMatrix:
        """(gaussians, dim): sums of frames, a copy; empty without means."""
        return DoubleMatrix(self._means)

    def variance_accumulator(self) -> DoubleMatrix:
        """(gaussians, dim): sums of squared frames, a copy; empty without variances."""
        return DoubleMatrix(self._squares)

    def set_zero(self, flags: int) -> None:
        self._each(flags, lambda array: array.fill(0))

    def scale(self, f: float, flags: int) -> None:
        self._each(flags, lambda array: np.multiply(array, f, out=array))

    def _each(self, flags: int, change: Any) -> None:
        if flags & ~self.flags_:
            raise AcousticModelError(f"flags {flags}; these statistics have {self.flags_}")
        kinds = (GmmUpdateFlags.WEIGHTS, GmmUpdateFlags.MEANS, GmmUpdateFlags.VARIANCES)
        for kind, array in zip(kinds, self._arrays(), strict=True):
            if flags & kind:
                change(array)

    # Accumulating

    def _add(self, posteriors: Array, frames: Array) -> None:
        """Adds frames (frames, dim) with weights (frames, gaussians), both float64."""
        self._occupancy += posteriors.sum(0)
        if len(self._means):
            self._means += posteriors.T @ frames
        if len(self._squares):
            self._squares += posteriors.T @ frames**2

    def _frame(self, data: Any) -> Array:
        return operand(data, (self._dim,), np.float64, "data")[None]

    def _index(self, i: int) -> int:
        if not 0 <= i < self.num_gauss():
            raise AcousticModelError(f"there is no Gaussian {i}; the statistics have {self.num_gauss()}")
        return i

    def accumulate_for_component(self, data: Any, comp_index: int, weight: float) -> None:
        """Adds a frame (dim,) to one Gaussian."""
        posteriors = np.zeros((1, self.num_gauss()))
        posteriors[0, self._index(comp_index)] = weight
        self._add(posteriors, self._frame(data))

    def accumulate_from_posteriors(self, data: Any, gauss_posteriors: Any) -> None:
        """Adds a frame (dim,) with a weight for each Gaussian."""
        posteriors = operand(gauss_posteriors, (self.num_gauss(),), np.float64, "gauss_posteriors")
        self._add(posteriors[None], self._frame(data))

    def accumulate_from_diag(self, gmm: DiagGmm, data: Any, frame_posterior: float) -> float:
        """Adds a frame (dim,) with its posteriors under `gmm`, times a weight; returns its log-likelihood."""
        self._check_fits(gmm)
        total, posteriors = gmm._posteriors(gmm._frames(data, 1))
        self._add(posteriors.astype(np.float64) * frame_posterior, self._frame(data))
        return float(total[0])

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

    def _check_fits(self, gmm: DiagGmm) -> None:
        if (gmm.num_gauss(), gmm.dim()) != (self.num_gauss(), self._dim):
            raise AcousticModelError(
                f"statistics of {self.num_gauss()} x {self._dim} "
                f"for a mixture of {gmm.num_gauss()} x {gmm.dim()}; expected the same"
            )

    def add_stats_for_component(self, comp_id: int, occ: float, x_stats: Any, x2_stats: Any) -> None:
        """Adds occupancy, sum and sum of squares (dim,) to one Gaussian."""
        i = self._index(comp_id)
        self._occupancy[i] += occ
        if len(self._means):
            self._means[i] += operand(x_stats, (self._dim,), np.float64, "x_stats")
        if len(self._squares):
            self._squares[i] += operand(x2_stats, (self._dim,), np.float64, "x2_stats")

    def add(self, scale: float, acc: "AccumDiagGmm") -> None:
        """Adds other statistics, times `scale`."""
        self._check_same(acc)
        for array, other in zip(self._arrays(), acc._arrays(), strict=True):
            array += scale * other

    def _check_same(self, acc: "AccumDiagGmm") -> None:
        ours, theirs = (tuple(a.shape for a in x._arrays()) for x in (self, acc))
        if ours != theirs:
            raise AcousticModelError(f"statistics of shapes {theirs}; expected {ours}")

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

    # Files

    def read(self, in_stream: Input, binary: bool, add: bool) -> None:
        """Reads statistics, adding them to what is there if `add`. Raises ArkError for anything else."""
        in_stream.expect(binary, "<GMMACCS>")
        in_stream.expect(binary, "<VECSIZE>")
        dim = in_stream.integer(binary)
        in_stream.expect(binary, "<NUMCOMPONENTS>")
        count = in_stream.integer(binary)
        in_stream.expect(binary, "<FLAGS>")
        read = AccumDiagGmm()
        read.flags_, read._dim = in_stream.integer(binary, size=2, signed=False), dim
        in_stream.expect(binary, "<OCCUPANCY>")
        read._occupancy = in_stream.vector(binary, "float64")
        in_stream.expect(binary, "<MEANACCS>")
        read._means = in_stream.matrix(binary, "float64")
        in_stream.expect(binary, "<DIAGVARACCS>")
        read._squares = in_stream.matrix(binary, "float64")
        in_stream.expect(binary, "</GMMACCS>")
        shapes = ((count, dim), (0, 0))
        if len(read._occupancy) != count or any(a.shape not in shapes for a in read._arrays()[1:]):
            raise AcousticModelError(
                f"{in_stream.name}:{in_stream.tell()}: "
                f"statistics of shapes {[a.shape for a in read._arrays()]}; "
                f"expected those of {count} Gaussians of dimension {dim}"
            )
        if add and self.num_gauss():
            read.add(1.0, self)
        vars(self).update(vars(read))

    def write(self, out_stream: Output, binary: bool) -> None:
        """Writes the statistics in single precision, as Kaldi does."""
        out_stream.token(binary, "<GMMACCS>")
        out_stream.token(binary, "<VECSIZE>")
        out_stream.integer(binary, self._dim)
        out_stream.token(binary, "<NUMCOMPONENTS>")
        out_stream.integer(binary, self.num_gauss())
        out_stream.token(binary, "<FLAGS>")
        out_stream.integer(binary, self.flags_, size=2, signed=False)
        out_stream.token(binary, "<OCCUPANCY>")
        out_stream.vector(binary, self._occupancy.astype(np.float32))
        out_stream.token(binary, "<MEANACCS>")
        out_stream.matrix(binary, self._means.astype(np.float32))
        out_stream.token(binary, "<DIAGVARACCS>")
        out_stream.matrix(binary, self._squares.astype(np.float32))
        out_stream.token(binary, "</GMMACCS>")


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
