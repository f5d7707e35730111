"""The transducer's sum over alignments, against an enumeration of them."""

import itertools

import numpy as np
import pytest
import torch

from sonant.errors import ConfigError
from sonant.ops.transducer import total_log_prob


def alignments(frames: int, tokens: int):
    """Every path as its arcs ("blank" or "emit", t, u): where among the first steps the tokens are
    emitted."""
    steps = frames - 1 + tokens
    for chosen in itertools.combinations(range(steps), tokens):
        t = u = 0
        arcs = []
        for step in range(steps):
            if step in chosen:
                arcs.append(("emit", t, u))
                u += 1
            else:
                arcs.append(("blank", t, u))
                t += 1
        yield [*arcs, ("blank", frames - 1, tokens)]


def brute_force(blank: np.ndarray, emit: np.ndarray, frames: int, tokens: int) -> float:
    scores = {"blank": blank, "emit": emit}
    paths = [sum(scores[kind][t, u] for kind, t, u in path) for path in alignments(frames, tokens)]
    return float(np.logaddexp.reduce(paths))


def random_scores(batch: int, frames: int, tokens: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(batch, frames, tokens + 1, 3, dtype=torch.float64, generator=generator)
    scores = scores.log_softmax(-1)
    return scores[..., 0].clone(), scores[:, :, :tokens, 1].clone()


def lengths(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("tokens", [0, 1, 4])
def test_equals_the_enumeration(frames, tokens):
    blank, emit = random_scores(1, frames, tokens)
    found = total_log_prob(blank, emit, lengths(frames), lengths(tokens))
    assert found.item() == pytest.approx(
        brute_force(blank[0].numpy(), emit[0].numpy(), frames, tokens), abs=1e-12
    )


def test_each_recording_of_a_batch_has_its_own_lengths():
    blank, emit = random_scores(5, 6, 3)
    frames, tokens = (6, 1, 4, 6, 3), (3, 3, 0, 1, 2)
    found = total_log_prob(blank, emit, lengths(*frames), lengths(*tokens))
    expected = [brute_force(blank[i].numpy(), emit[i].numpy(), frames[i], tokens[i]) for i in range(5)]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_equal_arcs_count_the_alignments():
    frames, tokens = 7, 4
    blank, emit = torch.zeros(1, frames, tokens + 1), torch.zeros(1, frames, tokens)
    found = total_log_prob(blank, emit, lengths(frames), lengths(tokens)).exp().item()
    assert found == pytest.approx(len(list(alignments(frames, tokens))), rel=1e-5)


@pytest.mark.parametrize(
    ("frames", "tokens"), [((1,), (0,)), ((1,), (3,)), ((4,), (0,)), ((5, 2, 1), (3, 2, 0)), ((3, 3), (1, 2))]
)
def test_gradient(frames, tokens):
    blank, emit = random_scores(len(frames), max(frames), max(tokens))
    function = lambda b, e: total_log_prob(b, e, lengths(*frames), lengths(*tokens))  # noqa: E731
    assert torch.autograd.gradcheck(function, (blank.requires_grad_(), emit.requires_grad_()))


def test_the_gradient_is_the_probability_of_each_arc():
    blank, emit = random_scores(1, 4, 2)
    blank.requires_grad_()
    emit.requires_grad_()
    total_log_prob(blank, emit, lengths(4), lengths(2)).sum().backward()
    paths = list(alignments(4, 2))
    scores = {"blank": blank[0].detach().numpy(), "emit": emit[0].detach().numpy()}
    weights = np.exp([sum(scores[kind][t, u] for kind, t, u in path) for path in paths])
    weights /= weights.sum()
    for kind, gradient in (("blank", blank.grad), ("emit", emit.grad)):
        expected = np.zeros_like(scores[kind])
        for weight, path in zip(weights, paths, strict=True):
            for name, t, u in path:
                if name == kind:
                    expected[t, u] += weight
        np.testing.assert_allclose(gradient[0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_what_lies_beyond_the_lengths_is_not_looked_at(poison):
    frames, tokens = lengths(5, 2, 4), lengths(3, 1, 0)
    results = []
    for value in (0.0, poison):
        blank, emit = random_scores(3, 5, 3)
        for i in range(3):
            blank[i, frames[i] :] = blank[i, :, tokens[i] + 1 :] = value
            emit[i, frames[i] :] = emit[i, :, tokens[i] :] = value
        blank.requires_grad_()
        emit.requires_grad_()
        found = total_log_prob(blank, emit, frames, tokens)
        found.sum().backward()
        results.append((found.detach(), blank.grad, emit.grad))
    for clean, poisoned in zip(*results, strict=True):
        assert torch.equal(clean, poisoned)
        assert torch.isfinite(clean).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_some_impossible_arcs(dtype):
    blank, emit = random_scores(1, 5, 3)
    blank[0, 2, 1] = blank[0, 1, 0] = emit[0, 0, 1] = -torch.inf
    expected = brute_force(blank[0].numpy(), emit[0].numpy(), 5, 3)
    blank, emit = blank.to(dtype).requires_grad_(), emit.to(dtype).requires_grad_()
    found = total_log_prob(blank, emit, lengths(5), lengths(3))
    found.sum().backward()
    assert found.item() == pytest.approx(expected, abs=1e-5)
    assert torch.isfinite(blank.grad).all() and torch.isfinite(emit.grad).all()
    assert blank.grad[0, 2, 1] == 0 and emit.grad[0, 0, 1] == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_impossible_recording_has_no_gradient_and_leaves_the_others_alone(dtype):
    blank, emit = (scores.to(dtype) for scores in random_scores(3, 40, 30))
    blank[0], emit[0] = -torch.inf, -torch.inf
    blank[1, 39, 30] = -torch.inf  # its last arc
    blank.requires_grad_()
    emit.requires_grad_()
    found = total_log_prob(blank, emit, lengths(40, 40, 40), lengths(30, 30, 30))
    found.sum().backward()
    assert found[:2].tolist() == [-torch.inf, -torch.inf]
    assert torch.isfinite(found[2])
    for gradient in (blank.grad, emit.grad):
        assert (gradient[:2] == 0).all()
        assert torch.isfinite(gradient[2]).all() and (gradient[2] > 0).any()


def test_not_a_number_inside_the_lengths_is_not_hidden():
    blank, emit = random_scores(1, 3, 2)
    blank[0, 1, 1] = torch.nan
    assert torch.isnan(total_log_prob(blank, emit, lengths(3), lengths(2))).all()


def test_long_recordings_stay_exact_in_float32():
    blank, emit = random_scores(1, 400, 60)
    double = total_log_prob(blank, emit, lengths(400), lengths(60)).item()
    single = total_log_prob(blank.float(), emit.float(), lengths(400), lengths(60)).item()
    assert single == pytest.approx(double, rel=1e-6)


def test_no_recording_at_all():
    found = total_log_prob(torch.zeros(0, 4, 3), torch.zeros(0, 4, 2), lengths(), lengths())
    assert found.shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(emit=torch.zeros(2, 5, 4)), r"blank is \(2, 5, 4\), emit \(2, 5, 4\): expected"),
        (dict(emit=torch.zeros(2, 4, 3)), "emit .2, 4, 3."),
        (dict(blank=torch.zeros(5, 4)), r"blank is \(5, 4\)"),
        (
            dict(blank=torch.zeros(2, 5, 4).half(), emit=torch.zeros(2, 5, 3).half()),
            "torch.float16.*float32 or",
        ),
        (dict(blank=torch.zeros(2, 5, 4).double()), "torch.float64, emit torch.float32"),
        (dict(frames=lengths(5)), r"frames is \(1,\), expected \(2,\)"),
        (dict(frames=lengths(5, 6)), r"frames \[5, 6\] outside 0..5"),
        (dict(frames=lengths(-1, 5)), r"frames \[-1, 5\] outside 0..5"),
        (dict(tokens=lengths(3, 4)), r"tokens \[3, 4\] outside 0..3"),
        (dict(tokens=lengths(-1, 3)), r"tokens \[-1, 3\] outside 0..3"),
        (dict(tokens=torch.tensor([1.0, 2.0])), "tokens is torch.float32, expected int64"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    arguments = dict(
        blank=torch.zeros(2, 5, 4), emit=torch.zeros(2, 5, 3), frames=lengths(5, 5), tokens=lengths(3, 3)
    )
    with pytest.raises(ConfigError, match=message):
        total_log_prob(**(arguments | change))
