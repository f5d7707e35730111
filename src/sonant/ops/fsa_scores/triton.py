"""On a GPU: one program an automaton, which goes through all of its states in one launch.

States are taken in chunks: the states of a chunk follow one another, and no arc leads from one of them to
another, so that each can be computed from those before. A program looks at the next ROWS states and takes
those before the first one that has an arc to the first state of the chunk or one after it. In a lattice of
frames a chunk is what is active in a frame (and no more than ROWS of it); in a chain it is one state. Each
state of the chunk pulls its score along its arcs, ARCS of them at a time; where the chunk is a single state
(the final one, say, into which a whole frame leads) all ROWS * ARCS lanes share its arcs. Then the threads
of the program wait for each other, which is the only synchronisation there is: nothing is added atomically,
and results are the same every time.

Why one program an automaton: a launch for each chunk costs some 5 us on the device and more in Python, which
is all the time there is for a lattice of hundreds of frames, each of them a few hundred arcs; a chunk within
a program costs some dependent loads. A batch of training lattices has as many automata as a GPU has
multiprocessors, or nearly so. A single huge automaton has one of them work and the others wait.

Bytes moved (scores of b = 4 or 8 bytes), if the scores of states stay in the cache: forward 8 + b an arc and
8 + b a state, backward 4 + b and 8 + b; a gradient b more an arc and 2 b a state. The order of arcs by
destination is found once for a Graphs by a stable sort, which moves more than that (some 100 bytes an arc).
"""

# Within kernels Triton's own annotations do not hold: a constexpr is given as a number, a tensor sliced.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant.ops.segments.triton import LAUNCH, log_add, log_sum, log_value, tile

if TYPE_CHECKING:
    from sonant.ops.fsa_scores import Graphs, Side

# Wider, and the lanes of states with few arcs idle; states with more take turns.
MOST_ARCS = 32


@triton.jit
def _chunk(splits, bounds, low, high, done, RISING: tl.constexpr, ROWS: tl.constexpr, ARCS: tl.constexpr):
    """The next chunk of states from low to high: its states, which of the ROWS it has, how many they are,
    the places (ROWS, ARCS) of their first arcs, where their arcs end, and the step to the next ones.
    """
    row = tl.arange(0, ROWS)
    if RISING:
        first = low + done
        state = first + row
    else:
        first = high - 1 - done
        state = first - row
    there = row < high - low - done
    bound = tl.load(bounds + state, mask=there, other=0)
    waits = (bound >= first) if RISING else (bound <= first)
    count = tl.min(tl.where(there & ((row == 0) | ~waits), ROWS, row))
    alone = count == 1
    chosen = row < count
    state = tl.where(alone, first, state)
    pulls = row < tl.where(alone, ROWS, count)
    begin = tl.load(splits + state, mask=pulls, other=0)
    end = tl.load(splits + state + 1, mask=pulls, other=0)
    length = tl.max(end - begin)
    place = (begin + tl.where(alone, row * ARCS, 0))[:, None] + tl.arange(0, ARCS)[None, :]
    step = tl.where(alone, ROWS * ARCS, ARCS)
    return state, chosen, count, place, end[:, None], length, step


@triton.jit
def _pull_scores(
    scores,
    splits,
    arcs,
    others,
    bounds,
    fsa_splits,
    found,
    best,
    RISING: tl.constexpr,
    ORDERED: tl.constexpr,
    LOG: tl.constexpr,
    ROWS: tl.constexpr,
    ARCS: tl.constexpr,
):
    low = tl.load(fsa_splits + tl.program_id(0))
    high = tl.load(fsa_splits + tl.program_id(0) + 1)
    origin = low if RISING else high - 1
    none = tl.full((ROWS, ARCS), float("-inf"), scores.dtype.element_ty)
    done = 0
    while done < high - low:
        state, chosen, count, place, end, length, step = _chunk(
            splits, bounds, low, high, done, RISING, ROWS, ARCS
        )
        largest = none
        rest = tl.full((ROWS, ARCS), 0, none.dtype)
        taken = tl.full((ROWS, ARCS), -1, tl.int32)
        k = 0
        while k < length:
            at = place + k
            mask = at < end
            arc = tl.load(arcs + at, mask=mask, other=0) if ORDERED else at
            other = tl.load(others + at, mask=mask, other=0)
            value = tl.load(found + other, mask=mask, other=float("-inf"))
            value += tl.load(scores + arc, mask=mask, other=0)
            if LOG:
                largest, rest = log_add(largest, rest, value)
            else:
                # Of equal ones the last, as in k2.
                better = (value >= largest) & (value > float("-inf"))
                largest = tl.where(better, value, largest)
                taken = tl.where(better, arc, taken)
            k += step
        if LOG:
            top, total = log_sum(largest, rest, 1)
            if count == 1:
                whole, whole_total = log_sum(top, total, 0)
                top = tl.full((ROWS,), 0, none.dtype) + whole
                total = tl.full((ROWS,), 0, none.dtype) + whole_total
            result = log_value(top, total)
        else:
            result = tl.max(largest, 1)
            if count == 1:
                result = tl.zeros_like(result) + tl.max(result, 0)
            hit = (largest == result[:, None]) & (taken >= 0)
            arc_of_best = tl.max(tl.where(hit, taken, -1), 1)
            if count == 1:
                arc_of_best = tl.zeros_like(arc_of_best) + tl.max(arc_of_best, 0)
            tl.store(best + state, arc_of_best, mask=chosen)
        tl.store(found + state, tl.where(state == origin, 0.0, result), mask=chosen)
        tl.debug_barrier()
        done += count


