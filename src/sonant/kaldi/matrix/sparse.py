"""Sparse vectors and matrices, and matrices of any kind (PyKaldi's `kaldi.matrix.sparse`)."""

from enum import IntEnum
from typing import Any, Self

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.matrix._checks import Array, as_array, describe, length_of, write_to
from sonant.kaldi.matrix._sparse import SparseMatrixMethods, SparseVectorMethods
from sonant.kaldi.matrix.common import MatrixTransposeType
from sonant.kaldi.matrix.compressed import CompressedMatrix

__all__ = [
    "DoubleSparseMatrix",
    "DoubleSparseVector",
    "GeneralMatrix",
    "GeneralMatrixType",
    "SparseMatrix",
    "SparseVector",
    "extract_row_range_with_padding",
]

_NO_TRANS, _TRANS = MatrixTransposeType.NO_TRANS, MatrixTransposeType.TRANS


class SparseVector(SparseVectorMethods):
    """SparseVector(dim=0): a vector that stores the elements which are not 0."""

    __slots__ = ()
    _dtype = np.float32


class SparseMatrix(SparseMatrixMethods):
    """SparseMatrix(num_rows=0, num_cols=0): a matrix that stores the elements which are not 0."""

    __slots__ = ()
    _dtype, _vector = np.float32, SparseVector


class DoubleSparseVector(SparseVectorMethods):
    """DoubleSparseVector(dim=0): a vector that stores the elements which are not 0."""

    __slots__ = ()
    _dtype = np.float64


class DoubleSparseMatrix(SparseMatrixMethods):
    """DoubleSparseMatrix(num_rows=0, num_cols=0): a matrix that stores the elements which are not 0."""

    __slots__ = ()
    _dtype, _vector = np.float64, DoubleSparseVector


class GeneralMatrixType(IntEnum):
    """What a GeneralMatrix holds."""

    FULL_MATRIX = 0
    COMPRESSED_MATRIX = 1
    SPARSE_MATRIX = 2


