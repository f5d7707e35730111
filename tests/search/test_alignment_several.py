"""Alignment with transducers that say several tokens in a frame, against plain Viterbi in dictionaries."""

import math
import random

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.search import AlignmentConfig, TransducerAligner
from tests.search.test_alignment import WIDE, Predicting, at_words, gaps, random_text, skip_cost


def own_path(network: Predicting, most: int) -> tuple[list[float], list[int]]:
    """Of each frame, on the path of the best symbol at each step: the score, and how many tokens."""
    context, scores, heard = (0, 0), [], []
    for rows in network.table:
        total, count = 0.0, 0
        while True:
            token = int(rows[context].argmax()) if count < most else 0
            total += float(rows[context][token])
            if token == 0:
                break
            context, count = (context[1], token), count + 1
        scores.append(total)
        heard.append(count)
    return scores, heard


def plain_viterbi(
    network: Predicting, text: list[int], ends: list[int], config: AlignmentConfig, most: int
) -> float:
    bounds, padded = [0, *ends], [0, 0, *text]
    best_path, heard = own_path(network, most)
    states: dict[tuple[str, int], float] = {("blank", 0): 0.0}
    for t, rows in enumerate(network.table):
        here = at_words(states, bounds)
        starts = {place: score for (kind, place), score in states.items() if kind == "blank"}
        for w, bound in enumerate(bounds):
            skipped = [here[v] - skip_cost(config, bound - bounds[v]) for v in range(w)]
            best = max([starts.get(bound, -math.inf), states.get(("free", w), -math.inf), *skipped])
            if best > -math.inf:
                starts[bound] = best
        reached: dict[tuple[str, int], float] = {}
        for start, before in starts.items():
            score = before
            for said in range(most + 1):
                u = start + said
                if u > len(text):
                    break
                if said:
                    score += float(rows[padded[u - 1], padded[u]][text[u - 1]])
                whole = score + float(rows[padded[u], padded[u + 1]][0]) - best_path[t]
                reached["blank", u] = max(reached.get(("blank", u), -math.inf), whole)
        for w, bound in enumerate(bounds):
            entered = states.get(("blank", bound), -math.inf) - config.free_start
            stays = max(states.get(("free", w), -math.inf), entered)
            reached["free", w] = stays - config.free_token * heard[t]
        states = {state: score for state, score in reached.items() if score > -math.inf}
    here = at_words(states, bounds)
    return max(score - skip_cost(config, len(text) - bounds[w]) for w, score in here.items())


@pytest.mark.parametrize("seed", range(60))
def test_against_plain_viterbi(seed: int):
    generator = random.Random(seed)
    text, ends = random_text(generator, 4)
    most = generator.choice([2, 3, 50])
    network = Predicting(seed, generator.randint(1, 8), 4)
    config = WIDE if seed % 2 else AlignmentConfig.strict(math.inf)
    expected = plain_viterbi(network, text, ends, config, most)
    aligner = TransducerAligner(network.step, text, ends, config, max_tokens_per_frame=most)
    aligner.advance(network.encoded[:3])
    aligner.advance(network.encoded[3:])
    if expected == -math.inf:
        assert len(text) > most * len(network.encoded)
        with pytest.raises(SearchError, match=f"{len(text)} tokens do not fit"):
            aligner.result()
        return
    found = aligner.result()
    assert found.score == pytest.approx(expected, abs=1e-4)
    assert found.complete and aligner.frames == len(network.encoded)
    padded = [0, 0, *text]
    counts = np.zeros(len(network.encoded), int)
    for place, token in enumerate(found.tokens):
        if token is None:
            continue
        assert token.end_frame == token.frame + 1
        counts[token.frame] += 1
        after_gap = place > 0 and found.tokens[place - 1] is None
        if not after_gap:  # beside a gap, a result does not tell which tokens the predictor saw
            own = network.table[token.frame][padded[place], padded[place + 1]][text[place]]
            assert token.score == pytest.approx(float(own), abs=1e-5)
    assert counts.max() <= most
    if gaps(found, ends):
        return
    assert config is WIDE or counts.sum() == len(text)
    assert price(network, text, found, config, most) == pytest.approx(expected, abs=1e-4)


