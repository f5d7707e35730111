"""Nbest (k2's): several paths of each lattice as chains, with their scores and what they write."""

from typing import Any

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.arc_maps import index_select
from sonant.fsa.batches import index_fsa
from sonant.fsa.decoding import written
from sonant.fsa.determinization import remove_epsilon
from sonant.fsa.fsa import Fsa
from sonant.fsa.graphs import levenshtein_graph, linear_fsa
from sonant.fsa.intersection import intersect_device
from sonant.fsa.operations import add_epsilon_self_loops, connect, invert, shortest_path, top_sort
from sonant.fsa.paths import shortest_paths
from sonant.fsa.ragged_shape import RaggedShape, regular_ragged_shape
from sonant.fsa.ragged_tensor import RaggedTensor
from sonant.fsa.ragged_tensor import index as ragged_index
from sonant.fsa.sampling import random_paths


class Nbest:
    """Paths of several lattices.

    fsa         a batch of chains, the paths of the first lattice, then of the second ...
    shape       RaggedShape [lattice][path]
    kept_path   RaggedTensor [path][arc]: the lattice's arcs that each path has, where it is known
    """

    def __init__(self, fsa: Fsa, shape: RaggedShape, kept_path: RaggedTensor | None = None):
        if len(fsa.shape) != 3 or shape.num_axes != 2 or fsa.shape[0] != shape.tot_size(1):
            raise FstError(
                f"Nbest: an Fsa of shape {fsa.shape} and a shape of {shape.num_axes} axes and "
                f"{shape.tot_size(1)} "
                "paths, expected a batch with one automaton for each path of two axes"
            )
        self.fsa, self.shape, self.kept_path = fsa, shape, kept_path

    def __str__(self) -> str:
        return f"Nbest(num_seqs:{self.shape.dim0}, num_fsas:{self.fsa.shape[0]})"

    @staticmethod
    def from_lattice(
        lattice: Fsa, num_paths: int, use_double_scores: bool = True, nbest_scale: float = 0.5
    ) -> "Nbest":
        """Of num_paths paths taken at random from each lattice, the first of each sequence of aux_labels.

        The scale is of the lattice's scores: the smaller, the more the paths differ. A batch, top-sorted,
        with aux_labels, which are compared without 0 and -1. Scores of the paths are differentiable."""
        scaled = Fsa.made(lattice.arcs, lattice.scores.detach() * nbest_scale)
        return Nbest._of_paths(
            lattice, random_paths(scaled, use_double_scores, num_paths), "Nbest.from_lattice"
        )

    @staticmethod
    def best_of_lattice(lattice: Fsa, num_paths: int, use_double_scores: bool = True) -> "Nbest":
        """Of the num_paths best paths of each lattice (shortest_paths), the best of each sequence of
        aux_labels, the best first. As from_lattice, else."""
        return Nbest._of_paths(
            lattice, shortest_paths(lattice, num_paths, use_double_scores), "Nbest.best_of_lattice"
        )

    @staticmethod
    def _of_paths(lattice: Fsa, paths: RaggedTensor, operation: str) -> "Nbest":
        """paths: [lattice][path][arc]."""
        aux: Any = dict(lattice.named_tensor_attr()).get("aux_labels")
        if aux is None:
            raise FstError(f"{operation}: the lattice has no aux_labels, by which paths are told apart")
        if isinstance(aux, RaggedTensor):
            words = aux.index(paths)
            words = words.remove_axis(words.num_axes - 2)
        else:
            words = ragged_index(aux, paths)
        _, _, first = words.remove_values_leq(0).unique(need_new2old_indexes=True)
        assert first is not None
        kept, _ = paths.index(first, axis=1)
        shape = kept.shape.get_layer(0)
        kept = kept.remove_axis(0)
        chains = linear_fsa(ragged_index(lattice.labels.contiguous(), kept).remove_values_eq(-1))
        chains.aux_labels = (
            aux.index(kept.values, 0)[0] if isinstance(aux, RaggedTensor) else index_select(aux, kept.values)
        )
        chains.scores = index_select(lattice.scores, kept.values)
        return Nbest(chains, shape, kept)

    def intersect(self, lats: Fsa) -> "Nbest":
        """Each path with the best that its lattice in `lats` has for its labels, which are tokens in both.

        An Nbest of the same shape; where the lattice has not got the labels, its chain has no arcs.
        """
        if self.fsa.device != lats.device:
            raise FstError(f"Nbest.intersect: paths on {self.fsa.device}, lattices on {lats.device}")
        if len(lats.shape) != 3 or lats.shape[0] != self.shape.dim0:
            raise FstError(
                f"Nbest.intersect: lattices of shape {lats.shape}, expected a batch of {self.shape.dim0}"
            )
        looped = add_epsilon_self_loops(Fsa.made(self.fsa.arcs, self.fsa.scores))
        both = intersect_device(lats, looped, self.shape.row_ids(1))
        best = shortest_path(top_sort(connect(both)), use_double_scores=True)
        return Nbest(remove_epsilon(best), self.shape)

    def total_scores(self) -> RaggedTensor:
        """float32, axes [lattice][path]."""
        totals = self.fsa.get_tot_scores(use_double_scores=True, log_semiring=False)
        return RaggedTensor(self.shape, totals.float())

    def top_k(self, k: int) -> "Nbest":
        """The k best of each lattice, the best first; where it has fewer, the worst of them again and
        again.
        """
        if k < 1:
            raise FstError(f"Nbest.top_k: k={k}, expected 1 or more")
        sizes = self.shape.row_splits(1).diff()
        if not len(sizes):
            return self
        if bool((sizes == 0).any()):
            raise FstError(f"Nbest.top_k: lattice {int((sizes == 0).nonzero()[0])} has no paths")
        order = self.total_scores().sort_(descending=True, need_new2old_indexes=True)
        assert order is not None
        table = RaggedTensor(self.shape, order).pad("replicate", -1)
        column = torch.arange(k, device=table.device).clamp(max=table.shape[1] - 1)
        chosen = index_fsa(self.fsa, table[:, column].flatten().contiguous())
        return Nbest(chosen, regular_ragged_shape(self.shape.dim0, k).to(table.device))

    def build_levenshtein_graphs(self) -> Fsa:
        """levenshtein_graph of what each path writes."""
        return levenshtein_graph(written(self.fsa, "Nbest.build_levenshtein_graphs"))


