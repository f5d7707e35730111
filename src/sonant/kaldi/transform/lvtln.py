"""Vocal tract length normalisation by linear transforms (PyKaldi's `kaldi.transform.lvtln`)."""

from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.feat._arrays import as_array, destination
from sonant.kaldi.transform._affine import compose_transforms, end_line
from sonant.kaldi.transform.mllr import (
    FmllrDiagGmmAccs,
    apply_feature_transform_to_stats,
    compute_fmllr_matrix_diag_gmm,
    fmllr_aux_func_diag_gmm,
    init_fmllr,
)

__all__ = ["LinearVtln"]


class LinearVtln:
    """A transform (dim, dim) and a warp factor for each class, of which the best is chosen for a speaker."""

    def __init__(self) -> None:
        self._transforms: list[np.ndarray] = []
        self._log_dets: list[float] = []
        self._warps: list[float] = []
        self._default = 0

    @classmethod
    def new(cls, dim: int, num_classes: int, default_class: int) -> "LinearVtln":
        """Unit transforms. The default class is for those of whom there are no statistics."""
        if not 0 <= default_class < num_classes or dim < 1:
            raise FeatureError(
                f"dim={dim}, num_classes={num_classes}, default_class={default_class}; expected 1 or more, "
                "and one of the classes"
            )
        self = cls()
        self._transforms = [np.eye(dim, dtype=np.float32) for _ in range(num_classes)]
        self._log_dets, self._warps = [0.0] * num_classes, [1.0] * num_classes
        self._default = default_class
        return self

    def dim(self) -> int:
        return len(self._transforms[0]) if self._transforms else 0

    def num_classes(self) -> int:
        return len(self._transforms)

    def set_transform(self, i: int, transform: Any) -> None:
        """The transform (dim, dim) of class i."""
        matrix = np.array(as_array(transform, 2, np.float32, "transform"))
        if matrix.shape != self._transforms[self._class(i)].shape:
            raise FeatureError(f"transform: shape {matrix.shape}; expected ({self.dim()}, {self.dim()})")
        sign, log_det = np.linalg.slogdet(matrix.astype(np.float64))
        if sign == 0 or not np.isfinite(log_det):
            raise FeatureError("transform: a singular matrix; expected one that can be inverted")
        self._transforms[i], self._log_dets[i] = matrix, float(log_det)

    def get_transform(self, i: int, transform: Any) -> None:
        """Writes the transform of class i into `transform` (dim, dim)."""
        destination(transform, (self.dim(), self.dim()), "transform")[:] = self._transforms[self._class(i)]

    def set_warp(self, i: int, warp: float) -> None:
        self._warps[self._class(i)] = float(warp)

    def get_warp(self, i: int) -> float:
        """The warp factor of class i."""
        return self._warps[self._class(i)]

    def _class(self, i: int) -> int:
        if not 0 <= i < len(self._transforms):
            raise FeatureError(f"class {i}; expected 0 to {len(self._transforms) - 1}")
        return i

    def compute_transform(
        self, accs: FmllrDiagGmmAccs, norm_type: str, logdet_scale: float, Ws: Any
    ) -> tuple[int, float, float, float]:
        """Writes the best transform (dim, dim + 1) of a speaker into Ws.

        norm_type: what is estimated after each class's transform: "none", "offset" or "diag".
        logdet_scale: of the log-determinants in the objective; 1 for none.
        Returns the class, its log-determinant, the improvement of the objective over the unit transform,
        summed over frames, and the number of frames.
        """
        dim = self.dim()
        if norm_type not in ("none", "offset", "diag"):
            raise FeatureError(f"norm_type='{norm_type}'; expected 'none', 'offset' or 'diag'")
        if not dim or accs.dim() != dim:
            raise FeatureError(
                f"statistics of dimension {accs.dim()}; expected {dim}, that of the transforms"
            )
        target, unit = destination(Ws, (dim, dim + 1), "Ws"), init_fmllr(dim)
        if accs.beta_ == 0:
            target[:, :dim], target[:, dim] = self._transforms[self._default], 0
            return self._default, self._log_dets[self._default], 0.0, 0.0
        best, chosen, product = -np.inf, self._default, unit.numpy()
        for i, transform in enumerate(self._transforms):
            warped, after = FmllrDiagGmmAccs.from_other(accs), init_fmllr(dim)
            apply_feature_transform_to_stats(transform, warped)
            compute_fmllr_matrix_diag_gmm(unit, warped, norm_type, 100, after)
            both = compose_transforms(after, transform, False).numpy()
            objective = (
                fmllr_aux_func_diag_gmm(both, accs) + accs.beta_ * (logdet_scale - 1) * self._log_dets[i]
            )
            if objective > best:
                best, chosen, product = objective, i, both
        target[:] = product
        improvement = best - fmllr_aux_func_diag_gmm(unit, accs)
        return chosen, self._log_dets[chosen], float(improvement), accs.beta_

    def write(self, os: Any, binary: bool) -> None:
        """Writes the transforms to an Output."""
        os.token(binary, "<LinearVtln>")
        end_line(os, binary)
        os.integer(binary, len(self._transforms))
        for transform, log_det, warp in zip(self._transforms, self._log_dets, self._warps, strict=True):
            os.token(binary, "<A>")
            os.matrix(binary, transform)
            os.token(binary, "<logdet>")
            os.float32(binary, log_det)
            os.token(binary, "<warp>")
            os.float32(binary, warp)
            end_line(os, binary)
        os.token(binary, "<DefaultClass>")
        os.integer(binary, self._default)
        os.token(binary, "</LinearVtln>")

    def read(self, is_: Any, binary: bool) -> None:
        """Reads transforms from an Input. Raises ArkError for anything else."""
        is_.expect(binary, "<LinearVtln>")
        transforms, log_dets, warps = [], [], []
        for _ in range(is_.integer(binary)):
            is_.expect(binary, "<A>")
            transforms.append(is_.matrix(binary, "float32"))
            is_.expect(binary, "<logdet>")
            log_dets.append(is_.real(binary))
            is_.expect(binary, "<warp>")
            warps.append(is_.real(binary))
        is_.expect(binary, "<DefaultClass>")
        default = is_.integer(binary)
        is_.expect(binary, "</LinearVtln>")
        shapes = {transform.shape for transform in transforms}
        if len(shapes) != 1 or len(set(*shapes)) != 1 or not 0 <= default < len(transforms):
            is_.error(
                f"transforms of shapes {shapes}, default class {default}; expected square ones, one of them"
            )
        self._transforms, self._log_dets, self._warps, self._default = transforms, log_dets, warps, default
