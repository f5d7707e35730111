"""Eigenvalues as Kaldi arranges them."""

from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._checks import Array


def real_eig(array: Array) -> tuple[Array, Array, Array]:
    """(P, real, imaginary) with array P = P D for a real P: see MatrixAlgebra.eig.

    Eigenvalues of a symmetric matrix rise.
    """
    if np.array_equal(array, array.T):
        values, vectors = np.linalg.eigh(array)
        return vectors, values, np.zeros_like(values)
    values: Any
    vectors: Any
    values, vectors = np.linalg.eig(array)
    real, imaginary, columns = values.real.copy(), values.imag.copy(), vectors.real.copy()
    if not np.iscomplexobj(values):
        return columns, real, np.zeros_like(real)
    first = 0
    while first < len(values):  # LAPACK puts conjugates side by side, the positive imaginary part first
        if imaginary[first]:
            columns[:, first + 1] = vectors[:, first].imag
            first += 1
        first += 1
    return columns, real, imaginary


def block_diagonal(real: Array, imaginary: Array) -> Array:
    """D of real_eig: an eigenvalue on the diagonal, or [re, im; -im, re] for a pair."""
    result = np.diag(real)
    first = 0
    while first < len(real):
        if imaginary[first]:
            second = first + 1
            pair = second < len(real) and np.isclose(imaginary[first], -imaginary[second], rtol=1e-3)
            if not pair or not np.isclose(real[first], real[second], rtol=1e-3, atol=1e-6):
                raise MatrixError(
                    f"eigenvalue {first}, {real[first]:g}{imaginary[first]:+g}i, has no conjugate after it"
                )
            result[first, second], result[second, first] = imaginary[first], -imaginary[first]
            first = second
        first += 1
    return result


def complex_power(real: Array, imaginary: Array, power: float) -> tuple[Array, Array] | None:
    """Powers of complex numbers; None where one is a negative real, or 0 to a negative power."""
    if np.any((real < 0) & (imaginary == 0)) or (power < 0 and np.any((real == 0) & (imaginary == 0))):
        return None
    powered: Any = np.power(real + 1j * imaginary, power)
    return powered.real.astype(real.dtype), powered.imag.astype(real.dtype)


def semidefinite_eig(array: Array, threshold: float, what: str) -> tuple[Array, Array]:
    """(eigenvalues, greatest first; eigenvectors in columns) of a symmetric positive semidefinite array."""
    values, vectors = np.linalg.eigh(array)
    values, vectors = values[::-1], vectors[:, ::-1]
    floored = np.maximum(values, 0)
    if threshold != -1:
        wrong = max(np.linalg.norm(values - floored), np.linalg.norm(array - array.T))
        if not wrong <= threshold * np.linalg.norm(values):
            raise MatrixError(
                f"{what} is not symmetric and positive semidefinite: "
                f"its smallest eigenvalue is {values[-1]:g}"
            )
    return floored, vectors


def householder(array: Array) -> tuple[Array, Array]:
    """(T, Q): T = Q array Q' is tridiagonal and Q orthogonal, for a symmetric array, by reflections."""
    tridiagonal, product = array.copy(), np.eye(len(array), dtype=array.dtype)
    for column in range(len(array) - 2):
        vector = tridiagonal[:, column].copy()
        vector[: column + 1] = 0
        vector[column + 1] += np.copysign(np.linalg.norm(vector), vector[column + 1])
        if norm := np.linalg.norm(vector):
            vector /= norm
            tridiagonal -= 2 * np.outer(vector, vector @ tridiagonal)
            tridiagonal -= 2 * np.outer(tridiagonal @ vector, vector)
            product -= 2 * np.outer(vector, vector @ product)
    return tridiagonal, product
