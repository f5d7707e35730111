"""Model = features + network + search + tokens."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast, get_args, overload

import numpy as np

from sonant import audio
from sonant.audio import Source
from sonant.errors import ConfigError, ModelError, SearchError
from sonant.features import Fbank
from sonant.model.alignment import TextSearch, spell
from sonant.model.bundle import BUNDLED, TOKENS, Bundle, BundleConfig, Head, Precision
from sonant.model.graph_decoding import GraphDecoding, LatticeSearch, words_of
from sonant.model.network import Network, Scorer
from sonant.model.recognition import Recognition, Search
from sonant.search import (
    AlignmentConfig,
    CtcGreedy,
    CtcPrefixBeam,
    Fusion,
    HotWords,
    Hypothesis,
    TransducerBeam,
    TransducerGraph,
    TransducerGraphStream,
    TransducerGreedy,
    TransducerTimeSyncBeam,
    advance_graphs,
    advance_transducers,
)
from sonant.text import Alignment, Tokens, Transcript

Decoder = Literal["greedy", "beam", "modified-beam", "time-sync-beam", "prefix-beam"]
# Whose scores a decoder is of, where it says so.
_HEADS: dict[str, Head] = {
    "modified-beam": "transducer",
    "time-sync-beam": "transducer",
    "prefix-beam": "ctc",
}
Phrases = HotWords | Mapping[str, float]
# Streams whose steps share one run of the network: more would not be faster on a few cores.
BATCH = 8
BLOCK_SECONDS = 30.0


class Model:
    """Recognises recordings and streams. Safe to share between threads. Made by `sonant.load()`."""

    def __init__(self, config: BundleConfig, tokens: Tokens, network: Scorer, path: Path, precision: str):
        """path: of the folder that it is from. precision: of its weights, for people to read."""
        if len(tokens) != config.tokens:
            raise ModelError(f"{path}: {TOKENS} has {len(tokens)} tokens, expected {config.tokens}")
        self.config, self.tokens, self.network = config, tokens, network
        self.path, self.precision = path, precision
        self.fbank = Fbank(config.features)

    def __repr__(self) -> str:
        return f"<sonant.Model {self.config.name} ({self.config.language}, {self.precision}) at {self.path}>"

    @property
    def sample_rate(self) -> int:
        """Hz that the features are made for; recordings of any other are resampled."""
        return self.config.sample_rate

    @overload
    def transcribe(
        self,
        source: Source,
        *,
        sample_rate: int | None = ...,
        channel: int | None = ...,
        encoding: str | None = ...,
        decoder: Decoder | GraphDecoding = ...,
        beam: int = ...,
        max_symbols: int = ...,
        head: Head | None = ...,
        alternatives: int = ...,
        fusion: Fusion | None = ...,
        hot_words: Phrases | None = ...,
    ) -> Transcript: ...
    @overload
    def transcribe(
        self,
        source: Sequence[Source],
        *,
        sample_rate: int | None = ...,
        channel: int | None = ...,
        encoding: str | None = ...,
        decoder: Decoder | GraphDecoding = ...,
        beam: int = ...,
        max_symbols: int = ...,
        head: Head | None = ...,
        alternatives: int = ...,
        fusion: Fusion | None = ...,
        hot_words: Phrases | None = ...,
    ) -> Iterator[Transcript]: ...
    def transcribe(
        self,
        source: Source | Sequence[Source],
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        encoding: str | None = None,
        decoder: Decoder | GraphDecoding = "greedy",
        beam: int = 4,
        max_symbols: int = 3,
        head: Head | None = None,
        alternatives: int = 0,
        fusion: Fusion | None = None,
        hot_words: Phrases | None = None,
    ) -> Transcript | Iterator[Transcript]:
        """What is said in a recording, or in each of a list of recordings, in order and as each is done.

        source: a path, bytes of a file, a file object, or samples (with `sample_rate`, Hz); of any length,
        read in blocks. channel: which one of several; the mean of all when None. encoding: for raw PCM, see
        `sonant.audio.load`. decoder, beam, head: the search, its width, and the scores that it reads (None:
        the model's own choice, or that of the search: "modified-beam" is of transducers, "prefix-beam" of
        CTC, a `GraphDecoding` of its graph). max_symbols: tokens that "greedy" of a transducer and
        "time-sync-beam" say in one frame, at most. alternatives: how many other readings to give, of those
        that the search keeps. fusion: a language model, a lexicon (`Fusion(model.tokens.pieces, lm=...)`).
        hot_words: phrases to look out for, with boosts in nats, see `spell`.

        Raises AudioError for what cannot be read. The recordings of a list are recognised together, a few at
        a time.
        """
        several = isinstance(source, list | tuple)
        sources = cast(Sequence[Source], source) if several else [cast(Source, source)]
        # Made here, not in the generator, so that a wrong option is told at once.
        spelled = None if hot_words is None else self.spell(hot_words)
        self._search(decoder, beam, max_symbols, head, fusion, spelled)

        def blocks(one: Source) -> Iterator[np.ndarray]:
            return audio.blocks(
                one,
                sample_rate=sample_rate,
                target_rate=self.sample_rate,
                channel=channel,
                encoding=encoding,
                seconds=BLOCK_SECONDS,
            )

        def recognitions() -> Iterator[tuple[str, Recognition, Iterator[np.ndarray]]]:
            for one in sources:
                name = os.fspath(one) if isinstance(one, str | os.PathLike) else ""
                search = self._search(decoder, beam, max_symbols, head, fusion, spelled)
                yield str(name), Recognition(self, search, self.sample_rate), blocks(one)

        found = self._run(recognitions(), alternatives)
        return found if several else next(found)

    def align(
        self,
        source: Source,
        text: str,
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        encoding: str | None = None,
        head: Head = "ctc",
        config: AlignmentConfig | None = None,
    ) -> Alignment:
        """When each word of a text is said in a recording, and where the two differ.

        source, sample_rate, channel, encoding: as for `transcribe`; of any length, read in blocks, in memory
        that grows with the text alone. text: what was said, words between white space; case and punctuation
        may be any. head: whose scores are aligned; "transducer" takes several times longer, and finds no
        large gaps of the text. config: prices of the search, and its beam.

        Raises TokenError for a text without words, or with characters that the model's tokens lack;
        SearchError where none of it was heard; AudioError for what cannot be read.
        """
        if head not in ("ctc", "transducer"):
            raise ConfigError(f"head={head!r}: expected ctc or transducer")
        spelled = spell(text, self.tokens, self.config.name)
        search = TextSearch(self, spelled, head, config)
        recognition = Recognition(self, search, self.sample_rate)
        for block in audio.blocks(
            source,
            sample_rate=sample_rate,
            target_rate=self.sample_rate,
            channel=channel,
            encoding=encoding,
            seconds=BLOCK_SECONDS,
        ):
            recognition.accept(block)
            self.advance([recognition])
        recognition.end()
        self.advance([recognition])
        name = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
        return search.alignment(self, spelled, recognition.duration, str(name))

    def _run(
        self, incoming: Iterator[tuple[str, Recognition, Iterator[np.ndarray]]], alternatives: int
    ) -> Iterator[Transcript]:
        """Recognises BATCH recordings side by side; a place that becomes free is given to the next one."""
        waiting: list[tuple[str, Recognition]] = []  # in the order of the sources
        live: dict[Recognition, Iterator[np.ndarray]] = {}
        while True:
            while len(live) < BATCH and (entry := next(incoming, None)) is not None:
                name, recognition, blocks = entry
                waiting.append((name, recognition))
                live[recognition] = blocks
            if not waiting:
                return
            for recognition in list(live):
                if recognition.ready:
                    continue
                block = next(live[recognition], None)
                if block is None:
                    recognition.end()
                    del live[recognition]
                else:
                    recognition.accept(block)
            self._step([recognition for _, recognition in waiting if recognition.ready])
            while waiting and waiting[0][1] not in live and not waiting[0][1].ready:
                name, recognition = waiting.pop(0)
                yield self.transcript(recognition, alternatives, name)

    def stream(
        self,
        *,
        sample_rate: int | None = None,
        decoder: Decoder | GraphDecoding = "greedy",
        beam: int = 4,
        max_symbols: int = 3,
        head: Head | None = None,
        fusion: Fusion | None = None,
        hot_words: Phrases | None = None,
    ) -> Recognition:
        """A recording that arrives in pieces, at `sample_rate` Hz (None: the model's own). The other options
        are those of `transcribe`."""
        rate = self.sample_rate if sample_rate is None else sample_rate
        spelled = None if hot_words is None else self.spell(hot_words)
        return Recognition(self, self._search(decoder, beam, max_symbols, head, fusion, spelled), rate)

    def spell(self, hot_words: Phrases) -> HotWords:
        """Hot words in this model's tokens: texts become token ids, in the case that the model writes; tuples
        of ids stay as they are. Whatever takes hot words does this; done before, it is done once.

        A phrase is found where its first word begins; where its last one ends is left open ("york" is in
        "yorkshire" too). Raises SearchError for a phrase with characters that the model does not write.
        """
        phrases = hot_words.phrases if isinstance(hot_words, HotWords) else hot_words
        if not isinstance(phrases, Mapping):
            found = type(hot_words).__name__
            raise SearchError(
                f"hot words: found a {found}, expected HotWords or a mapping of phrases to boosts"
            )
        return HotWords({p if isinstance(p, tuple) else self._spelled(p): b for p, b in phrases.items()})

    def _spelled(self, phrase: str) -> tuple[int, ...]:
        for text in (phrase, phrase.upper(), phrase.lower()):
            ids = self.tokens.encode(text)
            if ids and 1 not in ids:
                return tuple(ids)
        raise SearchError(
            f"hot word {phrase!r}: found characters that {self.config.name} does not write, expected those "
            "of its tokens"
        )

    def advance(self, recognitions: Iterable[Recognition]) -> None:
        """Computes all that the recognitions have been given so far, step by step, together."""
        active = [r for r in recognitions if r.ready]
        while active:
            self._step(active)
            active = [r for r in active if r.ready]

    def _step(self, recognitions: Sequence[Recognition]) -> None:
        if not recognitions:
            return
        scored = self.network.encode(
            [r.next_features() for r in recognitions], [r.state for r in recognitions]
        )
        transducers: list[TransducerGreedy | TransducerBeam | TransducerTimeSyncBeam] = []
        frames: list[np.ndarray] = []
        over_graphs: list[TransducerGraphStream] = []
        graph_frames: list[np.ndarray] = []
        for recognition, (encoded, ctc, state) in zip(recognitions, scored, strict=True):
            recognition.state = state
            valid = recognition.count_valid(len(encoded))
            search = recognition.search
            if isinstance(search, TextSearch):
                search.advance(encoded[:valid], ctc[:valid])
            elif isinstance(search, LatticeSearch) and isinstance(search.stream, TransducerGraphStream):
                over_graphs.append(search.stream)
                graph_frames.append(encoded[:valid])
            elif isinstance(search, CtcGreedy | CtcPrefixBeam | LatticeSearch):
                search.advance(ctc[:valid])
            else:
                transducers.append(search)
                frames.append(encoded[:valid])
        if transducers:
            advance_transducers(self.network.step, transducers, frames)
        if over_graphs:
            advance_graphs(self.network.step, over_graphs, graph_frames)

    def _search(
        self,
        decoder: Decoder | GraphDecoding,
        beam: int,
        max_symbols: int,
        head: Head | None,
        fusion: Fusion | None,
        hot_words: HotWords | None,
    ) -> Search:
        if isinstance(decoder, GraphDecoding):
            return self._graph_search(decoder, head, fusion, hot_words)
        own = _HEADS.get(decoder)
        if head is not None and own is not None and head != own:
            raise ConfigError(f"decoder={decoder!r}, head={head!r}: expected head {own}, or None")
        head = head or own or self.config.head
        context = self.config.context
        match (head, decoder):
            case ("ctc", "greedy"):
                if fusion is not None or hot_words is not None:
                    raise ConfigError(
                        "decoder='greedy', head='ctc': takes the best token of each frame, whatever hot "
                        "words or a language model say; expected decoder='beam' with these"
                    )
                return CtcGreedy()
            case ("ctc", "beam" | "prefix-beam"):
                return CtcPrefixBeam(beam, fusion=fusion, hot_words=hot_words)
            case ("transducer", "greedy"):
                return TransducerGreedy(context, 0, max_symbols, fusion=fusion, hot_words=hot_words)
            case ("transducer", "time-sync-beam"):
                return TransducerTimeSyncBeam(
                    beam, context, 0, max_symbols, fusion=fusion, hot_words=hot_words
                )
            case ("transducer", "beam" | "modified-beam"):
                return TransducerBeam(beam, context, fusion=fusion, hot_words=hot_words)
        raise ConfigError(
            f"decoder={decoder!r}, head={head!r}: expected {', '.join(get_args(Decoder))} or a "
            "GraphDecoding, with ctc, transducer or None"
        )

    def _graph_search(
        self, decoder: GraphDecoding, head: Head | None, fusion: Fusion | None, hot_words: HotWords | None
    ) -> LatticeSearch:
        graph = decoder.graph
        own: Head = "transducer" if isinstance(graph, TransducerGraph) else "ctc"
        if head not in (None, own):
            raise ConfigError(f"a graph of the {own} head, head={head!r}: expected head {own}, or None")
        if fusion is not None or hot_words is not None:
            raise ConfigError(
                "a search over a graph, with fusion or hot words: expected these in the graph, or rescoring"
            )
        if isinstance(graph, TransducerGraph):
            found = f"{graph.tokens} tokens, contexts of {graph.context_size}"
            fits = (graph.tokens, graph.context_size) == (self.config.tokens, self.config.context)
        else:
            found, fits = f"labels of {graph.num_columns} tokens", graph.num_columns <= self.config.tokens
        if not fits:
            raise ConfigError(
                f"a graph with {found}; {self.config.name} has {self.config.tokens}, contexts of "
                f"{self.config.context}"
            )
        return decoder.search()

    def transcript(self, recognition: Recognition, alternatives: int = 0, name: str = "") -> Transcript:
        """What a recognition has found so far."""
        of_graph = isinstance(recognition.search, LatticeSearch) and recognition.search.symbols is not None
        found = [
            self._as_transcript(h, recognition.duration, name, of_graph)
            for h in recognition.hypotheses(1 + alternatives)
        ]
        best, *others = found
        return Transcript(
            text=best.text,
            words=best.words,
            confidence=best.confidence,
            duration=best.duration,
            alternatives=tuple(others),
            name=name,
        )

    def _as_transcript(
        self, hypothesis: Hypothesis, duration: float, name: str, of_graph: bool
    ) -> Transcript:
        seconds = self.config.frame_seconds
        starts = [min(f * seconds, duration) for f in hypothesis.frames]
        ends = [min(f * seconds, duration) for f in hypothesis.end_frames]
        confidences = np.exp(hypothesis.log_probs).tolist()
        if of_graph:
            words = words_of(hypothesis, starts, ends, confidences)
            text = " ".join(hypothesis.words)
        else:
            words = self.tokens.words(list(hypothesis.tokens), starts, ends, confidences)
            text = self.tokens.decode(list(hypothesis.tokens))
        return Transcript(
            text=text,
            words=words,
            confidence=float(np.mean([w.confidence for w in words])) if words else 0.0,
            duration=duration,
            name=name,
        )


def load(
    path: str | os.PathLike[str] | None = None, *, precision: Precision | None = None, threads: int = 0
) -> Model:
    """Loads a model.

    path: a bundle's folder; None for the English model in the package. precision: "int8" or "float" weights;
    None for int8 where the bundle has it. threads: of the network; 0 for all cores.
    """
    bundle = Bundle(BUNDLED if path is None else Path(path))
    if precision is None:
        precision = "int8" if bundle.has("int8") else "float"
    if precision not in ("int8", "float"):
        raise ConfigError(f"precision={precision!r}: expected 'int8' or 'float'")
    network = Network(bundle, precision, threads)
    return Model(bundle.config, Tokens.load(bundle.file(TOKENS)), network, bundle.folder, precision)
