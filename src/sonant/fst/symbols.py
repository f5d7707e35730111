"""Symbol tables: words, phones or tokens and their numbers (OpenFst's text and binary files)."""

import os
from collections.abc import Iterable, Iterator
from typing import Self

from sonant import _native
from sonant.errors import FstError, FstIndexError
from sonant.fst.files import Path, reading, writing

_MAGIC = b"\x74\xfb\xb2\x7e"


class SymbolTable:
    """Symbols and their keys, both ways; iterates over (symbol, key) in the order in which they came.

    >>> table = SymbolTable(["<eps>", "yes", "no"])
    >>> table["yes"], table[2], table.add("maybe")
    (1, 'no', 3)
    """

    def __init__(self, symbols: Iterable[str | tuple[str, int]] = (), name: str = "<unspecified>"):
        self.name = name
        self._available = 0
        self._made: dict[str, int] | None = {}  # keys by symbols; None until someone asks: see _keys
        self._symbols: list[str] = []  # of keys 0, 1, 2, ...
        self._sparse: dict[int, str] = {}  # of all other keys
        for item in symbols:
            self.add(item) if isinstance(item, str) else self.add(*item)

    @property
    def _keys(self) -> dict[str, int]:
        """Who writes transcripts needs symbols by keys only; the other way is built when asked for."""
        if self._made is None:
            self._made = dict(zip(self._symbols, range(len(self._symbols)), strict=True))
        return self._made

    @classmethod
    def _of_parts(cls, name: str, available: int, symbols: list[str], keys: list[int] | None) -> Self:
        """keys: None for 0, 1, 2, ... where no symbol comes twice."""
        table = cls(name=name)
        if keys is None:
            table._made, table._symbols, table._available = None, symbols, len(symbols)
        else:
            for symbol, key in zip(symbols, keys, strict=True):
                table.add(symbol, key)
        table._available = max(available, table._available)
        return table

    # Files

    @classmethod
    def read(cls, path: Path) -> Self:
        """A file in binary or in text; the name of a text file's table is its path.

        Raises SpecifierError where it cannot be opened, FstError (file and line) where it is no symbol table.
        """
        with reading(path) as stream:
            data = stream.read()
        parse = cls.from_bytes if data.startswith(_MAGIC) else cls.from_text
        return parse(data, os.fspath(path))

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "bytes") -> Self:
        """A table in OpenFst's binary form."""
        return cls._of_parts(*_native.parse_symbols(data, source))

    @classmethod
    def from_text(cls, text: str | bytes, name: str = "<unspecified>", allow_negative: bool = False) -> Self:
        """Lines of a symbol and its key, parted by tabs or blanks."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        return cls._of_parts(*_native.parse_symbols_text(data, name, allow_negative))

    def write(self, path: Path) -> None:
        """OpenFst's binary form."""
        with writing(path) as stream:
            stream.write(self.to_bytes())

    def write_text(self, path: Path) -> None:
        with writing(path) as stream:
            stream.write(self._printed(text=True))

    def to_bytes(self) -> bytes:
        return self._printed(text=False)

    def to_text(self) -> str:
        return self._printed(text=True).decode("utf-8", "surrogateescape")

    def _printed(self, text: bool) -> bytes:
        return _native.print_symbols(
            self.name, self._available, list(self._keys), list(self._keys.values()), text
        )

    # Looking up

    def find(self, symbol: str) -> int | None:
        """The key of a symbol, or None."""
        return self._keys.get(symbol)

    def symbol(self, key: int) -> str | None:
        """The symbol of a key, or None."""
        if 0 <= key < len(self._symbols):
            return self._symbols[key]
        return self._sparse.get(key)

    def __getitem__(self, item: str | int) -> int | str:
        found = self.find(item) if isinstance(item, str) else self.symbol(item)
        if found is None:
            raise FstIndexError(f"{item!r} is not in the symbol table '{self.name}' of {len(self)} symbols")
        return found

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return item in self._keys
        return isinstance(item, int) and self.symbol(item) is not None

    def __len__(self) -> int:
        return len(self._symbols) if self._made is None else len(self._made)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._keys.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SymbolTable):
            return NotImplemented
        return self._keys == other._keys

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SymbolTable(name={self.name!r}, {len(self)} symbols)"

    # Changing

    @property
    def available_key(self) -> int:
        """The key that the next new symbol gets: one more than the highest so far."""
        return self._available

    def add(self, symbol: str, key: int | None = None) -> int:
        """Adds a symbol and returns its key. One that is there keeps the key that it has."""
        if (known := self._keys.get(symbol)) is not None:
            return known
        key = self._available if key is None else int(key)
        if not -(2**63) <= key < 2**63 - 1:
            raise FstError(f"{symbol!r} has the key {key}, which does not fit 64 bits")
        self._keys[symbol] = key
        if key == len(self._symbols) and key not in self._sparse:
            self._symbols.append(symbol)
        elif self.symbol(key) is None:
            self._sparse[key] = symbol
        self._available = max(self._available, key + 1)
        return key

    def remove(self, key: int) -> None:
        """Takes a key and its symbol away; another symbol never gets the key by itself."""
        symbol = self.symbol(key)
        if symbol is None:
            return
        del self._keys[symbol]
        if 0 <= key < len(self._symbols):  # the keys behind it are no longer 0, 1, 2, ...
            self._sparse.update((k, s) for k, s in enumerate(self._symbols[key + 1 :], key + 1))
            del self._symbols[key:]
        else:
            del self._sparse[key]

    def copy(self) -> Self:
        other = type(self)(name=self.name)
        other._available = self._available
        other._made = None if self._made is None else dict(self._made)
        other._symbols, other._sparse = list(self._symbols), dict(self._sparse)
        return other

    def _native(self) -> _native.Symbols:
        return _native.Symbols(self.name, list(self._keys), list(self._keys.values()))
