"""Lists within lists as text, in the notation of k2."""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

from sonant.errors import FstError

_TOKEN = re.compile(r"\s*(?:(?P<mark>[\[\]])|,|(?P<word>[^\s,\[\]]+)|(?P<end>$))")
_MARGIN = len("RaggedTensor(")


def flatten(data: Sequence[Any]) -> tuple[list[list[int]], list[Any]]:
    """Lists within lists to the row_splits of each axis, outermost first, and the values.

    There are two axes at least: an empty list has none but its rows. Raises FstError where lists and values
    stand side by side, or values in the outermost list.
    """
    splits: list[list[int]] = []
    while True:
        lists = sum(isinstance(item, list | tuple) for item in data)
        if 0 < lists < len(data) or (not splits and lists < len(data)):
            found = next(item for item in data if not isinstance(item, list | tuple))
            raise FstError(
                f"a ragged tensor is made of lists of lists; {found!r} is where a list was expected"
            )
        if lists == 0 and splits:
            return splits, list(data)
        splits.append([0, *accumulate(len(item) for item in data)])
        data = list(chain.from_iterable(data))


def parse_lists(text: str, marks: bool = False) -> tuple[list[list[int]], list[Any]]:
    """Text such as `[[1 2] [] [3]]` to row_splits and values; with `marks` values are all `x`.

    Commas are blanks. Raises FstError that names the place.
    """
    stack: list[list[Any]] = [[]]
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        assert token  # any text begins with a token
        if token["mark"] == "[":
            stack.append([])
        elif token["mark"] == "]":
            if len(stack) == 1:
                raise FstError(f"{text[:60]!r}: ']' at {token.start('mark')} closes nothing")
            closed = stack.pop()
            stack[-1].append(closed)
        elif token["word"]:
            stack[-1].append(_value(text, token["word"], token.start("word"), marks))
        place = token.end()
    if len(stack) > 1:
        raise FstError(f"{text[:60]!r}: a ']' is missing at the end")
    if len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise FstError(f"{text[:60]!r}: expected one list of lists, as in [[1 2] [] [3]]")
    return flatten(stack[0][0])


def _value(text: str, word: str, place: int, marks: bool) -> int | float | str:
    if marks:
        if word == "x":
            return word
        raise FstError(f"{text[:60]!r}: {word!r} at {place}, where x was expected")
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    raise FstError(f"{text[:60]!r}: {word!r} at {place} is no number")


def number(value: float) -> str:
    """Six digits, as C++ and k2 print them."""
    return f"{value:g}"


def shape_as_text(splits: list[list[int]]) -> str:
    rows = ["x"] * splits[-1][-1]
    for layer in reversed(splits):
        pairs = pairwise(layer)
        rows = [f"[ {' '.join(rows[a:b])} ]" if b > a else "[ ]" for a, b in pairs]
    return f"[ {' '.join(rows)} ]" if rows else "[ ]"


def tensor_as_text(nested: list[Any], axes: int, kind: str, one_line: bool = False) -> str:
    """Lists of numbers in k2's lines: values side by side, each list on a line of its own."""

    def lines(item: list[Any], depth: int, write: Callable[[float], str] = number) -> str:
        if depth == axes:
            return f"[{', '.join(write(value) for value in item)}]"
        between = ", " if one_line else ",\n" + " " * (_MARGIN + depth)
        return f"[{between.join(lines(inner, depth + 1) for inner in item)}]"

    return f"RaggedTensor({lines(nested, 1)}, {kind})"
