"""In torch, on any device; autograd does the rest. `ids` may come in any order."""

import torch
from torch import Tensor


def sums(values: Tensor, ids: Tensor, rows: int, initial: float = 0) -> Tensor:
    return values.new_full((rows,), initial).index_add(0, ids, values)


def extremes(values: Tensor, ids: Tensor, rows: int, initial: float, *, largest: bool) -> Tensor:
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
    ids = ids.long()
    start = values.new_full((rows,), initial)
    largest = start.scatter_reduce(0, ids, values.detach(), "amax")
    shift = torch.where(largest.isfinite(), largest, 0)
    total = (start - shift).exp().index_add(0, ids, (values - shift[ids]).exp())
    none = total == 0
    # The logarithm never sees the zeros: its slope there would make the gradient of the others no number.
    return torch.where(none, -torch.inf, total.masked_fill(none, 1).log() + shift)
