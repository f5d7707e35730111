"""CTC searches against enumeration of all alignments, and against plain Python."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.search import CtcGreedy, CtcPrefixBeam, ctc_greedy, ctc_prefix_beam


def random_scores(seed, frames, tokens, sharpness=1.0):
    logits = np.random.default_rng(seed).normal(size=(frames, tokens)) * sharpness
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def collapse(path, blank):
    """[(token, first frame, end frame)] of an alignment."""
    runs, last = [], blank
    for t, token in enumerate(path):
        if token != blank and token == last:
            runs[-1][2] = t + 1
        elif token != blank:
            runs.append([token, t, t + 1])
        last = token
    return tuple(tuple(run) for run in runs)


def enumerate_alignments(scores, blank):
    """{tokens: (log of the sum over its alignments, best alignment's runs, ordered by sum)}."""
    totals, best = {}, {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        score = math.fsum(float(scores[t, token]) for t, token in enumerate(path))
        if score == -math.inf:
            continue
        runs = collapse(path, blank)
        tokens = tuple(run[0] for run in runs)
        totals[tokens] = np.logaddexp(totals.get(tokens, -math.inf), score)
        if score > best.get(tokens, (-math.inf,))[0]:
            best[tokens] = (score, runs)
    ordered = sorted(totals, key=totals.__getitem__, reverse=True)
    return {tokens: (totals[tokens], best[tokens][1]) for tokens in ordered}


def plain_prefix_beam(scores, beam, blank):
    """Hannun et al. 2014, algorithm 1 without the language model: every prefix, every token, a dictionary."""
    live = {(): (0.0, -math.inf)}  # prefix -> (paths that end in blank, paths that do not)
    for row in scores.astype(float):
        reached = {}

        def add(prefix, blank_score, token_score, reached=reached):
            b, n = reached.get(prefix, (-math.inf, -math.inf))
            reached[prefix] = (np.logaddexp(b, blank_score), np.logaddexp(n, token_score))

        for prefix, (b, n) in live.items():
            for token, log_prob in enumerate(row):
                if token == blank:
                    add(prefix, np.logaddexp(b, n) + log_prob, -math.inf)
                elif prefix and token == prefix[-1]:
                    add(prefix, -math.inf, n + log_prob)
                    add((*prefix, token), -math.inf, b + log_prob)
                else:
                    add((*prefix, token), -math.inf, np.logaddexp(b, n) + log_prob)
        finite = [item for item in reached.items() if np.logaddexp(*item[1]) > -math.inf]
        live = dict(sorted(finite, key=lambda item: -np.logaddexp(*item[1]))[:beam])
    return [(prefix, np.logaddexp(*parts)) for prefix, parts in live.items()]


@pytest.mark.parametrize(
    ("frames", "tokens", "blank"), [(1, 2, 0), (3, 3, 0), (5, 3, 2), (6, 4, 1), (7, 3, 0)]
)
def test_prefix_beam_with_room_for_all_is_the_sum_over_all_alignments(frames, tokens, blank):
    for seed in range(5):
        scores = random_scores(seed, frames, tokens)
        if seed == 4:
            scores[np.random.default_rng(9).random(scores.shape) < 0.3] = -np.inf
            scores[:, blank] = -1.0
        expected = enumerate_alignments(scores, blank)
        found = ctc_prefix_beam([scores], beam=100_000, nbest=100_000, blank=blank)[0]
        assert {h.tokens for h in found} == set(expected)
        assert found[0].tokens == next(iter(expected))
        for h in found:
            total, runs = expected[h.tokens]
            assert h.score == pytest.approx(total, rel=1e-12, abs=1e-12)
            assert h.frames == tuple(run[1] for run in runs)
            assert h.end_frames == tuple(run[2] for run in runs)
            assert h.log_probs == tuple(float(scores[start:end, token].max()) for token, start, end in runs)


@pytest.mark.parametrize("beam", [1, 2, 3, 8, 30])
@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("sharpness", [0.1, 1.0, 4.0])
def test_pruning_of_tokens_is_exact_for_the_beam(beam, blank, sharpness):
    scores = random_scores(beam, 25, 9, sharpness)
    expected = plain_prefix_beam(scores, beam, blank)
    found = ctc_prefix_beam([scores], beam=beam, nbest=beam, blank=blank)[0]
    assert [h.tokens for h in found] == [tokens for tokens, _ in expected]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected], rel=1e-12)


def test_greedy_is_the_plain_loop():
    for seed in range(20):
        blank = seed % 5
        scores = random_scores(seed, 40, 5, 2.0)
        runs = collapse(scores.argmax(axis=1).tolist(), blank)
        h = ctc_greedy([scores], blank=blank)[0]
        assert h.tokens == tuple(run[0] for run in runs)
        assert h.frames == tuple(run[1] for run in runs)
        assert h.end_frames == tuple(run[2] for run in runs)
        assert h.log_probs == tuple(float(scores[start:end, token].max()) for token, start, end in runs)
        assert h.confidences == pytest.approx(np.exp(h.log_probs))
        assert h.score == pytest.approx(float(scores.max(axis=1).astype(float).sum()), rel=1e-12)


def cut(scores, cuts):
    edges = [0, *sorted(cuts), len(scores)]
    return [scores[a:b] for a, b in itertools.pairwise(edges)]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(0, 60),
    tokens=st.integers(1, 12),
    beam=st.integers(1, 12),
    sharpness=st.sampled_from([0.3, 1.0, 5.0]),
    holes=st.sampled_from([0.0, 0.2, 0.9]),
    settle_after=st.sampled_from([0, 0, 1, 3, 10]),
    data=st.data(),
)
def test_any_chunking_and_well_formed_hypotheses(
    seed, frames, tokens, beam, sharpness, holes, settle_after, data
):
    scores = random_scores(seed, frames, tokens, sharpness)
    scores[np.random.default_rng(seed).random(scores.shape) < holes] = -np.inf
    blank = data.draw(st.integers(0, tokens - 1))
    cuts = data.draw(st.lists(st.integers(0, frames), max_size=8))
    stream, greedy = CtcPrefixBeam(beam, blank, settle_after), CtcGreedy(blank)
    stable: tuple[int, ...] = ()
    for part in cut(scores, cuts):
        stream.advance(part)
        greedy.advance(part)
        live = stream.hypotheses(beam)
        assert all(h.tokens[: len(stable)] == stable for h in live)
        now = live[0].tokens[: stream.stable()]
        assert all(h.tokens[: len(now)] == now for h in live)
        assert len(now) >= len(stable)
        stable = now
        assert greedy.stable() == len(greedy.hypotheses()[0].tokens)
    whole = ctc_prefix_beam([scores], beam=beam, nbest=beam, blank=blank, settle_after=settle_after)[0]
    assert stream.hypotheses(beam) == whole  # bit for bit
    assert greedy.hypotheses() == ctc_greedy([scores], blank=blank)
    assert stream.frames == greedy.frames == frames

    assert 1 <= len(whole) <= beam
    assert len({h.tokens for h in whole}) == len(whole)
    assert [h.score for h in whole] == sorted((h.score for h in whole), reverse=True)
    for h in [*whole, *greedy.hypotheses()]:
        assert blank not in h.tokens
        assert len(h.tokens) == len(h.frames) == len(h.end_frames) == len(h.log_probs)
        assert h.score <= 1e-4
        for i, token in enumerate(h.tokens):
            assert 0 <= h.frames[i] < h.end_frames[i] <= frames
            assert h.log_probs[i] == scores[h.frames[i] : h.end_frames[i], token].max() <= 0
            if i:
                assert h.frames[i] >= h.end_frames[i - 1] + (token == h.tokens[i - 1])


