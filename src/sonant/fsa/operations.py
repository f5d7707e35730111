"""Operations on one automaton or on each of a batch, which carry attributes and gradients by arc maps (k2's).

What needs no search is done in torch on any device; orders of states come from the native core.
"""

from typing import Any, Literal, overload

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa import fsa_properties
from sonant.fsa.arc_maps import from_arc_map, index_select
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.fsa import Fsa
from sonant.fsa.ragged_shape import RaggedShape, select_rows, splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor
from sonant.fsa.state_order import topological_order, useful_states
from sonant.ops import fsa_scores

WithMap = tuple[Fsa, Tensor]


def flat(arcs: RaggedArc) -> tuple[Any, Any, Any]:
    """(arcs, state_splits, fsa_splits) as the native core takes them."""
    tensors = arcs.values(), arcs.state_splits(), arcs.fsa_splits()
    values, state_splits, fsa_splits = (tensor.contiguous().cpu().numpy() for tensor in tensors)
    return values, state_splits, fsa_splits


def _identity(fsa: Fsa) -> Tensor:
    return torch.arange(fsa.num_arcs, dtype=torch.int32, device=fsa.device)


def checked(fsa: Fsa, operation: str) -> RaggedArc:
    """Its arcs, which somebody may have changed in place since they were looked at."""
    arcs = fsa.arcs
    fsa_properties.check_valid(arcs, operation)
    return arcs


def _renumbered(fsa: Fsa, states: Tensor, fsa_splits: Tensor) -> Fsa:
    """These states (int32, counted over all automata) in this order, with the arcs between them."""
    arcs = fsa.arcs
    number = torch.full((arcs.num_states(),), -1, dtype=torch.int32, device=fsa.device)
    first = fsa_splits[:-1].repeat_interleave(fsa_splits.diff().long())
    number[states.long()] = torch.arange(len(states), dtype=torch.int32, device=fsa.device) - first
    splits, chosen = select_rows(arcs.state_splits(), states)
    values = arcs.values()[chosen.long()]
    place, first_of_arc, _ = arcs.places()
    dest = number[(first_of_arc + arcs.values()[:, 1]).long()][chosen.long()]
    kept = dest >= 0
    splits = splits_of_sizes(kept)[splits.long()]
    source = number[place.long()][chosen.long()]
    values = torch.stack([source, dest, values[:, 2], values[:, 3]], 1)[kept]
    return from_arc_map(fsa, arcs.like(fsa_splits, splits, values), chosen[kept])


def connect(fsa: Fsa) -> Fsa:
    """Without the states and arcs that no path from the start to the final state takes; the others keep
    their order.

    Automata without a path have no states then.
    """
    wanted = fsa_properties.ACCESSIBLE | fsa_properties.COACCESSIBLE
    acyclic = fsa_properties.TOPSORTED_AND_ACYCLIC
    if fsa.properties & (wanted | acyclic) == wanted | acyclic:
        return fsa  # without cycles, the signs that the properties look for are all there are
    return _renumbered(fsa, *useful_states(fsa.arcs))


def top_sort(fsa: Fsa) -> Fsa:
    """States in an order in which arcs lead to later ones, or stay; the start first, the final state last.

    Raises FstError where there is none, because of a cycle of several states.
    """
    return _renumbered(fsa, *topological_order(fsa.arcs))


@overload
def arc_sort(fsa: Fsa, ret_arc_map: Literal[False] = False) -> Fsa: ...
@overload
def arc_sort(fsa: Fsa, ret_arc_map: Literal[True]) -> WithMap: ...
def arc_sort(fsa: Fsa, ret_arc_map: bool = False) -> Fsa | WithMap:
    """Each state's arcs by label (-1 last) and then by destination; of equal ones the first stays first."""
    if fsa.properties & fsa_properties.ARC_SORTED:
        return (fsa, _identity(fsa)) if ret_arc_map else fsa
    arcs = checked(fsa, "arc_sort")
    values = arcs.values()
    order = fsa_properties.sort_keys(values[:, 2], values[:, 1]).argsort(stable=True)
    order = order[arcs.places()[0][order].argsort(stable=True)].to(torch.int32)
    found = from_arc_map(fsa, RaggedArc(arcs.shape(), values[order.long()]), order)
    return (found, order) if ret_arc_map else found


def _rearranged(
    fsa: Fsa, place: Tensor, order: Tensor, values: Tensor, arc_map: Tensor, states: int, fsa_splits: Tensor
) -> Fsa:
    """Arcs sorted by `place`, the state that they leave (counted over all automata), and then by `order`."""
    by = order.argsort(stable=True)
    by = by[place[by].argsort(stable=True)]
    splits = splits_of_sizes(torch.bincount(place, minlength=states))
    made = fsa.arcs.like(fsa_splits, splits, values[by].to(torch.int32))
    return from_arc_map(fsa, made, arc_map[by].to(torch.int32))


