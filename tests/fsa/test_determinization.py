"""Determinization, removal of epsilons, sampling; k2's own results are in golden/determinize.jsonl."""

import random

import numpy as np
import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError


@pytest.fixture(autouse=True)
def seeds():
    random.seed(0)
    torch.manual_seed(0)


def best_paths(fsa: k2.Fsa) -> dict[tuple, float]:
    """The best score of each sequence of labels, epsilons left out, of one acyclic automaton."""
    arcs, scores = fsa.arcs.values().tolist(), fsa.scores.tolist()
    found: dict[tuple, float] = {}
    open_paths = [(0, (), 0.0)] if fsa.shape[0] else []
    while open_paths:
        state, labels, score = open_paths.pop()
        for i, (src, dest, label, _) in enumerate(arcs):
            if src != state:
                continue
            if label == -1:
                found[labels] = max(found.get(labels, -np.inf), score + scores[i])
            else:
                open_paths.append((dest, (*labels, label) if label else labels, score + scores[i]))
    return found


def small(epsilons: bool, count: int = 3) -> k2.Fsa:
    """A batch at random, that no path or many may lead through."""
    fsas = k2.random_fsa_vec(count, count, max_symbol=3, min_num_arcs=2, max_num_arcs=9)
    if not epsilons:
        fsas.labels = torch.where(fsas.labels == 0, 3, fsas.labels)
    return k2.connect(fsas)


@pytest.mark.parametrize("turn", range(6))
def test_each_label_once_and_the_best_path_of_each_sequence(turn):
    random.seed(turn)
    fsas = small(epsilons=False)
    fsas.number = torch.arange(1, fsas.num_arcs + 1, dtype=torch.int32)
    found = k2.determinize(fsas)
    assert k2.arc_sort(found).properties & k2.fsa_properties.ARC_SORTED_AND_DETERMINISTIC
    for i in range(3):
        assert best_paths(found[i]) == pytest.approx(best_paths(fsas[i]), abs=1e-5)
    if isinstance(getattr(found, "number", None), k2.RaggedTensor):
        sums = k2.ragged.index_and_sum(
            fsas.scores, k2.RaggedTensor(found.number.shape, found.number.values - 1)
        )
        torch.testing.assert_close(found.scores, sums)


@pytest.mark.parametrize("turn", range(6))
def test_no_epsilon_and_the_best_path_of_each_sequence(turn):
    random.seed(turn)
    fsas = small(epsilons=True)
    fsas.aux_labels = torch.where(fsas.labels == -1, -1, fsas.labels + 10)
    found = k2.remove_epsilon(fsas)
    assert found.properties & k2.fsa_properties.EPSILON_FREE
    for i in range(3):
        assert best_paths(found[i]) == pytest.approx(best_paths(fsas[i]), abs=1e-5)
    assert isinstance(found.aux_labels, k2.RaggedTensor)
    assert not (found.aux_labels.values == -1).any()
    looped = k2.remove_epsilon_self_loops(k2.remove_epsilon_and_add_self_loops(fsas))
    if fsas.properties & k2.fsa_properties.EPSILON_FREE:
        assert str(looped) == str(fsas)  # as in k2, attributes are not made ragged then
    else:
        assert str(looped) == str(found)


def test_gradients_go_to_the_arcs_of_the_best_path():
    fsa = k2.Fsa.from_str("0 1 0 .1\n0 2 1 1\n1 2 1 2\n1 2 0 1\n2 3 -1 0.5\n3").requires_grad_(True)
    fsa.x = torch.tensor([1.0, 2, 3, 4, 5])
    found = k2.remove_epsilon(fsa)
    assert found.x.tolist() == pytest.approx([2, 4, 10, 5])
    found.scores[1].backward()
    assert fsa.grad is not None and fsa.grad.tolist() == [1, 0, 1, 0, 0]


def test_what_cannot_be_determinized_stops():
    twins = k2.Fsa.from_str("0 1 1 0\n0 2 1 0\n1 1 2 1\n1 3 3 0\n2 2 2 2\n2 3 4 0\n3 4 -1 0\n4")
    with pytest.raises(
        FstError, match=r"determinize of an automaton of 5 states and 7 arcs.*more than max_states=1000"
    ):
        k2.determinize(twins, max_states=1000)
    with pytest.raises(FstError, match="weight_pushing_type=1, expected one of"):
        k2.determinize(twins, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(k2.DeterminizeWeightPushingType))
