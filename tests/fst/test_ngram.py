"""n-gram models: ARPA files, scores, estimation and pruning beside their definitions."""

import contextlib
import gzip
import itertools
import math
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant.cli import main
from sonant.errors import ArkError, FstError, SonantError
from sonant.fst import NgramLm, SymbolTable, read_arpa

ARPA = r"""
\data\
ngram 1=5
ngram 2=3

\1-grams:
-99 <s> -0.5
-0.4 </s>
-0.6 a -0.25
-0.7 b
-1.5 <unk>

\2-grams:
-0.1 <s> a
-0.2 a b
-0.9 b </s>

\end\
"""
LN10 = math.log(10)


def test_scores_back_off():
    lm = NgramLm.read(ARPA.encode())
    assert lm.order == 2 and lm.counts == [5, 3]
    assert lm.score(["<s>"], "a") == pytest.approx(-0.1 * LN10, rel=1e-6)
    assert lm.score(["<s>"], "b") == pytest.approx((-0.5 - 0.7) * LN10, rel=1e-6)
    assert lm.score(["b"], "a") == pytest.approx(-0.6 * LN10, rel=1e-6)
    assert lm.score(["b", "a"], "never seen") == pytest.approx((-0.25 - 1.5) * LN10, rel=1e-6)
    assert lm.score_sentence("a b") == pytest.approx((-0.1 - 0.2 - 0.9) * LN10, rel=1e-6)
    found = lm.perplexity(["a b", "", "b x"])
    assert (found.sentences, found.words, found.unknown) == (2, 4, 1)
    assert found.log_probability == pytest.approx(lm.score_sentence("a b") + lm.score_sentence("b x"))
    assert found.perplexity == pytest.approx(math.exp(-found.log_probability / 6))
    without = NgramLm.read(ARPA.replace("-1.5 <unk>\n", "").replace("ngram 1=5", "ngram 1=4").encode())
    assert without.score([], "x") == -math.inf
    assert math.isfinite(without.perplexity(["b x"]).perplexity)


def test_forms_of_files(tmp_path):
    expected = NgramLm.read(ARPA.encode()).to_bytes()
    windows = ARPA.replace("\n", "\r\n").encode()
    packed = tmp_path / "lm.arpa.gz"
    packed.write_bytes(gzip.compress(ARPA[:100].encode()) + gzip.compress(ARPA[100:].encode()))
    for source in (windows, b"noise\n" + ARPA.encode().rstrip(), packed, ARPA.replace(" ", "\t").encode()):
        assert NgramLm.read(source).to_bytes() == expected
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises((ArkError, FstError)):
        NgramLm.read(packed)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "no line"),
        ("-0.6 a", "x a", r":9: 'x' is no logarithm"),
        ("-0.6 a -0.25", "-0.6 a -0.25 3", "expected a logarithm, 1 words"),
        ("-0.2 a b", "-0.2 a", "expected a logarithm, 2 words"),
        ("\\2-grams:", "\\3-grams:", "'a' is no logarithm of a backoff"),
        ("\\end\\", "", "expected .end"),
        ("ngram 2=3", "ngram 2=2", "promises"),
        ("ngram 1=5", "ngram 99=5", "order 99"),
        ("ngram 1=5", "ngram 1=many", "ORDER=COUNT"),
        ("-0.6 a", "-0.6 <eps>", "epsilon"),
    ],
)
def test_what_is_wrong_is_named(old, new, message):
    for read in (NgramLm.read, read_arpa):
        with pytest.raises(FstError, match=message):
            read(ARPA.replace(old, new, 1).encode())


