"""What every search that takes an utterance in pieces can tell of it."""

from typing import Any

from sonant.errors import SearchError
from sonant.search.fusion import Fusion, HotWords
from sonant.search.hypothesis import Hypothesis, from_native
from sonant.search.scores import check_count


class SearchStream:
    __slots__ = ()
    _search: Any  # one of the native searches, which a subclass names

    def hypotheses(self, nbest: int = 1, *, start: int = 0, final: bool = False) -> list[Hypothesis]:
        """Up to `nbest` hypotheses of all frames so far, best first. Changes nothing.

        With `start`, the tokens before that position are left out (scores stay whole), so that the cost is
        that of the new tokens alone, however long the stream: `hypotheses(start=shown)` after showing `shown`
        stable tokens.

        `final` says that the utterance ends here. Where the search has a fusion, the last word is then ended,
        the language model's end of sentence counts, what hot words had lent is given back, and hypotheses in
        the middle of a word of the lexicon come only where there are no others (`complete` is False).
        """
        return from_native(
            self._search.hypotheses(check_count(nbest, "nbest"), check_count(start, "start", 0), final)
        )

    def stable(self) -> int:
        """Number of leading tokens that all live hypotheses share: these tokens can no longer change (their
        times may, by a few frames, as long as paths compete). It never decreases."""
        return self._search.stable()

    @property
    def frames(self) -> int:
        """Frames finished so far."""
        return self._search.frames()


class FusedStream(SearchStream):
    """A search that may have a fusion."""

    __slots__ = ()
    _fusion: Fusion | None  # a subclass has the slot

    def set_hot_words(self, hot_words: HotWords | None) -> None:
        """Other hot words from the next frame on. What was earned stays; what the old ones had lent is given
        back. Raises SearchError, and leaves the search as it was, where they do not fit, or where the search
        was made with neither fusion nor hot words."""
        if self._fusion is None:
            raise SearchError(
                "hot words: found a search without fusion, expected one made with fusion=Fusion(...)"
            )
        self._search.set_hot_words(self._fusion.native_hot_words(hot_words))
