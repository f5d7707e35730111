"""The features that a Kaldi experiment was trained with, as its scripts make them and its folders tell.

samples -> MFCC, PLP or filterbank (conf/mfcc.conf) -> mean and variance (cmvn_opts)
        -> deltas (delta_opts), or where there is a final.mat spliced frames (splice_opts) times it
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sonant.errors import ConfigError, FeatureError, ModelError, OptionError
from sonant.features import (
    Fbank,
    FbankConfig,
    FrameFilters,
    Mfcc,
    MfccConfig,
    Plp,
    PlpConfig,
    accumulate_cmvn,
    apply_cmvn,
    deltas,
    skip_dims_in_stats,
    splicing,
)
from sonant.kaldi.commands.cmvn import ApplyCmvnOptions
from sonant.kaldi.commands.command import colon_separated, read_object
from sonant.kaldi.commands.context import AddDeltasOptions, SpliceOptions
from sonant.kaldi.commands.waveforms import ComputeFbankOptions, ComputeMfccOptions, ComputePlpOptions
from sonant.kaldi.feat._configs import config_of
from sonant.kaldi.matrix import DoubleMatrix, Matrix
from sonant.kaldi.util.options import Options, ParseOptions

_KINDS: dict[str, tuple[type, Any, Any]] = {
    "mfcc": (ComputeMfccOptions, Mfcc, MfccConfig),
    "plp": (ComputePlpOptions, Plp, PlpConfig),
    "fbank": (ComputeFbankOptions, Fbank, FbankConfig),
}
_BLOCK = 4096  # frames that are spliced and multiplied at once


class GmmFeatures:
    """Features (frames, dim) of recordings. Immutable: threads may share it.

    folder: of the experiment. config: Kaldi's file of options; the first word of its name, mfcc, plp or
    fbank, says what it is of. cmvn: statistics of the speaker, an extended filename of Kaldi's
    (`cmvn_train.ark:7`); without it those of the recording itself are taken.

    Raises ConfigError, OptionError or ArkError, which name the file, for what is not as expected.
    """

    def __init__(self, folder: Path, config: Path, cmvn: str | None = None):
        kind = next((kind for kind in _KINDS if config.name.lower().startswith(kind)), None)
        if kind is None:
            raise ConfigError(
                f"{config}: the name does not say what these are options of; expected one that begins with "
                f"{', '.join(_KINDS)}, such as mfcc.conf"
            )
        options_of, feature, config_type = _KINDS[kind]
        if not config.is_file():
            raise ConfigError(f"{config}: there is no such file; expected Kaldi's options of {kind}")
        options: Any = _registered(options_of())
        options[0].read_config_file(str(config))
        # Kaldi's are of 16-bit samples, ours come in [-1, 1].
        self._feature = feature(replace(config_of(config_type, options[1].features), sample_scale=32768.0))
        self._subtract_mean = options[1].wave.subtract_mean
        self._cmvn: Any = _in_folder(folder, "cmvn_opts", ApplyCmvnOptions())
        if self._cmvn.norm_vars and not self._cmvn.norm_means:
            raise ConfigError(f"{folder / 'cmvn_opts'}: --norm-vars with --norm-means=false; expected both")
        self._stats = None if cmvn is None else np.array(read_object(DoubleMatrix, cmvn).numpy())
        self._matrix: np.ndarray | None = None
        if (path := folder / "final.mat").is_file():
            self._matrix = np.array(read_object(Matrix, str(path)).numpy())
            splice: Any = _in_folder(folder, "splice_opts", SpliceOptions())
            self._filters: FrameFilters = splicing(splice.left_context, splice.right_context)
            width = self._feature.dim * self._filters.num_blocks
            if self._matrix.shape[1] not in (width, width + 1):
                raise ModelError(
                    f"{path}: a transform of {self._matrix.shape[1]} columns; expected {width} or "
                    f"{width + 1} for {self._filters.num_blocks} frames of {self._feature.dim} features "
                    f"(splice_opts and {config.name}): is this the configuration of the model?"
                )
            self.dim = len(self._matrix)
        else:
            given: Any = _in_folder(folder, "delta_opts", AddDeltasOptions())
            self._columns = given.before.truncate or self._feature.dim
            self._filters = deltas(given.deltas.order, given.deltas.window)
            self.dim = self._columns * self._filters.num_blocks

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return int(self._feature.config.sample_frequency)

    @property
    def frame_seconds(self) -> float:
        """Seconds from frame to frame."""
        return self._feature.config.frame_shift * 0.001

    def compute(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        """Features (frames, dim) float32 of a recording, whose samples (n,) float32 come in blocks.

        Raises FeatureError where there are too few samples for a frame."""
        stream = self._feature.stream()
        pieces = [stream.feed(block) for block in blocks]
        pieces.append(stream.finish())
        frames = np.concatenate(pieces)
        del pieces
        if not len(frames):
            raise FeatureError(
                f"the recording is shorter than a frame of {self._feature.config.frame_length:g} ms"
            )
        if self._subtract_mean:
            frames -= frames.mean(axis=0)
        return self._in_context(self._normalised(frames))

    def _normalised(self, frames: np.ndarray) -> np.ndarray:
        if not self._cmvn.norm_means:
            return frames
        if self._stats is None:
            stats = np.zeros((2, frames.shape[1] + 1))
            accumulate_cmvn(frames, stats)
        else:
            stats = self._stats.copy()
        if skipped := colon_separated(self._cmvn.skip_dims, "skip-dims"):
            skip_dims_in_stats(stats, skipped)
        return apply_cmvn(frames, stats, norm_vars=self._cmvn.norm_vars, reverse=self._cmvn.reverse)

    def _in_context(self, frames: np.ndarray) -> np.ndarray:
        if self._matrix is None:
            return self._filters.compute(np.ascontiguousarray(frames[:, : self._columns]))
        width = frames.shape[1] * self._filters.num_blocks
        made = np.empty((len(frames), self.dim), np.float32)
        for begin in range(0, len(frames), _BLOCK):
            end = min(begin + _BLOCK, len(frames))
            spliced = self._filters.compute_range(frames, begin, end)
            made[begin:end] = spliced @ self._matrix[:, :width].T
        if self._matrix.shape[1] > width:
            made += self._matrix[:, width]
        return made


def _registered(options: Options) -> tuple[ParseOptions, Options]:
    parser = ParseOptions()
    options.register(parser)
    return parser, options


def _in_folder(folder: Path, name: str, options: Options) -> Options:
    """Options that Kaldi's scripts leave in a file of one line, as on a command line; defaults without it."""
    path = folder / name
    if path.is_file():
        parser, _ = _registered(options)
        given = path.read_text("utf-8", "replace").split()
        try:
            parser.parse_args([str(path), "--print-args=false", *given])
        except OptionError as error:
            raise OptionError(f"{path}: {error}") from None
        if parser.num_args():
            raise ConfigError(f"{path}: {parser.get_arg(1)!r}; expected options, such as --norm-vars=false")
    return options