@triton.jit
def _pull_slopes(
    scores,
    splits,
    arcs,
    others,
    bounds,
    fsa_splits,
    found,
    best,
    slopes,
    gradient,
    RISING: tl.constexpr,
    ORDERED: tl.constexpr,
    LOG: tl.constexpr,
    ROWS: tl.constexpr,
    ARCS: tl.constexpr,
):
    """The slope of each state's score, with the shares that it has in others: it pulls those against the way
    of the scores. `slopes` holds what comes from outside, and in the end the whole.
    """
    low = tl.load(fsa_splits + tl.program_id(0))
    high = tl.load(fsa_splits + tl.program_id(0) + 1)
    done = 0
    while done < high - low:
        state, chosen, count, place, end, length, step = _chunk(
            splits, bounds, low, high, done, RISING, ROWS, ARCS
        )
        here = tl.load(found + state, mask=tl.arange(0, ROWS) < tl.where(count == 1, ROWS, count), other=0)
        here = here[:, None]
        shares = tl.full((ROWS, ARCS), 0, scores.dtype.element_ty)
        k = 0
        while k < length:
            at = place + k
            mask = at < end
            arc = tl.load(arcs + at, mask=mask, other=0) if ORDERED else at
            other = tl.load(others + at, mask=mask, other=0)
            if LOG:
                value = here + tl.load(scores + arc, mask=mask, other=0)
                gives = mask & (value != float("-inf"))
                power = tl.where(gives, value, 0.0) - tl.load(found + other, mask=gives, other=0)
                share = tl.where(gives, tl.exp(power) * tl.load(slopes + other, mask=gives, other=0), 0.0)
            else:
                gives = mask & (tl.load(best + other, mask=mask, other=-1) == arc)
                share = tl.load(slopes + other, mask=gives, other=0)
            tl.store(gradient + arc, share, mask=mask)
            shares += share
            k += step
        total = tl.sum(shares, 1)
        if count == 1:
            total = tl.zeros_like(total) + tl.sum(total, 0)
        tl.store(slopes + state, tl.load(slopes + state, mask=chosen, other=0) + total, mask=chosen)
        tl.debug_barrier()
        done += count


class _StateScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, graphs: "Graphs", log: bool, forward: bool) -> Tensor:
        scores = scores.detach().contiguous()
        states = len(graphs.state_splits) - 1
        ctx.graphs, ctx.log, ctx.direction = graphs, log, forward
        found = scores.new_empty(states)
        best = torch.empty(0 if log else states, dtype=torch.int32, device=scores.device)
        _launch(_pull_scores, graphs, forward, log, scores, found, best)
        ctx.save_for_backward(scores, found, best)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        scores, found, best = ctx.saved_tensors
        whole = slopes[0].clone(memory_format=torch.contiguous_format)
        gradient = torch.empty_like(scores)
        _launch(_pull_slopes, ctx.graphs, not ctx.direction, ctx.log, scores, found, best, whole, gradient)
        return gradient, None, None, None


def _launch(kernel: Any, graphs: "Graphs", rising: bool, log: bool, scores: Tensor, *state_arrays: Tensor):
    """Rising from the start, along the arcs that enter states, or down from the end."""
    fsas = len(graphs.fsa_splits) - 1
    if fsas == 0:
        return
    side: Side = graphs.entering if rising else graphs.leaving
    rows, width = tile(len(graphs.arcs), len(graphs.state_splits) - 1, MOST_ARCS)
    arrays = side.splits, side.others if side.arcs is None else side.arcs, side.others, side.bounds
    with torch.cuda.device_of(scores):
        kernel[(fsas,)](
            scores,
            *(array.contiguous() for array in arrays),
            graphs.fsa_splits.contiguous(),
            *state_arrays,
            rising,
            side.arcs is not None,
            log,
            rows,
            width,
            **LAUNCH,
        )


def state_scores(graphs: "Graphs", scores: Tensor, log: bool, forward: bool) -> Tensor:
    graphs.check_acyclic()
    found = _StateScores.apply(scores, graphs, log, forward)
    assert isinstance(found, Tensor)
    return found
