"""What does not fit a fusion is an error that names it."""

import math

import numpy as np
import pytest

from sonant.errors import FstError, SearchError
from sonant.fst import NgramLm, OnDemand, SymbolTable
from sonant.fst.graphs.lexicon import Lexicon, Pronunciation
from sonant.search import CtcPrefixBeam, Fusion, HotWords, ctc_prefix_beam

TOKENS = ["<blk>", "▁a", "b", "▁c", "▁"]
LEXICON = Lexicon((Pronunciation("a", ("▁a",)), Pronunciation("ab", ("▁a", "b"))))
HOT = HotWords({(1, 2): 1.5, (2,): -0.5})


def model():
    return NgramLm.train(["a ab c", "c a"], order=2)


def random_scores(seed, frames):
    logits = np.random.default_rng(seed).normal(size=(frames, len(TOKENS)))
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


BAD = {
    "lm_weight: found nan": lambda: Fusion(lm_weight=math.nan),
    "lm_weight: found -1, expected 0 or more": lambda: Fusion(lm_weight=-1),
    "word_bonus: found inf, expected a finite": lambda: Fusion(word_bonus=math.inf),
    "unknown_score: found '1'": lambda: Fusion(unknown_score="1"),
    "lm_unit: found 'phone', expected 'word' or 'token'": lambda: Fusion(TOKENS, lm=model(), lm_unit="phone"),
    "tokens: expected a list of the text": lambda: Fusion("abc"),
    "tokens: found none, expected the text of each": lambda: Fusion(lm=model()),
    "tokens: found none that begins with word_begin '▁'": lambda: Fusion(["", "a", "b"], lm=model()),
    "lm: found a str, expected an NgramLm or an OnDemand": lambda: Fusion(TOKENS, lm="lm.arpa"),
    "symbols: found none, expected the labels": lambda: Fusion(TOKENS, lm=OnDemand.ngram(model())),
    "lexicon: found a dict, expected a Lexicon": lambda: Fusion(TOKENS, {"a": "a"}),
    "lexicon: found no words, expected one or more": lambda: Fusion(TOKENS, Lexicon(())),
    "found the word 'x' without tokens": lambda: Fusion(TOKENS, Lexicon((Pronunciation("x", ()),))),
    "lexicon: 'x' is spelled with 'q', which is not in": lambda: Fusion(
        TOKENS, Lexicon((Pronunciation("x", ("q",)),))
    ),
    "fusion: found a str, expected a Fusion": lambda: CtcPrefixBeam(fusion="x"),
    "hot words: found a dict, expected HotWords": lambda: CtcPrefixBeam(hot_words={}),
    "boost: found inf, expected a finite number": lambda: CtcPrefixBeam(hot_words=HotWords({(1,): math.inf})),
    r"hot word \(-1,\): expected one or more token ids": lambda: CtcPrefixBeam(
        hot_words=HotWords({(-1,): 1})
    ),
    r"hot word \(\): expected one or more": lambda: CtcPrefixBeam(hot_words=HotWords({(): 1})),
    "hot word 'dog': found 'dog', expected words of the lexicon": lambda: CtcPrefixBeam(
        fusion=Fusion(TOKENS, LEXICON), hot_words=HotWords({"dog": 1.0})
    ),
    "hot word ' ': found no word": lambda: CtcPrefixBeam(
        fusion=Fusion(TOKENS, LEXICON), hot_words=HotWords({" ": 1.0})
    ),
    r"hot word \(9,\): expected one or more token ids from 0 to 4": lambda: CtcPrefixBeam(
        fusion=Fusion(TOKENS), hot_words=HotWords({(9,): 1.0})
    ),
    "expected HotWords or one for each of 1 utterances": lambda: ctc_prefix_beam(
        [random_scores(0, 2)], hot_words=[None, HOT]
    ),
    r"scores have 5 tokens \(columns\), expected 2: those of the table": lambda: ctc_prefix_beam(
        [random_scores(0, 2)], fusion=Fusion(["", "a"])
    ),
    "hot words: found the token 7, expected one of the 5": lambda: ctc_prefix_beam(
        [random_scores(0, 2)], hot_words=HotWords({(7,): 1.0})
    ),
    r"hot words: found the token 0, .* the blank \(0\) excepted": lambda: ctc_prefix_beam(
        [random_scores(0, 2)], hot_words=HotWords({(1, 0): 1.0})
    ),
    r"lexicon: found the token 1, .* the blank \(1\) excepted": lambda: ctc_prefix_beam(
        [random_scores(0, 2)], blank=1, fusion=Fusion(TOKENS, LEXICON)
    ),
    "search without fusion": lambda: CtcPrefixBeam().set_hot_words(HOT),
    "beam: found -3": lambda: CtcPrefixBeam(-3, fusion=Fusion()),
}


@pytest.mark.parametrize("message", BAD)
def test_what_does_not_fit_is_named(message):
    with pytest.raises(SearchError, match=message):
        BAD[message]()


def test_a_search_is_as_it_was_after_an_error():
    stream, twin = (CtcPrefixBeam(hot_words=HOT) for _ in range(2))
    scores = random_scores(0, 10)
    for search in (stream, twin):
        search.advance(scores[:5])
    with pytest.raises(SearchError, match="found the token 8"):
        stream.set_hot_words(HotWords({(8,): 1.0}))
    with pytest.raises(SearchError, match="frame 5, token 2: found the score nan"):
        stream.advance(np.where(np.arange(5) == 2, np.nan, scores[5:]).astype(np.float32))
    for search in (stream, twin):
        search.advance(scores[5:])
    assert stream.hypotheses(8) == twin.hypotheses(8)


@pytest.mark.parametrize("cost", [math.nan, -math.inf])
def test_models_whose_costs_are_no_numbers(cost):
    class Broken:
        def start(self):
            return 0

        def final(self, state):
            return 0.0

        def step(self, state, label):
            return cost, label, 0

    fusion = Fusion(TOKENS, lm=OnDemand.of(Broken()), symbols=SymbolTable(["<eps>", "a"]))
    with pytest.raises(FstError, match=f"a step with label 1 from state 0 costs {cost}"):
        ctc_prefix_beam([random_scores(0, 9)], fusion=fusion)


def test_nothing_but_unfinished_words_and_nothing_at_all():
    fusion = Fusion(TOKENS, Lexicon((Pronunciation("ab", ("▁a", "b")),)))
    scores = np.full((1, len(TOKENS)), -np.inf, np.float32)
    scores[0, 1] = -0.5
    (best,) = ctc_prefix_beam([scores], fusion=fusion)[0]
    assert (best.tokens, best.words, best.complete) == ((1,), (), False)
    scores[0, 1] = -np.inf
    (best,) = ctc_prefix_beam([scores], fusion=fusion)[0]
    assert (best.tokens, best.score, best.complete) == ((), -np.inf, True)
    (best,) = ctc_prefix_beam([scores[:0]], fusion=fusion)[0]
    assert (best.tokens, best.score, best.complete) == ((), 0.0, True)
