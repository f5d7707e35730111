"""What a search finds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A token sequence, when each token was said, and how sure the network was.

    All tuples have one entry per token. Frames are the frames of the scores (encoder frames). Times are those
    of the best single path of the hypothesis (Viterbi), also where the score sums many.
    """

    tokens: tuple[int, ...]
    """Token ids, without blanks."""
    frames: tuple[int, ...]
    """The frame at which each token was emitted, not decreasing."""
    end_frames: tuple[int, ...]
    """Exclusive end of each token's evidence: for CTC the end of its run of frames, for a transducer its
    frame + 1."""
    log_probs: tuple[float, ...]
    """Natural logarithm of each token's probability when it was emitted (CTC: the highest in its run), at
    most 0."""
    score: float
    """Natural logarithm of the hypothesis's total probability: greedy, that of its one path; beam, summed
    over the paths that the beam kept. -inf where some frame allowed no token at all. With fusion, and what
    that adds."""
    acoustic_score: float = 0.0
    """The part of the score that is the network's: all of it without fusion."""
    lm_score: float = 0.0
    """ln p of the language model, before its weight."""
    words: tuple[str, ...] = ()
    """The words that ended, where a fusion spells words."""
    word_ends: tuple[int, ...] = ()
    """How many of the tokens come before the end of each word."""
    complete: bool = True
    """False at the end of an utterance in the middle of a word of the lexicon, where nothing better is."""

    @property
    def confidences(self) -> tuple[float, ...]:
        """Probability of each token, in [0, 1]."""
        return tuple(math.exp(log_prob) for log_prob in self.log_probs)


Native = tuple[
    tuple[int, ...],
    tuple[int, ...],
    tuple[int, ...],
    tuple[float, ...],
    float,
    float,
    float,
    tuple[str, ...],
    tuple[int, ...],
    bool,
]


def from_native(results: Iterable[Native]) -> list[Hypothesis]:
    return [Hypothesis(*result) for result in results]
