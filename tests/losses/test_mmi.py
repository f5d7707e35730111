"""LF-MMI against an enumeration of all that a network could say, and of all ways to say it."""

import gzip
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import sonant.fsa as k2
from sonant.errors import ConfigError, FstError
from sonant.fst import NgramLm
from sonant.kaldi.hmm import TransitionModel, split_to_phones
from sonant.kaldi.util.io import xopen
from sonant.losses import MmiGraphs, MmiLoss, classes_of, mmi_loss
from sonant.losses.mmi_graphs import occupancy, token_model, topology

YESNO = Path(__file__).parents[1] / "data" / "kaldi-yesno"
KINDS = ["ctc", "modified-ctc", "one-state", "two-state"]
TRANSCRIPTS = [[1, 2], [2, 2, 1], [1], [2, 1, 1, 2], [1, 2, 1]]


@pytest.fixture(scope="module")
def model() -> NgramLm:
    return NgramLm.train([" ".join(map(str, row)) for row in TRANSCRIPTS], 2, vocabulary=["1", "2"])


def dense_of(scores: torch.Tensor, frames: list[int]) -> k2.DenseFsaVec:
    segments = torch.tensor([[i, 0, n] for i, n in enumerate(frames)], dtype=torch.int32)
    return k2.DenseFsaVec(scores, segments)


