"""Drawings of automata: Graphviz's language as OpenFst's fstdraw writes it, and SVG by `dot`."""

import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sonant.errors import FstError
from sonant.fst.symbols import SymbolTable

# Larger ones take `dot` minutes, and nobody can read them.
MOST_ARCS = 1000


@dataclass(frozen=True)
class DrawingStyle:
    """fstdraw's options."""

    acceptor: bool = False
    """One label an arc, where input and output are alike on all."""
    title: str = ""
    width: float = 8.5
    """Inches."""
    height: float = 11
    portrait: bool = False
    vertical: bool = False
    """From bottom to top, rather than from left to right."""
    ranksep: float = 0.4
    """Inches between ranks of states."""
    nodesep: float = 0.25
    fontsize: int = 14
    """Points."""
    precision: int = 5
    """Digits of weights."""
    float_format: Literal["e", "f", "g"] = "g"
    show_weight_one: bool = False
    """Also weights that change nothing."""


def dot(
    fst: Any,
    style: DrawingStyle,
    isymbols: SymbolTable | None = None,
    osymbols: SymbolTable | None = None,
    ssymbols: SymbolTable | None = None,
) -> str:
    """A native automaton in Graphviz's language. Raises FstError for a label that has no symbol."""
    weight, acceptor = _weights(style), style.acceptor and _is_acceptor(fst)
    lines = [
        "digraph FST {",
        f"rankdir = {'BT' if style.vertical else 'LR'};",
        f'size = "{style.width:g},{style.height:g}";',
        f'label = "{_escaped(style.title)}";',
        "center = 1;",
        f"orientation = {'Portrait' if style.portrait else 'Landscape'};",
        f'ranksep = "{style.ranksep:g}";',
        f'nodesep = "{style.nodesep:g}";',
    ]
    start = fst.start()
    states = [start, *(s for s in range(fst.num_states()) if s != start)] if start >= 0 else []
    for state in states:
        final, shape = fst.final(state), "circle"
        label = _symbol(ssymbols, state)
        if _is_final(final):
            shape, label = "doublecircle", label + weight(final)
        bold = "bold" if state == start else "solid"
        size = f"fontsize = {style.fontsize}"
        lines.append(f'{state} [label = "{label}", shape = {shape}, style = {bold}, {size}]')
        for ilabel, olabel, cost, nextstate in fst.arcs(state):
            label = _symbol(isymbols, ilabel)
            if not acceptor:
                label += f":{_symbol(osymbols, olabel)}"
            label += weight(cost)
            lines.append(f'\t{state} -> {nextstate} [label = "{label}", {size}];')
    return "\n".join([*lines, "}", ""])


def render(text: str, format: str) -> bytes:
    """What `dot` makes of it: svg, png, pdf. Raises FstError where it is not installed or fails."""
    program = shutil.which("dot")
    if program is None:
        raise FstError("drawing needs Graphviz's `dot`, which is not installed: apt-get install graphviz")
    done = subprocess.run([program, f"-T{format}"], input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise FstError(f"`dot -T{format}` failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def svg_for_notebooks(fst: Any, **symbols: SymbolTable | None) -> str | None:
    """SVG, or None (a notebook then shows the text): without `dot`, and of what is too large to read."""
    if shutil.which("dot") is None or fst.total_arcs() > MOST_ARCS:
        return None
    return render(dot(fst, DrawingStyle(acceptor=True, portrait=True), **symbols), "svg").decode()


def _is_acceptor(fst: Any) -> bool:
    return all(
        ilabel == olabel for state in range(fst.num_states()) for ilabel, olabel, *_ in fst.arcs(state)
    )


def _is_final(cost: Any) -> bool:
    return math.isfinite(cost[0] if isinstance(cost, tuple) else cost)


def _weights(style: DrawingStyle) -> Callable[[Any], str]:
    def number(value: float) -> str:
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return "BadNumber" if math.isnan(value) else f"{value:.{style.precision}{style.float_format}}"

    def shown(cost: Any) -> str:
        if isinstance(cost, tuple):
            numbers = [part for part in cost if isinstance(part, int | float)]
            strings = [list(part) for part in cost if not isinstance(part, int | float)]
            if not style.show_weight_one and not any(numbers) and not any(strings):
                return ""
            parts = [number(part) for part in numbers] + ["_".join(map(str, string)) for string in strings]
            return "/" + ",".join(parts)
        return "" if cost == 0 and not style.show_weight_one else f"/{number(cost)}"

    return shown


def _symbol(table: SymbolTable | None, key: int) -> str:
    if table is None:
        return str(key)
    symbol = table.symbol(key)
    if symbol is None:
        raise FstError(
            f"label {key} has no symbol in the table '{table.name}': add it, or draw without the table"
        )
    return _escaped(symbol)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
