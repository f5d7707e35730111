"""Functions of vectors and matrices (PyKaldi's `kaldi.matrix.functions`)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix import DoubleMatrix, Matrix
from sonant.kaldi.matrix._array import ArrayBase
from sonant.kaldi.matrix._checks import Array, as_array, describe, operand, write_to
from sonant.kaldi.matrix._matrix import MatrixMethods
from sonant.kaldi.matrix._packed import PackedMethods
from sonant.kaldi.matrix._quadratic import (
    SolverOptions,
    solve_double_quadratic_matrix_problem,
    solve_quadratic_matrix_problem,
    solve_quadratic_problem,
)
from sonant.kaldi.matrix._sparse import SparseMatrixMethods
from sonant.kaldi.matrix._spectral import block_diagonal
from sonant.kaldi.matrix.common import MatrixTransposeType
from sonant.kaldi.matrix.compressed import CompressedMatrix
from sonant.kaldi.matrix.sparse import GeneralMatrix

__all__ = [
    "SolverOptions",
    "add_outer_product_plus_minus",
    "approx_equal",
    "assert_equal",
    "assert_same_dim_matrix",
    "complex_fft",
    "compute_dct_matrix",
    "compute_pca",
    "create_eigenvalue_matrix",
    "filter_matrix_rows",
    "real_fft",
    "solve_double_quadratic_matrix_problem",
    "solve_quadratic_matrix_problem",
    "solve_quadratic_problem",
    "sort_svd",
    "trace_mat",
    "trace_mat_mat",
    "trace_mat_mat_mat",
    "trace_mat_mat_mat_mat",
    "vec_mat_vec",
    "vec_vec",
]

_NO_TRANS = MatrixTransposeType.NO_TRANS


def _double(value: Any, ndim: int, what: str) -> Array:
    return as_array(value, ndim, np.float64, what)


# Products and traces: sums are in double precision, whatever the operands are


def vec_vec(v1: Any, v2: Any) -> float:
    """The dot product; v2 may be sparse."""
    first = _double(v1, 1, "v1")
    return float(first @ operand(v2, first.shape, np.float64, "v2"))


def vec_mat_vec(v1: Any, M: Any, v2: Any) -> float:
    """v1' M v2, for a full, symmetric or triangular M."""
    first, second = _double(v1, 1, "v1"), _double(v2, 1, "v2")
    return float(first @ operand(M, (len(first), len(second)), np.float64, "M") @ second)


def trace_mat(A: Any) -> float:
    """The sum of a square matrix's diagonal."""
    return _trace([(A, _NO_TRANS, "A")])


def trace_mat_mat(A: Any, B: Any, transA: MatrixTransposeType = _NO_TRANS, lower: bool = False) -> float:
    """The trace of A B; both may be symmetric, triangular or sparse.

    With `lower`, for symmetric A and B, elements off the diagonals are counted once instead of twice.
    """
    if not lower:
        return _trace([(A, transA, "A"), (B, _NO_TRANS, "B")])
    first = _double(A, 2, "A")
    return float(np.tril(first * operand(B, first.shape, np.float64, "B")).sum())


def trace_mat_mat_mat(
    A: Any,
    B: Any,
    C: Any,
    transA: MatrixTransposeType = _NO_TRANS,
    transB: MatrixTransposeType = _NO_TRANS,
    transC: MatrixTransposeType = _NO_TRANS,
) -> float:
    """The trace of A B C."""
    return _trace([(A, transA, "A"), (B, transB, "B"), (C, transC, "C")])


def trace_mat_mat_mat_mat(
    A: Any,
    B: Any,
    C: Any,
    D: Any,
    transA: MatrixTransposeType = _NO_TRANS,
    transB: MatrixTransposeType = _NO_TRANS,
    transC: MatrixTransposeType = _NO_TRANS,
    transD: MatrixTransposeType = _NO_TRANS,
) -> float:
    """The trace of A B C D."""
    return _trace([(A, transA, "A"), (B, transB, "B"), (C, transC, "C"), (D, transD, "D")])


