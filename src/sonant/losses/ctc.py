"""CTC (Graves et al. 2006), in any topology (Laptev et al. 2021)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sonant.errors import ConfigError
from sonant.fsa import Fsa, RaggedTensor, ctc_graph, linear_fsa, linear_fsa_with_self_loops
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.losses.lengths import at_least_float32, check, padding
from sonant.ops.fsa_frames import Sequences, total_scores
from sonant.ops.fsa_scores import Graphs

# Stands for log 0 in torch's CTC, whose gradient is not a number at -inf.
IMPOSSIBLE = -1e30

Topology = Literal["standard", "modified", "minimal"]


def ctc_loss(
    logits: Tensor,
    targets: Tensor,
    frames: Tensor,
    tokens: Tensor,
    *,
    blank: int = 0,
    topology: Topology = "standard",
    delay_penalty: float = 0.0,
    smoothing: float = 0.0,
) -> Tensor:
    """Negative log-probability of the targets, (batch,).

    logits (batch, frames, vocabulary), unnormalised; targets (batch, tokens) int64; frames and tokens
    (batch,) int64, the lengths of each recording, beyond which nothing is looked at. Computed in float32 at
    least. A recording whose targets no alignment gives (fewer frames than they need, or -inf on all ways)
    counts as zero, with no gradient; one whose logits are not numbers is not a number.

    topology: what an alignment is. "standard": each token for one or more frames, blanks between, at least
    one between equal tokens; "modified": equal tokens may follow each other at once (k2's modified topology;
    the compact one of Laptev et al. has the same alignments); "minimal": each token for one frame.
    delay_penalty: as in sonant.fsa.ctc_loss, for each frame that a token begins before or after the middle.
    smoothing: the share of the loss that is the cross entropy with a uniform distribution in each frame
    (Kim et al. 2018), which keeps the network from being too sure.

    Raises ConfigError for shapes, lengths, targets or options that do not fit the logits.
    """
    _check(logits, targets, frames, tokens)
    if not 0 <= blank < logits.shape[2]:
        raise ConfigError(f"blank {blank}, but the logits have tokens 0..{logits.shape[2] - 1}")
    if topology not in ("standard", "modified", "minimal"):
        raise ConfigError(f"topology {topology!r}, expected 'standard', 'modified' or 'minimal'")
    if not 0 <= smoothing < 1:
        raise ConfigError(f"smoothing {smoothing}, expected 0 or more and less than 1")
    if logits.shape[0] == 0:
        return at_least_float32(logits).new_zeros(0)
    scores = _log_probs(logits, frames)
    if logits.device.type != "cpu" and topology == "standard" and not delay_penalty:
        loss = by_torch(scores, targets, frames, tokens, blank)
    else:
        loss = by_graphs(scores, targets, frames, tokens, blank, topology, delay_penalty)
    if smoothing:
        uniform = -scores.masked_fill(scores == -torch.inf, 0).mean(-1)
        uniform = uniform.masked_fill(padding(frames, scores.shape[1]), 0).sum(1)
        loss = (1 - smoothing) * loss + smoothing * torch.where(loss == 0, 0, uniform)
    return loss


def by_torch(scores: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor, blank: int) -> Tensor:
    """The standard topology by torch's own kernel: what there is on a GPU."""
    targets = targets.masked_fill(padding(tokens, targets.shape[1]), blank)
    scores = scores.clamp(min=IMPOSSIBLE).transpose(0, 1)
    loss = F.ctc_loss(scores, targets, frames, tokens, blank, reduction="none", zero_infinity=True)
    return loss.masked_fill(loss > -IMPOSSIBLE / 2, 0.0)


def by_graphs(
    scores: Tensor,
    targets: Tensor,
    frames: Tensor,
    tokens: Tensor,
    blank: int,
    topology: Topology,
    delay_penalty: float,
) -> Tensor:
    """Any topology, by a graph for each transcript; on a CPU in less time than torch's kernel."""
    batch, length, vocabulary = scores.shape
    said = ~padding(tokens, targets.shape[1])
    shape = RaggedShape.of(splits_of_sizes(tokens))
    # Label 0 is the blank, label l token l - 1.
    symbols = RaggedTensor(shape, (targets[said] + 1).to(torch.int32))
    graph, emits = _graph(symbols, topology)
    arcs = graph.arcs.values().clone()
    label = arcs[:, 2]
    column = torch.where(label == 0, blank, label - (label > 0).to(torch.int32))
    if delay_penalty:
        # Emissions have columns of their own, where each frame says what they gain or lose.
        column = torch.where(emits, column + vocabulary, column)
        frame = torch.arange(length, device=scores.device)
        gain = (frames // 2)[:, None] - frame
        scores = torch.cat([scores, scores + delay_penalty * gain[..., None].to(scores.dtype)], -1)
    arcs[:, 2] = column
    graphs = Graphs(arcs, graph.arcs.state_splits(), graph.arcs.fsa_splits(), "ctc_loss")
    broken = scores.detach()[..., 0].isnan().any(1)
    if bool(broken.any()):
        scores = scores.masked_fill(broken[:, None, None], 0)
    ids = torch.arange(batch, dtype=torch.int32, device=scores.device)
    of = Sequences(ids * length, frames.to(torch.int32), ids)
    loss = -total_scores(graphs, graph.scores.to(scores.dtype), scores.flatten(0, 1), of).to(scores.dtype)
    return loss.masked_fill(loss == torch.inf, 0.0).masked_fill(broken, torch.nan)


def _graph(symbols: RaggedTensor, topology: Topology) -> tuple[Fsa, Tensor]:
    """A batch, and the arcs that emit a token, (num_arcs,) bool."""
    if topology == "minimal":
        graph = linear_fsa_with_self_loops(linear_fsa(symbols))
        return graph, graph.labels > 0
    graph = ctc_graph(symbols, modified=topology == "modified")
    aux_labels = graph.aux_labels
    assert isinstance(aux_labels, Tensor)
    return graph, aux_labels > 0


def _check(logits: Tensor, targets: Tensor, frames: Tensor, tokens: Tensor) -> None:
    if logits.ndim != 3:
        raise ConfigError(f"logits are {tuple(logits.shape)}, expected (batch, frames, vocabulary)")
    check(logits, targets, frames, tokens, least_frames=0)


def _log_probs(logits: Tensor, frames: Tensor) -> Tensor:
    """Normalised over the vocabulary. What stands beyond a recording's end, NaN even, is in no gradient."""
    logits = at_least_float32(logits)
    impossible = logits.detach().amax(dim=-1, keepdim=True) == -torch.inf
    beyond = padding(frames, logits.shape[1])[..., None]
    scores = logits.masked_fill(impossible | beyond, 0.0).log_softmax(dim=-1)
    return scores.masked_fill(impossible, -torch.inf)
