"""The lattice of what a pruned transducer loss looks at (k2's)."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from sonant.errors import FstError
from sonant.fsa.arcs import MOST_ARCS, RaggedArc
from sonant.fsa.ragged_shape import splits_of_sizes


def pruned_ranges_to_lattice(
    ranges: Tensor, frames: Tensor, symbols: Tensor, logits: Tensor
) -> tuple[RaggedArc, Tensor]:
    """Arcs for Fsa(...), and the flat offset into logits of each arc's score, int32, -1 for final arcs.

    ranges (batch, frames, range) int32 as of get_rnnt_prune_ranges: positions among the symbols; frames
    (batch,) int32; symbols (batch, most symbols), integers; logits (batch, frames, range, vocabulary). A
    state for each frame and position; an arc to the next position, labelled by its symbol, and one to the
    same position at the next frame, labelled 0, where the range has it. For a gradient:
    fsa.scores = index_select(logits.reshape(-1), offsets). Raises FstError for what does not go together.
    """
    sizes = [tuple(tensor.shape) for tensor in (ranges, frames, symbols, logits)]
    if (
        ranges.ndim != 3
        or logits.shape[:3] != ranges.shape
        or frames.shape != ranges.shape[:1]
        or (symbols.ndim != 2 or symbols.shape[0] != ranges.shape[0] or logits.ndim != 4)
    ):
        raise FstError(
            f"pruned_ranges_to_lattice: ranges, frames, symbols, logits of {sizes} do not go together"
        )
    batch, most, width = ranges.shape
    if logits.numel() > MOST_ARCS:
        raise FstError(
            f"pruned_ranges_to_lattice: {logits.numel()} logits, at most {MOST_ARCS}; split the batch"
        )
    if bool(((frames < 1) | (frames > most)).any()):
        raise FstError(f"pruned_ranges_to_lattice: frames {frames.tolist()[:10]}, expected 1 to {most}")
    ranges, count = ranges.long(), frames.long()[:, None, None]
    t = torch.arange(most, device=ranges.device)[None, :, None].expand_as(ranges)
    place = torch.arange(width, device=ranges.device).expand_as(ranges)
    last = (t == count - 1) & (place == width - 1)
    takes = (t < count) & (place < width - 1)
    position = torch.where(takes, ranges, 0)
    chosen = symbols.long().gather(1, position.clamp(0, max(symbols.shape[1] - 1, 0)).flatten(1))
    label = torch.where(last, -1, chosen.reshape(ranges.shape))
    wrong = takes & (
        (position < 0) | (position >= symbols.shape[1]) | (label < 1) | (label >= logits.shape[3])
    )
    if bool(wrong.any()):
        i, frame, at = wrong.nonzero()[0].tolist()
        raise FstError(
            f"pruned_ranges_to_lattice: position {int(ranges[i, frame, at])} of {symbols.shape[1]} symbols, "
            f"label {int(label[i, frame, at])}, at [{i}, {frame}, {at}]; expected one "
            f"below {logits.shape[3]}"
        )
    onward = ranges - pad(ranges[:, 1:, 0], (0, 1))[:, :, None]
    waits = (t < count - 1) & (onward >= 0) & (onward < width)
    there = pad(torch.stack([takes | last, waits], -1).flatten(1, 2), (0, 0, 0, 1))
    state = t * width + place
    offset = torch.arange(batch * most * width, device=ranges.device).reshape(ranges.shape) * logits.shape[3]
    scored = torch.stack([torch.where(last, -1, offset + label), offset], -1)
    dest = torch.stack([state + 1, (t + 1) * width + onward], -1)
    labels = torch.stack([label, torch.zeros_like(label)], -1)
    kept = there[:, :-1].reshape(scored.shape)
    arc_map = scored[kept].to(torch.int32)
    flat = logits.detach().reshape(-1).float()
    scores = torch.where(arc_map >= 0, flat[arc_map.clamp(min=0).long()], 0)
    columns = [state[..., None].expand_as(dest)[kept], dest[kept], labels[kept]]
    rows = torch.stack([*columns, scores.view(torch.int32).long()], 1).to(torch.int32)
    exists = torch.arange(most * width + 1, device=ranges.device) <= frames.long()[:, None] * width
    splits = splits_of_sizes(there.sum(-1)[exists])
    return RaggedArc.of_batch(splits_of_sizes(frames * width + 1), splits, rows), arc_map
