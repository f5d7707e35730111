"""Mean and variance normalisation: from statistics, and over a sliding window.

Definitions: `transform/cmvn` and `feat/feature-functions` of Kaldi. Statistics are an array (2, dim + 1) of
float64: the sums of each column and, last, the number of frames (or their total weight); under them the sums
of squares and a zero. That is what Kaldi's files hold.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import FeatureError
from sonant.features.checks import feature_matrix, whole_number

Features = npt.NDArray[np.float32]
Stats = npt.NDArray[np.float64]

_VARIANCE_FLOOR = 1e-20


def cmvn_stats(
    features: Features | Sequence[Features], weights: npt.NDArray[np.float32] | None = None
) -> Stats:
    """Statistics (2, dim + 1) of a recording, or of all of a list.

    features: (frames, dim) float32, or a list of such.
    weights: (frames,), of the frames of one recording; None for 1.
    Raises FeatureError for another type or shape, and for values that are not finite.
    """
    if not isinstance(features, list | tuple):
        matrix = feature_matrix(features)
        stats = np.zeros((2, matrix.shape[1] + 1))
        accumulate_cmvn(matrix, stats, weights)
        return stats
    if weights is not None:
        raise FeatureError("weights belong to one recording; expected one array of features with them")
    if not features:
        raise FeatureError("an empty list has no statistics; expected a recording or more")
    stats = np.zeros((2, feature_matrix(features[0], "recording 0").shape[1] + 1))
    for i, matrix in enumerate(features):
        accumulate_cmvn(feature_matrix(matrix, f"recording {i}", stats.shape[1] - 1), stats)
    return stats


def accumulate_cmvn(features: Features, stats: Stats, weights: npt.NDArray[np.float32] | None = None) -> None:
    """Adds the statistics of a recording to `stats`, in place: float32 products, float64 sums, as Kaldi's."""
    matrix = feature_matrix(features)
    if weights is not None:
        weights = np.ascontiguousarray(weights, np.float32)
        if weights.ndim != 1:
            raise FeatureError(f"weights: array of shape {weights.shape}; expected (frames,)")
    _checked_stats(stats, matrix.shape[1])
    _native.accumulate_cmvn(matrix, weights, stats)


def apply_cmvn(
    features: Features, stats: Stats, *, norm_vars: bool = False, reverse: bool = False
) -> Features:
    """Features with mean 0, and with `norm_vars` variance 1, if they are those of the statistics.

    features: (frames, dim) float32. Returns an array of the same shape.
    stats: (2, dim + 1); (1, dim + 1) will do where norm_vars is False.
    reverse: the other way round: give normalised features that mean and variance.
    Raises FeatureError for statistics that do not fit or hold less than one frame.
    """
    matrix = feature_matrix(features)
    scale, offset = cmvn_transform(stats, matrix.shape[1], norm_vars=norm_vars, reverse=reverse)
    output = matrix + offset if scale is None else matrix * scale
    if scale is not None:
        output += offset
    return output


def cmvn_transform(
    stats: Stats, dim: int, *, norm_vars: bool = False, reverse: bool = False
) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32]]:
    """(scale, offset), each (dim,), of `features * scale + offset`; the scale is None without norm_vars."""
    _checked_stats(stats, dim, rows=(2,) if norm_vars else (1, 2))
    count = stats[0, dim]
    if not count >= 1:
        raise FeatureError(f"statistics of {count:g} frames; expected 1 or more to take a mean of")
    mean = stats[0, :dim] / count
    if not norm_vars:
        return None, (mean if reverse else -mean).astype(np.float32)
    deviation = np.sqrt(np.maximum(stats[1, :dim] / count - mean * mean, _VARIANCE_FLOOR))
    if not np.isfinite(deviation).all():
        bad = int(np.argmin(np.isfinite(deviation)))
        raise FeatureError(
            f"statistics: column {bad} has mean {mean[bad]:g} and mean square {stats[1, bad] / count:g}; "
            "expected finite ones"
        )
    if reverse:
        return deviation.astype(np.float32), mean.astype(np.float32)
    return (1 / deviation).astype(np.float32), (-mean / deviation).astype(np.float32)


def skip_dims_in_stats(stats: Stats, dims: Sequence[int]) -> None:
    """Gives the columns `dims` mean 0 and variance 1, in place: normalisation then leaves them alone."""
    _checked_stats(stats, stats.shape[1] - 1)
    for dim in dims:
        column = whole_number(dim, "dims", 0, stats.shape[1] - 2)
        stats[:, column] = 0, stats[0, -1]


def sliding_cmn(
    features: Features,
    window: int = 600,
    *,
    min_window: int = 100,
    center: bool = False,
    normalize_variance: bool = False,
    max_warnings: int = 5,
) -> Features:
    """Takes from each frame the mean of those around it; normalize_variance: divides by their deviation.

    features: (frames, dim) float32. Returns an array of the same shape.
    window: frames to average. Kaldi's: with `center` they lie around the frame, without it there are `window`
        of them before it, and the frame itself.
    min_window: without `center`: frames to average at the start, where there are fewer before.
    max_warnings: about frames with a variance below 1e-10, which is taken for it; 0 for none, -1 for all.
    Raises FeatureError for another type or shape, and for values that are not finite.
    """
    matrix = feature_matrix(features)
    window = whole_number(window, "window", 1)
    min_window = whole_number(min_window, "min_window", 1 if center else 0, window if center else None)
    output, floored = _native.sliding_cmn(matrix, window, min_window, center, normalize_variance)
    for frame in floored[: max_warnings if max_warnings >= 0 else None]:
        warnings.warn(
            f"sliding_cmn: a column hardly varies around frame {frame}; its variance is taken for 1e-10",
            RuntimeWarning,
            stacklevel=2,
        )
    return output


def _checked_stats(stats: object, dim: int, rows: tuple[int, ...] = (2,)) -> None:
    if not isinstance(stats, np.ndarray) or stats.dtype != np.float64:
        found = f"array of {stats.dtype}" if isinstance(stats, np.ndarray) else type(stats).__name__
        raise FeatureError(f"statistics: {found}; expected an array (2, {dim + 1}) of float64")
    if stats.ndim != 2 or stats.shape[0] not in rows or stats.shape[1] != dim + 1:
        raise FeatureError(
            f"statistics: array of shape {stats.shape}; expected ({rows[-1]}, {dim + 1}) "
            f"for features of {dim} columns"
        )
    if not stats.flags.c_contiguous:
        raise FeatureError(
            "statistics: an array with gaps; expected a contiguous one: numpy.ascontiguousarray"
        )
