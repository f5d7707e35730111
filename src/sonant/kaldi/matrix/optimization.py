"""Minimising functions (PyKaldi's `kaldi.matrix.optimization`)."""

import math
from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix import DoubleVector, Vector
from sonant.kaldi.matrix._checks import Array, as_array, operand, write_to
from sonant.kaldi.matrix._quadratic import SolverOptions, solve_quadratic_problem
from sonant.kaldi.util.options import Options, option

__all__ = ["LbfgsOptions", "LinearCgdOptions", "OptimizeLbfgs", "linear_cgd"]


class LbfgsOptions(Options):
    """How OptimizeLbfgs optimises. Of the three that begin with first_step, the first that is not 0 counts:
    length of the first step, its expected improvement, or the learning rate of it.
    """

    minimize: bool = option(True, "minimize", "Minimise; false maximises")
    m: int = option(10, "m", "Number of steps that are remembered")
    first_step_learning_rate: float = option(1.0, "first-step-learning-rate", "Of the first step")
    first_step_length: float = option(0.0, "first-step-length", "Length of the first step, if not 0")
    first_step_impr: float = option(0.0, "first-step-impr", "Improvement by the first step, if not 0")
    c1: float = option(1e-4, "c1", "Constant of Wolfe's first condition (sufficient decrease)")
    c2: float = option(0.9, "c2", "Constant of Wolfe's second condition (curvature)")
    d: float = option(2.0, "d", "By what a step grows or shrinks in a line search")
    max_line_search_iters: int = option(50, "max-line-search-iters", "Then the search starts anew")
    avg_step_length: int = option(4, "avg-step-length", "Steps that recent_step_length averages over")


class OptimizeLbfgs:
    """L-BFGS (Nocedal and Wright, Numerical Optimization, 7.4 and 7.5) with the caller in the lead.

    >>> optimizer = OptimizeLbfgs(start, LbfgsOptions())
    >>> while optimizer.recent_step_length() > 1e-4:
    ...     x = optimizer.get_proposed_value()
    ...     optimizer.do_step(function(x), gradient(x))
    >>> optimizer.get_value()

    `x` (dim,) is where to begin, of which a copy is taken. PyKaldi's class has no get_proposed_value and no
    get_value.
    """

    def __init__(self, x: Any, opts: LbfgsOptions | None = None):
        self._opts = opts if opts is not None else LbfgsOptions()  # type: ignore[call-arg]
        if self._opts.m < 1:
            raise MatrixError(f"LbfgsOptions.m is {self._opts.m}; expected 1 or more")
        self._double = getattr(x, "_dtype", np.float32) is np.float64
        self._new_x = as_array(x, 1, np.float64, "x").copy()
        self._x, self._deriv = self._new_x, np.zeros_like(self._new_x)
        self._best_x, self._best_f = self._new_x, math.inf if self._opts.minimize else -math.inf
        self._f = self._best_f
        self._steps: list[tuple[Array, Array, float]] = []  # (s, y, 1 / s.y) of the last m
        self._inverse_hessian: Array | None = None  # its diagonal
        self._given_hessian = False
        self._searching = False
        self._lengths: list[float] = []
        self._begin_search()

    def _begin_search(self) -> None:
        self._factor, self._failures, self._last_failure = self._opts.d, 0, ""

    def get_proposed_value(self) -> Any:
        """Where do_step wants function and gradient next: a Vector (dim,)."""
        return self._vector(self._new_x)

    def get_value(self) -> tuple[Any, float]:
        """(x, function value): the best so far."""
        return self._vector(self._best_x), self._best_f

    def _vector(self, array: Array) -> Any:
        return (DoubleVector if self._double else Vector)(array)

    def recent_step_length(self) -> float:
        """Mean length of the last steps: infinity before the first, 0 where the last was 0."""
        if not self._lengths:
            return math.inf
        return 0.0 if self._lengths[-1] == 0 else float(np.mean(self._lengths))

    def do_step(self, function_value: float, gradient: Any) -> None:
        """Tells the function's value and gradient (dim,) at the proposed value; another is then proposed.

        Where the proposed value is outside the function's domain, tell infinity (-infinity in maximising).
        """
        value = float(function_value)
        slope = operand(gradient, self._new_x.shape, np.float64, "gradient").copy()
        if self._better(value, self._best_f):
            self._best_f, self._best_x = value, self._new_x
        with np.errstate(all="ignore"):
            if self._searching:
                self._line_search(value, slope)
            else:
                self._new_direction(value, slope)

    def do_step_approx_hessian(
        self, function_value: float, gradient: Any, diag_approx_2nd_deriv: Any
    ) -> None:
        """do_step with an approximate diagonal of the second derivative, positive in minimising."""
        diagonal = operand(diag_approx_2nd_deriv, self._new_x.shape, np.float64, "diag_approx_2nd_deriv")
        sign = 1 if self._opts.minimize else -1
        if not np.all(sign * diagonal > 0):
            raise MatrixError(
                f"diag_approx_2nd_deriv from {diagonal.min():g} to {diagonal.max():g}; "
                f"expected all {'positive in minimising' if sign > 0 else 'negative in maximising'}"
            )
        self._inverse_hessian, self._given_hessian = 1 / diagonal, True
        self.do_step(function_value, gradient)

    def _better(self, value: float, than: float) -> bool:
        return value < than if self._opts.minimize else value > than

    def _new_direction(self, value: float, slope: Array) -> None:
        """Proposes x - H slope, with H built from the remembered steps (algorithm 7.4)."""
        inverse = self._diagonal(slope)
        direction, factors = slope.copy(), []
        for step, change, rho in reversed(self._steps):
            factors.append(rho * (step @ direction))
            direction -= factors[-1] * change
        direction = inverse * direction
        for (step, change, rho), factor in zip(self._steps, reversed(factors), strict=True):
            direction += (factor - rho * (change @ direction)) * step
        self._new_x = self._x - direction
        self._f, self._deriv, self._searching = value, slope, True
        self._begin_search()

    def _diagonal(self, slope: Array) -> Array:
        """The diagonal of the inverse Hessian to begin with."""
        opts, sign = self._opts, 1.0 if self._opts.minimize else -1.0
        if self._steps:
            if not self._given_hessian:
                step, change, _ = self._steps[-1]
                ratio = (step @ change) / (change @ change)  # equation 7.20
                self._inverse_hessian = np.full_like(slope, ratio if math.isfinite(ratio) else sign)
        elif self._inverse_hessian is None:
            length = float(np.linalg.norm(slope))
            rate = opts.first_step_learning_rate
            if opts.first_step_length > 0:
                rate = opts.first_step_length / length if length > 0 else 1.0
            elif opts.first_step_impr > 0:
                rate = opts.first_step_impr / length**2 if length > 0 else 1.0
            self._inverse_hessian = np.full_like(slope, sign * rate)
        assert self._inverse_hessian is not None
        return self._inverse_hessian

    def _line_search(self, value: float, slope: Array) -> None:
        """Accepts the step, or proposes a shorter or longer one, by Wolfe's conditions."""
        opts, sign = self._opts, 1 if self._opts.minimize else -1
        step = self._new_x - self._x
        before, after = sign * (step @ self._deriv), sign * (step @ slope)
        decreased = sign * value <= sign * self._f + opts.c1 * before
        if decreased and after >= opts.c2 * before:
            if self._accept(value, slope, step):
                self._new_direction(value, slope)
            else:
                self._restart(value, slope)
            return
        failure = "too short" if decreased else "too long"
        if self._last_failure not in ("", failure):
            self._factor = math.sqrt(self._factor)  # it goes to and fro
        self._last_failure = failure
        self._failures += 1
        if self._failures > opts.max_line_search_iters:
            self._restart(value, slope)
        else:
            self._new_x = self._x + step * (self._factor if decreased else 1 / self._factor)

    def _accept(self, value: float, slope: Array, step: Array) -> bool:
        """Remembers a step; False where its curvature has the wrong sign or its length is 0."""
        change = slope - self._deriv
        product, length = float(change @ step), float(np.linalg.norm(step))
        if (product <= 1e-20 if self._opts.minimize else product >= -1e-20) or length == 0:
            return False
        self._steps = [*self._steps, (step, change, 1 / product)][-self._opts.m :]
        self._record(length)
        self._x, self._f = self._new_x, value
        return True

    def _restart(self, value: float, slope: Array) -> None:
        """Forgets the steps and begins anew from the better end of the present one."""
        if not self._better(value, self._f):
            self._new_x, value, slope = self._x, self._f, self._deriv
        # This counts as a step, if only of length 0: else the caller would not notice convergence.
        self._record(float(np.linalg.norm(self._new_x - self._x)))
        self._steps, self._x = [], self._new_x
        self._new_direction(value, slope)

    def _record(self, length: float) -> None:
        self._lengths = [*self._lengths, length][-max(self._opts.avg_step_length, 1) :]


