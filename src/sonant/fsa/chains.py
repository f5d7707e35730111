"""Chains with epsilon loops, which k2 code intersects with graphs on devices where 0 is a label like
others.
"""

import torch

from sonant.errors import FstError
from sonant.fsa.fsa import Fsa
from sonant.fsa.graphs import linear_fsa
from sonant.fsa.operations import add_epsilon_self_loops
from sonant.fsa.ragged_shape import RaggedShape, create_ragged_shape2
from sonant.fsa.ragged_tensor import RaggedTensor, index_and_sum


def _labels(fsas: Fsa) -> RaggedTensor:
    """The labels of each automaton, without epsilons and final arcs."""
    arcs = fsas.arcs
    splits = arcs.state_splits()[arcs.fsa_splits().long()]
    return RaggedTensor(RaggedShape.of(splits), fsas.labels.contiguous()).remove_values_leq(0)


def linear_fsa_with_self_loops(fsas: Fsa) -> Fsa:
    """Chains (one, or a batch) without their epsilons, and with a loop of label 0 at each state but the
    last.
    """
    found = add_epsilon_self_loops(linear_fsa(_labels(fsas)))
    return found if len(fsas.shape) == 3 else found[0]


def linear_fst_with_self_loops(fsts: Fsa) -> Fsa:
    """As linear_fsa_with_self_loops; an arc takes on the scores and, ragged, the aux_labels of the
    epsilons after it.

    Raises FstError where there are no aux_labels in a tensor.
    """
    aux = dict(fsts.named_tensor_attr()).get("aux_labels")
    if not isinstance(aux, torch.Tensor):
        raise FstError("linear_fst_with_self_loops: no aux_labels in a tensor")
    begins = torch.ones_like(fsts.labels)
    begins[1:] = fsts.labels[:-1] != 0
    rows = create_ragged_shape2(row_ids=torch.cumsum(begins, 0, dtype=torch.int32) - 1)
    arcs = torch.arange(fsts.num_arcs, dtype=torch.int32, device=fsts.device)
    chain = linear_fsa(_labels(fsts))
    chain.aux_labels = RaggedTensor(rows, aux).remove_values_leq(0)
    chain.scores = index_and_sum(fsts.scores, RaggedTensor(rows, arcs))
    found = add_epsilon_self_loops(chain)
    return found if len(fsts.shape) == 3 else found[0]
