"""What the features of frames share: options, whole waveforms and lists of them, streams.

Definition: `feat/feature-window` and `feat/mel-computations` of Kaldi (Povey et al. 2011, "The Kaldi speech
recognition toolkit"), of which every option that changes the numbers is here under Kaldi's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import FeatureError

Samples = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]
Warp = float | None


@dataclass(frozen=True)
class FrameConfig:
    """Kaldi's FrameExtractionOptions: Kaldi's names and defaults.

    Two options are ours: `sample_scale` (Kaldi's features are defined on 16-bit integers; samples in [-1, 1]
    are multiplied by this first) and `seed` (of the dither). Kaldi's default adds noise: `dither=0.0` gives
    features that depend on the samples alone.
    """

    sample_frequency: float = 16000.0
    """Hz. Nothing is resampled: it must be the rate of the samples."""
    frame_length: float = 25.0
    """Milliseconds."""
    frame_shift: float = 10.0
    """Milliseconds."""
    dither: float = 1.0
    """Standard deviation of the Gaussian noise added to samples, on 16-bit integers' scale; 0 for none."""
    preemphasis_coefficient: float = 0.97
    """0 (none) to 1."""
    remove_dc_offset: bool = True
    """Subtract from each frame its mean."""
    window_type: Literal["povey", "hamming", "hanning", "blackman", "sine", "rectangular"] = "povey"
    round_to_power_of_two: bool = True
    """Pad frames with zeros to a power of two before the Fourier transform."""
    blackman_coeff: float = 0.42
    snip_edges: bool = True
    """True: only frames that lie in the waveform. False: a frame per shift, the ends mirrored."""
    energy_floor: float = 0.0
    """Smallest energy of a frame, before the logarithm; 0 for the smallest that float can resolve."""
    raw_energy: bool = True
    """Energy before preemphasis and window, rather than after."""
    sample_scale: float = 32768.0
    """Factor from the samples to 16-bit integers: 1 for samples that already are on that scale."""
    seed: int = 0
    """Of the dither, 0 to 2^64 - 1: noise is a function of the seed and the number of the sample."""


@dataclass(frozen=True)
class MelConfig(FrameConfig):
    """Kaldi's MelBanksOptions, and `vtln_warp`, which Kaldi takes with each utterance (as `compute` does)."""

    num_mel_bins: int = 23
    low_freq: float = 20.0
    """Hz: the lower edge of the lowest filter."""
    high_freq: float = 0.0
    """Hz: the upper edge of the highest filter; zero or negative is relative to half of sample_frequency."""
    vtln_low: float = 100.0
    """Hz: the lower knee of the vocal tract length warp."""
    vtln_high: float = -500.0
    """Hz: the upper knee; negative is relative to half of sample_frequency."""
    htk_mode: bool = False
    """HTK's mel filters: the first without its lowest frequency, energies not below 1."""
    vtln_warp: float = 1.0
    """Vocal tract length normalisation: above 1 moves the filters down in frequency; 1 for none."""


Config = TypeVar("Config", bound=FrameConfig)


