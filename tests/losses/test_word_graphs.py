"""Words as phones: what the acceptors take, and with which probability."""

import itertools
import math

import pytest
import torch

import sonant.fsa as k2
from sonant.errors import ConfigError
from sonant.losses import MmiGraphs
from sonant.losses.mmi_graphs import topology
from sonant.losses.word_graphs import Words

SPELLED = {"NO": [2, 3], "YES": [4, 2, 3], "A": [5]}


def score(acceptor: k2.Fsa, phones: list[int]) -> float:
    return k2.intersect(acceptor, k2.linear_fsa([phones])).get_tot_scores(True, True).item()


def ways(silence: int, share: float, words: int):
    """Phones and probability of each way to say so many words."""
    n = len(SPELLED)
    for row in itertools.product(SPELLED, repeat=words):
        for pauses in itertools.product([False, True], repeat=words + 1) if silence else [[False] * 9]:
            phones = [silence] * pauses[0]
            p = 1 / n * (1 / (n + 1)) ** words
            for word, pause in zip(row, pauses[1:], strict=False):
                phones += SPELLED[word] + [silence] * pause
            for pause in pauses[: words + 1] if silence else []:
                p *= share if pause else 1 - share
            yield row, phones, p


@pytest.mark.parametrize("silence", [0, 1])
def test_the_loop_has_any_words(silence):
    words = Words(SPELLED, silence, 0.3)
    for n in (1, 2):
        for _, phones, p in ways(silence, 0.3, n):
            assert score(words.loop(), phones) == pytest.approx(math.log(p), abs=1e-5)
    for wrong in ([], [2], [3, 2], [1, 1, 4], [4, 5]):
        assert score(words.loop(), wrong) == -math.inf


def test_a_sentence_has_its_words_with_silences_or_without():
    words = Words(SPELLED, 1)
    for n in (1, 2):
        for row, phones, _ in ways(1, 0.5, n):
            assert score(words.sentence(" ".join(row)), phones) == 0
            assert score(words.sentence(" ".join([*row, "A"])), phones) == -math.inf
    assert score(words.sentence(""), []) == 0 and score(words.sentence(""), [1]) == 0
    assert score(Words(SPELLED).sentence("NO A"), [2, 3, 5]) == 0


def test_the_denominator_says_words():
    words = Words(SPELLED, 1)
    graphs = MmiGraphs.of(topology("one-state", 5), words.loop())
    dense = k2.DenseFsaVec(torch.zeros(1, 9, 5), torch.tensor([[0, 0, 9]], dtype=torch.int32))
    numerators = graphs.numerators(k2.create_fsa_vec([words.sentence("YES NO")]))
    path = k2.shortest_path(k2.intersect_dense(numerators, dense, 8.0), use_double_scores=True)[0]
    assert [w for w in path.aux_labels.tolist() if w > 0] == [2, 1]


def test_what_cannot_be_is_named():
    for call, message in (
        (lambda: Words({"NO": []}), "phones .. of 'NO'"),
        (lambda: Words({"NO": [0]}), "phones .0. of 'NO'"),
        (lambda: Words(SPELLED, 1, 1.0), "silence_probability 1"),
        (lambda: Words(SPELLED).sentence("NO MAYBE"), "'MAYBE' has no pronunciation; expected words of"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
