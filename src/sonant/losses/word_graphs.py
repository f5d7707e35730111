"""Words as acceptors of phones, for LF-MMI: what was said, and anything that could be, silences between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import torch

from sonant.errors import ConfigError
from sonant.fsa import Fsa

Arc = tuple[int, int, int, float, int]  # from, to, phone (-1: the end), score, word (0: none)


@dataclass(frozen=True)
class Words:
    """pronunciations: the phones 1, 2, ... of each word, numbered from 1 in their order. silence: a phone
    that may come before, between and after words, with probability `silence_probability`; 0 for none.
    """

    pronunciations: Mapping[str, Sequence[int]]
    silence: int = 0
    silence_probability: float = 0.5

    def __post_init__(self):
        for word, phones in self.pronunciations.items():
            if not phones or min(phones) < 1:
                raise ConfigError(f"phones {list(phones)} of {word!r}, expected some, each 1 or more")
        if not 0 < self.silence_probability < 1:
            raise ConfigError(
                f"silence_probability {self.silence_probability}, expected more than 0, below 1"
            )

    def _pause(self, arcs: list[Arc], state: int, after: int) -> tuple[float, float]:
        """An arc of silence; the scores of going on without one, and after it."""
        if not self.silence:
            return 0.0, 0.0
        arcs.append((state, after, self.silence, log(self.silence_probability), 0))
        return log(1 - self.silence_probability), 0.0

    def sentence(self, text: str) -> Fsa:
        """The phones of a text's words, all scores 0: an acceptor for `MmiGraphs.numerators`.

        Raises ConfigError for a word without pronunciation.
        """
        arcs: list[Arc] = []
        state, free = 0, 2
        for word in [*text.split(), None]:
            if word is not None and word not in self.pronunciations:
                raise ConfigError(
                    f"{word!r} has no pronunciation; expected words of {list(self.pronunciations)[:10]}"
                )
            phones = [-1] if word is None else self.pronunciations[word]
            after, inner = free - 1, free
            free += len(phones) + 1
            end = inner + len(phones) - 1
            self._pause(arcs, state, after)
            for begin in [state, after] if self.silence else [state]:
                arcs.append((begin, inner if len(phones) > 1 else end, phones[0], 0.0, 0))
            for i, phone in enumerate(phones[1:]):
                arcs.append((inner + i, inner + i + 1, phone, 0.0, 0))
            state = end
        return Fsa(_fsa([(*arc[:3], 0.0, 0) for arc in arcs]).arcs.values())

    def loop(self) -> Fsa:
        """Any words in any order, all as probable as the end is: an acceptor whose aux_labels are the words.

        States: 0 before the first word, 1 after silence there, 2 after a word, 3 after silence after it.
        """
        arcs: list[Arc] = []
        start, after = self._pause(arcs, 0, 1)
        begins = [(0, start - log(len(self.pronunciations)))]
        many = log(len(self.pronunciations) + 1)
        between, _ = self._pause(arcs, 2, 3)
        begins += [(2, between - many)]
        if self.silence:
            begins += [(1, after - log(len(self.pronunciations))), (3, -many)]
        free = 4
        for number, phones in enumerate(self.pronunciations.values(), 1):
            path = [*range(free, free + len(phones) - 1), 2]
            free += len(phones) - 1
            arcs += [(begin, path[0], phones[0], score, number) for begin, score in begins]
            arcs += [(path[i], path[i + 1], phone, 0.0, 0) for i, phone in enumerate(phones[1:])]
        arcs += [(state, -1, -1, score, -1) for state, score in begins if state in (2, 3)]
        return _fsa([(a, free if b == -1 else b, *rest) for a, b, *rest in arcs])  # pyright: ignore


def _fsa(arcs: list[Arc]) -> Fsa:
    """States are numbered anew, those that arcs name alone, the last one being the end."""
    order = {state: i for i, state in enumerate(sorted({s for arc in arcs for s in arc[:2]}))}
    last = next(arc[1] for arc in arcs if arc[2] == -1)
    names = [state for state in order if state != last] + [last]
    number = {state: i for i, state in enumerate(names)}
    rows = sorted((number[a], number[b], label, score, aux) for a, b, label, score, aux in arcs)
    table = torch.tensor([(a, b, label, 0) for a, b, label, _, _ in rows], dtype=torch.int32)
    fsa = Fsa(table, torch.tensor([aux for *_, aux in rows], dtype=torch.int32))
    fsa.scores = torch.tensor([score for *_, score, _ in rows])
    return fsa
