"""A text and a recording, word by word: what was said when, and where the two differ."""

from dataclasses import dataclass
from typing import Literal

from sonant.text.transcript import Transcript, Word


@dataclass(frozen=True)
class UnsaidWord:
    """A word of the text that has no time.

    position: among the words of the text, from 0. after: seconds, where it would have been. reason: it was
    not heard, or it is punctuation alone, which nobody says.
    """

    text: str
    position: int
    after: float
    reason: Literal["not heard", "punctuation"]


@dataclass(frozen=True)
class UnmatchedAudio:
    """A stretch of the recording that no word of the text explains. start, end: seconds. heard: what the
    model heard there."""

    start: float
    end: float
    heard: str


@dataclass(frozen=True)
class Phone:
    """A phone, or silence, in an alignment. start, end: seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Alignment:
    """A recording aligned with its text.

    words: those that were said, in order, with times and confidence: how probable the word is, beside what
    the model would rather have heard, as a mean over its tokens; 1 where they are the same. positions: of
    each among the words of the text, from 0. unsaid, unmatched: where text and recording differ. duration:
    seconds. complete: False where the end of the text was lost because more of it is missing than the search
    allows. phones: where the model has them, of the whole recording. unknown: positions of the words that the
    model's lexicon lacks, and that were aligned as its word for those.
    """

    words: tuple[Word, ...]
    positions: tuple[int, ...]
    unsaid: tuple[UnsaidWord, ...]
    unmatched: tuple[UnmatchedAudio, ...]
    duration: float
    complete: bool = True
    name: str = ""
    phones: tuple[Phone, ...] = ()
    unknown: tuple[int, ...] = ()

    @property
    def transcript(self) -> Transcript:
        """The words that were said, as `render` and `write` take them."""
        confidences = [word.confidence for word in self.words]
        mean = sum(confidences) / len(confidences) if confidences else 0.0
        text = " ".join(word.text for word in self.words)
        return Transcript(text, self.words, mean, self.duration, name=self.name)

    @property
    def phone_transcript(self) -> Transcript:
        """The phones in the place of words, for formats that hold one or the other. Confidences are 1."""
        words = tuple(Word(phone.text, phone.start, phone.end, 1.0) for phone in self.phones)
        return Transcript(" ".join(word.text for word in words), words, 1.0, self.duration, name=self.name)