@overload
def add_epsilon_self_loops(fsa: Fsa, ret_arc_map: Literal[False] = False) -> Fsa: ...
@overload
def add_epsilon_self_loops(fsa: Fsa, ret_arc_map: Literal[True]) -> WithMap: ...
def add_epsilon_self_loops(fsa: Fsa, ret_arc_map: bool = False) -> Fsa | WithMap:
    """With a loop of label 0 and score 0 before the arcs of each state but the final one."""
    arcs = checked(fsa, "add_epsilon_self_loops")
    splits = arcs.fsa_splits()
    state = torch.arange(arcs.num_states(), dtype=torch.int32, device=fsa.device)
    first = splits[:-1].repeat_interleave(splits.diff().long())
    last = (splits[1:] - 1).repeat_interleave(splits.diff().long())
    looped = state[state != last]
    local = (state - first)[state != last]
    zero = torch.zeros_like(local)
    loops = torch.stack([local, local, zero, zero], 1)
    place = torch.cat([looped, arcs.places()[0]])
    values = torch.cat([loops, arcs.values()])
    arc_map = torch.cat([torch.full_like(looped, -1), _identity(fsa)])
    order = torch.arange(len(place), device=fsa.device)
    found = _rearranged(fsa, place, order, values, arc_map, arcs.num_states(), splits)
    if not ret_arc_map:
        return found
    return found, arc_map[place.argsort(stable=True)]


def remove_epsilon_self_loops(fsa: Fsa) -> Fsa:
    """Without the arcs of label 0 that lead to where they came from."""
    arcs = checked(fsa, "remove_epsilon_self_loops")
    src, dest, label, _ = arcs.values().unbind(1)
    return _with_arcs(fsa, (label != 0) | (src != dest))


def _with_arcs(fsa: Fsa, kept: Tensor) -> Fsa:
    arcs = fsa.arcs
    splits = splits_of_sizes(kept)[arcs.state_splits().long()]
    made = arcs.like(arcs.fsa_splits(), splits, arcs.values()[kept])
    return from_arc_map(fsa, made, kept.nonzero()[:, 0].to(torch.int32))


def prune_on_arc_post(fsas: Fsa, threshold_prob: float, use_double_scores: bool) -> Fsa:
    """Without the arcs whose posterior (log semiring) is below threshold_prob; connected. A batch, top-
    sorted.
    """
    if not 0 < threshold_prob < 1:
        raise FstError(f"prune_on_arc_post: threshold_prob={threshold_prob}, expected between 0 and 1")
    post = fsas.get_arc_post(use_double_scores, log_semiring=True).detach()
    likely = _with_arcs(fsas, post > torch.tensor(threshold_prob).log().item())
    return _renumbered(likely, *useful_states(likely.arcs))


def shortest_path(fsa: Fsa, use_double_scores: bool) -> Fsa:
    """The best path of each automaton of a batch, as a chain; no states where there is none.

    Of equal ones that of get_tot_scores' gradient. Raises FstError unless the batch is top-sorted and
    acyclic.
    """
    graphs = fsa._graphs("shortest_path")
    dtype = torch.float64 if use_double_scores else torch.float32
    paths, sizes = fsa_scores.best_paths(graphs, fsa.scores, dtype=dtype)
    fsa_splits = splits_of_sizes(torch.where(sizes > 0, sizes + 1, 0))
    path = torch.arange(len(sizes), device=fsa.device).repeat_interleave(sizes.long())
    place = torch.arange(len(paths), dtype=torch.int32, device=fsa.device) - splits_of_sizes(sizes)[path]
    counts = torch.bincount(place + fsa_splits[path], minlength=int(fsa_splits[-1]))
    chosen = fsa.arcs.values()[paths.long()]
    values = torch.stack([place, place + 1, chosen[:, 2], chosen[:, 3]], 1)
    return from_arc_map(fsa, RaggedArc.of_batch(fsa_splits, splits_of_sizes(counts), values), paths)


