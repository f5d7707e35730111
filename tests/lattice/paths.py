"""Random lattices, and their paths one by one: the definitions that the algorithms are held to."""

import math
from typing import Any

import numpy as np

from sonant.fst import Fst
from sonant.lattice import Lattice


def random_lattice(seed: int, frames: int = 8, width: int = 2, words: int = 3, ids: int = 9) -> Lattice:
    """Layers of states, one a frame, as a search leaves them; words on a third of the arcs."""
    rng = np.random.default_rng(seed)
    fst = Fst("lattice4")
    layers = [[fst.add_state()]]
    fst.set_start(0)
    for _ in range(frames):
        layers.append([fst.add_state() for _ in range(rng.integers(1, width + 1))])
    for t in range(frames):
        for s in layers[t]:
            for d in layers[t + 1]:
                for _ in range(rng.integers(1, 3)):
                    word = int(rng.integers(1, words + 1)) if rng.random() < 0.3 else 0
                    weight = (float(rng.uniform(0, 3)), float(rng.uniform(-1, 4)))
                    fst.add_arc(s, int(rng.integers(1, ids)), word, weight, d)
    for s in layers[-1]:
        fst.set_final(s, (float(rng.uniform(0, 1)), 0.0))
    return Lattice(fst)


def all_paths(lattice: Lattice) -> list[tuple[tuple[int, ...], tuple[int, ...], float]]:
    """(words, transition-ids, cost) of every path."""
    fst: Any = lattice.fst
    found = []

    def walk(state: int, words: tuple[int, ...], ids: tuple[int, ...], cost: float) -> None:
        final = fst.final(state)
        if math.isfinite(final[0]):
            found.append((words, ids + tuple(final[2:] and final[2]), cost + final[0] + final[1]))
        for ilabel, olabel, weight, to in fst.arcs_of(state):
            more = tuple(weight[2]) if lattice.is_compact else (ilabel,) if ilabel else ()
            walk(to, words + ((olabel,) if olabel else ()), ids + more, cost + weight[0] + weight[1])

    if fst.start >= 0:
        walk(fst.start, (), (), 0.0)
    return found


def best_of_words(lattice: Lattice) -> dict[tuple[int, ...], float]:
    best: dict[tuple[int, ...], float] = {}
    for words, _, cost in all_paths(lattice):
        best[words] = min(cost, best.get(words, math.inf))
    return best
