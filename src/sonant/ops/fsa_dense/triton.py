"""On a GPU: best scores by the kernel of ops.fsa_frames in the tropical semiring, a program for each pair.

Two launches, for both directions; they move 8 bytes a cell, 12 to 16 bytes an arc and frame.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonant.ops.fsa_frames import Sequences
from sonant.ops.fsa_frames import triton as frames

if TYPE_CHECKING:
    from sonant.ops.fsa_dense.reference import Problem


def best_scores(problem: "Problem") -> tuple[Tensor, Tensor]:
    graphs, scores, dense = problem.graphs, problem.scores, problem.dense.contiguous()
    shape, device = (problem.cells,), scores.device
    forward, backward = (dense.new_full(shape, -torch.inf, dtype=torch.float64) for _ in range(2))
    there = problem.states > 1
    last = problem.cell_splits[1:][there] - 1
    if problem.cells == 0 or len(graphs.arcs) == 0:
        forward[problem.cell_splits[:-1][there]] = 0
        backward[last] = 0
        return forward, backward
    int32 = (x.to(torch.int32) for x in (problem.first_row, problem.rows - 1, problem.graph_of))
    sequences = Sequences(*int32, column=1)
    tables = frames.Tables(graphs, scores, None, dense.shape[1] - 1)
    final = torch.where(tables.labels < 0, scores, -torch.inf)
    source = graphs.states_of_arcs()[0].long()
    tables.ends = torch.full_like(scores[:1], -torch.inf).expand(len(graphs.state_splits) - 1).contiguous()
    tables.ends = tables.ends.scatter_reduce(0, source, final, "amax")
    sizes = frames.Sizes(graphs, sequences)
    wave = frames.Wave(sequences, torch.arange(len(there)), False, sizes, dense)
    wave.places = problem.cell_splits[:-1].contiguous()
    # What the last row adds to a final arc is what is not taken off its score.
    over = -dense[problem.first_row + problem.rows - 1, 0].double()
    unused = forward.new_empty(0)
    network = dense, (dense.shape[1], 1)
    with torch.cuda.device_of(scores):
        for values, first, up in ((forward, 0, True), (backward, wave.longest, False)):
            frames.advance(
                wave, tables, network, values, over, (unused, unused), first, 1, unused, up, log=False
            )
    # The frame behind the last row is that of the final state.
    backward[last] = 0
    pair = torch.arange(len(there), device=device).repeat_interleave(problem.arcs)
    begins = problem.arcs.cumsum(0) - problem.arcs
    arc = torch.arange(len(pair), device=device) + (problem.first_arc - begins)[pair]
    come, go, step = problem.steps(pair, problem.rows[pair] - 1, arc)
    forward.scatter_reduce_(0, go, forward[come] + step, "amax")
    return forward, backward
