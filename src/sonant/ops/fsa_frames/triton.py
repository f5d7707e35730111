"""On a GPU: forward and backward scores of all states at all frames, and posteriors from them.

Sequences are the columns of tiles of rows (states) x arcs x columns. There are two ways to lay them out, of
the same kernels:

    alone         a column for each program: a sequence with an automaton of its own, a transcript's, say. One
                  launch goes through all frames; between two of them the threads of the program wait for each
                  other.
    side by side  sequences that share a large automaton, a denominator: 32 columns a program, next to each
                  other in memory, so that an arc's numbers are read once for 32 sequences, and what it leads
                  from lies in one line. A program has BLOCK states, and a frame is a launch.

Forward scores of a frame are relative to the log-sum of those of the frame before (`norms`), so that float32
does for any length; the backward scores take the same numbers off, and the total, so that both of a state
together are the log of its posterior, which is never above 0. A program leaves the log-sum of its states
(`parts`), which those of the next frame add up, all in the same order: the leaky HMM needs it too (its jumps
into all states forward, from all states backward). Nothing is added atomically, and two runs give the same.

Bytes that must move, of b-byte scores, for each sequence and frame: 2 b a state (forward scores, written and
read again) and 3 b a class (its score, read twice, and its gradient). For 10,000 states, 3,000 classes, 128
sequences of 150 frames that is 2.2 GB, 0.67 ms of an H100's 3.35 TB/s; the copies with labels before
sequences make it 4.1 GB, 1.2 ms. Forward scores take 768 MB of memory then, backward ones 26 MB (of CHUNK
frames and one, which stay in the cache). What caches have to give is more: an arc takes 2 b of each sequence
and frame forward, 2 b backward and 2 b for its posterior: 23 GB for 50,000 arcs, some 4 ms at 5.5 TB/s. And
340 launches are 2 to 5 ms of the CPU, which go on while the GPU works. None of this has been measured.
"""

from typing import TYPE_CHECKING, Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant.ops import segments
from sonant.ops.fsa_frames import kernels as jitted
from sonant.ops.fsa_frames import reference

if TYPE_CHECKING:
    from sonant.ops.fsa_frames import Leak, Sequences
    from sonant.ops.fsa_scores import Graphs

# How they are launched Triton's types do not say.
kernels: Any = jitted
# Lanes of a tile, and warps of a program: 8 lanes a thread.
LANES, WARPS = 1024, 4
SIDE_LANES, SIDE_WARPS = 2048, 8
COLUMNS = 32
BLOCK = 64
# Frames whose backward scores are there at the same time, side by side.
CHUNK = 4
# So many sequences of one automaton, of so many arcs, are worth a launch for each frame.
LEAST_SEQUENCES, LEAST_ARCS = 8, 8192
# Arcs of a row that are taken at a time: wider, and the lanes of rows with few arcs idle.
WIDEST = 32


