"""What the functions that take features ask of them."""

from typing import Any

import numpy as np

from sonant.errors import FeatureError

_LARGEST = 2**31 - 1


def feature_matrix(features: object, name: str = "features", dim: int | None = None) -> np.ndarray:
    """`features` as a contiguous array (frames, dim) of float32; raises FeatureError for anything else."""
    if not isinstance(features, np.ndarray):
        raise FeatureError(
            f"{name}: {type(features).__name__}; expected a numpy array (frames, dim) of float32: "
            "convert with numpy.asarray(x, dtype=numpy.float32)"
        )
    if features.ndim != 2:
        raise FeatureError(f"{name}: array of shape {features.shape}; expected (frames, dim)")
    if features.dtype != np.float32:
        raise FeatureError(f"{name}: array of {features.dtype}; expected float32: x.astype(numpy.float32)")
    if features.shape[1] == 0 or (dim is not None and features.shape[1] != dim):
        expected = "1 or more" if dim is None else str(dim)
        raise FeatureError(f"{name}: {features.shape[1]} columns; expected {expected}")
    return np.ascontiguousarray(features)


def whole_number(value: Any, name: str, low: int, high: int | None = None) -> int:
    """`value` as an int from `low` to `high`; raises FeatureError for anything else."""
    try:
        number = value.__index__()
    except AttributeError:
        raise FeatureError(f"{name}={value!r} is of type {type(value).__name__}; expected an int") from None
    if not low <= number <= (_LARGEST if high is None else high):
        expected = (
            f"{low} or more"
            if high is None and number < low
            else f"{low} to {_LARGEST if high is None else high}"
        )
        raise FeatureError(f"{name}={number}; expected {expected}")
    return number
