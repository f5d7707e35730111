"""Kaldi's OnlineCmvn, its options and its state."""

from bisect import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant import features
from sonant.errors import FeatureError, OptionError
from sonant.kaldi.feat._online_frames import DerivedFrames, rows_of, runs
from sonant.kaldi.itf import OnlineFeatureInterface
from sonant.kaldi.matrix import DoubleMatrix
from sonant.kaldi.util.options import Options, option


class OnlineCmvnOptions(Options):
    cmn_window: int = option(600, "cmn-window", "Number of frames to normalize over, up to the present one")
    speaker_frames: int = option(
        600, "speaker-frames", "Frames of the speaker's earlier utterances to fill the window with, at most"
    )
    global_frames: int = option(
        200, "global-frames", "Frames of global statistics to fill the window with after that, at most"
    )
    normalize_mean: bool = option(True, "norm-means", "Normalize the mean")
    normalize_variance: bool = option(False, "norm-vars", "Normalize the variance too; not without the mean")
    skip_dims: str = option("", "skip-dims", "Dimensions not to normalize (numbers with colons between them)")
    modulus: int = 20
    """Frames between statistics that are kept; no result depends on it."""
    ring_buffer_size: int = 20
    """Kaldi's; not used here: statistics between those that are kept are added up again."""

    def check(self) -> None:
        """Raises FeatureError for windows that do not hold each other, OptionError for bad skip_dims."""
        self._config()
        if self.modulus <= 0:
            raise OptionError(f"modulus={self.modulus}; expected 1 or more")

    def _config(self) -> features.OnlineCmvnConfig:
        try:
            skip = tuple(int(part) for part in self.skip_dims.split(":")) if self.skip_dims else ()
        except ValueError:
            raise OptionError(
                f"skip_dims='{self.skip_dims}'; expected numbers with colons between them: 13:14:15"
            ) from None
        return features.OnlineCmvnConfig(
            self.cmn_window, self.speaker_frames, self.global_frames,
            self.normalize_mean, self.normalize_variance, skip,
        )  # fmt: skip


class OnlineCmvnState:
    """What is known of a speaker before an utterance. Matrices are (2, dim + 1), or empty for nothing."""

    def __init__(self, global_stats: Any = None):
        self.speaker_cmvn_stats = DoubleMatrix()
        """Of the speaker's earlier utterances."""
        self.global_cmvn_stats = DoubleMatrix() if global_stats is None else DoubleMatrix(global_stats)
        """Of training data."""
        self.frozen_state = DoubleMatrix()
        """Not empty: the statistics that every frame is normalised with."""

    @classmethod
    def from_stats(cls, global_stats: Any) -> "OnlineCmvnState":
        """A new speaker, with statistics of training data."""
        return cls(global_stats)

    @classmethod
    def from_other(cls, other: "OnlineCmvnState") -> "OnlineCmvnState":
        """A copy."""
        copy = cls(other.global_cmvn_stats)
        copy.speaker_cmvn_stats = DoubleMatrix(other.speaker_cmvn_stats)
        copy.frozen_state = DoubleMatrix(other.frozen_state)
        return copy

    _PARTS = (
        ("<SpeakerCmvnStats>", "speaker_cmvn_stats"),
        ("<GlobalCmvnStats>", "global_cmvn_stats"),
        ("<FrozenState>", "frozen_state"),
    )

    def read(self, is_: Any, binary: bool) -> None:
        """Reads this from an Input; raises ArkError for anything else."""
        is_.expect(binary, "<OnlineCmvnState>")
        for token, name in self._PARTS:
            is_.expect(binary, token)
            setattr(self, name, DoubleMatrix().read_(is_, binary))
        is_.expect(binary, "</OnlineCmvnState>")

    def write(self, os: Any, binary: bool) -> None:
        """Writes this to an Output."""
        os.token(binary, "<OnlineCmvnState>")
        for token, name in self._PARTS:
            os.token(binary, token)
            getattr(self, name).write(os, binary)
        os.token(binary, "</OnlineCmvnState>")


