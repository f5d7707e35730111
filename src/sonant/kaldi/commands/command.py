"""What commands have in common: options, usage, what is said on standard error, and the loop over a table."""

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sonant.errors import SpecifierError
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, ParseOptions, option
from sonant.kaldi.util.specifiers import (
    RspecifierType,
    WspecifierType,
    classify_rspecifier,
    classify_wspecifier,
)


class Skip(Exception):
    """Why an utterance is passed over, with a warning."""


class NoOptions(Options):
    """Of commands that have none."""


class BinaryOptions(Options):
    binary: bool = option(True, "binary", "Write a single file in binary; of tables the wspecifier says it")


@dataclass
class Tally:
    """How many utterances were used, and how many were passed over."""

    done: int = 0
    failed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.done + other.done, self.failed + other.failed)

    @property
    def status(self) -> int:
        """Kaldi's exit status: 0 where something was done."""
        return 0 if self.done else 1


@dataclass(frozen=True)
class Run:
    """One run of a command: what it says, and what it goes through."""

    name: str

    def log(self, message: str) -> None:
        self._say("LOG", message)

    def warn(self, message: str) -> None:
        self._say("WARNING", message)

    def _say(self, level: str, message: str) -> None:
        # In one piece: stages of a pipe speak at the same time.
        sys.stderr.write(f"{level} ({self.name}) {message}\n")

    def each(self, items: Iterable[tuple[str, Any]], one: Callable[[str, Any], None]) -> Tally:
        """Calls `one` with every key and value; what it raises Skip for is warned about and counted."""
        tally = Tally()
        for key, value in items:
            try:
                one(key, value)
            except Skip as reason:
                self.warn(str(reason))
                tally.failed += 1
            else:
                tally.done += 1
        return tally

    def convert(self, reader: Any, writer: Any, change: Callable[[str, Any], Any]) -> Tally:
        """Writes what `change` makes of every key and value; closes both tables."""

        def one(key: str, value: Any) -> None:
            writer[key] = change(key, value)

        with writer, reader:
            return self.each(reader, one)


Body = Callable[..., int]


@dataclass(frozen=True)
class Command:
    body: Body
    forms: tuple[str, ...]

    def usage(self, name: str) -> str:
        lines = [inspect.getdoc(self.body) or "", ""]
        for start, form in zip(["Usage:", *["   or:"] * len(self.forms)], self.forms, strict=False):
            lines.append(f"{start} {name} [options] {form}")
        return "\n".join(lines)

    def run(self, name: str, arguments: Sequence[str]) -> int:
        """Returns the exit status. Raises a SonantError where the command cannot go on."""
        signature = inspect.signature(self.body)
        options = signature.parameters["options"].annotation()
        po = ParseOptions(self.usage(name))
        options.register(po)
        po.parse_args([name, *arguments])
        given = [po.get_arg(place) for place in range(1, po.num_args() + 1)]
        try:
            bound = signature.bind(Run(name), options, *given)
        except TypeError:
            po.print_usage()
            return 1
        return self.body(*bound.args)


def command(*forms: str) -> Callable[[Body], Command]:
    """Makes a command of a function of (run, options, argument, ...) whose docstring says what it does.

    forms: what stands behind the options. The annotation of `options` is the class of the options.
    """
    return lambda body: Command(body, forms)


def reads_table(specifier: str) -> bool:
    """Whether an argument is an rspecifier, rather than the name of a file."""
    return classify_rspecifier(specifier)[0] != RspecifierType.NO_SPECIFIER


def writes_table(specifier: str) -> bool:
    """Whether an argument is a wspecifier, rather than the name of a file."""
    return classify_wspecifier(specifier)[0] != WspecifierType.NO_SPECIFIER


def both_tables(source: str, target: str) -> bool:
    """Whether both are tables. Raises SpecifierError where only one is."""
    if reads_table(source) != writes_table(target):
        raise SpecifierError(
            f"'{source}' and '{target}': one is a table, the other a file; expected two tables (ark:, scp:) "
            "or two files"
        )
    return reads_table(source)


def read_object(kind: type, rxfilename: str) -> Any:
    """An object, from an extended filename."""
    value = kind()
    # Matrices and vectors have `read_`, as in PyKaldi, the others `read`.
    read = getattr(value, "read_", None) or value.read
    with xopen(rxfilename) as file:
        read(file.stream(), file.binary)
    return value


def write_object(value: Any, wxfilename: str, binary: bool = True) -> None:
    with xopen(wxfilename, "wb" if binary else "wt") as file:
        value.write(file.stream(), binary)


def open_if_given(stack: ExitStack, kind: Callable[..., Any], *specifiers: str) -> Any:
    """A reader or writer of a table that an option may name; None where it does not."""
    return stack.enter_context(kind(*specifiers)) if specifiers[0] else None


def colon_separated(text: str, option_name: str) -> list[int]:
    """Integers of an option such as 13:14:15."""
    try:
        return [int(part) for part in text.split(":")] if text else []
    except ValueError:
        raise SpecifierError(f"--{option_name}={text}; expected integers with colons between them") from None
