"""Kaldi's functions of elements, on arrays of any shape."""

from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._checks import Array


def diagonal(array: Array) -> Array:
    """The diagonal, as a view that can be written."""
    return np.einsum("ii->i", array[: array.shape[1], : array.shape[0]])


def logs(array: Array) -> Array:
    """Natural logarithms; -inf of 0. Raises MatrixError where an element is negative."""
    if array.size and array.min() < 0:
        raise MatrixError(f"the logarithm of {array.min():g} does not exist; expected elements of 0 or more")
    return np.log(array)


def powers(array: Array, power: float, include_sign: bool) -> Array:
    """|x|^power; with x's sign where `include_sign`, but not, in Kaldi, where the power is negative.

    A negative power of 0 is 0.
    """
    raised = np.power(np.abs(array), array.dtype.type(power))
    if power < 0:
        raised[array == 0] = 0
    return np.where(array < 0, -raised, raised) if include_sign and power >= 0 else raised


def softmax(array: Array, log: bool) -> float:
    """Replaces elements by their softmax, or its logarithm; returns log(sum(exp(x)))."""
    if not array.size:
        raise MatrixError("no elements have no softmax; expected 1 or more")
    greatest = array.max()
    array -= greatest
    exponentials = np.exp(array)
    total = exponentials.sum()
    if log:
        array -= np.log(total)
    else:
        np.multiply(exponentials, 1 / total, out=array)
    return float(greatest + np.log(total))


def log_sum_exp(array: Array, prune: float) -> float:
    """log(sum(exp(x))); with a positive `prune`, of those within `prune` of the greatest."""
    if not array.size:
        return -np.inf
    greatest = array.max()
    kept = array[array >= greatest - prune] if prune > 0 else array
    return float(greatest + np.log(np.exp(kept - greatest).sum(dtype=np.float64)))


def sigmoid(array: Array) -> Array:
    """1 / (1 + exp(-x)), through the tangent, which cannot overflow."""
    return 0.5 * np.tanh(0.5 * array) + array.dtype.type(0.5)


def norms(array: Array, p: float) -> Any:
    """(sum |x|^p)^(1/p) over the last axis: how many are not 0 for p = 0, the greatest for infinity."""
    sizes = np.abs(array)
    if p < 0:
        raise MatrixError(f"p is {p}; expected 0 or more")
    if p == 0:
        return np.count_nonzero(sizes, axis=-1)
    greatest = sizes.max(axis=-1, initial=0)
    if np.isinf(p):
        return greatest
    scale = np.where(greatest > 0, greatest, 1)  # powers of great elements would overflow
    return scale * np.power(np.power(sizes / scale[..., None], p).sum(axis=-1), 1 / p)


def approximately(array: Array, other: Array, tol: float) -> bool:
    """True where shapes agree and |array - other| <= tol * |array|, in Frobenius norms."""
    if array.shape != other.shape:
        return False
    return bool(np.linalg.norm(array - other) <= tol * np.linalg.norm(array))
