"""The smallest automaton: states from which the same can be read, with the same scores, become one."""

import math
from typing import Any

import torch
from torch import Tensor

from sonant import _native
from sonant.errors import FstError
from sonant.fsa.arc_maps import from_arc_map
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import connect, flat
from sonant.fsa.pushing import best_onward, reweighted
from sonant.fsa.ragged_shape import splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor

DELTA = 1 / 1024
"""Scores are compared as multiples of this, as in sonant.fst."""


def minimize(fsa: Fsa, push_scores: bool = True, delta: float = DELTA) -> Fsa:
    """Connected, with as few states as can be, and the same score of each path up to delta for each arc.

    One automaton or a batch, with cycles or without. Of a deterministic one the result is the smallest that
    there is: scores are pushed to where paths begin (each state's best way to the end costs nothing then;
    Mohri, Theor. Comput. Sci. 234, 2000), so that what only differs in where scores lie becomes one too.
    Otherwise states are one that cannot be told apart by going forward arc by arc (the coarsest
    bisimulation), which keeps both the best score and the sum over paths of each sequence. aux_labels and
    all other attributes of arcs are part of the label: arcs are only the same where these are equal. Delete
    what shall not keep states apart; aux_labels do not move.

    What all paths share goes to the arcs of the start, or to final arcs where arcs lead back to the start.
    Without push_scores scores stay on their arcs. Top-sorted automata stay so. Arcs and their attributes
    come from the last state that became part of one; so do gradients, which are exact for scores as a
    function of those arcs, pushing included, while the arcs of the other states, which had the same scores,
    get none.

    Raises FstError for scores that are NaN or +inf, and, with push_scores, for cycles that gain.
    """
    if not (delta > 0 and math.isfinite(delta)):
        raise FstError(f"minimize: delta={delta}, expected a number above 0")
    fsa = connect(fsa)
    scores, total = fsa.scores, None
    if push_scores:
        ahead = best_onward(fsa, "minimize")
        scores = reweighted(fsa, ahead)
        total = ahead[fsa.arcs.first_and_last_states()[0].long()]
    arrays = scores.detach().float().cpu().contiguous().numpy(), float(delta)
    blocks = _native.fsa_bisimilar_states(*flat(fsa.arcs), _keys(fsa).cpu().numpy(), *arrays)
    result, kept = _merged(fsa, torch.from_numpy(blocks).to(fsa.device).long())
    result.scores = scores.index_select(0, kept)
    if total is not None:
        result.scores = result.scores + _shared(result, total)
    return result


def _keys(fsa: Fsa) -> Tensor:
    """int32 (num_arcs,): a number for each label together with all attributes."""
    keys = _numbered(fsa.labels)
    for _, value in fsa.named_tensor_attr(include_scores=False):
        other = _numbered(value)
        joined = keys * (int(other.max()) + 1 if len(other) else 1) + other
        keys = _numbered(joined)
    return keys.to(torch.int32).contiguous()


def _numbered(value: Tensor | RaggedTensor) -> Tensor:
    """int64 (rows,): equal numbers for equal rows."""
    if isinstance(value, RaggedTensor):
        number: dict[Any, int] = {}
        rows = [number.setdefault(repr(row), len(number)) for row in value.tolist()]
        return torch.tensor(rows, dtype=torch.int64, device=value.device)
    if value.numel() == 0:
        return torch.zeros(len(value), dtype=torch.int64, device=value.device)
    value = value.detach()
    if value.ndim == 1:
        return torch.unique(value, return_inverse=True)[1]
    return torch.unique(value.flatten(1), dim=0, return_inverse=True)[1]


def _merged(fsa: Fsa, block: Tensor) -> tuple[Fsa, Tensor]:
    """Of each block the last state, in the order of these, but the start's first; the arcs that stay."""
    arcs = fsa.arcs
    splits = arcs.fsa_splits().long()
    states = arcs.num_states()
    owner = torch.arange(len(splits) - 1, device=fsa.device).repeat_interleave(splits.diff())
    state = torch.arange(states, device=fsa.device)
    # Block numbers count the first states of blocks, of which there are at most as many as states before.
    of_all = splits[owner] + block
    last = torch.full_like(state, -1).scatter_reduce_(0, of_all, state, "amax")
    starts = arcs.first_and_last_states()[0].long()
    last[starts] = starts  # number 0, and first
    chosen = last[last >= 0].sort().values
    number = torch.full_like(state, -1)
    counts = torch.bincount(owner[chosen], minlength=len(splits) - 1)
    fsa_splits = splits_of_sizes(counts)
    number[chosen] = torch.arange(len(chosen), device=fsa.device) - fsa_splits[owner[chosen]]
    number = number[last[of_all]]
    place, first, _ = arcs.places()
    stays = torch.zeros_like(state, dtype=torch.bool)
    stays[chosen] = True
    kept = stays[place.long()].nonzero()[:, 0]
    values = arcs.values()
    dest = number[(first + values[:, 1]).long()]
    rows = torch.stack([number[place.long()], dest, values[:, 2].long(), torch.zeros_like(dest)], 1)[kept]
    state_splits = splits_of_sizes(arcs.state_splits().diff()[chosen])
    made = arcs.like(fsa_splits, state_splits, rows.to(torch.int32))
    return from_arc_map(fsa, made, kept.to(torch.int32)), kept


def _shared(fsa: Fsa, total: Tensor) -> Tensor:
    """For each arc what it takes of total, which is given for each automaton that has states."""
    arcs = fsa.arcs
    counts = arcs.fsa_splits().diff()
    which = (counts > 0).long().cumsum(0) - 1
    of = which.repeat_interleave(arcs.arc_counts().long())
    src, dest, label, _ = arcs.values().unbind(1)
    back = torch.zeros(len(total), dtype=torch.bool, device=fsa.device)
    back[of[dest == 0]] = True
    takes = torch.where(back[of], label == -1, src == 0)
    return torch.where(takes, total.index_select(0, of), 0)
