"""Scores of states, paths and arcs in batches of acyclic automata, in the log and the tropical semiring.

The score of a path is the sum of its arcs' scores. In the log semiring paths are combined by the log of the
sum of their exponentials, in the tropical one by the best of them, whose gradient goes to one path (of equal
arcs into a state the last). Arcs lead to higher states: the batch is top-sorted and has no cycles.
"""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.ops import segments
from sonant.ops.fsa_scores import native, reference

Backend = Literal["reference"] | None


def _implementation(device: torch.device, backend: Backend) -> ModuleType:
    """Who computes the scores of states: the one place that decides it."""
    if backend == "reference" or (device.type != "cpu" and not segments.triton_serves(device)):
        return reference
    if device.type == "cpu":
        return native
    from sonant.ops.fsa_scores import triton

    return triton


@dataclass(frozen=True)
class Side:
    """The arcs of each state on one side of it, those that enter it or those that leave it: what a score is
    pulled along. States are counted over all automata; everything is int32.
    """

    splits: Tensor
    """(states + 1,): where the arcs of each state begin in the two rows below."""
    arcs: Tensor | None
    """(num_arcs,): which arc it is, of one state in rising order; None where that is how they stand."""
    others: Tensor
    """(num_arcs,): the state at the arc's other end."""
    bounds: Tensor
    """(states,): the nearest of the other ends. Without arcs, a number beyond all of them."""


@dataclass(frozen=True)
class Graphs:
    """Automata as flat arrays, in k2's layout: state 0 of each is its start, its last state is final."""

    arcs: Tensor
    """int32 (num_arcs, 4): source, destination (both counted within the automaton), label, score bits."""
    state_splits: Tensor
    """int32 (states + 1,): where the arcs of each state begin, of all automata."""
    fsa_splits: Tensor
    """int32 (automata + 1,): where the states of each automaton begin."""
    operation: str = "fsa_scores"
    """Whose name errors bear."""

    def states_of_arcs(self) -> tuple[Tensor, Tensor]:
        """Source and destination of each arc, counted over all automata: int32 (num_arcs,) each."""
        return self._ends

    @cached_property
    def _ends(self) -> tuple[Tensor, Tensor]:
        count = len(self.state_splits) - 1
        states = torch.arange(count, dtype=torch.int32, device=self.arcs.device)
        # With its size known beforehand, a GPU need not be waited for.
        source = states.repeat_interleave(self.state_splits.diff(), output_size=len(self.arcs))
        first = self.fsa_splits[:-1].repeat_interleave(self.fsa_splits.diff(), output_size=count)
        return source, first.index_select(0, source) + self.arcs[:, 1]

    def fsas_of_arcs(self) -> Tensor:
        counts = self.state_splits[self.fsa_splits.long()].diff().long()
        fsas = torch.arange(len(counts), device=self.arcs.device)
        return fsas.repeat_interleave(counts, output_size=len(self.arcs))

    @cached_property
    def entering(self) -> Side:
        source, dest = self.states_of_arcs()
        sorted_dest, order = dest.sort(stable=True)
        states = torch.arange(len(self.state_splits), dtype=torch.int32, device=dest.device)
        splits = torch.searchsorted(sorted_dest, states, out_int32=True)
        others = source.index_select(0, order)
        # Arcs stand in the order of their sources, so that the nearest is the last one.
        last = others.index_select(0, (splits[1:] - 1).clamp(min=0)) if len(others) else splits[1:]
        bounds = torch.where(splits.diff() > 0, last, -1)
        return Side(splits, order.to(torch.int32), others, bounds)

    @cached_property
    def leaving(self) -> Side:
        source, dest = self.states_of_arcs()
        beyond = torch.iinfo(torch.int32).max
        bounds = segments.extremes(dest, source, self.state_splits, beyond, largest=False)
        return Side(self.state_splits, None, dest, bounds)

    def check_acyclic(self) -> None:
        """Raises FstError where an arc does not lead to a higher state of its automaton."""
        _ = self._acyclic

    @cached_property
    def _acyclic(self) -> None:
        fsas = self.fsas_of_arcs()
        src, to = self.states_of_arcs()[0] - self.fsa_splits[fsas], self.arcs[:, 1]
        sizes = self.fsa_splits.diff()[fsas]
        wrong = (to <= src) | (to >= sizes)
        if bool(wrong.any()):
            arc = int(wrong.nonzero()[0])
            raise FstError(
                f"{self.operation}: automaton {int(fsas[arc])} is not top-sorted and acyclic: arc {arc} "
                f"leads from state {int(src[arc])} to {int(to[arc])} of {int(sizes[arc])}; use top_sort on "
                "one without cycles"
            )


def forward_scores(
    graphs: Graphs, scores: Tensor, log: bool, backend: Backend = None, dtype: torch.dtype | None = None
) -> Tensor:
    """All paths from the start to each state: scores (num_arcs,), float32 or float64, to (states,).

    In dtype, or that of the scores. Differentiable in scores. -inf where no path leads. Raises FstError for
    arrays that do not fit, and for cycles and arcs to lower states, which it names.
    """
    return _states(graphs, scores, log, True, backend, dtype)