class LinearCgdOptions(Options):
    """When linear_cgd stops, and when it computes the residual from scratch."""

    max_iters: int = option(-1, "max-iters", "Greatest number of iterations, if not negative")
    max_error: float = option(0.0, "max-error", "Stop where |A x - b| is no more than this")
    recompute_residual_factor: float = option(
        0.01, "recompute-residual-factor", "Compute A x - b anew where its norm has shrunk by this factor"
    )


def linear_cgd(opts: LinearCgdOptions, A: Any, b: Any, x: Any) -> int:
    """Solves A x = b for a positive definite A (dim, dim), by conjugate gradients.

    `x` (dim,) is where to begin and becomes the result. Returns the number of iterations before
    the one that came near enough, if one did.
    """
    start = as_array(x, 1, np.float64, "x")
    dim = len(start)
    matrix, target = operand(A, (dim, dim), np.float64, "A"), operand(b, (dim,), np.float64, "b")
    at = start.copy()
    residual = matrix @ at - target
    direction = -residual
    squared = initial = computed = float(residual @ residual)
    limit = max(opts.max_error**2, np.finfo(np.float64).tiny)
    shrunk = opts.recompute_residual_factor**2
    iterations = 0
    while iterations < dim + 5 and iterations != opts.max_iters and squared > limit:
        product = matrix @ direction
        step = squared / float(direction @ product)
        at += step * direction
        residual += step * product
        following = float(residual @ residual)
        if following < shrunk * computed or (shrunk and following > computed / shrunk):
            residual = matrix @ at - target
            following = computed = float(residual @ residual)
        if following <= limit:
            squared = following
            break
        direction = following / squared * direction - residual
        squared = following
        iterations += 1
    if squared > initial * (1 + 1e-10):  # A is so badly conditioned that the steps led away
        at = start.copy()
        solve_quadratic_problem(matrix, target, SolverOptions(name="linear_cgd"), at)  # type: ignore[call-arg]
    write_to(x, at, "x")
    return iterations
