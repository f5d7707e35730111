"""k2's transducer losses: full, simple, smoothed and pruned (Kuang et al. 2022, "Pruned RNN-T").

`px` (batch, symbols, frames + 1) are the log-probabilities of saying the next symbol, `py` (batch, symbols
+ 1, frames) those of going on to the next frame. `rnnt_type`:

    regular       a symbol leads to the same frame; px of the one frame more is -inf
    modified      a symbol leads to the next frame; px is (batch, symbols, frames)
    constrained   as modified, and the blank after the symbol, in the same frame, is paid for too

`boundary` (batch, 4) int64 has first symbol, first frame, number of symbols and of frames of each
recording. Losses are negative log-probabilities, +inf where there is no alignment. `reduction` is "none"
(batch,), "mean" or "sum". With `return_grad` the gradients of px and py come too: what share of all
alignments takes each, of which get_rnnt_prune_ranges makes its ranges. All raise ConfigError for what does
not fit."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sonant.errors import ConfigError
from sonant.ops.transducer import NOTHING, Occupancies, occupancies, token_log_probs, total_log_prob

Grads = tuple[Tensor, Tensor]


# ---- The recursion


def mutual_information_recursion(
    px: Tensor, py: Tensor, boundary: Tensor | None = None, return_grad: bool = False
) -> Tensor | tuple[Tensor, Grads]:
    """(batch,): the log of the sum over all ways from the first to the last cell; see above for px and
    py."""
    px_of, py_of, symbols, frames = _inside(px, py, boundary)
    diagonal = px.shape[2] == py.shape[2]
    # Ours have frames before tokens.
    arcs = py_of.transpose(1, 2), px_of.transpose(1, 2)
    total = total_log_prob(*arcs, frames, symbols, diagonal=diagonal)
    if not return_grad:
        return total
    found = occupancies(*arcs, frames, symbols, diagonal=diagonal)
    return total, _outside(found, px, py, boundary)


def joint_mutual_information_recursion(
    px: Sequence[Tensor], py: Sequence[Tensor], boundary: Tensor | None = None
) -> Tensor:
    """(terms, batch): the total of the sums of px and of py, as parts. Each part has what its terms add on
    average over all ways; the first has the rest too, so that the sum over parts is the total."""
    if not px or len(px) != len(py):
        raise ConfigError(f"{len(px)} px and {len(py)} py: expected as many of both, one at least")
    all_x, all_y = torch.stack(list(px)).sum(0), torch.stack(list(py)).sum(0)
    total, (x_grad, y_grad) = _with_grad(mutual_information_recursion(all_x, all_y, boundary, True))
    parts = []
    for x, y in zip(px[1:], py[1:], strict=True):
        # What has no share may be infinite.
        of_x = torch.where(x_grad > 0, x, 0.0) * x_grad
        of_y = torch.where(y_grad > 0, y, 0.0) * y_grad
        parts.append(of_x.sum((1, 2)) + of_y.sum((1, 2)))
    # The parts' gradients are their shares; so is the total's, and the first takes what remains.
    return torch.stack([total - sum(parts, torch.zeros_like(total)), *parts])


def _with_grad(found: Tensor | tuple[Tensor, Grads]) -> tuple[Tensor, Grads]:
    assert isinstance(found, tuple)
    return found


def _bounds(px: Tensor, py: Tensor, boundary: Tensor | None) -> Tensor:
    """boundary (batch, 4), checked; all of px and py without one."""
    if (
        px.ndim != 3
        or py.ndim != 3
        or px.shape[0] != py.shape[0]
        or py.shape[1] != px.shape[1] + 1
        or px.shape[2] - py.shape[2] not in (0, 1)
    ):
        raise ConfigError(
            f"px is {tuple(px.shape)}, py {tuple(py.shape)}: expected (batch, symbols, frames + 1), or "
            "frames "
            "where a symbol takes its frame, and (batch, symbols + 1, frames)"
        )
    return _checked_boundary(boundary, px.shape[0], px.shape[1], py.shape[2], py.device)


def _checked_boundary(
    boundary: Tensor | None, batch: int, symbols: int, frames: int, device: torch.device
) -> Tensor:
    if boundary is None:
        return torch.tensor([0, 0, symbols, frames], device=device).expand(batch, 4)
    if boundary.shape != (batch, 4) or boundary.dtype != torch.int64:
        raise ConfigError(
            f"boundary is {tuple(boundary.shape)} {boundary.dtype}, expected ({batch}, 4) int64: first "
            "symbol, "
            "first frame, last symbol, last frame of each recording"
        )
    limits = boundary.new_tensor([symbols, frames])
    if bool(((boundary[:, :2] < 0) | (boundary[:, :2] > boundary[:, 2:]) | (boundary[:, 2:] > limits)).any()):
        raise ConfigError(
            f"boundary {boundary.tolist()[:10]} outside of {symbols} symbols and {frames} frames"
        )
    return boundary


def _inside(px: Tensor, py: Tensor, boundary: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """px and py that begin where each recording begins, and its numbers of symbols and frames."""
    bounds = _bounds(px, py, boundary)
    symbols, frames = (bounds[:, 2:] - bounds[:, :2]).unbind(1)
    if boundary is not None and bool((bounds[:, :2] > 0).any()):
        px, py = (_moved(x, bounds[:, 0], bounds[:, 1]) for x in (px, py))
    return px, py, symbols, frames


def _moved(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """values (batch, rows, columns) rolled by as many rows and columns as each recording says."""
    row = (torch.arange(values.shape[1], device=values.device) + rows[:, None]) % max(values.shape[1], 1)
    column = (torch.arange(values.shape[2], device=values.device) + columns[:, None]) % max(
        values.shape[2], 1
    )
    values = values.gather(1, row[:, :, None].expand_as(values))
    return values.gather(2, column[:, None, :].expand_as(values))


def _outside(found: Occupancies, px: Tensor, py: Tensor, boundary: Tensor | None) -> Grads:
    grads = found.emit.transpose(1, 2), found.blank.transpose(1, 2)
    if boundary is not None and bool((boundary[:, :2] > 0).any()):
        grads = tuple(_moved(x, -boundary[:, 0], -boundary[:, 1]) for x in grads)
    return grads[0].contiguous(), grads[1].contiguous()


# ---- px and py of logits


def get_rnnt_logprobs(
    lm: Tensor,
    am: Tensor,
    symbols: Tensor,
    termination_symbol: int,
    rnnt_type: str = "regular",
    boundary: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """px and py where logits are lm + am: lm (batch, symbols + 1, classes), am (batch, frames, classes)."""
    _check_simple(lm, am, symbols, termination_symbol)
    norm = _sum_norm(lm, am)
    px = _of_symbols(am, symbols).transpose(1, 2) + _of_symbols_each(lm, symbols)[:, :, None] - norm[:, :-1]
    py = am[:, None, :, termination_symbol] + lm[:, :, None, termination_symbol] - norm
    return _of_type(px, py, rnnt_type, boundary), py


def get_rnnt_logprobs_smoothed(
    lm: Tensor,
    am: Tensor,
    symbols: Tensor,
    termination_symbol: int,
    lm_only_scale: float = 0.1,
    am_only_scale: float = 0.1,
    boundary: Tensor | None = None,
    rnnt_type: str = "regular",
) -> tuple[Tensor, Tensor]:
    """As get_rnnt_logprobs, mixed in logarithms with the distribution of lm alone and with that of am and
    the mean of lm's distributions over all its places, by their scales; the scale of lm + am is what is
    left."""
    _check_simple(lm, am, symbols, termination_symbol)
    blank = termination_symbol
    least = torch.finfo(lm.dtype).tiny
    of_am, of_lm = _of_symbols(am, symbols).transpose(1, 2), _of_symbols_each(lm, symbols)[:, :, None]

    both = _sum_norm(lm, am)
    mean = lm.softmax(-1).mean((0, 1)) + least  # (classes,)
    am_norm = ((am - am.amax(-1, keepdim=True)).exp() @ mean).log() + am.amax(-1)
    lm_norm = lm.logsumexp(-1)[:, :, None]
    log_mean = mean.log()

    px = of_am + of_lm - both[:, :-1]
    py = am[:, None, :, blank] + lm[:, :, None, blank] - both
    px_am = of_am + log_mean[symbols][:, :, None] - am_norm[:, None]
    py_am = (am[:, :, blank] + log_mean[blank] - am_norm)[:, None]
    px_lm = of_lm - lm_norm[:, :-1]
    py_lm = lm[:, :, None, blank] - lm_norm

    scale = 1.0 - lm_only_scale - am_only_scale
    px = scale * px + lm_only_scale * px_lm + am_only_scale * px_am
    py = scale * py + lm_only_scale * py_lm + am_only_scale * py_am
    return _of_type(px, py, rnnt_type, boundary), py


def get_rnnt_logprobs_joint(
    logits: Tensor,
    symbols: Tensor,
    termination_symbol: int,
    rnnt_type: str = "regular",
    boundary: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """px and py of a joiner's logits (batch, frames, symbols + 1, classes)."""
    if logits.ndim != 4 or symbols.shape != (logits.shape[0], logits.shape[2] - 1):
        raise ConfigError(
            f"logits are {tuple(logits.shape)} for symbols of {tuple(symbols.shape)}, expected (batch, "
            "frames, "
            "symbols + 1, classes) for (batch, symbols)"
        )
    _check_symbols(symbols, termination_symbol, logits.shape[3])
    after = torch.nn.functional.pad(symbols, (0, 1), value=NOTHING).int()
    said = after[:, None].expand(-1, logits.shape[1], -1)
    py, px = (x.transpose(1, 2) for x in token_log_probs(logits, said, blank=termination_symbol))
    return _of_type(px[:, :-1], py, rnnt_type, boundary), py


