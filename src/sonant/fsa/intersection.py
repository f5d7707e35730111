"""Intersection and composition (k2's): of two automata, and of automata with the output of a network.

Scores add up, with their gradients, and attributes of both sides are carried along.
"""

from typing import Any, Literal, NamedTuple, overload

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant import _native
from sonant.errors import FstError, FstIndexError
from sonant.fsa.arc_maps import from_arc_map, from_two_arc_maps, index_select
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.dense_fsa_vec import DenseFsaVec
from sonant.fsa.fsa import Fsa
from sonant.fsa.operations import flat
from sonant.fsa.ragged_shape import RaggedShape
from sonant.fsa.ragged_tensor import RaggedTensor, index_and_sum
from sonant.ops import fsa_dense

# Its functions take whichever of float32 and float64 the scores are, which their stub tells by overloads.
_core: Any = _native
WithMaps = tuple[Fsa, Tensor, Tensor]


class DenseLattices(NamedTuple):
    """What an operation made of automata and the output of a network, as flat arrays."""

    arcs: Tensor
    state_splits: Tensor
    fsa_splits: Tensor
    map_a: Tensor
    """int32 (num_arcs,): the automata's arc that each is from, -1 for none."""
    map_b: Tensor
    """int32 (num_arcs,): offset of its score in the network's output, flat."""
    scores: Tensor | None = None
    """(num_arcs,): the sum of both, where it was made along with the arcs."""


def intersect_pairs(
    a: Fsa, b: Fsa, a_of: Tensor, b_of: Tensor, epsilons: bool, one: bool, phi_label: int | None = None
) -> WithMaps:
    if phi_label is not None and not 0 < phi_label < 2**31:
        raise FstError(f"intersect: phi_label={phi_label}, expected a label, above 0")
    devices = {str(a.device), str(b.device)}
    if len(devices) > 1:
        raise FstError(f"intersect: automata on {sorted(devices)}, expected one device")
    indexes = [index.to(torch.int32).cpu().contiguous().numpy() for index in (a_of, b_of)]
    found, *failed = _core.fsa_intersect(*flat(a.arcs), *flat(b.arcs), *indexes, epsilons, phi_label or 0)
    arcs, state_splits, fsa_splits, map_a, map_b = (torch.from_numpy(array).to(a.device) for array in found)
    if one:
        made = RaggedArc(RaggedShape.of(state_splits), arcs)
    else:
        made = RaggedArc.of_batch(fsa_splits, state_splits, arcs)
    result = from_two_arc_maps(a, b, made, map_a, map_b)
    if phi_label is not None:
        splits, values = (torch.from_numpy(array).to(a.device) for array in failed)
        _add_failures(result, b, RaggedTensor(RaggedShape.of(splits), values))
    return result, map_a, map_b


def _add_failures(result: Fsa, b: Fsa, failed: RaggedTensor) -> None:
    """Adds the scores, and other floating-point attributes, of the failure arcs of b gone through."""
    for name, value in b.named_tensor_attr():
        if isinstance(value, Tensor) and value.dtype.is_floating_point and value.ndim == 1:
            setattr(result, name, getattr(result, name) + index_and_sum(value, failed))


