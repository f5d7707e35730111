"""intersect_dense_pruned and OnlineDenseIntersecter; tests/ops/test_fsa_pruned.py has the search itself."""

import itertools

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError


def network(seed: int, frames: list[int], classes: int = 6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    log_probs = 2 * torch.randn(len(frames), max(frames), classes, generator=generator, dtype=torch.float64)
    segments = torch.tensor([[i, 0, count] for i, count in enumerate(frames)], dtype=torch.int32)
    return log_probs.to(dtype).log_softmax(-1), segments


def test_one_graph_for_all_and_one_for_each():
    log_probs, segments = network(0, [5, 20, 9])
    dense, graph = k2.DenseFsaVec(log_probs, segments), k2.ctc_topo(5)
    exact = k2.intersect_dense(graph, dense, 8.0)
    for graphs in (graph, k2.create_fsa_vec([graph]), k2.create_fsa_vec([graph] * 3)):
        found = k2.intersect_dense_pruned(graphs, dense, 100.0, 8.0, 0, 1000)
        assert found.shape == exact.shape
        assert found.num_arcs == exact.num_arcs
        assert torch.equal(found.aux_labels.sort().values, exact.aux_labels.sort().values)
        for log in (False, True):
            torch.testing.assert_close(found.get_tot_scores(True, log), exact.get_tot_scores(True, log))


def test_frames_and_rows_of_arcs():
    log_probs, segments = network(1, [4, 7])
    dense = k2.DenseFsaVec(log_probs, segments)
    found = k2.intersect_dense_pruned(
        k2.ctc_topo(5), dense, 9.0, 5.0, 0, 99, seqframe_idx_name="row", frame_idx_name="t"
    )
    for i, frames in enumerate((4, 7)):
        best = k2.shortest_path(k2.create_fsa_vec([found[i]]), True)
        assert best.t.tolist() == list(range(frames + 1))
        assert best.row.tolist() == [5 * i + t for t in range(frames + 1)]
    torch.testing.assert_close(found.scores, dense.scores[found.row.long(), found.labels.long() + 1])


@pytest.mark.parametrize("output_beam", [2.5, 1e5])
def test_gradients_are_of_what_stays(output_beam):
    log_probs, segments = network(2, [3, 5], classes=4, dtype=torch.float64)
    graph = k2.create_fsa_vec([k2.ctc_graph([[1, 2]])[0], k2.ctc_topo(3)])
    weights = torch.linspace(-1, 1, graph.num_arcs, dtype=torch.float64)

    def total(log_probs, weights):
        graph.scores = weights
        found = k2.intersect_dense_pruned(
            graph, k2.DenseFsaVec(log_probs, segments), 1e5, output_beam, 0, 999
        )
        return found.get_tot_scores(True, True)

    assert torch.autograd.gradcheck(total, (log_probs.requires_grad_(), weights.requires_grad_()))


def test_a_search_that_reaches_no_end():
    dense = k2.DenseFsaVec(torch.zeros(2, 3, 4), torch.tensor([[0, 0, 3], [1, 0, 2]], dtype=torch.int32))
    graph = k2.Fsa.from_str("0 1 1 4 0.5\n1 2 2 5 0.25\n2 1 3 6 0.5\n2 3 -1 -1 1\n3", acceptor=False)
    graph.requires_grad_(True)
    whole = k2.intersect_dense_pruned(graph, dense, 10.0, 10.0, 0, 100)
    partial = k2.intersect_dense_pruned(graph, dense, 10.0, 10.0, 0, 100, allow_partial=True)
    assert whole.get_tot_scores(True, True).tolist() == [-torch.inf, 1.75]
    assert partial.get_tot_scores(True, True).tolist() == [1.25, 1.75]
    assert partial[0].aux_labels.tolist() == [4, 5, 6, -1]
    partial[0].scores.sum().backward()
    assert graph.grad is not None and graph.grad.tolist() == [1, 1, 1, 0]


def same(one, other):
    assert torch.equal(one.arcs.values()[:, :3], other.arcs.values()[:, :3])
    assert torch.equal(one.arcs.state_splits(), other.arcs.state_splits())
    assert torch.equal(one.aux_labels, other.aux_labels)
    torch.testing.assert_close(one.scores, other.scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("beams", [(20.0, 8.0, 0, 1000), (3.0, 2.0, 4, 1000), (8.0, 4.0, 1, 3)])
@pytest.mark.parametrize("sizes", [[1], [3], [7, 2, 30], [97]])
def test_chunks_are_the_whole(beams, sizes):
    """Each lattice is that of all frames up to there; recordings start at different times."""
    log_probs, _ = network(3, [97, 97])
    graph = k2.ctc_topo(5)
    online = k2.OnlineDenseIntersecter(graph, 2, *beams)
    states, at = [None, None], [0, -5]
    size = itertools.cycle(sizes)
    while min(at) < 97:
        chunk = next(size)
        going = [i for i in (0, 1) if 0 <= at[i] < 97]
        at = [t + 1 if t < 0 else t for t in at]
        if not going:
            continue
        counts = [min(chunk, 97 - at[i]) for i in going]
        padded = torch.zeros(len(going), max(counts), 6)
        for row, (i, count) in enumerate(zip(going, counts, strict=True)):
            padded[row, :count] = log_probs[i, at[i] : at[i] + count]
        segments = torch.tensor([[row, 0, count] for row, count in enumerate(counts)], dtype=torch.int32)
        found, after = online.decode(k2.DenseFsaVec(padded, segments), [states[i] for i in going])
        for row, (i, count) in enumerate(zip(going, counts, strict=True)):
            states[i] = after[row]
            at[i] += count
            assert after[row].num_frames == at[i]
            if at[i] % 4 == 0 or at[i] == 97:
                part = k2.DenseFsaVec(log_probs[i : i + 1], torch.tensor([[0, 0, at[i]]], dtype=torch.int32))
                same(found[row], k2.intersect_dense_pruned(graph, part, *beams, allow_partial=True)[0])


def test_a_state_can_be_gone_on_from_twice():
    log_probs, _ = network(4, [30])
    online = k2.OnlineDenseIntersecter(k2.create_fsa_vec([k2.ctc_topo(5)]), 3, 9.0, 5.0, 0, 99)

    def chunk(begin, count):
        return k2.DenseFsaVec(log_probs, torch.tensor([[0, begin, count]], dtype=torch.int32))

    _, (first,) = online.decode(chunk(0, 10), [None])
    once, (second,) = online.decode(chunk(10, 20), [first])
    other, _ = online.decode(chunk(0, 7), [first])
    again, _ = online.decode(chunk(10, 20), [first])
    same(once, again)
    assert other.num_arcs != once.num_arcs
    assert (first.num_frames, second.num_frames) == (10, 30)
    assert first.num_active_states > 0


def test_what_does_not_go_together_is_named():
    log_probs, segments = network(5, [4, 4])
    dense, graph = k2.DenseFsaVec(log_probs, segments), k2.ctc_topo(5)
    online = k2.OnlineDenseIntersecter(graph, 2, 9.0, 5.0, 0, 99)
    _, states = online.decode(dense, [None, None])
    for call, message in (
        (
            lambda: k2.intersect_dense_pruned(k2.create_fsa_vec([graph] * 3), dense, 1, 1, 0, 9),
            "3 automata and 2 segments",
        ),
        (
            lambda: k2.intersect_dense_pruned(k2.ctc_topo(9), dense, 1, 1, 0, 9),
            "label 9 in the automata, and the network has 6",
        ),
        (lambda: k2.intersect_dense_pruned(graph, dense, -1, 1, 0, 9), "search_beam=-1"),
        (
            lambda: k2.intersect_dense_pruned(graph, dense.to("meta"), 1, 1, 0, 9),
            "automata on cpu.*network output on meta",
        ),
        (lambda: online.decode(dense, [None]), "2 segments and 1 states"),
        (lambda: online.decode(dense, states + states), "2 segments and 4 states"),
        (
            lambda: k2.OnlineDenseIntersecter(graph, 1, 9.0, 5.0, 0, 99).decode(dense, states),
            "num_streams=1 at most",
        ),
        (
            lambda: k2.OnlineDenseIntersecter(graph, 2, 9.0, 5.0, 0, 99).decode(dense, states),
            "expected None or one of this object",
        ),
        (
            lambda: k2.OnlineDenseIntersecter(k2.create_fsa_vec([graph] * 2), 2, 9.0, 5.0, 0, 99),
            "2 automata, expected one",
        ),
        (lambda: k2.OnlineDenseIntersecter(graph, 0, 9.0, 5.0, 0, 99), "num_streams=0"),
        (
            lambda: online.decode(k2.DenseFsaVec(torch.zeros(2, 4, 9), segments), states),
            "a chunk of 9 classes after one of 6",
        ),
    ):
        with pytest.raises(FstError, match=message):
            call()
