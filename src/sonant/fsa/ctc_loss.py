"""CTC's loss of any graphs (k2's)."""

from typing import Literal

from torch import Tensor, nn

from sonant.errors import FstError
from sonant.fsa.dense_fsa_vec import DenseFsaVec
from sonant.fsa.dense_totals import intersect_dense_tot_scores
from sonant.fsa.fsa import Fsa

Reduction = Literal["none", "mean", "sum"]


class CtcLoss(nn.Module):
    """Minus the log of the sum over all paths of a graph for each transcript (Graves et al. 2006).

    The graphs say what CTC is: ctc_graph, ctc_topo composed with transcripts or lexicons, or any other. The
    sum is exact: output_beam, within which k2 keeps paths, prunes nothing here. use_double_scores: the loss
    is float64 until it is reduced; like k2's the result is float32.
    """

    def __init__(self, output_beam: float, reduction: Reduction = "sum", use_double_scores: bool = True):
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise FstError(f"ctc_loss: reduction={reduction!r}, expected 'none', 'mean' or 'sum'")
        if not output_beam > 0:
            raise FstError(f"ctc_loss: output_beam={output_beam}, expected more than 0")
        self.output_beam, self.reduction, self.use_double_scores = output_beam, reduction, use_double_scores

    def forward(
        self,
        decoding_graph: Fsa,
        dense_fsa_vec: DenseFsaVec,
        delay_penalty: float = 0.0,
        target_lengths: Tensor | None = None,
    ) -> Tensor:
        """decoding_graph: a batch with a graph for each segment of dense_fsa_vec, in any order of lengths.

        delay_penalty: a path gains it for each frame that a token is emitted before the middle of its
        segment (duration // 2), and loses it for each frame after; tokens are emitted where aux_labels are
        above 0, or where the label is and the attribute `_is_repeat_token_` is not. target_lengths
        (segments,): tokens, by which 'mean' divides each loss before it takes the mean.

        (segments,) for 'none', inf where a graph has no path of so many frames; else a scalar.
        """
        total = intersect_dense_tot_scores(decoding_graph, dense_fsa_vec, delay_penalty)
        loss = -total if self.use_double_scores else -total.float()
        if self.reduction == "none":
            return loss.float()
        if self.reduction == "sum":
            return loss.sum().float()
        if target_lengths is None or target_lengths.shape != loss.shape:
            found = None if target_lengths is None else tuple(target_lengths.shape)
            raise FstError(f"ctc_loss: target_lengths {found} for 'mean', expected ({len(loss)},)")
        return (loss / target_lengths.to(loss.device)).mean().float()


def ctc_loss(
    decoding_graph: Fsa,
    dense_fsa_vec: DenseFsaVec,
    output_beam: float = 10,
    delay_penalty: float = 0.0,
    reduction: Reduction = "sum",
    use_double_scores: bool = True,
    target_lengths: Tensor | None = None,
) -> Tensor:
    """CtcLoss as a function."""
    loss = CtcLoss(output_beam, reduction, use_double_scores)
    return loss(decoding_graph, dense_fsa_vec, delay_penalty, target_lengths)
