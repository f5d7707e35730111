"""Recognition over a decoding graph: which graph is searched, which reading of its lattice is taken, and what
that says in words and times."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from sonant.errors import ConfigError
from sonant.fst import NgramLm, SymbolTable
from sonant.search import (
    GraphPath,
    GraphSearch,
    GraphStream,
    Hypothesis,
    TransducerGraph,
    TransducerGraphStream,
    nbest_by_total,
    nbest_rescoring,
    whole_lattice_rescoring,
)
from sonant.search.scores import Floats, check_count
from sonant.text import Word

Method = Literal["one-best", "nbest", "nbest-rescoring", "whole-lattice-rescoring"]


@dataclass(frozen=True)
class GraphDecoding:
    """A `decoder` of `Model.transcribe`: search over a graph, with the head that the graph is of.

    The best path (`one-best`); of the `nbest` best readings that with the most probable sum of paths
    (`nbest`), or with the best score by network and `lm` (`nbest-rescoring`); or the best of the whole
    lattice by these two (`whole-lattice-rescoring`). What a stream says before its end is the best path.

    Raises ConfigError for a method that is none, and for rescoring without a model.
    """

    graph: GraphSearch | TransducerGraph
    """Of the CTC head (labels are tokens + 1, as of `compose_tlg`), or of the transducer."""
    method: Method = "one-best"
    nbest: int = 100
    lm: NgramLm | None = None
    lm_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ConfigError(f"method={self.method!r}: expected one of {', '.join(get_args(Method))}")
        if self.method.endswith("rescoring") != (self.lm is not None):
            found = "none" if self.lm is None else repr(self.lm)
            raise ConfigError(
                f"method={self.method!r}, lm: found {found}; expected a language model with the methods of "
                "rescoring, and none with others"
            )
        check_count(self.nbest, "nbest")
        lattice = not isinstance(self.graph, GraphSearch) or self.graph.config.lattice
        if self.method != "one-best" and not lattice:
            raise ConfigError(
                f"method={self.method!r}: the search keeps no lattice; expected "
                "GraphSearchConfig(lattice=True)"
            )

    def search(self) -> "LatticeSearch":
        return LatticeSearch(self, self.graph.stream())


class LatticeSearch:
    """One recording being searched; `hypotheses` as of the other searches."""

    def __init__(self, decoding: GraphDecoding, stream: GraphStream | TransducerGraphStream):
        self.decoding, self.stream = decoding, stream

    @property
    def symbols(self) -> SymbolTable | None:
        return self.decoding.graph.symbols

    def advance(self, scores: Floats) -> None:
        """Of a graph of the CTC head: the next (frames, tokens)."""
        assert isinstance(self.stream, GraphStream)
        self.stream.advance(scores)

    def hypotheses(self, nbest: int = 1, *, final: bool = False) -> list[Hypothesis]:
        """At least one; the words of each are those of the graph."""
        method = self.decoding.method
        if not final or (method == "one-best" and nbest == 1):
            result = self.stream.result(final)
            return [self._hypothesis(result.path, -result.cost)]
        lattice = self.stream.lattice()
        count = max(nbest, self.decoding.nbest)
        if method == "one-best":
            found = nbest_by_total(lattice, nbest)
            found.sort(key=lambda reading: reading.path.cost)
        elif method == "nbest":
            found = nbest_by_total(lattice, count)
        else:
            assert self.decoding.lm is not None
            found = nbest_rescoring(lattice, self.decoding.lm, count, self.decoding.lm_weight)
            if method == "whole-lattice-rescoring":
                best = whole_lattice_rescoring(lattice, self.decoding.lm, self.decoding.lm_weight)
                if best is not None:
                    found = [best, *(reading for reading in found if reading.words != best.words)]
        if not found:
            return [self._hypothesis(None, -math.inf)]
        return [self._hypothesis(reading.path, reading.score) for reading in found[:nbest]]

    def _hypothesis(self, path: GraphPath | None, score: float) -> Hypothesis:
        if path is None:
            return Hypothesis((), (), (), (), -math.inf)
        graph = self.decoding.graph
        scale = graph.config.acoustic_scale if isinstance(graph, GraphSearch) else 1.0
        return hypothesis_of(path, self.symbols, score, scale, runs=isinstance(graph, GraphSearch))


def hypothesis_of(
    path: GraphPath, symbols: SymbolTable | None, score: float, scale: float, *, runs: bool
) -> Hypothesis:
    """A path in tokens and words. A word's tokens are those from the frame of its arc on, up to the next
    word's. runs: equal labels one after another are one token (CTC)."""
    emitting = path.input_labels != 0
    labels = path.input_labels[emitting] - 1
    log_probs = -path.acoustic_costs[emitting] / (scale or 1.0)
    # A token begins where a label other than the blank comes, and with runs one that is new.
    begins = labels != 0
    if runs and len(labels):
        begins &= np.append(True, labels[1:] != labels[:-1])
    starts = np.flatnonzero(begins)
    if runs:
        changes = np.append(np.flatnonzero(labels[1:] != labels[:-1]) + 1, len(labels))
        ends = changes[np.searchsorted(changes, starts, side="right")]
    else:
        ends = starts + 1
    best = [float(min(0.0, log_probs[a:b].max())) for a, b in zip(starts, ends, strict=True)]
    said = np.flatnonzero(path.output_labels)
    frames = (np.cumsum(emitting) - emitting)[said]
    word_ends = [int(np.searchsorted(starts, frame)) for frame in frames[1:]] + [len(starts)] * (
        len(said) > 0
    )
    return Hypothesis(
        tuple(labels[starts].tolist()),
        tuple(starts.tolist()),
        tuple(ends.tolist()),
        tuple(best),
        score,
        -float(path.acoustic_costs.sum(dtype=np.float64)),
        words=tuple(_name(symbols, int(word)) for word in path.output_labels[said]),
        word_ends=tuple(word_ends),
    )


def _name(symbols: Any, word: int) -> str:
    name = None if symbols is None else symbols.symbol(word)
    return str(word) if name is None else name


def words_of(
    hypothesis: Hypothesis, starts: list[float], ends: list[float], confidences: list[float]
) -> tuple[Word, ...]:
    """The words of a graph with the times of their tokens, in seconds; one without tokens of its own stands
    where the one before ends, and is as sure as that."""
    words: list[Word] = []
    begin = 0
    for text, end in zip(hypothesis.words, hypothesis.word_ends, strict=True):
        if end > begin:
            sure = sum(confidences[begin:end]) / (end - begin)
            words.append(Word(text, starts[begin], ends[end - 1], sure))
        else:
            at = words[-1].end if words else 0.0
            words.append(Word(text, at, at, words[-1].confidence if words else 0.0))
        begin = max(begin, end)
    return tuple(words)
