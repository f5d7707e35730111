"""n-gram language models: ARPA files, scores and perplexity, grammars, Kaldi's const-arpa files."""

import logging
import math
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.files import Path, writing
from sonant.fst.gzipped import reading_text
from sonant.fst.symbols import SymbolTable

# A path, bytes, sentences, or several paths.
Text = Path | bytes | Iterable[str | os.PathLike[str]]
Smoothing = Literal["kneser-ney", "katz"]
OovHandling = Literal["error", "add", "unk", "skip"]
OOV_HANDLING: tuple[OovHandling, ...] = ("error", "add", "unk", "skip")
_LN10 = math.log(10)
_log = logging.getLogger("sonant.fst")


def tell_warnings(warnings: tuple[list[str], int]) -> None:
    """Logs what a reader of ARPA files complained about."""
    texts, count = warnings
    for text in texts:
        _log.warning("%s", text)
    if count > len(texts):
        _log.warning("%d more warnings of this kind", count - len(texts))


def _word_table(symbols: SymbolTable) -> Any:
    return _native.WordTable([s for s, _ in symbols], [k for _, k in symbols])


def _texts(text: Any) -> Iterable[Path | bytes]:
    """Paths, or bytes, of what is given as a text: sentences are joined, a few thousand at a time."""
    if isinstance(text, str | bytes | os.PathLike):
        yield text
        return
    lines: list[str] = []
    for item in text:
        if isinstance(item, os.PathLike):
            yield item
            continue
        lines.append(item)
        if len(lines) == 10000:
            yield "\n".join(lines).encode("utf-8", "surrogateescape")
            lines.clear()
    if lines:
        yield "\n".join(lines).encode("utf-8", "surrogateescape")


class ArpaSymbols:
    """The words of an ARPA file in the native core: those of a table, which gets the new ones afterwards."""

    def __init__(
        self, symbols: SymbolTable | None, bos: str, eos: str, unk: str, oov: OovHandling | None, backoff: str
    ):
        self.own = symbols is None
        self.symbols = SymbolTable(["<eps>", *([backoff] if backoff else [])]) if symbols is None else symbols
        self.oov: OovHandling = oov or ("add" if self.own else "skip")
        if self.oov not in OOV_HANDLING:
            raise FstError(f"oov={oov!r}; expected one of {', '.join(OOV_HANDLING)}")
        self.backoff = self._key(backoff) if backoff else 0
        self.bos, self.eos = self.symbols.add(bos), self.symbols.add(eos)
        if self.own:
            self.unk = -1  # found when the file is read
        else:
            found = self.symbols.find(unk)
            if found is None and self.oov == "unk":
                raise FstError(f"oov='unk', but the symbol table '{self.symbols.name}' has no {unk}")
            self.unk = -1 if found is None else found
        self._unk_name = unk
        self.native = _word_table(self.symbols)
        self._known = len(self.native)

    def _key(self, symbol: str) -> int:
        key = self.symbols.find(symbol)
        if key is None:
            raise FstError(f"the symbol table '{self.symbols.name}' has no backoff symbol {symbol}")
        return key

    @property
    def arguments(self) -> tuple[int, int, int, int]:
        return self.bos, self.eos, self.unk, OOV_HANDLING.index(self.oov)

    def finish(self) -> None:
        for symbol, key in self.native.items(self._known):
            self.symbols.add(symbol, key)
        found = self.symbols.find(self._unk_name)
        self.unk = -1 if found is None else found


def read_arpa(
    source: Path | bytes,
    symbols: SymbolTable | None = None,
    *,
    backoff: str = "#0",
    bos: str = "<s>",
    eos: str = "</s>",
    unk: str = "<unk>",
    oov: OovHandling | None = None,
    max_warnings: int = 30,
    sort: bool = True,
) -> Fst:
    """The grammar G of an ARPA model (a path, plain or gzip, or its bytes), as Kaldi's arpa2fst makes it.

    A state for each history, an arc for each word, and an arc with the input label `backoff` and the output
    epsilon from each history to the shorter one: a disambiguation symbol for determinization, or the label
    of failure arcs for a composition that knows them. `backoff=""` gives arpa2fst's older form: epsilons,
    and `bos` and `eos` as words. Costs are natural logarithms, rounded as Kaldi's. `symbols` gives the words
    their numbers (default: the words as they come in the file, after <eps>, `backoff`, `bos` and `eos`);
    `oov` says what becomes of others: `skip` their n-grams (the default with `symbols`), `add` them to the
    table, take them for `unk`, or `error`. The result has the table as its input and output symbols. `sort`
    sorts arcs by input label.

    Raises FstError, which names the line. n-grams whose first words are no n-gram of the model, and those
    with <s> or </s> in an odd place, are left out with a warning in the log, as Kaldi does; at most
    `max_warnings` are told one by one, and with 0 none.
    """
    words = ArpaSymbols(symbols, bos, eos, unk, oov, backoff)
    with reading_text(source) as stream:
        native, warnings = _native.arpa_to_fst(
            stream, words.native, *words.arguments, max_warnings, words.backoff
        )
    words.finish()
    if max_warnings:
        tell_warnings(warnings)
    fst = Fst.of_native(native)
    fst.input_symbols = fst.output_symbols = words.symbols
    return fst.arc_sort() if sort else fst


