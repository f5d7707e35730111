"""Automata over frames: all implementations against paths that are counted one by one."""

import itertools
from contextlib import contextmanager
from importlib.util import find_spec
from unittest import mock

import numpy as np
import pytest
import torch

from sonant.errors import FstError
from sonant.ops import fsa_frames
from sonant.ops.fsa_frames import Leak, Sequences
from sonant.ops.fsa_scores import Graphs

BACKENDS = [None, "reference"]
# Of Triton's kernels those that have a program for each sequence, and those of sequences side by side. The
# interpreter takes a second for a handful of frames, so that they get few of them.
TRITON = ["alone", "side by side"] if find_spec("triton") else []
Machine = tuple[int, list[tuple[int, int, int]]]


def total_scores(graphs, arc_scores, scores, sequences, leak=None, backend=None):
    """By one implementation; of Triton's with tiles so small that nothing fits into one."""
    with implementation(backend):
        given = backend if backend in BACKENDS else None
        return fsa_frames.total_scores(graphs, arc_scores, scores, sequences, leak, given)


@contextmanager
def implementation(backend):
    if backend in BACKENDS:
        yield
        return
    from sonant.ops.fsa_frames import triton

    least = 99 if backend == "alone" else 2
    small = dict(LANES=16, SIDE_LANES=16, COLUMNS=2, BLOCK=3, CHUNK=2, LEAST_SEQUENCES=least, LEAST_ARCS=0)
    with (
        mock.patch.object(fsa_frames, "_implementation", return_value=triton),
        mock.patch.multiple(triton, **small),
    ):
        yield


@pytest.fixture(autouse=True)
def poisoned():
    """What is made without values holds NaN, or the largest integer, until it is written."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def int32(values, *shape):
    return torch.tensor(values, dtype=torch.int32).reshape(-1, *shape)


def graphs_of(machines: list[Machine]) -> Graphs:
    """From (number of states, arcs as (source, destination, label) by source) of each automaton."""
    rows, state_splits, fsa_splits = [], [0], [0]
    for states, arcs in machines:
        rows += [(*arc, 0) for arc in arcs]
        counts = np.bincount([arc[0] for arc in arcs], minlength=states) if states else []
        state_splits += (state_splits[-1] + np.cumsum(counts)).astype(int).tolist()
        fsa_splits.append(fsa_splits[-1] + states)
    return Graphs(int32(rows, 4), int32(state_splits), int32(fsa_splits))


def random_machine(random: np.random.Generator, classes: int, states: int = 5) -> Machine:
    n = int(random.integers(0, states + 1))
    arcs = []
    for s in range(n - 1):
        for _ in range(random.integers(0, 4)):
            to = int(random.integers(0, n))
            arcs.append((s, to, -1 if to == n - 1 else int(random.integers(0, classes))))
    return n, arcs


def problem(seed: int, dtype=torch.float64, sequences: int = 4, longest: int = 4, classes: int = 3, column=1):
    """Automata with loops, scores of sequences of odd lengths in an odd order, and rows that are nobody's."""
    random = np.random.default_rng(seed)
    machines = [random_machine(random, classes) for _ in range(3)]
    lengths = random.integers(0, longest + 1, sequences)
    order = random.permutation(sequences)
    first = np.zeros(sequences, dtype=int)
    first[order] = np.cumsum(lengths[order]) - lengths[order] + np.arange(sequences)  # a row between
    scores = torch.tensor(random.normal(size=(lengths.sum() + sequences, classes + column)) * 2, dtype=dtype)
    graphs = graphs_of(machines)
    arc_scores = torch.tensor(random.normal(size=len(graphs.arcs)), dtype=dtype)
    graph_of = random.integers(0, len(machines), sequences)
    occupancy = torch.tensor(random.random(len(graphs.state_splits) - 1))
    occupancy[graphs.fsa_splits[1:][graphs.fsa_splits.diff() > 0].long() - 1] = 0
    of = Sequences(int32(first), int32(lengths), int32(graph_of), column)
    return machines, graphs, arc_scores, scores, of, Leak(0.3, occupancy)


