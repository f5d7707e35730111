"""Log-likelihoods of an acoustic model, as a decoder asks for them (Kaldi's `gmm/decodable-am-diag-gmm`)."""

from typing import Any

import numpy as np

from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.am_diag import AmDiagGmm
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.itf import DecodableInterface
from sonant.kaldi.matrix._checks import operand


class DecodableAmDiagGmmUnmapped(DecodableInterface):
    """Log-likelihoods of frames (frames, dim) for a decoder; the index is a pdf-id and one.

    Computed for all pdfs of some hundred frames together, when the first of them is asked for.
    """

    _BLOCK = 256

    def __init__(self, am: AmDiagGmm, feats: Any, log_sum_exp_prune: float = -1.0):
        self._am = am
        self._feats = np.ascontiguousarray(operand(feats, (None, am.dim()), np.float32, "feats"))
        self._prune = log_sum_exp_prune
        self._block, self._values = -1, np.zeros((0, 0), np.float32)

    def _of_pdf(self, frame: int, pdf: int) -> float:
        if not 0 <= frame < len(self._feats):
            raise AcousticModelError(f"there is no frame {frame}; expected 0 to {len(self._feats) - 1}")
        if not 0 <= pdf < self._am.num_pdfs():
            raise AcousticModelError(f"there is no pdf {pdf}; the model has {self._am.num_pdfs()}")
        block, row = divmod(frame, self._BLOCK)
        if block != self._block:
            frames = self._feats[block * self._BLOCK : (block + 1) * self._BLOCK]
            self._values = self._am._log_likelihoods(frames, self._prune, 1)
            self._block = block
        return float(self._values[row, pdf])

    def log_likelihood(self, frame: int, index: int) -> float:
        return self._of_pdf(frame, index - 1)

    # Many frames at once, for decoders: sonant.kaldi.decoder.decodables tells how.

    def _columns(self) -> np.ndarray | None:
        return None

    def _rows(self, begin: int, end: int) -> np.ndarray:
        return self._am._log_likelihoods(self._feats[begin:end], self._prune, 1)

    def is_last_frame(self, frame: int) -> bool:
        if frame >= len(self._feats):
            raise AcousticModelError(f"there is no frame {frame}; there are {len(self._feats)}")
        return frame == len(self._feats) - 1

    def num_frames_ready(self) -> int:
        return len(self._feats)

    def num_indices(self) -> int:
        return self._am.num_pdfs()


class DecodableAmDiagGmm(DecodableAmDiagGmmUnmapped):
    """As DecodableAmDiagGmmUnmapped; the index is a transition-id."""

    _scale = 1.0

    def __init__(self, am: AmDiagGmm, tm: TransitionModel, feats: Any, log_sum_exp_prune: float = -1.0):
        super().__init__(am, feats, log_sum_exp_prune)
        if tm.num_pdfs() > am.num_pdfs():
            raise AcousticModelError(
                f"the transition model has {tm.num_pdfs()} pdfs, the mixtures are {am.num_pdfs()}; "
                "expected those of one model"
            )
        self._transitions = tm

    def log_likelihood(self, frame: int, index: int) -> float:
        return self._scale * self._of_pdf(frame, self._transitions.transition_id_to_pdf(index))

    def _columns(self) -> np.ndarray:
        return self._transitions._pdfs_by_id()

    def _rows(self, begin: int, end: int) -> np.ndarray:
        rows = super()._rows(begin, end)
        return rows if self._scale == 1 else np.float32(self._scale) * rows

    def num_indices(self) -> int:
        return self._transitions.num_transition_ids()

    def trans_model(self) -> TransitionModel:
        return self._transitions


class DecodableAmDiagGmmScaled(DecodableAmDiagGmm):
    """As DecodableAmDiagGmm; log-likelihoods are multiplied by `scale`."""

    def __init__(
        self, am: AmDiagGmm, tm: TransitionModel, feats: Any, scale: float, log_sum_exp_prune: float = -1.0
    ):
        super().__init__(am, tm, feats, log_sum_exp_prune)
        self._scale = scale

    @classmethod
    def own_feats(
        cls, am: AmDiagGmm, tm: TransitionModel, scale: float, log_sum_exp_prune: float, feats: Any
    ) -> "DecodableAmDiagGmmScaled":
        """The arguments in another order."""
        return cls(am, tm, feats, scale, log_sum_exp_prune)
