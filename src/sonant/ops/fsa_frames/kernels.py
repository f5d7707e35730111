"""The kernels of triton.py, which says how scores are laid out and who calls what.

A tile is rows (states, labels) x arcs x columns (sequences).
"""

# Within kernels Triton's own annotations do not hold: a constexpr is given as a number, a tensor sliced.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false

import triton
import triton.language as tl

from sonant.ops.segments.triton import log_add, log_sum, log_value, shift_of


@triton.jit
def log_plus(x, y):
    """log(exp x + exp y)."""
    largest, rest = log_add(x, tl.full(x.shape, 1, x.dtype), y + tl.zeros_like(x))
    return log_value(largest, rest)


@triton.jit(do_not_specialize=["first", "steps"])
def advance(
    values,
    scores,
    splits,
    others,
    labels,
    weights,
    fsa_splits,
    graph_of,
    places,
    rows_of,
    frames,
    ends,
    totals,
    leaks,
    norms,
    shifts,
    parts,
    first,
    steps,
    columns,
    stride,
    frame_stride,
    label_stride,
    slots,
    blocks,
    block,
    FORWARD: tl.constexpr,
    LOG: tl.constexpr,
    LEAKY: tl.constexpr,
    ROWS: tl.constexpr,
    ARCS: tl.constexpr,
    COLS: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Scores of `steps` frames, from `first` on: up, from 0, or down, from the number of frames.

    A frame's scores are pulled along the arcs of each state from those of the frame that was before. In the
    tropical semiring (LOG: False) nothing is taken off, so that they are sums as they are.

    values     scores of states: column c, frame t, state s: places[c] + (t % slots * states + s) * stride
    scores     the network's: column c, frame t, label l: rows_of[c] + t * frame_stride + l * label_stride
    splits, others, labels, weights: of the arcs that states pull along, into them or out of them
    ends       of each state, over its final arcs
    totals     of each column, taken off at the end of the sequence (down)
    leaks      log of how often paths leak into each state
    norms      (frames + 1, columns): log-sum of a frame, written; `shifts` those of the way up, read down
    parts      (2, blocks, columns): log-sums of the states of each program, of this frame and the one before
    """
    column = tl.program_id(1) * COLS + tl.arange(0, COLS)
    there = column < columns
    graph = tl.load(graph_of + tl.program_id(1) * COLS)
    low = tl.load(fsa_splits + graph)
    states = tl.load(fsa_splits + graph + 1) - low
    length = tl.load(frames + column, mask=there, other=-1)
    longest = tl.max(length, 0)
    place = tl.load(places + column, mask=there, other=0)
    row_of = tl.load(rows_of + column, mask=there, other=0)
    whole = tl.load(totals + column, mask=there, other=float("-inf"))
    possible = whole != float("-inf")
    whole = tl.where(possible, whole, 0.0)
    from_state = tl.program_id(0) * block
    to_state = tl.minimum(from_state + block, states)
    number = values.dtype.element_ty
    none = tl.full((ROWS, ARCS, COLS), float("-inf"), number)

    t = first if FORWARD else tl.minimum(first, longest)
    stop = tl.minimum(first + steps, longest + 2) if FORWARD else tl.maximum(first - steps, -1)
    while (t < stop) if FORWARD else (t > stop):
        before = t - 1 if FORWARD else t + 1
        now = tl.zeros_like(length) + t
        passed = there & ((now > 0) if FORWARD else (now < length))
        total = tl.full((COLS,), float("-inf"), number)
        shift = tl.full((COLS,), 0, number)
        if LOG and (FORWARD or LEAKY):
            all_top = tl.full((PARTS, COLS), float("-inf"), number)
            all_rest = tl.full((PARTS, COLS), 0, number)
            b = 0
            while b < blocks:
                part = b + tl.arange(0, PARTS)
                part_at = ((before & 1) * blocks + part)[:, None] * columns + column[None, :]
                part_mask = (part < blocks)[:, None] & passed[None, :]
                all_top, all_rest = log_add(
                    all_top, all_rest, tl.load(parts + part_at, mask=part_mask, other=float("-inf"))
                )
                b += PARTS
            column_top, column_under = log_sum(all_top, all_rest, 0)
            total = log_value(column_top, column_under)
            written = passed & (now <= length + 1) & (now * 0 + tl.program_id(0) == 0)
            tl.store(norms + before * columns + column, total, mask=written)
        if FORWARD:
            pulls = passed & (now <= length)
            begins = there & (now == 0)
            if LOG:
                shift = shift_of(total)
            frame = row_of + tl.maximum(t - 1, 0).to(tl.int64) * frame_stride
        else:
            pulls = passed
            begins = there & (now == length)
            if LOG:
                shift = shift_of(tl.load(shifts + t * columns + column, mask=pulls, other=0))
            frame = row_of + t.to(tl.int64) * frame_stride
        source = place + ((before + slots) % slots).to(tl.int64) * states * stride
        target = place + (t % slots).to(tl.int64) * states * stride

        sum_top = tl.full((COLS,), float("-inf"), number)
        sum_rest = tl.full((COLS,), 0, number)
        s = from_state
        while s < to_state:
            state = s + tl.arange(0, ROWS)
            inside = state < to_state
            begin = tl.load(splits + low + state, mask=inside, other=0)
            end = tl.load(splits + low + state + 1, mask=inside, other=0)
            most = tl.max(end - begin)
            largest = none
            rest = tl.full((ROWS, ARCS, COLS), 0, number)
            k = 0
            while k < most:
                arc = begin[:, None] + tl.arange(0, ARCS)[None, :] + k
                mask = arc < end[:, None]
                label = tl.load(labels + arc, mask=mask, other=-1)
                mask = mask & (label >= 0)
                other = tl.load(others + arc, mask=mask, other=0)
                weight = tl.load(weights + arc, mask=mask, other=0).to(number)
                every = mask[:, :, None] & pulls[None, None, :]
                score = tl.load(
                    scores + frame[None, None, :] + (label * label_stride)[:, :, None], mask=every, other=0
                )
                value = tl.load(
                    values + source[None, None, :] + (other * stride)[:, :, None],
                    mask=every,
                    other=float("-inf"),
                )
                if LEAKY:
                    jump = tl.zeros_like(none) + total[None, None, :]
                    if FORWARD:
                        leak = tl.load(leaks + low + other, mask=mask, other=float("-inf"))
                        jump += leak[:, :, None]
                    value = log_plus(value, jump)
                value = tl.where(every, value + (weight[:, :, None] + score.to(number)), float("-inf"))
                if LOG:
                    largest, rest = log_add(largest, rest, value)
                else:
                    largest = tl.maximum(largest, value)
                k += ARCS
            if LOG:
                top, under = log_sum(largest, rest, 1)
                result = log_value(top, under) - shift[None, :]
            else:
                result = tl.max(largest, 1)
            result = tl.where(pulls[None, :], result, float("-inf"))
            if FORWARD:
                start = (state == 0) & (state + states > 1)
                origin = tl.where(start[:, None] & begins[None, :], 0.0, float("-inf"))
            else:
                over = tl.load(ends + low + state, mask=inside, other=float("-inf"))
                origin = tl.where(possible[None, :], over[:, None] - whole[None, :], float("-inf"))
            result = tl.where(begins[None, :], origin.to(number), result)
            tl.store(
                values + target[None, :] + (state * stride)[:, None],
                result,
                mask=inside[:, None] & (pulls | begins)[None, :],
            )
            if LOG and (FORWARD or LEAKY):
                counted = tl.where(inside[:, None], result, float("-inf"))
                if not FORWARD:
                    leak = tl.load(leaks + low + state, mask=inside, other=float("-inf"))
                    counted += leak[:, None]
                tile_top, tile_rest = log_sum(counted, tl.full((ROWS, COLS), 1, number), 0)
                new = tl.maximum(sum_top, tile_top)
                by = shift_of(new)
                sum_rest = sum_rest * tl.exp(sum_top - by) + tile_rest * tl.exp(tile_top - by)
                sum_top = new
            s += ROWS
        if LOG and (FORWARD or LEAKY):
            at = ((t & 1) * blocks + tl.program_id(0)) * columns + column
            tl.store(parts + at, log_value(sum_top, sum_rest), mask=there)
        tl.debug_barrier()
        t += 1 if FORWARD else -1


@triton.jit
def leaked(value, total, leaks, state, mask, LEAKY: tl.constexpr):
    """Forward scores (states, columns) after paths have jumped."""
    if LEAKY:
        leak = tl.load(leaks + state, mask=mask, other=float("-inf"))
        value = log_plus(value, tl.zeros_like(value) + (leak[:, None] + total[None, :]))
    return value


@triton.jit
def finish(
    values,
    fsa_splits,
    graph_of,
    places,
    frames,
    ends,
    leaks,
    norms,
    totals,
    columns,
    stride,
    LEAKY: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
):
    """The totals: of forward scores after the last frame and final arcs, relative to the sum of the norms."""
    column = tl.program_id(0) * COLS + tl.arange(0, COLS)
    there = column < columns
    graph = tl.load(graph_of + tl.program_id(0) * COLS)
    low = tl.load(fsa_splits + graph)
    states = tl.load(fsa_splits + graph + 1) - low
    length = tl.load(frames + column, mask=there, other=0)
    target = tl.load(places + column, mask=there, other=0) + length.to(tl.int64) * states * stride
    total = tl.load(norms + length * columns + column, mask=there, other=float("-inf"))
    number = values.dtype.element_ty
    largest = tl.full((ROWS, COLS), float("-inf"), number)
    rest = tl.full((ROWS, COLS), 0, number)
    s = 0
    while s < states:
        state = s + tl.arange(0, ROWS)
        inside = state < states
        value = tl.load(
            values + target[None, :] + (state * stride)[:, None],
            mask=inside[:, None] & there[None, :],
            other=float("-inf"),
        )
        value = leaked(value, total, leaks, low + state, inside, LEAKY)
        value += tl.load(ends + low + state, mask=inside, other=float("-inf"))[:, None]
        largest, rest = log_add(largest, rest, value)
        s += ROWS
    top, under = log_sum(largest, rest, 0)
    tl.store(totals + column, log_value(top, under), mask=there)


@triton.jit
def posteriors(
    forward,
    backward,
    scores,
    leaks,
    total,
    jump,
    shift,
    source,
    target,
    frame,
    low,
    stride,
    other,
    to,
    weight,
    label,
    label_stride,
    every,
    mask,
    LEAKY: tl.constexpr,
):
    """Posteriors (arcs, columns) of arcs from `other` to `to`, over a frame."""
    value = tl.load(forward + source[None, :] + (other * stride)[:, None], mask=every, other=float("-inf"))
    after = tl.load(backward + target[None, :] + (to * stride)[:, None], mask=every, other=float("-inf"))
    if LEAKY:
        value = leaked(value, total, leaks, low + other, mask, LEAKY)
        after = log_plus(after, tl.zeros_like(after) + jump[None, :])
    score = tl.load(scores + frame[None, :] + (label * label_stride)[:, None], mask=every, other=0)
    power = value + (weight[:, None] + score) + (after - shift[None, :])
    return tl.where(every, tl.exp(power), 0.0)


@triton.jit(do_not_specialize=["first"])
def spread(
    forward,
    backward,
    scores,
    gradient,
    slopes,
    row_splits,
    row_begins,
    row_labels,
    sources,
    dests,
    weights,
    fsa_splits,
    graph_of,
    places,
    rows_of,
    frames,
    leaks,
    norms,
    jumps,
    first,
    columns,
    stride,
    frame_stride,
    label_stride,
    slots,
    LEAKY: tl.constexpr,
    ROWS: tl.constexpr,
    ARCS: tl.constexpr,
    COLS: tl.constexpr,
):
    """The gradient of a frame's scores: of each label the posteriors of its arcs, times the slopes."""
    t = first + tl.program_id(0)
    column = tl.program_id(2) * COLS + tl.arange(0, COLS)
    graph = tl.load(graph_of + tl.program_id(2) * COLS)
    low = tl.load(fsa_splits + graph)
    states = tl.load(fsa_splits + graph + 1) - low
    there = column < columns
    there = there & (t < tl.load(frames + column, mask=there, other=0))
    frame = tl.load(rows_of + column, mask=there, other=0) + t.to(tl.int64) * frame_stride
    source = tl.load(places + column, mask=there, other=0) + t.to(tl.int64) * states * stride
    target = tl.load(places + column, mask=there, other=0)
    target += ((t + 1) % slots).to(tl.int64) * states * stride
    total = tl.load(norms + t * columns + column, mask=there, other=float("-inf"))
    jump = tl.load(jumps + (t + 1) * columns + column, mask=there, other=float("-inf"))
    slope = tl.load(slopes + column, mask=there, other=0)
    shift = shift_of(total)
    last = tl.load(row_splits + graph + 1)
    r = tl.load(row_splits + graph) + tl.program_id(1) * ROWS
    while r < last:
        row = r + tl.arange(0, ROWS)
        inside = row < last
        begin = tl.load(row_begins + row, mask=inside, other=0)
        end = tl.load(row_begins + row + 1, mask=inside, other=0)
        label = tl.load(row_labels + row, mask=inside, other=0)
        most = tl.max(end - begin)
        shares = tl.full((ROWS, ARCS, COLS), 0, forward.dtype.element_ty)
        k = 0
        while k < most:
            arc = begin[:, None] + tl.arange(0, ARCS)[None, :] + k
            mask = arc < end[:, None]
            # Rows and arcs as one axis, and as two again.
            flat = tl.reshape(arc, (ROWS * ARCS,))
            flat_mask = tl.reshape(mask, (ROWS * ARCS,))
            flat_label = tl.reshape(tl.broadcast_to(label[:, None], (ROWS, ARCS)), (ROWS * ARCS,))
            share = posteriors(
                forward,
                backward,
                scores,
                leaks,
                total,
                jump,
                shift,
                source,
                target,
                frame,
                low,
                stride,
                tl.load(sources + flat, mask=flat_mask, other=0),
                tl.load(dests + flat, mask=flat_mask, other=0),
                tl.load(weights + flat, mask=flat_mask, other=0),
                flat_label,
                label_stride,
                flat_mask[:, None] & there[None, :],
                flat_mask,
                LEAKY,
            )
            shares += tl.reshape(share, (ROWS, ARCS, COLS))
            k += ARCS
        tl.store(
            gradient + frame[None, :] + (label * label_stride)[:, None],
            tl.sum(shares, 1) * slope[None, :],
            mask=inside[:, None] & there[None, :],
        )
        r += ROWS * tl.num_programs(1)


@triton.jit(do_not_specialize=["first", "steps"])
def spread_arcs(
    forward,
    backward,
    scores,
    gradient,
    slopes,
    arc_splits,
    sources,
    dests,
    labels,
    weights,
    fsa_splits,
    graph_of,
    places,
    rows_of,
    arc_places,
    frames,
    totals,
    leaks,
    norms,
    jumps,
    first,
    steps,
    columns,
    stride,
    frame_stride,
    label_stride,
    slots,
    LEAKY: tl.constexpr,
    ARCS: tl.constexpr,
    COLS: tl.constexpr,
):
    """The gradient of each arc's score in each column: its posteriors over `steps` frames are added."""
    column = tl.program_id(1) * COLS + tl.arange(0, COLS)
    graph = tl.load(graph_of + tl.program_id(1) * COLS)
    low = tl.load(fsa_splits + graph)
    states = tl.load(fsa_splits + graph + 1) - low
    there = column < columns
    length = tl.load(frames + column, mask=there, other=-1)
    row_of = tl.load(rows_of + column, mask=there, other=0)
    place = tl.load(places + column, mask=there, other=0)
    whole = tl.load(totals + column, mask=there, other=float("-inf"))
    possible = there & (whole != float("-inf"))
    whole = tl.where(possible, whole, 0.0)
    first_arc = tl.load(arc_splits + graph)
    arc = first_arc + tl.program_id(0) * ARCS + tl.arange(0, ARCS)
    inside = arc < tl.load(arc_splits + graph + 1)
    source_state = tl.load(sources + arc, mask=inside, other=0)
    to = tl.load(dests + arc, mask=inside, other=0)
    label = tl.load(labels + arc, mask=inside, other=0)
    weight = tl.load(weights + arc, mask=inside, other=0)
    takes = inside & (label >= 0)
    shares = tl.full((ARCS, COLS), 0, forward.dtype.element_ty)
    t = first
    while t < tl.minimum(first + steps, tl.max(length, 0) + 1):
        source = place + t.to(tl.int64) * states * stride
        target = place + ((t + 1) % slots).to(tl.int64) * states * stride
        goes = there & (t < length)
        total = tl.load(norms + t * columns + column, mask=there & (t <= length), other=float("-inf"))
        jump = tl.load(jumps + (t + 1) * columns + column, mask=goes, other=float("-inf"))
        shares += posteriors(
            forward,
            backward,
            scores,
            leaks,
            total,
            jump,
            shift_of(total),
            source,
            target,
            row_of + t.to(tl.int64) * frame_stride,
            low,
            stride,
            source_state,
            to,
            weight,
            label,
            label_stride,
            takes[:, None] & goes[None, :],
            takes,
            LEAKY,
        )
        ends = (inside & ~takes)[:, None] & (possible & (t == length))[None, :]
        value = tl.load(forward + source[None, :] + (source_state * stride)[:, None], mask=ends, other=0)
        value = leaked(value, total, leaks, low + source_state, inside & ~takes, LEAKY)
        power = tl.where(ends, value + weight[:, None] - whole[None, :], float("-inf"))
        shares += tl.exp(power)
        t += 1
    at = tl.load(arc_places + column, mask=there, other=0)[None, :] + ((arc - first_arc) * stride)[:, None]
    mask = inside[:, None] & there[None, :]
    slope = tl.load(slopes + column, mask=there, other=0)
    tl.store(gradient + at, tl.load(gradient + at, mask=mask, other=0) + shares * slope[None, :], mask=mask)


@triton.jit
def turn(
    rows,
    turned,
    firsts,
    frames,
    width,
    columns,
    labels,
    offset,
    BACK: tl.constexpr,
    LABELS: tl.constexpr,
    COLS: tl.constexpr,
):
    """rows (rows, width) of sequences from `firsts` on, as turned (frames, labels, columns); or BACK."""
    t = tl.program_id(0)
    label = tl.program_id(1) * LABELS + tl.arange(0, LABELS)
    column = tl.program_id(2) * COLS + tl.arange(0, COLS)
    there = column < columns
    inside = there & (t < tl.load(frames + column, mask=there, other=0))
    first = tl.load(firsts + column, mask=there, other=0).to(tl.int64)
    at = ((first + t) * width + offset)[:, None] + label[None, :]
    mask = inside[:, None] & (label < labels)[None, :]
    to = (t.to(tl.int64) * labels + label)[:, None] * columns + column[None, :]
    to_mask = (label < labels)[:, None] & there[None, :]
    if BACK:
        value = tl.load(turned + to, mask=to_mask, other=0)
        tl.store(rows + at, tl.trans(value), mask=mask)
    else:
        value = tl.load(rows + at, mask=mask, other=0)
        tl.store(turned + to, tl.trans(value), mask=to_mask)
