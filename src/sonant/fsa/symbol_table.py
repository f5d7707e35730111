"""k2's SymbolTable: symbols (words, phones, or any hashable things) and their numbers, both ways."""

import os
from collections.abc import Hashable
from typing import Any

from sonant.errors import FstError, FstIndexError


class SymbolTable:
    """Number 0 is always `eps`. Symbols get the next number above the highest so far, or one that is free.

    Raises FstError where two symbols share a number or a symbol has two, FstIndexError for what is not there.
    """

    def __init__(
        self,
        _id2sym: dict[int, Any] | None = None,
        _sym2id: dict[Any, int] | None = None,
        _next_available_id: int = 1,
        eps: Hashable = "<eps>",
    ):
        self._id2sym: dict[int, Any] = {} if _id2sym is None else _id2sym
        self._sym2id: dict[Any, int] = {} if _sym2id is None else _sym2id
        self.eps = eps
        if {symbol: i for i, symbol in self._id2sym.items()} != self._sym2id:
            raise FstError("SymbolTable: the two dictionaries are not each other's inverse")
        negative = [i for i in self._id2sym if i < 0]
        if negative:
            raise FstError(
                f"SymbolTable: {self._id2sym[negative[0]]!r} has the number {negative[0]}, expected 0 or more"
            )
        if self._id2sym.get(0, eps) != eps or self._sym2id.get(eps, 0) != 0:
            raise FstError(
                f"SymbolTable: number 0 is {self._id2sym.get(0)!r}, expected {eps!r} and only that"
            )
        self._id2sym[0] = eps
        self._sym2id[eps] = 0
        self._next_available_id = max(self._id2sym) + 1

    @staticmethod
    def from_str(s: str) -> "SymbolTable":
        """From lines of a symbol and its number. Raises FstError, which names the line."""
        symbols: dict[int, str] = {}
        numbers: dict[str, int] = {}
        for place, line in enumerate(s.split("\n"), 1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != 2 or not fields[1].lstrip("-").isdecimal():
                raise FstError(f"symbol table: line {place}, {line!r}: expected a symbol and its number")
            symbol, number = fields[0], int(fields[1])
            if symbol in numbers or number in symbols:
                known = (
                    f"{symbol!r} is {numbers[symbol]}"
                    if symbol in numbers
                    else f"{number} is {symbols[number]!r}"
                )
                raise FstError(f"symbol table: line {place}, {line!r}: {known} already")
            symbols[number], numbers[symbol] = symbol, number
        return SymbolTable(symbols, numbers, eps=symbols.get(0, "<eps>"))

    @staticmethod
    def from_file(filename: str | os.PathLike[str]) -> "SymbolTable":
        try:
            with open(filename, encoding="utf-8") as file:
                return SymbolTable.from_str(file.read())
        except FstError as e:
            raise FstError(f"{os.fspath(filename)}: {e}") from e
        except UnicodeDecodeError as e:
            raise FstError(f"{os.fspath(filename)}: no text in UTF-8: {e}") from e

    def to_str(self) -> str:
        return "".join(f"{symbol} {number}\n" for number, symbol in sorted(self._id2sym.items()))

    def to_file(self, filename: str | os.PathLike[str]) -> None:
        with open(filename, "w", encoding="utf-8") as file:
            file.write(self.to_str())

    def add(self, symbol: Any, index: int | None = None) -> int:
        """Its number, which it gets now unless it has one."""
        if symbol in self._sym2id:
            return self._sym2id[symbol]
        index = self._next_available_id if index is None else index
        if index in self._id2sym or index < 0:
            raise FstError(f"{symbol!r} cannot be {index}, which is {self._id2sym.get(index, 'below 0')!r}")
        self._sym2id[symbol], self._id2sym[index] = index, symbol
        self._next_available_id = max(self._next_available_id, index + 1)
        return index

    def get(self, k: Any) -> Any:
        """The symbol of a number, or the number of a symbol."""
        table = self._id2sym if isinstance(k, int) else self._sym2id
        if k not in table:
            raise FstIndexError(f"{k!r} is not in the symbol table of {len(self)} symbols")
        return table[k]

    def merge(self, other: "SymbolTable") -> "SymbolTable":
        """Both tables in one; what is in both must agree."""
        clash = [i for i, symbol in other._id2sym.items() if self._id2sym.get(i, symbol) != symbol]
        clash += [i for symbol, i in other._sym2id.items() if self._sym2id.get(symbol, i) != i]
        if clash or self.eps != other.eps:
            where = clash[0] if clash else 0
            raise FstError(
                f"merge: {where} is {self._id2sym.get(where)!r} in one, {other._id2sym.get(where)!r} in the "
                "other"
            )
        return SymbolTable({**self._id2sym, **other._id2sym}, {**self._sym2id, **other._sym2id}, eps=self.eps)

    __getitem__ = get

    def __contains__(self, item: Any) -> bool:
        return item in (self._id2sym if isinstance(item, int) else self._sym2id)

    def __len__(self) -> int:
        return len(self._id2sym)

    def __eq__(self, other: object) -> bool:
        return self._id2sym == other._id2sym if isinstance(other, SymbolTable) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SymbolTable({len(self)} symbols)"

    @property
    def ids(self) -> list[int]:
        return sorted(self._id2sym)

    @property
    def symbols(self) -> list[Any]:
        return sorted(self._sym2id)
