"""Search over graphs: beside Kaldi's decoders (golden files of tests/oracle/make_search_golden.py) and a
plain Viterbi search."""

import _thread
import itertools
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.fst import Fst, SymbolTable, shortest_distance
from sonant.lattice import Lattice
from sonant.search import (
    EndpointRule,
    GraphResult,
    GraphSearch,
    GraphSearchConfig,
    endpoint_detected,
)

GOLDEN = Path(__file__).parent / "golden"
SCALE = 0.7
CASES = [(graph, options) for graph in range(6) for options in range(5)]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def opened(graph: int) -> tuple[Fst, np.ndarray, list[dict[str, float]], dict[str, np.ndarray]]:
    with np.load(GOLDEN / f"graph{graph}.npz") as file:
        golden = dict(file)
    source, ilabel, olabel, to = golden["arcs"].T.copy()
    fst = Fst.from_arrays(0, golden["finals"], source, ilabel, olabel, golden["costs"], to)
    return fst, golden["scores"], json.loads(str(golden["options"])), golden


def rows(fst: Fst) -> Rows:
    """Arcs (state, input, output, next), costs, final costs."""
    states = np.repeat(np.arange(fst.num_states), fst.states["num_arcs"])
    arcs = fst.arcs
    ints = np.stack([states, arcs["ilabel"], arcs["olabel"], arcs["nextstate"]], 1)
    return ints, arcs["weight"], fst.states["final"]


def theirs(golden: dict[str, np.ndarray], name: str) -> Rows:
    if name + "/none" in golden:
        return np.zeros((0, 4), int), np.zeros((0, 2)), np.zeros((0, 2))
    return golden[name + "/arcs"], golden[name + "/costs"], golden[name + "/finals"]


def assert_same(ours: Rows, expected: Rows, start: int = 0) -> None:
    """Up to the numbers of states; the arcs of a state in the same order."""
    assert [len(part) for part in ours] == [len(part) for part in expected]
    if not len(ours[2]):
        return
    begins = [np.searchsorted(part[0][:, 0], np.arange(len(part[2]) + 1)) for part in (ours, expected)]
    other, todo = {0: start}, [0]
    while todo:
        state = todo.pop()
        a, b = (slice(*begin[s : s + 2]) for begin, s in zip(begins, (state, other[state]), strict=True))
        np.testing.assert_array_equal(ours[0][a, 1:3], expected[0][b, 1:3])
        np.testing.assert_allclose(ours[1][a], expected[1][b], atol=1e-4)
        np.testing.assert_allclose(ours[2][state, 0], expected[2][other[state], 0], atol=1e-4)
        for mine, its in zip(ours[0][a, 3].tolist(), expected[0][b, 3].tolist(), strict=True):
            if mine not in other:
                todo.append(mine)
            assert other.setdefault(mine, its) == its
    assert len(other) == len(ours[2]) == len(set(other.values()))


def assert_same_path(result: GraphResult, expected: Rows, backwards: bool) -> None:
    if not len(expected[2]):
        assert result.path is None
        return
    inputs, outputs = expected[0][:: -1 if backwards else 1, 1:3].T
    assert result.alignment == tuple(inputs[inputs != 0])
    assert result.words == tuple(outputs[outputs != 0])
    final = expected[2][np.isfinite(expected[2][:, 0])]
    np.testing.assert_allclose(
        [result.graph_cost, result.acoustic_cost], expected[1].sum(0) + final.sum(0), atol=1e-3
    )


