"""Numbers, as Kaldi's `base/kaldi-math` has them (PyKaldi's `kaldi.base.math`).

Functions without `double_` compute in single precision.
"""

import math
import random

import numpy as np

from sonant.errors import MatrixError

DBL_EPSILON = 2.220446049250313e-16
FLT_EPSILON = 1.1920928955078125e-07
M_PI = math.pi
M_2PI = 2 * math.pi
M_SQRT2 = math.sqrt(2)
M_SQRT1_2 = math.sqrt(0.5)
M_LOG_2PI = math.log(2 * math.pi)
M_LN2 = math.log(2)
M_LN10 = math.log(10)
LOG_ZERO_FLOAT = -math.inf
LOG_ZERO_DOUBLE = -math.inf
MIN_LOG_DIFF_FLOAT = math.log(FLT_EPSILON)
MIN_LOG_DIFF_DOUBLE = math.log(DBL_EPSILON)


def _quiet(function: np.ufunc, precision: type, x: float) -> float:
    """IEEE's answer (inf or nan) where Python's own functions raise."""
    with np.errstate(all="ignore"):
        return float(function(precision(x)))


def double_exp(x: float) -> float:
    """e to the x; infinite where that is too large."""
    return _quiet(np.exp, np.float64, x)


def double_log(x: float) -> float:
    """Natural logarithm: -inf of 0, nan of a negative number."""
    return _quiet(np.log, np.float64, x)


def double_log1p(x: float) -> float:
    """log(1 + x), exact for small x."""
    return _quiet(np.log1p, np.float64, x)


def exp(x: float) -> float:
    return _quiet(np.exp, np.float32, x)


def log(x: float) -> float:
    return _quiet(np.log, np.float32, x)


def log1p(x: float) -> float:
    return _quiet(np.log1p, np.float32, x)


def double_log_add(x: float, y: float) -> float:
    """log(exp(x) + exp(y))."""
    high, low = max(x, y), min(x, y)
    negligible = low == -math.inf or low - high < MIN_LOG_DIFF_DOUBLE
    return high if negligible else high + math.log1p(math.exp(low - high))


def double_log_sub(x: float, y: float) -> float:
    """log(exp(x) - exp(y)). Raises MatrixError where y > x."""
    if y > x:
        raise MatrixError(f"log_sub({x}, {y}) is the logarithm of a negative number; expected x >= y")
    if x == y:
        return -math.inf
    return x if y == -math.inf else x + math.log1p(-math.exp(y - x))


def log_add(x: float, y: float) -> float:
    return float(np.float32(double_log_add(x, y)))


def log_sub(x: float, y: float) -> float:
    return float(np.float32(double_log_sub(x, y)))


def sqr(x: float) -> float:
    return float(np.float32(x) * np.float32(x))


def double_sqr(x: float) -> float:
    return x * x


def hypot(x: float, y: float) -> float:
    return float(np.float32(math.hypot(x, y)))


double_hypot = math.hypot
isnan = double_isnan = math.isnan
isinf = double_isinf = math.isinf
isfinite = double_isfinite = math.isfinite
gcd = math.gcd
lcm = math.lcm


def approx_equal(a: float, b: float, relative_tolerance: float = 0.001) -> bool:
    """True where a and b differ by no more than that share of the sum of their sizes; inf equals inf."""
    if a == b:
        return True
    difference = abs(a - b)
    return math.isfinite(difference) and difference <= relative_tolerance * (abs(a) + abs(b))


def divide_rounding_down(a: int, b: int) -> int:
    """a / b, rounded towards minus infinity."""
    if b == 0:
        raise MatrixError(f"divide_rounding_down({a}, 0); expected a divisor that is not 0")
    return a // b


def factorize(x: int) -> list[int]:
    """Prime factors, ascending, each as often as it divides x."""
    if x <= 0:
        raise MatrixError(f"factorize({x}); expected a positive integer")
    factors, factor = [], 2
    while factor * factor <= x:
        while x % factor == 0:
            factors.append(factor)
            x //= factor
        factor += 1
    return [*factors, x] if x > 1 else factors


def round_up_to_nearest_power_of_two(n: int) -> int:
    if n <= 0:
        raise MatrixError(f"round_up_to_nearest_power_of_two({n}); expected a positive integer")
    return 1 << (n - 1).bit_length()


class RandomState:
    """A source of random numbers, for the functions below; without one they share one."""

    def __init__(self, seed: int | None = None):
        self.seed = random.randrange(1 << 31) if seed is None else seed
        self.source = random.Random(self.seed)


_shared = RandomState()


def rand(state: RandomState = _shared) -> int:
    """A random integer from 0 to 2^31 - 1."""
    return state.source.randrange(1 << 31)


def rand_int(first: int, last: int, state: RandomState = _shared) -> int:
    """A random integer from first to last, both included."""
    if first > last:
        raise MatrixError(f"rand_int({first}, {last}); expected first <= last")
    return state.source.randint(first, last)


def rand_uniform(state: RandomState = _shared) -> float:
    """Uniform between 0 and 1, neither of them included."""
    return (state.source.randrange(1 << 31) + 1) / ((1 << 31) + 2)


def rand_gauss(state: RandomState = _shared) -> float:
    """Normal, of mean 0 and variance 1."""
    return state.source.gauss(0.0, 1.0)


def rand_gauss2(state: RandomState = _shared) -> tuple[float, float]:
    """Two of them, independent."""
    return rand_gauss(state), rand_gauss(state)


double_rand_gauss2 = rand_gauss2


def rand_poisson(lambda_: float, state: RandomState = _shared) -> int:
    """Poisson, of that mean (Knuth 1969, by products of uniform numbers)."""
    if not 0 <= lambda_ < 700:
        raise MatrixError(f"rand_poisson({lambda_}); expected a mean from 0 to 700")
    limit, product, count = math.exp(-lambda_), rand_uniform(state), 0
    while product > limit:
        product *= rand_uniform(state)
        count += 1
    return count


def rand_prune(post: float, prune_thresh: float, state: RandomState = _shared) -> float:
    """`post` where it reaches the threshold; else 0 or the threshold at random, so that the mean is kept."""
    if prune_thresh == 0.0 or abs(post) >= prune_thresh:
        return post
    kept = rand_uniform(state) <= abs(post) / prune_thresh
    return math.copysign(prune_thresh, post) if kept else 0.0


def with_prob(prob: float, state: RandomState = _shared) -> bool:
    """True with that probability."""
    if not 0 <= prob <= 1:
        raise MatrixError(f"with_prob({prob}); expected a probability from 0 to 1")
    return rand_uniform(state) < prob
