"""What Kaldi adds to automata (PyKaldi's `kaldi.fstext.special`): what there is of it so far."""

from enum import IntEnum

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.kaldi.fstext.arcs import StdArc
from sonant.kaldi.fstext.kinds import StdVectorFst
from sonant.kaldi.fstext.semirings import TropicalWeight


class NonterminalValues(IntEnum):
    """Symbols of grammars, counted from the first nonterminal phone."""

    kNontermBos = 0
    kNontermBegin = 1
    kNontermEnd = 2
    kNontermReenter = 3
    kNontermUserDefined = 4
    kNontermMediumNumber = 1000
    kNontermBigNumber = 10000000


def get_encoding_multiple(nonterm_phones_offset: int) -> int:
    """The least multiple of 1000 that is above the phones: labels of grammars count in it."""
    medium = NonterminalValues.kNontermMediumNumber
    return medium * (nonterm_phones_offset // medium + 1)


def read_ilabel_info(is_: _native.Input, binary: bool) -> list[list[int]]:
    """The phones in context behind each input label of a context-dependent graph (Kaldi's ilabels files)."""
    count = is_.integer(binary)
    if count < 0:
        is_.error(f"{count} labels; expected 0 or more")
    return [is_.integers(binary).tolist() for _ in range(count)]


def write_ilabel_info(os: _native.Output, binary: bool, info: list[list[int]]) -> None:
    os.integer(binary, len(info))
    for phones in info:
        os.integers(binary, np.asarray(phones, np.int32))


def add_subsequential_loop(subseq_symbol: int, fst: StdVectorFst) -> None:
    """Adds a final state that loops with this input symbol, and arcs to it from the final ones, in place."""
    zero, one = TropicalWeight.zero(), TropicalWeight.one()
    finals = [state for state in fst.states() if fst.final(state) != zero]
    last = fst.add_state()
    fst.set_final(last)
    fst.add_arc(last, StdArc(subseq_symbol, 0, one, last))
    for state in finals:
        fst.add_arc(state, StdArc(subseq_symbol, 0, fst.final(state), last))


def remove_eps_local(fst: StdVectorFst, special: bool = False) -> None:
    """Removes those epsilons whose removal does not make the automaton bigger, in place."""
    if special:
        raise FstError("remove_eps_local(special=True), which keeps sums of probabilities, is not here yet")
    fst.native = _native.fst_remove_epsilons_locally(fst.native)
