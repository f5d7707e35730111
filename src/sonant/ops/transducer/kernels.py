"""The kernels of triton.py, which says who calls what, and how tiles are chosen."""

# Within kernels Triton's own annotations do not hold: a constexpr is given as a number, a tensor sliced.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false, reportIndexIssue=false

import triton
import triton.language as tl

from sonant.ops.segments.triton import log_add, log_sum, log_value, shift_of

# ---- The sum over alignments


@triton.jit
def _log_plus(a, b, PRECISE: tl.constexpr):
    """log(exp a + exp b) of float64; the exponential and the logarithm of float32 unless PRECISE."""
    larger = tl.where(a > b, a, b)
    none = larger == float("-inf")
    gap = tl.where(a > b, b, a) - tl.where(none, 0.0, larger)
    if not PRECISE:
        gap = gap.to(tl.float32)
    x = tl.exp(gap)
    small = x * (1.0 - x * (0.5 - x * 0.3333333333333333))
    added = tl.log(1.0 + x)
    if not PRECISE:
        added = tl.where(x < 0.015625, small, added)
    return larger + added.to(tl.float64)


@triton.jit
def _arcs(
    blank,
    emit,
    d,
    length,
    last,
    tokens,
    blank_frame,
    blank_token,
    emit_frame,
    emit_token,
    DIAGONAL: tl.constexpr,
    LANES: tl.constexpr,
):
    """Places and masks of the arcs that leave the cells of step d."""
    u = tl.arange(0, LANES)
    row = u * 0 + d
    if not DIAGONAL:
        row -= u
    to_next = (row >= 0) & (row < length) & (u <= tokens)
    speaks = (row >= 0) & (row < last) & (u < tokens)
    row = row.to(tl.int64)
    stays = blank + row * blank_frame + u * blank_token
    says = emit + row * emit_frame + u * emit_token
    return stays, to_next, says, speaks


@triton.jit
def alignments_forward(
    blank,
    emit,
    frames,
    tokens,
    alphas,
    totals,
    blank_recording,
    blank_frame,
    blank_token,
    emit_recording,
    emit_frame,
    emit_token,
    steps,
    states,
    AFTER: tl.constexpr,
    DIAGONAL: tl.constexpr,
    KEEP: tl.constexpr,
    LANES: tl.constexpr,
):
    """Forward scores of a recording: lane u at step d is the cell (d - u, u), or (d, u) where a token takes
    its frame, so that each step depends on the one before alone.

    alphas  (batch, steps, states) float64, written where KEEP
    totals  (batch,) float64
    """
    b = tl.program_id(0).to(tl.int64)
    precise: tl.constexpr = blank.dtype.element_ty == tl.float64
    length = tl.load(frames + b).to(tl.int32)
    said = tl.load(tokens + b).to(tl.int32)
    u = tl.arange(0, LANES)
    blank += b * blank_recording
    emit += b * emit_recording
    here = alphas + b * steps * states + u
    end = length if DIAGONAL else length + said
    last = length + AFTER

    alpha = tl.where(u == 0, 0.0, float("-inf")).to(tl.float64)
    stays, to_next, says, speaks = _arcs(
        blank,
        emit,
        0,
        length,
        last,
        said,
        blank_frame,
        blank_token,
        emit_frame,
        emit_token,
        DIAGONAL,
        LANES,
    )
    stay = tl.load(stays, mask=to_next, other=float("-inf"))
    say = tl.load(says, mask=speaks, other=float("-inf"))
    d = 0
    while d < end:
        # What the next step needs is under way while this one is computed.
        stays, to_next, says, speaks = _arcs(
            blank,
            emit,
            d + 1,
            length,
            last,
            said,
            blank_frame,
            blank_token,
            emit_frame,
            emit_token,
            DIAGONAL,
            LANES,
        )
        next_stay = tl.load(stays, mask=to_next, other=float("-inf"))
        next_say = tl.load(says, mask=speaks, other=float("-inf"))
        if KEEP:
            tl.store(here, alpha, mask=u <= said)
            here += states
        spoken = tl.gather(alpha + say.to(tl.float64), tl.maximum(u - 1, 0), 0)
        spoken = tl.where(u == 0, float("-inf"), spoken)
        alpha = _log_plus(alpha + stay.to(tl.float64), spoken, precise)
        stay = next_stay
        say = next_say
        d += 1
    tl.store(totals + b, tl.sum(tl.where(u == said, alpha, 0.0), 0))


