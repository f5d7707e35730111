"""Fusion against its definition: every alignment, every reading in words, every occurrence of a hot word; and against
a plain prefix beam search that scores each hypothesis from scratch."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest

from sonant.fst import NgramLm, OnDemand, SymbolTable
from sonant.fst.graphs.lexicon import Lexicon, Pronunciation
from sonant.search import (
    CtcPrefixBeam,
    Fusion,
    HotWords,
    TransducerBeam,
    TransducerGreedy,
    ctc_prefix_beam,
    transducer_beam,
    transducer_greedy,
)

BLANK = 0
TOKENS = ["<blk>", "▁a", "b", "▁c", "▁"]  # texts; letters where a lexicon spells
SENTENCES = ["a ab c", "ab c c", "c a a", "ab ab", "a cb c", "c cb", "a", "b c"]
LM = NgramLm.train(SENTENCES * 3, order=3)
TOKEN_LM = NgramLm.train(["▁a b ▁c", "▁c b b", "▁ ▁a", "▁a ▁a b"] * 3, order=2)
LEXICON = Lexicon(
    (
        Pronunciation("a", ("▁a",)),
        Pronunciation("ab", ("▁a", "b")),
        Pronunciation("ab", ("▁a", "▁c"), 0.4),
        Pronunciation("ba", ("b", "▁a"), 0.5),
        Pronunciation("c", ("▁c",)),
        Pronunciation("see", ("▁c",), 0.25),  # sounds the same, and the model has not got it
        Pronunciation("cab", ("▁c", "▁a", "b")),
    )
)
HOT = HotWords({(1, 2): 1.5, (2, 1, 2): 2.0, (2,): -0.5, (3, 3): 0.7, (1, 2, 3, 1): 3.0})
HOT_WORDS = HotWords({"ab c": 2.0, "a": 0.5, "c a ab": 1.0, (2, 3): 0.8})


def random_scores(seed, frames, tokens=len(TOKENS), sharpness=1.0):
    logits = np.random.default_rng(seed).normal(size=(frames, tokens)) * sharpness
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class Definition:
    """What Fusion says it is. A hypothesis is a tuple of (token, choice); a choice is a Pronunciation or None."""

    fusion: Fusion
    hot: HotWords | None = None
    blank: int = BLANK

    def choices(self, hypothesis, token):
        """How the hypothesis may go on with the token."""
        if not self.fusion.lexicon:
            return [None]
        spelled = (*self.unfinished(hypothesis), self.fusion.tokens[token])
        found = [entry for entry in self.fusion.lexicon.pronunciations if entry.phones == spelled]
        longer = any(
            entry.phones[: len(spelled)] == spelled and len(entry.phones) > len(spelled)
            for entry in self.fusion.lexicon.pronunciations
        )
        return [*found, *([None] if longer else [])]

    def unfinished(self, hypothesis):
        ends = [i + 1 for i, (_, choice) in enumerate(hypothesis) if choice is not None]
        return tuple(self.fusion.tokens[token] for token, _ in hypothesis[ends[-1] if ends else 0 :])

    def words(self, hypothesis, final):
        """[(word, the number of tokens before its end)]"""
        if self.fusion.lexicon:
            return [(c.word, i + 1) for i, (_, c) in enumerate(hypothesis) if c is not None]
        words, text = [], ""
        for i, (token, _) in enumerate(hypothesis if self.fusion.tokens else ()):
            said = self.fusion.tokens[token]
            if said.startswith("▁"):
                words, text = [*words, *([(text, i)] if text else [])], ""
            text += said.removeprefix("▁")
        return [*words, *([(text, len(hypothesis))] if text and final else [])]

    def lm_score(self, hypothesis, final):
        lm, over_tokens = self.fusion.lm, self.fusion.lm_unit == "token"
        if lm is None:
            return 0.0
        words = [word for word, _ in self.words(hypothesis, final)]
        labels = [self.fusion.tokens[token] for token, _ in hypothesis] if over_tokens else words
        total, history = 0.0, ["<s>"]
        for label in [*labels, *(["</s>"] if final else [])]:
            total += lm.score(history, label)
            history.append(label)
        return total

    def hot_parts(self, labels, phrases):
        """(earned, pending)"""
        earned, pending = 0.0, 0.0
        for phrase, boost in phrases:
            n = len(phrase)
            earned += boost * sum(labels[i : i + n] == phrase for i in range(len(labels)))
            for k in range(1, n):
                if len(labels) >= k and labels[-k:] == phrase[:k]:
                    pending = max(pending, boost * k / n)
        return earned, pending

    def score(self, hypothesis, final):
        fusion, words = self.fusion, [word for word, _ in self.words(hypothesis, final)]
        total = fusion.lm_weight * self.lm_score(hypothesis, final) + fusion.word_bonus * len(words)
        total += sum(math.log(choice.probability) for _, choice in hypothesis if choice is not None)
        phrases = self.hot.phrases.items() if self.hot else ()
        over_tokens = [(list(p), boost) for p, boost in phrases if not isinstance(p, str)]
        over_words = [(p.split(), boost) for p, boost in phrases if isinstance(p, str)]
        parts = [
            self.hot_parts([token for token, _ in hypothesis], over_tokens),
            self.hot_parts(words, over_words),
        ]
        total += sum(earned for earned, _ in parts)
        if not final:
            total += sum(pending for _, pending in parts) + fusion.lm_weight * self.look_ahead(hypothesis)
        return total

    def look_ahead(self, hypothesis):
        fusion = self.fusion
        if not (fusion.lexicon and fusion.lm and fusion.look_ahead and fusion.lm_unit == "word"):
            return 0.0
        begun = self.unfinished(hypothesis)
        below = [e.word for e in fusion.lexicon.pronunciations if e.phones[: len(begun)] == begun]
        return max(fusion.lm.score([], word) for word in below) if begun else 0.0

    def prefix_beam(self, scores, beam):
        """[(hypothesis, log of the sum of its paths)], the best first, before the end."""
        live = {(): (0.0, -math.inf)}
        for row in scores.astype(float):
            reached = {}

            def add(hypothesis, b, n, reached=reached):
                before = reached.get(hypothesis, (-math.inf, -math.inf))
                reached[hypothesis] = (np.logaddexp(before[0], b), np.logaddexp(before[1], n))

            for hypothesis, (b, n) in live.items():
                total = np.logaddexp(b, n)
                add(hypothesis, total + row[self.blank], -math.inf)
                last = hypothesis[-1][0] if hypothesis else None
                if hypothesis:
                    add(hypothesis, -math.inf, n + row[last])
                for token in range(len(row)):
                    if token == self.blank:
                        continue
                    for choice in self.choices(hypothesis, token):
                        begun = (b if token == last else total) + row[token]
                        add((*hypothesis, (token, choice)), -math.inf, begun)
            ranked = [(h, p, np.logaddexp(*p) + self.score(h, False)) for h, p in reached.items()]
            ranked = sorted((r for r in ranked if r[2] > -math.inf), key=lambda r: -r[2])[:beam]
            live = {h: p for h, p, _ in ranked}
        return [(h, np.logaddexp(*p)) for h, p in live.items()]

    def nbest(self, scores, beam):
        """[(tokens, words, score, acoustic, lm)] at the end."""
        live = self.prefix_beam(scores, beam)
        whole = [item for item in live if not self.fusion.lexicon or not self.unfinished(item[0])]
        found = [
            (
                tuple(token for token, _ in h),
                tuple(self.words(h, True)),
                acoustic + self.score(h, True),
                acoustic,
                self.lm_score(h, True),
            )
            for h, acoustic in whole
        ]
        return sorted(found, key=lambda item: -item[2])


FUSIONS = {
    "nothing": (Fusion(), HOT),
    "lexicon": (Fusion(TOKENS, LEXICON, word_bonus=0.3), HOT_WORDS),
    "lexicon and model": (Fusion(TOKENS, LEXICON, lm=LM, lm_weight=0.8, word_bonus=0.7), None),
    "no look-ahead": (Fusion(TOKENS, LEXICON, lm=LM, lm_weight=1.5, look_ahead=False), HOT_WORDS),
    "all": (Fusion(TOKENS, LEXICON, lm=LM, lm_weight=0.5, word_bonus=-0.4), HOT_WORDS),
    "text": (Fusion(TOKENS, lm=LM, lm_weight=1.2, word_bonus=0.9), HOT_WORDS),
    "tokens": (Fusion(TOKENS, lm=TOKEN_LM, lm_unit="token", lm_weight=0.7), HOT),
    "lexicon, model of tokens": (Fusion(TOKENS, LEXICON, lm=TOKEN_LM, lm_unit="token"), HOT_WORDS),
}


def compare(found, expected):
    assert [(h.tokens, tuple(zip(h.words, h.word_ends, strict=True))) for h in found] == [
        (tokens, words) for tokens, words, *_ in expected
    ]
    for h, (_, _, score, acoustic, lm) in zip(found, expected, strict=True):
        assert h.complete
        assert (h.score, h.acoustic_score, h.lm_score) == pytest.approx((score, acoustic, lm), abs=1e-4)


@pytest.mark.parametrize("name", FUSIONS)
def test_the_sum_over_all_alignments_and_readings(name):
    fusion, hot = FUSIONS[name]
    definition = Definition(fusion, hot)
    for seed in range(4):
        scores = random_scores(seed, 4, sharpness=0.5)
        totals = {}
        for path in itertools.product(range(len(TOKENS)), repeat=len(scores)):
            score = math.fsum(float(scores[t, token]) for t, token in enumerate(path))
            tokens = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
            totals[tokens] = np.logaddexp(totals.get(tokens, -math.inf), score)
        expected = {}
        for tokens, acoustic in totals.items():
            readings = [()]
            for token in tokens:
                readings = [
                    (*r, (token, choice)) for r in readings for choice in definition.choices(r, token)
                ]
            for reading in readings:
                if not (fusion.lexicon and definition.unfinished(reading)):
                    words = tuple(word for word, _ in definition.words(reading, True))
                    expected[reading] = (tokens, words, acoustic + definition.score(reading, True))
        found = ctc_prefix_beam([scores], beam=100_000, nbest=100_000, fusion=fusion, hot_words=hot)[0]
        assert sorted((h.tokens, h.words) for h in found) == sorted((t, w) for t, w, _ in expected.values())
        best_first = sorted((score for *_, score in expected.values()), reverse=True)
        assert [h.score for h in found] == pytest.approx(best_first, abs=1e-4)


@pytest.mark.parametrize("beam", [1, 2, 5, 12])
@pytest.mark.parametrize("name", FUSIONS)
def test_pruning_is_exact_for_the_beam(name, beam):
    fusion, hot = FUSIONS[name]
    for seed in range(3):
        scores = random_scores(seed + 10 * beam, 12, sharpness=1.0 + seed)
        expected = Definition(fusion, hot).nbest(scores, beam)
        found = ctc_prefix_beam([scores], beam=beam, nbest=beam, fusion=fusion, hot_words=hot)[0]
        if not expected:
            assert not any(h.complete for h in found)
            continue
        compare(found, expected)
