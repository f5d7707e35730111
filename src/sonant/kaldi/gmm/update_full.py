"""Re-estimation of full mixtures from statistics (Kaldi's `gmm/mle-full-gmm`)."""

import numpy as np

from sonant.kaldi.gmm.accumulators_full import AccumFullGmm
from sonant.kaldi.gmm.flags import GmmUpdateFlags
from sonant.kaldi.gmm.full import FullGmm
from sonant.kaldi.gmm.normal import square_of
from sonant.kaldi.gmm.update import check_update, low_counts
from sonant.kaldi.util.options import Options, option


class MleFullGmmOptions(Options):
    """Maximum likelihood estimation of full mixtures."""

    min_gaussian_weight: float = option(1e-5, "min-gaussian-weight", "Minimum weight of a Gaussian")
    min_gaussian_occupancy: float = option(
        100.0, "min-gaussian-occupancy", "Minimum occupancy to update a Gaussian"
    )
    variance_floor: float = option(0.001, "variance-floor", "Minimum eigenvalue of a covariance")
    max_condition: float = option(
        1e4, "max-condition", "Maximum condition number of a covariance, to floor it"
    )
    remove_low_count_gaussians: bool = option(
        True, "remove-low-count-gaussians", "Remove Gaussians of too low an occupancy or weight"
    )


def mle_full_gmm_update(
    config: MleFullGmmOptions, fullgmm_acc: AccumFullGmm, flags: int, gmm: FullGmm
) -> tuple[float, float]:
    """Sets what `flags` say to its maximum likelihood value: (gain of the auxiliary function, frames).

    Raises AcousticModelError for flags that the statistics lack, or those of another mixture.
    """
    check_update(fullgmm_acc, flags, gmm)
    gmm.compute_gconsts()
    before = _objective(gmm, fullgmm_acc)
    occupancy, means, squares = fullgmm_acc._arrays()
    weights, new_means, covariances = gmm._moments()
    old = weights.copy(), new_means.copy(), covariances.copy()
    enough, removed = low_counts(config, occupancy, weights)
    if len(means):
        new_means[enough] = means[enough] / occupancy[enough, None]
    for i in np.flatnonzero(enough) if len(squares) else ():
        covariance = square_of(squares[i], gmm.dim()) / occupancy[i] - np.outer(new_means[i], new_means[i])
        if not flags & GmmUpdateFlags.MEANS:  # then it is around the mean that stays
            shift = old[1][i] - new_means[i]
            covariance += np.outer(shift, shift)
        values, vectors = np.linalg.eigh(covariance)
        floor = max(config.variance_floor, np.abs(values).max() / config.max_condition)
        covariances[i] = (vectors * np.maximum(values, floor)) @ vectors.T
    chosen = (GmmUpdateFlags.WEIGHTS, GmmUpdateFlags.MEANS, GmmUpdateFlags.VARIANCES)
    new = (weights, new_means, covariances)
    gmm._take_moments(*(n if flags & f else o for f, n, o in zip(chosen, new, old, strict=True)))
    gmm.compute_gconsts()
    gain = _objective(gmm, fullgmm_acc) - before
    if removed:
        gmm.remove_components(removed, True)
        gmm.compute_gconsts()
    return gain, float(occupancy.sum())


def _objective(gmm: FullGmm, acc: AccumFullGmm) -> float:
    """The expected log-likelihood of the frames of the statistics."""
    occupied = acc._occupancy != 0  # 0 times minus infinity is nothing
    objective = float((acc._occupancy * gmm._gconsts)[occupied].sum())
    if len(acc._means):
        objective += float((acc._means * gmm._means).sum())
    if len(acc._squares):
        rows, columns = np.tril_indices(gmm.dim())
        twice = np.where(rows == columns, 0.5, 1.0)
        objective -= float((acc._squares * gmm._inverses[:, rows, columns] * twice).sum())
    return objective