class OnlineCmvn(DerivedFrames):
    """OnlineCmvn(opts, cmvn_state, src): each frame normalised by those before it and what the state knows.

    The result for a frame does not depend on which frames were asked for before, except after `freeze`.
    """

    def __init__(self, opts: OnlineCmvnOptions, cmvn_state: OnlineCmvnState, src: OnlineFeatureInterface):
        super().__init__(src)
        opts.check()
        self._opts, self._config = opts, opts._config()
        # Frames and the statistics after them: some that are kept, by frame, and the last.
        self._latest: tuple[int, np.ndarray] = -1, np.zeros((2, src.dim() + 1))
        self._kept: list[tuple[int, np.ndarray]] = [self._latest]
        self.set_state(cmvn_state)

    @classmethod
    def without_state(cls, opts: OnlineCmvnOptions, src: OnlineFeatureInterface) -> "OnlineCmvn":
        """OnlineCmvn of which nothing is known before: call `set_state` before the first frame."""
        return cls(opts, OnlineCmvnState(), src)

    def set_state(self, cmvn_state: OnlineCmvnState) -> None:
        """Takes another state. FeatureError after the first frame, and for one of another dimension."""
        if self._latest[0] >= 0:
            raise FeatureError("set_state after frames were computed; expected it before the first of them")
        self._state = OnlineCmvnState.from_other(cmvn_state)
        speaker, global_, frozen = (
            stats.numpy() if stats.num_rows else None
            for stats in (
                self._state.speaker_cmvn_stats, self._state.global_cmvn_stats, self._state.frozen_state
            )
        )  # fmt: skip
        self._cmvn = features.OnlineCmvn(
            self.dim(), self._config, global_stats=global_, speaker_stats=speaker
        )
        self._frozen = frozen
        if frozen is not None:
            self._normalized(np.zeros((1, self.dim()), np.float32))  # raises where it does not fit

    def get_state(self, cur_frame: int) -> OnlineCmvnState:
        """The state for the speaker's next utterance, after frame `cur_frame` of this one."""
        self._check_ready(cur_frame)
        state = OnlineCmvnState.from_other(self._state)
        if not state.speaker_cmvn_stats.num_rows:
            state.speaker_cmvn_stats = DoubleMatrix(2, self.dim() + 1)
        stats = state.speaker_cmvn_stats.numpy()
        for begin in range(0, cur_frame + 1, 1024):
            rows = rows_of(self._src, range(begin, min(begin + 1024, cur_frame + 1))).astype(np.float64)
            stats[0, :-1] += rows.sum(0)
            stats[1, :-1] += (rows * rows).sum(0)
        stats[0, -1] += cur_frame + 1
        if self._frozen is not None:
            state.frozen_state = DoubleMatrix(self._frozen)
        return state

    def freeze(self, cur_frame: int) -> None:
        """Normalises every frame from now on, earlier ones too, as frame `cur_frame` is."""
        self._check_ready(cur_frame)
        self._move_to(cur_frame)
        self._frozen = self._cmvn.smoothed(self._latest[1])

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        if self._frozen is not None:
            return self._normalized(rows_of(self._src, frames))
        parts = []
        for begin, end in runs(frames):
            self._move_to(begin - 1)
            parts += self._advance(end, self._cmvn._native.compute)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _normalized(self, rows: np.ndarray) -> np.ndarray:
        stats = np.array(self._frozen)
        features.skip_dims_in_stats(stats, self._config.skip_dims)
        if not self._config.normalize_mean:
            return rows
        return features.apply_cmvn(rows, stats, norm_vars=self._config.normalize_variance)

    def _check_ready(self, frame: int) -> None:
        if not 0 <= frame < self._src.num_frames_ready():
            raise FeatureError(
                f"frame {frame}; expected 0 to {self._src.num_frames_ready() - 1}, those ready"
            )

    def _move_to(self, frame: int) -> None:
        """Makes `_latest` the statistics after `frame` (-1: before any), from the nearest that are kept."""
        kept = self._kept[bisect(self._kept, frame, key=lambda pair: pair[0]) - 1]
        if not kept[0] <= self._latest[0] <= frame:
            self._latest = kept
        self._advance(frame + 1, self._cmvn._native.accumulate)

    def _advance(self, end: int, step: Any) -> list[np.ndarray]:
        """Applies `step` to the frames after the latest up to `end`, and keeps statistics on the way.

        Returns what `step` did, of piece after piece.
        """
        done, stats = self._latest
        stats, begin, parts = stats.copy(), done + 1, []
        window, modulus = self._config.cmn_window, self._opts.modulus
        # To the next frame after which statistics are kept; rarer ones where many frames are wanted.
        stride = modulus if end - begin < 16 * modulus else 16 * modulus
        while begin < end:
            stop = min(-(-begin // stride) * stride + 1, end)
            new = rows_of(self._src, range(begin, stop))
            leaving = rows_of(self._src, range(max(begin - window, 0), max(stop - window, 0)))
            parts.append(step(new, leaving, stats))
            begin = stop
            if (stop - 1) % modulus == 0:
                at = bisect(self._kept, stop - 1, key=lambda pair: pair[0])
                if self._kept[at - 1][0] != stop - 1:
                    self._kept.insert(at, (stop - 1, stats.copy()))
        self._latest = end - 1, stats
        return parts
