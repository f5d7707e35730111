"""Weights of automata and what is done with them (PyKaldi's `kaldi.fstext.weight`)."""

import math
from collections.abc import Callable
from typing import Any

from sonant.errors import FstError
from sonant.kaldi.fstext.semirings import COMMUTATIVE as COMMUTATIVE
from sonant.kaldi.fstext.semirings import DELTA as DELTA
from sonant.kaldi.fstext.semirings import IDEMPOTENT as IDEMPOTENT
from sonant.kaldi.fstext.semirings import LEFT_SEMIRING as LEFT_SEMIRING
from sonant.kaldi.fstext.semirings import NUM_RANDOM_WEIGHTS as NUM_RANDOM_WEIGHTS
from sonant.kaldi.fstext.semirings import PATH as PATH
from sonant.kaldi.fstext.semirings import RIGHT_SEMIRING as RIGHT_SEMIRING
from sonant.kaldi.fstext.semirings import SEMIRING as SEMIRING
from sonant.kaldi.fstext.semirings import CompactLatticeWeight as CompactLatticeWeight
from sonant.kaldi.fstext.semirings import DivideType as DivideType
from sonant.kaldi.fstext.semirings import FloatLimits as FloatLimits
from sonant.kaldi.fstext.semirings import FloatWeight as FloatWeight
from sonant.kaldi.fstext.semirings import KwsIndexWeight as KwsIndexWeight
from sonant.kaldi.fstext.semirings import KwsTimeWeight as KwsTimeWeight
from sonant.kaldi.fstext.semirings import LatticeWeight as LatticeWeight
from sonant.kaldi.fstext.semirings import LogWeight as LogWeight
from sonant.kaldi.fstext.semirings import TropicalWeight as TropicalWeight
from sonant.kaldi.fstext.semirings import Weight, raw_of, single

_INF = math.inf

# Comparing: 1 where the first is better (its cost smaller), -1 where it is worse.


def _compared(a: float, b: float) -> int:
    return (a < b) - (a > b)


def compare_lattice_weight(w1: LatticeWeight, w2: LatticeWeight) -> int:
    a, b = raw_of(w1, LatticeWeight), raw_of(w2, LatticeWeight)
    return _compared(single(a[0] + a[1]), single(b[0] + b[1])) or _compared(a[0], b[0])


def compare_compact_lattice_weight(w1: CompactLatticeWeight, w2: CompactLatticeWeight) -> int:
    """As the lattice weights; where these are equal the shorter string is better, then the greater one."""
    a, b = raw_of(w1, CompactLatticeWeight)[2], raw_of(w2, CompactLatticeWeight)[2]
    return compare_lattice_weight(w1.weight, w2.weight) or _compared(len(a), len(b)) or -_compared(a, b)


class LatticeNaturalLess:
    """Called with two weights: whether the first is the better one."""

    def __call__(self, w1: LatticeWeight, w2: LatticeWeight) -> bool:
        return compare_lattice_weight(w1, w2) == 1


class CompactLatticeNaturalLess:
    """Called with two weights: whether the first is the better one."""

    def __call__(self, w1: CompactLatticeWeight, w2: CompactLatticeWeight) -> bool:
        return compare_compact_lattice_weight(w1, w2) == 1


def _near(a: float, b: float, delta: float) -> bool:
    return a <= b + delta and b <= a + delta


def approx_equal_float_weight(w1: FloatWeight, w2: FloatWeight, delta: float = DELTA) -> bool:
    return _near(w1.value, w2.value, delta)


def approx_equal_lattice_weight(w1: LatticeWeight, w2: LatticeWeight, delta: float = DELTA) -> bool:
    """Whether the sums of their costs differ by at most `delta`."""
    a, b = raw_of(w1, LatticeWeight), raw_of(w2, LatticeWeight)
    return a == b or abs((a[0] + a[1]) - (b[0] + b[1])) <= delta


def approx_equal_compact_lattice_weight(
    w1: CompactLatticeWeight, w2: CompactLatticeWeight, delta: float = DELTA
) -> bool:
    return approx_equal_lattice_weight(w1.weight, w2.weight, delta) and w1.raw[2] == w2.raw[2]


