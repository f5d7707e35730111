"""Shallow fusion: what a search adds to the scores of a network. A lexicon, an n-gram model, hot words.

>>> fusion = Fusion(tokens, lm=NgramLm.read("3gram.arpa.gz"), lm_weight=0.7, word_bonus=1.0)
>>> ctc_prefix_beam(scores, beam=50, fusion=fusion, hot_words=HotWords({"new york": 3.0}))
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sonant import _native
from sonant.errors import SearchError
from sonant.search.scores import LARGEST

if TYPE_CHECKING:  # imported where a Fusion is made, so that searches without one start sooner
    from sonant.fst.graphs.lexicon import Lexicon
    from sonant.fst.ngram import NgramLm
    from sonant.fst.on_demand import OnDemand
    from sonant.fst.symbols import SymbolTable

_NOT_BOUNDED = math.inf
_NativePhrases: TypeAlias = list[tuple[list[int], float]]
NativeHotWords: TypeAlias = tuple[_NativePhrases, _NativePhrases]  # over tokens, over words


@dataclass(frozen=True)
class HotWords:
    """Phrases to look out for, and what each adds to the score, in nats, where it is said.

    A phrase is a tuple of token ids, or a string of words parted by blanks, which the fusion must know. Every
    occurrence counts, overlapping ones too; a negative boost makes a phrase rarer. On the way into a phrase a
    part of its boost is lent, in proportion, and taken back where it does not come (the failure arcs of Aho
    and Corasick 1975).
    """

    phrases: Mapping[str | tuple[int, ...], float]

    @classmethod
    def read(cls, path: str | os.PathLike[str], boost: float = 5.0) -> "HotWords":
        """From a file in UTF-8: a phrase a line, maybe with a tab and its own boost; empty lines are none.

        Raises SearchError, with the line, where a boost is no number or a phrase comes twice, and where the
        file cannot be read.
        """
        name = os.fspath(path)
        try:
            lines = Path(name).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SearchError(f"{name}: cannot be read as hot words in UTF-8: {error}") from error
        phrases: dict[str | tuple[int, ...], float] = {}
        for number, line in enumerate(lines, 1):
            text, tab, own = line.partition("\t")
            phrase = " ".join(text.split())
            if not phrase and not own.strip():
                continue
            try:
                value = float(own) if tab else boost
            except ValueError:
                value = math.nan
            if not phrase or not math.isfinite(value):
                raise SearchError(
                    f"{name}:{number}: found {line!r}, expected a phrase, or a phrase, a tab and its boost"
                )
            if phrase in phrases:
                raise SearchError(f"{name}:{number}: found the phrase {phrase!r} a second time; take one out")
            phrases[phrase] = value
        return cls(phrases)


@dataclass(frozen=True)
class Fusion:
    """What searches add to the scores of a network. Made once, used by any number of searches and threads.

    A hypothesis scores

        acoustic + lm_weight * ln p(its words or tokens) + word_bonus * words + boosts of its hot words

    With a lexicon hypotheses are sequences of its words, and those of equal tokens and different words are
    different ones. Without, words are what the texts of the tokens say: a token that begins with
    `word_begin` ends the word before (word_begin=" " or "|" for characters with a token between words).

    Raises SearchError where a part cannot be used, with its name.
    """

    tokens: Sequence[str] = ()
    """The table of tokens: the text of each id. Needed for all but hot words of token ids."""
    lexicon: "Lexicon | None" = None
    """The words that there are, spelled in tokens. Probabilities of pronunciations count."""
    word_begin: str = "▁"
    """Without a lexicon: how tokens begin that begin a word."""
    lm: "NgramLm | OnDemand | None" = None
    """Any model whose steps can be asked for. NgramLm is searched exactly; of an OnDemand model, which may
    have costs below 0, more tokens are tried."""
    lm_unit: Literal["word", "token"] = "word"
    symbols: "SymbolTable | None" = None
    """The labels of the model. Default: those of the NgramLm; an OnDemand model has none of its own."""
    lm_weight: float = 1.0
    """At least 0; OnDemand.scaled takes a model's scores away."""
    word_bonus: float = 0.0
    unknown_score: float = -10.0
    """ln p of a word or token that the model has not, where it has no <unk>; its history is then empty."""
    look_ahead: bool = True
    """With a lexicon and words: within a word the best unigram that it may become counts already."""
    end_of_sentence: bool = True
    """Whether the end of the utterance costs what the model says of </s>."""

    native: Any = field(init=False, repr=False, compare=False)
    _words: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        from sonant.fst.ngram import NgramLm
        from sonant.fst.on_demand import OnDemand

        for name in ("lm_weight", "word_bonus", "unknown_score"):
            _check_finite(getattr(self, name), name)
        if self.lm_weight < 0:
            raise SearchError(
                f"lm_weight: found {self.lm_weight}, expected 0 or more; "
                "OnDemand.scaled(-1, model) takes a model's scores away"
            )
        if self.lm_unit not in ("word", "token"):
            raise SearchError(f"lm_unit: found {self.lm_unit!r}, expected 'word' or 'token'")
        if isinstance(self.tokens, str) or not all(isinstance(token, str) for token in self.tokens):
            raise SearchError("tokens: expected a list of the text of each token")
        symbols, unknown = self._symbols()
        words, spelling = self._spelling(symbols)
        labels: list[int] = []
        if symbols is not None:
            named = self.tokens if self.lm_unit == "token" else words
            labels = [unknown if (key := symbols.find(name)) is None else key for name in named]
        lm = OnDemand.ngram(self.lm) if isinstance(self.lm, NgramLm) else self.lm
        native = _native.FusionModel.make(
            spelling,
            None if lm is None else lm.native,
            lm_over_tokens=self.lm_unit == "token",
            lm_labels=labels,
            unknown_label=unknown,
            unigram_state=0 if isinstance(self.lm, NgramLm) else -1,
            lm_weight=self.lm_weight,
            word_bonus=self.word_bonus,
            unknown_score=self.unknown_score,
            lm_most=_native.most_probable(self.lm.native) if isinstance(self.lm, NgramLm) else _NOT_BOUNDED,
            ends=self.end_of_sentence,
            tokens=len(self.tokens),
            looks_ahead=self.look_ahead,
        )
        object.__setattr__(self, "native", native)
        object.__setattr__(self, "_words", {word: i for i, word in enumerate(words)})

    def _symbols(self) -> "tuple[SymbolTable | None, int]":
        """The labels of the model, and that of what it has not (-1: none)."""
        from sonant.fst.ngram import NgramLm
        from sonant.fst.on_demand import OnDemand

        if self.lm is None:
            return None, -1
        if isinstance(self.lm, NgramLm):
            return self.symbols or self.lm.symbols, self.lm.native.unk
        if not isinstance(self.lm, OnDemand):
            raise SearchError(
                f"lm: found a {type(self.lm).__name__}, expected an NgramLm or an OnDemand of sonant.fst"
            )
        if self.symbols is None:
            raise SearchError("symbols: found none, expected the labels of the OnDemand model")
        unknown = self.symbols.find("<unk>")
        return self.symbols, -1 if unknown is None else unknown

    def _spelling(self, symbols: "SymbolTable | None") -> tuple[list[str], Any]:
        if not self.tokens and (self.lm is not None or self.lexicon is not None):
            raise SearchError(
                "tokens: found none, expected the text of each token, for the lexicon and the language model"
            )
        if self.lexicon is not None:
            return _lexicon_spelling(self.lexicon, self.tokens)
        marked = bool(self.word_begin) and any(token.startswith(self.word_begin) for token in self.tokens)
        if not marked:
            if self.lm is not None and self.lm_unit == "word":
                raise SearchError(
                    f"tokens: found none that begins with word_begin {self.word_begin!r}, expected some, as "
                    "the language model is over words; or give a lexicon, or lm_unit='token'"
                )
            return [], _native.Spelling()
        words = [] if symbols is None or self.lm_unit == "token" else [word for word, _ in symbols]
        texts = [
            (_encoded(t.removeprefix(self.word_begin)), t.startswith(self.word_begin)) for t in self.tokens
        ]
        return words, _native.Spelling.text([_encoded(word) for word in words], texts)

    def native_hot_words(self, hot_words: HotWords | None) -> NativeHotWords:
        """Phrases and boosts over tokens and over words. Raises SearchError, which names the phrase."""
        over_tokens: _NativePhrases = []
        over_words: _NativePhrases = []
        if hot_words is None:
            return over_tokens, over_words
        if not isinstance(hot_words, HotWords):
            raise SearchError(f"hot words: found a {type(hot_words).__name__}, expected HotWords")
        for phrase, boost in hot_words.phrases.items():
            _check_finite(boost, f"hot word {phrase!r}: boost")
            if isinstance(phrase, str):
                over_words.append((self._word_ids(phrase), float(boost)))
            else:
                over_tokens.append((self._token_ids(phrase), float(boost)))
        return over_tokens, over_words

    def _word_ids(self, phrase: str) -> list[int]:
        words = phrase.split()
        if not words:
            raise SearchError(f"hot word {phrase!r}: found no word, expected one or more")
        for word in words:
            if word not in self._words:
                known = "lexicon" if self.lexicon is not None else "language model over words"
                raise SearchError(
                    f"hot word {phrase!r}: found {word!r}, expected words of the {known}; "
                    "a phrase may be a tuple of token ids instead"
                )
        return [self._words[word] for word in words]

    def _token_ids(self, phrase: Iterable[int]) -> list[int]:
        ids = list(phrase)
        most = len(self.tokens) or LARGEST
        if not ids or not all(isinstance(i, int) and 0 <= i < most for i in ids):
            raise SearchError(f"hot word {phrase!r}: expected one or more token ids from 0 to {most - 1}")
        return ids


