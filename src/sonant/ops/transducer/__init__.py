"""The transducer: its sum over alignments (Graves 2012), and the log-probabilities that go into it.

A lattice cell (t, u) stands for "frame t, u tokens said". From it, `blank[t, u]` leads to (t + 1, u) and
`emit[t, u]` to (t, u + 1), or to (t + 1, u + 1) where a token takes its frame. All paths start in (0, 0)
and end in (frames, tokens).

    total_log_prob    the sum over all paths; occupancies tells what share of it takes each arc
token_log_probs   from logits of cells (..., vocabulary) to blank and emit joint_log_probs   from the
outputs of encoder and predictor to blank and emit, through the joiner, whose logits for all cells are never
there at once

On a GPU Triton computes where it is installed. Where not, the sums over alignments are the reference's, and
the joiner is torch's in tiles.
"""

from types import ModuleType
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sonant.errors import ConfigError
from sonant.ops import segments
from sonant.ops.transducer import native, reference, tiles
from sonant.ops.transducer.reference import NOTHING, PADDING

Backend = Literal["reference"] | None
Activation = Literal["tanh", "relu"]


def _implementation(device: torch.device, backend: Backend) -> ModuleType:
    """Who computes: the one place that decides it."""
    if backend == "reference" or (device.type != "cpu" and not segments.triton_serves(device)):
        return reference
    if device.type == "cpu":
        return native
    from sonant.ops.transducer import triton

    return triton


class Occupancies(NamedTuple):
    totals: Tensor
    """(batch,)"""
    blank: Tensor
    """As blank: what share of the total takes each blank, 0 to 1."""
    emit: Tensor
    """As emit."""


def total_log_prob(
    blank: Tensor,
    emit: Tensor,
    frames: Tensor,
    tokens: Tensor,
    *,
    diagonal: bool = False,
    backend: Backend = None,
) -> Tensor:
    """Log of the sum over all alignments of the product of their probabilities.

    blank (batch, frames, tokens + 1), emit (batch, frames, tokens): log-probabilities, float32 or float64.
    frames, tokens (batch,) int64: each recording's own lengths. Gives (batch,), differentiable in blank and
    emit. With `diagonal` a token takes its frame. Without, emit may have one more frame than blank: what is
    said after the last one.

    What lies beyond a recording's own lengths is never looked at, even where it is not a number. A
    recording that no alignment can give has -inf, and no gradient. Raises ConfigError for shapes, types and
    lengths that do not fit."""
    _check(blank, emit, frames, tokens, diagonal)
    return _implementation(blank.device, backend).total_log_prob(blank, emit, frames, tokens, diagonal)


def occupancies(
    blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, *, diagonal: bool = False
) -> Occupancies:
    """The totals of total_log_prob and their gradients, themselves without a gradient."""
    _check(blank, emit, frames, tokens, diagonal)
    return Occupancies(
        *_implementation(blank.device, None).occupancies(blank, emit, frames, tokens, diagonal)
    )


def lattice_tokens(targets: Tensor, frames: Tensor, tokens: Tensor, length: int) -> Tensor:
    """(batch, length, tokens + 1) int32: the token that each cell may say; NOTHING in the last column of a
    recording, PADDING beyond its lengths. targets (batch, tokens), frames and tokens (batch,) int64."""
    batch, states = targets.shape[0], targets.shape[1] + 1
    said = torch.full((batch, length, states), NOTHING, dtype=torch.int32, device=targets.device)
    told = reference.within(said[:, :, :-1], frames, tokens)
    said[:, :, :-1] = torch.where(told, targets[:, None], NOTHING).int()
    return said.masked_fill_(~reference.within(said, frames, tokens + 1), PADDING)