@overload
def intersect(
    a_fsa: Fsa,
    b_fsa: Fsa,
    treat_epsilons_specially: bool = True,
    ret_arc_maps: Literal[False] = False,
    phi_label: int | None = None,
) -> Fsa: ...
@overload
def intersect(
    a_fsa: Fsa,
    b_fsa: Fsa,
    treat_epsilons_specially: bool = True,
    *,
    ret_arc_maps: Literal[True],
    phi_label: int | None = None,
) -> WithMaps: ...
def intersect(
    a_fsa: Fsa,
    b_fsa: Fsa,
    treat_epsilons_specially: bool = True,
    ret_arc_maps: bool = False,
    phi_label: int | None = None,
) -> Fsa | WithMaps:
    """What both take: of two automata, or of each of a batch with the one or with its number in the other
    batch.

    With treat_epsilons_specially label 0 is epsilon, which each side may follow alone, and paths through
    epsilons of both are found once (k2 finds each order of them); without, 0 is a label like others.
    States are numbered breadth first, and those that lead nowhere stay: connect. Arcs need not be sorted.
    ret_arc_maps: also the arc of each side that each arc comes from, int32, -1 for none. Raises FstError
    where batches are of different sizes.

    phi_label names arcs of b_fsa that are taken only where a state has no arc with the label that comes
    next (-1, the end, too): failure arcs (Aho and Corasick 1975), by which an n-gram model backs off. They
    take no label, may follow each other, and leave no arc of their own: their scores, and other
    floating-point attributes, are part of the arc that was found behind them, gradients included. A state has
    one at most, they do not go round, and a_fsa has no such label, else FstError.
    """
    sizes = [fsa.shape[0] if len(fsa.shape) == 3 else 1 for fsa in (a_fsa, b_fsa)]
    batches = [len(fsa.shape) == 3 for fsa in (a_fsa, b_fsa)]
    if all(batches) and sizes[0] != sizes[1]:
        raise FstError(f"intersect: batches of {sizes[0]} and {sizes[1]} automata, expected as many of both")
    count = next((int(size or 0) for size, batch in zip(sizes, batches, strict=True) if batch), 1)
    a_of, b_of = (
        torch.arange(count) if batch else torch.zeros(count, dtype=torch.int64) for batch in batches
    )
    found = intersect_pairs(a_fsa, b_fsa, a_of, b_of, treat_epsilons_specially, not any(batches), phi_label)
    return found if ret_arc_maps else found[0]


@overload
def intersect_device(
    a_fsas: Fsa,
    b_fsas: Fsa,
    b_to_a_map: Tensor,
    sorted_match_a: bool = False,
    ret_arc_maps: Literal[False] = False,
) -> Fsa: ...
@overload
def intersect_device(
    a_fsas: Fsa, b_fsas: Fsa, b_to_a_map: Tensor, sorted_match_a: bool = False, *, ret_arc_maps: Literal[True]
) -> WithMaps: ...
def intersect_device(
    a_fsas: Fsa, b_fsas: Fsa, b_to_a_map: Tensor, sorted_match_a: bool = False, ret_arc_maps: bool = False
) -> Fsa | WithMaps:
    """Each automaton b of a batch with automaton b_to_a_map[b] (int32) of another; 0 is a label like others.

    sorted_match_a is k2's promise that a_fsas are arc-sorted, which nothing here needs.
    """
    for name, fsa in (("a_fsas", a_fsas), ("b_fsas", b_fsas)):
        if len(fsa.shape) != 3:
            raise FstError(f"intersect_device: {name} of shape {fsa.shape}, expected a batch")
    counts = b_fsas.arcs.dim0(), a_fsas.arcs.dim0()
    _check_map("intersect_device", "b_to_a_map", b_to_a_map, *counts, a_fsas.device)
    found = intersect_pairs(a_fsas, b_fsas, b_to_a_map, torch.arange(len(b_to_a_map)), False, False)
    return found if ret_arc_maps else found[0]


def _check_map(operation: str, name: str, index: Tensor, count: int, end: int, device: torch.device) -> None:
    if index.shape != (count,) or index.dtype != torch.int32:
        raise FstError(
            f"{operation}: {name} of {tuple(index.shape)} and {index.dtype}, expected ({count},) of "
            "torch.int32"
        )
    if str(index.device) not in ("cpu", str(device)):
        raise FstError(f"{operation}: {name} on {index.device}, expected cpu or {device}")
    if count and (int(index.min()) < 0 or int(index.max()) >= end):
        raise FstIndexError(f"{operation}: {name} {index.tolist()[:10]}, expected 0 to {end - 1}")


