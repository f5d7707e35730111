"""In torch, on any device: all recordings at once, frame by frame, and states met twice found by sorting.

The arcs out of the active states of a frame are listed, those within the beams of their recording's best one
stay, and sorting where they lead gives the active states of the next frame, numbered in the order in which
they are met first. Arrays are as large as what is active: 16 bytes an arc (of float64 scores 20) and 17 a
state are kept; of every 20 frames the last 40 are gone through backwards, and lose what is not within the
output beam of a state that is active now, since nothing that it leads to can be better than what leads to
that. A frame is some hundred of torch's operations, and waits for the device six times, for the sizes of what
follows, whatever the number of recordings.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonant.errors import FstError

if TYPE_CHECKING:
    from sonant.ops.fsa_pruned import Beams
    from sonant.ops.fsa_scores import Graphs

PRUNE_EVERY = 20
WIDEST = 1e10


@dataclass(frozen=True)
class _Level:
    """Active states before a frame, of all recordings, one recording's after the other's."""

    recording: Tensor
    """int64 (states,)."""
    score: Tensor
    """float64: the best from the start."""
    ended: Tensor
    """bool: a final state behind the last frame."""


@dataclass(frozen=True)
class _Taken:
    """Arcs over a frame, in the order of the states that they leave."""

    arc: Tensor
    """int32, -1 where none is taken: those of allow_partial."""
    come: Tensor
    go: Tensor
    """int32: states of the level before the frame, and of that after it."""
    score: Tensor


class _Search:
    def __init__(
        self,
        graphs: "Graphs",
        scores: Tensor,
        dense: Tensor,
        row_splits: Tensor,
        graph_of: Tensor,
        beams: "Beams",
    ):
        device = self.device = scores.device
        self.scores, self.dense, self.beams = scores, dense, beams
        row_splits, graph_of = row_splits.to(device).long(), graph_of.to(device).long()
        self.first_row, self.frames = row_splits[:-1], row_splits.diff() - 1
        self.longest = int(self.frames.max()) if len(graph_of) else -1
        fsa_splits = graphs.fsa_splits.long()
        self.first_state, self.states = fsa_splits[graph_of], fsa_splits.diff()[graph_of]
        self.most = int(self.states.max()) if len(graph_of) else 0
        self.splits = graphs.state_splits.long()
        self.dest, self.label = graphs.arcs[:, 1].long(), graphs.arcs[:, 2].long()
        self.beam = torch.full((len(graph_of),), beams.search, dtype=torch.float64, device=device)
        start = (self.states > 1).nonzero()[:, 0]
        zero = torch.zeros_like(start)
        self.state = zero
        self.levels = [_Level(start, zero.double(), zero.bool())]
        self.taken: list[_Taken] = []

    def run(self) -> list[Tensor]:
        for t in range(self.longest + 1):
            if t and t % PRUNE_EVERY == 0:
                self.prune(max(t - 2 * PRUNE_EVERY, 0))
            self.step(t)
        self.prune(0)
        return self.lattices()

    def adapt_beams(self, t: int) -> None:
        beams, beam = self.beams, self.beam
        active = torch.bincount(self.levels[-1].recording, minlength=len(beam)).double()
        ending = t >= self.frames - 4
        least = torch.full_like(beam, beams.min_active)
        least = torch.where(ending, least.clamp(min=beams.max_active / 2), least)
        less = torch.where(ending, beam, 0.8 * beam.clamp(max=beams.search))
        more = (1.25 * beam.clamp(min=beams.search)).clamp(max=WIDEST)
        same = 0.8 * beam + 0.2 * beams.search
        few = (active > 0) & (active < least)
        self.beam = torch.where(active > beams.max_active, less, torch.where(few, more, same))

    def step(self, t: int) -> None:
        self.adapt_beams(t)
        level, device = self.levels[-1], self.device
        # All arcs out of active states; those of recordings whose frames are over only to the final state.
        place = self.first_state[level.recording] + self.state
        degree = self.splits[place + 1] - self.splits[place]
        come = torch.arange(len(place), device=device).repeat_interleave(degree)
        arc = torch.arange(len(come), device=device) + (self.splits[place] - degree.cumsum(0) + degree)[come]
        recording, label = level.recording[come], self.label[arc]
        over = (self.frames == t)[recording]
        row = self.dense[self.first_row[recording] + t, label + 1]
        score = self.scores[arc] + torch.where(over, torch.where(label == -1, 0.0, -torch.inf), row)
        end = level.score[come] + score.double()
        dest = self.dest[arc]
        if self.beams.allow_partial:
            come, arc, score, end, dest = self.with_partial(t, come, arc, score, end, dest)
            recording = level.recording[come]

        best = self.beam.new_full(self.beam.shape, -torch.inf).scatter_reduce(0, recording, end, "amax")
        cutoff = torch.where(self.frames == t, -torch.inf, best - self.beam)
        near = (end > (cutoff - self.beams.output)[recording]) & (score > -torch.inf)
        near = near.nonzero()[:, 0]
        come, arc, score, end = (x[near] for x in (come, arc, score, end))
        recording, key = recording[near], (recording * self.most + dest)[near]

        # The states that arcs above the beam lead to, sorted; and their numbers, in the order of first arcs.
        above = (end > cutoff[recording]).nonzero()[:, 0]
        found, by = key[above].sort(stable=True)
        new = torch.ones_like(found, dtype=torch.bool)
        new[1:] = found[1:] != found[:-1]
        new = new.nonzero()[:, 0]
        states, order = found[new], by[new].argsort()
        number = torch.empty_like(order)
        number[order] = torch.arange(len(order), device=device)
        at = torch.searchsorted(states, key).clamp(max=max(len(states) - 1, 0))
        there = states[at] == key if len(states) else torch.zeros_like(key, dtype=torch.bool)
        go = number[at] if len(states) else at
        forward = end.new_full(states.shape, -torch.inf)
        forward.scatter_reduce_(0, go[above], end[above], "amax")
        if len(states):
            there &= end - forward[go] >= -self.beams.output
        there = there.nonzero()[:, 0]
        self.taken.append(_Taken(*(x[there].to(torch.int32) for x in (arc, come, go)), score=score[there]))
        states = states[order]
        of = torch.div(states, max(self.most, 1), rounding_mode="floor")
        ended = (self.frames == t)[of]
        self.levels.append(_Level(of, forward, ended))
        self.state = states - of * self.most

    def with_partial(
        self, t: int, come: Tensor, arc: Tensor, score: Tensor, end: Tensor, dest: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """And, of recordings that end here in no final state, an arc out of each active state."""
        level = self.levels[-1]
        possible = torch.zeros_like(self.frames, dtype=torch.bool)
        possible[level.recording[come[score > -torch.inf]]] = True
        stuck = ((self.frames == t) & ~possible)[level.recording].nonzero()[:, 0]
        rows = (
            (come, stuck),
            (arc, torch.full_like(stuck, -1)),
            (score, score.new_zeros(len(stuck))),
            (end, level.score[stuck]),
            (dest, self.states[level.recording[stuck]] - 1),
        )
        come, arc, score, end, dest = (torch.cat(pair) for pair in rows)
        by = come.argsort(stable=True)
        return come[by], arc[by], score[by], end[by], dest[by]

    def prune(self, begin: int) -> None:
        """Drops the arcs from frame `begin` on that are on no path within the output beam."""
        after = -self.levels[-1].score
        number = torch.arange(len(after), device=self.device)
        for t in range(len(self.taken) - 1, begin - 1, -1):
            taken, level = self.taken[t], self.levels[t]
            come, go = taken.come.long(), taken.go.long()
            rest = after[go] + taken.score.double()
            stays = (rest > -torch.inf) & (rest + level.score[come] >= -self.beams.output)
            stays = stays.nonzero()[:, 0]
            come, go, rest = come[stays], go[stays], rest[stays]
            before = rest.new_full(level.score.shape, -torch.inf).scatter_reduce(0, come, rest, "amax")
            before = torch.where(level.ended, -level.score, before)
            alive = before > -torch.inf
            if t == begin:
                alive = torch.ones_like(alive)  # the numbers are known to the frame before
            of = alive.cumsum(0) - 1
            alive = alive.nonzero()[:, 0]
            self.taken[t] = _Taken(
                taken.arc[stays], of[come].to(torch.int32), number[go].to(torch.int32), taken.score[stays]
            )
            self.levels[t] = replace(
                level,
                recording=level.recording[alive],
                score=level.score[alive],
                ended=level.ended[alive],
            )
            after, number = before, of

    def lattices(self) -> list[Tensor]:
        device, recordings = self.device, len(self.frames)
        recording = torch.cat([level.recording for level in self.levels])
        ended = torch.zeros(recordings, dtype=torch.bool, device=device)
        ended[recording[torch.cat([level.ended for level in self.levels])]] = True
        counts = torch.bincount(recording, minlength=recordings)
        sizes = torch.where(ended, counts, self.states.clamp(max=2))
        fsa_splits = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
        by = recording.argsort(stable=True)
        begins = counts.cumsum(0) - counts
        number = torch.empty_like(by)
        number[by] = torch.arange(len(by), device=device) - begins[recording[by]]

        first, parts = 0, []
        for t, (level, taken) in enumerate(zip(self.levels, self.taken, strict=False)):
            after = first + len(level.recording)
            frame = torch.full_like(taken.arc, t)
            parts.append((taken.come.long() + first, taken.go.long() + after, taken.arc.long(), frame.long()))
            first = after
        if not parts:
            parts = [(torch.zeros(0, dtype=torch.int64, device=device),) * 4]
        come, go, arc, frame = (torch.cat(columns) for columns in zip(*parts, strict=True))
        if len(arc) >= 2**31:
            raise FstError(f"intersect_dense_pruned: {len(arc)} arcs, at most {2**31 - 1}; split the batch")
        order = recording[come].argsort(stable=True)
        come, go, arc, frame = (x[order] for x in (come, go, arc, frame))
        of = recording[come]
        label = torch.where(arc >= 0, self.label[arc.clamp(min=0)], -1) if len(arc) else arc
        values = torch.stack([number[come], number[go], label, torch.zeros_like(label)], 1)
        leaving = torch.bincount(number[come] + fsa_splits[of], minlength=int(fsa_splits[-1]))
        state_splits = torch.nn.functional.pad(leaving.cumsum(0), (1, 0))
        offset = (self.first_row[of] + frame) * self.dense.shape[1] + label + 1
        return [x.to(torch.int32) for x in (values, state_splits, fsa_splits, arc, offset)]


def intersect(
    graphs: "Graphs", scores: Tensor, dense: Tensor, row_splits: Tensor, graph_of: Tensor, beams: "Beams"
) -> list[Tensor]:
    scores, dense = scores.detach(), dense.detach()
    _check(graphs, scores, dense, row_splits)
    return _Search(graphs, scores, dense, row_splits, graph_of, beams).run()


def _check(graphs: "Graphs", scores: Tensor, dense: Tensor, row_splits: Tensor) -> None:
    highest = int(graphs.arcs[:, 2].max()) if len(graphs.arcs) else -1
    if highest >= dense.shape[1] - 1:
        raise FstError(
            f"intersect_dense_pruned: label {highest} in the automata, and the network has "
            f"{dense.shape[1] - 1} classes, 0 to {dense.shape[1] - 2}"
        )
    found = ""
    if bool((~(scores < torch.inf)).any()):
        arc = int((~(scores < torch.inf)).nonzero()[0])
        found = f"the score of arc {arc} is {float(scores[arc])}"
    elif bool((~(dense < torch.inf)).any()):
        row, column = (~(dense < torch.inf)).nonzero()[0].tolist()
        frame = row - max((begin for begin in row_splits.tolist() if begin <= row), default=0)
        value = float(dense[row, column])
        found = f"the score of label {column - 1} at frame {frame} is {value}"
    if found:
        raise FstError(f"intersect_dense_pruned: {found}, expected a number or -inf")
