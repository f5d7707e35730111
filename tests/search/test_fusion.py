"""Fusion against its definition: every alignment, every reading in words, every occurrence of a hot word;
and against a plain prefix beam search that scores each hypothesis from scratch."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest

from sonant.fst import NgramLm, OnDemand
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
# Without <unk>, and with a backoff above 0.
ARPA = b"""
\\data\\
ngram 1=4
ngram 2=1

\\1-grams:
-99\t<s>\t-0.3
-0.5\t</s>
-0.4\ta\t0.2
-0.6\tc

\\2-grams:
-0.1\ta c

\\end\\
"""
ODD_LEXICON = Lexicon(
    (Pronunciation("a", ("▁a",)), Pronunciation("a", ("▁a", "b")), Pronunciation("c", ("▁c",)))
)
HOT = HotWords({(1, 2): 1.5, (2, 1, 2): 2.0, (2,): -0.5, (3, 3): 0.7, (1, 2, 3, 1): 3.0})
HOT_WORDS = HotWords({"ab c": 2.0, "a": 0.5, "c a ab": 1.0, (2, 3): 0.8})


def random_scores(seed, frames, sharpness=1.0):
    logits = np.random.default_rng(seed).normal(size=(frames, len(TOKENS))) * sharpness
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class Definition:
    """What Fusion says it is. A hypothesis is a tuple of (token, choice of a Pronunciation or None)."""

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


NAMES = [
    "nothing",
    "lexicon",
    "lexicon and model",
    "no look-ahead",
    "odd backoffs",
    "all",
    "text",
    "tokens",
    "lexicon, model of tokens",
]


@pytest.fixture(scope="module")
def lm():
    return NgramLm.train(SENTENCES * 3, order=3)


@pytest.fixture(scope="module")
def odd_lm():
    return NgramLm.read(ARPA)


@pytest.fixture(scope="module")
def fusions(lm, odd_lm):
    token_lm = NgramLm.train(["▁a b ▁c", "▁c b b", "▁ ▁a", "▁a ▁a b"] * 3, order=2)
    return {
        "nothing": (Fusion(), HOT),
        "lexicon": (Fusion(TOKENS, LEXICON, word_bonus=0.3), HOT_WORDS),
        "lexicon and model": (Fusion(TOKENS, LEXICON, lm=lm, lm_weight=0.8, word_bonus=0.7), None),
        "no look-ahead": (Fusion(TOKENS, LEXICON, lm=lm, lm_weight=1.5, look_ahead=False), HOT_WORDS),
        "odd backoffs": (Fusion(TOKENS, ODD_LEXICON, lm=odd_lm, lm_weight=2.0, look_ahead=False), None),
        "all": (Fusion(TOKENS, LEXICON, lm=lm, lm_weight=0.5, word_bonus=-0.4), HOT_WORDS),
        "text": (Fusion(TOKENS, lm=lm, lm_weight=1.2, word_bonus=0.9), HOT_WORDS),
        "tokens": (Fusion(TOKENS, lm=token_lm, lm_unit="token", lm_weight=0.7), HOT),
        "lexicon, model of tokens": (Fusion(TOKENS, LEXICON, lm=token_lm, lm_unit="token"), HOT_WORDS),
    }


def compare(found, expected):
    assert [(h.tokens, tuple(zip(h.words, h.word_ends, strict=True))) for h in found] == [
        (tokens, words) for tokens, words, *_ in expected
    ]
    for h, (_, _, score, acoustic, lm) in zip(found, expected, strict=True):
        assert h.complete
        assert (h.score, h.acoustic_score, h.lm_score) == pytest.approx((score, acoustic, lm), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_sum_over_all_alignments_and_readings(fusions, name):
    fusion, hot = fusions[name]
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
@pytest.mark.parametrize("name", NAMES)
def test_pruning_is_exact_for_the_beam(fusions, name, beam):
    fusion, hot = fusions[name]
    for seed in range(3):
        scores = random_scores(seed + 10 * beam, 12, sharpness=1.0 + seed)
        expected = Definition(fusion, hot).nbest(scores, beam)
        found = ctc_prefix_beam([scores], beam=beam, nbest=beam, fusion=fusion, hot_words=hot)[0]
        if not expected:
            assert not any(h.complete for h in found)
            continue
        compare(found, expected)


def cut(scores, seed):
    edges = sorted({0, len(scores), *np.random.default_rng(seed).integers(0, len(scores) + 1, 4).tolist()})
    return [scores[a:b] for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("name", NAMES)
def test_streams_equal_whole_utterances_bit_for_bit(fusions, name):
    fusion, hot = fusions[name]
    utterances = [random_scores(seed, 30 + seed, sharpness=2.0) for seed in range(6)]
    for settle_after in (0, 4):
        options = {"beam": 6, "settle_after": settle_after, "fusion": fusion}
        whole = ctc_prefix_beam(utterances, nbest=6, num_threads=2, hot_words=hot, **options)
        for seed, (scores, expected) in enumerate(zip(utterances, whole, strict=True)):
            stream = CtcPrefixBeam(**options, hot_words=hot)
            shown, words = (), ()
            for chunk in cut(scores, seed):
                stream.advance(chunk)
                best = stream.hypotheses()[0]
                assert best.tokens[: len(shown)] == shown
                shown = best.tokens[: stream.stable()]
                settled = [w for w, end in zip(best.words, best.word_ends, strict=True) if end < len(shown)]
                assert list(words) == settled[: len(words)]
                words = settled
                rest = stream.hypotheses(start=len(shown))[0]
                assert shown + rest.tokens == best.tokens
                assert rest.score == best.score
                ends = [(w, end - len(shown)) for w, end in zip(best.words, best.word_ends, strict=True)]
                kept = list(zip(rest.words, rest.word_ends, strict=True))
                assert kept == ends[len(ends) - len(kept) :]
                assert all(end <= 0 for _, end in ends[: len(ends) - len(kept)])
            assert stream.hypotheses(6, final=True) == expected


def test_hot_words_of_each_utterance_and_changed_while_a_stream_runs():
    scores = random_scores(3, 24, sharpness=0.5)
    other = HotWords({(4, 1): 2.5, (3, 2, 3): 1.0})
    each = [HOT, None, other]
    together = ctc_prefix_beam([scores] * 3, hot_words=each, num_threads=2)
    alone = [ctc_prefix_beam([scores], fusion=Fusion(), hot_words=hot)[0] for hot in each]
    assert together == alone
    assert len({found[0].tokens for found in alone}) == 3

    # The hot words of the beginning, kept for what they brought, and then none: as if the rest came without.
    stream = CtcPrefixBeam(50, hot_words=HOT)
    stream.advance(scores[:12])
    before = {h.tokens: h.score - h.acoustic_score for h in stream.hypotheses(50)}
    definition = Definition(Fusion(), HOT)
    stream.set_hot_words(None)
    for h in stream.hypotheses(50):
        path = [(token, None) for token in h.tokens]
        assert h.score - h.acoustic_score == pytest.approx(definition.score(path, True), abs=1e-9)
        assert before[h.tokens] == pytest.approx(definition.score(path, False), abs=1e-9)
    earned = {h.tokens: h.score - h.acoustic_score for h in stream.hypotheses(50)}
    stream.set_hot_words(other)
    lent = Definition(Fusion(), other)
    for h in stream.hypotheses(50):
        path = [(token, None) for token in h.tokens]
        pending = lent.score(path, False) - lent.score(path, True)
        assert h.score - h.acoustic_score == pytest.approx(earned[h.tokens] + pending, abs=1e-9)
    stream.advance(scores[12:])
    for h in stream.hypotheses(50, final=True):
        possible = np.array(bonuses(h.tokens, definition, lent))
        assert np.abs(possible - (h.score - h.acoustic_score)).min() < 1e-9


def bonuses(tokens, first, then):
    """By how many of the tokens were there when the hot words changed: occurrences that end in these earn the
    first boosts, later ones the others."""
    path = [(token, None) for token in tokens]
    rest = then.score(path, True)
    return [first.score(path[:n], True) + rest - then.score(path[:n], True) for n in range(len(path) + 1)]


def test_any_model_whose_steps_can_be_asked_for_is_the_same(lm):
    scores = [random_scores(seed, 20) for seed in range(3)]

    class Called:  # a model in Python, with histories for states
        def __init__(self):
            self.states = [("<s>",)]

        def number(self, history):
            if history not in self.states:
                self.states.append(history)
            return self.states.index(history)

        def start(self):
            return 0

        def final(self, state):
            return -lm.score(self.states[state], "</s>")

        def step(self, state, label):
            history = (*self.states[state], lm.symbols[label])
            return -lm.score(self.states[state], label), label, self.number(history[-2:])

    # Without look-ahead, which asks for the words after the start: these models tell no state of no history.
    expected = ctc_prefix_beam(scores, nbest=4, fusion=Fusion(TOKENS, LEXICON, lm=lm, look_ahead=False))
    for model in (OnDemand.ngram(lm), OnDemand.cached(OnDemand.ngram(lm)), OnDemand.of(Called())):
        for look_ahead in (False, True):
            fusion = Fusion(TOKENS, LEXICON, lm=model, symbols=lm.symbols, look_ahead=look_ahead)
            found = ctc_prefix_beam(scores, nbest=4, fusion=fusion)
            if look_ahead:
                assert all(h.complete and h.words for h, *_ in found)
                continue
            for a, b in zip(found, expected, strict=True):
                assert [(h.tokens, h.words) for h in a] == [(h.tokens, h.words) for h in b]
                assert [h.score for h in a] == pytest.approx([h.score for h in b], abs=1e-4)


def test_words_that_the_model_has_not(odd_lm):
    scores = np.full((1, len(TOKENS)), -30.0, np.float32)
    scores[0, 2] = -0.1
    for fusion in (
        Fusion(TOKENS, lm=odd_lm, unknown_score=-4.0, lm_weight=0.5),
        Fusion(TOKENS, Lexicon((Pronunciation("b", ("b",)),)), lm=odd_lm, unknown_score=-4.0, lm_weight=0.5),
    ):
        best = ctc_prefix_beam([scores], fusion=fusion)[0][0]
        assert best.words == ("b",)
        end = odd_lm.score([], "</s>")  # after the unknown word there is no history
        assert best.lm_score == pytest.approx(-4.0 + end, abs=1e-5)
        assert best.score == pytest.approx(-0.1 + 0.5 * (-4.0 + end), abs=1e-5)
    fusion = Fusion(TOKENS, lm=odd_lm, end_of_sentence=False)
    assert ctc_prefix_beam([scores], fusion=fusion)[0][0].lm_score == pytest.approx(-10.0)


def test_characters_with_a_token_between_words():
    lm = NgramLm.train(["a ab", "ab a"], order=2)
    fusion = Fusion(["", "|", "a", "b"], word_begin="|", lm=lm)
    path = [1, 2, 0, 1, 2, 3, 3, 1]
    scores = np.full((len(path), 4), -20.0, np.float32)
    scores[range(len(path)), path] = -0.01
    best = ctc_prefix_beam([scores], fusion=fusion)[0][0]
    assert best.tokens == (1, 2, 1, 2, 3, 1)
    assert (best.words, best.word_ends) == (("a", "ab"), (2, 5))
    assert best.lm_score == pytest.approx(lm.score_sentence("a ab"), abs=1e-5)


# ---- Transducers


def table_step(seed=0, sharpness=1.0):
    """A predictor of the last token; the encoder frame is a number."""
    table = np.random.default_rng(seed).normal(size=(50, len(TOKENS), len(TOKENS))) * sharpness
    table -= np.logaddexp.reduce(table, axis=2, keepdims=True)

    def step(frames, contexts):
        return table[frames[:, 0].astype(int), contexts[:, -1]].astype(np.float32)

    return step


def encoder(frames):
    return np.arange(frames, dtype=np.float32)[:, None]


def plain_transducer_beam(step, frames, beam, definition):
    live = {(): 0.0}
    for t in range(frames):
        reached = {}
        for hypothesis, total in live.items():
            context = np.array([[hypothesis[-1][0] if hypothesis else BLANK]])
            row = step(np.array([[t]], np.float32), context)[0].astype(float)
            ways = [(hypothesis, total + row[BLANK])]
            for token in range(1, len(row)):
                for choice in definition.choices(hypothesis, token):
                    ways.append(((*hypothesis, (token, choice)), total + row[token]))
            for way, score in ways:
                reached[way] = np.logaddexp(reached.get(way, -math.inf), score)
        best = sorted(reached, key=lambda h: -(reached[h] + definition.score(h, False)))[:beam]
        live = {h: reached[h] for h in best}
    return live


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beam", [1, 3, 10])
def test_transducer_beam_is_the_plain_one(fusions, name, beam):
    fusion, hot = fusions[name]
    for seed in range(3):
        step, definition = table_step(seed=seed), Definition(fusion, hot)
        live = plain_transducer_beam(step, 9, beam, definition)
        ended = [h for h in live if not fusion.lexicon or not definition.unfinished(h)]
        ended.sort(key=lambda h: -(live[h] + definition.score(h, True)))
        options = {"context_size": 1, "fusion": fusion, "hot_words": hot}
        found = transducer_beam(step, [encoder(9)], beam=beam, nbest=beam, **options)[0]
        if not ended:
            assert not any(h.complete for h in found)
            continue
        compare(
            found,
            [
                (
                    tuple(token for token, _ in h),
                    tuple(definition.words(h, True)),
                    live[h] + definition.score(h, True),
                    live[h],
                    definition.lm_score(h, True),
                )
                for h in ended
            ],
        )


@pytest.mark.parametrize("name", NAMES)
def test_transducer_greedy_takes_the_best_of_each_step(fusions, name):
    fusion, hot = fusions[name]
    for seed in range(4):
        step, definition = table_step(seed=seed), Definition(fusion, hot)
        hypothesis, acoustic = (), 0.0
        for t in range(12):
            for _ in range(2):
                row = step(
                    np.array([[t]], np.float32), np.array([[hypothesis[-1][0] if hypothesis else BLANK]])
                )[0]
                ways = [(float(row[BLANK]), hypothesis)]
                for token in range(1, len(row)):
                    ways += [
                        (float(row[token]), (*hypothesis, (token, choice)))
                        for choice in definition.choices(hypothesis, token)
                    ]
                log_prob, chosen = max(ways, key=lambda way: way[0] + definition.score(way[1], False))
                acoustic += log_prob
                stayed, hypothesis = chosen == hypothesis, chosen
                if stayed:
                    break
        options = {"context_size": 1, "max_symbols": 2, "fusion": fusion, "hot_words": hot}
        found = transducer_greedy(step, [encoder(12)], **options)[0]
        assert found.tokens == tuple(token for token, _ in hypothesis)
        assert found.words == tuple(word for word, _ in definition.words(hypothesis, True))
        assert found.acoustic_score == pytest.approx(acoustic, abs=1e-5)
        complete = not (fusion.lexicon and definition.unfinished(hypothesis))
        assert found.complete == complete
        if complete:
            assert found.score == pytest.approx(acoustic + definition.score(hypothesis, True), abs=1e-4)


def test_transducers_change_hot_words_too():
    step = table_step(seed=5, sharpness=0.3)
    rows = step(encoder(1), np.array([[BLANK]]))
    for make in (TransducerGreedy, TransducerBeam):
        search = make(context_size=1, hot_words=HotWords({(2,): 50.0}))
        search.advance(rows)
        assert search.hypotheses()[0].tokens == (2,)
        search.set_hot_words(HotWords({(2, 4): 50.0}))
        contexts = search.contexts
        search.advance(step(encoder(len(contexts)) * 0, contexts))
        assert search.hypotheses()[0].tokens == (2, 4)
