"""ARPA files as they should not be: each error names the line; nothing crashes, hangs or takes all memory."""

import contextlib
import gzip
import math
import random
import re

import pytest

from sonant.errors import ArkError, FstError, SonantError
from sonant.fst import NgramLm, SymbolTable, read_arpa

ARPA = """\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-99\t<s>\t-0.5
-0.4\t</s>
-0.6\ta\t-0.25
-0.7\tb\t-0.1
-1.5\t<unk>

\\2-grams:
-0.1\t<s> a\t-0.2
-0.2\ta b
-0.3\ta a\t-0.1
-0.9\tb </s>

\\3-grams:
-0.3\t<s> a b
-0.4\ta a </s>

\\end\\
"""


def readers(data: bytes):
    """Each reader's outcome on the bytes: what it has read, or its error."""
    for read in (NgramLm.read, read_arpa):
        try:
            yield read(data)
        except SonantError as error:
            yield error


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("-0.6\ta", "nan\ta", 9, "'nan' is no logarithm of a probability"),
        ("-0.6\ta", "+inf\ta", 9, "'.inf' is no logarithm of a probability"),
        ("-0.6\ta", "1e39\ta", 9, "'1e39' is no logarithm of a probability"),
        ("-0.6\ta\t-0.25", "-0.6\ta\tinf", 9, "'inf' is no logarithm of a backoff"),
        ("-0.6\ta", "-0,6\ta", 9, "'-0,6' is no logarithm"),
        ("-0.6\ta", "-0.6\x00\ta", 9, "'-0.6.' is no logarithm"),
        ("-0.2\ta b", "-0.2\ta", 15, "expected a logarithm, 2 words"),
        ("-0.2\ta b", "-0.2\ta b -1 c", 15, "expected a logarithm, 2 words"),
        ("-0.4\ta a </s>", "-0.4\ta a </s>\t-1\t-1", 21, "expected a logarithm, 3 words"),
        ("ngram 2=4", "ngram 2=3", 19, "more n-grams of order 2 .4. than the header promises .3."),
        ("ngram 2=4", "ngram 2=-4", 3, "expected 'ngram ORDER=COUNT'"),
        ("ngram 2=4", "ngram 2=99999999999999999999", 3, "expected 'ngram ORDER=COUNT'"),
        ("ngram 2=4", "ngram 65=4", 3, "order 65; expected at most 64"),
        ("ngram 3=2\n", "", 18, "found .*3-grams:.*; expected .end"),
        ("\\3-grams:", "\\4-grams:", 20, "is no logarithm of a backoff|expected a logarithm, 2 words"),
        ("\\end\\\n", "", 22, "found ''; expected .end"),
        ("\\data\\", "\\dat\\", 23, "there is no line .data"),
        ("ngram 1=5\nngram 2=4\nngram 3=2\n", "", 3, "has no line 'ngram 1=COUNT'"),
        ("\\1-grams:", "\\2-grams:", 6, "found .*2-grams:.*; expected .*1-grams:"),
        ("-0.7\tb", "-0.7\t<eps>", 10, "'<eps>' has the symbol of epsilon"),
    ],
)  # fmt: skip
def test_the_line_is_named(old, new, line, message):
    assert old in ARPA
    for found in readers(ARPA.replace(old, new, 1).encode()):
        assert isinstance(found, FstError), found
        assert re.match(rf"bytes:{line}: .*({message})", str(found)), found


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("ngram 2=4", "ngram 2=400000000000", "4 n-grams of order 2; the header promises 400000000000"),
        ("-0.7\tb", "0.7\tb", "the probability of '0.7\tb\t-0.1' is above 1"),
        ("-0.2\ta b", "-0.2\tc b", "its first words are no n-gram|no n-gram"),
        ("\\2-grams:", "\\nothing\n\\2-grams:", "is skipped; expected an n-gram"),
        ("ngram 1=5", "words: 5\nngram 1=5", "'words: 5' is skipped; expected 'ngram ORDER=COUNT'"),
    ],
)
def test_what_may_be_is_told(old, new, warning, caplog):
    for found in readers(ARPA.replace(old, new, 1).encode()):
        assert not isinstance(found, SonantError), found
    assert re.search(warning, caplog.text)


