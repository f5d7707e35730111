"""The transducer's kernels for devices other than the CPU, made to run on it: torch's products in tiles, and
Triton's kernels in its interpreter."""

from importlib.util import find_spec
from unittest import mock

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sonant.ops import transducer
from sonant.ops.transducer import (
    NOTHING,
    PADDING,
    joint_log_probs,
    lattice_tokens,
    native,
    occupancies,
    tiles,
    token_log_probs,
    total_log_prob,
)

FRAMES, TOKENS = torch.tensor([5, 1, 3, 4, 6]), torch.tensor([2, 3, 0, 4, 1])
DIM, VOCABULARY = 7, 33


def joint(kind, leaves, said, activation, precision, blank=0):
    return tiles.joint_log_probs(leaves, said, blank, activation, precision, kind)


def problem(dtype, seed=1):
    """encoder, predictor, weight, bias, with what must not be looked at, and what the cells may say."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (5, 6, DIM), (5, 5, DIM), (VOCABULARY, DIM), (VOCABULARY,)
    leaves = [torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    said = lattice_tokens(torch.randint(1, VOCABULARY, (5, 4), generator=generator), FRAMES, TOKENS, 6)
    for b, (t, u) in enumerate(zip(FRAMES, TOKENS, strict=True)):
        leaves[0][b, t:] = torch.nan
        leaves[1][b, u + 1 :] = torch.inf
    return leaves, said


def values_and_gradients(run, leaves, said):
    """Of pair, total, and the gradients of all leaves."""
    inputs = [leaf.clone().requires_grad_() for leaf in leaves]
    blank, emit = run(inputs, said)
    total = total_log_prob(blank, emit[:, :, :-1], FRAMES, TOKENS)
    return [x.detach() for x in (blank, emit, total)], torch.autograd.grad(total.sum(), inputs)


def rounded(leaves, said, activation, precision):
    """The reference in float64, of a hidden layer and a weight in `precision`."""

    class Rounded(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.to(precision).double()

        @staticmethod
        def backward(ctx, *slopes):
            return slopes[0]

    from sonant.ops.transducer import reference

    def run(inputs, said):
        encoder, predictor, weight, bias = (x.double() for x in inputs)
        padding = said == reference.PADDING
        encoder = encoder.masked_fill(padding.all(2)[..., None], 0.0)
        predictor = predictor.masked_fill(padding.all(1)[..., None], 0.0)
        hidden = getattr(torch, activation)(encoder[:, :, None] + predictor[:, None])
        logits = torch.nn.functional.linear(Rounded.apply(hidden), Rounded.apply(weight), bias)
        return reference.token_log_probs(logits, said, 0)

    return values_and_gradients(run, leaves, said)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tiles_of_torch_are_the_reference(activation, dtype, monkeypatch):
    monkeypatch.setattr(tiles.Joiner, "TILE_BYTES", 0)  # 64 cells at once, of 70
    leaves, said = problem(dtype)
    found = values_and_gradients(lambda x, y: joint(tiles.Joiner, x, y, activation, dtype), leaves, said)
    expected = values_and_gradients(
        lambda x, y: joint_log_probs(*x, y, blank=0, activation=activation, backend="reference"), leaves, said
    )
    torch.testing.assert_close(found, expected, rtol=2e-5, atol=1e-5)


class Largest(TorchDispatchMode):
    """The most elements of any tensor that is made."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for made in tree_leaves(found):
            if isinstance(made, torch.Tensor):
                self.most = max(self.most, made.numel())
        return found


