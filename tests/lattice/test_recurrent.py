"""Lattices and n-best lists with a neural language model, which knows what an n-gram cannot."""

import math

import numpy as np
import pytest
import torch

from sonant.errors import FstError
from sonant.fst import Fst, OnDemand, RecurrentLm, SymbolTable
from sonant.lattice import Lattice

# Sentences: a subject, up to five filler words, and a verb that agrees with the subject.
WORDS = ["<eps>", "dog", "dogs", "near", "the", "old", "house", "runs", "run"]
BEGIN, END = 0, 9  # <eps> is never said: its number serves for <s>
FILLERS = [3, 4, 5, 6]
VERB = {1: 7, 2: 8}


class Gru(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(10, 16)
        self.cell = torch.nn.GRUCell(16, 24)
        self.out = torch.nn.Linear(24, 10)

    def forward(self, words, hidden):
        hidden = self.cell(self.embed(words), hidden)
        return torch.log_softmax(self.out(hidden), -1), hidden


def sentence(rng):
    subject = int(rng.integers(1, 3))
    return [subject, *rng.choice(FILLERS, rng.integers(1, 6)).tolist(), VERB[subject]]


@pytest.fixture(scope="module")
def gru():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = Gru()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(120):
        batch = [sentence(rng) for _ in range(32)]
        width = max(map(len, batch)) + 1
        read, said = np.zeros((32, width), int), np.full((32, width), -100)
        for row, words in enumerate(batch):
            read[row, 1 : len(words) + 1], said[row, : len(words) + 1] = words, [*words, END]
        hidden, loss = torch.zeros(32, 24), torch.tensor(0.0)
        for t in range(width):
            logs, hidden = model(torch.from_numpy(read[:, t]), hidden)
            loss = loss + torch.nn.functional.nll_loss(logs, torch.from_numpy(said[:, t]), reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


class Calls:
    """The network as RecurrentLm wants it; remembers how many histories it was given each time."""

    def __init__(self, model):
        self.model, self.sizes = model, []

    def __call__(self, words, states):
        self.sizes.append(len(words))
        hidden = torch.stack([torch.zeros(24) if state is None else state for state in states])
        with torch.no_grad():
            logs, hidden = self.model(torch.from_numpy(words), hidden)
        return logs.numpy(), list(hidden)


def lattice_of(subject):
    """The subject is sure, then four fillers, three ways each; the wrong verb sounds a little better."""
    fst = Fst("compactlattice44")
    fst.add_states(7)
    fst.set_start(0)
    fst.add_arc(0, subject, subject, (0.0, 0.0, [1]), 1)
    for state in range(1, 5):
        for i, word in enumerate(FILLERS[:3]):
            fst.add_arc(state, word, word, (0.0, 0.3 * ((i + state) % 3), [1, 2]), state + 1)
    for verb in VERB.values():
        fst.add_arc(5, verb, verb, (0.0, 0.5 if verb == VERB[subject] else 0.0, [3]), 6)
    fst.set_final(6, (0.0, 0.0, []))
    table = SymbolTable()
    for word in WORDS:
        table.add(word)
    return Lattice(fst, table)


def score(gru, words):
    hidden, total = torch.zeros(1, 24), 0.0
    with torch.no_grad():
        for read, said in zip([BEGIN, *words], [*words, END], strict=True):
            logs, hidden = gru(torch.tensor([read]), hidden)
            total -= float(logs[0, said])
    return total


@pytest.mark.parametrize("subject", [1, 2])
def test_the_network_mends_what_sounds_alike(subject, gru, paths):
    lattice = lattice_of(subject)
    assert lattice.best_path().words[-1] != VERB[subject]
    calls = Calls(gru)
    wide = lattice.rescore(OnDemand.of(RecurrentLm(calls, BEGIN, END)))
    assert wide.best_path().words[-1] == VERB[subject]
    expected = {words: cost + score(gru, words) for words, cost in paths.best_of_words(lattice).items()}
    assert len(expected) == 3**4 * 2
    assert paths.best_of_words(wide) == pytest.approx(expected, abs=1e-3)
    assert max(calls.sizes) >= 81 and len(calls.sizes) < 10  # a frontier at a time

    calls = Calls(gru)
    pruned = lattice.rescore(OnDemand.of(RecurrentLm(calls, BEGIN, END)), beam=6.0)
    assert pruned.best_path().words[-1] == VERB[subject]
    assert pruned.best_path().cost == pytest.approx(min(expected.values()), abs=0.5)
    assert pruned.num_arcs < wide.num_arcs / 2
    assert len(calls.sizes) < sum(calls.sizes) / 4

    # Histories of two words: a small lattice, but the network has seen the subject.
    merged = lattice.rescore(OnDemand.of(RecurrentLm(Calls(gru), BEGIN, END, order=3)))
    assert merged.num_states < wide.num_states / 3
    assert merged.best_path().words[-1] == VERB[subject]


def test_nbest_lists_are_scored_together(gru):
    found = lattice_of(1).nbest(20)
    calls = Calls(gru)
    lm = RecurrentLm(calls, BEGIN, END)
    costs = lm.costs([path.words for path in found])
    assert costs.tolist() == pytest.approx([score(gru, path.words) for path in found], abs=1e-3)
    assert len(calls.sizes) == 7  # a position at a time
    best = min(zip(found, costs, strict=True), key=lambda pair: pair[0].cost + pair[1])[0]
    assert best.words[-1] == VERB[1]
    assert lm.costs([]).shape == (0,) and lm.costs([[]])[0] == pytest.approx(score(gru, []), abs=1e-4)


def test_few_kept_histories_and_other_numbers_change_nothing(gru, paths):
    lattice = lattice_of(2)
    plain = paths.best_of_words(lattice.rescore(OnDemand.of(RecurrentLm(Calls(gru), BEGIN, END))))
    kept = lattice.rescore(OnDemand.of(RecurrentLm(Calls(gru), BEGIN, END, keep=3)))
    assert paths.best_of_words(kept) == pytest.approx(plain, abs=1e-4)
    numbers = np.arange(9)
    numbers[4] = -1  # "the" is no word of the model
    without = lattice.rescore(OnDemand.of(RecurrentLm(Calls(gru), BEGIN, END, numbers=numbers)))
    left = {words: cost for words, cost in plain.items() if 4 not in words}
    assert paths.best_of_words(without) == pytest.approx(left, abs=1e-4)
    assert math.isinf(RecurrentLm(Calls(gru), BEGIN, END, numbers=numbers).costs([[1, 4, 7]])[0])


def test_models_that_cannot_be_are_named(gru):
    for match, forward, options in (
        ("log_softmax", lambda words, states: (np.ones((len(words), 10)), states), {}),
        ("a row and a state for each", lambda words, states: (np.zeros((len(words) + 1, 10)), states), {}),
        ("expected a row", lambda words, states: (np.zeros(10), states), {}),
        ("has 5 words, and not the number", lambda words, states: (np.zeros((len(words), 5)), states), {}),
        ("order=0", Calls(gru), {"order": 0}),
        ("keep=0", Calls(gru), {"keep": 0}),
    ):
        with pytest.raises(FstError, match=match):
            lattice_of(1).rescore(OnDemand.of(RecurrentLm(forward, BEGIN, 4, **options)), beam=4)
    with pytest.raises(FstError, match="state 7 of a model that has been in 1"):
        RecurrentLm(Calls(gru), BEGIN, END).final(7)
