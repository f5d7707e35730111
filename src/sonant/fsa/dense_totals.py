"""The total scores of intersect_dense's result, without making it."""

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.dense_fsa_vec import DenseFsaVec
from sonant.fsa.fsa import Fsa
from sonant.fsa.ragged_tensor import RaggedTensor
from sonant.ops.fsa_frames import Leak, Sequences, total_scores
from sonant.ops.fsa_scores import Graphs


def intersect_dense_tot_scores(
    a_fsas: Fsa, b_fsas: DenseFsaVec, delay_penalty: float = 0.0, leak: Leak | None = None
) -> Tensor:
    """What `intersect_dense(a_fsas, b_fsas, inf).get_tot_scores(True, log_semiring=True)` gives, exactly, in
    the memory of states x frames: float64, one for each segment. Differentiable in both.

    a_fsas: a batch with an automaton for each segment, or one for all. delay_penalty: what a frame's delay of
    an emission costs (see ctc_loss). leak: the leaky HMM. Raises FstError as intersect_dense does.
    """
    operation = "intersect_dense_tot_scores"
    single, segments = len(a_fsas.shape) == 2, b_fsas.dim0()
    if not single and a_fsas.arcs.dim0() != segments:
        raise FstError(
            f"{operation}: {a_fsas.arcs.dim0()} automata and {segments} segments, expected as many of both"
        )
    arcs, scores = a_fsas.arcs, b_fsas.scores
    values, splits = arcs.values(), b_fsas.shape().row_splits(1)
    if delay_penalty:
        # Emissions have columns of their own, where each frame says what they gain or lose.
        classes = scores.shape[1] - 1
        values = values.clone()
        values[:, 2] += torch.where(emissions(a_fsas), classes, 0).to(torch.int32)
        duration = b_fsas.duration.to(scores.device).long()
        segment = torch.arange(segments, device=scores.device).repeat_interleave(duration + 1)
        frame = torch.arange(len(scores), device=scores.device) - splits[segment]
        gain = (duration // 2)[segment] - frame
        scores = torch.cat([scores, scores[:, 1:] + delay_penalty * gain[:, None].to(scores.dtype)], 1)
    of = torch.arange(segments, dtype=torch.int32)
    sequences = Sequences(splits[:-1], b_fsas.duration, torch.zeros_like(of) if single else of, column=1)
    graphs = Graphs(values, arcs.state_splits(), arcs.fsa_splits(), operation)
    return total_scores(graphs, a_fsas.scores, scores, sequences, leak)


def emissions(fsas: Fsa) -> Tensor:
    """(num_arcs,) bool: the arcs that emit a token. Those are the ones with an aux label, or, where there is
    an attribute `_is_repeat_token_` (k2's), the ones with a label above 0 for which it is False.
    """
    named = dict(fsas.named_tensor_attr(include_scores=False))
    repeated, aux = named.get("_is_repeat_token_"), named.get("aux_labels")
    if isinstance(repeated, Tensor):
        return (fsas.labels > 0) & ~repeated.bool()
    if isinstance(aux, Tensor):
        return aux > 0
    found = "ragged" if isinstance(aux, RaggedTensor) else "no"
    raise FstError(
        f"delay_penalty: the automata have {found} aux_labels, which say where tokens are emitted; expected "
        "a tensor of them, or an attribute _is_repeat_token_"
    )
