"""Transcripts as files.

txt   the text, one recording a line
json  everything: one object, or a list of them for several recordings
srt   SubRip subtitles             vtt   WebVTT subtitles (W3C)
tsv   start and end in milliseconds and the text of each cue, under a header, as Whisper writes it
ctm   NIST's time-marked conversation format: recording, channel (1), start, duration, word, confidence
TextGrid  Praat's tiers of intervals: the words; of an alignment also its phones, and what was said and is not
          in the text

An alignment can be written as all but txt; json, TextGrid hold where recording and text differ, too.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from sonant.errors import ConfigError
from sonant.text.alignment import Alignment, Phone
from sonant.text.cues import cues, shown
from sonant.text.textgrid import Interval, textgrid
from sonant.text.transcript import Transcript, Word

FORMATS = ("txt", "json", "srt", "vtt", "tsv", "ctm", "TextGrid")


def render(transcripts: Transcript | Alignment | Iterable[Transcript], format: str) -> str:
    """The contents of a file: one of FORMATS, of one transcript or several, or of an alignment.

    Raises ConfigError for another format, and for several transcripts in srt, vtt, tsv or TextGrid, whose
    times are those of one recording.
    """
    if format not in FORMATS:
        raise ConfigError(f"format={format!r}; expected one of {', '.join(FORMATS)}")
    if isinstance(transcripts, Alignment):
        if format == "json":
            return json.dumps(_alignment_value(transcripts), ensure_ascii=False, indent=2) + "\n"
        if format == "TextGrid":
            return _alignment_grid(transcripts)
        transcripts = transcripts.transcript
    single = isinstance(transcripts, Transcript)
    several = [transcripts] if single else list(transcripts)
    if format == "json":
        values = [_value(transcript) for transcript in several]
        return json.dumps(values[0] if single else values, ensure_ascii=False, indent=2) + "\n"
    if format == "txt":
        return "".join(" ".join(transcript.text.split()) + "\n" for transcript in several)
    if format == "ctm":
        return "".join(map(_ctm, several))
    if len(several) != 1:
        raise ConfigError(
            f"{format} holds one recording, but {len(several)} transcripts were given; "
            "write a file for each, or use txt, json or ctm"
        )
    return {"srt": _srt, "vtt": _vtt, "tsv": _tsv, "TextGrid": _grid}[format](several[0])


def write(
    transcripts: Transcript | Alignment | Iterable[Transcript],
    format: str,
    file: str | os.PathLike[str] | TextIO,
) -> None:
    """Write `render(transcripts, format)` to a path, which then holds all of it or what it held before, or to
    an open text file. Raises ConfigError as `render` does, and where the path cannot be written."""
    text = render(transcripts, format)
    if not isinstance(file, str | os.PathLike):
        file.write(text)
        return
    path = Path(file)
    try:
        if path.exists() and not path.is_file():  # a pipe or a terminal; a folder raises
            path.write_text(text, "utf-8")
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(text, "utf-8", newline="\n")
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}; expected a file in a folder that exists"
        ) from error


def _value(transcript: Transcript) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": transcript.name,
        "text": transcript.text,
        "confidence": round(float(transcript.confidence), 4),
        "duration": round(float(transcript.duration), 3),
        "words": [_word_value(word) for word in transcript.words],
    }
    if transcript.alternatives:
        value["alternatives"] = [_value(other) for other in transcript.alternatives]
    return value


def _word_value(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": round(float(word.start), 3),
        "end": round(float(word.end), 3),
        "confidence": round(float(word.confidence), 4),
    }


def _alignment_value(alignment: Alignment) -> dict[str, Any]:
    words = zip(alignment.words, alignment.positions, strict=True)
    value: dict[str, Any] = {
        "name": alignment.name,
        "duration": round(float(alignment.duration), 3),
        "complete": alignment.complete,
        "words": [{**_word_value(word), "position": position} for word, position in words],
        "unsaid": [{**asdict(word), "after": round(word.after, 3)} for word in alignment.unsaid],
        "unmatched": [
            {"start": round(part.start, 3), "end": round(part.end, 3), "heard": part.heard}
            for part in alignment.unmatched
        ],
    }
    if alignment.phones:
        value["phones"] = [
            {"text": phone.text, "start": round(phone.start, 3), "end": round(phone.end, 3)}
            for phone in alignment.phones
        ]
    if alignment.unknown:
        value["unknown"] = list(alignment.unknown)
    return value


def _intervals(words: Iterable[Word | Phone]) -> list[Interval]:
    return [(word.start, word.end, word.text) for word in words if word.text]


def _grid(transcript: Transcript) -> str:
    return textgrid([("words", _intervals(transcript.words))], transcript.duration)


def _alignment_grid(alignment: Alignment) -> str:
    unmatched = [(part.start, part.end, part.heard) for part in alignment.unmatched]
    tiers = [("words", _intervals(alignment.words)), ("not in the text", unmatched)]
    if alignment.phones:
        tiers.insert(1, ("phones", _intervals(alignment.phones)))
    return textgrid(tiers, alignment.duration)


def _clock(seconds: float, mark: str) -> str:
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _srt(transcript: Transcript) -> str:
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n" + "\n".join(cue.lines) + "\n\n"
        for number, cue in enumerate(shown(cues(transcript)), 1)
    )


def _vtt(transcript: Transcript) -> str:
    parts = ["WEBVTT\n\n"]
    for cue in shown(cues(transcript)):
        text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        parts.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{text}\n\n")
    return "".join(parts)


def _tsv(transcript: Transcript) -> str:
    rows = (f"{round(cue.start * 1000)}\t{round(cue.end * 1000)}\t{cue.text}\n" for cue in cues(transcript))
    return "start\tend\ttext\n" + "".join(rows)


def _ctm(transcript: Transcript) -> str:
    """A field holds no space: those in a name become `_`."""
    name = "_".join(transcript.name.split()) or "unnamed"
    lines = []
    for word in transcript.words:
        if text := "_".join(word.text.split()):
            length = max(0.0, word.end - word.start)
            lines.append(f"{name} 1 {word.start:.3f} {length:.3f} {text} {word.confidence:.3f}\n")
    return "".join(lines)