@triton.jit
def alignments_backward(
    blank,
    emit,
    frames,
    tokens,
    alphas,
    totals,
    of_blank,
    of_emit,
    blank_recording,
    blank_frame,
    blank_token,
    emit_recording,
    emit_frame,
    emit_token,
    blank_rows,
    emit_rows,
    steps,
    states,
    AFTER: tl.constexpr,
    DIAGONAL: tl.constexpr,
    LANES: tl.constexpr,
):
    """Backward scores, and what share of the total takes each arc; what is not reached stays as it is."""
    b = tl.program_id(0).to(tl.int64)
    number: tl.constexpr = blank.dtype.element_ty
    precise: tl.constexpr = number == tl.float64
    length = tl.load(frames + b).to(tl.int32)
    said = tl.load(tokens + b).to(tl.int32)
    total = tl.load(totals + b)
    u = tl.arange(0, LANES)
    blank += b * blank_recording
    emit += b * emit_recording
    of_blank += b * blank_rows * states
    of_emit += b * emit_rows * (states - 1)
    last = length + AFTER
    d = (length if DIAGONAL else length + said) - 1
    here = alphas + (b * steps + d) * states + u
    d = tl.where(total == float("-inf"), -1, d)

    beta = tl.where(u == said, 0.0, float("-inf")).to(tl.float64)
    stays, to_next, says, speaks = _arcs(
        blank,
        emit,
        d,
        length,
        last,
        said,
        blank_frame,
        blank_token,
        emit_frame,
        emit_token,
        DIAGONAL,
        LANES,
    )
    inside = (u <= said) & (u * 0 + d >= 0)
    stay = tl.load(stays, mask=to_next, other=float("-inf"))
    say = tl.load(says, mask=speaks, other=float("-inf"))
    alpha = tl.load(here, mask=inside, other=float("-inf"))
    while d >= 0:
        stays, next_to_next, says, next_speaks = _arcs(
            blank,
            emit,
            d - 1,
            length,
            last,
            said,
            blank_frame,
            blank_token,
            emit_frame,
            emit_token,
            DIAGONAL,
            LANES,
        )
        next_stay = tl.load(stays, mask=next_to_next, other=float("-inf"))
        next_say = tl.load(says, mask=next_speaks, other=float("-inf"))
        next_alpha = tl.load(here - states, mask=(u <= said) & (u * 0 + d > 0), other=float("-inf"))
        onward = beta + stay.to(tl.float64)
        above = tl.gather(beta, tl.minimum(u + 1, LANES - 1), 0)
        spoken = above + say.to(tl.float64)
        blanks, _, tells, _ = _arcs(
            of_blank,
            of_emit,
            d,
            length,
            last,
            said,
            states,
            1,
            states - 1,
            1,
            DIAGONAL,
            LANES,
        )
        by_blank = alpha + onward - total
        by_token = alpha + spoken - total
        if not precise:
            by_blank = by_blank.to(tl.float32)
            by_token = by_token.to(tl.float32)
        tl.store(blanks, tl.where(by_blank < -104, 0.0, tl.exp(by_blank)).to(number), mask=to_next)
        tl.store(tells, tl.where(by_token < -104, 0.0, tl.exp(by_token)).to(number), mask=speaks)
        beta = _log_plus(onward, spoken, precise)
        to_next = next_to_next
        speaks = next_speaks
        stay = next_stay
        say = next_say
        alpha = next_alpha
        here -= states
        d -= 1


# ---- Rows of logits


@triton.jit
def _known(norm):
    """A row with an infinite logit is no number."""
    return tl.where(norm == float("inf"), float("nan"), norm)


