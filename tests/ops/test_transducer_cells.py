"""The transducer's kernels, reference and native: values and gradients, all kinds of lattices and cells."""

import itertools

import numpy as np
import pytest
import torch

from sonant.errors import ConfigError
from sonant.ops.transducer import (
    NOTHING,
    PADDING,
    joint_log_probs,
    lattice_tokens,
    occupancies,
    token_log_probs,
    total_log_prob,
)

BACKENDS = ["reference", None]
FRAMES, TOKENS = torch.tensor([5, 1, 3, 4, 6]), torch.tensor([2, 3, 0, 4, 1])


def lattices(diagonal: bool, after: int = 0, dtype=torch.float64, seed: int = 0):
    """blank (5, 6, 5) and emit, with what must not be looked at beyond the lengths."""
    generator = torch.Generator().manual_seed(seed)
    blank = -torch.rand(5, 6, 5, generator=generator, dtype=torch.float64) * 3
    emit = -torch.rand(5, 6 + after, 4, generator=generator, dtype=torch.float64) * 3
    for b, (t, u) in enumerate(zip(FRAMES, TOKENS, strict=True)):
        blank[b, t:] = blank[b, :, u + 1 :] = torch.nan
        emit[b, t + after :] = emit[b, :, u:] = torch.nan
    return blank.to(dtype), emit.to(dtype)


def all_ways(blank, emit, frames, tokens, diagonal, after):
    """Every order of blanks and tokens; with `diagonal`, of frames that say a token and such that do not."""
    scores = []
    if diagonal:
        for saying in itertools.combinations(range(frames), tokens):
            u, score = 0, 0.0
            for t in range(frames):
                score += emit[t, u] if t in saying else blank[t, u]
                u += t in saying
            scores.append(score)
    else:
        for saying in itertools.combinations(range(frames + tokens), tokens):
            t = u = 0
            score = 0.0
            for step in range(frames + tokens):
                if step in saying:
                    score = score + (emit[t, u] if t < frames + after else -np.inf)
                    u += 1
                else:
                    score += blank[t, u]
                    t += 1
            scores.append(score)
    return float(np.logaddexp.reduce(scores)) if scores else -np.inf


KINDS = [(False, 0), (False, 1), (True, 0)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("diagonal", "after"), KINDS)
def test_totals_equal_the_enumeration(backend, diagonal, after):
    blank, emit = lattices(diagonal, after)
    found = total_log_prob(blank, emit, FRAMES, TOKENS, diagonal=diagonal, backend=backend)
    for b, (t, u) in enumerate(zip(FRAMES.tolist(), TOKENS.tolist(), strict=True)):
        expected = all_ways(blank[b].numpy(), emit[b].numpy(), t, u, diagonal, after)
        assert found[b].item() == pytest.approx(expected, abs=1e-10)
    assert (found[1] == -torch.inf) == diagonal  # three tokens in one frame


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("diagonal", "after"), KINDS)
def test_gradients_are_the_same_and_are_the_occupancies(dtype, diagonal, after):
    found = []
    slopes = torch.tensor([1.0, 2.0, -1.0, 0.5, 3.0], dtype=dtype)
    for backend in BACKENDS:
        leaves = [x.requires_grad_() for x in lattices(diagonal, after, dtype)]
        totals = total_log_prob(*leaves, FRAMES, TOKENS, diagonal=diagonal, backend=backend)
        found.append(
            torch.autograd.grad((totals.masked_fill(totals == -torch.inf, 0) * slopes).sum(), leaves)
        )
    shares = occupancies(*lattices(diagonal, after, dtype), FRAMES, TOKENS, diagonal=diagonal)
    for ours, reference, share in zip(found[1], found[0], shares[1:], strict=True):
        torch.testing.assert_close(ours, reference)
        torch.testing.assert_close(ours, share * slopes[:, None, None])
    # Each frame is left once, by each recording that has a way.
    if not diagonal:
        left = shares.blank.sum(2)
        inside = torch.arange(6) < FRAMES[:, None]
        torch.testing.assert_close(left, inside.to(dtype))


@pytest.mark.parametrize(("diagonal", "after"), KINDS)
def test_values_at_any_strides(diagonal, after):
    blank, emit = lattices(diagonal, after)
    turned = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (blank, emit)]
    expected = total_log_prob(blank, emit, FRAMES, TOKENS, diagonal=diagonal)
    assert torch.equal(total_log_prob(*turned, FRAMES, TOKENS, diagonal=diagonal), expected)
    shares = occupancies(*turned, FRAMES, TOKENS, diagonal=diagonal)
    for ours, other in zip(shares, occupancies(blank, emit, FRAMES, TOKENS, diagonal=diagonal), strict=True):
        assert torch.equal(ours, other)


