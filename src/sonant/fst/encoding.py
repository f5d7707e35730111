"""Labels and weights packed into labels, and back; OpenFst's files of what the labels stand for."""

import os
from typing import Any, Self

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import Fst, Weight
from sonant.fst.files import Path, reading, writing
from sonant.fst.symbols import SymbolTable

TABLES: dict[str, Any] = {
    "standard": _native.StdEncodeTable,
    "log": _native.LogEncodeTable,
    "lattice4": _native.LatticeEncodeTable,
    "compactlattice44": _native.CompactLatticeEncodeTable,
    "tropical_LT_tropical_LT_tropical": _native.KwsIndexEncodeTable,
}


class Encoder:
    """Packs output labels and costs into input labels, and back: one encoder for all automata that are to
    be compared, or where one is made of the other in between.

    >>> encoder = Encoder(labels=True, weights=True)
    >>> encoder.decode(minimize(determinize(encoder.encode(fst))))
    """

    def __init__(self, labels: bool = True, weights: bool = True, arc_type: str = "standard"):
        if arc_type not in TABLES:
            raise FstError(f"arc_type={arc_type!r}; expected {', '.join(TABLES)}")
        self.arc_type, self.labels, self.weights = arc_type, labels, weights
        self._table = TABLES[arc_type](labels, weights)
        self.input_symbols: SymbolTable | None = None
        self.output_symbols: SymbolTable | None = None

    def __len__(self) -> int:
        return len(self._table)

    def encode(self, fst: Fst) -> Fst:
        """Labels are numbered from 1 on as they are met; a final cost becomes an arc to a new last state
        where costs are encoded. The symbol tables are kept here for `decode`."""
        native = self._native_of(fst)
        self.input_symbols, self.output_symbols = fst.input_symbols, fst.output_symbols
        return Fst.of_native(self._table.encode(native))

    def decode(self, fst: Fst) -> Fst:
        """Raises FstError where a label was not made by this encoder."""
        result = Fst.of_native(self._table.decode(self._native_of(fst)))
        result.input_symbols, result.output_symbols = self.input_symbols, self.output_symbols
        return result

    def label(self, ilabel: int, olabel: int, weight: Weight) -> int:
        """What such an arc gets as its label."""
        return self._table.number(ilabel, olabel, weight)

    def _native_of(self, fst: Fst) -> Any:
        if fst.arc_type != self.arc_type:
            raise FstError(f"an encoder of {self.arc_type} arcs and an automaton with {fst.arc_type} arcs")
        return fst.native

    # Files

    @classmethod
    def read(cls, source: Path | bytes, arc_type: str | None = None) -> Self:
        """OpenFst's file of an encoder (EncodeMapper), from a path or bytes. Older files, as Kaldi's, do not
        name their `arc_type`: then it must be given.

        Raises SpecifierError (an OSError) where it cannot be opened, ArkError where it is no such file,
        FstError where its type of arc is not known."""
        if isinstance(source, bytes):
            data, name = source, "bytes"
        else:
            with reading(source) as stream:
                data, name = stream.read(), os.fspath(source)
        named = _native.encoded_arc_type(_native.Input.from_bytes(data, name))
        found = named.decode("ascii", "backslashreplace") or arc_type
        if found is None:
            raise FstError(f"{name}: an older file, which does not tell its type of arc; give arc_type")
        kind = "log" if found == "log64" else found
        if kind not in TABLES or (arc_type is not None and kind != arc_type):
            raise FstError(f"{name}: an encoder of {found} arcs; expected {arc_type or ', '.join(TABLES)}")
        encoder = cls.__new__(cls)
        encoder.arc_type = kind
        table, flags, *symbols = TABLES[kind].read(_native.Input.from_bytes(data, name))
        encoder._table, encoder.labels, encoder.weights = table, bool(flags & 1), bool(flags & 2)
        encoder.input_symbols, encoder.output_symbols = (
            SymbolTable.from_bytes(table) if table else None for table in symbols
        )
        return encoder

    def write(self, path: Path) -> None:
        """Raises SpecifierError (an OSError) where that cannot be."""
        with writing(path) as stream:
            self._write(stream)

    def to_bytes(self) -> bytes:
        """What `write` writes."""
        stream = _native.Output.in_memory()
        self._write(stream)
        return stream.getvalue()

    def _write(self, stream: _native.Output) -> None:
        tables = (self.input_symbols, self.output_symbols)
        self._table.write(stream, *(b"" if table is None else table.to_bytes() for table in tables))
