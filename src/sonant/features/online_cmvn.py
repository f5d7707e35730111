"""Normalisation of a stream: by the last frames, and while there are few, by what is known of the speaker.

Definition: `OnlineCmvn` of Kaldi's `feat/online-feature`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import FeatureError
from sonant.features.checks import feature_matrix, whole_number
from sonant.features.cmvn import Features, Stats, _checked_stats


@dataclass(frozen=True)
class OnlineCmvnConfig:
    """Kaldi's OnlineCmvnOptions, by its names and defaults."""

    cmn_window: int = 600
    """Frames to average: the present one and those before it."""
    speaker_frames: int = 600
    """At most so many frames' worth of the speaker's statistics fill up the window; at most cmn_window."""
    global_frames: int = 200
    """At most so many frames' worth of global statistics do then; at most speaker_frames."""
    normalize_mean: bool = True
    normalize_variance: bool = False
    skip_dims: tuple[int, ...] = ()
    """Columns that stay as they are."""

    def __post_init__(self) -> None:
        whole_number(self.cmn_window, "cmn_window", 1)
        whole_number(self.speaker_frames, "speaker_frames", 0, self.cmn_window)
        whole_number(self.global_frames, "global_frames", 0, self.speaker_frames)
        if self.normalize_variance and not self.normalize_mean:
            raise FeatureError("normalize_variance=True with normalize_mean=False; expected the mean as well")


class OnlineCmvn:
    """The normalisation of one speaker's recordings: options and statistics. Immutable: threads may share it.

    global_stats: (2, dim + 1) float64 of training data; speaker_stats: of the speaker's recordings so far.
    Each may be None; without global ones a recording fails where it and the speaker's have fewer than
    cmn_window frames.
    """

    def __init__(
        self,
        dim: int,
        config: OnlineCmvnConfig | None = None,
        *,
        global_stats: Stats | None = None,
        speaker_stats: Stats | None = None,
    ):
        self.dim = whole_number(dim, "dim", 1)
        self.config = OnlineCmvnConfig() if config is None else config
        for name, stats in ("global_stats", global_stats), ("speaker_stats", speaker_stats):
            if stats is None:
                continue
            _checked_stats(stats, dim)
            least = 0 if name == "speaker_stats" else np.nextafter(0, 1)
            if not np.isfinite(stats).all() or stats[0, dim] < least:
                raise FeatureError(
                    f"{name}: {stats[0, dim]:g} frames, or sums that are not finite; expected more"
                )
        c = self.config
        self._native = _native.OnlineCmvn(
            self.dim, c.cmn_window, c.speaker_frames, c.global_frames, c.normalize_mean,
            c.normalize_variance, list(c.skip_dims), speaker_stats, global_stats,
        )  # fmt: skip

    def compute(self, features: Features) -> Features:
        """A whole recording as the stream normalises it: (frames, dim) float32."""
        return self.stream().feed(features)

    def stream(self) -> "OnlineCmvnStream":
        """A new stream: one recording whose frames arrive in pieces."""
        return OnlineCmvnStream(self)

    def smoothed(self, stats: Stats) -> Stats:
        """Statistics of some frames of a recording, filled up with the speaker's and the global ones."""
        result = np.array(stats, np.float64, order="C")
        self._native.smooth(result)
        return result


class OnlineCmvnStream:
    """One recording whose frames arrive in pieces; each comes out at once, the same whatever the pieces."""

    def __init__(self, cmvn: OnlineCmvn):
        self._cmvn = cmvn
        self._before = np.empty((0, cmvn.dim), np.float32)  # the frames that have yet to leave the window
        self._stats = np.zeros((2, cmvn.dim + 1))

    def feed(self, features: Features) -> npt.NDArray[np.float32]:
        """The next frames, normalised: (frames, dim) float32. Raises FeatureError and is then as before."""
        new = feature_matrix(features, dim=self._cmvn.dim)
        joined = np.concatenate((self._before, new))
        stats, window = self._stats.copy(), self._cmvn.config.cmn_window
        leaving = joined[: max(len(joined) - window, 0)]
        output = self._cmvn._native.compute(new, leaving, stats)
        self._before, self._stats = joined[-window:].copy(), stats
        return output