def get_rnnt_logprobs_pruned(
    logits: Tensor,
    symbols: Tensor,
    ranges: Tensor,
    termination_symbol: int,
    boundary: Tensor | None = None,
    rnnt_type: str = "regular",
) -> tuple[Tensor, Tensor]:
    """px and py of logits (batch, frames, s_range, classes) of the cells in ranges (batch, frames,
    s_range); all other cells are impossible."""
    batch, frames, width = logits.shape[:3] if logits.ndim == 4 else (0, 0, 0)
    states = symbols.shape[-1] + 1
    if logits.ndim != 4 or ranges.shape != (batch, frames, width) or symbols.shape != (batch, states - 1):
        raise ConfigError(
            f"logits are {tuple(logits.shape)}, ranges {tuple(ranges.shape)}, symbols "
            f"{tuple(symbols.shape)}: "
            "expected (batch, frames, s_range, classes), (batch, frames, s_range) and (batch, symbols)"
        )
    _check_symbols(symbols, termination_symbol, logits.shape[3])
    if ranges.numel() and (int(ranges.min()) < 0 or int(ranges.max()) >= states):
        raise ConfigError(
            f"ranges {int(ranges.min())}..{int(ranges.max())}, but there are {states - 1} symbols, places 0 "
            "to "
            f"{states - 1}"
        )
    # Of each place its next symbol; the last place has none.
    after = torch.nn.functional.pad(symbols, (0, 1), value=NOTHING).int()
    said = after.gather(1, ranges.flatten(1)).view(ranges.shape)
    ends, says = token_log_probs(logits, said, blank=termination_symbol)
    empty = logits.new_full((batch, frames, states), -torch.inf)
    px = empty.scatter(2, ranges, says)[:, :, :-1].transpose(1, 2)
    py = empty.scatter(2, ranges, ends).transpose(1, 2)
    return _of_type(px, py, rnnt_type, boundary), py


