"""Symmetric and triangular matrices that store their lower triangle (PyKaldi's `kaldi.matrix.packed`)."""

from typing import Any, Self

import numpy as np

from sonant.errors import MatrixError
from sonant.kaldi.matrix import DoubleMatrix, Matrix
from sonant.kaldi.matrix._checks import Array, as_array, computed, describe, in_place, write_to
from sonant.kaldi.matrix._packed import PackedMethods, diagonal_of
from sonant.kaldi.matrix._spectral import householder
from sonant.kaldi.matrix.common import MatrixTransposeType, SpCopyType

__all__ = ["DoubleSpMatrix", "DoubleTpMatrix", "SpMatrix", "TpMatrix"]

_NO_TRANS = MatrixTransposeType.NO_TRANS


class SymmetricMethods(PackedMethods):
    __slots__ = ()
    _symmetric = True

    @classmethod
    def from_matrix(cls, orig: Any, copy_type: SpCopyType = SpCopyType.TAKE_MEAN) -> Self:
        """A copy of a square matrix."""
        return cls(len(as_array(orig, 2, cls._dtype, "orig"))).copy_from_mat_(orig, copy_type)

    @staticmethod
    def _taken(full: Array) -> Array:
        if full.shape[0] != full.shape[1]:
            return full
        with np.errstate(invalid="ignore"):  # inf and -inf have no mean: nan
            return 0.5 * full + 0.5 * full.T

    def _full(self) -> Array:
        rows = self.num_rows
        full = np.zeros((rows, rows), self._dtype)
        full[np.tril_indices(rows)] = self._packed
        return full + np.tril(full, -1).T

    def _blend(self, alpha: float, product: Array, beta: float) -> None:
        lower = alpha * self._lower(product)
        self._packed[:] = lower if beta == 0 else beta * self._packed + lower

    @in_place
    def copy_from_mat_(self, orig: Any, copy_type: SpCopyType = SpCopyType.TAKE_MEAN):
        """Copies a square matrix of the same size, as `copy_type` says."""
        full = self._mat(orig, self.shape, "orig")
        if copy_type == SpCopyType.TAKE_UPPER:
            full = full.T
        elif copy_type != SpCopyType.TAKE_LOWER:
            half = full.dtype.type(0.5)
            mean, difference = half * full + half * full.T, half * full - half * full.T
            if copy_type == SpCopyType.TAKE_MEAN_AND_CHECK:
                good, bad = np.abs(np.tril(mean)).sum(), np.abs(np.tril(difference)).sum()
                if bad > 0.01 * good:
                    raise MatrixError(
                        f"orig is not symmetric: differences sum up to {bad:g}; "
                        f"expected 1% of {good:g} at most"
                    )
            full = mean
        self._store(full)

    @in_place
    def copy_from_sp_(self, other: Any):
        """Copies a symmetric matrix of the same size and either precision."""
        self._packed[:] = self._same(other, "other")

    def swap_with_symmetric_(self, other: "SymmetricMethods") -> Self:
        """Exchanges the memory of two symmetric matrices."""
        return self.swap_with_packed_(other)

    # Sums and products

    @in_place
    def add_sp_(self, alpha: float, Ma: Any):
        """self += alpha * Ma"""
        self._packed += alpha * self._same(Ma, "Ma")

    @in_place
    def add_vec2_(self, alpha: float, v: Any):
        """self += alpha * v v'"""
        vector = self._vec(v, self.num_rows, "v")
        self._blend(alpha, np.outer(vector, vector), 1)

    @in_place
    def add_vec_vec_(self, alpha: float, v: Any, w: Any):
        """self += alpha * (v w' + w v')"""
        product = np.outer(self._vec(v, self.num_rows, "v"), self._vec(w, self.num_rows, "w"))
        self._blend(alpha, product + product.T, 1)

    @in_place
    def add_diag_vec_(self, alpha: float, v: Any):
        """self += alpha * diag(v)"""
        self._packed[diagonal_of(self.num_rows)] += alpha * self._vec(v, self.num_rows, "v")

    @in_place
    def add_vec_2_sp_(self, alpha: float, v: Any, S: Any, beta: float):
        """self = alpha * diag(v) S diag(v) + beta * self"""
        vector = self._vec(v, self.num_rows, "v")
        self._blend(alpha, vector[:, None] * self._mat(S, self.shape, "S") * vector, beta)

    @in_place
    def add_mat2_(self, alpha: float, M: Any, transM: MatrixTransposeType, beta: float):
        """self = alpha * M M' + beta * self, or M' M"""
        matrix = self._mat(M, (self.num_rows, None), "M", transM)
        self._blend(alpha, matrix @ matrix.T, beta)

    @in_place
    def add_mat_2_sp_(self, alpha: float, M: Any, transM: MatrixTransposeType, A: Any, beta: float = 0.0):
        """self = alpha * M A M' + beta * self, or M' A M, for a symmetric A"""
        matrix = self._mat(M, (self.num_rows, None), "M", transM)
        inner = self._mat(A, (matrix.shape[1], matrix.shape[1]), "A")
        self._blend(alpha, matrix @ inner @ matrix.T, beta)

    add_smat_2_sp_ = add_mat_2_sp_  # Kaldi's name for when M is mostly zeros

    @in_place
    def add_mat_2_vec_(self, alpha: float, M: Any, transM: MatrixTransposeType, v: Any, beta: float = 0.0):
        """self = alpha * M diag(v) M' + beta * self, or M' diag(v) M"""
        matrix = self._mat(M, (self.num_rows, None), "M", transM)
        self._blend(alpha, matrix * self._vec(v, matrix.shape[1], "v") @ matrix.T, beta)

    # Inverses and eigenvalues

    @in_place
    def invert_(self):
        """Raises MatrixError where the matrix is singular."""
        self._store(np.linalg.inv(self._full()))

    @in_place
    def invert_double_(self):
        """Inverts, computing in double precision."""
        self._store(np.linalg.inv(self._full().astype(np.float64)))

    @computed
    def log_pos_def_det(self) -> float:
        """Logarithm of the determinant. Raises MatrixError where the matrix is not positive definite."""
        return float(2 * np.log(np.diagonal(np.linalg.cholesky(self._full()))).sum(dtype=np.float64))

    @computed
    def is_pos_def(self) -> bool:
        """True where all eigenvalues are positive."""
        try:
            np.linalg.cholesky(self._full())
        except np.linalg.LinAlgError:
            return False
        return True

    @computed
    def max_abs_eig(self) -> float:
        """Greatest absolute value of an eigenvalue."""
        return float(np.abs(np.linalg.eigvalsh(self._full())).max())

    @computed
    def cond(self) -> float:
        """Ratio of the greatest and the smallest singular value."""
        sizes = np.abs(np.linalg.eigvalsh(self._full()))
        return float(sizes.max() / sizes.min())

    @computed
    def eig(self) -> tuple[Any, Any]:
        """(s, P): self = P diag(s) P', eigenvalues greatest first, eigenvectors in the columns of P."""
        values, vectors = np.linalg.eigh(self._full())
        return self._matrix._vector.from_numpy(values[::-1]), self._matrix.from_numpy(vectors[:, ::-1])

    @in_place
    def apply_pow_(self, exponent: float):
        """The matrix power, by its eigenvalues."""
        values, vectors = np.linalg.eigh(self._full())
        self._store(vectors * np.power(values, exponent) @ vectors.T)

    @computed
    def apply_floor_(self, floor: float) -> int:
        """Raises smaller eigenvalues to `floor`; returns how many."""
        return self._floor_eigenvalues(self._full(), floor, False)

    def _floor_eigenvalues(self, full: Array, floor: float, invert: bool) -> int:
        self._writable()
        values, vectors = np.linalg.eigh(full)
        count = int(np.count_nonzero(values < floor))
        if count or invert:
            floored = np.maximum(values, floor)
            self._store(vectors * (1 / floored if invert else floored) @ vectors.T)
        return count

    @computed
    def limit_cond(self, maxCond: float = 1e5, invert: bool = False) -> int:
        """Raises eigenvalues to at least the greatest / `maxCond`, and inverts; returns how many were raised.

        Raises MatrixError where all eigenvalues are negative.
        """
        return self._limit(self._full(), maxCond, invert)

    @computed
    def limit_cond_double(self, maxCond: float = 1e5, invert: bool = False) -> int:
        """limit_cond, computed in double precision."""
        return self._limit(self._full().astype(np.float64), maxCond, invert)

    def _limit(self, full: Array, most: float, invert: bool) -> int:
        greatest = np.linalg.eigvalsh(full).max()
        if not greatest >= 0:
            raise MatrixError(
                f"the greatest eigenvalue of {describe(self)} is {greatest:g}; expected 0 or more"
            )
        return self._floor_eigenvalues(full, greatest / most, invert)

    @computed
    def apply_floor_matrix_(self, floor: Any, alpha: float = 1.0, verbose: bool = False) -> int:
        """Floors this matrix to alpha * floor: x' self x is then nowhere less than x' (alpha * floor) x.

        `floor` is positive definite. Returns how many dimensions were floored.
        """
        self._writable()
        low = np.linalg.cholesky(alpha * self._mat(floor, self.shape, "floor").astype(np.float64))
        inverse = np.linalg.inv(low)
        values, vectors = np.linalg.eigh(inverse @ self._full() @ inverse.T)
        count = int(np.count_nonzero(values < 1))
        root = low @ vectors
        self._store(root * np.maximum(values, 1) @ root.T)
        return count

    @in_place
    def tridiagonalize_(self, Q: Any):
        """self = Q self Q' is tridiagonal, for an orthogonal Q that is written; None leaves it out."""
        tridiagonal, reflections = householder(self._full())
        if Q is not None:
            write_to(Q, reflections, "Q")
        self._store(tridiagonal)

    @in_place
    def qr_(self, Q: Any):
        """Makes a tridiagonal matrix diagonal, and the Q of tridiagonalize_ such that Q' self Q stays."""
        values, vectors = np.linalg.eigh(self._full())
        if Q is not None:
            write_to(Q, vectors.T @ self._mat(Q, self.shape, "Q"), "Q")
        self._store(np.diag(values))

    # Properties

    @computed
    def frobenius_norm(self) -> float:
        return float(np.linalg.norm(self._full()))

    @computed
    def approx_equal(self, other: Any, tol: float = 0.01) -> bool:
        """True where the sizes agree and |self - other| <= tol * |self|, in Frobenius norms."""
        full = self._full()
        return bool(
            np.linalg.norm(full - self._mat(other, self.shape, "other")) <= tol * np.linalg.norm(full)
        )

    @computed
    def is_zero(self, cutoff: float = 1e-5) -> bool:
        """True where no |x| exceeds `cutoff`."""
        return bool(np.abs(self._packed).max(initial=0) <= cutoff)

    @computed
    def is_unit(self, cutoff: float = 1e-5) -> bool:
        """True where no element differs by more than `cutoff` from 1 on the diagonal and 0 elsewhere."""
        difference = self._full() - np.eye(self.num_rows, dtype=self._dtype)
        return bool(np.abs(difference).max(initial=0) <= cutoff)

    @computed
    def is_diagonal(self, cutoff: float = 1e-5) -> bool:
        """True where |x| below the diagonal sums up to at most `cutoff` times that on it."""
        sizes = np.abs(self._packed)
        on = sizes[diagonal_of(self.num_rows)].sum()
        return bool(sizes.sum() - on <= cutoff * on)

    @computed
    def is_triagonal(self, cutoff: float = 1e-5) -> bool:
        """True where, off the three diagonals, no |x| exceeds `cutoff` times the greatest on them."""
        sizes = np.abs(self._full())
        off = np.tril(sizes, -2).max(initial=0)
        return bool(off <= cutoff * (sizes - np.tril(sizes, -2) - np.triu(sizes, 2)).max(initial=0))


