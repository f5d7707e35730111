"""Paths of lattices: the best ones one by one, Nbest, get_lattice; golden/nbest.jsonl has k2's results."""

import itertools

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError


def lattices(seed: int) -> k2.Fsa:
    torch.manual_seed(seed)
    log_probs = torch.randn(3, 5, 4, dtype=torch.float64).log_softmax(-1)
    if seed % 3 == 0:
        log_probs = log_probs.round()  # ties
    return k2.get_lattice(log_probs, torch.tensor([4, 5, 1]), graph(), output_beam=6.0)


def graph() -> k2.Fsa:
    found = k2.ctc_topo(3)
    found.scores = found.scores.double()
    return found


def every_path(fsa: k2.Fsa) -> list[tuple[float, tuple[int, ...]]]:
    rows, last = fsa.arcs.values().tolist(), fsa.arcs.dim0() - 1
    found, parts = [], [(0.0, 0, ())]
    while parts:
        score, state, taken = parts.pop()
        if state == last:
            found.append((score, taken))
        parts += [
            (score + float(fsa.scores[i]), row[1], (*taken, i))
            for i, row in enumerate(rows)
            if row[0] == state
        ]
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_paths_are_the_best_of_all(seed):
    fsas = lattices(seed)
    for count in (1, 5, 40):
        found = k2.shortest_paths(fsas, count)
        assert found.num_axes == 3
        first = 0
        for i, paths in enumerate(found.tolist()):
            all_paths = every_path(fsas[i])
            scores = [float(fsas.scores[torch.tensor(path)].sum()) for path in paths]
            assert scores == pytest.approx([score for score, _ in all_paths[:count]])
            assert len({tuple(path) for path in paths}) == len(paths)
            assert {tuple(arc - first for arc in path) for path in paths} <= {taken for _, taken in all_paths}
            first += fsas[i].num_arcs


def test_automata_without_paths_have_none():
    fsas = k2.create_fsa_vec(
        [k2.Fsa.from_str(text) for text in ("", "0 1 -1 0.5\n0 1 -1 1\n1", "0 1 1 0\n2")[:2]]
    )
    assert k2.shortest_paths(fsas, 3).tolist() == [[], [[1], [0]]]
    fsas.scores = torch.full((2,), -torch.inf)
    assert k2.shortest_paths(fsas, 3).tolist() == [[], []]


def test_nbest_has_each_sequence_once_with_its_best_score():
    fsas = lattices(1)
    nbest = k2.Nbest.best_of_lattice(fsas, 30)
    best = k2.shortest_path(fsas, True)
    written = k2.get_aux_labels(nbest.fsa)
    totals = nbest.total_scores().tolist()
    for i, (begin, end) in enumerate(itertools.pairwise(nbest.shape.row_splits(1).tolist())):
        here = [tuple(words) for words in written[begin:end]]
        assert len(set(here)) == len(here)
        assert list(here[0]) == k2.get_aux_labels(best)[i]
        assert totals[i] == sorted(totals[i], reverse=True)
    assert nbest.kept_path is not None
    torch.testing.assert_close(nbest.fsa.scores, fsas.scores[nbest.kept_path.values.long()])


def test_nbest_at_random_is_of_the_lattice():
    torch.manual_seed(3)
    fsas = lattices(2).requires_grad_(True)
    before = fsas.scores.detach().clone()
    nbest = k2.Nbest.from_lattice(fsas, 50, nbest_scale=0.5)
    assert torch.equal(fsas.scores.detach(), before)
    assert str(nbest) == f"Nbest(num_seqs:3, num_fsas:{nbest.fsa.shape[0]})"
    assert nbest.shape.tot_size(1) > 10
    again = nbest.intersect(fsas).total_scores()
    assert torch.all(again.values >= 2 * nbest.total_scores().values - 1e-5)  # scores of both
    nbest.top_k(2).fsa.get_tot_scores(True, False).sum().backward()
    assert fsas.grad is not None
    assert float(fsas.grad.sum()) > 0
    ragged = fsas.detach()
    ragged.convert_attr_to_ragged_("aux_labels")
    torch.manual_seed(3)
    other = k2.Nbest.from_lattice(ragged, 50)
    assert k2.get_aux_labels(other.fsa) == k2.get_aux_labels(nbest.fsa) or other.shape.dim0 == 3


def test_top_k_repeats_the_worst_where_there_are_few():
    chains = k2.linear_fsa([[1], [2, 2], [3]])
    chains.scores = torch.tensor([1.0, 0, 2, 2, 0, 5, 0])
    nbest = k2.Nbest(chains, k2.RaggedShape("[ [ x x ] [ x ] ]")).top_k(3)
    assert nbest.total_scores().tolist() == [[4, 1, 1], [5, 5, 5]]


def test_what_cannot_be_is_named():
    fsas, chains = lattices(0), k2.linear_fsa([[1], [2]])
    shape = k2.RaggedShape("[ [ x ] [ ] ]")
    for call, message in (
        (lambda: k2.shortest_paths(fsas[0], 1), "shortest_paths: one automaton, expected a batch"),
        (lambda: k2.shortest_paths(fsas, 0), "num_paths=0"),
        (
            lambda: k2.shortest_paths(k2.create_fsa_vec([graph()]), 3),
            "shortest_paths: automaton 0 .* not top-sorted",
        ),
        (lambda: k2.Nbest(chains, shape), r"\(2, None, None\) and a shape of 2 axes and 1 paths"),
        (lambda: k2.Nbest(k2.linear_fsa([[1]]), shape).top_k(1), "lattice 1 has no paths"),
        (lambda: k2.Nbest(k2.linear_fsa([[1]]), shape).top_k(0), "k=0"),
        (lambda: k2.Nbest(k2.linear_fsa([[1]]), shape).intersect(fsas), "expected a batch of 2"),
        (
            lambda: k2.Nbest.best_of_lattice(k2.linear_fsa([[1]]), 1),
            "best_of_lattice: the lattice has no aux_labels",
        ),
        (lambda: k2.get_aux_labels(chains), "no aux_labels; expected a batch"),
        (lambda: k2.get_lattice(torch.zeros(2, 3, 4), torch.tensor([3]), graph()), r"log_prob_len of \(1,\)"),
        (lambda: k2.nbest.whole_lattice_rescoring(fsas, chains), "expected a batch with lm_scores"),
        (lambda: k2.nbest.generate_nbest_list(fsas, 3), "no attribute `phones`"),
    ):
        with pytest.raises(FstError, match=message):
            call()