def test_frame_by_frame_is_the_whole():
    scores = random_scores(5, 200, 33, 2.0)
    stream = CtcPrefixBeam(16)
    for t in range(200):
        stream.advance(scores[t : t + 1])
    assert stream.hypotheses(16) == ctc_prefix_beam([scores], beam=16, nbest=16)[0]


def test_threads_change_nothing():
    batch = [random_scores(i, 7 * i % 53, 17, 2.0) for i in range(20)]
    for threads in (1, 2, 3):
        assert ctc_prefix_beam(batch, beam=6, nbest=6, num_threads=threads) == [
            ctc_prefix_beam([scores], beam=6, nbest=6)[0] for scores in batch
        ]
        assert ctc_greedy(batch, num_threads=threads) == [ctc_greedy([scores])[0] for scores in batch]


def test_start_leaves_tokens_out():
    scores = random_scores(1, 60, 6, 3.0)
    for search in (CtcPrefixBeam(5), CtcGreedy()):
        search.advance(scores)
        whole = search.hypotheses(5)
        for start in (0, 1, len(whole[0].tokens), 1000):
            for h, full in zip(search.hypotheses(5, start=start), whole, strict=True):
                assert h.tokens == full.tokens[start:]
                assert h.frames == full.frames[start:]
                assert h.end_frames == full.end_frames[start:]
                assert h.log_probs == full.log_probs[start:]
                assert h.score == full.score


