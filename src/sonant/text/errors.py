"""Word and character error rates, with the alignment that explains them (Levenshtein, by RapidFuzz)."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sonant.errors import ConfigError
from sonant.text.normalize import normalize

Operation = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True)
class Edit:
    """One step of an alignment. reference is None for an insertion, hypothesis for a deletion."""

    operation: Operation
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True)
class UtteranceErrors:
    """The errors of one utterance. alignment: every unit (word or character) of both texts, in order."""

    name: str
    alignment: tuple[Edit, ...]

    def _count(self, operation: Operation) -> int:
        return sum(edit.operation == operation for edit in self.alignment)

    @property
    def substitutions(self) -> int:
        return self._count("substitute")

    @property
    def deletions(self) -> int:
        return self._count("delete")

    @property
    def insertions(self) -> int:
        return self._count("insert")

    @property
    def errors(self) -> int:
        return len(self.alignment) - self._count("equal")

    @property
    def reference_length(self) -> int:
        return len(self.alignment) - self.insertions

    @property
    def rate(self) -> float:
        return _rate(self.errors, self.reference_length)


@dataclass(frozen=True)
class ErrorRate:
    """Errors of many utterances, against all the units (words or characters) of their references."""

    substitutions: int
    deletions: int
    insertions: int
    reference_length: int
    unit: Literal["word", "char"]
    utterances: tuple[UtteranceErrors, ...]

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors over reference_length: 0.05 is 5 %. May exceed 1; inf where references are empty."""
        return _rate(self.errors, self.reference_length)

    def __str__(self) -> str:
        name = "WER" if self.unit == "word" else "CER"
        return (
            f"{name} {100 * self.rate:.2f} % ({self.substitutions} substitutions, "
            f"{self.deletions} deletions, {self.insertions} insertions in {self.reference_length} "
            f"{self.unit}s)"
        )


def _rate(errors: int, length: int) -> float:
    return errors / length if length else (float("inf") if errors else 0.0)


def error_rate(
    references: Sequence[str],
    hypotheses: Sequence[str],
    *,
    unit: Literal["word", "char"] = "word",
    normalizer: str = "none",
    names: Sequence[str] | None = None,
) -> ErrorRate:
    """Compare what was said with what was understood, utterance by utterance.

    unit: "word" splits at white space; "char" compares characters, runs of white space as one space.
    normalizer: for both texts, see `normalize`. names: of the utterances, for `report`; else 1, 2, 3, ...
    The number of errors is the least possible; where alignments tie, RapidFuzz chooses. Raises ConfigError.
    """
    if isinstance(references, str) or isinstance(hypotheses, str):
        raise ConfigError(
            "references and hypotheses are texts; expected lists of texts: [reference], [hypothesis]"
        )
    if unit not in ("word", "char"):
        raise ConfigError(f"unit={unit!r}; expected 'word' or 'char'")
    names = [str(number) for number in range(1, len(references) + 1)] if names is None else names
    if not len(references) == len(hypotheses) == len(names):
        raise ConfigError(
            f"{len(references)} references, {len(hypotheses)} hypotheses and {len(names)} names; expected "
            "as many of each"
        )
    utterances = tuple(
        UtteranceErrors(
            name, _align(_units(reference, unit, normalizer), _units(hypothesis, unit, normalizer))
        )
        for name, reference, hypothesis in zip(names, references, hypotheses, strict=True)
    )
    return ErrorRate(
        substitutions=sum(one.substitutions for one in utterances),
        deletions=sum(one.deletions for one in utterances),
        insertions=sum(one.insertions for one in utterances),
        reference_length=sum(one.reference_length for one in utterances),
        unit=unit,
        utterances=utterances,
    )


def _units(text: str, unit: str, normalizer: str) -> list[str]:
    words = normalize(text, normalizer).split()
    return words if unit == "word" else list(" ".join(words))


def _align(reference: list[str], hypothesis: list[str]) -> tuple[Edit, ...]:
    from rapidfuzz.distance import Levenshtein

    ids: dict[str, int] = {}  # numbers cannot collide; hashes of words could
    numbers = [[ids.setdefault(word, len(ids)) for word in words] for words in (reference, hypothesis)]
    edits: list[Edit] = []
    for code in Levenshtein.opcodes(*numbers):
        left, right = reference[code.src_start : code.src_end], hypothesis[code.dest_start : code.dest_end]
        if code.tag == "equal":
            edits += [Edit("equal", a, b) for a, b in zip(left, right, strict=True)]
        elif code.tag == "replace":
            edits += [Edit("substitute", a, b) for a, b in zip(left, right, strict=True)]
        elif code.tag == "delete":
            edits += [Edit("delete", a, None) for a in left]
        else:
            edits += [Edit("insert", None, b) for b in right]
    return tuple(edits)


def report(result: ErrorRate, *, only_errors: bool = True, width: int = 100) -> str:
    """The total, then every utterance with its alignment, in columns of at most `width` characters:

        talk-7  WER 50.00 % (1 S, 1 D, 0 I of 4)
        REF: the cat sat on
        HYP: the sad *** on
             S   D

    only_errors: leave out utterances without an error.
    """
    lines = [str(result)]
    for one in result.utterances:
        if only_errors and not one.errors:
            continue
        lines.append("")
        lines.append(
            f"{one.name}  {'WER' if result.unit == 'word' else 'CER'} {100 * one.rate:.2f} % "
            f"({one.substitutions} S, {one.deletions} D, {one.insertions} I of {one.reference_length})"
        )
        for row in _rows(one.alignment, width, "" if result.unit == "char" else " "):
            lines += row
    return "\n".join(lines) + "\n"


def _rows(alignment: tuple[Edit, ...], width: int, gap: str) -> Iterator[list[str]]:
    heads = ["REF: ", "HYP: ", "     "]
    rows, used = list(heads), 0
    for edit in alignment:
        cells = [edit.reference, edit.hypothesis]
        size = max(_columns(cell) for cell in cells if cell is not None)
        texts = ["*" * size if cell is None else cell for cell in cells]
        texts.append("" if edit.operation == "equal" else edit.operation[0].upper())
        if used and used + size > width - len(heads[0]):
            yield [row.rstrip() for row in rows if row.strip()]
            rows, used = list(heads), 0
        rows = [
            row + text + " " * (size - _columns(text)) + gap for row, text in zip(rows, texts, strict=True)
        ]
        used += size + len(gap)
    yield [row.rstrip() for row in rows if row.strip()]


def _columns(text: str) -> int:
    """Columns of a terminal: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