def token_log_probs(
    logits: Tensor,
    said: Tensor,
    *,
    blank: int,
    overwrite: bool = False,
    backend: Backend = None,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of blank and of the token that each cell may say, by log-softmax: both as said.

    logits (..., vocabulary) float32 or float64, or half precision, whose log-probabilities are float32; said
    (...) int32, see lattice_tokens. Of NOTHING and of PADDING the log-probability is 0, and padding is not
    looked at. Where all of a cell's logits are -inf, both are -inf. With `overwrite` the gradient takes the
    place of the logits, which are then gone (half precision is copied first, but on a GPU with Triton).
    """
    implementation = _implementation(logits.device, backend)
    if implementation in (native, reference) and logits.dtype not in (torch.float32, torch.float64):
        logits = logits.float()
    if implementation is reference:
        return reference.token_log_probs(logits, said, blank)
    return implementation.token_log_probs(logits, said, blank, overwrite)


def joint_log_probs(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    said: Tensor,
    *,
    blank: int,
    activation: Activation = "tanh",
    precision: torch.dtype | None = None,
    backend: Backend = None,
) -> tuple[Tensor, Tensor]:
    """As token_log_probs, of logits weight @ activation(encoder + predictor) + bias.

    encoder (batch, frames, dim), predictor (batch, tokens + 1, dim), weight (vocabulary, dim), bias
    (vocabulary,), of any precision each; said (batch, frames, tokens + 1). `precision` is that of the
    factors of products, by default the widest of the inputs. Half precision is summed in float32, and on the
    CPU is float32 altogether. Log-probabilities are float32, or float64 if that is the precision.

    Exact: cells are done some thousand at a time, and again for the gradients, where those are left out whose
    share of the gradient is below what its precision holds (1e-9 of the largest in float32, 1e-18 in
    float64)."""
    inputs = encoder, predictor, weight, bias
    if precision is None:
        for x in inputs:
            precision = x.dtype if precision is None else torch.promote_types(precision, x.dtype)
        assert precision is not None
    implementation = _implementation(encoder.device, backend)
    if backend == "reference" or encoder.device.type == "cpu":
        precision = precision if precision == torch.float64 else torch.float32
        encoder, predictor, weight, bias = (x.to(precision) for x in inputs)
    if backend == "reference":
        return reference.joint_log_probs(encoder, predictor, weight, bias, said, blank, activation)
    inputs = encoder, predictor, weight, bias
    kind = tiles.Joiner if implementation is reference else implementation.joiner(precision, encoder.device)
    return tiles.joint_log_probs(inputs, said, blank, activation, precision, kind)


def _check(blank: Tensor, emit: Tensor, frames: Tensor, tokens: Tensor, diagonal: bool) -> None:
    rows = blank.shape[1] if blank.ndim == 3 else 0
    after = 0 if diagonal else 1  # what may be said when no frame is left
    if (
        blank.ndim != 3
        or emit.ndim != 3
        or blank.shape[2] < 1
        or emit.shape[0] != blank.shape[0]
        or emit.shape[2] != blank.shape[2] - 1
        or not rows <= emit.shape[1] <= rows + after
    ):
        raise ConfigError(
            f"blank is {tuple(blank.shape)}, emit {tuple(emit.shape)}: expected (batch, frames, tokens + 1) "
            "and (batch, frames, tokens)"
        )
    if blank.dtype != emit.dtype or blank.dtype not in (torch.float32, torch.float64):
        raise ConfigError(
            f"blank is {blank.dtype}, emit {emit.dtype}: expected float32 or float64, and both the same"
        )
    batch, length, states = blank.shape
    check_lengths("frames", frames, batch, least=0, most=length)
    check_lengths("tokens", tokens, batch, least=0, most=states - 1)


def check_lengths(name: str, lengths: Tensor, batch: int, *, least: int, most: int) -> None:
    """Raises ConfigError unless there is a length from least to most for each of the batch."""
    if lengths.shape != (batch,):
        raise ConfigError(f"{name} is {tuple(lengths.shape)}, expected ({batch},), one length a recording")
    if lengths.dtype != torch.int64:
        raise ConfigError(f"{name} is {lengths.dtype}, expected int64")
    if batch and (int(lengths.min()) < least or int(lengths.max()) > most):
        raise ConfigError(
            f"{name} {lengths.tolist()} outside {least}..{most}, which the scores have room for"
        )


__all__ = [
    "NOTHING",
    "PADDING",
    "Activation",
    "Backend",
    "Occupancies",
    "check_lengths",
    "joint_log_probs",
    "lattice_tokens",
    "occupancies",
    "token_log_probs",
    "total_log_prob",
]
