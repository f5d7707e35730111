"""Beam search over a decoding graph: scores of frames in, words, alignments and lattices out.

The search is that of Kaldi's LatticeFasterDecoder, token by token, so raw lattices are the same arc by arc
(Povey et al. 2012, "Generating exact lattices in the WFST framework"); without lattices that of its
FasterDecoder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import SearchError
from sonant.fst import ComposeFst, Fst, SymbolTable
from sonant.lattice.lattice import MAX_MEMORY, Lattice, warn_incomplete
from sonant.search.dynamic import LmGraph
from sonant.search.grammar import GrammarGraph
from sonant.search.scores import LARGEST, Floats, check_count, check_matrix
from sonant.search.skipping import BlankSkipper

Labels: TypeAlias = npt.NDArray[np.int32]
Graph: TypeAlias = Fst | ComposeFst | LmGraph | GrammarGraph


@dataclass(frozen=True, slots=True)
class GraphSearchConfig:
    """Kaldi's options by their names there. Costs are negated natural logarithms."""

    beam: float = 16.0
    """How much worse than the best token of a frame others may be."""
    lattice_beam: float = 10.0
    """How much worse than the best path those of the lattice may be."""
    max_active: int | None = None
    """Tokens that are followed in a frame, at most."""
    min_active: int = 200
    """Tokens that are followed in a frame, at least, whatever the beam."""
    acoustic_scale: float = 1.0
    """What scores are multiplied by."""
    lattice: bool = True
    """Whether to keep a lattice. The best path alone is found in less than half of the time."""
    determinize: bool = False
    """Whether lattices are compact, with one path, the best, for each sequence of words within lattice_beam,
    as `sonant.lattice.Lattice.determinize` makes them."""
    skip_blank: float | None = None
    """CTC: frames whose blank scores above this (log(0.99), say) are not searched, but for the first of
    a run. Times stay those of all frames; lattices and paths have the frames that were searched."""
    blank: int = 0
    """The column of the blank."""
    prune_interval: int = 25
    """Frames after which the lattice is pruned on the way."""
    beam_delta: float = 0.5
    """What is added to the beam that max_active or min_active make."""
    hash_ratio: float = 2.0
    """Decides in which order Kaldi follows tokens, which matters a little where beams are tight."""
    prune_scale: float = 0.1
    """How exactly the lattice is pruned on the way, as a part of lattice_beam."""

    def _skipper(self) -> BlankSkipper | None:
        return None if self.skip_blank is None else BlankSkipper(self.blank, self.skip_blank)

    def _native(self) -> "_native.GraphSearchOptions":
        check_count(self.blank, "blank", 0)
        if self.skip_blank is not None and np.isnan(self.skip_blank):
            raise SearchError("skip_blank=nan; expected a log-probability, or None")
        most = LARGEST if self.max_active is None else check_count(self.max_active, "max_active", 2)
        least = check_count(self.min_active, "min_active", 0)
        interval = check_count(self.prune_interval, "prune_interval")
        return _native.GraphSearchOptions(
            beam=self.beam,
            max_active=most,
            min_active=least,
            lattice_beam=self.lattice_beam,
            prune_interval=interval,
            beam_delta=self.beam_delta,
            hash_ratio=self.hash_ratio,
            prune_scale=self.prune_scale,
        )


@dataclass(frozen=True, slots=True, eq=False)
class GraphPath:
    """The arcs of the best path, from the start state of the graph. Arrays have one entry per arc."""

    input_labels: Labels
    """0 for epsilon; the others are one per frame."""
    output_labels: Labels
    graph_costs: Floats
    acoustic_costs: Floats
    """-acoustic_scale * score; 0 for epsilon."""
    final_cost: float
    """Of the state where it ends; 0 where that is not final, or final costs were not asked for."""

    @property
    def cost(self) -> float:
        """Of graph and acoustics, final cost and all."""
        costs = self.graph_costs.sum(dtype=np.float64) + self.acoustic_costs.sum(dtype=np.float64)
        return float(costs) + self.final_cost

    def lattice(self) -> Fst:
        """As a lattice of one path."""
        arcs = len(self.input_labels)
        finals = np.full((arcs + 1, 2), np.inf, np.float32)
        finals[arcs] = self.final_cost, 0.0
        states = np.arange(arcs + 1, dtype=np.int32)
        costs = np.stack([self.graph_costs, self.acoustic_costs], 1)
        return Fst.from_arrays(
            0, finals, states[:-1], self.input_labels, self.output_labels, costs, states[1:], "lattice4"
        )


