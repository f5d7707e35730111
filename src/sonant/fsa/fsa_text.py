"""Automata as text: the lines that k2 and OpenFst write."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor
from sonant.fsa.ragged_text import number

if TYPE_CHECKING:
    from sonant.fsa.fsa import Fsa

_FIELD = re.compile(r"\[[^\[\]]*\]|[^\s\[\]]+")
_MOST_STATES = 2**31 - 2


@dataclass
class _Read:
    """What lines say."""

    columns: Tensor  # int32 (arcs, 3 + aux labels): source, destination, label, aux labels
    scores: Tensor  # float32 (arcs,)
    finals: list[tuple[int, float]]  # states and scores
    first: int = 0  # the state of the first line
    ragged: list[list[list[int]]] = field(default_factory=list)  # of each arc


@dataclass
class Lines:
    arcs: RaggedArc
    aux: list[Tensor]
    ragged: list[list[list[int]]]


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
    read = _read_columns(text, num_aux, openfst) if num_ragged == 0 else None
    if read is None:
        read = _read_lines(text, num_aux, num_ragged, openfst)
    if len(read.columns) and not read.finals:
        raise FstError("no valid Fsa: no line names a final state")
    if not openfst:
        return _lines(read, read.finals[0][0] + 1 if read.finals else 0, num_ragged)
    return _lines(_with_final_arcs(read, num_aux, num_ragged), *_size(read), num_ragged)


def _read_columns(text: str, num_aux: int, openfst: bool) -> _Read | None:
    """The usual case in which nothing is wrong, a column at a time; None in every other case."""
    rows = [row for row in map(str.split, text.splitlines()) if row]
    most, width = 2 if openfst else 1, 3 + num_aux
    finals = [row for row in rows if len(row) <= most]
    arcs = [row for row in rows if len(row) > most]
    if not finals or not arcs or {len(row) for row in arcs} - {width, width + 1}:
        return None
    if not openfst and (len(finals) > 1 or rows[-1] is not finals[0]):
        return None
    for row in arcs:
        if len(row) == width:
            row.append("0")
    columns = list(zip(*arcs, strict=True))
    try:
        numbers = torch.tensor([list(map(int, column)) for column in columns[:width]])
        scores = torch.tensor(list(map(float, columns[width])), dtype=torch.float32)
        ends = [(int(row[0]), -float(row[1]) if len(row) == 2 else 0.0) for row in finals]
    except (ValueError, RuntimeError):  # no number, or one that needs more than 64 bits
        return None
    states = [state for state, _ in ends]
    if min(int(numbers.min()), *states) < -1 or max(int(numbers.max()), *states) > _MOST_STATES:
        return None
    if (openfst and bool((numbers[2] == -1).any())) or (not openfst and bool((numbers[0].diff() < 0).any())):
        return None
    return _Read(numbers.T.to(torch.int32), -scores if openfst else scores, ends, int(rows[0][0]))


def _read_lines(text: str, num_aux: int, num_ragged: int, openfst: bool) -> _Read:
    rows: list[list[int]] = []
    scores: list[float] = []
    ragged: list[list[list[int]]] = []
    finals: list[tuple[int, float]] = []
    first: int | None = None
    for place, line in enumerate(text.splitlines(), 1):
        fields = _FIELD.findall(line)
        if not fields:
            continue
        try:
            if finals and not openfst:
                raise FstError("the final state comes last, in one line")
            if len(fields) <= (2 if openfst else 1):
                cost = _real(fields[1]) if len(fields) == 2 else 0.0
                finals.append((_integer(fields[0]), -cost))
            else:
                row, lists, score = _arc(fields, num_aux, num_ragged, openfst)
                if not openfst and rows and row[0] < rows[-1][0]:
                    raise FstError(f"source {row[0]} after {rows[-1][0]}; they never decrease")
                rows.append(row)
                ragged.append(lists)
                scores.append(score)
            if first is None:
                first = finals[0][0] if finals else rows[0][0]
        except FstError as e:
            kind = " in OpenFst's format" if openfst else ""
            raise FstError(f"no valid Fsa{kind} of {num_aux} aux labels: line {place}, {line!r}: {e}") from e
    columns = torch.tensor(rows, dtype=torch.int32).reshape(-1, 3 + num_aux)
    return _Read(columns, torch.tensor(scores, dtype=torch.float32), finals, first or 0, ragged)


def _integer(word: str) -> int:
    try:
        value = int(word)
    except ValueError:
        raise FstError(f"{word!r} is no integer") from None
    if not -1 <= value <= _MOST_STATES:
        raise FstError(f"{value}, expected -1 to {_MOST_STATES}")
    return value


def _real(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise FstError(f"{word!r} is no number") from None


def _arc(
    fields: list[str], num_aux: int, num_ragged: int, openfst: bool
) -> tuple[list[int], list[list[int]], float]:
    width = 3 + num_aux + num_ragged
    if len(fields) not in (width, width + 1):
        raise FstError(f"{len(fields)} fields, expected {width}, and a {'cost' if openfst else 'score'}")
    row = [_integer(word) for word in fields[: 3 + num_aux]]
    lists = fields[3 + num_aux : width]
    wrong = [word for word in lists if word[0] != "["]
    if wrong:
        raise FstError(f"{wrong[0]!r}, where a list in brackets was expected")
    ragged = [[_integer(word) for word in text[1:-1].replace(",", " ").split()] for text in lists]
    score = _real(fields[width]) if len(fields) > width else 0.0
    if openfst and row[2] == -1:
        raise FstError("label -1 is for k2's final arcs; OpenFst's final states have lines of their own")
    return row, ragged, -score if openfst else score


def _size(read: _Read) -> tuple[int]:
    """States of an automaton in OpenFst's format, with the one that its final arcs lead to."""
    states = [state for state, _ in read.finals]
    if not states:
        return (0,)
    highest = int(read.columns[:, :2].max()) if len(read.columns) else 0
    return (max(highest, *states) + 2,)