# Sums: the better one, or the logarithmic sum.


def plus_tropical_weight(w1: TropicalWeight, w2: TropicalWeight) -> TropicalWeight:
    return min(w1, w2, key=lambda w: raw_of(w, TropicalWeight))


def plus_log_weight(w1: LogWeight, w2: LogWeight) -> LogWeight:
    least, most = sorted((raw_of(w1, LogWeight), raw_of(w2, LogWeight)))
    return (
        w2
        if w1.raw == _INF
        else w1
        if most == _INF
        else LogWeight(least - math.log1p(math.exp(least - most)))
    )


def plus_lattice_weight(w1: LatticeWeight, w2: LatticeWeight) -> LatticeWeight:
    return w1 if compare_lattice_weight(w1, w2) >= 0 else w2


def plus_compact_lattice_weight(w1: CompactLatticeWeight, w2: CompactLatticeWeight) -> CompactLatticeWeight:
    return w1 if compare_compact_lattice_weight(w1, w2) >= 0 else w2


def plus_kws_index_weight(w1: KwsIndexWeight, w2: KwsIndexWeight) -> KwsIndexWeight:
    return min(w1, w2, key=lambda w: raw_of(w, KwsIndexWeight))


def plus_tropical_lt_tropical_weight(w1: KwsTimeWeight, w2: KwsTimeWeight) -> KwsTimeWeight:
    return min(w1, w2, key=lambda w: raw_of(w, KwsTimeWeight))


# Products: costs add, strings are joined.


def _times(kind: type[Weight]) -> Callable[[Any, Any], Any]:
    def times(w1: Any, w2: Any) -> Any:
        a, b = raw_of(w1, kind), raw_of(w2, kind)
        if isinstance(a, float):
            return kind.of_raw(single(a + b))
        return kind.of_raw(tuple(single(x + y) for x, y in zip(a, b, strict=True)))

    return times


def times_tropical_weight(w1: TropicalWeight, w2: TropicalWeight) -> TropicalWeight:
    return _times(TropicalWeight)(w1, w2)


def times_log_weight(w1: LogWeight, w2: LogWeight) -> LogWeight:
    return _times(LogWeight)(w1, w2)


def times_lattice_weight(w1: LatticeWeight, w2: LatticeWeight) -> LatticeWeight:
    return _times(LatticeWeight)(w1, w2)


def times_kws_index_weight(w1: KwsIndexWeight, w2: KwsIndexWeight) -> KwsIndexWeight:
    return _times(KwsIndexWeight)(w1, w2)


def times_tropical_lt_tropical_weight(w1: KwsTimeWeight, w2: KwsTimeWeight) -> KwsTimeWeight:
    return _times(KwsTimeWeight)(w1, w2)


def times_compact_lattice_weight(w1: CompactLatticeWeight, w2: CompactLatticeWeight) -> CompactLatticeWeight:
    costs = times_lattice_weight(w1.weight, w2.weight).raw
    if costs == LatticeWeight._zero:
        return CompactLatticeWeight.zero()
    return CompactLatticeWeight.of_raw((*costs, w1.raw[2] + w2.raw[2]))


# Quotients: costs subtract; of strings the common beginning or end is taken away.


def _difference(a: float, b: float) -> float:
    if b == _INF:
        return math.nan
    return _INF if a == _INF else single(a - b)


def divide_tropical_weight(
    w1: TropicalWeight, w2: TropicalWeight, typ: DivideType = DivideType.DIVIDE_ANY
) -> TropicalWeight:
    return TropicalWeight.of_raw(_difference(raw_of(w1, TropicalWeight), raw_of(w2, TropicalWeight)))


def divide_log_weight(w1: LogWeight, w2: LogWeight, typ: DivideType = DivideType.DIVIDE_ANY) -> LogWeight:
    return LogWeight.of_raw(_difference(raw_of(w1, LogWeight), raw_of(w2, LogWeight)))


