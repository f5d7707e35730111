"""Kaldi's const-arpa models (`lm/const-arpa-lm`): one array on disk, used as it lies there."""

from collections.abc import Sequence
from typing import Any

from sonant import _native
from sonant.errors import FstError
from sonant.fst import OnDemand
from sonant.fst.ngram import tell_warnings
from sonant.kaldi.fstext import SymbolTable
from sonant.kaldi.fstext.on_demand import StdDeterministicOnDemandFst
from sonant.kaldi.lm.arpa import ArpaParseOptions
from sonant.kaldi.util import io


class ConstArpaLm:
    """An n-gram model whose words are numbers; logarithms are natural ones.

    >>> lm = ConstArpaLm()
    >>> with io.xopen("G.carpa") as file:
    ...     lm.read(file.stream(), file.binary)
    """

    def __init__(self) -> None:
        self._lm: Any = _native.ConstArpa()

    def read(self, is_: _native.Input, binary: bool) -> None:
        """A big file is mapped into memory: do not change it in place. Raises ArkError for a corrupt one."""
        self._lm = _native.ConstArpa.read(is_, binary)

    def write(self, os: _native.Output, binary: bool) -> None:
        """In binary, which is the only form. Raises FstError for text."""
        if not binary:
            raise FstError("a const-arpa model has no form in text; use binary=True, or write_arpa")
        self._lm.write(os)

    def write_arpa(self, os: _native.Output, symbols: SymbolTable | None = None) -> None:
        """An ARPA file with the words' numbers, or their names where there is a table."""
        words = None
        if symbols is not None:
            words = _native.WordTable([s for s, _ in symbols.table], [k for _, k in symbols.table])
        self._lm.write_arpa(os, words)

    def get_ngram_log_prob(self, word: int, hist: Sequence[int]) -> float:
        """ln p(word | hist), of which the last words count; unknown words are <unk> where there is that."""
        return self._lm.logprob(word, list(hist))

    def history_state_exists(self, hist: Sequence[int]) -> bool:
        """Whether the model has n-grams that go on from this history."""
        return self._lm.has_history(list(hist))

    def get_bos_symbol(self) -> int:
        return self._lm.bos()

    def get_eos_symbol(self) -> int:
        return self._lm.eos()

    def get_unk_symbol(self) -> int:
        """-1 where there is none."""
        return self._lm.unk()

    def get_ngram_order(self) -> int:
        return self._lm.order()


class ConstArpaLmDeterministicFst(StdDeterministicOnDemandFst):
    """The model as an automaton that is built as one walks along: a state is a history."""

    def __init__(self, lm: ConstArpaLm):
        self._model = OnDemand(_native.OnDemand.const_arpa(lm._lm))


def build_const_arpa_lm(options: ArpaParseOptions, arpa_rxfilename: str, const_arpa_wxfilename: str) -> bool:
    """Makes a const-arpa file of an ARPA file whose words are numbers.

    Raises FstError (which names the line), ArkError or SpecifierError.
    """
    with io.xopen(arpa_rxfilename, "rt") as file:
        native, warnings = _native.NgramLm.read(file.stream(), None, *options._arguments)
    tell_warnings(warnings)
    with io.xopen(const_arpa_wxfilename, "wb") as file:
        native.to_const_arpa().write(file.stream())
    return True
