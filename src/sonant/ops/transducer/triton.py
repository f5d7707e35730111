"""On a GPU.

**Sums over alignments.** One program a recording, one launch each way. A lane is a number of tokens said, a
step a diagonal (frames + tokens of them; the frames, where a token takes its frame), and the scores of a
step stay in registers: a step takes those of the neighbouring lane by a shuffle, through shared memory from
128 lanes on, while the arcs of the next step are being loaded. Scores are float64 without a shift: at 2000
frames and 300 tokens they stay below 1e5 or so, where float64 has 1e-11. Shifted float32 would not do: the
cells that matter may lie a thousand below the best of their diagonal, where float32 has 6e-5, at each of
2300 steps. Of float32 scores only log(1 + exp(-gap)) is float32, which lies between 0 and 0.7: that adds no
more than what rounding a log-probability to float32 did. So GPUs that are slow at float64 have to add it
alone. (Random scores of that length, in the interpreter: the total is that of float64 as float32 rounds it,
occupancies are within 2e-6.) Forward scores are kept for the way back, 8 bytes x recordings x steps x
(tokens + 1): 2.3 MB for B=16 T=245 U=60, 89 MB for T=2000 U=300.

**Rows of logits** are read once for norm, blank and token, and read and written once for the gradient.

**The joiner.** N cells, dim D, vocabulary V: 2 N D V operations a product, four products. B=16 T=245 U=60
V=8704 D=512: N = 239,120, 2.13e12 a product, 8.5e12 in all: 8.6 ms at the 989e12 a second of an H100's
bfloat16, 14 ms at the 600e12 that good kernels reach. All logits in float32 would be 8.3 GB, and to write
and read them again, for each product that needs them, 40 GB: 12 ms of 3.35 TB/s. Hence, of half precision
(FusedJoiner):

    forward    one product, whose tiles end in a log-sum and two picked logits, V / 128 floats a cell
    backward   the same product again, whose tiles end in the gradient of the logits, half precision,
               written for a tile of cells (256 MB: 2 N V written once and read twice, 12 GB in all, most of
               it while the others multiply); two products by cuBLAS, with float32 sums, of that with weight
               and hidden layer

A kernel that keeps even that gradient in registers would need a fifth product, as one program cannot have
both the sums over cells and those over the vocabulary. The hidden layer of a tile is made before, and
written (13 MB): made in each of 68 tiles of the vocabulary, tanh would take as long as the products. A
product's tile of 128 x 128 x 64 reads 33 GB from the L2 cache, which holds both factors; 128 x 256 would
read 25, but leaves room for one program on a multiprocessor, and then nothing multiplies while exponentials
are taken. 96 KB of shared memory and 128 registers a thread make it two on an H100, and fit all GPUs since
sm_80. Cells whose share is too small are not in the way back, which in trained networks are most of them.

B=30 T=200 U=60 V=500: N = 366,000, 0.77e12 operations, 1.3 ms; but 375 MB for each time the hidden layer is
read or written, and twice that for its gradient in float32: 7 GB, 2.3 ms. Memory is what a tile of 256 MB
and the gradients take, at any size.

Sums are always of the same order: biases' over the cells of a tile and then over tiles, those of encoder and
predictor by a program for each of their rows, which costs a sort of the tile's cells by state, and reading
their gradient twice. float32 and float64 (Joiner) go through cuBLAS in all four products, by torch's
settings: at 67e12 a second (TF32: some 400e12) those take so long that what is written in between does not
matter.

float16 gradients are scaled by a power of two, since shares of 1e-8 are common. None of this has been
measured.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
from torch import Tensor

from sonant.ops.segments.triton import tile
from sonant.ops.transducer import gradients, tiles
from sonant.ops.transducer import kernels as jitted

# How they are launched Triton's types do not say.
kernels: Any = jitted

# Stages: loads are not moved ahead of the stores of the turn before.
LAUNCH = dict(num_warps=4, num_stages=1, enable_fp_fusion=True)
# Of products. Registers for two programs on a multiprocessor: one multiplies while the other does the rest.
PRODUCTS = dict(num_warps=8, num_stages=3, maxnreg=128, enable_fp_fusion=True)


# ---- The sum over alignments


def occupancies(
    blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool, wanted: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    blank, emit = blank.detach(), emit.detach()
    batch, length, states = blank.shape
    steps = length + (1 if diagonal else states)
    totals = torch.empty(batch, dtype=torch.float64, device=blank.device)
    none = blank.new_empty(0, 0, 0)
    of_blank = torch.zeros(blank.shape, dtype=blank.dtype, device=blank.device) if wanted else none
    of_emit = torch.zeros(emit.shape, dtype=emit.dtype, device=emit.device) if wanted else none
    alphas = totals.new_empty(batch if wanted else 0, steps, states)
    lanes = max(32, triton.next_power_of_2(states))
    options = dict(LAUNCH, num_warps=min(max(lanes // 64, 1), 8))
    values = blank, emit, frames.contiguous(), tokens.contiguous(), alphas, totals
    strides = *blank.stride(), *emit.stride()
    after = int(emit.shape[1] > length)
    if batch:
        with torch.cuda.device_of(blank):
            kernels.alignments_forward[(batch,)](
                *values, *strides, steps, states, after, diagonal, wanted, lanes, **options
            )
            if wanted:
                rows = length, emit.shape[1]
                kernels.alignments_backward[(batch,)](
                    *values,
                    of_blank,
                    of_emit,
                    *strides,
                    *rows,
                    steps,
                    states,
                    after,
                    diagonal,
                    lanes,
                    **options,
                )
    return totals.to(blank.dtype), of_blank, of_emit


def total_log_prob(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool) -> Tensor:
    return gradients.total_log_prob(blank, emit, frames, tokens, diagonal, occupancies)


# ---- Rows of logits


def row_log_probs(logits: Tensor, said: Tensor, blank: int) -> Sequence[Tensor]:
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    found = [torch.empty(len(logits), dtype=wide, device=logits.device) for _ in range(3)]
    _of_rows(kernels.row_log_probs, logits, said, found, blank)
    return found


def row_gradient(
    logits: Tensor,
    said: Tensor,
    blank: int,
    norm: Tensor,
    of_blank: Tensor,
    of_token: Tensor,
    gradient: Tensor,
) -> None:
    _of_rows(kernels.row_gradient, logits, said, (norm, of_blank, of_token, gradient), blank)


def _of_rows(kernel: Any, logits: Tensor, said: Tensor, values: Sequence[Tensor], blank: int) -> None:
    rows, columns = logits.shape
    if rows:
        shape = tile(rows * columns, rows)
        with torch.cuda.device_of(logits):
            kernel[(triton.cdiv(rows, shape[0]),)](
                logits, said, *values, rows, columns, blank, *shape, **LAUNCH
            )


def token_log_probs(logits: Tensor, said: Tensor, blank: int, overwrite: bool) -> tuple[Tensor, Tensor]:
    return gradients.token_log_probs(logits, said, blank, overwrite, row_log_probs, row_gradient)


# ---- The joiner


class Joiner(tiles.Joiner):
    """Products are torch's; what comes between them is Triton's, and added up in one order."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.width = self.dim  # of hidden

    def hidden(self, frame: Tensor, state: Tensor) -> Tensor:
        hidden = self.weight.new_empty(self.rows_for(len(frame)), self.width)
        self._join(hidden, frame, state, back=False)
        return hidden[: len(frame)]

    def rows_for(self, cells: int) -> int:
        return cells

    def _join(self, values: Tensor, frame: Tensor, state: Tensor, back: bool) -> None:
        dims = min(triton.next_power_of_2(self.width), 512)
        rows = 2048 // dims
        grid = triton.cdiv(len(values), rows), triton.cdiv(self.width, dims)
        with torch.cuda.device_of(values):
            kernels.join[grid](
                self.encoder,
                self.predictor,
                frame,
                state,
                values,
                len(frame),
                len(values),
                self.dim,
                self.width,
                self.activation == "tanh",
                back,
                rows,
                dims,
                **LAUNCH,
            )

    def of_rows(self, logits: Tensor, said: Tensor) -> Sequence[Tensor]:
        return row_log_probs(logits, said, self.blank)

    def to_logits(
        self, logits: Tensor, said: Tensor, norm: Tensor, of_blank: Tensor, of_token: Tensor
    ) -> None:
        row_gradient(logits, said, self.blank, norm, of_blank, of_token, logits)

    def spread(self, slope: Tensor, hidden: Tensor, frame: Tensor, state: Tensor) -> None:
        self._join(slope, frame, state, back=True)
        self._add_rows(slope, frame, None, self.gradients[0])
        by_state, order = state.sort(stable=True)
        self._add_rows(slope, by_state, order, self.gradients[1])

    def _add_rows(self, slope: Tensor, row: Tensor, order: Tensor | None, found: Tensor) -> None:
        """To found (rows, dim), of cells whose row numbers rise."""
        every = torch.arange(len(found) + 1, device=row.device)
        splits = torch.searchsorted(row, every, out_int32=True)
        cells, dims = 16, min(triton.next_power_of_2(self.dim), 128)
        with torch.cuda.device_of(slope):
            kernels.add_rows[(len(found), triton.cdiv(self.dim, dims))](
                slope,
                row if order is None else order,
                splits,
                found,
                self.dim,
                self.width,
                order is not None,
                cells,
                dims,
                **LAUNCH,
            )