@dataclass(frozen=True)
class Perplexity:
    """How well a model tells a text. Logarithms are natural ones; `words` has unknown words and no </s>."""

    sentences: int
    words: int
    unknown: int
    """Words that the model has not: scored as <unk> where it has that, else left out."""
    log_probability: float
    log_probability_known: float
    """Without the unknown words."""

    @property
    def perplexity(self) -> float:
        """exp of the cost per word and </s>. Where the model has no <unk>, unknown words are left out."""
        scored = self.words + self.sentences
        if self.unknown and self.log_probability == self.log_probability_known:
            scored -= self.unknown
        return math.exp(-self.log_probability / scored) if scored else math.nan

    @property
    def perplexity_known(self) -> float:
        """The same over the known words and </s> only: comparable among models with one vocabulary."""
        scored = self.words + self.sentences - self.unknown
        return math.exp(-self.log_probability_known / scored) if scored else math.nan


@dataclass(frozen=True)
class CountingState:
    """How far the estimation of a model is."""

    sentences: int
    words: int
    """Read so far, with one </s> a sentence."""
    in_memory: int
    """Different n-grams of the highest order in memory."""
    files: int
    """Temporary files with more of them."""
    spilled: int
    """Bytes that were written to temporary files, all in all."""


class NgramLm:
    """A backoff n-gram model of any order: p(w | h) is the model's probability of the longest end of `h w`
    that it has, times the backoffs of the longer ends of h.

    >>> lm = NgramLm.read("3gram.arpa.gz")
    >>> lm.score(["<s>", "good"], "morning"), lm.perplexity("dev.txt").perplexity
    """

    def __init__(self, native: Any, symbols: SymbolTable):
        self._lm = native
        self.symbols = symbols
        self._made: Any = None
        self._scorer: Any = None

    @classmethod
    def read(
        cls,
        source: Path | bytes,
        symbols: SymbolTable | None = None,
        *,
        bos: str = "<s>",
        eos: str = "</s>",
        unk: str = "<unk>",
        oov: OovHandling | None = None,
        max_warnings: int = 30,
    ) -> Self:
        """An ARPA file, plain or gzip, or its bytes; arguments as of `read_arpa`. Of an n-gram that comes
        twice the first counts. Raises FstError, which names the line."""
        words = ArpaSymbols(symbols, bos, eos, unk, oov, "")
        with reading_text(source) as stream:
            native, warnings = _native.NgramLm.read(stream, words.native, *words.arguments, max_warnings)
        words.finish()
        native.unk = words.unk
        tell_warnings(warnings)
        return cls(native, words.symbols)

    @classmethod
    def train(
        cls,
        text: Text,
        order: int = 3,
        *,
        smoothing: Smoothing = "kneser-ney",
        vocabulary: SymbolTable | Iterable[str] | None = None,
        min_counts: Sequence[int] = (),
        max_discounted: Sequence[int] = (0, 7),
        memory: int | None = None,
        temporary: Path | None = None,
        progress: Callable[[CountingState], None] | None = None,
        bos: str = "<s>",
        eos: str = "</s>",
        unk: str = "<unk>",
    ) -> Self:
        """A model of a text of one sentence a line: a path (plain or gzip), several, bytes, or sentences.

        `smoothing` is modified Kneser-Ney with interpolation (Chen and Goodman 1998), or "katz": backoff with
        Good-Turing discounts (Katz 1987) as SRILM's ngram-count does by default, of counts up to
        `max_discounted[i]` for order i + 1 (the last for all higher ones). Where counts of counts do not
        allow the formulas, a warning in the log says what was done instead.

        `vocabulary` is the words that the model has (others are `unk`), in a table that is kept, or a list;
        without one all words of the text are. `min_counts[i]` leaves out the n-grams of order i + 1 with
        counts below it, the last of all higher orders: (1, 1, 2) for trigrams and longer ones that come once;
        words are never left out.

        `memory` bounds the bytes of the counts, at least 65536 (None: any, about 4 (order + 1) bytes a
        different n-gram); what does not fit is sorted and merged in files in `temporary` (default: the
        system's folder), which are gone however the process ends. The model is the same to the bit, and lies
        in memory besides. `progress` is called now and then. Raises FstError where there is no sentence, and
        where the disk is full.
        """
        if smoothing not in ("kneser-ney", "katz"):
            raise FstError(f"smoothing={smoothing!r}; expected 'kneser-ney' or 'katz'")
        closed = vocabulary is not None
        if isinstance(vocabulary, SymbolTable):
            symbols = vocabulary
        else:
            symbols = SymbolTable(["<eps>", bos, eos, unk, *(vocabulary or ())])
        begin, end, unknown = (symbols.add(mark) for mark in (bos, eos, unk))
        words = _word_table(symbols)
        known = len(words)
        folder = os.fspath(temporary or tempfile.gettempdir())
        counts = _native.NgramCounts.make(words, order, begin, end, unknown, closed, memory or 0, folder)
        if progress:
            # Not by a reference from the counts to themselves.
            state = weakref.ref(counts)
            counts.on_progress(lambda: progress(CountingState(*state().state())))  # pyright: ignore
        for part in _texts(text):
            with reading_text(part) as stream:
                counts.read(stream)
        counts.finish()
        if smoothing == "katz":
            native, _, warnings = counts.katz(list(min_counts), list(max_discounted))
        else:
            native, _, warnings = counts.kneser_ney(list(min_counts))
        for warning in warnings:
            _log.warning("%s", warning)
        for symbol, key in words.items(known):
            symbols.add(symbol, key)
        return cls(native, symbols)

    def prune(self, threshold: float, max_order: int | None = None) -> Self:
        """A smaller model, without each n-gram whose absence raises the perplexity by less than the factor
        1 + threshold (Stolcke 1998; 1e-7 is mild, 1e-8 milder), and without orders above `max_order`.

        Pruning trusts a model's own probabilities of histories; those of Kneser-Ney are not made for it
        (Chelba et al. 2010), so prefer a high `min_counts` where that is enough.
        """
        most = self.order if max_order is None else max_order
        return type(self)(_native.prune_lm(self._lm, threshold, most), self.symbols)

    @classmethod
    def interpolate(cls, models: Sequence["NgramLm"], weights: Sequence[float]) -> Self:
        """The mixture p = sum of weights[i] p_i (weights need not sum to 1) as one backoff model: of every
        n-gram that a model has it gives that probability, and backoffs make each history sum to 1."""
        if len({id(model.symbols) for model in models}) > 1:
            symbols = SymbolTable(["<eps>"])
            for model in models:
                for symbol, _ in model.symbols:
                    symbols.add(symbol)
            models = [cls.read(model.to_bytes(), symbols) for model in models]
        return cls(_native.interpolate_lms([model._lm for model in models], list(weights)), models[0].symbols)

    @property
    def native(self) -> Any:
        return self._lm

    @property
    def order(self) -> int:
        return self._lm.order()

    @property
    def counts(self) -> list[int]:
        """n-grams of each order."""
        return [self._lm.count(order) for order in range(1, self.order + 1)]

    @property
    def nbytes(self) -> int:
        """Memory of the tables."""
        return self._lm.nbytes()

    def __repr__(self) -> str:
        return f"NgramLm(order {self.order}, {' + '.join(map(str, self.counts))} n-grams)"

    @property
    def _words(self) -> Any:
        if self._made is None or len(self._made) != len(self.symbols):
            self._made = _word_table(self.symbols)
        return self._made

    def _key(self, word: str | int) -> int:
        if isinstance(word, int):
            return word
        key = self.symbols.find(word)
        return -1 if key is None else key

    def score(self, history: Sequence[str | int], word: str | int) -> float:
        """ln p(word | history), -inf for a word that the model has not (and that has no <unk> either).

        Histories are as long as you like; "<s>" begins that of a sentence. Words or their numbers.
        """
        return self.scores([word], history)[0]

    def scores(self, words: Iterable[str | int], history: Sequence[str | int] = ()) -> list[float]:
        """ln p of each word after the history and the words before it."""
        before = [self._lm.known(self._key(word)) for word in history]
        found = self._lm.score_all(before, [self._key(word) for word in words])
        return [score * _LN10 for score in found]

    def score_sentence(self, sentence: str | Sequence[str]) -> float:
        """ln p of a sentence from <s> to </s>."""
        words = sentence.split() if isinstance(sentence, str) else list(sentence)
        return math.fsum(self.scores([*words, self._lm.eos], [self._lm.bos]))

    def perplexity(self, text: Text) -> Perplexity:
        """Of a text of one sentence a line: a path (plain or gzip), bytes, or sentences."""
        if self._scorer is None:
            self._scorer = _native.TextScorer(self._lm)
        sums = [0.0] * 5
        for part in _texts(text):
            with reading_text(part) as stream:
                found = self._scorer.score(stream, self._words)
            sums = [a + b for a, b in zip(sums, found, strict=True)]
        sentences, words, unknown = map(int, sums[:3])
        return Perplexity(sentences, words, unknown, sums[3] * _LN10, sums[4] * _LN10)

    def write(self, path: Path) -> None:
        """An ARPA file, whose numbers are read back bit for bit."""
        with writing(path) as stream:
            self._lm.write_arpa(stream, self._words)

    def to_bytes(self) -> bytes:
        """The ARPA file."""
        stream = _native.Output.in_memory()
        self._lm.write_arpa(stream, self._words)
        return stream.getvalue()

    def write_const_arpa(self, path: Path) -> None:
        """Kaldi's const-arpa file (sonant.kaldi.lm.ConstArpaLm reads it)."""
        with writing(path) as stream:
            stream.header(True)
            self._lm.to_const_arpa().write(stream)

    def to_fst(self, **arguments: Any) -> Fst:
        """The grammar; arguments as of `read_arpa`, which makes the same of the file."""
        return read_arpa(self.to_bytes(), **arguments)
