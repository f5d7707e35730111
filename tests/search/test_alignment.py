"""Forced alignment against plain Viterbi over the whole automaton, in dictionaries."""

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.search import AlignmentConfig, CtcAligner, TokenAlignment, TransducerAligner

WIDE = AlignmentConfig(
    beam=math.inf,
    free_start=1.5,
    free_token=0.7,
    skip_start=2.0,
    skip_token=0.5,
    gap_start=4.0,
    gap_token=0.1,
)


def random_scores(seed: int, frames: int, tokens: int, sharpness: float = 2.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(frames, tokens)) * sharpness
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def free_costs(scores: np.ndarray, config: AlignmentConfig) -> list[float]:
    """Of each frame: the price of a token where the best path begins one."""
    best = scores.argmax(1).tolist()
    return [
        config.free_token if now not in (0, before) else 0.0
        for now, before in zip(best, [0, *best], strict=False)
    ]


def skip_cost(config: AlignmentConfig, tokens: int) -> float:
    if tokens == 0:
        return 0.0
    return min(config.skip_start + config.skip_token * tokens, config.gap_start + config.gap_token * tokens)


def plain_viterbi(blanks, nexts, frees, text, ends, config, runs) -> float:
    """blanks, nexts: (frames, len(text) + 1) scores after u tokens: of the blank, of the token u + 1."""
    bounds = [0, *ends]
    states: dict[tuple[str, int], float] = {("blank", 0): 0.0}

    for t in range(len(frees)):
        reached: dict[tuple[str, int], float] = {}

        def offer(state, score, reached=reached):
            reached[state] = max(reached.get(state, -math.inf), score)

        for (kind, place), score in states.items():
            if kind == "free":
                offer((kind, place), score - frees[t])
                continue
            offer(("blank", place), score + blanks[t][place])
            if runs and kind == "token":
                offer((kind, place), score + nexts[t][place - 1])
            same = runs and kind == "token" and place < len(text) and text[place] == text[place - 1]
            if place < len(text) and not same:
                offer(("token", place + 1), score + nexts[t][place])
            if place in bounds:
                offer(("free", bounds.index(place)), score - config.free_start - frees[t])
        here = at_words(states, bounds)
        for w, bound in enumerate(bounds):
            skipped = [here[v] - skip_cost(config, bound - bounds[v]) for v in range(w)]
            best = max([states.get(("free", w), -math.inf), *skipped])
            offer(("blank", bound), best + blanks[t][bound])
            if bound < len(text):
                offer(("token", bound + 1), best + nexts[t][bound])
        states = {state: score for state, score in reached.items() if score > -math.inf}
    here = at_words(states, bounds)
    return max(score - skip_cost(config, len(text) - bounds[w]) for w, score in here.items())


def at_words(states, bounds) -> dict[int, float]:
    """The best score after each number of words."""
    here = dict.fromkeys(range(len(bounds)), -math.inf)
    for (kind, place), score in states.items():
        w = place if kind == "free" else bounds.index(place) if place in bounds else None
        if w is not None:
            here[w] = max(here[w], score)
    return here


def price(found: TokenAlignment, blanks, nexts, frees, ends, config) -> float:
    """What the path of a result costs, from its frames alone."""
    total, after = 0.0, 0
    label: dict[int, tuple[str, int]] = {}
    for place, token in enumerate(found.tokens):
        if token is not None:
            for t in range(token.frame, token.end_frame):
                assert t not in label
                label[t] = ("token", place)
    for begin, end in found.free:
        assert begin < end
        total -= config.free_start
        for t in range(begin, end):
            assert t not in label
            label[t] = ("free", 0)
    for t in range(len(frees)):
        kind, place = label.get(t, ("blank", 0))
        if kind == "token":
            after = place + 1
        total += {
            "token": lambda: nexts[t][place],  # noqa: B023
            "free": lambda: -frees[t],  # noqa: B023
            "blank": lambda: blanks[t][after],  # noqa: B023
        }[kind]()
    for skipped in gaps(found, ends):
        total -= skip_cost(config, skipped)
    return total


def gaps(found: TokenAlignment, ends) -> list[int]:
    """Tokens of each run of words that were skipped; words are said as a whole or not at all."""
    runs, begin, following = [], 0, False
    for end in ends:
        part = [token is None for token in found.tokens[begin:end]]
        assert all(part) or not any(part)
        if part[0]:
            runs += [] if following else [0]
            runs[-1] += end - begin
        following = part[0]
        begin = end
    return runs


def random_text(generator: random.Random, tokens: int) -> tuple[list[int], list[int]]:
    text, ends = [], []
    for _ in range(generator.randint(1, 4)):
        text += [generator.randint(1, tokens - 1) for _ in range(generator.randint(1, 3))]
        ends.append(len(text))
    return text, ends


