"""Decoding graphs whose states are made as a search meets them."""

from typing import Any

from sonant import _native
from sonant.errors import SearchError
from sonant.fst import Fst, OnDemand, SymbolTable

CACHE = 1 << 26


class LmGraph:
    """A decoding graph composed with a language model on the fly (Kaldi's decoders for big models): the words
    of the graph go through `lm`, whose costs are added.

    `lm` is usually the difference of two models: what a larger one says, less what the graph was made with.

    >>> lm = OnDemand.composed(OnDemand.scaled(-1, OnDemand.backoff(old)), OnDemand.const_arpa(new))
    >>> search = GraphSearch(LmGraph(Fst.read("HCLG.fst"), lm))

    Each utterance has states of its own, so results do not depend on what else is searched; `max_bytes` of
    arcs are kept for it. Words that the model has not cannot be said. `min_active` counts nothing where there
    is a lattice, as in Kaldi.
    """

    def __init__(self, graph: Fst, lm: OnDemand, *, max_bytes: int = CACHE):
        """Raises SearchError where these are something else, or the graph's arcs are not of type standard."""
        if not isinstance(graph, Fst):
            raise SearchError(f"graph: found a {type(graph).__name__}, expected an Fst")
        if graph.arc_type != "standard":
            raise SearchError(f"a graph with arcs of type {graph.arc_type}; expected standard (tropical)")
        if not isinstance(lm, OnDemand):
            raise SearchError(f"lm: found a {type(lm).__name__}, expected an OnDemand of sonant.fst")
        if max_bytes <= 0:
            raise SearchError(f"max_bytes={max_bytes}; expected a positive number")
        self.graph, self.lm, self.max_bytes = graph, lm, max_bytes

    @property
    def arc_type(self) -> str:
        return self.graph.arc_type

    @property
    def output_symbols(self) -> SymbolTable | None:
        return self.graph.output_symbols

    def decoding_graphs(self, columns: Any) -> "_native.DynamicGraphs":
        """For GraphSearch."""
        return _native.DynamicGraphs.with_lm(self.graph.native, self.lm.native, self.max_bytes, columns)
