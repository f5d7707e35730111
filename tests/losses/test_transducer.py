"""The transducer loss, against an enumeration of alignments that knows nothing of lattices."""

import itertools

import numpy as np
import pytest
import torch

from sonant.errors import ConfigError
from sonant.losses import rnnt_loss


def losses_of(logits, targets, frames, tokens, blank=0, **options):
    return rnnt_loss(logits, targets, frames, tokens, blank, reduction="none", **options)


def brute_force(logits: np.ndarray, targets: list[int], blank: int = 0) -> float:
    """logits (frames, tokens + 1, vocabulary). An alignment says how many tokens each frame emits."""
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    paths = []
    for counts in itertools.product(range(len(targets) + 1), repeat=len(logits)):
        if sum(counts) != len(targets):
            continue
        score, said = 0.0, 0
        for frame, count in zip(log_probs, counts, strict=True):
            for _ in range(count):
                score += frame[said, targets[said]]
                said += 1
            score += frame[said, blank]
        paths.append(score)
    return -float(np.logaddexp.reduce(paths))


@pytest.mark.parametrize("frames", [1, 2, 4])
@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_equals_the_enumeration(problem, frames, tokens):
    logits, targets, *lengths = problem((frames,), (tokens,), lattice=True)
    found = losses_of(logits, targets, *lengths)
    assert found.item() == pytest.approx(brute_force(logits[0].numpy(), targets[0].tolist()), abs=1e-10)


@pytest.mark.parametrize("blank", [0, 4])
def test_a_batch_of_odd_lengths_and_another_blank(problem, blank):
    frames, tokens = (4, 1, 3, 4), (2, 3, 0, 1)
    logits, targets, *lengths = problem(frames, tokens, lattice=True)
    targets = targets - int(blank == 4)
    found = losses_of(logits, targets, *lengths, blank=blank)
    for i, (t, u) in enumerate(zip(frames, tokens, strict=True)):
        expected = brute_force(logits[i, :t, : u + 1].numpy(), targets[i, :u].tolist(), blank)
        assert found[i].item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("frames", "tokens"), [((1,), (0,)), ((1,), (2,)), ((3,), (0,)), ((4, 2, 1), (2, 1, 0)), ((2, 3), (2, 1))]
)
def test_gradient(problem, frames, tokens):
    logits, *others = problem(frames, tokens, vocabulary=4, lattice=True)
    assert torch.autograd.gradcheck(lambda x: losses_of(x, *others), logits.requires_grad_())


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_padding_is_not_looked_at(problem, poison):
    frames, tokens = (5, 2, 4), (3, 1, 0)
    results = []
    for value, token in ((0.0, 0), (poison, -1), (poison, 99)):
        logits, targets, *lengths = problem(frames, tokens, lattice=True)
        for i, (t, u) in enumerate(zip(frames, tokens, strict=True)):
            logits[i, t:] = logits[i, :, u + 1 :] = value
            targets[i, u:] = token
        logits.requires_grad_()
        loss = losses_of(logits, targets, *lengths)
        loss.sum().backward()
        results.append((loss.detach(), logits.grad))
    for loss, gradient in results:
        assert torch.equal(loss, results[0][0]) and torch.equal(gradient, results[0][1])
        assert torch.isfinite(loss).all() and torch.isfinite(gradient).all()
    for i, (t, u) in enumerate(zip(frames, tokens, strict=True)):
        assert (results[0][1][i, t:] == 0).all() and (results[0][1][i, :, u + 1 :] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tokens_that_are_impossible(problem, dtype):
    logits, targets, *lengths = problem((4,), (2,), lattice=True)
    targets[:] = torch.tensor([[1, 2]])
    logits[..., 3] = -torch.inf  # never said
    logits[0, 1, 1, 2] = logits[0, 2, 0, 0] = -torch.inf  # said elsewhere
    expected = brute_force(logits[0].numpy(), [1, 2])
    logits = logits.to(dtype).requires_grad_()
    loss = losses_of(logits, targets, *lengths)
    loss.sum().backward()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[..., 3] == 0).all()


def test_a_cell_where_everything_is_impossible_is_gone_around(problem):
    logits, targets, *lengths = problem((3,), (1,), lattice=True)
    logits[0, 1, 1] = -torch.inf
    logits.requires_grad_()
    loss = losses_of(logits, targets, *lengths)
    loss.sum().backward()
    # What is left: the token is emitted in the last frame.
    scores = logits.detach()[0].log_softmax(-1)
    only = scores[0, 0, 0] + scores[1, 0, 0] + scores[2, 0, targets[0, 0]] + scores[2, 1, 0]
    assert loss.item() == pytest.approx(-only.item(), abs=1e-10)
    assert torch.isfinite(logits.grad).all()


def test_all_impossible(problem):
    logits, targets, *lengths = problem((3, 3), (2, 2), lattice=True)
    logits[0] = -torch.inf
    logits.requires_grad_()
    loss = losses_of(logits, targets, *lengths)
    loss.sum().backward()
    assert loss[0] == torch.inf and torch.isfinite(loss[1])
    assert (logits.grad[0] == 0).all()
    assert torch.isfinite(logits.grad[1]).all() and (logits.grad[1] != 0).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(problem, dtype):
    logits, targets, *lengths = problem((40, 30), (12, 7), lattice=True)
    half = logits.to(dtype).requires_grad_()
    loss = losses_of(half, targets, *lengths)
    loss.sum().backward()
    assert loss.dtype == torch.float32 and half.grad.dtype == dtype
    expected = losses_of(half.detach().double(), targets, *lengths)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    assert torch.isfinite(half.grad).all()


def test_no_recording_at_all():
    empty = torch.zeros(0, dtype=torch.int64)
    assert losses_of(torch.zeros(0, 3, 2, 4), empty[:, None].expand(0, 1), empty, empty).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(logits=torch.zeros(2, 5, 5)),
            r"logits are \(2, 5, 5\) for targets of \(2, 3\), expected \(batch, frames",
        ),
        (dict(logits=torch.zeros(2, 5, 3, 6)), r"logits are \(2, 5, 3, 6\)"),
        (dict(targets=torch.ones(1, 3, dtype=torch.int64)), r"targets are \(1, 3\)"),
        (dict(targets=torch.ones(2, 3)), "targets are .* torch.float32, expected .* int64"),
        (dict(targets=torch.full((2, 3), 6)), r"targets 6..6, but the logits have tokens 0..5"),
        (dict(targets=torch.full((2, 3), -1)), r"targets -1..-1"),
        (dict(frames=torch.tensor([5])), r"frames is \(1,\)"),
        (dict(frames=torch.tensor([0, 5])), r"frames \[0, 5\] outside 1..5"),
        (dict(tokens=torch.tensor([4, 1])), r"tokens \[4, 1\] outside 0..3"),
        (dict(blank=-7), "blank -7, but the logits have tokens 0..5"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    arguments = dict(
        logits=torch.zeros(2, 5, 4, 6),
        targets=torch.ones(2, 3, dtype=torch.int64),
        frames=torch.tensor([5, 5]),
        tokens=torch.tensor([3, 3]),
    )
    with pytest.raises(ConfigError, match=message):
        losses_of(**(arguments | change))
