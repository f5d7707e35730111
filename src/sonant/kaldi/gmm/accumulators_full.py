"""Statistics of frames for the estimation of full mixtures (Kaldi's `gmm/mle-full-gmm`)."""

from typing import Any

import numpy as np

from sonant._native import Input, Output
from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.gmm.flags import GmmUpdateFlags
from sonant.kaldi.gmm.full import FullGmm
from sonant.kaldi.gmm.normal import square_of
from sonant.kaldi.gmm.statistics import Array, Statistics
from sonant.kaldi.matrix.packed import DoubleSpMatrix


class AccumFullGmm(Statistics):
    """Of each Gaussian: occupancy, sum of frames, sum of their outer products; which ones, `flags_` say."""

    @classmethod
    def new_with_params(cls, num_comp: int, dim: int, flags: int) -> "AccumFullGmm":
        """Empty statistics."""
        acc = cls()
        acc.resize(num_comp, dim, flags)
        return acc

    @classmethod
    def new_with_full(cls, gmm: FullGmm, flags: int) -> "AccumFullGmm":
        """Empty statistics for the mixture."""
        return cls.new_with_params(gmm.num_gauss(), gmm.dim(), flags)

    @classmethod
    def new_with_other(cls, gmm: "AccumFullGmm") -> "AccumFullGmm":
        """A copy."""
        return gmm._copy()

    def _moments(self, frames: Array) -> Array:
        """The lower triangle of x x', row after row."""
        rows, columns = np.tril_indices(frames.shape[1])
        return frames[:, rows] * frames[:, columns]

    def _numbers(self, dim: int) -> int:
        return dim * (dim + 1) // 2

    def flags(self) -> int:
        return self.flags_

    def resize_var_accumulator(self, num_comp: int, dim: int) -> None:
        """Becomes empty statistics with outer products and all that these need."""
        self.resize(num_comp, dim, GmmUpdateFlags.VARIANCES)

    def resize_with_full(self, gmm: FullGmm, flags: int) -> None:
        self.resize(gmm.num_gauss(), gmm.dim(), flags)

    def covariance_accumulator(self) -> list[DoubleSpMatrix]:
        """Of each Gaussian the sum of outer products of frames, a copy; empty without variances."""
        return [DoubleSpMatrix(square_of(packed, self._dim)) for packed in self._squares]

    def accumulate_from_full(self, gmm: FullGmm, data: Any, frame_posterior: float) -> float:
        """Adds a frame (dim,) with its posteriors under `gmm`, times a weight; returns its log-likelihood."""
        return self._accumulate(gmm, data, frame_posterior)

    def accumulate_from_diag(self, gmm: DiagGmm, data: Any, frame_posterior: float) -> float:
        """As accumulate_from_full, with the posteriors under a diagonal mixture."""
        return self._accumulate(gmm, data, frame_posterior)

    # In files the outer products are around the means: small numbers keep their digits.

    def _around_means(self) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            means = self._moments(self._means) / self._occupancy[:, None]
        return np.where(self._occupancy[:, None] != 0, means, 0.0)

    def _read_squares(self, is_: Input, binary: bool) -> Array:
        if not len(self._means) or is_.peek_token(binary) != "F":
            return np.zeros((0, 0))
        is_.expect(binary, "<FULLVARACCS>")
        numbers = self._numbers(self._dim)
        packed = [is_.packed(binary, "float64") for _ in range(self.num_gauss())]
        if any(len(p) != numbers for p in packed):
            is_.error(f"expected {numbers} numbers for each Gaussian, found {[len(p) for p in packed]}")
        return np.stack(packed) + self._around_means()

    def _write_squares(self, os: Output, binary: bool) -> None:
        if len(self._squares):
            os.token(binary, "<FULLVARACCS>")
            for packed in (self._squares - self._around_means()).astype(np.float32):
                os.packed(binary, packed)
