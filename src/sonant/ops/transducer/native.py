"""By the native core; the joiner's products are torch's, of some thousand cells at a time."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant import _native
from sonant.errors import ConfigError
from sonant.ops.transducer.reference import PADDING

# Its functions take whichever of float32 and float64 the scores are, which their stub tells by overloads.
_core: Any = _native

# What the logits of the cells that are done at once may take: they are to stay in a processor's cache.
TILE_BYTES = 4 << 20


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


class _Totals(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        totals, *shares = occupancies(blank, emit, frames, tokens, diagonal, wanted)
        ctx.save_for_backward(*shares)
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        slope = slopes[0][:, None, None]
        of_blank, of_emit = ctx.saved_tensors
        return of_blank * slope, of_emit * slope, None, None, None


def total_log_prob(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool) -> Tensor:
    found = _Totals.apply(blank, emit, frames, tokens, diagonal)
    assert isinstance(found, Tensor)
    return found


class _TokenLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, said: Tensor, blank: int, overwrite: bool) -> tuple[Tensor, Tensor]:
        flat = logits.detach().contiguous().flatten(0, -2)
        said = said.contiguous()
        norm, of_blank, of_token = (flat.new_empty(len(flat)) for _ in range(3))
        results = (x.numpy() for x in (norm, of_blank, of_token))
        _core.transducer_log_probs(flat.numpy(), said.flatten().numpy(), blank, *results)
        # Kept by hand where it is overwritten, which autograd would find to be an error.
        ctx.save_for_backward(norm, said, *(() if overwrite else (flat,)))
        ctx.flat = flat if overwrite else None
        ctx.blank, ctx.shape, ctx.overwrite = blank, logits.shape, overwrite
        return of_blank.view(said.shape), of_token.view(said.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        norm, said, *kept = ctx.saved_tensors
        flat = ctx.flat if ctx.overwrite else kept[0]
        if flat is None:
            raise ConfigError(
                "a second gradient of logits that the first has overwritten; use overwrite=False"
            )
        ctx.flat = None
        gradient = flat if ctx.overwrite else torch.empty_like(flat)
        of_rows = (x.contiguous().flatten().numpy() for x in (norm, *slopes))
        _core.transducer_logits_gradient(
            flat.numpy(), said.flatten().numpy(), ctx.blank, *of_rows, gradient.numpy()
        )
        return gradient.view(ctx.shape), None, None, None


def token_log_probs(logits: Tensor, said: Tensor, blank: int, overwrite: bool) -> tuple[Tensor, Tensor]:
    of_blank, of_token = _TokenLogProbs.apply(logits, said, blank, overwrite)  # pyright: ignore
    return of_blank, of_token


class _Joint:
    """The joiner over some of the cells, whose numbers (frame of the batch, token of the batch) are
    given."""

    def __init__(self, encoder: Tensor, predictor: Tensor, weight: Tensor, bias: Tensor, activation: str):
        self.encoder, self.predictor = encoder.flatten(0, 1), predictor.flatten(0, 1)
        self.weight, self.bias, self.activation = weight, bias, activation
        self.tile = max(64, TILE_BYTES // (weight.shape[0] * weight.element_size()))
        self.logits = weight.new_empty(self.tile, weight.shape[0])
        self.hidden = weight.new_empty(self.tile, weight.shape[1])

    def of(self, frame: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """hidden (cells, dim) and logits (cells, vocabulary), which the next call overwrites."""
        hidden = self.hidden[: len(frame)]
        torch.index_select(self.encoder, 0, frame, out=hidden)
        hidden += self.predictor.index_select(0, state)
        getattr(hidden, self.activation + "_")()
        return hidden, torch.addmm(self.bias, hidden, self.weight.t(), out=self.logits[: len(frame)])


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
    ) -> tuple[Tensor, Tensor]:
        joint = _Joint(encoder, predictor, weight, bias, activation)
        flat = said.flatten()
        norm, of_blank, of_token = (encoder.new_zeros(len(flat)) for _ in range(3))
        for cells in (flat != PADDING).nonzero()[:, 0].split(joint.tile):
            _, logits = joint.of(*_places(cells, *said.shape[1:]))
            found = logits.new_empty(3, len(cells))
            _core.transducer_log_probs(
                logits.numpy(), flat[cells].numpy(), blank, *(x.numpy() for x in found)
            )
            for value, values in zip(found, (norm, of_blank, of_token), strict=True):
                values[cells] = value
        ctx.save_for_backward(encoder, predictor, weight, bias, said, norm)
        ctx.blank, ctx.activation = blank, activation
        return of_blank.view(said.shape), of_token.view(said.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        encoder, predictor, weight, bias, said, norm = ctx.saved_tensors
        joint = _Joint(encoder, predictor, weight, bias, ctx.activation)
        flat = said.flatten()
        values = norm, *(slope.flatten() for slope in slopes)
        largest = torch.maximum(values[1].abs(), values[2].abs()).masked_fill_(flat == PADDING, 0.0)
        least = largest.max() * (1e-18 if largest.dtype == torch.float64 else 1e-9) if len(largest) else 0.0
        needed = (~(largest <= least)).nonzero()[:, 0]  # NaN is needed too

        gradients = [torch.zeros_like(x) for x in (encoder, predictor, weight, bias)]
        to_encoder, to_predictor = (gradient.flatten(0, 1) for gradient in gradients[:2])
        inputs = weight.new_empty(joint.tile, weight.shape[1])
        for cells in needed.split(joint.tile):
            frame, state = _places(cells, *said.shape[1:])
            hidden, logits = joint.of(frame, state)
            of_rows = (x[cells].numpy() for x in values)
            _core.transducer_logits_gradient(
                logits.numpy(), flat[cells].numpy(), ctx.blank, *of_rows, logits.numpy()
            )
            gradients[2].addmm_(logits.t(), hidden)
            gradients[3] += logits.sum(0)
            slope = torch.mm(logits, weight, out=inputs[: len(cells)])
            if ctx.activation == "tanh":
                slope *= hidden.square_().neg_().add_(1)
            else:
                slope *= hidden > 0
            to_encoder.index_add_(0, frame, slope)
            to_predictor.index_add_(0, state, slope)
        return *gradients, None, None, None


def joint_log_probs(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    said: Tensor,
    blank: int,
    activation: str,
) -> tuple[Tensor, Tensor]:
    inputs = (x.contiguous() for x in (encoder, predictor, weight, bias, said))
    of_blank, of_token = _JointLogProbs.apply(*inputs, blank, activation)  # pyright: ignore
    return of_blank, of_token
