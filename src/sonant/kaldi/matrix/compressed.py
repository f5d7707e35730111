"""Lossily compressed matrices (PyKaldi's `kaldi.matrix.compressed`)."""

from enum import IntEnum
from typing import Any, Self

import numpy as np

from sonant import _native
from sonant.errors import ArkError, MatrixError
from sonant.kaldi.matrix._checks import Array, as_array, index_of, length_of, write_to
from sonant.kaldi.matrix._checks import part as _range
from sonant.kaldi.matrix.common import MatrixTransposeType

__all__ = ["CompressedMatrix", "CompressionMethod"]

_COLUMNS, _TWO_BYTE = 1, 2  # formats, as files name them: CM, CM2 and CM3
_FEWEST_ROWS = 8  # with fewer, a part of a matrix in columns is compressed anew


class CompressionMethod(IntEnum):
    """How to compress: Kaldi's numbers, PyKaldi's names.

    AUTO is SPEECH_FEATURE for more than 8 rows, else TWO_BYTE_AUTO. SPEECH_FEATURE takes a byte for each
    element, on a scale that fits the quantiles of its column. The others are linear in one scale: that of the
    data for *_AUTO, -32768 to 32767 and 0 to 255 for integers, and 0 to 1 for TWO_BYTE_ZERO_ONE, which takes,
    in spite of its name, one byte.
    """

    AUTO = 1
    SPEECH_FEATURE = 2
    TWO_BYTE_AUTO = 3
    TWO_BYTE_SIGNED_INTEGER = 4
    ONE_BYTE_AUTO = 5
    ONE_BYTE_UNSIGNED_INTEGER = 6
    TWO_BYTE_ZERO_ONE = 7


