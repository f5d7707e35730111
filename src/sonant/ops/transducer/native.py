"""By the native core; the joiner's products are torch's, of some thousand cells at a time (tiles.py)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sonant import _native
from sonant.ops.transducer import gradients, tiles

# Its functions take whichever of float32 and float64 the scores are, which their stub tells by overloads.
_core: Any = _native


def occupancies(
    blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool, wanted: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    totals = torch.empty(len(frames), dtype=torch.float64)
    none = blank.new_empty(0, 0, 0)
    of_blank = torch.empty(blank.shape, dtype=blank.dtype) if wanted else none
    of_emit = torch.empty(emit.shape, dtype=emit.dtype) if wanted else none
    values = blank.detach(), emit.detach(), frames.contiguous(), tokens.contiguous()
    results = totals, of_blank, of_emit
    _core.transducer_totals(*(x.numpy() for x in values), diagonal, *(x.numpy() for x in results))
    return totals.to(blank.dtype), of_blank, of_emit


def total_log_prob(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool) -> Tensor:
    return gradients.total_log_prob(blank, emit, frames, tokens, diagonal, occupancies)


def row_log_probs(logits: Tensor, said: Tensor, blank: int) -> Sequence[Tensor]:
    found = [logits.new_empty(len(logits)) for _ in range(3)]
    _core.transducer_log_probs(logits.numpy(), said.numpy(), blank, *(x.numpy() for x in found))
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
    of_rows = (x.numpy() for x in (norm, of_blank, of_token, gradient))
    _core.transducer_logits_gradient(logits.numpy(), said.numpy(), blank, *of_rows)


def token_log_probs(logits: Tensor, said: Tensor, blank: int, overwrite: bool) -> tuple[Tensor, Tensor]:
    return gradients.token_log_probs(logits, said, blank, overwrite, row_log_probs, row_gradient)


class Joiner(tiles.Joiner):
    """Products are torch's, in buffers of one tile; rows are the core's."""

    # They are to stay in a processor's cache.
    TILE_BYTES = 4 << 20

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._hidden, self._logits, self._slope = (
            self.weight.new_empty(self.tile, size) for size in (self.dim, self.vocabulary, self.dim)
        )

    def cells_at_once(self) -> int:
        return max(64, self.TILE_BYTES // (self.vocabulary * self.weight.element_size()))

    def hidden(self, frame: Tensor, state: Tensor) -> Tensor:
        hidden = self._hidden[: len(frame)]
        torch.index_select(self.encoder, 0, frame, out=hidden)
        hidden += self.predictor.index_select(0, state)
        return getattr(hidden, self.activation + "_")()

    def logits(self, hidden: Tensor) -> Tensor:
        return torch.addmm(self.bias, hidden, self.weight.t(), out=self._logits[: len(hidden)])

    def of_rows(self, logits: Tensor, said: Tensor) -> Sequence[Tensor]:
        return row_log_probs(logits, said, self.blank)

    def to_logits(
        self, logits: Tensor, said: Tensor, norm: Tensor, of_blank: Tensor, of_token: Tensor
    ) -> None:
        row_gradient(logits, said, self.blank, norm, of_blank, of_token, logits)

    def of_hidden(self, slopes: Tensor) -> Tensor:
        return torch.mm(slopes, self.weight, out=self._slope[: len(slopes)])


def joiner(precision: torch.dtype, device: torch.device) -> type[Joiner]:
    del precision, device  # float32 and float64 alike
    return Joiner