def reverse(fsa: Fsa) -> Fsa:
    """The automaton of the sequences backwards. The start and the final state change places, old final
    arcs have label 0, and an arc of score 0 leads from the old start to one more state, which is final.
    """
    arcs = checked(fsa, "reverse")
    splits = arcs.fsa_splits()
    counts = splits.diff()
    states = arcs.places()[2]
    src, dest, label, bits = arcs.values().unbind(1)

    def number(state: Tensor) -> Tensor:
        return torch.where(state == states - 1, 0, torch.where(state == 0, states - 1, state))

    new_splits = splits_of_sizes(torch.where(counts > 0, counts + 1, 0))
    fsas = torch.arange(len(counts), device=fsa.device).repeat_interleave(arcs.arc_counts().long())
    rows = torch.stack([number(dest), number(src), torch.where(label == -1, 0, label), bits], 1)
    there = (counts > 0).nonzero()[:, 0]
    count = counts[there]
    ends = torch.stack([count - 1, count, torch.full_like(count, -1), torch.zeros_like(count)], 1)
    place = torch.cat([rows[:, 0] + new_splits[fsas], ends[:, 0] + new_splits[there]])
    values, arc_map = torch.cat([rows, ends]), torch.cat([_identity(fsa), torch.full_like(ends[:, 0], -1)])
    order = torch.arange(len(place), device=fsa.device)
    found = _rearranged(fsa, place, order, values, arc_map, int(new_splits[-1]), new_splits)
    mend_final(found)
    return found


def mend_final(fsa: Fsa, names: tuple[str, ...] = ("aux_labels",)) -> None:
    """aux_labels -1 on final arcs and only there, as the labels are now."""
    for name in names:
        value = dict(fsa.named_tensor_attr()).get(name)
        if isinstance(value, Tensor):
            final = fsa.labels == -1
            setattr(fsa, name, torch.where(final, -1, torch.where(value == -1, 0, value)))


def closure(fsa: Fsa) -> Fsa:
    """One automaton that takes its sequences any number of times: final arcs lead back to the start, with
    label 0, and the start has an arc of score 0 to the final state, behind its others. Raises FstError
    for a batch.
    """
    if len(fsa.shape) != 2:
        raise FstError(f"closure: a batch of shape {fsa.shape}, expected one automaton")
    arcs = checked(fsa, "closure")
    states = arcs.dim0()
    if states < 2:
        raise FstError(f"closure: an automaton of {states} states, expected a start and a final state")
    src, dest, label, bits = arcs.values().unbind(1)
    final = label == -1
    rows = torch.stack([src, torch.where(final, 0, dest), torch.where(final, 0, label), bits], 1)
    end = rows.new_tensor([[0, states - 1, -1, 0]])
    values, arc_map = torch.cat([rows, end]), torch.cat([_identity(fsa), _identity(fsa).new_tensor([-1])])
    order = torch.arange(len(values), device=fsa.device)
    found = _rearranged(fsa, values[:, 0], order, values, arc_map, states, arcs.fsa_splits())
    mend_final(found)
    return found


def union(fsas: Fsa) -> Fsa:
    """One automaton that takes what any of the batch does: a new start has an arc of label 0 to each
    start, and final arcs lead to one final state. Raises FstError for one automaton, and for one without
    states.
    """
    if len(fsas.shape) != 3:
        raise FstError(f"union: one automaton of shape {fsas.shape}, expected a batch")
    arcs = checked(fsas, "union")
    splits = arcs.fsa_splits()
    counts = splits.diff()
    if bool((counts < 2).any()):
        raise FstError(
            f"union: automaton {int((counts < 2).nonzero()[0])} has no paths; use those that have some"
        )
    # State s of automaton i becomes 1 + s, plus the states of those before but their final ones.
    shift = 1 + splits[:-1] - torch.arange(len(counts), dtype=torch.int32, device=fsas.device)
    last = 1 + int((counts - 1).sum())
    fsa = torch.arange(len(counts), device=fsas.device).repeat_interleave(arcs.arc_counts().long())
    src, dest, label, bits = arcs.values().unbind(1)
    to = torch.where(label == -1, last, dest + shift[fsa])
    rows = torch.stack([src + shift[fsa], to, label, bits], 1)
    zero = torch.zeros_like(shift)
    values = torch.cat([torch.stack([zero, shift, zero, zero], 1), rows]).to(torch.int32)
    arc_map = torch.cat([torch.full_like(shift, -1), _identity(fsas)])
    state_splits = splits_of_sizes(torch.bincount(values[:, 0], minlength=last + 1))
    return from_arc_map(fsas, RaggedArc(RaggedShape.of(state_splits), values), arc_map)


