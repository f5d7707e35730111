"""Context dependency by PyKaldi's names (Kaldi's `fstext/context-fst`), over `sonant.fst.graphs`."""

from collections.abc import Iterable, Sequence

from sonant.errors import FstError
from sonant.fst import graphs
from sonant.kaldi.fstext.arcs import StdArc
from sonant.kaldi.fstext.kinds import StdVectorFst
from sonant.kaldi.fstext.on_demand import NoArc, StdDeterministicOnDemandFst
from sonant.kaldi.fstext.semirings import TropicalWeight
from sonant.kaldi.fstext.symbols import SymbolTable


class StdInverseContextFst(StdDeterministicOnDemandFst):
    """The inverse of the context transducer C, from phones to windows of them, made as it is asked for."""

    def __init__(
        self,
        subsequential_symbol: int,
        phones: Iterable[int],
        disambig_syms: Iterable[int],
        context_width: int,
        central_position: int,
    ):
        """Raises FstError where a symbol is not positive or has two meanings, and where the central position
        is no place in a window of `context_width`."""
        self._context = graphs.InverseContext(
            phones, disambig_syms, context_width, central_position, subsequential_symbol
        )

    def start(self) -> int:
        return 0

    def final(self, s: int) -> TropicalWeight:
        return TropicalWeight.one() if self._context.is_final(s) else TropicalWeight.zero()

    def get_arc(self, s: int, ilabel: int) -> StdArc:
        """The arc on a phone or another symbol. Raises FstError (a ValueError) where there is none."""
        step = self._context.step(s, ilabel)
        if step is None:
            raise NoArc(f"state {s} of the context has no arc with the label {ilabel}")
        return StdArc(ilabel, step[0], TropicalWeight.one(), step[1])

    def ilabel_info(self) -> list[list[int]]:
        """The windows of the labels so far."""
        return list(self._context.labels)


def add_subsequential_loop(subseq_symbol: int, fst: StdVectorFst) -> None:
    """Adds a final state that loops with this input symbol, and arcs to it from the final ones, in
    place."""
    if not isinstance(fst, StdVectorFst):
        raise TypeError(f"a {type(fst).__name__}; expected a StdVectorFst")
    fst.native = graphs.add_subsequential_loop(fst.to_fst(), subseq_symbol).native


def compose_context(
    disambig_syms: Iterable[int], N: int, P: int, ifst: StdVectorFst
) -> tuple[StdVectorFst, list[list[int]]]:
    """(C composed with `ifst`, the window of phones of each input label of that).

    N is the width of windows, P the place of the phone that is modelled, from 0. `ifst` stays as it is
    (PyKaldi adds the subsequential loop to it).
    """
    composed, labels = graphs.compose_context(ifst.to_fst(), disambig_syms, N, P)
    result = StdVectorFst.of_native(composed.native)
    result._osymbols = ifst._osymbols
    return result, list(labels)


def create_ilabel_info_symbol_table(
    info: Sequence[Sequence[int]], phones_symtab: SymbolTable, separator: str, disambig_prefix: str
) -> SymbolTable:
    """Names of the labels of C for people to read: a/b/c for a window, with "/" as `separator`.

    The label #-1 becomes `disambig_prefix`. Raises FstError for a phone without a name, and for two labels
    with the same one.
    """
    if not info or len(info[0]):
        raise FstError("the first window belongs to epsilon; expected it to be there, and empty")

    def name_of(symbol: int) -> str:
        name = phones_symtab.find_symbol(symbol)
        if not name:
            raise FstError(f"the table of phones has no symbol for {symbol}")
        return name

    table = SymbolTable()
    for label, window in enumerate(info):
        if label == 0:
            name = name_of(0)
        elif not len(window):
            raise FstError(f"the window of label {label} is empty; expected only that of epsilon to be")
        elif len(window) == 1 and window[0] <= 0:
            name = name_of(-window[0]) if window[0] else disambig_prefix
        else:
            name = separator.join(map(name_of, window))
        if table.add_symbol(name) != label:
            raise FstError(f"label {label} would have the name '{name}', which another one has")
    return table
