"""How vectors and matrices print: as PyKaldi's do."""

from dataclasses import dataclass, replace
from math import floor, inf, log10

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._checks import Array


@dataclass(frozen=True)
class _Profile:
    precision: int = 4  # digits after the point
    threshold: float = 1000  # as many elements are summarised
    edgeitems: int = 3  # rows and columns at each edge of a summary
    linewidth: int = 80


_PROFILES = {
    "default": _Profile(),
    "short": _Profile(precision=2, edgeitems=2),
    "full": _Profile(threshold=inf),
}
_chosen = [_PROFILES["default"]]


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
) -> None:
    """Sets how vectors and matrices print.

    `precision`: digits after the point (4). `threshold`: how many elements are too many to print in full.
    `edgeitems`: rows and columns at each edge of a summary (3). `linewidth`: characters in a line (80).
    `profile`: "default", "short" or "full", which the other arguments then change.
    """
    if profile is not None and profile not in _PROFILES:
        raise MatrixError(f"profile '{profile}'; expected one of {', '.join(_PROFILES)}")
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    base = _PROFILES[profile] if profile is not None else _chosen[0]
    _chosen[0] = replace(base, **{name: value for name, value in given.items() if value is not None})


def text(array: Array, name: str) -> str:
    """`array`, of 1 or 2 axes, and `name`, the class, with its size."""
    if not array.size:
        return f"[{name} with no elements]\n"
    body = _vector(array) if array.ndim == 1 else _matrix(array)
    return f"\n{body}[{name} of size {'x'.join(map(str, array.shape))}]\n"


@dataclass(frozen=True)
class _Format:
    width: int
    code: str  # of Python's format()
    scale: float = 1.0
    counted: int = 0  # how wide lines take a number for, where that is less

    def __call__(self, value: float) -> str:
        return format(value / self.scale, f"{self.width}{self.code}")

    @property
    def room(self) -> int:
        return self.counted or self.width

    @property
    def heading(self) -> str:
        return f"{self.scale:.5e} *\n" if self.scale != 1 else ""

    @property
    def indent(self) -> str:
        return " " if self.scale != 1 else ""


def _format_of(array: Array, width: int) -> _Format:
    """One format for all elements: integers, a fixed point, a common scale, or exponents."""
    digits = _chosen[0].precision
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    if finite.size < array.size:
        width = max(width, 3)
    if not finite.size:
        finite = np.zeros(1)
    smallest, greatest = (floor(log10(x)) + 1 if x else 1 for x in (finite.min(), finite.max()))
    if np.array_equal(finite, np.ceil(finite)):
        if greatest > digits + 1:
            return _Format(max(width, 11), f".{digits}e", counted=max(width, digits + 7))
        return _Format(max(width, greatest + 1), ".0f")
    if greatest - smallest > digits:
        far = abs(greatest) > 99 or abs(smallest) > 99
        return _Format(max(width, digits + 7 + far), f".{digits}e")
    if greatest > digits + 1 or greatest < 0:
        return _Format(max(width, 7), f".{digits}f", 10.0 ** (greatest - 1))
    return _Format(max(width, 7 if greatest == 0 else greatest + 6), f".{digits}f")


def _vector(array: Array) -> str:
    show, edge = _format_of(array, 0), _chosen[0].edgeitems
    lines = [show.indent + show(value) for value in _ends(array, array.size >= _chosen[0].threshold)]
    if array.size >= _chosen[0].threshold:
        lines.insert(edge, show.indent + "⋮".center(show.room))
    return show.heading + "".join(line + "\n" for line in lines)


def _ends(array: Array, cut: bool) -> Array:
    edge = _chosen[0].edgeitems
    return np.concatenate([array[:edge], array[-edge:]]) if cut else array


def _matrix(array: Array) -> str:
    options = _chosen[0]
    edge = options.edgeitems
    tall, wide = (size > 2 * edge for size in array.shape)
    show = _format_of(array, 5 if tall or wide else 0)
    if array.size >= options.threshold and (tall or wide):
        return _summary(array, show, tall, wide)
    per_line = array.shape[1] if not (tall or wide) else max(options.linewidth // (show.room + 1), 1)
    blocks = []
    for start in range(0, array.shape[1], per_line):
        columns = array[:, start : start + per_line]
        title = f"\nColumns {start} to {start + columns.shape[1] - 1} \n" if per_line < array.shape[1] else ""
        rows = "".join(show.indent + " ".join(map(show, row)) + "\n" for row in columns)
        blocks.append(title + show.heading + rows)
    return "".join(blocks)


def _summary(array: Array, show: _Format, tall: bool, wide: bool) -> str:
    edge = _chosen[0].edgeitems
    lines = []
    for row in _ends(array, tall):
        cells = list(map(show, _ends(row, wide)))
        half = [" ".join(cells[:edge]), " ".join(cells[edge:])] if wide else [" ".join(cells)]
        lines.append("  ...  ".join(half))
    if tall:
        width = (show.room + 1) * edge - 1
        dots = "...".center(width) + "⋱".center(7) + "...".center(width)
        lines.insert(edge, dots if wide else "⋮".center(len(lines[0]) + 1))
    return show.heading + "".join(line + "\n" for line in lines)
