"""What sparse vectors and matrices are made of: rows of (index, value) pairs; their files."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._checks import Array, as_array, describe, index_of, length_of, write_to
from sonant.kaldi.matrix._random import generator
from sonant.kaldi.matrix.common import MatrixResizeType, MatrixTransposeType

_NO_TRANS, _TRANS = MatrixTransposeType.NO_TRANS, MatrixTransposeType.TRANS

Pairs = tuple[Array, Array]  # indices (n,) int32, rising; values (n,)


def sorted_pairs(pairs: Any, dim: int, dtype: Any) -> Pairs:
    """(index, value) pairs in order of their indices; values of one index are added up, zeros left out."""
    try:
        indices = np.array([index for index, _ in pairs], dtype=np.int64)
        values = np.array([value for _, value in pairs], dtype=dtype)
    except (TypeError, ValueError, OverflowError) as problem:
        raise MatrixError(f"pairs {pairs!r:.100}: {problem}; expected a list of (index, value)") from None
    if indices.size and not (indices.min() >= 0 and indices.max() < dim):
        wrong = next(index for index in indices.tolist() if not 0 <= index < dim)
        raise MatrixError(f"index {wrong} of a sparse vector of {dim}; expected 0 to {dim - 1}")
    unique, places = np.unique(indices, return_inverse=True)
    sums = np.zeros(len(unique), dtype)
    np.add.at(sums, places.reshape(-1), values)
    return nonzero(unique.astype(np.int32), sums)


def nonzero(indices: Array, values: Array) -> Pairs:
    kept = values != 0
    return indices[kept], values[kept]


def of_dense(row: Array) -> Pairs:
    indices = np.flatnonzero(row).astype(np.int32)
    return indices, row[indices]


def random_pairs(dim: int, zero_prob: float, dtype: Any) -> Pairs:
    indices = np.flatnonzero(generator().random(dim) >= zero_prob).astype(np.int32)
    return indices, generator().standard_normal(len(indices)).astype(dtype)


def _layout(dtype: Any) -> np.dtype:
    """A pair in a binary file: two basic types of Kaldi's, each after its size."""
    size = np.dtype(dtype).newbyteorder("<")
    return np.dtype([("index size", "u1"), ("index", "<i4"), ("value size", "u1"), ("value", size)])


def write_row(os: Any, binary: bool, dim: int, row: Pairs) -> None:
    """`SV `, dim and pairs; in text, `dim=5 [ 1 0.5 ] `."""
    indices, values = row
    if not binary:
        numbers = "".join(f"{i} {_shown(float(x))} " for i, x in zip(indices, values, strict=True))
        os.write(f"dim={dim} [ {numbers}] ".encode())
        return
    os.token(True, "SV")
    os.integer(True, dim)
    os.integer(True, len(indices))
    pairs = np.empty(len(indices), _layout(values.dtype))
    pairs["index size"], pairs["value size"] = 4, values.dtype.itemsize
    pairs["index"], pairs["value"] = indices, values
    os.write(pairs.tobytes())


def _shown(value: float) -> str:
    return f"{value:.7g}"


def read_row(is_: Any, binary: bool, dtype: Any) -> tuple[int, Pairs]:
    """(dim, pairs) of what write_row writes, in either precision."""
    if not binary:
        return _read_text_row(is_, dtype)
    is_.expect(True, "SV")
    dim, count = is_.integer(True), is_.integer(True)
    if dim < 0 or not 0 <= count <= dim:
        is_.error(f"sparse vector of {dim} with {count} elements; expected 0 to {max(dim, 0)} elements")
    if not count:
        return dim, (np.zeros(0, np.int32), np.zeros(0, dtype))
    first = is_.integer(True)
    stored = np.float64 if is_.peek() == 8 else np.float32
    value = is_.real(True)
    layout = _layout(stored)
    raw = is_.read((count - 1) * layout.itemsize)
    if len(raw) < (count - 1) * layout.itemsize:
        is_.error(f"expected {count} elements of a sparse vector, found {1 + len(raw) // layout.itemsize}")
    rest = np.frombuffer(raw, layout)
    if np.any(rest["index size"] != 4) or np.any(rest["value size"] != stored().itemsize):
        is_.error("an element of a sparse vector is not of the same types as the first one")
    indices = np.concatenate([[first], rest["index"]]).astype(np.int32)
    with np.errstate(all="ignore"):  # casting a NaN may be invalid
        values = np.concatenate([[value], rest["value"]])
    return dim, _checked(is_, dim, indices, values, dtype)


