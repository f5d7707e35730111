"""Statistics of frames for the estimation of mixtures: what diagonal and full ones have in common."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.flags import GmmUpdateFlags, augment_gmm_flags
from sonant.kaldi.gmm.mixture import Mixture
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector
from sonant.kaldi.matrix._checks import operand

Array = np.ndarray


class Statistics(ABC):
    """Of each Gaussian: occupancy, sum of frames, sum of their second moments; which ones, `flags_` say."""

    _occupancy: Array  # (gaussians,)
    _means: Array  # (gaussians, dim), or (0, 0)
    _squares: Array  # (gaussians, numbers), or (0, 0)

    def __init__(self) -> None:
        self.flags_ = 0
        self._occupancy, self._means, self._squares = np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))
        self._dim = 0

    @abstractmethod
    def _moments(self, frames: Array) -> Array:
        """(frames, numbers): the second moments of frames (frames, dim)."""

    @abstractmethod
    def _numbers(self, dim: int) -> int:
        """How many numbers the second moments of a frame are."""

    @abstractmethod
    def _read_squares(self, is_: Input, binary: bool) -> Array:
        """Reads what comes between the means and the end of the file; the rest is read already."""

    @abstractmethod
    def _write_squares(self, os: Output, binary: bool) -> None: ...

    def _copy(self) -> Self:
        copied = type(self)()
        copied.flags_, copied._dim = self.flags_, self._dim
        copied._occupancy, copied._means, copied._squares = (a.copy() for a in self._arrays())
        return copied

    def _arrays(self) -> tuple[Array, Array, Array]:
        return self._occupancy, self._means, self._squares

    def resize(self, num_gauss: int, dim: int, flags: int) -> None:
        """Becomes empty statistics; `flags` are augmented by what they need."""
        if num_gauss < 0 or dim < 0:
            raise AcousticModelError(f"statistics of {num_gauss} Gaussians of dimension {dim}")
        self.flags_, self._dim = int(augment_gmm_flags(flags)), dim
        self._occupancy = np.zeros(num_gauss)
        self._means = np.zeros((num_gauss, dim) if self.flags_ & GmmUpdateFlags.MEANS else (0, 0))
        numbers = self._numbers(dim)
        self._squares = np.zeros((num_gauss, numbers) if self.flags_ & GmmUpdateFlags.VARIANCES else (0, 0))

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
            self._squares += posteriors.T @ self._moments(frames)

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

    def _accumulate(self, gmm: Mixture, data: Any, frame_posterior: float) -> float:
        self._check_fits(gmm)
        total, posteriors = gmm._posteriors(gmm._frames(data, 1))
        self._add(posteriors.astype(np.float64) * frame_posterior, self._frame(data))
        return float(total[0])

    def _check_fits(self, gmm: Mixture) -> None:
        if (gmm.num_gauss(), gmm.dim()) != (self.num_gauss(), self._dim):
            raise AcousticModelError(
                f"statistics of {self.num_gauss()} x {self._dim} "
                f"for a mixture of {gmm.num_gauss()} x {gmm.dim()}; expected the same"
            )

    def add(self, scale: float, acc: Self) -> None:
        """Adds other statistics, times `scale`."""
        self._check_same(acc)
        for array, other in zip(self._arrays(), acc._arrays(), strict=True):
            array += scale * other

    def _check_same(self, acc: "Statistics") -> None:
        ours, theirs = (tuple(a.shape for a in x._arrays()) for x in (self, acc))
        if ours != theirs:
            raise AcousticModelError(f"statistics of shapes {theirs}; expected {ours}")

    # Files

    def read(self, in_stream: Input, binary: bool, add: bool) -> None:
        """Reads statistics, adding them to what is there if `add`. Raises ArkError for anything else."""
        in_stream.expect(binary, "<GMMACCS>")
        in_stream.expect(binary, "<VECSIZE>")
        dim = in_stream.integer(binary)
        in_stream.expect(binary, "<NUMCOMPONENTS>")
        count = in_stream.integer(binary)
        in_stream.expect(binary, "<FLAGS>")
        read = type(self)()
        read.flags_, read._dim = in_stream.integer(binary, size=2, signed=False), dim
        in_stream.expect(binary, "<OCCUPANCY>")
        read._occupancy = in_stream.vector(binary, "float64")
        in_stream.expect(binary, "<MEANACCS>")
        read._means = in_stream.matrix(binary, "float64")
        if len(read._occupancy) == count and read._means.shape in ((count, dim), (0, 0)):
            read._squares = read._read_squares(in_stream, binary)
            in_stream.expect(binary, "</GMMACCS>")
        expected = ((count,), (count, dim), (count, self._numbers(dim)))
        if any(a.shape not in (shape, (0, 0)) for a, shape in zip(read._arrays(), expected, strict=True)):
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
        self._write_squares(out_stream, binary)
        out_stream.token(binary, "</GMMACCS>")
