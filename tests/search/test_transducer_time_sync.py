"""The beam search with several tokens in a frame, against sums over all paths and against plain Python."""

import math

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.fst import NgramLm
from sonant.search import (
    Fusion,
    HotWords,
    TransducerTimeSyncBeam,
    advance_transducers,
    transducer_time_sync_beam,
)


class Network:
    """Random log-probabilities that depend on the encoder frame and on the whole context."""

    def __init__(self, seed: int, tokens: int, context_size: int = 2, sharpness: float = 1.0):
        rng = np.random.default_rng(seed)
        self.frame_weight = rng.normal(size=(5, tokens)).astype(np.float32) * sharpness
        self.context_weight = rng.normal(size=(context_size, tokens, tokens)).astype(np.float32) * sharpness

    def __call__(self, frames, contexts):
        logits = np.einsum("nd,dv->nv", frames, self.frame_weight)
        for i, weight in enumerate(self.context_weight):
            logits = logits + weight[contexts[:, i]]
        return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)

    def scores(self, frame, tokens, context_size, blank):
        context = ([blank] * context_size + list(tokens))[-context_size:]
        return self(frame[None], np.array([context], np.int64))[0].astype(float)


def encoder(seed: int, frames: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 5)).astype(np.float32)


def all_sums(network, frames, tokens, context_size, blank, max_symbols):
    """{tokens: ln of the sum over all paths}, by the definition of a transducer."""
    totals: dict = {}

    def walk(t, said, in_frame, score):
        if t == len(frames):
            totals[said] = np.logaddexp(totals.get(said, -math.inf), score)
            return
        row = network.scores(frames[t], said, context_size, blank)
        walk(t + 1, said, 0, score + row[blank])
        if in_frame < max_symbols:
            for token in range(tokens):
                if token != blank:
                    walk(t, (*said, token), in_frame + 1, score + row[token])

    walk(0, (), 0, 0.0)
    return totals


def plain(network, frames, beam, tokens, context_size, blank, max_symbols):
    """The rounds of the search, with dictionaries."""
    live = {(): 0.0}
    for frame in frames:
        here, ended = dict(live), {}
        for _ in range(max_symbols + 1):
            grown = {}
            for said, score in here.items():
                row = network.scores(frame, said, context_size, blank)
                ended[said] = np.logaddexp(ended.get(said, -math.inf), score + row[blank])
                for token in range(tokens):
                    if token != blank:
                        grown[(*said, token)] = score + row[token]
            here = dict(sorted(grown.items(), key=lambda item: -item[1])[:beam])
        live = dict(sorted(ended.items(), key=lambda item: -item[1])[:beam])
    return live


@pytest.mark.parametrize(
    ("frames", "tokens", "context_size", "blank", "max_symbols"),
    [(1, 2, 1, 0, 1), (2, 3, 2, 0, 3), (3, 3, 2, 2, 2), (3, 3, 3, 1, 1)],
)
def test_a_beam_with_room_for_all_gives_sums_over_all_paths(frames, tokens, context_size, blank, max_symbols):
    for seed in range(3):
        network, x = Network(seed, tokens, context_size), encoder(seed, frames)
        expected = all_sums(network, x, tokens, context_size, blank, max_symbols)
        (found,) = transducer_time_sync_beam(
            network, [x], beam=100_000, nbest=100_000, context_size=context_size, blank=blank,
            max_symbols=max_symbols,
        )  # fmt: skip
        assert {h.tokens for h in found} == set(expected)
        assert all(h.score == pytest.approx(expected[h.tokens], abs=1e-4) for h in found)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        for h in found:
            assert list(h.frames) == sorted(h.frames) and len(h.frames) == len(h.tokens)


@pytest.mark.parametrize("beam", [1, 2, 5])
@pytest.mark.parametrize("max_symbols", [1, 2, 4])
def test_any_beam_gives_what_the_rounds_give(beam, max_symbols):
    for seed in range(4):
        network, x = Network(seed, 6, sharpness=1.5), encoder(seed, 12)
        expected = plain(network, x, beam, 6, 2, 0, max_symbols)
        (found,) = transducer_time_sync_beam(network, [x], beam=beam, nbest=beam, max_symbols=max_symbols)
        assert [h.tokens for h in found] == list(expected)
        assert [h.score for h in found] == pytest.approx(list(expected.values()), abs=1e-3)


