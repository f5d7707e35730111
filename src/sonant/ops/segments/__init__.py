"""Sums, extremes and log-sums over segments of flat values, all at once on any device; autograd does the
rest.

Values (n,) come in segments, that is rows of different lengths: `ids` (n,) says which row each belongs to.
"""

import torch
from torch import Tensor


def sums(values: Tensor, ids: Tensor, rows: int, initial: float = 0) -> Tensor:
    """`initial` and the sum of each row, (rows,)."""
    return values.new_full((rows,), initial).index_add(0, ids, values)


def extremes(values: Tensor, ids: Tensor, rows: int, initial: float, *, largest: bool) -> Tensor:
    """The largest or smallest of each row and `initial`, (rows,)."""
    start = torch.full((rows,), initial, dtype=values.dtype, device=values.device)
    return start.scatter_reduce(0, ids.long(), values, "amax" if largest else "amin")


def last_of_largest(values: Tensor, largest: Tensor, ids: Tensor) -> Tensor:
    """Where in `values` the last one is that equals `largest` (rows,) of its row; -1 where none does.
    int32.
    """
    place = torch.arange(values.numel(), dtype=torch.int32, device=values.device)
    hits = torch.where(values == largest[ids.long()], place, -1)
    return extremes(hits, ids, largest.numel(), -1, largest=True)


def log_sum_exp(values: Tensor, ids: Tensor, rows: int, initial: float = -torch.inf) -> Tensor:
    """Log of the sum of exp over each row and `initial`; -inf, without a gradient, where all are -inf."""
    ids = ids.long()
    start = values.new_full((rows,), initial)
    largest = start.scatter_reduce(0, ids, values.detach(), "amax")
    shift = torch.where(largest.isfinite(), largest, 0)
    total = (start - shift).exp().index_add(0, ids, (values - shift[ids]).exp())
    none = total == 0
    # The logarithm never sees the zeros: its slope there would make the gradient of the others no number.
    return torch.where(none, -torch.inf, total.masked_fill(none, 1).log() + shift)


__all__ = ["extremes", "last_of_largest", "log_sum_exp", "sums"]