def _check_symbols(symbols: Tensor, termination_symbol: int, classes: int) -> None:
    if symbols.dtype != torch.int64:
        raise ConfigError(f"symbols are {symbols.dtype}, expected int64")
    if not 0 <= termination_symbol < classes:
        raise ConfigError(f"termination_symbol {termination_symbol}, but there are classes 0..{classes - 1}")
    if symbols.numel() and (int(symbols.min()) < 0 or int(symbols.max()) >= classes):
        raise ConfigError(
            f"symbols {int(symbols.min())}..{int(symbols.max())}, but there are classes 0..{classes - 1}"
        )


def _check_simple(lm: Tensor, am: Tensor, symbols: Tensor, termination_symbol: int) -> None:
    if (
        lm.ndim != 3
        or am.ndim != 3
        or lm.shape[0] != am.shape[0]
        or lm.shape[2] != am.shape[2]
        or symbols.shape != (lm.shape[0], lm.shape[1] - 1)
    ):
        raise ConfigError(
            f"lm is {tuple(lm.shape)}, am {tuple(am.shape)}, symbols {tuple(symbols.shape)}: expected "
            "(batch, "
            "symbols + 1, classes), (batch, frames, classes) and (batch, symbols)"
        )
    _check_symbols(symbols, termination_symbol, lm.shape[2])


