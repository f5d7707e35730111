"""Search over graphs whose states are made as they are met, beside search over the same graphs made whole,
and Kaldi's decoders for big language models (golden files of tests/oracle/make_biglm_golden.py)."""

import json
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sonant.errors import FstError, SearchError
from sonant.fst import ComposeFst, Fst, OnDemand, arcsort, compose, compose_on_demand, lookahead_relabel
from sonant.search import GraphResult, GraphSearch, GraphSearchConfig, LmGraph
from tests.search.test_graph_search import (
    GOLDEN,
    SCALE,
    assert_same,
    assert_same_path,
    random_scores,
    rows,
    theirs,
)

WIDE: dict[str, Any] = {"beam": 1000.0, "lattice_beam": 4.0}


def golden_graph(golden: dict[str, np.ndarray], name: str, start: int) -> Fst:
    source, ilabel, olabel, to = golden[name + "/arcs"].T.copy()
    finals, costs = golden[name + "/finals"], golden[name + "/costs"]
    return Fst.from_arrays(start, finals, source, ilabel, olabel, costs, to)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("graph", range(3))
@pytest.mark.parametrize("kind", ["difference", "single"])
def test_lattices_with_a_model_are_kaldis_arc_by_arc(graph: int, number: int, kind: str):
    with np.load(GOLDEN / f"biglm{graph}.npz") as file:
        golden = dict(file)
    options: dict[str, Any] = json.loads(str(golden["options"]))[number]
    lm = OnDemand.backoff(golden_graph(golden, "new", 1))
    if kind == "difference":
        old = OnDemand.backoff(golden_graph(golden, "old", 1))
        lm = OnDemand.composed(OnDemand.scaled(-1, old), lm)
    given = LmGraph(golden_graph(golden, "graph", 0), lm)
    name = f"options{number}/{kind}"
    search = GraphSearch(given, GraphSearchConfig(acoustic_scale=SCALE, **options))
    (result,) = search.search([golden["scores"]])
    if name + "/dead" in golden:
        assert result.path is None
        return
    assert result.reached_final == bool(golden[name + "/reached"])
    assert result.lattice is not None
    assert_same(rows(result.lattice), theirs(golden, name + "/lattice"), int(golden[name + "/start"]))
    best = theirs(golden, name + "/path")
    np.testing.assert_allclose(result.cost, best[1].sum() + best[2][np.isfinite(best[2])].sum(), atol=1e-3)

    config = GraphSearchConfig(acoustic_scale=SCALE, lattice=False, **{"min_active": 20, **options})
    (path,) = GraphSearch(given, config).search([golden["scores"]])
    assert path.reached_final == bool(golden[name + "/faster_reached"])
    assert_same_path(path, theirs(golden, name + "/faster"), backwards=False)


def acyclic_graph(rng: np.random.Generator, states: int = 10, arcs: int = 40, words: int = 4) -> Fst:
    """Epsilons lead to higher states only."""
    source, to = rng.integers(0, states, (2, arcs))
    epsilon = (rng.random(arcs) < 0.2) & (source != to)
    source, to = np.where(epsilon, [np.minimum(source, to), np.maximum(source, to)], [source, to])
    ilabel = np.where(epsilon, 0, rng.integers(1, 5, arcs))
    finals = np.where(rng.random(states) < 0.5, rng.random(states), np.inf)
    olabel = rng.integers(0, words + 1, arcs)
    return Fst.from_arrays(0, finals, source, ilabel, olabel, rng.random(arcs), to)


def grammar(rng: np.random.Generator, words: int = 4) -> Fst:
    """A bigram with backoff arcs: state 0 knows all words, state w is after word w, the last is the start."""
    arcs = [(0, word, word, rng.random() * 3, word) for word in range(1, words + 1)]
    for state in range(1, words + 2):
        arcs.append((state, 0, 0, rng.random(), 0))
        seen = np.flatnonzero(rng.random(words) < 0.5) + 1
        arcs += [(state, word, word, rng.random() * 2, word) for word in seen.tolist()]
    source, ilabel, olabel, costs, to = zip(*arcs, strict=True)
    return Fst.from_arrays(words + 1, rng.random(words + 2), source, ilabel, olabel, costs, to)