def test_no_more_than_a_tile_is_there_at_once(monkeypatch):
    batch, frames, states, dim, vocabulary = 2, 20, 6, 8, 50
    monkeypatch.setattr(tiles.Joiner, "TILE_BYTES", 0)  # 64 cells, of 240
    shapes = (batch, frames, dim), (batch, states, dim), (vocabulary, dim), (vocabulary,)
    inputs = [torch.ones(shape, requires_grad=True) for shape in shapes]
    said = torch.ones(batch, frames, states, dtype=torch.int32)
    with Largest() as largest:
        blank, emit = joint(tiles.Joiner, inputs, said, "tanh", torch.bfloat16)
        (blank.sum() + emit.sum()).backward()
    assert largest.most == 64 * vocabulary


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("precision", "close"), [(torch.bfloat16, 8e-3), (torch.float16, 1e-3)])
def test_half_precision_is_in_factors_alone(activation, precision, close):
    leaves, said = problem(torch.float32)
    found = values_and_gradients(lambda x, y: joint(tiles.Joiner, x, y, activation, precision), leaves, said)
    expected = rounded(leaves, said, activation, precision)
    for ours, theirs in zip(found[0], expected[0], strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(found[1], expected[1], strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs.float(), rtol=close, atol=close)


def test_small_gradients_do_not_vanish_in_float16():
    leaves, said = problem(torch.float16)
    found = []
    for scale in (1.0, 2.0**-30):
        inputs = [leaf.float().requires_grad_() for leaf in leaves]
        blank, emit = joint(tiles.Joiner, inputs, said, "tanh", torch.float16)
        total = total_log_prob(blank, emit[:, :, :-1], FRAMES, TOKENS)
        found.append([x / scale for x in torch.autograd.grad(total.sum() * scale, inputs)])
    for whole, small in zip(*found, strict=True):
        torch.testing.assert_close(whole, small)
        assert (whole != 0).any()


@pytest.mark.parametrize("half", [None, torch.float16])
def test_cells_without_a_share_are_left_out_and_nothing_at_all_is_no_error(half):
    for kind in joiners(half):
        leaves, said = problem(torch.float32)
        inputs = [leaf.requires_grad_() for leaf in leaves]
        blank, _ = joint(kind, inputs, said, "tanh", half or torch.float32)
        gradients = torch.autograd.grad(blank.masked_fill(said != -5, 0.0).sum(), inputs)
        assert all((gradient == 0).all() for gradient in gradients)
        empty = [torch.zeros(shape).requires_grad_() for shape in ((0, 3, 4), (0, 2, 4), (5, 4), (5,))]
        found = joint(kind, empty, torch.zeros(0, 3, 2, dtype=torch.int32), "tanh", half or torch.float32)[0]
        assert found.shape == (0, 3, 2)
        found.sum().backward()
        assert empty[2].grad is not None and (empty[2].grad == 0).all()


# ---- Triton


def joiners(precision):
    """Who multiplies; of Triton's with tiles so small that nothing fits into one."""
    if not find_spec("triton"):
        return [tiles.Joiner]
    from sonant.ops.transducer import triton

    class Small(triton.FusedJoiner):
        TILE_BYTES = 0
        CELLS, TOKENS, DIMS = 32, 16, 16

    return [tiles.Joiner, Small if precision == torch.float16 else triton.Joiner]


@pytest.fixture
def poisoned():
    """What is made without values holds NaN until it is written."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def on_triton(poisoned):
    """Its kernels compute."""
    if not find_spec("triton"):
        yield
        return
    from sonant.ops.transducer import triton

    with mock.patch.object(transducer, "_implementation", return_value=triton):
        yield


@pytest.fixture
def products_of_bfloat16(monkeypatch):
    """Triton's interpreter holds bfloat16 as integers, and would multiply those."""
    if not find_spec("triton"):
        return
    import triton.language as tl
    from triton.runtime import interpreter

    def widened(x):
        if x.dtype.scalar != tl.bfloat16:
            return x
        values = (x.data.astype(np.uint32) << 16).view(np.float32)
        return interpreter.TensorHandle(values, tl.float32)

    multiply = interpreter.InterpreterBuilder.create_dot
    monkeypatch.setattr(
        interpreter.InterpreterBuilder,
        "create_dot",
        lambda builder, a, b, *rest: multiply(builder, widened(a), widened(b), *rest),
    )


def lattices(after, dtype):
    """blank (6, 6, 5) and emit: NaN beyond the lengths, the last recording impossible."""
    generator = torch.Generator().manual_seed(0)
    frames, tokens = torch.cat([FRAMES, torch.tensor([4])]), torch.cat([TOKENS, torch.tensor([2])])
    blank = -torch.rand(6, 6, 5, generator=generator, dtype=torch.float64) * 3
    emit = -torch.rand(6, 6 + after, 4, generator=generator, dtype=torch.float64) * 3
    emit[0, 1, 0] = blank[3, 0, 0] = -torch.inf
    emit[5, :, 0] = -torch.inf
    for b, (t, u) in enumerate(zip(frames, tokens, strict=True)):
        blank[b, t:] = blank[b, :, u + 1 :] = torch.nan
        emit[b, t + after :] = emit[b, :, u:] = torch.nan
    return blank.to(dtype), emit.to(dtype).transpose(1, 2).contiguous().transpose(1, 2), frames, tokens


@pytest.mark.parametrize(
    ("diagonal", "after", "dtype"),
    [(False, 0, torch.float32), (False, 1, torch.float64), (True, 0, torch.float32)],
)
def test_sums_over_alignments_are_those_of_the_native_core(diagonal, after, dtype, on_triton):
    blank, emit, frames, tokens = lattices(after, dtype)
    expected = native.occupancies(blank, emit, frames, tokens, diagonal)
    found = occupancies(blank, emit, frames, tokens, diagonal=diagonal)
    assert found.totals[-1] == -torch.inf and torch.isfinite(found.totals[0])
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs)
    leaves = blank.requires_grad_(), emit.requires_grad_()
    total = total_log_prob(*leaves, frames, tokens, diagonal=diagonal)
    slopes = torch.arange(6).to(dtype)
    gradients = torch.autograd.grad(total.masked_fill(total == -torch.inf, 0.0), leaves, slopes)
    for ours, share in zip(gradients, found[1:], strict=True):
        torch.testing.assert_close(ours, share * slopes[:, None, None])


