"""Pruned search: all implementations alike, and against all paths where nothing is cut off."""

import random
from unittest import mock

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError
from sonant.ops import fsa_pruned
from sonant.ops.fsa_pruned import Beams, Graphs

BACKENDS = [None, "reference", "device"]


def intersect(*arguments, backend=None):
    """By one implementation; that for other devices is made to run on the CPU."""
    if backend != "device":
        return fsa_pruned.intersect(*arguments, backend=backend)
    with mock.patch.object(fsa_pruned, "_implementation", return_value=fsa_pruned.on_device):
        return fsa_pruned.intersect(*arguments)


def case(seed: int, dtype=torch.float64):
    """Two automata with cycles, and three recordings of different lengths, the longest not first."""
    random.seed(seed)
    generator = torch.Generator().manual_seed(seed)
    fsas = k2.random_fsa_vec(2, 2, False, 5, 3, 40)
    scores = torch.randn(fsas.num_arcs, generator=generator, dtype=torch.float64).to(dtype)
    log_probs = 2 * torch.randn(3, 50, 6, generator=generator, dtype=torch.float64).to(dtype)
    segments = torch.tensor([[1, 0, 2], [0, 0, 50], [2, 3, 22]], dtype=torch.int32)
    dense = k2.DenseFsaVec(log_probs, segments)
    graphs = Graphs(fsas.arcs.values(), fsas.arcs.state_splits(), fsas.arcs.fsa_splits())
    graph_of = torch.tensor([0, 1, 0], dtype=torch.int32)
    return graphs, scores, dense.scores, dense.shape().row_splits(1), graph_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("partial", [False, True])
