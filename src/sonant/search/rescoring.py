"""Second passes over raw lattices (`lattice4`): which of a lattice's readings is the best by other lights.

n-best by total    the most probable reading, all paths of it summed (icefall's "nbest" methods)
n-best rescoring   the network's score of each of the n best readings, and another language model's
whole lattice      the same over all paths of the lattice at once
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonant.errors import SearchError
from sonant.fst import Fst, NgramLm, OnDemand, compose, connect, shortest_distance
from sonant.lattice.lattice import Lattice
from sonant.search.graph import GraphPath
from sonant.search.scores import check_count
from sonant.search.transducer_graph import best_path


@dataclass(frozen=True, slots=True)
class Reading:
    """One sequence of words of a lattice."""

    words: tuple[int, ...]
    score: float
    """What readings were compared by, a natural logarithm."""
    path: GraphPath
    """Its best path in the lattice, with the costs that it has there."""


def nbest_by_total(lattice: Fst, n: int) -> list[Reading]:
    """The `n` readings with the best paths, by the sum of all their paths, costs of graph and network
    together; the best first. Empty for an empty lattice."""
    arcs, states = lattice.arcs, lattice.states
    if lattice.start < 0:
        return []
    source = np.repeat(np.arange(lattice.num_states), states["num_arcs"])
    words = arcs["olabel"]
    summed = Fst.from_arrays(
        lattice.start,
        np.asarray(states["final"]).reshape(-1, 2).sum(1),
        source,
        words,
        words,
        np.asarray(arcs["weight"]).reshape(-1, 2).sum(1),
        arcs["nextstate"],
        "log",
    )
    readings: list[Reading] = []
    for one in Lattice(lattice).nbest(check_count(n, "n")):
        paths = compose(summed, _chain(one.words, "log"))
        total = float(shortest_distance(paths, reverse=True)[paths.start])
        readings.append(Reading(one.words, -total, path_of(lattice, one.words)))
    return sorted(readings, key=lambda reading: -reading.score)


def nbest_rescoring(lattice: Fst, lm: NgramLm, n: int, lm_weight: float = 1.0) -> list[Reading]:
    """The `n` readings with the best paths, by network score + lm_weight * ln p(words); the best first.

    The graph's own costs decide which the n best are, and count no more. lm: of words, which are found by the
    lattice's output symbols; readings with words that it has not are left out. Raises SearchError where the
    lattice has no such table.
    """
    _check_weight(lm_weight)
    readings: list[Reading] = []
    words = _names(lattice)
    for one in Lattice(lattice).nbest(check_count(n, "n")) if lattice.start >= 0 else ():
        path = path_of(_acoustic(lattice), one.words)
        probability = lm.score_sentence([words[word] for word in one.words])
        if probability > -math.inf:
            readings.append(Reading(one.words, lm_weight * probability - path.cost, path))
    return sorted(readings, key=lambda reading: -reading.score)


def whole_lattice_rescoring(lattice: Fst, lm: NgramLm, lm_weight: float = 1.0) -> Reading | None:
    """The best reading of all in the lattice by network score + lm_weight * ln p(words); None for an empty
    lattice, or one all of whose readings have a word that the model has not. Errors: as `nbest_rescoring`."""
    _check_weight(lm_weight)
    if lattice.start < 0:
        return None
    table = _names(lattice)
    there = {int(word) for word in np.unique(lattice.arcs["olabel"])} - {0}
    # The model's labels are its own: the lattice's words go through a table on the way.
    own = {word: lm.symbols.find(table[word]) for word in there}
    unknown = lm.native.unk
    model = OnDemand.of(_Renamed(lm, {w: unknown if key is None else key for w, key in own.items()}))
    path = best_path(Lattice(_acoustic(lattice)).rescore(model, lm_weight).fst)
    if path is None:
        return None
    words = tuple(int(word) for word in path.output_labels if word)
    return Reading(words, -path.cost, path)


class _Renamed:
    """A language model that knows words by other numbers."""

    def __init__(self, lm: NgramLm, labels: dict[int, int]):
        self._model, self._labels = OnDemand.ngram(lm), labels

    def start(self) -> int:
        return self._model.start()

    def final(self, state: int) -> float:
        return self._model.final(state)

    def step(self, state: int, label: int) -> tuple[float, int, int] | None:
        own = self._labels.get(label, -1)
        found = None if own < 0 else self._model.step(state, own)
        return None if found is None else (found[0], label, found[2])


def path_of(lattice: Fst, words: Sequence[int]) -> GraphPath:
    """The best path that says these words. Raises SearchError where there is none."""
    found = best_path(compose(lattice, _chain(words, "lattice4")))
    if found is None:
        raise SearchError(
            f"words {list(words)}: found no such path in the lattice, expected one of its readings"
        )
    return found


def _chain(words: Sequence[int], arc_type: str) -> Fst:
    count = len(words)
    size = 2 if arc_type == "lattice4" else 1
    finals = np.full((count + 1, size), np.inf)
    finals[count] = 0
    states = np.arange(count)
    return Fst.from_arrays(0, finals, states, words, words, np.zeros((count, size)), states + 1, arc_type)


def _acoustic(lattice: Fst) -> Fst:
    """Without the graph's costs."""
    scaled = Lattice(lattice).scale(graph=0.0).fst
    scaled.output_symbols = lattice.output_symbols
    return connect(scaled)


def _names(lattice: Fst) -> dict[int, str]:
    if lattice.output_symbols is None:
        raise SearchError(
            "a lattice without output symbols; expected the table of its words, for the language model"
        )
    return {label: word for word, label in lattice.output_symbols}


def _check_weight(weight: float) -> None:
    if not math.isfinite(weight):
        raise SearchError(f"lm_weight={weight}; expected a finite number")