@dataclass(frozen=True, slots=True)
class GraphResult:
    """What a search over a graph has found. Where no token survived (`path` is None) there are no words, and
    costs are infinite."""

    text: str
    """The words by their symbols, or their numbers where there is no table of symbols."""
    words: tuple[int, ...]
    """Output labels of the best path, without epsilons."""
    word_frames: tuple[int, ...]
    """How many frames the best path had taken before the arc of each word: not decreasing."""
    alignment: tuple[int, ...]
    """The input label of each frame on the best path."""
    graph_cost: float
    """Of the best path, final cost and all."""
    acoustic_cost: float
    """Of the best path: -acoustic_scale * the sum of its scores."""
    final_relative_cost: float
    """How much worse the best path to a final state is than the best path: infinite if none was reached."""
    path: GraphPath | None = field(compare=False, repr=False)
    lattice: Fst | None = field(compare=False, repr=False)
    """The raw lattice (`lattice4`, costs of graph and acoustics), states in topological order. Its paths are
    all that are within lattice_beam of the best, as far as the beams of the search let them live. With
    `determinize` a compact one (`compactlattice44`)."""
    searched: tuple[int, ...] | None = field(default=None, compare=False, repr=False)
    """Where blanks were skipped: the frames that were searched, those of `path` and `lattice`."""

    @property
    def cost(self) -> float:
        return self.graph_cost + self.acoustic_cost

    @property
    def reached_final(self) -> bool:
        """False: the path ends where the graph does not, and final costs count nothing."""
        return self.final_relative_cost != float("inf")


def graph_result(
    path: tuple[Labels, Labels, Floats, Floats, float] | None,
    lattice: Any,
    relative_cost: float,
    symbols: SymbolTable | None,
    skipper: BlankSkipper | None,
) -> GraphResult:
    searched = None if skipper is None else tuple(skipper.kept)
    kept = None if lattice is None else Fst.of_native(lattice)
    if kept is not None and symbols is not None:
        kept.output_symbols = symbols
    if path is None:
        infinite = float("inf")
        return GraphResult("", (), (), (), infinite, infinite, infinite, None, kept, searched)
    found = GraphPath(*path)
    said = np.flatnonzero(found.output_labels)
    taken = np.cumsum(found.input_labels != 0) - (found.input_labels != 0)
    words = tuple(found.output_labels[said].tolist())
    times, alignment = (
        tuple(taken[said].tolist()),
        tuple(found.input_labels[found.input_labels != 0].tolist()),
    )
    if skipper is not None:
        times, alignment = skipper.times(times), skipper.stretched(alignment)
    return GraphResult(
        text=" ".join(str(word) if symbols is None else _symbol(symbols, word) for word in words),
        words=words,
        word_frames=times,
        alignment=alignment,
        graph_cost=float(found.graph_costs.sum(dtype=np.float64)) + found.final_cost,
        acoustic_cost=float(found.acoustic_costs.sum(dtype=np.float64)),
        final_relative_cost=relative_cost,
        path=found,
        lattice=kept,
        searched=searched,
    )


def _symbol(symbols: SymbolTable, word: int) -> str:
    symbol = symbols.symbol(word)
    if symbol is None:
        raise SearchError(
            f"the graph says word {word}, which its table of {len(symbols)} symbols has not; give the table "
            "that the graph was made with"
        )
    return symbol


