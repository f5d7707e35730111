"""Graphs with sub-graphs that are replaced while a service runs: names of an address book, say."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeAlias

from sonant import _native
from sonant.errors import SearchError
from sonant.fst import Fst, SymbolTable
from sonant.fst.graphs.lexicon import Lexicon
from sonant.search.dynamic import CACHE

Phrases: TypeAlias = Iterable[str] | Mapping[str, float]


def phrase_graph(phrases: Phrases, lexicon: Lexicon, tokens: SymbolTable, words: SymbolTable) -> Fst:
    """A graph that says one of the phrases: a tree of tokens, with the words where they begin.

    phrases: words parted by blanks; with a mapping each one's weight, in proportion. tokens, words: what the
    lexicon's phones and words are called in the graph. A word with several pronunciations is as probable in
    each. Raises SearchError, which names it, where a word is in neither lexicon nor table, a token is not in
    its table, a phrase is empty or a weight is not positive.
    """
    weights = dict(phrases) if isinstance(phrases, Mapping) else dict.fromkeys(phrases, 1.0)
    said: dict[str, list[tuple[str, ...]]] = {}
    for entry in lexicon.pronunciations:
        said.setdefault(entry.word, []).append(entry.phones)
    total = math.fsum(weights.values())
    tree: list[dict[tuple[int, int], int]] = [{}]
    finals: list[float] = [math.inf]
    for phrase, weight in weights.items():
        if not weight > 0 or not math.isfinite(weight):
            raise SearchError(f"phrase {phrase!r}: its weight is {weight}; expected a positive number")
        if not phrase.split():
            raise SearchError(f"phrase {phrase!r}: no words; expected one at least")
        states = [0]
        for word in phrase.split():
            label = words.find(word)
            if word not in said:
                raise SearchError(f"phrase {phrase!r}: the word {word!r} is not in the lexicon; add it there")
            if label is None:
                raise SearchError(
                    f"phrase {phrase!r}: the word {word!r} is not in the table of words; add it there"
                )
            states = [
                _walk(tree, finals, state, labels, label)
                for labels in (_labels(phones, tokens, word) for phones in said[word])
                for state in states
            ]
        for state in states:
            finals[state] = min(finals[state], math.log(total / weight))
    rows = [(state, i, o, to) for state, arcs in enumerate(tree) for (i, o), to in arcs.items()]
    source, ilabel, olabel, to = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Fst.from_arrays(0, finals, source, ilabel, olabel, [0.0] * len(rows), to)


def _labels(phones: tuple[str, ...], tokens: SymbolTable, word: str) -> list[int]:
    labels = []
    for phone in phones:
        label = tokens.find(phone)
        if label is None:
            raise SearchError(f"the word {word!r}: its token {phone!r} is not in the table of tokens")
        labels.append(label)
    if not labels:
        raise SearchError(f"the word {word!r} has no tokens")
    return labels


def _walk(
    tree: list[dict[tuple[int, int], int]], finals: list[float], state: int, labels: list[int], word: int
) -> int:
    for k, label in enumerate(labels):
        key = label, word if k == 0 else 0
        if key not in tree[state]:
            tree[state][key] = len(tree)
            tree.append({})
            finals.append(math.inf)
        state = tree[state][key]
    return state


class GrammarGraph:
    """A decoding graph with sub-graphs, which are put in their places as a search meets them.

    top: arcs whose input label is the name of a sub-graph stand for it. subgraphs: each by its name, which is
    looked up in `labels`, else in the top graph's input symbols (as it is, or with `#nonterm:` before it). A
    sub-graph may be an Fst or, where there is a `lexicon`, phrases (see `phrase_graph`; tokens and words are
    the top graph's symbols). They may contain each other, but not in a circle.
    ctc_blank: the input label of the blank, where graphs are of tokens and scores of CTC: between frames and
    tokens stands then the standard topology, across the borders of sub-graphs, too.

    >>> grammar = GrammarGraph(top, {"contacts": ["anna", "bob"]}, lexicon=lexicon, ctc_blank=1)
    >>> GraphSearch(grammar.replaced("contacts", ["carol"])).search(scores)
    """

    def __init__(
        self,
        top: Fst,
        subgraphs: Mapping[str, Fst | Phrases],
        *,
        labels: Mapping[str, int] | None = None,
        lexicon: Lexicon | None = None,
        ctc_blank: int | None = None,
        max_bytes: int = CACHE,
    ):
        """Raises SearchError, which names the sub-graph, where one has no label, its arcs are not of type
        standard, or it contains itself, and where the blank's label is that of something else."""
        if max_bytes <= 0:
            raise SearchError(f"max_bytes={max_bytes}; expected a positive number")
        self._top, self._lexicon, self._blank, self._max_bytes = top, lexicon, ctc_blank, max_bytes
        self._used = {"": _labels_of(top, "the top graph")}
        self._labels = {name: self._label(name, labels or {}) for name in subgraphs}
        self._graphs = {name: self._graph(name, given) for name, given in subgraphs.items()}
        for name, graph in self._graphs.items():
            self._used[name] = _labels_of(graph, f"sub-graph {name!r}")
        self._check()

    def _label(self, name: str, labels: Mapping[str, int]) -> int:
        found = labels.get(name)
        for spelling in (name, f"#nonterm:{name}"):
            if found is None and self._top.input_symbols is not None:
                found = self._top.input_symbols.find(spelling)
        if found is None or found <= 0:
            raise SearchError(
                f"sub-graph {name!r}: no input label; give it by labels={{{name!r}: ...}}, or in the input "
                "symbols of the top graph"
            )
        return found

    def _graph(self, name: str, given: Fst | Phrases) -> Fst:
        if isinstance(given, Fst):
            return given
        tokens, words = self._top.input_symbols, self._top.output_symbols
        if self._lexicon is None or tokens is None or words is None:
            raise SearchError(
                f"sub-graph {name!r}: phrases need a lexicon and a top graph with input and output symbols; "
                "give these, or an Fst"
            )
        return phrase_graph(given, self._lexicon, tokens, words)

    def _check(self) -> None:
        names = {label: name for name, label in self._labels.items()}
        if len(names) != len(self._labels):
            raise SearchError(f"two sub-graphs have one label: {self._labels}")
        if self._blank is not None and (
            self._blank <= 0
            or self._blank in names
            or any(self._blank in used for used in self._used.values())
        ):
            raise SearchError(
                f"ctc_blank={self._blank}; expected a positive label that no arc of the graphs has (they are "
                "of tokens, the blank comes between them by itself)"
            )
        done: set[str] = set()

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                circle = " in ".join(repr(part) for part in (*above[above.index(name) :], name)[::-1])
                raise SearchError(
                    f"sub-graphs contain each other in a circle: {circle}; take one of them out"
                )
            if name in done:
                return
            for label in self._used[name] & names.keys():
                visit(names[label], (*above, name))
            done.add(name)

        for name in self._used:
            visit(name, ())

    def replaced(self, name: str, graph: Fst | Phrases) -> Self:
        """The same grammar with another sub-graph of that name; the others are shared. Raises SearchError as
        when it is made, and where there is no sub-graph of that name."""
        if name not in self._graphs:
            raise SearchError(
                f"no sub-graph {name!r}; there are {', '.join(map(repr, self._graphs)) or 'none'}"
            )
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._graphs = {**self._graphs, name: self._graph(name, graph)}
        made._used = {**self._used, name: _labels_of(made._graphs[name], f"sub-graph {name!r}")}
        made._check()
        return made

    @property
    def arc_type(self) -> str:
        return self._top.arc_type

    @property
    def output_symbols(self) -> SymbolTable | None:
        return self._top.output_symbols

    def decoding_graphs(self, columns: Any) -> "_native.DynamicGraphs":
        """For GraphSearch."""
        reads = set[int]().union(*self._used.values()) - set(self._labels.values())
        if self._blank is not None:
            reads.add(self._blank)
        return _native.DynamicGraphs.grammar(
            [self._top.native, *(graph.native for graph in self._graphs.values())],
            list(self._labels.values()),
            sorted(reads),
            self._blank or 0,
            self._max_bytes,
            columns,
        )


def _labels_of(graph: Any, what: str) -> frozenset[int]:
    if not isinstance(graph, Fst):
        raise SearchError(f"{what}: found a {type(graph).__name__}, expected an Fst")
    if graph.arc_type != "standard":
        raise SearchError(f"{what}: arcs of type {graph.arc_type}; expected standard (tropical)")
    return frozenset(_native.graph_labels(graph.native))