def logs(lattice: Fst) -> float:
    """-log of the sum of exp(-cost) over all paths: backwards, in topological order."""
    total = np.full(lattice.num_states, np.inf)
    begins = np.cumsum([0, *lattice.states["num_arcs"]]).tolist()
    costs, to = lattice.arcs["weight"].sum(1, dtype=np.float64), lattice.arcs["nextstate"]
    finals = lattice.states["final"].sum(1, dtype=np.float64)
    for state in range(lattice.num_states - 1, -1, -1):
        span = slice(begins[state], begins[state + 1])
        terms = [finals[state], *(costs[span] + total[to[span]])]
        total[state] = -np.logaddexp.reduce(-np.array(terms))
    return float(total[0])


@pytest.mark.parametrize("seed", range(20))
def test_a_model_on_the_fly_is_the_graph_composed_with_it(seed: int):
    rng = np.random.default_rng(seed)
    graph, model = acyclic_graph(rng), OnDemand.backoff(grammar(rng))
    lm = OnDemand.composed(OnDemand.scaled(-0.5, OnDemand.backoff(grammar(rng))), model)
    scores = random_scores(rng, int(rng.integers(0, 12)), 4)
    whole = compose_on_demand(graph, lm)
    for lattice in True, False:
        config = GraphSearchConfig(lattice=lattice, **WIDE)
        (ours,) = GraphSearch(LmGraph(graph, lm, max_bytes=600), config).search([scores])
        (expected,) = GraphSearch(whole, config).search([scores])
        assert ours.cost == pytest.approx(expected.cost, abs=1e-3)
        assert ours.reached_final == expected.reached_final
        if lattice and ours.path is not None:
            assert ours.lattice is not None and expected.lattice is not None
            assert ours.lattice.num_arcs == expected.lattice.num_arcs
            assert logs(ours.lattice) == pytest.approx(logs(expected.lattice), abs=1e-3)


def pair(rng: np.random.Generator) -> tuple[Fst, Fst, list[int]]:
    """A graph and a grammar without epsilons; the label 4 of the graph stands for a disambiguation symbol."""
    left = acyclic_graph(rng)
    right = grammar(rng)
    words = right.arcs["ilabel"] != 0
    source = np.repeat(np.arange(right.num_states), right.states["num_arcs"])[words]
    ilabel, to, costs = (right.arcs[name][words] for name in ("ilabel", "nextstate", "weight"))
    finals = right.states["final"]
    return arcsort(left, "olabel"), Fst.from_arrays(5, finals, source, ilabel, ilabel, costs, to), [4]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("lookahead", [False, True])
def test_a_lazy_composition_is_the_composition(seed: int, lookahead: bool):
    rng = np.random.default_rng(seed)
    left, right, _ = pair(rng)
    scores = random_scores(rng, int(rng.integers(1, 12)), 4)
    whole = compose(left, arcsort(right, "ilabel"))
    if lookahead:
        left, right = lookahead_relabel(left, right)
    lazy = ComposeFst(left, arcsort(right, "ilabel"), lookahead=lookahead, max_bytes=1 << 14)
    for lattice in True, False:
        config = GraphSearchConfig(lattice=lattice, beam=1000.0, lattice_beam=1000.0)
        (expected,) = GraphSearch(whole, config).search([scores]) if whole.num_states else (None,)
        if expected is None:
            with pytest.raises(SearchError, match="no start state"):
                GraphSearch(whole, config)
            return
        search = GraphSearch(lazy, config)
        for _ in range(2):  # from the states that are known by then, too
            (ours,) = search.search([scores])
            if expected.reached_final:
                assert ours.cost == pytest.approx(expected.cost, abs=2e-2)  # what is paid ahead is rounded
                assert ours.reached_final
            if lattice and expected.reached_final:
                assert ours.lattice is not None and expected.lattice is not None
                assert logs(ours.lattice) == pytest.approx(logs(expected.lattice), abs=2e-2)


