"""The types of weights: costs, where smaller is better.

Values are single-precision floats, as they are in the automata.
"""

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, ClassVar, Self

DELTA = 1 / 1024
LEFT_SEMIRING = 0x1
RIGHT_SEMIRING = 0x2
SEMIRING = LEFT_SEMIRING | RIGHT_SEMIRING
COMMUTATIVE = 0x4
IDEMPOTENT = 0x8
PATH = 0x10
NUM_RANDOM_WEIGHTS = 5

_FLOAT = struct.Struct("<f")
_INF = math.inf


class DivideType(IntEnum):
    DIVIDE_LEFT = 0
    DIVIDE_RIGHT = 1
    DIVIDE_ANY = 2


class FloatLimits:
    @staticmethod
    def pos_infinity() -> float:
        return _INF

    @staticmethod
    def neg_infinity() -> float:
        return -_INF

    @staticmethod
    def number_bad() -> float:
        return math.nan


def single(value: float) -> float:
    """The nearest single-precision float."""
    try:
        return _FLOAT.unpack(_FLOAT.pack(float(value)))[0]
    except OverflowError:
        return math.copysign(_INF, value)


def _shown(value: float) -> str:
    """As OpenFst prints it."""
    if math.isnan(value):
        return "BadNumber"
    return f"{value:g}" if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _is_cost(value: float) -> bool:
    return value == value and value != -_INF


def _quantized(value: float, delta: float) -> float:
    return single(math.floor(value / delta + 0.5) * delta) if math.isfinite(value) else value


