"""Feature-space maximum likelihood linear regression (the fMLLR part of PyKaldi's `kaldi.transform.mllr`).

A transform is a Matrix (dim, dim + 1): x becomes A x + b, [A b]. Estimation is row by row, as in Gales 1998,
"Maximum likelihood linear transformations for HMM-based speech recognition".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import as_array, destination
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.transform._affine import AffineXformStats
from sonant.kaldi.transform._gaussians import GmmPosteriors
from sonant.kaldi.util.options import Options, option

__all__ = [
    "FmllrDiagGmmAccs",
    "FmllrOptions",
    "apply_feature_transform_to_stats",
    "apply_model_transform_to_stats",
    "compute_fmllr_log_det",
    "compute_fmllr_matrix_diag_gmm",
    "compute_fmllr_matrix_diag_gmm_diagonal",
    "compute_fmllr_matrix_diag_gmm_full",
    "compute_fmllr_matrix_diag_gmm_offset",
    "fmllr_aux_func_diag_gmm",
    "fmllr_aux_func_diag_gmm_double",
    "fmllr_auxf_gradient",
    "fmllr_inner_update",
    "init_fmllr",
]


class FmllrOptions(Options):
    update_type: str = option("full", "fmllr-update-type", 'Update type ("full"|"diag"|"offset"|"none")')
    min_count: float = option(500.0, "fmllr-min-count", "Minimum count required to update")
    num_iters: int = option(40, "fmllr-num-iters", "Number of iterations in the update")


class FmllrDiagGmmAccs(AffineXformStats):
    """Statistics for fMLLR from DiagGmms. They are complete after each frame (Kaldi's lag one behind)."""

    def __init__(self) -> None:
        super().__init__()

    @classmethod
    def from_dim(cls, dim: int, opts: FmllrOptions | None = None) -> "FmllrDiagGmmAccs":
        """Zeros, for features of `dim` columns."""
        accs = cls()
        accs.init(dim)
        return accs

    @classmethod
    def from_options(cls, opts: FmllrOptions) -> "FmllrDiagGmmAccs":
        """Without a dimension: call `init`."""
        return cls()

    @classmethod
    def from_gmm(cls, gmm: Any, fgmm_accs: Any) -> "FmllrDiagGmmAccs":
        """From an AccumFullGmm: counts, sums and outer products for each Gaussian of `gmm`."""
        counts = np.asarray(fgmm_accs.occupancy(), np.float64)
        sums = np.asarray(fgmm_accs.mean_accumulator(), np.float64)
        products = [np.asarray(matrix, np.float64) for matrix in fgmm_accs.covariance_accumulator()]
        means_invvars, inv_vars = (np.asarray(m, np.float64) for m in (gmm.means_invvars(), gmm.inv_vars()))
        if means_invvars.shape != sums.shape or len(products) != len(sums):
            raise FeatureError(
                f"statistics of {sums.shape[0]} Gaussians of {sums.shape[1]} dimensions with a mixture of "
                f"{means_invvars.shape[0]} of {means_invvars.shape[1]}; expected the same"
            )
        accs = cls.from_dim(sums.shape[1])
        accs.beta_ = float(counts.sum())
        extended = np.column_stack((sums, counts))
        accs._k = means_invvars.T @ extended
        whole = np.array(
            [np.block([[p, e[:-1, None]], [e]]) for p, e in zip(products, extended, strict=True)]
        )
        accs._g = np.einsum("gi,gjk->ijk", inv_vars, whole)
        return accs

    @classmethod
    def from_other(cls, other: "FmllrDiagGmmAccs") -> "FmllrDiagGmmAccs":
        """A copy."""
        accs = cls()
        accs.copy_stats(other)
        return accs

    def init(self, dim: int, num_gs: int | None = None) -> None:
        """Zeros, with a matrix G for each dimension."""
        super().init(dim, dim if num_gs is None else num_gs)

    def accumulate_for_gmm(self, gmm: Any, data: Any, weight: float) -> float:
        """Adds a frame with the posteriors that a DiagGmm gives it; returns its log-likelihood."""
        return self._accumulate(GmmPosteriors.computed(gmm, data, self.dim(), weight))

    def accumulate_for_gmm_preselect(
        self, gmm: Any, gselect: Sequence[int], data: Any, weight: float
    ) -> float:
        """The same with the Gaussians `gselect` only."""
        return self._accumulate(GmmPosteriors.computed(gmm, data, self.dim(), weight, gselect))

    def accumulate_from_posteriors(self, gmm: Any, data: Any, posteriors: Any) -> None:
        """Adds a frame (dim,), of which each Gaussian has a posterior."""
        self._accumulate(GmmPosteriors.of(gmm, data, self.dim(), posteriors))

    def accumulate_from_posteriors_preselect(
        self, gmm: Any, gselect: Sequence[int], data: Any, posteriors: Any
    ) -> None:
        """Adds a frame, of which the Gaussians `gselect` have posteriors."""
        self._accumulate(GmmPosteriors.of(gmm, data, self.dim(), posteriors, gselect))

    def _accumulate(self, gaussians: GmmPosteriors) -> float:
        extended = np.append(gaussians.data, 1.0)
        self.beta_ += float(gaussians.posteriors.sum())
        self._k += np.outer(gaussians.posteriors @ gaussians.means_invvars, extended)
        precisions = gaussians.posteriors @ gaussians.inv_vars
        self._g += precisions[:, np.newaxis, np.newaxis] * np.outer(extended, extended)
        return gaussians.log_likelihood

    def update(self, opts: FmllrOptions, fmllr_mat: Any) -> tuple[float, float]:
        """Changes a transform (dim, dim + 1) in place, unless there were fewer frames than opts.min_count.

        Returns the improvement of the objective, summed over frames, and the number of frames.
        """
        before = np.array(as_array(fmllr_mat, 2, np.float32, "fmllr_mat"))
        if not before.any():
            raise FeatureError("fmllr_mat is zero; expected a transform to start from: init_fmllr(dim)")
        if not self.beta_ > opts.min_count:
            return 0.0, self.beta_
        change = compute_fmllr_matrix_diag_gmm(before, self, opts.update_type, opts.num_iters, fmllr_mat)
        return change, self.beta_


def init_fmllr(dim: int) -> Matrix:
    """The transform (dim, dim + 1) that changes nothing."""
    return Matrix(np.eye(dim, dim + 1))


def compute_fmllr_log_det(fmllr_mat: Any) -> float:
    """The logarithm of the determinant's size, of the square part."""
    matrix = as_array(fmllr_mat, 2, np.float64, "fmllr_mat")
    if not matrix.size or matrix.shape[1] != len(matrix) + 1:
        raise FeatureError(f"fmllr_mat: shape {matrix.shape}; expected (dim, dim + 1)")
    return float(np.linalg.slogdet(matrix[:, :-1])[1])


def fmllr_aux_func_diag_gmm(xform: Any, stats: AffineXformStats) -> float:
    """The objective: the part of the frames' log-likelihood that depends on the transform."""
    return _objective(_transform(xform, stats, "xform"), stats)


def fmllr_aux_func_diag_gmm_double(xform: Any, stats: AffineXformStats) -> float:
    """The same; numbers are float64 in either."""
    return fmllr_aux_func_diag_gmm(xform, stats)


def fmllr_auxf_gradient(xform: Any, stats: AffineXformStats, grad_out: Any) -> float:
    """Writes the objective's gradient into grad_out (dim, dim + 1), and returns the objective."""
    matrix = _transform(xform, stats, "xform")
    gradient = stats._k - np.einsum("ijk,ik->ij", stats._g, matrix)
    gradient[:, :-1] += stats.beta_ * _inverse(matrix[:, :-1]).T
    destination(grad_out, matrix.shape, "grad_out")[:] = gradient
    return _objective(matrix, stats)


def compute_fmllr_matrix_diag_gmm(
    in_xform: Any, stats: AffineXformStats, fmllr_type: str, num_iters: int, out_xform: Any
) -> float:
    """Estimates a transform of a type ("full", "diag", "offset" or "none") into out_xform.

    in_xform: to start from. Returns the improvement of the objective, summed over frames.
    """
    if fmllr_type == "full":
        return compute_fmllr_matrix_diag_gmm_full(in_xform, stats, num_iters, out_xform)
    if fmllr_type == "diag":
        return compute_fmllr_matrix_diag_gmm_diagonal(in_xform, stats, out_xform)
    if fmllr_type == "offset":
        return compute_fmllr_matrix_diag_gmm_offset(in_xform, stats, out_xform)
    if fmllr_type != "none":
        raise FeatureError(f"fMLLR of type '{fmllr_type}'; expected 'full', 'diag', 'offset' or 'none'")
    destination(out_xform, (stats.dim(), stats.dim() + 1), "out_xform")[:] = np.eye(
        stats.dim(), stats.dim() + 1
    )
    return 0.0


def compute_fmllr_matrix_diag_gmm_full(
    in_xform: Any, stats: AffineXformStats, num_iters: int, out_xform: Any
) -> float:
    """Any transform; `num_iters` rounds over its rows."""
    before = _transform(in_xform, stats, "in_xform")
    inverses, matrix = _inverse(stats._g), before.copy()
    for _ in range(num_iters):
        for row in range(len(matrix)):
            matrix[row] = _row_update(inverses[row], stats._k[row], stats.beta_, row, matrix)
    return _improved(before, matrix, stats, out_xform)


def compute_fmllr_matrix_diag_gmm_diagonal(in_xform: Any, stats: AffineXformStats, out_xform: Any) -> float:
    """A transform that scales and moves each dimension, from one that does so."""
    before = _transform(in_xform, stats, "in_xform")
    dim, at = len(before), np.arange(len(before))
    if np.any(before[:, :dim] != np.diag(before[at, at])):
        raise FeatureError("in_xform: a diagonal transform is estimated from a diagonal one; expected such")
    # Of x -> s x + o only the statistics of x and of the one matter: o follows from s, s from a square.
    g_xx, g_x1, g_11 = stats._g[at, at, at], stats._g[at, at, dim], stats._g[at, dim, dim]
    k_x, k_1 = stats._k[at, at], stats._k[:, dim]
    with np.errstate(all="ignore"):
        quadratic, linear = g_x1 * g_x1 / g_11 - g_xx, k_x - k_1 * g_x1 / g_11
        root = np.sqrt(linear * linear - 4 * quadratic * stats.beta_)
        scale = (-linear - root) / (2 * quadratic)
        offset = (k_1 - scale * g_x1) / g_11
    return _improved(before, np.column_stack((np.diag(scale), offset)), stats, out_xform)


def compute_fmllr_matrix_diag_gmm_offset(in_xform: Any, stats: AffineXformStats, out_xform: Any) -> float:
    """A transform that moves features, from one that does."""
    before = _transform(in_xform, stats, "in_xform")
    dim, at = len(before), np.arange(len(before))
    if np.any(before[:, :dim] != np.eye(dim)):
        raise FeatureError(
            "in_xform: an offset is estimated from one; expected a square part that is the unit"
        )
    with np.errstate(all="ignore"):
        offset = (stats._k[:, dim] - stats._g[at, dim, at]) / stats._g[at, dim, dim]
    return _improved(before, np.column_stack((np.eye(dim), offset)), stats, out_xform)


def fmllr_inner_update(inv_G: Any, k: Any, beta: float, row: int, transform: Any) -> None:
    """Replaces row `row` of a float64 transform (dim, dim + 1) by the best there is, the others as they are.

    inv_G: the inverse of that row's G; k: its row of K.
    """
    matrix = as_array(transform, 2, np.float64, "transform")
    target = destination(transform, matrix.shape, "transform", np.float64)
    vector = as_array(k, 1, np.float64, "k")
    target[row] = _row_update(np.asarray(inv_G, np.float64), vector, beta, row, matrix)


def apply_feature_transform_to_stats(xform: Any, stats: AffineXformStats) -> None:
    """Makes the statistics what they would be had the features been transformed first.

    xform: (dim, dim), (dim, dim + 1), or (dim + 1, dim + 1) with the last row 0 ... 0 1.
    """
    matrix, dim = as_array(xform, 2, np.float64, "xform"), stats.dim()
    if matrix.shape not in ((dim, dim), (dim, dim + 1), (dim + 1, dim + 1)):
        raise FeatureError(f"xform: shape {matrix.shape}; expected ({dim}, {dim}) or ({dim}, {dim + 1})")
    whole = np.eye(dim + 1)
    whole[: len(matrix), : matrix.shape[1]] = matrix
    if np.any(whole[dim] != np.eye(dim + 1)[dim]):
        raise FeatureError("xform: its last row is not 0 ... 0 1; expected an affine transform")
    stats._k = stats._k @ whole.T
    stats._g = whole @ stats._g @ whole.T


def apply_model_transform_to_stats(xform: Any, stats: AffineXformStats) -> None:
    """Makes the statistics what they would be had the model been another, of which this is the transform.

    xform: (dim, dim + 1), a diagonal s and an offset o: the model of the statistics has means s m + o and
    variances s^2 v, and they become those of the model with m and v, as in Kaldi.
    """
    matrix, dim = _transform(xform, stats, "xform"), stats.dim()
    scale, offset = np.diag(matrix), matrix[:, dim]
    if np.any(matrix[:, :dim] != np.diag(scale)):
        raise FeatureError("xform: expected a diagonal, and an offset")
    stats._k = scale[:, np.newaxis] * (stats._k - offset[:, np.newaxis] * stats._g[:, dim, :])
    stats._g = (scale * scale)[:, np.newaxis, np.newaxis] * stats._g


def _transform(xform: Any, stats: AffineXformStats, what: str) -> np.ndarray:
    matrix = as_array(xform, 2, np.float64, what)
    dim = stats.dim()
    if not dim or matrix.shape != (dim, dim + 1) or len(stats._g) != dim:
        raise FeatureError(
            f"{what}: shape {matrix.shape} with statistics of {dim} dimensions; expected (dim, dim + 1)"
        )
    if not np.isfinite(matrix).all():
        raise FeatureError(f"{what}: values that are not finite; expected a transform")
    return matrix


def _objective(matrix: np.ndarray, stats: AffineXformStats) -> float:
    """beta log|det A| + tr(W K') - 1/2 sum over rows of w G w'."""
    log_det = np.linalg.slogdet(matrix[:, :-1])[1]
    quadratic = np.einsum("ij,ijk,ik->", matrix, stats._g, matrix)
    return float(stats.beta_ * log_det + np.sum(matrix * stats._k) - 0.5 * quadratic)


def _row_update(inverse: np.ndarray, k: np.ndarray, beta: float, row: int, matrix: np.ndarray) -> np.ndarray:
    cofactors = np.append(_inverse(matrix[:, :-1])[:, row], 0.0)
    direction = inverse @ cofactors
    # w = (alpha c + k) G^-1, with alpha a root of the derivative; the one that makes more of the objective.
    c_c, c_k = direction @ cofactors, direction @ k
    root = np.sqrt(c_k * c_k + 4 * c_c * beta)
    alphas = np.array([(-c_k + root) / (2 * c_c), (-c_k - root) / (2 * c_c)])
    with np.errstate(all="ignore"):
        values = beta * np.log(np.abs(alphas * c_c + c_k)) - 0.5 * alphas * alphas * c_c
    return inverse @ (alphas[np.argmax(values)] * cofactors + k)


def _improved(before: np.ndarray, after: np.ndarray, stats: AffineXformStats, out_xform: Any) -> float:
    """Writes what was estimated, and returns the improvement; the old one where there is none."""
    target = destination(out_xform, before.shape, "out_xform")
    if not np.isfinite(after).all():
        raise FeatureError(f"fMLLR from statistics of {stats.beta_:g} frames is not finite; expected more")
    old, new = _objective(before, stats), _objective(after, stats)
    if new < old and not np.isclose(new, old, rtol=1e-3):
        target[:] = before
        return 0.0
    target[:] = after
    return new - old


def _inverse(matrices: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        raise FeatureError("fMLLR: singular statistics or transform; expected more frames") from None
