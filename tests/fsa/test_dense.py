"""Dense intersection where it is large, where beams cut closely, and on several threads; what it computes is
held to brute force in test_operations.py and to k2 in golden/intersect_dense.jsonl."""

from typing import Any

import pytest
import torch

import sonant.fsa as k2
from sonant import _native
from sonant.fsa.operations import flat

_core: Any = _native


def dense_of(seed: int, batch: int, frames: int, tokens: int) -> k2.DenseFsaVec:
    """Recordings of different lengths, the longest not first."""
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(batch, frames, tokens + 1, generator=generator)
    segments = [[i, 0, max(1, frames * (i % 3 + 1) // 3)] for i in range(batch)]
    return k2.DenseFsaVec(scores.log_softmax(-1), torch.tensor(segments, dtype=torch.int32))


@pytest.mark.parametrize("beam", [1.0, 6.0, 1e9])
def test_any_number_of_threads_gives_the_same_bits(beam):
    topology, dense = k2.create_fsa_vec([k2.ctc_topo(30)]), dense_of(0, 5, 60, 30)
    row_splits, of = dense.shape().row_splits(1), torch.arange(5, dtype=torch.int32)
    given = [*flat(topology.arcs), topology.scores.numpy(), dense.scores.numpy(), row_splits.numpy()]
    pairs = torch.zeros_like(of).numpy(), of.numpy()

    def all_results(threads: int) -> list[Any]:
        made = list(_core.fsa_intersect_dense(*given, *pairs, beam, 10**9, 10**9, threads))
        arcs, states, fsas, map_a, map_b, scores = made
        slopes = torch.arange(len(scores)).cos().numpy()
        splits = torch.from_numpy(states)[torch.from_numpy(fsas).long()].numpy()
        groups = (row_splits * dense.scores.shape[1]).numpy()
        made.append(_core.fsa_take_gradient(slopes, map_b, splits, groups, threads))
        made.append(_core.fsa_take(topology.scores.numpy(), map_a, 0.0, threads))
        for forward in (True, False):
            found = torch.empty(len(states) - 1, dtype=torch.float64).numpy()
            best = torch.empty(len(states) - 1, dtype=torch.int32).numpy()
            _core.fsa_scores(arcs, states, fsas, "x", scores, forward, True, found, best, threads)
            made.append(found)
            made.append(
                _core.fsa_scores_gradient(
                    arcs, states, fsas, scores, forward, True, found, best, found, threads
                )
            )
        before, after = made[-4], made[-2]
        made.append(_core.fsa_through_arcs(arcs, states, fsas, scores, before, after, threads))
        made += _core.fsa_through_arcs_gradient(arcs, states, fsas, scores, made[-1], threads)
        return made

    one, two, three = (all_results(threads) for threads in (1, 2, 3))
    assert beam < 1e9 or len(one[0]) > 70_000  # so many that there are threads
    for i, arrays in enumerate(zip(one, two, three, strict=True)):
        first, *others = (array.tobytes() for array in arrays)
        assert others == [first, first], i


def test_arcs_at_the_edge_of_the_beam_do_not_lose_their_way():
    """Sums of tenths are rounded, so that of a path just within the beam some arcs seem outside of it."""
    for seed in range(50):
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randint(-9, 1, (1, 8, 5), generator=generator, dtype=torch.float64) / 10
        dense = k2.DenseFsaVec(scores, torch.tensor([[0, 0, 8]], dtype=torch.int32))
        topology = k2.ctc_topo(4)
        topology.scores = -torch.randint(0, 9, (topology.num_arcs,), generator=generator).double() / 10
        best = k2.intersect_dense(topology, dense, 1e9).get_tot_scores(True, False)
        for found in (
            k2.intersect_dense(topology, dense, 0.7),
            k2.intersect_dense(topology, dense, 1e9, max_arcs=3),
        ):
            assert k2.connect(found).num_arcs == found.num_arcs > 0
            torch.testing.assert_close(found.get_tot_scores(True, False), best)


def test_few_ways_among_many_are_found_from_their_end():
    """A graph with a long tail of states that lead nowhere, and one way through."""
    lines = [*("0 1 1 0", "1 2 2 0"), *(f"0 {s} 1 0" for s in range(3, 300)), "2 400 -1 0"]
    lines += [f"{s} {s + 1} 2 0" for s in range(3, 399)] + ["400"]
    graph = k2.Fsa.from_str("\n".join(sorted(lines, key=lambda line: int(line.split()[0]))))
    dense = k2.DenseFsaVec(torch.zeros(1, 2, 3), torch.tensor([[0, 0, 2]], dtype=torch.int32))
    found = k2.intersect_dense(graph, dense, 1e9)
    assert found.labels.tolist() == [1, 2, -1]


def test_gradients_where_automata_and_segments_are_shared():
    dense, topology = dense_of(2, 2, 9, 4), k2.ctc_topo(4)
    graphs = k2.create_fsa_vec([topology, k2.ctc_graph([[1, 2]])[0], topology, k2.ctc_graph([[4]])[0]])
    graphs.requires_grad_(True)
    dense = dense.with_scores(dense.scores.requires_grad_(True))
    of = torch.tensor([1, 0, 0, 1], dtype=torch.int32)
    found = k2.intersect_dense(graphs, dense, 4.0, a_to_b_map=of, seqframe_idx_name="row")
    slopes = torch.arange(found.num_arcs).sin()
    (found.scores * slopes).sum().backward()
    label = found.labels.long() + 1
    expected = torch.zeros_like(dense.scores).index_put((found.row.long(), label), slopes, accumulate=True)
    assert dense.scores.grad is not None and graphs.scores.grad is not None
    torch.testing.assert_close(dense.scores.grad, expected)
    torch.testing.assert_close(graphs.scores.grad.sum(), slopes.sum())
    again = k2.intersect_dense(graphs, dense, 4.0, a_to_b_map=of)
    torch.testing.assert_close(again.scores, found.scores)


def test_memory_that_is_used_again_is_never_shared():
    """Results of some MB, of which some are kept and some are not."""
    topology, dense = k2.ctc_topo(60), dense_of(3, 3, 60, 60)
    kept: list[tuple[k2.Fsa, int, torch.Tensor]] = []
    for turn in range(12):
        beam = [5.0, 1e9, 12.0][turn % 3]
        found = k2.intersect_dense(topology, dense, beam)
        found.scores = found.scores + turn
        if turn % 2:
            kept.append((found, turn, found.arcs.values()[:, :3].clone()))
    for found, turn, arcs in kept:
        fresh = k2.intersect_dense(topology, dense, [5.0, 1e9, 12.0][turn % 3])
        assert torch.equal(fresh.arcs.values()[:, :3], arcs)
        assert torch.equal(found.arcs.values()[:, :3], arcs)
        assert torch.equal(found.scores, fresh.scores + turn)