def backward_scores(
    graphs: Graphs, scores: Tensor, log: bool, backend: Backend = None, dtype: torch.dtype | None = None
) -> Tensor:
    """All paths from each state to the final one of its automaton, as forward_scores."""
    return _states(graphs, scores, log, False, backend, dtype)


def total_scores(
    graphs: Graphs, scores: Tensor, log: bool, backend: Backend = None, dtype: torch.dtype | None = None
) -> Tensor:
    """All paths of each automaton, (automata,); -inf where it has none."""
    if not log and _implementation(scores.device, backend) is native:
        _check_scores(graphs, scores)
        scores, dtype = _precise(scores, dtype, native)
        return native.best_totals(graphs, scores, dtype)
    return _of_states(graphs, forward_scores(graphs, scores, log, backend, dtype), graphs.fsa_splits[1:] - 1)


def best_paths(
    graphs: Graphs, scores: Tensor, backend: Backend = None, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """The arcs of one best path of each automaton, one path after the other, and how many each has: int32.
    That path which the tropical total's gradient goes to.
    """
    _check_scores(graphs, scores)
    module = _implementation(scores.device, backend)
    scores, dtype = _precise(scores, dtype, module)
    if module is native:
        return native.best_paths(graphs, scores, dtype)
    with torch.enable_grad():
        leaf = scores.detach().requires_grad_()
        total = total_scores(graphs, leaf, False, backend).sum()
        taken = torch.autograd.grad(total, leaf)[0] if total.requires_grad else torch.zeros_like(scores)
        # Arcs lead to higher states, so that a path has them in their order.
        paths = taken.nonzero()[:, 0]
    sizes = torch.bincount(graphs.fsas_of_arcs()[paths], minlength=len(graphs.fsa_splits) - 1)
    return paths.to(torch.int32), sizes.to(torch.int32)


def arc_posteriors(
    graphs: Graphs, scores: Tensor, log: bool, backend: Backend = None, dtype: torch.dtype | None = None
) -> Tensor:
    """All paths through each arc, less the total score of its automaton, (num_arcs,); -inf where there are
    none.
    """
    forward = forward_scores(graphs, scores, log, backend, dtype)
    backward = backward_scores(graphs, scores, log, backend, dtype)
    # Found from both ends, and their mean as in k2, so that rounding and ties favour neither.
    total = _of_states(graphs, forward, graphs.fsa_splits[1:] - 1) / 2
    total = total + _of_states(graphs, backward, graphs.fsa_splits[:-1]) / 2
    total = total.repeat_interleave(graphs.fsa_splits.diff(), output_size=len(forward))
    before = torch.where(total == -torch.inf, -torch.inf, forward - total)
    module = _implementation(scores.device, backend)
    scores, _ = _precise(scores, dtype, module)
    if module is native:
        return native.through_arcs(graphs, before, scores, backward)
    source, dest = graphs.states_of_arcs()
    return before.index_select(0, source) + scores + backward.index_select(0, dest)


def _of_states(graphs: Graphs, found: Tensor, states: Tensor) -> Tensor:
    """What was found for one state of each automaton, (automata,); -inf where it has none."""
    empty = graphs.fsa_splits.diff() == 0
    if found.numel() == 0:
        return found.new_full(empty.shape, -torch.inf) + found.sum()  # which keeps the way to the gradient
    return torch.where(empty, -torch.inf, found.index_select(0, torch.where(empty, 0, states)))


def _check_scores(graphs: Graphs, scores: Tensor) -> None:
    if scores.shape != graphs.arcs.shape[:1] or scores.dtype not in (torch.float32, torch.float64):
        raise FstError(
            f"{graphs.operation}: scores of {tuple(scores.shape)} and {scores.dtype}, expected "
            f"({graphs.arcs.shape[0]},) of torch.float32 or float64"
        )


def _precise(scores: Tensor, dtype: torch.dtype | None, module: ModuleType) -> tuple[Tensor, torch.dtype]:
    """The scores as `module` takes them for results in dtype: the native core widens them as it reads."""
    dtype = dtype or scores.dtype
    widened = module is native and dtype == torch.float64
    return scores if widened else scores.to(dtype), dtype


def _states(
    graphs: Graphs, scores: Tensor, log: bool, forward: bool, backend: Backend, dtype: torch.dtype | None
) -> Tensor:
    _check_scores(graphs, scores)
    module = _implementation(scores.device, backend)
    scores, dtype = _precise(scores, dtype, module)
    if module is native:
        return native.state_scores(graphs, scores, log, forward, dtype)
    return module.state_scores(graphs, scores, log, forward)


__all__ = ["Graphs", "arc_posteriors", "backward_scores", "best_paths", "forward_scores", "total_scores"]