def divide_lattice_weight(
    w1: LatticeWeight, w2: LatticeWeight, typ: DivideType = DivideType.DIVIDE_ANY
) -> LatticeWeight:
    costs = tuple(
        single(a - b) for a, b in zip(raw_of(w1, LatticeWeight), raw_of(w2, LatticeWeight), strict=True)
    )
    return LatticeWeight.of_raw(costs if all(map(math.isfinite, costs)) else LatticeWeight._zero)


def divide_compact_lattice_weight(
    w1: CompactLatticeWeight, w2: CompactLatticeWeight, typ: DivideType = DivideType.DIVIDE_ANY
) -> CompactLatticeWeight:
    """Raises FstError where the string of w2 is not at that end of the string of w1, or w2 is zero."""
    a, b = raw_of(w1, CompactLatticeWeight), raw_of(w2, CompactLatticeWeight)
    if b == CompactLatticeWeight._zero:
        raise FstError("a division by zero")
    if a == CompactLatticeWeight._zero:
        return CompactLatticeWeight.zero()
    costs = divide_lattice_weight(w1.weight, w2.weight).raw
    long, short = a[2], b[2]
    if typ == DivideType.DIVIDE_LEFT and long[: len(short)] == short:
        return CompactLatticeWeight.of_raw((*costs, long[len(short) :]))
    if typ == DivideType.DIVIDE_RIGHT and (not short or long[-len(short) :] == short):
        return CompactLatticeWeight.of_raw((*costs, long[: len(long) - len(short)]))
    raise FstError(f"the string {list(long)} divided by {list(short)}, {DivideType(typ).name}")


def _divide_lexicographic(kind: type[Weight], w1: Any, w2: Any) -> Any:
    pairs = zip(raw_of(w1, kind), raw_of(w2, kind), strict=True)
    return kind.of_raw(tuple(_difference(a, b) for a, b in pairs))


def divide_kws_index_weight(
    w1: KwsIndexWeight, w2: KwsIndexWeight, typ: DivideType = DivideType.DIVIDE_ANY
) -> KwsIndexWeight:
    return _divide_lexicographic(KwsIndexWeight, w1, w2)


def divide_tropical_lt_tropical_weight(
    w1: KwsTimeWeight, w2: KwsTimeWeight, typ: DivideType = DivideType.DIVIDE_ANY
) -> KwsTimeWeight:
    return _divide_lexicographic(KwsTimeWeight, w1, w2)


def power_tropical_weight(weight: TropicalWeight, scalar: float) -> TropicalWeight:
    return TropicalWeight(raw_of(weight, TropicalWeight) * scalar)


def power_log_weight(weight: LogWeight, scalar: float) -> LogWeight:
    return LogWeight(raw_of(weight, LogWeight) * scalar)


# Scales, and costs as plain numbers.


def scale_lattice_weight(w: LatticeWeight, scale: list[list[float]]) -> LatticeWeight:
    """(graph, acoustic) times the 2x2 matrix."""
    a, b = raw_of(w, LatticeWeight)
    if w.raw == LatticeWeight._zero:
        return w
    (p, q), (r, s) = scale
    return LatticeWeight(p * a + q * b, r * a + s * b)


def scale_compact_lattice_weight(w: CompactLatticeWeight, scale: list[list[float]]) -> CompactLatticeWeight:
    return CompactLatticeWeight.of_raw((*scale_lattice_weight(w.weight, scale).raw, w.raw[2]))


def tropical_weight_to_cost(w: TropicalWeight) -> float:
    return raw_of(w, TropicalWeight)


def lattice_weight_to_cost(w: LatticeWeight) -> float:
    return single(sum(raw_of(w, LatticeWeight)))


def compact_lattice_weight_to_cost(w: CompactLatticeWeight) -> float:
    return lattice_weight_to_cost(w.weight)


def lattice_weight_to_tropical(w_in: LatticeWeight) -> TropicalWeight:
    return TropicalWeight.of_raw(lattice_weight_to_cost(w_in))


def get_log_to_tropical_converter() -> Callable[[LogWeight], TropicalWeight]:
    return lambda w: TropicalWeight.of_raw(raw_of(w, LogWeight))


def get_tropical_to_log_converter() -> Callable[[TropicalWeight], LogWeight]:
    return lambda w: LogWeight.of_raw(raw_of(w, TropicalWeight))
