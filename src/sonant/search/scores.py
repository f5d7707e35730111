"""Checks of what comes in, before the native core sees it."""

from collections.abc import Sequence
from operator import index
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sonant.errors import SearchError

Floats: TypeAlias = npt.NDArray[np.float32]
LARGEST = 2**31 - 1  # the native core counts tokens and frames in 32 bits


def check_matrix(array: Any, what: str, columns: str = "tokens", rows: str = "frames") -> Floats:
    """`array` as a contiguous (rows, columns) float32 array; only the contiguity is mended, everything else
    is an error."""
    if not isinstance(array, np.ndarray):
        raise SearchError(
            f"{what}: found a {type(array).__name__}, expected a numpy array ({rows}, {columns}) of float32"
        )
    if array.ndim != 2:
        raise SearchError(f"{what}: found shape {array.shape}, expected two dimensions ({rows}, {columns})")
    if array.dtype != np.float32:
        raise SearchError(f"{what}: found {array.dtype}, expected float32; convert with .astype(np.float32)")
    if array.shape[1] == 0:
        raise SearchError(
            f"{what}: found shape {array.shape}, expected at least one column ({rows}, {columns})"
        )
    return np.ascontiguousarray(array)


def check_matrices(arrays: Sequence[Any], what: str, columns: str) -> list[Floats]:
    """One (frames, columns) float32 array per utterance, all with the same number of columns."""
    checked = [check_matrix(array, f"utterance {i}: {what}", columns) for i, array in enumerate(arrays)]
    for i, array in enumerate(checked):
        if array.shape[1] != checked[0].shape[1]:
            raise SearchError(
                f"utterance {i}: {what}: found {array.shape[1]} {columns} (columns), expected "
                f"{checked[0].shape[1]} as in utterance 0; one search takes the output of one network"
            )
    return checked


def check_count(value: Any, name: str, least: int = 1) -> int:
    """An integer that is at least `least` and fits the native core."""
    try:
        number = index(value)
    except TypeError:
        raise SearchError(f"{name}: found {value!r}, expected an integer") from None
    if not least <= number <= LARGEST:
        raise SearchError(f"{name}: found {number}, expected {least} or more (up to {LARGEST})")
    return number
