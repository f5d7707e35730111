"""CTC searches over (frames, tokens) natural-log probabilities.

CTC (Graves et al. 2006): each frame emits a token or the blank; equal tokens in a row are one unless a blank
stands between them.
"""

from collections.abc import Sequence

from sonant import _native
from sonant.search.fusion import Fusion, HotWords, hot_words_of_each, with_hot_words
from sonant.search.hypothesis import Hypothesis, from_native
from sonant.search.scores import Floats, check_count, check_matrices, check_matrix
from sonant.search.stream import FusedStream, SearchStream


def ctc_greedy(scores: Sequence[Floats], *, blank: int = 0, num_threads: int = 0) -> list[Hypothesis]:
    """The best token of every frame, repeats and blanks taken out.

    scores: one (frames, tokens) float32 array of log-probabilities per utterance; -inf is allowed, zero
    frames are too.
    num_threads: utterances searched at a time; 0 for as many as there are cores.
    Returns one hypothesis per utterance. Ties go to the lowest token id.
    Raises SearchError, naming utterance, frame and token, on NaN or +inf; on another dtype or shape; on a
    blank out of range.
    """
    arrays = check_matrices(scores, "scores", "tokens")
    results = _native.ctc_greedy(
        arrays, check_count(blank, "blank", 0), check_count(num_threads, "num_threads", 0)
    )
    return [best for result in results for best in from_native(result)]


def ctc_prefix_beam(
    scores: Sequence[Floats],
    *,
    beam: int = 8,
    nbest: int = 1,
    blank: int = 0,
    settle_after: int = 0,
    num_threads: int = 0,
    fusion: Fusion | None = None,
    hot_words: HotWords | Sequence[HotWords | None] | None = None,
) -> list[list[Hypothesis]]:
    """CTC prefix beam search (Graves 2012, section 7.5.3; Hannun et al. 2014).

    Sums the paths of each token sequence, and keeps the `beam` best sequences at each frame. The pruning of
    tokens is exact: the result is that of comparing every extension of every kept sequence. With a beam that
    is never full the scores are those of the full sum over all alignments.

    scores, num_threads, errors: as for `ctc_greedy`.
    settle_after: see `CtcPrefixBeam`; 0 for the exact search.
    fusion: a lexicon, a language model. hot_words: of all utterances, or a list of those of each.
    Returns per utterance up to `nbest` hypotheses, best first, all different.
    """
    arrays = check_matrices(scores, "scores", "tokens")
    options = (
        check_count(beam, "beam"),
        check_count(nbest, "nbest"),
        check_count(blank, "blank", 0),
        check_count(settle_after, "settle_after", 0),
        check_count(num_threads, "num_threads", 0),
    )
    fusion = with_hot_words(fusion, hot_words)
    if fusion is None:
        results = _native.ctc_prefix_beam(arrays, *options)
    else:
        if hot_words is None or isinstance(hot_words, HotWords):
            each = [hot_words]  # the core takes them once for all
        else:
            each = hot_words_of_each(hot_words, len(arrays))
        hot = [fusion.native_hot_words(one) for one in each]
        results = _native.fused_ctc_prefix_beam(arrays, *options, fusion.native, hot)
    return [from_native(result) for result in results]


class _CtcStream(SearchStream):
    """What both streaming CTC searches do. Calls from several threads wait for each other."""

    __slots__ = ("_search",)
    _search: "_native.CtcGreedy | _native.CtcPrefixBeam | _native.FusedCtcPrefixBeam"

    def advance(self, scores: Floats) -> None:
        """Take the next (frames, tokens) float32 log-probabilities; any number of frames, zero too.

        Raises SearchError as `ctc_greedy` does, frames counted from the beginning of the stream; the search
        is then as it was before the call.
        """
        self._search.advance(check_matrix(scores, "scores"))


class CtcGreedy(_CtcStream):
    """`ctc_greedy` for an utterance that comes in pieces. All its tokens are stable."""

    __slots__ = ()

    def __init__(self, blank: int = 0):
        self._search = _native.CtcGreedy(check_count(blank, "blank", 0))


class CtcPrefixBeam(_CtcStream, FusedStream):
    """`ctc_prefix_beam` for an utterance that comes in pieces.

    Memory grows with the tokens of the hypotheses alive, not with frames; a frame allocates nothing and costs
    the same after an hour as at the start.

    settle_after: every so many frames, hypotheses are dropped that disagree with the best one on tokens it
    emitted more than so many frames ago. Without it (0), a doubt of long ago lives on in some hypothesis, and
    `stable` waits for it; with it, `stable` is never more than twice so many frames behind. A function of the
    frames alone, whatever the chunks.
    """

    __slots__ = ("_fusion",)
    _fusion: Fusion | None

    def __init__(
        self,
        beam: int = 8,
        blank: int = 0,
        settle_after: int = 0,
        *,
        fusion: Fusion | None = None,
        hot_words: HotWords | None = None,
    ):
        options = (
            check_count(beam, "beam"),
            check_count(blank, "blank", 0),
            check_count(settle_after, "settle_after", 0),
        )
        self._fusion = with_hot_words(fusion, hot_words)
        if self._fusion is None:
            self._search = _native.CtcPrefixBeam(*options)
        else:
            self._search = _native.FusedCtcPrefixBeam(*options, self._fusion.native)
            self.set_hot_words(hot_words)
