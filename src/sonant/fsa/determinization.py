"""Determinization and removal of epsilons (k2's), by the native core, with arc maps of several arcs an arc.

Both keep the best path of each sequence (the tropical semiring). Scores are sums of the arcs' scores,
with their gradients. Attributes of arcs become ragged: a row of what the arcs had that are not fillers.
"""

from enum import Enum
from typing import Any

import torch

from sonant import _native
from sonant.errors import FstError
from sonant.fsa import fsa_properties
from sonant.fsa.arc_maps import from_ragged_arc_map
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import add_epsilon_self_loops, connect, flat
from sonant.fsa.pushing import reweighted
from sonant.fsa.ragged_shape import RaggedShape
from sonant.fsa.ragged_tensor import RaggedTensor, index_and_sum


class DeterminizeWeightPushingType(Enum):
    """When scores are given out in the result of determinize. Each path's score is the same in all of
    them.
    """

    kTropicalWeightPushing = 0
    """At once what the best of the ways to a state has; the others owe the difference (Mohri 1997)."""
    kLogWeightPushing = 1
    """At once the log of the sum of what they have."""
    kNoWeightPushing = 2
    """As soon as they agree on an arc; an arc's score is the sum of the arcs that it stands for."""


def _made(fsa: Fsa, found: tuple[Any, ...], remove_filler: bool = True) -> Fsa:
    arcs, state_splits, fsa_splits, splits, values = (torch.from_numpy(x).to(fsa.device) for x in found)
    made = fsa.arcs.like(fsa_splits, state_splits, arcs)
    return from_ragged_arc_map(fsa, made, RaggedTensor(RaggedShape.of(splits), values), remove_filler)


def determinize(
    fsa: Fsa,
    weight_pushing_type: DeterminizeWeightPushingType = DeterminizeWeightPushingType.kNoWeightPushing,
    max_states: int = 0,
) -> Fsa:
    """Each label at most once at each state; 0 is a label like others (remove_epsilon). On one or a batch.

    The best score of each sequence stays. Differentiable in all weight_pushing_type, exactly (k2: but for
    the first only of what does not depend on where scores lie). Not every automaton with cycles can be
    determinized: it grows until it has max_states, or takes half of the memory, and raises FstError.
    """
    if not isinstance(weight_pushing_type, DeterminizeWeightPushingType):
        raise FstError(
            f"determinize: weight_pushing_type={weight_pushing_type!r}, expected one of "
            f"{[str(kind) for kind in DeterminizeWeightPushingType]}"
        )
    if fsa.properties & fsa_properties.ARC_SORTED_AND_DETERMINISTIC:
        return fsa
    scores = fsa.scores.detach().float().cpu().contiguous().numpy()
    found, ways = _native.fsa_determinize(*flat(fsa.arcs), scores, max_states)
    made = _made(fsa, found)
    if weight_pushing_type is DeterminizeWeightPushingType.kNoWeightPushing:
        return made
    way_splits, left_splits, left_values = (torch.from_numpy(x).to(fsa.device) for x in ways)
    # What each way to a state has that was not given out is what an arc to the state gives out beforehand.
    left = index_and_sum(fsa.scores, RaggedTensor(RaggedShape.of(left_splits), left_values))
    of_state = RaggedTensor(RaggedShape.of(way_splits), left)
    log = weight_pushing_type is DeterminizeWeightPushingType.kLogWeightPushing
    ahead = of_state.logsumexp() if log else of_state.max()
    ahead = torch.where(way_splits.diff() > 0, ahead, 0)
    made.scores = reweighted(made, ahead)
    return made


def remove_epsilon(fsa: Fsa) -> Fsa:
    """Without label 0, connected, as good on each sequence. Raises FstError where epsilons go round and
    gain.
    """
    return connect(_epsilon_free(fsa, remove_filler=True))


def _epsilon_free(fsa: Fsa, remove_filler: bool) -> Fsa:
    scores = fsa.scores.detach().float().cpu().contiguous().numpy()
    return _made(fsa, _native.fsa_remove_epsilons(*flat(fsa.arcs), scores), remove_filler)


def remove_epsilon_and_add_self_loops(fsa: Fsa, remove_filler: bool = True) -> Fsa:
    """remove_epsilon, and then a loop of label 0 at each state but the final one."""
    if fsa.properties & fsa_properties.EPSILON_FREE:
        return add_epsilon_self_loops(fsa)
    return add_epsilon_self_loops(connect(_epsilon_free(fsa, remove_filler)))