def test_all_implementations_agree(dtype, partial):
    sizes = set()
    for seed in range(40):
        search, output = [100, 2, 5.0][seed % 3], [100, 3, 1.0][seed // 3 % 3]
        least, most = [0, 3, 9][seed % 4 % 3], [10000, 12, 10][seed // 4 % 3]
        arguments = *case(seed, dtype), Beams(search, output, least, most, partial)
        native, reference = (intersect(*arguments, backend=backend) for backend in BACKENDS[:2])
        others = [reference] if seed % 14 else [reference, intersect(*arguments, backend="device")]
        for found in others:
            for name, one, other in zip(native._fields, native, found, strict=True):
                assert torch.equal(one, other), (seed, name)
        sizes.add(len(native.arcs))
    assert len(sizes) > 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_agree_where_many_arcs_lead_to_each_state(dtype):
    topology = k2.create_fsa_vec([k2.ctc_topo(24)])
    graphs = Graphs(topology.arcs.values(), topology.arcs.state_splits(), topology.arcs.fsa_splits())
    sizes = set()
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randn(topology.num_arcs, generator=generator, dtype=torch.float64).to(dtype)
        log_probs = 2 * torch.randn(2, 24, 25, generator=generator, dtype=torch.float64).to(dtype)
        dense = k2.DenseFsaVec(log_probs, torch.tensor([[0, 0, 12], [1, 0, 24]], dtype=torch.int32))
        rest = dense.scores, dense.shape().row_splits(1), torch.zeros(2, dtype=torch.int32)
        beams = Beams([100.0, 4.0][seed % 2], [2.0, 6.0][seed // 2 % 2], 20, 25)
        native, *others = (
            fsa_pruned.intersect(graphs, scores, *rest, beams, backend) for backend in BACKENDS
        )
        for found in others:
            for name, one, other in zip(native._fields, native, found, strict=True):
                assert torch.equal(one, other), (seed, name)
        sizes.add(len(native.arcs))
    assert len(sizes) > 6


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_beams_it_is_the_whole_intersection(backend):
    for seed in range(3 if backend == "device" else 10):
        graphs, scores, dense, rows, graph_of = case(seed)
        found = intersect(graphs, scores, dense, rows, graph_of, Beams(1e9, 1e9), backend=backend)
        fsas = k2.Fsa.made(
            k2.fsa.RaggedArc.of_batch(graphs.fsa_splits, graphs.state_splits, graphs.arcs), scores
        )
        picked = k2.index_fsa(fsas, graph_of)
        segments = [rows[i + 1] - rows[i] for i in range(3)]
        exact = [
            k2.intersect_dense(
                picked[i],
                k2.DenseFsaVec(
                    dense[None, rows[i] : rows[i + 1] - 1, 1:],
                    torch.tensor([[0, 0, segments[i] - 1]], dtype=torch.int32),
                ),
                1e9,
            ).get_tot_scores(True, True)
            for i in range(3)
        ]
        mine = k2.Fsa.made(
            k2.fsa.RaggedArc.of_batch(found.fsa_splits, found.state_splits, found.arcs),
            scores[found.map_a.long()] + dense.reshape(-1)[found.map_b.long()],
        )
        torch.testing.assert_close(mine.get_tot_scores(True, True), torch.cat(exact))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_beam_follows_the_number_of_active_states(backend):
    """Four states that are a beam apart and lead to all four again."""
    lines = sorted(
        [*(f"{s} {d} {d} 0" for s in range(4) for d in range(4)), *(f"{s} 4 -1 0" for s in range(4))]
    )
    fsa = k2.create_fsa_vec([k2.Fsa.from_str("\n".join([*lines, "4"]))])
    graphs = Graphs(fsa.arcs.values(), fsa.arcs.state_splits(), fsa.arcs.fsa_splits())
    dense = k2.DenseFsaVec(-torch.arange(4.0).expand(1, 30, 4), torch.tensor([[0, 0, 30]], dtype=torch.int32))

    def states(*numbers):
        rest = fsa.scores, dense.scores, dense.shape().row_splits(1), torch.tensor([0], dtype=torch.int32)
        found = intersect(graphs, *rest, Beams(*numbers), backend=backend)
        return torch.bincount(found.map_b // 5).tolist()[4:26]

    within = 2  # of 0, -1, -2, -3 with a beam of 1.5
    assert states(1.5, 100) == [within**2] * 22
    assert max(states(1.5, 100, 3)) == 9  # fewer than three: the beam grows until they are there
    assert states(10.0, 100) == [16] * 22
    assert min(states(10.0, 100, 0, 2)) < 9  # more than two: it gets smaller
    assert max(states(1.5, 0.5)) == 1  # what is behind the best by more than the output beam goes


@pytest.mark.parametrize("backend", BACKENDS)
def test_automata_of_nothing_and_recordings_without_a_way(backend):
    texts = ["", "0 1 2 0.5\n1 2 -1 0\n2"]
    fsas = k2.create_fsa_vec([k2.Fsa.from_str(text) for text in texts])
    graphs = Graphs(fsas.arcs.values(), fsas.arcs.state_splits(), fsas.arcs.fsa_splits())
    dense = k2.DenseFsaVec(torch.zeros(2, 3, 4), torch.tensor([[0, 0, 2], [1, 0, 3]], dtype=torch.int32))
    for score, dim in ((0.5, 2), (-torch.inf, 2)):
        rest = dense.scores, dense.shape().row_splits(1), torch.tensor([0, 1], dtype=torch.int32)
        found = intersect(graphs, torch.tensor([score, 0.0]), *rest, Beams(5, 5), backend=backend)
        assert found.fsa_splits.tolist() == [0, 0, dim]
        assert len(found.arcs) == 0


@pytest.mark.parametrize("backend", [None, "device"])
def test_arrays_that_do_not_fit_are_named(backend):
    graphs, scores, dense, rows, graph_of = case(0)
    beams = Beams(1, 1)
    with pytest.raises(FstError, match=r"torch.float32 of the network; expected as many, and one of"):
        intersect(graphs, scores, dense.float(), rows, graph_of, beams, backend=backend)
    with pytest.raises(FstError, match=r"label 5 in the automata, and the network has 3 classes, 0 to 2"):
        intersect(graphs, scores, dense[:, :4], rows, graph_of, beams, backend=backend)
    wrong = scores.clone()
    wrong[3] = torch.nan
    with pytest.raises(FstError, match="the score of arc 3 is nan"):
        intersect(graphs, wrong, dense, rows, graph_of, beams, backend=backend)
    dense = dense.clone()
    dense[10, 2] = torch.inf
    with pytest.raises(FstError, match="the score of label 1 at frame 7 is inf, expected a number or -inf"):
        intersect(graphs, scores, dense, rows, graph_of, beams, backend=backend)
    for numbers, message in (
        ((0, 1), "search_beam=0, expected more than 0"),
        ((1, -2), "output_beam=-2"),
        ((1, 1, 9, 3), "9 to 3 active states"),
        ((1, 1, -1), "-1 to"),
    ):
        with pytest.raises(FstError, match=message):
            Beams(*numbers)
