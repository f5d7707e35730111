"""What is found in lattices. Words are numbers; `Lattice.text` makes symbols of them. Times are frames."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np

from sonant import _native


@dataclass(frozen=True)
class Path:
    """One way through a lattice.

    alignment: its transition-ids, one a frame. cost: graph_cost + acoustic_cost.
    """

    words: tuple[int, ...]
    alignment: tuple[int, ...]
    graph_cost: float
    acoustic_cost: float

    @property
    def cost(self) -> float:
        return self.graph_cost + self.acoustic_cost


@dataclass(frozen=True)
class WordTime:
    """A word with its frames, end excluded. confidence: its probability, in [0, 1]; 1 where none was asked
    for."""

    word: int
    begin: float
    end: float
    confidence: float = 1.0


@dataclass(frozen=True)
class Alternative:
    """A word that may stand at a position (0: none), its probability and its average times."""

    word: int
    probability: float
    begin: float
    end: float


@dataclass(frozen=True)
class Bin:
    """A position of a sausage: what may stand there, the likeliest first."""

    begin: float
    end: float
    words: tuple[Alternative, ...]


@dataclass(frozen=True)
class MbrResult:
    """The words with the least expected number of errors.

    risk: that number.
    """

    words: tuple[WordTime, ...]
    risk: float
    _bins: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] = field(repr=False, compare=False)

    @cached_property
    def sausage(self) -> tuple[Bin, ...]:
        """The positions, with gaps before, between and behind the words."""
        times, counts, words, values = self._bins
        alternatives = map(Alternative, words.tolist(), *values.reshape(-1, 3).T.tolist())
        return tuple(
            Bin(begin, end, tuple(islice(alternatives, count)))
            for (begin, end), count in zip(times.reshape(-1, 2).tolist(), counts.tolist(), strict=True)
        )


@dataclass(frozen=True)
class Posteriors:
    """Probabilities of transition-ids, frame by frame.

    Those of frame t are labels[begin[t] : begin[t + 1]], in order, and probabilities of the same places;
    they sum to 1. log_probability: of the lattice. acoustic: its expected acoustic score."""

    begin: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    log_probability: float
    acoustic: float

    @property
    def frames(self) -> list[list[tuple[int, float]]]:
        """As Kaldi's posteriors: (label, probability) of each frame."""
        return _native.posterior_frames(self.begin, self.labels, self.probabilities)


@dataclass(frozen=True)
class SentenceConfidence:
    """How much worse the second best sentence is than the best.

    difference: of costs; 0 where there is no sentence, infinite where there is one only.
    """

    difference: float
    best: tuple[int, ...] | None
    second: tuple[int, ...] | None


@dataclass(frozen=True)
class OracleResult:
    """The path with the fewest errors against a reference, the cheapest one of those."""

    path: Path
    insertions: int
    deletions: int
    substitutions: int
    reference_words: int

    @property
    def errors(self) -> int:
        return self.insertions + self.deletions + self.substitutions
