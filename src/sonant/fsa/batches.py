"""Batches of automata: put together, taken apart, picked from."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.arc_maps import index_select
from sonant.fsa.arcs import RaggedArc, batch_of
from sonant.fsa.fsa import Fsa
from sonant.fsa.ragged_tensor import RaggedTensor


def _joined(values: Sequence[Any], name: str, operation: str) -> Any:
    kinds = {type(value) for value in values}
    if len(kinds) > 1:
        raise FstError(f"{operation}: {name} is ragged in some and a tensor in others")
    if isinstance(values[0], RaggedTensor):
        return RaggedTensor.cat(values, axis=0)
    return torch.cat(list(values))


def create_fsa_vec(fsas: Sequence[Fsa]) -> Fsa:
    """A batch of single automata, in this order.

    What belongs to the arcs must be there in all of them; other attributes must be equal where several have
    them. Differentiable in all scores. Raises FstError where they do not go together.
    """
    for i, fsa in enumerate(fsas):
        if len(fsa.shape) != 2:
            raise FstError(
                f"create_fsa_vec: automaton {i} has the shape {fsa.shape}, expected one automaton each"
            )
    batch = Fsa.made(batch_of([fsa.arcs for fsa in fsas]), torch.cat([fsa.scores for fsa in fsas]))
    names = {name: None for fsa in fsas for name, _ in fsa.named_tensor_attr(include_scores=False)}
    for name in names:
        lacking = [i for i, fsa in enumerate(fsas) if name not in dict(fsa.named_tensor_attr())]
        if lacking:
            raise FstError(
                f"create_fsa_vec: automaton {lacking[0]} of {len(fsas)} has no {name!r}, others do"
            )
        setattr(batch, name, _joined([getattr(fsa, name) for fsa in fsas], name, "create_fsa_vec"))
    for fsa in fsas:
        for name, value in fsa.named_non_tensor_attr():
            found = dict(batch.named_non_tensor_attr())
            if name in found and found[name] is not value and found[name] != value:
                raise FstError(f"create_fsa_vec: {name!r} is {found[name]!r} in one and {value!r} in another")
            setattr(batch, name, value)
    return batch


def cat(srcs: Sequence[Fsa]) -> Fsa:
    """Batches one after the other. What belongs to the arcs is kept where all have it; of other attributes
    the first one of its name is.
    """
    for i, src in enumerate(srcs):
        if len(src.shape) != 3:
            raise FstError(f"cat: part {i} has the shape {src.shape}, expected a batch each: create_fsa_vec")
    batch = Fsa.made(batch_of([src.arcs for src in srcs], "cat"), torch.cat([src.scores for src in srcs]))
    shared = set.intersection(
        *({name for name, _ in src.named_tensor_attr(include_scores=False)} for src in srcs)
    )
    for name in sorted(shared):
        setattr(batch, name, _joined([getattr(src, name) for src in srcs], name, "cat"))
    for src in reversed(srcs):
        for name, value in src.named_non_tensor_attr():
            if name not in shared:
                setattr(batch, name, value)
    return batch


def index_fsa(src: Fsa, indexes: Tensor) -> Fsa:
    """The automata `indexes` (int32) of a batch, in this order; differentiable."""
    if len(src.shape) != 3:
        raise FstError(f"index_fsa: shape {src.shape}, expected a batch")
    if indexes.device != src.device:
        raise FstError(f"index_fsa: automata on {src.device}, indexes on {indexes.device}; move one: .to")
    arcs = src.arcs
    shape, places = arcs.shape().index(0, indexes)
    assert places is not None
    batch = Fsa.made(RaggedArc(shape, arcs.values()[places.long()]), index_select(src.scores, places))
    for name, value in src.named_tensor_attr(include_scores=False):
        chosen = value.index(places, 0)[0] if isinstance(value, RaggedTensor) else index_select(value, places)
        setattr(batch, name, chosen)
    for name, value in src.named_non_tensor_attr():
        setattr(batch, name, value)
    return batch


def to_tensor(fsa: Fsa) -> Tensor:
    """The arcs alone, in the form that `Fsa(...)` takes."""
    return fsa.arcs_as_tensor()