def test_no_utterances_no_frames_and_one_token():
    assert ctc_greedy([]) == [] and ctc_prefix_beam([]) == []
    for scores in (np.zeros((0, 5), np.float32), np.zeros((9, 1), np.float32)):
        (h,) = ctc_greedy([scores])
        assert ctc_prefix_beam([scores], nbest=3) == [[h]]
        assert (h.tokens, h.score) == ((), 0.0)


def test_a_frame_without_any_token_is_passed_over_and_the_score_says_so():
    scores = random_scores(3, 12, 4, 4.0)
    silent = np.full((1, 4), -np.inf, np.float32)
    blank = np.array([[0, -np.inf, -np.inf, -np.inf]], np.float32)
    with_hole, with_blank = (np.concatenate([scores[:6], row, scores[6:]]) for row in (silent, blank))
    for search in (lambda s: ctc_greedy([s]), lambda s: ctc_prefix_beam([s], beam=5, nbest=5)[0]):
        for holed, blanked in zip(search(with_hole), search(with_blank), strict=True):
            assert holed.score == -math.inf
            assert (holed.tokens, holed.frames, holed.log_probs) == (
                blanked.tokens,
                blanked.frames,
                blanked.log_probs,
            )
    assert ctc_prefix_beam([np.concatenate([silent, silent])])[0][0].tokens == ()


def test_probabilities_a_little_above_one_stay_confidences():
    scores = np.array([[-20.0, 1e-6], [1e-6, -20.0]], np.float32)
    assert ctc_greedy([scores])[0].log_probs == ctc_prefix_beam([scores])[0][0].log_probs == (0.0,)


def test_ties_fall_the_same_way_every_time():
    scores = np.full((10, 4), -math.log(4), np.float32)
    assert ctc_greedy([scores])[0].tokens == ()
    stream = CtcPrefixBeam(7)
    for t in range(10):
        stream.advance(scores[t : t + 1])
    assert stream.hypotheses(7) == ctc_prefix_beam([scores], beam=7, nbest=7)[0]


def test_padded_batches_and_transposed_arrays():
    batch = np.stack([random_scores(i, 11, 5) for i in range(3)])
    assert ctc_greedy(list(batch)) == [ctc_greedy([scores.copy()])[0] for scores in batch]
    turned = np.ascontiguousarray(batch[0].T).T
    assert not turned.flags.c_contiguous
    assert ctc_prefix_beam([turned]) == ctc_prefix_beam([batch[0]])


def long_stream(seed, frames, tokens):
    """Mostly blank and mostly sure, as CTC output is, with doubts here and there."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(frames, tokens)) * 6
    logits[rng.random(frames) < 0.8, 0] += 20
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def test_memory_follows_the_tokens_alive_not_the_frames():
    search = CtcPrefixBeam(10, settle_after=100)
    for block in range(25):
        search.advance(long_stream(block, 2000, 20))
        (best,) = search.hypotheses()
        # What was said more than twice settle_after ago is settled.
        assert search.stable() >= sum(frame < search.frames - 200 for frame in best.frames)
    assert search.frames == 50_000
    assert len(best.tokens) > 5000
    # Two slots for each token of the shared past (trie and times), and a few per live hypothesis.
    assert search._search.capacity() < 2 * len(best.tokens) + 2000


def test_settling_keeps_the_best_hypothesis():
    scores = long_stream(1, 3000, 20)
    exact, settled = CtcPrefixBeam(10), CtcPrefixBeam(10, settle_after=50)
    for search in (exact, settled):
        search.advance(scores)
    assert settled.hypotheses()[0].tokens == exact.hypotheses()[0].tokens
    assert settled.stable() > exact.stable()
