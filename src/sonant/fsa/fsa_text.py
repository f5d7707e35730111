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
class _Arc:
    src: int
    dest: int
    label: int
    aux: list[int]
    ragged: list[list[int]]
    score: float


@dataclass
class Lines:
    arcs: RaggedArc
    aux: list[list[int]] = field(default_factory=list)
    ragged: list[list[list[int]]] = field(default_factory=list)


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
    arcs: list[_Arc] = []
    finals: list[tuple[int, float]] = []
    first: int | None = None  # state of the first line
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
                arcs.append(_arc(fields, num_aux, num_ragged, openfst))
                if not openfst and len(arcs) > 1 and arcs[-1].src < arcs[-2].src:
                    raise FstError(f"source {arcs[-1].src} after {arcs[-2].src}; they never decrease")
            if first is None:
                first = finals[0][0] if finals else arcs[0].src
        except FstError as e:
            kind = " in OpenFst's format" if openfst else ""
            raise FstError(f"no valid Fsa{kind} of {num_aux} aux labels: line {place}, {line!r}: {e}") from e
    if arcs and not finals:
        raise FstError("no valid Fsa: no line names a final state")
    return (
        _of_openfst(arcs, finals, first or 0, num_aux, num_ragged)
        if openfst
        else _of_k2(arcs, finals, num_aux, num_ragged)
    )


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


def _arc(fields: list[str], num_aux: int, num_ragged: int, openfst: bool) -> _Arc:
    width = 3 + num_aux + num_ragged
    if len(fields) not in (width, width + 1):
        raise FstError(f"{len(fields)} fields, expected {width}, and a {'cost' if openfst else 'score'}")
    src, dest, label, *aux = (_integer(word) for word in fields[: 3 + num_aux])
    lists = fields[3 + num_aux : width]
    wrong = [word for word in lists if word[0] != "["]
    if wrong:
        raise FstError(f"{wrong[0]!r}, where a list in brackets was expected")
    ragged = [[_integer(word) for word in text[1:-1].replace(",", " ").split()] for text in lists]
    score = _real(fields[width]) if len(fields) > width else 0.0
    if openfst and label == -1:
        raise FstError("label -1 is for k2's final arcs; OpenFst's final states have lines of their own")
    return _Arc(src, dest, label, aux, ragged, -score if openfst else score)


def _of_k2(arcs: list[_Arc], finals: list[tuple[int, float]], num_aux: int, num_ragged: int) -> Lines:
    return _lines(arcs, finals[0][0] + 1 if finals else 0, num_aux, num_ragged)


def _of_openfst(
    arcs: list[_Arc], finals: list[tuple[int, float]], start: int, num_aux: int, num_ragged: int
) -> Lines:
    if not arcs and not finals:
        return _lines([], 0, num_aux, num_ragged)
    swap = {start: 0, 0: start}  # the start becomes 0, and what was 0 takes its place
    last = max([state for state, _ in finals] + [max(arc.src, arc.dest) for arc in arcs]) + 1
    for arc in arcs:
        arc.src, arc.dest = swap.get(arc.src, arc.src), swap.get(arc.dest, arc.dest)
    for state, score in finals:
        arcs.append(
            _Arc(swap.get(state, state), last, -1, [-1] * num_aux, [[] for _ in range(num_ragged)], score)
        )
    return _lines(sorted(arcs, key=lambda arc: arc.src), last + 1, num_aux, num_ragged)


def _lines(arcs: list[_Arc], states: int, num_aux: int, num_ragged: int) -> Lines:
    rows = [(arc.src, arc.dest, arc.label) for arc in arcs]
    src, dest, label = torch.tensor(rows, dtype=torch.int32).reshape(-1, 3).unbind(1)
    low, high = (int(src.min()), int(src.max())) if arcs else (0, -1)
    if low < 0 or high >= states:
        raise FstError(
            f"no valid Fsa: an arc leaves state {low if low < 0 else high}, and there are {states} states"
        )
    splits = splits_of_sizes(torch.bincount(src, minlength=states))
    scores = torch.tensor([arc.score for arc in arcs], dtype=torch.float32)
    made = RaggedArc.of_columns(RaggedShape.of(splits), src, dest, label, scores)
    return Lines(
        made,
        [[arc.aux[i] for arc in arcs] for i in range(num_aux)],
        [[arc.ragged[i] for arc in arcs] for i in range(num_ragged)],
    )


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
