"""The storage of vectors and matrices: a numpy array, and how it meets numpy, DLPack and Python.

Every class of this package holds one array, `_array`, of its precision, whose last axis is contiguous.
Views, indexing and ufuncs are numpy's; this file turns arrays into Kaldi's classes and numpy's complaints
into `MatrixError`.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix._checks import Array, as_array, describe, kept, operand
from sonant.kaldi.matrix._str import text

_OURS = {
    *("transpose", "swapaxes", "reshape", "squeeze", "take", "repeat", "compress", "diagonal"),
    *("clip", "cumsum", "cumprod", "round", "around"),
}


class ArrayBase(NDArrayOperatorsMixin):
    """What vectors and matrices have in common."""

    __slots__ = ("__weakref__", "_array")
    _dtype: ClassVar[Any]
    _ndim: ClassVar[int]
    _vector: ClassVar[type["ArrayBase"]]  # the classes of the same precision: filled in by __init__.py
    _subvector: ClassVar[type["ArrayBase"]]
    _matrix: ClassVar[type["ArrayBase"]]
    _submatrix: ClassVar[type["ArrayBase"]]
    _array: Array

    @classmethod
    def from_numpy(cls, array: Any) -> Self:
        """The object over `array`'s memory, without a copy where type and layout allow."""
        self = object.__new__(cls)
        self._array = kept(as_array(array, cls._ndim, cls._dtype, cls.__name__))
        return self

    def numpy(self) -> Array:
        """A view, not a copy: what is written to it is written to this object."""
        return self._array.view()

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    def size(self) -> tuple[int, ...]:
        """The shape, as a tuple."""
        return self._array.shape

    @property
    def data(self) -> memoryview:
        """The memory, without a copy."""
        return self._array.data

    def size_in_bytes(self) -> int:
        return self._array.nbytes

    def _writable(self) -> Array:
        """The array, for a method that changes it."""
        if not self._array.flags.writeable:
            raise MatrixError(
                f"{describe(self)} is a view of read-only memory and cannot be changed; change a clone()"
            )
        return self._array

    def _vec(self, value: Any, length: int | None, what: str) -> Array:
        """An argument as a vector of this precision."""
        return operand(value, (length,), self._dtype, what)

    def _mat(self, value: Any, shape: tuple[int | None, int | None], what: str, trans: Any = None) -> Array:
        """An argument, or its transpose, as a matrix of this precision."""
        return operand(value, shape, self._dtype, what, trans)

    def _blend(self, alpha: float, product: Array, beta: float) -> None:
        """alpha * product + beta * self; what was there does not matter, be it NaN, where beta is 0."""
        self._array[...] = alpha * product if beta == 0 else beta * self._array + alpha * product

    @classmethod
    def _result(cls, array: Any) -> Any:
        """What numpy returned, as Kaldi's types: a float, SubVector or SubMatrix of this precision."""
        if not isinstance(array, np.ndarray | np.generic):
            return array
        if array.ndim == 0:
            return array.item()
        if array.ndim > 2 or array.dtype.kind not in "biuf":
            return array
        return (cls._subvector if array.ndim == 1 else cls._submatrix).from_numpy(array)

    # Files

    _stream_method: ClassVar[str]  # of Input and Output, for this kind of object

    def write(self, os: Any, binary: bool) -> None:
        """Writes this object to an Output, in Kaldi's binary or text format."""
        # To Kaldi, a matrix without rows has no columns either.
        empty = np.zeros((0,) * self._ndim, self._dtype)
        getattr(os, self._stream_method)(binary, self._array if self._array.size else empty)

    def read_(self, is_: Any, binary: bool, add: bool = False) -> Self:
        """Reads this object from an Input: either precision; `add` adds what is read to what is there."""
        array = getattr(is_, self._stream_method)(binary, np.dtype(self._dtype).name)
        if add and self._array.size:
            if array.shape != self._array.shape:
                raise MatrixError(f"read {describe(self, array)} to be added to {describe(self)}")
            array += self._array
        self._replace(array)
        return self

    read = read_

    def _replace(self, array: Array) -> None:
        """Takes new contents: a view can only take what has its shape."""
        if array.shape != self._array.shape:
            raise MatrixError(f"{describe(self)} is a view and cannot become {describe(self, array)}")
        self._writable()[...] = array

    # Python

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: Any) -> Any:
        """As numpy indexes: a float, SubVector or SubMatrix.

        It shares memory where numpy's result does and its rows are contiguous; like PyKaldi's, `m[:, 1]` and
        `v[::2]` are copies (`v[::2] = x` does assign to v).
        """
        result = self._at(index)
        if result.ndim > 2:
            raise MatrixIndexError(
                f"index {index!r} of {describe(self)} gives an array of {result.ndim} axes"
            )
        return self._result(result)

    def _at(self, index: Any) -> Any:
        try:
            return self._array[index]
        except (IndexError, TypeError, ValueError) as problem:
            raise MatrixIndexError(f"index {index!r} of {describe(self)}: {problem}") from None

    def __setitem__(self, index: Any, value: Any) -> None:
        array = self._writable()
        try:
            with np.errstate(all="ignore"):
                array[index] = _plain(value)
        except IndexError as problem:
            raise MatrixIndexError(f"index {index!r} of {describe(self)}: {problem}") from None
        except (TypeError, ValueError) as problem:
            raise MatrixError(f"{describe(value)} into [{index!r}] of {describe(self)}: {problem}") from None

    def __iter__(self) -> Iterator[Any]:
        return map(self._result, self._array)

    def __reversed__(self) -> Iterator[Any]:
        return map(self._result, self._array[::-1])

    def __contains__(self, value: object) -> bool:
        return _plain(value) in self._array

    def __bool__(self) -> bool:
        return len(self._array) > 0

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        """True for an object of the same precision, shape and elements; an array is never equal."""
        return (
            isinstance(other, ArrayBase)
            and self._dtype is other._dtype
            and np.array_equal(self._array, other._array)
        )

    def __ne__(self, other: object) -> bool:  # type: ignore[override]
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def _no_order(self, other: Any) -> Any:
        return NotImplemented

    __lt__ = __le__ = __gt__ = __ge__ = _no_order  # type: ignore[assignment]

    def __repr__(self) -> str:
        return text(self._array, f"sonant.kaldi.matrix.{type(self).__name__}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_numpy, (np.array(self._array),)

    def __copy__(self) -> Self:
        return self.from_numpy(self._array.copy())

    def __deepcopy__(self, memo: Any) -> Self:
        return self.from_numpy(self._array.copy())

    # numpy and DLPack

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy:
            return np.array(self._array, dtype=dtype)
        if copy is False and dtype is not None and dtype != self._dtype:
            raise MatrixError(f"{type(self).__name__} as {dtype} needs a copy, and copy=False forbids it")
        return np.asarray(self._array, dtype=dtype)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return self._result(array)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **arguments: Any) -> Any:
        outputs = arguments.get("out", ())
        changed = inputs[:1] if method == "at" else outputs
        for array in changed:
            if isinstance(array, ArrayBase):
                array._writable()
        first = next(value for value in (*inputs, *outputs) if isinstance(value, ArrayBase))
        try:
            result = getattr(ufunc, method)(*map(_plain, inputs), **_plain(arguments))
        except ValueError as problem:
            shapes = " and ".join(describe(value) for value in inputs)
            raise MatrixError(f"{ufunc.__name__} of {shapes}: {problem}") from None
        results = result if isinstance(result, tuple) else (result,)
        given = outputs or (None,) * len(results)
        results = tuple(first._result(r) if o is None else o for r, o in zip(results, given, strict=True))
        return results if isinstance(result, tuple) else results[0]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """numpy's other functions see arrays and return arrays; some, as PyKaldi's do, our types."""
        result = func(*_plain(args), **_plain(kwargs))
        return self._result(result) if func.__name__ in _OURS else result

    def __dlpack__(self, **arguments: Any) -> Any:
        """A DLPack capsule over this memory: `torch.from_dlpack(matrix)` shares it."""
        try:
            return self._array.__dlpack__(**arguments)
        except BufferError as problem:
            raise MatrixError(f"{describe(self)} cannot be exported: {problem}; export a clone()") from None

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return self._array.__dlpack_device__()

    @classmethod
    def from_dlpack(cls, exporter: Any) -> Self:
        """From a tensor of another library that lies in the CPU's memory: Sub* share it, the others copy."""
        if not hasattr(exporter, "__dlpack__"):
            raise MatrixError(f"{type(exporter).__name__} exports no memory by DLPack")
        return cls(exporter)  # type: ignore[call-arg]


def _plain(value: Any) -> Any:
    """`value` with arrays for our objects, in tuples, lists and dicts too."""
    if isinstance(value, ArrayBase):
        return value._array
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
