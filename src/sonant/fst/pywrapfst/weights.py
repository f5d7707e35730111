"""Weights by their type's name: 'tropical', 'log' or 'log64'."""

import math
import struct
from typing import Self

from sonant.fst.pywrapfst.errors import FstArgError, FstBadWeightError, FstOpError
from sonant.fst.pywrapfst.flags import WeightProperties

_FLOAT = struct.Struct("<f")
TYPES = {"standard": "tropical", "log": "log", "log64": "log64"}  # of weights by those of arcs


def _single(value: float) -> float:
    try:
        return _FLOAT.unpack(_FLOAT.pack(value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


class Weight:
    """A cost. Equal weights have the same type and value; like pywrapfst's they have no hash and no order."""

    __slots__ = ("_type", "_value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, weight_type: str, weight: str | int | float):
        if weight_type not in TYPES.values():
            raise FstArgError(f"Weight type not found: {weight_type!r}; expected {', '.join(TYPES.values())}")
        if not isinstance(weight, str | int | float):
            raise TypeError(f"Expected str but received {type(weight).__name__}: {weight}")
        try:
            value = float(weight)
        except (ValueError, OverflowError):
            value = math.nan
        if math.isnan(value):
            raise FstBadWeightError(f"Invalid weight: {weight}; expected a number, or Infinity")
        self._type, self._value = weight_type, value if weight_type == "log64" else _single(value)

    @classmethod
    def zero(cls, weight_type: str) -> Self:
        """Infinite: of no path."""
        return cls(weight_type, math.inf)

    @classmethod
    def one(cls, weight_type: str) -> Self:
        return cls(weight_type, 0)

    @classmethod
    def no_weight(cls, weight_type: str) -> Self:
        """A weight that is none."""
        weight = cls(weight_type, 0)
        weight._value = math.nan
        return weight

    def copy(self) -> "Weight":
        other = Weight.one(self._type)
        other._value = self._value
        return other

    def type(self) -> str:
        return self._type

    def to_string(self) -> str:
        if math.isnan(self._value):
            return "BadNumber"
        if math.isinf(self._value):
            return "Infinity" if self._value > 0 else "-Infinity"
        return f"{self._value:.9g}"

    __str__ = to_string

    def __repr__(self) -> str:
        return f"<{self._type} Weight {self.to_string()} at {id(self):#x}>"

    def __float__(self) -> float:
        return self._value

    def member(self) -> bool:
        return not math.isnan(self._value) and self._value != -math.inf

    def properties(self) -> WeightProperties:
        path = WeightProperties.IDEMPOTENT | WeightProperties.PATH
        return (
            WeightProperties.SEMIRING
            | WeightProperties.COMMUTATIVE
            | (path if self._type == "tropical" else WeightProperties(0))
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Weight):
            raise TypeError(f"a weight and a {type(other).__name__}; expected two weights")
        return self._type == other._type and self._value == other._value


WeightLike = Weight | str | int | float


def cost_of(weight_type: str, weight: WeightLike | None, default: float = 0.0) -> float:
    """The number of something that can be a weight of this type; `default` of None."""
    if weight is None:
        return default
    if isinstance(weight, Weight):
        if weight.type() != weight_type:
            raise FstOpError(
                f"Incompatible or invalid weight type: {weight.type()}; the automaton has {weight_type}"
            )
        return float(weight)
    return float(Weight(weight_type, weight))


def _both(lhs: Weight, rhs: Weight) -> tuple[float, float]:
    if lhs.type() != rhs.type():
        raise FstArgError(f"Weights of type {lhs.type()} and {rhs.type()}; expected the same")
    return float(lhs), float(rhs)


def plus(lhs: Weight, rhs: Weight) -> Weight:
    """The smaller cost, or that of both probabilities together."""
    a, b = sorted(_both(lhs, rhs))
    if lhs.type() != "tropical" and b != math.inf:
        a -= math.log1p(math.exp(a - b))
    return Weight(lhs.type(), a)


def times(lhs: Weight, rhs: Weight) -> Weight:
    return Weight(lhs.type(), sum(_both(lhs, rhs)))


def divide(lhs: Weight, rhs: Weight) -> Weight:
    a, b = _both(lhs, rhs)
    if b == math.inf:
        raise FstBadWeightError("Invalid weight: a quotient by Infinity")
    return Weight(lhs.type(), a - b)


def power(w: Weight, n: int) -> Weight:
    return Weight(w.type(), float(w) * n if n else 0)
