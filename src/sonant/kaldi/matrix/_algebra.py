"""Sums, products, decompositions and properties of matrices."""

from typing import Any

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix._array import ArrayBase
from sonant.kaldi.matrix._checks import as_array, computed, describe, in_place, write_to
from sonant.kaldi.matrix._elements import approximately, diagonal, log_sum_exp
from sonant.kaldi.matrix._random import generator
from sonant.kaldi.matrix._spectral import block_diagonal, complex_power, real_eig, semidefinite_eig
from sonant.kaldi.matrix.common import MatrixTransposeType

_NO_TRANS = MatrixTransposeType.NO_TRANS


class MatrixAlgebra(ArrayBase):
    __slots__ = ()
    _ndim = 2
    _stream_method = "matrix"

    @property
    def num_rows(self) -> int:
        return self._array.shape[0]

    @property
    def num_cols(self) -> int:
        return self._array.shape[1]

    def _square(self, method: str) -> None:
        if self.num_rows != self.num_cols:
            raise MatrixError(f"{method} of {describe(self)}: expected a square matrix")

    # Sums and products

    @in_place
    def add_mat_(self, alpha: float, M: Any, trans: MatrixTransposeType = _NO_TRANS):
        """self += alpha * M, or its transpose; M may be symmetric or triangular."""
        self._array += alpha * self._mat(M, self._array.shape, "M", trans)

    @in_place
    def add_mat_mat_(
        self,
        A: Any,
        B: Any,
        transA: MatrixTransposeType = _NO_TRANS,
        transB: MatrixTransposeType = _NO_TRANS,
        alpha: float = 1.0,
        beta: float = 1.0,
        sparseA: bool = False,
        sparseB: bool = False,
    ):
        """self = alpha * A B + beta * self; `sparseA` and `sparseB` are Kaldi's hints and change nothing."""
        self._blend(alpha, self._product([(A, transA, "A"), (B, transB, "B")]), beta)

    @in_place
    def add_mat_mat_mat_(
        self,
        alpha: float,
        A: Any,
        transA: MatrixTransposeType,
        B: Any,
        transB: MatrixTransposeType,
        C: Any,
        transC: MatrixTransposeType,
        beta: float,
    ):
        """self = alpha * A B C + beta * self"""
        self._blend(alpha, self._product([(A, transA, "A"), (B, transB, "B"), (C, transC, "C")]), beta)

    def _product(self, factors: list[tuple[Any, MatrixTransposeType, str]]) -> Any:
        arrays = []
        for position, (factor, trans, name) in enumerate(factors):
            rows = arrays[-1].shape[1] if arrays else self.num_rows
            cols = self.num_cols if position == len(factors) - 1 else None
            arrays.append(self._mat(factor, (rows, cols), name, trans))
        return np.linalg.multi_dot(arrays)

    @in_place
    def add_mat_mat_elements_(self, alpha: float, A: Any, B: Any, beta: float):
        """self = alpha * A * B + beta * self, element by element"""
        shape = self._array.shape
        self._blend(alpha, self._mat(A, shape, "A") * self._mat(B, shape, "B"), beta)

    @in_place
    def add_diag_vec_mat_(self, alpha: float, v: Any, M: Any, transM: MatrixTransposeType, beta: float = 1.0):
        """self = alpha * diag(v) M + beta * self"""
        matrix = self._mat(M, self._array.shape, "M", transM)
        self._blend(alpha, self._vec(v, self.num_rows, "v")[:, None] * matrix, beta)

    @in_place
    def add_mat_diag_vec_(self, alpha: float, M: Any, transM: MatrixTransposeType, v: Any, beta: float = 1.0):
        """self = alpha * M diag(v) + beta * self"""
        matrix = self._mat(M, self._array.shape, "M", transM)
        self._blend(alpha, matrix * self._vec(v, self.num_cols, "v"), beta)

    @in_place
    def add_vec_vec_(self, alpha: float, a: Any, b: Any):
        """self += alpha * a b', the outer product"""
        self._array += alpha * np.outer(self._vec(a, self.num_rows, "a"), self._vec(b, self.num_cols, "b"))

    @in_place
    def add_vec_to_rows_(self, alpha: float, v: Any):
        """Adds alpha * v to every row."""
        self._array += alpha * self._vec(v, self.num_cols, "v")

    @in_place
    def add_vec_to_cols_(self, alpha: float, v: Any):
        """Adds alpha * v to every column."""
        self._array += alpha * self._vec(v, self.num_rows, "v")[:, None]

    @in_place
    def sym_add_mat2_(self, alpha: float, M: Any, transA: MatrixTransposeType, beta: float):
        """Of alpha * M M' + beta * self, or M' M, the lower triangle; the upper one stays as it was."""
        self._square("sym_add_mat2_")
        matrix = self._mat(M, (self.num_rows, None), "M", transA)
        lower = np.tril_indices(self.num_rows)
        product = (matrix @ matrix.T)[lower]
        self._array[lower] = alpha * product + (0 if beta == 0 else beta * self._array[lower])

    @in_place
    def mul_elements_(self, A: Any):
        self._array *= self._mat(A, self._array.shape, "A")

    @in_place
    def div_elements_(self, A: Any):
        self._array /= self._mat(A, self._array.shape, "A")

    @in_place
    def max_with_mat_(self, A: Any):
        """The greater of each element and that of A."""
        self._array[...] = np.maximum(self._array, self._mat(A, self._array.shape, "A"))

    @in_place
    def min_with_mat_(self, A: Any):
        """The smaller of each element and that of A."""
        self._array[...] = np.minimum(self._array, self._mat(A, self._array.shape, "A"))

    @in_place
    def mul_rows_vec_(self, scale: Any):
        """Multiplies row i by scale[i]."""
        self._array *= self._vec(scale, self.num_rows, "scale")[:, None]

    @in_place
    def mul_cols_vec_(self, scale: Any):
        """Multiplies column j by scale[j]."""
        self._array *= self._vec(scale, self.num_cols, "scale")

    @in_place
    def set_mat_mat_div_mat_(self, A: Any, B: Any, C: Any):
        """A * B / C, element by element; A where C is 0."""
        shape = self._array.shape
        a, b, c = self._mat(A, shape, "A"), self._mat(B, shape, "B"), self._mat(C, shape, "C")
        self._array[...] = np.where(c == 0, a, a * b / c)

    # Decompositions

    @computed
    def invert_(self, in_double_precision: bool = False) -> tuple[float, float]:
        """Inverts a square matrix. Returns (logarithm of |determinant|, its sign).

        Raises MatrixError where the matrix is singular.
        """
        array = self._writable()
        result = self.log_det()
        precision = np.float64 if in_double_precision else self._dtype
        array[...] = np.linalg.inv(array.astype(precision))
        return result

    @computed
    def log_det(self) -> tuple[float, float]:
        """(logarithm of |determinant|, its sign): (-inf, 0.0) for a singular matrix."""
        self._square("log_det")
        sign, logarithm = np.linalg.slogdet(self._array)
        return float(logarithm), float(sign)

    @computed
    def svd(self, destructive: bool = False) -> tuple[Any, Any, Any]:
        """(s, U, Vt): self = U diag(s) Vt, for a matrix with no more columns than rows.

        The singular values (columns,) fall from greatest to smallest; U is (rows, columns),
        Vt (columns, columns).
        """
        if self.num_rows < self.num_cols:
            raise MatrixError(
                f"svd of {describe(self)}: expected no more columns than rows; take its transpose"
            )
        u, s, vt = np.linalg.svd(self._array, full_matrices=False)
        return self._vector.from_numpy(s), self._matrix.from_numpy(u), self._matrix.from_numpy(vt)

    @computed
    def singular_values(self) -> Any:
        """The singular values, as many as the lesser of rows and columns, greatest first."""
        return self._vector.from_numpy(np.linalg.svd(self._array, compute_uv=False))

    @computed
    def eig(self) -> tuple[Any, Any, Any]:
        """(P, real, imaginary): self P = P D, where D is create_eigenvalue_matrix(real, imaginary).

        P is real. A pair of complex eigenvalues stands side by side, the positive imaginary part first; its
        columns of P are the real and imaginary part of the first one's eigenvector.
        """
        self._square("eig")
        vectors, real, imaginary = real_eig(self._array)
        return (
            self._matrix.from_numpy(vectors),
            self._vector.from_numpy(real),
            self._vector.from_numpy(imaginary),
        )

    @computed
    def sym_pos_semi_def_eig(self, s: Any, P: Any, check_thresh: float = 0.001) -> None:
        """Writes eigenvalues, greatest first, into `s` and eigenvectors into the columns of `P`.

        Raises MatrixError where the matrix is not symmetric and positive semidefinite, to `check_thresh` of
        its norm; -1 does not check.
        """
        self._square("sym_pos_semi_def_eig")
        values, vectors = semidefinite_eig(self._array, check_thresh, describe(self))
        write_to(s, values, "s")
        write_to(P, vectors, "P")

    @computed
    def power_(self, pow: float) -> bool:
        """The matrix power, by eigenvalues. False, and nothing is changed, where one is a negative real."""
        self._square("power_")
        array = self._writable()
        vectors, real, imaginary = real_eig(array)
        powered = complex_power(real, imaginary, pow)
        if powered is None:
            return False
        array[...] = vectors @ block_diagonal(*powered) @ np.linalg.inv(vectors)
        return True

    @in_place
    def orthogonalize_rows_(self):
        """Makes the rows orthonormal, by Gram and Schmidt; a row that depends on others becomes random."""
        if self.num_rows > self.num_cols:
            raise MatrixError(f"orthogonalize_rows_ of {describe(self)}: expected no more rows than columns")
        for i, row in enumerate(self._array.astype(np.float64)):
            while True:
                before = np.linalg.norm(row)
                for _ in range(2):  # the second pass removes what rounding left of the first
                    row = row - self._array[:i].T @ (self._array[:i] @ row)
                if np.linalg.norm(row) > 1e-4 * before:
                    break
                row = generator().standard_normal(self.num_cols)
            self._array[i] = row / np.linalg.norm(row)

    # Numbers

    @computed
    def sum(self) -> float:
        return float(self._array.sum(dtype=np.float64))

    @computed
    def max(self) -> float:
        return float(self._array.max())

    @computed
    def min(self) -> float:
        return float(self._array.min())

    @computed
    def trace(self, check_square: bool = True) -> float:
        """Sum of the diagonal; of a matrix that is not square only without `check_square`."""
        if check_square:
            self._square("trace")
        return float(self._array.trace(dtype=np.float64))

    @computed
    def frobenius_norm(self) -> float:
        return float(np.linalg.norm(self._array))

    @computed
    def largest_abs_elem(self) -> float:
        return float(np.abs(self._array).max(initial=0))

    @computed
    def log_sum_exp(self, prune: float = -1.0) -> float:
        """log(sum(exp(x))); with a positive `prune`, of those within `prune` of the greatest."""
        return log_sum_exp(self._array, prune)

    @computed
    def cond(self) -> float:
        """Ratio of the greatest and the smallest singular value."""
        values = np.linalg.svd(self._array, compute_uv=False)
        return float(values.max() / values.min())

    @computed
    def min_singular_value(self) -> float:
        return float(np.linalg.svd(self._array, compute_uv=False).min())

    # Properties

    @computed
    def is_zero(self, cutoff: float = 1e-5) -> bool:
        """True where no |x| exceeds `cutoff`."""
        return bool(np.abs(self._array).max(initial=0) <= cutoff)

    @computed
    def is_unit(self, cutoff: float = 1e-5) -> bool:
        """True where no element differs by more than `cutoff` from 1 on the diagonal and 0 elsewhere."""
        difference = self._array - np.eye(*self._array.shape, dtype=self._dtype)
        return bool(np.abs(difference).max(initial=0) <= cutoff)

    @computed
    def is_diagonal(self, cutoff: float = 1e-5) -> bool:
        """True where the sum of |x| off the diagonal is at most `cutoff` times that on it."""
        sizes = np.abs(self._array)
        on = diagonal(sizes).sum(dtype=np.float64)
        return bool(sizes.sum(dtype=np.float64) - on <= cutoff * on)

    @computed
    def is_symmetric(self, cutoff: float = 1e-5) -> bool:
        """True where the antisymmetric part is at most `cutoff` times the symmetric one, in sums of |x|."""
        self._square("is_symmetric")
        lower, upper = np.tril(self._array), np.triu(self._array).T
        return bool(np.abs(lower - upper).sum() <= cutoff * np.abs(lower + upper).sum())

    def equal(self, other: Any) -> bool:
        """True where shape and all elements agree."""
        return np.array_equal(self._array, as_array(other, 2, self._dtype, "other"))

    @computed
    def approx_equal(self, other: Any, tol: float = 0.01) -> bool:
        """True where the shapes agree and |self - other| <= tol * |self|, in Frobenius norms."""
        return approximately(self._array, as_array(other, 2, self._dtype, "other"), tol)