def test_a_wide_beam_finds_what_a_narrow_one_does_not():
    better = 0
    for seed in range(20):
        network, x = Network(seed, 5), encoder(seed, 8)
        narrow, wide = (transducer_time_sync_beam(network, [x], beam=beam)[0][0].score for beam in (1, 16))
        better += wide > narrow
    assert better >= 16


def test_pieces_and_company_change_nothing():
    network = Network(7, 8, sharpness=2.0)
    inputs = [encoder(i, n) for i, n in enumerate((40, 0, 7, 23))]
    alone = [transducer_time_sync_beam(network, [x], nbest=4)[0] for x in inputs]
    assert transducer_time_sync_beam(network, inputs, nbest=4) == alone
    searches = [TransducerTimeSyncBeam() for _ in inputs]
    shown = 0
    for begin in range(0, 40, 3):
        advance_transducers(network, searches, [x[begin : begin + 3] for x in inputs])
        assert searches[0].stable() >= shown
        shown = searches[0].stable()
    assert [search.hypotheses(4, final=True) for search in searches] == alone
    assert [search.frames for search in searches] == [40, 0, 7, 23]


def test_memory_goes_with_what_is_alive():
    network = Network(3, 6, sharpness=2.0)
    search = TransducerTimeSyncBeam(beam=4, settle_after=20)
    x = encoder(3, 3000)
    for begin in range(0, 3000, 100):
        advance_transducers(network, [search], [x[begin : begin + 100]])
    tokens = len(search.hypotheses()[0].tokens)
    assert search.stable() > tokens - 200


def test_a_language_model_and_hot_words_count():
    names = ["<blk>", "▁a", "b", "c"]
    lm = NgramLm.train(["▁a b c", "▁a c c b", "b ▁a", "c b b"], 2)
    network, x = Network(5, 4), encoder(5, 3)
    fusion = Fusion(names, lm=lm, lm_unit="token", lm_weight=0.7)
    expected = all_sums(network, x, 4, 2, 0, 2)
    options = dict(beam=100_000, nbest=100_000, max_symbols=2, fusion=fusion)
    (found,) = transducer_time_sync_beam(network, [x], **options)
    assert {h.tokens for h in found} == set(expected)
    for h in found:
        score = expected[h.tokens] + 0.7 * lm.score_sentence([names[token] for token in h.tokens])
        assert h.score == pytest.approx(score, abs=1e-3)
    (hot,) = transducer_time_sync_beam(network, [x], hot_words=HotWords({(2, 3): 4.0}), **options)
    plain_scores = {h.tokens: h.score for h in found}
    for h in hot:
        times = sum(pair == (2, 3) for pair in zip(h.tokens, h.tokens[1:], strict=False))
        assert h.score == pytest.approx(plain_scores[h.tokens] + 4.0 * times, abs=1e-3)
    search = TransducerTimeSyncBeam(hot_words=HotWords({(2, 3): 4.0}))
    assert not search.advance(network(x[:1], search.contexts))
    with pytest.raises(SearchError, match="within frame 0; expected one between frames"):
        search.set_hot_words(None)
    while not search.advance(network(np.repeat(x[:1], len(search.contexts), 0), search.contexts)):
        pass
    search.set_hot_words(HotWords({(1,): 2.0}))
    advance_transducers(network, [search], [x[1:]])
    assert search.frames == 3


def test_frames_that_allow_nothing_and_bad_scores():
    nothing = np.full((1, 3), -np.inf, np.float32)
    search = TransducerTimeSyncBeam(context_size=1)
    assert search.advance(nothing) and search.frames == 1
    (best,) = search.hypotheses()
    assert best.tokens == () and best.score == -math.inf
    with pytest.raises(SearchError, match="frame 1, hypothesis 0, token 2"):
        search.advance(np.float32([[0, -1, np.nan]]))
    with pytest.raises(SearchError, match="expected 1: one for each live hypothesis"):
        search.advance(np.zeros((2, 3), np.float32))
    with pytest.raises(SearchError, match="max_symbols"):
        TransducerTimeSyncBeam(max_symbols=0)