class Tables:
    """The arcs in the orders in which the kernels take them."""

    def __init__(self, graphs: "Graphs", arc_scores: Tensor, leak: "Leak | None", classes: int):
        arcs, device = graphs.arcs, arc_scores.device
        count, states = len(arcs), len(graphs.state_splits) - 1
        self.fsa_splits = graphs.fsa_splits.contiguous()
        self.arc_splits = graphs.state_splits.index_select(0, graphs.fsa_splits.long()).contiguous()
        self.sources, self.dests, self.labels = (arcs[:, i].contiguous() for i in range(3))
        self.weights = arc_scores.contiguous()
        takes = self.labels >= 0
        # Out of states, as they stand: splits, other ends, labels, scores.
        self.leaving = graphs.state_splits.contiguous(), self.dests, self.labels, self.weights
        # Into states; those that take no frame come last, behind all states.
        dest, by = torch.where(takes, graphs.states_of_arcs()[1], states).sort(stable=True)
        every = torch.arange(states + 1, dtype=torch.int32, device=device)
        begins = torch.searchsorted(dest, every, out_int32=True)
        rows = (values.index_select(0, by) for values in (self.sources, self.labels, self.weights))
        self.entering = begins, *rows
        final = torch.where(takes, -torch.inf, self.weights)
        self.ends = segments.log_sum_exp(final, graphs.states_of_arcs()[0], graphs.state_splits)
        # Under labels: a row for each label that an automaton has.
        key = torch.where(takes, graphs.fsas_of_arcs() * classes + self.labels, 2**62)
        key, by = key.sort(stable=True)
        begins = torch.ones(count, dtype=torch.bool, device=device)
        begins[1:] = key[1:] != key[:-1]
        begins &= key < 2**62
        rows_before = torch.nn.functional.pad(begins.cumsum(0), (1, 0))
        row_of = torch.where(key < 2**62, rows_before[1:] - 1, count)
        self.row_begins = torch.searchsorted(row_of, torch.arange(count + 1, device=device), out_int32=True)
        of_graphs = torch.searchsorted(key, torch.arange(len(self.fsa_splits), device=device) * classes)
        self.row_splits = rows_before.index_select(0, of_graphs).to(torch.int32)
        under = [values.index_select(0, by) for values in (self.sources, self.dests, self.labels)]
        at = self.row_begins[:-1].clamp(max=count - 1)
        self.row_labels = under[2].index_select(0, at)
        self.under_labels = under[0], under[1], self.weights.index_select(0, by)
        self.leaky = leak is not None
        self.leaks = self.weights.new_empty(0)
        if leak is not None:
            self.leaks = (leak.coefficient * leak.occupancy.double().to(device)).log().to(arc_scores.dtype)


