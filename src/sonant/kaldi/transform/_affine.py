"""Affine transforms, and the statistics that they are estimated from."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import as_array, destination
from sonant.kaldi.matrix import DoubleMatrix, Matrix
from sonant.kaldi.matrix.packed import DoubleSpMatrix


class AffineXformStats:
    """Statistics for a transform (dim, dim + 1) of features x that were extended by a one, x+.

    For Gaussians of posterior g, mean m and variance v: beta is the sum of g; row i of K the sum of
    g m_i / v_i x+; G_i the sum of g / v_i x+ x+'. (Gales 1998, "Maximum likelihood linear transformations for
    HMM-based speech recognition".)
    """

    beta_: float = 0.0

    def __init__(self) -> None:
        self.init(0, 0)

    @classmethod
    def new(cls, other: "AffineXformStats") -> "AffineXformStats":
        """A copy."""
        stats = AffineXformStats()
        stats.copy_stats(other)
        return stats

    def init(self, dim: int, num_gs: int) -> None:
        """Zeros for features of `dim` columns, with `num_gs` matrices G."""
        self.beta_ = 0.0
        self._k = np.zeros((dim, dim + 1)) if dim else np.zeros((0, 0))
        self._g = np.zeros((num_gs, dim + 1, dim + 1))

    @property
    def dim_(self) -> int:
        return len(self._k)

    def dim(self) -> int:
        """Columns of the features."""
        return len(self._k)

    @property
    def K_(self) -> DoubleMatrix:
        """A view of K, (dim, dim + 1)."""
        return DoubleMatrix.from_numpy(self._k)

    @K_.setter
    def K_(self, value: Any) -> None:
        self._k = np.array(as_array(value, 2, np.float64, "K_"))

    @property
    def G_(self) -> list[DoubleSpMatrix]:
        """Copies of the matrices G, each (dim + 1, dim + 1)."""
        return [DoubleSpMatrix.from_triangle(triangle(matrix)) for matrix in self._g]

    @G_.setter
    def G_(self, value: Sequence[Any]) -> None:
        self._g = np.array([np.asarray(matrix, np.float64) for matrix in value])

    def set_zero(self) -> None:
        self.init(len(self._k), len(self._g))

    def copy_stats(self, other: "AffineXformStats") -> None:
        """Takes a copy of the other's."""
        self.beta_, self._k, self._g = other.beta_, other._k.copy(), other._g.copy()

    def add(self, other: "AffineXformStats") -> None:
        """Adds the other's. FeatureError where they are of another dimension."""
        if self._g.shape != other._g.shape:
            raise FeatureError(
                f"statistics of dimension {other.dim()} with {len(other._g)} matrices G cannot be added "
                f"to those of {self.dim()} with {len(self._g)}"
            )
        self.beta_ += other.beta_
        self._k += other._k
        self._g += other._g

    def write(self, os: Any, binary: bool) -> None:
        """Writes the statistics to an Output; matrices in single precision, as Kaldi does."""
        os.token(binary, "<DIMENSION>")
        os.integer(binary, self.dim())
        end_line(os, binary)
        os.token(binary, "<BETA>")
        os.float64(binary, self.beta_)
        end_line(os, binary)
        os.token(binary, "<K>")
        os.matrix(binary, self._k.astype(np.float32))
        os.token(binary, "<G>")
        os.integer(binary, len(self._g))
        end_line(os, binary)
        for matrix in self._g:
            os.packed(binary, triangle(matrix).astype(np.float32))

    def read(self, is_: Any, binary: bool, add: bool = False) -> None:
        """Reads statistics from an Input, or adds them to these. Raises ArkError for anything else."""
        stats = AffineXformStats()
        is_.expect(binary, "<DIMENSION>")
        dim = is_.integer(binary)
        is_.expect(binary, "<BETA>")
        stats.beta_ = is_.real(binary)
        is_.expect(binary, "<K>")
        stats._k = is_.matrix(binary, "float64")
        is_.expect(binary, "<G>")
        count = is_.integer(binary)
        if stats._k.shape != ((dim, dim + 1) if dim else (0, 0)) or count < 0:
            is_.error(
                f"statistics of dimension {dim} with K of shape {stats._k.shape} and {count} matrices G; "
                f"expected K of {dim} x {dim + 1}"
            )
        matrices = [square(is_.packed(binary, "float64")) for _ in range(count)]
        if any(len(matrix) != dim + 1 for matrix in matrices):
            is_.error(f"statistics of dimension {dim} with matrices G of another; expected {dim + 1} rows")
        stats._g = np.array(matrices).reshape(count, dim + 1, dim + 1)
        if add and self.dim():
            self.add(stats)
        else:
            self.copy_stats(stats)

    def __copy__(self) -> Self:
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.copy_stats(self)
        return copy


def end_line(os: Any, binary: bool) -> None:
    """Ends a line, in text only."""
    if not binary:
        os.write(b"\n")


def triangle(matrix: np.ndarray) -> np.ndarray:
    """The lower triangle of a symmetric matrix, row by row."""
    return matrix[np.tril_indices(len(matrix))]


def square(packed: np.ndarray) -> np.ndarray:
    """The symmetric matrix of a lower triangle."""
    rows = int((2 * len(packed)) ** 0.5)
    matrix = np.zeros((rows, rows))
    matrix[np.tril_indices(rows)] = packed
    return matrix + np.tril(matrix, -1).T


def apply_affine_transform(xform: Any, vec: Any) -> None:
    """Replaces a vector x (dim,) by the transform (dim, dim + 1) of [x; 1]."""
    dim = len(vec)
    matrix = as_array(xform, 2, np.float32, "xform")
    if matrix.shape != (dim, dim + 1):
        raise FeatureError(
            f"a transform of shape {matrix.shape} for a vector of {dim}; expected ({dim}, {dim + 1})"
        )
    vector = destination(vec, (dim,), "vec")
    vector[:] = matrix[:, :dim] @ vector + matrix[:, dim]


def compose_transforms(a: Any, b: Any, b_is_affine: bool) -> Matrix:
    """The transform that applies `b`, then `a`. Each may be linear or affine, with an offset as last column.

    a: (rows, n) or affine (rows, n + 1), where b has n rows.
    b_is_affine: whether b's last column is an offset; where a is affine the result is too.
    Raises FeatureError for an empty matrix, and where the shapes do not fit.
    """
    left, right = as_array(a, 2, np.float32, "a"), as_array(b, 2, np.float32, "b")
    if not left.size or not right.size:
        raise FeatureError(
            f"transforms of shapes {left.shape} and {right.shape}; expected none that is empty"
        )
    rows, columns = right.shape
    if left.shape[1] == rows + 1:
        # [b; 1] under it a row that hands on the one, with a column for it where b has none.
        extended = np.zeros((rows + 1, columns if b_is_affine else columns + 1), np.float32)
        extended[:rows, :columns] = right
        extended[rows, -1] = 1
        right = extended
    elif left.shape[1] != rows:
        raise FeatureError(
            f"a has {left.shape[1]} columns; expected {rows}, as b has rows, or {rows + 1} with an offset"
        )
    return Matrix(left @ right)
