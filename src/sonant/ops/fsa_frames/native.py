"""By the native core: the forward pass gives the posteriors too, which a gradient only scales."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant import _native

if TYPE_CHECKING:
    from sonant.ops.fsa_frames import Leak, Sequences
    from sonant.ops.fsa_scores import Graphs

# Its functions take whichever of float32 and float64 the scores are, which their stub tells by overloads.
_core: Any = _native


class _Totals(torch.autograd.Function):
    """The posteriors become the gradient in their place, so there is never a second tensor as large as the
    scores. A graph that is gone through again (retain_graph=True) computes them again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        arc_scores: Tensor,
        scores: Tensor,
        graphs: "Graphs",
        sequences: "Sequences",
        leak: "Leak | None",
    ) -> Tensor:
        ctx.save_for_backward(arc_scores, scores)
        ctx.inputs = graphs, sequences, leak
        totals, *ctx.posteriors = _computed(arc_scores, scores, graphs, sequences, leak, ctx.needs_input_grad)
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        graphs, sequences, leak = ctx.inputs
        posteriors, ctx.posteriors = ctx.posteriors, None
        if posteriors is None:
            arc_scores, scores = ctx.saved_tensors
            wanted = ctx.needs_input_grad
            _, *posteriors = _computed(arc_scores, scores, graphs, sequences, leak, wanted)
        of_scores, of_arcs = posteriors
        slope = slopes[0].to(of_scores.dtype)
        arc_gradient = score_gradient = None
        if ctx.needs_input_grad[0]:
            begins, widths = _arc_ranges(graphs, sequences)
            values = of_arcs.mul_(slope.repeat_interleave(widths))
            arc_gradient = values.new_zeros(len(graphs.arcs)).index_add(0, _ranges(begins, widths), values)
        if ctx.needs_input_grad[1]:
            first, frames = sequences.first.cpu().long(), sequences.frames.cpu().long()
            of_rows = slope.new_zeros(len(of_scores))
            of_rows[_ranges(first, frames)] = slope.repeat_interleave(frames)
            score_gradient = of_scores.mul_(of_rows[:, None])
        return arc_gradient, score_gradient, None, None, None


def _computed(
    arc_scores: Tensor,
    scores: Tensor,
    graphs: "Graphs",
    sequences: "Sequences",
    leak: "Leak | None",
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Totals, and the posteriors of scores, and of the arcs of each sequence, one after the other; empty
    where they are not wanted (of arcs, of scores)."""
    parts = graphs.arcs, graphs.state_splits, graphs.fsa_splits
    ids = sequences.first, sequences.frames, sequences.graph_of
    values = [tensor.detach().contiguous() for tensor in (arc_scores, scores)]
    occupancy = scores.new_zeros(0) if leak is None else leak.occupancy.detach().to(scores.dtype).log()
    totals = torch.empty(len(sequences.first), dtype=torch.float64)
    of_scores = torch.zeros_like(values[1]) if wanted[1] else scores.new_zeros(0)
    of_arcs = scores.new_zeros(int(_arc_ranges(graphs, sequences)[1].sum()) if wanted[0] else 0)
    _core.fsa_frame_totals(
        *(tensor.contiguous().numpy() for tensor in parts),
        *(value.numpy() for value in values),
        sequences.column,
        *(tensor.cpu().contiguous().numpy() for tensor in ids),
        0.0 if leak is None else math.log(leak.coefficient),
        occupancy.contiguous().numpy(),
        graphs.operation,
        totals.numpy(),
        of_scores.numpy(),
        of_arcs.numpy(),
    )
    return totals, of_scores, of_arcs


def _arc_ranges(graphs: "Graphs", sequences: "Sequences") -> tuple[Tensor, Tensor]:
    """The first arc, and the number of arcs, of each sequence's automaton."""
    splits = graphs.state_splits[graphs.fsa_splits.long()].long()
    graph_of = sequences.graph_of.long()
    return splits[graph_of], splits.diff()[graph_of]


def _ranges(begins: Tensor, sizes: Tensor) -> Tensor:
    """begins[0], begins[0] + 1, ... (sizes[0] of them), begins[1], ..."""
    offset = begins - (sizes.cumsum(0) - sizes)
    return torch.arange(int(sizes.sum())) + offset.repeat_interleave(sizes)


def total_scores(
    graphs: "Graphs", arc_scores: Tensor, scores: Tensor, sequences: "Sequences", leak: "Leak | None"
) -> Tensor:
    found = _Totals.apply(arc_scores, scores, graphs, sequences, leak)
    assert isinstance(found, Tensor)
    return found
