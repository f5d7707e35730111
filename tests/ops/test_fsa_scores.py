"""Forward-backward on ragged batches: all implementations against paths that are counted one by one."""

from importlib.util import find_spec
from unittest import mock

import numpy as np
import pytest
import torch

from sonant.errors import FstError
from sonant.ops import fsa_scores
from sonant.ops.fsa_scores import Graphs

FUNCTIONS = {
    "forward": fsa_scores.forward_scores,
    "backward": fsa_scores.backward_scores,
    "total": fsa_scores.total_scores,
    "post": fsa_scores.arc_posteriors,
    "best paths": lambda graphs, scores, log, backend=None: fsa_scores.best_paths(graphs, scores, backend),
}
BACKENDS = ["native", "reference", *(["triton"] if find_spec("triton") else [])]


def run(name, graphs, scores, log, backend):
    """By one implementation; of Triton's kernels tiles so small that nothing fits into one."""
    function = FUNCTIONS[name]
    if backend != "triton":
        return function(graphs, scores, log, None if backend == "native" else backend)
    from sonant.ops.fsa_scores import triton
    from sonant.ops.segments import triton as tiles

    with (
        mock.patch.object(fsa_scores, "_implementation", return_value=triton),
        mock.patch.object(tiles, "TILE", 8),
    ):
        return function(graphs, scores, log)


def total_scores(graphs, scores, log, backend="native"):
    return run("total", graphs, scores, log, backend)


def arc_posteriors(graphs, scores, log, backend):
    return run("post", graphs, scores, log, backend)