class GeneralMatrix:
    """GeneralMatrix() or GeneralMatrix(matrix): a full, compressed or sparse one, as files have them."""

    __slots__ = ("__weakref__", "_held")

    def __init__(self, matrix: Any = None):
        self._held: Matrix | CompressedMatrix | SparseMatrix = Matrix()
        if isinstance(matrix, GeneralMatrix):
            matrix = matrix._held
        if isinstance(matrix, CompressedMatrix):
            self._held = CompressedMatrix(matrix)
        elif isinstance(matrix, SparseMatrixMethods):
            self._held = SparseMatrix.from_other(matrix)
        elif matrix is not None:
            self._held = Matrix(matrix)

    @classmethod
    def _of(cls, other: Any) -> Self:
        return cls(other)

    from_matrix = from_compressed = from_sparse = from_other = _of

    def type(self) -> GeneralMatrixType:
        """What is held; an empty matrix counts as a full one."""
        if not self.num_rows() or isinstance(self._held, Matrix):
            return GeneralMatrixType.FULL_MATRIX
        if isinstance(self._held, SparseMatrix):
            return GeneralMatrixType.SPARSE_MATRIX
        return GeneralMatrixType.COMPRESSED_MATRIX

    def num_rows(self) -> int:
        return self._held.num_rows

    def num_cols(self) -> int:
        return self._held.num_cols

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows(), self.num_cols()

    def __len__(self) -> int:
        return self.num_rows()

    def clear(self) -> None:
        """Leaves an empty full matrix."""
        self._held = Matrix()

    def compress(self) -> None:
        """Makes a full matrix a compressed one; the others stay."""
        if isinstance(self._held, Matrix) and self.num_rows():
            self._held = CompressedMatrix(self._held)

    def uncompress(self) -> None:
        """Makes a compressed matrix a full one; the others stay."""
        if isinstance(self._held, CompressedMatrix):
            self._held = Matrix(self._held)

    def get_matrix(self) -> Matrix:
        """A full copy, whatever is held."""
        return Matrix(self._held)

    def _get(self, kind: Any) -> Any:
        if not self.num_rows():
            return kind()
        if not isinstance(self._held, kind):
            raise MatrixError(
                f"this GeneralMatrix is a {type(self._held).__name__}; expected a {kind.__name__}"
            )
        return self._held

    def get_full_matrix(self) -> Matrix:
        """A copy of the full matrix. Raises MatrixError where something else is held."""
        return Matrix(self._get(Matrix))

    def get_compressed_matrix(self) -> CompressedMatrix:
        """A copy of the compressed matrix. Raises MatrixError where something else is held."""
        return CompressedMatrix(self._get(CompressedMatrix))

    def get_sparse_matrix(self) -> SparseMatrix:
        """A copy of the sparse matrix. Raises MatrixError where something else is held."""
        return SparseMatrix.from_other(self._get(SparseMatrix))

    def copy_to_mat(self, mat: Any, trans: MatrixTransposeType = _NO_TRANS) -> None:
        """Writes all elements into a matrix of this shape, or of the transposed one."""
        write_to(mat, self._turned(trans), "mat")

    def add_to_mat(self, alpha: float, mat: Any, trans: MatrixTransposeType = _NO_TRANS) -> None:
        """mat += alpha * self, or the transpose"""
        added, dense = self._turned(trans), as_array(mat, 2, np.float32, "mat")
        if added.shape != dense.shape:
            raise MatrixError(f"mat is {describe(mat)}; expected {added.shape[0]}x{added.shape[1]}")
        write_to(mat, dense + np.float32(alpha) * added, "mat")

    def _turned(self, trans: MatrixTransposeType) -> Array:
        dense = np.asarray(self._held)
        return dense.T if trans == _TRANS else dense

    def scale(self, alpha: float) -> None:
        getattr(self._held, "scale" if isinstance(self._held, CompressedMatrix) else "scale_")(alpha)

    def swap(self, other: "GeneralMatrix") -> None:
        """Exchanges contents."""
        self._held, other._held = other._held, self._held

    def _swap_with(self, other: Any) -> None:
        mine = self._get(type(other))
        kept = mine if mine is not self._held else type(mine)(mine)
        self._held = type(other).from_other(other) if isinstance(other, SparseMatrix) else type(other)(other)
        if isinstance(other, CompressedMatrix):
            other.swap(kept)
        else:
            other.swap_(kept)

    def swap_full_matrix(self, cmat: Matrix) -> None:
        """Exchanges contents with a Matrix. Raises MatrixError where something else is held."""
        self._swap_with(cmat)

    def swap_compressed_matrix(self, cmat: CompressedMatrix) -> None:
        """Exchanges contents with a CompressedMatrix. Raises MatrixError where something else is held."""
        self._swap_with(cmat)

    def swap_sparse_matrix(self, smat: SparseMatrix) -> None:
        """Exchanges contents with a SparseMatrix. Raises MatrixError where something else is held."""
        self._swap_with(smat)

    def read(self, is_: Any, binary: bool) -> Self:
        """Reads a full, compressed or sparse matrix from an Input, whichever is there."""
        first = is_.peek_token(binary)
        if first == ("S" if binary else "r"):
            self._held = SparseMatrix().read_(is_, binary)
        elif binary and first == "C":
            self._held = CompressedMatrix().read(is_, binary)
        else:
            self._held = Matrix().read_(is_, binary)
        return self

    read_ = read

    def write(self, os: Any, binary: bool) -> None:
        """Writes what is held to an Output."""
        self._held.write(os, binary)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._held, dtype=dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GeneralMatrix) and self._held == other._held

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"GeneralMatrix({self._held!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return GeneralMatrix, (self._held,)


def extract_row_range_with_padding(matrix: GeneralMatrix, row_offset: int, num_rows: int) -> GeneralMatrix:
    """Rows from `row_offset` on, as the same kind of matrix; rows outside are copies of the first or last."""
    if not matrix.num_rows():
        raise MatrixError(f"{num_rows} rows of a matrix without rows; expected 1 or more to repeat")
    rows = np.arange(row_offset, row_offset + length_of(num_rows, "num_rows"))
    chosen = np.clip(rows, 0, matrix.num_rows() - 1)
    held = matrix._held
    if isinstance(held, CompressedMatrix):
        part: Any = CompressedMatrix.new_with_range(held, row_offset, num_rows, 0, held.num_cols, True)
    elif isinstance(held, SparseMatrix):
        part = SparseMatrix._of(held.num_cols, [held._rows[row] for row in chosen])
    else:
        part = held.numpy()[chosen]
    return GeneralMatrix(part)
