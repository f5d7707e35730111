"""Acoustic models: a mixture of diagonal Gaussians for each pdf (Kaldi's `gmm/am-diag-gmm`)."""

import heapq
from typing import Any

import numpy as np

from sonant import _native
from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.diag import DiagGmm
from sonant.kaldi.gmm.mixture import not_finite
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.matrix._checks import operand

Array = np.ndarray


class AmDiagGmm:
    """The mixtures of a model, by pdf-id. Empty until it is read, or `init`, or `add_pdf`."""

    def __init__(self) -> None:
        self._pdfs: list[DiagGmm] = []
        self._packed: tuple[list[Any], Any] = ([], None)  # the constants it was made of, the native form

    def init(self, proto: DiagGmm, num_pdfs: int) -> None:
        """Becomes `num_pdfs` copies of a mixture."""
        self._pdfs = [DiagGmm.from_other(proto) for _ in range(num_pdfs)]

    def add_pdf(self, gmm: DiagGmm) -> None:
        """Adds a copy of a mixture. Raises AcousticModelError for one of another dimension."""
        if self._pdfs and gmm.dim() != self.dim():
            raise AcousticModelError(f"a mixture of dimension {gmm.dim()}; the model's is {self.dim()}")
        self._pdfs.append(DiagGmm.from_other(gmm))

    def copy_from_am_diag(self, other: "AmDiagGmm") -> None:
        self._pdfs = [DiagGmm.from_other(gmm) for gmm in other._pdfs]

    def num_pdfs(self) -> int:
        return len(self._pdfs)

    def num_gauss(self) -> int:
        """Gaussians of all pdfs."""
        return sum(gmm.num_gauss() for gmm in self._pdfs)

    def dim(self) -> int:
        """Dimension of the frames; 0 for an empty model."""
        return self._pdfs[0].dim() if self._pdfs else 0

    def get_pdf(self, pdf_index: int) -> DiagGmm:
        """The mixture of a pdf, not a copy. Raises AcousticModelError for a pdf that is not there."""
        if not 0 <= pdf_index < len(self._pdfs):
            raise AcousticModelError(f"there is no pdf {pdf_index}; the model has {len(self._pdfs)}")
        return self._pdfs[pdf_index]

    def num_gauss_in_pdf(self, pdf_index: int) -> int:
        return self.get_pdf(pdf_index).num_gauss()

    def compute_gconsts(self) -> int:
        """Computes the constants of all mixtures; returns how many are infinite."""
        return sum(gmm.compute_gconsts() for gmm in self._pdfs)

    def get_gaussian_mean(self, pdf_index: int, gauss: int, out: Any) -> None:
        """Writes a mean into `out`, a vector (dim,)."""
        self.get_pdf(pdf_index).get_component_mean(gauss, out)

    def get_gaussian_variance(self, pdf_index: int, gauss: int, out: Any) -> None:
        """Writes a variance into `out`, a vector (dim,)."""
        self.get_pdf(pdf_index).get_component_variance(gauss, out)

    def set_gaussian_mean(self, pdf_index: int, gauss: int, in_: Any) -> None:
        self.get_pdf(pdf_index).set_component_mean(gauss, in_)

    # Likelihoods

    def log_likelihood(self, pdf_index: int, data: Any) -> float:
        """The log-likelihood of a frame (dim,) under a pdf. Raises AcousticModelError if it is not finite."""
        return self.get_pdf(pdf_index).log_likelihood(data)

    def log_likelihoods_matrix(
        self, data: Any, log_sum_exp_prune: float = 0.0, num_threads: int = 0
    ) -> Matrix:
        """(frames, pdfs): the log-likelihoods of frames (frames, dim) under all pdfs, computed together.

        Value for value what log_likelihood gives, many times faster. Gaussians that are `log_sum_exp_prune`
        (where above 0) below the best of their pdf do not count. Raises AcousticModelError for a value that
        is not finite.
        """
        frames = np.ascontiguousarray(operand(data, (None, self.dim()), np.float32, "data"))
        return Matrix(self._log_likelihoods(frames, log_sum_exp_prune, num_threads))

    def _log_likelihoods(self, frames: Array, prune: float, num_threads: int) -> Array:
        values, bad = self._native_form().log_likelihoods(frames, max(prune, 0.0), num_threads)
        if bad >= 0:
            frame, pdf = divmod(bad, self.num_pdfs())
            raise not_finite(frame, pdf, float(values[frame, pdf]))
        return values

    def _native_form(self) -> Any:
        if not self._pdfs:
            raise AcousticModelError("the model has no pdfs; read one first")
        for gmm in self._pdfs:
            gmm._require_gconsts()
        # A mixture whose parameters change gets another array of constants.
        stamps = [gmm._gconsts for gmm in self._pdfs]
        known, packed = self._packed
        if len(known) != len(stamps) or any(a is not b for a, b in zip(known, stamps, strict=True)):
            ends = np.cumsum([gmm.num_gauss() for gmm in self._pdfs], dtype=np.int64)
            means = np.concatenate([gmm._means for gmm in self._pdfs])
            inverses = np.concatenate([gmm._inverses for gmm in self._pdfs])
            packed = _native.DiagGmms(np.concatenate(stamps), means, inverses, ends)
            self._packed = (stamps, packed)
        return packed

    # More and fewer Gaussians

    def split_pdf(self, idx: int, target_components: int, perturb_factor: float) -> None:
        self.get_pdf(idx).split(target_components, perturb_factor)

    def split_by_count(
        self, state_occs: Any, target_components: int, perturb_factor: float, power: float, min_count: float
    ) -> None:
        """Splits Gaussians to about `target_components` in all, shared as by get_split_targets."""
        for gmm, target in zip(
            self._pdfs, self._targets(state_occs, target_components, power, min_count), strict=True
        ):
            if gmm.num_gauss() < target:
                gmm.split(target, perturb_factor)

    def merge_by_count(self, state_occs: Any, target_components: int, power: float, min_count: float) -> None:
        """Merges Gaussians to about `target_components` in all, shared as by get_split_targets."""
        for gmm, target in zip(
            self._pdfs, self._targets(state_occs, target_components, power, min_count), strict=True
        ):
            if gmm.num_gauss() > target:
                gmm.merge(target)

    def _targets(self, state_occs: Any, target: int, power: float, min_count: float) -> list[int]:
        occupancies = operand(state_occs, (self.num_pdfs(),), np.float32, "state_occs")
        return get_split_targets(occupancies, target, power, min_count)

    # Files

    def read(self, is_: Input, binary: bool) -> None:
        """Reads a model, such as follows the transition model of a .mdl file.

        Raises ArkError for what is none, AcousticModelError where its parts do not fit together.
        """
        is_.expect(binary, "<DIMENSION>")
        dim = is_.integer(binary)
        is_.expect(binary, "<NUMPDFS>")
        count = is_.integer(binary)
        if dim < 1 or count < 1:
            is_.error(f"expected a dimension and a number of pdfs above 0, found {dim} and {count}")
        pdfs: list[DiagGmm] = []
        for pdf in range(count):
            gmm = DiagGmm()
            gmm.read(is_, binary)
            if gmm.dim() != dim:
                raise AcousticModelError(
                    f"{is_.name}:{is_.tell()}: pdf {pdf} has dimension {gmm.dim()}; the model's is {dim}"
                )
            pdfs.append(gmm)
        self._pdfs = pdfs

    def write(self, os: Output, binary: bool) -> None:
        os.token(binary, "<DIMENSION>")
        os.integer(binary, self.dim())
        os.token(binary, "<NUMPDFS>")
        os.integer(binary, self.num_pdfs())
        for gmm in self._pdfs:
            gmm.write(os, binary)


def get_split_targets(state_occs: Any, target_components: int, power: float, min_count: float) -> list[int]:
    """How many Gaussians each pdf gets of `target_components`.

    Each one goes where occupancy^power / Gaussians is highest, if occupancy / Gaussians then stays above
    `min_count`; every pdf has at least one.
    """
    occupancies = operand(state_occs, (None,), np.float32, "state_occs").astype(np.float64)
    targets = [1] * len(occupancies)
    queue = [(-(occupancy**power), pdf) for pdf, occupancy in enumerate(occupancies.tolist())]
    heapq.heapify(queue)
    total = len(targets)
    while total < target_components and queue:
        _, pdf = heapq.heappop(queue)
        if (targets[pdf] + 1) * min_count >= occupancies[pdf]:
            continue  # no more for this one
        targets[pdf] += 1
        total += 1
        heapq.heappush(queue, (-(occupancies[pdf] ** power) / targets[pdf], pdf))
    return targets
