"""Kaldi's filterbank features.

Definition: `feat/feature-window`, `feat/mel-computations` and `feat/feature-fbank` of Kaldi (Povey et al.
2011, "The Kaldi speech recognition toolkit"), of which every option that changes the numbers is here under
Kaldi's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from sonant import _native
from sonant.errors import FeatureError

Samples = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FbankConfig:
    """Kaldi's FbankOptions, MelBanksOptions and FrameExtractionOptions: Kaldi's names and defaults.

    Three options are ours: `vtln_warp` (Kaldi takes it with each utterance), `sample_scale` (Kaldi's
    features are defined on 16-bit integers; samples in [-1, 1] are multiplied by this first) and `seed` (of
    the dither). Kaldi's default adds noise: `dither=0.0` gives features that depend on the samples alone.
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
    use_energy: bool = False
    """Add a column with the log-energy of the frame, first (last with htk_compat)."""
    energy_floor: float = 0.0
    """Smallest energy in that column, before the logarithm; 0 for the smallest that float can resolve."""
    raw_energy: bool = True
    """Energy before preemphasis and window, rather than after."""
    htk_compat: bool = False
    """Put the energy last."""
    use_log_fbank: bool = True
    """Natural logarithm of the filters' energies (not below float's epsilon), rather than the energies."""
    use_power: bool = True
    """Filter the power spectrum, rather than the magnitudes."""
    vtln_warp: float = 1.0
    """Vocal tract length normalisation: above 1 moves the filters down in frequency; 1 for none."""
    sample_scale: float = 32768.0
    """Factor from the samples to 16-bit integers: 1 for samples that already are on that scale."""
    seed: int = 0
    """Of the dither, 0 to 2^64 - 1: noise is a function of the seed and the number of the sample."""


class Fbank:
    """Computes filterbank features of whole waveforms, or of a stream. Immutable: threads may share it.

    Raises FeatureError for options that make no features.
    """

    def __init__(self, config: FbankConfig | None = None):
        self.config = FbankConfig() if config is None else config
        self._native = _native.Fbank(_options(self.config))

    @property
    def dim(self) -> int:
        """Features per frame: num_mel_bins, and one more with use_energy."""
        return self._native.dim

    @property
    def window(self) -> npt.NDArray[np.float32]:
        """The window function, (samples per frame,)."""
        return _native.window(_options(self.config))[0]

    @property
    def mel_filters(self) -> npt.NDArray[np.float32]:
        """The filters as a matrix (num_mel_bins, frequencies), for the spectrum of a windowed frame."""
        return _native.mel_filters(_options(self.config))

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of `num_samples` samples makes; 0 where it is too short for one."""
        if num_samples < 0:
            raise FeatureError(f"num_samples={num_samples}; expected the length of a waveform, 0 or more")
        return self._native.num_frames(num_samples)

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
            checked = [_checked(array, f"waveform {i} of {len(samples)}") for i, array in enumerate(samples)]
            return self._native.compute(checked, num_threads)
        return self._native.compute([_checked(samples, "samples")], 1)[0]

    def stream(self) -> "FbankStream":
        """A new stream: one waveform that arrives in pieces."""
        return FbankStream(self)


class FbankStream:
    """One waveform that arrives in pieces.

    Whatever the pieces, the features are bit for bit those of `Fbank.compute`. Keeps no more samples than the
    frames to come need.
    """

    def __init__(self, fbank: Fbank):
        self._native = _native.FbankStream(fbank._native)

    def feed(self, samples: Samples) -> Features:
        """The frames that the next samples complete.

        samples: (samples,) float32, any number of them. Returns (new_frames, dim) float32.
        Raises FeatureError as `Fbank.compute` does, and leaves the stream as it was; also after finish.
        """
        return self._native.feed(_checked(samples, "samples"))

    def finish(self) -> Features:
        """Ends the waveform. Returns its last frames, (new_frames, dim) float32.

        There are none unless snip_edges=False, which mirrors the end. Raises FeatureError if called twice.
        """
        return self._native.finish()


def _options(config: FbankConfig) -> _native.FbankOptions:
    options = _native.FbankOptions()
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


def _checked(samples: object, name: str) -> Samples:
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
