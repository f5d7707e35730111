"""Transducer searches (Graves 2012) with a stateless predictor: the context is the last few tokens (Ghodsi et
al. 2020).

The network stays outside. Either give a step function that scores many (encoder frame, context) pairs at
once, or drive a search object: read `.contexts`, score them, `.advance` with the scores.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import SearchError
from sonant.search.fusion import Fusion, HotWords, hot_words_of_each, with_hot_words
from sonant.search.hypothesis import Hypothesis
from sonant.search.scores import Floats, check_count, check_matrices, check_matrix
from sonant.search.stream import FusedStream

Step: TypeAlias = Callable[[Floats, npt.NDArray[np.int64]], Floats]
"""step(encoder_frames (n, dim) float32, contexts (n, context_size) int64) -> (n, tokens) float32
log-probabilities. A context holds the last tokens of a hypothesis, oldest first, blanks before its first
token."""


class _TransducerStream(FusedStream):
    """What both searches do. One object per utterance."""

    __slots__ = ("_fusion", "_search", "context_size")
    _search: "_native.TransducerSearch"
    _fusion: Fusion | None
    context_size: int

    @property
    def contexts(self) -> npt.NDArray[np.int64]:
        """(live hypotheses, context_size) token ids to be scored with the current encoder frame."""
        return self._search.contexts()

    def advance(self, log_probs: Floats) -> bool:
        """Take (live hypotheses, tokens) float32 log-probabilities, rows in the order of `contexts`.

        Returns True when the frame is done and the next encoder frame is due (always, for the beam search).
        Raises SearchError on NaN or +inf, naming frame, hypothesis and token, and on another dtype or shape;
        the search is then as it was before the call.
        """
        return self._search.advance(check_matrix(log_probs, "log_probs", rows="live hypotheses"))


class TransducerGreedy(_TransducerStream):
    """Takes the best token at every step; a blank, or `max_symbols` tokens in one frame, lead to the next
    frame. All its tokens are stable."""

    __slots__ = ()

    def __init__(
        self,
        context_size: int = 2,
        blank: int = 0,
        max_symbols: int = 3,
        *,
        fusion: Fusion | None = None,
        hot_words: HotWords | None = None,
    ):
        self.context_size = check_count(context_size, "context_size")
        self._fusion = with_hot_words(fusion, hot_words)
        self._search = _native.TransducerSearch.greedy(
            self.context_size,
            check_count(blank, "blank", 0),
            check_count(max_symbols, "max_symbols"),
            self._fusion and self._fusion.native,
        )
        if self._fusion is not None:
            self.set_hot_words(hot_words)


class TransducerBeam(_TransducerStream):
    """Modified beam search: at most one token a frame, hypotheses with equal tokens summed before the best
    are kept.

    Memory grows with the tokens of the hypotheses alive, not with frames.

    settle_after: every so many frames, hypotheses are dropped that disagree with the best one on tokens it
    emitted more than so many frames ago. Without it (0), a doubt of long ago lives on in some hypothesis, and
    `stable` waits for it; with it, `stable` is never more than twice so many frames behind. A function of the
    frames alone, whatever the chunks.
    """

    __slots__ = ()

    def __init__(
        self,
        beam: int = 4,
        context_size: int = 2,
        blank: int = 0,
        settle_after: int = 0,
        *,
        fusion: Fusion | None = None,
        hot_words: HotWords | None = None,
    ):
        self.context_size = check_count(context_size, "context_size")
        self._fusion = with_hot_words(fusion, hot_words)
        self._search = _native.TransducerSearch.beam(
            check_count(beam, "beam"),
            self.context_size,
            check_count(blank, "blank", 0),
            check_count(settle_after, "settle_after", 0),
            self._fusion and self._fusion.native,
        )
        if self._fusion is not None:
            self.set_hot_words(hot_words)


class TransducerTimeSyncBeam(_TransducerStream):
    """Beam search with up to `max_symbols` tokens in a frame, frame by frame (Saon, Tueske and Audhkhasi
    2020).

    A frame is a few rounds of `contexts` and `advance`: in each, hypotheses end the frame by a blank, and the
    `beam` best continuations by a token go on, until none is left to (csrc/search/transducer_time_sync.h).
    Paths of equal tokens are summed. `hypotheses` are those of whole frames. For networks that say several
    tokens in a frame; it costs max_symbols + 1 times what `TransducerBeam` does. settle_after: as there.
    """

    __slots__ = ()

    def __init__(
        self,
        beam: int = 4,
        context_size: int = 2,
        blank: int = 0,
        max_symbols: int = 3,
        settle_after: int = 0,
        *,
        fusion: Fusion | None = None,
        hot_words: HotWords | None = None,
    ):
        self.context_size = check_count(context_size, "context_size")
        self._fusion = with_hot_words(fusion, hot_words)
        self._search = _native.TransducerSearch.time_sync(
            check_count(beam, "beam"),
            self.context_size,
            check_count(blank, "blank", 0),
            check_count(max_symbols, "max_symbols"),
            check_count(settle_after, "settle_after", 0),
            self._fusion and self._fusion.native,
        )
        if self._fusion is not None:
            self.set_hot_words(hot_words)


def advance_transducers(
    step: Step,
    searches: Sequence[TransducerGreedy | TransducerBeam | TransducerTimeSyncBeam],
    encoder_frames: Sequence[Floats],
) -> None:
    """Advance each search over its own new encoder frames, all in lockstep.

    step is called once for every round, with one row for each live hypothesis of all searches that still have
    frames.
    encoder_frames: one (frames, dim) float32 array per search, zero frames allowed.
    Raises SearchError where `step` returns scores of another shape or dtype, or NaN or +inf (naming
    utterance, frame, hypothesis and token); what `step` itself raises passes through. Each search has then
    taken whole rounds only.
    """
    searches = list(searches)
    frames = check_matrices(encoder_frames, "encoder frames", "dim")
    if len(frames) != len(searches):
        raise SearchError(
            f"found encoder frames for {len(frames)} utterances, expected {len(searches)}: one per search"
        )
    if len({id(search) for search in searches}) != len(searches):
        raise SearchError("found the same search twice in the list, expected one search per utterance")
    sizes = {search.context_size for search in searches}
    if len(sizes) > 1:
        raise SearchError(
            f"found searches with context sizes {sorted(sizes)}, expected one size: that of the predictor"
        )
    if not searches:
        return
    natives = np.array([search._search for search in searches], dtype=object)  # pyright: ignore[reportPrivateUsage]
    lengths = np.array([len(array) for array in frames])
    flat = frames[0] if len(frames) == 1 else np.concatenate(frames)
    ends = np.cumsum(lengths)
    at = ends - lengths  # row in `flat` of each search's current frame
    active = np.flatnonzero(at < ends)
    while len(active):
        # Who takes part changes only when some utterance ends.
        now, names = natives[active].tolist(), active.tolist()
        going = True
        while going:
            contexts, rows = _native.transducer_contexts(now, searches[0].context_size)
            scores = step(flat[np.repeat(at[active], rows)], contexts)
            done = _native.transducer_advance(now, rows, names, check_step(scores, len(contexts)))
            at[active] += done
            going = bool((at[active] < ends[active]).all())
        active = active[at[active] < ends[active]]


def check_step(scores: Floats, rows: int) -> Floats:
    scores = check_matrix(scores, "what the step function returned", rows="live hypotheses")
    if len(scores) != rows:
        raise SearchError(
            f"what the step function returned: found {len(scores)} rows, expected {rows}: "
            "one for each row it was given"
        )
    return scores


def transducer_greedy(
    step: Step,
    encoder_out: Sequence[Floats],
    *,
    context_size: int = 2,
    blank: int = 0,
    max_symbols: int = 3,
    fusion: Fusion | None = None,
    hot_words: HotWords | Sequence[HotWords | None] | None = None,
) -> list[Hypothesis]:
    """Greedy search over whole utterances in lockstep.

    encoder_out: one (frames, dim) float32 array per utterance. Errors: as for `advance_transducers`.
    fusion: a lexicon, a language model. hot_words: of all utterances, or a list of those of each.
    Returns one hypothesis per utterance.
    """
    searches = [
        TransducerGreedy(context_size, blank, max_symbols, fusion=fusion, hot_words=hot)
        for hot in hot_words_of_each(hot_words, len(encoder_out))
    ]
    advance_transducers(step, searches, encoder_out)
    return [search.hypotheses(final=True)[0] for search in searches]


def transducer_beam(
    step: Step,
    encoder_out: Sequence[Floats],
    *,
    beam: int = 4,
    nbest: int = 1,
    context_size: int = 2,
    blank: int = 0,
    settle_after: int = 0,
    fusion: Fusion | None = None,
    hot_words: HotWords | Sequence[HotWords | None] | None = None,
) -> list[list[Hypothesis]]:
    """Modified beam search over whole utterances in lockstep: see `TransducerBeam`.

    encoder_out: one (frames, dim) float32 array per utterance.
    fusion, hot_words: as for `transducer_greedy`.
    settle_after: see `TransducerBeam`; 0 to drop nothing. Errors: as for `advance_transducers`.
    Returns per utterance up to `nbest` hypotheses, best first, all different.
    """
    searches = [
        TransducerBeam(beam, context_size, blank, settle_after, fusion=fusion, hot_words=hot)
        for hot in hot_words_of_each(hot_words, len(encoder_out))
    ]
    advance_transducers(step, searches, encoder_out)
    return [search.hypotheses(nbest, final=True) for search in searches]


def transducer_time_sync_beam(
    step: Step,
    encoder_out: Sequence[Floats],
    *,
    beam: int = 4,
    nbest: int = 1,
    context_size: int = 2,
    blank: int = 0,
    max_symbols: int = 3,
    settle_after: int = 0,
    fusion: Fusion | None = None,
    hot_words: HotWords | Sequence[HotWords | None] | None = None,
) -> list[list[Hypothesis]]:
    """Beam search with several tokens in a frame, over whole utterances in lockstep: see
    `TransducerTimeSyncBeam`; the arguments are otherwise those of `transducer_beam`."""
    searches = [
        TransducerTimeSyncBeam(
            beam, context_size, blank, max_symbols, settle_after, fusion=fusion, hot_words=hot
        )
        for hot in hot_words_of_each(hot_words, len(encoder_out))
    ]
    advance_transducers(step, searches, encoder_out)
    return [search.hypotheses(nbest, final=True) for search in searches]
