"""Streaming change of sample rate (soxr, high quality: 20 bits, linear phase)."""

import numpy as np

from sonant.audio.samples import check_rate
from sonant.errors import AudioError


class StreamResampler:
    """Resamples a stream; the output does not depend on how the input is cut into pieces.

    After `finish`, round(fed * to_rate / from_rate) samples have come out in all, give or take one, and at
    least one where any was fed. The delay of the filter is compensated: sample k is at k / to_rate seconds.
    """

    def __init__(self, from_rate: int, to_rate: int):
        """from_rate, to_rate: Hz. Raises AudioError for a rate no recording has."""
        self.from_rate = check_rate(from_rate, "from_rate", "StreamResampler")
        self.to_rate = check_rate(to_rate, "to_rate", "StreamResampler")
        self._finished = False
        self._first: np.float32 | None = None  # kept while nothing has come out
        self._stream = None
        if self.from_rate != self.to_rate:
            import soxr

            self._stream = soxr.ResampleStream(self.from_rate, self.to_rate, 1, dtype="float32", quality="HQ")
        self._produced = False

    def feed(self, samples: np.ndarray) -> np.ndarray:
        """samples: (samples,) float32 at from_rate, any number. Returns what is ready, at to_rate."""
        if self._finished:
            raise AudioError("StreamResampler: fed after finish(); make a new one for the next recording")
        if not isinstance(samples, np.ndarray) or samples.ndim != 1 or samples.dtype != np.float32:
            found = (
                f"{samples.dtype} {samples.shape}"
                if isinstance(samples, np.ndarray)
                else type(samples).__name__
            )
            raise AudioError(f"StreamResampler: expected float32 samples of shape (samples,), found {found}")
        if self._stream is None:
            return samples
        if self._first is None and len(samples):
            self._first = samples[0]
        return self._made(self._stream.resample_chunk(np.ascontiguousarray(samples)))

    def finish(self) -> np.ndarray:
        """The rest of the samples, (samples,) at to_rate. Nothing can be fed afterwards."""
        if self._finished:
            raise AudioError("StreamResampler: finish() was called before")
        self._finished = True
        empty = np.zeros(0, np.float32)
        if self._stream is None:
            return empty
        rest = self._made(self._stream.resample_chunk(empty, last=True))
        if not self._produced and self._first is not None:
            return np.array([self._first], np.float32)  # so short that it rounds to nothing
        return rest

    def _made(self, samples: np.ndarray) -> np.ndarray:
        self._produced = self._produced or len(samples) > 0
        return samples