def price(network: Predicting, text: list[int], found, config: AlignmentConfig, most: int) -> float:
    """What the path of a result costs, from its frames alone; no words are skipped."""
    best_path, heard = own_path(network, most)
    padded, total, u = [0, 0, *text], 0.0, 0
    free = {t for begin, end in found.free for t in range(begin, end)}
    total -= config.free_start * len(found.free) if found.free else 0.0
    for t, rows in enumerate(network.table):
        if t in free:
            total -= config.free_token * heard[t]
            continue
        while u < len(text) and found.tokens[u].frame == t:
            total += float(rows[padded[u], padded[u + 1]][text[u]])
            u += 1
        total += float(rows[padded[u], padded[u + 1]][0]) - best_path[t]
    return total


def says(text: list[int], frames: list[int], tokens: int):
    """A step function that says text[i] in the frame frames[i], and else blanks; a frame is its number."""

    def step(encoded: np.ndarray, contexts: np.ndarray) -> np.ndarray:
        scores = np.full((len(encoded), tokens), 0.02, np.float32)
        for row, (frame, context) in enumerate(zip(encoded[:, 0].astype(int), contexts, strict=True)):
            u = next((i for i, token in enumerate(text) if token == context[-1]), -1) + 1
            due = u < len(text) and frames[u] <= frame
            scores[row, text[u] if due else 0] = 1.0
        scores /= scores.sum(axis=1, keepdims=True)
        return np.log(scores)

    return step


@pytest.mark.parametrize("beam", [math.inf, 30.0])
def test_tokens_share_frames(beam: float):
    text, frames = [1, 2, 3, 4, 5, 6, 7], [2, 2, 2, 5, 9, 9, 11]
    step = says(text, frames, 9)
    encoded = np.arange(15, dtype=np.float32)[:, np.newaxis]
    config = AlignmentConfig.strict(beam)
    aligner = TransducerAligner(step, text, [3, 4, 7], config, context_size=1, max_tokens_per_frame=3)
    aligner.advance(encoded)
    found = aligner.result()
    assert [token.frame for token in found.tokens if token] == frames
    assert found.score == pytest.approx(0.0, abs=1e-5)
    # One token a frame, and only after its frame's blank: they come one after another.
    one = TransducerAligner(step, text, [3, 4, 7], config, context_size=1, max_tokens_per_frame=1)
    one.advance(encoded)
    assert [token.frame for token in one.result().tokens if token] == [2, 3, 4, 5, 9, 10, 11]


def test_what_was_not_said_is_told():
    text, frames = [1, 2, 3, 7, 8, 4, 5, 6], [2, 2, 2, 90, 90, 9, 9, 9]
    step = says(text, frames, 9)
    encoded = np.arange(15, dtype=np.float32)[:, np.newaxis]
    config = AlignmentConfig(beam=60.0, skip_start=5.0, skip_token=0.5, gap_start=math.inf)
    aligner = TransducerAligner(step, text, [3, 5, 8], config, context_size=1, max_tokens_per_frame=4)
    aligner.advance(encoded)
    found = aligner.result()
    assert [token.frame if token else None for token in found.tokens] == [2, 2, 2, None, None, 9, 9, 9]


def test_too_many_tokens():
    network = Predicting(0, 2, 4)
    aligner = TransducerAligner(
        network.step, [1, 2, 3, 1, 2], None, AlignmentConfig.strict(), max_tokens_per_frame=2
    )
    aligner.advance(network.encoded)
    with pytest.raises(SearchError, match=r"5 tokens do not fit 2 frames: .* 3 frames at least"):
        aligner.result()
    for most in (0, -1, 1.5):
        with pytest.raises(SearchError, match="max_tokens_per_frame: found"):
            TransducerAligner(network.step, [1], max_tokens_per_frame=most)  # pyright: ignore[reportArgumentType]
