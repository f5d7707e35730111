"""Low-order density ratio against the sum over all paths, in plain Python."""

import math

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.fst import NgramLm
from sonant.search import Fusion, ctc_prefix_beam, density_ratio, transducer_beam

TOKENS = ["<blk>", "▁a", "b", "c"]
TEXTS = ["▁a b c", "▁a c c b", "b ▁a", "c b b", "▁a ▁a b", "c"]
OTHER = ["c b ▁a", "c c c", "b ▁a ▁a", "c b", "b b c"]


@pytest.fixture(scope="module")
def models() -> tuple[NgramLm, NgramLm]:
    """Of order 3 and 2, with one table."""
    lm = NgramLm.train(TEXTS, 3)
    return lm, NgramLm.read(NgramLm.train(OTHER, 2).to_bytes(), symbols=lm.symbols)


def totals(steps, frames):
    """{tokens: ln of the sum over paths}: at most one token a frame, `steps(said)` ln p of a frame."""
    live = {(): 0.0}
    for t in range(frames):
        after = {}
        for said, score in live.items():
            row = steps(t, said)
            for token, log_prob in enumerate(row):
                key = said if token == 0 else (*said, token)
                after[key] = np.logaddexp(after.get(key, -math.inf), score + float(log_prob))
        live = after
    return live


@pytest.mark.parametrize("seed", range(3))
def test_a_transducer_scores_what_the_definition_says(models, seed):
    lm, source = models
    rng = np.random.default_rng(seed)
    frames = rng.normal(size=(4, 3)).astype(np.float32)
    weights = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))

    def step(rows, contexts):
        logits = rows @ weights[0] + weights[1][contexts[:, 0]]
        return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)

    acoustic = totals(lambda t, said: step(frames[t][None], np.array([[([0, *said])[-1]]]))[0], 4)
    weight, away = 0.8, 0.3
    ratio = density_ratio(lm, source, away / weight)
    fusion = Fusion(TOKENS, lm=ratio, symbols=lm.symbols, lm_unit="token", lm_weight=weight)
    (found,) = transducer_beam(step, [frames], beam=10_000, nbest=10_000, context_size=1, fusion=fusion)
    expected = {}
    for said, score in acoustic.items():
        text = [TOKENS[token] for token in said]
        expected[said] = score + weight * lm.score_sentence(text) - away * source.score_sentence(text)
    assert {h.tokens for h in found} == set(expected)
    assert all(h.score == pytest.approx(expected[h.tokens], abs=1e-4) for h in found)
    assert found[0].tokens == max(expected, key=expected.__getitem__)
    # It is another order than that without the ratio, or this shows nothing.
    plain = {said: acoustic[said] for said in expected}
    assert sorted(plain, key=plain.__getitem__) != sorted(expected, key=expected.__getitem__)


def test_the_prefix_beam_takes_it_too(models):
    lm, source = models
    rows = np.random.default_rng(5).normal(size=(5, 4))
    scores = (rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)).astype(np.float32)

    def scored(ratio, weight):
        fusion = Fusion(TOKENS, lm=ratio, symbols=lm.symbols, lm_unit="token", lm_weight=weight)
        return {h.tokens: h.score for h in ctc_prefix_beam([scores], beam=9999, nbest=9999, fusion=fusion)[0]}

    plain = {h.tokens: h.score for h in ctc_prefix_beam([scores], beam=9999, nbest=9999)[0]}
    found = scored(density_ratio(lm, source, 0.5), 0.6)
    for said, score in found.items():
        text = [TOKENS[token] for token in said]
        expected = plain[said] + 0.6 * (lm.score_sentence(text) - 0.5 * source.score_sentence(text))
        assert score == pytest.approx(expected, abs=1e-4)


def test_what_does_not_fit_is_named(models):
    lm, source = models
    with pytest.raises(SearchError, match="two tables of labels"):
        density_ratio(lm, NgramLm.train(OTHER, 2), 0.5)
    with pytest.raises(SearchError, match="weight=-1"):
        density_ratio(lm, source, -1)