def test_unknown_words_and_odd_ngrams(caplog):
    table = SymbolTable(["<eps>", "#0", "<s>", "</s>", "a", "<unk>"])
    assert NgramLm.read(ARPA.encode(), table.copy()).counts == [4, 1]
    assert "the word 'b' is not in the symbol table" in caplog.text
    assert NgramLm.read(ARPA.encode(), table.copy(), oov="add").counts == [5, 3]
    with pytest.raises(FstError, match="'b' is not in the symbol table"):
        NgramLm.read(ARPA.encode(), table.copy(), oov="error")
    with pytest.raises(FstError, match="backoff symbol #1"):
        read_arpa(ARPA.encode(), table.copy(), backoff="#1")
    caplog.clear()
    twice = ARPA.replace("-0.2 a b", "-0.2 a b\n-0.3 a b\n-0.3 nobody b").replace("2=3", "2=5")
    assert NgramLm.read(twice.encode()).score(["a"], "b") == pytest.approx(-0.2 * LN10, rel=1e-6)
    assert "come twice" in caplog.text and "its first words are no n-gram" in caplog.text
    with pytest.raises(FstError, match="no n-gram <s>"):
        read_arpa(
            ARPA.replace("-99 <s> -0.5\n", "").replace("1=5", "1=4").replace("-0.1 <s> a\n", "").encode()
        )


@given(st.binary(max_size=60), st.integers(0, len(ARPA)), st.integers(0, 30))
def test_any_bytes_raise_or_are_read(noise, at, cut):
    data = ARPA.encode()
    for read in (NgramLm.read, read_arpa):
        with contextlib.suppress(SonantError):
            read(data[:at] + noise + data[at + cut :])


def path_cost(fst, words) -> float:
    """Of the sentence in a grammar, backing off only where a word is missing."""
    arcs = [{a[0]: a for a in fst.arcs_of(s)} for s in range(fst.num_states)]
    table, state, cost = fst.input_symbols, fst.start, 0.0
    for word in words:
        while table[word] not in arcs[state]:
            _, _, weight, state = arcs[state][table["#0"]]
            cost += weight
        _, _, weight, state = arcs[state][table[word]]
        cost += weight
    while math.isinf(fst.final(state)):
        _, _, weight, state = arcs[state][table["#0"]]
        cost += weight
    return cost + fst.final(state)


def sentences(seed: int, count: int = 200) -> list[str]:
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(30)]
    return [
        " ".join(words[int(30 * rng.random() ** 2.5)] for _ in range(rng.randint(1, 9))) for _ in range(count)
    ]


def kneser_ney(text: list[str], order: int):
    """The formulas, with dictionaries: p(word, history)."""
    raw: list[Counter] = [Counter() for _ in range(order + 1)]
    for line in text:
        words = ["<s>", *line.split(), "</s>"]
        for n in range(1, order + 1):
            raw[n].update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    counts = list(raw)
    for n in range(1, order):
        before = defaultdict(set)
        for gram in raw[n + 1]:
            before[gram[1:]].add(gram[0])
        counts[n] = Counter({g: raw[n][g] if g[0] == "<s>" else len(before[g]) for g in raw[n]})
    del counts[1][("<s>",)]
    discounts = [(0.0,) * 4]
    for n in range(1, order + 1):
        having = Counter(counts[n].values())
        found = (0.0, 0.5, 1.0, 1.5)
        if all(having[i] for i in range(1, 5)):
            y = having[1] / (having[1] + 2 * having[2])
            exact = (0.0, *(i - (i + 1) * y * having[i + 1] / having[i] for i in (1, 2, 3)))
            if all(0 < exact[i] < i for i in (1, 2, 3)):
                found = exact
        discounts.append(found)
    types = len(counts[1]) + 1  # and <unk>

    def probability(word, history):
        n = len(history) + 1
        after = {g[-1]: c for g, c in counts[n].items() if g[:-1] == history}
        below = 1 / types if n == 1 else probability(word, history[1:])
        if not after:
            return below
        total = sum(after.values())
        backoff = sum(discounts[n][min(c, 3)] for c in after.values()) / total
        own = after.get(word, 0)
        return (own - discounts[n][min(own, 3)]) / total + backoff * below

    return probability


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_training_is_the_formula(order):
    text = sentences(order)
    lm = NgramLm.train(text, order)
    probability = kneser_ney(text, order)
    for history, word in [
        ((), "w0"), ((), "</s>"), ((), "<unk>"), (("<s>",), "w3"), (("w1",), "w0"), (("w1", "w0"), "</s>"),
        (("<s>", "w2"), "w5"), (("w0", "w0", "w1"), "w2"), (("<s>", "w0", "w0"), "w0"), (("w25",), "w29"),
    ]:  # fmt: skip
        short = history[max(0, len(history) - order + 1) :]
        assert math.exp(lm.score(history, word)) == pytest.approx(probability(word, short), rel=1e-5)


