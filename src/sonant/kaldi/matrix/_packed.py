"""What symmetric and triangular matrices have in common: the storage of a lower triangle."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix._checks import (
    Array,
    as_array,
    computed,
    describe,
    in_place,
    index_of,
    length_of,
    operand,
    shown,
)
from sonant.kaldi.matrix._random import generator
from sonant.kaldi.matrix._str import text
from sonant.kaldi.matrix.common import MatrixResizeType


class PackedMethods(ABC):
    """The lower triangle of a square matrix, row after row, in one array of n (n + 1) / 2 elements.

    `triangle()` is that array, a view; `numpy.asarray` makes the full matrix.
    """

    __slots__ = ("__weakref__", "_packed")
    _dtype: ClassVar[Any]
    _matrix: ClassVar[Any]  # the matrix class of the same precision
    _packed: Array
    _symmetric: ClassVar[bool]

    def __init__(self, num_rows: Any = None, resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO):
        """Zeros of `num_rows` rows and columns, or a copy of a square matrix."""
        if num_rows is not None and not isinstance(num_rows, int | np.integer):
            square = operand(num_rows, (None, None), self._dtype, type(self).__name__)
            self._packed = self._lower(self._taken(square))
        else:
            rows = length_of(0 if num_rows is None else num_rows, "num_rows")
            self._packed = np.zeros(rows * (rows + 1) // 2, self._dtype)

    @classmethod
    def from_size(cls, r: int, resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO) -> Self:
        return cls(length_of(r, "r"))

    @classmethod
    def from_other(cls, orig: Any) -> Self:
        """A copy of a packed matrix of either precision."""
        return cls._over(_triangle(orig, "orig").astype(cls._dtype))

    @classmethod
    def from_triangle(cls, triangle: Any) -> Self:
        """The matrix over an array of n (n + 1) / 2 elements, without a copy where its type allows."""
        array = as_array(triangle, 1, cls._dtype, cls.__name__)
        if rows_of(array) is None:
            raise MatrixError(f"{cls.__name__}: {len(array)} elements; expected n (n + 1) / 2 for n rows")
        return cls._over(np.ascontiguousarray(array))

    @classmethod
    def _over(cls, packed: Array) -> Self:
        self = object.__new__(cls)
        self._packed = packed
        return self

    def clone(self) -> Self:
        """A copy."""
        return self._over(self._packed.copy())

    def triangle(self) -> Array:
        """The lower triangle, row after row: a view, not a copy."""
        return self._packed.view()

    @staticmethod
    def _taken(full: Array) -> Array:
        """The matrix whose lower triangle stands for `full`."""
        return full

    @abstractmethod
    def _full(self) -> Array: ...

    def _lower(self, full: Array) -> Array:
        if full.shape[0] != full.shape[1]:
            raise MatrixError(f"{shown(full.shape)} is no square matrix, as {type(self).__name__} needs")
        return full[np.tril_indices(len(full))].astype(self._dtype, copy=False)

    def _writable(self) -> Array:
        if not self._packed.flags.writeable:
            raise MatrixError(f"{describe(self)} is a view of read-only memory; change a clone()")
        return self._packed

    def _store(self, full: Array) -> None:
        self._packed[:] = self._lower(full)

    def _mat(self, value: Any, shape: tuple[int | None, int | None], what: str, trans: Any = None) -> Array:
        return operand(value, shape, self._dtype, what, trans)

    def _vec(self, value: Any, length: int | None, what: str) -> Array:
        return operand(value, (length,), self._dtype, what)

    def _same(self, other: Any, what: str) -> Array:
        """The triangle of a packed matrix of the same size."""
        packed = _triangle(other, what)
        if packed.shape != self._packed.shape:
            raise MatrixError(f"{what} is {describe(other)}; expected one for {describe(self)}")
        return packed.astype(self._dtype, copy=False)

    # Shape and Python

    @property
    def num_rows(self) -> int:
        return rows_of(self._packed) or 0

    @property
    def num_cols(self) -> int:
        return self.num_rows

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, self.num_rows

    def size(self) -> tuple[int, int]:
        """(rows, columns)"""
        return self.shape

    def size_in_bytes(self) -> int:
        return self._packed.nbytes

    def __len__(self) -> int:
        return self.num_rows

    def getitem(self, r: int, c: int) -> float:
        """The element in row `r`, column `c`."""
        row, col = index_of(r, self.num_rows, "r"), index_of(c, self.num_rows, "c")
        if col > row:
            if not self._symmetric:
                return 0.0
            row, col = col, row
        return float(self._packed[row * (row + 1) // 2 + col])

    def __getitem__(self, index: Any) -> Any:
        """An element, `s[1, 2]`; other indices read the full matrix, a copy."""
        try:
            return self._matrix._result(self._full()[index])
        except (IndexError, TypeError, ValueError) as problem:
            raise MatrixIndexError(f"index {index!r} of {describe(self)}: {problem}") from None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise MatrixError(f"the full matrix of {describe(self)} needs a copy, and copy=False forbids it")
        return np.asarray(self._full(), dtype=dtype)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and np.array_equal(self._packed, other._packed)  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return text(self._full(), f"sonant.kaldi.matrix.packed.{type(self).__name__}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_triangle, (self._packed,)

    def __copy__(self) -> Self:
        return self.clone()

    def __deepcopy__(self, memo: Any) -> Self:
        return self.clone()

    # Files

    def write(self, os: Any, binary: bool) -> None:
        """Writes this matrix to an Output: FP or DP, or text."""
        os.packed(binary, self._packed)

    def read_(self, is_: Any, binary: bool, add: bool = False) -> Self:
        """Reads a matrix of either precision from an Input; `add` adds it to what is there."""
        packed = is_.packed(binary, np.dtype(self._dtype).name)
        if add and self._packed.size:
            if packed.shape != self._packed.shape:
                raise MatrixError(f"read {rows_of(packed)} rows to be added to {describe(self)}")
            packed += self._packed
        self._packed = packed
        return self

    read = read_

    # Copying

    @in_place
    def copy_from_packed_(self, orig: Any):
        """Copies the triangle of any packed matrix of the same size."""
        self._packed[:] = self._same(orig, "orig")

    @in_place
    def copy_from_vec_(self, orig: Any):
        """Copies a vector that is laid out as the triangle is."""
        self._packed[:] = self._vec(orig, len(self._packed), "orig")

    def resize_(self, num_rows: int, resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO) -> Self:
        """Another number of rows, in new memory."""
        rows = length_of(num_rows, "num_rows")
        resized = np.zeros(rows * (rows + 1) // 2, self._dtype)
        if resize_type == MatrixResizeType.COPY_DATA:
            count = min(len(resized), len(self._packed))
            resized[:count] = self._packed[:count]
        self._packed = resized
        return self

    def swap_(self, other: Any) -> Self:
        """Exchanges contents with a packed matrix, or with a square one, whose lower triangle is taken."""
        if isinstance(other, PackedMethods):
            return self.swap_with_packed_(other)
        return self.swap_with_matrix_(other)

    def swap_with_packed_(self, other: "PackedMethods") -> Self:
        """Exchanges the memory of two packed matrices of the same precision."""
        if not isinstance(other, PackedMethods) or other._dtype is not self._dtype:
            raise MatrixError(f"{type(self).__name__} cannot be swapped with {describe(other)}")
        self._packed, other._packed = other._packed, self._packed
        return self

    def swap_with_matrix_(self, other: Any) -> Self:
        """The matrix becomes this one, in full, and this one its lower triangle."""
        if type(other) is not self._matrix:
            raise MatrixError(f"{type(self).__name__} cannot be swapped with {describe(other)}")
        mine = self._matrix.from_numpy(self._full())
        self._packed = self._lower(other.numpy())
        other.swap_(mine)
        return self

    # Elements

    @in_place
    def set_zero_(self):
        self._packed.fill(0)

    @in_place
    def set_unit_(self):
        self._packed.fill(0)
        self._packed[diagonal_of(self.num_rows)] = 1

    @in_place
    def set_diag_(self, alpha: float):
        self._packed[diagonal_of(self.num_rows)] = alpha

    @in_place
    def set_randn_(self):
        """Normal deviates."""
        self._packed[:] = generator().standard_normal(len(self._packed))

    @in_place
    def scale_(self, c: float):
        self._packed *= c

    @in_place
    def scale_diag_(self, alpha: float):
        self._packed[diagonal_of(self.num_rows)] *= alpha

    @in_place
    def add_to_diag_(self, r: float):
        self._packed[diagonal_of(self.num_rows)] += r

    @computed
    def max(self) -> float:
        """Of the elements stored."""
        return float(self._packed.max())

    @computed
    def min(self) -> float:
        """Of the elements stored."""
        return float(self._packed.min())

    @computed
    def trace(self) -> float:
        return float(self._packed[diagonal_of(self.num_rows)].sum(dtype=np.float64))


def rows_of(packed: Array) -> int | None:
    """n of n (n + 1) / 2 elements, None where there is none."""
    rows = int((np.sqrt(8 * len(packed) + 1) - 1) / 2 + 0.5)
    return rows if rows * (rows + 1) // 2 == len(packed) else None


def diagonal_of(rows: int) -> Array:
    counts = np.arange(1, rows + 1)
    return counts * (counts + 1) // 2 - 1


def _triangle(value: Any, what: str) -> Array:
    if not isinstance(value, PackedMethods):
        raise MatrixError(f"{what} is {describe(value)}; expected an SpMatrix or TpMatrix")
    return value._packed
