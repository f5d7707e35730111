"""Pruned search: automata with the output of a network, frame by frame, less what the beams cut off (k2's).

From each active state, arcs end at score + the arc's score + the frame's score of its label. The states
whose best arc ends above (best end of the frame - beam) are the next ones. The beam is the search beam to
begin with, and before each frame follows the number of active states: above max_active, 0.8 min(beam,
search beam); below min_active, 1.25 max(beam, search beam), up to 1e10; else 0.8 beam + 0.2 search beam. In
the last four frames, so that ways to an end are not lost, min_active is at least half of max_active, and
too many states change nothing. Of all arcs between active states those stay that are on a path within the
output beam of the best path.

`reference.py` is that in dictionaries, `native.py` the native core, and `device.py` is in torch's operations,
for tensors that are elsewhere than on the CPU.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.ops.fsa_pruned import device as on_device
from sonant.ops.fsa_pruned import native, reference
from sonant.ops.fsa_scores import Graphs

Backend = Literal["reference"] | None


def _implementation(device: torch.device, backend: Backend) -> ModuleType:
    """Who searches: the one place that decides it."""
    if backend == "reference":
        return reference
    return native if device.type == "cpu" else on_device


@dataclass(frozen=True)
class Beams:
    """Raises FstError for beams that are not above 0, and for min_active above max_active."""

    search: float
    output: float
    min_active: int = 0
    max_active: int = 2**31 - 1
    allow_partial: bool = False
    """Where no active state is final in the end, all are, by arcs that score 0."""

    def __post_init__(self) -> None:
        for name in ("search", "output"):
            if not getattr(self, name) > 0:
                raise FstError(
                    f"intersect_dense_pruned: {name}_beam={getattr(self, name)}, expected more than 0"
                )
        if not 0 <= self.min_active < self.max_active:
            raise FstError(
                f"intersect_dense_pruned: {self.min_active} to {self.max_active} active states, expected "
                "0 or more, "
                "and more"
            )


class Lattices(NamedTuple):
    """A batch, as Graphs lay it out, with a start and a final state alone where there is no path."""

    arcs: Tensor
    """int32 (num_arcs, 4), score bits 0."""
    state_splits: Tensor
    fsa_splits: Tensor
    map_a: Tensor
    """int32 (num_arcs,): the automata's arc that each is from, -1 for those of allow_partial."""
    map_b: Tensor
    """int32 (num_arcs,): offset of its score in `dense`, flat."""


def intersect(
    graphs: Graphs,
    scores: Tensor,
    dense: Tensor,
    row_splits: Tensor,
    graph_of: Tensor,
    beams: Beams,
    backend: Backend = None,
) -> Lattices:
    """Automaton graph_of[i] (int32) with rows row_splits[i] to row_splits[i + 1] (int32) of dense, for each
    i.

    scores (num_arcs,) of the automata and dense (rows, labels + 1) are of one floating-point type. Column 0
    is for label -1; the last row of each i has 0 there and -inf elsewhere, the other rows -inf there. On the
    CPU segments are shared out to threads, elsewhere they are searched side by side. Raises FstError for
    arrays that do not fit, labels without a column, and scores that are NaN or +inf.
    """
    floats = (torch.float32, torch.float64)
    if scores.shape != graphs.arcs.shape[:1] or scores.dtype not in floats or dense.dtype != scores.dtype:
        raise FstError(
            f"intersect_dense_pruned: {tuple(scores.shape)} scores of {scores.dtype} for "
            f"{graphs.arcs.shape[0]} arcs, and {dense.dtype} of the network; expected as many, and one of "
            "torch.float32 and float64"
        )
    search = _implementation(scores.device, backend).intersect
    found = search(graphs, scores, dense, row_splits, graph_of, beams)
    return Lattices(*(array.to(scores.device) for array in found))


__all__ = ["Beams", "Graphs", "Lattices", "intersect"]