def test_a_sum_over_alignments_that_is_no_number_says_so(on_triton):
    blank, emit = torch.full((2, 3, 3), -1.0), torch.full((2, 3, 2), -1.0)
    blank[1, 1, 1] = torch.nan
    lengths = torch.tensor([3, 3]), torch.tensor([2, 2])
    found = total_log_prob(blank, emit, *lengths)
    assert torch.isfinite(found[0]) and torch.isnan(found[1])
    assert total_log_prob(blank[:0], emit[:0], *(x[:0] for x in lengths)).shape == (0,)


def test_float32_is_exact_enough_where_paths_are_far_from_the_best_cell(on_triton):
    """Scores of some thousands, and a way that most of the probability of its frames does not take."""
    generator = torch.Generator().manual_seed(0)
    blank = -100 * torch.rand(1, 40, 3, generator=generator)
    emit = -1000 * torch.rand(1, 40, 2, generator=generator)
    lengths = torch.tensor([40]), torch.tensor([2])
    found = occupancies(blank, emit, *lengths)
    expected = native.occupancies(blank.double(), emit.double(), *lengths, False)
    assert expected[0] < -1500
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=2e-6, atol=2e-6)


def cells(vocabulary, dtype):
    """logits (4, 9, vocabulary) and what each cell may say: tokens, the blank itself, nothing, padding."""
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(4, 9, vocabulary, generator=generator, dtype=torch.float64)
    said = torch.randint(0, vocabulary, (4, 9), generator=generator, dtype=torch.int32)
    said[0, 3] = said[2, 8] = NOTHING
    said[1, 4:] = PADDING
    logits[1, 4:] = torch.nan
    logits[3, 2] = -torch.inf
    logits[0, 1, 0] = -torch.inf
    return logits.to(dtype), said


