"""The transducer loss (Graves 2012), exact and unpruned, of logits or of what goes into the joiner.

`rnnt_type` says where an alignment may go: "regular", a frame may say any number of tokens; "modified", one
at most, which takes the frame; "constrained", as modified, and the blank after the token, in the same
frame, is paid for too. A token gains `delay_penalty` for each frame that it is said before the middle of
its recording, and loses it for each frame after (Kang et al. 2023). Both losses are (batch,) for reduction
"none", the negative log-probabilities; "mean" and "sum" are over the batch. A recording whose targets no
alignment gives has +inf and no gradient. Beyond the lengths nothing is looked at. Half precision is summed
in float32. k2's own names, the pruned losses among them, are in sonant.fsa."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sonant.errors import ConfigError
from sonant.losses.lengths import at_least_float32, check
from sonant.ops.transducer import joint_log_probs, lattice_tokens, token_log_probs, total_log_prob

RnntType = Literal["regular", "modified", "constrained"]
Reduction = Literal["none", "mean", "sum"]


def rnnt_loss(
    logits: Tensor,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = -1,
    clamp: float = -1.0,
    reduction: Reduction = "mean",
    fused_log_softmax: bool = True,
    *,
    rnnt_type: RnntType = "regular",
    delay_penalty: float = 0.0,
    overwrite: bool = False,
) -> Tensor:
    """The loss of logits (batch, frames, tokens + 1, vocabulary), by torchaudio's signature.

    targets (batch, tokens), logit_lengths (at least one frame) and target_lengths (batch,): int32 or int64.
    `blank` may count from the end. The gradient of a recording's loss by each logit is kept within +-clamp,
    if that is above 0. Without fused_log_softmax the logits are log-probabilities already. With `overwrite`
    the gradient takes the place of the logits, which are then gone: no memory but that of two values a
    cell.

    Raises ConfigError for shapes, lengths or targets that do not fit the logits.
    """
    if logits.ndim != 4 or logits.shape[2] != targets.shape[-1] + 1:
        raise ConfigError(
            f"logits are {tuple(logits.shape)} for targets of {tuple(targets.shape)}, expected (batch, "
            "frames, tokens + 1, vocabulary) for (batch, tokens)"
        )
    targets, frames, tokens = (_int64(x) for x in (targets, logit_lengths, target_lengths))
    check(logits, targets, frames, tokens, least_frames=1)
    blank = _from_the_end(blank, logits.shape[3])
    said = lattice_tokens(targets, frames, tokens, logits.shape[1])

    def losses(scores: Tensor) -> Tensor:
        if fused_log_softmax:
            pair = token_log_probs(scores, said, blank=blank, overwrite=overwrite and clamp <= 0)
        else:
            scores = at_least_float32(scores)
            pair = scores[..., blank], scores.gather(-1, said.clamp(min=0).long()[..., None]).squeeze(-1)
        return _losses(pair, frames, tokens, rnnt_type, delay_penalty)

    found = _ClampedGradient.apply(logits, losses, clamp) if clamp > 0 else losses(logits)
    assert isinstance(found, Tensor)
    return _reduced(found, reduction)


class _ClampedGradient(torch.autograd.Function):
    """The losses, each one's own gradient kept within +-clamp, before what comes after is multiplied in."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, losses: Callable[[Tensor], Tensor], clamp: float) -> Tensor:
        with torch.enable_grad():
            leaf = scores.detach().requires_grad_()
            found = losses(leaf)
            (gradient,) = torch.autograd.grad(found.sum(), leaf)
        ctx.save_for_backward(gradient.clamp_(-clamp, clamp))
        return found.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.saved_tensors[0] * slopes[0][:, None, None, None], None, None


