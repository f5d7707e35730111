"""Frames that are skipped, and frames whose scores are asked for as they are needed."""

import math
from typing import Any

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.fst import Fst, OnDemand
from sonant.fst.graphs.ctc import compose_ctc
from sonant.search import GraphSearch, GraphSearchConfig, LmGraph
from tests.search.test_dynamic_graphs import acyclic_graph, bare, grammar
from tests.search.test_graph_search import random_scores

SKIP = GraphSearchConfig(skip_blank=math.log(0.9))


def letters(tokens: int = 4) -> Fst:
    """Any sequence of tokens 2, 3, ..., each a word of its own; the blank is label 1."""
    count = tokens - 1
    labels = list(range(2, tokens + 1))
    lg = Fst.from_arrays(0, [0.0], [0] * count, labels, labels, [0.0] * count, [0] * count)
    return compose_ctc(lg, range(1, tokens + 1))


def spiky(rng: np.random.Generator, tokens: int = 4) -> tuple[np.ndarray, list[int], list[int]]:
    """Scores, the tokens that they say and when; between equal tokens there is a blank."""
    labels: list[int] = []
    said, when = [], []
    for _ in range(int(rng.integers(0, 8))):
        token = int(rng.integers(2, tokens + 1))
        blanks = int(rng.integers(bool(said and said[-1] == token), 6))
        labels += [1] * blanks
        said.append(token)
        when.append(len(labels))
        labels += [token] * int(rng.integers(1, 3))
    labels += [1] * int(rng.integers(0, 6))
    noise = rng.random((len(labels), tokens)) * 0.05
    noise[np.arange(len(labels)), np.array(labels, int) - 1] = 1
    return np.log(noise / noise.sum(1, keepdims=True)).astype(np.float32), said, when


@pytest.mark.parametrize("lattice", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_skipped_blanks_change_no_words_and_no_times(seed: int, lattice: bool):
    rng = np.random.default_rng(seed)
    scores, said, when = spiky(rng)
    (plain,) = GraphSearch(letters(), GraphSearchConfig(lattice=lattice)).search([scores])
    search = GraphSearch(letters(), GraphSearchConfig(skip_blank=math.log(0.9), lattice=lattice))
    (result,) = search.search([scores])
    assert result.words == plain.words == tuple(said)
    assert result.word_frames == plain.word_frames == tuple(when)
    assert result.alignment == plain.alignment
    assert plain.searched is None and result.searched is not None
    sure = scores[:, 0] > math.log(0.9)
    first = sure & ~np.concatenate([[False], sure[:-1]]) if len(sure) else sure
    assert result.searched == tuple(np.flatnonzero(~sure | first).tolist())
    assert (result.lattice is not None) == lattice

    stream, whole = search.stream(), GraphSearch(letters(), GraphSearchConfig(lattice=lattice)).stream()
    at, blank = 0, [False, True]
    while at < len(scores):
        count = int(rng.integers(0, 4))
        for one in stream, whole:
            one.advance(scores[at : at + count])
        at += count
        assert stream.frames == whole.frames
        assert stream.trailing_frames(blank) == whole.trailing_frames(blank)
        assert stream.result().alignment == whole.result().alignment
    stream.finish()
    assert stream.result() == bare(result)


def test_what_is_skipped_is_checked():
    scores = np.log(np.full((4, 4), [0.97, 0.01, 0.01, 0.01], np.float32))
    search = GraphSearch(letters(), SKIP)
    scores[3, 2] = np.nan
    bad: Any
    (good, bad) = search.search([scores[:3], scores], errors="return")
    assert good.alignment == (1, 1, 1) and good.searched == (0,)
    assert "utterance 1: frame 3, column 2: found the score nan" in str(bad)
    stream = search.stream()
    stream.advance(scores[:2])
    with pytest.raises(SearchError, match="frame 3, column 2"):
        stream.advance(scores[2:])
    assert stream.frames == 2
    wide = GraphSearch(letters(), GraphSearchConfig(skip_blank=-0.1, blank=7))
    (bad,) = wide.search([scores[:1]], errors="return")
    assert "utterance 0: blank=7, but scores have 4 columns" in str(bad)
    with pytest.raises(SearchError, match="skip_blank=nan"):
        GraphSearch(letters(), GraphSearchConfig(skip_blank=math.nan))
    with pytest.raises(SearchError, match="blank: found -1"):
        GraphSearch(letters(), GraphSearchConfig(blank=-1))
    with pytest.raises(SearchError, match="advance_by with skip_blank"):
        stream.advance_by(lambda frame, columns: columns, 1)


@pytest.mark.parametrize("lattice", [False, True])
@pytest.mark.parametrize("with_lm", [False, True])
def test_scores_that_are_asked_for_are_those_of_a_matrix(lattice: bool, with_lm: bool):
    rng = np.random.default_rng(3)
    graph: Any = acyclic_graph(rng, 30, 60)
    if with_lm:
        graph = LmGraph(graph, OnDemand.backoff(grammar(rng)))
    scores = random_scores(rng, 15, 4)
    config = GraphSearchConfig(beam=5, min_active=0, lattice=lattice)
    (expected,) = GraphSearch(graph, config).search([scores])
    stream = GraphSearch(graph, config).stream()
    asked: list[int] = []

    def step(frame: int, columns: np.ndarray) -> np.ndarray:
        assert columns.tolist() == sorted(set(columns.tolist())) and frame == stream.frames
        asked.append(len(columns))
        return scores[frame, columns]

    stream.advance_by(step, 7)
    stream.advance(scores[7:9])
    stream.advance_by(step, 6)
    stream.finish()
    assert stream.result() == bare(expected)
    assert len(asked) == 13 and min(asked) < 4

    again = GraphSearch(graph, config).stream()
    for wrong, error in (
        (lambda frame, columns: scores[frame, :1][:0], SearchError),
        (lambda frame, columns: columns * np.nan, SearchError),
        (lambda frame, columns: 1 / 0, ZeroDivisionError),
    ):
        with pytest.raises(error):
            again.advance_by(wrong, 1)
        assert again.frames == 0