def test_the_order_of_lines_does_not_matter():
    head, *sections, end = re.split(r"(?=\\\d-grams:|\\end)", ARPA)
    rng = random.Random(0)
    expected = NgramLm.read(ARPA.encode())
    for _ in range(10):
        mixed = [head]
        for section in sections:
            name, *lines = section.strip().split("\n")
            rng.shuffle(lines)
            mixed.append("\n".join([name, *lines, "", ""]))
        found = NgramLm.read("".join([*mixed, end]).encode())
        assert found.counts == expected.counts
        for history, word in [(["<s>", "a"], "b"), (["a", "a"], "</s>"), (["b", "a"], "a"), (["b"], "b")]:
            assert found.score(history, word) == expected.score(history, word)


def test_without_the_usual_words():
    # No <s>: a model, but no grammar. No </s>, no <unk>: sentences have no probability.
    bare = "\\data\\\nngram 1=2\n\n\\1-grams:\n-0.3 a\n-0.3 b\n\n\\end\\\n"
    lm, error = readers(bare.encode())
    assert isinstance(lm, NgramLm) and isinstance(error, FstError)
    assert "no n-gram <s>" in str(error)
    assert lm.score([], "c") == -math.inf
    assert lm.score_sentence("a") == -math.inf
    assert lm.perplexity(["a", "c c"]).log_probability == -math.inf
    assert lm.prune(1e-8).counts[0] >= 2
    zero = NgramLm.read(bare.replace("-0.3 b", "-inf b").encode())
    assert zero.score([], "b") == -math.inf


def test_high_orders():
    lines = ["\\data\\", *(f"ngram {n}=1" for n in range(2, 8)), "ngram 1=3", ""]
    for n in range(1, 8):
        lines += [f"\\{n}-grams:", f"-{n} " + " ".join("a" * n) + (" -0.5" if n < 7 else "")]
        lines += ["-1 <s> -1", "-1 </s>"] if n == 1 else []
    lm = NgramLm.read("\n".join([*lines, "\\end\\"]).encode())
    assert lm.order == 7
    assert lm.score(["a"] * 9, "a") == pytest.approx(-7 * math.log(10))
    assert lm.score(["a"] * 9, "</s>") == pytest.approx(-4 * math.log(10))
    assert NgramLm.read(lm.to_bytes()).to_bytes() == lm.to_bytes()
    assert read_arpa(lm.to_bytes()).num_states > 5


def test_every_cut_and_many_changes():
    data = ARPA.encode()
    table = SymbolTable(["<eps>", "#0", "<s>", "</s>", "a"])
    for cut in range(len(data) - 6):
        for found in readers(data[:cut]):
            assert isinstance(found, FstError), cut
    packed = gzip.compress(data)
    for cut in range(2, len(packed)):
        for found in readers(packed[:cut]):
            assert isinstance(found, (ArkError, FstError))
    rng = random.Random(1)
    for _ in range(2000):
        changed = bytearray(packed if rng.random() < 0.3 else data)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.choice(b"\x00\xff\n\r\t -+.\\=09ae") or rng.randrange(
                256
            )
        for found in readers(bytes(changed)):
            if isinstance(found, NgramLm):
                found.perplexity(["a b c", "b a"])
                assert NgramLm.read(found.to_bytes()).counts == found.counts
        with contextlib.suppress(SonantError):
            NgramLm.read(bytes(changed), table.copy(), oov=rng.choice(["skip", "add", "error"]))


def test_long_lines_and_long_lists_of_warnings(caplog):
    with pytest.raises(FstError, match=r"bytes:1: a line of more than 16777216 bytes"):
        NgramLm.read(b"x" * (40 << 20))
    long = ARPA.replace("-0.7\tb", "-0.7\t" + "b" * (10 << 20)).encode()
    for found in readers(long):
        assert not isinstance(found, FstError), str(found)[:200]
    assert len(caplog.text) < 20000
    caplog.clear()
    many = ARPA.replace("-0.2\ta b", "\n".join(["-0.2\tnobody b"] * 500)).replace("2=4", "2=503")
    NgramLm.read(many.encode(), max_warnings=3)
    assert "more warnings of this kind" in caplog.text and len(caplog.records) == 4
