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
from sonant.fsa.ragged_shape import RaggedShape
from sonant.fsa.ragged_tensor import RaggedTensor


class DeterminizeWeightPushingType(Enum):
    """Where scores go in the result of determinize; kNoWeightPushing is the one there is."""

    kTropicalWeightPushing = 0
    kLogWeightPushing = 1
    kNoWeightPushing = 2


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

    A score is given out at the first arc at which all paths agree on it. Not every automaton with cycles
    can be determinized: it grows until it has max_states, or takes half of the memory, and raises
    FstError.
    """
    if weight_pushing_type is not DeterminizeWeightPushingType.kNoWeightPushing:
        raise FstError(f"determinize: {weight_pushing_type}, expected kNoWeightPushing, the one there is")
    if fsa.properties & fsa_properties.ARC_SORTED_AND_DETERMINISTIC:
        return fsa
    scores = fsa.scores.detach().float().cpu().contiguous().numpy()
    return _made(fsa, _native.fsa_determinize(*_arrays(fsa), scores, max_states))


def _arrays(fsa: Fsa) -> tuple[Any, Any, Any]:
    arcs, state_splits, fsa_splits = flat(fsa.arcs)
    return arcs, state_splits, fsa_splits


def remove_epsilon(fsa: Fsa) -> Fsa:
    """Without label 0, connected, as good on each sequence. Raises FstError where epsilons go round and
    gain.
    """
    return connect(_epsilon_free(fsa, remove_filler=True))


def _epsilon_free(fsa: Fsa, remove_filler: bool) -> Fsa:
    scores = fsa.scores.detach().float().cpu().contiguous().numpy()
    return _made(fsa, _native.fsa_remove_epsilons(*_arrays(fsa), scores), remove_filler)


def remove_epsilon_and_add_self_loops(fsa: Fsa, remove_filler: bool = True) -> Fsa:
    """remove_epsilon, and then a loop of label 0 at each state but the final one."""
    if fsa.properties & fsa_properties.EPSILON_FREE:
        return add_epsilon_self_loops(fsa)
    return add_epsilon_self_loops(connect(_epsilon_free(fsa, remove_filler)))
