"""Matrices: Matrix and DoubleMatrix own their memory, SubMatrix and DoubleSubMatrix view another's."""

from typing import Any, Self

import numpy as np

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix._array import ArrayBase, as_array, describe, kept, length_of, part
from sonant.kaldi.matrix.common import MatrixResizeType, MatrixStrideType, MatrixTransposeType

_ROWS, _COLS = ("row_start", "num_rows"), ("col_start", "num_cols")


class MatrixMethods(ArrayBase):
    __slots__ = ()
    _ndim = 2
    _stream_method = "matrix"

    @property
    def num_rows(self) -> int:
        return self._array.shape[0]

    @property
    def num_cols(self) -> int:
        return self._array.shape[1]

    @property
    def stride(self) -> int:
        """Elements from the start of a row to the start of the next."""
        return self._array.strides[0] // self._array.itemsize if self.num_rows > 1 else self.num_cols

    def clone(self) -> Any:
        """A copy that owns its memory: a Matrix or DoubleMatrix."""
        return self._matrix.from_numpy(self._array.copy())

    def row(self, index: int) -> Any:
        """A view of one row."""
        return self._subvector.from_numpy(self._row(index))

    def row_data(self, index: int) -> memoryview:
        """The memory of one row."""
        return self._row(index).data

    def _row(self, index: int) -> Any:
        if not isinstance(index, int | np.integer):
            raise MatrixIndexError(f"row {index!r} of {describe(self)}: expected an integer")
        return self._at(index)

    def range(self, row_start: int, num_rows: int, col_start: int, num_cols: int) -> Any:
        """A view of rows from `row_start` and columns from `col_start`."""
        rows, cols = (
            part(row_start, num_rows, self.num_rows, _ROWS),
            part(col_start, num_cols, self.num_cols, _COLS),
        )
        return self._submatrix.from_numpy(self._array[rows, cols])

    def row_range(self, row_start: int, num_rows: int) -> Any:
        """A view of `num_rows` rows."""
        return self._submatrix.from_numpy(self._array[part(row_start, num_rows, self.num_rows, _ROWS)])

    def col_range(self, col_start: int, num_cols: int) -> Any:
        """A view of `num_cols` columns."""
        return self._submatrix.from_numpy(self._array[:, part(col_start, num_cols, self.num_cols, _COLS)])

    def copy_(self, src: Any, trans: MatrixTransposeType = MatrixTransposeType.NO_TRANS) -> Self:
        """Copies the elements of a matrix, or of its transpose, of the same shape and either precision."""
        source = as_array(src, 2, self._dtype, "src")
        if trans == MatrixTransposeType.TRANS:
            source = source.T
        if source.shape != self._array.shape:
            raise MatrixError(f"{describe(src)} cannot be copied into {describe(self)}")
        self._writable()[:] = source
        return self


class OwningMatrix(MatrixMethods):
    """Matrix(), Matrix(num_rows, num_cols) of zeros, or Matrix(obj): a copy of what numpy takes as one."""

    __slots__ = ()

    def __init__(self, *args: Any):
        if len(args) > 2:
            raise TypeError(f"{type(self).__name__} takes no more than 2 arguments; {len(args)} were given")
        if len(args) == 1:
            self._array = np.array(as_array(args[0], 2, self._dtype, type(self).__name__), order="C")
        else:
            rows, cols = args or (0, 0)
            self._array = np.zeros((length_of(rows, "num_rows"), length_of(cols, "num_cols")), self._dtype)

    @classmethod
    def from_size(
        cls,
        r: int,
        c: int,
        resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO,
        stride_type: MatrixStrideType = MatrixStrideType.DEFAULT,
    ) -> Self:
        return cls(r, c)

    @classmethod
    def from_matrix(cls, M: Any, trans: MatrixTransposeType = MatrixTransposeType.NO_TRANS) -> Self:
        array = as_array(M, 2, cls._dtype, "M")
        return cls(array.T if trans == MatrixTransposeType.TRANS else array)

    def resize_(
        self,
        num_rows: int,
        num_cols: int,
        resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO,
        stride_type: MatrixStrideType = MatrixStrideType.DEFAULT,
    ) -> Self:
        """Another shape, in new memory: views that were taken before keep the old elements."""
        resized = np.zeros((length_of(num_rows, "num_rows"), length_of(num_cols, "num_cols")), self._dtype)
        if resize_type == MatrixResizeType.COPY_DATA:
            rows, cols = min(num_rows, self.num_rows), min(num_cols, self.num_cols)
            resized[:rows, :cols] = self._array[:rows, :cols]
        self._array = resized
        return self

    def _replace(self, array: Any) -> None:
        self._array = array

    def swap_(self, other: "OwningMatrix") -> Self:
        """Exchanges the memory of two matrices of the same type."""
        if not isinstance(other, OwningMatrix) or other._dtype is not self._dtype:
            raise MatrixError(f"{type(self).__name__} cannot be swapped with {describe(other)}")
        self._array, other._array = other._array, self._array
        return self

    def __delitem__(self, index: int) -> None:
        """Removes a row: the others move into new memory."""
        if not isinstance(index, int | np.integer) or not 0 <= index < self.num_rows:
            raise MatrixIndexError(f"del [{index!r}] of {describe(self)}: expected 0 to {self.num_rows - 1}")
        self._array = np.delete(self._array, index, axis=0)


class ViewingMatrix(MatrixMethods):
    """SubMatrix(obj, row_start=0, num_rows=None, col_start=0, num_cols=None): a view of a part of `obj`.

    `obj` is a matrix or anything that numpy takes as one. Memory is shared where `obj` has this type of
    elements, contiguous in each row; a copy is made where it has not. A view cannot be resized.
    """

    __slots__ = ()

    def __init__(
        self,
        obj: Any,
        row_start: int = 0,
        num_rows: int | None = None,
        col_start: int = 0,
        num_cols: int | None = None,
    ):
        array = as_array(obj, 2, self._dtype, type(self).__name__)
        rows, cols = (
            part(row_start, num_rows, len(array), _ROWS),
            part(col_start, num_cols, array.shape[1], _COLS),
        )
        self._array = kept(array[rows, cols])
