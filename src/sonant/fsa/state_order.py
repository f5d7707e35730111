"""Which states an operation keeps, and in what order: by the native core, or in torch on any other device."""

from typing import Literal

import torch
from torch import Tensor

from sonant import _native
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.ragged_shape import select_rows, splits_of_sizes
from sonant.ops.fsa_scores import Graphs, backward_scores, forward_scores

Backend = Literal["reference"] | None


def useful_states(arcs: RaggedArc, backend: Backend = None) -> tuple[Tensor, Tensor]:
    """States that a path from the start to the final state goes through, counted over all automata, in their
    order; and where those of each automaton begin: int32. None of an automaton of fewer than two states.
    """
    if backend != "reference" and arcs.device.type == "cpu":
        return _by_native(arcs, topological=False)
    graphs = Graphs(arcs.values(), arcs.state_splits(), arcs.fsa_splits(), "connect")
    source, dest = graphs.states_of_arcs()
    splits = arcs.fsa_splits()
    there = splits.diff() > 1
    if bool((source < dest).all()):
        # Without cycles the scores of states say it, and on a GPU in one launch for each direction.
        scores = torch.zeros(len(source), device=arcs.device)
        forward = forward_scores(graphs, scores, False, backend) > -torch.inf
        backward = backward_scores(graphs, scores, False, backend) > -torch.inf
    else:
        forward = _reached(splits[:-1][there], arcs.state_splits(), dest)
        entering = graphs.entering
        backward = _reached(splits[1:][there] - 1, entering.splits, entering.others)
    useful = forward & backward
    useful &= there.repeat_interleave(splits.diff().long(), output_size=len(useful))
    number = splits_of_sizes(useful)
    return useful.nonzero()[:, 0].to(torch.int32), number[splits.long()].to(torch.int32)


def _reached(states: Tensor, splits: Tensor, others: Tensor) -> Tensor:
    """(all states,) bool: what can be reached from these along arcs that lead to `others`."""
    seen = torch.zeros(len(splits) - 1, dtype=torch.bool, device=splits.device)
    seen[states.long()] = True
    while len(states):
        next_states = others[select_rows(splits, states)[1].long()]
        states = next_states[~seen[next_states.long()]].unique()
        seen[states.long()] = True
    return seen


def topological_order(arcs: RaggedArc, backend: Backend = None) -> tuple[Tensor, Tensor]:
    """All states in an order in which arcs lead to later ones (or stay), the final state last: by the longest
    way to them, states as far as each other by number. As useful_states, else.

    Raises FstError where there is none, because of a cycle of several states.
    """
    if backend != "reference" and arcs.device.type == "cpu":
        return _by_native(arcs, topological=True)
    graphs = Graphs(arcs.values(), arcs.state_splits(), arcs.fsa_splits(), "top_sort")
    source, dest = (states.long() for states in graphs.states_of_arcs())
    splits, count = arcs.fsa_splits(), arcs.num_states()
    # Arcs from other states that have not been followed.
    waiting = torch.bincount(dest[source != dest], minlength=count)
    level = torch.full((count,), -1, dtype=torch.int64, device=arcs.device)
    states, levels = (waiting == 0).nonzero()[:, 0], 0
    while len(states):
        level[states] = levels
        levels += 1
        chosen = select_rows(arcs.state_splits(), states.to(torch.int32))[1].long()
        followed = dest[chosen][source[chosen] != dest[chosen]]
        waiting -= torch.bincount(followed, minlength=count)
        states = followed.unique()
        states = states[waiting[states] == 0]
    first, last = arcs.first_and_last_states()
    if bool((level < 0).any() | (level[first.long()] > 0).any()):
        return _by_native(arcs, topological=True)  # which says what is wrong
    level[last.long()] = levels
    fsa = torch.arange(len(splits) - 1, device=arcs.device)
    fsa = fsa.repeat_interleave(splits.diff().long(), output_size=count)
    order = (fsa * (levels + 1) + level).argsort(stable=True)
    return order.to(torch.int32), splits


def _by_native(arcs: RaggedArc, topological: bool) -> tuple[Tensor, Tensor]:
    tensors = arcs.values(), arcs.state_splits(), arcs.fsa_splits()
    values, state_splits, fsa_splits = (tensor.contiguous().cpu().numpy() for tensor in tensors)
    states, splits = _native.fsa_order(values, state_splits, fsa_splits, topological)
    return torch.from_numpy(states).to(arcs.device), torch.from_numpy(splits).to(arcs.device)
