"""How a model searches: the options of every command that runs one."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from sonant.errors import ConfigError

if TYPE_CHECKING:
    from sonant.fst import Fst
    from sonant.fst.graphs import Lexicon
    from sonant.model import GraphDecoding, Model
    from sonant.search import Fusion

File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Arpa = Annotated[Path | None, tyro.conf.arg(metavar="ARPA")]

# What is searched, and which reading of the lattice is taken.
_OVER_GRAPHS = {
    "one-best": ("ctc", "one-best"),
    "nbest": ("ctc", "nbest"),
    "nbest-rescoring": ("ctc", "nbest-rescoring"),
    "whole-lattice-rescoring": ("ctc", "whole-lattice-rescoring"),
    "fast-beam": ("loop", "one-best"),
    "fast-beam-nbest": ("loop", "nbest"),
    "fast-beam-lg": ("lg", "one-best"),
    "fast-beam-nbest-lg": ("lg", "nbest"),
}


@dataclass(frozen=True)
class SearchOptions:
    """How a model searches, for every command that runs one."""

    decoder: Literal[
        "greedy",
        "beam",
        "modified-beam",
        "time-sync-beam",
        "prefix-beam",
        "one-best",
        "nbest",
        "nbest-rescoring",
        "whole-lattice-rescoring",
        "fast-beam",
        "fast-beam-nbest",
        "fast-beam-lg",
        "fast-beam-nbest-lg",
    ] = "greedy"
    """`greedy`: the best token at every step. `beam`: a beam of hypotheses, `prefix-beam` over CTC scores,
    over a transducer's `modified-beam` (a token a frame) or `time-sync-beam` (several). Over a graph of
    tokens and words, CTC: `one-best`, `nbest`, `nbest-rescoring`, `whole-lattice-rescoring`; a transducer:
    `fast-beam` (any tokens), `fast-beam-lg` (words of a language model), and the same by sums over paths:
    `fast-beam-nbest`, `fast-beam-nbest-lg`."""

    beam: int = 4
    """Hypotheses that the beam keeps."""

    max_symbols: int = 3
    """Tokens that `greedy` of a transducer and `time-sync-beam` say in one frame, at most."""

    head: Literal["ctc", "transducer"] | None = None
    """The scores to search; without it those of the decoder, or the model's own choice."""

    hot_words: File = None
    """Phrases to look out for, one a line, maybe with a tab and a boost."""

    hot_word_boost: float = 5.0
    """What a phrase without its own boost adds to the score where it is said, in nats."""

    lm: Arpa = None
    """An n-gram model of words, plain or gzip, in the case that the model writes: fused with a beam; G of a
    graph that is made of it and --words."""

    lm_weight: float = 0.5
    """What log-probabilities of a fused model are multiplied by."""

    token_lm: Arpa = None
    """An n-gram model of the model's tokens rather than words, to fuse with a beam."""

    lodr: Arpa = None
    """A token n-gram model of the training texts (a bigram, usually), taken away from --token-lm: low-order
    density ratio."""

    lodr_weight: float = 0.16
    """What its log-probabilities are multiplied by before they are taken away."""

    word_bonus: float = 0.0
    """What each word adds to the score, in nats, with a language model or a list of words."""

    words: File = None
    """The only words that may be said, the first of each line (a lexicon will do)."""

    graph: File = None
    """The graph of a decoder over graphs: TLG.fst of `sonant graph` (labels: tokens + 1), LG.fst for
    transducers (labels: tokens), with its table of words inside or as words.txt beside it. Without it one is
    made of --words and --lm."""

    graph_scale: float = 1.0
    """What the costs of the graph of a transducer are multiplied by."""

    search_beam: float = 20.0
    """Over graphs: how much worse than the best path of a frame others may be, in nats."""

    max_states: int = 64
    """Over graphs of a transducer: states that are followed in a frame."""

    max_contexts: int = 8
    """Over graphs of a transducer: contexts that the network is asked for in a frame."""

    nbest: int = 100
    """Over graphs: readings that nbest decoders compare."""

    rescore_lm: Arpa = None
    """The model of words of nbest-rescoring and whole-lattice-rescoring."""

    rescore_weight: float = 1.0
    """What its log-probabilities are multiplied by."""

    def of(self, model: "Model") -> dict[str, Any]:
        """As `Model.transcribe` takes them: files are read, and what they say fits the model."""
        files = self.hot_words, self.lm, self.token_lm, self.lodr, self.words, self.graph, self.rescore_lm
        for path in files:
            if path is not None and not path.is_file():
                raise ConfigError(f"{path}: no such file")
        over_graph = self.decoder in _OVER_GRAPHS
        for name, value in (("graph", self.graph), ("rescore-lm", self.rescore_lm)):
            if value is not None and not over_graph:
                raise ConfigError(
                    f"--{name} {value}, --decoder {self.decoder}: expected one of {', '.join(_OVER_GRAPHS)}"
                )
        found: dict[str, Any] = {"decoder": self.decoder, "head": self.head}
        if over_graph:
            found["decoder"] = self._graph_decoding(model)
            for name, value in (("token-lm", self.token_lm), ("lodr", self.lodr)):
                if value is not None:
                    raise ConfigError(f"--{name} {value}: expected a beam to fuse it with, not a graph")
        else:
            found |= {"beam": self.beam, "max_symbols": self.max_symbols}
            if any(path is not None for path in (self.lm, self.words, self.token_lm, self.lodr)):
                found["fusion"] = self._fusion(model)
        if self.hot_words is not None:
            from sonant.search import HotWords

            found["hot_words"] = model.spell(HotWords.read(self.hot_words, self.hot_word_boost))
        return found

    def _fusion(self, model: "Model") -> "Fusion":
        from sonant.fst import NgramLm
        from sonant.search import Fusion

        make = partial(
            Fusion,
            model.tokens.pieces,
            None if self.words is None else self._lexicon(model),
            lm_weight=self.lm_weight,
            word_bonus=self.word_bonus,
        )
        if self.token_lm is None:
            if self.lodr is not None:
                raise ConfigError(f"--lodr {self.lodr}: expected --token-lm too, of which it is taken away")
            return make(lm=None if self.lm is None else NgramLm.read(self.lm))
        if self.lm is not None:
            raise ConfigError(f"--lm {self.lm}, --token-lm {self.token_lm}: expected one of them")
        if self.lodr is None:
            return make(lm=NgramLm.read(self.token_lm), lm_unit="token")
        if self.lm_weight <= 0:
            raise ConfigError(f"--lm-weight {self.lm_weight} with --lodr: expected more than 0")
        from sonant.search import density_ratio

        lm = NgramLm.read(self.token_lm)
        source = NgramLm.read(self.lodr, lm.symbols)
        ratio = density_ratio(lm, source, self.lodr_weight / self.lm_weight)
        return make(lm=ratio, symbols=lm.symbols, lm_unit="token")

    def _lexicon(self, model: "Model") -> "Lexicon":
        from sonant.fst.graphs import Lexicon

        assert self.words is not None
        words = Lexicon.read(self.words, allow_empty=True).words
        spelled = {word: model.tokens.encode(word) for word in words}
        unknown = [word for word, ids in spelled.items() if not ids or 1 in ids]
        if unknown:
            raise ConfigError(
                f"{self.words}: {len(unknown)} of {len(words)} words have characters that the model does "
                f"not write: {', '.join(unknown[:10])}; expected words such as {model.config.name} writes"
            )
        pieces = model.tokens.pieces
        return Lexicon.spelled(words, lambda word: [pieces[i] for i in spelled[word]], str(self.words))

    def _graph_decoding(self, model: "Model") -> "GraphDecoding":
        from sonant.fst import NgramLm
        from sonant.model import GraphDecoding
        from sonant.search import (
            GraphSearch,
            GraphSearchConfig,
            TransducerGraph,
            TransducerGraphConfig,
            token_loop,
        )

        kind, method = _OVER_GRAPHS[self.decoder]
        if method.endswith("rescoring") != (self.rescore_lm is not None):
            raise ConfigError(
                f"--decoder {self.decoder}, --rescore-lm {self.rescore_lm}: expected a language model with "
                "the decoders of rescoring, and none with others"
            )
        size = len(model.tokens)
        if kind == "ctc":
            beam = GraphSearchConfig(beam=self.search_beam, lattice=method != "one-best")
            graph = GraphSearch(self._graph(model), beam)
        else:
            limits = TransducerGraphConfig(
                self.search_beam, self.max_states, self.max_contexts, self.graph_scale
            )
            of_words = kind == "lg"
            if not of_words and self.graph is not None:
                raise ConfigError(
                    f"--graph {self.graph}, --decoder {self.decoder}: expected --decoder {self.decoder}-lg"
                )
            made = self._graph(model) if of_words else token_loop(size)
            graph = TransducerGraph(made, size, limits, context_size=model.config.context)
        lm = None if self.rescore_lm is None else NgramLm.read(self.rescore_lm)
        return GraphDecoding(graph, method, self.nbest, lm, self.rescore_weight)  # pyright: ignore[reportArgumentType]

    def _graph(self, model: "Model") -> "Fst":
        from sonant.fst import Fst, SymbolTable
        from sonant.fst.graphs import compose_tlg, compose_token_lg

        if self.graph is not None:
            graph = Fst.read(self.graph)
            words = self.graph.parent / "words.txt"
            if graph.output_symbols is None and words.is_file():
                graph.output_symbols = SymbolTable.read(words)
            if graph.output_symbols is None:
                raise ConfigError(f"{self.graph}: no table of its words; expected one inside, or {words}")
            return graph
        if self.words is None or self.lm is None:
            raise ConfigError(f"--decoder {self.decoder}: expected --graph, or --words and --lm")
        compose = compose_tlg if _OVER_GRAPHS[self.decoder][0] == "ctc" else compose_token_lg
        return compose(model.tokens.pieces, self._lexicon(model), self.lm)
