"""Re-estimation of transition probabilities from counts."""

from collections.abc import Callable, Sequence

import numpy as np

from sonant.errors import AcousticModelError
from sonant.kaldi.util.options import Options, option

Estimate = Callable[[np.ndarray, np.ndarray], np.ndarray | None]


class MleTransitionUpdateConfig(Options):
    """Maximum likelihood estimation of transition probabilities."""

    floor: float = option(0.01, "transition-floor", "Floor for transition probabilities")
    mincount: float = option(
        5.0, "transition-min-count", "Minimum count required to update transitions from a state"
    )
    share_for_pdfs: bool = option(
        False, "share-for-pdfs", "Share all transition parameters where the states have the same pdf"
    )


class MapTransitionUpdateConfig(Options):
    """Maximum a posteriori estimation of transition probabilities."""

    tau: float = option(5.0, "transition-tau", "Weight of the present model, as a count")
    share_for_pdfs: bool = option(
        False, "share-for-pdfs", "Share all transition parameters where the states have the same pdf"
    )


def reestimated(
    counts: np.ndarray,
    log_probs: np.ndarray,
    first_id: Sequence[int],
    groups: Sequence[Sequence[int]],
    estimate: Estimate,
) -> tuple[np.ndarray, float, float]:
    """(new log-probabilities by transition-id, gain in log-likelihood, total count).

    The transition-states of a group share their probabilities: `estimate(counts, old probabilities)` gives
    the new ones, or None to keep the old. `first_id` has the first transition-id of each transition-state,
    and the end. Raises AcousticModelError where the states of a group have different numbers of transitions.
    """
    log_probs = log_probs.copy()
    gain = total = 0.0
    for states in groups:
        ids = [np.arange(first_id[state], first_id[state + 1]) for state in states]
        if len({len(i) for i in ids}) > 1:
            raise AcousticModelError(
                f"the transition-states {list(states)} share a pdf and have {[len(i) for i in ids]} "
                "transitions; "
                "expected the same number: share_for_pdfs does not fit this topology"
            )
        if len(ids[0]) < 2:
            continue  # one transition has probability one
        sums = counts[np.stack(ids)].sum(0)
        total += float(sums.sum())
        old = np.exp(log_probs[ids[0]])
        new = estimate(sums, old)
        if new is None:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(new)
        if not np.isfinite(logs).all():
            raise AcousticModelError(
                f"new probabilities {new.tolist()} for transition-state {states[0]}; expected all above 0"
            )
        gain += float((sums * (logs.astype(np.float64) - np.log(old.astype(np.float64)))).sum())
        for i in ids:
            log_probs[i] = logs
    return log_probs, gain, total
