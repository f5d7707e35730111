"""Arguments that are read from, and arguments that are written to."""

from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._array import as_array, describe

__all__ = ["as_array", "describe", "destination", "features_of"]


def features_of(value: Any, what: str) -> np.ndarray:
    """A Matrix, or whatever numpy takes as one, as a contiguous array (frames, dim) of float32."""
    return np.ascontiguousarray(as_array(value, 2, np.float32, what))


def destination(value: Any, shape: tuple[int, ...], what: str, dtype: Any = np.float32) -> np.ndarray:
    """The memory of a vector or matrix of ours, or of a numpy array, of that shape, to write to."""
    array = as_array(value, len(shape), dtype, what)
    if not np.shares_memory(array, _memory(value)) and array.size:
        raise MatrixError(
            f"{what}: {describe(value)} cannot be written to; "
            f"expected a vector, matrix or array of {np.dtype(dtype).name}"
        )
    if array.shape != shape:
        raise MatrixError(f"{what}: {describe(value)}; expected {'x'.join(map(str, shape))}")
    if not array.flags.writeable:
        raise MatrixError(f"{what}: {describe(value)} is read-only; expected one that can be written to")
    return array


def _memory(value: Any) -> Any:
    array = getattr(value, "_array", value)
    return array if isinstance(array, np.ndarray) else np.asarray(array)
