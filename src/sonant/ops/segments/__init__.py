"""Sums, extremes and log-sums over segments of flat values, all at once; differentiable.

Values (n,) of int32, float32 or float64 come in segments, that is rows of different lengths one after the
other. The rows are given twice, as a ragged shape has them: `ids` (n,) says which row each value belongs to,
and `splits` int32 (rows + 1,) where each row begins.
"""

from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor

from sonant.ops.segments import reference


def triton_serves(device: torch.device) -> bool:
    """Whether the Triton kernels of `ops` run there: on a GPU where triton is installed."""
    return device.type == "cuda" and find_spec("triton") is not None


def _kernels(device: torch.device) -> ModuleType | None:
    """The Triton kernels where they are who computes, None for torch: the one place that decides it."""
    if not triton_serves(device):
        return None
    from sonant.ops.segments import triton

    return triton


def sums(values: Tensor, ids: Tensor, splits: Tensor, initial: float = 0) -> Tensor:
    """`initial` and the sum of each row, (rows,)."""
    if kernels := _kernels(values.device):
        return kernels.sums(values, splits, initial)
    return reference.sums(values, ids, len(splits) - 1, initial)


def extremes(values: Tensor, ids: Tensor, splits: Tensor, initial: float, *, largest: bool) -> Tensor:
    """The largest or smallest of each row and `initial`, (rows,).

    Equal ones share the gradient, `initial` among them.
    """
    if kernels := _kernels(values.device):
        return kernels.extremes(values, splits, initial, largest=largest)
    return reference.extremes(values, ids, len(splits) - 1, initial, largest=largest)


def last_of_largest(values: Tensor, largest: Tensor, ids: Tensor, splits: Tensor) -> Tensor:
    """Where in `values` the last one is that equals `largest` (rows,) of its row; -1 where none does.
    int32.
    """
    if kernels := _kernels(values.device):
        return kernels.last_of_largest(values, largest, splits)
    return reference.last_of_largest(values, largest, ids)


def log_sum_exp(values: Tensor, ids: Tensor, splits: Tensor, initial: float = -torch.inf) -> Tensor:
    """Log of the sum of exp over each row and `initial`; -inf, without a gradient, where all are -inf."""
    if kernels := _kernels(values.device):
        return kernels.log_sum_exp(values, splits, initial)
    return reference.log_sum_exp(values, ids, len(splits) - 1, initial)


__all__ = ["extremes", "last_of_largest", "log_sum_exp", "sums", "triton_serves"]
