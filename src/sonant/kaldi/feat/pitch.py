"""Pitch (PyKaldi's `kaldi.feat.pitch`). `sonant.features.Pitch` computes lists of waveforms in parallel."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import FeatureError
from sonant.features import pitch
from sonant.features.frames import native_options
from sonant.features.pitch import Pitch, PitchConfig, ProcessPitchConfig
from sonant.kaldi.feat._arrays import as_array, features_of
from sonant.kaldi.feat._configs import named_values
from sonant.kaldi.feat._online_frames import OnlineFrames, rows_of, runs
from sonant.kaldi.itf import OnlineBaseFeature, OnlineFeatureInterface
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util.options import Options, option

__all__ = [
    "OnlinePitchFeature",
    "OnlineProcessPitch",
    "PitchExtractionOptions",
    "ProcessPitchOptions",
    "compute_and_process_kaldi_pitch",
    "compute_kaldi_pitch",
    "process_pitch",
]


class PitchExtractionOptions(Options):
    """Options of the pitch tracker; `sonant.features.PitchConfig` says more of each."""

    samp_freq: float = option(16000.0, "sample-frequency", "Rate of the waveform in Hz")
    frame_shift_ms: float = option(10.0, "frame-shift", "Frame shift in milliseconds")
    frame_length_ms: float = option(25.0, "frame-length", "Frame length in milliseconds")
    preemph_coeff: float = option(0.0, "preemphasis-coefficient", "Preemphasis of the frames (deprecated)")
    min_f0: float = option(50.0, "min-f0", "Lowest pitch in Hz")
    max_f0: float = option(400.0, "max-f0", "Highest pitch in Hz")
    soft_min_f0: float = option(10.0, "soft-min-f0", "The greater, the more low pitches cost; at most min-f0")
    penalty_factor: float = option(0.1, "penalty-factor", "Cost of changes of the pitch")
    lowpass_cutoff: float = option(1000.0, "lowpass-cutoff", "Cutoff of the low-pass filter in Hz")
    resample_freq: float = option(
        4000.0, "resample-frequency", "Rate in Hz of the filtered signal; at least twice lowpass-cutoff"
    )
    delta_pitch: float = option(0.005, "delta-pitch", "Relative step between the pitches that are told apart")
    nccf_ballast: float = option(7000.0, "nccf-ballast", "The greater, the lower the NCCF of quiet frames")
    lowpass_filter_width: int = option(1, "lowpass-filter-width", "Zeros of the low-pass filter's sinc")
    upsample_filter_width: int = option(
        5, "upsample-filter-width", "Zeros of the sinc that interpolates the NCCF"
    )
    max_frames_latency: int = option(
        0, "max-frames-latency", "Frames that online features may be late, so that paths can agree"
    )
    frames_per_chunk: int = option(
        0, "frames-per-chunk", "Offline: see the waveform in chunks of so many frames, as online; 0: at once"
    )
    simulate_first_pass_online: bool = option(
        False, "simulate-first-pass-online", "With frames-per-chunk: features as they were when first ready"
    )
    recompute_frame: int = option(
        500, "recompute-frame", "The frame at which those before are searched again with the energy by then"
    )
    nccf_ballast_online: bool = option(
        False, "nccf-ballast-online", "Take the ballast's energy up to the end of each frame only"
    )
    snip_edges: bool = option(
        True, "snip-edges", "If false, a frame for each shift of the waveform, with zeros beyond its ends"
    )

    @property
    def nccf_window_size(self) -> int:
        """Samples of a frame, at resample_freq."""
        return int(self.resample_freq * self.frame_length_ms / 1000.0)

    @property
    def nccf_window_shift(self) -> int:
        """Samples from frame to frame, at resample_freq."""
        return int(self.resample_freq * self.frame_shift_ms / 1000.0)


class ProcessPitchOptions(Options):
    """Options of the features made from pitch; `sonant.features.ProcessPitchConfig` says more of each."""

    pitch_scale: float = option(2.0, "pitch-scale", "Factor of the normalized log-pitch")
    pov_scale: float = option(2.0, "pov-scale", "Factor of the voicing feature")
    pov_offset: float = option(0.0, "pov-offset", "Added to the voicing feature, instead of CMN online")
    delta_pitch_scale: float = option(10.0, "delta-pitch-scale", "Factor of the delta of log-pitch")
    delta_pitch_noise_stddev: float = option(
        0.005, "delta-pitch-noise-stddev", "Noise added to the delta, before scaling, to hide pitch's steps"
    )
    normalization_left_context: int = option(75, "normalization-left-context", "Frames before, for the mean")
    normalization_right_context: int = option(75, "normalization-right-context", "Frames after, for the mean")
    delta_window: int = option(2, "delta-window", "Frames on each side, for the delta")
    delay: int = option(0, "delay", "Frames by which the features come later")
    add_pov_feature: bool = option(True, "add-pov-feature", "Add the warped NCCF")
    add_normalized_log_pitch: bool = option(
        True, "add-normalized-log-pitch", "Add log-pitch less its mean over frames weighted by voicing"
    )
    add_delta_pitch: bool = option(True, "add-delta-pitch", "Add the time derivative of log-pitch")
    add_raw_log_pitch: bool = option(False, "add-raw-log-pitch", "Add log-pitch")


def compute_kaldi_pitch(opts: PitchExtractionOptions, wave: Any) -> Matrix:
    """NCCF and pitch in Hz of each frame, a Matrix (frames, 2); of no elements where there is no frame.

    wave: (samples,) on the scale of 16-bit integers. Raises FeatureError for options that make no features
    and for samples that are not finite.
    """
    return _matrix(Pitch(_pitch_config(opts)).compute(_samples(wave)))


def process_pitch(opts: ProcessPitchOptions, input: Any) -> Matrix:
    """Features for a recogniser from those of compute_kaldi_pitch: (frames + delay, as many as are added).

    Raises FeatureError for an input that is no such matrix.
    """
    track = features_of(input, "input")
    if not track.size:
        return Matrix()
    if track.shape[1] != 2:
        raise FeatureError(f"input: {track.shape[0]}x{track.shape[1]}; expected frames x 2: NCCF and pitch")
    return _matrix(pitch.process_pitch(track, _process_config(opts)))


def compute_and_process_kaldi_pitch(
    pitch_opts: PitchExtractionOptions, process_opts: ProcessPitchOptions, wave: Any
) -> Matrix:
    """compute_kaldi_pitch and process_pitch in one; where online decoding is simulated, as that sees it."""
    extractor = Pitch(_pitch_config(pitch_opts), _process_config(process_opts))
    return _matrix(extractor.compute(_samples(wave)))


class OnlinePitchFeature(OnlineFrames, OnlineBaseFeature):
    """OnlinePitchFeature(opts): the pitch of a waveform that arrives in pieces.

    A frame's features may change while it is not the last: the best path through all that has been seen is
    what get_frame tells. With max_frames_latency, frames come late enough to change less.
    """

    def __init__(self, opts: PitchExtractionOptions):
        # These two say how an offline extractor imitates this one.
        config = _pitch_config(opts, frames_per_chunk=0, simulate_first_pass_online=False)
        self._native = _native.PitchTracker(Pitch(config)._native)
        self._rate = config.sample_frequency
        self._shift = config.frame_shift / 1000.0

    def dim(self) -> int:
        return 2

    def num_frames_ready(self) -> int:
        return self._native.frames_ready

    def is_last_frame(self, frame: int) -> bool:
        return self._native.finished and frame + 1 == self._native.frames_ready

    def frame_shift_in_seconds(self) -> float:
        return self._shift

    def accept_waveform(self, sampling_rate: float, waveform: Any) -> None:
        if sampling_rate != self._rate:
            raise FeatureError(
                f"samples of {sampling_rate:g} Hz; expected the options' samp_freq={self._rate:g}"
            )
        self._native.accept(_samples(waveform))

    def input_finished(self) -> None:
        self._native.finish()

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        first = min(frames)
        return self._native.track(first, max(frames) + 1)[np.asarray(frames) - first]


class OnlineProcessPitch(OnlineFrames):
    """OnlineProcessPitch(opts, src): features for a recogniser from those of an OnlinePitchFeature.

    The mean of log-pitch is over the frames of its window that are ready, so that a frame may change until
    normalization_right_context frames after it.
    """

    def __init__(self, opts: ProcessPitchOptions, src: OnlineFeatureInterface):
        if src.dim() != 2:
            raise FeatureError(f"src has frames of {src.dim()} features; expected 2: NCCF and pitch")
        options = native_options(_native.ProcessPitchOptions, _process_config(opts))
        self._process = _native.ProcessPitch(options)
        self._delay = opts.delay
        self._src = src

    def dim(self) -> int:
        return self._process.dim

    def num_frames_ready(self) -> int:
        ready = self._src.num_frames_ready()
        return self._process.frames_ready(ready, self._src.is_last_frame(ready - 1))

    def is_last_frame(self, frame: int) -> bool:
        if frame < self._delay:
            return frame < 0 and self._src.is_last_frame(-1)
        return self._src.is_last_frame(frame - self._delay)

    def frame_shift_in_seconds(self) -> float:
        return self._src.frame_shift_in_seconds()

    def _rows(self, frames: Sequence[int]) -> np.ndarray:
        ready = self._src.num_frames_ready()
        found = []
        for begin, end in runs(frames):
            track = rows_of(self._src, range(*self._process.context(begin, end, ready)))
            found.append(self._process.compute(track, ready, begin, end))
        return np.concatenate(found)


def _samples(wave: Any) -> np.ndarray:
    return np.ascontiguousarray(as_array(wave, 1, np.float32, "wave"))


def _matrix(rows: np.ndarray) -> Matrix:
    return Matrix.from_numpy(rows) if len(rows) else Matrix()


def _pitch_config(opts: PitchExtractionOptions, **others: Any) -> PitchConfig:
    return PitchConfig(**{**dict(named_values(opts)), "sample_scale": 1.0, **others})


def _process_config(opts: ProcessPitchOptions) -> ProcessPitchConfig:
    return ProcessPitchConfig(**dict(named_values(opts)))