class FusedJoiner(Joiner):
    """Two of the four products are Triton's, and what is done to their logits, which stay in registers."""

    TILE_BYTES = 256 << 20
    # Cells, tokens and dims of a tile of a product.
    CELLS, TOKENS, DIMS = 128, 128, 64

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        # Padded to whole tiles, so that nothing is masked: what is added has logits of -inf.
        self.width = _rounded(self.dim, self.DIMS)
        more = _rounded(self.vocabulary, self.TOKENS) - self.vocabulary
        pad = torch.nn.functional.pad
        self.weight = pad(self.weight, (0, self.width - self.dim, 0, more))
        self.bias = pad(self.bias, (0, more), value=-torch.inf)
        self.columns = len(self.bias)

    def cells_at_once(self) -> int:
        half = torch.finfo(self.precision).bits // 8
        cell = half * (self.vocabulary + self.TOKENS) + (half + 4) * (self.dim + self.DIMS)
        return max(1, self.TILE_BYTES // cell // self.CELLS) * self.CELLS

    def rows_for(self, cells: int) -> int:
        return _rounded(cells, self.CELLS)

    def _run(self, kernel: Any, hidden: Tensor, said: Tensor, *arguments: Any) -> None:
        grid = triton.cdiv(len(hidden), self.CELLS), self.columns // self.TOKENS
        shape = "ieee", self.CELLS, self.TOKENS, self.DIMS
        with torch.cuda.device_of(hidden):
            kernel[grid](hidden, self.weight, self.bias, said, *arguments, self.blank, *shape, **PRODUCTS)

    def log_probs(self, hidden: Tensor, said: Tensor) -> Sequence[Tensor]:
        cells = len(hidden)
        parts = self.bias.new_empty(self.columns // self.TOKENS, cells)
        of_blank, of_token = self.bias.new_empty(cells), self.bias.new_empty(cells)
        self._run(kernels.joint_log_sums, hidden, said, parts, of_blank, of_token, cells, self.width)
        norm = parts.logsumexp(0)
        norm.masked_fill_(norm == torch.inf, torch.nan)  # as in rows
        impossible = norm == -torch.inf
        of_blank, of_token = ((x - norm).masked_fill_(impossible, -torch.inf) for x in (of_blank, of_token))
        return norm, of_blank, of_token.masked_fill_(said < 0, 0.0)

    def slopes(self, hidden: Tensor, said: Tensor, *of_rows: Tensor) -> Tensor:
        cells = len(hidden)
        slopes = hidden.new_empty(cells, self.columns)
        parts = self.bias.new_empty(triton.cdiv(cells, self.CELLS), self.columns)
        sizes = cells, self.width, self.columns
        self._run(kernels.joint_slopes, hidden, said, *of_rows, slopes, parts, *sizes)
        self.gradients[3] += parts.sum(0)
        return slopes

    def finished(self) -> list[Tensor]:
        to_encoder, to_predictor, to_weight, to_bias = self.gradients
        return [
            to_encoder,
            to_predictor,
            to_weight[: self.vocabulary, : self.dim],
            to_bias[: self.vocabulary],
        ]


def _rounded(size: int, to: int) -> int:
    return triton.cdiv(size, to) * to


def joiner(precision: torch.dtype, device: torch.device) -> type[Joiner]:
    """Who multiplies: GPUs before sm_80 have neither bfloat16 nor the shared memory."""
    old = device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0)
    return Joiner if old or precision in tiles.LEAST else FusedJoiner
