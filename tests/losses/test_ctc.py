"""CTC against an enumeration of all label sequences and against torch; the even alignment against its sum."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sonant.errors import ConfigError
from sonant.losses import ctc_loss
from sonant.losses.ctc import by_graphs, by_torch


def emissions(
    labels: tuple[int, ...], begins: tuple[bool, ...], topology: str, blank: int
) -> list[int] | None:
    """The frames where tokens begin, if a sequence of labels and of marks where one does is an alignment."""
    for t, (label, begin) in enumerate(zip(labels, begins, strict=True)):
        goes_on = t > 0 and labels[t - 1] == label
        if begin and (label == blank or (topology == "standard" and goes_on)):
            return None
        if not begin and label != blank and (topology == "minimal" or not goes_on):
            return None
    return [t for t, begin in enumerate(begins) if begin]


def brute_force(
    logits: np.ndarray, targets: list[int], blank: int = 0, topology: str = "standard", delay: float = 0.0
) -> float:
    """logits (frames, vocabulary); inf where no sequence of labels collapses to the targets."""
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    total, frames = -np.inf, len(logits)
    for labels in itertools.product(range(logits.shape[1]), repeat=frames):
        for begins in itertools.product([False, True], repeat=frames):
            found = emissions(labels, begins, topology, blank)
            if found is not None and [labels[t] for t in found] == targets:
                score = sum(log_probs[t, label] for t, label in enumerate(labels))
                total = np.logaddexp(total, score - delay * sum(t - frames // 2 for t in found))
    return -float(total)


@pytest.mark.parametrize("topology", ["standard", "modified", "minimal"])
@pytest.mark.parametrize("delay", [0.0, 0.4])
@pytest.mark.parametrize("targets", [[], [1], [2, 1], [1, 1], [1, 2, 1]])
@pytest.mark.parametrize("frames", [1, 3, 4])
def test_equals_the_enumeration(problem, frames, targets, delay, topology):
    logits, _, length, _ = problem((frames,), (len(targets),), vocabulary=3)
    found = ctc_loss(
        logits,
        torch.tensor([targets], dtype=torch.int64),
        length,
        torch.tensor([len(targets)]),
        topology=topology,
        delay_penalty=delay,
    )
    expected = brute_force(logits[0].numpy(), targets, 0, topology, delay)
    # What is infeasible counts as zero.
    assert found.item() == pytest.approx(0.0 if np.isinf(expected) else expected, abs=1e-10)


@pytest.mark.parametrize("blank", [0, 4])
def test_equals_torch_on_a_batch_of_odd_lengths(problem, blank):
    logits, targets, frames, tokens = problem((30, 7, 19, 12), (9, 0, 4, 5))
    targets = targets - int(blank == 4)
    found = ctc_loss(logits, targets, frames, tokens, blank=blank)
    log_probs = logits.log_softmax(-1).transpose(0, 1)
    expected = F.ctc_loss(log_probs, targets, frames, tokens, blank=blank, reduction="none")
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("blank", [0, 4])
def test_both_implementations_of_the_standard_topology_agree(problem, blank, dtype):
    """Values and gradients through the normalisation, impossible tokens and frames among them."""
    logits, targets, *lengths = problem((30, 7, 19, 12, 3), (9, 0, 4, 5, 3))
    targets = targets - int(blank == 4)
    logits[3, ::3, 2] = -torch.inf
    logits = logits.to(dtype).requires_grad_()
    results = []
    for loss in (
        lambda scores: by_torch(scores, targets, *lengths, blank),
        lambda scores: by_graphs(scores, targets, *lengths, blank, "standard", 0.0),
    ):
        found = loss(logits.log_softmax(-1))
        results.append((found, torch.autograd.grad(found.sum(), logits)[0]))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("topology", ["standard", "modified", "minimal"])
def test_options_have_gradients_and_other_blanks(problem, topology, blank):
    logits, targets, *lengths = problem((3, 2), (1, 1), vocabulary=3)
    targets = torch.where(targets == blank, 0, targets)
    options = dict(blank=blank, topology=topology, delay_penalty=0.3, smoothing=0.2)
    assert torch.autograd.gradcheck(
        lambda x: ctc_loss(x, targets, *lengths, **options), logits.requires_grad_()
    )


def test_smoothing_is_a_share_of_the_cross_entropy_with_a_uniform_distribution(problem):
    logits, targets, *lengths = problem((6, 3), (2, 1))
    logits[0, 2, 3] = -torch.inf
    plain, smooth = (ctc_loss(logits, targets, *lengths, smoothing=s) for s in (0.0, 0.25))
    log_probs = logits.log_softmax(-1).nan_to_num(neginf=0.0)
    uniform = torch.stack([-log_probs[0].mean(-1).sum(), -log_probs[1, :3].mean(-1).sum()])
    torch.testing.assert_close(smooth, 0.75 * plain + 0.25 * uniform)


def test_logits_that_are_no_numbers_are_their_own_loss(problem):
    logits, targets, *lengths = problem((6, 5, 4), (2, 1, 2))
    expected = ctc_loss(logits, targets, *lengths)
    logits[1, 3, 2] = torch.nan
    logits[2, 0, 1] = torch.inf
    found = ctc_loss(logits, targets, *lengths)
    assert found.isnan().tolist() == [False, True, True] and found[0] == expected[0]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (dict(topology="compact"), "topology 'compact', expected"),
        (dict(smoothing=1.0), "smoothing 1.0, expected"),
    ],
)
def test_options_that_are_none_are_named(problem, option, message):
    with pytest.raises(ConfigError, match=message):
        ctc_loss(*problem((6,), (2,)), **option)


@pytest.mark.parametrize(
    ("frames", "tokens"), [((1,), (0,)), ((4,), (0,)), ((5, 3), (2, 1)), ((6, 2, 4), (2, 0, 2))]
)
def test_gradient(problem, frames, tokens):
    logits, *others = problem(frames, tokens)
    assert torch.autograd.gradcheck(lambda x: ctc_loss(x, *others), logits.requires_grad_())


def test_infeasible_targets_count_as_zero_without_gradient(problem):
    logits, _, frames, tokens = problem((6, 2, 3), (3, 3, 3))
    targets = torch.tensor([[1, 2, 3], [1, 2, 3], [1, 1, 2]])  # the last needs a blank between its two ones
    logits.requires_grad_()
    loss = ctc_loss(logits, targets, frames, tokens)
    loss.sum().backward()
    assert loss[0] > 0 and loss[1:].tolist() == [0.0, 0.0]
    assert (logits.grad[0] != 0).any() and (logits.grad[1:] == 0).all()


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_padding_is_not_looked_at(problem, poison):
    frames, tokens = (6, 2, 4, 0), (3, 1, 0, 0)
    results = []
    for value, token in ((0.0, 0), (poison, -1), (poison, 99)):
        logits, targets, *lengths = problem(frames, tokens)
        for i, (t, u) in enumerate(zip(frames, tokens, strict=True)):
            logits[i, t:] = value
            targets[i, u:] = token
        logits.requires_grad_()
        found = ctc_loss(logits, targets, *lengths)
        found.sum().backward()
        results.append((found.detach(), logits.grad))
    for found, gradient in results:
        assert torch.equal(found, results[0][0]) and torch.equal(gradient, results[0][1])
        assert torch.isfinite(found).all() and torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tokens_that_are_impossible(problem, dtype):
    logits, _, frames, tokens = problem((5,), (2,), vocabulary=4)
    logits[..., 3] = -torch.inf
    logits[0, 1, 1] = logits[0, 3, 0] = -torch.inf
    expected = brute_force(logits[0].numpy(), [1, 2])
    logits = logits.to(dtype).requires_grad_()
    loss = ctc_loss(logits, torch.tensor([[1, 2]]), frames, tokens)
    loss.sum().backward()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert torch.isfinite(logits.grad).all()


def test_frames_where_everything_is_impossible(problem):
    logits, targets, *lengths = problem((5, 5, 5), (2, 2, 2))
    logits[0] = -torch.inf
    logits[1, 2] = -torch.inf
    logits.requires_grad_()
    loss = ctc_loss(logits, targets, *lengths)
    loss.sum().backward()
    assert loss[:2].tolist() == [0.0, 0.0] and loss[2] > 0
    assert (logits.grad[:2] == 0).all() and (logits.grad[2] != 0).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(problem, dtype):
    logits, targets, *lengths = problem((40, 30), (9, 5))
    half = logits.to(dtype).requires_grad_()
    found = ctc_loss(half, targets, *lengths)
    found.sum().backward()
    assert found.dtype == torch.float32 and half.grad.dtype == dtype
    torch.testing.assert_close(
        found.double(), ctc_loss(half.detach().double(), targets, *lengths), rtol=1e-5, atol=0
    )
    assert torch.isfinite(half.grad).all()


def test_nothing_said_at_all():
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    found = ctc_loss(logits, nothing, torch.tensor([3, 2]), torch.tensor([0, 0]))
    found.sum().backward()
    blanks = -logits.detach().log_softmax(-1)[..., 0]
    expected = [blanks[0].sum(), blanks[1, :2].sum()]
    torch.testing.assert_close(found.detach(), torch.tensor(expected))
    assert torch.isfinite(logits.grad).all()


def test_no_recording_at_all():
    empty = torch.zeros(0, dtype=torch.int64)
    assert ctc_loss(torch.zeros(0, 3, 4), empty[:, None].expand(0, 2), empty, empty).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(logits=torch.zeros(2, 5, 4, 6)),
            r"logits are \(2, 5, 4, 6\), expected \(batch, frames, vocabulary\)",
        ),
        (dict(targets=torch.ones(3, 3, dtype=torch.int64)), r"targets are \(3, 3\)"),
        (dict(targets=torch.ones(6, dtype=torch.int64)), r"targets are \(6,\)"),
        (dict(targets=torch.full((2, 3), 6)), r"targets 6..6, but the logits have tokens 0..5"),
        (dict(frames=torch.tensor([5, 6])), r"frames \[5, 6\] outside 0..5"),
        (dict(frames=torch.tensor([5.0, 5.0])), "frames is torch.float32, expected int64"),
        (dict(tokens=torch.tensor([4, 1])), r"tokens \[4, 1\] outside 0..3"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    arguments = dict(
        logits=torch.zeros(2, 5, 6),
        targets=torch.ones(2, 3, dtype=torch.int64),
        frames=torch.tensor([5, 5]),
        tokens=torch.tensor([3, 3]),
    )
    with pytest.raises(ConfigError, match=message):
        ctc_loss(**(arguments | change))


def test_a_blank_outside_the_vocabulary_is_named():
    one = torch.ones(1, 1, dtype=torch.int64)
    with pytest.raises(ConfigError, match=r"blank 6, but the logits have tokens 0\.\.5"):
        ctc_loss(torch.zeros(1, 5, 6), one, torch.tensor([5]), torch.tensor([1]), blank=6)
