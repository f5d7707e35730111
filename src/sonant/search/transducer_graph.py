"""Transducer search over a graph of tokens (k2's and icefall's fast beam search), with Kaldi's lattices.

At each frame a path says one token at most: it stays where it is by the network's blank, or follows an arc of
the graph, whose input label is the token (csrc/fsa/rnnt.h says what is followed and what the limits cut off).
The network is asked once for each different context of the live paths, so the work does not grow with the
graph. Arcs with input label 0 take a frame too, and the blank's score: leave out epsilons where that is not
meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import SearchError
from sonant.fst import Fst, SymbolTable, connect, shortest_path
from sonant.search.graph import GraphPath, GraphResult, graph_result
from sonant.search.scores import LARGEST, Floats, check_count, check_matrices, check_matrix
from sonant.search.transducer import Step, check_step


@dataclass(frozen=True, slots=True)
class TransducerGraphConfig:
    """k2's limits by their names there, with icefall's defaults."""

    beam: float = 20.0
    """How much worse than the best state of its frame a state may be, in nats."""
    max_states: int = 64
    """States (of the graph, with a context) that are followed in a frame, at most."""
    max_contexts: int = 8
    """Contexts that the network is asked for in a frame, at most."""
    graph_scale: float = 1.0
    """What the costs of the graph are multiplied by (icefall's ngram-lm-scale)."""

    def __post_init__(self) -> None:
        check_count(self.max_states, "max_states")
        check_count(self.max_contexts, "max_contexts")
        if not self.beam >= 0:
            raise SearchError(f"beam={self.beam}; expected 0 or more")
        if not np.isfinite(self.graph_scale):
            raise SearchError(f"graph_scale={self.graph_scale}; expected a finite number")


def token_loop(tokens: int) -> Fst:
    """One state, whose loops say any token but the blank, 0, at no cost: what k2 calls a trivial graph."""
    labels = np.arange(1, check_count(tokens, "tokens", 2), dtype=np.int32)
    state = np.zeros_like(labels)
    return Fst.from_arrays(0, np.zeros(1), state, labels, labels, np.zeros(len(labels)), state)


class TransducerGraph:
    """Search over one graph with one configuration. It can be shared by any number of threads and streams.

    graph: arcs of type `standard`; input label k is token k of the network, 0 an epsilon; output labels are
    words (or tokens: `token_loop`). tokens: of the network, with the blank. context_size: tokens that its
    predictor sees. symbols: of the words; the graph's own if it has some. Raises SearchError where these do
    not fit, FstError for a graph that has too many states for its contexts.
    """

    def __init__(
        self,
        graph: Fst,
        tokens: int,
        config: TransducerGraphConfig | None = None,
        *,
        context_size: int = 2,
        symbols: SymbolTable | None = None,
    ):
        if not isinstance(graph, Fst):
            raise SearchError(f"graph: found a {type(graph).__name__}, expected an Fst")
        if graph.arc_type != "standard" or graph.start < 0:
            raise SearchError(
                f"a graph with arcs of type {graph.arc_type} and start state {graph.start}; expected type "
                "standard (tropical), and a start"
            )
        self.config = TransducerGraphConfig() if config is None else config
        self.symbols = graph.output_symbols if symbols is None else symbols
        self.tokens, self.context_size = (
            check_count(tokens, "tokens", 2),
            check_count(context_size, "context_size"),
        )
        # k2's form: the start is state 0, and a state that nothing enters stands for the end.
        count, arcs = graph.num_states, graph.arcs
        number = np.arange(count, dtype=np.int32)
        number[[0, graph.start]] = number[[graph.start, 0]]
        source = number[np.repeat(np.arange(count), graph.states["num_arcs"])]
        order = np.argsort(source, kind="stable")
        if len(arcs) and not 0 <= int(arcs["ilabel"].min()) <= int(arcs["ilabel"].max()) < self.tokens:
            raise SearchError(
                f"the graph reads labels {arcs['ilabel'].min()} to {arcs['ilabel'].max()}; expected tokens "
                f"of the network, 1 to {self.tokens - 1}, or 0"
            )
        self.target: npt.NDArray[np.int32] = number[arcs["nextstate"][order]]
        self.words: npt.NDArray[np.int32] = arcs["olabel"][order].astype(np.int32)
        scale = np.float32(self.config.graph_scale)
        self.costs: Floats = _plain(arcs["weight"][order], len(arcs)) * scale
        finals = _plain(graph.states["final"], count)
        self.finals: Floats = np.full(count, np.inf, np.float32)
        self.finals[number] = np.where(np.isfinite(finals), finals * scale, np.inf)
        rows = np.column_stack(
            [source[order], self.target, arcs["ilabel"][order], np.zeros(len(arcs), np.int32)]
        ).astype(np.int32)
        splits = np.zeros(count + 2, np.int32)
        np.cumsum(np.bincount(source, minlength=count + 1), out=splits[1:])
        self.start = _native.RnntStream(np.ascontiguousarray(rows), splits, -self.costs)
        limits = self.config
        sizes = self.tokens, self.context_size
        self.options = _native.RnntConfig(*sizes, float(limits.beam), limits.max_states, limits.max_contexts)
        self.unlimited = _native.RnntConfig(*sizes, np.inf, LARGEST, LARGEST)
        self.start.check(self.options)

    def stream(self) -> "TransducerGraphStream":
        """A search of one utterance, frame by frame."""
        return TransducerGraphStream(self)

    def search(self, step: Step, encoder_out: Sequence[Floats]) -> list[GraphResult]:
        """Whole utterances in lockstep, with their lattices.

        encoder_out: one (frames, dim) float32 array per utterance. Errors: as for `advance_graphs`."""
        streams = [self.stream() for _ in encoder_out]
        advance_graphs(step, streams, encoder_out)
        return [stream.result(lattice=True) for stream in streams]


class TransducerGraphStream:
    """The search of one utterance. Made by `TransducerGraph.stream`; not for several threads at once."""

    def __init__(self, graph: TransducerGraph):
        self.graph = graph
        self.native = graph.start

    @property
    def frames(self) -> int:
        """Frames taken so far."""
        return self.native.num_frames

    @property
    def contexts(self) -> npt.NDArray[np.int64]:
        """(contexts, context_size) token ids to be scored with the current encoder frame."""
        return contexts_of([self])[1]

    def advance(self, log_probs: Floats) -> None:
        """Takes one frame: (contexts, tokens) float32 log-probabilities, rows in the order of `contexts`.

        Raises SearchError for another shape or dtype, FstError for NaN and +inf; the search is then as it
        was.
        """
        rows = check_matrix(log_probs, "log_probs", rows="contexts")
        expected = (len(self.contexts), self.graph.tokens)
        if rows.shape != expected:
            raise SearchError(f"log_probs: found shape {rows.shape}, expected {expected}: (contexts, tokens)")
        (self.native,) = _native.rnnt_advance([self.native], self.graph.options, rows)

    def lattice(self, use_final: bool = True) -> Fst:
        """All paths that the search kept, as a raw lattice (`lattice4`) with one arc for each frame: its
        input label is the token + 1, so 1 for blanks; its output label the word. Costs are those of the
        graph, scaled, and of the network, apart.

        use_final: with the final costs of the graph, where some path has reached a final state; else paths
        may end anywhere.
        """
        return self._lattices(use_final)[0]

    def _lattices(self, use_final: bool) -> tuple[Fst, bool]:
        graph, frames = self.graph, self.frames
        # One more frame, in which every path stays, has the native core tell the states of the last one.
        stay = np.full((len(self.contexts), graph.tokens), -np.inf, np.float32)
        stay[:, 0] = 0
        ended = _native.rnnt_advance([self.native], graph.unlimited, stay)
        (arcs, _, _, arc_map, _), scores = _native.rnnt_lattices(ended, [frames + 1], True)
        last = arcs[:, 2] == -1
        leaving, arcs, arc_map, scores = arcs[last, 0], arcs[~last], arc_map[~last], scores[~last]
        moves = arc_map >= 0
        costs = np.zeros((len(arcs), 2), np.float32)
        costs[moves, 0] = graph.costs[arc_map[moves]]
        costs[:, 1] = -scores - costs[:, 0]
        words = np.zeros(len(arcs), np.int32)
        words[moves] = graph.words[arc_map[moves]]
        count = int(leaving.max(initial=0)) + 1
        finals = np.full((count, 2), np.inf, np.float32)
        ends = graph.finals[self._graph_states(arcs, arc_map, count)[leaving]]
        reached = bool(np.isfinite(ends).any())
        finals[leaving] = 0
        if use_final and reached:
            finals[leaving, 0] = ends
            finals[leaving, 1] = np.where(np.isfinite(ends), 0, np.inf)
        kept = np.isfinite(costs).all(1)
        labels = np.where(moves, arcs[:, 2], 0) + 1
        arcs = arcs[kept]
        made = Fst.from_arrays(
            0, finals, arcs[:, 0], labels[kept], words[kept], costs[kept], arcs[:, 1], "lattice4"
        )
        made = connect(made)
        made.output_symbols = graph.symbols
        return made, reached

    def _graph_states(
        self, arcs: npt.NDArray[Any], arc_map: npt.NDArray[Any], count: int
    ) -> npt.NDArray[Any]:
        """The state of the graph at each state of the lattice, which are numbered frame by frame."""
        states = np.zeros(count, np.int64)
        begin, until = 0, 1
        while begin < until:
            low, high = np.searchsorted(arcs[:, 0], (begin, until))
            to, through = arcs[low:high, 1], arc_map[low:high]
            target = self.graph.target[through] if len(self.graph.target) else np.zeros(len(to), np.int64)
            states[to] = np.where(through >= 0, target, states[arcs[low:high, 0]])
            begin, until = until, max(until, int(to.max(initial=0)) + 1)
        return states

    def result(self, use_final: bool = True, lattice: bool = False) -> GraphResult:
        """The best path of all frames so far, with the lattice where that is asked for. Changes nothing.

        `alignment` has the token of each frame plus 1, as the labels of a CTC graph have. Where no state is
        final the best path may end anywhere, and `reached_final` is False.
        """
        found, reached = self._lattices(use_final)
        path = best_path(found)
        relative = np.inf
        if reached and path is not None:
            anywhere = path if not use_final else best_path(self._lattices(False)[0])
            ending = path if use_final else best_path(self._lattices(True)[0])
            assert anywhere is not None and ending is not None
            relative = ending.cost - anywhere.cost
        parts = None
        if path is not None:
            parts = (
                path.input_labels,
                path.output_labels,
                path.graph_costs,
                path.acoustic_costs,
                path.final_cost,
            )
        result = graph_result(parts, None, relative, self.graph.symbols, None)
        return replace(result, lattice=found) if lattice else result


def _plain(values: npt.NDArray[Any], count: int) -> Floats:
    return np.asarray(values, np.float32).reshape(count)


def best_path(lattice: Fst) -> GraphPath | None:
    """The path with the least cost through a raw lattice (`lattice4`), arc by arc; None if there is none."""
    chain = shortest_path(lattice)
    if chain.start < 0:
        return None
    arcs: list[Any] = []
    state = chain.start
    while found := chain.arcs_of(state):
        arcs.append(found[0])
        state = found[0][3]
    costs = np.array([arc[2] for arc in arcs], np.float32).reshape(-1, 2)
    final: Any = chain.final(state)
    labels = np.array([arc[:2] for arc in arcs], np.int32).reshape(-1, 2)
    return GraphPath(labels[:, 0], labels[:, 1], costs[:, 0], costs[:, 1], float(final[0] + final[1]))


def contexts_of(streams: Sequence[TransducerGraphStream]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """How many contexts each stream has, and those of all (n, context_size)."""
    graph = streams[0].graph
    splits, symbols = _native.rnnt_contexts([stream.native for stream in streams], graph.options)
    return np.diff(splits), symbols.reshape(-1, graph.context_size).astype(np.int64)


def advance_graphs(
    step: Step, streams: Sequence[TransducerGraphStream], encoder_frames: Sequence[Floats]
) -> None:
    """Advance each search over its own new encoder frames, all in lockstep: `step` is called once for each
    frame, with one row for each context of all searches that still have frames.

    encoder_frames: one (frames, dim) float32 array per search, zero frames allowed. Raises SearchError where
    these or what `step` returns do not fit, or for searches over graphs of different networks; what `step`
    raises passes through. Each search has then taken whole frames only.
    """
    frames = check_matrices(encoder_frames, "encoder frames", "dim")
    if len(frames) != len(streams) or len({id(stream) for stream in streams}) != len(streams):
        raise SearchError(
            f"found encoder frames for {len(frames)} utterances and {len(streams)} searches; expected one "
            "search for each, all different"
        )
    if len({(stream.graph.tokens, stream.graph.context_size) for stream in streams}) > 1:
        raise SearchError("found searches of networks with other tokens or contexts; expected one network")
    for groups in _by_limits(streams):
        members = [streams[i] for i in groups]
        for t in range(max(len(frames[i]) for i in groups)):
            live = [n for n, i in enumerate(groups) if t < len(frames[i])]
            now = [members[n] for n in live]
            counts, contexts = contexts_of(now)
            rows = np.repeat(np.stack([frames[groups[n]][t] for n in live]), counts, axis=0)
            scores = check_step(step(rows, contexts), len(contexts))
            if scores.shape[1] != now[0].graph.tokens:
                raise SearchError(
                    f"what the step function returned: found {scores.shape[1]} tokens, expected "
                    f"{now[0].graph.tokens}"
                )
            natives = _native.rnnt_advance([stream.native for stream in now], now[0].graph.options, scores)
            for stream, native in zip(now, natives, strict=True):
                stream.native = native


def _by_limits(streams: Sequence[TransducerGraphStream]) -> list[list[int]]:
    """Places of the streams whose limits are the same, which one call of the core can advance."""
    groups: dict[TransducerGraphConfig, list[int]] = {}
    for place, stream in enumerate(streams):
        groups.setdefault(stream.graph.config, []).append(place)
    return list(groups.values())