def test_labels_that_are_removed_read_no_frame():
    rng = np.random.default_rng(3)
    left, right, removed = pair(rng)
    lazy = ComposeFst(left, arcsort(right, "ilabel"), remove_input_labels=removed)
    search = GraphSearch(lazy, GraphSearchConfig(lattice=False))
    assert search.num_columns == 3
    (result,) = search.search([random_scores(rng, 6, 3)])
    assert set(result.alignment) <= {1, 2, 3}


def kinds(rng: np.random.Generator) -> list[Any]:
    graph, lm = acyclic_graph(rng, 40, 160), OnDemand.backoff(grammar(rng))
    left, right, _ = pair(rng)
    ahead = lookahead_relabel(left, right)
    return [
        LmGraph(graph, OnDemand.composed(OnDemand.scaled(-0.5, OnDemand.backoff(grammar(rng))), lm)),
        LmGraph(graph, lm, max_bytes=1000),
        ComposeFst(*ahead, lookahead=True, max_bytes=1 << 14),
        ComposeFst(left, arcsort(right, "ilabel"), max_bytes=1 << 14),
    ]


def bare(result: GraphResult | SearchError) -> Any:
    assert isinstance(result, GraphResult)
    return replace(result, lattice=None)


@pytest.mark.parametrize("lattice", [False, True])
@pytest.mark.parametrize("kind", range(4))
def test_streams_threads_and_what_came_before_change_nothing(kind: int, lattice: bool):
    rng = np.random.default_rng(8)
    graph = kinds(rng)[kind]
    scores = [random_scores(rng, int(rng.integers(1, 25)), 4) for _ in range(12)]
    config = GraphSearchConfig(beam=6, lattice_beam=3, max_active=30, min_active=5, lattice=lattice)
    alone = [GraphSearch(graph, config).search([one])[0] for one in scores]
    search = GraphSearch(graph, config)
    for threads in 1, 3:
        for ours, expected in zip(search.search(scores, num_threads=threads), alone, strict=True):
            assert bare(ours) == bare(expected)
            if lattice:
                assert ours.lattice is not None and expected.lattice is not None
                assert ours.lattice.to_bytes() == expected.lattice.to_bytes()
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        stream, at = search.stream(), 0
        for n in np.random.default_rng(k).integers(0, 5, 30).tolist():
            stream.advance(scores[k][at : at + n])
            at += n
        stream.finish()
        found[k] = stream.result()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(scores))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [found[k] for k in range(len(scores))] == [bare(one) for one in alone]


class Pays:
    """One state; each step pays for itself."""

    def start(self) -> int:
        return 0

    def final(self, state: int) -> float:
        return 0.0

    def step(self, state: int, label: int) -> tuple[float, int, int] | None:
        if label == 3:
            raise ZeroDivisionError("a step in Python")
        return (float("nan"), 1, 1) if label == 4 else (-1.0, label, 0)


