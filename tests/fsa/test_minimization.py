"""The smallest automaton, against a partition refined from pairs of states, and all paths."""

import random

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError


def deterministic(seed: int, loops: bool, aux: bool = False) -> k2.Fsa:
    """One at random, in which states are alike but for where their scores lie; scores float64."""
    generator = random.Random(seed)
    states = generator.randint(3, 6)
    # Each state but the start and the final one is there up to three times, and an arc leads to any of them.
    copies = [[0], *([] for _ in range(states - 2)), []]
    number = 1
    for state in range(1, states):
        for _ in range(generator.randint(1, 3) if state < states - 1 else 1):
            copies[state].append(number)
            number += 1
    owed = [0.0, *(generator.choice([0, -0.5, -1]) for _ in range(number - 2)), 0.0]
    lines = []
    for state in range(states - 1):
        chosen = {}
        for label in generator.choice([[1, 2], [1, 3], [1, 2, -1], [2, -1]]):
            low = 0 if loops else state + 1
            to = states - 1 if label == -1 or low > states - 2 else generator.randint(low, states - 2)
            chosen[-1 if to == states - 1 else label] = to
        for src in copies[state]:
            for label, to in chosen.items():
                dest = generator.choice(copies[to])
                output = f"{-1 if label == -1 else label // 2} " if aux else ""
                lines.append(f"{src} {dest} {label} {output}{owed[dest] - owed[src] - 1}")
    fsa = k2.Fsa.from_str("\n".join([*lines, str(number - 1)]), num_aux_labels=int(aux))
    fsa.scores = fsa.scores.double()
    return fsa


def paths(fsa: k2.Fsa, most: int = 9) -> list[tuple]:
    """(labels, aux labels, score) of each path of at most so many arcs, sorted."""
    arcs, scores = fsa.arcs.values().tolist(), fsa.scores.tolist()
    aux = fsa.aux_labels.tolist() if hasattr(fsa, "aux_labels") else [0] * len(arcs)
    found, open_paths = [], [(0, (), (), 0.0)] if fsa.shape[0] else []
    while open_paths:
        state, labels, outputs, score = open_paths.pop()
        for i, (src, dest, label, _) in enumerate(arcs):
            if src != state or len(labels) == most:
                continue
            path = (dest, (*labels, label), (*outputs, aux[i]), score + scores[i])
            if label == -1:
                found.append((*path[1:3], round(path[3], 6)))
            else:
                open_paths.append(path)
    return sorted(found)


def fewest_states(fsa: k2.Fsa) -> int:
    """Blocks of the coarsest bisimulation, by refining until nothing changes (Moore 1956)."""
    arcs, scores = fsa.arcs.values().tolist(), fsa.scores.tolist()
    aux = fsa.aux_labels.tolist() if hasattr(fsa, "aux_labels") else [0] * len(arcs)
    block = {s: int(s == fsa.shape[0] - 1) for s in range(fsa.shape[0] or 0)}
    while True:
        seen = {
            s: (
                block[s],
                *sorted(
                    (label, aux[i], round(scores[i], 6), block[dest])
                    for i, (src, dest, label, _) in enumerate(arcs)
                    if src == s
                ),
            )
            for s in block
        }
        names = {key: n for n, key in enumerate(dict.fromkeys(seen.values()))}
        if len(names) == len(set(block.values())):
            return len(names)
        block = {s: names[seen[s]] for s in block}


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("aux", [False, True])
def test_the_same_paths_in_the_fewest_states(loops, aux):
    merged = 0
    for seed in range(12):
        fsa = deterministic(seed, loops, aux)
        found = k2.minimize(fsa)
        assert paths(found) == paths(fsa), seed
        assert found.shape[0] == fewest_states(found), seed
        still = k2.minimize(fsa, push_scores=False)
        assert paths(still) == paths(fsa), seed
        assert still.shape[0] == fewest_states(k2.connect(fsa)) >= found.shape[0], seed
        assert str(k2.minimize(found)) == str(found), seed
        merged += int(found.shape[0] < (k2.connect(fsa).shape[0] or 0))
        if not loops and found.num_arcs:
            assert found.properties & k2.fsa_properties.TOPSORTED_AND_ACYCLIC
    assert merged > 2