def _sum_norm(lm: Tensor, am: Tensor) -> Tensor:
    """(batch, symbols + 1, frames): log of the sum over classes of exp(lm + am), by a product of
    matrices."""
    lm_max, am_max = lm.amax(-1, keepdim=True), am.amax(-1, keepdim=True)
    product = (lm - lm_max).exp() @ (am - am_max).exp().transpose(1, 2)
    return (product + torch.finfo(lm.dtype).tiny).log() + lm_max + am_max.transpose(1, 2)


def _of_symbols(am: Tensor, symbols: Tensor) -> Tensor:
    """am (batch, frames, classes) to (batch, frames, symbols)."""
    return am.gather(2, symbols[:, None].expand(-1, am.shape[1], -1))


def _of_symbols_each(lm: Tensor, symbols: Tensor) -> Tensor:
    """lm (batch, symbols + 1, classes) to (batch, symbols), each place's own next symbol."""
    return lm[:, :-1].gather(2, symbols[:, :, None]).squeeze(2)


def _of_type(px: Tensor, py: Tensor, rnnt_type: str, boundary: Tensor | None) -> Tensor:
    """px (batch, symbols, frames), as the type wants it."""
    if rnnt_type == "modified":
        return px
    if rnnt_type == "constrained":
        return px + py[:, 1:]
    if rnnt_type != "regular":
        raise ConfigError(f"rnnt_type {rnnt_type!r}, expected 'regular', 'modified' or 'constrained'")
    px = torch.nn.functional.pad(px, (0, 1), value=-torch.inf)
    if boundary is None:
        return px
    frames = _checked_boundary(boundary, px.shape[0], px.shape[1], py.shape[2], px.device)[:, 3]
    last = torch.arange(px.shape[2], device=px.device) == frames[:, None]
    return px.masked_fill(last[:, None], -torch.inf)


# ---- Losses


def rnnt_loss_simple(
    lm: Tensor,
    am: Tensor,
    symbols: Tensor,
    termination_symbol: int,
    boundary: Tensor | None = None,
    rnnt_type: str = "regular",
    delay_penalty: float = 0.0,
    reduction: str | None = "mean",
    return_grad: bool = False,
) -> Tensor | tuple[Tensor, Grads]:
    """The loss where logits are lm + am (see get_rnnt_logprobs)."""
    px, py = get_rnnt_logprobs(lm, am, symbols, termination_symbol, rnnt_type, boundary)
    return _loss(px, py, boundary, delay_penalty, reduction, return_grad)


def rnnt_loss_smoothed(
    lm: Tensor,
    am: Tensor,
    symbols: Tensor,
    termination_symbol: int,
    lm_only_scale: float = 0.1,
    am_only_scale: float = 0.1,
    boundary: Tensor | None = None,
    rnnt_type: str = "regular",
    delay_penalty: float = 0.0,
    reduction: str | None = "mean",
    return_grad: bool = False,
) -> Tensor | tuple[Tensor, Grads]:
    """The loss of get_rnnt_logprobs_smoothed."""
    px, py = get_rnnt_logprobs_smoothed(
        lm, am, symbols, termination_symbol, lm_only_scale, am_only_scale, boundary, rnnt_type
    )
    return _loss(px, py, boundary, delay_penalty, reduction, return_grad)


def rnnt_loss(
    logits: Tensor,
    symbols: Tensor,
    termination_symbol: int,
    boundary: Tensor | None = None,
    rnnt_type: str = "regular",
    delay_penalty: float = 0.0,
    reduction: str | None = "mean",
) -> Tensor:
    """The loss of logits (batch, frames, symbols + 1, classes). `sonant.losses.rnnt_loss` needs less
    memory."""
    px, py = get_rnnt_logprobs_joint(logits, symbols, termination_symbol, rnnt_type, boundary)
    loss = _loss(px, py, boundary, delay_penalty, reduction, False)
    assert isinstance(loss, Tensor)
    return loss