def sums(lm: NgramLm, history) -> float:
    return math.fsum(math.exp(lm.score(history, w)) for w, key in lm.symbols if key and w != "<s>")


HISTORIES = [[], ["<s>"], ["w0"], ["<s>", "w1"], ["w3", "w0"], ["w28", "w29"], ["w0", "w1", "w0"]]


def test_every_history_sums_to_one():
    text = sentences(5, 400)
    lm = NgramLm.train(text, 3)
    for model in (
        lm,
        NgramLm.train(text, 3, min_counts=(1, 2, 3)),
        NgramLm.train(text, 4, vocabulary=["w0", "w1", "w2", "nowhere"]),
        lm.prune(1e-4),
        lm.prune(0, max_order=2),
        NgramLm.interpolate([lm, NgramLm.train(sentences(6), 2)], [0.7, 0.3]),
    ):
        for history in HISTORIES:
            assert sums(model, history) == pytest.approx(1, abs=1e-5)
    assert lm.prune(0).counts == lm.counts
    pruned = lm.prune(1e-4)
    assert sum(pruned.counts) < sum(lm.counts)
    assert pruned.perplexity(text).perplexity < lm.prune(1e-2).perplexity(text).perplexity
    mixture = NgramLm.interpolate([lm, lm.prune(1e-4)], [1, 1])
    for history, word in itertools.product(HISTORIES, ["w0", "w5", "</s>"]):
        exact = (math.exp(lm.score(history, word)) + math.exp(pruned.score(history, word))) / 2
        if history and lm.score(history[-2:], word) != lm.score(history[-1:], word):
            assert math.exp(mixture.score(history, word)) == pytest.approx(exact, rel=0.2)


def test_pruning_is_by_the_change_of_the_divergence():
    lm = NgramLm.train(sentences(7, 300), 2)
    words = [w for w, key in lm.symbols if key and w != "<s>"]
    threshold = 2e-5
    pruned = lm.prune(threshold)
    grams = {line.split("\t")[1] for line in pruned.to_bytes().decode().splitlines() if "\t" in line}
    seen = [
        tuple(line.split("\t")[1].split())
        for line in lm.to_bytes().decode().partition("\\2-grams:")[2].splitlines()
        if "\t" in line
    ]
    for history, word in seen[::7]:
        # The definition: relative entropy between the model and the one without this n-gram.
        kept = [w for h, w in seen if h == history and w != word]
        p = {w: math.exp(lm.score([history], w)) for w in words}
        q = {w: math.exp(lm.score([], w)) for w in words}
        backoff = (1 - sum(p[w] for w in kept)) / (1 - sum(q[w] for w in kept))
        without = {w: p[w] if w in kept else backoff * q[w] for w in words}
        before = math.exp(lm.score([], "</s>" if history == "<s>" else history))
        loss = before * sum(p[w] * math.log(p[w] / without[w]) for w in words)
        if abs(math.expm1(loss) / threshold - 1) > 0.01:
            assert (f"{history} {word}" in grams) == (math.expm1(loss) >= threshold)


