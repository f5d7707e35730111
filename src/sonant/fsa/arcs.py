"""RaggedArc: the arcs of one automaton or of a batch, in the order of their source states.

    values()   int32 (num_arcs, 4): source, destination, label, and the bits of the score, a float32
    shape()    axes [state][arc] of one automaton, [automaton][state][arc] of a batch

States are counted from 0 within each automaton: 0 is the start, the last one is final, arcs into it are
labelled -1 and no others are. An automaton of no states holds nothing.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from sonant.errors import FstError, FstIndexError
from sonant.fsa.ragged_shape import (
    RaggedShape,
    cat_shapes,
    compose_ragged_shapes,
    regular_ragged_shape,
    splits_of_sizes,
)
from sonant.fsa.ragged_text import number

MOST_ARCS = 2**31 - 1


class RaggedArc:
    """Under k2's names, which `fsa.arcs` of k2 code uses."""

    def __init__(self, shape: RaggedShape, values: Tensor):
        self._shape, self._values = shape, values

    def shape(self) -> RaggedShape:
        return self._shape

    def values(self) -> Tensor:
        return self._values

    @property
    def device(self) -> torch.device:
        return self._values.device

    def num_axes(self) -> int:
        return self._shape.num_axes

    def dim0(self) -> int:
        return self._shape.dim0

    def num_elements(self) -> int:
        return self._values.shape[0]

    def row_splits(self, axis: int) -> Tensor:
        return self._shape.row_splits(axis)

    def row_ids(self, axis: int) -> Tensor:
        return self._shape.row_ids(axis)

    def tot_size(self, axis: int) -> int:
        return self._shape.tot_size(axis)

    def is_batch(self) -> bool:
        return self.num_axes() == 3

    def num_states(self) -> int:
        return self._shape.tot_size(self.num_axes() - 2)

    def scores(self) -> Tensor:
        """The scores as float32 (num_arcs,): a view, in which changes show."""
        return self._values.view(torch.float32)[:, 3]

    # ---- The batch as flat arrays; one automaton is a batch of one

    def fsa_splits(self) -> Tensor:
        """Where the states of each automaton begin, and where the last one's end: int32 (automata + 1,)."""
        if self.is_batch():
            return self._shape.row_splits(1)
        return torch.tensor([0, self.dim0()], dtype=torch.int32, device=self.device)

    def state_splits(self) -> Tensor:
        """Where the arcs of each state begin, of all automata: int32 (states + 1,)."""
        return self._shape.row_splits(self.num_axes() - 1)

    def places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each arc: its source counted over all automata, its automaton's first state, and number of
        states.
        """
        state = self._shape.row_ids(self.num_axes() - 1)
        splits = self.fsa_splits()
        if not self.is_batch():
            return state, torch.zeros_like(state), torch.full_like(state, self.dim0())
        fsa = self._shape.row_ids(1)[state.long()].long()
        return state, splits[fsa], splits.diff()[fsa]

    def arc_counts(self) -> Tensor:
        """Of each automaton."""
        return self.state_splits()[self.fsa_splits().long()].diff()

    def first_and_last_states(self) -> tuple[Tensor, Tensor]:
        """Of each automaton that has states, counted over all."""
        splits = self.fsa_splits()
        there = splits.diff() > 0
        return splits[:-1][there], splits[1:][there] - 1

    # ---- Parts and copies

    def index(self, axis: int, i: int) -> tuple["RaggedArc", int]:
        """Automaton i of a batch, and its first arc; axis is 0."""
        if axis != 0 or not self.is_batch():
            raise FstError(
                f"index: axis {axis} of {self.num_axes()}; automata of a batch are taken by axis 0 of 3"
            )
        if not 0 <= i < self.dim0():
            raise FstIndexError(f"index: automaton {i}, and there are {self.dim0()}")
        shape, begin, end = self._shape.rows_between(0, i, i + 1)
        return RaggedArc(shape.remove_axis(0), self._values[begin:end]), begin

    def to(self, device: torch.device | str) -> "RaggedArc":
        return RaggedArc(self._shape.to(device), self._values.to(device))

    def clone(self) -> "RaggedArc":
        return RaggedArc(self._shape, self._values.clone())

    def __repr__(self) -> str:
        rows = [f"{a} {b} {c}" for a, b, c, _ in self._values.tolist()]
        texts = [f"{row} {number(score)}" for row, score in zip(rows, self.scores().tolist(), strict=True)]
        for axis in range(self.num_axes() - 1, 0, -1):
            splits = self._shape.row_splits(axis).tolist()
            pairs = pairwise(splits)
            texts = ["[ " + "".join(f"{text} " for text in texts[a:b]) + "]" for a, b in pairs]
        return "[ " + "".join(f"{text} " for text in texts) + "]"

    # ---- From and to tensors

    @classmethod
    def of_batch(cls, fsa_splits: Tensor, state_splits: Tensor, values: Tensor) -> "RaggedArc":
        return cls(RaggedShape.of(fsa_splits, state_splits), values)

    def like(self, fsa_splits: Tensor, state_splits: Tensor, values: Tensor) -> "RaggedArc":
        """A batch, or one automaton where this is one."""
        if self.is_batch():
            return RaggedArc.of_batch(fsa_splits, state_splits, values)
        return RaggedArc(RaggedShape.of(state_splits), values)

    @classmethod
    def of_columns(
        cls, shape: RaggedShape, src: Tensor, dest: Tensor, label: Tensor, scores: Tensor | None = None
    ) -> "RaggedArc":
        """Columns (num_arcs,); no scores are zeros."""
        bits = torch.zeros_like(src) if scores is None else scores.detach().float().view(torch.int32)
        return cls(shape, torch.stack([src, dest, label, bits], 1).to(torch.int32))

    @classmethod
    def from_tensor(cls, tensor: Tensor) -> "RaggedArc":
        """From (num_arcs, 4) of one automaton, or the 1-D form of a batch that `to_tensor` gives."""
        if tensor.dtype != torch.int32 or not (
            tensor.ndim == 1 or (tensor.ndim == 2 and tensor.shape[1] == 4)
        ):
            raise FstError(
                f"Fsa: arcs of {tuple(tensor.shape)} and {tensor.dtype}, expected torch.int32, (num_arcs, "
                "4) for one "
                "automaton or the single row of a batch"
            )
        return cls._one(tensor.contiguous()) if tensor.ndim == 2 else cls._batch(tensor.contiguous())

    @classmethod
    def _one(cls, values: Tensor) -> "RaggedArc":
        final = values[values[:, 2] == -1]
        if len(values) and not len(final):
            raise FstError(
                "Fsa: no arc has label -1, so that nothing says which state is final; give its shape"
            )
        return cls(
            RaggedShape.of(_splits_of_sources(values[:, 0], int(final[0, 1]) + 1 if len(final) else 0)),
            values,
        )

    @classmethod
    def _batch(cls, tensor: Tensor) -> "RaggedArc":
        count = int(tensor[0]) if len(tensor) else -1
        header = 2 + 2 * (count + 1)
        if count < 0 or len(tensor) < header or (len(tensor) - header) % 4:
            raise FstError(
                f"Fsa: {len(tensor)} numbers that begin with {tensor[:2].tolist()} are no batch of automata"
            )
        states, arcs = tensor[2 : count + 3], tensor[count + 3 : header]
        values = tensor[header:].reshape(-1, 4)
        for name, splits, least in (("states", states, None), ("arcs", arcs, len(values))):
            if int(splits[0]) != 0 or bool((splits.diff() < 0).any()) or least not in (None, int(splits[-1])):
                raise FstError(
                    f"Fsa: the {name} of the automata end at {splits[:10].tolist()}, which cannot be"
                )
        fsa = torch.repeat_interleave(torch.arange(count, device=tensor.device), arcs.diff().long())
        sources = values[:, 0] + states[fsa]
        if bool(((values[:, 0] < 0) | (sources >= states[fsa + 1])).any()):
            raise FstError("Fsa: an arc of the batch leaves a state that its automaton does not have")
        return cls(RaggedShape.of(states, _splits_of_sources(sources, int(states[-1]))), values)

    def to_tensor(self) -> Tensor:
        """(num_arcs, 4), or of a batch [automata, 0, where states begin ..., where arcs begin ..., arcs
        ...].
        """
        if not self.is_batch():
            return self._values
        states = self.fsa_splits()
        arcs = self.state_splits()[states.long()]
        head = torch.tensor([self.dim0(), 0], dtype=torch.int32, device=self.device)
        return torch.cat([head, states, arcs, self._values.reshape(-1)])


def _splits_of_sources(sources: Tensor, states: int) -> Tensor:
    if sources.numel():
        low, high = (int(s) for s in sources.aminmax())
        if low < 0 or high >= states or bool((sources.diff() < 0).any()):
            raise FstError(
                f"Fsa: sources from {low} to {high} of {states} states, which never decrease, expected"
            )
    return splits_of_sizes(torch.bincount(sources, minlength=states))


def batch_of(arcs: Sequence[RaggedArc], operation: str = "create_fsa_vec") -> RaggedArc:
    """Single automata, or batches of them, as one batch."""
    if not arcs:
        raise FstError(f"{operation}: no automata; at least one is needed")
    devices = {str(item.device) for item in arcs}
    if len(devices) > 1:
        raise FstError(f"{operation}: automata on {sorted(devices)}, expected one device")
    if sum(item.num_elements() for item in arcs) > MOST_ARCS:
        raise FstError(f"{operation}: more than {MOST_ARCS} arcs in all")
    shapes = [
        item.shape()
        if item.is_batch()
        else compose_ragged_shapes(regular_ragged_shape(1, item.dim0()).to(item.device), item.shape())
        for item in arcs
    ]
    return RaggedArc(cat_shapes(shapes, 0)[0], torch.cat([item.values() for item in arcs]))
