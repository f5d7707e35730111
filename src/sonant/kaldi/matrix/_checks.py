"""What methods take: operands as arrays of the right shape, and numpy's complaints as `MatrixError`."""

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from sonant.errors import MatrixError, MatrixIndexError
from sonant.kaldi.matrix.common import MatrixTransposeType

Array = np.ndarray[Any, Any]


def as_array(value: Any, ndim: int, dtype: Any, what: str = "") -> Array:
    """`value` as an array of `ndim` axes: itself, without a copy, where it is of that type already.

    Takes whatever numpy makes an array of: our classes, arrays, torch tensors on the CPU, DLPack exporters,
    sequences. Raises MatrixError, naming the argument `what`, for anything else.
    """
    array = getattr(value, "_array", None)
    if not isinstance(array, np.ndarray) or array.ndim != ndim:
        array = _to_array(value, what)
    if array.ndim != ndim:
        kind = "a vector, of 1 axis" if ndim == 1 else "a matrix, of 2 axes"
        raise MatrixError(f"{_named(what)}{describe(value, array)}; expected {kind}")
    if array.dtype != dtype:
        if array.dtype.kind not in "biuf":
            raise MatrixError(f"{_named(what)}elements of type {array.dtype}; expected real numbers")
        with np.errstate(all="ignore"):
            array = array.astype(dtype)
    return array


def _to_array(value: Any, what: str) -> Array:
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind == "O" else array
    except (ValueError, TypeError, RuntimeError, BufferError, AttributeError) as problem:
        raise MatrixError(f"{_named(what)}{type(value).__name__} is no array of numbers: {problem}") from None


def _named(what: str) -> str:
    return f"{what}: " if what else ""


def describe(value: Any, array: Array | None = None) -> str:
    """`Matrix of 2x3`, for messages."""
    shape = np.shape(array if array is not None else getattr(value, "_array", value))
    return f"{type(value).__name__} of {'x'.join(map(str, shape)) if shape else 'no axes'}"


def kept(array: Array) -> Array:
    """`array`, or a copy where its last axis is not contiguous or rows run backwards or overlap."""
    strides, size = array.strides, array.itemsize
    if array.size and array.shape[-1] > 1 and strides[-1] != size:
        return array.copy()
    if array.ndim == 2 and array.shape[0] > 1 and strides[0] < array.shape[1] * size:
        return array.copy()
    return array


def length_of(value: Any, what: str) -> int:
    """`value` as a count of elements."""
    try:
        count = operator.index(value)
    except TypeError:
        raise MatrixError(f"{what} is {value!r}; expected an integer of 0 or more") from None
    if count < 0:
        raise MatrixIndexError(f"{what} is {count}; expected 0 or more")
    return count


def index_of(index: Any, size: int, what: str) -> int:
    """`index` as one of `size` rows, columns or elements."""
    position = length_of(index, what)
    if position >= size:
        raise MatrixIndexError(f"{what} is {position}; expected 0 to {size - 1}")
    return position


def part(start: Any, length: Any, size: int, names: tuple[str, str]) -> slice:
    """Elements `start` to `start + length` of `size`; all that follow where `length` is None."""
    begin = length_of(start, names[0])
    if begin > size:
        raise MatrixIndexError(f"{names[0]} is {begin}; expected 0 to {size}")
    count = size - begin if length is None else length_of(length, names[1])
    if begin + count > size:
        raise MatrixIndexError(f"{names[1]} is {count}; expected 0 to {size - begin} from {names[0]} {begin}")
    return slice(begin, begin + count)


def shown(shape: tuple[int | None, ...]) -> str:
    return "x".join("any" if size is None else str(size) for size in shape)


def operand(value: Any, shape: tuple[int | None, ...], dtype: Any, what: str, trans: Any = None) -> Array:
    """`value`, or its transpose, as an array of `shape`, in which None stands for any length."""
    array = as_array(value, len(shape), dtype, what)
    if trans == MatrixTransposeType.TRANS:
        array = array.T
    if any(size is not None and size != given for size, given in zip(shape, array.shape, strict=True)):
        transposed = " transposed" if trans == MatrixTransposeType.TRANS else ""
        raise MatrixError(f"{what} is {describe(value)}{transposed}; expected {shown(shape)}")
    return array


def write_to(target: Any, values: Array, what: str) -> None:
    """Copies results into an argument: one of our objects, or an array that can be written."""
    array = getattr(target, "_array", target)
    if not isinstance(array, np.ndarray) or array.shape != values.shape:
        raise MatrixError(f"{what} is {describe(target)}; expected a place for {shown(values.shape)}")
    if not array.flags.writeable:
        raise MatrixError(f"{what} is {describe(target)} of read-only memory; expected a clone()")
    with np.errstate(all="ignore"):
        array[...] = values


S = TypeVar("S")
R = TypeVar("R")
P = ParamSpec("P")


def computed(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method whose numbers may be infinite or undefined, as in Kaldi without a warning.

    What numpy cannot do with the arguments is a MatrixError that names the method and the object's shape.
    """

    @functools.wraps(method)
    def call(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with np.errstate(all="ignore"):
                return method(self, *args, **kwargs)
        except MatrixError:
            raise
        except TypeError as problem:
            inspect.signature(method).bind(self, *args, **kwargs)  # raises where the call itself is wrong
            raise MatrixError(f"{method.__name__} of {describe(self)}: {problem}") from None
        except (ValueError, OverflowError, MemoryError) as problem:  # LinAlgError is a ValueError
            raise MatrixError(f"{method.__name__} of {describe(self)}: {problem}") from None

    return call


def in_place(method: Callable[Concatenate[S, P], Any]) -> Callable[Concatenate[S, P], S]:
    """A method, computed as above, that changes its object and returns it."""

    @functools.wraps(method)
    def change(self: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        self._writable()
        method(self, *args, **kwargs)
        return self

    return computed(change)
