"""A decoding graph for benchmarks: CTC over characters, words spelled, a bigram; and scores of sentences said
in it."""

import collections
import itertools
import math

import numpy as np
from fst_machines import Arcs

from sonant import fst as sfst
from sonant.fst import Fst

CHARACTERS = "abcdefghijklmnopqrstuvwxyz' "  # a word ends with a space
BLANK = 1  # input label; characters follow. The column of a label is the label - 1.


def tokens() -> Fst:
    """T: repeated labels are one, blanks may stand between."""
    arcs = Arcs()
    home = arcs.state(0.0)
    labels = [BLANK, *range(2, 2 + len(CHARACTERS))]
    said = {label: arcs.state(0.0) for label in labels}
    for label, state in said.items():
        out = 0 if label == BLANK else label
        arcs.rows.append((home, label, out, 0.0, state))
        arcs.rows.append((state, label, 0, 0.0, state))
        for other in labels:
            if other != label:
                arcs.rows.append((state, other, 0 if other == BLANK else other, 0.0, said[other]))
    return arcs.fst("olabel")


def bigrams(text: list[list[str]], words: dict[str, int], least: int, backoff: int) -> Fst:
    """Bigrams seen `least` times or more; the rest back off by an arc with that input label."""
    counts = collections.Counter(w for line in text for w in line if w in words)
    pairs = collections.Counter(
        (a, b) for line in text for a, b in itertools.pairwise(line) if a in words and b in words
    )
    grammar = Arcs()
    start = grammar.state(0.0)
    after = {w: grammar.state(0.0) for w in words}
    total = sum(counts[w] for w in words)
    for word, number in words.items():
        grammar.rows.append((start, number, number, -math.log(counts[word] / total), after[word]))
    following = collections.defaultdict(list)
    for (a, b), count in pairs.items():
        if count >= least:
            following[a].append((b, count))
    for word, state in after.items():
        total = sum(c for _, c in following[word]) + 1
        for other, count in following[word]:
            cost = -math.log((count - 0.5) / total)
            grammar.rows.append((state, words[other], words[other], cost, after[other]))
        left = (1 + 0.5 * len(following[word])) / total
        grammar.rows.append((state, backoff, 0, -math.log(min(left, 1.0)), start))
    return grammar.fst("ilabel")


def graph(text: list[list[str]], size: int, least: int) -> tuple[Fst, dict[str, int]]:
    """T o min(det(L o G)), and the words. Bigrams seen `least` times or more; the rest back off."""
    counts = collections.Counter(w for line in text for w in line if set(w) < set(CHARACTERS))
    words = {w: i + 1 for i, (w, _) in enumerate(counts.most_common(size))}
    backoff_word, backoff = size + 1, len(CHARACTERS) + 2
    lexicon = Arcs()
    loop = lexicon.state(0.0)
    for word, number in words.items():
        at, spelled = loop, word + " "
        for i, character in enumerate(spelled):
            to = loop if i == len(spelled) - 1 else lexicon.state()
            lexicon.rows.append((at, CHARACTERS.index(character) + 2, 0 if i else number, 0.0, to))
            at = to
    lexicon.rows.append((loop, backoff, backoff_word, 0.0, loop))
    grammar = bigrams(text, words, least, backoff_word)
    lg = sfst.compose(lexicon.fst("olabel"), grammar)
    lg = sfst.minimize_encoded(sfst.determinize_star(lg, use_log=True))
    lg = sfst.relabel(lg, {backoff: 0}, {}).arc_sort("ilabel")
    return sfst.compose(tokens(), lg), words


def scores(text: list[list[str]], words: dict[str, int], frames: int, noise: float, seed: int) -> np.ndarray:
    """(frames, labels) log-probabilities: the characters of sentences, three frames each, and noise."""
    rng = np.random.default_rng(seed)
    said = [w for line in text for w in line if w in words]
    at, labels = int(rng.integers(len(said) // 2)), []
    while len(labels) < frames:
        for character in said[at] + " ":
            labels += [CHARACTERS.index(character) + 1, 0, 0]
        at += 1
    logits = noise * rng.standard_normal((frames, len(CHARACTERS) + 1))
    logits[np.arange(frames), labels[:frames]] += 4.0
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    return logits.astype(np.float32)