def rnnt_loss_fused(
    encoder_out: Tensor,
    predictor_out: Tensor,
    joiner: nn.Module,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: Reduction = "mean",
    *,
    rnnt_type: RnntType = "regular",
    delay_penalty: float = 0.0,
) -> Tensor:
    """The same loss, of what the joiner is given: its logits for all cells are never there at once.

    encoder_out (batch, frames, dim) and predictor_out (batch, tokens + 1, dim) are added; `joiner` is an
    nn.Linear (after tanh), or an nn.Sequential of nn.Tanh or nn.ReLU and an nn.Linear. Gradients go to both
    and to the joiner's weight and bias. The memory is that of some thousand cells' logits, however many
    there are. Under autocast on a GPU the joiner's products have factors of autocast's precision, and float32
    sums, logits and log-probabilities.

    Raises ConfigError for shapes, lengths, targets or a joiner that do not fit.
    """
    activation, linear = _parts(joiner)
    dim = linear.in_features
    if (
        encoder_out.ndim != 3
        or predictor_out.shape != (encoder_out.shape[0], targets.shape[-1] + 1, dim)
        or encoder_out.shape[2] != dim
    ):
        raise ConfigError(
            f"encoder_out is {tuple(encoder_out.shape)}, predictor_out {tuple(predictor_out.shape)} for "
            "targets "
            f"of {tuple(targets.shape)}: expected (batch, frames, {dim}) and (batch, tokens + 1, {dim}), as "
            "the "
            f"joiner takes {dim}"
        )
    targets, frames, tokens = (_int64(x) for x in (targets, logit_lengths, target_lengths))
    check(encoder_out, targets, frames, tokens, least_frames=1, vocabulary=linear.out_features)
    blank = _from_the_end(blank, linear.out_features)
    bias = linear.weight.new_zeros(linear.out_features) if linear.bias is None else linear.bias
    device = encoder_out.device.type
    cast = torch.is_autocast_enabled(device) and encoder_out.dtype != torch.float64
    precision = torch.get_autocast_dtype(device) if cast else None
    with torch.autocast(device, enabled=False):
        pair = joint_log_probs(
            encoder_out,
            predictor_out,
            linear.weight,
            bias,
            lattice_tokens(targets, frames, tokens, encoder_out.shape[1]),
            blank=blank,
            activation=activation,
            precision=precision,
        )
    return _reduced(_losses(pair, frames, tokens, rnnt_type, delay_penalty), reduction)


def _int64(ints: Tensor) -> Tensor:
    return ints.long() if ints.dtype == torch.int32 else ints


def _from_the_end(blank: int, vocabulary: int) -> int:
    if not -vocabulary <= blank < vocabulary:
        raise ConfigError(f"blank {blank}, but the logits have tokens 0..{vocabulary - 1}")
    return blank % vocabulary


def _parts(joiner: nn.Module) -> tuple[Literal["tanh", "relu"], nn.Linear]:
    parts = list(joiner) if isinstance(joiner, nn.Sequential) else [nn.Tanh(), joiner]
    if len(parts) != 2 or not isinstance(parts[0], nn.Tanh | nn.ReLU) or not isinstance(parts[1], nn.Linear):
        raise ConfigError(
            f"a joiner of {joiner}, expected an nn.Linear, or an nn.Sequential of nn.Tanh or nn.ReLU and an "
            "nn.Linear"
        )
    return "tanh" if isinstance(parts[0], nn.Tanh) else "relu", parts[1]


def _losses(
    pair: tuple[Tensor, Tensor], frames: Tensor, tokens: Tensor, rnnt_type: str, delay_penalty: float
) -> Tensor:
    if rnnt_type not in ("regular", "modified", "constrained"):
        raise ConfigError(f"rnnt_type {rnnt_type!r}, expected 'regular', 'modified' or 'constrained'")
    blank, emit = pair[0], pair[1][:, :, :-1]
    if rnnt_type == "constrained":
        emit = emit + blank[:, :, 1:]
    if delay_penalty:
        frame = torch.arange(emit.shape[1], device=emit.device)
        emit = emit + delay_penalty * ((frames[:, None].to(emit.dtype) - 1) / 2 - frame)[..., None]
    return -total_log_prob(blank, emit, frames, tokens, diagonal=rnnt_type != "regular")


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction not in ("none", "mean", "sum"):
        raise ConfigError(f"reduction {reduction!r}, expected 'none', 'mean' or 'sum'")
    return losses if reduction == "none" else getattr(losses, reduction)()