def brute_force(machines, graphs, arc_scores, scores, of: Sequences, leak: Leak | None) -> list[float]:
    """Every path of every sequence, leaks and all."""
    totals = []
    for first, frames, g in zip(of.first.tolist(), of.frames.tolist(), of.graph_of.tolist(), strict=True):
        states, arcs = machines[g]
        weights = arc_scores[sum(len(m[1]) for m in machines[:g]) :].tolist()
        share = leak and leak.occupancy[int(graphs.fsa_splits[g]) :].tolist()

        def leaked(paths, share=share, states=states):
            if share is None:
                return paths
            jumps = [
                (to, score + np.log(leak.coefficient * share[to]))
                for (_, score), to in itertools.product(paths, range(states))
                if share[to] > 0
            ]
            return paths + jumps

        paths = leaked([(0, 0.0)] if states > 1 else [])
        for t in range(frames):
            row = scores[first + t].tolist()
            paths = leaked(
                [
                    (to, score + weight + row[label + of.column])
                    for state, score in paths
                    for (src, to, label), weight in zip(arcs, weights, strict=False)
                    if src == state and label >= 0
                ]
            )
        ends = [
            score + weight
            for state, score in paths
            for (src, _, label), weight in zip(arcs, weights, strict=False)
            if src == state and label == -1
        ]
        totals.append(float(np.logaddexp.reduce(ends)) if ends else -np.inf)
    return totals


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_equals_the_paths_one_by_one(seed, leaky, backend):
    machines, *rest, leak = problem(seed, longest=3 if leaky else 5)
    leak = leak if leaky else None
    expected = brute_force(machines, *rest, leak)
    np.testing.assert_allclose(total_scores(*rest, leak, backend), expected, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("sequences", [1, 5, 70])
def test_all_implementations_agree(sequences, leaky, dtype):
    for seed in range(3):
        _, graphs, arc_scores, scores, of, leak = problem(seed, dtype, sequences, longest=15)
        if seed % 3 == 1:
            scores[::3, 1] = arc_scores[::4] = -torch.inf
        results = []
        for backend in BACKENDS:
            inputs = arc_scores.clone().requires_grad_(), scores.clone().requires_grad_()
            found = total_scores(graphs, *inputs, of, leak if leaky else None, backend)
            slopes = torch.randn(sequences, generator=torch.Generator().manual_seed(0)).double()
            finite = found.isfinite()
            (found[finite] * slopes[finite]).sum().backward()
            results.append((found.detach(), inputs[0].grad, inputs[1].grad))
        for native, reference in zip(*results, strict=True):
            tolerance = 2e-4 if dtype == torch.float32 else 1e-9
            torch.testing.assert_close(native, reference, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("backend", TRITON)
@pytest.mark.parametrize(("leaky", "dtype"), [(False, torch.float64), (True, torch.float32)])
def test_triton_agrees(leaky, dtype, backend):
    """Two sequences of one automaton with loops and three of others; one of no frames, one impossible."""
    loops = [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 0),
        (0, 3, -1),
        (1, 1, 1),
        (1, 2, 0),
        (2, 1, 1),
        (2, 3, -1),
        (2, 3, -1),
    ]
    graphs = graphs_of([(4, loops), (0, []), (3, [(0, 1, 1), (1, 0, 0), (1, 2, -1)])])
    generator = torch.Generator().manual_seed(0)
    arc_scores = torch.randn(12, generator=generator, dtype=torch.float64).to(dtype)
    scores = torch.randn(14, 3, generator=generator, dtype=torch.float64).to(dtype) * 3
    scores[3, 1] = arc_scores[4] = scores[11, 2] = -torch.inf
    occupancy = torch.tensor([0.5, 0.2, 0.3, 0, 0.6, 0.4, 0])
    of = Sequences(int32([8, 1, 5, 0, 11]), int32([3, 4, 3, 0, 3]), int32([0, 0, 2, 0, 1]), column=1)
    slopes = torch.tensor([1.0, -2.0, 0.5, 3.0, 1.0], dtype=torch.float64)
    results = []
    for by in ("reference", backend):
        with implementation(by):
            leaves = arc_scores.clone().requires_grad_(), scores.clone().requires_grad_()
            found = total_scores(graphs, *leaves, of, Leak(0.3, occupancy) if leaky else None, by)
            assert found.isfinite().tolist() == [True, True, True, True, False]
            found[:4].dot(slopes[:4]).backward()
        results.append((found.detach(), leaves[0].grad, leaves[1].grad))
    tolerance = 2e-5 if dtype == torch.float32 else 1e-10
    for mine, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(mine, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("leaky", [False, True])
def test_gradient(leaky, backend):
    for seed in range(2):
        _, graphs, arc_scores, scores, of, leak = problem(seed, sequences=3, longest=3, classes=2)

        def finite(arc_scores, scores, graphs=graphs, of=of, leak=leak if leaky else None):
            found = total_scores(graphs, arc_scores, scores, of, leak, backend)
            return found[found.isfinite()]

        assert torch.autograd.gradcheck(finite, (arc_scores.requires_grad_(), scores.requires_grad_()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graph_that_is_gone_through_again(backend):
    """What the first gradient was made of is gone by then, and it stays what it was."""
    _, graphs, arc_scores, scores, of, _ = problem(0, sequences=70)
    inputs = arc_scores.requires_grad_(), scores.requires_grad_()
    totals = total_scores(graphs, *inputs, of, None, backend)
    finite = totals[totals.isfinite()]
    first = torch.autograd.grad((0 * finite[::2].sum() + 2 * finite[1::2].sum()), inputs, retain_graph=True)
    kept = [gradient.clone() for gradient in first]
    second = torch.autograd.grad(finite.sum(), inputs, retain_graph=True)
    third = torch.autograd.grad(0 * finite[::2].sum() + finite[1::2].sum(), inputs)
    for one, copy, other, half in zip(first, kept, second, third, strict=True):
        assert torch.equal(one, copy) and not torch.equal(other, half)
        torch.testing.assert_close(one, 2 * half)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_nobody_are_not_looked_at(dtype, backend):
    _, graphs, arc_scores, scores, of, _ = problem(1, dtype, sequences=9)
    results = []
    for poison in (0.0, torch.nan, torch.inf):
        poisoned = scores.clone()
        mine = torch.zeros(len(scores), dtype=torch.bool)
        for first, frames in zip(of.first.tolist(), of.frames.tolist(), strict=True):
            mine[first : first + frames] = True
        poisoned[~mine] = poison
        poisoned.requires_grad_()
        found = total_scores(graphs, arc_scores, poisoned, of, backend=backend)
        found[found.isfinite()].sum().backward()
        results.append((found.detach(), poisoned.grad))
    for found, gradient in results:
        assert torch.equal(found, results[0][0]) and torch.equal(gradient, results[0][1])
        assert (gradient[~mine] == 0).all()


@pytest.mark.parametrize(
    ("backend", "dtype", "sequences"),
    [
        *itertools.product(BACKENDS, [torch.float32, torch.float64], [1, 20]),
        *((backend, torch.float32, 2) for backend in TRITON),
    ],
)
def test_all_impossible_has_no_gradient(sequences, dtype, backend):
    graphs = graphs_of([(3, [(0, 1, 0), (1, 1, 1), (1, 2, -1)])])
    scores = torch.zeros(3 * sequences, 2, dtype=dtype)
    scores[3:] = -torch.inf
    scores[1, :] = -torch.inf
    scores.requires_grad_()
    of = Sequences(
        int32(range(0, 3 * sequences, 3)),
        torch.full((sequences,), 3, dtype=torch.int32),
        int32([0] * sequences),
    )
    arc_scores = torch.zeros(3, dtype=dtype, requires_grad=True)
    found = total_scores(graphs, arc_scores, scores, of, backend=backend)
    assert (found == -torch.inf).all()
    with implementation(backend):
        found.sum().backward()
    assert (scores.grad == 0).all() and (arc_scores.grad == 0).all()


@pytest.mark.parametrize("sequences", [1, 20])
def test_single_precision_does_for_long_sequences_of_large_scores(sequences):
    """20,000 frames whose scores add up to 400,000: totals are exact to seven digits, posteriors to four."""
    frames = 20_000 // sequences
    graphs = graphs_of([(3, [(0, 0, 0), (0, 1, 1), (0, 2, -1), (1, 0, 0), (1, 1, 2), (1, 2, -1)])])
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(frames * sequences, 3, generator=generator) * 5 - 20
    of = Sequences(
        int32(range(0, frames * sequences, frames)),
        torch.full((sequences,), frames, dtype=torch.int32),
        int32([0] * sequences),
    )
    results = []
    for dtype in (torch.float32, torch.float64):
        leaf = scores.detach().clone().to(dtype).requires_grad_()
        found = total_scores(graphs, torch.zeros(6, dtype=dtype), leaf, of)
        found.sum().backward()
        results.append((found.detach(), leaf.grad.double()))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-7, atol=0)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS + TRITON[:1])
def test_nothing_at_all(backend):
    none = int32([])
    found = total_scores(
        graphs_of([]), torch.zeros(0), torch.zeros(0, 3), Sequences(none, none, none), None, backend
    )
    assert found.shape == (0,)


@pytest.mark.parametrize("backend", BACKENDS + TRITON[:1])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(scores=torch.zeros(4, 2)), "label 2 in the automata, and the network has 2 classes, 0 to 1"),
        (dict(scores=torch.zeros(2, 4, 3)), r"scores of \(2, 4, 3\)"),
        (dict(scores=torch.zeros(4, 3, dtype=torch.int64)), "torch.int64, expected"),
        (dict(scores=torch.full((4, 3), torch.nan)), "sequence 0, frame 0: the score of label 0 is nan"),
        (dict(scores=torch.full((4, 3), torch.inf)), "frame 0: the score of label 0 is inf"),
        (dict(arc_scores=torch.zeros(3)), r"arc scores of \(3,\)"),
        (dict(arc_scores=torch.tensor([0.0, torch.nan])), "the score of arc 1 is nan"),
        (dict(arc_scores=torch.zeros(2).double()), "expected .* torch.float32, as the scores are"),
        (dict(first=int32([3])), r"sequence 0 of rows 3 to 6 \(exclusive\)"),
        (dict(first=int32([-1])), "sequence 0 of rows -1 to 2"),
        (dict(frames=int32([-2])), "sequence 0 of rows 0 to -2"),
        (dict(frames=torch.tensor([3])), r"frames of \(1,\) and torch.int64"),
        (dict(graph_of=int32([1])), r"automata \[1\], expected 0 to 0"),
        (dict(leak=Leak(0.0, torch.zeros(3))), "a leak of 0.0"),
        (dict(leak=Leak(0.1, torch.zeros(2))), r"to \(2,\) states, expected more than 0, to \(3,\)"),
        (dict(leak=Leak(0.1, torch.full((3,), -1.0))), "occupancies below 0"),
    ],
)
def test_what_does_not_fit_is_named(change, message, backend):
    graphs = graphs_of([(3, [(0, 0, 2), (0, 2, -1)])])
    given = dict(
        arc_scores=torch.zeros(2), scores=torch.zeros(4, 3), first=int32([0]), frames=int32([3]), leak=None
    )
    given = given | dict(graph_of=int32([0])) | change
    of = Sequences(given["first"], given["frames"], given["graph_of"])
    with pytest.raises(FstError, match=f"fsa_scores: .*{message}"):
        total_scores(graphs, given["arc_scores"], given["scores"], of, given["leak"], backend)


@pytest.mark.parametrize("backend", BACKENDS + TRITON[:1])
def test_a_row_of_two_sequences_is_named(backend):
    graphs = graphs_of([(2, [(0, 1, -1)])])
    of = Sequences(int32([0, 2]), int32([3, 2]), int32([0, 0]))
    with pytest.raises(FstError, match=r"sequence 1 of rows 2 to 4 \(exclusive\), expected rows of its own"):
        total_scores(graphs, torch.zeros(1), torch.zeros(4, 1), of, backend=backend)