@triton.jit
def row_log_probs(
    logits, said, norms, of_blank, of_token, rows, columns, blank, ROWS: tl.constexpr, WIDTH: tl.constexpr
):
    """Norm and two log-probabilities; a row of PADDING (below -1) is not looked at."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)[None, :]
    inside = row < rows
    token = tl.load(said + row, mask=inside, other=-2)
    looked = token > -2
    begin = logits + row.to(tl.int64) * columns
    number: tl.constexpr = norms.dtype.element_ty

    largest = tl.full((ROWS, WIDTH), float("-inf"), number)
    rest = tl.full((ROWS, WIDTH), 0, number)
    k = 0
    while k < columns:
        at = column + k
        x = tl.load(begin[:, None] + at, mask=looked[:, None] & (at < columns), other=float("-inf")).to(
            number
        )
        largest, rest = log_add(largest, rest, x)
        k += WIDTH
    top, total = log_sum(largest, rest, 1)
    norm = _known(log_value(top, total))
    taken = tl.where(norm == float("-inf"), 0.0, norm)  # from logits that are -inf then
    for_blank = tl.load(begin + blank, mask=looked, other=0).to(number) - taken
    for_token = tl.load(begin + tl.maximum(token, 0), mask=token >= 0, other=0).to(number) - taken
    tl.store(norms + row, tl.where(looked, norm, 0.0), mask=inside)
    tl.store(of_blank + row, tl.where(looked, for_blank, 0.0), mask=inside)
    tl.store(of_token + row, tl.where(token >= 0, for_token, 0.0), mask=inside)


@triton.jit
def _slope(logit, norm, for_blank, for_token, is_blank, is_token):
    """The gradient of a tile of logits; norms and slopes are columns."""
    both = for_blank + for_token
    nothing = (both == 0) & (for_blank == 0)
    power = tl.where(nothing, float("inf"), norm)  # so that nothing overflows
    found = -both * tl.exp(logit - power)
    found += tl.where(is_blank, for_blank, 0.0) + tl.where(is_token, for_token, 0.0)
    return tl.where(nothing, 0.0, found)


@triton.jit
def row_gradient(
    logits,
    said,
    norms,
    of_blank,
    of_token,
    gradient,
    rows,
    columns,
    blank,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Into the place of logits, or elsewhere; 0 in rows of PADDING."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)[None, :]
    inside = row < rows
    token = tl.load(said + row, mask=inside, other=-2)
    looked = token > -2
    norm = tl.load(norms + row, mask=looked, other=0)[:, None]
    for_blank = tl.load(of_blank + row, mask=looked, other=0)[:, None]
    for_token = tl.load(of_token + row, mask=token >= 0, other=0)[:, None]
    begin = row.to(tl.int64)[:, None] * columns
    k = 0
    while k < columns:
        at = column + k
        logit = tl.load(logits + begin + at, mask=looked[:, None] & (at < columns), other=float("-inf"))
        slope = _slope(logit.to(norm.dtype), norm, for_blank, for_token, at == blank, at == token[:, None])
        tl.store(
            gradient + begin + at, slope.to(gradient.dtype.element_ty), mask=inside[:, None] & (at < columns)
        )
        k += WIDTH


# ---- The joiner


@triton.jit
def _activated(x, TANH: tl.constexpr):
    if TANH:
        power = tl.exp(-2.0 * tl.abs(x))
        size = (1.0 - power) / (1.0 + power)
        return tl.where(x < 0, -size, size)
    return tl.where(x < 0, 0.0, x)


@triton.jit
def join(
    encoder,
    predictor,
    frames,
    states,
    values,
    cells,
    rows,
    dim,
    width,
    TANH: tl.constexpr,
    BACK: tl.constexpr,
    ROWS: tl.constexpr,
    DIMS: tl.constexpr,
):
    """values (rows, width): activation(encoder + predictor), that of 0 beyond the cells and beyond dim; or,
    BACK, what they are times the slope of that. frames, states (cells,): rows of encoder and predictor.
    """
    cell = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    d = (tl.program_id(1) * DIMS + tl.arange(0, DIMS))[None, :]
    inside = cell < cells
    mask = inside[:, None] & (d < dim)
    frame = tl.load(frames + cell, mask=inside, other=0)[:, None]
    state = tl.load(states + cell, mask=inside, other=0)[:, None]
    x = tl.load(encoder + frame * dim + d, mask=mask, other=0)
    x += tl.load(predictor + state * dim + d, mask=mask, other=0)
    found = _activated(x, TANH)
    place = values + cell[:, None] * width + d
    stored = (cell < rows)[:, None] & (d < width)
    if BACK:
        slope = 1.0 - found * found if TANH else tl.where(x > 0, 1.0, 0.0)
        found = slope * tl.load(place, mask=stored, other=0)
    tl.store(place, found.to(values.dtype.element_ty), mask=stored)


@triton.jit
def add_rows(
    values,
    order,
    splits,
    found,
    dim,
    width,
    ORDERED: tl.constexpr,
    CELLS: tl.constexpr,
    DIMS: tl.constexpr,
):
    """found (rows, dim) += the sum over the cells of each row of values (cells, width), always in the same
    order: those from splits[row] on, in `order` where ORDERED."""
    row = tl.program_id(0)
    d = tl.program_id(1) * DIMS + tl.arange(0, DIMS)
    i = tl.load(splits + row)
    end = tl.load(splits + row + 1)
    if i < end:
        total = tl.full((CELLS, DIMS), 0, values.dtype.element_ty)
        while i < end:
            at = i + tl.arange(0, CELLS)
            mask = at < end
            cell = tl.load(order + at, mask=mask, other=0) if ORDERED else at
            total += tl.load(
                values + cell[:, None] * width + d[None, :], mask=mask[:, None] & (d < dim)[None, :], other=0
            )
            i += CELLS
        place = found + row.to(tl.int64) * dim + d
        tl.store(place, tl.load(place, mask=d < dim, other=0) + tl.sum(total, 0), mask=d < dim)


@triton.jit
def _logits_tile(hidden, weight, bias, row, column, width, PRECISION: tl.constexpr, DIMS: tl.constexpr):
    """Logits of a tile of cells x vocabulary, float32. Nothing is masked: all is padded to whole tiles."""
    d = tl.arange(0, DIMS)
    a = hidden + row[:, None] * width + d[None, :]
    b = weight + column[None, :] * width + d[:, None]
    logits = tl.zeros((row.shape[0], column.shape[0]), tl.float32)
    for _ in range(0, width, DIMS):
        logits = tl.dot(tl.load(a), tl.load(b), logits, input_precision=PRECISION)
        a += DIMS
        b += DIMS
    return logits + tl.load(bias + column)[None, :]


@triton.jit
def joint_log_sums(
    hidden,
    weight,
    bias,
    said,
    parts,
    of_blank,
    of_token,
    cells,
    width,
    blank,
    PRECISION: tl.constexpr,
    CELLS: tl.constexpr,
    TOKENS: tl.constexpr,
    DIMS: tl.constexpr,
):
    """parts (tiles of vocabulary, cells): the log-sum of each cell's logits in one tile. The logits of blank
    and token are written by the tile that has them."""
    row = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    column = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    inside = row < cells
    token = tl.load(said + row, mask=inside, other=-1)
    logits = _logits_tile(hidden, weight, bias, row, column, width, PRECISION, DIMS)
    largest = tl.max(logits, 1)
    norm = log_value(largest, tl.sum(tl.exp(logits - shift_of(largest)[:, None]), 1))
    tl.store(parts + tl.program_id(1) * cells + row, norm, mask=inside)
    of_it = tl.sum(tl.where(column[None, :] == token[:, None], logits, 0.0), 1)
    first = tl.program_id(1) * TOKENS
    tl.store(of_token + row, of_it, mask=inside & (token >= first) & (token < first + TOKENS))
    if (blank >= first) & (blank < first + TOKENS):
        tl.store(of_blank + row, tl.sum(tl.where(column[None, :] == blank, logits, 0.0), 1), mask=inside)


@triton.jit
def joint_slopes(
    hidden,
    weight,
    bias,
    said,
    norms,
    of_blank,
    of_token,
    slopes,
    bias_parts,
    cells,
    width,
    vocabulary,
    blank,
    PRECISION: tl.constexpr,
    CELLS: tl.constexpr,
    TOKENS: tl.constexpr,
    DIMS: tl.constexpr,
):
    """slopes (cells, vocabulary): the gradient of logits that are made again; bias_parts (tiles of cells,
    vocabulary): its sums over the cells of a tile."""
    row = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    column = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    inside = row < cells
    logits = _logits_tile(hidden, weight, bias, row, column, width, PRECISION, DIMS)
    token = tl.load(said + row, mask=inside, other=-1)[:, None]
    norm = tl.load(norms + row, mask=inside, other=0)[:, None]
    for_blank = tl.load(of_blank + row, mask=inside, other=0)[:, None]
    for_token = tl.load(of_token + row, mask=inside, other=0)[:, None]
    for_token = tl.where(token >= 0, for_token, 0.0)
    column = column[None, :]
    slope = _slope(logits, norm, for_blank, for_token, column == blank, column == token)
    tl.store(bias_parts + tl.program_id(0) * vocabulary + column, tl.sum(slope, 0)[None, :])
    tl.store(
        slopes + row[:, None] * vocabulary + column, slope.to(slopes.dtype.element_ty), mask=inside[:, None]
    )
