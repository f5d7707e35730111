"""Merging Gaussians: each time the two whose merging costs the least likelihood."""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
LogDets = Callable[[Array, Array], Array]


def merged(
    weights: Array, means: Array, seconds: Array, log_dets: LogDets, target: int
) -> tuple[Array, Array, Array, list[int]]:
    """Merges Gaussians until `target` are left: (weights, means, seconds, [kept, consumed, kept, ...]).

    `weights` (n,), `means` (n, dim) and `seconds` (n, ...), the second moments, are float64;
    `log_dets(means, seconds)` gives half the log-determinants of the inverse covariances of several.
    Merging i and j costs w_i l_i + w_j l_j - (w_i + w_j) l_ij, where l are these.
    """
    count = len(weights)
    if target == 1 < count:  # no choice, and as in Kaldi the one weight is then 1
        shares = weights / weights.sum()
        return np.ones(1), np.tensordot(shares, means, 1)[None], np.tensordot(shares, seconds, 1)[None], []
    weights, means, seconds = weights.copy(), means.copy(), seconds.copy()
    logs = log_dets(means, seconds)
    alive = np.ones(count, bool)
    gains = np.full((count, count), -np.inf)  # below the diagonal

    def update(i: int, others: Array) -> None:
        w = weights[i] + weights[others]
        shares = weights[others] / w
        mean = _blend(means[i], means[others], shares)
        second = _blend(seconds[i], seconds[others], shares)
        gain = w * log_dets(mean, second) - weights[i] * logs[i] - weights[others] * logs[others]
        gains[np.maximum(i, others), np.minimum(i, others)] = gain

    for i in range(1, count):
        update(i, np.arange(i))
    history: list[int] = []
    for _ in range(count - target):
        kept, consumed = (int(n) for n in np.unravel_index(np.argmax(gains), gains.shape))
        history += [kept, consumed]
        share = np.array([weights[consumed] / (weights[kept] + weights[consumed])])
        means[kept] = _blend(means[kept], means[consumed][None], share)[0]
        seconds[kept] = _blend(seconds[kept], seconds[consumed][None], share)[0]
        weights[kept] += weights[consumed]
        logs[kept] = log_dets(means[kept][None], seconds[kept][None])[0]
        alive[consumed] = False
        gains[consumed, :] = gains[:, consumed] = -np.inf
        others = np.flatnonzero(alive & (np.arange(count) != kept))
        if len(others):
            update(kept, others)
    return weights[alive], means[alive], seconds[alive], history


def _blend(one: Array, others: Array, shares: Array) -> Array:
    """`one` and each of `others`, which have these shares."""
    shares = shares.reshape(-1, *[1] * one.ndim)
    return (1 - shares) * one + shares * others
