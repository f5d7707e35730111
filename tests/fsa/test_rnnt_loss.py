"""k2's transducer losses: what does not fit is named, gradients; golden/rnnt_loss.jsonl has k2's values."""

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import ConfigError

LM, AM = torch.zeros(2, 4, 5), torch.zeros(2, 6, 5)
SYMBOLS = torch.tensor([[1, 2, 3], [4, 1, 1]])
BOUNDARY = torch.tensor([[0, 0, 3, 6], [0, 0, 2, 4]])
RANGES = torch.arange(2).expand(2, 6, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: k2.rnnt_loss_simple(LM[:, :3], AM, SYMBOLS, 0),
            r"lm is \(2, 3, 5\), am \(2, 6, 5\), symbols",
        ),
        (lambda: k2.rnnt_loss_simple(LM, AM, SYMBOLS, 5), "termination_symbol 5, but there are classes 0..4"),
        (
            lambda: k2.rnnt_loss_simple(LM, AM, SYMBOLS + 3, 0),
            r"symbols 4\.\.7, but there are classes 0\.\.4",
        ),
        (lambda: k2.rnnt_loss_simple(LM, AM, SYMBOLS.int(), 0), "symbols are torch.int32, expected int64"),
        (
            lambda: k2.rnnt_loss_smoothed(LM, AM, SYMBOLS, 0, rnnt_type="strict"),
            "rnnt_type 'strict', expected",
        ),
        (lambda: k2.rnnt_loss_simple(LM, AM, SYMBOLS, 0, reduction="max"), "reduction 'max', expected"),
        (lambda: k2.rnnt_loss_simple(LM, AM, SYMBOLS, 0, BOUNDARY[:1]), r"boundary is \(1, 4\)"),
        (lambda: k2.rnnt_loss_simple(LM, AM, SYMBOLS, 0, BOUNDARY + 1), "outside of 3 symbols and 6 frames"),
        (lambda: k2.rnnt_loss_simple(LM, AM, SYMBOLS, 0, -BOUNDARY), "outside of 3 symbols and 6 frames"),
        (lambda: k2.rnnt_loss(LM, SYMBOLS, 0), r"logits are \(2, 4, 5\) for symbols of \(2, 3\)"),
        (
            lambda: k2.rnnt_loss_pruned(torch.zeros(2, 6, 3, 5), SYMBOLS, RANGES, 0),
            r"logits are \(2, 6, 3, 5\), ranges \(2, 6, 2\)",
        ),
        (
            lambda: k2.rnnt_loss_pruned(torch.zeros(2, 6, 2, 5), SYMBOLS, RANGES + 3, 0),
            "ranges 3..4, but there are 3 symbols",
        ),
        (lambda: k2.do_rnnt_pruning(AM, LM, RANGES[:, :2]), r"ranges \(2, 2, 2\)"),
        (
            lambda: k2.mutual_information_recursion(torch.zeros(2, 3, 9), torch.zeros(2, 4, 6)),
            r"px is \(2, 3, 9\), py \(2, 4, 6\)",
        ),
        (lambda: k2.joint_mutual_information_recursion([], []), "0 px and 0 py"),
        (
            lambda: k2.get_rnnt_prune_ranges(torch.zeros(2, 3, 7), torch.zeros(2, 4, 6), BOUNDARY, 0),
            "s_range 0, expected at least 1",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


@pytest.mark.parametrize("kind", ["regular", "modified", "constrained"])
def test_gradients_by_differences(kind):
    generator = torch.Generator().manual_seed(0)
    lm, am = (torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in (LM, AM))
    leaves = lm.requires_grad_(), am.requires_grad_()
    options = dict(boundary=BOUNDARY, rnnt_type=kind, delay_penalty=0.1, reduction="none")

    def pruned(lm, am):
        one, other = k2.do_rnnt_pruning(am, lm, RANGES)
        return k2.rnnt_loss_pruned(torch.tanh(one * other), SYMBOLS[:, :1], RANGES, 0, rnnt_type=kind)

    assert torch.autograd.gradcheck(lambda *x: k2.rnnt_loss_simple(*x, SYMBOLS, 0, **options), leaves)
    assert torch.autograd.gradcheck(
        lambda *x: k2.rnnt_loss_smoothed(*x, SYMBOLS, 0, 0.2, 0.3, **options), leaves
    )
    assert torch.autograd.gradcheck(pruned, leaves)


def test_parts_of_a_recursion_add_up_to_its_total():
    px, py = torch.rand(2, 3, 7), torch.rand(2, 4, 6)
    parts = k2.joint_mutual_information_recursion([px, 0.5 * px, -px], [py, py, 2 * py], BOUNDARY)
    total = k2.mutual_information_recursion(0.5 * px, 4 * py, BOUNDARY)
    assert parts.shape == (3, 2)
    torch.testing.assert_close(parts.sum(0), total)


def test_no_recording_and_no_symbol():
    assert k2.rnnt_loss_simple(LM[:0], AM[:0], SYMBOLS[:0], 0, reduction="none").shape == (0,)
    alone = k2.rnnt_loss_simple(LM[:, :1], AM, SYMBOLS[:, :0], 0, reduction="none")
    torch.testing.assert_close(alone, torch.full((2,), 6 * torch.log(torch.tensor(5.0)).item()))
