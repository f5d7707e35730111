"""Total scores of automata over the frames of a network's output: all paths at once, and no lattice.

An automaton takes one frame with each of its arcs, whose score is its own and that of its label in the frame;
an arc labelled -1 ends a path after the last frame. The total is the log of the sum of exp over all paths, as
that of sonant.fsa.intersect_dense without a beam, in the memory of states x frames. This is the
forward-backward of CTC and of both sides of LF-MMI (Povey et al. 2016), whose leaky HMM it knows.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.ops import segments
from sonant.ops.fsa_frames import native, reference
from sonant.ops.fsa_scores import Graphs

Backend = Literal["reference"] | None


def _implementation(device: torch.device, backend: Backend) -> ModuleType:
    """Who computes: the one place that decides it."""
    if backend == "reference" or (device.type != "cpu" and not segments.triton_serves(device)):
        return reference
    if device.type == "cpu":
        return native
    from sonant.ops.fsa_frames import triton

    return triton


@dataclass(frozen=True)
class Sequences:
    """Which rows of the scores each sequence has, and which automaton goes through them: int32 each."""

    first: Tensor
    """(sequences,) first row."""
    frames: Tensor
    """(sequences,) rows: 0 or more. No row is of two sequences; rows of none are never looked at."""
    graph_of: Tensor
    """(sequences,) number of its automaton. Those that share one go through it side by side."""
    column: int = 0
    """Of label 0; label l has the l-th column after it."""


@dataclass(frozen=True)
class Leak:
    """The leaky HMM (Povey et al. 2016, section 3.5): before each frame and after the last one, a state may
    be left for any state s, with the probability coefficient * occupancy[s].
    """

    coefficient: float
    """More than 0: 1e-5 to 0.1, say."""
    occupancy: Tensor
    """(states,) of all automata, float32 or float64, 0 or more; 0 for final states."""


def total_scores(
    graphs: Graphs,
    arc_scores: Tensor,
    scores: Tensor,
    sequences: Sequences,
    leak: Leak | None = None,
    backend: Backend = None,
) -> Tensor:
    """(sequences,) float64: the log-sum over all paths; -inf, without a gradient, where there is none.

    arc_scores (num_arcs,) and scores (rows, columns), both of float32 or both of float64, on one device;
    differentiable in both. Arcs may lead anywhere (cycles, loops); label 0 is a label like others. Raises
    FstError for tensors that do not fit, and for labels and scores (NaN, +inf) that cannot be.
    """
    _check(graphs, arc_scores, scores, sequences, leak)
    implementation = _implementation(scores.device, backend)
    return implementation.total_scores(graphs, arc_scores, scores, sequences, leak)


def _check(
    graphs: Graphs, arc_scores: Tensor, scores: Tensor, sequences: Sequences, leak: Leak | None
) -> None:
    name = graphs.operation
    if scores.ndim != 2 or scores.dtype not in (torch.float32, torch.float64):
        raise FstError(
            f"{name}: scores of {tuple(scores.shape)} and {scores.dtype}, expected (rows, columns) of "
            "torch.float32 or float64"
        )
    if arc_scores.shape != graphs.arcs.shape[:1] or arc_scores.dtype != scores.dtype:
        raise FstError(
            f"{name}: arc scores of {tuple(arc_scores.shape)} and {arc_scores.dtype}, expected "
            f"({graphs.arcs.shape[0]},) of {scores.dtype}, as the scores are"
        )
    devices = {str(t.device) for t in (graphs.arcs, arc_scores, scores)}
    if len(devices) > 1:
        raise FstError(f"{name}: automata and scores on {sorted(devices)}, expected one device; use .to")
    count = len(sequences.first)
    for what in ("first", "frames", "graph_of"):
        value = getattr(sequences, what)
        if value.shape != (count,) or value.dtype != torch.int32:
            raise FstError(
                f"{name}: {what} of {tuple(value.shape)} and {value.dtype}, expected ({count},) int32"
            )
    graph_of, fsas = sequences.graph_of, len(graphs.fsa_splits) - 1
    if count and (int(graph_of.min()) < 0 or int(graph_of.max()) >= fsas):
        raise FstError(f"{name}: automata {graph_of.tolist()[:10]}, expected 0 to {fsas - 1}")
    if leak is not None:
        states = len(graphs.state_splits) - 1
        if not leak.coefficient > 0 or leak.occupancy.shape != (states,):
            raise FstError(
                f"{name}: a leak of {leak.coefficient} to {tuple(leak.occupancy.shape)} states, expected "
                f"more than 0, to ({states},)"
            )
        if bool((~(leak.occupancy >= 0) | leak.occupancy.isinf()).any()):
            raise FstError(f"{name}: occupancies below 0 or no numbers, expected probabilities")


__all__ = ["Leak", "Sequences", "total_scores"]
