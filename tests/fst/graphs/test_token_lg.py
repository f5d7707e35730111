"""LG over a transducer's tokens: what a sentence costs is what the language model says."""

import itertools

import numpy as np
import pytest

from sonant.errors import FstError
from sonant.fst import Fst, NgramLm, compose, shortest_path
from sonant.fst.graphs import Lexicon, compose_token_lg

TOKENS = ["<blk>", "a", "b", "c"]
SPELLED = {"x": "a b", "y": "a b c", "z": "c", "w": "b a"}


@pytest.fixture(scope="module")
def lm() -> NgramLm:
    return NgramLm.train(["x y z", "z z x", "w x", "y", "z w w"], 2)


def chain(tokens: list[str]) -> Fst:
    labels = np.array([TOKENS.index(token) for token in tokens], np.int32)
    count = len(labels)
    finals = np.full(count + 1, np.inf)
    finals[count] = 0
    states = np.arange(count)
    return Fst.from_arrays(0, finals, states, labels, labels, np.zeros(count), states + 1)


def test_sentences_cost_what_the_model_says(lm, tmp_path):
    lm.write(tmp_path / "lm.arpa")
    lexicon = Lexicon.spelled(list(SPELLED), lambda word: SPELLED[word].split())
    lg = compose_token_lg(TOKENS, lexicon, tmp_path / "lm.arpa")
    assert lg.input_symbols is not None and lg.input_symbols.find("c") == 3
    assert lg.output_symbols is not None
    assert not ((lg.arcs["ilabel"] == 0) & (lg.arcs["olabel"] == 0)).any()
    best: dict[tuple[str, ...], tuple[float, tuple[str, ...]]] = {}
    for length in (1, 2, 3):
        for words in itertools.product(SPELLED, repeat=length):
            tokens = tuple(token for word in words for token in SPELLED[word].split())
            cost = -lm.score_sentence(list(words))
            if tokens not in best or cost < best[tokens][0]:
                best[tokens] = cost, words
    names = {label: word for word, label in lg.output_symbols}
    for tokens, (cost, words) in best.items():
        if len(tokens) > 3:
            continue  # four words of one token may be cheaper than three that were looked at
        path = shortest_path(compose(chain(list(tokens)), lg))
        said = tuple(names[word] for word in path.arcs["olabel"] if word)
        finals = path.states["final"]
        total = float(path.arcs["weight"].sum() + finals[np.isfinite(finals)].sum())
        assert total == pytest.approx(cost, abs=0.02)
        assert sorted(said) == sorted(words)


def test_a_token_that_the_network_has_not_is_named(lm, tmp_path):
    lm.write(tmp_path / "lm.arpa")
    with pytest.raises(FstError, match="q"):
        compose_token_lg(TOKENS, Lexicon.spelled(["x"], lambda word: ["q"]), tmp_path / "lm.arpa")