@pytest.mark.parametrize(("graph", "number"), CASES)
def test_lattices_are_kaldis_arc_by_arc(graph: int, number: int):
    fst, scores, options, golden = opened(graph)
    config = GraphSearchConfig(acoustic_scale=SCALE, **options[number])  # type: ignore[arg-type]
    search = GraphSearch(fst, config)
    name = f"options{number}"
    (result,) = search.search([scores])
    assert result.lattice is not None
    assert_same(rows(result.lattice), theirs(golden, name + "/lattice"))
    assert_same_path(result, theirs(golden, name + "/path"), backwards=True)
    assert result.final_relative_cost == pytest.approx(golden[name + "/relative"], abs=1e-4)

    stream = search.stream()
    stream.advance(scores[: len(scores) // 2])
    assert_same_path(stream.result(use_final=False), theirs(golden, name + "/half"), backwards=True)
    assert stream.final_relative_cost == pytest.approx(golden[name + "/half_relative"], abs=1e-4)
    if number % 2 == 0:
        lattice = stream.lattice(use_final=True, beam=options[number]["lattice_beam"] / 4)
        assert_same(rows(lattice), theirs(golden, name + "/half_lattice"))


@pytest.mark.parametrize(("graph", "number"), CASES)
def test_best_paths_are_those_of_kaldis_faster_decoder(graph: int, number: int):
    fst, scores, options, golden = opened(graph)
    given: dict[str, Any] = {"min_active": 20, **options[number]}
    config = GraphSearchConfig(acoustic_scale=SCALE, lattice=False, **given)
    (result,) = GraphSearch(fst, config).search([scores])
    name = f"options{number}"
    assert result.lattice is None
    assert result.reached_final == bool(golden[name + "/faster_final"])
    if (graph, number) == (3, 2):
        # Where min_active makes the cutoff, Kaldi follows the token that lies on it or not, as its cost in
        # double precision happens to be rounded; a beam of 1 leaves no other way to the better path.
        assert 0 < result.cost - golden[name + "/faster/costs"].sum() < 1
        return
    assert_same_path(result, theirs(golden, name + "/faster"), backwards=False)


def random_graph(rng: np.random.Generator, states: int, arcs: int, labels: int) -> Fst:
    source, to = rng.integers(0, states, (2, arcs))
    epsilon = rng.random(arcs) < 0.2
    ilabel = np.where(epsilon, 0, rng.integers(1, labels + 1, arcs))
    olabel = rng.integers(0, 4, arcs)
    finals = np.where(rng.random(states) < 0.4, rng.random(states), np.inf)
    return Fst.from_arrays(0, finals, source, ilabel, olabel, rng.random(arcs), to)


def random_scores(rng: np.random.Generator, frames: int, labels: int) -> np.ndarray:
    scores = np.log(rng.dirichlet(np.ones(labels), frames)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    return scores


def viterbi(fst: Fst, scores: np.ndarray) -> tuple[float, bool]:
    """Cost of the best path, and whether it ends in a final state."""
    costs = np.full(fst.num_states, np.inf)
    costs[fst.start] = 0.0

    def epsilons() -> None:
        for _ in range(fst.num_states):
            for state in range(fst.num_states):
                for ilabel, _, cost, to in fst.arcs_of(state):
                    if ilabel == 0:
                        costs[to] = min(costs[to], costs[state] + cost)

    epsilons()
    for frame in scores:
        before = costs.copy()
        costs[:] = np.inf
        for state in range(fst.num_states):
            for ilabel, _, cost, to in fst.arcs_of(state):
                if ilabel:
                    costs[to] = min(costs[to], before[state] + cost - frame[ilabel - 1])
        epsilons()
    final = (costs + fst.states["final"]).min()
    return (float(final), True) if np.isfinite(final) else (float(costs.min()), False)


WIDE: dict[str, Any] = {"beam": 1000.0, "lattice_beam": 5.0}


@pytest.mark.parametrize("seed", range(40))
def test_wide_beams_find_the_best_path(seed: int):
    rng = np.random.default_rng(seed)
    fst = random_graph(rng, 8, 24, 4)
    scores = random_scores(rng, int(rng.integers(0, 9)), 4)
    cost, final = viterbi(fst, scores)
    for lattice in (False, True):
        stream = GraphSearch(fst, GraphSearchConfig(lattice=lattice, **WIDE)).stream()
        stream.advance(scores)
        result = stream.result()
        assert result.cost == pytest.approx(cost, abs=1e-4)
        assert result.reached_final == final
        assert len(result.alignment) == (len(scores) if result.path else 0)
        assert result.words == tuple(w for w in (result.path.output_labels if result.path else []) if w)
        if result.path is None:
            continue
        one = result.path.lattice()
        assert shortest_distance(one, reverse=True)[0].sum() == pytest.approx(cost, abs=1e-4)
        costs = [-scores[t, label - 1] for t, label in enumerate(result.alignment)]
        assert result.acoustic_cost == pytest.approx(sum(costs), abs=1e-4)
    labels = rng.permutation(4)
    columns = [-7, *(int(np.flatnonzero(labels == k)[0]) for k in range(4))]
    (mapped,) = GraphSearch(fst, GraphSearchConfig(lattice=False, **WIDE), columns=columns).search(
        [scores[:, labels]]
    )
    assert mapped.cost == pytest.approx(cost, abs=1e-4)


def assert_equal(a: GraphResult, b: GraphResult) -> None:
    assert a == b
    assert (a.path is None) == (b.path is None)
    if a.path is not None and b.path is not None:
        assert a.path.acoustic_costs.tobytes() == b.path.acoustic_costs.tobytes()


@pytest.mark.parametrize("lattice", [False, True])
def test_streams_and_threads_change_nothing(lattice: bool):
    fst, scores, _, _ = opened(3)
    search = GraphSearch(
        fst, GraphSearchConfig(beam=6, lattice_beam=3, max_active=60, min_active=9, lattice=lattice)
    )
    (whole,) = search.search([scores])
    assert whole.words
    many = search.search([scores[:n] for n in range(len(scores) + 1)] * 3, num_threads=4)
    for rng in map(np.random.default_rng, range(5)):
        stream, at = search.stream(), 0
        while at < len(scores):
            count = int(rng.integers(0, 5))
            stream.advance(scores[at : at + count])
            at += count
            assert stream.frames == min(at, len(scores))
            assert_equal(stream.result(), search_result(many[stream.frames]))
        stream.finish()
        assert_equal(stream.result(), search_result(whole))
        assert_equal(search_result(many[len(many) - 1]), search_result(whole))
        if lattice:
            assert whole.lattice is not None
            assert stream.lattice().to_bytes() == whole.lattice.to_bytes()
        with pytest.raises(SearchError, match="finished"):
            stream.advance(scores)


def search_result(result: GraphResult) -> GraphResult:
    """Without its lattice, as streams give it."""
    return replace(result, lattice=None)


def test_lattices_hold_the_best_path_and_frames():
    fst, scores, _, _ = opened(3)
    (result,) = GraphSearch(fst, GraphSearchConfig(beam=8, lattice_beam=2)).search([scores])
    lattice = result.lattice
    assert lattice is not None and lattice.num_arcs > 50
    backward = shortest_distance(lattice, reverse=True).sum(1)
    forward = shortest_distance(lattice).sum(1)
    assert backward[0] == pytest.approx(result.cost, abs=1e-4)
    assert (forward + backward).max() < result.cost + 2.001
    states = np.repeat(np.arange(lattice.num_states), lattice.states["num_arcs"])
    assert (lattice.arcs["nextstate"] > states).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_determinizes_its_lattices(threads: int, caplog: pytest.LogCaptureFixture):
    fst, scores, _, _ = opened(3)
    config = GraphSearchConfig(beam=8, lattice_beam=4)
    batch = [scores, scores[:7], np.full_like(scores, -np.inf)]
    raw = GraphSearch(fst, config).search(batch, num_threads=threads)
    search = GraphSearch(fst, replace(config, determinize=True))
    for one, compact, given in zip(raw, search.search(batch, num_threads=threads), batch, strict=True):
        assert one.lattice is not None and compact.lattice is not None
        expected = Lattice(one.lattice).determinize(4).fst
        assert compact.lattice.arc_type == "compactlattice44"
        assert compact.lattice.to_bytes() == expected.to_bytes()
        assert search_result(compact) == search_result(one)
        stream = search.stream()
        stream.advance(given)
        stream.finish()
        assert stream.lattice().to_bytes() == expected.to_bytes()
    assert not caplog.records


def chain(words: list[int]) -> Fst:
    """Says the words, two frames of the label of the same number each."""
    fst = Fst()
    at = fst.add_state()
    fst.set_start(at)
    for word in words:
        for k in range(2):
            to = fst.add_state()
            fst.add_arc(at, word, word if k == 0 else 0, 0.25, to)
            at = to
    fst.set_final(at, 0.5)
    return fst


def test_words_and_when_they_are_said():
    table = SymbolTable.from_text("<eps> 0\nno 1\nyes 2\n")
    search = GraphSearch(chain([2, 1, 2]), GraphSearchConfig(lattice=False), symbols=table)
    (result,) = search.search([np.zeros((6, 2), np.float32)])
    assert result.text == "yes no yes"
    assert result.words == (2, 1, 2)
    assert result.word_frames == (0, 2, 4)
    assert result.alignment == (2, 2, 1, 1, 2, 2)
    assert (result.graph_cost, result.acoustic_cost, result.reached_final) == (2.0, 0.0, True)
    stream = search.stream()
    stream.advance(np.zeros((5, 2), np.float32))
    assert not stream.reached_final
    assert stream.result().words == (2, 1, 2)
    assert stream.trailing_frames([False, False, True]) == 1
    assert stream.trailing_frames([False, True, True]) == 5
    assert stream.trailing_frames([]) == 0


def test_a_beam_that_kills_everything_is_flagged():
    search = GraphSearch(chain([1]), GraphSearchConfig())
    (result, none) = search.search([np.zeros((3, 1), np.float32), np.full((2, 1), -np.inf, np.float32)])
    for one in (result, none):
        assert one.path is None and not one.reached_final
        assert (one.words, one.text, one.alignment) == ((), "", ())
        assert one.cost == one.graph_cost == np.inf
        assert one.lattice is not None and one.lattice.num_states == 0
    (empty,) = search.search([np.zeros((0, 1), np.float32)])
    assert empty.path is not None and not empty.reached_final and empty.cost == 0


def test_cycles_of_epsilons():
    fst = Fst.from_text("0 1 1 1\n1 2 0 5 0.5\n2 1 0 6 0.5\n1 0.25\n")
    (path,) = GraphSearch(fst, GraphSearchConfig(lattice=False)).search([np.zeros((1, 1), np.float32)])
    assert path.words == (1,)
    with pytest.raises(SearchError, match="utterance 0: the lattice has a cycle at frame 1"):
        GraphSearch(fst, GraphSearchConfig()).search([np.zeros((1, 1), np.float32)])
    negative = Fst.from_text("0 1 1 1\n1 2 0 5 0.5\n2 1 0 6 -0.75\n1 0.25\n")
    with pytest.raises(SearchError, match="cycle of epsilon arcs with a negative cost"):
        GraphSearch(negative)
    GraphSearch(Fst.from_text("0 1 0 1 -3\n1 2 0 5 -2\n2 0 1 0\n2\n"))


def test_what_does_not_fit_is_named():
    fst = chain([1, 2])
    for graph, message in (
        (Fst(), "no start state"),
        (Fst("log"), "type log"),
        (Fst.from_text("0 1 1 1 -Infinity\n1"), "has cost -inf"),
        (Fst.from_arrays(0, [0, np.nan], [0], [1], [1], [0.0], [1]), "final cost of state 1 is nan"),
        (Fst.from_text("0 1 -1 1\n1", allow_negative_labels=True), "input label -1"),
    ):
        with pytest.raises(SearchError, match=message):
            GraphSearch(graph)
    with pytest.raises(SearchError, match="input label 2, but the table of columns ends at label 1"):
        GraphSearch(fst, columns=[-1, 0])
    with pytest.raises(SearchError, match="input label 2, for which the table has column -1"):
        GraphSearch(fst, columns=[0, 0, -1])
    bad: Any = [0.5]
    with pytest.raises(SearchError, match=r"columns: found shape \(1,\) of float64"):
        GraphSearch(fst, columns=bad)
    for option, value in (
        ("beam", 0.0),
        ("beam", np.nan),
        ("lattice_beam", -1.0),
        ("max_active", 1),
        ("min_active", -1),
        ("prune_interval", 0),
        ("prune_scale", 1.0),
        ("hash_ratio", 0.5),
        ("beam_delta", 0.0),
        ("acoustic_scale", np.inf),
    ):
        config: Any = {option: value}
        with pytest.raises(SearchError, match=option):
            GraphSearch(fst, GraphSearchConfig(**config)).stream()


def test_one_bad_utterance_leaves_the_rest():
    search = GraphSearch(chain([1, 2]), GraphSearchConfig(acoustic_scale=0.5))
    good = np.zeros((4, 2), np.float32)
    bad = good.copy()
    bad[2, 1] = np.nan
    given: list[Any] = [good, bad, good[:, :1], good.astype(np.float64), "x", good]
    results = search.search(given, errors="return")
    messages = [str(result) if isinstance(result, SearchError) else None for result in results]
    assert messages[0] is None and messages[5] is None
    for i, expected in enumerate(("frame 2, column 1", "the graph reads column 1", "float64", "a str"), 1):
        message = messages[i]
        assert message is not None and message.startswith(f"utterance {i}: ") and expected in message
    assert [r.words for r in (results[0], results[5]) if isinstance(r, GraphResult)] == [(1, 2), (1, 2)]
    with pytest.raises(SearchError, match="utterance 1: "):
        search.search(given)
    stream = search.stream()
    stream.advance(good[:2])
    with pytest.raises(SearchError, match="frame 4, column 1"):
        stream.advance(bad)
    stream.advance(good[2:])
    assert stream.result().words == (1, 2)
    assert search.search([]) == []


def test_long_streams_keep_what_is_needed_alone():
    rng = np.random.default_rng(0)
    fst = random_graph(rng, 300, 3000, 10)
    scores = np.log(rng.dirichlet(np.full(10, 0.1), 400) + 1e-4).astype(np.float32)
    config = GraphSearchConfig(beam=8, lattice=False, max_active=200, min_active=20)
    stream = GraphSearch(fst, config).stream()
    for _ in range(8):
        stream.advance(scores)
    result = stream.result()
    assert len(result.alignment) == 3200
    assert stream._search.tokens() < 1_000_000
    whole = GraphSearch(fst, config).search([np.tile(scores, (8, 1))])
    assert whole[0] == result


def test_interruption_stops_all_threads():
    fst, scores, _, _ = opened(4)
    search = GraphSearch(fst, GraphSearchConfig(beam=1000))
    long = np.tile(scores, (20_000, 1))  # minutes
    stream = search.stream()

    for work in (lambda: search.search([long] * 4, num_threads=2), lambda: stream.advance(long)):
        timer = threading.Timer(0.2, _thread.interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            work()
        timer.join()
    assert stream.result().alignment


def test_endpoints():
    shift = 0.01
    assert not endpoint_detected(0, 0, 0.0, shift)
    assert endpoint_detected(500, 500, np.inf, shift)  # nothing but silence for five seconds
    assert not endpoint_detected(499, 499, np.inf, shift)
    assert endpoint_detected(300, 50, 1.9, shift)
    assert not endpoint_detected(300, 50, 2.1, shift)
    assert endpoint_detected(300, 100, 7.9, shift)
    assert not endpoint_detected(300, 199, 9.0, shift)
    assert endpoint_detected(300, 200, np.inf, shift)
    assert endpoint_detected(2000, 0, np.inf, shift)
    only = (EndpointRule(min_trailing_silence=0.3),)
    for frames, trailing in itertools.product((20, 40), (20, 30)):
        assert endpoint_detected(frames, trailing, np.inf, shift, only) == (trailing == 30 and frames == 40)
