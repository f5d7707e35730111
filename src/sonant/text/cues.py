"""Words to the lines that a viewer reads: cues of at most two lines, cut where the speaker pauses."""

from dataclasses import dataclass
from itertools import zip_longest

from sonant.text.transcript import Transcript, Word

LINE = 42  # characters a line, the common limit of subtitles
SECONDS = 6.0  # the longest cue
PAUSE = 0.8  # s: a silence that always ends a cue
SHORTEST = 1.0  # s: a cue stays this long where the next one leaves room


@dataclass(frozen=True)
class Cue:
    """start, end: seconds. lines: one or two, each of at most LINE characters unless one word is longer."""

    start: float
    end: float
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def cues(transcript: Transcript) -> list[Cue]:
    """Group the words of a transcript. Without word times, the whole text is one cue as long as the audio."""
    words = [word for word in transcript.words if word.text]
    if not words:
        text = " ".join(transcript.text.split())
        return [Cue(0.0, transcript.duration, _lines(text.split()))] if text else []
    phrases: list[list[Word]] = []
    for word in words:
        if not phrases or word.start - phrases[-1][-1].end >= PAUSE:
            phrases.append([])
        phrases[-1].append(word)
    parts = [part for phrase in phrases for part in _split(phrase)]
    return [Cue(part[0].start, part[-1].end, _lines([word.text for word in part])) for part in parts]


def shown(parts: list[Cue]) -> list[Cue]:
    """The cues, none shorter than SHORTEST where there is room before the next."""
    result = []
    for cue, following in zip_longest(parts, parts[1:]):
        end = max(cue.end, cue.start + SHORTEST)
        if following is not None:
            end = max(min(end, following.start), cue.end)
        result.append(Cue(cue.start, end, cue.lines))
    return result


def _split(words: list[Word]) -> list[list[Word]]:
    """Cut a phrase until every part fits, each time at the best place near its middle: a pause, the end of a
    sentence or a clause."""
    if len(words) == 1 or (
        words[-1].end - words[0].start <= SECONDS and _fits([word.text for word in words])
    ):
        return [words]
    reach = max(1, len(words) // 4)
    middle = len(words) / 2

    def merit(cut: int) -> float:
        pause = words[cut].start - words[cut - 1].end
        mark = {".": 0.5, "?": 0.5, "!": 0.5, ",": 0.2, ";": 0.3, ":": 0.3}.get(words[cut - 1].text[-1], 0.0)
        return pause + mark - 0.3 * abs(cut - middle) / len(words)

    cut = max(range(reach, len(words) - reach + 1), key=merit)
    return _split(words[:cut]) + _split(words[cut:])


def _fits(texts: list[str]) -> bool:
    lines = _lines(texts)
    return len(lines) <= 2 and all(len(line) <= LINE for line in lines)


def _lines(texts: list[str]) -> tuple[str, ...]:
    """One line where it fits, else the two most equal ones; more only for a text without times."""
    whole = " ".join(texts)
    if len(whole) <= LINE:
        return (whole,)
    if len(whole) <= 2 * LINE + 1:
        pairs = [(" ".join(texts[:cut]), " ".join(texts[cut:])) for cut in range(1, len(texts))]
        best = min(pairs, key=lambda pair: max(map(len, pair)), default=(whole,))
        if max(map(len, best)) <= LINE:
            return best
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + 1 + len(text) <= LINE:
            lines[-1] += " " + text
        else:
            lines.append(text)
    return tuple(lines)
