"""Transducer search over graphs against enumeration of all paths, in plain Python."""

import math

import numpy as np
import pytest

from sonant.errors import FstError, SearchError
from sonant.fst import Fst, SymbolTable
from sonant.lattice import Lattice
from sonant.search import (
    TransducerGraph,
    TransducerGraphConfig,
    advance_graphs,
    nbest_by_total,
    token_loop,
    transducer_beam,
)

EVERYTHING = TransducerGraphConfig(beam=math.inf, max_states=10_000, max_contexts=10_000)


class Network:
    """Random log-probabilities that depend on the encoder frame and on the whole context."""

    def __init__(self, seed: int, tokens: int, context_size: int = 2):
        rng = np.random.default_rng(seed)
        self.frame_weight = rng.normal(size=(5, tokens)) * 2
        self.context_weight = rng.normal(size=(context_size, tokens, tokens))

    def __call__(self, frames, contexts):
        logits = np.einsum("nd,dv->nv", frames, self.frame_weight)
        for i, weight in enumerate(self.context_weight):
            logits = logits + weight[contexts[:, i]]
        return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def encoder(seed: int, frames: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 5)).astype(np.float32)


def random_graph(seed: int, states: int, tokens: int) -> Fst:
    """Words 1 to 3; starts anywhere; some states are final."""
    rng = np.random.default_rng(seed)
    count = states * 3
    source, target = rng.integers(0, states, (2, count))
    finals = np.where(rng.random(states) < 0.5, rng.random(states), np.inf)
    finals[0] = 0.3
    labels = rng.integers(1, tokens, count)
    words = rng.integers(0, 4, count)
    return Fst.from_arrays(
        int(rng.integers(0, states)), finals, source, labels, words, rng.random(count) * 2, target
    )


def all_paths(network, frames, graph: Fst, context_size: int, scale: float, use_final: bool):
    """[(cost of the graph, cost of the network, words, tokens of the frames)], by the definition."""
    found = []

    def walk(t, state, said, words, labels, graph_cost, cost):
        if t == len(frames):
            final = float(graph.final(state))
            if not use_final or math.isfinite(final):
                found.append((graph_cost + (scale * final if use_final else 0), cost, words, labels))
            return
        context = ([0] * context_size + list(said))[-context_size:]
        row = network(frames[t][None], np.array([context]))[0].astype(float)
        walk(t + 1, state, said, words, (*labels, 0), graph_cost, cost - row[0])
        for label, word, weight, target in graph.arcs_of(state):
            after = (*words, word) if word else words
            walk(
                t + 1,
                target,
                (*said, label),
                after,
                (*labels, label),
                graph_cost + scale * float(weight),
                cost - row[label],
            )

    walk(0, graph.start, (), (), (), 0.0, 0.0)
    return found


@pytest.mark.parametrize("use_final", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_best_path_and_sums_are_those_of_all_paths(seed, use_final):
    tokens, context_size, scale = 4, 1 + seed % 2, (1.0, 0.3)[seed % 2]
    network, x = Network(seed, tokens, context_size), encoder(seed, 4)
    graph = random_graph(seed, 4, tokens)
    expected = all_paths(network, x, graph, context_size, scale, use_final)
    config = TransducerGraphConfig(math.inf, 10_000, 10_000, graph_scale=scale)
    stream = TransducerGraph(graph, tokens, config, context_size=context_size).stream()
    advance_graphs(network, [stream], [x])
    best = min(expected, key=lambda path: path[0] + path[1])
    result = stream.result(use_final)
    assert result.words == best[2]
    assert result.alignment == tuple(label + 1 for label in best[3])
    assert result.graph_cost == pytest.approx(best[0], abs=1e-4)
    assert result.acoustic_cost == pytest.approx(best[1], abs=1e-4)
    if not use_final:
        ended = all_paths(network, x, graph, context_size, scale, True)
        relative = min(p[0] + p[1] for p in ended) - best[0] - best[1]
        assert result.final_relative_cost == pytest.approx(relative, abs=1e-3)
    totals: dict[tuple[int, ...], float] = {}
    for graph_cost, cost, words, _ in expected:
        totals[words] = np.logaddexp(totals.get(words, -math.inf), -graph_cost - cost)
    found = nbest_by_total(stream.lattice(use_final), 10_000)
    assert {reading.words for reading in found} == set(totals)
    for reading in found:
        assert reading.score == pytest.approx(totals[reading.words], abs=1e-3)
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)


