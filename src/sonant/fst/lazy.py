"""Automata that are not expanded: compositions whose states are made as they are asked for, n-gram files as
they lie, and the look-ahead that keeps a composition from going where it cannot end."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from sonant import _native
from sonant.errors import FstError
from sonant.fst.algorithms import arcsort, relabel
from sonant.fst.automaton import Fst, Readable
from sonant.fst.bounds import bounds
from sonant.fst.composition import FILTERS, Filter, Special, matching
from sonant.fst.files import Path, reading, writing
from sonant.fst.symbols import SymbolTable

Side = Literal["input", "output"]

_LAZY: dict[str, Any] = {
    "standard": _native.StdLazyFst,
    "log": _native.LogLazyFst,
    "lattice4": _native.LatticeLazyFst,
}
_NGRAM: dict[str, Any] = {"standard": _native.StdNgramFst, "log": _native.LogNgramFst}
CACHE = 1 << 26


class NgramFst(Readable):
    """An n-gram automaton in the bytes of OpenFst's ngram files (as Vosk's Gr.fst), not expanded.

    A big file is mapped into memory, and the arcs of a state are made when they are asked for. Between states
    and contexts of words it is a bijection; label 0 is the backoff. Immutable: any number of threads and
    compositions share one. (Sorensen and Allauzen, "Unary data structures for language models", 2011.)
    """

    def __init__(self, fst: Fst):
        """Of an n-gram automaton with backoff arcs (label 0): FstError, which says why, where it is none.

        States are numbered anew, level by level.
        """
        if fst.arc_type not in _NGRAM:
            raise FstError(f"an n-gram automaton with arcs of type {fst.arc_type}; expected standard or log")
        self._fst: Any = _NGRAM[fst.arc_type].of(fst.native)
        self._symbols: list[SymbolTable | bytes | None] = [fst.input_symbols, fst.output_symbols]

    @classmethod
    def read(cls, source: Path | bytes, map: bool = True) -> Self:
        """Symbol tables are parsed when they are asked for. Raises SpecifierError where the file cannot be
        opened, ArkError where it is no ngram file.

        A mapped file must not be changed in place while this lives.
        """
        if isinstance(source, bytes):
            native, *symbols = _native.read_ngram_fst(_native.Input.from_bytes(source), False)
        else:
            with reading(source) as stream:
                native, *symbols = _native.read_ngram_fst(stream, map)
        fst = cls.__new__(cls)
        fst._fst = native
        fst._symbols = symbols
        return fst

    def write(self, path: Path) -> None:
        with writing(path) as stream:
            self._write(stream)

    def to_bytes(self) -> bytes:
        stream = _native.Output.in_memory()
        self._write(stream)
        return stream.getvalue()

    def _write(self, stream: _native.Output) -> None:
        tables = [t.to_bytes() if isinstance(t, SymbolTable) else t or b"" for t in self._symbols]
        self._fst.write(stream, *tables)

    def _table(self, side: int) -> SymbolTable | None:
        table = self._symbols[side]
        if isinstance(table, bytes):
            table = self._symbols[side] = SymbolTable.from_bytes(table) if table else None
        return table

    @property
    def input_symbols(self) -> SymbolTable | None:
        return self._table(0)

    @property
    def output_symbols(self) -> SymbolTable | None:
        return self._table(1)

    @property
    def native(self) -> Any:
        """For the algorithms of the native core."""
        return self._fst

    @property
    def num_states(self) -> int:
        return self._fst.num_states()

    @property
    def num_arcs(self) -> int:
        return self._fst.total_arcs()

    @property
    def resident_bytes(self) -> int:
        """Of the tables in memory of its own: 0 where the file is mapped."""
        return self._fst.resident_bytes()

    def expand(self) -> Fst:
        """All states and arcs in tables, as `Fst.read` gives it."""
        fst = Fst.of_native(self._fst.expand())
        fst.input_symbols, fst.output_symbols = self.input_symbols, self.output_symbols
        return fst

    def __repr__(self) -> str:
        return (
            f"NgramFst({self.arc_type}, {self.num_states} states, {self.num_arcs} arcs, start {self.start})"
        )


class ComposeFst(Readable):
    """The composition of two automata, its states made as they are asked for (OpenFst's ComposeFst).

    A state is numbered when an arc to it is made: 0 is the start, and arcs lead to states that are known
    (FstIndexError for others). Arcs are kept in a cache of `max_bytes`; where that is full those that were
    not asked for lately go, and are made again when they are asked for, with the same numbers (FstError
    where the arcs of one state are more than that). `final` makes no arcs. (A known state takes about 60
    bytes beside, which are not counted.)

    With `lookahead` the look-ahead data of `left` (output labels) or `right` (input labels) say what can be
    read, so that few states are made from which nothing goes on; costs are paid (`push_weights`) and labels
    are read (`push_labels`) as early as they are known. The relation is the same. Arcs of type standard and
    log. (Allauzen, Riley and Schalkwyk, "A generalized composition algorithm for weighted finite-state
    transducers", 2009; costs that are paid are rounded to 1/1024 and given back as they are.)

    Calls from several threads wait for each other: give each thread a composition of its own; the automata
    that go in are shared, and later changes of them change nothing here.
    """

    def __init__(
        self,
        left: Fst,
        right: "Fst | NgramFst",
        filter: Filter = "auto",
        *,
        special: tuple[Special, int] | None = None,
        lookahead: bool = False,
        push_weights: bool = True,
        push_labels: bool = True,
        remove_input_labels: Sequence[int] = (),
        max_bytes: int = CACHE,
    ):
        """`filter` and `special` as for `compose`. `remove_input_labels` become epsilon: the transition-ids
        of disambiguation symbols, say. Raises FstError where the automata are not sorted or of different
        types, look-ahead data lack or belong to another automaton, or `max_bytes` is too small.
        """
        meaning = matching(filter, special)
        if left.arc_type != right.arc_type:
            raise FstError(
                f"ComposeFst of arcs of type {left.arc_type} and {right.arc_type}; expected the same"
            )
        usable = ("standard", "log") if lookahead or isinstance(right, NgramFst) else tuple(_LAZY)
        if left.arc_type not in usable:
            raise FstError(f"ComposeFst of arcs of type {left.arc_type}; expected {', '.join(usable)}")
        if max_bytes <= 0:
            raise FstError(f"max_bytes={max_bytes}; expected a positive number")
        removed = [int(label) for label in remove_input_labels]
        if not lookahead:
            how: tuple[Any, ...] = (FILTERS[filter], *meaning)
        else:
            if filter != "auto" or special:
                raise FstError("lookahead has a filter of its own: leave filter and special out")
            how = (_data(left, right), push_weights, push_labels)
        self._recipe = (
            "compose_ahead" if lookahead else "compose",
            (left.native, right.native, *how, removed, max_bytes),
        )
        self._fst: Any = self._make(_LAZY[left.arc_type])
        self._sides = (left, right)

    def _make(self, native: Any, *more: Any) -> Any:
        function, given = self._recipe
        return getattr(native, function)(*given, *more)

    def decoding_graphs(self, columns: Any) -> "_native.DynamicGraphs":
        """The same composition for `sonant.search`, which makes one for each search.

        Raises FstError where arcs are not of type standard."""
        if self.arc_type != "standard":
            raise FstError(f"a decoding graph with arcs of type {self.arc_type}; expected standard")
        return self._make(_native.DynamicGraphs, columns)

    @property
    def input_symbols(self) -> SymbolTable | None:
        return self._sides[0].input_symbols

    @property
    def output_symbols(self) -> SymbolTable | None:
        return self._sides[1].output_symbols

    @property
    def num_known_states(self) -> int:
        return self._fst.num_known_states()

    @property
    def cached_bytes(self) -> int:
        return self._fst.cached_bytes()

    def explore(self, max_states: int) -> tuple[int, int]:
        """Makes the first states, as they are numbered (breadth first, where nothing else was asked for), up
        to so many: how many there were, and how many arcs."""
        if max_states < 0:
            raise FstError(f"max_states={max_states}; expected 0 or more")
        return self._fst.explore(max_states)

    def expand(
        self, connect: bool = True, *, max_states: int | None = None, max_arcs: int | None = None
    ) -> Fst:
        """All of it: without look-ahead, and where no states were asked for in another order, what `compose`
        gives. `connect` leaves out what leads to no final state."""
        fst = Fst.of_native(self._fst.expand(connect, *bounds(max_states, max_arcs)))
        fst.input_symbols, fst.output_symbols = self.input_symbols, self.output_symbols
        return fst

    def __repr__(self) -> str:
        return f"ComposeFst({self.arc_type}, {self.num_known_states} states known)"


def _data(left: Fst, right: Fst | NgramFst) -> _native.Reachability:
    if left.reachability is not None and not left.reachability.input:
        return left.reachability
    if isinstance(right, Fst) and right.reachability is not None and right.reachability.input:
        return right.reachability
    raise FstError(
        "lookahead: neither the left automaton has look-ahead data of output labels nor the right one of "
        "input labels; make them with lookahead_relabel, or read an olabel_lookahead or ilabel_lookahead file"
    )


def find_reachability(fst: Fst, side: Side = "output") -> _native.Reachability:
    """Which labels can come first on the paths from each state, as intervals of new labels.

    The new labels are those of OpenFst's label look-ahead: `relabel_pairs(avoid_collisions)` has the old and
    the new ones. There may be cycles of epsilons.
    """
    if side not in ("input", "output"):
        raise FstError(f"side={side!r}; expected 'input' or 'output'")
    if fst.arc_type not in _NGRAM:
        raise FstError(f"look-ahead data of arcs of type {fst.arc_type}; expected standard or log")
    native: Any = _native
    return native.find_reachability(fst.native, side == "input")


def lookahead_relabel(left: Fst, right: Fst, side: Side = "output") -> tuple[Fst, Fst]:
    """The two automata with the labels in the middle numbered anew, and sorted, so that they can be composed
    with look-ahead: by the output labels of `left`, or (`side` "input") by the input labels of `right`.

    As Kaldi builds look-ahead graphs: fstconvert to olabel_lookahead with the pairs of labels, which relabel
    G. The relation of their composition is that of the two. The one that look-ahead is for has
    `reachability`, and is written by `write(path, "olabel_lookahead")`. Labels of the other one that are not
    in it become one label that it does not have. Symbols of the labels in the middle are left out.
    """
    known, other = (left, right) if side == "output" else (right, left)
    reach = find_reachability(known, side)
    pairs = dict(reach.relabel_pairs(True))
    if side == "output":
        known, other = relabel(known, opairs=pairs), relabel(other, ipairs=_all(pairs, other, "ilabel"))
        known.output_symbols, other.input_symbols = None, None
        known, other = arcsort(known, "olabel"), arcsort(other, "ilabel")
    else:
        known, other = relabel(known, ipairs=pairs), relabel(other, opairs=_all(pairs, other, "olabel"))
        known.input_symbols, other.output_symbols = None, None
        known, other = arcsort(known, "ilabel"), arcsort(other, "olabel")
    known.reachability = reach
    return (known, other) if side == "output" else (other, known)


def _all(pairs: dict[int, int], other: Fst, field: str) -> dict[int, int]:
    """Pairs for all labels of the other automaton: those that are not in them become one that is not used."""
    unused = len(pairs) + 2
    labels = {int(label) for label in set(other.arcs[field].tolist()) if label}
    return {label: pairs.get(label, unused) for label in labels}
