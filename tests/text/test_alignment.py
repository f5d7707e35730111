"""Alignments and TextGrid files."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant.errors import ConfigError
from sonant.text import Alignment, Transcript, UnmatchedAudio, UnsaidWord, Word, render
from sonant.text.textgrid import textgrid

FOUND = Alignment(
    words=(Word("say", 0.5, 0.75, 0.9), Word('"so"', 1.0, 1.25, 0.5)),
    positions=(0, 2),
    unsaid=(UnsaidWord("not", 1, 0.75, "not heard"),),
    unmatched=(UnmatchedAudio(1.5, 1.9, "OR ELSE"),),
    duration=2.0,
    name="talk",
)


def intervals(text: str) -> list[list[tuple[float, float, str]]]:
    """Of each tier of a TextGrid."""
    tiers = []
    for part in re.split(r"    item \[\d+\]:\n", text)[1:]:
        found = re.findall(r'xmin = (\S+)\n +xmax = (\S+)\n +text = "((?:[^"]|"")*)"\n', part)
        tiers.append([(float(start), float(end), said.replace('""', '"')) for start, end, said in found])
    return tiers


def test_textgrid_of_an_alignment():
    text = render(FOUND, "TextGrid")
    assert text.splitlines()[:7] == [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        "xmax = 2",
        "tiers? <exists>",
        "size = 2",
    ]
    assert re.findall('name = "(.*)"', text) == ["words", "not in the text"]
    assert intervals(text) == [
        [(0, 0.5, ""), (0.5, 0.75, "say"), (0.75, 1, ""), (1, 1.25, '"so"'), (1.25, 2, "")],
        [(0, 1.5, ""), (1.5, 1.9, "OR ELSE"), (1.9, 2, "")],
    ]


def test_json_of_an_alignment():
    value = json.loads(render(FOUND, "json"))
    assert value["words"][1] == {"text": '"so"', "start": 1.0, "end": 1.25, "confidence": 0.5, "position": 2}
    assert value["unsaid"] == [{"text": "not", "position": 1, "after": 0.75, "reason": "not heard"}]
    assert value["unmatched"] == [{"start": 1.5, "end": 1.9, "heard": "OR ELSE"}]
    assert (value["name"], value["duration"], value["complete"]) == ("talk", 2.0, True)


def test_an_alignment_in_the_formats_of_transcripts():
    assert render(FOUND, "ctm") == 'talk 1 0.500 0.250 say 0.900\ntalk 1 1.000 0.250 "so" 0.500\n'
    assert render(FOUND, "txt") == 'say "so"\n'
    assert FOUND.transcript.confidence == pytest.approx(0.7)
    assert render(FOUND, "srt") == render(FOUND.transcript, "srt")


def test_textgrid_of_a_transcript():
    whole = Transcript("say", (Word("say", 0.5, 0.75, 0.9),), 0.9, 1.0)
    assert intervals(render(whole, "TextGrid")) == [[(0, 0.5, ""), (0.5, 0.75, "say"), (0.75, 1, "")]]
    assert intervals(render(Transcript("", (), 0.0, 1.5), "TextGrid")) == [[(0, 1.5, "")]]
    with pytest.raises(ConfigError, match="TextGrid holds one recording, but 2"):
        render([whole, whole], "TextGrid")


TIMES = st.floats(0, 50).map(lambda time: round(time, 4))


@given(st.lists(st.tuples(TIMES, TIMES, st.text('ab" \n'))), st.floats(0.01, 60))
def test_tiers_are_filled_whatever_the_times(drawn: list[tuple[float, float, str]], duration: float):
    in_order = sorted((min(a, b), max(a, b), text) for a, b, text in drawn)
    (tier,) = intervals(textgrid([("words", in_order)], duration))
    assert tier[0][0] == 0
    assert tier[-1][1] == pytest.approx(max([duration, *(end for _, end, _ in in_order)]), abs=2e-3)
    for (_, end, _), (start, _, _) in pairwise(tier):
        assert start == end
    assert all(start < end for start, end, _ in tier)
