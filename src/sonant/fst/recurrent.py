"""Neural language models for composition: histories are numbered, and many are computed at once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sonant.errors import FstError

Forward = Callable[[np.ndarray, list[Any]], tuple[Any, Sequence[Any]]]


class RecurrentLm:
    """A language model that reads a word at a time, as `OnDemand.of` takes it.

    >>> lm = RecurrentLm(forward, begin=1, end=2, order=4)
    >>> lattice.rescore(OnDemand.of(lm), scale=0.5, old=trigram, beam=6)

    forward(words, states): the model. Words (n,) int64 that come next, one for each history; the model's own
    states of these histories, a list of n, None where `begin` is read first. It returns natural logarithms of
    the probabilities of the words behind them, (n, vocabulary), and the n new states: any objects, a row of
    an array each, say. It is called with as many histories at once as a composition knows it will need.

    begin, end: the model's numbers of <s> and </s>. order: histories with the same last order - 1 words are
    taken for the same (the first that comes stands for all): lattices stay small, and the result is an
    approximation; None tells all histories apart. numbers: (words of the lattice + 1,), the model's number
    for each, -1 where it has none: no path goes along such a word; without it they are the same. keep: of so
    many histories probabilities are kept at most, those of older ones are computed again where they are
    needed.

    One thread at a time. Histories are kept: take a new one for each lattice, or for a few.
    """

    def __init__(
        self,
        forward: Forward,
        begin: int,
        end: int,
        *,
        order: int | None = None,
        numbers: Any = None,
        keep: int = 4096,
    ):
        if order is not None and order < 1:
            raise FstError(f"order={order}; expected 1 or more, or None")
        if keep < 1:
            raise FstError(f"keep={keep}; expected 1 or more")
        self._forward, self._end, self._order, self._keep = forward, end, order, keep
        self._numbers = None if numbers is None else np.asarray(numbers, np.int64)
        self._words = [begin]  # the last word of each history, by the model's numbers
        self._parents = [-1]
        self._states: list[Any] = [None]  # the model's, once it was computed
        self._keys: dict[Any, int] = {}
        self._histories: list[tuple[int, ...]] = [()]
        self._logs: dict[int, np.ndarray] = {}

    def start(self) -> int:
        return 0

    def final(self, state: int) -> float:
        return -float(self._of(state)[self._end])

    def step(self, state: int, label: int) -> tuple[float, int, int] | None:
        word = self._number(label)
        logs = self._of(state)
        if word >= len(logs):
            raise FstError(
                f"the model has {len(logs)} words, and not the number {word}; `numbers` says which number of "
                "the model a word of the lattice has"
            )
        if word < 0 or logs[word] == -np.inf:
            return None
        return -float(logs[word]), label, self._next(state, label, word)

    def expect(self, states: Sequence[int]) -> None:
        """Computes those that are new, together."""
        new = [state for state in dict.fromkeys(states) if state not in self._logs]
        for i in range(0, len(new), self._keep):
            self._compute(new[i : i + self._keep])

    def costs(self, sentences: Sequence[Sequence[int]]) -> np.ndarray:
        """(sentences,) costs of whole sentences, words of the lattice each, from beginning to end: infinite
        where a word is not the model's. For lists of n best."""
        total = np.zeros(len(sentences))
        at = [0] * len(sentences)
        for position in range(max(map(len, sentences), default=-1) + 1):
            alive = [i for i, words in enumerate(sentences) if position <= len(words) and total[i] < np.inf]
            self.expect([at[i] for i in alive])
            for i in alive:
                if position == len(sentences[i]):
                    total[i] += self.final(at[i])
                    continue
                found = self.step(at[i], int(sentences[i][position]))
                cost, _, at[i] = found if found is not None else (np.inf, 0, 0)
                total[i] += cost
        return total

    def _number(self, label: int) -> int:
        if self._numbers is None:
            return label
        return int(self._numbers[label]) if 0 <= label < len(self._numbers) else -1

    def _next(self, state: int, label: int, word: int) -> int:
        history = (*self._histories[state], label)
        if self._order is None:
            key: Any = (state, label)
            history = ()
        else:
            history = history[len(history) - min(len(history), self._order - 1) :]
            key = history
        # Where no word is told apart there is one history but for the empty one at the beginning.
        number = self._keys.setdefault(key, len(self._words))
        if number == len(self._words):
            self._words.append(word)
            self._parents.append(state)
            self._states.append(None)
            self._histories.append(history)
        return number

    def _of(self, state: int) -> np.ndarray:
        if not 0 <= state < len(self._words):
            raise FstError(f"state {state} of a model that has been in {len(self._words)}")
        if state not in self._logs:
            self._compute([state])
        return self._logs[state]

    def _compute(self, states: list[int]) -> None:
        words = np.array([self._words[state] for state in states], np.int64)
        before = [
            None if self._parents[state] < 0 else self._states[self._parents[state]] for state in states
        ]
        logs, following = self._forward(words, before)
        logs = np.asarray(logs)
        if logs.ndim != 2 or len(logs) != len(states) or len(following) != len(states):
            raise FstError(
                f"the model returned probabilities {logs.shape} and {len(following)} states for "
                f"{len(states)} histories; expected a row and a state for each"
            )
        if logs.size and not logs.max() <= 1e-3:
            raise FstError(
                f"the model returned the logarithm {logs.max():g} of a probability; expected at most 0: "
                "log_softmax of its output"
            )
        for state, row, made in zip(states, logs, following, strict=True):
            self._logs[state], self._states[state] = row, made
        while len(self._logs) > max(self._keep, len(states)):
            del self._logs[next(iter(self._logs))]
