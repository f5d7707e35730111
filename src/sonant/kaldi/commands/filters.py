"""Commands that read automata (any type of arc; `-` or nothing is a standard stream) and write them.

Results are vector files with the symbol tables of what they come from, as OpenFst's are.
"""

from collections.abc import Callable
from typing import Any

from sonant.fst import Fst, SymbolTable
from sonant.kaldi.commands.command import Command, Run, command
from sonant.kaldi.fstext import read_fst_kaldi, write_fst_kaldi
from sonant.kaldi.fstext.kinds import CONST_TYPES, VECTOR_TYPES
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import Options, option

DELTA = 1 / 1024
# What fstequal and its like return for "no".
DIFFERENT = 2


def read_automaton(rxfilename: str) -> Fst:
    return read_fst_kaldi(rxfilename).to_fst()


def write_automaton(fst: Fst, wxfilename: str, form: str = "vector") -> None:
    kinds = CONST_TYPES if form == "const" else VECTOR_TYPES
    write_fst_kaldi(kinds[fst.arc_type](fst), wxfilename)


def filter_command(doc: str, kind: type[Options], change: Callable[[Fst, Any], Fst]) -> Command:
    """A command that reads one automaton and writes one."""

    def body(run: Run, options: Any, source: str = "-", target: str = "-") -> int:
        write_automaton(change(read_automaton(source), options), target)
        return 0

    body.__doc__, body.__annotations__["options"] = doc, kind
    return command("[in.fst [out.fst]]")(body)


def pair_command(doc: str, kind: type[Options], combine: Callable[[Fst, Fst, Any], Fst]) -> Command:
    """A command that makes one automaton of two."""

    def body(run: Run, options: Any, left: str, right: str, target: str = "-") -> int:
        write_automaton(combine(read_automaton(left), read_automaton(right), options), target)
        return 0

    body.__doc__, body.__annotations__["options"] = doc, kind
    return command("<in1.fst> <in2.fst> [out.fst]")(body)


def comparison(doc: str, kind: type[Options], alike: Callable[[Fst, Fst, Any], bool]) -> Command:
    """A command whose exit status is 0 where two automata are alike, 2 where they are not."""

    def body(run: Run, options: Any, left: str, right: str) -> int:
        return 0 if alike(read_automaton(left), read_automaton(right), options) else DIFFERENT

    body.__doc__, body.__annotations__["options"] = doc, kind
    return command("<in1.fst> <in2.fst>")(body)


class DeltaOptions(Options):
    delta: float = option(DELTA, "delta", "Costs that differ by less are taken for equal")


def read_symbols(path: str) -> SymbolTable | None:
    return SymbolTable.read(path) if path else None


def write_text(text: str, wxfilename: str) -> int:
    with xopen(wxfilename, "wt") as out:
        out.write(text)
    return 0
