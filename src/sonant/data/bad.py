"""What is wrong with a corpus: named and counted, and then fatal or left out, as configured."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Literal

from sonant.audio import Utterance
from sonant.audio.manifest import NAMED, SANE, read_corpus
from sonant.errors import AudioError, ConfigError, ManifestError


class BadData:
    """Collects what is found wrong. `policy` "stop": fatal; "skip": said (to `say`), counted and left out.

    What can be known before training is collected first, and named at once: `found` for each, then `settle`.
    What shows in the middle of it, a recording that cannot be decoded, is given to `unreadable`.
    """

    def __init__(self, policy: Literal["stop", "skip"] = "stop", say: Callable[[str], object] | None = None):
        if policy not in ("stop", "skip"):
            raise ConfigError(f"bad {policy!r}: expected 'stop' or 'skip'")
        self.policy = policy
        self.counts: Counter[str] = Counter()  # by kind
        self._say = say or (lambda line: sys.stderr.write(line + "\n"))
        self._pending: list[str] = []
        self._unreadable: set[str] = set()
        self._lock = Lock()

    def found(self, kind: str, message: str) -> None:
        """One thing of a kind ("empty text") with a message that names where it stands."""
        with self._lock:
            self.counts[kind] += 1
            self._pending.append(message)

    def settle(self) -> None:
        """Raises ManifestError with what was found since the last time, or says that it is left out."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        more = [f"and {len(pending) - NAMED} more"] if len(pending) > NAMED else []
        named = "\n".join(pending[:NAMED] + more)
        if self.policy == "stop":
            raise ManifestError(f"{named}\n{self}: mend them, or leave them out with --data.bad skip")
        self._say(f"{named}\n{self}: left out")

    def unreadable(self, error: AudioError) -> None:
        """A recording that cannot be used, found while it was due: raised, or said and counted once."""
        if self.policy == "stop":
            raise error
        with self._lock:
            if str(error) in self._unreadable:
                return
            self._unreadable.add(str(error))
            self.counts["unusable recording"] += 1
        self._say(f"{error}: left out")

    def __str__(self) -> str:
        """`3 empty text, 1 duration`; empty where nothing is wrong."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))


def read_corpora(corpora: Iterable[Path], bad: BadData) -> list[Utterance]:
    """The utterances of all corpora. Lines that cannot be used are found, and not settled."""
    utterances: list[Utterance] = []
    for corpus in corpora:
        lines: list[str] = []
        utterances += read_corpus(corpus, wrong=lines)
        for line in lines:
            bad.found("bad line", line)
    return utterances


def usable(
    utterances: Sequence[Utterance],
    bad: BadData,
    *,
    text: Callable[[str], str],
    min_duration: float = 0.0,
    max_duration: float = SANE[1],
) -> list[Utterance]:
    """Those that have a text and a sensible duration. Then all that is wrong so far is settled.

    text: from the manifest's text to what is learned. Utterances outside of `min_duration` and
    `max_duration` seconds are left out as well, and are not wrong unless they are absurd.
    """
    kept: list[Utterance] = []
    for u in utterances:
        if not SANE[0] <= u.duration <= SANE[1]:
            bad.found(
                "absurd duration",
                f"{u.id}: {u.audio} lasts {u.duration:g} s, expected {SANE[0]:g} to {SANE[1]:g}",
            )
        elif not text(u.text).strip():
            bad.found("empty text", f"{u.id}: nothing is left of its text {u.text!r}, expected some")
        elif min_duration <= u.duration <= max_duration:
            kept.append(u)
    bad.settle()
    return kept


def learnable(
    utterances: Sequence[Utterance],
    bad: BadData,
    *,
    lacks: Callable[[str], Sequence[str]],
    encode: Callable[[str], Sequence[int]],
    tokens_per_second: float,
) -> list[Utterance]:
    """Those whose text the vocabulary can write, and whose recording has room for it.

    lacks: the characters of a text that no token holds. tokens_per_second: CTC writes one token a frame at
    most, and a blank between two that are equal; a text with more than the recording has frames has no
    alignment, and an infinite loss.
    """
    kept: list[Utterance] = []
    for u in utterances:
        missing = lacks(u.text)
        tokens = [] if missing else list(encode(u.text))
        needed = len(tokens) + sum(a == b for a, b in pairwise(tokens))
        room = int(u.duration * tokens_per_second)
        if missing:
            bad.found(
                "unknown tokens",
                f"{u.id}: no token holds {', '.join(map(repr, missing))} of its text {u.text!r}",
            )
        elif needed > room:
            bad.found(
                "text too long",
                f"{u.id}: {u.audio} of {u.duration:g} s has {room} frames, its text needs {needed}",
            )
        else:
            kept.append(u)
    bad.settle()
    return kept


def check_length(utterance: Utterance, seconds: float) -> None:
    """Raises AudioError where a recording lasts other than its manifest says (mp3 may differ a little), or
    nearly nothing."""
    if seconds < SANE[0] or abs(seconds - utterance.duration) > 0.5 + 0.05 * utterance.duration:
        raise AudioError(
            f"{utterance.audio}: lasts {seconds:.2f} s, {utterance.duration:.2f} s in its manifest: correct "
            "the manifest, or fetch the recording again"
        )
