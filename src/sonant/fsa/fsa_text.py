"""Automata as text: the lines that k2 and OpenFst write."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonant import _native
from sonant.errors import FstError
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor

if TYPE_CHECKING:
    from sonant.fsa.fsa import Fsa


@dataclass
class _Read:
    """What lines say."""

    columns: Tensor
    """int32 (arcs, 3 + aux labels): source, destination, label, aux labels."""
    scores: Tensor
    """float32 (arcs,)."""
    finals: Tensor
    """int32: final states."""
    final_scores: Tensor
    first: int
    """The state of the first line."""
    ragged: list[RaggedTensor]


@dataclass
class Lines:
    arcs: RaggedArc
    aux: list[Tensor]
    ragged: list[RaggedTensor]


def aux_names(acceptor: bool | None, count: int | None, names: Sequence[str] | None) -> list[str]:
    """What the columns of aux labels are called."""
    given = {"acceptor": acceptor, "num_aux_labels": count, "aux_label_names": names}
    if sum(value is not None for value in given.values()) > 1:
        raise FstError(f"from_str: {given}; give one of them at most")
    if names is not None:
        return list(names)
    count = int(acceptor is False) if count is None else count
    if count < 0:
        raise FstError(f"from_str: num_aux_labels={count}, expected 0 or more")
    return ["aux_labels" + (str(i) if i > 1 else "") for i in range(1, count + 1)]


def parse(text: str, num_aux: int, num_ragged: int, openfst: bool) -> Lines:
    """Raises FstError, which names the line."""
    columns, scores, finals, final_scores, first, ragged = _native.fsa_read_text(
        text, num_aux, num_ragged, openfst
    )
    read = _Read(
        torch.from_numpy(columns),
        torch.from_numpy(scores),
        torch.from_numpy(finals),
        torch.from_numpy(final_scores),
        first,
        [
            RaggedTensor(RaggedShape.of(torch.from_numpy(splits)), torch.from_numpy(values))
            for splits, values in ragged
        ],
    )
    if len(read.columns) and not len(read.finals):
        raise FstError("no valid Fsa: no line names a final state")
    if not openfst:
        return _lines(read, int(read.finals[0]) + 1 if len(read.finals) else 0)
    return _lines(_with_final_arcs(read, num_aux), _size(read))


def _size(read: _Read) -> int:
    """States of an automaton in OpenFst's format, with the one that its final arcs lead to."""
    if not len(read.finals):
        return 0
    highest = int(read.columns[:, :2].max()) if len(read.columns) else 0
    return max(highest, int(read.finals.max())) + 2


def _with_final_arcs(read: _Read, num_aux: int) -> _Read:
    """Arcs in the order of their sources, with those to the final state; the start becomes 0, and what
    was 0 takes its place.
    """
    count = len(read.finals)
    last = torch.full((count, 1), _size(read) - 1, dtype=torch.int32)
    none = torch.full((count, 1 + num_aux), -1, dtype=torch.int32)
    columns = torch.cat([read.columns, torch.cat([read.finals[:, None], last, none], 1)])
    place = columns[:, :2]
    columns[:, :2] = torch.where(place == read.first, 0, torch.where(place == 0, read.first, place))
    order = columns[:, 0].argsort(stable=True)
    scores = torch.cat([read.scores, read.final_scores])
    # No labels of the final arcs.
    rows = torch.where(order < len(read.columns), order, -1).to(torch.int32)
    ragged = [value.index(rows, axis=0)[0] for value in read.ragged]
    return _Read(columns[order], scores[order], read.finals, read.final_scores, 0, ragged)


def _lines(read: _Read, states: int) -> Lines:
    src, dest, label, *aux = (column.contiguous() for column in read.columns.unbind(1))
    low, high = (int(src.min()), int(src.max())) if len(src) else (0, -1)
    if low < 0 or high >= states:
        raise FstError(
            f"no valid Fsa: an arc leaves state {low if low < 0 else high}, and there are {states} states"
        )
    splits = splits_of_sizes(torch.bincount(src, minlength=states))
    made = RaggedArc.of_columns(RaggedShape.of(splits), src, dest, label, read.scores)
    return Lines(made, aux, read.ragged)


# ---- Writing


def write(arcs: RaggedArc, aux: Sequence[Tensor], ragged: Sequence[RaggedTensor], openfst: bool) -> str:
    """The lines of one automaton, in k2's or OpenFst's format."""
    columns, splits, values = (
        [tensor.to(torch.int32).cpu().contiguous().numpy() for tensor in tensors]
        for tensors in (
            aux,
            [value.shape.row_splits(1) for value in ragged],
            [value.values for value in ragged],
        )
    )
    rows, scores = (tensor.cpu().contiguous().numpy() for tensor in (arcs.values(), arcs.scores()))
    text = _native.fsa_write_text(rows, scores, columns, splits, values, openfst)
    return text if openfst or not len(scores) else f"{text}{arcs.dim0() - 1}\n"


def labels_of(fsa: "Fsa") -> tuple[list[Tensor], list[RaggedTensor]]:
    """The attributes that stand on the lines of arcs: integers, then ragged ones, each by name."""
    named = sorted(fsa.named_tensor_attr(include_scores=False), key=lambda item: item[0])
    labels = [value for _, value in named if value.dtype == torch.int32]
    plain = [value for value in labels if isinstance(value, Tensor) and value.ndim == 1]
    return plain, [value for value in labels if isinstance(value, RaggedTensor) and value.num_axes == 2]


def to_str(fsa: "Fsa", openfst: bool = False) -> str:
    """The lines of one automaton, which Fsa.from_str reads. Raises FstError for a batch."""
    if fsa.arcs.is_batch():
        raise FstError(
            f"to_str: a batch of {fsa.shape[0]}, expected one automaton; print the batch, or its parts"
        )
    return write(fsa.arcs, *labels_of(fsa), openfst)


def to_str_simple(fsa: "Fsa", openfst: bool = False) -> str:
    """As to_str, with no labels but aux_labels in a tensor."""
    if fsa.arcs.is_batch():
        raise FstError(f"to_str_simple: a batch of {fsa.shape[0]}, expected one automaton")
    aux: Any = getattr(fsa, "aux_labels", None)
    return write(fsa.arcs, [aux] if isinstance(aux, Tensor) else [], [], openfst)


def describe(fsa: "Fsa", openfst: bool) -> str:
    arcs = fsa.arcs
    plain, ragged = labels_of(fsa)
    if arcs.is_batch():
        text = "k2.FsaVec: \n"
        for i in range(arcs.dim0()):
            part, begin = arcs.index(0, i)
            end = begin + part.num_elements()
            columns = [value[begin:end] for value in plain], [value.arange(0, begin, end) for value in ragged]
            text += f"FsaVec[{i}]: " + write(part, *columns, openfst)
    else:
        text = "k2.Fsa: " + write(arcs, plain, ragged, openfst)
    text += f"properties_str = {fsa.properties_str}."
    named = [*fsa.named_tensor_attr(include_scores=False), *fsa.named_non_tensor_attr()]
    return text + "".join(f"\n{name}: {value}" for name, value in named if name != "labels_sym")
