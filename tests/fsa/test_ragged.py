"""RaggedTensor and RaggedShape against lists of lists; k2's own results are in golden/ragged.jsonl."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sonant.fsa as k2
from sonant.errors import FstError, FstIndexError

ROWS = st.lists(st.lists(st.integers(-3, 3), max_size=5), min_size=1, max_size=7)
DEEP = st.lists(ROWS, min_size=1, max_size=4)


def int32(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


@given(ROWS)
@settings(max_examples=30, deadline=None)
def test_rows_of_integers_are_lists_of_lists(rows):
    ragged = k2.RaggedTensor(rows, dtype=torch.int32)
    assert ragged.tolist() == rows
    assert [ragged[i].tolist() for i in range(-len(rows), len(rows))] == rows + rows
    assert [row.tolist() for row in ragged] == rows
    assert ragged[1:3].tolist() == rows[1:3]
    assert ragged.sum().tolist() == [sum(row) for row in rows]
    assert ragged.max(-9).tolist() == [max([-9, *row]) for row in rows]
    assert ragged.min(9).tolist() == [min([9, *row]) for row in rows]
    assert ragged.remove_values_eq(2).tolist() == [[v for v in row if v != 2] for row in rows]
    assert ragged.remove_values_leq(0).tolist() == [[v for v in row if v > 0] for row in rows]
    width = max(map(len, rows))
    assert ragged.pad("constant", 7).tolist() == [row + [7] * (width - len(row)) for row in rows]
    copy = ragged.clone()
    order = copy.sort_(descending=True, need_new2old_indexes=True)
    assert copy.tolist() == [sorted(row, reverse=True) for row in rows]
    assert ragged.values[order.long()].tolist() == copy.values.tolist()
    assert k2.RaggedTensor(str(rows)).tolist() == rows
    assert k2.RaggedTensor(str(ragged.shape.to("cpu")).replace("x", "1")).shape == ragged.shape
    assert k2.ragged.cat([ragged, ragged], 1).tolist() == [row + row for row in rows]


@given(DEEP)
@settings(max_examples=30, deadline=None)
def test_three_axes_are_lists_of_lists_of_lists(lists):
    ragged = k2.RaggedTensor(lists, dtype=torch.int32)
    assert ragged.tolist() == lists
    assert [ragged[i].tolist() for i in range(len(lists))] == lists
    assert ragged.remove_axis(0).tolist() == [row for rows in lists for row in rows]
    assert ragged.remove_axis(1).tolist() == [[v for row in rows for v in row] for rows in lists]
    backwards = torch.arange(len(lists) - 1, -1, -1, dtype=torch.int32)
    found, places = ragged.index(backwards, axis=0, need_value_indexes=True)
    assert found.tolist() == lists[::-1]
    assert ragged.values[places.long()].tolist() == found.values.tolist()
    unique, repeats, new2old = ragged.unique(need_num_repeats=True, need_new2old_indexes=True)
    first_seen = [list(dict.fromkeys(map(tuple, rows))) for rows in lists]
    assert unique.tolist() == [[list(row) for row in rows] for rows in first_seen]
    counted = [
        [rows.count(list(row)) for row in firsts] for rows, firsts in zip(lists, first_seen, strict=True)
    ]
    assert repeats.tolist() == counted
    assert ragged.remove_axis(0).index(new2old, axis=0)[0].tolist() == unique.remove_axis(0).tolist()
    assert pickle.loads(pickle.dumps(ragged)) == ragged
    assert ragged.shape.compose(k2.ragged.regular_ragged_shape(ragged.numel(), 2)).tot_sizes() == (
        *ragged.shape.tot_sizes(),
        2 * ragged.numel(),
    )


FLOATS = [[0.5, -1.0], [], [2.0, 2.0, -torch.inf], [-torch.inf], [3.0]]


def test_log_sum_exp_and_add():
    ragged = k2.RaggedTensor(FLOATS, dtype=torch.float64)
    expected = [float(np.logaddexp.reduce(row)) if row else -np.inf for row in FLOATS]
    np.testing.assert_allclose(ragged.logsumexp(), expected)
    np.testing.assert_allclose(ragged.logsumexp(1.0), np.logaddexp(expected, 1.0))
    added = ragged.add(torch.arange(5, dtype=torch.float64), alpha=2)
    assert added.tolist() == [[v + 2 * i for v in row] for i, row in enumerate(FLOATS)]


@pytest.mark.parametrize(
    "function",
    [
        lambda r: r.sum(),
        lambda r: r.logsumexp()[[0, 2, 3]],
        lambda r: r.logsumexp(0.5),
        lambda r: r.normalize(use_log=True).values,
        lambda r: r.normalize(use_log=False).values,
        lambda r: r.max(),
        lambda r: r[2],
        lambda r: r[1:4].values,
        lambda r: r.index(int32(3, 0, -1, 0), axis=0)[0].values,
        lambda r: r.pad("replicate", 0.0),
        lambda r: r.remove_values_leq(0).values,
        lambda r: k2.ragged.cat([r, r], axis=1).values,
        lambda r: k2.ragged.index_and_sum(r.values, k2.RaggedTensor([[0, 0, -1], [3]])),
        lambda r: r.add(torch.ones(4, dtype=torch.float64)).values,
    ],
)
def test_gradient(function):
    shape = k2.RaggedTensor([[1, 1], [], [1, 1, 1], [1]]).shape
    values = torch.tensor([0.5, 1.0, 2.0, -0.5, 0.1, 0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: function(k2.RaggedTensor(shape, v)), (values,))


def test_rows_without_probability_have_no_gradient():
    values = torch.tensor([-torch.inf, -torch.inf, 1.0], requires_grad=True)
    k2.RaggedTensor(k2.RaggedTensor([[1, 1], [1]]).shape, values).logsumexp()[1].backward()
    assert values.grad is not None and values.grad.tolist() == [0, 0, 1]


def test_equal_fingerprints_are_told_apart(monkeypatch):
    """Where two different rows share a fingerprint others are drawn."""
    draw, drawn = torch.randint, []

    def first_all_alike(*arguments, **options):
        drawn.append(draw(*arguments, **options))
        return drawn[-1] * (len(drawn) > 1)

    monkeypatch.setattr(torch, "randint", first_all_alike)
    ragged = k2.RaggedTensor([[1, 2], [2, 1], [1, 2], [1]])
    assert ragged.unique()[0].tolist() == [[1, 2], [2, 1], [1]]
    assert len(drawn) == 2


def test_random_shapes_are_shapes():
    for _ in range(20):
        shape = k2.ragged.random_ragged_shape(True, 2, 4, 3, 20)
        assert 2 <= shape.num_axes <= 4 and 3 <= shape.numel() <= 20
        for axis in range(1, shape.num_axes):
            layer = k2.ragged.create_ragged_shape2(shape.row_splits(axis), shape.row_ids(axis))
            assert layer.tot_size(1) == shape.tot_size(axis)


RAGGED = k2.RaggedTensor([[1, 2], [], [3]])
DEEPER = k2.RaggedTensor([[[1, 2], []], [[3]]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k2.RaggedTensor([1, 2]), "lists of lists; 1 is where"),
        (lambda: k2.RaggedTensor([[1, [2]]]), "lists of lists; 1 is where"),
        (lambda: k2.RaggedTensor([["a"]]), "'a' does not become torch.int32"),
        (lambda: k2.RaggedTensor([[2**31]]), "2147483648 is not a 32-bit integer"),
        (lambda: k2.RaggedTensor([[1]], dtype=torch.int64), "torch.int64, expected torch.int32"),
        (lambda: k2.RaggedTensor("[[1 2] [3]"), r"a '\]' is missing at the end"),
        (lambda: k2.RaggedTensor("[[1] 2]]"), "closes nothing"),
        (lambda: k2.RaggedTensor("[[1] [a]]"), "'a' at 6 is no number"),
        (lambda: k2.RaggedTensor("[1 2]"), "1 is where a list was expected"),
        (lambda: k2.RaggedTensor(""), "expected one list of lists"),
        (lambda: k2.RaggedShape("[[x y]]"), "'y' at 4, where x was expected"),
        (lambda: k2.RaggedTensor(RAGGED.shape, torch.zeros(2)), r"values of \(2,\), expected \(3,\)"),
        (lambda: k2.RaggedTensor(RAGGED.shape), "a shape without values"),
        (lambda: k2.RaggedTensor(torch.zeros(3)), r"a tensor of \(3,\), expected two axes"),
        (lambda: k2.RaggedTensor(3), "int, expected lists"),
        (lambda: RAGGED[3], "row 3 is not there; there are 3"),
        (lambda: RAGGED[::2], "a slice of step 2"),
        (lambda: RAGGED.arange(0, 1, 9), "arange: 1 to 9 of axis 0, which has 3"),
        (lambda: RAGGED.index(int32(3), 0), "index: indexes from 3 to 3, expected -1 to 2"),
        (lambda: RAGGED.index(int32(-1), 1), "index: indexes from -1 to -1, expected 0 to 2"),
        (lambda: RAGGED.index(torch.tensor([0]), 0), "torch.int64, expected one row of torch.int32"),
        (lambda: RAGGED.index(int32(2, 0), 1), "the rows of axis 0 would come out of order"),
        (lambda: RAGGED.normalize(True), "normalize: torch.int32, expected torch.float32"),
        (lambda: RAGGED.logsumexp(), "logsumexp: torch.int32"),
        (lambda: RAGGED.pad("edge", 0), "mode 'edge', expected 'constant' or 'replicate'"),
        (lambda: DEEPER.pad("constant", 0), "pad: 3 axes, expected 2"),
        (lambda: RAGGED.remove_axis(0), "2 axes, and at least 2 must be left"),
        (lambda: DEEPER.remove_axis(2), "axis 2 holds the values; expected 0 to 1"),
        (lambda: RAGGED.add(torch.zeros(3)), r"expected \(3,\) and torch.int32"),
        (lambda: RAGGED.to(torch.float32).unique(), "torch.float32, expected 2 or 3 of torch.int32"),
        (lambda: RAGGED.shape[0], "2 axes cannot be indexed"),
        (lambda: RAGGED.shape.row_splits(2), "row_splits: axis 2, expected 1 to 1"),
        (lambda: RAGGED.shape.max_size(0), "max_size: axis 0, expected 1 to 1"),
        (lambda: RAGGED.shape.compose(DEEPER.shape), "3 elements, the second 2 rows"),
        (lambda: k2.ragged.cat([], 0), "nothing to put together"),
        (lambda: k2.ragged.cat([RAGGED, DEEPER], 0), r"shapes of \[2, 3\] axes"),
        (lambda: k2.ragged.cat([RAGGED, RAGGED], 2), "axis 2, expected 0 or 1"),
        (lambda: k2.ragged.cat([RAGGED, RAGGED[0:1]], 1), r"\[3, 1\] rows"),
        (lambda: k2.ragged.cat([RAGGED, RAGGED.to(torch.float32)], 0), "float32.*int32.*expected one type"),
        (lambda: k2.ragged.create_ragged_shape2(), "neither row_splits nor row_ids"),
        (lambda: k2.ragged.create_ragged_shape2(int32(0, 2, 1)), r"\[0, 2, 1\]; they begin with 0"),
        (lambda: k2.ragged.create_ragged_shape2(row_ids=int32(1, 0)), "never decrease"),
        (lambda: k2.ragged.create_ragged_shape2(int32(0, 2), int32(0)), "different shapes"),
        (lambda: k2.ragged.create_ragged_shape2(int32(0, 2), cached_tot_size=3), "cached_tot_size 3, but 2"),
        (lambda: k2.ragged.create_ragged_shape2(torch.tensor([0, 1])), "torch.int64, expected one row"),
        (lambda: k2.ragged.regular_ragged_shape(-1, 2), "-1 rows of 2"),
        (lambda: k2.ragged.random_ragged_shape(min_num_axes=1), "1 to 4 axes"),
        (
            lambda: k2.ragged.index(torch.zeros(2), k2.RaggedTensor([[2]])),
            "indexes from 2 to 2, expected -1 to 1",
        ),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(FstError, match=message):
        call()


def test_what_is_not_there_is_an_index_error():
    with pytest.raises(FstIndexError):
        RAGGED[7]
    with pytest.raises(IndexError):
        RAGGED.index(int32(7), 0)


def test_empty_lists_come_of_no_lists():
    nothing = k2.RaggedTensor(k2.RaggedShape("[ ]"), torch.zeros(0, dtype=torch.int32))
    found, _ = nothing.index(torch.tensor([-1, -1], dtype=torch.int32), axis=0)
    assert found.tolist() == [[], []]
    none = k2.Fsa.from_openfst("0", ragged_label_names=["x"])
    assert none.x.tolist() == [[]] and none.num_arcs == 1
