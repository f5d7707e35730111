"""Re-estimation of diagonal mixtures from statistics (Kaldi's `gmm/mle-diag-gmm`)."""

from dataclasses import field
from typing import Any

import numpy as np

from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.accumulators import AccumDiagGmm, ml_objective
from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.gmm.flags import GmmUpdateFlags
from sonant.kaldi.gmm.mixture import Array, Mixture
from sonant.kaldi.gmm.normal import DiagGmmNormal
from sonant.kaldi.gmm.statistics import Statistics
from sonant.kaldi.matrix import DoubleVector
from sonant.kaldi.matrix._checks import operand
from sonant.kaldi.util.options import Options, option


class MleDiagGmmOptions(Options):
    """Maximum likelihood estimation of diagonal mixtures."""

    min_gaussian_weight: float = option(1e-5, "min-gaussian-weight", "Minimum weight of a Gaussian")
    min_gaussian_occupancy: float = option(
        10.0, "min-gaussian-occupancy", "Minimum occupancy to update a Gaussian"
    )
    min_variance: float = option(0.001, "min-variance", "Variance floor (absolute variance)")
    remove_low_count_gaussians: bool = option(
        True, "remove-low-count-gaussians", "Remove Gaussians of too low an occupancy or weight"
    )
    variance_floor_vector: Any = field(default_factory=DoubleVector)
    """Variance floors by dimension (dim,); where it is empty, min_variance holds."""


class MapDiagGmmOptions(Options):
    """Maximum a posteriori estimation of diagonal mixtures; the prior is the present model."""

    mean_tau: float = option(10.0, "mean-tau", "Weight of the present means, in frames")
    variance_tau: float = option(50.0, "variance-tau", "Weight of the present variances, in frames")
    weight_tau: float = option(10.0, "weight-tau", "Weight of the present weights, in frames")


def mle_diag_gmm_update(
    config: MleDiagGmmOptions, diag_gmm_acc: AccumDiagGmm, flags: int, gmm: DiagGmm
) -> tuple[float, float, int, int, int]:
    """Sets what `flags` say to its maximum likelihood value.

    Returns (gain of the auxiliary function, frames, floored variances, Gaussians with any, those removed).
    Raises AcousticModelError for flags that the statistics lack, or those of another mixture.
    """
    check_update(diag_gmm_acc, flags, gmm)
    gmm.compute_gconsts()
    before = ml_objective(gmm, diag_gmm_acc)
    occupancy, means, squares = diag_gmm_acc._arrays()
    new = DiagGmmNormal(gmm)
    old_means = new.means_.copy()
    floored = np.zeros_like(new.vars_, dtype=bool)
    enough, removed = low_counts(config, occupancy, new.weights_)
    if len(means):
        new.means_[enough] = means[enough] / occupancy[enough, None]
    if len(squares):
        variances = squares[enough] / occupancy[enough, None] - new.means_[enough] ** 2
        if not flags & GmmUpdateFlags.MEANS:  # then they are around the means that stay
            variances += (old_means[enough] - new.means_[enough]) ** 2
        floors = operand(config.variance_floor_vector, (None,), np.float64, "variance_floor_vector")
        if len(floors) not in (0, gmm.dim()):
            raise AcousticModelError(
                f"{len(floors)} variance floors; expected one per dimension, {gmm.dim()}"
            )
        floor = floors if len(floors) else np.full(gmm.dim(), config.min_variance)
        floored[enough] = variances < floor
        new.vars_[enough] = np.maximum(variances, floor)
    new.copy_to_diag_gmm(gmm, flags)
    gmm.compute_gconsts()
    gain = ml_objective(gmm, diag_gmm_acc) - before
    if removed:
        gmm.remove_components(removed, True)
        gmm.compute_gconsts()
    return gain, float(occupancy.sum()), int(floored.sum()), int(floored.any(1).sum()), len(removed)


def map_diag_gmm_update(
    config: MapDiagGmmOptions, diag_gmm_acc: AccumDiagGmm, flags: int, gmm: DiagGmm
) -> tuple[float, float]:
    """Sets what `flags` say to its maximum a posteriori value, the present one being the prior.

    Returns (gain of the auxiliary function, frames). Raises AcousticModelError as mle_diag_gmm_update.
    """
    check_update(diag_gmm_acc, flags, gmm)
    gmm.compute_gconsts()
    before = ml_objective(gmm, diag_gmm_acc)
    occupancy, means, squares = diag_gmm_acc._arrays()
    total = float(occupancy.sum())
    new = DiagGmmNormal(gmm)
    new.weights_ = (occupancy + config.weight_tau * new.weights_) / (total + config.weight_tau)
    seen = occupancy > 0
    count = occupancy[seen, None]
    if flags & GmmUpdateFlags.MEANS:
        new.means_[seen] = (means[seen] + config.mean_tau * new.means_[seen]) / (count + config.mean_tau)
    if flags & GmmUpdateFlags.VARIANCES:
        mean = new.means_[seen]
        around = squares[seen] + count * mean**2 - 2 * means[seen] * mean
        new.vars_[seen] = (around + config.variance_tau * new.vars_[seen]) / (count + config.variance_tau)
    new.copy_to_diag_gmm(gmm, flags)
    gmm.compute_gconsts()
    return ml_objective(gmm, diag_gmm_acc) - before, total


def low_counts(config: Any, occupancy: Array, weights: Array) -> tuple[Array, list[int]]:
    """(which Gaussians have enough frames, those to remove); sets the new weights."""
    total = float(occupancy.sum())
    shares = occupancy / total if total > 0 else np.full(len(occupancy), 1 / len(occupancy))
    enough = (occupancy > config.min_gaussian_occupancy) & (shares > config.min_gaussian_weight)
    weights[enough] = shares[enough]
    removed: list[int] = []
    for i in np.flatnonzero(~enough).tolist():
        if config.remove_low_count_gaussians and len(removed) < len(occupancy) - 1:  # one stays
            removed.append(i)
        else:
            weights[i] = max(shares[i], config.min_gaussian_weight)
    return enough, removed


def check_update(acc: Statistics, flags: int, gmm: Mixture) -> None:
    """Raises AcousticModelError for flags that the statistics lack, or those of another mixture."""
    if flags & ~acc.flags_:
        raise AcousticModelError(
            f"flags {flags}; the statistics have {acc.flags_}: accumulate with the same flags"
        )
    acc._check_fits(gmm)
