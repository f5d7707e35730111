"""Arcs and iterators over arcs and states."""

from typing import Any, Self

from sonant.fst.pywrapfst.errors import FstOpError
from sonant.fst.pywrapfst.flags import ArcIteratorFlags
from sonant.fst.pywrapfst.weights import TYPES, Weight, WeightLike, cost_of


class Arc:
    """An arc by itself: changing it changes no automaton. A weight that is no Weight is a tropical one."""

    __slots__ = ("_weight", "ilabel", "nextstate", "olabel")

    def __init__(self, ilabel: int, olabel: int, weight: WeightLike | None, nextstate: int):
        self.ilabel, self.olabel, self.nextstate = int(ilabel), int(olabel), int(nextstate)
        self.weight = weight

    @property
    def weight(self) -> Weight:
        return self._weight.copy()

    @weight.setter
    def weight(self, value: WeightLike | None) -> None:
        self._weight = (
            value.copy() if isinstance(value, Weight) else Weight("tropical", cost_of("tropical", value))
        )

    def __repr__(self) -> str:
        return f"<Arc at {id(self):#x}>"

    def copy(self) -> "Arc":
        return Arc(self.ilabel, self.olabel, self._weight, self.nextstate)


class _Iterator:
    _position = 0
    _length: int

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self.done():
            raise StopIteration
        value = self.value()
        self.next()
        return value

    def _here(self) -> int:
        if self.done():
            raise FstOpError("Can't get value from an exhausted iterator; reset() it first")
        return self._position

    def done(self) -> bool:
        return self._position >= self._length

    def next(self) -> None:
        self._position += 1

    def reset(self) -> None:
        self._position = 0

    def value(self) -> Any:
        return self._here()


class _StateIterator(_Iterator):
    """The states of an automaton as they are when the iterator is made."""

    def __init__(self, ifst: Any):
        self._length = ifst._fst.num_states

    def value(self) -> int:
        return self._here()


class _ArcIterator(_Iterator):
    """The arcs that leave a state as they are when the iterator is made."""

    def __init__(self, ifst: Any, state: int):
        self._arcs = ifst._fst.arcs_of(state)
        self._length = len(self._arcs)
        self._type = TYPES[ifst.arc_type()]
        self._flags = ArcIteratorFlags.ARC_VALUE_FLAGS

    def value(self) -> Arc:
        ilabel, olabel, weight, nextstate = self._arcs[self._here()]
        return Arc(ilabel, olabel, Weight(self._type, weight), nextstate)

    def position(self) -> int:
        return self._position

    def seek(self, a: int) -> None:
        self._position = a

    def flags(self) -> ArcIteratorFlags:
        return self._flags

    def set_flags(self, flags: ArcIteratorFlags, mask: ArcIteratorFlags) -> None:
        """Kept for scripts that set them; all of an arc is there at once."""
        self._flags = (self._flags & ~mask) | (flags & mask)


class _MutableArcIterator(_ArcIterator):
    def __init__(self, ifst: Any, state: int):
        super().__init__(ifst, state)
        self._ifst, self._state = ifst, state

    def set_value(self, arc: Arc) -> None:
        """Replaces the arc that the iterator stands at."""
        raw = (arc.ilabel, arc.olabel, cost_of(self._type, arc._weight), arc.nextstate)
        position = self._here()
        self._ifst._fst.native.set_arc(self._state, position, *raw)
        self._arcs[position] = raw
