import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import ConfigError
from sonant.text import error_rate, normalize, report


def distance(left: list[str], right: list[str]) -> int:
    """Levenshtein's recursion, as a table."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row = row, [i]
        for j, b in enumerate(right, 1):
            row.append(min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b)))
    return row[-1]


WORDS = st.lists(st.sampled_from(["a", "b", "the", "cat", "é"]), max_size=9)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), max_size=4), st.sampled_from(["word", "char"]))
def test_equals_brute_force(pairs, unit):
    references, hypotheses = [" ".join(a) for a, _ in pairs], [" ".join(b) for _, b in pairs]
    result = error_rate(references, hypotheses, unit=unit)
    split = [(a, b) if unit == "word" else (list(" ".join(a)), list(" ".join(b))) for a, b in pairs]
    assert result.errors == sum(distance(a, b) for a, b in split)
    assert result.reference_length == sum(len(a) for a, _ in split)
    assert result.errors == sum(one.errors for one in result.utterances)
    for one, (a, b) in zip(result.utterances, split, strict=True):
        assert [edit.reference for edit in one.alignment if edit.reference is not None] == a
        assert [edit.hypothesis for edit in one.alignment if edit.hypothesis is not None] == b
        for edit in one.alignment:
            expected = {
                "equal": edit.reference is not None and edit.reference == edit.hypothesis,
                "substitute": None not in (edit.reference, edit.hypothesis)
                and edit.reference != edit.hypothesis,
                "delete": edit.reference is not None and edit.hypothesis is None,
                "insert": edit.reference is None and edit.hypothesis is not None,
            }
            assert [name for name, holds in expected.items() if holds] == [edit.operation]
    report(result, only_errors=False, width=20)


def test_counts():
    result = error_rate(["the cat sat on the mat", "a dog"], ["the cat sit on mat", "a big dog"])
    assert (result.substitutions, result.deletions, result.insertions) == (1, 1, 1)
    assert (result.reference_length, result.rate) == (8, 3 / 8)
    assert str(result) == "WER 37.50 % (1 substitutions, 1 deletions, 1 insertions in 8 words)"
    assert [one.rate for one in result.utterances] == [2 / 6, 1 / 2]


def test_empty_texts():
    assert error_rate([], []).rate == 0
    assert error_rate([""], [""]).rate == 0
    assert error_rate([""], ["a b"]).rate == float("inf")
    assert error_rate(["a b"], [""]).rate == 1
    assert error_rate(["a"], ["b c d"]).rate == 3


def test_characters():
    result = error_rate(["广州市  分析"], ["广州 分折"], unit="char")
    assert (result.substitutions, result.deletions, result.insertions, result.reference_length) == (
        1,
        1,
        0,
        6,
    )
    assert str(result).startswith("CER 33.33 %")


def test_normalized():
    reference, hypothesis = "Mr. Smith's colour isn't forty-two.", "mister smith's color is not 42"
    assert error_rate([reference], [hypothesis]).rate > 0.5
    assert error_rate([reference], [hypothesis], normalizer="whisper").rate == 0
    assert normalize("The Colour, [noise] it's  twenty one!") == "the color it is 21"
    assert normalize("  As it is! ", "none") == "  As it is! "


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_normalizer_takes_any_text(text):
    assert isinstance(normalize(text, "whisper"), str)


def test_report():
    result = error_rate(["the cat sat on", "fine"], ["the sad on", "fine"], names=["talk-7", "talk-8"])
    assert report(result) == (
        "WER 40.00 % (1 substitutions, 1 deletions, 0 insertions in 5 words)\n"
        "\n"
        "talk-7  WER 50.00 % (1 S, 1 D, 0 I of 4)\n"
        "REF: the cat sat on\n"
        "HYP: the sad *** on\n"
        "         S   D\n"
    )
    assert "talk-8  WER 0.00 %" in report(result, only_errors=False)
    assert report(error_rate(["广州市"], ["广州是"], unit="char"), width=80).endswith(
        "REF: 广州市\nHYP: 广州是\n         S\n"
    )


def test_report_wraps():
    text = report(error_rate(["word " * 50], ["ward " + "word " * 49]), width=60)
    assert max(map(len, text.splitlines()[1:])) <= 60
    assert text.count("REF: ") == 5


def test_bad_arguments():
    with pytest.raises(ConfigError, match="2 references, 1 hypotheses and 2 names"):
        error_rate(["a", "b"], ["a"])
    with pytest.raises(ConfigError, match="1 names"):
        error_rate(["a", "b"], ["a", "b"], names=["x"])
    with pytest.raises(ConfigError, match="expected lists"):
        error_rate("a", "a")
    with pytest.raises(ConfigError, match="unit='phone'"):
        error_rate(["a"], ["a"], unit="phone")
    with pytest.raises(ConfigError, match="normalizer='lower'; expected one of none, whisper"):
        error_rate(["a"], ["a"], normalizer="lower")
