"""Dense intersection: automata with the output of a network, all paths, less the arcs on none that is good.

A state of the result is a state of the automaton at a frame; an arc takes a frame's score of its label, and
its score is the sum of both. Arcs stay that are on a path whose score is within the beam of the best one,
which best scores from both ends say exactly. Where an automaton would have max_states states or more, or
more than max_arcs arcs, its beam is halved (to 1000 at most) until it has not; below 0.01 only best paths
stay.

Here it is done where the tensors are: the best scores by Triton on a GPU that has it, or in torch; what
stays, in torch. On the CPU the native core does it from beginning to end (`sonant.fsa.intersect_dense`),
with the same arcs in the same order.
"""

from types import ModuleType
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.ops import segments
from sonant.ops.fsa_dense import reference
from sonant.ops.fsa_scores import Graphs

Backend = Literal["reference"] | None


class Pairs(NamedTuple):
    """The automaton and the segment of each automaton of the result: int32 (pairs,) each."""

    graphs: Tensor
    segments: Tensor


class Limits(NamedTuple):
    beam: float
    max_states: int
    max_arcs: int


class Lattices(NamedTuple):
    """A batch, as Graphs lay it out."""

    arcs: Tensor
    """int32 (num_arcs, 4), score bits 0."""
    state_splits: Tensor
    fsa_splits: Tensor
    map_a: Tensor
    """int32 (num_arcs,): the automata's arc that each is from."""
    map_b: Tensor
    """int32 (num_arcs,): offset of its score in `dense`, flat."""


def _implementation(device: torch.device, backend: Backend) -> ModuleType:
    """Who computes the best scores: the one place that decides it."""
    if backend == "reference" or not segments.triton_serves(device):
        return reference
    from sonant.ops.fsa_dense import triton

    return triton


def intersect(
    graphs: Graphs,
    scores: Tensor,
    dense: Tensor,
    row_splits: Tensor,
    pairs: Pairs,
    limits: Limits,
    backend: Backend = None,
) -> Lattices:
    """scores (num_arcs,) of the automata and dense (rows, labels + 1) of one floating-point type, segments of
    rows row_splits[i] to row_splits[i + 1] (int32). Column 0 is for label -1; the last row of each segment
    has a number there and -inf elsewhere, the other rows -inf there.

    Raises FstError for labels without a column, and for scores that are no numbers.
    """
    highest = int(graphs.arcs[:, 2].max()) if len(graphs.arcs) else -1
    if highest >= dense.shape[1] - 1:
        raise FstError(
            f"{graphs.operation}: label {highest} in the automata, and the network has {dense.shape[1] - 1} "
            f"classes, 0 to {dense.shape[1] - 2}"
        )
    if bool(dense.isnan().any() | scores.isnan().any()):
        if bool(scores.isnan().any()):
            found = f"the score of arc {int(scores.isnan().nonzero()[0])}"
        else:
            row, column = dense.isnan().nonzero()[0].tolist()
            found = f"the score of label {column - 1} at row {row}"
        raise FstError(f"{graphs.operation}: {found} is not a number")
    problem = reference.Problem(graphs, scores.detach(), dense.detach(), row_splits, pairs)
    forward, backward = _implementation(scores.device, backend).best_scores(problem)
    return Lattices(*reference.kept(problem, forward, backward, limits))


__all__ = ["Graphs", "Lattices", "Limits", "Pairs", "intersect"]