@pytest.mark.parametrize("seed", range(60))
def test_ctc_against_plain_viterbi(seed: int):
    generator = random.Random(seed)
    text, ends = random_text(generator, 4)
    scores = random_scores(seed, generator.randint(0, 14), 4)
    config = [WIDE, AlignmentConfig.strict(math.inf), replace(WIDE, skip_start=math.inf)][seed % 3]
    relative = (scores - scores.max(1, keepdims=True)).astype(float)
    blanks = np.repeat(relative[:, :1], len(text) + 1, axis=1)
    nexts = relative[:, [*text, 0]]
    frees = free_costs(scores, config)
    expected = plain_viterbi(blanks, nexts, frees, text, ends, config, runs=True)
    aligner = CtcAligner(text, ends, config)
    aligner.advance(scores[:5])
    aligner.advance(scores[5:])
    if expected == -math.inf:
        with pytest.raises(SearchError, match=f"{len(text)} tokens do not fit {len(scores)} frames"):
            aligner.result()
        return
    found = aligner.result()
    assert found.score == pytest.approx(expected, abs=1e-5)
    assert found.complete and aligner.frames == len(scores)
    assert price(found, blanks, nexts, frees, ends, config) == pytest.approx(expected, abs=1e-5)
    for token in found.tokens:
        if token is not None:
            frames = range(token.frame, token.end_frame)
            assert token.score == pytest.approx(sum(relative[t, token.token] for t in frames), abs=1e-5)


class Predicting:
    """A transducer whose scores depend on the frame and on the last two tokens."""

    def __init__(self, seed: int, frames: int, tokens: int):
        self.table = random_scores(seed, frames * tokens * tokens, tokens).reshape(
            frames, tokens, tokens, tokens
        )
        self.encoded = np.arange(frames, dtype=np.float32)[:, np.newaxis]

    def step(self, frames: np.ndarray, contexts: np.ndarray) -> np.ndarray:
        return self.table[frames[:, 0].astype(int), contexts[:, 0], contexts[:, 1]]


@pytest.mark.parametrize("seed", range(30))
def test_a_transducer_against_plain_viterbi(seed: int):
    generator = random.Random(seed)
    text, ends = random_text(generator, 4)
    network = Predicting(seed, generator.randint(1, 12), 4)
    config = WIDE if seed % 2 else AlignmentConfig.strict(math.inf)
    padded = [0, 0, *text]
    greedy, frees, blanks, nexts = (0, 0), [], [], []
    for rows in network.table:
        heard = int(rows[greedy].argmax())
        after = [rows[padded[u], padded[u + 1]] - rows[greedy][heard] for u in range(len(text) + 1)]
        blanks.append([float(row[0]) for row in after])
        nexts.append([float(row[t]) for row, t in zip(after, [*text, 0], strict=True)])
        frees.append(config.free_token if heard else 0.0)
        greedy = (greedy[1], heard) if heard else greedy
    expected = plain_viterbi(blanks, nexts, frees, text, ends, config, runs=False)
    aligner = TransducerAligner(network.step, text, ends, config)
    aligner.advance(network.encoded[:3])
    aligner.advance(network.encoded[3:])
    if expected == -math.inf:
        with pytest.raises(SearchError, match="do not fit"):
            aligner.result()
        return
    found = aligner.result()
    assert found.score == pytest.approx(expected, abs=1e-4)
    if not gaps(found, ends):  # beside a gap, a result does not tell which tokens a blank comes after
        assert price(found, blanks, nexts, frees, ends, config) == pytest.approx(expected, abs=1e-4)


def spoken(text: list[int], tokens: int, seed: int = 0, doubt: float = 1.0) -> np.ndarray:
    """Scores of somebody who says this text: a frame or two of each token, and blanks."""
    generator = np.random.default_rng(seed)
    path = []
    for token in text:
        path += [0] * int(generator.integers(1, 3)) + [token] * int(generator.integers(1, 3))
    logits = generator.normal(size=(len(path) + 1, tokens)) * doubt
    logits[np.arange(len(path) + 1), [*path, 0]] += 8.0
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def words_of(count: int, seed: int, tokens: int = 20) -> tuple[list[int], list[int]]:
    generator = random.Random(seed)
    text, ends = [], []
    for _ in range(count):
        text += [generator.randint(1, tokens - 1) for _ in range(generator.randint(2, 6))]
        ends.append(len(text))
    return text, ends


def said(found: TokenAlignment, ends: list[int]) -> list[bool]:
    return [found.tokens[end - 1] is not None for end in ends]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_what_differs_is_told(chunk: int):
    text, ends = words_of(60, 1)
    other, _ = words_of(12, 2)
    heard = text[: ends[19]] + other + text[ends[29] :]  # words 20 to 29 are not said, and others are
    scores = spoken(heard, 20, doubt=1.5)
    aligner = CtcAligner(text, ends)
    for begin in range(0, len(scores), chunk):
        aligner.advance(scores[begin : begin + chunk])
    found = aligner.result()
    assert said(found, ends) == [not 20 <= word < 30 for word in range(60)]
    ((begin, end),) = found.free
    before, after = found.tokens[ends[19] - 1], found.tokens[ends[29]]
    assert before is not None and after is not None
    assert before.end_frame <= begin < end <= after.frame
    assert end - begin > len(other)
    again = CtcAligner(text, ends)
    again.advance(scores)
    assert again.result() == found


