"""Kaldi's pitch features.

Definition: Ghahremani, BabaAli, Povey et al. 2014, "A pitch extraction algorithm tuned for automatic speech
recognition", as `feat/pitch-functions` of Kaldi has it, of which every option is here under Kaldi's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from sonant import _native
from sonant.errors import FeatureError
from sonant.features.checks import feature_matrix
from sonant.features.frames import Features, Samples, checked_samples, native_options


@dataclass(frozen=True)
class PitchConfig:
    """Kaldi's PitchExtractionOptions: the names of its command line, and its defaults.

    `sample_scale` is ours: Kaldi works on 16-bit integers; samples in [-1, 1] are multiplied by this first.
    """

    sample_frequency: float = 16000.0
    """Whole Hz: the rate of the samples."""
    frame_length: float = 25.0
    """Milliseconds."""
    frame_shift: float = 10.0
    """Milliseconds."""
    preemphasis_coefficient: float = 0.0
    min_f0: float = 50.0
    """Hz: the lowest pitch."""
    max_f0: float = 400.0
    """Hz: the highest pitch."""
    soft_min_f0: float = 10.0
    """Hz: low pitches cost the more, the greater this is."""
    penalty_factor: float = 0.1
    """Cost of the squared change of the logarithm of the pitch from frame to frame."""
    lowpass_cutoff: float = 1000.0
    """Hz: what of the signal is kept."""
    resample_frequency: float = 4000.0
    """Whole Hz, at least twice lowpass_cutoff: the rate at which correlations are computed."""
    delta_pitch: float = 0.005
    """Relative step from one pitch to the next."""
    nccf_ballast: float = 7000.0
    """The greater, the lower the correlation of frames that are quiet beside the rest of the waveform."""
    lowpass_filter_width: int = 1
    """Zeros of the low-pass filter's sinc on each side of its middle."""
    upsample_filter_width: int = 5
    """Zeros of the sinc that interpolates correlations."""
    max_frames_latency: int = 0
    """Frames that a stream may wait for the paths to agree; 0 gives every frame at once, and may be wrong."""
    frames_per_chunk: int = 0
    """The waveform is seen in chunks of so many frames, as in online decoding; 0 for the whole at once."""
    simulate_first_pass_online: bool = False
    """The features as they were when each frame first was ready, rather than at the end."""
    recompute_frame: int = 500
    """With chunks: when so many frames are there, they are searched again with the energy known by then."""
    nccf_ballast_online: bool = False
    """Take the ballast's energy up to the end of each frame only."""
    snip_edges: bool = True
    """True: only frames that lie in the waveform. False: a frame per shift, with zeros beyond the ends."""
    sample_scale: float = 32768.0
    """Factor from the samples to 16-bit integers: 1 for samples that already are on that scale."""


@dataclass(frozen=True)
class ProcessPitchConfig:
    """Kaldi's ProcessPitchOptions: what is made of (NCCF, pitch) for a recogniser.

    `seed` (of the noise) is ours. Kaldi's default adds noise: `delta_pitch_noise_stddev=0.0` gives features
    that depend on the samples alone.
    """

    pitch_scale: float = 2.0
    """Factor of the normalised log-pitch."""
    pov_scale: float = 2.0
    """Factor of the voicing feature."""
    pov_offset: float = 0.0
    """Added to the voicing feature."""
    delta_pitch_scale: float = 10.0
    """Factor of the delta of log-pitch."""
    delta_pitch_noise_stddev: float = 0.005
    """Standard deviation of noise that hides the steps of the pitch, added to its delta before scaling."""
    normalization_left_context: int = 75
    """Frames before, for the mean of log-pitch, weighted by the probability of voicing."""
    normalization_right_context: int = 75
    """Frames after; a stream waits for them."""
    delta_window: int = 2
    """Frames on each side for the delta, 1 to 999."""
    delay: int = 0
    """Frames by which the features come later; the first frame is repeated."""
    add_pov_feature: bool = True
    """First column: (1.0001 - NCCF)^0.15 - 1."""
    add_normalized_log_pitch: bool = True
    """Next column: log-pitch less its weighted mean."""
    add_delta_pitch: bool = True
    """Next column: the slope of log-pitch."""
    add_raw_log_pitch: bool = False
    """Last column: the natural logarithm of the pitch in Hz."""
    seed: int = 0
    """Of the noise, 0 to 2^64 - 1: noise is a function of the seed and the number of the frame."""


