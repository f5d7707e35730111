"""Frames of CTC that need no search, because they are surely blank."""

import numpy as np

from sonant.errors import SearchError
from sonant.search.scores import Floats


class BlankSkipper:
    """Which frames of an utterance are searched: all but those whose blank scores above a threshold; of each
    run of such frames the first one stays, so that equal tokens on its two sides stay two."""

    def __init__(self, column: int, threshold: float):
        self._column, self._threshold = column, threshold
        self._in_run = False
        self.frames = 0
        """In all, those that were left out, too."""
        self.kept: list[int] = []
        """The frames that were searched."""

    def kept_of(self, scores: Floats) -> "tuple[Floats, Kept]":
        """The frames that are searched, and what `take` wants when they have been. SearchError for NaN and
        +inf, in whichever frame, and a blank that is no column."""
        if self._column >= scores.shape[1]:
            raise SearchError(
                f"blank={self._column}, but scores have {scores.shape[1]} columns; expected one of these"
            )
        bad = np.argwhere(~(scores < np.inf))
        if len(bad):
            frame, column = bad[0].tolist()
            raise SearchError(
                f"frame {self.frames + frame}, column {column}: found the score {scores[frame, column]}, "
                "expected a log-probability (finite or -inf)"
            )
        sure = scores[:, self._column] > self._threshold
        before = np.concatenate([[self._in_run], sure[:-1]]) if len(sure) else sure
        kept = np.flatnonzero(~(sure & before))
        return np.ascontiguousarray(scores[kept]), (kept, sure)

    def take(self, kept: "Kept", searched: int) -> None:
        """So many frames have been searched since the beginning: these, or the first of these."""
        numbers, sure = kept
        count = searched - len(self.kept)
        taken = int(numbers[count]) if count < len(numbers) else len(sure)
        self.kept.extend((numbers[:count] + self.frames).tolist())
        self.frames += taken
        if taken:
            self._in_run = bool(sure[taken - 1])

    def times(self, searched: tuple[int, ...]) -> tuple[int, ...]:
        """Times in frames that were searched as times in all frames."""
        return tuple(self.kept[n] if n < len(self.kept) else self.frames for n in searched)

    def stretched(self, labels: tuple[int, ...]) -> tuple[int, ...]:
        """A label for each frame that was searched as one for each frame: those that were left out have that
        of the blank before them."""
        if not labels:
            return labels
        return tuple(np.repeat(labels, np.diff([*self.kept, self.frames])).tolist())

    def trailing(self, searched: int) -> int:
        """So many of the last frames that were searched as a number of all frames."""
        return self.frames - self.kept[len(self.kept) - searched] if searched else 0


Kept = tuple[np.ndarray, np.ndarray]