def test_the_gradient_of_each_kind_of_pushing(kind):
    for seed in range(3):
        random.seed(seed)
        fsas = small(epsilons=False)
        fsas.scores = fsas.scores.double()

        def scores(x, fsas=fsas):
            given = fsas.clone()
            given.scores = x
            found = k2.determinize(given, kind)
            best = found.get_tot_scores(True, False)
            return found.scores, best[best.isfinite()]

        assert torch.autograd.gradcheck(scores, fsas.scores.detach().clone().requires_grad_())


def test_epsilons_that_gain_going_round_are_named():
    round_trip = k2.Fsa.from_str("0 1 0 1\n1 0 0 1\n1 2 -1 0\n2")
    with pytest.raises(FstError, match="epsilons from state 0 go round in a cycle that gains"):
        k2.remove_epsilon(round_trip)
    round_trip.scores = -round_trip.scores
    assert k2.to_str(k2.remove_epsilon(round_trip)) == "0 1 -1 -1\n1\n"


def test_paths_at_random_are_as_frequent_as_probable():
    fsas = k2.create_fsa_vec(
        [
            k2.Fsa.from_str("0 1 1 0.5\n0 1 2 1\n0 2 3 0\n1 3 -1 0\n2 3 -1 -.25\n3"),
            k2.Fsa.from_str(""),
            k2.linear_fsa([7]),
        ]
    )
    paths = k2.random_paths(fsas, use_double_scores=True, num_paths=4000)
    assert paths.shape.tot_sizes()[:2] == (3, 8000)
    assert [len(rows) for rows in paths.tolist()] == [4000, 0, 4000]
    share = torch.bincount(paths[0].values, minlength=5) / 4000
    np.testing.assert_allclose(share, fsas.get_arc_post(True, True).exp()[:5], atol=0.03)
    assert paths.tolist()[2] == [[5, 6]] * 4000


def test_likeness():
    for turn in range(6):
        random.seed(turn)
        fsas = small(epsilons=True)
        assert k2.is_rand_equivalent(fsas, k2.top_sort(fsas), log_semiring=True, delta=1e-4)
        assert k2.is_rand_equivalent(fsas, k2.remove_epsilon(fsas), log_semiring=False, delta=1e-4)
        other = fsas.clone()
        other.scores = fsas.scores + 0.5
        some = bool((fsas.get_tot_scores(True, True) > -torch.inf).any())
        assert k2.is_rand_equivalent(fsas, other, log_semiring=True) is not some
    assert not k2.is_rand_equivalent(k2.linear_fsa([1]), k2.linear_fsa([2]), log_semiring=True)
    assert not k2.is_rand_equivalent(k2.linear_fsa([1]), k2.Fsa.from_str(""), log_semiring=True)
    assert k2.is_rand_equivalent(k2.Fsa.from_str(""), k2.Fsa.from_str(""), log_semiring=True)


def test_automata_at_random_are_automata():
    for acyclic in (True, False):
        fsas = k2.random_fsa_vec(5, 9, acyclic, 4, 0, 30)
        assert 5 <= fsas.arcs.dim0() <= 9 and fsas.properties & k2.fsa_properties.VALID
        assert bool(fsas.properties & k2.fsa_properties.TOPSORTED_AND_ACYCLIC) or not acyclic
    for call in (
        lambda: k2.random_fsa(min_num_arcs=3, max_num_arcs=2),
        lambda: k2.random_fsa_vec(0, 0),
        lambda: k2.random_paths(k2.linear_fsa([1]), True, 1),
        lambda: k2.random_paths(k2.linear_fsa([[1]]), True, 0),
        lambda: k2.is_rand_equivalent(k2.linear_fsa([1]), k2.linear_fsa([[1]]), True),
        lambda: k2.levenshtein_alignment(k2.linear_fsa([[1]]), k2.linear_fsa([[1]]), torch.zeros(1)),
    ):
        with pytest.raises(FstError):
            call()
