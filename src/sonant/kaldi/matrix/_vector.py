"""Vectors: Vector and DoubleVector own their memory, SubVector and DoubleSubVector view another's."""

from typing import Any, Self

import numpy as np

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix._array import ArrayBase
from sonant.kaldi.matrix._checks import (
    as_array,
    computed,
    describe,
    in_place,
    index_of,
    kept,
    length_of,
    part,
)
from sonant.kaldi.matrix._elements import approximately, log_sum_exp, logs, norms, powers, sigmoid, softmax
from sonant.kaldi.matrix._random import generator
from sonant.kaldi.matrix.common import MatrixResizeType, MatrixTransposeType

_NO_TRANS = MatrixTransposeType.NO_TRANS


class VectorMethods(ArrayBase):
    __slots__ = ()
    _ndim = 1
    _stream_method = "vector"

    @property
    def dim(self) -> int:
        """Number of elements."""
        return len(self._array)

    def clone(self) -> Any:
        """A copy that owns its memory: a Vector or DoubleVector."""
        return self._vector.from_numpy(self._array.copy())

    def range(self, start: int, length: int) -> Any:
        """A view of `length` elements from `start`."""
        return self._subvector.from_numpy(self._array[part(start, length, self.dim, ("start", "length"))])

    # Copying

    @in_place
    def copy_(self, src: Any):
        """Copies the elements of a vector of the same length, of either precision."""
        self._array[:] = self._vec(src, self.dim, "src")

    @in_place
    def copy_row_from_mat_(self, M: Any, row: int):
        """Copies row `row` of a matrix."""
        self._array[:] = self._mat(M, (None, self.dim), "M")[index_of(row, len(M), "row")]

    @in_place
    def copy_col_from_mat_(self, M: Any, col: int):
        """Copies column `col` of a matrix."""
        matrix = self._mat(M, (self.dim, None), "M")
        self._array[:] = matrix[:, index_of(col, matrix.shape[1], "col")]

    @in_place
    def copy_rows_from_mat_(self, M: Any):
        """Copies all elements of a matrix, row after row."""
        self._array[:] = self._vec(self._mat(M, (None, None), "M").ravel(), self.dim, "M")

    @in_place
    def copy_cols_from_mat_(self, M: Any):
        """Copies all elements of a matrix, column after column."""
        self._array[:] = self._vec(self._mat(M, (None, None), "M").T.ravel(), self.dim, "M")

    @in_place
    def copy_diag_from_mat_(self, M: Any):
        """Copies the diagonal of a matrix."""
        self._array[:] = self._vec(self._mat(M, (None, None), "M").diagonal(), self.dim, "M's diagonal")

    @in_place
    def copy_from_packed_(self, M: Any):
        """Copies the lower triangle, row after row, of a symmetric or triangular matrix."""
        packed = getattr(M, "_packed", None)
        if packed is None:
            raise MatrixError(f"M is {describe(M)}; expected an SpMatrix or TpMatrix")
        self._array[:] = self._vec(packed, self.dim, "M's lower triangle")

    # Elements

    @in_place
    def set_(self, f: float):
        self._array.fill(f)

    @in_place
    def set_zero_(self):
        self._array.fill(0)

    @in_place
    def set_randn_(self):
        """Normal deviates."""
        self._array[:] = generator().standard_normal(self.dim)

    @in_place
    def set_rand_uniform_(self):
        """Uniform deviates in [0, 1)."""
        self._array[:] = generator().random(self.dim)

    set_randn_uniform_ = set_rand_uniform_  # what PyKaldi's double vectors call it

    @in_place
    def add_(self, value: float):
        self._array += value

    @in_place
    def scale_(self, alpha: float):
        self._array *= alpha

    @in_place
    def replace_value_(self, orig: float, changed: float):
        """Puts `changed` in the place of every element that equals `orig`."""
        self._array[self._array == self._dtype(orig)] = changed

    @in_place
    def invert_elements_(self):
        np.reciprocal(self._array, out=self._array)

    @in_place
    def apply_abs_(self):
        np.abs(self._array, out=self._array)

    @in_place
    def apply_exp_(self):
        np.exp(self._array, out=self._array)

    @in_place
    def apply_log_(self):
        """Natural logarithm; -inf of 0. Raises MatrixError where an element is negative."""
        self._array[:] = logs(self._array)

    @in_place
    def apply_log_and_copy_(self, v: Any):
        """The logarithms of `v`'s elements."""
        self._array[:] = logs(self._vec(v, self.dim, "v"))

    @in_place
    def apply_pow_(self, power: float):
        np.power(self._array, self._dtype(power), out=self._array)

    @in_place
    def apply_pow_abs_(self, power: float, include_sign: bool = False):
        """|x|^power, 0 where x is 0 and the power negative; with x's sign where `include_sign`."""
        self._array[:] = powers(self._array, power, include_sign)

    @computed
    def apply_floor_(self, floor: float) -> int:
        """Raises smaller elements to `floor`; returns how many."""
        return self._floored(np.maximum, self._array < floor, floor)

    @computed
    def apply_ceiling_(self, ceiling: float) -> int:
        """Lowers greater elements to `ceiling`; returns how many."""
        return self._floored(np.minimum, self._array > ceiling, ceiling)

    @computed
    def apply_floor_vector_(self, floor: Any) -> int:
        """Raises elements to those of a vector; returns how many."""
        floors = self._vec(floor, self.dim, "floor")
        return self._floored(np.maximum, self._array < floors, floors)

    def _floored(self, bound: np.ufunc, outside: Any, limit: Any) -> int:
        array = self._writable()
        bound(array, limit, out=array)
        return int(np.count_nonzero(outside))

    @in_place
    def apply_floor_no_count_(self, floor: float):
        np.maximum(self._array, floor, out=self._array)

    @in_place
    def apply_ceiling_no_count_(self, ceiling: float):
        np.minimum(self._array, ceiling, out=self._array)

    @computed
    def apply_softmax_(self) -> float:
        """exp(x), normalised to a sum of 1. Returns the logarithm of what they were divided by."""
        return softmax(self._writable(), log=False)

    @computed
    def apply_log_softmax_(self) -> float:
        """Logarithms of the softmax. Returns what was subtracted."""
        return softmax(self._writable(), log=True)

    @in_place
    def sigmoid_(self, src: Any):
        """1 / (1 + exp(-x)) of `src`'s elements."""
        self._array[:] = sigmoid(self._vec(src, self.dim, "src"))

    @in_place
    def tanh_(self, src: Any):
        """Hyperbolic tangents of `src`'s elements."""
        np.tanh(self._vec(src, self.dim, "src"), out=self._array)

    # Sums and products

    @in_place
    def add_vec_(self, alpha: float, v: Any):
        """self += alpha * v"""
        self._array += alpha * self._vec(v, self.dim, "v")

    @in_place
    def add_vec2_(self, alpha: float, v: Any):
        """self += alpha * v * v, element by element"""
        self._array += alpha * np.square(self._vec(v, self.dim, "v"))

    @in_place
    def add_vec_vec_(self, alpha: float, v: Any, r: Any, beta: float):
        """self = alpha * v * r + beta * self, element by element"""
        self._blend(alpha, self._vec(v, self.dim, "v") * self._vec(r, self.dim, "r"), beta)

    @in_place
    def add_vec_div_vec_(self, alpha: float, v: Any, r: Any, beta: float):
        """self = alpha * v / r + beta * self, element by element"""
        self._blend(alpha, self._vec(v, self.dim, "v") / self._vec(r, self.dim, "r"), beta)

    @in_place
    def mul_elements_(self, v: Any):
        self._array *= self._vec(v, self.dim, "v")

    @in_place
    def div_elements_(self, v: Any):
        self._array /= self._vec(v, self.dim, "v")

    @in_place
    def add_mat_vec_(
        self, alpha: float, M: Any, trans: MatrixTransposeType, v: Any, beta: float, sparse: bool = False
    ):
        """self = alpha * M v + beta * self, or M's transpose; `sparse`, Kaldi's hint, changes nothing."""
        matrix = self._mat(M, (self.dim, None), "M", trans)
        self._blend(alpha, matrix @ self._vec(v, matrix.shape[1], "v"), beta)

    @in_place
    def add_row_sum_mat_(self, alpha: float, M: Any, beta: float = 1.0):
        """self = alpha * (sum of M's rows) + beta * self"""
        self._blend(alpha, self._mat(M, (None, self.dim), "M").sum(0), beta)

    @in_place
    def add_col_sum_mat_(self, alpha: float, M: Any, beta: float = 1.0):
        """self = alpha * (sum of M's columns) + beta * self"""
        self._blend(alpha, self._mat(M, (self.dim, None), "M").sum(1), beta)

    @in_place
    def add_diag_mat2_(self, alpha: float, M: Any, trans: MatrixTransposeType = _NO_TRANS, beta: float = 1.0):
        """self = alpha * diag(M M') + beta * self, or diag(M' M)"""
        self._blend(alpha, np.square(self._mat(M, (self.dim, None), "M", trans)).sum(1), beta)

    @in_place
    def add_diag_mat_mat_(
        self,
        alpha: float,
        M: Any,
        transM: MatrixTransposeType,
        N: Any,
        transN: MatrixTransposeType,
        beta: float = 1.0,
    ):
        """self = alpha * diag(M N) + beta * self"""
        first = self._mat(M, (self.dim, None), "M", transM)
        second = self._mat(N, first.shape[::-1], "N", transN)
        self._blend(alpha, np.einsum("ij,ji->i", first, second), beta)

    @in_place
    def mul_tp_(self, M: Any, trans: MatrixTransposeType):
        """self = M self, with the triangular matrix or its transpose"""
        self._array[:] = self._mat(M, (self.dim, self.dim), "M", trans) @ self._array

    @in_place
    def solve_(self, M: Any, trans: MatrixTransposeType):
        """Replaces b by the x of M x = b, for the triangular matrix or its transpose."""
        self._array[:] = np.linalg.solve(self._mat(M, (self.dim, self.dim), "M", trans), self._array)

    # Numbers

    @computed
    def sum(self) -> float:
        return float(self._array.sum(dtype=np.float64))

    @computed
    def sum_log(self) -> float:
        """Sum of the logarithms."""
        return float(np.log(self._array, dtype=np.float64).sum())

    @computed
    def log_sum_exp(self, prune: float = -1.0) -> float:
        """log(sum(exp(x))); with a positive `prune`, of those within `prune` of the greatest."""
        return log_sum_exp(self._array, prune)

    @computed
    def norm(self, p: float) -> float:
        """(sum |x|^p)^(1/p): the number of elements that are not 0 for p = 0, the greatest for infinity."""
        return float(norms(self._array, p))

    def max(self) -> float:
        """-inf where there are no elements."""
        return float(self._array.max(initial=-np.inf))

    def min(self) -> float:
        """inf where there are no elements."""
        return float(self._array.min(initial=np.inf))

    def max_index(self) -> tuple[float, int]:
        """(value, index) of the first greatest element."""
        return self._at_index(np.argmax)

    def min_index(self) -> tuple[float, int]:
        """(value, index) of the first smallest element."""
        return self._at_index(np.argmin)

    def _at_index(self, find: Any) -> tuple[float, int]:
        if not self.dim:
            raise MatrixError(f"{describe(self)} has no greatest or smallest element; expected 1 or more")
        index = int(find(self._array))
        return float(self._array[index]), index

    @computed
    def is_zero(self, cutoff: float = 1e-6) -> bool:
        """True where no |x| exceeds `cutoff`."""
        return bool(np.abs(self._array).max(initial=0) <= self._dtype(cutoff))

    @computed
    def approx_equal(self, other: Any, tol: float = 0.01) -> bool:
        """True where the lengths agree and |self - other| <= tol * |self|, in Euclidean norms."""
        return approximately(self._array, as_array(other, 1, self._dtype, "other"), tol)

    @computed
    def rand_categorical(self) -> int:
        """A random index, each with a probability in proportion to its element."""
        total = self._array.sum(dtype=np.float64)
        if not (total > 0 and self.min() >= 0):
            raise MatrixError(
                f"{describe(self)} is no distribution: expected a positive sum and no negative element"
            )
        return int(generator().choice(self.dim, p=np.divide(self._array, total, dtype=np.float64)))


