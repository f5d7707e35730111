"""Orders, padding and twins among the rows of flat values: no loop over rows, so that a GPU does all at
once.
"""

import torch
from torch import Tensor


def sorted_order(values: Tensor, ids: Tensor, descending: bool) -> Tensor:
    """The order that sorts each row; equal values stay as they are."""
    order = values.argsort(stable=True, descending=descending)
    return order[ids[order].argsort(stable=True)]


def padded(values: Tensor, splits: Tensor, width: int, value: float, *, replicate: bool) -> Tensor:
    """(rows, width): each row, filled up with `value` or, where it has any, with its last value."""
    column = torch.arange(width, device=values.device)
    sizes = splits.diff()[:, None]
    if replicate:
        column = torch.minimum(column, (sizes - 1).clamp(min=0))
    inside = column < sizes
    if values.numel() == 0:
        return values.new_full(inside.shape, value)
    at = torch.where(inside, splits[:-1, None] + column, 0)
    return torch.where(inside, values[at.long()], values.new_tensor(value))


def unique_rows(values: Tensor, splits: Tensor, ids: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows occur for the first time in their group, and how often each of them does.

    values int32 (n,) of rows ids (n,) that begin at splits (rows + 1,); groups (rows,) never decreases. Rows
    are told apart by a fingerprint of 64 bits, and every row is compared with the first of its fingerprint:
    in the (never seen) case that two rows share one, other fingerprints are drawn.
    """
    rows, device = splits.numel() - 1, values.device
    sizes, place = splits.diff(), torch.arange(values.numel(), dtype=torch.int32, device=device)
    generator = torch.Generator().manual_seed(0)
    longest = int(sizes.max()) if rows else 0
    while True:
        keys = torch.randint(-(2**62), 2**62, (longest + 1,), generator=generator).to(device) * 2 + 1
        mixed = (values.long() + 2**33) * keys[(place - splits[:-1][ids]).long()]
        mixed ^= mixed >> 29
        prints = (sizes.long() * keys[-1]).index_add(0, ids, mixed * keys[0])
        order = prints.argsort(stable=True)
        order = order[groups[order].argsort(stable=True)]
        new = torch.ones(rows, dtype=torch.bool, device=device)
        new[1:] = (prints[order].diff() != 0) | (groups[order].diff() != 0)
        firsts = order[new]  # sorting is stable: the first of its kind comes first
        first_of = torch.empty_like(order)
        first_of[order] = firsts[new.cumsum(0) - 1]
        if torch.equal(sizes[first_of], sizes):
            twins = values[(splits[:-1][first_of][ids] + place - splits[:-1][ids]).long()]
            if torch.equal(twins, values):
                break
    counts = torch.zeros(rows, dtype=torch.int32, device=device).index_add(
        0, first_of, torch.ones(rows, dtype=torch.int32, device=device)
    )
    first = firsts.sort().values
    return first.to(torch.int32), counts[first]