def random_scores(batch: int, frames: int, classes: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(batch, frames, classes, generator=generator, dtype=torch.float64)


def alignments(kind: str, frames: int, tokens: int = 2):
    """All of them: a class for each frame, and the tokens that they say."""
    blank = kind.endswith("ctc")
    # Of each frame its token (0: blank), and whether that begins there.
    choices = [(0, False)] * blank + [
        (token, begin) for token in range(1, tokens + 1) for begin in (True, False)
    ]
    for frame in itertools.product(choices, repeat=frames):
        before = [(0, False), *frame]
        if any(not begin and token and before[t][0] != token for t, (token, begin) in enumerate(frame)):
            continue
        if kind == "ctc" and any(begin and before[t][0] == token for t, (token, begin) in enumerate(frame)):
            continue
        classes = {
            "one-state": [token - 1 for token, _ in frame],
            "two-state": [2 * token - 1 - begin for token, begin in frame],
        }.get(kind, [token for token, _ in frame])
        yield classes, tuple(token for token, begin in frame if begin)


def brute_force(
    kind, model, scores: np.ndarray, transcript: list[int] | None, penalty: np.ndarray | None = None
):
    """log sum over the alignments (of a transcript, if given) of exp of their scores and the model's."""
    found = [
        sum(scores[t, c] for t, c in enumerate(classes))
        + model.score_sentence(list(map(str, said)))
        - (0 if penalty is None else sum(penalty[t, c] for t, c in enumerate(classes)))
        for classes, said in alignments(kind, len(scores))
        if transcript is None or list(said) == transcript
    ]
    return float(np.logaddexp.reduce(found)) if found else -np.inf


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_enumeration(kind, model):
    graphs = MmiGraphs.of(topology(kind, 2), token_model(model, 2))
    transcripts, frames = [[1, 2], [2], [1, 1]], [4, 3, 4]
    scores = random_scores(3, 4, graphs.classes)
    loss = mmi_loss(
        dense_of(scores, frames), graphs.numerators(transcripts), graphs.denominator, reduction="none"
    )
    for i, (transcript, n) in enumerate(zip(transcripts, frames, strict=True)):
        row = scores[i, :n].numpy()
        expected = brute_force(kind, model, row, None) - brute_force(kind, model, row, transcript)
        assert loss[i].item() == pytest.approx(expected, abs=1e-5)  # the model's scores are float32
        assert loss[i] > 0


def test_boosting_adds_for_each_frame_that_differs(model):
    graphs = MmiGraphs.of(topology("two-state", 2), token_model(model, 2))
    scores, transcript, boost = random_scores(1, 4, graphs.classes), [1, 2], 0.8
    loss = mmi_loss(dense_of(scores, [4]), graphs.numerators([transcript]), graphs.denominator, boost=boost)
    # The posterior of each class in each frame, by differences.
    row, step = scores[0].numpy(), 1e-5
    said = brute_force("two-state", model, row, transcript)
    posterior = np.zeros_like(row)
    for at in np.ndindex(row.shape):
        changed = row.copy()
        changed[at] += step
        posterior[at] = (brute_force("two-state", model, changed, transcript) - said) / step
    expected = brute_force("two-state", model, row, None, boost * posterior) - said
    assert loss.item() == pytest.approx(expected, abs=1e-4)


def test_the_gradient_is_the_difference_of_posteriors(model):
    graphs = MmiGraphs.of(topology("ctc", 2), token_model(model, 2))
    scores = random_scores(2, 5, 3).requires_grad_()
    numerators = graphs.numerators([[1, 2], [2]])
    options = dict(leak=0.01, reduction="none")
    assert torch.autograd.gradcheck(
        lambda x: mmi_loss(dense_of(x, [5, 3]), numerators, graphs.denominator, **options), scores
    )
    mmi_loss(dense_of(scores, [5, 3]), numerators, graphs.denominator).backward()
    assert scores.grad is not None
    torch.testing.assert_close(scores.grad.sum(-1), torch.zeros(2, 5, dtype=torch.float64))
    assert (scores.grad[1, 3:] == 0).all()


def test_alignments_and_lattices_are_numerators(model):
    """Of an alignment: one path. Of a lattice of two: both."""
    graphs = MmiGraphs.of(topology("one-state", 2), token_model(model, 2))
    scores = random_scores(1, 3, 2)
    row, dense = scores[0].numpy(), dense_of(scores, [3])
    could = brute_force("one-state", model, row, None)
    one, other = row[0, 0] + row[1, 0] + row[2, 1], row[0, 0] + row[1, 1] + row[2, 1]
    loss = mmi_loss(dense, k2.linear_fsa([[0, 0, 1]]), graphs.denominator)
    assert loss.item() == pytest.approx(could - one, abs=1e-5)
    lattice = k2.Fsa.from_str("0 1 0 0\n1 2 0 0\n1 2 1 0\n2 3 1 0\n3 4 -1 0\n4")
    loss = mmi_loss(dense, k2.create_fsa_vec([lattice]), graphs.denominator)
    assert loss.item() == pytest.approx(could - np.logaddexp(one, other), abs=1e-5)


def test_a_leak_reaches_what_the_graph_does_not():
    """A denominator of class 0 first and 1 after it: from any state on, with a leak to both."""
    denominator = k2.Fsa.from_str("0 1 0 0\n1 1 1 0\n1 2 -1 0\n2")
    scores = random_scores(1, 2, 2)
    assert occupancy(denominator).tolist() == pytest.approx([0.01, 0.99, 0])
    (a, b), leak = scores[0].exp().numpy(), 0.1
    share = leak * np.array([0.01, 0.99])
    matrix = np.eye(2) + share[None, :]  # from each state: stay, or leak to each
    start = np.array([1.0, 0.0]) @ matrix
    first = np.array([0, start[0] * a[0] + start[1] * a[1]]) @ matrix
    second = np.array([0, first[0] * b[0] + first[1] * b[1]]) @ matrix
    numerator = k2.linear_fsa([[0, 1]])
    loss = mmi_loss(dense_of(scores, [2]), numerator, denominator, leak=leak)
    assert loss.item() == pytest.approx(math.log(second[1]) - float(scores[0, 0, 0] + scores[0, 1, 1]))


def test_too_short_for_its_transcript(model):
    graphs = MmiGraphs.of(topology("ctc", 2), token_model(model, 2))
    scores = random_scores(2, 4, 3).requires_grad_()
    dense, numerators = dense_of(scores, [2, 4]), graphs.numerators([[1, 2, 1], [1]])
    loss = mmi_loss(dense, numerators, graphs.denominator, reduction="none")
    assert loss[0] == math.inf and 0 < loss[1] < math.inf
    loss = mmi_loss(dense, numerators, graphs.denominator, zero_infinity=True, boost=0.1)
    loss.backward()
    assert scores.grad is not None
    assert (scores.grad[0] == 0).all() and (scores.grad[1] != 0).any() and loss.isfinite()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_token_model_is_the_ngram_exactly(order):
    model = NgramLm.train([" ".join(map(str, row)) for row in TRANSCRIPTS], order, vocabulary=["1", "2", "3"])
    acceptor = token_model(model, 3)
    for length in range(4):
        for row in itertools.product([1, 2, 3], repeat=length):
            found = k2.intersect(acceptor, k2.linear_fsa([list(row)])).get_tot_scores(True, True)
            assert found.item() == pytest.approx(model.score_sentence(list(map(str, row))), abs=1e-5)


def test_pruned_models_and_reductions():
    full = MmiGraphs.train(TRANSCRIPTS, 2, "two-state", order=3)
    pruned = MmiGraphs.train(TRANSCRIPTS, 2, "two-state", order=3, prune=1.0)
    assert pruned.denominator.num_arcs < full.denominator.num_arcs and full.classes == 4
    dense = dense_of(random_scores(2, 5, 4).float(), [5, 3])
    numerators = full.numerators([[1], [2]])
    by = {r: MmiLoss(full.denominator, reduction=r)(dense, numerators) for r in ("none", "sum", "mean")}
    assert by["sum"] == by["none"].sum() and by["mean"] == by["sum"] / 8


def test_what_does_not_fit_is_named(model):
    graphs = MmiGraphs.of(topology("ctc", 2), token_model(model, 2))
    dense, numerators = dense_of(random_scores(1, 4, 3), [4]), graphs.numerators([[1]])
    for call, error, message in (
        (lambda: MmiGraphs.train([[1, 3]], 2), ConfigError, "token 3 in the transcripts, expected 1 to 2"),
        (lambda: topology("hmm", 2), ConfigError, "topology 'hmm'"),
        (lambda: topology("ctc", 0), ConfigError, "tokens 0, expected"),
        (lambda: mmi_loss(dense, numerators, numerators), ConfigError, "a denominator of shape"),
        (lambda: mmi_loss(dense, numerators, graphs.denominator, leak=-1), ConfigError, "leak -1"),
        (lambda: mmi_loss(dense, numerators, graphs.denominator, smoothing=1.0), ConfigError, "smoothing 1"),
        (lambda: graphs.aligned([[0, 3]]), ConfigError, "class 3 in alignment 0, expected 0 to 2"),
        (lambda: graphs.aligned([[0]], [[1], [2]]), ConfigError, "2 transcripts and 1 alignments"),
        (lambda: graphs.aligned([[0]], tolerance=-1), ConfigError, "tolerance -1"),
        (lambda: classes_of("one-state", [(1, 0)]), ConfigError, "token 1 for 0 frames"),
        (lambda: mmi_loss(dense, numerators, graphs.denominator, reduction="max"), ConfigError, "'max'"),
        (lambda: mmi_loss(dense, graphs.numerators([[1], [2]]), graphs.denominator), FstError, "2 automata"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_delay_penalty_and_smoothing_by_the_enumeration(model):
    """Two-state: a token begins where its first class is."""
    graphs = MmiGraphs.of(topology("two-state", 2), token_model(model, 2))
    scores, transcript, penalty, share = random_scores(1, 5, graphs.classes), [1, 2], 0.3, 0.1
    row = scores[0].numpy()
    begins = np.where(np.arange(graphs.classes) % 2 == 0, 1, 0) * (np.arange(5)[:, None] - 5 // 2)
    said = brute_force("two-state", model, row, transcript, penalty * begins)
    plain = brute_force("two-state", model, row, None) - said
    log_probs = row - np.logaddexp.reduce(row, -1, keepdims=True)
    expected = (1 - share) * plain - share * log_probs.mean(-1).sum()
    dense, numerators = dense_of(scores, [5]), graphs.numerators([transcript])
    loss = mmi_loss(dense, numerators, graphs.denominator, delay_penalty=penalty, smoothing=share)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [{}, {"leak": 0.1}, {"delay_penalty": 0.2}, {"smoothing": 0.2}, {"zero_infinity": True, "leak": 0.01}],
)
def test_gradients_in_double_precision(options, model):
    graphs = MmiGraphs.of(topology("two-state", 2), token_model(model, 2))
    numerators = graphs.numerators(
        [[1, 2], [2], [1, 2, 1, 2]] if options.get("zero_infinity") else [[1, 2], [2]]
    )
    frames = [4, 3, 2][: numerators.arcs.dim0()]
    scores = random_scores(len(frames), 4, graphs.classes).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: mmi_loss(dense_of(x, frames), numerators, graphs.denominator, **options), scores
    )


def test_paths_near_an_alignment(model):
    graphs = MmiGraphs.of(topology("two-state", 2), token_model(model, 2))
    alignment = classes_of("two-state", [(1, 2), (2, 3)])
    assert alignment == [0, 1, 2, 3, 3]
    scores = random_scores(1, 5, 4)
    row, dense = scores[0].numpy(), dense_of(scores, [5])
    could = brute_force("two-state", model, row, None)
    for tolerance in (0, 1, 4):
        near = [set(alignment[max(0, t - tolerance) : t + tolerance + 1]) for t in range(5)]
        for transcript in (None, [1, 2]):
            away = np.array([[0 if c in near[t] else 1e9 for c in range(4)] for t in range(5)])
            said = brute_force("two-state", model, row, transcript, away)
            numerators = graphs.aligned([alignment], transcript and [transcript], tolerance=tolerance)
            loss = mmi_loss(dense, numerators, graphs.denominator)
            assert loss.item() == pytest.approx(could - said, abs=1e-5)


def test_alignments_of_kaldi_are_numerators():
    """Those of its yesno run: phones of transition-ids, every third frame, 3 frames of tolerance."""
    transitions = TransitionModel()
    with xopen(str(YESNO / "40.mdl")) as file:
        transitions.read(file.stream(), file.binary)
    rows: list[list[tuple[int, int]]] = []
    for line in gzip.decompress((YESNO / "ali.1.gz").read_bytes()).decode().splitlines()[:4]:
        _, parts = split_to_phones(transitions, [int(word) for word in line.split()[1:]])
        ends = np.cumsum([len(part) for part in parts]) // 3
        tokens = [transitions.transition_id_to_phone(part[0]) for part in parts]
        rows.append(list(zip(tokens, np.diff(ends, prepend=0).tolist(), strict=True)))
    said = [[token for token, _ in row] for row in rows]
    graphs = MmiGraphs.train(said, transitions.num_phones(), "two-state", order=2)
    frames = [sum(size for _, size in row) for row in rows]
    dense = dense_of(random_scores(4, max(frames), graphs.classes), frames)
    alignments = [classes_of("two-state", row) for row in rows]
    losses = [
        mmi_loss(dense, numerators, graphs.denominator, reduction="none")
        for numerators in (
            graphs.aligned(alignments),
            graphs.aligned(alignments, said, tolerance=1),
            graphs.numerators(said),
        )
    ]
    assert (losses[0] > losses[1]).all() and (losses[1] > losses[2]).all() and (losses[2] > 0).all()
    assert losses[0].isfinite().all()
