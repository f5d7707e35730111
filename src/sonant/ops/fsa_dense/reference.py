"""In torch, on any device: best scores frame by frame, all pairs at once; then all frames at once."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonant.errors import FstError

if TYPE_CHECKING:
    from sonant.ops.fsa_dense import Limits, Pairs
    from sonant.ops.fsa_scores import Graphs

# Arcs at frames that are looked at at once: some 100 bytes each.
AT_ONCE = 1 << 22


class Problem:
    """Pairs of automata and segments. A cell is a state at a frame; those of a pair follow one another, the
    first frame's first, and one frame more than it has rows: that of the final state.
    """

    def __init__(
        self, graphs: "Graphs", scores: Tensor, dense: Tensor, row_splits: Tensor, pairs: "Pairs"
    ) -> None:
        device = self.device = scores.device
        self.graphs, self.scores, self.dense = graphs, scores, dense
        self.graph_of, segment_of = (x.to(device).long() for x in pairs)
        fsa_splits, row_splits = graphs.fsa_splits.long(), row_splits.to(device).long()
        arc_splits = graphs.state_splits.long()[fsa_splits]
        self.states = fsa_splits.diff()[self.graph_of]
        self.arcs, self.first_arc = arc_splits.diff()[self.graph_of], arc_splits[self.graph_of]
        self.first_row, self.rows = row_splits[segment_of], row_splits.diff()[segment_of]
        cells = (self.rows + 1) * self.states
        self.cell_splits = torch.nn.functional.pad(cells.cumsum(0), (1, 0))
        self.cells = int(self.cell_splits[-1])
        self.source, self.dest, self.label = (graphs.arcs[:, i].long() for i in range(3))

    def steps(self, pair: Tensor, t: Tensor | int, arc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of arcs of pairs at frames: the cells that they lead from and to, and their scores in float64."""
        first = self.cell_splits[pair] + t * self.states[pair]
        here = first + self.source[arc]
        there = first + self.states[pair] + self.dest[arc]
        score = self.dense[self.first_row[pair] + t, self.label[arc] + 1].double()
        return here, there, self.scores[arc].double() + score


def best_scores(problem: Problem) -> tuple[Tensor, Tensor]:
    """Of each cell, from the start and to the end: float64 (cells,), -inf where no path leads."""
    device, pairs = problem.device, len(problem.graph_of)
    pair = torch.arange(pairs, device=device).repeat_interleave(problem.arcs)
    begins = problem.arcs.cumsum(0) - problem.arcs
    arc = torch.arange(len(pair), device=device) + (problem.first_arc - begins)[pair]
    forward = torch.full((problem.cells,), -torch.inf, dtype=torch.float64, device=device)
    backward = forward.clone()
    there = problem.states > 1
    forward[problem.cell_splits[:-1][there]] = 0
    backward[problem.cell_splits[1:][there] - 1] = 0
    longest = int(problem.rows.max()) if pairs else 0
    for scores, frames in ((forward, range(longest)), (backward, range(longest - 1, -1, -1))):
        for t in frames:
            chosen = (t < problem.rows[pair]).nonzero()[:, 0]
            come, go, step = problem.steps(pair[chosen], t, arc[chosen])
            if scores is backward:
                come, go = go, come
            scores.scatter_reduce_(0, go, scores[come] + step, "amax")
    return forward, backward


def kept(problem: Problem, forward: Tensor, backward: Tensor, limits: "Limits") -> list[Tensor]:
    """What is on paths within the beam: the fields of Lattices."""
    device, pairs = problem.device, len(problem.graph_of)
    if problem.cells:
        last = torch.where(problem.states > 0, problem.cell_splits[1:] - 1, 0)
        best = torch.where(problem.states > 1, forward[last], -torch.inf)
    else:
        best = forward.new_full((pairs,), -torch.inf)
    beam = torch.full_like(best, limits.beam)
    while True:
        # Sums of a path's scores differ by how they are rounded, which a beam of nothing must not see.
        slack = torch.where(beam > 0, beam, 1e-12 * best.abs().clamp(min=1))
        pair, t, arc, here, there = _within(problem, forward, backward, best - slack)
        new = torch.ones_like(here, dtype=torch.bool)
        new[1:] = here[1:] != here[:-1]
        arcs = torch.bincount(pair, minlength=pairs)
        states = torch.bincount(pair[new], minlength=pairs)
        over = (beam > 0) & ((states >= limits.max_states) | (arcs > limits.max_arcs))
        if not bool(over.any()):
            break
        beam = torch.where(over, torch.where(beam < 0.01, 0, (beam / 2).clamp(max=1000)), beam)
    # What is at the edge of the beam may by rounding have lost the way to it.
    while True:
        marked = torch.zeros(problem.cells, dtype=torch.bool, device=device)
        marked[there] = True
        marked[problem.cell_splits[pair]] = True
        reached = marked[here]
        if bool(reached.all()):
            break
        pair, t, arc, here, there = (x[reached] for x in (pair, t, arc, here, there))
    if len(arc) >= 2**31:
        raise FstError(
            f"{problem.graphs.operation}: the batch has {len(arc)} arcs, at most {2**31 - 1} can be "
            "numbered; split it"
        )
    number = torch.nn.functional.pad(marked.cumsum(0), (1, 0))
    fsa_splits = number[problem.cell_splits]
    first, label = fsa_splits[pair], problem.label[arc]
    values = torch.stack([number[here] - first, number[there] - first, label, torch.zeros_like(label)], 1)
    state_splits = torch.searchsorted(here, marked.nonzero()[:, 0], out_int32=True)
    offset = (problem.first_row[pair] + t) * problem.dense.shape[1] + label + 1
    ends = torch.full((1,), len(arc), dtype=torch.int32, device=device)
    int32 = (x.to(torch.int32) for x in (values, fsa_splits, arc, offset))
    values, fsa_splits, arc, offset = int32
    return [values, torch.cat([state_splits, ends]), fsa_splits, arc, offset]


def _within(
    problem: Problem, forward: Tensor, backward: Tensor, least: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The pair, frame, arc and cells of all arcs on paths that score `least` (pairs,) or more: by pair,
    frame, arc."""
    device = problem.device
    splits = torch.nn.functional.pad((problem.rows * problem.arcs).cumsum(0), (1, 0))
    all_of_them = int(splits[-1])
    parts: list[list[Tensor]] = []
    for begin in range(0, max(all_of_them, 1), AT_ONCE):
        place = torch.arange(begin, min(begin + AT_ONCE, all_of_them), device=device)
        pair = torch.searchsorted(splits, place, right=True) - 1
        place -= splits[pair]
        t = torch.div(place, problem.arcs[pair], rounding_mode="floor")
        arc = problem.first_arc[pair] + place - t * problem.arcs[pair]
        here, there, step = problem.steps(pair, t, arc)
        score = (forward[here] + step) + backward[there]
        stays = (score > -torch.inf) & (score >= least[pair])
        parts.append([x[stays] for x in (pair, t, arc, here, there)])
    pair, t, arc, here, there = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return pair, t, arc, here, there