def whole_lattice_rescoring(lats: Fsa, G_with_epsilon_loops: Fsa) -> Fsa:
    """Lattices with another grammar in the place of theirs, whose scores are their `lm_scores`.

    G_with_epsilon_loops is a batch of one, with a loop of label 0 at each state; its labels are the
    aux_labels of lats. The result is top-sorted. lats lose their lm_scores, as in k2."""
    if "lm_scores" not in dict(lats.named_tensor_attr()) or len(lats.shape) != 3:
        raise FstError(f"whole_lattice_rescoring: shape {lats.shape}, expected a batch with lm_scores")
    if G_with_epsilon_loops.shape != (1, None, None):
        raise FstError(
            f"whole_lattice_rescoring: a grammar of shape {G_with_epsilon_loops.shape}, expected a batch of 1"
        )
    lats.scores = lats.scores - lats.lm_scores
    del lats.lm_scores
    of_first: Tensor = torch.zeros(lats.arcs.dim0(), dtype=torch.int32, device=lats.device)
    words = invert(lats)
    assert isinstance(words, Fsa)
    both = invert(top_sort(connect(intersect_device(G_with_epsilon_loops, words, of_first))))
    assert isinstance(both, Fsa)
    return both


def generate_nbest_list(lats: Fsa, num_paths: int) -> Nbest:
    """Of num_paths paths taken at random from each lattice, the different sequences of its `phones`, as
    chains.
    """
    phones = dict(lats.named_tensor_attr()).get("phones")
    if not isinstance(phones, Tensor):
        raise FstError("generate_nbest_list: the lattices have no attribute `phones` in a tensor")
    paths = random_paths(lats, use_double_scores=True, num_paths=num_paths)
    different, _, _ = ragged_index(phones, paths).remove_values_leq(0).unique()
    return Nbest(linear_fsa(different.remove_axis(0)), different.shape.get_layer(0))
