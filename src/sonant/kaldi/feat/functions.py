"""What is done to features after they are computed (PyKaldi's `kaldi.feat.functions`)."""

from typing import Any

import numpy as np

from sonant import features
from sonant.errors import FeatureError
from sonant.features.context import FrameFilters
from sonant.kaldi.feat._arrays import as_array, destination, features_of
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util.options import Options, option

__all__ = [
    "DeltaFeatures",
    "DeltaFeaturesOptions",
    "ShiftedDeltaFeatures",
    "ShiftedDeltaFeaturesOptions",
    "SlidingWindowCmnOptions",
    "compute_deltas",
    "compute_power_spectrum",
    "compute_shift_deltas",
    "init_idft_bases",
    "reverse_frames",
    "sliding_window_cmn",
    "splice_frames",
]


class DeltaFeaturesOptions(Options):
    """DeltaFeaturesOptions(order=2, window=2); at the edges the first or last frame goes on."""

    order: int = option(2, "delta-order", "Order of delta computation")
    window: int = option(2, "delta-window", "Frames on each side of one that a delta looks at")

    def _filters(self) -> FrameFilters:
        return features.deltas(self.order, self.window)


class ShiftedDeltaFeaturesOptions(Options):
    window: int = option(1, "delta-window", "Frames on each side of one that a delta looks at")
    num_blocks: int = option(7, "num-blocks", "Number of deltas that each frame gets")
    block_shift: int = option(3, "block-shift", "Frames from one of these deltas to the next")

    def _filters(self) -> FrameFilters:
        return features.shifted_deltas(self.window, self.num_blocks, self.block_shift)


class SlidingWindowCmnOptions(Options):
    cmn_window: int = option(600, "cmn-window", "Window in frames for the running mean")
    min_window: int = option(
        100, "min-cmn-window", "Frames to average over at the start; only with center=false"
    )
    max_warnings: int = option(
        5, "max-warnings", "Warnings to report of an utterance at most: 0 for none, -1 for all"
    )
    normalize_variance: bool = option(False, "norm-vars", "Normalize the variance to one")
    center: bool = option(
        False, "center", "Use a window around each frame, as far as there are frames; else one to its left"
    )

    def check(self) -> None:
        """Raises FeatureError for options that make no window."""
        if self.cmn_window <= 0:
            raise FeatureError(f"cmn_window={self.cmn_window}; expected 1 or more")
        if self.center and not 0 < self.min_window <= self.cmn_window:
            raise FeatureError(f"min_window={self.min_window} with center; expected 1 to {self.cmn_window}")


class _PerFrame:
    """Computes single frames: slower than the whole, but easy to follow."""

    def __init__(self, opts: DeltaFeaturesOptions | ShiftedDeltaFeaturesOptions):
        self._filters = opts._filters()

    def process(self, input_feats: Any, frame: int, output_frame: Any) -> None:
        """Writes frame `frame` of the output into `output_frame`, of the length of all blocks."""
        values = features_of(input_feats, "input_feats")
        output = destination(output_frame, (values.shape[1] * self._filters.num_blocks,), "output_frame")
        output[:] = self._filters.compute_range(values, frame, frame + 1)[0]


class DeltaFeatures(_PerFrame):
    """DeltaFeatures(opts): `compute_deltas`, a frame at a time."""


class ShiftedDeltaFeatures(_PerFrame):
    """ShiftedDeltaFeatures(opts): `compute_shift_deltas`, a frame at a time."""


def compute_deltas(delta_opts: DeltaFeaturesOptions, input_features: Any) -> Matrix:
    """Features with deltas: (frames, (order + 1) * dim)."""
    return _filtered(delta_opts._filters(), input_features)


def compute_shift_deltas(delta_opts: ShiftedDeltaFeaturesOptions, input_features: Any) -> Matrix:
    """Features with shifted deltas: (frames, (num_blocks + 1) * dim)."""
    return _filtered(delta_opts._filters(), input_features)


def splice_frames(input_features: Any, left_context: int, right_context: int) -> Matrix:
    """Each frame with those around it: (frames, (left + 1 + right) * dim). FeatureError for none."""
    _refuse_empty(input_features)
    return _filtered(features.splicing(left_context, right_context), input_features)


def reverse_frames(input_features: Any) -> Matrix:
    """The last frame first. FeatureError where there are none."""
    _refuse_empty(input_features)
    return Matrix.from_numpy(features.reverse_frames(features_of(input_features, "input_features")))


def sliding_window_cmn(opts: SlidingWindowCmnOptions, input: Any, output: Any) -> None:
    """Writes `input` normalised over a sliding window into `output`, of the same shape; they may be one."""
    opts.check()
    _refuse_empty(input)
    values = features_of(input, "input")
    destination(output, values.shape, "output")[:] = features.sliding_cmn(
        values,
        opts.cmn_window,
        min_window=opts.min_window,
        center=opts.center,
        normalize_variance=opts.normalize_variance,
        max_warnings=opts.max_warnings,
    )


def compute_power_spectrum(complex_fft: Any) -> None:
    """Turns the half of a real signal's Fourier transform, n values packed as real_fft does, into powers.

    In place: the first n/2 + 1 values become the energies from 0 Hz to half the sampling rate; the others
    are left as they were.
    """
    size = len(complex_fft)
    if size < 2 or size % 2:
        raise FeatureError(f"complex_fft has {size} values; expected an even number of 2 or more")
    spectrum = destination(complex_fft, (size,), "complex_fft")
    squares = spectrum * spectrum
    spectrum[1 : size // 2] = squares[2::2] + squares[3::2]
    spectrum[0], spectrum[size // 2] = squares[0], squares[1]


def init_idft_bases(n_bases: int, dimension: int) -> Matrix:
    """The cosine transform (n_bases, dimension) from a power spectrum to its autocorrelation, for PLP."""
    if n_bases < 0 or dimension < 2:
        raise FeatureError(
            f"n_bases={n_bases}, dimension={dimension}; expected 0 or more, and 2 or more frequencies"
        )
    angles = np.outer(np.arange(n_bases), np.arange(dimension)) * (np.pi / (dimension - 1))
    weights = np.full(dimension, 1 / (dimension - 1))
    weights[[0, -1]] /= 2
    return Matrix(np.cos(angles) * weights)


def _filtered(filters: FrameFilters, input_features: Any) -> Matrix:
    values = features_of(input_features, "input_features")
    if not values.size:
        return Matrix(len(values), values.shape[1] * filters.num_blocks)
    return Matrix.from_numpy(filters.compute(values))


def _refuse_empty(input_features: Any) -> None:
    if not as_array(input_features, 2, np.float32, "input_features").size:
        raise FeatureError("no features: an empty matrix; expected a frame or more")
