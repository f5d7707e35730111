"""Token passing by dictionaries, as the docstring of the folder says, and best scores from both ends."""

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from sonant.ops.fsa_pruned import Beams
    from sonant.ops.fsa_scores import Graphs

NONE = -float("inf")
Taken = tuple[int, int, int, float]
"""Arc of the automaton (or -1), source and destination in it, score."""


def _forward(
    arcs: list[list[int]], leaving: list[range], scores: list[float], rows: list[list[float]], beams: "Beams"
) -> tuple[list[dict[int, float]], list[list[Taken]]]:
    """The active states at each frame, in the order in which they are met, with their scores; the arcs
    between.
    """
    final, beam = len(leaving) - 1, beams.search
    active: list[dict[int, float]] = [{0: 0.0}]
    taken: list[list[Taken]] = []
    for t, row in enumerate(rows[:-1]):
        ending = t >= len(rows) - 5
        if len(active[-1]) > beams.max_active:
            beam = beam if ending else 0.8 * min(beam, beams.search)
        elif 0 < len(active[-1]) < max(beams.min_active, beams.max_active / 2 if ending else 0):
            beam = min(1.25 * max(beam, beams.search), 1e10)
        else:
            beam = 0.8 * beam + 0.2 * beams.search
        steps = [
            (arc, s, arcs[arc][1], scores[arc] + row[arcs[arc][2] + 1])
            for s in active[-1]
            for arc in leaving[s]
        ]
        ends = [active[-1][source] + score for _, source, _, score in steps]
        cutoff = max(ends, default=NONE) - beam
        following: dict[int, float] = {}
        for (_, _, dest, _), end in zip(steps, ends, strict=True):
            if end > cutoff:
                following[dest] = max(following.get(dest, NONE), end)
        taken.append([step for step in steps if step[2] in following and step[3] > NONE])
        active.append(following)
    last = [(arc, s, final, scores[arc]) for s in active[-1] for arc in leaving[s] if arcs[arc][2] == -1]
    last = [step for step in last if step[3] > NONE]
    if not last and beams.allow_partial:
        last = [(-1, s, final, 0.0) for s in active[-1]]
    taken.append(last)
    active.append({final: max(active[-1][s] + score for _, s, _, score in last)} if last else {})
    return active, taken


def _kept(active: list[dict[int, float]], taken: list[list[Taken]], output_beam: float) -> list[list[Taken]]:
    """The arcs on paths within the output beam of the best, of each frame."""
    best = max(active[-1].values(), default=NONE)
    after = dict.fromkeys(active[-1], 0.0)
    kept = []
    for before, steps in zip(reversed(active[:-1]), reversed(taken), strict=True):
        kept.append([])
        here: dict[int, float] = {}
        for arc, source, dest, score in steps:
            rest = score + after.get(dest, NONE)
            if rest > NONE and before[source] + rest - best >= -output_beam:
                here[source] = max(here.get(source, NONE), rest)
                kept[-1].append((arc, source, dest, score))
        after = here
    return kept[::-1]


def intersect(
    graphs: "Graphs", scores: Tensor, dense: Tensor, row_splits: Tensor, graph_of: Tensor, beams: "Beams"
) -> list[Tensor]:
    columns = dense.shape[1]
    arcs, weights = graphs.arcs.tolist(), scores.tolist()
    made: list[list[int]] = []
    state_splits, fsa_splits, map_a, map_b = [0], [0], [], []
    for i, graph in enumerate(graph_of.tolist()):
        first, end = graphs.fsa_splits[graph : graph + 2].tolist()
        splits = graphs.state_splits[first : end + 1].tolist()
        leaving = [range(a, b) for a, b in pairwise(splits)]
        begin, stop = row_splits[i : i + 2].tolist()
        active, kept = [{}], []
        if len(leaving) > 1:
            active, taken = _forward(arcs, leaving, weights, dense[begin:stop].tolist(), beams)
            kept = _kept(active, taken, beams.output)
        if not active[-1]:
            states = min(len(leaving), 2)
            state_splits += [state_splits[-1]] * states
            fsa_splits.append(fsa_splits[-1] + states)
            continue
        used = [{source for _, source, _, _ in steps} for steps in kept] + [set(active[-1])]
        places = [(t, s) for t, here in enumerate(active) for s in here if s in used[t]]
        number = {place: n for n, place in enumerate(places)}
        for t, steps in enumerate(kept):
            for s in active[t]:
                for arc, source, dest, _ in steps:
                    if source == s:
                        label = arcs[arc][2] if arc >= 0 else -1
                        made.append([number[t, s], number[t + 1, dest], label, 0])
                        map_a.append(arc)
                        map_b.append((begin + t) * columns + label + 1)
                if s in used[t]:
                    state_splits.append(len(made))
        state_splits.append(len(made))
        fsa_splits.append(fsa_splits[-1] + len(number))
    table = torch.tensor(made, dtype=torch.int32).reshape(-1, 4)
    return [table, *(torch.tensor(x, dtype=torch.int32) for x in (state_splits, fsa_splits, map_a, map_b))]