class OwningVector(VectorMethods):
    """Vector(), Vector(size) of zeros, or Vector(obj): a copy of anything that numpy takes as a vector."""

    __slots__ = ()

    def __init__(self, obj: Any = 0, /):
        if isinstance(obj, int | np.integer):
            self._array = np.zeros(length_of(obj, "size"), self._dtype)
        else:
            self._array = np.array(as_array(obj, 1, self._dtype, type(self).__name__))

    @classmethod
    def from_size(cls, size: int, resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO) -> Self:
        return cls(length_of(size, "size"))

    @classmethod
    def from_vector(cls, v: Any) -> Self:
        return cls(as_array(v, 1, cls._dtype, "v"))

    def resize_(self, length: int, resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO) -> Self:
        """Another length, in new memory: views that were taken before keep the old elements."""
        resized = np.zeros(length_of(length, "length"), self._dtype)
        if resize_type == MatrixResizeType.COPY_DATA:
            count = min(len(resized), self.dim)
            resized[:count] = self._array[:count]
        self._array = resized
        return self

    def _replace(self, array: Any) -> None:
        self._array = array

    def swap_(self, other: "OwningVector") -> Self:
        """Exchanges the memory of two vectors of the same type."""
        if not isinstance(other, OwningVector) or other._dtype is not self._dtype:
            raise MatrixError(f"{type(self).__name__} cannot be swapped with {describe(other)}")
        self._array, other._array = other._array, self._array
        return self

    def __delitem__(self, index: int) -> None:
        """Removes an element: the others move into new memory."""
        if not isinstance(index, int | np.integer) or not 0 <= index < self.dim:
            raise MatrixIndexError(f"del [{index!r}] of {describe(self)}: expected 0 to {self.dim - 1}")
        self._array = np.delete(self._array, index)


class ViewingVector(VectorMethods):
    """SubVector(obj, start=0, length=None): a view of `length` elements of `obj` from `start`.

    `obj` is a vector or anything that numpy takes as one. Memory is shared where `obj` has this type of
    elements, one after the other; a copy is made where it has not. A view cannot be resized.
    """

    __slots__ = ()

    def __init__(self, obj: Any, start: int = 0, length: int | None = None):
        array = as_array(obj, 1, self._dtype, type(self).__name__)
        self._array = kept(array[part(start, length, len(array), ("start", "length"))])
