"""Acoustic scores of lattices: of one path by frames, and anew from a decodable object."""

import random
from typing import Any

import numpy as np

from sonant.errors import FstError
from sonant.fst import Fst
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.lat._lattices import compact_of, lattice_of, raw_of
from sonant.kaldi.matrix import Vector


def get_per_frame_acoustic_costs(linear_lattice: Any) -> Vector:
    """The acoustic cost of each frame of a lattice of one path. What lies on epsilons goes to the frame
    before them, or to the first; the final cost is left out. Raises FstError where there are several
    paths."""
    fst = raw_of(linear_lattice).fst
    state, costs, steps, ahead = fst.start, [], 0, 0.0
    while state >= 0 and not np.isfinite(fst.final(state)[0]):  # pyright: ignore[reportIndexIssue]
        arcs = fst.arcs_of(state)
        steps += 1
        if len(arcs) != 1 or steps > fst.num_states:
            raise FstError(
                f"state {state} of the lattice has {len(arcs)} arcs; expected a lattice of one path"
            )
        ilabel, _, weight, state = arcs[0]
        cost: float = weight[1]  # pyright: ignore
        if ilabel:
            costs.append(ahead + cost)
            ahead = 0.0
        elif costs:
            costs[-1] += cost
        else:
            ahead += cost
    return Vector(np.asarray(costs, np.float32))


def rescore_lattice(decodable: Any, lat: Any) -> None:
    """Adds the negated scores of the decodable object to the acoustic costs, in place.

    Raises FstError where it has fewer frames than the lattice."""
    _rescore(decodable, lat, None)


def rescore_compact_lattice_speedup(
    tmodel: TransitionModel, speedup_factor: float, decodable: Any, clat: Any
) -> None:
    """The same for a compact lattice; of a run of frames with one pdf only one frame in `speedup_factor`,
    on average, is asked for, and its score counts that much more."""
    if not speedup_factor >= 1:
        raise FstError(f"speedup_factor={speedup_factor}; expected 1 or more")
    compact_of(clat)
    _rescore(decodable, clat, (tmodel, speedup_factor) if speedup_factor > 1 else None)


def _rescore(decodable: Any, lat: Any, speedup: tuple[TransitionModel, float] | None) -> None:
    lattice = lattice_of(lat).sorted()
    frames, times = lattice.state_times()
    if frames and decodable.is_last_frame(frames - 2 if frames > 1 else -1):
        raise FstError(f"the decodable object has fewer frames than the lattice, which has {frames}")
    scores: dict[tuple[int, int], float] = {}

    def score(frame: int, index: int) -> float:
        if (frame, index) not in scores:
            scores[frame, index] = decodable.log_likelihood(frame, index)
        return scores[frame, index]

    chosen = None if speedup is None else _Sampled(*speedup)
    fst = lattice.fst
    made = Fst(fst.arc_type)
    made.add_states(fst.num_states)

    def rescored(time: int, ids: Any, weight: Any) -> Any:
        factor = chosen or (lambda *_: 1.0)
        total = sum(
            score(time + i, index) * share
            for i, index in enumerate(ids)
            if index and (share := factor(i, ids)) != 0
        )
        return (weight[0], weight[1] - total, *weight[2:])

    for state in range(fst.num_states):
        time, final = int(times[state]), fst.final(state)
        if np.isfinite(final[0]):  # pyright: ignore[reportIndexIssue]
            made.set_final(state, rescored(time, final[2] if lattice.is_compact else (), final))  # pyright: ignore
        for ilabel, olabel, weight, nextstate in fst.arcs_of(state):
            ids = weight[2] if lattice.is_compact else (ilabel,)  # pyright: ignore
            made.add_arc(state, ilabel, olabel, rescored(time, ids, weight), nextstate)
    if fst.start >= 0:
        made.set_start(fst.start)
    lat.native = made.native


class _Sampled:
    """How much the score of a frame counts: runs of a pdf keep their sum on average."""

    def __init__(self, tmodel: TransitionModel, factor: float):
        self._tmodel, self._factor, self._random = tmodel, factor, random.Random(0)

    def __call__(self, i: int, ids: Any) -> float:
        pdf = self._tmodel.transition_id_to_pdf(ids[i])
        alone = not any(
            0 <= j < len(ids) and self._tmodel.transition_id_to_pdf(ids[j]) == pdf for j in (i - 1, i + 1)
        )
        if alone:
            return 1.0
        return self._factor if self._random.random() * self._factor < 1 else 0.0
