"""Automata in the place of arcs of another one (k2's)."""

from typing import Any, Literal, overload

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.arc_maps import from_arc_map, index_select
from sonant.fsa.arcs import MOST_ARCS, RaggedArc
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import checked, mend_final
from sonant.fsa.ragged_shape import splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor


def _expanded(firsts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """firsts[i], firsts[i] + 1, ... counts[i] of them, for each i; and i of each."""
    owner = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    begins = counts.cumsum(0) - counts
    return firsts[owner] + torch.arange(len(owner), device=counts.device) - begins[owner], owner


@overload
def replace_fsa(
    src: Fsa, index: Fsa, symbol_begin_range: int = 1, ret_arc_map: Literal[False] = False
) -> Fsa: ...
@overload
def replace_fsa(
    src: Fsa, index: Fsa, symbol_begin_range: int = 1, *, ret_arc_map: Literal[True]
) -> tuple[Fsa, Tensor, Tensor]: ...
def replace_fsa(
    src: Fsa, index: Fsa, symbol_begin_range: int = 1, ret_arc_map: bool = False
) -> Fsa | tuple[Fsa, Tensor, Tensor]:
    """`index` (one, or a batch) with automaton i of the batch `src` in the place of its arcs of label
    symbol_begin_range + i.

    Such an arc becomes an epsilon that leads to a copy of the automaton's start, and the final arcs of the
    copy become epsilons that lead where the arc led; a copy's states come right after the state that the
    arc leaves. ret_arc_map: also the arcs of index and of src that arcs come from, int32, -1 for none.
    Differentiable; attributes come from the side that an arc comes from.

    Raises FstError where an automaton that is put in has no start or no final state.
    """
    if len(src.shape) != 3:
        raise FstError(f"replace_fsa: src of shape {src.shape}, expected a batch")
    if src.device != index.device or src.scores.dtype != index.scores.dtype:
        raise FstError(
            f"replace_fsa: src on {src.device} in {src.scores.dtype}, index on {index.device} in "
            f"{index.scores.dtype}"
        )
    if symbol_begin_range < 1:
        raise FstError(f"replace_fsa: symbol_begin_range={symbol_begin_range}, expected 1 or more")
    parts, frame = checked(src, "replace_fsa"), checked(index, "replace_fsa")
    sizes, part_arcs = parts.fsa_splits().diff().long(), parts.arc_counts().long()
    label = frame.values()[:, 2].long() - symbol_begin_range
    replaced = (label >= 0) & (label < parts.dim0())
    part = torch.where(replaced, label, 0)
    if bool(replaced.any()) and int(sizes[part[replaced]].min()) < 2:
        empty = int(part[replaced][sizes[part[replaced]] < 2][0])
        raise FstError(
            f"replace_fsa: automaton {empty} of src has {int(sizes[empty])} states, expected 2 or more"
        )
    put_in = part[replaced]
    if int(part_arcs[put_in].sum()) + index.num_arcs > MOST_ARCS:
        raise FstError(f"replace_fsa: the result would have more than {MOST_ARCS} arcs")
    states = torch.zeros_like(part)  # that each arc of index adds
    states[replaced] = sizes[put_in] - 1
    added = torch.cat([states.new_zeros(1), states.cumsum(0)])
    splits, state_splits = frame.fsa_splits().long(), frame.state_splits().long()
    moved = torch.arange(frame.num_states(), device=src.device) + added[state_splits[:-1]]
    new_splits = splits + added[state_splits[splits]]
    place, first, _ = (x.long() for x in frame.places())
    new_first = (first + added[state_splits[first]]) if len(first) else first
    start = place + 1 + added[:-1]  # of the copy that an arc leads to
    dest = torch.where(replaced, start, moved[first + frame.values()[:, 1]])
    kept_label = torch.where(replaced, 0, frame.values()[:, 2])
    arcs_at = parts.state_splits().long()[parts.fsa_splits().long()]
    arc, owner = _expanded(arcs_at[put_in], part_arcs[put_in])
    base, end, offset = (
        start[replaced][owner],
        moved[first + frame.values()[:, 1]][replaced][owner],
        new_first[replaced][owner],
    )
    values = parts.values()[arc].long()
    last = values[:, 1] == sizes[put_in][owner] - 1
    source = torch.cat([moved[place], base + values[:, 0]])
    to = torch.cat([dest, torch.where(last, end, base + values[:, 1])])
    labels = torch.cat([kept_label, torch.where(last, 0, values[:, 2])])
    begins = torch.cat([new_first, offset])
    order = source.argsort(stable=True)
    none = torch.full_like
    map_index = torch.cat([torch.arange(index.num_arcs, device=src.device), none(arc, -1)])[order].int()
    map_src = torch.cat([none(place, -1), arc])[order].int()
    counts = torch.bincount(source, minlength=int(new_splits[-1]))
    columns = torch.stack([source - begins, to - begins, labels, torch.zeros_like(labels)], 1)[order]
    made = frame.like(new_splits.int(), splits_of_sizes(counts), columns.int())
    found = _of_either(src, index, made, map_src, map_index)
    mend_final(found)
    return (found, map_index, map_src) if ret_arc_map else found


def _of_either(src: Fsa, index: Fsa, arcs: RaggedArc, map_src: Tensor, map_index: Tensor) -> Fsa:
    """Each arc from one of the two, with its attributes."""
    found = from_arc_map(index, arcs, map_index)
    found.scores = found.scores + index_select(src.scores, map_src)
    mine = dict(index.named_tensor_attr(include_scores=False))
    for name, value in src.named_tensor_attr(include_scores=False):
        other: Any = mine.get(name)
        if isinstance(value, RaggedTensor):
            if other is not None:
                raise FstError(f"replace_fsa: both sides have {name!r}, which is ragged; rename one")
            setattr(found, name, value.index(map_src, axis=0)[0])
            continue
        chosen = index_select(value, map_src, src.get_filler(name))
        if isinstance(other, RaggedTensor) or (other is not None and other.dtype != value.dtype):
            raise FstError(f"replace_fsa: {name!r} is of {value.dtype} in src and of {other.dtype} in index")
        if other is not None:
            chosen = torch.where(map_src >= 0, chosen, index_select(other, map_index))
        setattr(found, name, chosen)
    for name, value in src.named_non_tensor_attr():
        if name not in dict(found.named_non_tensor_attr()):
            setattr(found, name, value)
    return found
