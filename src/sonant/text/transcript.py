"""What was said, and when."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """One word. start, end: seconds from the start of the recording. confidence: in [0, 1]."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What a recognizer understood of one recording.

    words: with times, in order; empty where the model gives no times. confidence: of the whole, in [0, 1].
    duration: seconds of audio. alternatives: other readings, best first. name: of the recording.
    """

    text: str
    words: tuple[Word, ...]
    confidence: float
    duration: float
    alternatives: tuple["Transcript", ...] = ()
    name: str = ""
