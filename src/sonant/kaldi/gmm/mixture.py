"""What mixtures with diagonal and with full covariances have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sonant._native import Input
from sonant.errors import AcousticModelError
from sonant.kaldi.matrix import Matrix, Vector
from sonant.kaldi.matrix._checks import operand

Array = np.ndarray

random_numbers = np.random.default_rng(0)
"""For perturbation: like Kaldi's, the same from one run of a program to the next."""


class Mixture(ABC):
    """A mixture of Gaussians, in the form of its natural parameters: float32 arrays with a row per Gaussian.

    Methods that change parameters make the constants ("gconsts") invalid, until `compute_gconsts`.
    """

    _weights: Array  # (gaussians,)
    _means: Array  # (gaussians, dim): inverse covariance times mean
    _inverses: Array  # (gaussians, ...): inverse covariances
    _gconsts: Array  # (gaussians,)
    _valid: bool

    def __init__(self, nmix: int = 0, dim: int = 0):
        if nmix < 0 or dim < 0:
            raise AcousticModelError(f"a mixture of {nmix} Gaussians of dimension {dim}; expected 0 or more")
        self.resize(nmix, dim)

    @abstractmethod
    def resize(self, nmix: int, dim: int) -> None:
        """Makes room for other numbers of Gaussians and dimensions; the parameters must then be set."""

    @classmethod
    def from_nmix_dim(cls, nmix: int, dim: int) -> Self:
        return cls(nmix, dim)

    @classmethod
    def from_other(cls, gmm: Self) -> Self:
        """A copy."""
        copied = cls()
        copied._take(gmm._weights, gmm._means, gmm._inverses)
        copied._gconsts, copied._valid = gmm._gconsts.copy(), gmm._valid
        return copied

    def _take(self, weights: Any, means: Any, inverses: Any) -> None:
        """Takes copies of natural parameters as the whole of the mixture."""
        self._weights = np.array(weights, np.float32)
        self._means = np.array(means, np.float32)
        self._inverses = np.array(inverses, np.float32)
        self._gconsts = np.zeros(len(self._weights), np.float32)
        self._changed()

    def _changed(self) -> None:
        self._valid = False

    def num_gauss(self) -> int:
        return len(self._weights)

    def dim(self) -> int:
        """Dimension of the frames."""
        return self._means.shape[1]

    def weights(self) -> Vector:
        """(gaussians,), a copy, as all parameters that are returned."""
        return Vector(self._weights)

    def gconsts(self) -> Vector:
        """(gaussians,): the log-likelihood of the frame 0."""
        self._require_gconsts()
        return Vector(self._gconsts)

    def valid_gconsts(self) -> bool:
        """False after a change of parameters, until compute_gconsts."""
        return self._valid

    def _require_gconsts(self) -> None:
        if not self._valid:
            raise AcousticModelError(
                "the parameters were changed, or never set; call compute_gconsts() first"
            )

    @abstractmethod
    def compute_gconsts(self) -> int:
        """Computes the constants; returns how many are infinite, such as those of Gaussians of weight 0.

        Raises AcousticModelError where a parameter is not a number, or a covariance not positive.
        """

    def _keep_gconsts(self, is_: Input, read: Array | None) -> None:
        """Computes the constants of what was read; those of the file stay where they are right.

        So that what is written again is what was read, whatever computed it.
        """
        try:
            self.compute_gconsts()
        except AcousticModelError as error:
            raise AcousticModelError(f"{is_.name}:{is_.tell()}: {error}") from None
        if read is not None and read.shape == self._gconsts.shape:
            with np.errstate(invalid="ignore"):
                near = np.abs(read - self._gconsts) <= 1e-4 * np.maximum(1, np.abs(self._gconsts))
            self._gconsts = np.where(near, read, self._gconsts)

    # Changes

    def set_weights(self, w: Any) -> None:
        self._weights = operand(w, (self.num_gauss(),), np.float32, "w").copy()
        self._changed()

    def set_component_weight(self, gauss: int, weight: float) -> None:
        self._weights[self._index(gauss)] = weight
        self._changed()

    def _index(self, gauss: int) -> int:
        if not 0 <= gauss < self.num_gauss():
            raise AcousticModelError(f"there is no Gaussian {gauss}; the mixture has {self.num_gauss()}")
        return gauss

    def remove_component(self, gauss: int, renorm_weights: bool) -> None:
        self.remove_components([gauss], renorm_weights)

    def remove_components(self, gauss: Sequence[int], renorm_weights: bool) -> None:
        """Removes Gaussians, but not all of them. Raises AcousticModelError for one that is not there."""
        removed = {self._index(i) for i in gauss}
        if len(removed) == self.num_gauss():
            raise AcousticModelError(
                f"all {self.num_gauss()} Gaussians would be removed; expected one to stay"
            )
        kept = [i for i in range(self.num_gauss()) if i not in removed]
        self._select(kept)
        if renorm_weights:
            self._weights = self._weights / self._weights.sum()
            self._changed()

    def _select(self, rows: Sequence[int]) -> None:
        """These Gaussians alone, with their constants."""
        self._weights, self._means = self._weights[rows], self._means[rows]
        self._inverses, self._gconsts = self._inverses[rows], self._gconsts[rows]

    @abstractmethod
    def _precisions(self) -> Array:
        """(gaussians, dim): the diagonals of the inverse covariances."""

    def perturb(self, perturb_factor: float) -> None:
        """Moves every mean by a random vector: normal, and `perturb_factor` of a standard deviation long."""
        # The means are stored divided by the covariance, so an inverse standard deviation is their unit.
        noise = random_numbers.standard_normal(self._means.shape) * np.sqrt(self._precisions())
        self._means = (self._means + perturb_factor * noise).astype(np.float32)
        self._changed()
        self.compute_gconsts()

    def split(self, target_components: int, perturb_factor: float) -> list[int]:
        """Halves the heaviest Gaussian, moving the halves apart, until there are `target_components`.

        Returns the Gaussian that was halved each time; the second half goes to the end.
        """
        if target_components < self.num_gauss() or self.num_gauss() == 0:
            raise AcousticModelError(f"a split of {self.num_gauss()} Gaussians into {target_components}")
        history: list[int] = []
        while self.num_gauss() < target_components:
            heaviest = int(np.argmax(self._weights))
            history.append(heaviest)
            self._weights[heaviest] /= 2
            self._select([*range(self.num_gauss()), heaviest])
            noise = random_numbers.standard_normal(self.dim()) * np.sqrt(self._precisions()[heaviest])
            self._means[-1] += (perturb_factor * noise).astype(np.float32)
            self._means[heaviest] -= (perturb_factor * noise).astype(np.float32)
        if history:
            self._changed()
            self.compute_gconsts()
        return history

    def _check_merge(self, target_components: int) -> None:
        if not 0 < target_components <= self.num_gauss():
            raise AcousticModelError(f"a merge of {self.num_gauss()} Gaussians into {target_components}")

    # Likelihoods

    def _frames(self, data: Any, ndim: int = 2) -> Array:
        """`data`, a frame or frames, as a contiguous (frames, dim) float32 array."""
        shape = (None, self.dim()) if ndim == 2 else (self.dim(),)
        frames = np.ascontiguousarray(operand(data, shape, np.float32, "data"))
        self._require_gconsts()
        return frames if ndim == 2 else frames[None]

    @abstractmethod
    def _component_log_likelihoods(self, frames: Array, num_threads: int = 1) -> Array:
        """(frames, gaussians) float32: of each Gaussian, with its weight."""

    def log_likelihood(self, data: Any) -> float:
        """The log-likelihood of a frame (dim,). Raises AcousticModelError where it is not finite."""
        return float(_total(self._component_log_likelihoods(self._frames(data, 1)))[0])

    def log_likelihoods(self, data: Any) -> Vector:
        """(gaussians,): the log-likelihood of a frame under each Gaussian, with its weight."""
        return Vector(self._component_log_likelihoods(self._frames(data, 1))[0])

    def log_likelihoods_matrix(self, data: Any) -> Matrix:
        """(frames, gaussians): as log_likelihoods, of frames (frames, dim)."""
        return Matrix(self._component_log_likelihoods(self._frames(data)))

    def log_likelihoods_preselect(self, data: Any, indices: Sequence[int]) -> Vector:
        """(len(indices),): log_likelihoods of these Gaussians alone."""
        rows = [self._index(i) for i in indices]
        return Vector(self._component_log_likelihoods(self._frames(data, 1))[0, rows])

    def component_log_likelihood(self, data: Any, comp_id: int) -> float:
        """The log-likelihood of a frame under one Gaussian, with its weight."""
        return float(self._component_log_likelihoods(self._frames(data, 1))[0, self._index(comp_id)])

    def component_posteriors(self, data: Any) -> tuple[float, Vector]:
        """(the log-likelihood of a frame, the posteriors of the Gaussians (gaussians,))."""
        total, posteriors = self._posteriors(self._frames(data, 1))
        return float(total[0]), Vector(posteriors[0])

    def component_posteriors_matrix(self, data: Any, num_threads: int = 1) -> tuple[Vector, Matrix]:
        """As component_posteriors, of frames (frames, dim): ((frames,), (frames, gaussians))."""
        total, posteriors = self._posteriors(self._frames(data), num_threads)
        return Vector(total), Matrix(posteriors)

    def _posteriors(self, frames: Array, num_threads: int = 1) -> tuple[Array, Array]:
        components = self._component_log_likelihoods(frames, num_threads)
        total = _total(components)
        return total, np.exp(components - total[:, None])

    def gaussian_selection(self, data: Any, num_gselect: int) -> tuple[float, list[int]]:
        """(their log-likelihood, the `num_gselect` likeliest Gaussians of a frame, best first)."""
        total, chosen = self._selection(self._component_log_likelihoods(self._frames(data, 1)), num_gselect)
        return total, chosen[0]

    def gaussian_selection_matrix(self, data: Any, num_gselect: int) -> tuple[float, list[list[int]]]:
        """As gaussian_selection, of frames (frames, dim): (sum of log-likelihoods, a list for each frame)."""
        return self._selection(self._component_log_likelihoods(self._frames(data)), num_gselect)

    def gaussian_selection_preselect(
        self, data: Any, preselect: Sequence[int], num_gselect: int
    ) -> tuple[float, list[int]]:
        """As gaussian_selection, of the Gaussians `preselect` alone."""
        rows = [self._index(i) for i in preselect]
        components = self._component_log_likelihoods(self._frames(data, 1))[:, rows]
        total, chosen = self._selection(components, num_gselect)
        return total, [rows[i] for i in chosen[0]]

    def _selection(self, components: Array, num_gselect: int) -> tuple[float, list[list[int]]]:
        count = min(num_gselect, components.shape[1])
        if count < 1:
            raise AcousticModelError(
                f"{num_gselect} Gaussians to select of {components.shape[1]}; expected 1 or more"
            )
        chosen = np.argsort(-components, axis=1, kind="stable")[:, :count]
        return float(_total(np.take_along_axis(components, chosen, 1)).sum()), chosen.tolist()


def _total(components: Array) -> Array:
    """(frames,) float32: log of the sum of likelihoods. Raises AcousticModelError where one is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        best = components.max(1, initial=-np.inf)
        sums = np.exp(components - best[:, None]).sum(1, dtype=np.float64)
        total = (best + np.log(sums)).astype(np.float32)
    check_finite(total[:, None])
    return total


def check_finite(log_likelihoods: Array) -> None:
    """Raises AcousticModelError that names the first value (frame, mixture) that is not finite."""
    bad = np.argwhere(~np.isfinite(log_likelihoods))
    if len(bad):
        raise not_finite(int(bad[0][0]), int(bad[0][1]), float(log_likelihoods[tuple(bad[0])]))


def not_finite(frame: int, mixture: int, value: float) -> AcousticModelError:
    return AcousticModelError(
        f"the log-likelihood of frame {frame} under mixture {mixture} is {value}; expected a finite number: "
        "are the features finite, and of the kind that the model was trained on?"
    )
