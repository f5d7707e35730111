"""Transducer searches against enumeration of paths, and against plain Python."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.search import (
    TransducerBeam,
    TransducerGreedy,
    advance_transducers,
    transducer_beam,
    transducer_greedy,
)


class Network:
    """Random log-probabilities that depend on the encoder frame and on the whole context."""

    def __init__(self, seed, tokens, context_size=2, sharpness=1.0):
        rng = np.random.default_rng(seed)
        self.frame_weight = rng.normal(size=(5, tokens)).astype(np.float32) * sharpness
        self.context_weight = rng.normal(size=(context_size, tokens, tokens)).astype(np.float32) * sharpness
        self.calls = []

    def __call__(self, frames, contexts):
        assert frames.dtype == np.float32 and contexts.dtype == np.int64 and len(frames) == len(contexts)
        self.calls.append(len(frames))
        # einsum over rows one by one, so that a row does not depend on its neighbours in the last bit
        logits = np.einsum("nd,dv->nv", frames, self.frame_weight)
        for i, weight in enumerate(self.context_weight):
            logits = logits + weight[contexts[:, i]]
        return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)

    def scores(self, frame, tokens, context_size, blank):
        context = ([blank] * context_size + list(tokens))[-context_size:]
        return self(frame[None], np.array([context], np.int64))[0].astype(float)


def encoder(seed, frames):
    return np.random.default_rng(seed).normal(size=(frames, 5)).astype(np.float32)


def enumerate_paths(network, frames, tokens, context_size, blank):
    """{tokens: (log of the sum over its paths, frames of the best path, its log-probabilities)}."""
    totals, best = {}, {}

    def walk(t, said, times, log_probs, score):
        if t == len(frames):
            totals[said] = np.logaddexp(totals.get(said, -math.inf), score)
            if score > best.get(said, (-math.inf,))[0]:
                best[said] = (score, times, log_probs)
            return
        row = network.scores(frames[t], said, context_size, blank)
        for token in range(tokens):
            if token == blank:
                walk(t + 1, said, times, log_probs, score + row[token])
            else:
                walk(t + 1, (*said, token), (*times, t), (*log_probs, row[token]), score + row[token])

    walk(0, (), (), (), 0.0)
    ordered = sorted(totals, key=totals.__getitem__, reverse=True)
    return {said: (totals[said], *best[said][1:]) for said in ordered}


def plain_beam(network, frames, beam, tokens, context_size, blank):
    live = {(): 0.0}
    for frame in frames:
        reached = {}
        for said, score in live.items():
            row = network.scores(frame, said, context_size, blank)
            for token in range(tokens):
                after = said if token == blank else (*said, token)
                reached[after] = np.logaddexp(reached.get(after, -math.inf), score + row[token])
        live = dict(sorted(reached.items(), key=lambda item: -item[1])[:beam])
    return list(live.items())


@pytest.mark.parametrize(
    ("frames", "tokens", "context_size", "blank"), [(1, 2, 1, 0), (3, 4, 2, 0), (5, 3, 2, 2), (6, 3, 3, 1)]
)
def test_beam_with_room_for_all_is_the_sum_over_all_paths(frames, tokens, context_size, blank):
    for seed in range(3):
        network, x = Network(seed, tokens, context_size), encoder(seed, frames)
        expected = enumerate_paths(network, x, tokens, context_size, blank)
        found = transducer_beam(
            network, [x], beam=10_000, nbest=10_000, context_size=context_size, blank=blank
        )[0]
        assert {h.tokens for h in found} == set(expected)
        assert found[0].tokens == next(iter(expected))
        for h in found:
            total, times, log_probs = expected[h.tokens]
            assert h.score == pytest.approx(total, rel=1e-6)
            assert h.frames == times
            assert h.end_frames == tuple(t + 1 for t in times)
            assert h.log_probs == pytest.approx(log_probs, rel=1e-6)


@pytest.mark.parametrize("beam", [1, 2, 4, 9])
@pytest.mark.parametrize("blank", [0, 2])
def test_beam_is_the_plain_one(beam, blank):
    for seed in range(3):
        network, x = Network(seed, 7, sharpness=1.5), encoder(seed, 15)
        expected = plain_beam(network, x, beam, 7, 2, blank)
        found = transducer_beam(network, [x], beam=beam, nbest=beam, blank=blank)[0]
        assert [h.tokens for h in found] == [said for said, _ in expected]
        assert [h.score for h in found] == pytest.approx([score for _, score in expected], rel=1e-5)


@pytest.mark.parametrize("max_symbols", [1, 2, 5])
@pytest.mark.parametrize("context_size", [1, 2, 3])
def test_greedy_is_the_plain_loop(max_symbols, context_size):
    for seed in range(5):
        network, x = Network(seed, 6, context_size), encoder(seed, 20)
        blank = seed % 3
        said, times, log_probs, total = [], [], [], 0.0
        for t, frame in enumerate(x):
            for _ in range(max_symbols):
                row = network.scores(frame, said, context_size, blank)
                token = int(row.argmax())
                total += row[token]
                if token == blank:
                    break
                said.append(token)
                times.append(t)
                log_probs.append(row[token])
        h = transducer_greedy(network, [x], context_size=context_size, blank=blank, max_symbols=max_symbols)[
            0
        ]
        assert h.tokens == tuple(said)
        assert h.frames == tuple(times)
        assert h.end_frames == tuple(t + 1 for t in times)
        assert h.log_probs == pytest.approx(log_probs)
        assert h.score == pytest.approx(total)


def searches(beam, blank=0, settle_after=0):
    return (
        TransducerBeam(beam, blank=blank, settle_after=settle_after)
        if beam
        else TransducerGreedy(blank=blank)
    )


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(0, 30),
    tokens=st.integers(1, 9),
    beam=st.integers(0, 8),
    sharpness=st.sampled_from([0.3, 1.0, 4.0]),
    settle_after=st.sampled_from([0, 0, 1, 4]),
    data=st.data(),
)
def test_any_chunking_and_well_formed_hypotheses(seed, frames, tokens, beam, sharpness, settle_after, data):
    network, x = Network(seed, tokens, sharpness=sharpness), encoder(seed, frames)
    blank = data.draw(st.integers(0, tokens - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, frames), max_size=6)))
    search, stable = searches(beam, blank, settle_after), ()
    for a, b in itertools.pairwise([0, *cuts, frames]):
        advance_transducers(network, [search], [x[a:b]])
        live = search.hypotheses(100)
        now = live[0].tokens[: search.stable()]
        assert all(h.tokens[: len(now)] == now for h in live)
        assert now[: len(stable)] == stable
        stable = now
    if beam:
        whole = transducer_beam(network, [x], beam=beam, nbest=100, blank=blank, settle_after=settle_after)[0]
    else:
        whole = transducer_greedy(network, [x], blank=blank)
        assert search.stable() == len(whole[0].tokens)
    assert search.hypotheses(100) == whole  # bit for bit
    assert search.frames == frames

    assert 1 <= len(whole) <= max(beam, 1)
    assert len({h.tokens for h in whole}) == len(whole)
    assert [h.score for h in whole] == sorted((h.score for h in whole), reverse=True)
    for h in whole:
        assert blank not in h.tokens
        assert len(h.tokens) == len(h.frames) == len(h.end_frames) == len(h.log_probs)
        assert all(log_prob <= 0 for log_prob in h.log_probs)
        assert all(0 <= t < frames for t in h.frames)
        steps = np.diff(h.frames)
        assert (steps > 0).all() if beam else (steps >= 0).all()


@pytest.mark.parametrize("beam", [0, 1, 5])
def test_many_in_lockstep_are_each_alone(beam):
    network = Network(1, 8, sharpness=2.0)
    batch = [encoder(i, n) for i, n in enumerate([9, 0, 1, 25, 13, 25])]
    together = [searches(beam) for _ in batch]
    advance_transducers(network, together, batch)
    rounds = len(network.calls)
    for search, x in zip(together, batch, strict=True):
        alone = searches(beam)
        advance_transducers(network, [alone], [x])
        assert search.hypotheses(10) == alone.hypotheses(10)
    if beam:
        assert rounds == 25  # one call a frame for all utterances


def test_greedy_and_beam_searches_share_a_step():
    network = Network(1, 8, sharpness=2.0)
    x = encoder(1, 12)
    mixed = [TransducerGreedy(), TransducerBeam(3)]
    advance_transducers(network, mixed, [x, x])
    assert mixed[0].hypotheses() == transducer_greedy(network, [x])
    assert mixed[1].hypotheses(3) == transducer_beam(network, [x], beam=3, nbest=3)[0]


def test_driving_a_search_by_hand():
    network, x = Network(4, 6), encoder(4, 10)
    greedy, beam = TransducerGreedy(max_symbols=2), TransducerBeam(4)
    assert greedy.contexts.tolist() == [[0, 0]]
    assert beam.contexts.tolist() == [[0, 0]]
    for frame in x:
        while not greedy.advance(network(frame[None], greedy.contexts)):
            pass
        contexts = beam.contexts
        assert contexts.shape == (len(beam.hypotheses(100)), 2)
        for context, h in zip(contexts, beam.hypotheses(100), strict=True):
            assert context.tolist() == list((0, 0, *h.tokens)[-2:])
        assert beam.advance(network(np.repeat(frame[None], len(contexts), axis=0), contexts)) is True
    assert greedy.hypotheses() == transducer_greedy(network, [x], max_symbols=2)
    assert beam.hypotheses(4) == transducer_beam(network, [x], beam=4, nbest=4)[0]


def test_start_leaves_tokens_out():
    network, x = Network(2, 6, sharpness=3.0), encoder(2, 40)
    for search in (TransducerBeam(5), TransducerGreedy()):
        advance_transducers(network, [search], [x])
        whole = search.hypotheses(5)
        for start in (0, 2, len(whole[0].tokens), 1000):
            for h, full in zip(search.hypotheses(5, start=start), whole, strict=True):
                assert (h.tokens, h.frames, h.score) == (full.tokens[start:], full.frames[start:], full.score)
                assert (h.end_frames, h.log_probs) == (full.end_frames[start:], full.log_probs[start:])


def test_nothing_in_nothing_out():
    def never(frames, contexts):
        raise AssertionError("no frame, no step")

    assert transducer_greedy(never, []) == [] and transducer_beam(never, []) == []
    empty = np.zeros((0, 5), np.float32)
    assert transducer_greedy(never, [empty])[0].tokens == ()
    assert transducer_beam(never, [empty, empty])[1][0].score == 0.0


def test_a_frame_without_any_token_is_passed_over_and_the_score_says_so():
    network, x = Network(3, 5, sharpness=3.0), encoder(3, 12)
    hole = np.full((1, 5), 7, np.float32)

    def step(frames, contexts):
        return np.where((frames[:, :1] == 7), np.float32(-np.inf), network(frames, contexts))

    for beam in (0, 1, 4):
        holed, plain = searches(beam), searches(beam)
        advance_transducers(step, [holed], [np.concatenate([x[:5], hole, x[5:]])])
        advance_transducers(network, [plain], [x])
        for a, b in zip(holed.hypotheses(4), plain.hypotheses(4), strict=True):
            assert a.tokens == b.tokens and a.score == -math.inf
            assert a.frames == tuple(t + (t >= 5) for t in b.frames)


def test_memory_follows_the_tokens_alive_not_the_frames():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30_000, 15)).astype(np.float32) * 6
    table[rng.random(30_000) < 0.8, 0] += 20
    table -= np.logaddexp.reduce(table, axis=1, keepdims=True)
    search = TransducerBeam(6, settle_after=100)
    for row in table:
        search.advance(np.repeat(row[None], len(search.contexts), axis=0))
    (best,) = search.hypotheses()
    assert len(best.tokens) > 2000
    assert search.stable() >= sum(frame < search.frames - 200 for frame in best.frames)
    assert search._search.capacity() < 2 * len(best.tokens) + 1000
