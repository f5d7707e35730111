"""Kaldi's dictionary directories (data/local/dict): a lexicon, and what kinds of phones there are."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sonant.errors import FstError
from sonant.fst.files import Path
from sonant.fst.graphs.lexicon import FORMS, Form, Lexicon, decoded, encoded, lines_of, read_bytes

Phones = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Dictionary:
    """A lexicon and its phones. Phones of one line share a base phone (stress, tones): they share the root
    of a decision tree.

    optional_silence: the phone that may be between words; None: there is none.
    extra_questions: further questions for the tree, beside those that are made of data.
    word_boundary: (phone, nonword, begin, end, internal or singleton), where the directory has its own.
    """

    lexicon: Lexicon
    silence_phones: Phones
    nonsilence_phones: Phones
    optional_silence: str | None
    extra_questions: Phones = ()
    word_boundary: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """lexiconp_silprob.txt (with silprob.txt), else lexiconp.txt, else lexicon.txt; silence_phones.txt,
        nonsilence_phones.txt, optional_silence.txt; extra_questions.txt and word_boundary.txt where they are.

        Raises SpecifierError where a file is missing, FstError, which names file and line: a phone that comes
        twice, a phone of the lexicon or a question that is in neither list, and the errors of the lexicon.
        """
        directory = os.fspath(path)

        def name(file: str) -> str:
            return os.path.join(directory, file)

        forms: list[Form] = [f for f in reversed(FORMS) if os.path.exists(name(f"{f}.txt"))]
        if not forms:
            raise FstError(
                f"{directory}: is no dictionary directory; expected lexicon.txt or lexiconp.txt in it"
            )
        seen: dict[str, str] = {}
        silence = _phone_sets(name("silence_phones.txt"), seen)
        nonsilence = _phone_sets(name("nonsilence_phones.txt"), seen)
        optional = [row for _, row in _rows(name("optional_silence.txt"))]
        if len(optional) != 1 or len(optional[0]) != 1 or not any(optional[0][0] in row for row in silence):
            raise FstError(
                f"{name('optional_silence.txt')}: has {optional}; expected one phone of silence_phones.txt"
            )
        questions = []
        if os.path.exists(name("extra_questions.txt")):
            for number, row in _rows(name("extra_questions.txt")):
                for phone in row:
                    if phone not in seen:
                        raise FstError(
                            f"{name('extra_questions.txt')}:{number}: {phone!r} is in neither "
                            "silence_phones.txt nor nonsilence_phones.txt; add it there"
                        )
                questions.append(row)
        boundary = None
        if os.path.exists(name("word_boundary.txt")):
            boundary = read_word_boundary(name("word_boundary.txt"))
        lexicon = Lexicon.read(name(f"{forms[0]}.txt"), forms[0], phones=seen, variants=False)
        return cls(lexicon, silence, nonsilence, optional[0][0], tuple(questions), boundary)

    @classmethod
    def of_lexicon(
        cls,
        lexicon: Lexicon,
        silence_phones: Sequence[str] = ("SIL",),
        optional_silence: str | None = "SIL",
    ) -> Self:
        """All phones of the lexicon that are no `silence_phones`, each with a root of its own, are speech."""
        if optional_silence is not None and optional_silence not in silence_phones:
            raise FstError(
                f"optional_silence={optional_silence!r} is not in silence_phones={list(silence_phones)}"
            )
        speech = sorted(set(lexicon.phones) - set(silence_phones), key=encoded)
        return cls(
            lexicon, tuple((p,) for p in silence_phones), tuple((p,) for p in speech), optional_silence
        )


def _rows(path: str) -> list[tuple[int, tuple[str, ...]]]:
    return [(number, tuple(map(decoded, fields))) for number, fields in lines_of(read_bytes(path))]


def _phone_sets(path: str, seen: dict[str, str]) -> Phones:
    rows = _rows(path)
    if not rows:
        raise FstError(f"{path}: has no phones; expected one or more a line")
    for number, row in rows:
        for phone in row:
            where = f"{path}:{number}"
            if phone in seen:
                raise FstError(f"{where}: {phone!r} comes twice, and is in {seen[phone]} too; remove one")
            if phone == "<eps>" or phone.startswith("#"):
                raise FstError(f"{where}: the phone {phone!r} means another thing in graphs: rename it")
            if phone.endswith(("_B", "_E", "_I", "_S")):
                raise FstError(f"{where}: {phone!r} ends like a mark of the place in a word: rename it")
            seen[phone] = where
    return tuple(row for _, row in rows)


def read_word_boundary(path: str) -> tuple[tuple[str, str], ...]:
    """Lines of a phone and nonword, begin, end, internal or singleton."""
    kinds = ("nonword", "begin", "end", "internal", "singleton")
    found = []
    for number, row in _rows(path):
        if len(row) != 2 or row[1] not in kinds:
            raise FstError(
                f"{path}:{number}: {' '.join(row)!r}; expected a phone and one of {', '.join(kinds)}"
            )
        found.append((row[0], row[1]))
    return tuple(found)