@overload
def expand_ragged_attributes(
    fsas: Fsa, ret_arc_map: Literal[False] = False, ragged_attribute_names: list[str] | None = None
) -> Fsa: ...
@overload
def expand_ragged_attributes(
    fsas: Fsa, ret_arc_map: Literal[True], ragged_attribute_names: list[str] | None = None
) -> WithMap: ...
def expand_ragged_attributes(
    fsas: Fsa, ret_arc_map: bool = False, ragged_attribute_names: list[str] | None = None
) -> Fsa | WithMap:
    """Ragged attributes (all, or these) as plain ones: an arc with several values becomes a chain of arcs.

    The first arc of a chain has the label and the score, the others label 0 and score 0; a final arc's
    label -1, and the -1 that ends its ragged attributes, come last. Where a row is empty the value is 0.
    """
    named = dict(fsas.named_tensor_attr(include_scores=False))
    names = ragged_attribute_names
    if names is None:
        names = [name for name, value in named.items() if isinstance(value, RaggedTensor)]
    for name in names:
        value = named.get(name)
        if not isinstance(value, RaggedTensor) or value.num_axes != 2 or value.dtype != torch.int32:
            raise FstError(f"expand_ragged_attributes: {name!r} is {value!r}, expected 2 axes of torch.int32")
    if not names:
        return (fsas, _identity(fsas)) if ret_arc_map else fsas
    arcs = checked(fsas, "expand_ragged_attributes")
    src, dest, label, bits = arcs.values().unbind(1)
    final = label == -1
    sizes = torch.ones_like(src)
    for name in names:
        sizes = torch.maximum(sizes, _chain_sizes(named[name], final))
    splits = arcs.fsa_splits()
    place, first, states = arcs.places()
    # New states come behind the state that the arc leaves, those of its first arc first.
    extra = splits_of_sizes(sizes - 1)  # by arc
    begin = arcs.state_splits().long()
    shift = torch.arange(arcs.num_states(), dtype=torch.int32, device=fsas.device) + extra[begin[:-1]]
    total = arcs.num_states() + int(extra[-1])
    new_splits = torch.cat([shift, shift.new_tensor([total])])[splits.long()]
    fsa_first = torch.where(states > 0, shift[first.long()], 0) if len(src) else first
    rows = torch.arange(len(src), device=fsas.device).repeat_interleave(sizes.long())
    step = torch.arange(len(rows), dtype=torch.int32, device=fsas.device) - splits_of_sizes(sizes)[rows]
    last = step == sizes[rows] - 1
    chain = shift[place.long()] + extra[:-1] - extra[begin[place.long()]]
    from_state = torch.where(step == 0, shift[place.long()][rows], chain[rows] + step)
    to_state = torch.where(last, shift[(first + dest).long()][rows], chain[rows] + step + 1)
    new_label = torch.where(final[rows], torch.where(last, -1, 0), torch.where(step == 0, label[rows], 0))
    local = fsa_first[rows]
    values = torch.stack(
        [from_state - local, to_state - local, new_label, torch.where(step == 0, bits[rows], 0)], 1
    ).to(torch.int32)
    arc_map = torch.where(step == 0, rows, -1).to(torch.int32)
    by = from_state.argsort(stable=True)
    state_splits = splits_of_sizes(torch.bincount(from_state, minlength=total))
    made = arcs.like(new_splits, state_splits, values[by])
    for_map = fsas.clone()
    for name in names:
        delattr(for_map, name)
    found = from_arc_map(for_map, made, arc_map[by])
    for name in names:
        value = _chain_values(named[name], rows, step, final, last)
        setattr(found, name, value[by])
    return (found, arc_map[by]) if ret_arc_map else found


def _chain_sizes(value: RaggedTensor, final: Tensor) -> Tensor:
    """How many arcs the row of each arc needs; that of a final one needs its -1 too."""
    sizes = value.shape.row_splits(1).diff()
    ended = _ends_with_minus_one(value)
    return torch.where(final & ~ended, sizes + 1, sizes)


def _ends_with_minus_one(value: RaggedTensor) -> Tensor:
    splits = value.shape.row_splits(1)
    if value.numel() == 0:
        return torch.zeros_like(splits[:-1], dtype=torch.bool)
    return (splits.diff() > 0) & (value.values[(splits[1:] - 1).clamp(min=0).long()] == -1)


def _chain_values(value: RaggedTensor, rows: Tensor, step: Tensor, final: Tensor, last: Tensor) -> Tensor:
    splits = value.shape.row_splits(1)
    sizes = splits.diff() - (_ends_with_minus_one(value) & final).to(torch.int32)
    inside = step < sizes[rows]
    at = torch.where(inside, splits[:-1][rows] + step, -1).to(torch.int32)
    return torch.where(final[rows] & last, -1, index_select(value.values, at, 0))


def invert(fsa: Fsa, ret_arc_map: bool = False) -> Fsa | WithMap:
    """Labels and aux_labels swapped; ragged aux_labels are expanded first (expand_ragged_attributes)."""
    aux = dict(fsa.named_tensor_attr()).get("aux_labels")
    if isinstance(aux, RaggedTensor):
        fsa, arc_map = expand_ragged_attributes(fsa, True, ["aux_labels"])
        return (fsa.invert_(), arc_map) if ret_arc_map else fsa.invert_()
    return (fsa.invert(), _identity(fsa)) if ret_arc_map else fsa.invert()