def compose(
    a_fsa: Fsa,
    b_fsa: Fsa,
    treat_epsilons_specially: bool = True,
    inner_labels: str | None = None,
    phi_label: int | None = None,
) -> Fsa:
    """What a makes of its labels and b of a's aux_labels: labels of a, aux_labels of b (or, where b has
    none, the labels that met), which inner_labels names an attribute for. As intersect, with phi_label too.

    Raises FstError unless a has aux_labels in a tensor, and where inner_labels is given and b has no
    aux_labels.
    """
    if not isinstance(dict(a_fsa.named_tensor_attr()).get("aux_labels"), Tensor):
        raise FstError("compose: a_fsa has no aux_labels in a tensor; ragged ones: expand_ragged_attributes")
    transducer = "aux_labels" in dict(b_fsa.named_tensor_attr())
    if inner_labels is not None and not transducer:
        raise FstError(f"compose: inner_labels={inner_labels!r}, but b_fsa has no aux_labels")
    inverted = a_fsa.invert().rename_tensor_attribute_("aux_labels", "left_labels")
    found = intersect(inverted, b_fsa, treat_epsilons_specially, phi_label=phi_label)
    if inner_labels is not None:
        found.rename_tensor_attribute_("labels", inner_labels)
    elif not transducer:
        found.rename_tensor_attribute_("labels", "aux_labels")
    return found.rename_tensor_attribute_("left_labels", "labels")


def intersect_dense(
    a_fsas: Fsa,
    b_fsas: DenseFsaVec,
    output_beam: float,
    max_states: int = 15000000,
    max_arcs: int = 1 << 30,
    a_to_b_map: Tensor | None = None,
    seqframe_idx_name: str | None = None,
    frame_idx_name: str | None = None,
) -> Fsa:
    """Automata with the output of a network: a batch of all paths, less the arcs on none within
    output_beam of the best one, exactly.

    a_fsas is a batch with an automaton for each segment of b_fsas, in any order of lengths, or with one
    for segment a_to_b_map[i] (int32) each; or one automaton for all segments. Scores are sums of both,
    and differentiable in both. The names ask for attributes (int32): the row of b_fsas.scores that each
    arc is from, and the frame of its segment. Where an automaton would have more than max_states or
    max_arcs its beam is made smaller.

    Raises FstError for labels that the network has no class for, for maps and beams that do not fit, and
    for scores that are no numbers.
    """
    single = len(a_fsas.shape) == 2
    count, segments = 1 if single else a_fsas.arcs.dim0(), b_fsas.dim0()
    check_dense("intersect_dense", a_fsas, b_fsas)
    if not output_beam > 0:
        raise FstError(f"intersect_dense: output_beam={output_beam}, expected more than 0")
    if a_to_b_map is not None:
        _check_map("intersect_dense", "a_to_b_map", a_to_b_map, count, segments, a_fsas.device)
        b_of = a_to_b_map
    elif single or count == segments:
        b_of = torch.arange(segments, dtype=torch.int32)
    else:
        raise FstError(f"intersect_dense: {count} automata and {segments} segments; give a_to_b_map")
    a_of = torch.zeros_like(b_of) if single else torch.arange(count, dtype=torch.int32)
    if a_fsas.device.type != "cpu":
        arcs = a_fsas.arcs
        found = fsa_dense.intersect(
            fsa_dense.Graphs(arcs.values(), arcs.state_splits(), arcs.fsa_splits(), "intersect_dense"),
            a_fsas.scores,
            b_fsas.scores,
            b_fsas.shape().row_splits(1),
            fsa_dense.Pairs(a_of, b_of),
            fsa_dense.Limits(float(output_beam), max_states, max_arcs),
        )
        return from_dense(a_fsas, b_fsas, DenseLattices(*found), seqframe_idx_name, frame_idx_name)
    scores, dense = (t.detach().cpu().contiguous().numpy() for t in (a_fsas.scores, b_fsas.scores))
    rows, a_of, b_of = (t.cpu().contiguous().numpy() for t in (b_fsas.shape().row_splits(1), a_of, b_of))
    found = _core.fsa_intersect_dense(
        *flat(a_fsas.arcs), scores, dense, rows, a_of, b_of, float(output_beam), max_states, max_arcs
    )
    lattices = DenseLattices(*(torch.from_numpy(array).to(a_fsas.device) for array in found))
    return from_dense(a_fsas, b_fsas, lattices, seqframe_idx_name, frame_idx_name)