def _checked(is_: Any, dim: int, indices: Array, values: Array, dtype: Any) -> Pairs:
    if indices.size and (
        indices[0] < 0 or indices[-1] >= dim or np.any(np.diff(indices.astype(np.int64)) <= 0)
    ):
        is_.error(f"indices of a sparse vector of {dim} do not rise from 0 or more to less than {dim}")
    with np.errstate(all="ignore"):
        return indices, values.astype(dtype)


def _read_text_row(is_: Any, dtype: Any) -> tuple[int, Pairs]:
    word = is_.token(False)
    if not re.fullmatch(r"dim=\d{1,9}", word):
        is_.error(f"expected dim=<number> of a sparse vector, found {word!r:.40}")
    dim = int(word[4:])
    is_.expect(False, "[")
    numbers: list[str] = []
    while (word := is_.token(False)) != "]":
        numbers.append(word)
    if len(numbers) % 2:
        is_.error("a sparse vector ends after an index; expected its value")
    try:
        indices = np.array([int(word) for word in numbers[::2]], np.int32)
        values = np.array([float(word) for word in numbers[1::2]], np.float64)
    except (ValueError, OverflowError) as problem:
        indices = values = np.zeros(0)
        is_.error(f"expected indices and values of a sparse vector: {problem}")
    return dim, _checked(is_, dim, indices, values, dtype)


