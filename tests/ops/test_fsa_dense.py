"""Dense intersection where the tensors are: the arcs of the native core, one by one, in its order."""

import random
from importlib.util import find_spec
from unittest import mock

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError
from sonant.ops import fsa_dense
from sonant.ops.fsa_dense import Graphs, Limits, Pairs

# The interpreter takes a second for a handful of frames, so that Triton's kernels get few of them.
CASES = [("reference", seed) for seed in range(36)] + [("triton", s) for s in (1, 2) if find_spec("triton")]


def case(seed: int):
    """Three automata with cycles, and segments of different lengths, the longest not first."""
    random.seed(seed)
    generator = torch.Generator().manual_seed(seed)
    dtype = [torch.float32, torch.float64][seed % 2]
    fsas = k2.random_fsa_vec(3, 3, False, 5, 3, 30)
    fsas.scores = torch.randn(fsas.num_arcs, generator=generator, dtype=torch.float64).to(dtype)
    log_probs = 2 * torch.randn(3, 12, 6, generator=generator, dtype=torch.float64).to(dtype)
    segments = torch.tensor([[1, 0, 2], [0, 0, 9], [2, 3, 7]], dtype=torch.int32)
    return fsas, k2.DenseFsaVec(log_probs, segments)


def intersect(fsas, dense, pairs, limits, backend):
    graphs = Graphs(fsas.arcs.values(), fsas.arcs.state_splits(), fsas.arcs.fsa_splits(), "intersect_dense")
    arguments = graphs, fsas.scores, dense.scores, dense.shape().row_splits(1), Pairs(*pairs), Limits(*limits)
    if backend == "reference":
        # In parts, too, of what is looked at at once.
        with mock.patch.object(fsa_dense.reference, "AT_ONCE", 50):
            return fsa_dense.intersect(*arguments, "reference")
    from sonant.ops.fsa_dense import triton
    from sonant.ops.fsa_frames import triton as tiles

    with (
        mock.patch.object(fsa_dense, "_implementation", return_value=triton),
        mock.patch.object(tiles, "LANES", 32),
    ):
        return fsa_dense.intersect(*arguments)


@pytest.mark.parametrize(("backend", "seed"), CASES)
def test_gives_the_arcs_of_the_native_core(seed, backend):
    fsas, dense = case(seed)
    beam = [1e9, 3.0, 0.5][seed % 3]
    limits = [(15000000, 1 << 30), (24, 1 << 30), (10**7, 20)][seed // 3 % 3]
    order = torch.tensor([2, 0, 1] if seed % 4 == 1 else [0, 1, 2], dtype=torch.int32)
    expected = k2.intersect_dense(fsas, dense, beam, *limits, a_to_b_map=order)
    pairs = torch.arange(3, dtype=torch.int32), order
    found = intersect(fsas, dense, pairs, (beam, *limits), backend)
    assert torch.equal(found.arcs[:, :3], expected.arcs.values()[:, :3])
    assert torch.equal(found.state_splits, expected.arcs.state_splits())
    assert torch.equal(found.fsa_splits, expected.arcs.fsa_splits())
    scores = fsas.scores[found.map_a.long()] + dense.scores.reshape(-1)[found.map_b.long()]
    assert torch.equal(scores, expected.scores)
    assert found.map_a.dtype == found.map_b.dtype == found.state_splits.dtype == torch.int32


@pytest.mark.parametrize("backend", sorted({backend for backend, _ in CASES}))
def test_one_automaton_for_all_and_automata_of_nothing(backend):
    fsas = k2.create_fsa_vec([k2.Fsa.from_str(text) for text in ("", "0 1 2 0.5\n1 2 -1 0\n2")])
    dense = k2.DenseFsaVec(torch.zeros(2, 3, 4), torch.tensor([[0, 0, 2], [1, 0, 1]], dtype=torch.int32))
    for graph, sizes in ((1, [0, 0, 3]), (0, [0, 0, 0])):
        pairs = torch.full((2,), graph, dtype=torch.int32), torch.arange(2, dtype=torch.int32)
        found = intersect(fsas, dense, pairs, (8.0, 10**7, 10**7), backend)
        assert found.fsa_splits.tolist() == sizes
        assert found.arcs.tolist() == [[0, 1, 2, 0], [1, 2, -1, 0]][: 2 * graph]
        assert found.state_splits.tolist() == [0, 1, 2, 2][: 1 + 3 * graph]


def test_a_step_on_any_device_is_a_step_of_the_operation():
    """What intersect_dense does elsewhere than on the CPU, on a device that has no values."""
    fsas, dense = case(0)
    with mock.patch.object(fsa_dense, "intersect", side_effect=RuntimeError("taken")) as taken:
        with pytest.raises(RuntimeError, match="taken"):
            k2.intersect_dense(fsas.to("meta"), dense.to("meta"), 8.0)
        assert taken.call_args[0][4].graphs.tolist() == [0, 1, 2]


def test_labels_and_scores_that_cannot_be_are_named():
    fsas, dense = case(0)
    pairs, limits = (torch.arange(3, dtype=torch.int32),) * 2, (8.0, 10**7, 10**7)
    with pytest.raises(FstError, match=r"label 5 in the automata, and the network has 3 classes, 0 to 2"):
        intersect(fsas, dense.with_scores(dense.scores[:, :4]), pairs, limits, "reference")
    scores = dense.scores.clone()
    scores[2, 3] = torch.nan
    with pytest.raises(FstError, match="the score of label 2 at row 2 is not a number"):
        intersect(fsas, dense.with_scores(scores), pairs, limits, "reference")
    fsas.scores = fsas.scores.clone()
    fsas.scores[4] = torch.nan
    with pytest.raises(FstError, match="the score of arc 4 is not a number"):
        intersect(fsas, dense, pairs, limits, "reference")
