"""Praat's TextGrid, long form: tiers of intervals that fill the whole recording (Praat manual, "TextGrid file
formats")."""

from collections.abc import Sequence
from itertools import pairwise

Interval = tuple[float, float, str]


def textgrid(tiers: Sequence[tuple[str, Sequence[Interval]]], duration: float) -> str:
    """tiers: a name and intervals (start, end, text) in order, in seconds. What lies between them becomes
    intervals without a text; an interval that begins before the last one ended begins at its end."""
    end = max([duration, *(interval[1] for _, intervals in tiers for interval in intervals)])
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_number(end)}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers, 1):
        filled = _filled(intervals, end)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
            "        xmin = 0",
            f"        xmax = {_number(end)}",
            f"        intervals: size = {len(filled)}",
        ]
        for place, (start, stop, text) in enumerate(filled, 1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {_number(start)}",
                f"            xmax = {_number(stop)}",
                f"            text = {_quoted(text)}",
            ]
    return "\n".join(lines) + "\n"


def _filled(intervals: Sequence[Interval], end: float) -> list[Interval]:
    """Without gaps, overlaps and intervals that have no length, which Praat does not take. Times are rounded
    as they are written, so that what is equal here is equal in the file."""
    filled: list[Interval] = []
    at = 0.0
    for start, stop, text in [*intervals, (end, end, "")]:
        start, stop = max(round(start, 3), at), round(stop, 3)
        if start > at:
            filled.append((at, start, ""))
        if stop > start:
            filled.append((start, stop, text))
        at = max(at, start, stop)
    if filled:
        start, _, text = filled[-1]
        filled[-1] = (start, end, text)
    assert all(before[1] == after[0] for before, after in pairwise(filled))
    return filled or [(0.0, end, "")]


def _number(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace('"', '""') + '"'