def _lexicon_spelling(lexicon: "Lexicon", tokens: Sequence[str]) -> tuple[list[str], Any]:
    from sonant.fst.graphs.lexicon import Lexicon

    if not isinstance(lexicon, Lexicon):
        raise SearchError(
            f"lexicon: found a {type(lexicon).__name__}, expected a Lexicon of sonant.fst.graphs, such as "
            "Lexicon.spelled makes"
        )
    ids = {token: i for i, token in reversed(list(enumerate(tokens)))}
    words = lexicon.words
    numbers = {word: i for i, word in enumerate(words)}
    pronunciations: list[tuple[int, list[int], float]] = []
    for entry in lexicon.pronunciations:
        for token in entry.phones:
            if token not in ids:
                raise SearchError(
                    f"{lexicon.where(entry)}: {entry.word!r} is spelled with {token!r}, which is not in the "
                    f"table of {len(tokens)} tokens"
                )
        spelled = [ids[token] for token in entry.phones]
        pronunciations.append((numbers[entry.word], spelled, math.log(entry.probability)))
    return words, _native.Spelling.lexicon([_encoded(word) for word in words], pronunciations)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _check_finite(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SearchError(f"{name}: found {value!r}, expected a finite number")


def with_hot_words(fusion: Fusion | None, hot_words: object) -> Fusion | None:
    """Hot words alone are a fusion too."""
    if fusion is not None and not isinstance(fusion, Fusion):
        raise SearchError(f"fusion: found a {type(fusion).__name__}, expected a Fusion")
    return Fusion() if fusion is None and hot_words is not None else fusion


def hot_words_of_each(
    hot_words: HotWords | Sequence[HotWords | None] | None, utterances: int
) -> list[HotWords | None]:
    """The same for all, or a list of those of each utterance."""
    if hot_words is None or isinstance(hot_words, HotWords):
        return [hot_words] * utterances
    if not isinstance(hot_words, Sequence) or len(hot_words) != utterances:
        found = f"{len(hot_words)} entries" if isinstance(hot_words, Sequence) else type(hot_words).__name__
        raise SearchError(
            f"hot words: found {found}, expected HotWords or one for each of {utterances} utterances"
        )
    return list(hot_words)
