"""Losses of k2's names, against the lattice, enumerations and torch (test_golden.py: against k2)."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

import sonant.fsa as k2
from sonant.errors import FstError


def dense_of(scores: torch.Tensor, frames: list[int]) -> k2.DenseFsaVec:
    segments = torch.tensor([[i, 0, n] for i, n in enumerate(frames)], dtype=torch.int32)
    return k2.DenseFsaVec(scores, segments)


def random_scores(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).log_softmax(-1)


def graph_of(symbols: list[list[int]], dtype=torch.float64) -> k2.Fsa:
    graph = k2.ctc_graph(symbols)
    graph.scores = graph.scores.to(dtype)
    return graph


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_torch(dtype):
    symbols, frames = [[1, 2, 2, 3], [], [4, 4], [2]], [12, 5, 9, 1]
    scores = random_scores(4, 12, 5, dtype=dtype).requires_grad_()
    loss = k2.ctc_loss(graph_of(symbols, dtype), dense_of(scores, frames), reduction="none")
    targets = torch.tensor([row + [0] * (4 - len(row)) for row in symbols])
    sizes = torch.tensor([len(row) for row in symbols])
    expected = F.ctc_loss(scores.transpose(0, 1), targets, torch.tensor(frames), sizes, reduction="none")
    torch.testing.assert_close(loss, expected.float())
    # torch's gradient counts on log_softmax to take the rest off: compare through it.
    logits = scores.detach().clone().requires_grad_()
    gradients = []
    for make in (
        lambda x: k2.ctc_loss(graph_of(symbols, dtype), dense_of(x, frames)),
        lambda x: F.ctc_loss(x.transpose(0, 1), targets, torch.tensor(frames), sizes, reduction="sum"),
    ):
        gradients.append(torch.autograd.grad(make(logits.log_softmax(-1)), logits)[0])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("delay_penalty", [0.0, 0.7])
def test_totals_equal_those_of_the_lattice(delay_penalty):
    """Gradients too, of graphs with scores, loops and emissions; and one graph for all segments."""
    topology = k2.ctc_topo(3)
    for graph in (graph_of([[1, 2], [3]]), k2.create_fsa_vec([topology, topology]), topology):
        leaves = []
        totals = []
        for by_lattice in (False, True):
            fsas = graph.clone()
            weights = random_scores(fsas.num_arcs, seed=1).requires_grad_()
            scores = random_scores(2, 6, 4, seed=2).requires_grad_()
            fsas.scores = weights * 1
            dense = dense_of(scores, [6, 4])
            if by_lattice:
                lattice = k2.intersect_dense(fsas, dense, 1e5, frame_idx_name="frame")
                counts = lattice.arcs.state_splits()[lattice.arcs.fsa_splits().long()].diff()
                middle = (dense.duration // 2).repeat_interleave(counts)
                late = torch.where(lattice.aux_labels > 0, lattice.frame - middle, 0)
                lattice.scores = lattice.scores - delay_penalty * late
                total = lattice.get_tot_scores(True, True)
            else:
                total = k2.intersect_dense_tot_scores(fsas, dense, delay_penalty)
            total.sum().backward()
            totals.append(total.detach())
            leaves.append((weights.grad, scores.grad))
        torch.testing.assert_close(*totals)
        for gradients in zip(*leaves, strict=True):
            torch.testing.assert_close(*gradients)


def test_a_graph_with_no_path_costs_infinitely_much():
    scores = torch.zeros(2, 3, 3, requires_grad=True)
    loss = k2.ctc_loss(k2.ctc_graph([[1, 1, 2], [1]]), dense_of(scores, [3, 3]), reduction="none")
    assert loss[0] == math.inf and loss[1].isfinite()
    loss.sum().backward()
    assert (scores.grad[0] == 0).all() and scores.grad.isfinite().all()


def every_sequence(scores: torch.Tensor) -> list[tuple[tuple[int, ...], torch.Tensor]]:
    """Of trivial_graph: each sequence of labels above 0, (frames, classes) scores."""
    labels = itertools.product(range(1, scores.shape[1]), repeat=len(scores))
    return [(row, sum(scores[t, label] for t, label in enumerate(row))) for row in labels]


def edits(a: tuple[int, ...], b: list[int]) -> int:
    rows = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, rows[0] = rows[0], i
        for j, y in enumerate(b, 1):
            last, rows[j] = rows[j], min(rows[j] + 1, rows[j - 1] + 1, last + (x != y))
    return rows[-1]


@pytest.mark.parametrize("count", [1, 4, 100])
def test_exact_word_errors_equal_the_enumeration(count):
    references, frames = [[1, 2], [2]], [3, 2]
    scores = random_scores(2, 3, 4).requires_grad_()
    graph = k2.trivial_graph(3)
    graph.scores = graph.scores.double()
    lattice = k2.intersect_dense(graph, dense_of(scores, frames), 1e5)
    found = k2.mwer_loss(lattice, references, num_paths=count, temperature=1.5, exact=True)
    expected = scores.new_zeros(())
    for reference, row, n in zip(references, scores, frames, strict=True):
        best = sorted(every_sequence(row[:n]), key=lambda pair: -pair[1].item())[:count]
        shares = torch.stack([score for _, score in best]).div(1.5).softmax(0)
        expected = expected + sum(
            p * edits(words, reference) for p, (words, _) in zip(shares, best, strict=True)
        )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(x, scores, retain_graph=True)[0] for x in (found, expected))
    )


def test_sampled_word_errors_are_the_exact_ones_where_all_paths_are_sampled():
    torch.manual_seed(0)
    lattice = k2.intersect_dense(k2.trivial_graph(3), dense_of(random_scores(2, 3, 4).float(), [3, 2]), 1e5)
    found = [k2.mwer_loss(lattice, [[1, 2], [2]], 0.1, 1000, exact=exact) for exact in (False, True)]
    torch.testing.assert_close(*found)


def test_paths_of_the_same_words_count_once():
    """A CTC lattice of one frame more than words: alignments of the same words are one hypothesis."""
    torch.manual_seed(0)
    lattice = k2.intersect_dense(graph_of([[1, 2]], torch.float32), dense_of(torch.zeros(1, 3, 3), [3]), 1e5)
    for exact in (False, True):
        loss = k2.mwer_loss(lattice, [[1]], num_paths=100, reduction="none", exact=exact)
        assert loss.tolist() == [[pytest.approx(1.0)]]


def test_ragged_words_and_lattices_without_paths():
    lattice = k2.intersect_dense(
        graph_of([[1, 2], [1, 1, 1]], torch.float32), dense_of(torch.zeros(2, 3, 3), [3, 3]), 1e5
    )
    expected = k2.mwer_loss(lattice, [[1], [1]], num_paths=5, reduction="none").tolist()
    assert expected == [[pytest.approx(1.0)], []]
    assert k2.mwer_loss(lattice, [[1], [1]], num_paths=5, exact=True).item() == pytest.approx(1)
    lattice.convert_attr_to_ragged_("aux_labels")
    assert k2.mwer_loss(lattice, [[1], [1]], num_paths=5, reduction="none").tolist() == expected
    with pytest.raises(FstError, match="ragged aux_labels"):
        k2.mwer_loss(lattice, [[1], [1]], exact=True)


def test_what_does_not_fit_is_named():
    graph, dense = k2.ctc_graph([[1], [2]]), dense_of(torch.zeros(2, 4, 3), [4, 4])
    lattice = k2.intersect_dense(graph, dense, 10.0)
    plain = k2.linear_fsa([[1], [2]])
    for call, message in (
        (lambda: k2.ctc_loss(graph, dense, reduction="max"), "reduction='max'"),
        (lambda: k2.ctc_loss(graph, dense, output_beam=0), "output_beam=0"),
        (
            lambda: k2.ctc_loss(graph, dense, reduction="mean"),
            r"target_lengths None for 'mean', expected \(2,\)",
        ),
        (lambda: k2.ctc_loss(k2.ctc_graph([[1]]), dense), "1 automata and 2 segments"),
        (lambda: k2.ctc_loss(k2.ctc_graph([[1], [7]]), dense), "label 7 in the automata"),
        (lambda: k2.ctc_loss(plain, dense, delay_penalty=1.0), "the automata have no aux_labels"),
        (lambda: k2.ctc_loss(graph, dense_of(torch.full((2, 4, 3), math.nan), [4, 4])), "is nan"),
        (lambda: k2.mwer_loss(lattice, [[1]]), "2 and 1 transcripts|1 transcripts"),
        (lambda: k2.mwer_loss(lattice, [[1], [2]], reduction="max"), "reduction='max'"),
        (lambda: k2.mwer_loss(lattice, [[1], [2]], temperature=0), "temperature=0"),
        (lambda: k2.mwer_loss(lattice, [[1], [2]], num_paths=0), "num_paths=0"),
        (lambda: k2.mwer_loss(lattice, [[1], [2]], num_paths=0, exact=True), "num_paths=0"),
    ):
        with pytest.raises(FstError, match=message):
            call()
