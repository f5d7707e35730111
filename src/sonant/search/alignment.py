"""Forced alignment: when each token of a given text was said, what of the text was not, and what was said
besides.

A Viterbi search over the text, frame by frame (csrc/search/text_alignment.h draws its automaton), within a
window around the best position, so that memory grows with the text and not with the recording. Between words
a path may take frames that no text explains ("free"), or skip words; both have a price, so that a text which
was said is aligned as it stands. Scores are logarithms relative to the network's own best path: 0 is a
perfect match.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from sonant import _native
from sonant.errors import SearchError
from sonant.search.scores import Floats, check_count, check_matrix
from sonant.search.transducer import Step

_TOKEN, _FREE = 1, 2  # kinds of spans, as the native core numbers them


@dataclass(frozen=True, slots=True)
class AlignmentConfig:
    """Prices, in nats; infinity forbids."""

    beam: float = 300.0
    """How much worse than the best path others may be. A gap of `(beam - gap_start) / gap_token` tokens, and
    no larger one, can be found."""
    free_start: float = 10.0
    """A stretch of frames that no text explains."""
    free_token: float = 2.0
    """Each token that the network hears in such a stretch. Too low, and free frames take badly heard text;
    too high, and text is smeared over what it does not explain."""
    skip_start: float = 25.0
    """A few words that were not said."""
    skip_token: float = 0.5
    """Each token of these."""
    gap_start: float = 60.0
    """A larger part of the text that was not said."""
    gap_token: float = 0.04
    """Each token of it."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0:
                raise SearchError(f"{field.name}={value!r}; expected a number that is not negative")

    @classmethod
    def strict(cls, beam: float = 300.0) -> Self:
        """All of the text, and nothing else, was said."""
        return cls(beam=beam, free_start=math.inf, skip_start=math.inf, gap_start=math.inf)


@dataclass(frozen=True, slots=True)
class AlignedToken:
    """A token of the text that was said."""

    token: int
    frame: int
    end_frame: int
    """Exclusive: CTC, of its run of frames; a transducer, of the frame that emitted it."""
    score: float
    """Natural logarithm of its probability relative to the network's best path in its frames; about 0 where
    that says the same. Where a frame may hold several tokens: of its own probability."""


@dataclass(frozen=True, slots=True)
class TokenAlignment:
    """The best path. tokens: one entry for each of the text, None where it was not said."""

    tokens: tuple[AlignedToken | None, ...]
    free: tuple[tuple[int, int], ...]
    """Frames that no text explains, from and to (exclusive)."""
    score: float
    """Relative to the network's best path, with all prices."""
    complete: bool
    """False where the beam lost the end of the text: what follows the last token found is None then."""


class _Aligner:
    __slots__ = ("_native", "_text")

    def __init__(
        self,
        tokens: Sequence[int],
        word_ends: Sequence[int] | None,
        config: AlignmentConfig | None,
        blank: int,
    ):
        config = config or AlignmentConfig()
        self._text = [check_count(token, f"token {i} of the text", 0) for i, token in enumerate(tokens)]
        if not self._text:
            raise SearchError("the text has no tokens; expected one at least")
        ends = range(1, len(self._text) + 1) if word_ends is None else word_ends
        self._native = _native.TextAlignment(
            self._text,
            [check_count(end, "word_ends") for end in ends],
            check_count(blank, "blank", 0),
            config.beam,
            config.free_start,
            config.free_token,
            (config.skip_start, config.gap_start),
            (config.skip_token, config.gap_token),
        )

    @property
    def frames(self) -> int:
        """Frames taken so far."""
        return self._native.frames()

    def result(self) -> TokenAlignment:
        """The best path of all frames so far that ends with the text. Changes nothing.

        Raises SearchError where there is none: words must not be skipped, and the frames have no room for
        them, or allow no such path, or the beam lost it."""
        spans = self._native.spans()
        score = self._native.score()
        if not spans and score == -math.inf:
            raise SearchError(
                f"{len(self._text)} tokens do not fit {self.frames} frames: no path through all of them was "
                f"found; expected the text of this recording, {self._least()} frames at least, or a larger "
                "beam"
            )
        found: list[AlignedToken | None] = [None] * len(self._text)
        for kind, position, begin, end, relative in spans:
            if kind == _TOKEN:
                found[position - 1] = AlignedToken(self._text[position - 1], begin, end, min(relative, 0.0))
        free = tuple((begin, end) for kind, _, begin, end, _ in spans if kind == _FREE)
        return TokenAlignment(tuple(found), free, score, score > -math.inf)

    def _least(self) -> int:
        return len(self._text)


