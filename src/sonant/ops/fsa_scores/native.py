"""By the native core, automata shared out to threads; the gradient is one more pass over the arcs."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant import _native

if TYPE_CHECKING:
    from sonant.ops.fsa_scores import Graphs


# Its functions take whichever of float32 and float64 the scores are, which their stub tells by overloads.
_core: Any = _native


def _arrays(graphs: "Graphs") -> list[Any]:
    tensors = graphs.arcs, graphs.state_splits, graphs.fsa_splits
    return [tensor.cpu().contiguous().numpy() for tensor in tensors]


class _StateScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, graphs: "Graphs", log: bool, forward: bool, dtype: torch.dtype
    ) -> Tensor:
        ctx.arrays, ctx.log, ctx.direction = _arrays(graphs), log, forward
        scores = scores.detach().contiguous()
        found = scores.new_empty(len(graphs.state_splits) - 1, dtype=dtype)
        ctx.best = torch.empty(len(found), dtype=torch.int32).numpy()
        _core.fsa_scores(*ctx.arrays, graphs.operation, scores.numpy(), forward, log, found.numpy(), ctx.best)
        ctx.save_for_backward(scores, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        scores, found = ctx.saved_tensors
        arrays = found.detach().numpy(), ctx.best, slopes[0].contiguous().numpy()
        gradient = _core.fsa_scores_gradient(*ctx.arrays, scores.numpy(), ctx.direction, ctx.log, *arrays)
        return torch.from_numpy(gradient), None, None, None, None


class _ThroughArcs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, before: Tensor, scores: Tensor, after: Tensor, graphs: "Graphs") -> Tensor:
        ctx.arrays = _arrays(graphs)
        # The gradient does not go with the scores, only with what they are.
        ctx.scores = scores.detach().contiguous().numpy()
        sides = (side.detach().contiguous().numpy() for side in (before, after))
        return torch.from_numpy(_core.fsa_through_arcs(*ctx.arrays, ctx.scores, *sides))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        given = slopes[0].contiguous().numpy()
        found = _core.fsa_through_arcs_gradient(*ctx.arrays, ctx.scores, given)
        scores, before, after = (torch.from_numpy(array) for array in found)
        return before, scores, after, None


class _BestTotals(torch.autograd.Function):
    """The tropical total by the best paths alone, which are what its gradient is made of."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, graphs: "Graphs", dtype: torch.dtype) -> Tensor:
        paths, sizes = best_paths(graphs, scores, dtype)
        ctx.arcs, ctx.dtype = len(scores), scores.dtype
        ids = torch.arange(len(sizes)).repeat_interleave(sizes)
        ctx.save_for_backward(paths, ids)
        on_paths = scores.detach()[paths].to(dtype)
        total = on_paths.new_zeros(len(sizes)).index_add(0, ids, on_paths)
        # A path of no arcs is one where the start is the final state.
        none = (sizes == 0) & (graphs.fsa_splits.diff() != 1)
        return total.masked_fill(none, -torch.inf)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        paths, ids = ctx.saved_tensors
        gradient = slopes[0].new_zeros(ctx.arcs, dtype=ctx.dtype)
        gradient[paths] = slopes[0][ids].to(ctx.dtype)
        return gradient, None, None


def best_totals(graphs: "Graphs", scores: Tensor, dtype: torch.dtype) -> Tensor:
    """In dtype, which is that of the scores or float64, as for all of these."""
    found = _BestTotals.apply(scores, graphs, dtype)
    assert isinstance(found, Tensor)
    return found


def best_paths(graphs: "Graphs", scores: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The arcs of one best path of each automaton, one path after the other, and how many each has: int32.

    The path that the tropical total's gradient goes to, found in dtype. Works on the CPU, wherever the
    tensors are.
    """
    double = dtype == torch.float64
    find = _core.fsa_best_paths_double if double else _core.fsa_best_paths
    given = (scores if double else scores.float()).detach().cpu().contiguous().numpy()
    paths, sizes = find(*_arrays(graphs), graphs.operation, given)
    return torch.from_numpy(paths).to(scores.device), torch.from_numpy(sizes).to(scores.device)


def state_scores(graphs: "Graphs", scores: Tensor, log: bool, forward: bool, dtype: torch.dtype) -> Tensor:
    found = _StateScores.apply(scores, graphs, log, forward, dtype)
    assert isinstance(found, Tensor)
    return found


def through_arcs(graphs: "Graphs", before: Tensor, scores: Tensor, after: Tensor) -> Tensor:
    """before[source] + score + after[destination] of each arc, (num_arcs,)."""
    found = _ThroughArcs.apply(before, scores, after, graphs)
    assert isinstance(found, Tensor)
    return found
