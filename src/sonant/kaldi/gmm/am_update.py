"""Statistics and re-estimation of whole acoustic models (Kaldi's `gmm/mle-am-diag-gmm`)."""

from typing import Any

from sonant._native import Input, Output
from sonant.errors import AcousticModelError
from sonant.kaldi.gmm.accumulators import AccumDiagGmm
from sonant.kaldi.gmm.am_diag import AmDiagGmm
from sonant.kaldi.gmm.update import (
    MapDiagGmmOptions,
    MleDiagGmmOptions,
    map_diag_gmm_update,
    mle_diag_gmm_update,
)


class AccumAmDiagGmm:
    """Statistics for each pdf of a model, with the total log-likelihood and number of frames."""

    def __init__(self) -> None:
        self._accs: list[AccumDiagGmm] = []
        self._log_like = self._frames = 0.0

    def init(self, model: AmDiagGmm, flags: int) -> None:
        """Becomes empty statistics for a model."""
        self.init_with_dim(model, model.dim(), flags)

    def init_with_dim(self, model: AmDiagGmm, dim: int, flags: int) -> None:
        """Becomes empty statistics for a model, of frames of another dimension."""
        self.__init__()
        for gmm in model._pdfs:
            acc = AccumDiagGmm()
            acc.resize(gmm.num_gauss(), dim, flags)
            self._accs.append(acc)

    def num_accs(self) -> int:
        return len(self._accs)

    def dim(self) -> int:
        return self._accs[0].dim() if self._accs else 0

    def get_acc(self, index: int) -> AccumDiagGmm:
        """The statistics of a pdf, not a copy. Raises AcousticModelError for one that is not there."""
        if not 0 <= index < len(self._accs):
            raise AcousticModelError(f"there are no statistics of pdf {index}; there are {len(self._accs)}")
        return self._accs[index]

    def set_zero(self, flags: int) -> None:
        """Empties the statistics; not the total log-likelihood and number of frames."""
        for acc in self._accs:
            acc.set_zero(flags & acc.flags_)

    def scale(self, scale: float) -> None:
        for acc in self._accs:
            acc.scale(scale, acc.flags_)
        self._log_like *= scale
        self._frames *= scale

    def add(self, scale: float, other: "AccumAmDiagGmm") -> None:
        """Adds other statistics, times `scale`."""
        if len(self._accs) != len(other._accs):
            raise AcousticModelError(f"statistics of {len(other._accs)} pdfs; expected {len(self._accs)}")
        for acc, theirs in zip(self._accs, other._accs, strict=True):
            acc.add(scale, theirs)
        self._log_like += scale * other._log_like
        self._frames += scale * other._frames

    def accumulate_for_gmm(self, model: AmDiagGmm, data: Any, gmm_index: int, weight: float) -> float:
        """Adds a frame (dim,) to a pdf; returns its log-likelihood."""
        acc = self.get_acc(gmm_index)
        log_like = acc.accumulate_from_diag(model.get_pdf(gmm_index), data, weight)
        self._log_like += log_like * weight
        self._frames += weight
        return log_like

    def accumulate_for_gmm_twofeats(
        self, model: AmDiagGmm, data1: Any, data2: Any, gmm_index: int, weight: float
    ) -> float:
        """Adds the frame `data2` with the posteriors of `data1`; returns the log-likelihood of `data1`."""
        log_like, posteriors = model.get_pdf(gmm_index).component_posteriors(data1)
        self.get_acc(gmm_index).accumulate_from_posteriors(data2, posteriors.numpy() * weight)
        self._log_like += log_like * weight
        self._frames += weight
        return log_like

    def accumulate_from_posteriors(
        self, model: AmDiagGmm, data: Any, gmm_index: int, posteriors: Any
    ) -> None:
        """Adds a frame (dim,) to a pdf with a weight for each of its Gaussians."""
        acc = self.get_acc(gmm_index)
        before = acc._occupancy.sum()
        acc.accumulate_from_posteriors(data, posteriors)
        self._frames += float(acc._occupancy.sum() - before)

    def accumulate_for_gaussian(
        self, model: AmDiagGmm, data: Any, gmm_index: int, gauss_index: int, weight: float
    ) -> None:
        """Adds a frame (dim,) to one Gaussian of a pdf."""
        self.get_acc(gmm_index).accumulate_for_component(data, gauss_index, weight)

    def tot_stats_count(self) -> float:
        """The sum of all occupancies."""
        return float(sum(acc._occupancy.sum() for acc in self._accs))

    def tot_count(self) -> float:
        """The number of frames, weighted."""
        return self._frames

    def tot_log_like(self) -> float:
        """The log-likelihood of the frames, weighted."""
        return self._log_like

    def read(self, is_: Input, binary: bool, add: bool = False) -> None:
        """Reads statistics, adding them to what is there if `add`. Raises ArkError for anything else."""
        is_.expect(binary, "<NUMPDFS>")
        count = is_.integer(binary)
        if count < 1:
            is_.error(f"expected a number of pdfs above 0, found {count}")
        read = AccumAmDiagGmm()
        for _ in range(count):
            acc = AccumDiagGmm()
            acc.read(is_, binary, False)
            read._accs.append(acc)
        if is_.peek() != -1:  # old files end here
            is_.expect(binary, "<total_like>")
            read._log_like = is_.real(binary)
            is_.expect(binary, "<total_frames>")
            read._frames = is_.real(binary)
        if add and self._accs:
            read.add(1.0, self)
        vars(self).update(vars(read))

    def write(self, out_stream: Output, binary: bool) -> None:
        out_stream.token(binary, "<NUMPDFS>")
        out_stream.integer(binary, len(self._accs))
        for acc in self._accs:
            acc.write(out_stream, binary)
        out_stream.token(binary, "<total_like>")
        out_stream.float64(binary, self._log_like)
        out_stream.token(binary, "<total_frames>")
        out_stream.float64(binary, self._frames)


def mle_am_diag_gmm_update(
    config: MleDiagGmmOptions, diag_gmm_acc: AccumAmDiagGmm, flags: int, am_gmm: AmDiagGmm
) -> tuple[float, float]:
    """mle_diag_gmm_update of every pdf: (sum of gains, sum of frames)."""
    results = [
        mle_diag_gmm_update(config, acc, flags & acc.flags_, gmm)[:2]
        for acc, gmm in _pairs(diag_gmm_acc, am_gmm)
    ]
    return sum(gain for gain, _ in results), sum(count for _, count in results)


def map_am_diag_gmm_update(
    config: MapDiagGmmOptions, diag_gmm_acc: AccumAmDiagGmm, flags: int, am_gmm: AmDiagGmm
) -> tuple[float, float]:
    """map_diag_gmm_update of every pdf: (sum of gains, sum of frames)."""
    results = [map_diag_gmm_update(config, acc, flags, gmm) for acc, gmm in _pairs(diag_gmm_acc, am_gmm)]
    return sum(gain for gain, _ in results), sum(count for _, count in results)


def _pairs(acc: AccumAmDiagGmm, model: AmDiagGmm) -> Any:
    if acc.num_accs() != model.num_pdfs():
        raise AcousticModelError(f"statistics of {acc.num_accs()} pdfs for a model of {model.num_pdfs()}")
    return zip(acc._accs, model._pdfs, strict=True)
