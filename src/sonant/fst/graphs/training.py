"""Graphs of transcripts, for alignment and training (Kaldi's `decoder/training-graph-compiler`)."""

from collections.abc import Iterable, Sequence

import numpy as np

from sonant.errors import FstError
from sonant.fst.algorithms import remove_eps_local
from sonant.fst.automaton import Fst
from sonant.fst.composition import DELTA, compose, determinize_star, minimize_encoded
from sonant.fst.graphs.context import InverseContext, add_subsequential_loop
from sonant.fst.graphs.hclg import without_symbols
from sonant.fst.graphs.hmm import DecisionTree, TransitionModel, add_self_loops, h_transducer


class TrainingGraphs:
    """Makes graphs over transition-ids of transcripts, or of automata over words.

    A graph is H o C o L o G, where G accepts the words: deterministic, with the probabilities of paths added
    up, minimal, and with self-loops. Several transcripts share C and H, and are worked on in parallel.
    """

    def __init__(
        self,
        transition_model: TransitionModel,
        tree: DecisionTree,
        lexicon: Fst,
        disambig: Iterable[int] = (),
        transition_scale: float = 1.0,
        self_loop_scale: float = 1.0,
        reorder: bool = True,
        rm_eps: bool = False,
    ):
        """`lexicon` is L, from phones to words; `disambig` its disambiguation symbols, if it has any.

        `rm_eps` removes local epsilons after them. Raises FstError where a disambiguation symbol is a phone
        of the model, and for an empty lexicon.
        """
        self._model, self._tree = transition_model, tree
        self._scales = transition_scale, self_loop_scale
        self._reorder, self._rm_eps = reorder, rm_eps
        self._phones = np.flatnonzero(transition_model.tables().entry_of >= 0)
        self._disambig = sorted(set(disambig))
        if lexicon.start < 0:
            raise FstError("the lexicon has no start state: is it empty?")
        context = self._context()
        if context.looks_ahead:
            lexicon = add_subsequential_loop(lexicon, context.subsequential)
        self._lexicon = lexicon.copy().arc_sort("olabel")
        self._words = np.unique(lexicon.arcs["olabel"])

    def _context(self) -> InverseContext:
        width, central = self._tree.context_width(), self._tree.central_position()
        return InverseContext(self._phones.tolist(), self._disambig, width, central)

    def of_transcripts(self, transcripts: Sequence[Sequence[int]]) -> list[Fst]:
        """A graph for each sequence of words. Raises FstError for a word that the lexicon does not have."""
        return self.of_words([_chain(words) for words in transcripts])

    def of_words(self, words: Sequence[Fst]) -> list[Fst]:
        """A graph for each acceptor of words. Raises FstError where no path of one is in the lexicon."""
        if not words:
            return []
        context = self._context()
        with_phones = [compose(self._lexicon, one) for one in words]
        for number, (lg, one) in enumerate(zip(with_phones, words, strict=True)):
            if lg.start < 0:
                raise FstError(self._why_empty(number, one))
        in_context = [context.compose(lg, ended=True) for lg in with_phones]
        h, symbols = h_transducer(context.labels, self._tree, self._model, self._scales[0])
        graphs = [compose(h, clg.arc_sort("ilabel")) for clg in in_context]
        graphs = determinize_star(graphs, DELTA, use_log=True)
        if symbols:
            graphs = [without_symbols(graph, symbols) for graph in graphs]
            if self._rm_eps:
                graphs = [remove_eps_local(graph) for graph in graphs]
        graphs = minimize_encoded(graphs)
        return [add_self_loops(graph, self._model, (), self._scales[1], self._reorder) for graph in graphs]

    def _why_empty(self, number: int, words: Fst) -> str:
        unknown = np.setdiff1d(words.arcs["ilabel"], [*self._words, 0])
        if len(unknown):
            listed = ", ".join(map(str, unknown[:5].tolist()))
            return f"transcript {number}: the lexicon does not have the words {listed}; map them to its <unk>"
        return f"transcript {number}: no path through the lexicon spells it"


def _chain(words: Sequence[int]) -> Fst:
    """An acceptor of one sequence."""
    labels = np.asarray(words, np.int32).reshape(-1)
    states = np.arange(len(labels) + 1, dtype=np.int32)
    finals = np.full(len(states), np.inf, np.float32)
    finals[-1] = 0
    return Fst.from_arrays(
        0, finals, states[:-1], labels, labels, np.zeros(len(labels), np.float32), states[1:]
    )