class CtcAligner(_Aligner):
    """Aligns the scores of a CTC network, which come in pieces of any size, with a text.

    tokens: ids of the text, without blanks. word_ends: how many tokens come before the end of each word,
    where frames may be free and words skipped; None: each token is a word. Raises SearchError where these do
    not fit.
    """

    __slots__ = ()

    def __init__(
        self,
        tokens: Sequence[int],
        word_ends: Sequence[int] | None = None,
        config: AlignmentConfig | None = None,
        *,
        blank: int = 0,
    ):
        super().__init__(tokens, word_ends, config, blank)

    def advance(self, scores: Floats) -> None:
        """Take the next (frames, tokens) float32 log-probabilities; any number of frames, zero too.

        Raises SearchError as `ctc_greedy` does; the search is then as it was before the call."""
        self._native.advance_ctc(check_matrix(scores, "scores"))

    def _least(self) -> int:
        """A token needs a frame; the same token twice, a blank between."""
        return len(self._text) + sum(a == b for a, b in zip(self._text, self._text[1:], strict=False))


class TransducerAligner(_Aligner):
    """Aligns the output of a transducer's encoder, which comes in pieces of any size, with a text. The
    predictor sees the last `context_size` tokens.

    max_tokens_per_frame: 1 is for networks in which a token takes the place of its frame's blank ("modified"
    transducers); more are for those in which a frame is any number of tokens and then a blank (Graves 2012,
    arXiv:1211.3711), at most so many.
    step: see `sonant.search.transducer.Step`; called once a frame for the positions of the text that are
    alive, and for the network's own greedy path, which tells what free frames hold, and once more for each
    token of that if several may be in a frame. The default beam is narrower than that of CTC, since each
    position of the window costs a row of `step`.
    """

    __slots__ = ("_blank", "_contexts", "_free_token", "_greedy", "_most", "_next", "_step")

    def __init__(
        self,
        step: Step,
        tokens: Sequence[int],
        word_ends: Sequence[int] | None = None,
        config: AlignmentConfig | None = None,
        *,
        context_size: int = 2,
        max_tokens_per_frame: int = 1,
        blank: int = 0,
    ):
        self._most = check_count(max_tokens_per_frame, "max_tokens_per_frame")
        config = config or AlignmentConfig(beam=60.0, gap_start=math.inf)
        super().__init__(tokens, word_ends, config, blank)
        size = check_count(context_size, "context_size")
        padded = np.array([blank] * size + self._text, np.int64)
        self._contexts = np.lib.stride_tricks.sliding_window_view(padded, size)
        self._next = np.array([*self._text, blank], np.intp)  # there is none after the last
        self._greedy = np.full(size, blank, np.int64)
        self._step, self._blank, self._free_token = step, blank, config.free_token

    def advance(self, encoder_frames: Floats) -> None:
        """Take the next (frames, dim) float32. Raises SearchError where `step` returns scores of another
        shape or dtype, or NaN or +inf."""
        for frame in check_matrix(encoder_frames, "encoder frames", "dim"):
            low, high = self._native.window()
            if self._most > 1:
                high = min(high + self._most, len(self._text))
            scores = self._scores(frame, np.concatenate([self._contexts[low : high + 1], [self._greedy]]))
            own, greedy = scores[-1], self._greedy
            heard, best = 0, float(own.max())
            while (token := int(own.argmax())) != self._blank:
                heard += 1
                greedy = np.append(greedy[1:], token)
                if self._most == 1:
                    break
                own = self._scores(frame, greedy[np.newaxis])[0]
                if heard == self._most:  # then the frame ends, whatever else would be said
                    best += float(own[self._blank])
                    break
                best += float(own.max())
            self._advance(scores[:-1], self._next[low : high + 1], best, heard * self._free_token)
            self._greedy = greedy

    def _advance(self, scores: Floats, tokens: np.ndarray, best: float, free: float) -> None:
        blanks, nexts = scores[:, self._blank], scores[np.arange(len(scores)), tokens]
        if self._most == 1:
            self._native.advance_transducer(blanks - np.float32(best), nexts - np.float32(best), free)
        else:
            self._native.advance_transducer_several(
                np.ascontiguousarray(blanks), nexts, best, free, self._most
            )

    def _scores(self, frame: Floats, contexts: np.ndarray) -> Floats:
        scores = self._step(np.broadcast_to(frame, (len(contexts), len(frame))), contexts)
        return self._checked(scores, len(contexts))

    def _least(self) -> int:
        return -(-len(self._text) // self._most)

    def _checked(self, scores: Floats, rows: int) -> Floats:
        scores = check_matrix(scores, "what the step function returned", rows="positions")
        if len(scores) != rows:
            raise SearchError(f"what the step function returned: found {len(scores)} rows, expected {rows}")
        if not (scores < np.inf).all() or max(self._text) >= scores.shape[1]:
            raise SearchError(
                f"what the step function returned at frame {self.frames}: found NaN, +inf, or fewer than "
                f"{max(self._text) + 1} tokens; expected log-probabilities of all tokens of the text"
            )
        return scores
