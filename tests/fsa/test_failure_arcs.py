"""Failure arcs (phi_label): an n-gram model that backs off, against a definition in dictionaries."""

import random

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError

PHI = 9


def model(seed: int, epsilons: bool = False) -> k2.Fsa:
    """States 0 to 3, of which each backs off to a lower one, so that state 0 is the unigram."""
    generator = random.Random(seed)
    lines = []
    for state in range(4):
        labels = generator.sample([1, 2, 3], generator.randint(1, 2) if state else 3)
        for label in labels:
            lines.append(f"{state} {generator.randint(0, 3)} {label} {generator.uniform(-3, 0):.2f}")
        if epsilons and state > 1:
            lines.append(f"{state} {state - 1} 0 -0.5")
        if state == 0 or generator.random() < 0.3:
            lines.append(f"{state} 4 -1 {generator.uniform(-3, 0):.2f}")
        if state:
            lines.append(f"{state} {generator.randint(0, state - 1)} {PHI} {generator.uniform(-3, 0):.2f}")
    fsa = k2.Fsa.from_str("\n".join([*lines, "4"]))
    fsa.scores = fsa.scores.double()
    fsa.lm_scores = fsa.scores.clone()
    return fsa


def scored(model: k2.Fsa, labels: list[int]) -> tuple[float, list[float]]:
    """The score of a sequence by backing off, and how often it takes each arc of the model."""
    table: dict[tuple[int, int], tuple[int, int]] = {}
    for i, (src, dest, label, _) in enumerate(model.arcs.values().tolist()):
        table[src, label] = (i, dest)
    state, total, taken = 0, 0.0, [0.0] * model.num_arcs
    for label in [*labels, -1]:
        wanted = None
        while wanted is None:
            wanted = table.get((state, label))
            i, state = wanted or table[state, PHI]
            total, taken[i] = total + float(model.scores.detach()[i]), taken[i] + 1
    return total, taken


@pytest.mark.parametrize("seed", range(6))
def test_what_no_arc_matches_backs_off(seed):
    generator = random.Random(seed)
    grammar = model(seed)
    grammar.scores.requires_grad_()
    sentences = [[generator.randint(1, 3) for _ in range(generator.randint(0, 6))] for _ in range(5)]
    chains = k2.linear_fsa(sentences)
    chains.scores = chains.scores.double()
    found = k2.connect(k2.intersect(chains, grammar, phi_label=PHI))
    for i, sentence in enumerate(sentences):
        score, taken = scored(grammar, sentence)
        assert found[i].num_arcs == len(sentence) + 1 and PHI not in found[i].labels.tolist()
        total = found[i].scores.sum()
        assert total.item() == pytest.approx(score)
        assert found[i].lm_scores.sum().item() == pytest.approx(score)
        (gradient,) = torch.autograd.grad(total, grammar.scores, retain_graph=True)
        assert gradient.tolist() == taken
    result, map_a, map_b = k2.intersect(chains, grammar, phi_label=PHI, ret_arc_maps=True)
    assert result.labels.tolist() == chains.labels[map_a.long()].tolist()
    assert result.labels.tolist() == grammar.labels[map_b.long()].tolist()


def test_composition_has_what_the_arc_behind_the_failure_writes():
    grammar = k2.Fsa.from_str(
        "0 1 5 50 -1\n1 2 6 60 -2\n1 3 9 0 -0.5\n2 3 9 0 -0.25\n3 1 5 51 -4\n3 4 -1 -1 -8\n4",
        num_aux_labels=1,
    )
    lexicon = k2.linear_fst([[1, 2], [1]], [[5, 5], [5]])
    found = k2.connect(k2.compose(lexicon, grammar, phi_label=PHI))
    assert found.aux_labels.tolist() == [50, 51, -1, 50, -1]
    assert found.labels.tolist() == [1, 2, -1, 1, -1]
    assert found.scores.tolist() == [-1, -4.5, -8.5, -1, -8.5]


def test_epsilons_of_both_sides_go_on_as_ever():
    grammar, words = model(3, epsilons=True), k2.linear_fsa([1, 0, 2])
    words.scores = words.scores.double()
    found = k2.intersect(words, grammar, phi_label=PHI)
    plain = k2.intersect(k2.linear_fsa([1, 0, 2]).to("cpu"), words)
    assert plain.num_arcs and k2.connect(found).num_arcs
    assert (found.labels == 0).any()
    totals = k2.create_fsa_vec([k2.top_sort(k2.connect(found))]).get_tot_scores(True, True)
    without = k2.create_fsa_vec([k2.remove_epsilon(k2.connect(found))])
    assert k2.connect(without).get_tot_scores(True, True) <= totals + 1e-9


def test_the_gradient_of_failure_arcs():
    grammar, words = model(1), k2.linear_fsa([[3, 1, 2, 2], [2]])

    def total(ours, theirs):
        one, other = words.clone(), grammar.clone()
        one.scores, other.scores = ours, theirs
        return k2.connect(k2.intersect(one, other, phi_label=PHI)).get_tot_scores(True, True)

    inputs = [words.scores.double().requires_grad_(), grammar.scores.detach().clone().requires_grad_()]
    assert torch.autograd.gradcheck(total, inputs)


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("0 1 9 0\n0 1 9 0\n1 2 -1 0\n2", 9, "state 0 of automaton 0 of b_fsa has 2 arcs of label 9"),
        (
            "0 1 9 0\n1 0 9 0\n1 2 -1 0\n2",
            9,
            "label 9, phi_label, of automaton 0 of b_fsa go round from state 0",
        ),
        ("0 0 9 0\n0 1 -1 0\n1", 9, "go round from state 0"),
        ("0 1 1 0\n1 2 -1 0\n2", 1, "a_fsa has an arc of label 1, phi_label"),
        ("0 1 -1 0\n1", 0, "phi_label=0, expected a label, above 0"),
        ("0 1 -1 0\n1", -1, "phi_label=-1"),
        ("0 1 -1 0\n1", 2**31, "phi_label=2147483648"),
    ],
)
def test_what_cannot_fail_is_named(text, label, message):
    with pytest.raises(FstError, match=message):
        k2.intersect(k2.linear_fsa([1]), k2.Fsa.from_str(text), phi_label=label)
