"""Vectors: Vector and DoubleVector own their memory, SubVector and DoubleSubVector view another's."""

from typing import Any, Self

import numpy as np

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix._array import ArrayBase, as_array, describe, kept, length_of, part
from sonant.kaldi.matrix.common import MatrixResizeType


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

    def copy_(self, src: Any) -> Self:
        """Copies the elements of a vector of the same length, of either precision."""
        source = as_array(src, 1, self._dtype, "src")
        if source.shape != self._array.shape:
            raise MatrixError(f"{describe(src)} cannot be copied into {describe(self)}")
        self._writable()[:] = source
        return self


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
