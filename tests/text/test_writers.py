import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import ConfigError
from sonant.text import FORMATS, Transcript, Word, render, write


def spoken(
    text: str, name: str = "talk", step: float = 0.4, pauses: dict[int, float] | None = None
) -> Transcript:
    """A transcript whose words last 0.75 of `step` each; pauses: seconds before the word of that index."""
    words, now = [], 0.0
    for index, word in enumerate(text.split()):
        now += (pauses or {}).get(index, 0.0)
        words.append(Word(word, round(now, 3), round(now + 0.75 * step, 3), 0.9))
        now += step
    return Transcript(text, tuple(words), 0.9, now, name=name)


ASK = spoken("ask not what your country can do for you ask what you can do for your country", pauses={9: 1.5})


def test_txt():
    assert render(spoken("a b\n c"), "txt") == "a b c\n"
    assert render([spoken("a"), spoken("b")], "txt") == "a\nb\n"
    assert render([], "txt") == ""


def test_json():
    other = spoken("hello word")
    first = Transcript("hello", (Word("hello", 0.1234567, 0.5, 0.98765),), 0.98765, 1.0, (other,), "café")
    text = render(first, "json")
    assert "café" in text
    value = json.loads(text)
    assert value["words"] == [{"text": "hello", "start": 0.123, "end": 0.5, "confidence": 0.9877}]
    assert (value["text"], value["confidence"], value["duration"], value["name"]) == (
        "hello",
        0.9877,
        1.0,
        "café",
    )
    assert value["alternatives"][0]["text"] == "hello word"
    assert "alternatives" not in value["alternatives"][0]
    assert [one["text"] for one in json.loads(render([first, other], "json"))] == ["hello", "hello word"]
    assert len(json.loads(render([first], "json"))) == 1


def test_srt():
    assert render(ASK, "srt") == (
        "1\n00:00:00,000 --> 00:00:03,500\nask not what your country can do for you\n\n"
        "2\n00:00:05,100 --> 00:00:08,200\nask what you can do for your country\n\n"
    )


def test_vtt():
    assert render(spoken("a <b> & c", step=4000), "vtt").splitlines()[:5] == [
        "WEBVTT",
        "",
        "00:00:00.000 --> 00:50:00.000",
        "a",
        "",
    ]
    assert "00:00:00.000 --> 00:00:01.500\na &lt;b&gt; &amp; c\n" in render(spoken("a <b> & c"), "vtt")
    assert render(spoken(""), "vtt") == "WEBVTT\n\n"


def test_tsv():
    assert render(ASK, "tsv") == (
        "start\tend\ttext\n0\t3500\task not what your country can do for you\n5100\t8200\task what you can "
        "do for your country\n"
    )


def test_ctm():
    transcripts = [spoken("hello world", "my talk"), spoken("yes", "")]
    assert render(transcripts, "ctm") == (
        "my_talk 1 0.000 0.300 hello 0.900\nmy_talk 1 0.400 0.300 world 0.900\nunnamed 1 0.000 0.300 yes "
        "0.900\n"
    )


def test_times_past_an_hour():
    late = Transcript("x", (Word("x", 3600 * 101 + 61.9996, 3600 * 101 + 63.5, 1),), 1, 4e5)
    assert "101:01:02,000 --> 101:01:03,500" in render(late, "srt")


def test_a_cue_lasts_long_enough_to_read():
    def ends(*times: tuple[float, float]) -> list[str]:
        words = tuple(Word("x", start, end, 1) for start, end in times)
        return re.findall(r"--> 00:00:(\S+)", render(Transcript("", words, 1, 20), "srt"))

    assert ends((1, 1.04)) == ["02,000"]
    assert ends((1, 1.04), (1.9, 4)) == ["01,900", "04,000"]


def test_no_word_times():
    text = " ".join(["word"] * 30)
    cue = render(Transcript(text, (), 0.5, 12.5), "srt")
    assert cue.startswith("1\n00:00:00,000 --> 00:00:12,500\nword")
    assert max(map(len, cue.splitlines())) <= 42
    assert cue.split("\n", 2)[2].split() == text.split()
    assert render(Transcript("", (), 0, 1), "srt") == ""
    assert render(Transcript("a b", (), 0, 1), "ctm") == ""


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("abcdefgh.,", min_size=1, max_size=14),
            st.floats(0.05, 0.8),
            st.sampled_from([0, 0.1, 0.3, 2.0]),
        ),
        min_size=1,
        max_size=80,
    )
)
def test_cues_hold_every_word_in_readable_pieces(said):
    words, now = [], 0.0
    for text, length, pause in said:
        words.append(Word(text, now + pause, now + pause + length, 1))
        now += pause + length
    transcript = Transcript(" ".join(word.text for word in words), tuple(words), 1, now)
    found = []
    previous_end = 0.0
    for block in render(transcript, "srt").strip().split("\n\n"):
        _, times, *lines = block.split("\n")
        clocks = [
            float(m[0]) * 3600 + float(m[1]) * 60 + float(m[2])
            for m in re.findall(r"(\d+):(\d+):(\d+,\d+)".replace(",", "."), times.replace(",", "."))
        ]
        start, end = clocks
        assert previous_end - 0.0011 <= start < end <= start + 6.01
        previous_end = end
        assert 1 <= len(lines) <= 2
        assert all(len(line) <= 42 for line in lines)
        found += " ".join(lines).split()
    assert found == transcript.text.split()


def test_cues_are_cut_at_the_end_of_a_sentence():
    text = "this is the first sentence of a talk. and this is the second sentence of that very same talk"
    rows = render(spoken(text, step=0.25), "tsv").splitlines()[1:]
    assert rows[0].endswith("this is the first sentence of a talk.")


def test_words_too_long_for_a_line():
    assert "x" * 60 in render(spoken("a " + "x" * 60 + " b"), "srt")
    assert "广" * 100 in render(spoken("广" * 100), "srt")


def test_write(tmp_path):
    path = tmp_path / "talk.srt"
    for _ in range(2):
        write(ASK, "srt", path)
        assert path.read_text("utf-8") == render(ASK, "srt")
    write([ASK, ASK], "txt", str(tmp_path / "all.txt"))
    file = io.StringIO()
    write(ASK, "vtt", file)
    assert file.getvalue() == render(ASK, "vtt")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["all.txt", "talk.srt"]
    write(ASK, "txt", "/dev/null")


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ConfigError, match="format='doc'; expected one of txt, json, srt, vtt, tsv, ctm"):
        render(ASK, "doc")
    for form in ("srt", "vtt", "tsv"):
        with pytest.raises(ConfigError, match="2 transcripts were given; write a file for each"):
            render([ASK, ASK], form)
        assert render([ASK], form) == render(ASK, form)
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write(ASK, "txt", tmp_path / "no" / "talk.txt")
    with pytest.raises(ConfigError, match="cannot be written: Is a directory"):
        write(ASK, "txt", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(FORMATS) == 7
