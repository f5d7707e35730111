"""On a GPU: each program takes the next few rows, and of all of them the next few values, until all are done.

A tile is `rows` times `width` values, 1024 in all, as wide as rows are long on average; a row that is much
longer is done by one program all the same. The order of additions depends on the splits alone, so that
results are the same every time: no atomic additions. A value is read once forward and once backward (twice
for extremes, whose equal ones are counted first), and its gradient written once.
"""

# Within kernels Triton's own annotations do not hold: a constexpr is given as a number, a tensor sliced.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 1024
# Stages: loads are not moved ahead of the stores of the turn before.
LAUNCH = dict(num_warps=4, num_stages=1, enable_fp_fusion=True)


def tile(values: int, rows: int, widest: int = TILE) -> tuple[int, int]:
    """Rows and values of each that a program takes at a time, for so many in all."""
    average = -(-values // max(rows, 1))
    width = min(triton.next_power_of_2(max(average, 1)), widest, TILE)
    return TILE // width, width


# ---- The log of a sum of exponentials: exp(largest) * rest, where no -inf is ever taken from another


@triton.jit
def shift_of(largest):
    """What to take out of exponents: the largest of them, 0 where that is infinite."""
    return tl.where(tl.abs(largest) == float("inf"), 0.0, largest)


@triton.jit
def log_add(largest, rest, values):
    new = tl.maximum(largest, values)
    shift = shift_of(new)
    return new, rest * tl.exp(largest - shift) + tl.exp(values - shift)


@triton.jit
def log_sum(largest, rest, AXIS: tl.constexpr):
    """Sums along an axis."""
    new = tl.max(largest, AXIS)
    shift = shift_of(new)
    return new, tl.sum(rest * tl.exp(largest - tl.expand_dims(shift, AXIS)), AXIS)


@triton.jit
def log_value(largest, rest):
    none = rest == 0
    return tl.where(none, float("-inf"), tl.log(tl.where(none, 1.0, rest)) + shift_of(largest))


# ---- Rows


@triton.jit
def _fold(values, splits, initial, found, rows, KIND: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)[None, :]
    inside = row < rows
    begin = tl.load(splits + row, mask=inside, other=0)[:, None]
    end = tl.load(splits + row + 1, mask=inside, other=0)[:, None]
    start = tl.load(initial)
    length = tl.max(end - begin)

    first = tl.full((ROWS, WIDTH), 0, start.dtype) + start  # which does no harm to an extreme
    if KIND == "sum":
        first = tl.zeros_like(first)
    if KIND == "log":
        first = tl.full((ROWS, WIDTH), float("-inf"), start.dtype)
    kept = first
    rest = tl.zeros_like(first)
    nan = tl.full((ROWS, WIDTH), 0, tl.int32)
    k = 0
    while k < length:
        at = begin + column + k
        mask = at < end
        value = tl.load(values + at, mask=mask, other=0)
        value = tl.where(mask, value, first)
        if KIND == "sum":
            kept += value
        elif KIND == "log":
            kept, rest = log_add(kept, rest, value)
        elif KIND == "max":
            kept = tl.maximum(kept, value)
            nan = tl.where(value != value, 1, nan)
        else:
            kept = tl.minimum(kept, value)
            nan = tl.where(value != value, 1, nan)
        k += WIDTH
    if KIND == "sum":
        result = tl.sum(kept, 1) + start
    elif KIND == "log":
        largest, total = log_sum(kept, rest, 1)
        largest, total = log_add(largest, total, tl.zeros_like(largest) + start)
        result = log_value(largest, total)
    else:
        result = tl.max(kept, 1) if KIND == "max" else tl.min(kept, 1)
        if start.dtype.is_floating():
            result = tl.where(tl.max(nan, 1) > 0, float("nan"), result)
    tl.store(found + row, result, mask=inside)


@triton.jit
def _spread(
    values,
    splits,
    initial,
    found,
    slopes,
    gradient,
    rows,
    KIND: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)[None, :]
    inside = row < rows
    begin = tl.load(splits + row, mask=inside, other=0)[:, None]
    end = tl.load(splits + row + 1, mask=inside, other=0)[:, None]
    slope = tl.load(slopes + row, mask=inside, other=0)[:, None]
    result = tl.load(found + row, mask=inside, other=0)[:, None]
    length = tl.max(end - begin)

    if KIND == "extreme":
        equal = tl.full((ROWS, WIDTH), 0, tl.int32)
        k = 0
        while k < length:
            at = begin + column + k
            mask = at < end
            value = tl.load(values + at, mask=mask, other=0)
            equal += tl.where(mask & (value == result), 1, 0)
            k += WIDTH
        count = tl.sum(equal, 1)[:, None] + tl.where(result == tl.load(initial), 1, 0)
        slope = slope / tl.where(count > 0, count, 1).to(slope.dtype)
    k = 0
    while k < length:
        at = begin + column + k
        mask = at < end
        if KIND == "sum":
            share = slope + tl.zeros((ROWS, WIDTH), slope.dtype)
        else:
            value = tl.load(values + at, mask=mask, other=0)
            if KIND == "log":
                none = ~mask | (value == float("-inf"))
                power = tl.where(none, 0.0, value) - tl.where(none, 0.0, result)
                share = tl.where(none, 0.0, tl.exp(power) * slope)
            else:
                share = tl.where(value == result, slope, 0.0)
        tl.store(gradient + at, share, mask=mask)
        k += WIDTH


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, splits: Tensor, initial: float, kind: str) -> Tensor:
        values, splits = values.detach().contiguous(), splits.contiguous()
        ctx.rows, ctx.kind = len(splits) - 1, kind
        ctx.tile = tile(len(values), ctx.rows)
        start = values.new_full((1,), initial)
        found = values.new_empty(ctx.rows)
        if ctx.rows:
            with torch.cuda.device_of(values):
                grid = (triton.cdiv(ctx.rows, ctx.tile[0]),)
                _fold[grid](values, splits, start, found, ctx.rows, kind, *ctx.tile, **LAUNCH)
        ctx.save_for_backward(values, splits, start, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        values, splits, start, found = ctx.saved_tensors
        gradient = torch.empty_like(values)
        if len(values):
            kind = "extreme" if ctx.kind in ("max", "min") else ctx.kind
            arrays = values, splits, start, found, slopes[0].contiguous(), gradient
            with torch.cuda.device_of(values):
                grid = (triton.cdiv(ctx.rows, ctx.tile[0]),)
                _spread[grid](*arrays, ctx.rows, kind, *ctx.tile, **LAUNCH)
        return gradient, None, None, None


def _rows(values: Tensor, splits: Tensor, initial: float, kind: str) -> Tensor:
    found = _Rows.apply(values, splits, initial, kind)
    assert isinstance(found, Tensor)
    return found


def sums(values: Tensor, splits: Tensor, initial: float) -> Tensor:
    return _rows(values, splits, initial, "sum")


def extremes(values: Tensor, splits: Tensor, initial: float, *, largest: bool) -> Tensor:
    return _rows(values, splits, initial, "max" if largest else "min")


def last_of_largest(values: Tensor, largest: Tensor, splits: Tensor) -> Tensor:
    place = torch.arange(len(values), dtype=torch.int32, device=values.device)
    spread = largest.repeat_interleave(splits.diff(), output_size=len(values))
    return extremes(torch.where(values == spread, place, -1), splits, -1, largest=True)


def log_sum_exp(values: Tensor, splits: Tensor, initial: float) -> Tensor:
    return _rows(values, splits, initial, "log")