def test_a_grammar_costs_what_the_model_says():
    text = sentences(8)
    lm = NgramLm.train(text, 3)
    grammar = lm.to_fst()
    for line in text[:40]:
        assert path_cost(grammar, line.split()) == pytest.approx(-lm.score_sentence(line), rel=1e-4)
    assert NgramLm.read(lm.to_bytes()).to_bytes() == lm.to_bytes()


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_a_text_costs_what_its_sentences_do(order):
    text = [*sentences(order, 100), "w0 never w1", "", "never", " ".join(["w1", "w2"] * 1500)]
    lm = NgramLm.train(sentences(order + 20), order)
    cut = NgramLm.read("\n".join(without_some_words(lm.to_bytes().decode())).encode())
    assert all(a < b for a, b in zip(cut.counts, lm.counts, strict=True))
    for model in (lm, lm.prune(1e-3), cut):
        once, again = model.perplexity(text), model.perplexity(text)
        assert once == again  # at first by search, then by an index
        if model is not cut:
            exact = math.fsum(model.score_sentence(line) for line in text if line)
            assert once.log_probability == pytest.approx(exact, rel=1e-9)
            assert model.perplexity(text[:1]).log_probability == pytest.approx(
                model.score_sentence(text[0]), rel=1e-9
            )
    assert cut.perplexity(text).log_probability == pytest.approx(by_definition(cut, text), rel=1e-9)


def without_some_words(arpa: str):
    """No <unk>, no w3, and no bigrams that end with w1."""
    for line in arpa.splitlines():
        words = line.split("\t")[1].split() if "\t" in line else []
        if not ({"<unk>", "w3"} & set(words) or (len(words) == 2 and words[1] == "w1")):
            yield line


def by_definition(lm: NgramLm, text: list[str]) -> float:
    """Of all words that the model has; other words are forgotten by those that follow."""
    total = 0.0
    for line in filter(None, text):
        history = ["<s>"]
        for word in [*line.split(), "</s>"]:
            if lm.score([], word) == -math.inf:
                history = []
            else:
                total += lm.score(history, word)
                history = [*history[-5:], word]
    return total


def test_bad_training():
    with pytest.raises(FstError, match="no sentence"):
        NgramLm.train(["", " "], 2)
    with pytest.raises(FstError, match="order 9"):
        NgramLm.train(["a"], 9)
    with pytest.raises(FstError, match="put around sentences"):
        NgramLm.train(["a <s> b"], 2)
    lm = NgramLm.train(["a b", "b a"], 2)
    with pytest.raises(FstError, match="threshold"):
        lm.prune(math.nan)
    with pytest.raises(FstError, match="weights"):
        NgramLm.interpolate([lm], [])


def test_the_command(tmp_path, capsys):
    text, lm = tmp_path / "text", tmp_path / "lm.arpa"
    text.write_text("\n".join(sentences(9)))
    assert main(["lm", "train", str(text), "--order", "2", "--out", str(lm)]) == 0
    assert main(["lm", "ppl", str(lm), str(text)]) == 0
    expected = NgramLm.train(text, 2).perplexity(text)
    assert f"{expected.words} words, 0 unknown" in (out := capsys.readouterr().out)
    assert f"perplexity {expected.perplexity:.2f}" in out
    again = tmp_path / "katz.arpa"
    options = ["--smoothing", "katz", "--memory", "1M", "--order", "2"]
    assert main(["lm", "train", str(text), "--out", str(again), *options]) == 0
    assert again.read_bytes() == NgramLm.train(text, 2, smoothing="katz").to_bytes()
    assert main(["lm", "train", str(text), "--out", str(again), "--memory", "much"]) == 1
    assert "--memory much: expected a number of bytes" in capsys.readouterr().err
    small, both = tmp_path / "small.arpa", tmp_path / "both.arpa"
    assert main(["lm", "prune", str(lm), "--out", str(small), "--threshold", "1e-4"]) == 0
    assert main(["lm", "mix", str(lm), str(small), "--weights", "1", "1", "--out", str(both)]) == 0
    grammar, words = tmp_path / "G.fst", tmp_path / "words.txt"
    assert main(["lm", "convert", str(both), "--out", str(grammar), "--write-symbols", str(words)]) == 0
    assert SymbolTable.read(words)["#0"] == 1
    assert main(["lm", "ppl", str(tmp_path / "none"), str(text)]) == 1
    assert "none" in capsys.readouterr().err
