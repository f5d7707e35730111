"""Mixtures of Gaussians with diagonal covariances (Kaldi's `gmm/diag-gmm`)."""

from typing import Any

import numpy as np

from sonant import _native
from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.flags import GmmUpdateFlags
from sonant.kaldi.gmm.merging import merged
from sonant.kaldi.gmm.mixture import Array, Mixture, not_finite, random_numbers
from sonant.kaldi.gmm.normal import DiagGmmNormal
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.matrix._checks import operand


class DiagGmm(Mixture):
    """A mixture of `nmix` Gaussians of dimension `dim`, with diagonal covariances."""

    _packed: Any = None  # the native form, made when a likelihood is asked for

    def resize(self, nmix: int, dim: int) -> None:
        """Makes room for other numbers of Gaussians and dimensions; the parameters must then be set."""
        self._take(np.zeros(nmix), np.zeros((nmix, dim)), np.ones((nmix, dim)))

    @classmethod
    def from_clusterable(cls, gc: Any, var_floor: float) -> "DiagGmm":
        """One Gaussian with the mean and (floored) variance of a GaussClusterable."""
        mean = np.asarray(gc.x_stats(), np.float64) / gc.count()
        variance = np.asarray(gc.x2_stats(), np.float64) / gc.count() - mean**2
        gmm = cls(1, len(mean))
        inverse = 1 / np.maximum(variance, var_floor)
        gmm._take([1.0], [mean * inverse], [inverse])
        gmm.compute_gconsts()
        return gmm

    def _changed(self) -> None:
        self._valid, self._packed = False, None

    def _precisions(self) -> Array:
        return self._inverses

    def compute_gconsts(self) -> int:
        gconsts, bad = _native.diag_gconsts(self._weights, self._means, self._inverses)
        if np.isnan(gconsts).any():
            i = int(np.flatnonzero(np.isnan(gconsts))[0])
            raise AcousticModelError(
                f"Gaussian {i} has a negative weight or variance, or a parameter that is not a number"
            )
        self._gconsts, self._valid, self._packed = gconsts, True, None
        return bad

    # Parameters

    def means_invvars(self) -> Matrix:
        """(gaussians, dim): means divided by variances."""
        return Matrix(self._means)

    def inv_vars(self) -> Matrix:
        """(gaussians, dim): inverse variances."""
        return Matrix(self._inverses)

    def get_means(self) -> Matrix:
        """(gaussians, dim)"""
        return Matrix(self._means / self._inverses)

    def get_vars(self) -> Matrix:
        """(gaussians, dim)"""
        return Matrix(1 / self._inverses)

    def get_component_mean(self, gauss: int, out: Any) -> None:
        """Writes a mean into `out`, a vector (dim,)."""
        i = self._index(gauss)
        out[:] = self._means[i] / self._inverses[i]

    def get_component_variance(self, gauss: int, out: Any) -> None:
        """Writes a variance into `out`, a vector (dim,)."""
        out[:] = 1 / self._inverses[self._index(gauss)]

    def set_means(self, m: Any) -> None:
        self._means = operand(m, self._means.shape, np.float32, "m") * self._inverses
        self._changed()

    def set_inv_vars(self, v: Any) -> None:
        """Sets inverse variances; the means stay."""
        inverses = operand(v, self._inverses.shape, np.float32, "v").copy()
        self._means = self._means / self._inverses * inverses
        self._inverses = inverses
        self._changed()

    def set_inv_vars_and_means(self, invvars: Any, means: Any) -> None:
        self._inverses = operand(invvars, self._inverses.shape, np.float32, "invvars").copy()
        self.set_means(means)

    def set_component_mean(self, gauss: int, in_: Any) -> None:
        i = self._index(gauss)
        self._means[i] = operand(in_, (self.dim(),), np.float32, "in") * self._inverses[i]
        self._changed()

    def set_component_inv_var(self, gauss: int, in_: Any) -> None:
        """Sets inverse variances of one Gaussian; its mean stays."""
        i = self._index(gauss)
        inverse = operand(in_, (self.dim(),), np.float32, "in")
        self._means[i] *= inverse / self._inverses[i]
        self._inverses[i] = inverse
        self._changed()

    # Whole mixtures

    def copy(self, src: Mixture) -> "DiagGmm":
        """Becomes a copy of a DiagGmm, or of a FullGmm without its covariances; returns itself."""
        if isinstance(src, DiagGmm):
            self.copy_from_diag(src)
        elif isinstance(src, Mixture):
            self.copy_from_full(src)
        else:
            raise AcousticModelError(f"a {type(src).__name__} to copy from; expected a DiagGmm or FullGmm")
        return self

    def copy_from_diag(self, diaggmm: "DiagGmm") -> None:
        self._take(diaggmm._weights, diaggmm._means, diaggmm._inverses)
        self._gconsts, self._valid = diaggmm._gconsts.copy(), diaggmm._valid

    def copy_from_full(self, fullgmm: Any) -> None:
        """Takes weights, means and variances; covariances between dimensions are left out."""
        weights, means, covariances = fullgmm._moments()
        inverses = 1 / np.diagonal(covariances, axis1=1, axis2=2)
        self._take(weights, means * inverses, inverses)
        self.compute_gconsts()

    def interpolate(self, rho: float, source: Mixture, flags: int = GmmUpdateFlags.ALL) -> None:
        """rho * source + (1 - rho) * this: weights, means and variances, as `flags` say."""
        if (source.num_gauss(), source.dim()) != (self.num_gauss(), self.dim()):
            raise AcousticModelError(
                f"a mixture of {source.num_gauss()} x {source.dim()} to interpolate with; "
                f"expected {self.num_gauss()} x {self.dim()}"
            )
        us, them = DiagGmmNormal(self), DiagGmmNormal(DiagGmm().copy(source))
        for name in ("weights_", "means_", "vars_"):
            setattr(us, name, (1 - rho) * getattr(us, name) + rho * getattr(them, name))
        us.weights_ /= us.weights_.sum()
        us.copy_to_diag_gmm(self, flags)
        self.compute_gconsts()

    interpolate_full = interpolate

    def merge(self, target_components: int) -> list[int]:
        """Merges the Gaussians whose merging costs the least likelihood until `target_components` are left.

        Returns the order: [kept, consumed, kept, consumed, ...].
        """
        self._check_merge(target_components)
        if target_components == self.num_gauss():
            return []
        inverses = self._inverses.astype(np.float64)
        means = self._means / inverses

        def log_dets(means: Array, seconds: Array) -> Array:
            return -0.5 * np.log(seconds - means**2).sum(1)

        weights, means, seconds, history = merged(
            self._weights.astype(np.float64), means, 1 / inverses + means**2, log_dets, target_components
        )
        inverses = 1 / (seconds - means**2)
        self._take(weights, means * inverses, inverses)
        self.compute_gconsts()
        return history

    def generate(self, output: Any) -> None:
        """Writes a random frame of this distribution into `output`, a vector (dim,)."""
        i = random_numbers.choice(self.num_gauss(), p=self._weights / self._weights.sum(dtype=np.float64))
        noise = random_numbers.standard_normal(self.dim())
        output[:] = self._means[i] / self._inverses[i] + noise / np.sqrt(self._inverses[i])

    # Likelihoods

    def _native_form(self) -> Any:
        self._require_gconsts()
        if self._packed is None:
            ends = np.array([self.num_gauss()], np.int64)
            if not ends[0]:
                raise AcousticModelError("the mixture has no Gaussians; read or set one first")
            self._packed = _native.DiagGmms(self._gconsts, self._means, self._inverses, ends)
        return self._packed

    def _component_log_likelihoods(self, frames: Array, num_threads: int = 1) -> Array:
        return self._native_form().component_log_likelihoods(frames, num_threads)

    def log_likelihood(self, data: Any) -> float:
        """The log-likelihood of a frame (dim,). Raises AcousticModelError where it is not finite."""
        values, bad = self._native_form().log_likelihoods(self._frames(data, 1))
        if bad >= 0:
            raise not_finite(0, 0, float(values[0, 0]))
        return float(values[0, 0])

    # Files

    def read(self, is_: Input, binary: bool) -> None:
        """Reads a mixture. Raises ArkError for what is none, AcousticModelError for nonsense."""
        token = is_.token(binary)
        if token not in ("<DiagGMM>", "<DiagGMMBegin>"):
            is_.error(f"expected <DiagGMM>, found '{token}'")
        token, gconsts = is_.token(binary), None
        if token == "<GCONSTS>":
            gconsts = is_.vector(binary, "float32")
            token = is_.token(binary)
        if token != "<WEIGHTS>":
            is_.error(f"expected <GCONSTS> or <WEIGHTS>, found '{token}'")
        weights = is_.vector(binary, "float32")
        is_.expect(binary, "<MEANS_INVVARS>")
        means = is_.matrix(binary, "float32")
        is_.expect(binary, "<INV_VARS>")
        inverses = is_.matrix(binary, "float32")
        token = is_.token(binary)
        if token not in ("</DiagGMM>", "<DiagGMMEnd>"):
            is_.error(f"expected </DiagGMM>, found '{token}'")
        if means.shape != inverses.shape or len(means) != len(weights) or not len(weights):
            raise AcousticModelError(
                f"{is_.name}:{is_.tell()}: {len(weights)} weights, means {means.shape} and variances "
                f"{inverses.shape}; expected the same number of Gaussians, and of dimensions"
            )
        read = DiagGmm()
        read._take(weights, means, inverses)
        read._keep_gconsts(is_, gconsts)
        vars(self).update(vars(read), _packed=None)

    def write(self, os: Output, binary: bool) -> None:
        self._require_gconsts()
        os.token(binary, "<DiagGMM>")
        if not binary:
            os.write(b"\n")
        os.token(binary, "<GCONSTS>")
        os.vector(binary, self._gconsts)
        os.token(binary, "<WEIGHTS>")
        os.vector(binary, self._weights)
        os.token(binary, "<MEANS_INVVARS>")
        os.matrix(binary, self._means)
        os.token(binary, "<INV_VARS>")
        os.matrix(binary, self._inverses)
        os.token(binary, "</DiagGMM>")
        if not binary:
            os.write(b"\n")