@pytest.mark.parametrize(
    ("vocabulary", "dtype"),
    [
        (1, torch.float32),
        (67, torch.float64),
        (1100, torch.float32),
        (67, torch.bfloat16),
        (5, torch.float16),
    ],
)
def test_rows_of_logits(vocabulary, dtype, on_triton):
    logits, said = cells(vocabulary, dtype)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    results = []
    for overwrite, by, precision in ((False, None, dtype), (True, None, dtype), (False, "reference", wide)):
        leaf = logits.clone().to(precision).requires_grad_()
        if by is None:
            pair = token_log_probs(leaf, said, blank=0, overwrite=overwrite)
        else:
            pair = transducer.reference.token_log_probs(leaf, said, 0)
        assert {x.dtype for x in pair} == {wide}
        slopes = [torch.linspace(-1, 2, said.numel(), dtype=wide).reshape(said.shape) for _ in pair]
        # Where nothing is possible no share of any total goes.
        slopes = [x.masked_fill(y == -torch.inf, 0) for x, y in zip(slopes, pair, strict=True)]
        (gradient,) = torch.autograd.grad([y.clamp(min=-1e30) for y in pair], leaf, slopes)
        assert gradient.dtype == precision
        assert overwrite == (gradient.data_ptr() == leaf.data_ptr())
        results.append((*(x.detach() for x in pair), gradient.to(wide)))
    close = dict(rtol=1e-5, atol=2e-6) if dtype == wide else dict(rtol=1e-2, atol=1e-3)
    for ours in results[:2]:
        for found, expected in zip(ours[:2], results[2][:2], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(ours[2], results[2][2], **close)
    assert (results[0][2][1, 4:] == 0).all()


def test_a_row_that_is_no_number_says_so(on_triton):
    logits = torch.zeros(3, 40)
    logits[1, 17] = torch.nan
    logits[2, 3] = torch.inf
    blank, token = token_log_probs(logits, torch.tensor([1, 1, 1], dtype=torch.int32), blank=0)
    assert torch.isfinite(blank[0]) and torch.isnan(blank[1:]).all() and torch.isnan(token[1:]).all()


FACTORS = [
    ("products of torch", "tanh", torch.float64, 1e-9),
    ("products of torch", "relu", torch.float32, 1e-5),
    ("products of torch", "relu", torch.float16, 1e-3),
    ("fused", "tanh", torch.float32, 1e-5),
    ("fused", "relu", torch.float16, 1e-3),
    ("fused", "tanh", torch.bfloat16, 3e-2),  # the interpreter cuts bfloat16 off
]


@pytest.mark.parametrize(("way", "activation", "precision", "close"), FACTORS)
def test_the_joiner(way, activation, precision, close, products_of_bfloat16, poisoned):
    kind = joiners(torch.float16 if way == "fused" else None)[-1]
    if kind is tiles.Joiner:
        return  # triton has no wheels for this platform
    leaves, said = problem(precision if precision in tiles.LEAST else torch.float32)
    found = values_and_gradients(lambda x, y: joint(kind, x, y, activation, precision), leaves, said)
    expected = rounded(leaves, said, activation, precision)
    values = close if precision == torch.bfloat16 else min(close, 1e-5)
    for ours, theirs in zip(found[0], expected[0], strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=values, atol=values)
    for ours, theirs in zip(found[1], expected[1], strict=True):
        assert ours.dtype == leaves[0].dtype
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=close, atol=close)


def test_blank_anywhere_and_a_whole_number_of_tiles(poisoned):
    leaves, said = problem(torch.float32)
    leaves[2], leaves[3] = leaves[2][:32], leaves[3][:32]
    said = said.masked_fill(said == 32, 1)
    for kind in joiners(torch.float16)[1:]:
        found = joint(kind, leaves, said, "tanh", torch.float32, blank=20)
        expected = joint(native.Joiner, leaves, said, "tanh", torch.float32, blank=20)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
