"""Level by level in torch, on any device: the level of a state is the longest way to it from a state without
arcs into it (or, backward, out of it), so that all states of a level can be computed at once from those
before.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonant.ops.segments import reference as segments

if TYPE_CHECKING:
    from sonant.ops.fsa_scores import Graphs


def _levels(come: Tensor, go: Tensor, states: int) -> Tensor:
    """Of each state, where arcs lead from `come` to `go`; there are no cycles."""
    level = torch.zeros(states, dtype=torch.int64, device=come.device)
    while True:
        higher = level.scatter_reduce(0, go, level[come] + 1, "amax")
        if torch.equal(higher, level):
            return level
        level = higher


def state_scores(graphs: "Graphs", scores: Tensor, log: bool, forward: bool) -> Tensor:
    source, dest = (states.long() for states in graphs.states_of_arcs())
    graphs.check_acyclic()
    states = len(graphs.state_splits) - 1
    come, go = (source, dest) if forward else (dest, source)
    there = graphs.fsa_splits.diff() > 0
    ends = (graphs.fsa_splits[:-1] if forward else graphs.fsa_splits[1:] - 1)[there].long()

    level = _levels(come, go, states)
    order = level[go].argsort(stable=True)  # arcs in the order of the levels that they lead to
    counts = torch.bincount(level[go], minlength=1).tolist()
    found = scores.new_full((states,), -torch.inf)
    found[ends] = 0
    begin = counts[0]
    assert begin == 0  # no arc leads to the first level
    for count in counts[1:]:
        arcs = order[begin : begin + count]
        begin += count
        reached, ids = go[arcs].unique(return_inverse=True)
        values = found[come[arcs]] + scores[arcs]
        if log:
            new = segments.log_sum_exp(values, ids, len(reached))
        else:
            new = _best(values, ids, len(reached))
        found = found.index_copy(0, reached, new)
    return found


def _best(values: Tensor, ids: Tensor, rows: int) -> Tensor:
    """The largest of each row; its gradient goes to the last of equal ones, and nowhere from -inf."""
    largest = segments.extremes(values.detach(), ids, rows, -torch.inf, largest=True)
    at = segments.last_of_largest(values.detach(), largest, ids)
    none = (at < 0) | (largest == -torch.inf)
    return torch.where(none, -torch.inf, values[at.clamp(min=0).long()])