@pytest.mark.parametrize("seed", range(3))
def test_over_a_loop_of_tokens_sums_are_those_of_the_modified_beam(seed):
    network, x = Network(seed, 4), encoder(seed, 5)
    (result,) = TransducerGraph(token_loop(4), 4, EVERYTHING).search(network, [x])
    (beam,) = transducer_beam(network, [x], beam=100_000, nbest=100_000)
    assert result.lattice is not None
    found = {reading.words: reading.score for reading in nbest_by_total(result.lattice, 100_000)}
    assert set(found) == {h.tokens for h in beam}
    assert all(found[h.tokens] == pytest.approx(h.score, abs=1e-3) for h in beam)
    assert result.lattice.num_states > 0 and Lattice(result.lattice).best_path().words == result.words


def test_streams_of_any_cuts_and_company_give_what_each_gives_alone():
    network = Network(1, 5)
    graph = TransducerGraph(random_graph(1, 6, 5), 5, TransducerGraphConfig(4.0, 6, 3))
    other = TransducerGraph(token_loop(5), 5)
    frames = [encoder(i, n) for i, n in enumerate((9, 0, 4, 12))]
    searches = [graph, graph, other, graph]
    alone = [search.search(network, [x])[0] for search, x in zip(searches, frames, strict=True)]
    streams = [search.stream() for search in searches]
    for begin in range(0, 12, 5):
        advance_graphs(network, streams, [x[begin : begin + 5] for x in frames])
    for stream, expected, x in zip(streams, alone, frames, strict=True):
        assert stream.frames == len(x)
        found = stream.result(lattice=True)
        assert found == expected
        assert found.lattice.equal(expected.lattice, 0)
    assert alone[1].words == () and alone[1].alignment == ()


def test_limits_leave_out_what_is_worse():
    network, x = Network(3, 6), encoder(3, 8)
    wide = TransducerGraph(token_loop(6), 6, EVERYTHING).search(network, [x])[0]
    narrow = TransducerGraph(token_loop(6), 6, TransducerGraphConfig(2.0, 3, 2)).search(network, [x])[0]
    assert narrow.lattice.num_states < wide.lattice.num_states
    assert narrow.cost >= wide.cost - 1e-4
    stream = TransducerGraph(token_loop(6), 6, TransducerGraphConfig(20.0, 3, 2)).stream()
    for frame in x:
        assert len(stream.contexts) <= 2
        advance_graphs(network, [stream], [frame[None]])


def test_words_have_names_and_an_end_that_was_not_reached_is_told():
    graph = Fst.from_arrays(0, [np.inf, 0], [0], [1], [1], [0.5], [1])
    graph.output_symbols = SymbolTable(["<eps>", "yes"])
    never = lambda frames, contexts: np.tile(np.float32([0, -np.inf]), (len(frames), 1))  # noqa: E731
    said = lambda frames, contexts: np.tile(np.float32([-3, -1]), (len(frames), 1))  # noqa: E731
    search = TransducerGraph(graph, 2, context_size=1)
    (result,) = search.search(said, [encoder(0, 2)])
    assert result.text == "yes" and result.reached_final and result.cost == pytest.approx(4.5)
    (result,) = search.search(never, [encoder(0, 2)])
    assert result.text == "" and not result.reached_final and result.cost == 0


def test_what_does_not_fit_is_named():
    with pytest.raises(SearchError, match="reads labels 1 to 5; expected tokens of the network, 1 to 3"):
        TransducerGraph(token_loop(6), 4)
    with pytest.raises(SearchError, match="start state -1"):
        TransducerGraph(Fst(), 4)
    with pytest.raises(SearchError, match="max_states"):
        TransducerGraphConfig(max_states=0)
    with pytest.raises(SearchError, match=r"beam=nan"):
        TransducerGraphConfig(beam=math.nan)
    with pytest.raises(FstError, match="2\\^63"):
        TransducerGraph(token_loop(1 << 20), 1 << 20, context_size=4)
    stream = TransducerGraph(token_loop(4), 4).stream()
    with pytest.raises(SearchError, match=r"expected \(1, 4\)"):
        stream.advance(np.zeros((2, 4), np.float32))
    with pytest.raises(FstError, match="nan"):
        stream.advance(np.full((1, 4), np.nan, np.float32))
    with pytest.raises(SearchError, match="one search for each"):
        advance_graphs(Network(0, 4), [stream, stream], [encoder(0, 1)] * 2)
    with pytest.raises(SearchError, match="found 5 tokens, expected 4"):
        advance_graphs(Network(0, 5), [stream], [encoder(0, 1)])
    assert stream.frames == 0
