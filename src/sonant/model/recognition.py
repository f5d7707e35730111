"""One recording being recognised: samples in, a transcript at any moment."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from sonant.audio import StreamResampler
from sonant.errors import SearchError, SessionError
from sonant.model.alignment import TextSearch
from sonant.model.graph_decoding import LatticeSearch
from sonant.model.network import Floats
from sonant.search import (
    CtcGreedy,
    CtcPrefixBeam,
    Hypothesis,
    TransducerBeam,
    TransducerGreedy,
    TransducerTimeSyncBeam,
)
from sonant.text import Transcript

if TYPE_CHECKING:
    from sonant.model.model import Model, Phrases

Search = (
    CtcGreedy
    | CtcPrefixBeam
    | TransducerGreedy
    | TransducerBeam
    | TransducerTimeSyncBeam
    | LatticeSearch
    | TextSearch
)


class Recognition:
    """Made by `Model.stream()`. Feed it samples in pieces of any size; the pieces do not change the text.

    with model.stream() as stream:
        for piece in pieces:
            stream.feed(piece)
            print(stream.partial().text)
        print(stream.finish().text)
    """

    def __init__(self, model: "Model", search: Search, sample_rate: int):
        self._model = model
        self.search = search
        config = model.config
        self._sample_rate = sample_rate
        self._resampler = StreamResampler(sample_rate, config.sample_rate)
        self._fbank = model.fbank.stream()
        self._features: list[Floats] = []
        self._ready = 0  # feature frames in _features
        self._samples = 0
        self._valid = 0  # feature frames of real audio
        self._encoded = 0  # encoder frames that the search has been given
        self._finished = False
        self.state = model.network.initial_state()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finished = True

    def feed(self, samples: bytes | npt.NDArray[Any]) -> None:
        """samples: mono, at the stream's sample rate: 16-bit little-endian PCM as bytes, or an array
        (samples,) of int16 or of floats in [-1, 1].

        Raises SessionError after the end, and for anything else.
        """
        self.accept(samples)
        self._model.advance([self])

    def set_hot_words(self, hot_words: "Phrases | None") -> None:
        """Other hot words from what is fed next on; what was earned stays. Raises SearchError where they do
        not fit, or where the stream was made with neither fusion nor hot words (`hot_words={}` will do)."""
        if isinstance(self.search, CtcGreedy | LatticeSearch | TextSearch):
            found = "a greedy CTC search" if isinstance(self.search, CtcGreedy) else "a search over a graph"
            raise SearchError(f"hot words: found {found}, expected decoder='beam'")
        self.search.set_hot_words(None if hot_words is None else self._model.spell(hot_words))

    def partial(self, alternatives: int = 0) -> Transcript:
        """What has been understood so far, with up to `alternatives` other readings of those kept."""
        return self._model.transcript(self, alternatives)

    def finish(self, alternatives: int = 0) -> Transcript:
        """The end of the recording: the final transcript. Nothing can be fed afterwards."""
        self.end()
        self._model.advance([self])
        return self.partial(alternatives)

    @property
    def duration(self) -> float:
        """Seconds fed."""
        return self._samples / self._sample_rate

    # What the model calls, on one recognition or on many together: take in without computing, then advance.

    def accept(self, samples: bytes | npt.NDArray[Any]) -> None:
        """`feed` without running the network."""
        if self._finished:
            raise SessionError("this stream has ended: open another with model.stream()")
        wave = _as_floats(samples)
        self._samples += len(wave)
        self._take(self._fbank.feed(self._resampler.feed(wave)))

    def end(self) -> None:
        """`finish` without running the network."""
        if self._finished:
            raise SessionError("this stream has ended already: open another with model.stream()")
        self._finished = True
        self._take(self._fbank.feed(self._resampler.finish()))
        self._take(self._fbank.finish())
        missing = -self._ready % self._model.config.step
        if missing:
            self._features.append(np.tile(np.asarray(self._model.config.padding, np.float32), (missing, 1)))
            self._ready += missing

    def _take(self, features: Floats) -> None:
        if len(features):
            self._features.append(features)
            self._ready += len(features)
            self._valid += len(features)

    @property
    def ready(self) -> bool:
        """Whether a step's features are there."""
        return self._ready >= self._model.config.step

    def next_features(self) -> Floats:
        """The features of one step, (step, bins)."""
        step = self._model.config.step
        everything = np.concatenate(self._features) if len(self._features) > 1 else self._features[0]
        self._features = [everything[step:]] if len(everything) > step else []
        self._ready -= step
        return everything[:step]

    def count_valid(self, frames: int) -> int:
        """How many of the next `frames` encoder frames hold audio rather than padding; takes them as used."""
        subsampling = self._model.config.subsampling
        valid = min(frames, -(-self._valid // subsampling) - self._encoded)
        self._encoded += valid
        return valid

    def hypotheses(self, nbest: int) -> list[Hypothesis]:
        return self.search.hypotheses(nbest, final=self._finished and not self.ready)


def _as_floats(samples: bytes | npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if isinstance(samples, bytes | bytearray | memoryview):
        if len(samples) % 2:
            raise SessionError(f"{len(samples)} bytes of 16-bit samples: expected an even number")
        samples = np.frombuffer(samples, "<i2")
    if not isinstance(samples, np.ndarray) or samples.ndim != 1:
        found = f"shape {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        raise SessionError(f"expected bytes or samples of shape (samples,), got {found}")
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / np.float32(32768)
    if samples.dtype.kind != "f":
        raise SessionError(f"expected samples as int16 or float, got {samples.dtype}")
    wave = samples.astype(np.float32, copy=False)
    if not np.isfinite(wave).all():
        at = int(np.flatnonzero(~np.isfinite(wave))[0])
        raise SessionError(f"sample {at} is {wave[at]}: expected finite samples")
    return wave
