"""Frame by frame in torch, all sequences at once, on any device: each has its own copy of its automaton's
states, and the forward scores of the next frame are log-sums over the arcs into each of them. Autograd does
the rest. In float64.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.ops.segments import reference as segments

if TYPE_CHECKING:
    from sonant.ops.fsa_frames import Leak, Sequences
    from sonant.ops.fsa_scores import Graphs


def _copies(splits: Tensor, graph_of: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The elements of each sequence's automaton, one sequence after the other: which one, of which sequence;
    and where each sequence's begin."""
    sizes = splits.diff()[graph_of]
    begins = sizes.cumsum(0) - sizes
    sequence = torch.arange(len(graph_of), device=splits.device).repeat_interleave(sizes)
    place = torch.arange(len(sequence), device=splits.device) - begins[sequence]
    return splits[graph_of][sequence] + place, sequence, begins


def total_scores(
    graphs: "Graphs", arc_scores: Tensor, scores: Tensor, sequences: "Sequences", leak: "Leak | None"
) -> Tensor:
    device, count = scores.device, len(sequences.first)
    first, frames, graph_of = (
        tensor.long().to(device) for tensor in (sequences.first, sequences.frames, sequences.graph_of)
    )
    state_splits, fsa_splits = graphs.state_splits.long(), graphs.fsa_splits.long()
    state, state_sequence, begins = _copies(fsa_splits, graph_of)
    arc, sequence, _ = _copies(state_splits[fsa_splits], graph_of)
    source, dest, label = (graphs.arcs[arc, i].long() for i in range(3))
    source, dest = source + begins[sequence], dest + begins[sequence]
    _check(graphs, arc_scores, scores, sequences)
    weight = arc_scores.double()[arc]

    # States that are a start, but not also the end, where no path has come to yet.
    starts = begins[fsa_splits.diff()[graph_of] > 1]
    alpha = scores.new_full((len(state),), -torch.inf, dtype=torch.float64)
    alpha[starts] = 0
    longest = int(frames.max()) if count else 0
    takes_frame = label >= 0
    for t in range(longest + 1):
        if leak is not None:
            inside = (frames >= t)[state_sequence]
            total = segments.log_sum_exp(alpha, state_sequence, count)
            jump = (
                total[state_sequence] + (leak.coefficient * leak.occupancy.double().to(device)).log()[state]
            )
            ids = torch.arange(len(state), device=device).repeat(2)
            leaked = segments.log_sum_exp(torch.cat([alpha, jump]), ids, len(state))
            alpha = torch.where(inside, leaked, alpha)
        if t == longest:
            break
        arcs = (takes_frame & (frames > t)[sequence]).nonzero()[:, 0]
        row = first[sequence[arcs]] + t
        values = alpha[source[arcs]] + weight[arcs] + scores[row, label[arcs] + sequences.column].double()
        alpha = torch.where(
            (frames > t)[state_sequence], segments.log_sum_exp(values, dest[arcs], len(state)), alpha
        )
    final = (~takes_frame).nonzero()[:, 0]
    return segments.log_sum_exp(alpha[source[final]] + weight[final], sequence[final], count)


def _check(graphs: "Graphs", arc_scores: Tensor, scores: Tensor, sequences: "Sequences") -> None:
    highest = int(graphs.arcs[:, 2].max()) if len(graphs.arcs) else -1
    classes = scores.shape[1] - sequences.column
    if highest >= classes:
        raise FstError(
            f"{graphs.operation}: label {highest} in the automata, and the network has {classes} classes, 0 "
            f"to {classes - 1}"
        )
    if bool((~(arc_scores < torch.inf)).any()):
        arc = int((~(arc_scores < torch.inf)).nonzero()[0])
        raise FstError(
            f"{graphs.operation}: the score of arc {arc} is {float(arc_scores[arc])}, expected a number or "
            "-inf"
        )
    taken = torch.zeros(len(scores), dtype=torch.bool)
    for i, (begin, size) in enumerate(zip(sequences.first.tolist(), sequences.frames.tolist(), strict=True)):
        outside = size < 0 or begin < 0 or begin + size > len(scores)
        if outside or bool(taken[begin : begin + size].any()):
            raise FstError(
                f"{graphs.operation}: sequence {i} of rows {begin} to {begin + size} (exclusive), expected "
                f"rows of its own, of {len(scores)}"
            )
        taken[begin : begin + size] = True
        wrong = ~(scores[begin : begin + size] < torch.inf)
        if bool(wrong.any()):
            t, column = wrong.nonzero()[0].tolist()
            raise FstError(
                f"{graphs.operation}: sequence {i}, frame {t}: the score of label "
                f"{column - sequences.column} is {float(scores[begin + t, column])}, expected a number or "
                "-inf"
            )
