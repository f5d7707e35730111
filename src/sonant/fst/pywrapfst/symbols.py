"""Symbol tables: one's own, and views of those that automata hold."""

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from sonant.fst.automaton import Fst as NativeFst
from sonant.fst.files import reading, writing
from sonant.fst.pywrapfst.errors import FstArgError, reading_or_writing
from sonant.fst.symbols import SymbolTable as Table

Filename = str | os.PathLike[str]
NO_SYMBOL = -1


class _SymbolTableIterator:
    def __init__(self, syms: "SymbolTableView"):
        self._pairs = iter([(key, symbol) for symbol, key in syms._table])

    def __repr__(self) -> str:
        return f"<_SymbolTableIterator at {id(self):#x}>"

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return next(self._pairs)


class SymbolTableView:
    """A table of symbols and keys that cannot be changed through this."""

    _of: Callable[[], Table]

    @classmethod
    def _over(cls, of: Callable[[], Table]) -> "SymbolTableView":
        view = cls.__new__(cls)
        view._of = of
        return view

    @property
    def _table(self) -> Table:
        return self._of()

    def __repr__(self) -> str:
        return f"<const Fst SymbolTableView {self.name()!r} at {id(self):#x}>"

    def __iter__(self) -> _SymbolTableIterator:
        return _SymbolTableIterator(self)

    def available_key(self) -> int:
        """One more than the greatest key."""
        return self._table.available_key

    def checksum(self) -> bytes:
        """Equal for tables with the same symbols in the same order (not OpenFst's bytes)."""
        return self._digest(labeled=False)

    def labeled_checksum(self) -> bytes:
        """Equal for tables with the same symbols and keys (not OpenFst's bytes)."""
        return self._digest(labeled=True)

    def _digest(self, labeled: bool) -> bytes:
        text = "\0".join(f"{symbol}\t{key}" if labeled else symbol for symbol, key in self._table)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

    def copy(self) -> "SymbolTable":
        return SymbolTable._of_table(self._table.copy())

    def find(self, key: str | int) -> int | str:
        """The key of a symbol (-1 if it is not there), or the symbol of a key ('')."""
        if isinstance(key, str):
            found = self._table.find(key)
            return NO_SYMBOL if found is None else found
        return self._table.symbol(key) or ""

    def get_nth_key(self, pos: int) -> int:
        keys = [key for _, key in self._table]
        return keys[pos] if 0 <= pos < len(keys) else NO_SYMBOL

    def member(self, key: str | int) -> bool:
        return key in self._table

    def name(self) -> str:
        return self._table.name

    def num_symbols(self) -> int:
        return len(self._table)

    def write(self, source: Filename) -> None:
        with reading_or_writing():
            self._table.write(source)

    def write_text(self, source: Filename, *, sep: str = "\t ") -> None:
        """A line for each symbol, then the first character of `sep`, then its key."""
        if not sep:
            raise FstArgError("sep=''; expected characters that part a symbol from its key")
        lines = "".join(f"{symbol}{sep[0]}{key}\n" for symbol, key in self._table)
        with reading_or_writing(), writing(source) as stream:
            stream.write(lines.encode("utf-8", "surrogateescape"))

    def write_to_string(self) -> bytes:
        return self._table.to_bytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return SymbolTable._of_bytes, (self.write_to_string(),)


class _EncodeMapperSymbolTableView(SymbolTableView):
    pass


class _FstSymbolTableView(SymbolTableView):
    pass


class _MutableSymbolTable(SymbolTableView):
    def add_symbol(self, symbol: str, key: int = NO_SYMBOL) -> int:
        """The key of the symbol, which has the next one if none is given; what is there keeps its key."""
        return self._table.add(symbol, None if key == NO_SYMBOL else key)

    def add_table(self, syms: SymbolTableView) -> None:
        """Adds the symbols of another table, with new keys."""
        for symbol, _ in syms._table:
            self._table.add(symbol)

    def set_name(self, new_name: str) -> None:
        self._table.name = new_name


class _MutableFstSymbolTableView(_MutableSymbolTable):
    def __repr__(self) -> str:
        return f"<Fst SymbolTableView {self.name()!r} at {id(self):#x}>"


class SymbolTable(_MutableSymbolTable):
    def __init__(self, name: str = "<unspecified>"):
        table = Table(name=name)
        self._of = lambda: table

    @classmethod
    def _of_table(cls, table: Table) -> "SymbolTable":
        symbols = cls()
        symbols._of = lambda: table
        return symbols

    @classmethod
    def _of_bytes(cls, data: bytes) -> "SymbolTable":
        return cls._of_table(Table.from_bytes(data))

    def __repr__(self) -> str:
        return f"<SymbolTable {self.name()!r} at {id(self):#x}>"

    @classmethod
    def read(cls, source: Filename) -> "SymbolTable":
        """A binary file."""
        with reading_or_writing():
            return cls._of_table(Table.read(source))

    @classmethod
    def read_text(cls, source: Filename, *, sep: str = "\t ") -> "SymbolTable":
        """Lines of a symbol and its key, parted by any of the characters of `sep`."""
        with reading_or_writing(), reading(source) as stream:
            text = stream.read().decode("utf-8", "surrogateescape")
            if sep != "\t ":
                text = text.translate({ord(character): "\t" for character in sep})
            return cls._of_table(Table.from_text(text, os.fspath(source)))

    @classmethod
    def read_fst(cls, source: Filename, input_table: bool) -> "SymbolTable":
        """The table that goes with an automaton's file."""
        with reading_or_writing():
            fst = NativeFst.read(source)
        table = fst.input_symbols if input_table else fst.output_symbols
        if table is None:
            raise FstArgError(f"{os.fspath(source)} holds no such symbol table")
        return cls._of_table(table)


def compact_symbol_table(syms: SymbolTableView) -> SymbolTable:
    """The same symbols, in the order of their keys, with the keys 0, 1, 2, ..."""
    ordered = sorted(syms._table, key=lambda pair: pair[1])
    return SymbolTable._of_table(Table([symbol for symbol, _ in ordered], f"{syms.name()}_compact"))


def merge_symbol_table(lhs: SymbolTableView, rhs: SymbolTableView) -> SymbolTable:
    """The symbols of both: those of the first with their keys, others with theirs if these are free. If one
    has all symbols of the other, it alone is copied."""
    for part, whole in ((lhs, rhs), (rhs, lhs)):
        if all(symbol in whole._table for symbol, _ in part._table):
            return whole.copy()
    merged = Table(lhs._table, "merge_" + lhs.name() + "_" + rhs.name())
    late = []
    for symbol, key in rhs._table:
        if symbol in merged:
            continue
        if key in merged:
            late.append(symbol)
        else:
            merged.add(symbol, key)
    for symbol in late:
        merged.add(symbol)
    return SymbolTable._of_table(merged)
