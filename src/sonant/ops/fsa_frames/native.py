"""By the native core: the forward pass gives the posteriors too, which a gradient only scales."""

import math
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
    @staticmethod
    def forward(
        ctx: Any,
        arc_scores: Tensor,
        scores: Tensor,
        graphs: "Graphs",
        sequences: "Sequences",
        leak: "Leak | None",
    ) -> Tensor:
        of_arcs, of_scores = ctx.needs_input_grad[:2]
        parts = graphs.arcs, graphs.state_splits, graphs.fsa_splits
        arrays = [tensor.contiguous().numpy() for tensor in parts]
        ids = sequences.first, sequences.frames, sequences.graph_of
        first, frames, graph_of = (tensor.cpu().contiguous() for tensor in ids)
        arc_splits = graphs.state_splits[graphs.fsa_splits.long()].long()
        widths = arc_splits.diff()[graph_of.long()]
        values = [tensor.detach().contiguous() for tensor in (arc_scores, scores)]
        occupancy = scores.new_zeros(0) if leak is None else leak.occupancy.detach().to(scores.dtype).log()
        totals = torch.empty(len(first), dtype=torch.float64)
        score_posteriors = torch.zeros_like(values[1]) if of_scores else scores.new_zeros(0)
        arc_posteriors = scores.new_zeros(int(widths.sum()) if of_arcs else 0)
        _core.fsa_frame_totals(
            *arrays,
            *(value.numpy() for value in values),
            sequences.column,
            *(tensor.numpy() for tensor in (first, frames, graph_of)),
            0.0 if leak is None else math.log(leak.coefficient),
            occupancy.contiguous().numpy(),
            graphs.operation,
            totals.numpy(),
            score_posteriors.numpy(),
            arc_posteriors.numpy(),
        )
        ctx.save_for_backward(score_posteriors, arc_posteriors, first, frames, graph_of, arc_splits)
        ctx.arcs = len(arc_scores)
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        score_posteriors, arc_posteriors, first, frames, graph_of, arc_splits = ctx.saved_tensors
        arc_gradient = score_gradient = None
        if ctx.needs_input_grad[0]:
            slope = slopes[0].to(arc_posteriors.dtype)
            arc = _ranges(arc_splits[graph_of.long()], arc_splits.diff()[graph_of.long()])
            values = arc_posteriors * slope.repeat_interleave(arc_splits.diff()[graph_of.long()])
            arc_gradient = values.new_zeros(ctx.arcs).index_add(0, arc, values)
        if ctx.needs_input_grad[1]:
            of_rows = slopes[0].new_zeros(len(score_posteriors))
            of_rows[_ranges(first.long(), frames.long())] = slopes[0].repeat_interleave(frames.long())
            score_gradient = score_posteriors * of_rows.to(score_posteriors.dtype)[:, None]
        return arc_gradient, score_gradient, None, None, None


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
