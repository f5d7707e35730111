"""What a model makes of a test set: recordings that cannot be used are told, and the rest goes on."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sonant.audio import Utterance
from sonant.errors import SonantError
from sonant.text import ErrorRate, Transcript, error_rate

if TYPE_CHECKING:
    from sonant.model.model import Model

# Recordings that are recognised together; of one that fails the others are begun again, one by one.
_TOGETHER = 32


@dataclass(frozen=True)
class Reading:
    """What was said in a recording, and what was understood."""

    id: str
    audio: str
    reference: str
    hypothesis: str
    duration: float  # seconds of audio
    seconds: float  # that it took, its share of those of its batch


@dataclass(frozen=True)
class Failure:
    """A recording that could not be used."""

    id: str
    audio: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """Readings and failures, each in the order of the utterances."""

    readings: tuple[Reading, ...]
    failures: tuple[Failure, ...]

    @property
    def audio_seconds(self) -> float:
        return sum(reading.duration for reading in self.readings)

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work for a second of audio; None without audio."""
        audio = self.audio_seconds
        return sum(reading.seconds for reading in self.readings) / audio if audio else None

    def error_rate(self, unit: Literal["word", "char"] = "word", normalizer: str = "none") -> ErrorRate:
        """As `sonant.text.error_rate`, of the readings."""
        return error_rate(
            [reading.reference for reading in self.readings],
            [reading.hypothesis for reading in self.readings],
            unit=unit,
            normalizer=normalizer,
            names=[reading.id for reading in self.readings],
        )


def evaluate(
    model: "Model",
    utterances: Sequence[Utterance],
    *,
    done: Sequence[Reading] = (),
    progress: Callable[[Reading | Failure], None] | None = None,
    **search: Any,
) -> Evaluation:
    """Recognises utterances, some at a time.

    done: readings of an earlier run, which are taken for the utterances that they are of (the same id, audio
    and text). progress: told each new result as it is there. search: options of `Model.transcribe`. A wrong
    option raises its error; a recording that cannot be used is a Failure.
    """
    known = {(one.id, one.audio, one.reference): one for one in done}
    found: dict[int, Reading | Failure] = {}
    for i, utterance in enumerate(utterances):
        if (one := known.get((utterance.id, str(utterance.audio), utterance.text))) is not None:
            found[i] = one
    missing = [i for i in range(len(utterances)) if i not in found]
    if missing:
        model.stream(**search)  # a wrong option is told before the work begins
    for begin in range(0, len(missing), _TOGETHER):
        places = missing[begin : begin + _TOGETHER]
        for i, result in zip(places, _results(model, [utterances[i] for i in places], search), strict=True):
            found[i] = result
            if progress is not None:
                progress(result)
    results = [found[i] for i in range(len(utterances))]
    return Evaluation(
        tuple(one for one in results if isinstance(one, Reading)),
        tuple(one for one in results if isinstance(one, Failure)),
    )


def _results(
    model: "Model", utterances: Sequence[Utterance], search: dict[str, Any]
) -> Iterator[Reading | Failure]:
    started = time.perf_counter()
    given = 0
    try:
        for transcript in model.transcribe([one.audio for one in utterances], **search):
            now = time.perf_counter()
            yield _reading(utterances[given], transcript, now - started)
            given += 1
            started = now
        return
    except (SonantError, OSError):
        pass  # of one of them: those that have no result yet are tried alone
    for one in utterances[given:]:
        started = time.perf_counter()
        try:
            transcript = model.transcribe(one.audio, **search)
        except (SonantError, OSError) as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, OSError) and error.filename is not None and error.strerror:
                reason = f"{error.filename}: {error.strerror}"
            yield Failure(one.id, str(one.audio), reason)
        else:
            yield _reading(one, transcript, time.perf_counter() - started)


def _reading(one: Utterance, transcript: Transcript, seconds: float) -> Reading:
    return Reading(one.id, str(one.audio), one.text, transcript.text, transcript.duration, seconds)
