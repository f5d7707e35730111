"""Decoding: automata with the output of a network, by a search with beams; whole, and chunk by chunk
(k2's).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sonant.errors import FstError
from sonant.fsa.arc_maps import from_arc_map
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.dense_fsa_vec import DenseFsaVec
from sonant.fsa.fsa import Fsa
from sonant.fsa.intersection import DenseLattices, check_dense, from_dense
from sonant.fsa.operations import mend_final
from sonant.ops import fsa_pruned
from sonant.ops.fsa_pruned import native


def _graphs(fsas: Fsa, operation: str) -> fsa_pruned.Graphs:
    arcs = fsas.arcs
    return fsa_pruned.Graphs(arcs.values(), arcs.state_splits(), arcs.fsa_splits(), operation)


def intersect_dense_pruned(
    a_fsas: Fsa,
    b_fsas: DenseFsaVec,
    search_beam: float,
    output_beam: float,
    min_active_states: int,
    max_active_states: int,
    seqframe_idx_name: str | None = None,
    frame_idx_name: str | None = None,
    allow_partial: bool = False,
) -> Fsa:
    """What a search finds of intersect_dense: a batch with a lattice for each segment of b_fsas.

    a_fsas is one automaton (or a batch of one) for all segments, or a batch with one for each. At each
    frame the states within a beam of the best one are followed; the beam is search_beam, less where there
    are more than max_active_states, more where there are fewer than min_active_states
    (`sonant.ops.fsa_pruned` says how), which holds about. Of what was followed all arcs on paths within
    output_beam of the best path stay. Memory goes with the states that are active. Scores are
    differentiable in both inputs, and the names are as in intersect_dense.

    Without a path a lattice has a start and a final state alone. With allow_partial and no final state
    among those of the last frame, all of them are final, by arcs that score 0 and come from no arc of
    a_fsas.

    Raises FstError for labels that the network has no class for, for numbers and beams that do not fit, and
    for scores that are NaN or +inf.
    """
    check_dense("intersect_dense_pruned", a_fsas, b_fsas)
    beams = fsa_pruned.Beams(
        float(search_beam), float(output_beam), min_active_states, max_active_states, allow_partial
    )
    count, segments = a_fsas.arcs.dim0() if len(a_fsas.shape) == 3 else 1, b_fsas.dim0()
    if count not in (1, segments):
        raise FstError(
            f"intersect_dense_pruned: {count} automata and {segments} segments, expected 1 or as many"
        )
    graph_of = torch.arange(segments, dtype=torch.int32)
    lattices = fsa_pruned.intersect(
        _graphs(a_fsas, "intersect_dense_pruned"),
        a_fsas.scores,
        b_fsas.scores,
        b_fsas.shape().row_splits(1),
        torch.zeros_like(graph_of) if count == 1 else graph_of,
        beams,
    )
    found = from_dense(a_fsas, b_fsas, DenseLattices(*lattices), seqframe_idx_name, frame_idx_name)
    if allow_partial:
        mend_final(found)
    return found


@dataclass(frozen=True)
class DecodeStateInfo:
    """Where the search of one recording stands after some chunks; OnlineDenseIntersecter makes and takes
    it.

    A state stays as it is when it is used, so that a recording may go on from it in more than one way.
    """

    _intersecter: "OnlineDenseIntersecter" = field(repr=False)
    _stream: Any = field(repr=False)

    @property
    def num_frames(self) -> int:
        """Frames that were decoded."""
        return self._stream.num_frames

    @property
    def num_active_states(self) -> int:
        """States of the graph that the search is at."""
        return self._stream.num_active


class OnlineDenseIntersecter:
    """The search of intersect_dense_pruned with allow_partial, chunk by chunk, of several recordings at
    once.

    decoding_graph is one automaton, or a batch of one; its scores are taken as they are now. num_streams is
    k2's number of recordings that may be in one batch. The chunks of a recording give what the whole gives.
    """

    def __init__(
        self,
        decoding_graph: Fsa,
        num_streams: int,
        search_beam: float,
        output_beam: float,
        min_active_states: int,
        max_active_states: int,
    ):
        if len(decoding_graph.shape) == 3 and decoding_graph.shape[0] != 1:
            raise FstError(f"OnlineDenseIntersecter: {decoding_graph.shape[0]} automata, expected one")
        if num_streams < 1:
            raise FstError(f"OnlineDenseIntersecter: num_streams={num_streams}, expected 1 or more")
        self.decoding_graph, self.device = decoding_graph, decoding_graph.device
        self.num_streams = num_streams
        beams = fsa_pruned.Beams(
            float(search_beam), float(output_beam), min_active_states, max_active_states, allow_partial=True
        )
        graphs = _graphs(decoding_graph, "OnlineDenseIntersecter")
        self._search = native.Search(graphs, decoding_graph.scores.detach(), beams)

    def decode(
        self, dense_fsas: DenseFsaVec, decode_states: Sequence[DecodeStateInfo | None]
    ) -> tuple[Fsa, list[DecodeStateInfo]]:
        """The next chunk of some recordings: segment i goes on from decode_states[i], or starts where it is
        None.

        Gives the lattice of each recording from its start to here, as if it ended here (not
        differentiable), with the graph's attributes; and the states to go on from. Raises FstError where
        the numbers of segments and states do not agree, and for states of another intersecter.
        """
        check_dense("OnlineDenseIntersecter", self.decoding_graph, dense_fsas)
        count = dense_fsas.dim0()
        if len(decode_states) != count or count > self.num_streams:
            raise FstError(
                f"OnlineDenseIntersecter: {count} segments and {len(decode_states)} states, expected as "
                "many of both, "
                f"num_streams={self.num_streams} at most"
            )
        for i, state in enumerate(decode_states):
            if state is not None and (
                not isinstance(state, DecodeStateInfo) or state._intersecter is not self
            ):
                raise FstError(
                    f"OnlineDenseIntersecter: state {i} is {state!r}, expected None or one of this object"
                )
        streams = [self._search.start(0) if state is None else state._stream for state in decode_states]
        row_splits = dense_fsas.shape().row_splits(1)
        (values, state_splits, fsa_splits, map_a), scores, streams = self._search.advance(
            dense_fsas.scores, row_splits, streams
        )
        values, state_splits, fsa_splits, map_a, scores = (
            tensor.to(self.device) for tensor in (values, state_splits, fsa_splits, map_a, scores)
        )
        found = from_arc_map(self.decoding_graph, RaggedArc.of_batch(fsa_splits, state_splits, values), map_a)
        found.scores = scores
        mend_final(found)
        return found, [DecodeStateInfo(self, stream) for stream in streams]