def test_batches_are_minimized_one_by_one():
    fsas = [deterministic(seed, loops=seed % 2 == 0) for seed in range(8)]
    fsas.insert(3, k2.Fsa.from_str(""))
    fsas[3].scores = fsas[3].scores.double()
    batch = k2.minimize(k2.create_fsa_vec(fsas))
    assert [str(batch[i]) for i in range(9)] == [str(k2.minimize(fsa)) for fsa in fsas]


def test_what_only_differs_in_where_scores_lie_becomes_one():
    text = "0 1 1 1\n0 2 2 3\n1 3 3 5\n2 4 3 4\n3 5 4 1\n4 5 4 2\n5 6 -1 1\n6"
    fsa = k2.Fsa.from_str(text)
    assert k2.to_str(k2.minimize(fsa)) == "0 1 1 8\n0 1 2 10\n1 2 3 0\n2 3 4 0\n3 4 -1 0\n4\n"
    assert k2.minimize(fsa, push_scores=False).shape == (7, None)
    back = k2.Fsa.from_str("0 1 1 -1\n0 2 2 -3\n1 0 3 -5\n1 3 -1 -2\n2 0 3 -5\n2 3 -1 -2\n3")
    found = k2.minimize(back)
    assert found.shape == (3, None) and paths(found) == paths(back)


def test_attributes_keep_states_apart_and_are_carried():
    fsa = k2.Fsa.from_str("0 1 1 0\n0 2 2 0\n1 3 3 0\n2 3 3 0\n3 4 -1 0\n4")
    fsa.words = k2.RaggedTensor([[1], [2], [5, 6], [5, 6], []])
    fsa.extra = torch.tensor([[0.5, 1]] * 5)
    assert k2.minimize(fsa).shape == (4, None)
    assert k2.minimize(fsa).words.tolist() == [[1], [2], [5, 6], []]
    fsa.words = k2.RaggedTensor([[1], [2], [5, 6], [5], []])
    assert k2.minimize(fsa).shape == (5, None)
    del fsa.words
    fsa.extra = torch.tensor([[0.5, 1]] * 3 + [[0.5, 2]] * 2)
    assert k2.minimize(fsa).shape == (5, None)


def test_each_of_equal_arcs_counts():
    twice = k2.Fsa.from_str("0 1 1 0\n0 2 2 0\n1 3 3 0\n1 3 3 0\n2 3 3 0\n3 4 -1 0\n4")
    found = k2.minimize(twice)
    assert found.shape == (5, None) and found.num_arcs == 6
    sums = [k2.create_fsa_vec([fsa]).get_tot_scores(True, True).item() for fsa in (twice, found)]
    assert sums[0] == pytest.approx(sums[1])


@pytest.mark.parametrize("log", [True, False])
def test_gradients_of_totals_go_through(log):
    for seed in range(4):
        fsa = k2.connect(deterministic(seed, loops=False))

        def total(scores, fsa=fsa):
            given = fsa.clone()
            given.scores = scores
            return k2.create_fsa_vec([k2.minimize(given, delta=1e-12)]).get_tot_scores(True, log)

        spread = fsa.scores.detach() + torch.arange(fsa.num_arcs) * 0.037  # no two states are alike then
        assert torch.autograd.gradcheck(total, spread.requires_grad_())


def test_what_cannot_be_minimized_is_named():
    gains = k2.Fsa.from_str("0 1 1 1\n1 0 1 1\n1 2 -1 0\n2")
    with pytest.raises(FstError, match="minimize of an automaton of 3 states and 3 arcs: a cycle gains"):
        k2.minimize(gains)
    assert k2.minimize(gains, push_scores=False).shape == (3, None)
    with pytest.raises(FstError, match="delta=0, expected a number above 0"):
        k2.minimize(gains, delta=0)
    for bad in (torch.nan, torch.inf):
        gains.scores = torch.tensor([bad, 0, 0])
        for push in (True, False):
            with pytest.raises(FstError, match=r"the score of arc 0 is (nan|inf), expected a number"):
                k2.minimize(gains, push_scores=push)


def test_states_that_only_arcs_of_no_probability_leave():
    fsa = k2.Fsa.from_str("0 1 1 -inf\n0 2 2 -1\n1 3 -1 0\n2 3 -1 -inf\n3")
    found = k2.minimize(fsa)
    assert not bool(found.scores.isnan().any())
    assert k2.create_fsa_vec([found]).get_tot_scores(True, True).tolist() == [-torch.inf]
