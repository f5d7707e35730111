"""Maximum mutual information without lattices (LF-MMI; Povey et al. 2016, Hadian et al. 2018)."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from sonant.errors import ConfigError
from sonant.fsa import DenseFsaVec, Fsa, intersect_dense_tot_scores
from sonant.losses.mmi_graphs import occupancy
from sonant.ops.fsa_frames import Leak

Reduction = Literal["none", "mean", "sum"]


class MmiLoss(nn.Module):
    """The log of the share that what was said has in all that could have been said, with a minus:
    log sum over all paths of the denominator - log sum over the paths of each numerator.

    denominator: one automaton over the network's classes, for all recordings (`MmiGraphs.denominator`).
    leak: the coefficient of the leaky HMM, 0 for none, 1e-5 to 0.1 else: paths may go on anywhere, by
    `occupancy` of the denominator, which is for chunks that begin or end amid an utterance. boost: boosted
    MMI (Povey et al. 2008), where the denominator's paths lose so much for each frame that they have in
    common with the numerator (its posterior), so that those of many errors count for more; 0 to 0.5.
    delay_penalty: among the paths of a numerator, one gains so much for each frame that a token (an
    aux_label) begins before the middle of its segment, and loses it for each frame after, which teaches the
    network to be early. smoothing: the share of the loss that is the cross entropy of the normalised scores
    with a uniform distribution in each frame.
    zero_infinity: a recording that its numerator has no path for (too short for its transcript) counts as
    zero, without a gradient, instead of as infinite. reduction: 'none' (segments,), 'sum', or 'mean', which
    is the sum divided by all frames.
    """

    def __init__(
        self,
        denominator: Fsa,
        *,
        leak: float = 0.0,
        boost: float = 0.0,
        delay_penalty: float = 0.0,
        smoothing: float = 0.0,
        zero_infinity: bool = False,
        reduction: Reduction = "sum",
    ):
        super().__init__()
        if len(denominator.shape) != 2:
            raise ConfigError(f"a denominator of shape {denominator.shape}, expected one automaton for all")
        if reduction not in ("none", "mean", "sum"):
            raise ConfigError(f"reduction {reduction!r}, expected 'none', 'mean' or 'sum'")
        if not all(0 <= value < math.inf for value in (leak, boost, delay_penalty)):
            raise ConfigError(
                f"leak {leak}, boost {boost}, delay_penalty {delay_penalty}, expected numbers of 0 or more"
            )
        if not 0 <= smoothing < 1:
            raise ConfigError(f"smoothing {smoothing}, expected 0 or more and less than 1")
        self.denominator, self.boost, self.reduction = denominator, boost, reduction
        self.delay_penalty, self.smoothing = delay_penalty, smoothing
        self.zero_infinity = zero_infinity
        self.leak = Leak(leak, occupancy(denominator)) if leak else None

    def forward(self, dense: DenseFsaVec, numerators: Fsa) -> Tensor:
        """dense: what the network gives, normalised or not; the gradient of a score is the difference of
        both posteriors. numerators: a batch with an automaton for each segment of dense, whose paths take a
        class each frame: of transcripts (`MmiGraphs.numerators`, a flat start), of alignments
        (`sonant.fsa.linear_fsa` of a class for each frame), or of lattices.

        Float64. Raises FstError for automata that do not fit dense, and for scores that are no numbers.
        """
        if dense.device != self.denominator.device:
            self.denominator = self.denominator.to(dense.device)
        denominator = self.denominator
        if denominator.scores.dtype != dense.scores.dtype:
            denominator = denominator.clone()
            denominator.scores = denominator.scores.to(dense.scores.dtype)
            numerators = numerators.clone()
            numerators.scores = numerators.scores.to(dense.scores.dtype)
        against = dense
        if self.boost:
            against = dense.with_scores(dense.scores - self.boost * _posteriors(numerators, dense))
        said = intersect_dense_tot_scores(numerators, dense, self.delay_penalty)
        could = intersect_dense_tot_scores(denominator, against, leak=self.leak)
        none = said == -torch.inf
        loss = (could - said.masked_fill(none, 0)).masked_fill(none, 0 if self.zero_infinity else torch.inf)
        if self.smoothing:
            loss = (1 - self.smoothing) * loss + self.smoothing * _uniform(dense).masked_fill(none, 0)
        if self.reduction == "none":
            return loss
        return loss.sum() / int(dense.duration.sum()) if self.reduction == "mean" else loss.sum()


def mmi_loss(
    dense: DenseFsaVec,
    numerators: Fsa,
    denominator: Fsa,
    *,
    leak: float = 0.0,
    boost: float = 0.0,
    delay_penalty: float = 0.0,
    smoothing: float = 0.0,
    zero_infinity: bool = False,
    reduction: Reduction = "sum",
) -> Tensor:
    """MmiLoss as a function."""
    loss = MmiLoss(
        denominator,
        leak=leak,
        boost=boost,
        delay_penalty=delay_penalty,
        smoothing=smoothing,
        zero_infinity=zero_infinity,
        reduction=reduction,
    )
    return loss(dense, numerators)


def _uniform(dense: DenseFsaVec) -> Tensor:
    """The cross entropy with a uniform distribution, summed over the frames of each segment; classes that
    cannot be are left out of it."""
    splits = dense.shape().row_splits(1).long()
    segment = torch.arange(len(splits) - 1, device=splits.device).repeat_interleave(splits.diff())
    frames = torch.ones_like(segment, dtype=torch.bool)
    frames[splits[1:] - 1] = False  # the row of the arc to the final state
    scores = dense.scores[frames, 1:].double()
    scores = scores.log_softmax(-1).masked_fill(scores == -torch.inf, 0)
    return scores.new_zeros(len(splits) - 1).index_add(0, segment[frames], -scores.mean(-1))


def _posteriors(fsas: Fsa, dense: DenseFsaVec) -> Tensor:
    """Of each row and class, without a gradient."""
    with torch.enable_grad():
        leaf = dense.scores.detach().requires_grad_()
        total = intersect_dense_tot_scores(fsas.detach(), dense.with_scores(leaf))
        return torch.autograd.grad(total.sum(), leaf)[0]