def check_dense(operation: str, a_fsas: Fsa, b_fsas: DenseFsaVec) -> None:
    """That automata and the output of a network go together. Raises FstError."""
    if a_fsas.device != b_fsas.device or a_fsas.scores.dtype != b_fsas.scores.dtype:
        raise FstError(
            f"{operation}: automata on {a_fsas.device} in {a_fsas.scores.dtype}, network output on "
            f"{b_fsas.device} in {b_fsas.scores.dtype}; move one: .to"
        )
    if b_fsas.scores.numel() >= 2**31:
        raise FstError(f"{operation}: {b_fsas.scores.numel()} scores, 2^31 at most; split the batch")


class _SumOfBoth(torch.autograd.Function):
    """Scores of automata and of the output of a network, added up along the arcs of lattices."""

    @staticmethod
    def forward(ctx: Any, a_scores: Tensor, b_scores: Tensor, lattices: DenseLattices, groups: Any) -> Tensor:
        """groups: where the arcs of each automaton begin, and the scores of each segment."""
        # Without the scores, which what is made here would hold itself alive by.
        ctx.lattices, ctx.groups = lattices._replace(scores=None), groups
        ctx.shapes = a_scores.shape, b_scores.shape
        if lattices.scores is not None:
            return lattices.scores
        return index_select(a_scores, lattices.map_a) + index_select(b_scores.reshape(-1), lattices.map_b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        lattices: DenseLattices = ctx.lattices
        splits = lattices.state_splits[lattices.fsa_splits.long()].numpy()
        given = slopes[0].contiguous().numpy()
        gradients: list[Tensor | None] = []
        for i, arc_map in enumerate((lattices.map_a, lattices.map_b)):
            if not ctx.needs_input_grad[i]:
                gradients.append(None)
                continue
            found = _core.fsa_take_gradient(given, arc_map.numpy(), splits, ctx.groups[i].numpy())
            gradients.append(torch.from_numpy(found).reshape(ctx.shapes[i]))
        return *gradients, None, None


def from_dense(
    a_fsas: Fsa,
    b_fsas: DenseFsaVec,
    lattices: DenseLattices,
    seqframe_idx_name: str | None,
    frame_idx_name: str | None,
) -> Fsa:
    """The result of an operation on both."""
    map_a, map_b, scores = lattices.map_a, lattices.map_b, b_fsas.scores
    rows = b_fsas.shape().row_splits(1)
    if a_fsas.is_cpu():
        groups = a_fsas.arcs.state_splits()[a_fsas.arcs.fsa_splits().long()], rows * scores.shape[1]
        sums = _SumOfBoth.apply(a_fsas.scores, scores, lattices, groups)
        assert isinstance(sums, Tensor)
    else:
        sums = index_select(a_fsas.scores, map_a) + scores.reshape(-1).index_select(0, map_b)
    arcs = RaggedArc.of_batch(lattices.fsa_splits, lattices.state_splits, lattices.arcs)
    result = from_arc_map(a_fsas, arcs, map_a, sums)
    if frame_idx_name is None and seqframe_idx_name is None:
        return result
    row = torch.div(map_b, scores.shape[1], rounding_mode="floor")
    if frame_idx_name is not None:
        first = rows[b_fsas.shape().row_ids(1)[row.long()].long()]
        setattr(result, frame_idx_name, row - first)
    if seqframe_idx_name is not None:
        setattr(result, seqframe_idx_name, row)
    return result