class TriangularMethods(PackedMethods):
    __slots__ = ()
    _symmetric = False

    def _full(self) -> Array:
        rows = self.num_rows
        full = np.zeros((rows, rows), self._dtype)
        full[np.tril_indices(rows)] = self._packed
        return full

    @in_place
    def copy_from_mat_(self, M: Any, trans: MatrixTransposeType = _NO_TRANS):
        """Copies the lower triangle of a square matrix, or of its transpose."""
        self._store(self._mat(M, self.shape, "M", trans))

    @in_place
    def copy_from_tp_(self, other: Any):
        """Copies a triangular matrix of the same size and either precision."""
        self._packed[:] = self._same(other, "other")

    def swap_with_triangular_(self, other: "TriangularMethods") -> Self:
        """Exchanges the memory of two triangular matrices."""
        return self.swap_with_packed_(other)

    @in_place
    def add_tp(self, alpha: float, M: Any):
        """self += alpha * M"""
        self._packed += alpha * self._same(M, "M")

    add_tp_ = add_tp

    @in_place
    def cholesky_(self, orig: Any):
        """The L with L L' = orig. Raises MatrixError where that is not positive definite."""
        self._store(np.linalg.cholesky(self._mat(orig, self.shape, "orig")))

    @computed
    def determinant(self) -> float:
        return float(self._packed[diagonal_of(self.num_rows)].prod(dtype=np.float64))

    @in_place
    def invert_(self):
        """Raises MatrixError where an element of the diagonal is 0."""
        self._store(np.linalg.inv(self._full()))

    @in_place
    def invert_double_(self):
        """Inverts, computing in double precision."""
        self._store(np.linalg.inv(self._full().astype(np.float64)))


class SpMatrix(SymmetricMethods):
    """SpMatrix(num_rows=None, resize_type=SET_ZERO): a symmetric matrix."""

    __slots__ = ()
    _dtype, _matrix = np.float32, Matrix


class TpMatrix(TriangularMethods):
    """TpMatrix(num_rows=None, resize_type=SET_ZERO): a lower triangular matrix."""

    __slots__ = ()
    _dtype, _matrix = np.float32, Matrix


class DoubleSpMatrix(SymmetricMethods):
    """DoubleSpMatrix(num_rows=None, resize_type=SET_ZERO): a symmetric matrix."""

    __slots__ = ()
    _dtype, _matrix = np.float64, DoubleMatrix


class DoubleTpMatrix(TriangularMethods):
    """DoubleTpMatrix(num_rows=None, resize_type=SET_ZERO): a lower triangular matrix."""

    __slots__ = ()
    _dtype, _matrix = np.float64, DoubleMatrix