class GraphSearch:
    """Search over one graph with one configuration. It can be shared by any number of threads and streams.

    graph: arcs of type `standard`; input labels are what a frame says (transition-ids, tokens), output labels
    words. A graph with epsilons is fine. Or one whose states are made as searches meet them: a lazy
    composition (ComposeFst), a graph with a language model (LmGraph), a grammar (GrammarGraph).
    columns: which column of the scores an input label reads: (labels,) integers, -1 for labels that the graph
    has not. Without it label 1 reads column 0, as in Kaldi.
    symbols: of the words; the graph's own if it has some.
    Raises SearchError where graph, table and configuration do not fit, among them a graph without a start
    state, and one with a cycle of epsilon arcs whose cost is negative.

    >>> search = GraphSearch(Fst.read("HCLG.fst"), GraphSearchConfig(beam=13), columns=pdf_of_transition)
    >>> [result.text for result in search.search(scores)]
    """

    def __init__(
        self,
        graph: Graph,
        config: GraphSearchConfig | None = None,
        *,
        columns: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        symbols: SymbolTable | None = None,
    ):
        if not isinstance(graph, Graph):
            raise SearchError(
                f"graph: found a {type(graph).__name__}, expected an Fst, a ComposeFst, an LmGraph or a "
                "GrammarGraph"
            )
        if graph.arc_type != "standard":
            raise SearchError(f"a graph with arcs of type {graph.arc_type}; expected standard (tropical)")
        self.config = GraphSearchConfig() if config is None else config
        self.symbols = graph.output_symbols if symbols is None else symbols
        table = None
        if columns is not None:
            given = np.asarray(columns)
            if given.ndim != 1 or given.dtype.kind not in "iu":
                raise SearchError(
                    f"columns: found shape {given.shape} of {given.dtype}, expected (labels,) integers"
                )
            if given.size and not -(2**31) <= int(given.min()) <= int(given.max()) < LARGEST:
                raise SearchError(f"columns: found {given.min()} to {given.max()}; expected small integers")
            table = np.ascontiguousarray(given, np.int32)
        self._graph: Any = _prepared(graph, table)
        self._options = self.config._native()

    @property
    def num_columns(self) -> int:
        """That scores must have at least."""
        return self._graph.num_columns()

    @overload
    def search(
        self, scores: Sequence[Floats], *, num_threads: int = ..., errors: Literal["raise"] = ...
    ) -> list[GraphResult]: ...
    @overload
    def search(
        self, scores: Sequence[Floats], *, num_threads: int = ..., errors: Literal["return"]
    ) -> list[GraphResult | SearchError]: ...
    def search(
        self,
        scores: Sequence[Floats],
        *,
        num_threads: int = 0,
        errors: Literal["raise", "return"] = "raise",
    ) -> Any:
        """Searches whole utterances, over a pool of threads.

        scores: one (frames, columns) float32 array of natural-log scores per utterance; -inf is allowed.
        num_threads: utterances searched at a time; 0 for as many as there are cores.
        errors: what happens to an utterance with NaN, +inf, too few columns, or whose lattice has a cycle (of
        epsilon arcs): `raise` a SearchError for the first one when all are done, or `return` one in the place
        of each such result. Messages name the utterance.
        """
        if errors not in ("raise", "return"):
            raise SearchError(f"errors={errors!r}; expected 'raise' or 'return'")
        found: list[GraphResult | SearchError | None] = []
        arrays: list[Floats] = []
        skippers: list[BlankSkipper | None] = []
        for i, array in enumerate(scores):
            try:
                checked = check_matrix(array, f"utterance {i}: scores", "columns")
                skippers.append(skipper := self.config._skipper())
                if skipper is not None:
                    try:
                        checked, kept = skipper.kept_of(checked)
                    except SearchError as error:
                        raise SearchError(f"utterance {i}: {error}") from None
                    skipper.take(kept, len(checked))
                arrays.append(checked)
                found.append(None)
            except SearchError as error:
                skippers[i:] = [None]
                found.append(error)
        native = iter(
            _native.graph_search(
                self._graph,
                self._options,
                self.config.acoustic_scale,
                self.config.lattice,
                MAX_MEMORY if self.config.determinize else None,
                arrays,
                check_count(num_threads, "num_threads", 0),
            )
        )
        for i, entry in enumerate(found):
            if entry is None:
                outcome = next(native)
                if isinstance(outcome, str):
                    found[i] = SearchError(f"utterance {i}: {outcome}")
                else:
                    path, lattice, relative_cost, complete = outcome
                    if not complete:
                        warn_incomplete(f"utterance {i}", MAX_MEMORY, self.config.lattice_beam)
                    found[i] = graph_result(path, lattice, relative_cost, self.symbols, skippers[i])
        if errors == "raise":
            for entry in found:
                if isinstance(entry, SearchError):
                    raise entry
        return found

    def stream(self) -> "GraphStream":
        """A search of one utterance that comes in pieces."""
        return GraphStream(self)


_SEARCHES: dict[type, tuple[Any, Any]] = {
    _native.SearchGraph: (_native.GraphPathSearch, _native.GraphLatticeSearch),
    _native.DynamicGraphs: (_native.DynamicPathSearch, _native.DynamicLatticeSearch),
}


def _prepared(graph: Any, columns: Labels | None) -> Any:
    if isinstance(graph, Fst):
        return _native.SearchGraph(graph.native, columns)
    return graph.decoding_graphs(columns)


