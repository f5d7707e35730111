"""Second passes over lattices against the score of every path, in plain Python."""

import math

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.fst import Fst, NgramLm, SymbolTable
from sonant.search import nbest_by_total, nbest_rescoring, whole_lattice_rescoring
from sonant.search.rescoring import path_of

WORDS = ["<eps>", "a", "b", "c", "d"]
SENTENCES = ["a b", "a b c", "b c a", "c", "a a b", "b", "c b a c"]


def lattice(seed: int) -> Fst:
    """Of frames, with epsilons among the words."""
    rng = np.random.default_rng(seed)
    layers, width = 5, 2
    states = 1 + layers * width
    source, target = [], []
    for layer in range(layers):
        before = [0] if layer == 0 else range(1 + (layer - 1) * width, 1 + layer * width)
        for one in before:
            for other in range(1 + layer * width, 1 + (layer + 1) * width):
                source += [one, one]
                target += [other, other]
    finals = np.full((states, 2), np.inf)
    finals[-width:] = rng.random((width, 2))
    count = len(source)
    labels, words = rng.integers(1, 4, count), rng.integers(0, 4, count)
    made = Fst.from_arrays(0, finals, source, labels, words, rng.random((count, 2)) * 3, target, "lattice4")
    made.output_symbols = SymbolTable(WORDS)
    return made


def all_paths(fst: Fst):
    """[(words, graph cost, acoustic cost)]"""
    found = []

    def walk(state, words, graph, acoustic):
        final = fst.final(state)
        if math.isfinite(final[0]):
            found.append((words, graph + final[0], acoustic + final[1]))
        for _, word, weight, target in fst.arcs_of(state):
            walk(target, (*words, word) if word else words, graph + weight[0], acoustic + weight[1])

    walk(fst.start, (), 0.0, 0.0)
    return found


@pytest.fixture(scope="module")
def lm() -> NgramLm:
    """Whose labels are in another order than the lattices'."""
    return NgramLm.train(SENTENCES, 2)


@pytest.mark.parametrize("seed", range(4))
def test_totals_are_sums_over_paths(seed):
    fst = lattice(seed)
    totals: dict = {}
    for words, graph, acoustic in all_paths(fst):
        totals[words] = np.logaddexp(totals.get(words, -math.inf), -graph - acoustic)
    best = nbest_by_total(fst, 10_000)
    assert len(best) == len(totals)
    assert best[0].words == max(totals, key=totals.__getitem__)
    assert all(one.score == pytest.approx(totals[one.words], abs=1e-3) for one in best)
    assert len(nbest_by_total(fst, 3)) == 3


@pytest.mark.parametrize("weight", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_rescored_readings_are_the_best_by_network_and_model(lm, seed, weight):
    fst = lattice(seed)
    scores: dict = {}
    for words, _, acoustic in all_paths(fst):
        score = weight * lm.score_sentence([WORDS[word] for word in words]) - acoustic
        scores[words] = max(scores.get(words, -math.inf), score)
    best = max(scores, key=scores.__getitem__)
    whole = whole_lattice_rescoring(fst, lm, weight)
    assert whole is not None and whole.words == best
    assert whole.score == pytest.approx(scores[best], abs=1e-3)
    found = nbest_rescoring(fst, lm, 10_000, weight)
    assert found[0].words == best
    assert all(one.score == pytest.approx(scores[one.words], abs=1e-3) for one in found)


def test_paths_say_their_words_and_nothing_is_found_in_an_empty_lattice(lm):
    fst = lattice(0)
    reading = nbest_by_total(fst, 1)[0]
    assert tuple(int(w) for w in reading.path.output_labels if w) == reading.words
    assert len(reading.path.input_labels) == 5
    with pytest.raises(SearchError, match="no such path"):
        path_of(fst, [4, 4, 4, 4, 4, 4, 4])
    empty = Fst("lattice4")
    empty.output_symbols = SymbolTable(WORDS)
    assert nbest_by_total(empty, 2) == nbest_rescoring(empty, lm, 2) == []
    assert whole_lattice_rescoring(empty, lm) is None


def test_a_word_that_the_model_has_not_is_no_reading(lm):
    fst = Fst.from_arrays(0, [[np.inf] * 2, [0, 0]], [0], [1], [4], [[0, 1.0]], [1], "lattice4")
    fst.output_symbols = SymbolTable(WORDS)
    arpa = "\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-0.5 </s>\n-0.5 a\n\n\\end\\\n"
    closed = NgramLm.read(arpa.encode())
    assert whole_lattice_rescoring(fst, closed) is None
    assert nbest_rescoring(fst, closed, 1) == []
    assert whole_lattice_rescoring(fst, lm) is not None  # it has <unk>
    with pytest.raises(SearchError, match="output symbols"):
        nbest_rescoring(Fst.of_native(fst.native.copy()), lm, 1)
    with pytest.raises(SearchError, match="lm_weight=nan"):
        whole_lattice_rescoring(fst, lm, math.nan)
