"""A stream without sockets and clocks: bytes in, events out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonant.errors import SessionError
from sonant.model import Decoder, Head, Model, Phrases
from sonant.search import Fusion
from sonant.text import Transcript

# Scale and numpy's type of a sample.
_ENCODINGS = {"s16le": ("<i2", 32768.0), "f32le": ("<f4", 1.0)}


@dataclass(frozen=True)
class Partial:
    """What has been understood so far; what comes later may change it."""

    transcript: Transcript


@dataclass(frozen=True)
class Final:
    """What was said; nothing changes it any more."""

    transcript: Transcript


Event = Partial | Final


class Session:
    """One client's stream.

    `receive` only takes bytes in, `finish` tells that no more will come; `step` computes, for many sessions
    in one run of the network, and gives the events of each. Bytes may be cut anywhere, in mid-sample too.
    """

    def __init__(
        self,
        model: Model,
        *,
        sample_rate: int | None = None,
        encoding: str = "s16le",
        decoder: Decoder = "greedy",
        beam: int = 4,
        head: Head | None = None,
        fusion: Fusion | None = None,
        hot_words: Phrases | None = None,
    ):
        """sample_rate: Hz of the bytes to come, mono (None: the model's own); encoding: s16le or f32le. The
        others are those of `Model.transcribe`."""
        if encoding not in _ENCODINGS:
            raise SessionError(f"encoding={encoding!r}: expected one of {', '.join(_ENCODINGS)}")
        self.model = model
        self._kind, self._scale = np.dtype(_ENCODINGS[encoding][0]), np.float32(_ENCODINGS[encoding][1])
        self._recognition = model.stream(
            sample_rate=sample_rate, decoder=decoder, beam=beam, head=head, fusion=fusion, hot_words=hot_words
        )
        self._rest = b""
        self._shown = ""
        self._ended = False
        self.closed = False

    def receive(self, data: bytes) -> None:
        """Takes in bytes of audio. Raises SessionError after `finish`, and for infinite samples or NaN."""
        if self._ended:
            raise SessionError("this session has ended: open another")
        data = self._rest + data
        whole = len(data) - len(data) % self._kind.itemsize
        self._rest = data[whole:]
        if whole:
            samples = np.frombuffer(data[:whole], self._kind).astype(np.float32) / self._scale
            self._recognition.accept(samples)

    def finish(self) -> None:
        """The client has sent all. Raises SessionError where half a sample is left over."""
        if self._ended:
            raise SessionError("this session has ended already: open another")
        self._ended = True
        if self._rest:
            size = self._kind.itemsize
            raise SessionError(f"the audio ends {len(self._rest)} bytes into a sample of {size} bytes")
        self._recognition.end()

    def set_hot_words(self, hot_words: Phrases | None) -> None:
        """Other hot words from what is computed next on: see `sonant.model.Recognition.set_hot_words`."""
        self._recognition.set_hot_words(hot_words)

    @staticmethod
    def step(sessions: Sequence["Session"]) -> list[list[Event]]:
        """Computes what the sessions of one model have been given; each one's events, oldest first."""
        ready = [s for s in sessions if not s.closed]
        if ready:
            ready[0].model.advance([s._recognition for s in ready])
        return [session._events() for session in sessions]

    def _events(self) -> list[Event]:
        if self.closed:
            return []
        transcript = self._recognition.partial()
        if self._ended:
            self.closed = True
            return [Final(transcript)]
        if transcript.text == self._shown:
            return []
        self._shown = transcript.text
        return [Partial(transcript)]
