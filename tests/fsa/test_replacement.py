"""replace_fsa, create_sparse and swoosh; golden/replacement.jsonl has k2's results of the first two."""

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError

SRC = ("0 1 1 7 0.5\n1 2 -1 -1 0.1\n2", "0 1 2 8 1\n0 2 3 9 2\n1 1 2 0 1\n1 3 -1 -1 1\n2 3 -1 -1 0.5\n3")


def src() -> k2.Fsa:
    return k2.create_fsa_vec([k2.Fsa.from_str(text, acceptor=False) for text in SRC])


def test_replaced_arcs_read_what_the_automata_read():
    index = k2.linear_fst([10, 3, 11], [20, 21, 22])
    found = k2.replace_fsa(src(), index, 10)

    def accepts(labels):
        return k2.connect(k2.intersect(found, k2.linear_fsa(labels))).num_arcs > 0

    assert accepts([1, 3, 3])
    assert accepts([1, 3, 2, 2, 2])
    assert not any(accepts(labels) for labels in ([10, 3, 11], [1, 3], [1, 3, 1], [1, 3, 3, 3]))
    assert torch.equal(found.aux_labels == -1, found.labels == -1)
    # What the arcs wrote comes from both sides.
    assert {20, 21, 22, 7, 8, 9} <= set(found.aux_labels.tolist())


def test_attributes_of_one_side_are_filled():
    left, index = src(), k2.linear_fsa([10])
    left.tag = torch.arange(left.num_arcs, dtype=torch.int32) + 100
    left.tag_filler = -5
    index.cost = torch.tensor([0.5, 0.25])
    found, map_index, map_src = k2.replace_fsa(left, index, 10, ret_arc_map=True)
    assert found.tag.tolist() == [100 + i if i >= 0 else -5 for i in map_src.tolist()]
    assert found.cost.tolist() == [[0.5, 0.25][i] if i >= 0 else 0 for i in map_index.tolist()]
    assert torch.all((map_index >= 0) != (map_src >= 0))


def test_replacing_is_differentiable():
    parts, index = src(), k2.linear_fsa([10, 11, 10])
    weights = [torch.randn(fsa.num_arcs, dtype=torch.float64, requires_grad=True) for fsa in (parts, index)]
    ones = torch.zeros(20, dtype=torch.float64)

    def scores(one, other):
        parts.scores, index.scores = one, other
        return k2.replace_fsa(parts, index, 10).scores * (ones.new_tensor(2.0))

    assert torch.autograd.gradcheck(scores, weights)


def test_sparse_matrices():
    rows, cols = torch.tensor([0, 1, 1, 3]), torch.tensor([1, -1, 0, 1])
    values = torch.tensor([0.5, 1, 2, 3], requires_grad=True)
    made = k2.create_sparse(rows, cols, values, size=(4, 2), min_col_index=0)
    assert made.to_dense().tolist() == [[0, 0.5], [2, 0], [0, 0], [0, 3]]
    made.to_dense()[1].sum().backward()
    assert values.grad is not None and values.grad.tolist() == [0, 0, 1, 0]
    assert k2.create_sparse(rows[:0], cols[:0], values[:0]).shape == (0, 0)


@pytest.mark.parametrize("name", ["l", "r"])
def test_swoosh(name):
    function, forward, both = (
        getattr(k2, f"swoosh_{name}{end}") for end in ("", "_forward", "_forward_and_deriv")
    )
    shift, offset = {"l": (4, 0.035), "r": (1, 0.313261687)}[name]
    x = torch.linspace(-30, 30, 41, dtype=torch.float64, requires_grad=True)
    expected = torch.log(1 + torch.exp(x - shift)) - 0.08 * x - offset
    torch.testing.assert_close(function(x), expected)
    torch.testing.assert_close(forward(x), expected)
    value, slope = both(x)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(slope, torch.autograd.grad(expected.sum(), x)[0])
    assert torch.autograd.gradcheck(function, x)
    assert function(torch.tensor([1e4, -1e4])).isfinite().all()
    torch.manual_seed(0)
    dropped = function(torch.ones(1000), 0.25)
    assert 180 < int((dropped == 0).sum()) < 320
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, forward(torch.ones(1)).expand(len(kept)) / 0.75)


def test_what_cannot_be_is_named():
    index, parts = k2.linear_fsa([10]), src()
    ints = torch.tensor([0, 1])
    empty = k2.create_fsa_vec([k2.Fsa.from_str("")])
    double = k2.linear_fsa([10])
    double.scores = double.scores.double()
    for call, message in (
        (lambda: k2.replace_fsa(parts[0], index), "expected a batch"),
        (lambda: k2.replace_fsa(parts, index, 0), "symbol_begin_range=0"),
        (lambda: k2.replace_fsa(parts, double, 10), "torch.float32, index on cpu in torch.float64"),
        (lambda: k2.replace_fsa(empty, index, 10), "automaton 0 of src has 0 states"),
        (lambda: k2.create_sparse(ints, ints, torch.zeros(3)), r"\(2,\), \(2,\), \(3,\)"),
        (lambda: k2.create_sparse(ints - 1, ints, torch.zeros(2)), "rows from -1 to 0"),
        (lambda: k2.create_sparse(ints, ints, torch.zeros(2), (2, 1)), r"columns from 0 to 1.*size=\(2, 1\)"),
    ):
        with pytest.raises(FstError, match=message):
            call()