@pytest.fixture(autouse=True)
def poisoned():
    """What is made without values holds NaN, or the largest integer, until it is written."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def graphs_of(machines: list[tuple[int, list[tuple[int, int]]]]) -> Graphs:
    """From (number of states, arcs as (source, destination) by source) of each automaton."""
    rows, state_splits, fsa_splits = [], [0], [0]
    for states, arcs in machines:
        rows += [(src, dest, 1, 0) for src, dest in arcs]
        counts = np.bincount([src for src, _ in arcs], minlength=states) if states else []
        state_splits += (state_splits[-1] + np.cumsum(counts)).astype(int).tolist()
        fsa_splits.append(fsa_splits[-1] + states)
    int32 = lambda values, *shape: torch.tensor(values, dtype=torch.int32).reshape(-1, *shape)  # noqa: E731
    return Graphs(int32(rows, 4), int32(state_splits), int32(fsa_splits))


def random_machines(seed: int, count: int = 4, states: int = 6, most: int = 4):
    random = np.random.default_rng(seed)
    machines = []
    for _ in range(count):
        n = int(random.integers(0, states))
        arcs = [
            (s, int(random.integers(s + 1, n))) for s in range(n - 1) for _ in range(random.integers(0, most))
        ]
        machines.append((n, arcs))
    return machines


def random_scores(graphs: Graphs, seed: int, dtype=torch.float64) -> torch.Tensor:
    scores = torch.randn(len(graphs.arcs), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return scores.to(dtype)


def every_path(machines, scores):
    """Of each automaton: its paths from start to final state, as (score, arcs)."""
    first = 0
    for states, arcs in machines:
        paths, open_paths = [], [(0, 0.0, ())] if states else []
        while open_paths:
            state, score, taken = open_paths.pop()
            if state == states - 1:
                paths.append((score, taken))
            for i, (src, dest) in enumerate(arcs):
                if src == state:
                    open_paths.append((dest, score + float(scores[first + i]), (*taken, first + i)))
        yield paths
        first += len(arcs)


# The interpreter takes a tenth of a second for a handful of states, so that Triton's kernels get few of them.
@pytest.mark.parametrize(
    ("seed", "backend"), [(s, b) for s in range(10) for b in BACKENDS if b != "triton" or s in (4, 7)]
)
def test_equals_the_paths_one_by_one(seed, backend):
    machines = random_machines(seed)
    graphs = graphs_of(machines)
    scores = random_scores(graphs, seed)
    post = np.full(len(scores), -np.inf)
    best_post = post.copy()
    totals, bests = (total_scores(graphs, scores, log, backend) for log in (True, False))
    for i, paths in enumerate(every_path(machines, scores)):
        total = np.logaddexp.reduce([score for score, _ in paths]) if paths else -np.inf
        best = max((score for score, _ in paths), default=-np.inf)
        assert totals[i].item() == pytest.approx(total)
        assert bests[i].item() == pytest.approx(best)
        for score, taken in paths:
            for arc in taken:
                post[arc] = np.logaddexp(post[arc], score - total)
                best_post[arc] = max(best_post[arc], score - best)
    np.testing.assert_allclose(arc_posteriors(graphs, scores, True, backend), post, atol=1e-12)
    np.testing.assert_allclose(arc_posteriors(graphs, scores, False, backend), best_post, atol=1e-12)


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("name", list(FUNCTIONS)[:4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_implementations_agree(name, log, dtype):
    for seed in range(0, 15, 2):
        graphs = graphs_of(random_machines(seed, count=6, states=9))
        results = []
        for backend in BACKENDS:
            if backend == "triton" and seed != (0 if dtype == torch.float64 else 12):
                continue
            scores = random_scores(graphs, seed, dtype)
            if seed % 3 == 0:
                scores = scores.round()  # ties
            if seed % 5 == 0:
                scores[::4] = -torch.inf
            scores.requires_grad_()
            found = run(name, graphs, scores, log, backend)
            slopes = random_scores(Graphs(found, graphs.state_splits, graphs.fsa_splits), seed + 1, dtype)
            finite = found.isfinite()
            (gradient,) = torch.autograd.grad(
                (found[finite] * slopes[finite]).sum(), scores, allow_unused=True
            )
            results.append((found.detach(), torch.zeros_like(scores) if gradient is None else gradient))
        for result in results[1:]:
            for found, expected in zip(result, results[0], strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS[:2])
@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("name", list(FUNCTIONS)[:4])
def test_gradient(name, log, backend):
    for seed in range(4):
        graphs = graphs_of(random_machines(seed))
        scores = random_scores(graphs, seed).requires_grad_()

        def finite(scores, graphs=graphs):
            found = run(name, graphs, scores, log, backend)
            return found[found.isfinite()]

        if len(scores):
            assert torch.autograd.gradcheck(finite, (scores,))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gradient_of_the_total_is_the_posterior(backend):
    graphs = graphs_of(random_machines(3))
    scores = random_scores(graphs, 3).requires_grad_()
    total = total_scores(graphs, scores, True, backend)
    (gradient,) = torch.autograd.grad(total[total.isfinite()].sum(), scores)
    torch.testing.assert_close(gradient, arc_posteriors(graphs, scores, True, backend).exp().detach())


@pytest.mark.parametrize("backend", BACKENDS)
def test_ties_give_the_gradient_to_one_path(backend):
    graphs = graphs_of([(3, [(0, 1), (0, 1), (0, 2), (1, 2)])])
    scores = torch.tensor([1.0, 1.0, 1.5, 0.5], dtype=torch.float64, requires_grad=True)
    total_scores(graphs, scores, False, backend).sum().backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("log", [True, False])
def test_no_paths_no_arcs_no_states_no_automata(backend, log):
    for machines in ([], [(0, [])], [(1, [])], [(3, [])], [(0, []), (2, [(0, 1)]), (3, [(0, 1)])]):
        graphs = graphs_of(machines)
        scores = torch.ones(len(graphs.arcs), requires_grad=True)
        total = total_scores(graphs, scores, log, backend)
        expected = [0.0 if n == 1 else 1.0 if (0, n - 1) in arcs else -torch.inf for n, arcs in machines]
        assert total.tolist() == expected
        if total.requires_grad:
            total.sum().backward()
        assert scores.grad is None or torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_impossible_has_no_gradient(backend):
    graphs = graphs_of([(3, [(0, 1), (0, 2), (1, 2)])] * 2)
    scores = torch.tensor([0.0, 1, 2, -torch.inf, -torch.inf, -torch.inf], requires_grad=True)
    for log in (True, False):
        total = total_scores(graphs, scores, log, backend)
        assert total[1] == -torch.inf
        (gradient,) = torch.autograd.grad(total.sum(), scores)
        assert gradient[3:].tolist() == [0, 0, 0] and torch.isfinite(gradient).all()


@pytest.mark.parametrize("backend", BACKENDS[:2])
def test_many_threads_give_the_same(backend):
    machines = [(200, [(s, min(s + k, 199)) for s in range(199) for k in (1, 2, 3)])] * 40
    graphs = graphs_of(machines)
    scores = random_scores(graphs, 0).requires_grad_()
    total = total_scores(graphs, scores, True, backend)
    (gradient,) = torch.autograd.grad(total.sum(), scores)
    alone = graphs_of(machines[:1])
    part = scores.detach()[: len(alone.arcs)].requires_grad_()
    first = total_scores(alone, part, True, "reference")
    torch.testing.assert_close(total[0], first[0])
    torch.testing.assert_close(gradient[: len(part)], torch.autograd.grad(first.sum(), part)[0])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("arc", "found"), [((1, 1), "1 to 1 of 3"), ((1, 0), "1 to 0"), ((1, 9), "1 to 9")])
def test_cycles_and_strange_states_are_named(backend, arc, found):
    graphs = graphs_of([(2, [(0, 1)]), (3, [(0, 1), arc])])
    with pytest.raises(FstError, match=f"fsa_scores: automaton 1.* arc 2 leads from state.*{found}"):
        total_scores(graphs, torch.zeros(3), True, backend)


def test_scores_that_do_not_fit_are_named():
    graphs = graphs_of([(2, [(0, 1)])])
    for scores in (torch.zeros(2), torch.zeros(1, dtype=torch.int32), torch.zeros(1).half()):
        with pytest.raises(FstError, match=r"expected \(1,\) of torch.float32 or float64"):
            total_scores(graphs, scores, True)


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_lattice_of_frames_that_is_wider_than_a_tile(backend, log):
    """Chunks of several states, some cut, and a final state with more arcs than all lanes of a tile."""
    width, frames = 11, 3
    arcs = [(0, 1 + d) for d in range(width)]
    for frame in range(frames - 1):
        first = 1 + frame * width
        arcs += [(first + s, first + width + d) for s in range(width) for d in (s, (s * 3 + 1) % width)]
    last = 1 + frames * width
    arcs += [(last - width + s, last) for s in range(width)]
    graphs = graphs_of([(last + 1, arcs), (2, [(0, 1)])])
    scores = random_scores(graphs, 0).requires_grad_()
    results = []
    for implementation in ("reference", backend):
        total = total_scores(graphs, scores, log, implementation)
        results.append((total, *torch.autograd.grad(total @ total.new_tensor([1.0, -2.0]), scores)))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_not_a_number_is_not_hidden():
    graphs = graphs_of([(3, [(0, 1), (0, 2), (1, 2)]), (2, [(0, 1)])])
    for backend in BACKENDS:
        total = total_scores(graphs, torch.tensor([1.0, torch.nan, 0.5, 2.0]), True, backend)
        assert total[0].isnan() and total[1] == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_many_equal_arcs_the_last_is_taken(backend):
    """More of them than a tile takes at a time."""
    graphs = graphs_of([(4, [(0, 1)] * 19 + [(0, 2)] * 9 + [(1, 3), (2, 3)])])
    scores = torch.zeros(30, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(total_scores(graphs, scores, False, backend).sum(), scores)
    assert gradient.nonzero().flatten().tolist() == [27, 29]
    backward = run("backward", graphs, scores, False, backend)
    (gradient,) = torch.autograd.grad(backward[0], scores)
    assert gradient.nonzero().flatten().tolist() == [27, 29]
