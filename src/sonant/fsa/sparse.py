"""Sparse matrices of what belongs to arcs (k2's)."""

import torch
from torch import Tensor

from sonant.errors import FstError


def create_sparse(
    rows: Tensor,
    cols: Tensor,
    values: Tensor,
    size: tuple[int, int] | None = None,
    min_col_index: int | None = None,
) -> Tensor:
    """The sparse matrix (torch.sparse_coo) with values[i] at rows[i], cols[i], all (n,); equal places add
    up.

    Posteriors of frames and tokens, say: rows fsa.seqframe, cols fsa.tokens, values fsa.get_arc_post(True,
    True).exp(). Columns below min_col_index are left out. Differentiable in values."""
    if rows.ndim != 1 or rows.shape != cols.shape or rows.shape != values.shape:
        shapes = [tuple(x.shape) for x in (rows, cols, values)]
        raise FstError(f"create_sparse: rows, cols and values of {shapes}, expected one row of as many each")
    if min_col_index is not None:
        kept = cols >= min_col_index
        rows, cols, values = rows[kept], cols[kept], values[kept]
    for name, places, i in (("row", rows, 0), ("column", cols, 1)):
        if not len(places):
            continue
        low, high = (int(x) for x in places.aminmax())
        if low < 0 or (size is not None and high >= size[i]):
            raise FstError(
                f"create_sparse: {name}s from {low} to {high}, expected from 0 on, within size={size}"
            )
    places = torch.stack([rows.long(), cols.long()])
    if size is None:
        size = (int(rows.max()) + 1, int(cols.max()) + 1) if len(rows) else (0, 0)
    return torch.sparse_coo_tensor(places, values, size, check_invariants=False)