class FrameFeature(Generic[Config]):
    """Features of the frames of whole waveforms, or of a stream. Immutable: threads may share it.

    Raises FeatureError for options that make no features.
    """

    _Config: ClassVar[type[FrameConfig]]
    _Options: ClassVar[type]
    _native: Any

    def __init__(self, config: Config | None = None):
        self.config: Config = self._Config() if config is None else config  # type: ignore[assignment]
        self._native = _native.FrameFeature(native_options(self._Options, self.config))

    @property
    def dim(self) -> int:
        """Features per frame."""
        return self._native.dim

    @property
    def window(self) -> npt.NDArray[np.float32]:
        """The window function, (samples per frame,)."""
        return _native.window(self._native)

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of `num_samples` samples makes; 0 where it is too short for one."""
        if num_samples < 0:
            raise FeatureError(f"num_samples={num_samples}; expected the length of a waveform, 0 or more")
        return self._native.framing.count(num_samples, True)

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
        return self._compute(samples, None, num_threads)

    def _compute(self, samples: Any, warp: Any, num_threads: int) -> Any:
        if num_threads < 0:
            raise FeatureError(f"num_threads={num_threads}; expected 1 or more, or 0 for all there are")
        if isinstance(samples, list | tuple):
            checked = [
                checked_samples(array, f"waveform {i} of {len(samples)}") for i, array in enumerate(samples)
            ]
            warps = warp if isinstance(warp, list | tuple | np.ndarray) else [warp] * len(checked)
            if len(warps) != len(checked):
                raise FeatureError(
                    f"vtln_warp: {len(warps)} factors for {len(checked)} waveforms; expected one for each"
                )
            return self._native.compute(checked, [self._warp(factor) for factor in warps], num_threads)
        if isinstance(warp, list | tuple | np.ndarray):
            raise FeatureError(f"vtln_warp={warp!r} for one waveform; expected one factor")
        return self._native.compute([checked_samples(samples, "samples")], [self._warp(warp)], 1)[0]

    def _warp(self, warp: Any) -> float:
        if warp is None:
            return self._native.warp
        try:
            factor = float(warp)
        except (TypeError, ValueError):
            raise FeatureError(f"vtln_warp={warp!r}; expected a positive factor, 1 for no warp") from None
        self._native.check_warp(factor)
        return factor

    def stream(self) -> "FrameStream":
        """A new stream: one waveform that arrives in pieces."""
        return FrameStream(self)


class MelFeature(FrameFeature[Config]):
    """Features that are made from mel filters, which may be warped for each waveform."""

    @property
    def mel_filters(self) -> npt.NDArray[np.float32]:
        """The filters as a matrix (num_mel_bins, frequencies), for the spectrum of a windowed frame."""
        return _native.mel_filters(self._native, self._native.warp)

    @overload
    def compute(self, samples: Samples, *, vtln_warp: Warp = None, num_threads: int = 0) -> Features: ...
    @overload
    def compute(
        self,
        samples: Sequence[Samples],
        *,
        vtln_warp: Warp | Sequence[float] = None,
        num_threads: int = 0,
    ) -> list[Features]: ...
    def compute(
        self,
        samples: Samples | Sequence[Samples],
        *,
        vtln_warp: Warp | Sequence[float] = None,
        num_threads: int = 0,
    ) -> Features | list[Features]:
        """Features of a whole waveform, or of a list of them in parallel.

        samples: (samples,) float32, or a list of such. A waveform is computed by one thread.
        vtln_warp: the warp factor, for a list also a list of factors; that of the options where it is None.
        num_threads: for a list: at most so many threads; 0 for as many as the machine has.
        Returns (frames, dim) float32 for a waveform, a list of such for a list; (0, dim) where a waveform is
        too short for a frame.
        Raises FeatureError for another type or shape, and for samples that are not finite.
        """
        return self._compute(samples, vtln_warp, num_threads)

    def stream(self, *, vtln_warp: Warp = None) -> "FrameStream":
        """A new stream: one waveform that arrives in pieces, with the options' warp factor or another."""
        return FrameStream(self, vtln_warp)


class FrameStream:
    """One waveform that arrives in pieces.

    Whatever the pieces, the features are bit for bit those of `compute`. Keeps no more samples than the
    frames to come need.
    """

    def __init__(self, feature: FrameFeature, vtln_warp: Warp = None):
        self._native = _native.FrameStream(feature._native, feature._warp(vtln_warp))

    def feed(self, samples: Samples) -> Features:
        """The frames that the next samples complete.

        samples: (samples,) float32, any number of them. Returns (new_frames, dim) float32.
        Raises FeatureError as `compute` does, and leaves the stream as it was; also after finish.
        """
        return self._native.feed(checked_samples(samples, "samples"))

    def finish(self) -> Features:
        """Ends the waveform. Returns its last frames, (new_frames, dim) float32.

        There are none unless snip_edges=False, which mirrors the end. Raises FeatureError if called twice.
        """
        return self._native.finish()


def native_options(kind: type, config: Any) -> Any:
    """The options of the native core. Raises FeatureError for a value of another type."""
    options = kind()
    for field in fields(config):
        value = getattr(config, field.name)
        try:
            setattr(options, field.name, value)
        except TypeError:
            expected = {bool: "a bool", float: "a float", str: "a str", int: "an int"}[type(field.default)]
            if field.name == "seed":
                expected += " from 0 to 2^64 - 1"
            raise FeatureError(
                f"{field.name}={value!r} is of type {type(value).__name__}; "
                f"expected {expected} as {field.default!r}"
            ) from None
    return options


def checked_samples(samples: object, name: str) -> Samples:
    """`samples` as a contiguous array (samples,) of float32; raises FeatureError for anything else."""
    if not isinstance(samples, np.ndarray):
        raise FeatureError(
            f"{name}: {type(samples).__name__}; expected a numpy array (samples,) of float32: "
            "convert with numpy.asarray(x, dtype=numpy.float32)"
        )
    if samples.ndim != 1:
        raise FeatureError(
            f"{name}: array of shape {samples.shape}; expected (samples,), one channel: "
            "choose one, or take the mean"
        )
    if samples.dtype != np.float32:
        mend = "x.astype(numpy.float32)" + (" / 32768" if samples.dtype == np.int16 else "")
        raise FeatureError(f"{name}: array of {samples.dtype}; expected float32 in [-1, 1]: {mend}")
    return np.ascontiguousarray(samples)
