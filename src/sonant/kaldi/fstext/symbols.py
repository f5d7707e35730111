"""Symbol tables by PyKaldi's names."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Any

from sonant import fst
from sonant.errors import FstIndexError
from sonant.fst.files import reading

NO_SYMBOL = -1


class SymbolTableTextOptions:
    """How a symbol table in text is read."""

    def __init__(self, allow_negative_labels: bool = False, fst_field_separator: str = "\t "):
        self.allow_negative_labels = allow_negative_labels
        self.fst_field_separator = fst_field_separator


class SymbolTable:
    """Symbols and their keys, over a `sonant.fst.SymbolTable` (`table`)."""

    def __init__(self, table: fst.SymbolTable | None = None):
        self.table = fst.SymbolTable() if table is None else table

    @classmethod
    def from_name(cls, name: str) -> "SymbolTable":
        """An empty table."""
        return cls(fst.SymbolTable(name=name))

    @classmethod
    def read(cls, filename: str | os.PathLike[str]) -> "SymbolTable":
        """A file in binary, or in text. Raises SpecifierError (an OSError) or FstError."""
        return cls(fst.SymbolTable.read(filename))

    @classmethod
    def read_text(
        cls, filename: str | os.PathLike[str], opts: SymbolTableTextOptions | None = None
    ) -> "SymbolTable":
        """Lines of a symbol and its key. Raises SpecifierError (an OSError), or FstError with the line."""
        with reading(filename) as stream:
            text = stream.read()
        negative = opts is not None and opts.allow_negative_labels
        return cls(fst.SymbolTable.from_text(text, os.fspath(filename), negative))

    def write(self, filename: str | os.PathLike[str]) -> bool:
        """In OpenFst's binary format."""
        self.table.write(filename)
        return True

    def write_text(self, filename: str | os.PathLike[str]) -> bool:
        self.table.write_text(filename)
        return True

    def name(self) -> str:
        return self.table.name

    def set_name(self, new_name: str) -> None:
        self.table.name = new_name

    def copy(self) -> "SymbolTable":
        return SymbolTable(self.table.copy())

    def num_symbols(self) -> int:
        return len(self.table)

    def available_key(self) -> int:
        """The key that the next new symbol gets."""
        return self.table.available_key

    def add_symbol(self, symbol: str) -> int:
        """Adds a symbol with the next key; one that is there keeps its key. Returns the key."""
        return self.table.add(symbol)

    def add_pair(self, symbol: str, key: int) -> int:
        """Adds a symbol with this key; one that is there keeps its key. Returns the key."""
        return self.table.add(symbol, key)

    def add_table(self, table: "SymbolTable") -> None:
        """Adds the symbols of another table, with new keys."""
        for symbol, _ in table.table:
            self.table.add(symbol)

    def remove_symbol(self, key: int) -> None:
        self.table.remove(key)

    def find_index(self, symbol: str) -> int:
        """The key of a symbol, -1 where it is not there."""
        key = self.table.find(symbol)
        return NO_SYMBOL if key is None else key

    def find_symbol(self, key: int) -> str:
        """The symbol of a key, empty where it is not there."""
        return self.table.symbol(key) or ""

    def member_index(self, key: int) -> bool:
        return self.table.symbol(key) is not None

    def member_symbol(self, symbol: str) -> bool:
        return symbol in self.table

    def get_nth_key(self, pos: int) -> int:
        """The key of the symbol that came at this position, -1 beyond the end."""
        if not 0 <= pos < len(self.table):
            return NO_SYMBOL
        return next(key for at, (_, key) in enumerate(self.table) if at == pos)

    def checksum(self) -> str:
        """Equal for tables with the same symbols in the same order (not OpenFst's number)."""
        return self._digest(symbol for symbol, _ in self.table)

    def labeled_checksum(self) -> str:
        """Equal for tables with the same symbols and keys (not OpenFst's number)."""
        return self._digest(f"{symbol}\t{key}" for symbol, key in self.table)

    @staticmethod
    def _digest(parts: Iterable[str]) -> str:
        return hashlib.md5(
            "\0".join(parts).encode("utf-8", "surrogateescape"), usedforsecurity=False
        ).hexdigest()

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return ((key, symbol) for symbol, key in self.table)

    def __repr__(self) -> str:
        return f"SymbolTable(name={self.name()!r}, {self.num_symbols()} symbols)"


class SymbolTableIterator:
    """The (key, symbol) pairs of a table, in the order in which they came."""

    def __init__(self, table: SymbolTable):
        self._pairs = list(table)
        self._position = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while not self.done():
            yield self.value(), self.symbol()
            self.next()

    def _here(self) -> tuple[int, str]:
        if self.done():
            raise FstIndexError(f"the iterator is at the end of {len(self._pairs)} symbols")
        return self._pairs[self._position]

    def done(self) -> bool:
        return self._position >= len(self._pairs)

    def next(self) -> None:
        self._position += 1

    def reset(self) -> None:
        self._position = 0

    def value(self) -> int:
        return self._here()[0]

    def symbol(self) -> str:
        return self._here()[1]


def compat_symbols(syms1: SymbolTable | None, syms2: SymbolTable | None, warning: bool = True) -> bool:
    """Whether both give the same symbols the same keys; True where one is missing."""
    return syms1 is None or syms2 is None or syms1.table == syms2.table


def serialize_symbol_table(table: SymbolTable) -> bytes:
    return table.table.to_bytes()


def deserialize_symbol_table(str: bytes) -> SymbolTable:
    return SymbolTable(fst.SymbolTable.from_bytes(str))


def relabel_symbol_table(table: SymbolTable, pairs: list[tuple[int, int]]) -> SymbolTable:
    """A table where (old key, new key) of the pairs are exchanged and the other keys stay."""
    changed = dict(pairs)
    return SymbolTable(
        fst.SymbolTable(((symbol, changed.get(key, key)) for symbol, key in table.table), table.name())
    )


def indices_to_symbols(symbol_table: SymbolTable, indices: Iterable[int]) -> list[str]:
    """The symbols of keys. Raises FstIndexError (a KeyError) where one is not there."""
    return _looked_up(symbol_table, indices)


def symbols_to_indices(symbol_table: SymbolTable, symbols: Iterable[str]) -> list[int]:
    """The keys of symbols. Raises FstIndexError (a KeyError) where one is not there."""
    return _looked_up(symbol_table, symbols)


def _looked_up(symbol_table: SymbolTable, items: Iterable[Any]) -> list[Any]:
    table = symbol_table.table
    return [table[item if isinstance(item, str) else int(item)] for item in items]
