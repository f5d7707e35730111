"""The automaton in Python: numpy views of the native tables, and a builder."""

import os
from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst.drawing import DrawingStyle, dot, render, svg_for_notebooks
from sonant.fst.files import Path, reading, writing
from sonant.fst.symbols import SymbolTable

Format = Literal["vector", "const", "ngram", "olabel_lookahead", "ilabel_lookahead"]
# Costs as Python has them, by the type of arc: a float, or the tuple that `Fst` describes.
Weight = float | tuple[float, float] | tuple[float, float, Sequence[int]] | tuple[float, float, float]

_NATIVE = {
    kind.arc_type: kind
    for kind in (
        _native.StdFst,
        _native.LogFst,
        _native.LatticeFst,
        _native.CompactLatticeFst,
        _native.KwsIndexFst,
    )
}
_FLOATS = dict(zip(_NATIVE, (1, 1, 2, 2, 3), strict=True))
_READABLE = 5000  # arcs and states that `str` writes out
_STRING = [("string_begin", "<u4"), ("string_length", "<u4")]


def _weight_fields(name: str, arc_type: str) -> list[Any]:
    floats = _FLOATS[arc_type]
    field = (name, "<f4") if floats == 1 else (name, "<f4", (floats,))
    return [field, *(_STRING if arc_type == _native.CompactLatticeFst.arc_type else [])]


_ARC = {
    kind: np.dtype(
        [("ilabel", "<i4"), ("olabel", "<i4"), *_weight_fields("weight", kind), ("nextstate", "<i4")]
    )
    for kind in _NATIVE
}
_STATE = {
    kind: np.dtype(
        [
            *_weight_fields("final", kind),
            ("begin", "<u4"),
            ("num_arcs", "<u4"),
            ("num_input_epsilons", "<u4"),
            ("num_output_epsilons", "<u4"),
        ]
    )
    for kind in _NATIVE
}


class Readable:
    """What any automaton can be asked, wherever its states and arcs come from."""

    _fst: Any

    @property
    def arc_type(self) -> str:
        return self._fst.arc_type

    @property
    def start(self) -> int:
        """The start state, -1 where there is none."""
        return self._fst.start()

    def final(self, state: int) -> Weight:
        """Its final cost, infinite where it is not final. Raises FstIndexError where it is not there."""
        return self._fst.final(state)

    def arcs_of(self, state: int) -> list[tuple[int, int, Weight, int]]:
        """(ilabel, olabel, weight, nextstate) of each arc that leaves the state."""
        return self._fst.arcs(state)