class _Sparse(ABC):
    """What both have in common; `numpy.asarray` makes them dense."""

    __slots__ = ("__weakref__",)
    _dtype: ClassVar[Any]

    @abstractmethod
    def _dense(self) -> Array: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise MatrixError(f"a dense {type(self).__name__} is a copy, and copy=False forbids it")
        return np.asarray(self._dense(), dtype=dtype)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and np.array_equal(np.asarray(self), np.asarray(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{describe(self, self._dense())}, {self.num_elements()} elements>"

    @abstractmethod
    def num_elements(self) -> int: ...


class SparseVectorMethods(_Sparse):
    __slots__ = ("_dim", "_row")
    _dim: int
    _row: Pairs

    def __init__(self, dim: int = 0):
        self._dim = length_of(dim, "dim")
        self._row = np.zeros(0, np.int32), np.zeros(0, self._dtype)

    @classmethod
    def _of(cls, dim: int, row: Pairs) -> Self:
        self = cls(dim)
        self._row = row[0], row[1].astype(cls._dtype, copy=False)
        return self

    @classmethod
    def from_dim(cls, dim: int) -> Self:
        """Zeros."""
        return cls(dim)

    @classmethod
    def from_pairs(cls, dim: int, pairs: Sequence[tuple[int, float]]) -> Self:
        """Of (index, value) pairs: values of the same index are added up."""
        return cls._of(length_of(dim, "dim"), sorted_pairs(pairs, dim, cls._dtype))

    @classmethod
    def from_vector(cls, vec: Any) -> Self:
        """The elements of a vector that are not 0."""
        dense = as_array(vec, 1, cls._dtype, "vec")
        return cls._of(len(dense), of_dense(dense))

    @classmethod
    def from_other(cls, other: "SparseVectorMethods") -> Self:
        """A copy of a sparse vector of either precision."""
        return cls().copy_from_svec_(other)

    @property
    def dim(self) -> int:
        return self._dim

    def num_elements(self) -> int:
        """Elements that are stored: those that are not 0."""
        return len(self._row[0])

    def get_elements(self, i: int) -> tuple[int, float]:
        """(index, value) of the i-th stored element."""
        place = index_of(i, self.num_elements(), "i")
        return int(self._row[0][place]), float(self._row[1][place])

    def __len__(self) -> int:
        return self._dim

    def _dense(self) -> Array:
        dense = np.zeros(self._dim, self._dtype)
        dense[self._row[0]] = self._row[1]
        return dense

    def sum(self) -> float:
        return float(self._row[1].sum(dtype=np.float64))

    def max(self) -> tuple[float, int]:
        """(value, index) of the greatest element, which may be one that is not stored."""
        if not self._dim:
            raise MatrixError("SparseVector of 0 has no greatest element; expected 1 or more")
        indices, values = self._row
        if len(values) and (values.max() > 0 or len(values) == self._dim):
            place = int(values.argmax())
            return float(values[place]), int(indices[place])
        first = next((i for i, index in enumerate(indices) if i != index), len(indices))
        return 0.0, first

    def copy_elements_to_vec(self, vec: Any) -> None:
        """Writes all elements, zeros too, into a vector."""
        write_to(vec, self._dense(), "vec")

    def add_to_vec(self, alpha: float, vec: Any) -> None:
        """vec += alpha * self"""
        write_to(vec, as_array(vec, 1, self._dtype, "vec") + self._fitted(alpha, vec), "vec")

    def _fitted(self, alpha: float, vec: Any) -> Array:
        if len(vec) != self._dim:
            raise MatrixError(f"vec is {describe(vec)}; expected {self._dim} elements")
        return alpha * self._dense()

    def copy_from_svec_(self, other: "SparseVectorMethods") -> Self:
        """Becomes a copy of a sparse vector of either precision."""
        if not isinstance(other, SparseVectorMethods):
            raise MatrixError(f"other is {describe(other)}; expected a sparse vector")
        self._dim, self._row = other._dim, (other._row[0].copy(), other._row[1].astype(self._dtype))
        return self

    copy_from_svec = copy_from_svec_  # what PyKaldi's DoubleSparseVector calls it

    def scale_(self, alpha: float) -> Self:
        with np.errstate(all="ignore"):
            self._row = self._row[0], (alpha * self._row[1]).astype(self._dtype)
        return self

    scale = scale_  # what PyKaldi's DoubleSparseVector calls it

    def resize_(self, dim: int, resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO) -> Self:
        indices, values = self._row
        kept = indices < length_of(dim, "dim")
        if resize_type != MatrixResizeType.COPY_DATA:
            kept[:] = False
        self._dim, self._row = dim, (indices[kept], values[kept])
        return self

    def set_randn_(self, zero_prob: float) -> Self:
        """Each element 0 with probability `zero_prob`, else a normal deviate."""
        self._row = random_pairs(self._dim, zero_prob, self._dtype)
        return self

    def swap_(self, other: Self) -> Self:
        if type(other) is not type(self):
            raise MatrixError(f"{type(self).__name__} cannot be swapped with {describe(other)}")
        self._dim, other._dim, self._row, other._row = other._dim, self._dim, other._row, self._row
        return self

    def write(self, os: Any, binary: bool) -> None:
        """Writes to an Output: `SV `, or in text `dim=5 [ 1 0.5 ] `."""
        write_row(os, binary, self._dim, self._row)

    def read_(self, is_: Any, binary: bool) -> Self:
        """Reads from an Input, either precision."""
        self._dim, self._row = read_row(is_, binary, self._dtype)
        return self

    read = read_

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._of, (self._dim, self._row)


class SparseMatrixMethods(_Sparse):
    __slots__ = ("_cols", "_rows")
    _vector: ClassVar[type[SparseVectorMethods]]
    _cols: int
    _rows: list[Pairs]

    def __init__(self, num_rows: int = 0, num_cols: int = 0):
        self.resize_(num_rows, num_cols)

    @classmethod
    def _of(cls, cols: int, rows: list[Pairs]) -> Self:
        self = cls()
        self._cols, self._rows = cols, [(indices, values.astype(cls._dtype)) for indices, values in rows]
        return self

    @classmethod
    def from_dims(cls, num_rows: int, num_cols: int) -> Self:
        """Zeros."""
        return cls(num_rows, num_cols)

    @classmethod
    def from_pairs(cls, dim: int, pairs: Sequence[Sequence[tuple[int, float]]]) -> Self:
        """Of `dim` columns, with (column, value) pairs for each row."""
        return cls._of(length_of(dim, "dim"), [sorted_pairs(row, dim, cls._dtype) for row in pairs])

    @classmethod
    def from_matrix(cls, mat: Any) -> Self:
        """The elements of a matrix that are not 0."""
        dense = as_array(mat, 2, cls._dtype, "mat")
        return cls._of(dense.shape[1], [of_dense(row) for row in dense])

    @classmethod
    def from_other(cls, other: "SparseMatrixMethods") -> Self:
        """A copy of a sparse matrix of either precision."""
        return cls().copy_from_smat_(other)

    @property
    def num_rows(self) -> int:
        return len(self._rows)

    @property
    def num_cols(self) -> int:
        return self._cols if self._rows else 0

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, self.num_cols

    def num_elements(self) -> int:
        """Elements that are stored: those that are not 0."""
        return sum(len(indices) for indices, _ in self._rows)

    def __len__(self) -> int:
        return self.num_rows

    def row(self, r: int) -> Any:
        """A copy of a row, as a sparse vector."""
        return self._vector._of(self._cols, self._rows[index_of(r, self.num_rows, "r")])

    def set_row_(self, r: int, vec: SparseVectorMethods) -> Self:
        """Replaces a row by a sparse vector as long."""
        if not isinstance(vec, SparseVectorMethods) or vec.dim != self._cols:
            raise MatrixError(f"vec is {describe(vec)}; expected a sparse vector of {self._cols}")
        self._rows[index_of(r, self.num_rows, "r")] = vec._row[0], vec._row[1].astype(self._dtype)
        return self

    def _dense(self) -> Array:
        dense = np.zeros(self.shape, self._dtype)
        for row, (indices, values) in zip(dense, self._rows, strict=True):
            row[indices] = values
        return dense

    def _values(self) -> Array:
        return np.concatenate([np.zeros(0, self._dtype), *(values for _, values in self._rows)])

    def sum(self) -> float:
        return float(self._values().sum(dtype=np.float64))

    def frobenius_norm(self) -> float:
        return float(np.linalg.norm(self._values()))

    def copy_to_mat(self, other: Any, t: MatrixTransposeType = _NO_TRANS) -> None:
        """Writes all elements, zeros too, into a matrix of this shape, or of the transposed one."""
        write_to(other, self._turned(t), "other")

    def add_to_mat(self, alpha: float, other: Any, t: MatrixTransposeType = _NO_TRANS) -> None:
        """other += alpha * self, or the transpose"""
        added, dense = self._turned(t), as_array(other, 2, self._dtype, "other")
        if added.shape != dense.shape:
            raise MatrixError(f"other is {describe(other)}; expected {added.shape[0]}x{added.shape[1]}")
        write_to(other, dense + alpha * added, "other")

    def _turned(self, trans: MatrixTransposeType) -> Array:
        return self._dense().T if trans == _TRANS else self._dense()

    def copy_elements_to_vec(self, other: Any) -> None:
        """Writes the stored elements, row after row, into a vector of num_elements()."""
        write_to(other, self._values(), "other")

    def copy_from_smat_(self, other: "SparseMatrixMethods", trans: MatrixTransposeType = _NO_TRANS) -> Self:
        """Becomes a copy of a sparse matrix of either precision, or of its transpose."""
        if not isinstance(other, SparseMatrixMethods):
            raise MatrixError(f"other is {describe(other)}; expected a sparse matrix")
        made = type(self).from_matrix(other._turned(trans))
        self._cols, self._rows = made._cols, made._rows
        return self

    def scale_(self, alpha: float) -> Self:
        with np.errstate(all="ignore"):
            self._rows = [(indices, (alpha * values).astype(self._dtype)) for indices, values in self._rows]
        return self

    def resize_(
        self, rows: int, cols: int, resize_type: MatrixResizeType = MatrixResizeType.SET_ZERO
    ) -> Self:
        count, self._cols = length_of(rows, "rows"), length_of(cols, "cols")
        old = self._rows if resize_type == MatrixResizeType.COPY_DATA else []
        kept = [(indices[indices < cols], values[indices < cols]) for indices, values in old[:count]]
        none = np.zeros(0, np.int32), np.zeros(0, self._dtype)
        self._rows = kept + [none] * (count - len(kept))
        return self

    def set_randn_(self, zero_prob: float) -> Self:
        """Each element 0 with probability `zero_prob`, else a normal deviate."""
        self._rows = [random_pairs(self._cols, zero_prob, self._dtype) for _ in self._rows]
        return self

    def swap_(self, other: Self) -> Self:
        if type(other) is not type(self):
            raise MatrixError(f"{type(self).__name__} cannot be swapped with {describe(other)}")
        self._cols, other._cols, self._rows, other._rows = other._cols, self._cols, other._rows, self._rows
        return self

    def write(self, os: Any, binary: bool) -> None:
        """Writes to an Output: `SM ` and its rows, or in text `rows=2 dim=5 [ 1 0.5 ] dim=5 [ ] `."""
        if binary:
            os.token(True, "SM")
            os.integer(True, self.num_rows)
        else:
            os.write(f"rows={self.num_rows} ".encode())
        for row in self._rows:
            write_row(os, binary, self._cols, row)
        if not binary:
            os.write(b"\n")

    def read_(self, is_: Any, binary: bool) -> Self:
        """Reads from an Input, either precision."""
        if binary:
            is_.expect(True, "SM")
            count = is_.integer(True)
        else:
            word = is_.token(False)
            if not word.startswith("rows=") or not word[5:].isdigit():
                is_.error(f"expected rows=<number> of a sparse matrix, found {word!r:.40}")
            count = int(word[5:])
        if count < 0:
            is_.error(f"sparse matrix of {count} rows; expected 0 or more")
        rows: list[Pairs] = []
        cols = 0
        for number in range(count):
            dim, row = read_row(is_, binary, self._dtype)
            if number and dim != cols:
                is_.error(
                    f"row {number} of a sparse matrix has dimension {dim}; expected {cols}, as the first"
                )
            cols = dim
            rows.append(row)
        self._cols, self._rows = cols, rows
        return self

    read = read_

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._of, (self._cols, self._rows)
