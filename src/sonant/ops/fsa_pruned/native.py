"""By the native core; also chunk by chunk, which gives what the whole would."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonant import _native

if TYPE_CHECKING:
    from sonant.ops.fsa_pruned import Beams
    from sonant.ops.fsa_scores import Graphs

# Its functions take whichever of float32 and float64 the scores are, which their stub tells by overloads.
_core: Any = _native


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().contiguous().numpy()


def _arrays(graphs: "Graphs", scores: Tensor) -> list[Any]:
    return [_array(tensor) for tensor in (graphs.arcs, graphs.state_splits, graphs.fsa_splits, scores)]


def _numbers(beams: "Beams") -> tuple[float, float, int, int, bool]:
    return beams.search, beams.output, beams.min_active, beams.max_active, beams.allow_partial


def intersect(
    graphs: "Graphs", scores: Tensor, dense: Tensor, row_splits: Tensor, graph_of: Tensor, beams: "Beams"
) -> list[Tensor]:
    frames = [_array(tensor) for tensor in (dense, row_splits, graph_of)]
    found = _core.fsa_intersect_pruned(*_arrays(graphs, scores), *frames, *_numbers(beams))
    return [torch.from_numpy(array) for array in found]


class Search:
    """The search of any number of recordings, chunk by chunk, with automata that are looked over once."""

    def __init__(self, graphs: "Graphs", scores: Tensor, beams: "Beams"):
        kind = _core.OnlineSearchDouble if scores.dtype == torch.float64 else _core.OnlineSearchFloat
        # A copy of the scores, so that a change of them later does not reach into it.
        self._search = kind(*_arrays(graphs, scores.clone()), *_numbers(beams))

    def start(self, graph: int) -> Any:
        """A recording that is searched for in automaton `graph`, before its first frame."""
        return self._search.stream(graph)

    def advance(
        self, dense: Tensor, row_splits: Tensor, streams: Sequence[Any]
    ) -> tuple[list[Tensor], Tensor, list[Any]]:
        """A chunk of each recording, laid out as a whole one.

        (arcs, state_splits, fsa_splits, arc map) of the lattice of each up to here, as if it ended here;
        scores of its arcs; and the recordings after the chunk, while `streams` stay where they were.
        """
        found, scores, after = self._search.advance(_array(dense), _array(row_splits), list(streams))
        return [torch.from_numpy(array) for array in found[:4]], torch.from_numpy(scores), after
