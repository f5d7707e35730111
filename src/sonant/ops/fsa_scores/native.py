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


class _StateScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, graphs: "Graphs", log: bool, forward: bool) -> Tensor:
        tensors = graphs.arcs, graphs.state_splits, graphs.fsa_splits
        ctx.arrays = [tensor.contiguous().numpy() for tensor in tensors]
        ctx.log, ctx.direction = log, forward
        scores = scores.detach().contiguous()
        found = scores.new_empty(len(graphs.state_splits) - 1)
        ctx.best = torch.empty(len(found), dtype=torch.int32).numpy()
        _core.fsa_scores(*ctx.arrays, graphs.operation, scores.numpy(), forward, log, found.numpy(), ctx.best)
        ctx.save_for_backward(scores, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        scores, found = ctx.saved_tensors
        gradient = torch.empty_like(scores)
        arrays = found.detach().numpy(), ctx.best, slopes[0].contiguous().numpy(), gradient.numpy()
        _core.fsa_scores_gradient(*ctx.arrays, scores.numpy(), ctx.direction, ctx.log, *arrays)
        return gradient, None, None, None


class _BestTotals(torch.autograd.Function):
    """The tropical total by the best paths alone, which are what its gradient is made of."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, graphs: "Graphs") -> Tensor:
        paths, sizes = best_paths(graphs, scores)
        ctx.arcs = len(scores)
        ids = torch.arange(len(sizes)).repeat_interleave(sizes)
        ctx.save_for_backward(paths, ids)
        total = scores.new_zeros(len(sizes)).index_add(0, ids, scores.detach()[paths])
        # A path of no arcs is one where the start is the final state.
        none = (sizes == 0) & (graphs.fsa_splits.diff() != 1)
        return total.masked_fill(none, -torch.inf)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        paths, ids = ctx.saved_tensors
        gradient = slopes[0].new_zeros(ctx.arcs)
        gradient[paths] = slopes[0][ids]
        return gradient, None


def best_totals(graphs: "Graphs", scores: Tensor) -> Tensor:
    found = _BestTotals.apply(scores, graphs)
    assert isinstance(found, Tensor)
    return found


def best_paths(graphs: "Graphs", scores: Tensor) -> tuple[Tensor, Tensor]:
    """The arcs of one best path of each automaton, one path after the other, and how many each has: int32.

    The path that the tropical total's gradient goes to. Works on the CPU, wherever the tensors are.
    """
    tensors = graphs.arcs, graphs.state_splits, graphs.fsa_splits
    arrays = [tensor.cpu().contiguous().numpy() for tensor in tensors]
    paths, sizes = _core.fsa_best_paths(*arrays, graphs.operation, scores.detach().cpu().contiguous().numpy())
    return torch.from_numpy(paths).to(scores.device), torch.from_numpy(sizes).to(scores.device)


def state_scores(graphs: "Graphs", scores: Tensor, log: bool, forward: bool) -> Tensor:
    found = _StateScores.apply(scores, graphs, log, forward)
    assert isinstance(found, Tensor)
    return found