def _with_final_arcs(read: _Read, num_aux: int, num_ragged: int) -> _Read:
    """Arcs in the order of their sources, with those to the final state; the start becomes 0, and what
    was 0 takes its place.
    """
    (states,) = _size(read)
    ends = torch.tensor([[s, states - 1, *[-1] * (1 + num_aux)] for s, _ in read.finals], dtype=torch.int32)
    columns = torch.cat([read.columns, ends.reshape(-1, 3 + num_aux)])
    place = columns[:, :2]
    columns[:, :2] = torch.where(place == read.first, 0, torch.where(place == 0, read.first, place))
    order = columns[:, 0].argsort(stable=True)
    scores = torch.cat([read.scores, torch.tensor([score for _, score in read.finals], dtype=torch.float32)])
    rows = [*read.ragged, *[[[] for _ in range(num_ragged)] for _ in read.finals]] if num_ragged else []
    ragged = [rows[i] for i in order.tolist()] if num_ragged else []
    return _Read(columns[order], scores[order], read.finals, 0, ragged)


def _lines(read: _Read, states: int, num_ragged: int) -> Lines:
    src, dest, label, *aux = (column.contiguous() for column in read.columns.unbind(1))
    low, high = (int(src.min()), int(src.max())) if len(src) else (0, -1)
    if low < 0 or high >= states:
        raise FstError(
            f"no valid Fsa: an arc leaves state {low if low < 0 else high}, and there are {states} states"
        )
    splits = splits_of_sizes(torch.bincount(src, minlength=states))
    made = RaggedArc.of_columns(RaggedShape.of(splits), src, dest, label, read.scores)
    return Lines(made, aux, [[row[i] for row in read.ragged] for i in range(num_ragged)])


# ---- Writing


def write(arcs: RaggedArc, aux: Sequence[Tensor], ragged: Sequence[RaggedTensor], openfst: bool) -> str:
    """The lines of one automaton, in k2's or OpenFst's format."""
    columns = [column.tolist() for column in aux]
    rows = [value.tolist() for value in ragged]
    lines = []
    scores = arcs.scores().tolist()
    for i, (src, dest, label, _) in enumerate(arcs.values().tolist()):
        score = number(-scores[i] if openfst else scores[i])
        if openfst and label == -1:
            lines.append(f"{src} {score}")
            continue
        fields = [str(src), str(dest), str(label), *(str(column[i]) for column in columns)]
        fields += [f"[ {' '.join(map(str, row[i]))} ]" if row[i] else "[ ]" for row in rows]
        lines.append(" ".join([*fields, score]))
    if scores and not openfst:
        lines.append(str(arcs.dim0() - 1))
    return "".join(f"{line}\n" for line in lines)


def labels_of(fsa: "Fsa") -> tuple[list[Tensor], list[RaggedTensor]]:
    """The attributes that stand on the lines of arcs: integers, then ragged ones, each by name."""
    named = sorted(fsa.named_tensor_attr(include_scores=False), key=lambda item: item[0])
    plain = [value for _, value in named if isinstance(value, Tensor) and value.dtype == torch.int32]
    return plain, [value for _, value in named if isinstance(value, RaggedTensor)]


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
