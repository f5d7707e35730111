"""Graphs of transcripts, by PyKaldi's names (Kaldi's `decoder/training-graph-compiler`)."""

from collections.abc import Iterable, Sequence
from typing import Any

from sonant.errors import FstError
from sonant.fst.graphs import TrainingGraphs
from sonant.kaldi.fstext.kinds import StdVectorFst
from sonant.kaldi.hmm.transition import TransitionModel
from sonant.kaldi.util.options import Options, option


class TrainingGraphCompilerOptions(Options):
    transition_scale: float = option(1.0, "transition-scale", "Scale of transition probabilities")
    self_loop_scale: float = option(1.0, "self-loop-scale", "Scale of the probabilities of self-loops")
    reorder: bool = option(True, "reorder", "Self-loops come after the transition that leaves their state")
    rm_eps: bool = option(False, "rm-eps", "Remove local epsilons after disambiguation symbols")


class TrainingGraphCompiler:
    """Makes the graphs HCLG of transcripts; many at once are made in parallel."""

    def __init__(
        self,
        trans_model: TransitionModel,
        ctx_dep: Any,
        lex_fst: StdVectorFst,
        disambig_syms: Iterable[int],
        opts: TrainingGraphCompilerOptions,
    ):
        """`lex_fst`, the lexicon L from phones to words, stays as it is (PyKaldi's compiler changes it).

        Raises FstError where a disambiguation symbol is a phone of the model.
        """
        self._graphs = TrainingGraphs(
            trans_model,
            ctx_dep,
            lex_fst.to_fst(),
            disambig_syms,
            opts.transition_scale,
            opts.self_loop_scale,
            opts.reorder,
            opts.rm_eps,
        )

    def compile_graph(self, word_fst: StdVectorFst) -> StdVectorFst:
        """The graph of a weighted acceptor of words. Raises FstError where no path of it can be spelled."""
        return self.compile_graphs([word_fst])[0]

    def compile_graphs(self, word_fsts: Sequence[StdVectorFst]) -> list[StdVectorFst]:
        if wrong := [fst for fst in word_fsts if not isinstance(fst, StdVectorFst)]:
            raise FstError(f"a {type(wrong[0]).__name__} of words; expected a StdVectorFst")
        made = self._graphs.of_words([fst.to_fst() for fst in word_fsts])
        return [StdVectorFst.of_native(graph.native) for graph in made]

    def compile_graph_from_text(self, transcript: Sequence[int]) -> StdVectorFst:
        """The graph of a sequence of words. Raises FstError for a word that the lexicon does not have."""
        return self.compile_graphs_from_text([transcript])[0]

    def compile_graphs_from_text(self, transcripts: Sequence[Sequence[int]]) -> list[StdVectorFst]:
        made = self._graphs.of_transcripts(transcripts)
        return [StdVectorFst.of_native(graph.native) for graph in made]
