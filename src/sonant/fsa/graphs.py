"""Automata made from scratch: chains of labels, topologies of CTC, edit distances."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.arcs import MOST_ARCS, RaggedArc
from sonant.fsa.fsa import Fsa
from sonant.fsa.ragged_shape import RaggedShape, splits_of_sizes
from sonant.fsa.ragged_tensor import RaggedTensor

Labels = Sequence[int] | Sequence[Sequence[int]] | RaggedTensor
Device = torch.device | str | None


def _of_table(states: Tensor, counts: Tensor, dest: Tensor, label: Tensor, aux: Tensor, there: Tensor) -> Fsa:
    """A batch from a table of the arcs that each state may have: dest, label, aux and there, (states, arcs)
    each.

    states (states,): their numbers within their automata; counts (automata,): how many states each has.
    """
    device = states.device
    splits = splits_of_sizes(there.sum(1))
    source = states[:, None].expand_as(dest)[there]
    shape = RaggedShape.of(splits_of_sizes(counts), splits)
    arcs = RaggedArc.of_columns(shape, *(t.to(torch.int32) for t in (source, dest[there], label[there])))
    fsa = Fsa.made(arcs, torch.zeros(arcs.num_elements(), device=device))
    fsa.aux_labels = aux[there].to(torch.int32)
    return fsa


def _rows(operation: str, labels: Labels, device: Device) -> tuple[RaggedTensor, bool]:
    """Rows of labels, and whether there were several."""
    if isinstance(labels, RaggedTensor):
        if device is not None and torch.device(device) != labels.device:
            raise FstError(
                f"{operation}: device={device}, and the labels are on {labels.device}; move them: labels.to"
            )
        rows, several = labels, True
    else:
        several = len(labels) > 0 and isinstance(labels[0], Sequence)
        rows = RaggedTensor(labels if several else [list(labels)], torch.int32, device or "cpu")
    if rows.num_axes != 2 or rows.dtype != torch.int32:
        raise FstError(
            f"{operation}: labels of {rows.num_axes} axes and {rows.dtype}, expected 2 of torch.int32"
        )
    if rows.numel() and int(rows.values.min()) < 0:
        raise FstError(
            f"{operation}: label {int(rows.values.min())}, expected 0 or more; -1 is for final arcs"
        )
    return rows, several


def _ended(rows: RaggedTensor) -> RaggedTensor:
    """Each row with -1 behind it."""
    end = torch.full((rows.dim0, 1), -1, dtype=torch.int32, device=rows.device)
    return RaggedTensor.cat([rows, RaggedTensor(end)], axis=1)


def linear_fsa(labels: Labels, device: Device = None) -> Fsa:
    """A chain of labels; a batch of chains of lists of labels, or of a RaggedTensor of two axes."""
    rows, several = _rows("linear_fsa", labels, device)
    ended = _ended(rows)
    sizes = ended.shape.row_splits(1).diff()
    fsa = ended.shape.row_ids(1).long()
    place = (
        torch.arange(ended.numel(), dtype=torch.int32, device=ended.device) - ended.shape.row_splits(1)[fsa]
    )
    states = splits_of_sizes(sizes + 1)
    state = torch.arange(int(states[-1]), dtype=torch.int32, device=ended.device)
    ids = torch.repeat_interleave(torch.arange(len(sizes), device=ended.device), (sizes + 1).long())
    has_arc = state < states[1:][ids] - 1
    shape = RaggedShape.of(states, splits_of_sizes(has_arc))
    arcs = RaggedArc.of_columns(shape, place, place + 1, ended.values)
    batch = Fsa.made(arcs, torch.zeros(arcs.num_elements(), device=arcs.device))
    return batch if several else batch[0]


def linear_fst(labels: Labels, aux_labels: Labels, device: Device = None) -> Fsa:
    """linear_fsa with as many aux_labels as labels."""
    rows, several = _rows("linear_fst", labels, device)
    aux, aux_several = _rows("linear_fst", aux_labels, device)
    if several != aux_several or rows.shape != aux.shape:
        raise FstError(
            f"linear_fst: labels {rows.shape} and aux_labels {aux.shape}, expected as many of both"
        )
    fsa = linear_fsa(rows)
    fsa.aux_labels = _ended(aux).values
    return fsa if several else fsa[0]


def trivial_graph(max_token: int, device: Device = None) -> Fsa:
    """One state with a loop of each label 1..max_token, which is its aux label too, and a final arc."""
    if max_token < 1:
        raise FstError(f"trivial_graph: max_token={max_token}, expected 1 or more")
    if max_token >= MOST_ARCS:
        raise FstError(f"trivial_graph: max_token={max_token}, expected less than {MOST_ARCS}")
    label = torch.arange(1, max_token + 2, device=device)[None]
    label = torch.where(label > max_token, -1, label).expand(2, -1)
    there = torch.tensor([[True], [False]], device=device).expand_as(label)
    states = torch.arange(2, device=device)
    return _of_table(states, torch.tensor([2], device=device), (label < 0).long(), label, label, there)[0]


def ctc_topo(max_token: int, modified: bool = False, device: Device = None) -> Fsa:
    """CTC's topology over labels 0 (blank) to max_token: blanks and repetitions have aux label 0.

    The standard one has a state for each last label, and its arcs take each label there: a repetition needs a
    blank between. The modified one (as many arcs as labels times four, not labels squared) lets a repetition
    go without.
    """
    if max_token < 0:
        raise FstError(f"ctc_topo: max_token={max_token}, expected 0 or more")
    if (arcs := 4 * max_token if modified else (max_token + 1) * (max_token + 2)) > MOST_ARCS:
        raise FstError(
            f"ctc_topo: max_token={max_token} makes {arcs} arcs, at most {MOST_ARCS} can be numbered"
            + ("" if modified else "; modified=True makes four a token")
        )
    n = max_token
    state = torch.arange(n + 2, device=device)
    if not modified:
        label = torch.arange(n + 2, device=device).expand(n + 2, -1)
        aux = torch.where(label == state[:, None], 0, label)
        final = label > n
        label, aux = torch.where(final, -1, label), torch.where(final, -1, aux)
        dest = torch.where(final, n + 1, label)
        there = (state <= n)[:, None].expand_as(label)
        return _of_table(state, torch.tensor([n + 2], device=device), dest, label, aux, there)[0]
    tokens, zero = torch.arange(1, n + 1, device=device), torch.zeros(1, dtype=torch.int64, device=device)
    start = torch.cat([zero, zero.expand(n), tokens, zero + n + 1])
    label0 = torch.cat([zero, tokens, tokens, zero - 1])
    width = len(start)
    dest = torch.zeros(n + 2, width, dtype=torch.int64, device=device)
    label, aux, there = dest.clone(), dest.clone(), dest.bool()
    dest[0], label[0], aux[0], there[0] = start, label0, label0, True
    there[1 : n + 1, :2] = True
    label[1 : n + 1, :2] = tokens[:, None]
    dest[1 : n + 1, 0] = tokens
    return _of_table(state, torch.tensor([n + 2], device=device), dest, label, aux, there)[0]


def ctc_graph(symbols: Labels, modified: bool = False, device: Device = None) -> Fsa:
    """CTC's graph of each transcript: a batch. Symbols are lists of lists, or a RaggedTensor of two axes.

    State 2 k is the blank before symbol k, state 2 k + 1 symbol k. The blank between equal symbols may be
    left out only where `modified`.
    """
    rows = _sequences("ctc_graph", symbols, device)
    sizes, first, fsa, state, counts = _alternating(rows, 2)
    k, is_symbol = state // 2, state % 2 == 1
    final = state == 2 * sizes[fsa] + 1
    last = k + is_symbol >= sizes[fsa]  # no further symbol
    values = torch.cat([rows.values, rows.values.new_zeros(1)])
    here = values[torch.where(is_symbol & ~final, first[fsa] + k, -1).long()]
    following = values[torch.where(last | final, -1, first[fsa] + k + is_symbol).long()]
    end = 2 * sizes[fsa] + 1
    blank = torch.zeros_like(here)
    onward = torch.where(last, -1, following)
    # A symbol's arcs: to the blank, its loop, to the next symbol. A blank's: its loop, to the symbol.
    onto = torch.where(last, end, state + 1)
    dest = torch.stack(
        [
            torch.where(is_symbol, state + 1, state),
            torch.where(is_symbol, state, onto),
            torch.where(last, end, state + 2),
        ],
        1,
    )
    label = torch.stack([blank, torch.where(is_symbol, here, onward), onward], 1)
    aux = torch.stack([blank, torch.where(is_symbol, blank, onward), onward], 1)
    third = is_symbol & (last | (following != here) | modified)
    there = torch.stack([~final, ~final, third & ~final], 1)
    return _of_table(state, counts, dest, label, aux, there)


def levenshtein_graph(symbols: Labels, ins_del_score: float = -0.501, device: Device = None) -> Fsa:
    """Acceptors that score edits against each of the sequences: a batch.

    Before each symbol a loop of label 0 and aux label 0, which costs ins_del_score (insertions); over it an
    arc of label 0, which costs 0.5 (substitutions, deletions), and one of its label, both with it as aux
    label. What ins_del_score is beyond -0.5 is in the attribute `__ins_del_score_offset_internal_attr_`.
    """
    if ins_del_score > 0:
        raise FstError(f"levenshtein_graph: ins_del_score={ins_del_score}, expected 0 or less")
    rows = _sequences("levenshtein_graph", symbols, device)
    sizes, first, fsa, state, counts = _alternating(rows, 1)
    final, last = state == sizes[fsa] + 1, state == sizes[fsa]
    values = torch.cat([rows.values, rows.values.new_zeros(1)])
    symbol = torch.where(last, -1, values[torch.where(final | last, -1, first[fsa] + state).long()])
    blank = torch.zeros_like(symbol)
    dest = torch.stack([state, state + 1, state + 1], 1)
    label = torch.stack([blank, torch.where(last, -1, blank), symbol], 1)
    aux = torch.stack([blank, symbol, symbol], 1)
    there = torch.stack([~final, ~final, ~final & ~last], 1)
    graph = _of_table(state, counts, dest, label, aux, there)
    kind = torch.arange(3, device=rows.device).expand_as(label)[there]
    graph.scores = torch.where(
        kind == 0, ins_del_score, torch.where((kind == 1) & (graph.labels == 0), -0.5, 0.0)
    ).to(torch.float32)
    offsets = torch.where(kind == 0, ins_del_score + 0.5, 0.0).to(torch.float32)
    setattr(graph, "__ins_del_score_offset_internal_attr_", offsets)
    return graph


def _sequences(operation: str, symbols: Labels, device: Device) -> RaggedTensor:
    rows, several = _rows(operation, symbols, device)
    if not several:
        raise FstError(f"{operation}: {symbols!r}, expected a list of sequences")
    return rows


def _alternating(rows: RaggedTensor, each: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Automata of `each` states a symbol and two more: sequence lengths, where sequences begin, and of all
    states the automaton and the number, and how many each automaton has.
    """
    splits = rows.shape.row_splits(1)
    sizes = splits.diff()
    counts = each * sizes + 2
    fsa = torch.repeat_interleave(torch.arange(len(sizes), device=rows.device), counts.long())
    state = torch.arange(len(fsa), dtype=torch.int32, device=rows.device) - splits_of_sizes(counts)[fsa]
    return sizes, splits[:-1], fsa, state, counts
