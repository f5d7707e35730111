"""Automata from text, written to a compiler piece by piece."""

from typing import ClassVar, Generic, TypeVar

from sonant.kaldi.fstext.automata import MutableFstBase
from sonant.kaldi.fstext.kinds import (
    CompactLatticeVectorFst,
    KwsIndexVectorFst,
    LatticeVectorFst,
    LogVectorFst,
    StdVectorFst,
)
from sonant.kaldi.fstext.symbols import SymbolTable

Made = TypeVar("Made", bound=MutableFstBase)


class FstCompiler(Generic[Made]):
    """Takes text in OpenFst's format, one arc or final state a line.

    >>> compiler = StdFstCompiler()
    >>> print("0 1 97 98 0.5", file=compiler)
    >>> print("1 0.25", file=compiler)
    >>> fst = compiler.compile()

    `isymbols`, `osymbols` and `ssymbols` name labels and states, and stay with the automaton where they are
    kept; `acceptor`: one label per arc; states are numbered as they are met unless `keep_state_numbering`.
    """

    _made: ClassVar[type[MutableFstBase]]

    def __init_subclass__(cls, made: type[MutableFstBase]):
        cls._made = made

    def __init__(
        self,
        isymbols: SymbolTable | None = None,
        osymbols: SymbolTable | None = None,
        ssymbols: SymbolTable | None = None,
        acceptor: bool = False,
        keep_isymbols: bool = False,
        keep_osymbols: bool = False,
        keep_state_numbering: bool = False,
        allow_negative_labels: bool = False,
    ):
        self._tables = (isymbols, osymbols, ssymbols)
        self._kept = (isymbols if keep_isymbols else None, osymbols if keep_osymbols else None)
        self._options = (acceptor, keep_state_numbering, allow_negative_labels)
        self._text: list[str] = []

    def write(self, expression: str) -> None:
        """Adds text; `print(..., file=compiler)` does too."""
        self._text.append(expression)

    def compile(self) -> Made:
        """The automaton that the text describes; the compiler is empty again.

        Raises FstError, which names the line, where the text makes no sense.
        """
        text = "".join(self._text)
        self._text.clear()
        tables = (None if table is None else table.table._native() for table in self._tables)
        fst = self._made.of_native(self._made._native_type.compile(text, *tables, *self._options))
        fst.set_input_symbols(self._kept[0]).set_output_symbols(self._kept[1])
        return fst  # type: ignore[return-value]


# fmt: off
class StdFstCompiler(FstCompiler[StdVectorFst], made=StdVectorFst): ...
class LogFstCompiler(FstCompiler[LogVectorFst], made=LogVectorFst): ...
class LatticeFstCompiler(FstCompiler[LatticeVectorFst], made=LatticeVectorFst): ...
class CompactLatticeFstCompiler(FstCompiler[CompactLatticeVectorFst], made=CompactLatticeVectorFst): ...
class KwsIndexFstCompiler(FstCompiler[KwsIndexVectorFst], made=KwsIndexVectorFst): ...
# fmt: on
