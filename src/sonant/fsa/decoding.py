"""From the output of a network to labels: a lattice, its best paths, what these write (k2's)."""

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.dense_fsa_vec import DenseFsaVec
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import shortest_path
from sonant.fsa.pruned_search import intersect_dense_pruned
from sonant.fsa.ragged_tensor import RaggedTensor


def get_lattice(
    log_prob: Tensor,
    log_prob_len: Tensor,
    decoding_graph: Fsa,
    search_beam: float = 20,
    output_beam: float = 8,
    min_active_states: int = 30,
    max_active_states: int = 10000,
    subsampling_factor: int = 1,
) -> Fsa:
    """The lattice of each recording: log_prob (recordings, frames, classes), log_prob_len (recordings,) the
    frames of each, in any order, by intersect_dense_pruned.

    With a subsampling_factor lengths may be too large by up to subsampling_factor - 1 frames. Raises FstError
    for tensors that do not go together, and as DenseFsaVec and intersect_dense_pruned do.
    """
    if log_prob.ndim != 3 or log_prob_len.shape != log_prob.shape[:1]:
        raise FstError(
            f"get_lattice: log_prob of {tuple(log_prob.shape)} and log_prob_len of "
            f"{tuple(log_prob_len.shape)}, expected (recordings, frames, classes) and (recordings,)"
        )
    if log_prob.device != decoding_graph.device:
        raise FstError(
            f"get_lattice: log_prob on {log_prob.device}, the graph on {decoding_graph.device}; move one: .to"
        )
    lengths = log_prob_len.cpu().to(torch.int32)
    first = torch.zeros_like(lengths)
    segments = torch.stack([torch.arange(len(lengths), dtype=torch.int32), first, lengths], 1)
    dense = DenseFsaVec(log_prob, segments, allow_truncate=subsampling_factor - 1)
    return intersect_dense_pruned(
        decoding_graph, dense, search_beam, output_beam, min_active_states, max_active_states
    )


def one_best_decoding(lattice: Fsa, use_double_scores: bool = True) -> Fsa:
    """The best path of each lattice: shortest_path."""
    return shortest_path(lattice, use_double_scores=use_double_scores)


def get_aux_labels(best_paths: Fsa) -> list[list[int]]:
    """What each of a batch of paths writes: its aux_labels, without 0 and -1."""
    return written(best_paths, "get_aux_labels").tolist()


def written(paths: Fsa, operation: str) -> RaggedTensor:
    """aux_labels without 0 and -1: axes [path][label], int32."""
    aux = dict(paths.named_tensor_attr()).get("aux_labels")
    if len(paths.shape) != 3 or aux is None:
        found = f"shape {paths.shape}, and {'no' if aux is None else 'some'} aux_labels"
        raise FstError(f"{operation}: {found}; expected a batch of paths that have them")
    arcs_of = paths.arcs.shape().remove_axis(1)
    if isinstance(aux, RaggedTensor):
        kept = aux.remove_values_leq(0)
        return RaggedTensor(arcs_of.compose(kept.shape).remove_axis(1), kept.values)
    return RaggedTensor(arcs_of, aux).remove_values_leq(0)
