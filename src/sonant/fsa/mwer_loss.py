"""The expected number of word errors of an n-best list (k2's; Prabhavalkar et al. 2018)."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sonant.errors import FstError
from sonant.fsa.alignment import levenshtein_alignment
from sonant.fsa.fsa import Fsa
from sonant.fsa.graphs import levenshtein_graph
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor
from sonant.fsa.sampling import random_paths
from sonant.fst import Fst, shortest_path

Reduction = Literal["none", "mean", "sum"]
_MEAN_OR_SUM = ("none", "mean", "sum")


class MWERLoss(nn.Module):
    """Word errors of each path of an n-best list, by its share of their probability.

    temperature divides the scores of paths before they are normalised over the list. reduction: 'none' gives
    a RaggedTensor with axes [utterance][path], whose sum() is the loss of each; 'sum' adds them up, and
    'mean' divides this by the number of paths.
    """

    def __init__(
        self, temperature: float = 1.0, use_double_scores: bool = True, reduction: Reduction = "sum"
    ):
        super().__init__()
        if reduction not in _MEAN_OR_SUM:
            raise FstError(f"mwer_loss: reduction={reduction!r}, expected one of {_MEAN_OR_SUM}")
        if not temperature > 0:
            raise FstError(f"mwer_loss: temperature={temperature}, expected more than 0")
        self.temperature, self.use_double_scores = temperature, use_double_scores
        self.reduction = reduction

    def forward(
        self,
        lattice: Fsa,
        ref_texts: RaggedTensor | list[list[int]],
        nbest_scale: float,
        num_paths: int,
        *,
        exact: bool = False,
    ) -> Tensor | RaggedTensor:
        """lattice: a top-sorted batch, differentiable in its scores; the words of a path are its aux_labels
        above 0 (labels, where it has none). ref_texts: the right words of each utterance.

        num_paths are taken at random by their probability, scores times nbest_scale, and of those with the
        same words the first one counts; `exact`: the best path of each of the num_paths best word sequences
        instead. A lattice without paths counts for nothing. Raises FstError for what does not fit.
        """
        refs = ref_texts if isinstance(ref_texts, RaggedTensor) else RaggedTensor(ref_texts, torch.int32)
        if len(lattice.shape) != 3 or refs.dim0 != lattice.arcs.dim0():
            raise FstError(
                f"mwer_loss: a lattice of shape {lattice.shape} and {refs.dim0} transcripts, expected a "
                "batch of as many"
            )
        if exact:
            paths = _best_paths(lattice, num_paths)
        else:
            scaled = Fsa.made(lattice.arcs, lattice.scores.detach() * nbest_scale)
            paths = _distinct(lattice, random_paths(scaled, self.use_double_scores, num_paths))
        splits, ids = paths.shape.row_splits(1), paths.shape.row_ids(1)
        hyps = _words(lattice, paths)
        errors = (
            -levenshtein_alignment(
                levenshtein_graph(refs), levenshtein_graph(hyps), ids, sorted_match_ref=True
            )
            .get_tot_scores(self.use_double_scores, log_semiring=False)
            .to(lattice.device)
        )
        scores = lattice.scores.double() if self.use_double_scores else lattice.scores
        path_of_arc = paths.shape.row_ids(2).long()
        log_probs = scores.new_zeros(len(ids)).index_add(0, path_of_arc, scores[paths.values.long()])
        shares = RaggedTensor(RaggedShape.of(splits), log_probs / self.temperature).normalize(use_log=True)
        loss = shares.values.exp() * errors
        if self.reduction == "none":
            return RaggedTensor(RaggedShape.of(splits), loss)
        return loss.sum() if self.reduction == "sum" else loss.mean()


def mwer_loss(
    lattice: Fsa,
    ref_texts: RaggedTensor | list[list[int]],
    nbest_scale: float = 0.5,
    num_paths: int = 200,
    temperature: float = 1.0,
    use_double_scores: bool = True,
    reduction: Reduction = "sum",
    *,
    exact: bool = False,
) -> Tensor | RaggedTensor:
    """MWERLoss as a function."""
    loss = MWERLoss(temperature, use_double_scores, reduction)
    return loss(lattice, ref_texts, nbest_scale, num_paths, exact=exact)


def _words(lattice: Fsa, paths: RaggedTensor) -> RaggedTensor:
    """Those of each path: axes [path][word]."""
    words = dict(lattice.named_tensor_attr(include_scores=False)).get("aux_labels", lattice.labels)
    shape = paths.shape.remove_axis(0)
    if isinstance(words, RaggedTensor):
        of_arcs = words.index(paths.values)[0]  # [arc on a path][word]
        return RaggedTensor(shape.compose(of_arcs.shape), of_arcs.values).remove_axis(1).remove_values_leq(0)
    return RaggedTensor(shape, words[paths.values.long()].contiguous()).remove_values_leq(0)


def _distinct(lattice: Fsa, paths: RaggedTensor) -> RaggedTensor:
    """The first path of each word sequence of each automaton."""
    words, utterance = _words(lattice, paths).tolist(), paths.shape.row_ids(1).tolist()
    seen: set[tuple[int, ...]] = set()
    kept: list[int] = []
    for i, (which, said) in enumerate(zip(utterance, words, strict=True)):
        if (which, *said) not in seen:
            seen.add((which, *said))
            kept.append(i)
    index = torch.tensor(kept, dtype=torch.int64)
    counts = torch.bincount(paths.shape.row_ids(1).cpu()[index], minlength=paths.dim0)
    arcs = RaggedTensor(paths.shape.remove_axis(0), paths.values).index(
        index.to(torch.int32).to(paths.device)
    )[0]
    return RaggedTensor(
        RaggedShape.of(splits_of_sizes(counts.to(paths.device)), arcs.shape.row_splits(1)), arcs.values
    )


def _best_paths(lattice: Fsa, num_paths: int) -> RaggedTensor:
    """The best path of each of the num_paths best word sequences of each automaton."""
    if num_paths < 1:
        raise FstError(f"mwer_loss: num_paths={num_paths}, expected 1 or more")
    words = dict(lattice.named_tensor_attr(include_scores=False)).get("aux_labels", lattice.labels)
    if isinstance(words, RaggedTensor):
        raise FstError("mwer_loss: ragged aux_labels; exact=True takes a tensor: expand_ragged_attributes")
    rows = lattice.arcs.values().cpu().numpy()
    words = words.cpu().numpy().clip(min=0)
    costs = -lattice.scores.detach().cpu().numpy()
    state_splits = lattice.arcs.state_splits().cpu().numpy()
    fsa_splits = lattice.arcs.fsa_splits().cpu().numpy()
    arcs: list[int] = []
    sizes: list[int] = []
    counts: list[int] = []
    for first, end in zip(fsa_splits[:-1].tolist(), fsa_splits[1:].tolist(), strict=True):
        before = len(sizes)
        if end > first + 1:
            begin, stop = int(state_splits[first]), int(state_splits[end])
            finals = np.full(end - first, np.inf)
            finals[-1] = 0
            # The outputs of a path are the numbers of its arcs.
            ids = np.arange(begin, stop) + 1
            machine = Fst.from_arrays(
                0, finals, rows[begin:stop, 0], words[begin:stop], ids, costs[begin:stop], rows[begin:stop, 1]
            )
            for path in _chains(shortest_path(machine, num_paths, unique=True)):
                arcs += path
                sizes.append(len(path))
        counts.append(len(sizes) - before)
    shape = RaggedShape.of(*(splits_of_sizes(torch.tensor(x, dtype=torch.int64)) for x in (counts, sizes)))
    return RaggedTensor(shape, torch.tensor(arcs, dtype=torch.int32)).to(lattice.device)


def _chains(paths: Fst) -> Iterator[list[int]]:
    """The arcs of each path, the best one first."""
    for _, arc, _, state in paths.arcs_of(paths.start) if paths.start >= 0 else []:
        found = [arc]
        while onward := paths.arcs_of(state):
            _, arc, _, state = onward[0]
            found.append(arc)
        yield [arc - 1 for arc in found if arc > 0]
