"""Arcs: labels, weight and next state."""

from typing import Any, ClassVar, Self

from sonant.kaldi.fstext.semirings import (
    CompactLatticeWeight,
    KwsIndexWeight,
    LatticeWeight,
    LogWeight,
    TropicalWeight,
    Weight,
)


class Arc:
    """An arc by itself: changing it changes no automaton, until `add_arc` or `set_value` is given it."""

    __slots__ = ("_raw", "ilabel", "nextstate", "olabel")
    weight_type: ClassVar[type[Weight]]
    _type: ClassVar[str]

    ilabel: int
    olabel: int
    nextstate: int

    def __init__(self, *args: Any):
        """(ilabel, olabel, weight, nextstate), or nothing: labels 0, weight one and next state -1."""
        if len(args) not in (0, 4):
            raise TypeError(f"{len(args)} arguments; expected ilabel, olabel, weight and nextstate")
        ilabel, olabel, weight, nextstate = args or (0, 0, None, -1)
        self.ilabel, self.olabel, self.nextstate = int(ilabel), int(olabel), int(nextstate)
        self._raw = self.weight_type._one if weight is None else self._raw_of(weight)

    @classmethod
    def of_raw(cls, raw: tuple[int, int, Any, int]) -> Self:
        """Without checks, of what the native core gives."""
        arc = cls.__new__(cls)
        arc.ilabel, arc.olabel, arc._raw, arc.nextstate = raw
        return arc

    @property
    def raw(self) -> tuple[int, int, Any, int]:
        return self.ilabel, self.olabel, self._raw, self.nextstate

    @classmethod
    def from_attrs(cls, ilabel: int, olabel: int, weight: Any, nextstate: int) -> Self:
        return cls(ilabel, olabel, weight, nextstate)

    @classmethod
    def type(cls) -> str:
        return cls._type

    @classmethod
    def _raw_of(cls, weight: Any) -> Any:
        """Of a weight of the right type, or of what makes one."""
        return (weight if isinstance(weight, cls.weight_type) else cls.weight_type(weight)).raw  # type: ignore[call-arg]

    @property
    def weight(self) -> Any:
        return self.weight_type.of_raw(self._raw)

    @weight.setter
    def weight(self, weight: Any) -> None:
        self._raw = self._raw_of(weight)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.ilabel}, {self.olabel}, {self.weight!r}, {self.nextstate})"


class StdArc(Arc):
    __slots__ = ()
    weight_type = TropicalWeight
    _type = "standard"


class LogArc(Arc):
    __slots__ = ()
    weight_type = LogWeight
    _type = "log"


class LatticeArc(Arc):
    __slots__ = ()
    weight_type = LatticeWeight
    _type = "lattice4"


class CompactLatticeArc(Arc):
    __slots__ = ()
    weight_type = CompactLatticeWeight
    _type = "compactlattice44"


class KwsIndexArc(Arc):
    __slots__ = ()
    weight_type = KwsIndexWeight
    _type = "tropical_LT_tropical_LT_tropical"