def test_a_gap_larger_than_the_beam_is_told():
    text, ends = words_of(400, 3)
    scores = spoken(text[: ends[49]], 20)
    config = AlignmentConfig(beam=60.0)
    aligner = CtcAligner(text, ends, config)
    aligner.advance(scores)
    found = aligner.result()
    assert not found.complete and found.score == -math.inf
    assert said(found, ends) == [word < 50 for word in range(400)]
    wide = CtcAligner(text, ends)
    wide.advance(scores)
    assert wide.result().complete and wide.result().tokens == found.tokens


def test_a_narrow_beam_is_enough_where_the_text_is_right():
    text, ends = words_of(300, 4)
    scores = spoken(text, 20, doubt=2.0)
    results = []
    for config in (AlignmentConfig.strict(math.inf), AlignmentConfig.strict(20.0), AlignmentConfig()):
        aligner = CtcAligner(text, ends, config)
        aligner.advance(scores)
        results.append(aligner.result())
    assert results[0] == results[1] == results[2]
    assert all(said(results[0], ends)) and results[0].free == ()


def test_memory_does_not_grow_with_frames():
    text, ends = words_of(300, 5)
    scores = spoken(text, 20)
    pause = np.full((3000, 20), -20.0, np.float32)
    pause[:, 0] = 0.0
    aligner = CtcAligner(text, ends)
    aligner.advance(scores[:200])
    for _ in range(8):
        aligner.advance(pause)
    room = aligner._native.capacity()
    for _ in range(16):
        aligner.advance(pause)
    aligner.advance(scores[200:])
    assert aligner._native.capacity() <= 1.5 * room < 2_000_000
    assert all(said(aligner.result(), ends)) and aligner.frames == 72_000 + len(scores)


def test_frames_that_allow_nothing_are_passed_over():
    text, ends = words_of(5, 6)
    scores = spoken(text, 20)
    hole = np.full((2, 20), -np.inf, np.float32)
    aligner = CtcAligner(text, ends, AlignmentConfig.strict())
    aligner.advance(np.concatenate([scores[:6], hole, scores[6:]]))
    whole = CtcAligner(text, ends, AlignmentConfig.strict())
    whole.advance(scores)
    assert aligner.result().score >= whole.result().score - 8.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": []}, "the text has no tokens"),
        ({"tokens": [3, 0]}, "token 1 of the text is 0; expected an id that is not the blank's"),
        ({"tokens": [3, -1]}, "token 1 of the text"),
        ({"tokens": [3, 1.5]}, "token 1 of the text: found 1.5, expected an integer"),
        ({"tokens": [3, 4], "word_ends": [1, 1, 2]}, "word_ends: found 1 after 1; expected rising numbers"),
        ({"tokens": [3, 4], "word_ends": [1]}, "word_ends: the last is 1; expected the number of tokens, 2"),
        ({"tokens": [3, 4], "word_ends": []}, "word_ends: the last is 0"),
        ({"tokens": [3], "blank": -1}, "blank: found -1"),
    ],
)
def test_texts_that_make_no_sense(options: dict[str, Any], message: str):
    with pytest.raises(SearchError, match=message):
        CtcAligner(**options)


def test_scores_that_do_not_fit():
    aligner = CtcAligner([3, 4])
    scores = random_scores(0, 5, 6)
    aligner.advance(scores)
    before = aligner.result()
    wrong = scores.copy()
    wrong[2, 1] = np.nan
    with pytest.raises(SearchError, match="frame 7, token 1: found the score nan"):
        aligner.advance(wrong)
    with pytest.raises(SearchError, match="7 tokens"):
        aligner.advance(random_scores(0, 5, 7))
    with pytest.raises(SearchError, match="float32"):
        aligner.advance(scores.astype(float))
    assert aligner.result() == before
    with pytest.raises(SearchError, match=r"the text has the token 8, but the scores have 6 tokens"):
        CtcAligner([8]).advance(scores)
    for name in ("beam", "free_start", "gap_token"):
        for value in (math.nan, -1.0):
            with pytest.raises(SearchError, match=f"{name}={value}; expected"):
                AlignmentConfig(**{name: value})


def test_steps_that_do_not_fit():
    network = Predicting(0, 4, 4)

    def aligned(step) -> None:
        TransducerAligner(step, [1, 2, 3]).advance(network.encoded)

    with pytest.raises(SearchError, match="found 1 rows, expected"):
        aligned(lambda frames, contexts: network.step(frames, contexts)[:1])
    with pytest.raises(SearchError, match="at frame 0: found NaN"):
        aligned(lambda frames, contexts: network.step(frames, contexts) * np.float32(np.nan))
    with pytest.raises(SearchError, match="fewer than 4 tokens"):
        aligned(lambda frames, contexts: np.ascontiguousarray(network.step(frames, contexts)[:, :3]))
    with pytest.raises(SearchError, match="float32"):
        aligned(lambda frames, contexts: network.step(frames, contexts).astype(float))
