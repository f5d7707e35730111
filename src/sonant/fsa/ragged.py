"""k2's module `k2.ragged`: lists within lists of numbers."""

from sonant.fsa.ragged_shape import (
    RaggedShape,
    compose_ragged_shapes,
    create_ragged_shape2,
    random_ragged_shape,
    regular_ragged_shape,
)
from sonant.fsa.ragged_tensor import RaggedTensor, cat, create_ragged_tensor, index, index_and_sum

__all__ = [
    "RaggedShape",
    "RaggedTensor",
    "cat",
    "compose_ragged_shapes",
    "create_ragged_shape2",
    "create_ragged_tensor",
    "index",
    "index_and_sum",
    "random_ragged_shape",
    "regular_ragged_shape",
]
