"""Pronunciation lexicons: Kaldi's lexicon.txt, lexiconp.txt and lexiconp_silprob.txt, and CMUdict's form."""

import math
import os
import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

from sonant.errors import FstError
from sonant.fst.files import Path, reading, writing
from sonant.fst.symbols import SymbolTable

Form = Literal["lexicon", "lexiconp", "lexiconp_silprob"]

EPSILON = "<eps>"
FORMS: tuple[Form, ...] = get_args(Form)
_NUMBERS: dict[Form, int] = {"lexicon": 0, "lexiconp": 1, "lexiconp_silprob": 4}
_NAMES = ("probability", "probability of silence behind", "correction after silence", "correction after none")
_VARIANT = re.compile(r"(.+)\(\d+\)")
_DISAMBIGUATION = re.compile(r"#\d+")


def decoded(data: bytes) -> str:
    """Symbols are any bytes without blanks, as in symbol tables."""
    return data.decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def word_table(words: Iterable[str], disambig: Sequence[str] = ()) -> SymbolTable:
    """words.txt as Kaldi's prepare_lang.sh makes it: sorted by bytes, #0, <s> and </s> behind them."""
    return SymbolTable(
        [EPSILON, *sorted(set(words), key=encoded), "#0", "<s>", "</s>", *disambig], "words.txt"
    )