def cells(vocabulary: int, dtype, seed: int = 0):
    """logits (4, 9, vocabulary) and what each cell may say: tokens, the blank itself, nothing, padding."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(4, 9, vocabulary, generator=generator, dtype=torch.float64)
    said = torch.randint(0, vocabulary, (4, 9), generator=generator, dtype=torch.int32)
    said[0, 3] = said[2, 8] = NOTHING
    said[1, 4:] = PADDING
    logits[1, 4:] = torch.nan
    logits[3, 2] = -torch.inf
    logits[0, 1, 0] = -torch.inf
    return logits.to(dtype), said


@pytest.mark.parametrize("vocabulary", [1, 2, 5, 16, 31, 67, 500])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_probs_of_cells(vocabulary, dtype):
    results = []
    for backend, overwrite in ((None, False), (None, True), ("reference", False)):
        logits, said = cells(vocabulary, dtype)
        leaf = logits.requires_grad_()
        pair = token_log_probs(leaf, said, blank=0, overwrite=overwrite, backend=backend)
        slopes = [torch.linspace(-1, 2, said.numel(), dtype=dtype).reshape(said.shape) for _ in pair]
        # Where nothing is possible no share of any total goes.
        slopes = [x.masked_fill(y == -torch.inf, 0) for x, y in zip(slopes, pair, strict=True)]
        pair = tuple(y.clamp(min=-1e30) for y in pair)
        (gradient,) = torch.autograd.grad(pair, leaf, slopes)
        results.append((*(x.detach() for x in pair), gradient))
    for ours in results[:2]:
        for found, expected in zip(ours, results[2], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-6)
    assert (results[0][2][1, 4:] == 0).all()


def test_what_is_overwritten_has_one_gradient():
    logits, said = cells(5, torch.float64)
    logits[3, 2] = 0.0
    leaf = logits[:1].clone().requires_grad_()
    pair = token_log_probs(leaf, said[:1], blank=1, overwrite=True)
    total = pair[0].sum() + pair[1].masked_fill(pair[1] == -torch.inf, 0).sum()
    total.backward(retain_graph=True)
    assert leaf.grad is not None and torch.equal(leaf.grad, leaf.detach())
    with pytest.raises(ConfigError, match="overwrite=False"):
        total.backward()


def test_a_cell_that_is_no_number_says_so():
    logits = torch.zeros(3, 40)
    logits[1, 17] = torch.nan
    logits[2, 3] = torch.inf
    blank, token = token_log_probs(logits, torch.tensor([1, 1, 1], dtype=torch.int32), blank=0)
    assert torch.isfinite(blank[0]) and torch.isnan(blank[1:]).all() and torch.isnan(token[1:]).all()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_joiner_in_tiles(activation, dtype, monkeypatch):
    generator = torch.Generator().manual_seed(1)
    shapes = (5, 6, 7), (5, 5, 7), (33, 7), (33,)
    leaves = [torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    targets = torch.randint(1, 33, (5, 4), generator=generator)
    said = lattice_tokens(targets, FRAMES, TOKENS, 6)
    for b, (t, u) in enumerate(zip(FRAMES, TOKENS, strict=True)):
        leaves[0][b, t:] = torch.nan
        leaves[1][b, u + 1 :] = torch.inf
    monkeypatch.setattr("sonant.ops.transducer.native.Joiner.TILE_BYTES", 0)  # 64 cells at once, of 70
    results = []
    for backend in BACKENDS:
        inputs = [leaf.clone().requires_grad_() for leaf in leaves]
        blank, emit = joint_log_probs(*inputs, said, blank=0, activation=activation, backend=backend)
        total = total_log_prob(blank, emit[:, :, :-1], FRAMES, TOKENS, backend=backend)
        results.append([blank, emit, total, *torch.autograd.grad(total.sum(), inputs)])
    for ours, reference in zip(*results, strict=True):
        assert torch.isfinite(ours).all()
        torch.testing.assert_close(ours, reference, rtol=2e-5, atol=1e-5)


def test_gradient_of_the_joiner_by_differences():
    generator = torch.Generator().manual_seed(2)
    inputs = [
        torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((2, 3, 4), (2, 3, 4), (5, 4), (5,))
    ]
    frames, tokens = torch.tensor([3, 2]), torch.tensor([1, 2])
    said = lattice_tokens(torch.tensor([[1, 2], [3, 3]]), frames, tokens, 3)

    def total(*leaves):
        blank, emit = joint_log_probs(*leaves, said, blank=0)
        return total_log_prob(blank, emit[:, :, :-1], frames, tokens)

    assert torch.autograd.gradcheck(total, inputs)


def test_no_cell_at_all():
    said = torch.zeros(0, 3, 2, dtype=torch.int32)
    assert token_log_probs(torch.zeros(0, 3, 2, 4), said, blank=0)[0].shape == (0, 3, 2)
    inputs = [torch.zeros(shape).requires_grad_() for shape in ((0, 3, 4), (0, 2, 4), (5, 4), (5,))]
    found = joint_log_probs(*inputs, said, blank=0)[0]
    assert found.shape == (0, 3, 2)
    found.sum().backward()
    assert inputs[2].grad is not None and (inputs[2].grad == 0).all()
