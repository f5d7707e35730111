"""Cepstral mean and variance normalisation (PyKaldi's `kaldi.transform.cmvn`).

Statistics are a DoubleMatrix (2, dim + 1): the sums of each column and the number of frames; under them the
sums of squares and a zero.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant import features
from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import as_array, destination, features_of
from sonant.kaldi.matrix import DoubleMatrix

__all__ = [
    "Cmvn",
    "acc_cmvn_stats",
    "acc_cmvn_stats_single_frame",
    "apply_cmvn",
    "apply_cmvn_reverse",
    "fake_stats_for_some_dims",
    "init_cmvn_stats",
]


class Cmvn:
    """Cmvn(dim=None): accumulates statistics, and normalises features with them.

    >>> cmvn = Cmvn(13)
    >>> for key, feats in SequentialMatrixReader("ark:feats.ark"):
    ...     cmvn.accumulate(feats)
    >>> cmvn.apply(feats, norm_vars=True)
    """

    def __init__(self, dim: int | None = None):
        self.init(dim)

    def init(self, dim: int | None) -> None:
        """Starts again: `stats` becomes zeros (2, dim + 1), or None where dim is."""
        self.stats: DoubleMatrix | None = None if dim is None else DoubleMatrix(2, dim + 1)

    def accumulate(self, feats: Any, weights: Any = None) -> None:
        """Adds a matrix, with a vector of weights or None, or a frame, with its weight or None."""
        if np.ndim(getattr(feats, "_array", feats)) == 1:
            acc_cmvn_stats_single_frame(feats, 1.0 if weights is None else weights, self._stats())
        else:
            acc_cmvn_stats(feats, weights, self._stats())

    def apply(self, feats: Any, norm_vars: bool = False, reverse: bool = False) -> None:
        """Normalises `feats` in place; reverse: gives normalised ones the mean and variance there were."""
        _apply(self._stats(), norm_vars, feats, reverse)

    def skip_dims(self, dims: Sequence[int]) -> None:
        """Makes `apply` leave these columns as they are. Accumulate nothing afterwards."""
        fake_stats_for_some_dims(dims, self._stats())

    def read_stats(self, rxfilename: str, binary: bool = True) -> None:
        """Reads statistics from an extended filename."""
        from sonant.kaldi.util.io import xopen

        with xopen(rxfilename, "rb" if binary else "rt") as ki:
            self.stats = DoubleMatrix().read_(ki.stream(), ki.binary)

    def write_stats(self, wxfilename: str, binary: bool = True) -> None:
        """Writes statistics to an extended filename."""
        from sonant.kaldi.util.io import xopen

        with xopen(wxfilename, "wb" if binary else "wt") as ko:
            self._stats().write(ko.stream(), binary)

    def _stats(self) -> DoubleMatrix:
        if self.stats is None:
            raise FeatureError("Cmvn: there are no statistics; expected init(dim) or read_stats before")
        return self.stats


def init_cmvn_stats(dim: int, stats: DoubleMatrix) -> None:
    """Makes `stats` zeros (2, dim + 1)."""
    stats.resize_(2, dim + 1)


def acc_cmvn_stats(feats: Any, weights: Any, stats: Any) -> None:
    """Adds the statistics of a matrix to `stats`; weights: a vector (frames,), or None."""
    values = features_of(feats, "feats")
    if weights is not None:
        weights = as_array(weights, 1, np.float32, "weights")
    _changed(stats, lambda array: features.accumulate_cmvn(values, array, weights))


def acc_cmvn_stats_single_frame(feat: Any, weight: float, stats: Any) -> None:
    """Adds the statistics of one frame to `stats`."""
    frame = np.ascontiguousarray(as_array(feat, 1, np.float32, "feat"))[np.newaxis]
    weights = np.array([weight], np.float32)
    _changed(stats, lambda array: features.accumulate_cmvn(frame, array, weights))


def apply_cmvn(stats: Any, norm_vars: bool, feats: Any) -> None:
    """Normalises `feats`, a matrix (frames, dim), in place."""
    _apply(stats, norm_vars, feats, False)


def apply_cmvn_reverse(stats: Any, norm_vars: bool, feats: Any) -> None:
    """Gives normalised features the mean (and variance) of the statistics, in place."""
    _apply(stats, norm_vars, feats, True)


def fake_stats_for_some_dims(dims: Sequence[int], stats: Any) -> None:
    """Makes `stats` such that normalisation leaves the columns `dims` as they are."""
    _changed(stats, lambda array: features.skip_dims_in_stats(array, dims))


def _apply(stats: Any, norm_vars: bool, feats: Any, reverse: bool) -> None:
    shape = as_array(feats, 2, np.float32, "feats").shape
    array = destination(feats, shape, "feats")
    statistics = np.ascontiguousarray(as_array(stats, 2, np.float64, "stats"))
    scale, offset = features.cmvn_transform(statistics, shape[1], norm_vars=norm_vars, reverse=reverse)
    if scale is not None:
        array *= scale
    array += offset


def _changed(stats: Any, change: Any) -> None:
    """Calls `change` with the statistics as a contiguous array, and takes over what it has become."""
    array = destination(stats, as_array(stats, 2, np.float64, "stats").shape, "stats", np.float64)
    contiguous = np.ascontiguousarray(array)
    change(contiguous)
    if contiguous is not array:
        array[:] = contiguous
