"""Iterators over states and arcs: Python's way, and PyKaldi's done, value and next."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

from sonant.errors import FstIndexError

ArcType = TypeVar("ArcType")

# What an iterator looks at (OpenFst's flags, kept for scripts that set them; all is there at once).
_ALL_VALUES = 0x0F


class _Positions(ABC):
    """A position that runs from 0 to the end."""

    _position = 0

    @abstractmethod
    def _length(self) -> int: ...

    def done(self) -> bool:
        return self._position >= self._length()

    def next(self) -> None:
        self._position += 1

    def reset(self) -> None:
        self._position = 0

    def _here(self) -> int:
        if self.done():
            raise FstIndexError(f"position {self._position} of {self._length()}: the iterator is at its end")
        return self._position


class StateIterator(_Positions):
    """The states of an automaton: 0, 1, 2, ..."""

    def __init__(self, fst: Any):
        self._fst = fst

    def _length(self) -> int:
        return self._fst.num_states()

    def value(self) -> int:
        return self._here()

    def __iter__(self) -> Iterator[int]:
        while not self.done():
            yield self.value()
            self.next()


class ArcIterator(_Positions, Generic[ArcType]):
    """The arcs that leave a state, as they are when the iterator is made."""

    arc_type: ClassVar[Any]

    def __init_subclass__(cls, arc: Any = None):
        if arc is not None:
            cls.arc_type = arc

    def __init__(self, fst: Any, state: int):
        self._arcs = fst.native.arcs(state)
        self._flags = _ALL_VALUES

    def _length(self) -> int:
        return len(self._arcs)

    def value(self) -> ArcType:
        return self.arc_type.of_raw(self._arcs[self._here()])

    def position(self) -> int:
        return self._position

    def seek(self, a: int) -> None:
        self._position = a

    def flags(self) -> int:
        return self._flags

    def set_flags(self, flags: int, mask: int) -> None:
        self._flags = (self._flags & ~mask) | (flags & mask)

    def __iter__(self) -> Iterator[ArcType]:
        made = self.arc_type.of_raw
        while not self.done():
            yield made(self._arcs[self._position])
            self._position += 1


class MutableArcIterator(ArcIterator[ArcType]):
    """The arcs that leave a state; `set_value` changes the one that the iterator stands at."""

    def __init__(self, fst: Any, state: int):
        super().__init__(fst, state)
        self._fst, self._state = fst, state

    def set_value(self, arc: Any) -> None:
        if not isinstance(arc, self.arc_type):
            raise TypeError(f"an arc of type {type(arc).__name__}; expected {self.arc_type.__name__}")
        position = self._here()
        self._fst.native.set_arc(self._state, position, *arc.raw)
        self._arcs[position] = arc.raw
