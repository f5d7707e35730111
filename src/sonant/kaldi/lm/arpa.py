"""The compiler of ARPA models into grammars (Kaldi's `lm/arpa-lm-compiler`)."""

from dataclasses import field
from enum import IntEnum

from sonant import _native
from sonant.errors import FstError
from sonant.fst.ngram import tell_warnings
from sonant.kaldi.fstext import StdVectorFst, SymbolTable
from sonant.kaldi.util.options import Options, option


class OovHandling(IntEnum):
    """What becomes of words that are not in the symbol table."""

    RAISE_ERROR = 0
    ADD_TO_SYMBOLS = 1
    REPLACE_WITH_UNK = 2
    SKIP_NGRAM = 3


class ArpaParseOptions(Options):
    """How an ARPA file is read: the numbers of <s>, </s> and <unk>, and what becomes of other words."""

    OovHandling = OovHandling

    # As in Kaldi, only the number of warnings is an option of command lines.
    bos_symbol: int = field(default=-1)
    eos_symbol: int = field(default=-1)
    unk_symbol: int = field(default=-1)
    max_warnings: int = option(30, "max-arpa-warnings", "Most warnings about a file, below 0 any number")
    oov_handling: OovHandling = field(default=OovHandling.RAISE_ERROR)

    @property
    def _arguments(self) -> tuple[int, int, int, int, int]:
        return self.bos_symbol, self.eos_symbol, self.unk_symbol, int(self.oov_handling), self.max_warnings


class ArpaLmCompiler:
    """Makes the grammar of an ARPA model.

    `sub_eps` is the input label of backoff arcs (#0); with 0 they are epsilons, and <s> and </s> are words.
    `symbols` gives the words their numbers, and gets new ones with ADD_TO_SYMBOLS; without it the file has
    numbers for words.
    """

    def __init__(self, options: ArpaParseOptions, sub_eps: int, symbols: SymbolTable | None = None):
        self._options, self._sub_eps, self._symbols = options, sub_eps, symbols
        self._fst = StdVectorFst()

    def options(self) -> ArpaParseOptions:
        return self._options

    def read(self, is_: _native.Input) -> None:
        """Reads a model. Raises FstError, which names the line."""
        o = self._options
        words, known = None, 0
        if self._symbols is not None:
            for name, key in (("bos_symbol", o.bos_symbol), ("eos_symbol", o.eos_symbol)):
                if not self._symbols.member_index(key):
                    raise FstError(f"{name}={key} is not in the symbol table")
            pairs = list(self._symbols.table)
            words, known = _native.WordTable([s for s, _ in pairs], [k for _, k in pairs]), len(pairs)
        native, warnings = _native.arpa_to_fst(is_, words, *o._arguments, self._sub_eps)
        if self._symbols is not None and words is not None:
            for symbol, key in words.items(known):
                self._symbols.add_pair(symbol, key)
        tell_warnings(warnings)
        self._fst = StdVectorFst.of_native(native)
        self._fst.set_input_symbols(self._symbols)
        self._fst.set_output_symbols(self._symbols)

    def fst(self) -> StdVectorFst:
        """A copy of the grammar."""
        return self._fst.copy()

    def mutable_fst(self) -> StdVectorFst:
        """The grammar itself."""
        return self._fst