class Pitch:
    """Computes the pitch of whole waveforms, or of a stream. Immutable: threads may share it.

    Without `process` the features of a frame are the normalised cross-correlation (NCCF, about -1 to 1, high
    where the frame is voiced) and the pitch in Hz, which is given for every frame, voiced or not. With it,
    they are the columns that its add_... ask for.

    Raises FeatureError for options that make no features.
    """

    def __init__(self, config: PitchConfig | None = None, process: ProcessPitchConfig | None = None):
        self.config = PitchConfig() if config is None else config
        self.process = process
        self._native = _native.Pitch(
            native_options(_native.PitchOptions, self.config),
            None if process is None else native_options(_native.ProcessPitchOptions, process),
        )

    @property
    def dim(self) -> int:
        """Features per frame."""
        return self._native.dim

    @overload
    def compute(self, samples: Samples, *, num_threads: int = 0) -> Features: ...
    @overload
    def compute(self, samples: Sequence[Samples], *, num_threads: int = 0) -> list[Features]: ...
    def compute(
        self, samples: Samples | Sequence[Samples], *, num_threads: int = 0
    ) -> Features | list[Features]:
        """Features of a whole waveform, or of a list of them in parallel.

        samples: (samples,) float32, or a list of such. A waveform is computed by one thread.
        num_threads: for a list: at most so many threads; 0 for as many as the machine has.
        Returns (frames, dim) float32 for a waveform, a list of such for a list; (0, dim) where a waveform is
        too short for a frame.
        Raises FeatureError for another type or shape, and for samples that are not finite.
        """
        if num_threads < 0:
            raise FeatureError(f"num_threads={num_threads}; expected 1 or more, or 0 for all there are")
        if isinstance(samples, list | tuple):
            checked = [
                checked_samples(array, f"waveform {i} of {len(samples)}") for i, array in enumerate(samples)
            ]
            return self._native.compute(checked, num_threads)
        return self._native.compute([checked_samples(samples, "samples")], 1)[0]

    def stream(self) -> "PitchStream":
        """A new stream: one waveform that arrives in pieces."""
        return PitchStream(self)


class PitchStream:
    """One waveform that arrives in pieces.

    The pieces are put together to chunks of `frames_per_chunk` frames, so that how they were cut does not
    show. What `feed` and `finish` return is, bit for bit, what `Pitch.compute` returns with
    simulate_first_pass_online=True: features as they first were known. `final` returns what it returns
    without. With frames_per_chunk=0 the whole waveform is one chunk, and all frames come at its end.
    """

    def __init__(self, pitch: Pitch):
        self._native = _native.PitchStream(pitch._native)

    def feed(self, samples: Samples) -> Features:
        """The frames that become ready with the next samples.

        samples: (samples,) float32, any number of them. Returns (new_frames, dim) float32.
        Raises FeatureError as `Pitch.compute` does, and leaves the stream as it was; also after finish.
        """
        return self._native.feed(checked_samples(samples, "samples"))

    def finish(self) -> Features:
        """Ends the waveform. Returns its last frames, (new_frames, dim) float32.

        Raises FeatureError if called twice.
        """
        return self._native.finish()

    def final(self) -> Features:
        """After finish: all frames, (frames, dim) float32, of the path that is best for the whole waveform.

        Raises FeatureError before finish.
        """
        return self._native.final()


def process_pitch(track: Features, config: ProcessPitchConfig | None = None) -> Features:
    """What `Pitch` with `process` makes of a track that `Pitch` without it has computed, or another tracker.

    track: (frames, 2) float32: NCCF, and pitch in Hz above 0. Returns (frames + delay, features) float32.
    Raises FeatureError for another array.
    """
    rows = feature_matrix(track, "track", 2)
    config = ProcessPitchConfig() if config is None else config
    process = _native.ProcessPitch(native_options(_native.ProcessPitchOptions, config))
    return process.compute(rows, len(rows), 0, process.frames_ready(len(rows), True))