def test_what_does_not_fit_is_named():
    rng = np.random.default_rng(0)
    graph, lm = acyclic_graph(rng), OnDemand.backoff(grammar(rng))
    wrong: Any = "HCLG.fst"
    for make, message in (
        (lambda: LmGraph(wrong, lm), "graph: found a str"),
        (lambda: LmGraph(graph, wrong), "lm: found a str"),
        (lambda: LmGraph(Fst("log"), lm), "type log"),
        (lambda: LmGraph(graph, lm, max_bytes=0), "max_bytes=0"),
        (lambda: GraphSearch(wrong), "graph: found a str, expected an Fst"),
        (lambda: GraphSearch(LmGraph(graph, lm), columns=[0, 1, 2]), "ends at label 2"),
        (lambda: GraphSearch(LmGraph(Fst(), lm)).stream(), "no start state"),
        (
            lambda: GraphSearch(LmGraph(Fst.from_text("0 1 1 1 -Infinity\n1"), lm)),
            "input label 1 and cost -inf",
        ),
    ):
        with pytest.raises(SearchError, match=message):
            make()
    (short, nan, good) = GraphSearch(LmGraph(graph, lm)).search(
        [np.zeros((2, 3), np.float32), np.full((2, 4), np.nan, np.float32), np.zeros((2, 4), np.float32)],
        errors="return",
    )
    assert "utterance 0: scores of 3 columns, but the graph reads column 3" in str(short)
    assert "utterance 1: frame 0, column 0" in str(nan)
    assert isinstance(good, GraphResult)
    (none,) = GraphSearch(LmGraph(graph, lm)).search([np.full((2, 4), -np.inf, np.float32)])
    assert none.path is None and none.lattice is not None and none.lattice.num_states == 0
    log = ComposeFst(Fst("log"), Fst("log"))
    with pytest.raises(SearchError, match="type log"):
        GraphSearch(log)


def test_an_error_leaves_a_search_as_it_was():
    loop = Fst.from_text("0 1 1 0\n1 2 0 5\n2 1 0 5\n1 0\n")  # epsilons in a circle that pay at each round
    endless = GraphSearch(LmGraph(loop, OnDemand.of(Pays())), GraphSearchConfig(lattice=False))
    with pytest.raises(SearchError, match="epsilon arcs go round without end"):
        endless.search([np.zeros((1, 1), np.float32)])
    for word, error, message in ((3, ZeroDivisionError, "a step in Python"), (4, FstError, "costs nan")):
        graph = Fst.from_text(f"0 1 1 0\n1 2 1 {word}\n2\n")
        for lattice in False, True:
            config = GraphSearchConfig(lattice=lattice)
            stream = GraphSearch(LmGraph(graph, OnDemand.of(Pays())), config).stream()
            stream.advance(np.zeros((1, 1), np.float32))
            for _ in range(2):
                with pytest.raises(error, match=message):
                    stream.advance(np.zeros((1, 1), np.float32))
                assert stream.frames == 1
                assert stream.result().alignment == (1,)
            stream.finish()
            assert stream.result().alignment == (1,)


class Fails:
    """A model whose steps fail now and then."""

    def __init__(self, model: OnDemand, rng: np.random.Generator):
        self.model, self.rng = model, rng
        self.start, self.final = model.start, model.final

    def step(self, state: int, label: int) -> tuple[float, int, int] | None:
        if self.rng.random() < 0.1:
            raise ZeroDivisionError("a step in Python")
        return self.model.step(state, label)


@pytest.mark.parametrize("lattice", [False, True])
def test_frames_that_fail_can_be_tried_again(lattice: bool):
    rng = np.random.default_rng(4)
    graph, model = acyclic_graph(rng, 40, 160), OnDemand.backoff(grammar(rng))
    scores = random_scores(rng, 20, 4)
    config = GraphSearchConfig(beam=6, lattice_beam=3, max_active=30, min_active=5, lattice=lattice)
    (expected,) = GraphSearch(LmGraph(graph, model), config).search([scores])
    failures = 0
    while True:
        try:
            stream = GraphSearch(LmGraph(graph, OnDemand.of(Fails(model, rng))), config).stream()
            break
        except ZeroDivisionError:
            failures += 1
    while stream.frames < len(scores):
        try:
            stream.advance(scores[stream.frames :])
        except ZeroDivisionError:
            failures += 1
    stream.finish()
    assert failures > 3
    assert stream.result() == bare(expected)
    if lattice:
        assert expected.lattice is not None
        assert stream.lattice().to_bytes() == expected.lattice.to_bytes()
