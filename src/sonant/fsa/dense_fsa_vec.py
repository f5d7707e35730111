"""DenseFsaVec: the output of a network as a batch of automata, one state a frame (k2's)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sonant.errors import FstError, FstIndexError
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.fsa import Fsa
from sonant.fsa.ragged_shape import RaggedShape, create_ragged_shape2, splits_of_sizes
from sonant.fsa.ragged_text import number


class _Rows(torch.autograd.Function):
    """Each value is copied once there and once back; indexing by torch would take several passes over all."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, pieces: list[tuple[int, int, int, int]], rows: int) -> Tensor:
        """pieces: sequence, first frame, frames and first row of each segment."""
        ctx.shape, ctx.pieces = log_probs.shape, pieces
        scores = log_probs.new_empty(rows, log_probs.shape[2] + 1)
        scores[:, 0] = -torch.inf
        for sequence, start, frames, row in pieces:
            scores[row : row + frames, 1:] = log_probs[sequence, start : start + frames]
            scores[row + frames, 0] = 0
            scores[row + frames, 1:] = -torch.inf
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        gradient = slopes[0].new_zeros(ctx.shape)
        for sequence, start, frames, row in ctx.pieces:
            gradient[sequence, start : start + frames] += slopes[0][row : row + frames, 1:]
        return gradient, None, None


class DenseFsaVec:
    """Log-probabilities of segments of recordings, each with a row more for the arc to the final state.

    log_probs (sequences, frames, classes): float32, or float64. supervision_segments int32 (segments, 3), on
    the CPU: which sequence, from which frame on, how many frames (up to allow_truncate of them beyond the
    end, which are cut off). Raises FstError or FstIndexError for segments that are not there, and names them.

    scores (rows, classes + 1): column c + 1 is class c, column 0 stands for label -1. The rows of a segment
    are its frames, with -inf in column 0, and then one of 0 in column 0 and -inf elsewhere. Differentiable in
    log_probs.
    """

    def __init__(self, log_probs: Tensor, supervision_segments: Tensor, allow_truncate: int = 0):
        if log_probs.ndim != 3 or log_probs.dtype not in (torch.float32, torch.float64):
            raise FstError(
                f"DenseFsaVec: log_probs of {tuple(log_probs.shape)} and {log_probs.dtype}, expected "
                "(sequences, "
                "frames, classes) of torch.float32 or float64"
            )
        table = supervision_segments
        if table.ndim != 2 or table.shape[1] != 3 or table.dtype != torch.int32 or table.device.type != "cpu":
            raise FstError(
                f"DenseFsaVec: supervision_segments of {tuple(table.shape)}, {table.dtype} on "
                f"{table.device}, expected "
                "(segments, 3) of torch.int32 on the CPU"
            )
        if allow_truncate < 0:
            raise FstError(f"DenseFsaVec: allow_truncate={allow_truncate}, expected 0 or more")
        sequences, frames, _ = log_probs.shape
        sequence, start, wanted = table.unbind(1)
        wrong = (sequence < 0) | (sequence >= sequences) | (start < 0) | (start >= frames) | (wanted <= 0)
        wrong |= start.long() + wanted > frames + allow_truncate
        if bool(wrong.any()):
            at = int(wrong.nonzero()[0])
            raise FstIndexError(
                f"DenseFsaVec: segment {at} is {table[at].tolist()} (sequence, first frame, frames), and "
                "there are "
                f"{sequences} sequences of {frames} frames, allow_truncate={allow_truncate}"
            )
        self._duration = torch.minimum(wanted, frames - start)
        splits = splits_of_sizes(self._duration + 1)
        self._shape = create_ragged_shape2(splits).to(log_probs.device)
        pieces = zip(
            sequence.tolist(), start.tolist(), self._duration.tolist(), splits.tolist(), strict=False
        )
        self.scores = _Rows.apply(log_probs, list(pieces), int(splits[-1]))

    @property
    def duration(self) -> Tensor:
        """Frames of each segment, int32 on the CPU."""
        return self._duration

    @property
    def device(self) -> torch.device:
        return self.scores.device

    def is_cpu(self) -> bool:
        return self.device.type == "cpu"

    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def shape(self) -> RaggedShape:
        """[segment][row]."""
        return self._shape

    def dim0(self) -> int:
        return self._shape.dim0

    def to(self, device: torch.device | str) -> "DenseFsaVec":
        if torch.device(device) == self.device:
            return self
        return self.with_scores(self.scores.to(device))

    def with_scores(self, scores: Tensor) -> "DenseFsaVec":
        """The same segments with other scores (rows, classes + 1), on any device."""
        made = DenseFsaVec.__new__(DenseFsaVec)
        made._duration, made._shape, made.scores = self._duration, self._shape.to(scores.device), scores
        return made

    def __str__(self) -> str:
        def row(values: list[float]) -> str:
            return f"[ {' '.join(map(number, values))} ]\n"

        kind, index = ("kCpu", -1) if self.is_cpu() else ("kCuda", self.device.index)
        splits, ids = self._shape.row_splits(1).tolist(), self._shape.row_ids(1).tolist()
        return (
            f"num_axes: 2\ndevice_type: {kind}\ndevice_id: {index}\nrow_splits1: {row(splits)}row_ids1: "
            f"{row(ids)}"
            f"scores:\n[{''.join(map(row, self.scores.tolist()))}]\n"
        )


def convert_dense_to_fsa_vec(dense_fsa_vec: DenseFsaVec) -> Fsa:
    """The same as a batch of automata: a state for each frame, an arc from it for each class. Not
    differentiable.
    """
    dense, device = dense_fsa_vec, dense_fsa_vec.device
    classes = dense.scores.shape[1] - 1
    duration = dense.duration.to(device)
    states = splits_of_sizes(duration + 2)
    shape = create_ragged_shape2(states)
    fsa = shape.row_ids(1).long()
    place = torch.arange(len(fsa), dtype=torch.int32, device=device) - states[fsa]
    left = duration[fsa] - place
    state_splits = splits_of_sizes(torch.where(left > 0, classes, (left == 0).to(torch.int64)))
    source = create_ragged_shape2(state_splits).row_ids(1).long()
    arc = torch.arange(len(source), device=device) - state_splits[source]
    label = torch.where(left[source] > 0, arc, -1)
    row = dense.shape().row_splits(1)[fsa[source]].long() + place[source]
    scores = dense.scores.detach()[row, label + 1]
    arcs = RaggedArc.of_columns(
        RaggedShape.of(states, state_splits), place[source], place[source] + 1, label.to(torch.int32), scores
    )
    return Fsa.made(arcs, scores)
