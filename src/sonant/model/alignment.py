"""Forced alignment of a recording with its text: words to tokens, the search, and times of words again."""

import math
import unicodedata
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonant.errors import SearchError, TokenError
from sonant.model.network import Floats
from sonant.search import AlignmentConfig, CtcAligner, CtcGreedy, Hypothesis, TransducerAligner
from sonant.text import Alignment, Tokens, UnmatchedAudio, UnsaidWord, Word
from sonant.text.tokens import SPACE

if TYPE_CHECKING:
    from sonant.model.model import Model

_NAMED = 5  # characters that a message lists


@dataclass(frozen=True)
class SpelledText:
    """A text in tokens. words: as they stand there; said: positions of those that have tokens."""

    words: tuple[str, ...]
    said: tuple[int, ...]
    tokens: tuple[int, ...]
    word_ends: tuple[int, ...]  # of the words that are said


def spell(text: str, tokens: Tokens, name: str) -> SpelledText:
    """Words between white space, in the case that the tokens have, without the punctuation that they lack.

    Raises TokenError, with `name` of the model, for a text without words, and for letters, digits and other
    characters that are said but that the tokens lack."""
    if not isinstance(text, str):
        raise TokenError(f"text is a {type(text).__name__}; expected a str")
    words = tuple(text.split())
    said: list[int] = []
    ids: list[int] = []
    ends: list[int] = []
    missing: dict[str, str] = {}  # character -> the first word with it
    for position, word in enumerate(words):
        plain = word.replace("\u2019", "'")
        spelled = min((plain, plain.upper(), plain.lower()), key=lambda one: len(tokens.lacks(one)))
        for character in tokens.lacks(spelled):
            if not is_said(character):
                joins = unicodedata.category(character) == "Pd" or character == "/"
                spelled = spelled.replace(character, " " if joins else "")
            else:
                written = next(c for c in plain if character in (c, c.upper(), c.lower()))
                missing.setdefault(written, f"{word!r}, word {position + 1}")
        if any(map(is_said, spelled)):
            said.append(position)
            ids += tokens.encode(spelled)
            ends.append(len(ids))
    if missing:
        listed = [f"{character!r} ({where})" for character, where in missing.items()]
        more = f", and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
        raise TokenError(
            f"the tokens of the model {name!r} lack characters of the text: {', '.join(listed[:_NAMED])}"
            f"{more}; write numbers and signs as the words that were said, or take a model of this language"
        )
    if not said:
        what = f"{len(words)} words, of punctuation alone" if words else "no words"
        raise TokenError(f"the text has {what}; expected the words that were said")
    return SpelledText(words, tuple(said), tuple(ids), tuple(ends))


def is_said(character: str) -> bool:
    """Neither punctuation nor another mark; some tokens have those, too, and nobody says them alone."""
    return unicodedata.category(character)[0] not in "PCZ" and unicodedata.category(character) not in (
        "Sk",
        "So",
    )


class TextSearch:
    """What a recognition drives to align: the aligner, and greedy search, which tells what frames hold that
    no text explains."""

    def __init__(self, model: "Model", text: SpelledText, head: str, config: AlignmentConfig | None):
        self._greedy = CtcGreedy()
        self._transducer = self._ctc = None
        if head == "transducer":
            self._transducer = TransducerAligner(
                model.network.step, text.tokens, text.word_ends, config, context_size=model.config.context
            )
        else:
            self._ctc = CtcAligner(text.tokens, text.word_ends, config)

    def advance(self, encoded: Floats, ctc: Floats) -> None:
        self._greedy.advance(ctc)
        if self._transducer is not None:
            self._transducer.advance(encoded)
        elif self._ctc is not None:
            self._ctc.advance(ctc)

    def hypotheses(self, nbest: int, *, final: bool = False) -> list[Hypothesis]:
        return self._greedy.hypotheses(nbest)

    def alignment(self, model: "Model", text: SpelledText, duration: float, name: str) -> Alignment:
        aligner = self._ctc or self._transducer
        assert aligner is not None
        found = aligner.result()
        seconds = model.config.frame_seconds

        def at(frame: int) -> float:
            return min(frame * seconds, duration)

        words: list[Word] = []
        positions: list[int] = []
        unsaid: list[UnsaidWord] = []
        order = dict(zip(text.said, range(len(text.said)), strict=True))
        last = 0.0
        for position, word in enumerate(text.words):
            if position not in order:
                unsaid.append(UnsaidWord(word, position, last, "punctuation"))
                continue
            number = order[position]
            begin = text.word_ends[number - 1] if number else 0
            tokens = [token for token in found.tokens[begin : text.word_ends[number]] if token is not None]
            if not tokens:
                unsaid.append(UnsaidWord(word, position, last, "not heard"))
                continue
            # A piece that is only the mark of a word's start may lie anywhere in the silence before it.
            sounding = [t for t in tokens if model.tokens.pieces[t.token] != SPACE] or tokens
            last = at(tokens[-1].end_frame)
            confidence = math.exp(sum(token.score for token in tokens) / len(tokens))
            words.append(Word(word, at(sounding[0].frame), last, confidence))
            positions.append(position)
        if not words:
            raise SearchError(
                f"{name or 'the recording'}: none of the {len(text.said)} words of the text was heard in "
                f"{duration:.2f} s, {len(text.tokens)} tokens in {aligner.frames} frames; expected the text "
                "of this recording"
                + ("" if len(text.tokens) <= aligner.frames else ": the recording is too short for it")
            )
        (heard,) = self._greedy.hypotheses()
        unmatched = [
            part for begin, end in found.free if (part := _heard(heard, begin, end, at, model.tokens))
        ]
        return Alignment(
            tuple(words),
            tuple(positions),
            tuple(unsaid),
            tuple(unmatched),
            duration,
            found.complete,
            name,
        )


def _heard(
    heard: Hypothesis, begin: int, end: int, at: Callable[[int], float], tokens: Tokens
) -> UnmatchedAudio | None:
    """What greedy search heard in these frames, from its first token to its last; None for silence."""
    first, last = bisect_left(heard.frames, begin), bisect_left(heard.frames, end)
    text = tokens.decode(heard.tokens[first:last])
    if not text:
        return None
    return UnmatchedAudio(at(heard.frames[first]), at(min(heard.end_frames[last - 1], end)), text)
