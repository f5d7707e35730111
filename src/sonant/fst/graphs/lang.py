"""Kaldi's lang directories: words, phones, what kinds of phones there are, L, and topologies."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.files import Path, whole_directory
from sonant.fst.graphs.dictionary import Phones, read_word_boundary
from sonant.fst.graphs.lexicon import EPSILON, decoded, encoded, lines_of, read_bytes
from sonant.fst.symbols import SymbolTable

BACKOFF = "#0"
# Files of phones/ with a phone a line, and the fields that hold them.
_LISTS = {
    "disambig": "disambig",
    "silence": "silence_phones",
    "nonsilence": "nonsilence_phones",
    "optional_silence": "optional_silence",
    "context_indep": "context_independent",
}
_OPTIONAL = ("oov.txt", "oov.int", "phones/word_boundary.txt", "phones/word_boundary.int")


@dataclass(frozen=True)
class Root:
    """A line of roots.txt: phones that share the roots of a decision tree; whether the states of their models
    share one root, and whether that is split."""

    shared: bool
    split: bool
    phones: tuple[str, ...]


@dataclass(frozen=True)
class Lang:
    """What a lang directory holds. Phones go by their symbols; `()`, "" and None: there is no such file.

    lexicon, lexicon_disambig: L.fst, and L_disambig.fst with disambiguation symbols; grammar: G.fst.
    disambig: all disambiguation symbols of `phones`; word_disambig: those of G, which pass through L.
    align_lexicon: (word, word, phones...) for the alignment of words in lattices.
    word_boundary: (phone, place in the word); None where phones do not depend on it.
    """

    words: SymbolTable
    phones: SymbolTable
    lexicon: Fst | None
    lexicon_disambig: Fst | None
    disambig: tuple[str, ...]
    word_disambig: tuple[str, ...] = (BACKOFF,)
    silence_phones: tuple[str, ...] = ()
    nonsilence_phones: tuple[str, ...] = ()
    optional_silence: tuple[str, ...] = ()
    context_independent: tuple[str, ...] = ()
    phone_sets: Phones = ()
    roots: tuple[Root, ...] = ()
    extra_questions: Phones = ()
    align_lexicon: Phones = ()
    word_boundary: tuple[tuple[str, str], ...] | None = None
    oov: str | None = None
    topology: str = ""
    grammar: Fst | None = None

    @property
    def disambig_labels(self) -> list[int]:
        """The keys of `disambig` in `phones`."""
        return [self.phones.find(symbol) or 0 for symbol in self.disambig]

    # Files

    @classmethod
    def read(cls, path: Path) -> Self:
        """Needs words.txt, phones.txt, L_disambig.fst or L.fst, and phones/disambig; reads the rest where it
        is there, lists of phones as .txt or .int.

        Raises SpecifierError where a file is missing, FstError, which names file and line, where a symbol is
        in no table, tables lack <eps> or #0, or an automaton has labels that are in no table.
        """
        return cls(**_Reader(os.fspath(path)).fields())

    def write(self, path: Path) -> None:
        """Writes the files of Kaldi's lang directory. A directory that is there keeps what it has besides.
        Nothing is changed where that fails (SpecifierError)."""
        texts = self.files()
        with whole_directory(path) as directory:
            os.mkdir(os.path.join(directory, "phones"))
            for name, data in texts.items():
                with open(os.path.join(directory, name), "wb") as file:
                    file.write(data)
            for name, fst in (
                ("L.fst", self.lexicon),
                ("L_disambig.fst", self.lexicon_disambig),
                ("G.fst", self.grammar),
            ):
                if fst is not None:
                    fst.write(os.path.join(directory, name))
        for name in _OPTIONAL:  # of an older directory
            if name not in texts:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(path, name))

    def files(self) -> dict[str, bytes]:
        """The text files, by their names."""
        texts: dict[str, str] = {
            "words.txt": _table_text(self.words),
            "phones.txt": _table_text(self.phones),
            "topo": self.topology,
        }

        def lines(name: str, rows: Iterable[Sequence[str]], symbols: int = 0, end: str = "") -> None:
            """As symbols, and with the keys of phones from the field `symbols` on."""
            rows = list(rows)
            texts[f"phones/{name}.txt"] = "".join(" ".join(row) + end + "\n" for row in rows)
            texts[f"phones/{name}.int"] = "".join(
                " ".join((*row[:symbols], *(str(self.phones[p]) for p in row[symbols:]))) + "\n"
                for row in rows
            )

        for name, field in _LISTS.items():
            members: tuple[str, ...] = getattr(self, field)
            lines(name, ((phone,) for phone in members))
            texts[f"phones/{name}.csl"] = ":".join(str(self.phones[phone]) for phone in members) + "\n"
        lines("sets", self.phone_sets)
        kinds = [
            ("shared" if r.shared else "not-shared", "split" if r.split else "not-split") for r in self.roots
        ]
        lines("roots", ((*k, *r.phones) for k, r in zip(kinds, self.roots, strict=True)), 2)
        lines("extra_questions", self.extra_questions)
        texts["phones/align_lexicon.txt"] = "".join(" ".join(row) + "\n" for row in self.align_lexicon)
        texts["phones/align_lexicon.int"] = "".join(
            f"{self.words[row[0]]} {self.words[row[1]]} {' '.join(str(self.phones[p]) for p in row[2:])}\n"
            for row in self.align_lexicon
        )
        if self.word_boundary is not None:
            texts["phones/word_boundary.txt"] = "".join(f"{p} {place}\n" for p, place in self.word_boundary)
            texts["phones/word_boundary.int"] = "".join(
                f"{self.phones[p]} {place}\n" for p, place in self.word_boundary
            )
        if self.oov is not None:
            texts["oov.txt"] = f"{self.oov}\n"
            texts["oov.int"] = f"{self.words[self.oov]}\n"
        texts["phones/wdisambig.txt"] = "".join(f"{symbol}\n" for symbol in self.word_disambig)
        for name, table in (("phones", self.phones), ("words", self.words)):
            texts[f"phones/wdisambig_{name}.int"] = "".join(f"{table[s]}\n" for s in self.word_disambig)
        return {name: encoded(text) for name, text in texts.items()}


def _table_text(table: SymbolTable) -> str:
    return "".join(f"{symbol} {key}\n" for symbol, key in table)


class _Reader:
    """Reads and checks the files of one directory."""

    def __init__(self, directory: str):
        self.directory = directory
        self.words = self.table("words.txt")
        self.phones = self.table("phones.txt")
        if self.words.find(BACKOFF) is None:
            raise FstError(
                f"{self.name('words.txt')}: lacks #0, the symbol of backoff arcs; add it at the end"
            )

    def name(self, file: str) -> str:
        return os.path.join(self.directory, file)

    def there(self, file: str) -> bool:
        return os.path.exists(self.name(file))

    def table(self, file: str) -> SymbolTable:
        table = SymbolTable.read(self.name(file))
        if table.symbol(0) != EPSILON:
            raise FstError(f"{self.name(file)}: {table.symbol(0)!r} has the key 0; expected {EPSILON}")
        return table

    def fields(self) -> dict:
        disambig = self.members("disambig")
        if not disambig:
            raise FstError(
                f"{self.name('phones/disambig.txt')}: is not there, or empty; expected #0, #1 and so on: no "
                "graph can be made without them"
            )
        roots = []
        for number, row in self.rows("phones/roots.txt"):
            if row[0] not in ("shared", "not-shared") or row[1:2] not in (("split",), ("not-split",)):
                raise FstError(
                    f"{self.name('phones/roots.txt')}:{number}: {' '.join(row)!r}; expected shared or "
                    "not-shared, split or not-split, and phones"
                )
            roots.append(Root(row[0] == "shared", row[1] == "split", row[2:]))
            self.check("phones/roots.txt", number, row[2:], self.phones)
        boundary = None
        if self.there("phones/word_boundary.txt"):
            boundary = read_word_boundary(self.name("phones/word_boundary.txt"))
            for number, (phone, _) in enumerate(boundary, 1):
                self.check("phones/word_boundary.txt", number, (phone,), self.phones)
        align = []
        for number, row in self.rows("phones/align_lexicon.txt"):
            self.check("phones/align_lexicon.txt", number, row[:2], self.words)
            self.check("phones/align_lexicon.txt", number, row[2:], self.phones)
            align.append(row)
        oov = [row[0] for _, row in self.rows("oov.txt")]
        if oov:
            self.check("oov.txt", 1, (oov[0],), self.words)
        word_disambig = tuple(row[0] for _, row in self.rows("phones/wdisambig.txt")) or (BACKOFF,)
        self.check("phones/wdisambig.txt", 1, word_disambig, self.words)
        lists = {field: self.members(name) for name, field in _LISTS.items() if name != "disambig"}
        both = set(lists["silence_phones"]) & set(lists["nonsilence_phones"])
        if both:
            raise FstError(
                f"{self.directory}: {', '.join(sorted(both))} in phones/silence.txt and in "
                "phones/nonsilence.txt; expected each phone in one of them"
            )
        lexicon, lexicon_disambig = self.lexicon("L.fst"), self.lexicon("L_disambig.fst")
        if lexicon is None and lexicon_disambig is None:
            raise FstError(f"{self.directory}: has neither L_disambig.fst nor L.fst; prepare_lang makes both")
        return dict(
            words=self.words,
            phones=self.phones,
            lexicon=lexicon,
            lexicon_disambig=lexicon_disambig,
            disambig=disambig,
            word_disambig=word_disambig,
            **lists,
            phone_sets=self.phone_rows("sets"),
            roots=tuple(roots),
            extra_questions=self.phone_rows("extra_questions"),
            align_lexicon=tuple(align),
            word_boundary=boundary,
            oov=oov[0] if oov else None,
            topology=decoded(read_bytes(self.name("topo"))) if self.there("topo") else "",
            grammar=Fst.read(self.name("G.fst")) if self.there("G.fst") else None,
        )

    def rows(self, file: str) -> list[tuple[int, tuple[str, ...]]]:
        """Fields of the lines of a file that may be missing."""
        if not self.there(file):
            return []
        return [(n, tuple(map(decoded, fields))) for n, fields in lines_of(read_bytes(self.name(file)))]

    def check(self, file: str, number: int, symbols: Iterable[str], table: SymbolTable) -> None:
        for symbol in symbols:
            if symbol not in table:
                raise FstError(
                    f"{self.name(file)}:{number}: {symbol!r} is not in {table.name} of {len(table)} symbols; "
                    "the files are of different lang directories, or one was changed by hand"
                )

    def phone_rows(self, name: str) -> Phones:
        found = []
        for number, row in self.rows(f"phones/{name}.txt"):
            self.check(f"phones/{name}.txt", number, row, self.phones)
            found.append(row)
        return tuple(found)

    def members(self, name: str) -> tuple[str, ...]:
        """A phone a line, from the .txt file, else by keys from the .int file."""
        if self.there(f"phones/{name}.txt"):
            return tuple(phone for row in self.phone_rows(name) for phone in row)
        found = []
        for number, row in self.rows(f"phones/{name}.int"):
            for key in row:
                symbol = self.phones.symbol(int(key)) if key.isdecimal() and len(key) < 10 else None
                if symbol is None:
                    raise FstError(
                        f"{self.name(f'phones/{name}.int')}:{number}: {key!r} is no key of {self.phones.name}"
                    )
                found.append(symbol)
        return tuple(found)

    def lexicon(self, file: str) -> Fst | None:
        if not self.there(file):
            return None
        fst = Fst.read(self.name(file))
        arcs = fst.arcs
        for side, table in (("ilabel", self.phones), ("olabel", self.words)):
            most = int(arcs[side].max(initial=0))
            if most >= table.available_key:
                raise FstError(
                    f"{self.name(file)}: has the {'input' if side == 'ilabel' else 'output'} label {most}, "
                    f"and {table.name} keys up to {table.available_key - 1}; from different directories"
                )
        return fst
