"""Orders of states as they are found on other devices: those of the native core, one by one."""

import random
from unittest import mock

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError
from sonant.fsa import operations, state_order
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.ragged_shape import RaggedShape


def shuffled(seed: int) -> RaggedArc:
    """Automata without cycles, but for loops, whose inner states have any numbers."""
    random.seed(seed)
    parts = []
    for _ in range(3):
        states = random.randint(2, 12)
        number = [0, *random.sample(range(1, states - 1), states - 2), states - 1]
        rows = []
        for source in range(states - 1):
            for dest in random.choices(range(source, states), k=random.randint(0, 4)):
                rows.append((number[source], number[dest], -1 if dest == states - 1 else 1, 0))
        rows.sort()
        values = torch.tensor(rows, dtype=torch.int32).reshape(-1, 4)
        sizes = torch.bincount(values[:, 0], minlength=states)
        splits = torch.nn.functional.pad(sizes.cumsum(0), (1, 0)).to(torch.int32)
        parts.append(k2.Fsa.made(RaggedArc(RaggedShape.of(splits), values), torch.zeros(len(values))))
    return k2.create_fsa_vec(parts).arcs


def random_arcs(seed: int, acyclic: bool) -> RaggedArc:
    random.seed(seed)
    return k2.random_fsa_vec(1, 4, acyclic, 4, 0, 25).arcs


@pytest.mark.parametrize("seed", range(8))
def test_useful_states(seed):
    for arcs in (random_arcs(seed, True), random_arcs(seed, False), shuffled(seed)):
        found, expected = state_order.useful_states(arcs, "reference"), state_order.useful_states(arcs)
        for mine, native in zip(found, expected, strict=True):
            assert mine.dtype == native.dtype and torch.equal(mine, native)


@pytest.mark.parametrize("seed", range(8))
def test_topological_order(seed):
    for arcs in (random_arcs(seed, True), shuffled(seed)):
        found, expected = (
            state_order.topological_order(arcs, "reference"),
            state_order.topological_order(arcs),
        )
        for mine, native in zip(found, expected, strict=True):
            assert mine.dtype == native.dtype and torch.equal(mine, native)


@pytest.mark.parametrize("text", ["0 1 1\n1 0 2\n1 2 -1\n2", "0 1 1\n1 2 1\n1 3 -1\n2 1 1\n3"])
def test_cycles_are_named(text):
    arcs = k2.create_fsa_vec([k2.Fsa.from_str(text)]).arcs
    messages = []
    for backend in (None, "reference"):
        with pytest.raises(FstError, match="top_sort: automaton 0 of 1") as error:
            state_order.topological_order(arcs, backend)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_automata_of_nothing():
    fsas = k2.create_fsa_vec([k2.Fsa.from_str(""), k2.Fsa.from_str("0 1 -1\n1")])
    for order in (state_order.useful_states, state_order.topological_order):
        states, splits = order(fsas.arcs, "reference")
        assert states.tolist() == [0, 1] and splits.tolist() == [0, 0, 2]


def test_operations_with_orders_of_other_devices():
    random.seed(3)
    fsas = k2.random_fsa_vec(2, 4, True, 4, 0, 30)
    fsas.marks = torch.arange(fsas.num_arcs, dtype=torch.int32)
    expected = k2.connect(fsas), k2.top_sort(fsas), k2.shortest_path(k2.top_sort(k2.connect(fsas)), True)
    best_paths = operations.fsa_scores.best_paths
    elsewhere = {
        "useful_states": lambda arcs: state_order.useful_states(arcs, "reference"),
        "topological_order": lambda arcs: state_order.topological_order(arcs, "reference"),
    }
    with (
        mock.patch.multiple(operations, **elsewhere),
        mock.patch.object(
            operations.fsa_scores, "best_paths", lambda g, s, dtype: best_paths(g, s, "reference", dtype)
        ),
    ):
        found = k2.connect(fsas), k2.top_sort(fsas), k2.shortest_path(k2.top_sort(k2.connect(fsas)), True)
    for mine, native in zip(found, expected, strict=True):
        assert str(mine) == str(native)
