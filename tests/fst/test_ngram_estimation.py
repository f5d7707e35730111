"""Katz models beside the definition; counts on disk beside those in memory; texts as they come."""

import contextlib
import math
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from sonant.errors import FstError, SonantError
from sonant.fst import NgramLm, SymbolTable


def sentences(seed: int, count: int, words: int = 40) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(f"w{int(words * rng.random() ** 2.5)}" for _ in range(rng.randint(1, 9)))
        for _ in range(count)
    ]


def katz(text: list[str], order: int, min_counts=(), max_discounted=(0, 7)):
    """The definition, with dictionaries: p(word, history)."""
    counts: list[Counter] = [Counter() for _ in range(order + 1)]
    for line in text:
        words = ["<s>", *line.split(), "</s>"]
        for n in range(1, order + 1):
            counts[n].update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    vocabulary = {w for (w,) in counts[1]} - {"<s>"} | {"<unk>"}
    del counts[1][("<s>",)]
    followers = defaultdict(dict)
    for n in range(1, order + 1):
        for gram, count in counts[n].items():
            followers[gram[:-1]][gram[-1]] = count

    def discounts(n: int) -> dict[int, float]:
        having = Counter(counts[n].values())
        k = max_discounted[min(n, len(max_discounted)) - 1] if having[1] else 0
        while k and not having[k + 1]:
            k -= 1
        common = (k + 1) * having[k + 1] / having[1] if k else 0
        found = {}
        for c in range(1, k + 1):
            if not having[c]:
                continue
            ratio = (c + 1) * having[c + 1] / (c * having[c])
            value = (ratio - common) / (1 - common) if common != 1 else math.inf
            if 3e-6 < value <= 1:
                found[c] = value
        return found

    all_discounts = [{}] + [discounts(n) for n in range(1, order + 1)]
    kept: dict[tuple, dict[str, float]] = {}
    for n in range(order):
        least = min_counts[min(n, len(min_counts) - 1)] if n and min_counts else 1
        for history, words in followers.items():
            if len(history) != n:
                continue
            if history not in ((), ("<s>",)) and history[-1] not in kept.get(history[:-1], {}):
                continue
            mass = {w: all_discounts[n + 1].get(c, 1) * c for w, c in words.items() if c >= least}
            total = sum(words.values())
            if len(mass) == len(vocabulary):
                total = sum(mass.values())
            elif 1 - sum(mass.values()) / total < 3e-6:
                total += 1
            kept[history] = {w: m / total for w, m in mass.items()}
    unseen = vocabulary - kept[()].keys()
    rest = 1 - sum(kept[()].values())
    kept[()] |= {word: rest / len(unseen) for word in unseen}

    def probability(word: str, history: tuple) -> float:
        own = kept.get(history)
        if own is None or not own:
            return probability(word, history[1:])
        if word in own:
            return own[word]
        shorter = sum(probability(w, history[1:]) for w in own)
        return (1 - sum(own.values())) / (1 - shorter) * probability(word, history[1:])

    return probability, vocabulary, kept


@pytest.mark.parametrize(
    ("order", "count", "options"),
    [
        (1, 300, {}),
        (1, 300, {"max_discounted": (5,)}),
        (2, 300, {}),
        (3, 400, {}),
        (3, 400, {"min_counts": (1, 1, 2)}),
        (3, 400, {"min_counts": (1, 2, 3), "max_discounted": (0, 5, 3)}),
        (4, 400, {"max_discounted": (1, 12)}),
        (4, 400, {"min_counts": (1, 2)}),
        (3, 6, {}),
        (2, 3, {"max_discounted": (7,)}),
    ],
)
def test_katz_is_the_definition(order, count, options):
    text = sentences(order + count, count)
    lm = NgramLm.train(text, order, smoothing="katz", **options)
    probability, vocabulary, kept = katz(text, order, **options)
    assert lm.counts[-1] == (order == 1) + sum(len(words) for h, words in kept.items() if len(h) == order - 1)
    rng = random.Random(0)
    histories = [*rng.sample(sorted(kept), min(40, len(kept))), ("w0", "nowhere"), ("w1", "w39", "w38")]
    for history in histories:
        short = history[max(0, len(history) - order + 1) :]
        exact = {w: probability(w, short) for w in vocabulary}
        found = {w: math.exp(lm.score(history, w)) for w in vocabulary}
        assert math.fsum(found.values()) == pytest.approx(1, abs=2e-6)
        for word in vocabulary:
            assert found[word] == pytest.approx(exact[word], rel=2e-4, abs=1e-9)


def test_every_katz_history_sums_to_one():
    text = sentences(3, 500)
    for lm in (
        NgramLm.train(text, 3, smoothing="katz", vocabulary=["w0", "w1", "w2", "nowhere"]),
        NgramLm.train(text, 5, smoothing="katz"),
        NgramLm.train(["a b", "b a", "a a b b", "b b a a", "", "a", "b"] * 5, 2, smoothing="katz"),
    ):
        words = [w for w, key in lm.symbols if key and w != "<s>"]
        lines = lm.to_bytes().decode().splitlines()
        histories = {tuple(line.split("\t")[1].split()) for line in lines if "\t" in line}
        assert histories
        for history in sorted(histories):
            if history[-1] != "</s>":
                assert math.fsum(math.exp(s) for s in (lm.score(history, w) for w in words)) == pytest.approx(
                    1, abs=5e-6
                )


