"""What follows arcs through an operation: scores with their gradients, and attributes with their fillers.

An arc map says which arc of the input each arc of the result comes from: int32 (arcs,), -1 where it comes
from none; or ragged, where it stands for several in a row.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonant import _native
from sonant.errors import FstError
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.ragged_shape import check_indexes
from sonant.fsa.ragged_tensor import RaggedTensor, index_and_sum
from sonant.fsa.ragged_tensor import index as ragged_index

if TYPE_CHECKING:
    from sonant.fsa.fsa import Fsa

# Its functions take whichever type the values are of, which their stub tells by overloads.
_core: Any = _native


def index_select(src: Tensor, index: Tensor, default_value: float = 0) -> Tensor:
    """src[i] for each i of index (int32, -1 or more). Differentiable in src, of any number of axes.

    Where i is -1: default_value if src has one axis, zeros if it has more.
    """
    if _plain(src) and index.dtype == torch.int32 and index.ndim == 1 and index.device == src.device:
        filler = src.new_tensor(default_value).item()
        found = _core.fsa_take(src.detach().contiguous().numpy(), index.contiguous().numpy(), filler)
        if found is not None:
            return torch.from_numpy(found)
    if check_indexes("index_select", index, src.shape[0], least=-1) >= 0 and src.shape[0]:
        return src.index_select(0, index)
    filler = src.new_tensor(default_value if src.ndim == 1 else 0)
    if src.shape[0] == 0:
        return filler.expand(index.shape[0], *src.shape[1:]).clone()
    there = (index >= 0).reshape(-1, *[1] * (src.ndim - 1))
    return torch.where(there, src.index_select(0, index.clamp(min=0)), filler)


def _plain(src: Tensor) -> bool:
    """Whether the native core may read it: on the CPU, and no gradient comes back through it."""
    kinds = (torch.int32, torch.float32, torch.float64)
    traced = src.requires_grad and torch.is_grad_enabled()
    return src.device.type == "cpu" and src.ndim == 1 and src.dtype in kinds and not traced


def index_add(index: Tensor, value: Tensor, in_out: Tensor) -> None:
    """in_out[index[i]] += value[i] in place, but where index[i] is -1. Not differentiable."""
    check_indexes("index_add", index, in_out.shape[0], least=-1)
    if value.shape[:1] != index.shape or value.shape[1:] != in_out.shape[1:] or value.dtype != in_out.dtype:
        raise FstError(
            f"index_add: {tuple(index.shape)} indexes, value of {tuple(value.shape)} and {value.dtype}, "
            "in_out of "
            f"{tuple(in_out.shape)} and {in_out.dtype}"
        )
    there = index >= 0
    in_out.index_add_(0, index[there], value[there])


def compose_arc_maps(step1_arc_map: Tensor, step2_arc_map: Tensor) -> Tensor:
    """The arc map of two operations, one after the other."""
    return index_select(step1_arc_map, step2_arc_map, default_value=-1)


def simple_ragged_index_select(src: Tensor, indexes: RaggedTensor) -> Tensor:
    """For each row of indexes (two axes), the one value of src (n,) there that is not 0, or 0 where all are.

    Raises FstError for an index that is not there, and where a row holds two different values.
    """
    check_indexes("simple_ragged_index_select", indexes.values, src.shape[0], least=0)
    found = ragged_index(src, indexes)
    largest, smallest = found.max(0), found.min(0)
    picked = torch.where(largest > 0, largest, smallest)
    odd = (found.values != 0) & (found.values != picked[indexes.shape.row_ids(1).long()])
    if bool(odd.any()):
        row = int(indexes.shape.row_ids(1)[odd][0])
        raise FstError(
            f"simple_ragged_index_select: row {row} holds {found[row].tolist()}, expected one value besides 0"
        )
    return picked


def _select(value: Any, arc_map: Tensor, filler: float) -> Any:
    if isinstance(value, RaggedTensor):
        return value.index(arc_map, axis=0)[0]
    return index_select(value, arc_map, filler)


def from_arc_map(src: "Fsa", arcs: RaggedArc, arc_map: Tensor, scores: Tensor | None = None) -> "Fsa":
    """The result of an operation on `src`, each of whose arcs comes from one arc, or none; with these scores,
    or with those of `src`.
    """
    dest = src.made(arcs, index_select(src.scores, arc_map) if scores is None else scores)
    for name, value in src.named_tensor_attr(include_scores=False):
        setattr(dest, name, _select(value, arc_map, src.get_filler(name)))
    for name, value in src.named_non_tensor_attr():
        setattr(dest, name, value)
    return dest


def from_ragged_arc_map(
    src: "Fsa", arcs: RaggedArc, arc_map: RaggedTensor, remove_filler: bool = True
) -> "Fsa":
    """The result of an operation on `src`, each of whose arcs stands for a row of arcs.

    Scores and other floating-point attributes add up. Integers become ragged, without the fillers (and
    without the
    -1 of final arcs) if remove_filler; ragged attributes are joined.
    """
    dest = src.made(arcs, index_and_sum(src.scores, arc_map))
    for name, value in src.named_tensor_attr(include_scores=False):
        if isinstance(value, RaggedTensor):
            joined = value.index(arc_map)
            setattr(dest, name, joined.remove_axis(joined.num_axes - 2))
        elif value.dtype.is_floating_point:
            setattr(dest, name, index_and_sum(value, arc_map))
        else:
            filler = src.get_filler(name)
            if remove_filler and filler != -1:
                value = value.masked_fill((src.labels == -1) & (value == -1), filler)
            found = ragged_index(value, arc_map, filler)
            setattr(dest, name, found.remove_values_eq(filler) if remove_filler else found)
    for name, value in src.named_non_tensor_attr():
        setattr(dest, name, value)
    return dest


def from_two_arc_maps(a: "Fsa", b: "Fsa", arcs: RaggedArc, map_a: Tensor, map_b: Tensor) -> "Fsa":
    """The result of an operation on two, each of whose arcs comes from an arc of one, the other or both.

    Attributes of the same name add up, and must be floating-point. Of others of the same name `a`'s is kept.
    """
    dest = a.made(arcs, index_select(a.scores, map_a) + index_select(b.scores, map_b))
    theirs = dict(b.named_tensor_attr(include_scores=False))
    for name, value in a.named_tensor_attr(include_scores=False):
        selected = _select(value, map_a, a.get_filler(name))
        if name in theirs:
            other = theirs.pop(name)
            for kind in (getattr(value, "dtype", None), getattr(other, "dtype", None)):
                if kind not in (torch.float32, torch.float64) or isinstance(value, RaggedTensor):
                    raise FstError(
                        f"both automata have {name!r}, of {value.dtype} and {other.dtype}; only "
                        "floating-point ones "
                        "add up. Rename one: rename_tensor_attribute_"
                    )
            selected = selected + _select(other, map_b, b.get_filler(name))
        setattr(dest, name, selected)
    for name, value in theirs.items():
        setattr(dest, name, _select(value, map_b, b.get_filler(name)))
    for src in (b, a):
        for name, value in src.named_non_tensor_attr():
            setattr(dest, name, value)
    return dest
