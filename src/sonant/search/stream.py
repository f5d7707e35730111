"""What every search that takes an utterance in pieces can tell of it."""

from typing import Any

from sonant.search.hypothesis import Hypothesis, from_native
from sonant.search.scores import check_count


class SearchStream:
    __slots__ = ()
    _search: Any  # one of the native searches, which a subclass names

    def hypotheses(self, nbest: int = 1, *, start: int = 0) -> list[Hypothesis]:
        """Up to `nbest` hypotheses of all frames so far, best first. Changes nothing.

        With `start`, the tokens before that position are left out (scores stay whole), so that the cost is
        that of the new tokens alone, however long the stream: `hypotheses(start=shown)` after showing `shown`
        stable tokens.
        """
        return from_native(
            self._search.hypotheses(check_count(nbest, "nbest"), check_count(start, "start", 0))
        )

    def stable(self) -> int:
        """Number of leading tokens that all live hypotheses share: these tokens can no longer change (their
        times may, by a few frames, as long as paths compete). It never decreases."""
        return self._search.stable()

    @property
    def frames(self) -> int:
        """Frames finished so far."""
        return self._search.frames()
