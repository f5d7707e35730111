"""Rspecifiers, wspecifiers, script files and the ranges in them.

Syntax: `util/kaldi-table.h` of Kaldi. `ark,s,cs:file` names a table to read, `ark,scp:a.ark,a.scp` one to
write; a line of a script file is `key file.ark:1234[0:99]`.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from sonant.errors import ArkError, SpecifierError
from sonant.kaldi.util.io import OpenedInput, xopen

log = logging.getLogger("sonant.kaldi")

# Frames that the end of a range may lie past the end of what it cuts: Kaldi's tolerance for rounded times.
_TOLERANCE = 3


class RspecifierType(IntEnum):
    NO_SPECIFIER = 0
    ARCHIVE_SPECIFIER = 1
    SCRIPT_SPECIFIER = 2


class WspecifierType(IntEnum):
    NO_SPECIFIER = 0
    ARCHIVE_SPECIFIER = 1
    SCRIPT_SPECIFIER = 2
    BOTH_SPECIFIER = 3


@dataclass
class RspecifierOptions:
    once: bool = False
    """`o`: every key is asked for once."""
    sorted: bool = False
    """`s`: the keys of the table are sorted."""
    called_sorted: bool = False
    """`cs`: keys are asked for in sorted order."""
    permissive: bool = False
    """`p`: what cannot be read is passed over, as if it were not there."""
    background: bool = False
    """`bg`: a sequential reader reads ahead in a thread."""


@dataclass
class WspecifierOptions:
    binary: bool = True
    """`b`, or `t` for text."""
    flush: bool = False
    """`f`: flush after every object; `nf` not."""
    permissive: bool = False
    """`p`: keys that a script file lacks are passed over."""


_READ_OPTIONS = {
    "o": ("once", True),
    "no": ("once", False),
    "s": ("sorted", True),
    "ns": ("sorted", False),
    "cs": ("called_sorted", True),
    "ncs": ("called_sorted", False),
    "p": ("permissive", True),
    "np": ("permissive", False),
    "bg": ("background", True),
    "b": ("", True),  # reading finds out by itself
    "t": ("", True),
}
_WRITE_OPTIONS = {
    "b": ("binary", True),
    "t": ("binary", False),
    "f": ("flush", True),
    "nf": ("flush", False),
    "p": ("permissive", True),
}


def _parse(specifier: str, known: dict[str, tuple[str, bool]], options: Any) -> tuple[list[str], str] | None:
    """The words `ark` and `scp` before the colon, and what is behind it; None where it makes no sense."""
    head, colon, rest = specifier.partition(":")
    if not colon or specifier[-1].isspace():
        return None
    kinds = []
    for word in re.split("[, ]", head):
        if word in ("ark", "scp"):
            kinds.append(word)
        elif word in known:
            name, value = known[word]
            if name:
                setattr(options, name, value)
        else:
            return None
    return kinds, rest


def classify_rspecifier(rspecifier: str) -> tuple[RspecifierType, str, RspecifierOptions]:
    """(type, rxfilename, options) of a table to read: NO_SPECIFIER where it makes no sense as one."""
    options = RspecifierOptions()
    parsed = _parse(rspecifier, _READ_OPTIONS, options)
    kinds = {"ark": RspecifierType.ARCHIVE_SPECIFIER, "scp": RspecifierType.SCRIPT_SPECIFIER}
    if parsed is None or len(parsed[0]) != 1:
        return RspecifierType.NO_SPECIFIER, "", RspecifierOptions()
    return kinds[parsed[0][0]], parsed[1], options


def classify_wspecifier(wspecifier: str) -> tuple[WspecifierType, str, str, WspecifierOptions]:
    """(type, the archive's wxfilename, the script's, options) of a table to write."""
    nothing = WspecifierType.NO_SPECIFIER, "", "", WspecifierOptions()
    options = WspecifierOptions()
    parsed = _parse(wspecifier, _WRITE_OPTIONS, options)
    if parsed is None:
        return nothing
    kinds, rest = parsed
    if kinds == ["ark"]:
        return WspecifierType.ARCHIVE_SPECIFIER, rest, "", options
    if kinds == ["scp"]:
        return WspecifierType.SCRIPT_SPECIFIER, "", rest, options
    archive, comma, script = rest.partition(",")
    if kinds == ["ark", "scp"] and comma:
        return WspecifierType.BOTH_SPECIFIER, archive, script, options
    return nothing


def checked_rspecifier(rspecifier: str) -> tuple[RspecifierType, str, RspecifierOptions]:
    """classify_rspecifier, but raises SpecifierError where it makes no sense."""
    classified = classify_rspecifier(rspecifier)
    if classified[0] == RspecifierType.NO_SPECIFIER:
        raise SpecifierError(
            f"'{rspecifier}' is no rspecifier; expected 'ark:' or 'scp:' and an extended filename, with "
            "options (o, s, cs, p, bg) between commas before the colon, and no blank at the end"
        )
    return classified


def checked_wspecifier(wspecifier: str) -> tuple[WspecifierType, str, str, WspecifierOptions]:
    """classify_wspecifier, but raises SpecifierError where it makes no sense."""
    classified = classify_wspecifier(wspecifier)
    if classified[0] == WspecifierType.NO_SPECIFIER:
        raise SpecifierError(
            f"'{wspecifier}' is no wspecifier; expected 'ark:file', 'scp:file' or 'ark,scp:file,file', with "
            "options (t, f, p) between commas before the colon, and no blank at the end"
        )
    return classified


# Script files


def script_lines(rxfilename: str) -> Iterator[tuple[str, str]]:
    """The (key, rxfilename) of a script file's lines, one by one as they come, with ranges if they have any.

    Raises ArkError for a line that makes no sense.
    """
    opened = OpenedInput(rxfilename)
    try:
        number = 0
        while line := opened.stream.readline():
            number += 1
            yield parse_script_line(line.decode("utf-8", "surrogateescape"), f"{opened.stream.name}:{number}")
    finally:
        opened.close()


def parse_script_line(line: str, where: str) -> tuple[str, str]:
    words = line.split(maxsplit=1)
    if len(words) < 2 or line[0].isspace():
        raise ArkError(f"{where}: expected 'key rxfilename', found '{line.strip()}'")
    key, place = words[0], words[1].rstrip()
    if extract_range_specifier(place) is None:
        raise ArkError(
            f"{where}: '{place}' ends in ']'; expected a range such as [0:99] or [0:99,0:12] there"
        )
    return key, place


def script_places(rxfilename: str) -> dict[str, str]:
    """All of a script file. Raises ArkError for a line that makes no sense, or a key that is there twice."""
    opened = OpenedInput(rxfilename)
    try:
        lines = opened.stream.read().decode("utf-8", "surrogateescape").split("\n")
    finally:
        opened.close()
    if not lines[-1]:
        lines.pop()
    # Nearly all script files are this plain; the others are looked at line by line, to say what is wrong.
    words = [line.split(None, 1) for line in lines]
    if all(len(pair) == 2 for pair in words):
        places = {key: place.rstrip() for key, place in words}
        plain = not any(line[0] in " \t\r\f\v" or line.endswith("]") for line in lines)
        if plain and len(places) == len(lines):
            return places
    places = {}
    for number, line in enumerate(lines, 1):
        key, place = parse_script_line(line, f"{opened.stream.name}:{number}")
        if key in places:
            raise ArkError(
                f"{opened.stream.name}:{number}: key '{key}' is there twice; expected every key once"
            )
        places[key] = place
    return places


def extract_range_specifier(rxfilename_with_range: str) -> tuple[str, str] | None:
    """(rxfilename, range): the range is '' where there is none. None where the brackets make no sense."""
    if not rxfilename_with_range.endswith("]"):
        return rxfilename_with_range, ""
    name, bracket, inside = rxfilename_with_range[:-1].rpartition("[")
    return (name, inside) if bracket and inside and name else None


def cut(array: np.ndarray, inside: str) -> np.ndarray:
    """The part of a vector or matrix that a range names: `first:last` of rows, then of columns, inclusive.

    Raises ArkError for a range that is none, or lies outside; rows may end up to three past the end.
    """
    parts = inside.split(",")
    if len(parts) > array.ndim:
        raise ArkError(
            f"[{inside}] has {len(parts)} ranges; expected {array.ndim} at the most for {array.shape}"
        )
    slices = []
    for axis, part in enumerate(parts):
        size = array.shape[axis]
        if part in ("", ":"):
            slices.append(slice(None))
            continue
        match = re.fullmatch(r"(\d+):(\d+)", part.strip())
        first, last = (int(match[1]), int(match[2])) if match else (1, 0)
        limit = size + _TOLERANCE if axis == 0 else size
        if not (first <= last < limit and first < size):
            raise ArkError(
                f"[{inside}] cannot be cut from {array.shape}; expected first:last with first <= last, "
                f"from 0 to {size - 1}"
            )
        if last >= size:
            log.warning("range [%s] goes past the end of %s", inside, array.shape)
        slices.append(slice(first, last + 1))
    return array[tuple(slices)]


def read_script_file(rxfilename: str, print_warnings: bool = True) -> tuple[bool, list[tuple[str, str]]]:
    """(True, [(key, rxfilename), ...]); (False, []) where a line makes no sense or the file is not there."""
    try:
        return True, list(script_lines(rxfilename))
    except (ArkError, SpecifierError) as error:
        if print_warnings:
            log.warning("%s", error)
        return False, []


def write_script_file(wxfilename: str, script: Iterable[tuple[str, str]]) -> bool:
    """Writes `key rxfilename` lines; True. Raises as Output does, and ArkError for a key that is no word."""
    with xopen(wxfilename, "wt") as file:
        for key, rxfilename in script:
            file.write(f"{checked_key(key)} {rxfilename}\n")
    return True


def checked_key(key: str) -> str:
    """`key`, where it can stand in a table."""
    if not isinstance(key, str) or key.split() != [key]:
        raise ArkError(f"key {key!r}; expected a word: at least one character, and no white space")
    return key