def _trace(factors: list[tuple[Any, MatrixTransposeType, str]]) -> float:
    *before, (last, trans, name) = factors
    arrays: list[Array] = []
    for value, turned, what in before:
        rows = arrays[-1].shape[1] if arrays else None
        arrays.append(operand(value, (rows, None), np.float64, what, turned))
    if not arrays:
        square = _double(last, 2, name)
        return float(operand(last, (square.shape[1], square.shape[1]), np.float64, name).trace())
    product = np.linalg.multi_dot(arrays) if len(arrays) > 1 else arrays[0]
    return float(np.sum(product * operand(last, product.shape[::-1], np.float64, name, trans).T))


def add_outer_product_plus_minus(alpha: float, a: Any, b: Any, plus: Any, minus: Any) -> None:
    """Adds the positive elements of alpha * a b' to `plus`, and the size of the negative ones to `minus`."""
    outer = alpha * np.outer(_double(a, 1, "a"), _double(b, 1, "b"))
    for target, part, what in ((plus, outer, "plus"), (minus, -outer, "minus")):
        before = operand(target, part.shape, np.float64, what)
        write_to(target, before + np.maximum(part, 0), what)


# Comparison


def assert_same_dim_matrix(mat1: Any, mat2: Any) -> None:
    """Raises MatrixError unless both have as many rows and columns."""
    if np.shape(mat1) != np.shape(mat2):
        raise MatrixError(f"mat1 is {describe(mat1)} and mat2 is {describe(mat2)}; expected the same shape")


def approx_equal(a: Any, b: Any, tol: float = 0.01) -> bool:
    """True where type of elements and shape agree and |a - b| <= tol * |a|, in Euclidean norms.

    Raises MatrixError where `a` is no vector or matrix of this package.
    """
    if not isinstance(a, ArrayBase | PackedMethods):
        raise MatrixError(f"a is {type(a).__name__}; expected a vector or a matrix")
    alike = isinstance(b, ArrayBase | PackedMethods) and a._dtype is b._dtype and a.shape == b.shape
    return alike and a.approx_equal(b, tol)  # type: ignore[attr-defined]


def assert_equal(a: Any, b: Any, tol: float = 0.01) -> None:
    """Raises AssertionError unless approx_equal(a, b, tol)."""
    if not approx_equal(a, b, tol):
        raise AssertionError(f"{describe(a)} and {describe(b)} are not equal within {tol}")


# Eigenvalues and singular values


def create_eigenvalue_matrix(real: Any, imag: Any, D: Any = None) -> Any:
    """The block-diagonal matrix of eigenvalues: [re, im; -im, re] for a complex pair, which stand together.

    It is written into `D`, or returned where that is None, in the precision of `real`.
    """
    values = as_array(real, 1, getattr(real, "_dtype", np.float32), "real")
    matrix = block_diagonal(values, operand(imag, values.shape, values.dtype, "imag"))
    if D is None:
        return (DoubleMatrix if values.dtype == np.float64 else Matrix).from_numpy(matrix)
    write_to(D, matrix, "D")
    return None


def sort_svd(s: Any, U: Any, Vt: Any = None, sort_on_absolute_value: bool = True) -> None:
    """Sorts values `s` (n,) from greatest to least, with the columns of U and the rows of Vt.

    By absolute value, unless `sort_on_absolute_value` is False; equal values keep their order.
    """
    values = as_array(s, 1, getattr(s, "_dtype", np.float64), "s")
    order = np.argsort(-(np.abs(values) if sort_on_absolute_value else values), kind="stable")
    columns = operand(U, (None, len(values)), values.dtype, "U")
    rows = None if Vt is None else operand(Vt, (len(values), None), values.dtype, "Vt")
    write_to(s, values[order], "s")
    write_to(U, columns[:, order], "U")
    if rows is not None:
        write_to(Vt, rows[order], "Vt")


