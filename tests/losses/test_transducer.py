"""The transducer loss, against an enumeration of alignments that knows nothing of lattices."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sonant.errors import ConfigError
from sonant.losses import rnnt_loss, rnnt_loss_fused


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


# ---- The other kinds, and the joiner


def brute_force_of_frames(logits: np.ndarray, targets: list[int], paid: bool) -> float:
    """One token at most in each frame; with `paid` the blank after it too."""
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    paths = []
    for saying in itertools.combinations(range(len(logits)), len(targets)):
        score, said = 0.0, 0
        for t, frame in enumerate(log_probs):
            score += frame[said, targets[said] if t in saying else 0]
            if t in saying:
                said += 1
                score += frame[said, 0] if paid else 0
        paths.append(score)
    return -float(np.logaddexp.reduce(paths)) if paths else np.inf


@pytest.mark.parametrize("kind", ["modified", "constrained"])
@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_one_token_a_frame(problem, kind, tokens):
    logits, targets, *lengths = problem((4, 2), (tokens, 2), lattice=True)
    found = losses_of(logits, targets, *lengths, rnnt_type=kind)
    for i, (t, u) in enumerate(((4, tokens), (2, 2))):
        expected = brute_force_of_frames(
            logits[i, :t, : u + 1].numpy(), targets[i, :u].tolist(), kind != "modified"
        )
        assert found[i].item() == pytest.approx(expected, abs=1e-10)


def test_more_tokens_than_frames_take_no_part(problem):
    logits, targets, *lengths = problem((2, 3), (3, 2), lattice=True)
    logits.requires_grad_()
    loss = losses_of(logits, targets, *lengths, rnnt_type="modified")
    assert loss[0] == torch.inf and torch.isfinite(loss[1])
    loss.sum().backward()
    assert (logits.grad[0] == 0).all() and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("kind", ["regular", "modified"])
def test_delay_penalty_is_what_early_tokens_gain(problem, kind):
    logits, targets, *lengths = problem((5,), (1,), lattice=True)
    log_probs = logits[0].log_softmax(-1)
    paths = []
    for t in range(5):
        score = log_probs[:t, 0, 0].sum() + log_probs[t, 0, targets[0, 0]] + 0.3 * (2 - t)
        paths.append(score + log_probs[t if kind == "regular" else t + 1 :, 1, 0].sum())
    found = losses_of(logits, targets, *lengths, rnnt_type=kind, delay_penalty=0.3)
    assert found.item() == pytest.approx(-torch.stack(paths).logsumexp(0).item(), abs=1e-10)


@pytest.mark.parametrize("kind", ["regular", "modified", "constrained"])
@pytest.mark.parametrize("joiner", ["tanh", "relu", "bare"])
def test_fused_with_the_joiner_equals_the_joiner_and_the_loss(kind, joiner):
    torch.manual_seed(3)
    linear = torch.nn.Linear(6, 9, bias=joiner != "bare").double()
    activation = torch.nn.ReLU() if joiner == "relu" else torch.nn.Tanh()
    module = linear if joiner == "bare" else torch.nn.Sequential(activation, linear)
    encoder, predictor = torch.randn(3, 5, 6).double(), torch.randn(3, 4, 6).double()
    targets = torch.randint(1, 9, (3, 3), dtype=torch.int32)
    frames, tokens = torch.tensor([5, 3, 4], dtype=torch.int32), torch.tensor([2, 3, 0], dtype=torch.int32)
    results = []
    for fused in (True, False):
        inputs = [encoder.clone().requires_grad_(), predictor.clone().requires_grad_()]
        options = dict(blank=0, rnnt_type=kind, delay_penalty=0.1, reduction="sum")
        if fused:
            loss = rnnt_loss_fused(*inputs, module, targets, frames, tokens, **options)
        else:
            logits = linear(activation(inputs[0][:, :, None] + inputs[1][:, None]))
            loss = rnnt_loss(logits, targets, frames, tokens, **options)
        parameters = [*inputs, *linear.parameters()]
        results.append((loss, *torch.autograd.grad(loss, parameters)))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("way", ["autocast", "half inputs"])
def test_half_precision_of_the_joiner_is_float32_on_the_cpu(way):
    torch.manual_seed(4)
    linear = torch.nn.Linear(6, 9)
    parts = [torch.randn(3, 5, 6).bfloat16(), torch.randn(3, 4, 6).bfloat16()]
    numbers = torch.randint(1, 9, (3, 3)), torch.tensor([5, 3, 4]), torch.tensor([2, 3, 0])
    results = []
    for half in (True, False):
        inputs = [x.to(torch.bfloat16 if half and way == "half inputs" else torch.float32) for x in parts]
        leaves = [*(x.requires_grad_() for x in inputs), *linear.parameters()]
        with torch.autocast("cpu", torch.bfloat16, enabled=half and way == "autocast"):
            loss = rnnt_loss_fused(*leaves[:2], linear, *numbers)
            results.append((loss, *torch.autograd.grad(loss, leaves)))
        assert loss.dtype == torch.float32
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected.to(ours.dtype))


def test_clamp_and_reductions_and_scores_that_are_normalised(problem):
    logits, targets, *lengths = problem((4, 3), (2, 1), lattice=True)
    each = losses_of(logits, targets, *lengths)
    assert rnnt_loss(logits, targets, *lengths, blank=0).item() == pytest.approx(each.mean().item())
    assert rnnt_loss(logits, targets, *lengths, blank=0, reduction="sum").item() == pytest.approx(
        each.sum().item()
    )
    as_they_are = losses_of(logits.log_softmax(-1), targets, *lengths, fused_log_softmax=False)
    torch.testing.assert_close(as_they_are, each)
    logits.requires_grad_()
    losses_of(logits, targets, *lengths, clamp=0.1).sum().backward()
    assert logits.grad.abs().max() == 0.1


def test_torchaudios_values_and_gradients():
    cases = json.loads(Path(__file__).with_name("golden").joinpath("rnnt_loss.json").read_text())
    assert len(cases) >= 6
    for case in cases:
        logits = torch.tensor(case["logits"]).requires_grad_()
        lengths = [torch.tensor(case[name], dtype=torch.int32) for name in ("targets", "frames", "tokens")]
        loss = rnnt_loss(logits, *lengths, **case["options"])
        loss.sum().backward()
        torch.testing.assert_close(loss, torch.tensor(case["loss"]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(logits.grad, torch.tensor(case["gradient"]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(encoder_out=torch.zeros(2, 5, 3)), r"encoder_out is \(2, 5, 3\), .* as the joiner takes 4"),
        (dict(predictor_out=torch.zeros(2, 5, 4)), r"predictor_out \(2, 5, 4\) for targets of \(2, 3\)"),
        (dict(targets=torch.full((2, 3), 6)), "targets 6..6, but the logits have tokens 0..5"),
        (dict(joiner=torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(4, 6))), "a joiner of Sequential"),
        (dict(blank=6), "blank 6, but the logits have tokens 0..5"),
        (dict(rnnt_type="strict"), "rnnt_type 'strict', expected 'regular', 'modified'"),
        (dict(reduction="max"), "reduction 'max', expected 'none'"),
    ],
)
def test_what_does_not_fit_the_joiner_is_named(change, message):
    arguments = dict(
        encoder_out=torch.zeros(2, 5, 4),
        predictor_out=torch.zeros(2, 4, 4),
        joiner=torch.nn.Linear(4, 6),
        targets=torch.ones(2, 3, dtype=torch.int64),
        logit_lengths=torch.tensor([5, 5]),
        target_lengths=torch.tensor([3, 3]),
    )
    with pytest.raises(ConfigError, match=message):
        rnnt_loss_fused(**(arguments | change))