class Wave:
    """Sequences that are computed together: the columns, and where their scores are."""

    def __init__(self, sequences: "Sequences", members: Tensor, side: bool, sizes: "Sizes", scores: Tensor):
        device = scores.device
        self.side, self.members, self.count = side, members, len(members)
        frames, graph_of = sizes.frames[members], sizes.graph_of[members]
        self.longest = int(frames.max())
        states, arcs = sizes.states[graph_of], sizes.arcs[graph_of]
        self.frames, self.graph_of = frames.to(device, torch.int32), graph_of.to(device, torch.int32)
        self.first = sequences.first.to(device)[members.to(device)]
        self.widths = arcs
        if side:
            places = rows_of = arc_places = torch.arange(self.count)
            self.cells, self.slots = int(states[0]) * self.count, CHUNK + 1
            self.stride = self.count
            self.steps = 1
        else:
            cells = (frames + 1) * states
            places, arc_places = cells.cumsum(0) - cells, arcs.cumsum(0) - arcs
            rows_of = self.first.long() * scores.shape[1] + sequences.column
            self.cells, self.slots, self.stride = int(cells.sum()), self.longest + 1, 1
            self.steps = self.longest + 2
        self.places, self.arc_places, self.rows_of = (
            x.to(device, torch.int64) for x in (places, arc_places, rows_of)
        )
        columns = min(COLUMNS, triton.next_power_of_2(self.count)) if side else 1
        self.lanes = max((SIDE_LANES if side else LANES) // columns, 1)
        self.warps = SIDE_WARPS if side else WARPS
        most, average = int(states.max()), -(-int(arcs.sum()) // max(int(states.sum()), 1))
        self.tile = *_tile(self.lanes, average), columns
        self.block = -(-max(BLOCK, 1) // self.tile[0]) * self.tile[0] if side else max(most, 1)
        self.blocks = -(-max(most, 1) // self.block)
        self.most_arcs, self.most_states = int(arcs.max()), most

    def new_values(self, like: Tensor, slots: int) -> Tensor:
        """For the scores of all states at so many frames, side by side; or at all."""
        return like.new_empty(slots * self.cells if self.side else self.cells)

    def network(self, scores: Tensor, column: int) -> tuple[Tensor, tuple[int, int]]:
        """The scores as `rows_of` counts them, and how far apart frames and labels are."""
        if not self.side:
            return scores, (scores.shape[1], 1)
        labels = scores.shape[1] - column
        turned = scores.new_empty(self.longest, labels, self.count)
        self.turn(scores, turned, column, back=False)
        return turned, (labels * self.count, self.count)

    def turn(self, rows: Tensor, turned: Tensor, column: int, back: bool) -> None:
        """Rows of the sequences as (frames, labels, columns), or back."""
        size = min(COLUMNS, self.lanes)
        frames, labels, count = turned.shape
        if turned.numel():
            grid = frames, triton.cdiv(labels, size), triton.cdiv(count, size)
            arrays = rows, turned, self.first, self.frames, rows.shape[1], count, labels, column, back
            kernels.turn[grid](*arrays, size, size, num_warps=WARPS)


class Sizes:
    """What must be known beforehand, on the CPU: int64."""

    def __init__(self, graphs: "Graphs", sequences: "Sequences"):
        self.states = graphs.fsa_splits.cpu().long().diff()
        self.arcs = graphs.state_splits.index_select(0, graphs.fsa_splits.long()).cpu().long().diff()
        self.frames, self.graph_of = sequences.frames.cpu().long(), sequences.graph_of.cpu().long()

    def waves(self, sequences: "Sequences", scores: Tensor) -> list[Wave]:
        shared = torch.bincount(self.graph_of, minlength=len(self.arcs)) >= LEAST_SEQUENCES
        side = (shared & (self.arcs >= LEAST_ARCS))[self.graph_of]
        parts = [((~side).nonzero()[:, 0], False)]
        parts += [((self.graph_of == g).nonzero()[:, 0], True) for g in self.graph_of[side].unique().tolist()]
        return [Wave(sequences, part, by, self, scores) for part, by in parts if len(part)]


def _tile(lanes: int, average: int) -> tuple[int, int]:
    """Rows and arcs of each."""
    width = min(triton.next_power_of_2(max(average, 1)), WIDEST, lanes)
    return lanes // width, width


def advance(
    wave: Wave,
    tables: Tables,
    network: tuple[Tensor, tuple[int, int]],
    values: Tensor,
    totals: Tensor,
    norms: tuple[Tensor, Tensor],
    first: int,
    launches: int,
    parts: Tensor,
    forward: bool,
    log: bool = True,
) -> None:
    """Scores of states at frames from `first` on, up or down, so many launches."""
    scores, strides = network
    rows, width, columns = wave.tile
    slots = wave.longest + 1 if forward else wave.slots
    for i in range(launches):
        kernels.advance[wave.blocks, triton.cdiv(wave.count, columns)](
            values,
            scores,
            *(tables.entering if forward else tables.leaving),
            tables.fsa_splits,
            wave.graph_of,
            wave.places,
            wave.rows_of,
            wave.frames,
            tables.ends,
            totals,
            tables.leaks,
            *norms,
            parts,
            first + i if forward else first - i,
            wave.steps,
            wave.count,
            wave.stride,
            *strides,
            slots,
            wave.blocks,
            wave.block,
            forward,
            log,
            tables.leaky,
            rows,
            width,
            columns,
            min(triton.next_power_of_2(wave.blocks), max(wave.lanes, 1)),
            num_warps=wave.warps,
            num_stages=1,
        )


def _up(wave: Wave, tables: Tables, network: Any, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Forward scores, norms, and totals less the sum of the norms."""
    values = wave.new_values(scores, wave.longest + 1)
    norms = scores.new_empty(wave.longest + 2, wave.count)
    totals = scores.new_empty(wave.count)
    parts = scores.new_full((2, wave.blocks, wave.count), -torch.inf)
    launches = wave.longest + 2 if wave.side else 1
    advance(wave, tables, network, values, totals, (norms, norms), 0, launches, parts, True)
    columns = min(4, wave.tile[2])
    arrays = tables.fsa_splits, wave.graph_of, wave.places, wave.frames, tables.ends, tables.leaks
    kernels.finish[(triton.cdiv(wave.count, columns),)](
        values,
        *arrays,
        norms,
        totals,
        wave.count,
        wave.stride,
        tables.leaky,
        max(wave.lanes // columns, 1),
        columns,
        num_warps=wave.warps,
        num_stages=1,
    )
    return values, norms, totals


def _down(
    wave: Wave,
    tables: Tables,
    network: tuple[Tensor, tuple[int, int]],
    found: tuple[Tensor, Tensor, Tensor],
    slopes: Tensor,
    gradient: Tensor | None,
    arc_gradient: Tensor | None,
) -> None:
    """Backward scores, some frames at a time, and what the gradients gain by these."""
    values, norms, totals = found
    after = wave.new_values(values, wave.slots)
    jumps = torch.empty_like(norms)
    parts = values.new_full((2, wave.blocks, wave.count), -torch.inf)
    rows, width, columns = wave.tile
    width = min(max(width, 16), wave.lanes)
    rows = wave.lanes // width
    across = triton.cdiv(wave.count, columns)
    scores, strides = network
    common = tables.fsa_splits, wave.graph_of, wave.places, wave.rows_of
    rest = wave.count, wave.stride, *strides, wave.slots, tables.leaky
    # Of a launch for each frame some frames at a time, the backward scores of whose ends are there.
    chunk = wave.slots - 1 if wave.side else wave.longest + 1
    upper = wave.longest
    while upper >= 0:
        lower = max(upper - chunk + 1, 0)
        advance(
            wave,
            tables,
            network,
            after,
            totals,
            (jumps, norms),
            upper,
            upper - lower + 1 if wave.side else 1,
            parts,
            False,
        )
        frames = min(upper, wave.longest - 1) - lower + 1
        if gradient is not None and frames > 0:
            down = triton.cdiv(scores.shape[1] if wave.side else 1, rows)
            kernels.spread[frames, down, across](
                values,
                after,
                scores,
                gradient,
                slopes,
                tables.row_splits,
                tables.row_begins,
                tables.row_labels,
                *tables.under_labels,
                *common,
                wave.frames,
                tables.leaks,
                norms,
                jumps,
                lower,
                *rest,
                rows,
                width,
                columns,
                num_warps=wave.warps,
                num_stages=1,
            )
        if arc_gradient is not None:
            kernels.spread_arcs[triton.cdiv(wave.most_arcs, wave.lanes), across](
                values,
                after,
                scores,
                arc_gradient,
                slopes,
                tables.arc_splits,
                tables.sources,
                *tables.leaving[1:],
                *common,
                wave.arc_places,
                wave.frames,
                totals,
                tables.leaks,
                norms,
                jumps,
                lower,
                upper - lower + 1,
                *rest,
                wave.lanes,
                columns,
                num_warps=wave.warps,
                num_stages=1,
            )
        upper = lower - 1


class _Totals(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        arc_scores: Tensor,
        scores: Tensor,
        graphs: "Graphs",
        sequences: "Sequences",
        leak: "Leak | None",
    ) -> Tensor:
        arc_scores, scores = arc_scores.detach(), scores.detach().contiguous()
        tables = Tables(graphs, arc_scores, leak, scores.shape[1] - sequences.column)
        waves = Sizes(graphs, sequences).waves(sequences, scores)
        totals = scores.new_empty(len(sequences.first), dtype=torch.float64)
        ctx.waves, ctx.tables, ctx.column, ctx.found = waves, tables, sequences.column, []
        with torch.cuda.device_of(scores):
            for wave in waves:
                found = _up(wave, tables, wave.network(scores, sequences.column), scores)
                inside = torch.arange(wave.longest + 2, device=scores.device)[:, None] < wave.frames
                norms = torch.where(inside & found[1].isfinite(), found[1], 0).double().sum(0)
                totals[wave.members.to(scores.device)] = found[2].double() + norms
                ctx.found.append(found)
        ctx.save_for_backward(arc_scores, scores)
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        arc_scores, scores = ctx.saved_tensors
        of_arcs, of_scores = ctx.needs_input_grad[:2]
        arc_gradient = torch.zeros_like(arc_scores) if of_arcs else None
        gradient = torch.zeros_like(scores) if of_scores else None
        with torch.cuda.device_of(scores):
            for wave, found in zip(ctx.waves, ctx.found, strict=True):
                slope = slopes[0].to(scores.dtype)[wave.members.to(scores.device)]
                network = wave.network(scores, ctx.column)
                target = torch.zeros_like(network[0]) if wave.side and of_scores else gradient
                arcs = scores.new_zeros(int(wave.widths.sum())) if of_arcs else None
                _down(wave, ctx.tables, network, found, slope, target, arcs)
                if gradient is not None and target is not None and wave.side:
                    wave.turn(gradient, target, ctx.column, back=True)
                if arc_gradient is not None and arcs is not None:
                    _add_columns(arc_gradient, arcs, wave, ctx.tables)
        return arc_gradient, gradient, None, None, None


def _add_columns(arc_gradient: Tensor, values: Tensor, wave: Wave, tables: Tables) -> None:
    """What each arc has in its columns, in their order."""
    device, widths = values.device, wave.widths.to(values.device)
    begins = tables.arc_splits.index_select(0, wave.graph_of).long()
    if wave.side:
        arcs = int(wave.widths[0])
        by_arc = values.view(arcs, wave.count).sum(1)
        arc_gradient.index_add_(0, torch.arange(arcs, device=device) + begins[0], by_arc)
        return
    offset = (begins - (widths.cumsum(0) - widths)).repeat_interleave(widths, output_size=len(values))
    arc, by = (torch.arange(len(values), device=device) + offset).sort(stable=True)
    splits = torch.searchsorted(arc, torch.arange(len(arc_gradient) + 1, device=device), out_int32=True)
    arc_gradient += segments.sums(values.index_select(0, by), arc, splits)


def total_scores(
    graphs: "Graphs", arc_scores: Tensor, scores: Tensor, sequences: "Sequences", leak: "Leak | None"
) -> Tensor:
    if len(sequences.first) == 0 or len(graphs.arcs) == 0:
        return reference.total_scores(graphs, arc_scores, scores, sequences, leak)
    _check(graphs, arc_scores, scores, sequences)
    found = _Totals.apply(arc_scores, scores, graphs, sequences, leak)
    assert isinstance(found, Tensor)
    return found


def _check(graphs: "Graphs", arc_scores: Tensor, scores: Tensor, sequences: "Sequences") -> None:
    """Waits for the GPU once; what is wrong the reference finds out."""
    device, rows = scores.device, len(scores)
    first, frames = sequences.first.to(device).long(), sequences.frames.to(device).long()
    lost = (first < 0) | (frames < 0) | (first + frames > rows)
    ends = torch.where(lost, 0, first), torch.where(lost, 0, first + frames)
    change = torch.zeros(rows + 1, dtype=torch.int64, device=device)
    for end, by in zip(ends, (1, -1), strict=True):
        change = change.index_add(0, end, torch.full_like(end, by))
    wrong = lost.any() | (change.cumsum(0) > 1).any() | ~(arc_scores < torch.inf).all()
    wrong |= graphs.arcs[:, 2].max() >= scores.shape[1] - sequences.column
    if scores.numel():
        wrong |= (~(scores.amax(1) < torch.inf) & (change.cumsum(0)[:rows] > 0)).any()
    if bool(wrong):
        reference._check(graphs, arc_scores, scores, sequences)
