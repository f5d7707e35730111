"""Matrices: Matrix and DoubleMatrix own their memory, SubMatrix and DoubleSubMatrix view another's."""

from typing import Any, Self

import numpy as np

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix._algebra import MatrixAlgebra
from sonant.kaldi.matrix._checks import (
    Array,
    as_array,
    computed,
    describe,
    in_place,
    index_of,
    kept,
    length_of,
    part,
    shown,
)
from sonant.kaldi.matrix._elements import diagonal, logs, norms, powers, sigmoid, softmax
from sonant.kaldi.matrix._random import generator
from sonant.kaldi.matrix.common import MatrixResizeType, MatrixStrideType, MatrixTransposeType

_NO_TRANS = MatrixTransposeType.NO_TRANS
_ROWS, _COLS = ("row_start", "num_rows"), ("col_start", "num_cols")


class MatrixMethods(MatrixAlgebra):
    __slots__ = ()

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

    # Copying

    @in_place
    def copy_(self, src: Any, trans: MatrixTransposeType = _NO_TRANS):
        """Copies the elements of a matrix, or of its transpose, of the same shape and either precision."""
        self._array[...] = self._mat(src, self._array.shape, "src", trans)

    @in_place
    def copy_row_from_vec_(self, v: Any, row: int):
        self._array[index_of(row, self.num_rows, "row")] = self._vec(v, self.num_cols, "v")

    @in_place
    def copy_col_from_vec_(self, v: Any, col: int):
        self._array[:, index_of(col, self.num_cols, "col")] = self._vec(v, self.num_rows, "v")

    @in_place
    def copy_rows_from_vec_(self, v: Any):
        """All elements, row after row, from a vector as long; or every row from a vector as long as a row."""
        vector = self._vec(v, None, "v")
        row = len(vector) == self.num_cols != self._array.size
        self._array[...] = vector if row else self._vec(v, self._array.size, "v").reshape(self._array.shape)

    @in_place
    def copy_cols_from_vec_(self, v: Any):
        """All elements, column after column, from a vector as long; or every column from one as long."""
        vector = self._vec(v, None, "v")
        column = len(vector) == self.num_rows != self._array.size
        self._array.T[...] = (
            vector if column else self._vec(v, self._array.size, "v").reshape(self.shape[::-1])
        )

    @in_place
    def copy_diag_from_vec_(self, v: Any):
        diagonal(self._array)[:] = self._vec(v, min(self._array.shape), "v")

    @in_place
    def copy_lower_to_upper_(self):
        """Makes a square matrix symmetric, by what is below its diagonal."""
        self._square("copy_lower_to_upper_")
        self._array[...] = np.tril(self._array) + np.tril(self._array, -1).T

    @in_place
    def copy_upper_to_lower_(self):
        """Makes a square matrix symmetric, by what is above its diagonal."""
        self._square("copy_upper_to_lower_")
        self._array[...] = np.triu(self._array) + np.triu(self._array, 1).T

    @in_place
    def transpose_(self):
        """A view must be square: it keeps its memory."""
        self._square("transpose_")
        self._array[...] = self._array.T.copy()

    @in_place
    def copy_rows_(self, src: Any, indices: Any):
        """Row r becomes row indices[r] of `src`, or zeros where that is -1."""
        self._array[...] = self._picked(self._mat(src, (None, self.num_cols), "src"), indices)

    @in_place
    def copy_cols_(self, src: Any, indices: Any):
        """Column c becomes column indices[c] of `src`, or zeros where that is -1."""
        self._array.T[...] = self._picked(self._mat(src, (self.num_rows, None), "src").T, indices)

    @in_place
    def add_rows_(self, src: Any, indices: Any, alpha: float = 1.0):
        """Adds `alpha` times row indices[r] of `src` to row r, nothing where that is -1."""
        self._array += alpha * self._picked(self._mat(src, (None, self.num_cols), "src"), indices)

    @in_place
    def add_cols_(self, src: Any, indices: Any):
        """Adds column indices[c] of `src` to column c, nothing where that is -1."""
        self._array.T[...] += self._picked(self._mat(src, (self.num_rows, None), "src").T, indices)

    def _picked(self, rows: Array, indices: Any) -> Array:
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
            raise MatrixError(f"indices are {describe(indices)}; expected a list of integers")
        if chosen.size and not (chosen.min() >= -1 and chosen.max() < len(rows)):
            wrong = next(i for i in chosen.tolist() if not -1 <= i < len(rows))
            raise MatrixIndexError(f"index {wrong} among {describe(indices)}; expected -1 to {len(rows) - 1}")
        if not len(rows):
            return np.zeros((len(chosen), rows.shape[1]), rows.dtype)
        picked = rows[chosen.astype(np.intp)]
        picked[chosen == -1] = 0
        return picked

    # Elements

    @in_place
    def set_zero_(self):
        self._array.fill(0)

    @in_place
    def set_unit_(self):
        """1 on the diagonal, 0 elsewhere; the matrix may be of any shape."""
        self._array.fill(0)
        diagonal(self._array)[:] = 1

    @in_place
    def set_randn_(self):
        """Normal deviates."""
        self._array[...] = generator().standard_normal(self.shape)

    @in_place
    def set_rand_uniform_(self):
        """Uniform deviates in [0, 1)."""
        self._array[...] = generator().random(self.shape)

    @in_place
    def add_(self, alpha: float):
        self._array += alpha

    @in_place
    def add_to_diag_(self, alpha: float):
        diagonal(self._array)[:] += alpha

    @in_place
    def scale_(self, alpha: float):
        self._array *= alpha

    @in_place
    def invert_elements_(self):
        np.reciprocal(self._array, out=self._array)

    @in_place
    def apply_floor_(self, floor: float):
        np.maximum(self._array, floor, out=self._array)

    @in_place
    def apply_ceiling_(self, ceiling: float):
        np.minimum(self._array, ceiling, out=self._array)

    @in_place
    def apply_exp_(self):
        np.exp(self._array, out=self._array)

    @in_place
    def apply_log_(self):
        """Natural logarithm; -inf of 0. Raises MatrixError where an element is negative."""
        self._array[...] = logs(self._array)

    @in_place
    def apply_pow_(self, power: float):
        np.power(self._array, self._dtype(power), out=self._array)

    @in_place
    def apply_pow_abs_(self, power: float, include_sign: bool = False):
        """|x|^power, 0 where x is 0 and the power negative; with x's sign where `include_sign`."""
        self._array[...] = powers(self._array, power, include_sign)

    @in_place
    def apply_heaviside_(self):
        """1 where an element is positive, else 0."""
        self._array[...] = self._array > 0

    @computed
    def apply_softmax_(self) -> float:
        """exp(x), normalised over the whole matrix. Returns the logarithm of what they were divided by."""
        return softmax(self._writable(), log=False)

    @in_place
    def sigmoid_(self, src: Any):
        """1 / (1 + exp(-x)) of `src`'s elements."""
        self._array[...] = sigmoid(self._mat(src, self._array.shape, "src"))

    @in_place
    def tanh_(self, src: Any):
        """Hyperbolic tangents of `src`'s elements."""
        self._array[...] = np.tanh(self._mat(src, self._array.shape, "src"))

    @in_place
    def soft_hinge_(self, src: Any):
        """log(1 + exp(x)) of `src`'s elements."""
        self._array[...] = np.logaddexp(self._mat(src, self._array.shape, "src"), 0)

    @in_place
    def heaviside_(self, src: Any):
        """1 where `src`'s element is positive, else 0."""
        self._array[...] = self._mat(src, self._array.shape, "src") > 0

    @in_place
    def diff_sigmoid_(self, value: Any, diff: Any):
        """The derivative `diff` carried back through a sigmoid whose output is `value`."""
        output = self._mat(value, self._array.shape, "value")
        self._array[...] = self._mat(diff, self._array.shape, "diff") * output * (1 - output)

    @in_place
    def diff_tanh_(self, value: Any, diff: Any):
        """The derivative `diff` carried back through a tanh whose output is `value`."""
        output = self._mat(value, self._array.shape, "value")
        self._array[...] = self._mat(diff, self._array.shape, "diff") * (1 - np.square(output))

    # Groups of columns: as many of a row of the greater matrix as make up one column of the smaller

    def _groups(self, fine: Array, coarse: Array) -> Array:
        """The finer matrix as (rows, coarse columns, columns in each)."""
        if not coarse.shape[1] or fine.shape[1] % coarse.shape[1] or fine.shape[0] != coarse.shape[0]:
            raise MatrixError(
                f"{shown(fine.shape)} and {shown(coarse.shape)} are no groups of columns: expected as many "
                "rows, and columns that divide"
            )
        return fine.reshape(*coarse.shape, fine.shape[1] // coarse.shape[1])

    @in_place
    def group_pnorm_(self, src: Any, power: float):
        """Each element becomes the p-norm of its group of columns of `src`."""
        self._array[...] = norms(self._groups(self._mat(src, (None, None), "src"), self._array), power)

    @in_place
    def group_max_(self, src: Any):
        """Each element becomes the greatest of its group of columns of `src`."""
        self._array[...] = self._groups(self._mat(src, (None, None), "src"), self._array).max(-1)

    @in_place
    def group_pnorm_deriv_(self, input: Any, output: Any, power: float):
        """The derivative of group_pnorm_'s `output` by its `input`, of the shape of `input`."""
        source, norm = self._mat(input, self._array.shape, "input"), self._mat(output, (None, None), "output")
        grouped, norm = self._groups(source, norm), norm[..., None]
        if np.isinf(power):
            slope = np.where(np.abs(grouped) == norm, np.sign(grouped), 0)
        else:
            slope = np.sign(grouped) * powers(grouped, power - 1, False) * np.power(norm, 1 - power)
        self._array[...] = np.where(norm == 0, 0, slope).reshape(self._array.shape)

    @in_place
    def group_max_deriv_(self, input: Any, output: Any):
        """1 where an element of `input` is its group's greatest, else 0."""
        source, greatest = (
            self._mat(input, self._array.shape, "input"),
            self._mat(output, (None, None), "output"),
        )
        self._array[...] = (self._groups(source, greatest) == greatest[..., None]).reshape(self._array.shape)

    @in_place
    def mul_rows_group_mat_(self, src: Any):
        """Multiplies each group of columns by its element of `src`."""
        factors = self._mat(src, (self.num_rows, None), "src")
        self._array[...] = (self._groups(self._array, factors) * factors[..., None]).reshape(
            self._array.shape
        )


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
        r: int,
        c: int,
        resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO,
        stride_type: MatrixStrideType = MatrixStrideType.DEFAULT,
    ) -> Self:
        """Another number of rows and columns, in new memory: views taken before keep the old elements."""
        resized = np.zeros((length_of(r, "r"), length_of(c, "c")), self._dtype)
        if resize_type == MatrixResizeType.COPY_DATA:
            rows, cols = min(r, self.num_rows), min(c, self.num_cols)
            resized[:rows, :cols] = self._array[:rows, :cols]
        self._array = resized
        return self

    def _replace(self, array: Any) -> None:
        self._array = array

    @in_place
    def transpose_(self):
        self._array = np.ascontiguousarray(self._array.T)

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
