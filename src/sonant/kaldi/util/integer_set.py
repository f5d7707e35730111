"""A set of integers that does not change."""

from collections.abc import Iterable
from typing import Any

import numpy as np


class ConstIntegerSet:
    """A set of 32-bit integers, as Kaldi's files have them: `5 in s`, `s.count(5)`, `len(s)`."""

    def __init__(self, values: Iterable[int] = ()):
        self._values = frozenset(int(value) for value in values)

    @classmethod
    def from_list(cls, values: Iterable[int]) -> "ConstIntegerSet":
        return cls(values)

    from_set = from_list

    @classmethod
    def from_other(cls, other: "ConstIntegerSet") -> "ConstIntegerSet":
        return cls(other._values)

    def init_with_list(self, values: Iterable[int]) -> None:
        """Other values in place of the present ones."""
        self._values = frozenset(int(value) for value in values)

    init_with_set = init_with_list

    def count(self, i: int) -> int:
        """1 where `i` is in the set, else 0."""
        return int(i in self._values)

    def size(self) -> int:
        return len(self._values)

    def empty(self) -> bool:
        return not self._values

    def __contains__(self, i: int) -> bool:
        return i in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Any:
        return iter(sorted(self._values))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConstIntegerSet) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]

    def read(self, is_: Any, binary: bool) -> None:
        self.init_with_list(is_.integers(binary).tolist())

    def write(self, os: Any, binary: bool) -> None:
        os.integers(binary, np.array(sorted(self._values), np.int32))
