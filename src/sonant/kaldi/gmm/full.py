"""Mixtures of Gaussians with full covariances (Kaldi's `gmm/full-gmm`)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.flags import GmmUpdateFlags
from sonant.kaldi.gmm.merging import merged
from sonant.kaldi.gmm.mixture import Array, Mixture
from sonant.kaldi.gmm.normal import FullGmmNormal, square_of
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.matrix._checks import operand
from sonant.kaldi.matrix.packed import SpMatrix


class FullGmm(Mixture):
    """A mixture of `nmix` Gaussians of dimension `dim`, with full covariances."""

    # _inverses: (gaussians, dim, dim), symmetric

    def resize(self, nmix: int, dim: int) -> None:
        """Makes room for other numbers of Gaussians and dimensions; the parameters must then be set."""
        self._take(np.zeros(nmix), np.zeros((nmix, dim)), np.broadcast_to(np.eye(dim), (nmix, dim, dim)))

    def _precisions(self) -> Array:
        return np.diagonal(self._inverses, axis1=1, axis2=2)

    def _moments(self) -> tuple[Array, Array, Array]:
        """(weights, means, covariances), float64."""
        try:
            covariances = np.linalg.inv(self._inverses.astype(np.float64))
        except np.linalg.LinAlgError:
            raise AcousticModelError(
                "an inverse covariance is singular; expected positive definite"
            ) from None
        return (
            self._weights.astype(np.float64),
            np.einsum("mij,mj->mi", covariances, self._means),
            covariances,
        )

    def _take_moments(self, weights: Array, means: Array, covariances: Array) -> None:
        try:
            inverses = np.linalg.inv(covariances)
        except np.linalg.LinAlgError:
            raise AcousticModelError("a covariance is singular; expected positive definite") from None
        inverses = (inverses + inverses.swapaxes(1, 2)) / 2
        self._take(weights, np.einsum("mij,mj->mi", inverses, means), inverses)

    def compute_gconsts(self) -> int:
        with np.errstate(all="ignore"):  # what is not a number is an error below
            gconsts = self._constants()
        if np.isnan(gconsts).any():
            raise AcousticModelError("a parameter of the mixture is not a number")
        bad = np.isinf(gconsts)
        gconsts[bad] = -np.inf
        self._gconsts, self._valid = gconsts, True
        return int(bad.sum())

    def _constants(self) -> Array:
        inverses = self._inverses.astype(np.float64)
        signs, log_dets = np.linalg.slogdet(inverses)
        if not (signs > 0).all() or (self._weights < 0).any():
            i = int(np.argmin(np.where(self._weights < 0, -1, signs)))
            raise AcousticModelError(
                f"Gaussian {i} has a negative weight, or a covariance that is not positive definite"
            )
        _, means, _ = self._moments()
        gconsts = np.log(self._weights.astype(np.float64))
        gconsts += 0.5 * log_dets - 0.5 * self.dim() * np.log(2 * np.pi) - 0.5 * (means * self._means).sum(1)
        return gconsts.astype(np.float32)

    # Parameters

    def means_invcovars(self) -> Matrix:
        """(gaussians, dim): inverse covariances times means."""
        return Matrix(self._means)

    def inv_covars(self) -> list[SpMatrix]:
        """The inverse covariances."""
        return [SpMatrix(inverse) for inverse in self._inverses]

    def get_covars(self) -> list[SpMatrix]:
        """The covariances."""
        return self.get_covars_and_means()[0]

    def get_means(self) -> Matrix:
        """(gaussians, dim)"""
        return Matrix(self._moments()[1])

    def get_covars_and_means(self) -> tuple[list[SpMatrix], Matrix]:
        _, means, covariances = self._moments()
        return [SpMatrix(c.astype(np.float32)) for c in covariances], Matrix(means)

    def get_component_mean(self, gauss: int, out: Any) -> None:
        """Writes a mean into `out`, a vector (dim,)."""
        out[:] = self._moments()[1][self._index(gauss)]

    def set_means(self, means: Any) -> None:
        m = operand(means, self._means.shape, np.float32, "means")
        self._means = np.einsum("mij,mj->mi", self._inverses, m)
        self._changed()

    def set_inv_covars(self, v: Sequence[Any]) -> None:
        """Sets inverse covariances; the means stay."""
        self.set_inv_covars_and_means(v, self._moments()[1])

    def set_inv_covars_and_means(self, invcovars: Sequence[Any], means: Any) -> None:
        self._inverses = self._squares(invcovars)
        self.set_means(means)

    def set_inv_covars_and_means_inv_covars(self, invcovars: Sequence[Any], means_invcovars: Any) -> None:
        """Sets both in the form in which they are stored."""
        means = operand(means_invcovars, self._means.shape, np.float32, "means_invcovars").copy()
        self._inverses, self._means = self._squares(invcovars), means
        self._changed()

    def _squares(self, matrices: Sequence[Any]) -> Array:
        if len(matrices) != self.num_gauss():
            raise AcousticModelError(f"{len(matrices)} inverse covariances for {self.num_gauss()} Gaussians")
        shape = (self.dim(), self.dim())
        return np.stack([operand(m, shape, np.float32, "invcovars").copy() for m in matrices])

    # Whole mixtures

    def copy(self, src: Mixture) -> "FullGmm":
        """Becomes a copy of a FullGmm or a DiagGmm; returns itself."""
        if isinstance(src, FullGmm):
            self.copy_from_full(src)
        elif isinstance(src, Mixture):
            self.copy_from_diag(src)
        else:
            raise AcousticModelError(f"a {type(src).__name__} to copy from; expected a DiagGmm or FullGmm")
        return self

    def copy_from_full(self, fullgmm: "FullGmm") -> None:
        self._take(fullgmm._weights, fullgmm._means, fullgmm._inverses)
        self._gconsts, self._valid = fullgmm._gconsts.copy(), fullgmm._valid

    def copy_from_diag(self, diaggmm: Any) -> None:
        """Takes weights, means and variances; covariances between dimensions are 0."""
        self._take(diaggmm._weights, diaggmm._means, np.eye(diaggmm.dim()) * diaggmm._inverses[:, None])
        self.compute_gconsts()

    def interpolate(self, rho: float, source: "FullGmm", flags: int = GmmUpdateFlags.ALL) -> None:
        """rho * source + (1 - rho) * this: weights, means and covariances, as `flags` say."""
        if source._inverses.shape != self._inverses.shape:
            raise AcousticModelError(
                f"a mixture of {source.num_gauss()} x {source.dim()} to interpolate with; "
                f"expected {self.num_gauss()} x {self.dim()}"
            )
        ours, theirs = self._moments(), source._moments()
        mixed = [(1 - rho) * a + rho * b for a, b in zip(ours, theirs, strict=True)]
        mixed[0] /= mixed[0].sum()
        chosen = (GmmUpdateFlags.WEIGHTS, GmmUpdateFlags.MEANS, GmmUpdateFlags.VARIANCES)
        self._take_moments(*(m if flags & f else o for f, m, o in zip(chosen, mixed, ours, strict=True)))
        self.compute_gconsts()

    def merge(self, target_components: int) -> list[int]:
        """Merges the Gaussians whose merging costs the least likelihood until `target_components` are left.

        Returns the order: [kept, consumed, kept, consumed, ...]. After the first choice it may differ from
        Kaldi's, which goes on with the determinant that the kept one had before.
        """
        self._check_merge(target_components)
        if target_components == self.num_gauss():
            return []

        def covariances_of(means: Array, seconds: Array) -> Array:
            return seconds - means[:, :, None] * means[:, None, :]

        def log_dets(means: Array, seconds: Array) -> Array:
            return -0.5 * np.linalg.slogdet(covariances_of(means, seconds))[1]

        weights, means, covariances = self._moments()
        seconds = covariances + means[:, :, None] * means[:, None, :]
        weights, means, seconds, history = merged(weights, means, seconds, log_dets, target_components)
        self._take_moments(weights, means, covariances_of(means, seconds))
        self.compute_gconsts()
        return history

    # Likelihoods

    def _component_log_likelihoods(self, frames: Array, num_threads: int = 1) -> Array:
        # x' S x is the product of the lower triangles of x x' and of S, off the diagonal twice.
        rows, columns = np.tril_indices(self.dim())
        twice = np.where(rows == columns, np.float32(0.5), np.float32(1))
        packed = self._inverses[:, rows, columns] * twice
        return self._gconsts + frames @ self._means.T - (frames[:, rows] * frames[:, columns]) @ packed.T

    # Files

    def read(self, is_: Input, binary: bool) -> None:
        """Reads a mixture. Raises ArkError for what is none, AcousticModelError for nonsense."""
        token = is_.token(binary)
        if token not in ("<FullGMM>", "<FullGMMBegin>"):
            is_.error(f"expected <FullGMM>, found '{token}'")
        token, gconsts = is_.token(binary), None
        if token == "<GCONSTS>":
            gconsts = is_.vector(binary, "float32")
            token = is_.token(binary)
        if token != "<WEIGHTS>":
            is_.error(f"expected <GCONSTS> or <WEIGHTS>, found '{token}'")
        weights = is_.vector(binary, "float32")
        is_.expect(binary, "<MEANS_INVCOVARS>")
        means = is_.matrix(binary, "float32")
        is_.expect(binary, "<INV_COVARS>")
        inverses = []
        for _ in range(len(weights)):
            packed = is_.packed(binary, "float32")
            if means.shape[1] * (means.shape[1] + 1) // 2 != len(packed) or len(means) != len(weights):
                raise AcousticModelError(
                    f"{is_.name}:{is_.tell()}: {len(weights)} weights, means {means.shape} and an inverse "
                    f"covariance of {len(packed)} numbers; expected equal numbers of Gaussians and dimensions"
                )
            inverses.append(square_of(packed, means.shape[1]))
        if not inverses:
            raise AcousticModelError(f"{is_.name}:{is_.tell()}: no Gaussians; expected at least one")
        token = is_.token(binary)
        if token not in ("</FullGMM>", "<FullGMMEnd>"):
            is_.error(f"expected </FullGMM>, found '{token}'")
        read = FullGmm()
        read._take(weights, means, np.stack(inverses))
        read._keep_gconsts(is_, gconsts)
        vars(self).update(vars(read))

    def write(self, os: Output, binary: bool) -> None:
        self._require_gconsts()
        os.token(binary, "<FullGMM>")
        if not binary:
            os.write(b"\n")
        os.token(binary, "<GCONSTS>")
        os.vector(binary, self._gconsts)
        os.token(binary, "<WEIGHTS>")
        os.vector(binary, self._weights)
        os.token(binary, "<MEANS_INVCOVARS>")
        os.matrix(binary, self._means)
        os.token(binary, "<INV_COVARS>")
        lower = np.tril_indices(self.dim())
        for inverse in self._inverses:
            os.packed(binary, inverse[lower])
        os.token(binary, "</FullGMM>")
        if not binary:
            os.write(b"\n")


__all__ = ["FullGmm", "FullGmmNormal"]
