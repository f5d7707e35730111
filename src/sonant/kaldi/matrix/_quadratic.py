"""Quadratic problems with semidefinite matrices, solved stably (Kaldi's `matrix/sp-matrix.cc`).

Eigenvalues of H below the greatest / K, or below eps, are raised to that: directions that the data hardly say
anything about move little. A result that makes the objective worse is not taken.
"""

from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._checks import Array, as_array, describe, operand, write_to
from sonant.kaldi.matrix._spectral import semidefinite_eig
from sonant.kaldi.util.options import Options, option


class SolverOptions(Options):
    """How solve_quadratic_problem and its like solve.

    K: greatest condition of a matrix. eps: least eigenvalue. optimize_delta: solve for the change of x rather
    than for x, which is more exact. diagonal_precondition: scale dimensions first, so that the diagonal is 1.
    """

    K: float = option(1e4, "K", "Greatest condition number")
    eps: float = option(1e-40, "eps", "Least eigenvalue")
    name: str = option("[unknown]", "name", "What is solved, for messages")
    optimize_delta: bool = option(True, "optimize-delta", "Solve for the change of x")
    diagonal_precondition: bool = option(False, "diagonal-precondition", "Scale dimensions first")
    print_debug_output: bool = option(True, "print-debug-output", "Kaldi's; nothing is printed here")

    @classmethod
    def solver_options_with_name(cls, name: str) -> "SolverOptions":
        return cls(name=name)  # type: ignore[call-arg]

    def check(self) -> None:
        """Raises MatrixError unless K > 10 and eps < 1e-10."""
        if not (self.K > 10 and self.eps < 1e-10):
            raise MatrixError(
                f"SolverOptions of K {self.K:g}, eps {self.eps:g}; expected K > 10, eps < 1e-10"
            )


def _maximised(h: Array, g: Array, opts: SolverOptions, x: Array) -> Array:
    """The rows of x, near x, that maximise x_i . g_i - 0.5 x_i' H x_i; all (rows, dim) but H (dim, dim)."""
    if opts.diagonal_precondition:
        scale = np.sqrt(np.maximum(np.diagonal(h), np.finfo(np.float32).tiny * 1e3))
        inner = SolverOptions(**{**vars(opts), "diagonal_precondition": False})
        return _maximised(h / np.outer(scale, scale), g / scale, inner, x * scale) / scale
    values, vectors = semidefinite_eig(h, 1e-3, opts.name)
    floored = np.maximum(values, max(opts.eps, values.max(initial=0) / opts.K))
    rest = g - x @ h if opts.optimize_delta else g
    change = (rest @ vectors / floored) @ vectors.T
    return x + change if opts.optimize_delta else change


def solve_quadratic_problem(H: Any, g: Any, opts: SolverOptions, x: Any) -> float:
    """Maximises x . g - 0.5 x' H x over x, for a positive semidefinite H.

    `x` (dim,) is where to begin and becomes the result. Returns by how much the objective grew, 0 or more.
    """
    opts.check()
    start = as_array(x, 1, np.float64, "x")
    dim = len(start)
    slope = operand(g, (dim,), np.float64, "g")
    curvature = operand(H, (dim, dim), np.float64, "H")
    if not dim:
        raise MatrixError("x is empty; expected 1 dimension or more")
    found = _maximised(curvature, slope[None], opts, start[None])[0]

    def objective(at: Array) -> float:
        return float(at @ slope - 0.5 * at @ curvature @ at)

    return _taken(objective, start, found, x)


def _taken(objective: Any, start: Array, found: Array, target: Any) -> float:
    """Writes what was found where it is better than the start; returns by how much."""
    gain = objective(found) - objective(start)
    if not gain >= 0:
        return 0.0
    write_to(target, found, "the argument for the result")
    return gain


def solve_quadratic_matrix_problem(Q: Any, Y: Any, P: Any, opts: SolverOptions, M: Any) -> float:
    """Maximises tr(M' P Y) - 0.5 tr(P M Q M') over M, for positive semidefinite P and Q.

    `M` (rows, cols), as Y, is where to begin and becomes the result. Returns by how much the objective grew.
    """
    opts.check()
    start = as_array(M, 2, np.float64, "M")
    rows, cols = start.shape
    q, p = operand(Q, (cols, cols), np.float64, "Q"), operand(P, (rows, rows), np.float64, "P")
    y = operand(Y, (rows, cols), np.float64, "Y")
    if not start.size:
        raise MatrixError(f"M is {describe(M)}; expected 1 row and column or more")

    def objective(at: Array) -> float:
        return float(np.sum((p @ y) * at) - 0.5 * np.sum((p @ at @ q) * at))

    return _taken(objective, start, _maximised(q, y, opts, start), M)


def solve_double_quadratic_matrix_problem(
    G: Any, P1: Any, P2: Any, Q1: Any, Q2: Any, opts: SolverOptions, M: Any
) -> float:
    """Maximises tr(M' G) - 0.5 tr(P1 M Q1 M') - 0.5 tr(P2 M Q2 M') over M.

    P1 is positive definite; P2, Q1 and Q2 are positive semidefinite. `M` (rows, cols), as G, is where to
    begin and becomes the result. Returns by how much the objective grew.
    """
    opts.check()
    start = as_array(M, 2, np.float64, "M")
    rows, cols = start.shape
    g = operand(G, (rows, cols), np.float64, "G")
    p1, p2 = operand(P1, (rows, rows), np.float64, "P1"), operand(P2, (rows, rows), np.float64, "P2")
    q1, q2 = operand(Q1, (cols, cols), np.float64, "Q1"), operand(Q2, (cols, cols), np.float64, "Q2")
    if not start.size:
        raise MatrixError(f"M is {describe(M)}; expected 1 row and column or more")
    try:
        inverse = np.linalg.inv(np.linalg.cholesky(p1))
    except np.linalg.LinAlgError:
        raise MatrixError("P1 is not positive definite, as it must be") from None
    # T P1 T' = 1 and T P2 T' is diagonal, so that rows of T^-T M can be solved one by one.
    weights, vectors = np.linalg.eigh(inverse @ p2 @ inverse.T)
    turn = vectors.T @ inverse
    turned, slope = np.linalg.solve(turn.T, start), turn @ g
    gain = 0.0
    for row, weight in enumerate(np.maximum(weights, 0)):
        gain += solve_quadratic_problem(q1 + weight * q2, slope[row], opts, turned[row])
    write_to(M, turn.T @ turned, "M")
    return gain