def compute_pca(X: Any, U: Any, A: Any = None, print_eigs: bool = False, exact: bool = True) -> None:
    """Principal directions of the rows of X (points, dims), about the origin.

    Writes them, greatest first, into the rows of U (directions, dims), and the points' coordinates X U' into
    A (points, directions) unless it is None. `print_eigs` and `exact` are Kaldi's; results are always exact.
    """
    points = _double(X, 2, "X")
    directions = operand(U, (None, points.shape[1]), np.float64, "U").shape[0]
    if directions > min(points.shape):
        raise MatrixError(f"U is {describe(U)}; expected at most {min(points.shape)} rows for {describe(X)}")
    found = np.linalg.svd(points, full_matrices=False)[2][:directions]
    write_to(U, found, "U")
    if A is not None:
        write_to(A, points @ found.T, "A")


# Transforms


def compute_dct_matrix(M: Any) -> None:
    """Fills M (coefficients, inputs) with the orthonormal cosine transform of type II."""
    shape = _double(M, 2, "M").shape
    if not 0 < shape[0] <= shape[1]:
        raise MatrixError(f"M is {describe(M)}; expected 1 row or more, and no more rows than columns")
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    matrix = np.sqrt(2 / shape[1]) * np.cos(np.pi / shape[1] * (cols + 0.5) * rows)
    matrix[0] = np.sqrt(1 / shape[1])
    write_to(M, matrix, "M")


def real_fft(v: Any, forward: bool) -> None:
    """Fourier transform in place of n real numbers, n even.

    Forward, v becomes re[0], re[n/2], re[1], im[1], re[2], im[2]...; backward, n times what it came from.
    """
    values = _double(v, 1, "v")
    size = len(values)
    if size % 2:
        raise MatrixError(f"v has {size} elements; expected an even number")
    if not size:
        return
    if forward:
        spectrum = np.fft.rfft(values)
        packed = spectrum.view(np.float64)[:size].copy()
        packed[1] = spectrum[-1].real
        write_to(v, packed, "v")
    else:
        spectrum = np.concatenate([values[:1], [0], values[2:], values[1:2], [0]]).view(np.complex128)
        write_to(v, np.fft.irfft(spectrum, size) * size, "v")


def complex_fft(v: Any, forward: bool, tmp_work: Any = None) -> None:
    """Fourier transform in place of complex numbers, re, im, re...; backward, n times what they came from.

    `tmp_work` is Kaldi's and not used.
    """
    values = np.ascontiguousarray(_double(v, 1, "v"))
    if len(values) % 2:
        raise MatrixError(f"v has {len(values)} elements; expected pairs of real and imaginary parts")
    if len(values):
        numbers = values.view(np.complex128)
        turned = np.fft.fft(numbers) if forward else np.fft.ifft(numbers) * len(numbers)
        write_to(v, turned.view(np.float64), "v")


# Rows


def filter_matrix_rows(matrix: Any, keep_rows: Sequence[bool]) -> Any:
    """The rows r with keep_rows[r], as a new matrix: of the same kind, or a Matrix of a CompressedMatrix.

    Raises MatrixError where none is kept, or `keep_rows` has another length.
    """
    keep = np.asarray(keep_rows, bool)
    rows = len(matrix)
    if keep.shape != (rows,) or not keep.any():
        raise MatrixError(
            f"{keep.sum()} of {keep.size} rows to keep of {rows}; expected {rows}, 1 or more true"
        )
    if isinstance(matrix, GeneralMatrix):
        return GeneralMatrix(filter_matrix_rows(matrix._held, keep.tolist()))
    if isinstance(matrix, SparseMatrixMethods):
        return type(matrix)._of(matrix.num_cols, [matrix._rows[row] for row in np.flatnonzero(keep)])
    if isinstance(matrix, CompressedMatrix):
        return Matrix(np.asarray(matrix)[keep])
    if isinstance(matrix, MatrixMethods):
        return matrix._matrix.from_numpy(matrix._array[keep])
    return Matrix(as_array(matrix, 2, np.float32, "matrix")[keep])