class Weight(ABC):
    """What all weights have in common. `raw` is what the native core takes and gives."""

    __slots__ = ("raw",)
    _type: ClassVar[str]
    _properties: ClassVar[int]
    _zero: ClassVar[Any]
    _one: ClassVar[Any]
    _bad: ClassVar[Any]

    raw: Any

    @classmethod
    def of_raw(cls, raw: Any) -> Self:
        """Without checks, from the native core's numbers."""
        weight = cls.__new__(cls)
        weight.raw = raw
        return weight

    @classmethod
    def from_other(cls, other: Self) -> Self:
        return cls.of_raw(raw_of(other, cls))

    @classmethod
    def zero(cls) -> Self:
        """Of no path: infinite."""
        return cls.of_raw(cls._zero)

    @classmethod
    def one(cls) -> Self:
        """Of the empty path: 0."""
        return cls.of_raw(cls._one)

    @classmethod
    def no_weight(cls) -> Self:
        """Not a weight: what an impossible operation gives."""
        return cls.of_raw(cls._bad)

    @classmethod
    def type(cls) -> str:
        return cls._type

    @classmethod
    def properties(cls) -> int:
        return cls._properties

    @abstractmethod
    def member(self) -> bool:
        """Whether it can be the cost of a path."""

    @abstractmethod
    def quantize(self, delta: float = DELTA) -> Self:
        """Costs rounded to multiples of `delta`."""

    def reverse(self) -> Self:
        """The weight of the path read backwards."""
        return self.of_raw(self.raw)

    def hash(self) -> int:
        return hash(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.raw == other.raw

    def __hash__(self) -> int:
        return hash((self._type, self.raw))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


def raw_of(weight: Any, kind: type[Weight]) -> Any:
    if not isinstance(weight, kind):
        raise TypeError(f"a weight of type {type(weight).__name__}; expected {kind.__name__}")
    return weight.raw


class FloatWeight(Weight):
    """A weight of one float."""

    __slots__ = ()
    _zero, _one, _bad = _INF, 0.0, math.nan

    def __init__(self, weight: "FloatWeight | float | None" = None):
        """A float, another weight of this type, or one (0) where nothing is given."""
        if weight is None:
            self.raw = 0.0
        elif isinstance(weight, Weight):
            self.raw = raw_of(weight, type(self))
        else:
            self.raw = single(weight)

    @classmethod
    def from_float(cls, f: float) -> Self:
        return cls(f)

    @property
    def value(self) -> float:
        return self.raw

    def __float__(self) -> float:
        return self.raw

    def __str__(self) -> str:
        return _shown(self.raw)

    def member(self) -> bool:
        return _is_cost(self.raw)

    def quantize(self, delta: float = DELTA) -> Self:
        return self.of_raw(_quantized(self.raw, delta))


class TropicalWeight(FloatWeight):
    """The sum of two costs is the smaller one."""

    __slots__ = ()
    _type = "tropical"
    _properties = SEMIRING | COMMUTATIVE | IDEMPOTENT | PATH


class LogWeight(FloatWeight):
    """The sum of two costs is -log(exp(-a) + exp(-b))."""

    __slots__ = ()
    _type = "log"
    _properties = SEMIRING | COMMUTATIVE


class LatticeWeight(Weight):
    """Kaldi's lattice weight: value1 is the graph cost, value2 the acoustic one.

    The smaller sum is the better weight, then the smaller graph cost.
    """

    __slots__ = ()
    _type = "lattice4"
    _properties = SEMIRING | COMMUTATIVE | IDEMPOTENT | PATH
    _zero, _one, _bad = (_INF, _INF), (0.0, 0.0), (math.nan, math.nan)

    def __init__(self, *args: Any):
        """LatticeWeight(), LatticeWeight(graph, acoustic), or of a pair or another LatticeWeight."""
        if len(args) == 1:
            args = args[0].raw if isinstance(args[0], LatticeWeight) else tuple(args[0])
        if len(args) not in (0, 2):
            raise TypeError(f"{len(args)} costs; LatticeWeight has a graph cost and an acoustic cost")
        self.raw = (single(args[0]), single(args[1])) if args else (0.0, 0.0)

    @classmethod
    def from_pair(cls, a: float, b: float) -> Self:
        return cls(a, b)

    @property
    def value1(self) -> float:
        return self.raw[0]

    @property
    def value2(self) -> float:
        return self.raw[1]

    def __str__(self) -> str:
        return f"{_shown(self.raw[0])},{_shown(self.raw[1])}"

    def member(self) -> bool:
        a, b = self.raw
        return _is_cost(a) and _is_cost(b) and (a == _INF) == (b == _INF)

    def quantize(self, delta: float = DELTA) -> Self:
        a, b = self.raw
        if not math.isfinite(a + b):
            return self.of_raw((a + b, a + b))
        return self.of_raw((_quantized(a, delta), _quantized(b, delta)))


class CompactLatticeWeight(Weight):
    """A lattice weight (`weight`) and a string of transition-ids (`string`)."""

    __slots__ = ()
    _type = "compactlattice44"
    _properties = LEFT_SEMIRING | RIGHT_SEMIRING | IDEMPOTENT | PATH
    _zero, _one, _bad = (_INF, _INF, ()), (0.0, 0.0, ()), (math.nan, math.nan, ())

    def __init__(self, *args: Any):
        """CompactLatticeWeight(), of a LatticeWeight (or pair) and a list of ints, or of another one."""
        if len(args) == 1:
            if isinstance(args[0], CompactLatticeWeight):
                self.raw = args[0].raw
                return
            if isinstance(args[0], Weight):
                raise TypeError(f"{type(args[0]).__name__} alone; give its string too")
            args = tuple(args[0])
        if len(args) not in (0, 2):
            raise TypeError(f"{len(args)} arguments; expected a LatticeWeight and a list of ints")
        if args:
            weight, string = args
            costs = weight.raw if isinstance(weight, LatticeWeight) else LatticeWeight(*weight).raw
            self.raw = (*costs, tuple(int(symbol) for symbol in string))
        else:
            self.raw = self._one

    @classmethod
    def from_pair(cls, w: LatticeWeight, s: Iterable[int]) -> Self:
        return cls(w, s)

    @property
    def weight(self) -> LatticeWeight:
        return LatticeWeight.of_raw(self.raw[:2])

    @property
    def string(self) -> list[int]:
        return list(self.raw[2])

    @staticmethod
    def get_int_size_string() -> str:
        return "4"

    def __str__(self) -> str:
        return f"{_shown(self.raw[0])},{_shown(self.raw[1])},{'_'.join(map(str, self.raw[2]))}"

    def member(self) -> bool:
        return self.weight.member() and (self.raw[0] != _INF or not self.raw[2])

    def quantize(self, delta: float = DELTA) -> Self:
        return self.of_raw((*self.weight.quantize(delta).raw, self.raw[2]))

    def reverse(self) -> Self:
        return self.of_raw((*self.raw[:2], self.raw[2][::-1]))


class _Lexicographic(Weight):
    __slots__ = ()
    _properties = SEMIRING | COMMUTATIVE | IDEMPOTENT | PATH
    _parts: ClassVar[int]

    def __str__(self) -> str:
        return ",".join(map(_shown, self.raw))

    def member(self) -> bool:
        return all(map(_is_cost, self.raw)) and len({cost == _INF for cost in self.raw}) == 1

    def quantize(self, delta: float = DELTA) -> Self:
        return self.of_raw(tuple(_quantized(cost, delta) for cost in self.raw))

    @property
    def value1(self) -> TropicalWeight:
        return TropicalWeight.of_raw(self.raw[0])


class KwsTimeWeight(_Lexicographic):
    """Begin and end time of a keyword."""

    __slots__ = ()
    _type = "tropical_LT_tropical"
    _zero, _one, _bad = (_INF, _INF), (0.0, 0.0), (math.nan, math.nan)

    def __init__(self, *args: TropicalWeight):
        self.raw = (raw_of(args[0], TropicalWeight), raw_of(args[1], TropicalWeight)) if args else self._one

    @classmethod
    def from_components(cls, w1: TropicalWeight, w2: TropicalWeight) -> Self:
        return cls(w1, w2)

    @property
    def value2(self) -> TropicalWeight:
        return TropicalWeight.of_raw(self.raw[1])


class KwsIndexWeight(_Lexicographic):
    """The cost of a keyword and its times, compared in this order."""

    __slots__ = ()
    _type = "tropical_LT_tropical_LT_tropical"
    _zero, _one, _bad = (_INF,) * 3, (0.0,) * 3, (math.nan,) * 3

    def __init__(self, *args: Any):
        self.raw = (raw_of(args[0], TropicalWeight), *raw_of(args[1], KwsTimeWeight)) if args else self._one

    @classmethod
    def from_components(cls, w1: TropicalWeight, w2: KwsTimeWeight) -> Self:
        return cls(w1, w2)

    @property
    def value2(self) -> KwsTimeWeight:
        return KwsTimeWeight.of_raw(self.raw[1:])