class CompressedMatrix:
    """CompressedMatrix(), or CompressedMatrix(mat, method=CompressionMethod.AUTO).

    `numpy.asarray` decompresses, (rows, columns) float32. Files: CM, CM2 and CM3, as they are.
    """

    __slots__ = ("__weakref__", "_data")

    def __init__(self, mat: Any = None, method: CompressionMethod = CompressionMethod.AUTO):
        self.clear()
        if isinstance(mat, CompressedMatrix):
            self._data = mat._data
        elif mat is not None:
            self.copy_from_mat(mat, method)

    @classmethod
    def new(cls, mat: Any, method: CompressionMethod = CompressionMethod.AUTO) -> Self:
        """Compresses a matrix."""
        return cls(mat, method)

    @classmethod
    def new_with_other(cls, mat: "CompressedMatrix") -> Self:
        """A copy."""
        return cls(mat)

    @classmethod
    def new_with_range(
        cls,
        mat: "CompressedMatrix",
        row_offset: int,
        num_rows: int,
        col_offset: int,
        num_cols: int,
        allow_padding: bool = False,
    ) -> Self:
        """A part of another one, without loss but where it is in columns and fewer than 8 rows are taken.

        With `allow_padding`, rows before the first and after the last are copies of those.
        """
        cols = _range(col_offset, num_cols, mat.num_cols, ("col_offset", "num_cols"))
        if allow_padding and mat.num_rows:
            rows = np.arange(row_offset, row_offset + length_of(num_rows, "num_rows"))
            chosen = np.clip(rows, 0, mat.num_rows - 1)
        else:
            taken = _range(row_offset, num_rows, mat.num_rows, ("row_offset", "num_rows"))
            chosen = np.arange(taken.start, taken.stop)
        self = cls()
        self._data = mat._part(chosen, cols)
        if self._data[0] == _COLUMNS and len(chosen) < _FEWEST_ROWS:
            self.copy_from_mat(_native.decompress(self._data))
        return self

    def _part(self, rows: Array, cols: slice) -> tuple[Any, ...]:
        """Chosen rows and a range of columns, in the same format."""
        kind, least, span, height, width, data = self._data
        count = cols.stop - cols.start
        if not len(rows) or not count:
            return type(self)()._data
        if kind == _COLUMNS:
            head = data[: 8 * width].reshape(width, 8)[cols]
            body = data[8 * width :].reshape(width, height)[cols][:, rows]
            taken = np.concatenate([head.ravel(), body.ravel()])
        else:
            size = 2 if kind == _TWO_BYTE else 1
            taken = np.ascontiguousarray(data.reshape(height, width, size)[rows][:, cols]).ravel()
        return kind, least, span, len(rows), count, taken

    @property
    def num_rows(self) -> int:
        return self._data[3]

    @property
    def num_cols(self) -> int:
        return self._data[4]

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, self.num_cols

    def clear(self) -> None:
        """Leaves 0 rows and columns."""
        self._data: tuple[Any, ...] = (0, 0.0, 0.0, 0, 0, np.zeros(0, np.uint8))

    def copy_from_mat(self, mat: Any, method: CompressionMethod = CompressionMethod.AUTO) -> None:
        """Compresses a matrix. Raises MatrixError where an element is not finite."""
        array = np.ascontiguousarray(as_array(mat, 2, np.float32, "mat"))
        if not array.size:
            return self.clear()
        try:
            self._data = _native.compress(array, int(CompressionMethod(method)))
        except (ArkError, ValueError) as problem:
            raise MatrixError(f"compressing {array.shape[0]}x{array.shape[1]}: {problem}") from None

    def copy_to_mat(self, mat: Any, method: MatrixTransposeType = MatrixTransposeType.NO_TRANS) -> None:
        """Decompresses into a matrix of the same shape, or of the transposed one."""
        full = self._full()
        write_to(mat, full.T if method == MatrixTransposeType.TRANS else full, "mat")

    def copy_row_to_vec(self, row: int, v: Any) -> None:
        """Decompresses one row into a vector."""
        chosen = np.array([index_of(row, self.num_rows, "row")])
        write_to(v, _native.decompress(self._part(chosen, slice(0, self.num_cols)))[0], "v")

    def copy_col_to_vec(self, col: int, v: Any) -> None:
        """Decompresses one column into a vector."""
        first = index_of(col, self.num_cols, "col")
        part = self._part(np.arange(self.num_rows), slice(first, first + 1))
        write_to(v, _native.decompress(part)[:, 0], "v")

    def copy_to_mat_offset(self, row_offset: int, col_offset: int, dest: Any) -> None:
        """Decompresses the part that begins at the offsets and has the shape of `dest`."""
        height, width = np.shape(dest)
        rows = _range(row_offset, height, self.num_rows, ("row_offset", "dest's rows"))
        cols = _range(col_offset, width, self.num_cols, ("col_offset", "dest's columns"))
        if height and width:
            part = self._part(np.arange(rows.start, rows.stop), cols)
            write_to(dest, _native.decompress(part), "dest")

    def scale(self, alpha: float) -> None:
        """Multiplies by `alpha`, without loss."""
        kind, least, span, *rest = self._data
        self._data = (kind, float(np.float32(least * alpha)), float(np.float32(span * alpha)), *rest)

    def swap(self, other: "CompressedMatrix") -> None:
        """Exchanges contents."""
        self._data, other._data = other._data, self._data

    def read(self, is_: Any, binary: bool) -> Self:
        """Reads CM, CM2 or CM3 from an Input as they are; a full matrix, in text too, is compressed."""
        self._data = is_.compressed(binary)
        return self

    read_ = read

    def write(self, os: Any, binary: bool) -> None:
        """Writes to an Output; in text, the decompressed matrix."""
        if self.num_rows:
            os.compressed(binary, self._data)
        else:  # Kaldi reads an empty FM without the stray bytes that its own empty CM leaves
            os.matrix(binary, np.zeros((0, 0), np.float32))

    def _full(self) -> Array:
        return _native.decompress(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise MatrixError("decompression makes a copy, and copy=False forbids it")
        return np.asarray(self._full(), dtype=dtype)

    def __len__(self) -> int:
        return self.num_rows

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CompressedMatrix)
            and self._data[:5] == other._data[:5]
            and np.array_equal(self._data[5], other._data[5])
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        name = {0: "empty", 1: "CM", 2: "CM2", 3: "CM3"}[self._data[0]]
        return f"<CompressedMatrix of {self.num_rows}x{self.num_cols}, {name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._data,)


def _restored(data: tuple[Any, ...]) -> CompressedMatrix:
    matrix = CompressedMatrix()
    matrix._data = data
    return matrix