@dataclass(frozen=True, slots=True)
class WordSilence:
    """Silence beside a pronunciation (lexiconp_silprob.txt): the probability of silence behind it, and what
    the probability of the word is multiplied by after silence, and where no silence is before it."""

    behind: float
    after_silence: float
    after_none: float


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """A line of a lexicon. `line` is its number in the file, 0 where there is none."""

    word: str
    phones: tuple[str, ...]
    probability: float = 1.0
    silence: WordSilence | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class SilenceProbabilities:
    """silprob.txt: silence at the beginning, and the corrections at the end of a sentence."""

    begin: float
    end_after_silence: float
    end_after_none: float
    overall: float

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises SpecifierError where the file cannot be opened, FstError (file and line) for its content."""
        found: dict[str, float] = {}
        for number, fields in lines_of(read_bytes(path)):
            where = f"{os.fspath(path)}:{number}"
            if len(fields) != 2 or fields[0] not in (b"<s>", b"</s>_s", b"</s>_n", b"overall"):
                raise FstError(f"{where}: expected a number behind one of <s>, </s>_s, </s>_n, overall")
            name = decoded(fields[0])
            most = 1.0 if name in ("<s>", "overall") else math.inf
            found[name] = _number(fields[1], most, where, f"value of {name}")
        missing = [name for name in ("<s>", "</s>_s", "</s>_n", "overall") if name not in found]
        if missing:
            raise FstError(f"{os.fspath(path)}: there is no line for {', '.join(missing)}")
        return cls(found["<s>"], found["</s>_s"], found["</s>_n"], found["overall"])

    def text(self) -> str:
        values = (self.begin, self.end_after_silence, self.end_after_none, self.overall)
        names = ("<s>", "</s>_s", "</s>_n", "overall")
        return "".join(f"{name} {value!r}\n" for name, value in zip(names, values, strict=True))


@dataclass(frozen=True)
class Lexicon:
    """Words and their pronunciations, in the order of the file; a word may have several.

    >>> lexicon = Lexicon.read("lexicon.txt")
    >>> lexicon, count = lexicon.disambiguated()
    """

    pronunciations: tuple[Pronunciation, ...]
    silence: SilenceProbabilities | None = None
    source: str = "lexicon"

    def __len__(self) -> int:
        return len(self.pronunciations)

    @property
    def words(self) -> list[str]:
        """Each word once, in the order in which they come."""
        return list(dict.fromkeys(entry.word for entry in self.pronunciations))

    @property
    def phones(self) -> list[str]:
        """Each phone once, in the order in which they come."""
        return list(dict.fromkeys(phone for entry in self.pronunciations for phone in entry.phones))

    def where(self, entry: Pronunciation) -> str:
        """File and line, for errors."""
        return f"{self.source}:{entry.line}" if entry.line else self.source

    # Files

    @classmethod
    def read(
        cls,
        path: Path,
        form: Form | None = None,
        *,
        phones: Container[str] | None = None,
        variants: bool | None = None,
        allow_empty: bool = False,
    ) -> Self:
        """Lines of a word and its phones, parted by blanks or tabs; with a probability behind the word in the
        form `lexiconp`, with that and three numbers of silence in `lexiconp_silprob`, whose silprob.txt
        beside the file is read too. `form=None`: what the name of the file begins with, else `lexicon`.

        `variants`: whether `WORD(2)` is another pronunciation of WORD, and `#` behind a blank begins a
        comment (CMUdict's form); None: where WORD itself is there too. `;;;` begins a comment.

        Raises SpecifierError where a file cannot be opened, and FstError, which names file and line: a
        pronunciation that is empty (unless `allow_empty`), comes twice or has a phone that is not in
        `phones`, a probability that is not in (0, 1], words that graphs have another meaning for (<eps>,
        <s>, </s>, #0).
        """
        name = os.fspath(path)
        if form is None:
            stem = os.path.basename(name).partition(".")[0]
            forms: dict[str, Form] = {known: known for known in FORMS}
            form = forms.get(stem, "lexicon")
        silence = None
        if form == "lexiconp_silprob":
            silence = SilenceProbabilities.read(os.path.join(os.path.dirname(name), "silprob.txt"))
        entries = _entries(read_bytes(path), form, name, variants, allow_empty)
        lexicon = cls(tuple(entries), silence, name)
        lexicon.check(phones, allow_empty)
        return lexicon

    @classmethod
    def from_text(
        cls,
        text: str | bytes,
        form: Form = "lexicon",
        *,
        silence: SilenceProbabilities | None = None,
        phones: Container[str] | None = None,
        variants: bool | None = None,
        allow_empty: bool = False,
        source: str = "text",
    ) -> Self:
        """As `read`, from a string; `silence` takes the place of silprob.txt."""
        if form not in _NUMBERS:
            raise FstError(f"form={form!r}; expected {', '.join(_NUMBERS)}")
        if form == "lexiconp_silprob" and silence is None:
            raise FstError("form='lexiconp_silprob' needs the probabilities of silprob.txt: silence=...")
        data = encoded(text) if isinstance(text, str) else text
        lexicon = cls(tuple(_entries(data, form, source, variants, allow_empty)), silence, source)
        lexicon.check(phones, allow_empty)
        return lexicon

    @classmethod
    def spelled(
        cls, words: Iterable[str], spell: Callable[[str], Sequence[str]], source: str = "words"
    ) -> Self:
        """A lexicon of tokens: each word in the tokens that `spell` gives, such as characters or pieces.

        >>> Lexicon.spelled(words, lambda word: [tokens.pieces[i] for i in tokens.encode(word)])
        """
        entries = (Pronunciation(word, tuple(spell(word))) for word in dict.fromkeys(words))
        lexicon = cls(tuple(entries), None, source)
        lexicon.check()
        return lexicon

    def check(self, phones: Container[str] | None = None, allow_empty: bool = False) -> None:
        """Raises the FstErrors of `read`."""
        if not self.pronunciations:
            raise FstError(
                f"{self.source}: there is no pronunciation; expected lines of a word and its phones"
            )
        seen: dict[tuple[str, tuple[str, ...]], Pronunciation] = {}
        for entry in self.pronunciations:
            if first := seen.get((entry.word, entry.phones)):
                raise FstError(
                    f"{self.where(entry)}: {entry.word!r} has this pronunciation twice: "
                    f"{' '.join(entry.phones)} is in {self.where(first)} too; remove one"
                )
            seen[entry.word, entry.phones] = entry
            problem = _problem(entry, phones, allow_empty)
            if problem:
                raise FstError(f"{self.where(entry)}: {problem}")

    def text(self) -> str:
        """In the form that holds what there is, as `read` reads it."""
        lines = []
        probabilities = any(entry.probability != 1.0 for entry in self.pronunciations)
        for entry in self.pronunciations:
            numbers: tuple[float, ...] = ()
            if entry.silence is not None:
                s = entry.silence
                numbers = (entry.probability, s.behind, s.after_silence, s.after_none)
            elif probabilities:
                numbers = (entry.probability,)
            lines.append(" ".join((entry.word, *map(repr, numbers), *entry.phones)) + "\n")
        return "".join(lines)

    def write(self, path: Path) -> None:
        with writing(path) as stream:
            stream.write(encoded(self.text()))

    # Changed

    def with_positions(self) -> Self:
        """Phones marked by their place in the word: _B (first), _I, _E (last), _S (alone)."""

        def marked(phones: tuple[str, ...]) -> tuple[str, ...]:
            if len(phones) < 2:
                return tuple(f"{phone}_S" for phone in phones)
            return (f"{phones[0]}_B", *(f"{phone}_I" for phone in phones[1:-1]), f"{phones[-1]}_E")

        return replace(
            self,
            pronunciations=tuple(replace(e, phones=marked(e.phones)) for e in self.pronunciations),
        )

    def disambiguated(self, first: int = 1) -> tuple[Self, int]:
        """With the disambiguation symbols of Kaldi's add_lex_disambig.pl, and the highest one's number.

        A pronunciation that another one equals or begins with gets `#1`, `#2`, ... from `first` on, each
        a number of its own among equal ones; an empty one gets a symbol that no other one has.
        """
        counts: dict[tuple[str, ...], int] = {}
        beginnings: set[tuple[str, ...]] = set()
        for entry in self.pronunciations:
            phones = entry.phones
            counts[phones] = counts.get(phones, 0) + 1
            while phones:
                phones = phones[:-1]
                if phones in beginnings:  # and so are the shorter ones
                    break
                beginnings.add(phones)
        highest = first - 1
        last: dict[tuple[str, ...], int] = {}
        reserved: set[int] = set()
        entries = []
        for entry in self.pronunciations:
            phones = entry.phones
            if not phones:
                highest += 1
                reserved.add(highest)
                entry = replace(entry, phones=(f"#{highest}",))
            elif counts[phones] > 1 or phones in beginnings:
                number = last.get(phones, first - 1) + 1
                while number in reserved:
                    number += 1
                last[phones] = number
                highest = max(highest, number)
                entry = replace(entry, phones=(*phones, f"#{number}"))
            entries.append(entry)
        return replace(self, pronunciations=tuple(entries)), highest


# Lines


def read_bytes(path: Path) -> bytes:
    with reading(path) as stream:
        return stream.read()


def lines_of(data: bytes) -> Iterable[tuple[int, list[bytes]]]:
    """Numbers and fields of the lines that are not blank; blanks are those of ASCII."""
    return ((number, fields) for number, line in enumerate(data.split(b"\n"), 1) if (fields := line.split()))


def _entries(
    data: bytes, form: Form, source: str, variants: bool | None, allow_empty: bool
) -> list[Pronunciation]:
    numbers = _NUMBERS[form]
    texts: dict[bytes, str] = {}  # phones come again and again

    def text(field: bytes) -> str:
        known = texts.get(field)
        if known is None:
            known = texts[field] = decoded(field)
        return known

    lines = [(number, fields) for number, fields in lines_of(data) if not fields[0].startswith(b";;;")]
    bases = {fields[0] for _, fields in lines}
    if variants is None:
        variants = any(
            match is not None and encoded(match[1]) in bases
            for word in bases
            if word.endswith(b")")
            for match in [_VARIANT.fullmatch(decoded(word))]
        )
    entries = []
    for number, fields in lines:
        where = f"{source}:{number}"
        word = decoded(fields[0])
        if variants:
            match = _VARIANT.fullmatch(word)
            word = match[1] if match else word
            if b"#" in fields:
                fields = fields[: fields.index(b"#")]
        if len(fields) < 1 + numbers:
            wanted = ", ".join(_NAMES[:numbers])
            raise FstError(
                f"{where}: {word!r} has {len(fields) - 1} fields behind it; expected {wanted}, and phones"
            )
        values = [
            _number(field, 1.0 if k < 2 else math.inf, where, f"{_NAMES[k]} of {word!r}")
            for k, field in enumerate(fields[1 : 1 + numbers])
        ]
        phones = tuple(map(text, fields[1 + numbers :]))
        silence = WordSilence(*values[1:]) if numbers == 4 else None
        entries.append(Pronunciation(word, phones, values[0] if values else 1.0, silence, number))
    return entries


def _number(field: bytes, most: float, where: str, what: str) -> float:
    text = decoded(field)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= most or value == math.inf:
        wanted = "a positive number" if most == math.inf else f"a number above 0, and {most:g} at most"
        raise FstError(f"{where}: the {what} is {text!r}; expected {wanted}")
    return value


def _problem(entry: Pronunciation, phones: Container[str] | None, allow_empty: bool) -> str:
    word = entry.word
    if word in (EPSILON, "<s>", "</s>"):
        return (
            f"{word} is a word; graphs have another meaning for it: give it another name, or remove the line"
        )
    if _DISAMBIGUATION.fullmatch(word):
        return f"the word {word!r} looks like a disambiguation symbol: give it another name"
    if not 0 < entry.probability <= 1:
        return f"the probability of {word!r} is {entry.probability}; expected a number above 0, and 1 at most"
    if not entry.phones and not allow_empty:
        return f"{word!r} has no phones; expected at least one"
    for phone in entry.phones:
        if phone == EPSILON or _DISAMBIGUATION.fullmatch(phone):
            return (
                f"{word!r} has the phone {phone!r}, which means another thing in graphs: give it another name"
            )
        if phones is not None and phone not in phones:
            return f"{word!r} has the phone {phone!r}, which is not in the set of phones: add it there"
    return ""
