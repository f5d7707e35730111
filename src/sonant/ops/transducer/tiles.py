"""The joiner's log-probabilities on any device, of some thousand cells at a time, by torch's products.

Forward, the logits of a tile of cells are made, and two of them and their norm are kept. Backward they are
made again, become their own gradient in their place, and two more products give those of weight and hidden
layer: four products of cells x dim x vocabulary in all, and no memory but a tile's. Cells are left out
backward whose share of the gradient is below LEAST of the largest. On a GPU torch adds the gradients of
encoder and predictor up in any order (unless its deterministic algorithms are asked for); triton.py in one.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant.ops.transducer.reference import PADDING

LEAST = {torch.float32: 1e-9, torch.float64: 1e-18}
# Whether torch gives float32 sums of factors of half precision, on a GPU: since 2.8. Otherwise factors are
# made float32, which is slow; sums of half precision would be coarse, and those of float16 too large.
WIDE_PRODUCTS = "dtype" in torch.ops.aten.mm.overloads()


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b, of half precision in float32."""
    if a.dtype in LEAST:
        return a @ b
    if a.is_cuda and WIDE_PRODUCTS:
        return torch.mm(a, b, out_dtype=torch.float32)
    return a.float() @ b.float()


class Joiner:
    """The joiner over tiles of cells, each given by its rows of encoder and predictor, all in torch.

    Factors of products are of `precision`, everything else is of float32, or of float64 if that is. What one
    call gives the next may overwrite.
    """

    # What a tile may take, of all that is as large as its cells.
    TILE_BYTES = 128 << 20

    def __init__(self, inputs: Sequence[Tensor], blank: int, activation: str, precision: torch.dtype):
        encoder, predictor, weight, bias = inputs
        self.precision, self.blank, self.activation = precision, blank, activation
        self.wide = torch.float64 if precision == torch.float64 else torch.float32
        self.encoder, self.predictor = (x.detach().to(self.wide).flatten(0, 1) for x in (encoder, predictor))
        self.weight, self.bias = weight.detach().to(precision), bias.detach().to(self.wide)
        self.vocabulary, self.dim = weight.shape
        self.tile = self.cells_at_once()

    def cells_at_once(self) -> int:
        size = torch.finfo(self.wide).bits // 8
        return max(64, self.TILE_BYTES // (size * (self.vocabulary + 3 * self.dim)))

    def begin_gradients(self) -> None:
        wide = (self.encoder, self.predictor, self.weight, self.bias)
        self.gradients = [torch.zeros_like(x, dtype=self.wide) for x in wide]

    def hidden(self, frame: Tensor, state: Tensor) -> Tensor:
        """(cells, dim)"""
        hidden = self.encoder.index_select(0, frame)
        hidden += self.predictor.index_select(0, state)
        return getattr(hidden, self.activation + "_")()

    def logits(self, hidden: Tensor) -> Tensor:
        if self.precision == self.wide:
            return torch.addmm(self.bias, hidden, self.weight.t())
        return product(hidden.to(self.precision), self.weight.t()).add_(self.bias)

    def log_probs(self, hidden: Tensor, said: Tensor) -> Sequence[Tensor]:
        """(cells,) each: norm, log-probabilities of blank and token."""
        return self.of_rows(self.logits(hidden), said)

    def of_rows(self, logits: Tensor, said: Tensor) -> Sequence[Tensor]:
        norm = logits.logsumexp(1)
        norm.masked_fill_(norm == torch.inf, torch.nan)  # as by kernels
        impossible = norm == -torch.inf
        token = logits.gather(1, said.clamp(min=0).long()[:, None])[:, 0]
        pair = ((x - norm).masked_fill_(impossible, -torch.inf) for x in (logits[:, self.blank], token))
        of_blank, of_token = pair
        return norm, of_blank, of_token.masked_fill_(said < 0, 0.0)

    def to_logits(
        self, logits: Tensor, said: Tensor, norm: Tensor, of_blank: Tensor, of_token: Tensor
    ) -> None:
        """The gradient of logits, in their place."""
        of_token = of_token.masked_fill(said < 0, 0.0)
        both = of_blank + of_token
        logits.sub_(norm[:, None]).exp_().mul_(both.neg()[:, None])
        logits.masked_fill_(((both == 0) & (of_blank == 0))[:, None], 0.0)
        logits[:, self.blank] += of_blank
        logits.scatter_add_(1, said.clamp(min=0).long()[:, None], of_token[:, None])

    def slopes(self, hidden: Tensor, said: Tensor, *of_rows: Tensor) -> Tensor:
        """The gradient of the logits (cells, vocabulary), in `precision`; that of the bias has been added."""
        logits = self.logits(hidden)
        self.to_logits(logits, said, *of_rows)
        self.gradients[3] += logits.sum(0)
        return logits.to(self.precision)

    def of_hidden(self, slopes: Tensor) -> Tensor:
        """The gradient of the hidden layer, from that of the logits."""
        return product(slopes, self.weight)

    def pull(self, frame: Tensor, state: Tensor, said: Tensor, *of_rows: Tensor) -> None:
        """Adds to all gradients. norm, and the gradients of blank and token: (cells,) each."""
        hidden = self.hidden(frame, state)
        slopes = self.slopes(hidden, said, *of_rows)
        if self.precision == self.wide:
            self.gradients[2].addmm_(slopes.t(), hidden)
        else:
            self.gradients[2] += product(slopes.t(), hidden.to(self.precision))
        self.spread(self.of_hidden(slopes), hidden, frame, state)

    def spread(self, slope: Tensor, hidden: Tensor, frame: Tensor, state: Tensor) -> None:
        """Adds the gradient of the hidden layer to those of encoder and predictor."""
        if self.activation == "tanh":
            slope *= hidden.square_().neg_().add_(1)
        else:
            slope *= hidden > 0
        self.gradients[0].index_add_(0, frame, slope)
        self.gradients[1].index_add_(0, state, slope)

    def finished(self) -> list[Tensor]:
        """The gradients, of encoder and predictor (rows, dim)."""
        return self.gradients


def _places(cells: Tensor, length: int, states: int) -> tuple[Tensor, Tensor]:
    """Rows of all frames and of all states of the batch for cells, numbers of (batch, frames, states)."""
    frame = cells // states
    return frame, frame // length * states + cells % states


class _JointLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        encoder: Tensor,
        predictor: Tensor,
        weight: Tensor,
        bias: Tensor,
        said: Tensor,
        blank: int,
        activation: str,
        precision: torch.dtype,
        kind: type[Joiner],
    ) -> tuple[Tensor, Tensor]:
        ctx.made = kind, blank, activation, precision
        joiner = kind((encoder, predictor, weight, bias), blank, activation, precision)
        flat = said.flatten()
        values = [encoder.new_zeros(len(flat), dtype=joiner.wide) for _ in range(3)]
        with torch.autocast(said.device.type, enabled=False):
            for cells in (flat != PADDING).nonzero()[:, 0].split(joiner.tile):
                hidden = joiner.hidden(*_places(cells, *said.shape[1:]))
                for value, found in zip(values, joiner.log_probs(hidden, flat[cells]), strict=True):
                    value[cells] = found
        ctx.save_for_backward(encoder, predictor, weight, bias, said, values[0])
        return values[1].view(said.shape), values[2].view(said.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        *inputs, said, norm = ctx.saved_tensors
        kind, *how = ctx.made
        joiner = kind(inputs, *how)
        joiner.begin_gradients()
        flat = said.flatten()
        of_blank, of_token = (slope.flatten() for slope in slopes)
        largest = torch.maximum(of_blank.abs(), of_token.abs()).masked_fill_(flat == PADDING, 0.0)
        scale = None
        if len(largest):
            most = largest.max()
            needed = (~(largest <= most * LEAST[largest.dtype])).nonzero()[:, 0]  # NaN is needed too
            if joiner.precision == torch.float16:
                # So that what is small does not become 0: the largest is 2^13 to 2^14, by a power of two.
                power = torch.where((most > 0) & (most < torch.inf), most, 1.0).log2().floor()
                scale = torch.exp2(13 - power)
                of_blank, of_token = of_blank * scale, of_token * scale
            with torch.autocast(said.device.type, enabled=False):
                for cells in needed.split(joiner.tile):
                    places = _places(cells, *said.shape[1:])
                    joiner.pull(*places, *(x[cells] for x in (flat, norm, of_blank, of_token)))
        gradients = joiner.finished() if scale is None else (x / scale for x in joiner.finished())
        found = [x.reshape(y.shape).to(y.dtype) for x, y in zip(gradients, inputs, strict=True)]
        return *found, None, None, None, None, None


def joint_log_probs(
    inputs: Sequence[Tensor],
    said: Tensor,
    blank: int,
    activation: str,
    precision: torch.dtype,
    kind: type[Joiner] = Joiner,
) -> tuple[Tensor, Tensor]:
    """By `kind`; inputs: encoder, predictor, weight, bias."""
    values = (x.contiguous() for x in (*inputs, said))
    found = _JointLogProbs.apply(*values, blank, activation, precision, kind)
    of_blank, of_token = found  # pyright: ignore[reportGeneralTypeIssues]
    return of_blank, of_token
