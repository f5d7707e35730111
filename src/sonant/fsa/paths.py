"""The best paths of automata, exactly (k2 takes paths at random)."""

from typing import Any

import torch

from sonant import _native
from sonant.errors import FstError
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import flat
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor

# Its functions take whichever of float32 and float64 the scores are, which their stub tells by overloads.
_core: Any = _native


def shortest_paths(fsas: Fsa, num_paths: int, use_double_scores: bool = True) -> RaggedTensor:
    """The num_paths best paths of each automaton, the best first; all where it has no more.

    int32, axes [automaton][path][arc], arcs counted over the batch, as in random_paths. A batch, top-sorted
    and without cycles. Scores are summed in double precision, of what use_double_scores leaves of them.
    """
    if num_paths < 1:
        raise FstError(f"shortest_paths: num_paths={num_paths}, expected 1 or more")
    if len(fsas.shape) != 3:
        raise FstError("shortest_paths: one automaton, expected a batch: create_fsa_vec([fsa])")
    scores = fsas.scores.detach().to(torch.float64 if use_double_scores else torch.float32).cpu().contiguous()
    found = _core.fsa_shortest_paths(*flat(fsas.arcs), scores.numpy(), min(num_paths, 2**31 - 1))
    paths, sizes, arcs = (torch.from_numpy(array).to(fsas.device) for array in found)
    return RaggedTensor(RaggedShape.of(splits_of_sizes(paths), splits_of_sizes(sizes)), arcs)