class GraphStream:
    """The search of one utterance, by any number of frames at a time: any cuts give the same result, bit for
    bit. Made by `GraphSearch.stream`. Calls from several threads wait for each other."""

    def __init__(self, search: GraphSearch):
        self._symbols = search.symbols
        self._skipper = search.config._skipper()
        self._columns = search.num_columns
        self._determinize = search.config.determinize
        self._beam = search.config.lattice_beam
        given = search._graph, search._options, search.config.acoustic_scale
        kinds = _SEARCHES[type(search._graph)]
        self._search: Any = kinds[search.config.lattice](*given)

    def advance(self, scores: Floats) -> None:
        """Takes the next (frames, columns) float32 scores; zero frames are allowed.

        Raises SearchError on NaN and +inf (frames counted from the beginning of the stream), too few columns,
        another shape or dtype, and after `finish`; the search is then as it was.
        """
        checked = check_matrix(scores, "scores", "columns")
        if self._skipper is None:
            self._search.advance(checked)
            return
        rows, kept = self._skipper.kept_of(checked)
        try:
            self._search.advance(rows)
        finally:  # an interruption leaves the frames before it
            self._skipper.take(kept, self._search.frames())

    def advance_by(self, step: Callable[[int, Labels], npt.ArrayLike], frames: int) -> None:
        """Takes the next frames from a function that is asked for what the search needs alone.

        step(frame, columns): the scores of a frame, counted from the beginning of the stream, for those
        columns (ascending) that arcs of tokens alive read: as many float numbers. What it raises comes
        through; the frames before are then taken. Raises SearchError as `advance`, and where blanks are
        skipped.
        """
        if self._skipper is not None:
            raise SearchError("advance_by with skip_blank: blanks are found in whole frames; use advance")
        for _ in range(check_count(frames, "frames", 0)):
            columns: Labels = self._search.columns_read()
            asked = np.asarray(step(self.frames, columns), np.float32)
            if asked.shape != columns.shape:
                raise SearchError(
                    f"step: found scores of shape {asked.shape}, expected one for each of "
                    f"{len(columns)} columns"
                )
            row = np.full((1, max(self._columns, 1)), -np.inf, np.float32)
            row[0, columns] = asked
            self._search.advance(row)

    def finish(self) -> None:
        """No frames follow: the lattice is pruned with the final costs of the graph."""
        self._search.finish()

    @property
    def frames(self) -> int:
        return self._search.frames() if self._skipper is None else self._skipper.frames

    @property
    def final_relative_cost(self) -> float:
        """How much worse the best path to a final state is than the best path; infinite if there is none."""
        return self._search.final_relative_cost()

    @property
    def reached_final(self) -> bool:
        return self.final_relative_cost != float("inf")

    def result(self, use_final: bool = True) -> GraphResult:
        """The best path of all frames so far, without a lattice. Changes nothing.

        `use_final`: with the final costs of the graph if a final state has been reached; while more words are
        to come, False is what one wants. Raises SearchError for False after `finish`.
        """
        path: Any = self._search.best_path(use_final)
        return graph_result(path, None, self.final_relative_cost, self._symbols, self._skipper)

    def lattice(self, use_final: bool = True, beam: float = float("inf")) -> Fst:
        """The lattice of all frames so far, of what is within `beam` of the best path (as far as that has
        been pruned so far). Without states where no token survived. Changes nothing.

        Raises SearchError where the configuration keeps no lattice, where it has a cycle (of epsilon arcs),
        and for `use_final=False` after `finish`.
        """
        if not hasattr(self._search, "raw_lattice"):
            raise SearchError("this search keeps no lattice; make it with GraphSearchConfig(lattice=True)")
        lattice = Fst.of_native(self._search.raw_lattice(use_final, beam))
        if self._determinize:
            lattice = Lattice(lattice).determinize(min(beam, self._beam)).fst
        lattice.output_symbols = self._symbols
        return lattice

    def trailing_frames(self, silence: Sequence[bool] | npt.NDArray[np.bool_]) -> int:
        """Frames at the end of the best path that say silence: `silence[label]` says which input labels do.

        With `frames`, `final_relative_cost` and `endpoint_detected`, this tells when an utterance has ended.
        """
        mask = np.ascontiguousarray(silence, np.bool_).astype(np.uint8)
        searched = self._search.trailing(mask, self._search.finished())
        return searched if self._skipper is None else self._skipper.trailing(searched)