def test_what_counts_of_counts_do_not_allow_is_told(caplog):
    NgramLm.train(["a b c", "a b c"], 2, smoothing="katz")
    assert "order 2: no n-gram comes once: counts are not discounted" in caplog.text
    NgramLm.train(sentences(1, 20), 2, smoothing="katz", max_discounted=(0, 7))
    assert "order 2: no n-gram comes" in caplog.text and "are discounted, not to 7" in caplog.text
    NgramLm.train(["a b"], 2)
    assert "order 2: 3, 0, 0, 0 n-grams come 1, 2, 3, 4 times" in caplog.text
    with pytest.raises(FstError, match="smoothing='good'"):
        NgramLm.train(["a"], 2, smoothing="good")  # pyright: ignore[reportArgumentType]
    with pytest.raises(FstError, match="counts up to -1"):
        NgramLm.train(["a"], 2, smoothing="katz", max_discounted=(-1,))


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_counts_on_disk_are_those_in_memory(tmp_path, order):
    text = tmp_path / "text"
    text.write_text("\n".join(sentences(order, 12000, 3000)))
    states = []
    for smoothing in ("kneser-ney", "katz"):
        options = {"smoothing": smoothing, "min_counts": (1, 1, 2)}
        expected = NgramLm.train(text, order, **options).to_bytes()
        for memory in (1 << 16, 300_000, 1 << 21):
            found = NgramLm.train(
                text, order, memory=memory, temporary=tmp_path, progress=states.append, **options
            )
            assert found.to_bytes() == expected
    assert order < 3 or max(state.files for state in states) > 5
    assert max(state.words for state in states) == len(text.read_text().split()) + 12000
    assert os.listdir(tmp_path) == ["text"]


def test_bad_memory_and_folders(tmp_path):
    with pytest.raises(FstError, match="memory of 1000 bytes for counts; expected at least 65536"):
        NgramLm.train(["a"], 2, memory=1000)
    text = sentences(1, 20000, 3000)
    with pytest.raises(FstError, match=r"nowhere: No such file or directory; name another one"):
        NgramLm.train(text, 3, memory=1 << 16, temporary=tmp_path / "nowhere")


FULL = """
import resource, sys
from sonant.errors import FstError
from sonant.fst import NgramLm
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    NgramLm.train(sys.argv[1], 3, memory=1 << 20, temporary=sys.argv[2])
except FstError as error:
    print(error)
"""
STOPPED = """
import _thread, os, sys
from sonant.fst import NgramLm
def stop(state):
    if state.files:
        os.kill(os.getpid(), 2)
try:
    NgramLm.train(sys.argv[1], 3, memory=1 << 18, temporary=sys.argv[2], progress=stop)
except KeyboardInterrupt:
    print("stopped", os.listdir(sys.argv[2]))
"""


def test_a_full_disk_and_ctrl_c_leave_nothing(tmp_path):
    text = tmp_path / "text"
    text.write_text("\n".join(sentences(2, 30000, 3000)))
    folder = tmp_path / "runs"
    folder.mkdir()
    for script, words in ((FULL, "cannot grow beyond 200000 bytes: File too large"), (STOPPED, "stopped []")):
        command = [sys.executable, "-c", script, str(text), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert words in done.stdout
        assert os.listdir(folder) == []


@pytest.mark.parametrize("smoothing", ["kneser-ney", "katz"])
def test_texts_as_they_come(tmp_path, smoothing):
    train = lambda text, **more: NgramLm.train(text, 2, smoothing=smoothing, **more)  # noqa: E731
    for text in (b"", b"\n\n \t\r\n", b"\n" * 100000):
        with pytest.raises(FstError, match="no sentence"):
            train(text)
    one = train(b"word")
    assert one.counts == [4, 2]
    assert math.exp(one.score(["<s>"], "word")) > 0.2
    odd = b"a\x00b \xff\xfe \xe2\x82 caf\xc3\xa9\r\n" * 3
    lm = train(odd)
    assert NgramLm.read(lm.to_bytes()).to_bytes() == lm.to_bytes()
    assert lm.perplexity(odd).unknown == 0
    for mark in ("<s>", "</s>", "<eps>"):
        with pytest.raises(FstError, match=rf"bytes:2: the text has the word '{mark}'"):
            train(f"a b\na {mark} b".encode())
    train(b"<unk> a")
    with pytest.raises(FstError, match="bytes:1: a line of more than 16777216 bytes"):
        train(b"a" + b"b" * (1 << 25))  # no text has such a line
    with pytest.raises(FstError, match="there is no sentence"):
        train(b"", vocabulary=SymbolTable(["<eps>", "a"]))
    long = train(b"a b " * 2_500_000)
    assert long.counts == [5, 4]


def test_random_texts_train_or_tell():
    rng = random.Random(0)
    for _ in range(200):
        text = bytes(rng.choices(b"ab \n\r\t\x00\xff<s>", k=rng.randint(0, 60)))
        with contextlib.suppress(SonantError):
            for smoothing in ("kneser-ney", "katz"):
                lm = NgramLm.train(text, rng.randint(1, 7), smoothing=smoothing)
                assert lm.perplexity(text).unknown == 0