def rnnt_loss_pruned(
    logits: Tensor,
    symbols: Tensor,
    ranges: Tensor,
    termination_symbol: int,
    boundary: Tensor | None = None,
    rnnt_type: str = "regular",
    delay_penalty: float = 0.0,
    reduction: str | None = "mean",
) -> Tensor:
    """The loss of logits of some places a frame (see get_rnnt_logprobs_pruned)."""
    px, py = get_rnnt_logprobs_pruned(logits, symbols, ranges, termination_symbol, boundary, rnnt_type)
    loss = _loss(px, py, boundary, delay_penalty, reduction, False)
    assert isinstance(loss, Tensor)
    return loss


def _loss(
    px: Tensor,
    py: Tensor,
    boundary: Tensor | None,
    delay_penalty: float,
    reduction: str | None,
    return_grad: bool,
) -> Tensor | tuple[Tensor, Grads]:
    if delay_penalty:
        bounds = _bounds(px, py, boundary)
        frame = torch.arange(px.shape[2], device=px.device)
        px = px + delay_penalty * ((bounds[:, 3:].to(px.dtype) - 1) / 2 - frame)[:, None]
    found = mutual_information_recursion(px, py, boundary, return_grad)
    total, grads = found if isinstance(found, tuple) else (found, None)
    if reduction not in (None, "none", "mean", "sum"):
        raise ConfigError(f"reduction {reduction!r}, expected 'none', 'mean' or 'sum'")
    loss = -total if reduction in (None, "none") else -(total.mean() if reduction == "mean" else total.sum())
    return loss if grads is None else (loss, grads)


# ---- Pruning


def get_rnnt_prune_ranges(px_grad: Tensor, py_grad: Tensor, boundary: Tensor, s_range: int) -> Tensor:
    """(batch, frames, s_range) int64: of each frame the places that most of the alignments go through, one
    after the other; beginnings never fall, and rise by less than s_range, so that no symbol is left out.

    px_grad and py_grad are what the simple or smoothed loss gave with return_grad.
    """
    bounds = _bounds(px_grad, py_grad, boundary)
    symbols, frames = px_grad.shape[1], py_grad.shape[2]
    if s_range < 1:
        raise ConfigError(f"s_range {s_range}, expected at least 1")
    # One place a frame could never go on to the next symbol.
    s_range = min(max(s_range, 2), symbols + 1)
    # What leaves a window for the next frame, less what has come into it by its first symbol just now.
    stays = py_grad.unfold(1, s_range, 1).sum(-1)
    enters = torch.nn.functional.pad(px_grad, (0, 0, 1, 0))[:, : stays.shape[1], :frames]
    begin = (stays - enters).argmax(1)
    # From its last frame on, a recording ends with its last symbol.
    last = (bounds[:, 2:3] - s_range + 1).clamp(min=0)
    frame = torch.arange(frames, device=begin.device)
    begin = torch.where(frame < bounds[:, 3:] - 1, begin, last)
    begin = _rising(begin, s_range)
    return begin[:, :, None] + torch.arange(s_range, device=begin.device)


def _rising(begin: Tensor, s_range: int) -> Tensor:
    """begin (batch, frames), lowered until none is above a later one, then raised until none is s_range or
    more below the next; no higher than can be come to from the first symbol."""
    begin = begin.flip(1).cummin(1).values.flip(1)
    line = torch.arange(begin.shape[1], device=begin.device) * (s_range - 1)
    # Here a rise by s_range - 1 is level, and none may fall behind a later one.
    return ((begin - line).flip(1).cummax(1).values.flip(1) + line).minimum(line)


def do_rnnt_pruning(am: Tensor, lm: Tensor, ranges: Tensor) -> tuple[Tensor, Tensor]:
    """am (batch, frames, dim) and lm (batch, symbols + 1, dim) for the cells in ranges, each (batch,
    frames, s_range, dim): am the same for all places of a frame."""
    if ranges.ndim != 3 or ranges.shape[:2] != am.shape[:2] or lm.shape[0] != am.shape[0]:
        raise ConfigError(
            f"am is {tuple(am.shape)}, lm {tuple(lm.shape)}, ranges {tuple(ranges.shape)}: expected (batch, "
            "frames, dim), (batch, symbols + 1, dim) and (batch, frames, s_range)"
        )
    am_pruned = am[:, :, None].expand(-1, -1, ranges.shape[2], -1)
    of = ranges.flatten(1)[..., None].expand(-1, -1, lm.shape[2])
    return am_pruned, lm.gather(1, of).view(*ranges.shape, lm.shape[2])
