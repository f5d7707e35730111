"""Statistics that trees are built from (Kaldi's `tree/clusterable-classes`), and their files."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.matrix import DoubleVector
from sonant.kaldi.matrix._checks import operand
from sonant.kaldi.tree.event_map import read_event_type, write_event_type

Stats = Sequence[tuple[list[tuple[int, int]], "Clusterable"]]


class Clusterable(ABC):
    """Statistics with an objective function, such as the log-likelihood of what they were made of."""

    @abstractmethod
    def copy(self) -> Self: ...

    @abstractmethod
    def objf(self) -> float:
        """The objective function."""

    @abstractmethod
    def normalizer(self) -> float:
        """The count by which the objective function may be divided."""

    @abstractmethod
    def set_zero(self) -> None: ...

    @abstractmethod
    def add(self, other: Any) -> None: ...

    @abstractmethod
    def sub(self, other: Any) -> None: ...

    @abstractmethod
    def scale(self, scale: float) -> None: ...

    @abstractmethod
    def read_new(self, is_: Input, binary: bool) -> Self:
        """Reads statistics of the kind of this object. Raises ArkError for anything else."""

    @abstractmethod
    def write(self, os: Output, binary: bool) -> None: ...

    @abstractmethod
    def type(self) -> str:
        """The name of the kind."""

    def objf_plus(self, other: Any) -> float:
        """The objective function with `other` added."""
        copied = self.copy()
        copied.add(other)
        return copied.objf()

    def objf_minus(self, other: Any) -> float:
        """The objective function with `other` taken away."""
        copied = self.copy()
        copied.sub(other)
        return copied.objf()

    def distance(self, other: Any) -> float:
        """What is lost of the objective function where both are one."""
        return max(0.0, self.objf() + other.objf() - self.objf_plus(other))


class GaussClusterable(Clusterable):
    """Count, sum and sum of squares of frames; the objective function is the likelihood under their Gaussian.

    Its variances are diagonal and at least `var_floor`.
    """

    def __init__(self) -> None:
        self._count, self._var_floor = 0.0, 0.0
        self._stats = np.zeros((2, 0))

    @classmethod
    def new_with_dim(cls, dim: int, var_floor: float) -> "GaussClusterable":
        """Empty statistics of frames of a dimension."""
        stats = cls()
        stats._stats, stats._var_floor = np.zeros((2, dim)), _single(var_floor)
        return stats

    @classmethod
    def new_with_stats(
        cls, x_stats: Any, x2_stats: Any, var_floor: float, count: float
    ) -> "GaussClusterable":
        """From a sum of frames and of squared frames (dim,)."""
        stats = cls()
        first = operand(x_stats, (None,), np.float64, "x_stats")
        second = operand(x2_stats, (len(first),), np.float64, "x2_stats")
        stats._stats, stats._var_floor, stats._count = np.stack([first, second]), _single(var_floor), count
        return stats

    def add_stats(self, vec: Any, weight: float = 1.0) -> None:
        """Adds a frame (dim,)."""
        frame = operand(vec, (self._stats.shape[1],), np.float64, "vec")
        self._count += weight
        self._stats += weight * np.stack([frame, frame**2])

    def count(self) -> float:
        return self._count

    def x_stats(self) -> DoubleVector:
        """(dim,): the sum of frames, a copy."""
        return DoubleVector(self._stats[0])

    def x2_stats(self) -> DoubleVector:
        """(dim,): the sum of squared frames, a copy."""
        return DoubleVector(self._stats[1])

    def copy(self) -> "GaussClusterable":
        return GaussClusterable.new_with_stats(self._stats[0], self._stats[1], self._var_floor, self._count)

    def objf(self) -> float:
        if self._count <= 0:
            return 0.0
        mean, square = self._stats / self._count
        variance = np.maximum(square - mean**2, self._var_floor)
        spread = (square - mean**2) / variance
        return float(-0.5 * self._count * (np.log(variance) + np.log(2 * np.pi) + spread).sum())

    def normalizer(self) -> float:
        return self._count

    def set_zero(self) -> None:
        self._count = 0.0
        self._stats[:] = 0

    def add(self, other: "GaussClusterable") -> None:
        self._add(other, 1.0)

    def sub(self, other: "GaussClusterable") -> None:
        self._add(other, -1.0)

    def _add(self, other: "GaussClusterable", sign: float) -> None:
        if other._stats.shape != self._stats.shape:
            raise AcousticModelError(
                f"statistics of dimension {other._stats.shape[1]}; expected {self._stats.shape[1]}"
            )
        self._count += sign * other._count
        self._stats += sign * other._stats

    def scale(self, scale: float) -> None:
        self._count *= scale
        self._stats *= scale

    def type(self) -> str:
        return "gauss"

    def read_new(self, is_: Input, binary: bool) -> "GaussClusterable":
        is_.expect(binary, "GCL")
        read = GaussClusterable()
        read._count, read._var_floor = is_.real(binary), _single(is_.real(binary))
        read._stats = is_.matrix(binary, "float64")
        if read._stats.shape[0] != 2:
            is_.error(f"expected a matrix of 2 rows, found {read._stats.shape[0]}")
        return read

    def write(self, os: Output, binary: bool) -> None:
        os.token(binary, "GCL")
        os.float64(binary, self._count)
        os.float64(binary, self._var_floor)
        os.matrix(binary, self._stats)


def _single(value: float) -> float:
    """In the precision in which Kaldi keeps it."""
    return float(np.float32(value))


def read_build_tree_stats(
    is_: Input, binary: bool, example: Clusterable
) -> list[tuple[list[tuple[int, int]], Clusterable | None]]:
    """[(event, statistics of the kind of `example`)], as acc-tree-stats writes them. Raises ArkError."""
    is_.expect(binary, "BTS")
    stats = []
    for _ in range(is_.integer(binary, signed=False)):
        event = read_event_type(is_, binary)
        if is_.boolean(binary):
            stats.append((event, example.read_new(is_, binary)))
        else:
            stats.append((event, None))
    return stats


def write_build_tree_stats(os: Output, binary: bool, stats: Stats) -> None:
    os.token(binary, "BTS")
    os.integer(binary, len(stats), signed=False)
    for event, clusterable in stats:
        write_event_type(os, binary, event)
        os.boolean(binary, clusterable is not None)
        if clusterable is not None:
            clusterable.write(os, binary)
    if not binary:
        os.write(b"\n")