class Fst(Readable):
    """A weighted transducer with costs (smaller is better) and OpenFst's conventions: label 0 is epsilon.

    | arc_type | weight of an arc, final cost |
    |---|---|
    | `standard` (tropical), `log` | float |
    | `lattice4` (Kaldi's lattice) | (graph cost, acoustic cost) |
    | `compactlattice44` | (graph cost, acoustic cost, transition-ids) |
    | `tropical_LT_tropical_LT_tropical` (keyword index) | (cost, begin, end) |

    `arcs`, `states` and their fields are views of the native tables without a copy, and stay as they are when
    the automaton changes. Changing it while another thread reads, writes or searches it is safe: the other
    goes on with what it was.
    """

    def __init__(self, arc_type: str = "standard"):
        if arc_type not in _NATIVE:
            raise FstError(f"arc_type={arc_type!r}; expected {', '.join(_NATIVE)}")
        self._fst: Any = _NATIVE[arc_type]()
        self.format: str = "vector"
        self.input_symbols: SymbolTable | None = None
        self.output_symbols: SymbolTable | None = None
        self.reachability: _native.Reachability | None = None

    @classmethod
    def of_native(
        cls,
        native: Any,
        format: str = "vector",
        isymbols: bytes = b"",
        osymbols: bytes = b"",
        reachability: _native.Reachability | None = None,
    ) -> Self:
        """Wraps what the native core made; the symbol tables are OpenFst's bytes."""
        fst = cls.__new__(cls)
        fst._fst = native
        fst.format = format
        fst.input_symbols = SymbolTable.from_bytes(isymbols) if isymbols else None
        fst.output_symbols = SymbolTable.from_bytes(osymbols) if osymbols else None
        fst.reachability = reachability
        return fst

    @property
    def native(self) -> Any:
        """For the algorithms of the native core."""
        return self._fst

    # Files

    @classmethod
    def read(cls, source: Path | bytes, map: bool = True) -> Self:
        """An automaton in OpenFst's binary format from a file or from bytes: vector, const, ngram, or const
        with look-ahead data, which become `reachability`.

        The tables of a big const file are mapped into memory where `map`: such a file must not be changed in
        place while the automaton lives (replacing it, as `write` does, is fine). Raises SpecifierError where
        the file cannot be opened, ArkError (file and offset) where it is not such a file or is cut off.
        """
        if isinstance(source, bytes):
            return cls.of_native(*_native.read_fst(_native.Input.from_bytes(source), True, False))
        with reading(source) as stream:
            return cls.of_native(*_native.read_fst(stream, True, map))

    def write(self, path: Path, format: Format = "vector", align: bool = False) -> None:
        """Writes OpenFst's binary format. `align` puts the tables of a const file at multiples of 16 bytes,
        which OpenFst needs to map it into memory (sonant does not). The file is replaced when all is written.

        Look-ahead formats are const files with the `reachability` of `lookahead_relabel`; ngram files hold
        n-gram automata with backoff and number their states anew. Raises FstError where that cannot be.
        """
        with writing(path) as stream:
            self._write(stream, format, align)

    def to_bytes(self, format: Format = "vector", align: bool = False) -> bytes:
        stream = _native.Output.in_memory()
        self._write(stream, format, align)
        return stream.getvalue()

    def _write(self, stream: _native.Output, format: str, align: bool) -> None:
        if format not in get_args(Format):
            raise FstError(f"format={format!r}; expected {', '.join(get_args(Format))}")
        symbols = [
            table.to_bytes() if table is not None else b""
            for table in (self.input_symbols, self.output_symbols)
        ]
        if format in ("vector", "const"):
            self._fst.write(stream, format == "const", align, *symbols)
            return
        if self.arc_type not in ("standard", "log"):
            raise FstError(f"format={format!r} with arcs of type {self.arc_type}; expected standard or log")
        if format == "ngram":
            kind: Any = _native.StdNgramFst if self.arc_type == "standard" else _native.LogNgramFst
            kind.of(self._fst).write(stream, *symbols)
            return
        if self.reachability is None or self.reachability.input != (format == "ilabel_lookahead"):
            side = "input" if format == "ilabel_lookahead" else "output"
            raise FstError(f"format={format!r}, but there are no look-ahead data of {side} labels; make them "
                           "with lookahead_relabel")  # fmt: skip
        native: Any = _native
        native.write_lookahead(stream, self._fst, self.reachability, align, *symbols)

    @classmethod
    def from_text(
        cls,
        text: str,
        arc_type: str = "standard",
        input_symbols: SymbolTable | None = None,
        output_symbols: SymbolTable | None = None,
        acceptor: bool = False,
        keep_state_numbering: bool = False,
        allow_negative_labels: bool = False,
    ) -> Self:
        """From lines `state nextstate ilabel olabel [weight]` and `state [weight]`, as fstcompile reads them.

        States are numbered as they are met, the first is the start. Raises FstError, which names the line.
        """
        fst = cls(arc_type)
        fst._fst = _NATIVE[arc_type].compile(
            text,
            None if input_symbols is None else input_symbols._native(),
            None if output_symbols is None else output_symbols._native(),
            None,
            acceptor,
            keep_state_numbering,
            allow_negative_labels,
        )
        fst.input_symbols, fst.output_symbols = input_symbols, output_symbols
        return fst

    def text(
        self,
        acceptor: bool = False,
        show_weight_one: bool = False,
        missing_symbol: str = "",
        symbols: bool = True,
    ) -> str:
        """As fstprint writes it, with symbols where there are tables of them. `acceptor` prints one label per
        arc if that tells all. Raises FstError where a label has no symbol and no `missing_symbol` is given.
        """
        tables = (self.input_symbols, self.output_symbols) if symbols else (None, None)
        isymbols, osymbols = (table._native() if table is not None else None for table in tables)
        return self._fst.text(isymbols, osymbols, None, acceptor, show_weight_one, missing_symbol)

    def __str__(self) -> str:
        """`text()`; of more than 5000 arcs and states only what `repr` says."""
        lines = self.num_arcs + self.num_states
        if lines <= _READABLE:
            return self.text()
        return f"{self!r}: {lines} arcs and states, too many to read; print(fst.text()) writes them all"

    def __repr__(self) -> str:
        return f"Fst({self.arc_type}, {self.num_states} states, {self.num_arcs} arcs, start {self.start})"

    # Drawing

    def dot(self, style: DrawingStyle | None = None) -> str:
        """In Graphviz's language, as fstdraw writes it, with symbols where there are tables of them."""
        return dot(self._fst, style or DrawingStyle(), self.input_symbols, self.output_symbols)

    def draw(self, path: Path, style: DrawingStyle | None = None) -> None:
        """Writes a drawing: Graphviz's language for a name in `.dot` or `.gv`, else, by `dot`, what the name
        ends in (svg, png, pdf), upright unless the style says otherwise. Raises FstError where `dot` is
        needed and not installed.
        """
        kind = os.fspath(path).rpartition(".")[2]
        as_text = kind in ("dot", "gv")
        text = self.dot(style or DrawingStyle(portrait=not as_text))
        data = text.encode() if as_text else render(text, kind)
        with writing(path) as stream:
            stream.write(data)

    def _repr_svg_(self) -> str | None:
        return svg_for_notebooks(self._fst, isymbols=self.input_symbols, osymbols=self.output_symbols)

    # Reading

    @property
    def num_states(self) -> int:
        return self._fst.num_states()

    @property
    def num_arcs(self) -> int:
        return self._fst.total_arcs()

    @property
    def arcs(self) -> np.ndarray:
        """All arcs in the order of states: a read-only structured array (num_arcs,) with the fields ilabel,
        olabel, weight (2 or 3 numbers for lattices and keyword indexes) and nextstate; compact lattices have
        string_begin and string_length too, which point into `strings`.
        """
        self._fst.pack()
        return self._fst.arc_table().view(_ARC[self.arc_type])

    @property
    def states(self) -> np.ndarray:
        """A read-only structured array (num_states,): final, begin (of its arcs in `arcs`), num_arcs,
        num_input_epsilons, num_output_epsilons."""
        self._fst.pack()
        return self._fst.state_table().view(_STATE[self.arc_type])

    @property
    def strings(self) -> np.ndarray:
        """The strings of a compact lattice, one after another: int32 (n,)."""
        if not isinstance(self._fst, _native.CompactLatticeFst):
            raise FstError(f"the weights of {self.arc_type} have no strings; those of compactlattice44 do")
        return self._fst.strings().view(np.int32)

    # Building

    def add_state(self) -> int:
        return self._fst.add_state()

    def add_states(self, count: int) -> None:
        self._fst.add_states(count)

    def set_start(self, state: int) -> None:
        self._fst.set_start(state)

    def set_final(self, state: int, weight: Weight) -> None:
        self._fst.set_final(state, weight)

    def add_arc(self, state: int, ilabel: int, olabel: int, weight: Weight, nextstate: int) -> None:
        """`nextstate` may be added later; files and algorithms refuse an automaton that lacks it."""
        self._fst.add_arc(state, ilabel, olabel, weight, nextstate)

    @classmethod
    def from_arrays(
        cls,
        start: int,
        finals: Any,
        source: Any,
        ilabel: Any,
        olabel: Any,
        weight: Any,
        nextstate: Any,
        arc_type: str = "standard",
    ) -> Self:
        """Builds at once: `finals` (num_states,) final costs, infinite where a state is not final, the others
        (num_arcs,) in any order of their source states; costs are (..., 2) for lattices, (..., 3) for keyword
        indexes. Raises FstError where the arrays do not fit together.
        """
        fst = cls(arc_type)
        kind: Any = _NATIVE[arc_type]
        if kind is _native.CompactLatticeFst:
            raise FstError("a compact lattice has strings, which arrays of numbers do not hold; use add_arc")

        def costs(values: Any) -> np.ndarray:
            return np.ascontiguousarray(values, np.float32).reshape(-1, _FLOATS[arc_type])

        def integers(values: Any) -> np.ndarray:
            return np.ascontiguousarray(values, np.int32)

        fst._fst = kind.of_arrays(
            start,
            costs(finals),
            integers(source),
            integers(ilabel),
            integers(olabel),
            costs(weight),
            integers(nextstate),
        )
        return fst

    def copy(self) -> Self:
        """At once: the two share their tables until one of them changes."""
        fst = self.of_native(self._fst.copy(), self.format, reachability=self.reachability)
        fst.input_symbols, fst.output_symbols = (
            None if table is None else table.copy() for table in (self.input_symbols, self.output_symbols)
        )
        return fst

    def arc_sort(self, by: Literal["ilabel", "olabel"] = "ilabel") -> Self:
        """Sorts the arcs of each state, in place; those with the same label stay in their order."""
        if by not in ("ilabel", "olabel"):
            raise FstError(f"by={by!r}; expected 'ilabel' or 'olabel'")
        self._fst.sort_arcs(by == "olabel")
        return self

    def equal(self, other: "Fst", delta: float = 1 / 1024) -> bool:
        """The same states and arcs in the same order, with costs that differ by at most `delta`."""
        if other.arc_type != self.arc_type:
            return False
        return self._fst.same(other._fst, delta)

    def check(self) -> None:
        """Raises FstError where states are not there, labels are negative, or costs are no costs."""
        if flaw := self._fst.flaw():
            raise FstError(flaw)
