"""Maximum likelihood linear transforms, or semi-tied covariances (PyKaldi's `kaldi.transform.mllt`)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import destination
from sonant.kaldi.matrix.packed import DoubleSpMatrix
from sonant.kaldi.transform._affine import end_line, square, triangle
from sonant.kaldi.transform._gaussians import GmmPosteriors

__all__ = ["MlltAccs"]

_ITERATIONS = 200


class MlltAccs:
    """Statistics for a square transform after which diagonal covariances fit best.

    beta_ is the number of frames, G_i the sum over frames and Gaussians of posterior / variance_i times the
    outer product of the frame's distance from the mean. (Gales 1999, "Semi-tied covariance matrices for
    hidden Markov models".)
    """

    beta_: float = 0.0
    rand_prune_: float = 0.25

    def __init__(self) -> None:
        self.init(0)

    @classmethod
    def new(cls, dim: int, rand_prune: float = 0.25) -> "MlltAccs":
        """Zeros, for features of `dim` columns."""
        accs = cls()
        accs.init(dim, rand_prune)
        return accs

    def init(self, dim: int, rand_prune: float = 0.25) -> None:
        """Zeros. rand_prune: posteriors below it are raised to it or dropped, at random; 0 to take all."""
        if dim < 0 or not rand_prune >= 0:
            raise FeatureError(f"dim={dim}, rand_prune={rand_prune}; expected 0 or more")
        self.rand_prune_ = float(rand_prune)
        self.beta_ = 0.0
        self._g = np.zeros((dim, dim, dim))
        self._random = np.random.default_rng(0)

    @property
    def G_(self) -> list[DoubleSpMatrix]:
        """Copies of the matrices G, each (dim, dim)."""
        return [DoubleSpMatrix.from_triangle(triangle(matrix)) for matrix in self._g]

    @G_.setter
    def G_(self, value: Sequence[Any]) -> None:
        self._g = np.array([np.asarray(matrix, np.float64) for matrix in value])

    def dim(self) -> int:
        return len(self._g)

    def accumulate_from_posteriors(self, gmm: Any, data: Any, posteriors: Any) -> None:
        """Adds a frame (dim,), of which each Gaussian of a DiagGmm has a posterior."""
        gaussians = GmmPosteriors.of(gmm, data, self.dim(), posteriors)
        self._accumulate(gaussians)

    def accumulate_from_gmm(self, gmm: Any, data: Any, weight: float) -> float:
        """Adds a frame with the posteriors that the DiagGmm gives it; returns its log-likelihood."""
        gaussians = GmmPosteriors.computed(gmm, data, self.dim(), weight)
        self._accumulate(gaussians)
        return gaussians.log_likelihood

    def accumulate_from_gmm_preselect(
        self, gmm: Any, gselect: Sequence[int], data: Any, weight: float
    ) -> float:
        """The same with the Gaussians `gselect` only."""
        gaussians = GmmPosteriors.computed(gmm, data, self.dim(), weight, gselect)
        self._accumulate(gaussians)
        return gaussians.log_likelihood

    def _accumulate(self, gaussians: GmmPosteriors) -> None:
        posteriors = self._pruned(gaussians.posteriors)
        self.beta_ += float(posteriors.sum())
        distances = gaussians.data - gaussians.means_invvars / gaussians.inv_vars
        weights = posteriors[:, np.newaxis] * gaussians.inv_vars
        self._g += np.einsum("gi,gj,gk->ijk", weights, distances, distances)

    def _pruned(self, posteriors: np.ndarray) -> np.ndarray:
        limit = self.rand_prune_
        if limit == 0:
            return posteriors
        size = np.abs(posteriors)
        kept = self._random.random(len(size)) * limit <= size
        return np.where(
            size >= limit, posteriors, np.where(kept & (size > 0), np.sign(posteriors) * limit, 0)
        )

    def update(self, M: Any) -> tuple[float, float]:
        """Changes M (dim, dim), the transform of before (the identity at first), in place.

        Returns the improvement of the objective, summed over frames, and the number of frames.
        Raises FeatureError for a singular M, and for too few frames.
        """
        return self._update(self.beta_, self._g, M)

    @staticmethod
    def update_static(beta: float, G: Sequence[Any], M: Any) -> tuple[float, float]:
        """`update` with statistics of one's own."""
        return MlltAccs._update(beta, np.array([np.asarray(matrix, np.float64) for matrix in G]), M)

    @staticmethod
    def _update(beta: float, g: np.ndarray, M: Any) -> tuple[float, float]:
        dim = len(g)
        target = destination(M, (dim, dim), "M")
        matrix = target.astype(np.float64)
        try:
            inverses = np.linalg.inv(g)
            before = _objective(beta, g, matrix)
            for _ in range(_ITERATIONS):
                for row in range(dim):
                    cofactors = np.linalg.inv(matrix)[:, row]
                    direction = inverses[row] @ cofactors
                    matrix[row] = direction * np.sqrt(beta / (cofactors @ direction))
            improvement = _objective(beta, g, matrix) - before
        except np.linalg.LinAlgError:
            raise FeatureError("MLLT: singular statistics or transform; expected more frames") from None
        if not np.isfinite(improvement):
            raise FeatureError(f"MLLT: {beta:g} frames for {dim} dimensions; expected more")
        target[:] = matrix
        return float(improvement), float(beta)

    def write(self, os: Any, binary: bool) -> None:
        """Writes the statistics to an Output."""
        os.token(binary, "<MlltAccs>")
        end_line(os, binary)
        os.float64(binary, self.beta_)
        os.integer(binary, self.dim())
        os.token(binary, "<G>")
        end_line(os, binary)
        for matrix in self._g:
            os.packed(binary, triangle(matrix))
        os.token(binary, "</MlltAccs>")
        end_line(os, binary)

    def read(self, is_: Any, binary: bool, add: bool = False) -> None:
        """Reads statistics from an Input, or adds them to these. Raises ArkError for anything else."""
        is_.expect(binary, "<MlltAccs>")
        beta, dim = is_.real(binary), is_.integer(binary)
        is_.expect(binary, "<G>")
        matrices = [square(is_.packed(binary, "float64")) for _ in range(max(dim, 0))]
        is_.expect(binary, "</MlltAccs>")
        if dim < 0 or any(len(matrix) != dim for matrix in matrices):
            is_.error(f"MLLT statistics of dimension {dim} with matrices G of another")
        if add and self.dim() and self.dim() != dim:
            is_.error(f"MLLT statistics of dimension {dim}; expected {self.dim()} to add to")
        g = np.array(matrices).reshape(dim, dim, dim)
        if add and self.dim():
            self.beta_, self._g = self.beta_ + beta, self._g + g
        else:
            self.beta_, self._g = beta, g


def _objective(beta: float, g: np.ndarray, matrix: np.ndarray) -> float:
    """beta log|det M| - 1/2 sum over rows of m G m'."""
    _, log_det = np.linalg.slogdet(matrix)
    return beta * log_det - 0.5 * np.einsum("ij,ijk,ik->", matrix, g, matrix)
