"""Scores moved along paths, by a number for each state; each path keeps its score."""

import torch
from torch import Tensor

from sonant import _native
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import flat


def reweighted(fsa: Fsa, ahead: Tensor) -> Tensor:
    """Scores, where each arc gives out ahead (states,) of where it leads and has got that of where it leaves.

    ahead is 0 for final states, and lost for the starts, unless it is 0 there. Differentiable in both.
    """
    place, first, _ = fsa.arcs.places()
    there = ahead.index_select(0, first + fsa.arcs.values()[:, 1])
    return fsa.scores + there - ahead.index_select(0, place)


def best_onward(fsa: Fsa, operation: str) -> Tensor:
    """(states,): the score of the best path from each state to the final one; 0 where there is none.

    Differentiable: 1 for each time that the path takes an arc. Cycles may be there, but none that gain.
    Raises FstError where one does.
    """
    arcs, scores = fsa.arcs, fsa.scores
    first_arcs = _native.fsa_best_onward(*flat(arcs), scores.detach().double().cpu().numpy(), operation)
    best = torch.from_numpy(first_arcs).to(fsa.device).long()
    state = torch.arange(len(best), device=fsa.device)
    if not fsa.num_arcs:
        return fsa.scores.new_zeros(len(best))
    first = arcs.places()[1]
    arc = best.clamp(min=0)
    onward = torch.where(best >= 0, scores.index_select(0, arc), 0)
    then = torch.where(best >= 0, (first + arcs.values()[:, 1]).long()[arc], state)
    # `onward` is of the arcs up to `then`, which are twice as many each time.
    while not torch.equal(then[then], then):
        onward, then = onward + onward.index_select(0, then), then[then]
    return onward
