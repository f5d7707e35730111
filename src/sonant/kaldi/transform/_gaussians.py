"""One frame and its Gaussians: what the accumulators of transforms take from a DiagGmm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import as_array


@dataclass(frozen=True)
class GmmPosteriors:
    data: np.ndarray
    """(dim,) float64."""
    posteriors: np.ndarray
    """(gaussians,) float64."""
    means_invvars: np.ndarray
    """(gaussians, dim): means over variances."""
    inv_vars: np.ndarray
    log_likelihood: float = 0.0

    @classmethod
    def of(
        cls, gmm: Any, data: Any, dim: int, posteriors: Any, gselect: Sequence[int] | None = None
    ) -> "GmmPosteriors":
        """With given posteriors, of all Gaussians or of those selected."""
        rows = slice(None) if gselect is None else _selected(gmm, gselect)
        means_invvars = np.asarray(gmm.means_invvars(), np.float64)[rows]
        frame = as_array(data, 1, np.float32, "data").astype(np.float64)
        values = as_array(posteriors, 1, np.float32, "posteriors").astype(np.float64)
        if frame.shape != (dim,) or means_invvars.shape[1] != dim:
            raise FeatureError(
                f"a frame of {len(frame)}, Gaussians of {means_invvars.shape[1]} dimensions; expected {dim}"
            )
        if len(values) != len(means_invvars):
            raise FeatureError(
                f"{len(values)} posteriors for {len(means_invvars)} Gaussians; expected as many"
            )
        if not (np.isfinite(frame).all() and np.isfinite(values).all()):
            raise FeatureError("a frame or posteriors that are not finite; expected numbers")
        return cls(frame, values, means_invvars, np.asarray(gmm.inv_vars(), np.float64)[rows])

    @classmethod
    def computed(
        cls, gmm: Any, data: Any, dim: int, weight: float, gselect: Sequence[int] | None = None
    ) -> "GmmPosteriors":
        """With the posteriors that the model gives the frame, times a weight."""
        if gselect is None:
            log_likelihoods = gmm.log_likelihoods(data)
        else:
            log_likelihoods = gmm.log_likelihoods_preselect(data, list(gselect))
        values = np.asarray(log_likelihoods, np.float64)
        largest = values.max()
        if not np.isfinite(largest):
            raise FeatureError(f"a frame of log-likelihood {largest:g}; expected one that the model knows")
        weights = np.exp(values - largest)
        total = weights.sum()
        made = cls.of(gmm, data, dim, weights * (weight / total), gselect)
        return cls(
            made.data, made.posteriors, made.means_invvars, made.inv_vars, float(largest + np.log(total))
        )


def _selected(gmm: Any, gselect: Sequence[int]) -> np.ndarray:
    indices = np.asarray(gselect, np.int64)
    if indices.ndim != 1 or not indices.size or not 0 <= indices.min() <= indices.max() < gmm.num_gauss():
        raise FeatureError(f"gselect={gselect}; expected Gaussians from 0 to {gmm.num_gauss() - 1}")
    return indices
