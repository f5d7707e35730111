"""Automata by PyKaldi's names: what vector and const automata of all semirings have in common.

Each holds a native automaton (`native`), which the algorithms work on, and shares it with a
`sonant.fst.Fst` (`to_fst`) at no cost."""

import os
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

from sonant import _native
from sonant.errors import FstError
from sonant.fst import DrawingStyle, Fst, algorithms
from sonant.fst.drawing import dot, svg_for_notebooks
from sonant.fst.files import reading, writing
from sonant.kaldi.fstext.arcs import Arc
from sonant.kaldi.fstext.header import FstReadOptions, FstWriteOptions
from sonant.kaldi.fstext.iterators import ArcIterator, MutableArcIterator, StateIterator
from sonant.kaldi.fstext.properties import BINARY_PROPERTIES, EXPANDED, MUTABLE, WEIGHTED
from sonant.kaldi.fstext.semirings import DELTA, Weight
from sonant.kaldi.fstext.symbols import SymbolTable, deserialize_symbol_table

NO_LABEL = -1
NO_STATE_ID = -1


class FstBase:
    """What can be asked of an automaton."""

    _native_type: ClassVar[Any]
    _arc: ClassVar[type[Arc]]
    _format: ClassVar[str]
    _state_iterator: ClassVar[type[StateIterator]]
    _arc_iterator: ClassVar[type[ArcIterator]]

    def __init__(self, fst: "FstBase | Fst | None" = None):
        """Empty, or a copy of another automaton with the same type of arc."""
        self._isymbols: bytes | SymbolTable | None = None
        self._osymbols: bytes | SymbolTable | None = None
        if fst is None:
            self.native: Any = self._native_type()
            return
        native: Any = getattr(fst, "native", None)
        if not isinstance(native, self._native_type):
            raise TypeError(
                f"a {type(fst).__name__}; expected an automaton with arcs of type {self._arc.type()}"
            )
        self.native = native.copy()
        if isinstance(fst, Fst):
            self._isymbols, self._osymbols = (
                None if table is None else SymbolTable(table.copy())
                for table in (fst.input_symbols, fst.output_symbols)
            )
        else:
            self._isymbols, self._osymbols = fst._isymbols, fst._osymbols

    @classmethod
    def of_native(cls, native: Any, isymbols: bytes = b"", osymbols: bytes = b"") -> Self:
        """Wraps what the native core made. Raises FstError where its arcs are of another type."""
        if not isinstance(native, cls._native_type):
            raise FstError(
                f"an automaton with arcs of type {native.arc_type}; {cls.__name__} has {cls._arc.type()}"
            )
        fst = cls.__new__(cls)
        fst.native = native
        fst._isymbols, fst._osymbols = isymbols or None, osymbols or None
        return fst

    def to_fst(self) -> Fst:
        """The same automaton as a `sonant.fst.Fst`, with arrays; changes of one are not seen in the
        other."""
        isymbols, osymbols = map(_bytes_of, (self._isymbols, self._osymbols))
        return Fst.of_native(self.native.copy(), self._format, isymbols, osymbols)

    # Reading and writing

    @classmethod
    def read(cls, filename: str | os.PathLike[str]) -> Self:
        """OpenFst's binary file. A big const file is mapped into memory: do not change it in place.

        Raises SpecifierError (an OSError) where it cannot be opened, ArkError where it is not such a file,
        FstError where its arcs are of another type."""
        with reading(filename) as stream:
            native, _, isymbols, osymbols, *_ = _native.read_fst(stream, True, True)
        return cls.of_native(native, isymbols, osymbols)

    @classmethod
    def read_from_stream(cls, strm: _native.Input, ropts: FstReadOptions | None = None) -> Self:
        """From where the stream stands."""
        native, _, isymbols, osymbols, *_ = _native.read_fst(strm)
        options = ropts or FstReadOptions()
        return cls.of_native(
            native, isymbols if options.read_isymbols else b"", osymbols if options.read_osymbols else b""
        )

    @classmethod
    def from_bytes(cls, s: bytes) -> Self:
        return cls.read_from_stream(_native.Input.from_bytes(s))

    def write(self, filename: str | os.PathLike[str]) -> bool:
        """OpenFst's binary file, which is replaced when all is written."""
        with writing(filename) as stream:
            return self.write_to_stream(stream)

    def write_to_stream(self, strm: _native.Output, wopts: FstWriteOptions | None = None) -> bool:
        options = wopts or FstWriteOptions()
        isymbols = _bytes_of(self._isymbols) if options.write_isymbols else b""
        osymbols = _bytes_of(self._osymbols) if options.write_osymbols else b""
        self.native.write(strm, self._format == "const", options.align, isymbols, osymbols)
        return True

    def to_bytes(self) -> bytes:
        stream = _native.Output.in_memory()
        self.write_to_stream(stream)
        return stream.getvalue()

    def text(
        self,
        isymbols: SymbolTable | None = None,
        osymbols: SymbolTable | None = None,
        ssymbols: SymbolTable | None = None,
        acceptor: bool = False,
        show_weight_one: bool = False,
        missing_symbol: str = "",
    ) -> str:
        """A line for each arc and final state, with symbols from these tables or the automaton's own.

        Raises FstError where a label has no symbol and no `missing_symbol` is given.
        """
        tables = self._tables(isymbols, osymbols, ssymbols)
        return self.native.text(
            *(None if table is None else table._native() for table in tables),
            acceptor,
            show_weight_one,
            missing_symbol,
        )

    def draw(
        self,
        filename: str | os.PathLike[str],
        isymbols: SymbolTable | None = None,
        osymbols: SymbolTable | None = None,
        ssymbols: SymbolTable | None = None,
        acceptor: bool = False,
        title: str = "",
        width: float = 8.5,
        height: float = 11,
        portrait: bool = False,
        vertical: bool = False,
        ranksep: float = 0.4,
        nodesep: float = 0.25,
        fontsize: int = 14,
        precision: int = 5,
        float_format: Literal["e", "f", "g"] = "g",
        show_weight_one: bool = False,
    ) -> None:
        """Writes the automaton in Graphviz's language, with symbols from these tables or its own."""
        style = DrawingStyle(
            acceptor=acceptor,
            title=title,
            width=width,
            height=height,
            portrait=portrait,
            vertical=vertical,
            ranksep=ranksep,
            nodesep=nodesep,
            fontsize=fontsize,
            precision=precision,
            float_format=float_format,
            show_weight_one=show_weight_one,
        )
        with writing(filename) as stream:
            stream.write(dot(self.native, style, *self._tables(isymbols, osymbols, ssymbols)).encode())

    def _repr_svg_(self) -> str | None:
        isymbols, osymbols, _ = self._tables(None, None, None)
        return svg_for_notebooks(self.native, isymbols=isymbols, osymbols=osymbols)

    def _tables(
        self, isymbols: SymbolTable | None, osymbols: SymbolTable | None, ssymbols: SymbolTable | None
    ) -> list[Any]:
        """The tables to show symbols from: those given, or the automaton's own."""
        tables = (
            self.input_symbols() if isymbols is None else isymbols,
            self.output_symbols() if osymbols is None else osymbols,
            ssymbols,
        )
        return [None if table is None else table.table for table in tables]

    def __str__(self) -> str:
        weighted = bool(self.properties(WEIGHTED, True))
        return self.text(acceptor=True, show_weight_one=weighted)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.num_states()} states, start {self.start()}>"

    # Looking

    @classmethod
    def type(cls) -> str:
        """'vector' or 'const'."""
        return cls._format

    def start(self) -> int:
        """The start state, -1 where there is none."""
        return self.native.start()

    def final(self, state: int) -> Any:
        """The final weight. Raises FstIndexError (an IndexError) where there is no such state."""
        return self._arc.weight_type.of_raw(self.native.final(state))

    def num_states(self) -> int:
        return self.native.num_states()

    def num_arcs(self, state: int | None = None) -> int:
        """Arcs that leave a state, or all."""
        return self.native.total_arcs() if state is None else self.native.num_arcs(state)

    def num_input_epsilons(self, state: int) -> int:
        return self.native.num_input_epsilons(state)

    def num_output_epsilons(self, state: int) -> int:
        return self.native.num_output_epsilons(state)

    def states(self) -> Any:
        """An iterator over the states."""
        return self._state_iterator(self)

    def arcs(self, state: int) -> Any:
        """An iterator over the arcs that leave a state."""
        return self._arc_iterator(self, state)

    def input_symbols(self) -> SymbolTable | None:
        if isinstance(self._isymbols, bytes):
            self._isymbols = deserialize_symbol_table(self._isymbols)
        return self._isymbols

    def output_symbols(self) -> SymbolTable | None:
        if isinstance(self._osymbols, bytes):
            self._osymbols = deserialize_symbol_table(self._osymbols)
        return self._osymbols

    def properties(self, mask: int, test: bool) -> int:
        """The bits of `mask` (kaldi.fstext.properties) that are known, or found where `test`."""
        kind = EXPANDED | (MUTABLE if self._format == "vector" else 0)
        found = self.native.properties(mask & ~(EXPANDED | MUTABLE), test)
        return (found & ~(EXPANDED | MUTABLE)) | (kind & mask)

    def verify(self) -> bool:
        """Whether all states and labels are there and all weights are costs."""
        return not self.native.flaw()

    def copy(self) -> Self:
        """At once: the tables are shared until one of the two changes."""
        return type(self)(self)

    def _weight(self, weight: Any) -> Any:
        """What the native core takes for a weight of the right type, a number, or None (one)."""
        kind: Any = self._arc.weight_type
        if weight is None:
            return kind._one
        if isinstance(weight, kind):
            return weight.raw
        if isinstance(weight, Weight):
            raise TypeError(f"a weight of type {type(weight).__name__}; expected {kind.__name__}")
        return kind(weight).raw


class MutableFstBase(FstBase):
    """What can be done to an automaton."""

    _mutable_arc_iterator: ClassVar[type[MutableArcIterator]]

    def add_state(self) -> int:
        """The number of the new state."""
        return self.native.add_state()

    def add_arc(self, state: int, arc: Any) -> Self:
        """Raises FstIndexError (an IndexError) where there is no such state; nextstate may come later."""
        if not isinstance(arc, self._arc):
            raise TypeError(f"an arc of type {type(arc).__name__}; expected {self._arc.__name__}")
        self.native.add_arc(state, *arc.raw)
        return self

    def set_start(self, state: int) -> Self:
        self.native.set_start(state)
        return self

    def set_final(self, state: int, weight: Any = None) -> Self:
        """With weight one where none is given."""
        self.native.set_final(state, self._weight(weight))
        return self

    def mutable_arcs(self, state: int) -> Any:
        """An iterator over the arcs of a state whose `set_value` changes them."""
        return self._mutable_arc_iterator(self, state)

    def delete_arcs(self, state: int, n: int | None = None) -> Self:
        """The last n arcs of a state, or all."""
        if n is None:
            self.native.delete_arcs(state)
        else:
            self.native.delete_last_arcs(state, n)
        return self

    def delete_states(self, states: Iterable[int] | None = None) -> Self:
        """These states with the arcs to and from them (the others close ranks), or all."""
        if states is None:
            self.native.delete_states()
        else:
            self.native.delete_states([int(state) for state in states])
        return self

    def reserve_arcs(self, state: int, n: int) -> Self:
        self.native.reserve_arcs(state, n)
        return self

    def reserve_states(self, n: int) -> Self:
        self.native.reserve_states(n)
        return self

    def set_input_symbols(self, syms: SymbolTable | None) -> Self:
        """A copy of the table goes with the automaton."""
        self._isymbols = None if syms is None else syms.copy()
        return self

    def set_output_symbols(self, syms: SymbolTable | None) -> Self:
        self._osymbols = None if syms is None else syms.copy()
        return self

    def set_properties(self, props: int, mask: int) -> Self:
        """Says that something is known; nothing checks it."""
        self.native.set_properties(props, mask & ~(BINARY_PROPERTIES & ~4))
        return self

    def arcsort(self, sort_type: str = "ilabel") -> Self:
        """Sorts the arcs of each state by 'ilabel' or 'olabel'; equal ones stay in their order."""
        if sort_type not in ("ilabel", "olabel"):
            raise FstError(f"unknown sort type '{sort_type}'; expected 'ilabel' or 'olabel'")
        self.native.sort_arcs(sort_type == "olabel")
        return self

    def topsort(self) -> Self:
        """Numbers the states so that arcs lead to higher ones. Raises FstError where there is a cycle."""
        if not self.native.topological_sort():
            raise FstError(
                f"{self!r} has a cycle, so its states have no topological order; "
                "take the cycle away, or prune it out"
            )
        return self

    def encode(self, encoder: Any) -> Self:
        """Packs labels and costs into labels as the encoder (StdEncodeMapper, ...) says, in place."""
        encoder._encode(self)
        return self

    def decode(self, encoder: Any) -> Self:
        """Turns the labels of this encoder back, in place. Raises FstError where one is not of it."""
        encoder._decode(self)
        return self

    def minimize(self, delta: float = DELTA, allow_nondet: bool = False) -> Self:
        """Merges states from which the same can be read, in place, after pushing costs and output labels.

        Raises FstError where it is not deterministic by input labels, unless `allow_nondet`.
        """
        if not isinstance(self.native, (_native.StdFst, _native.LogFst, _native.LatticeFst)):
            raise FstError(f"minimize of arcs of type {self._arc.type()}; expected standard, log or lattice4")
        self.native = _native.minimize(self.native, delta, allow_nondet)
        return self

    # Operations in place

    def _operate(self, operation: Any, *args: Any, **options: Any) -> Self:
        self.native = operation(Fst.of_native(self.native), *args, **options).native
        return self

    def _other(self, fst: "FstBase") -> Fst:
        if fst._arc is not self._arc:
            raise TypeError(f"arcs of type {fst._arc.type()}; expected {self._arc.type()}")
        return Fst.of_native(fst.native)

    def connect(self) -> Self:
        """Without states that no successful path goes through."""
        return self._operate(algorithms.connect)

    def union(self, ifst: "FstBase") -> Self:
        """Its paths, and those of the other one."""
        return self._operate(algorithms.union, self._other(ifst))

    def concat(self, ifst: "FstBase") -> Self:
        """Each path goes on with one of the other automaton."""
        return self._operate(algorithms.concat, self._other(ifst))

    def closure(self, closure_plus: bool = False) -> Self:
        """Paths one after another, any number of times; at least once where `closure_plus`."""
        return self._operate(algorithms.closure, closure_plus)

    def invert(self) -> Self:
        """Input and output change places, and their symbol tables."""
        self._isymbols, self._osymbols = self._osymbols, self._isymbols
        return self._operate(algorithms.invert)

    def project(self, project_output: bool = False) -> Self:
        """An acceptor of the input strings, or of the output strings."""
        self._isymbols = self._osymbols = self._osymbols if project_output else self._isymbols
        return self._operate(algorithms.project, project_output)

    def relabel(
        self,
        ipairs: Iterable[tuple[int, int]] | None = None,
        opairs: Iterable[tuple[int, int]] | None = None,
    ) -> Self:
        """(old, new) pairs of labels. Raises FstError where there are none."""
        pairs = [list(given or ()) for given in (ipairs, opairs)]
        if not any(pairs):
            raise FstError("relabel without pairs; give ipairs or opairs")
        return self._operate(algorithms.relabel, *pairs)

    def relabel_tables(
        self,
        old_isymbols: SymbolTable | None = None,
        new_isymbols: SymbolTable | None = None,
        unknown_isymbol: str = "",
        attach_new_isymbols: bool = True,
        old_osymbols: SymbolTable | None = None,
        new_osymbols: SymbolTable | None = None,
        unknown_osymbol: str = "",
        attach_new_osymbols: bool = True,
    ) -> Self:
        """Labels of the old tables (its own where none are given) become those of the new ones."""
        olds = (old_isymbols or self.input_symbols(), old_osymbols or self.output_symbols())
        old_i, old_o, new_i, new_o = (
            None if table is None else table.table for table in (*olds, new_isymbols, new_osymbols)
        )
        self._operate(
            algorithms.relabel_tables,
            old_isymbols=old_i,
            new_isymbols=new_i,
            unknown_isymbol=unknown_isymbol,
            old_osymbols=old_o,
            new_osymbols=new_o,
            unknown_osymbol=unknown_osymbol,
        )
        if attach_new_isymbols and new_isymbols is not None:
            self.set_input_symbols(new_isymbols)
        if attach_new_osymbols and new_osymbols is not None:
            self.set_output_symbols(new_osymbols)
        return self

    def push(self, to_final: bool = False, delta: float = DELTA, remove_total_weight: bool = False) -> Self:
        """Weights moved towards the start or the final states."""
        return self._operate(algorithms.push, to_final, delta, remove_total_weight)

    def reweight(self, potentials: Iterable[Any], to_final: bool = False) -> Self:
        """With a potential for each state, as `shortestdistance` gives them."""
        costs = [algorithms.costs(self._arc.type(), self._weight(potential)) for potential in potentials]
        return self._operate(algorithms.reweight, costs, to_final)

    def prune(self, weight: Any = None, nstate: int = NO_STATE_ID, delta: float = DELTA) -> Self:
        """Without what costs more than `weight` over the best path."""
        threshold = None if weight is None else self._weight(weight)
        return self._operate(algorithms.prune, threshold, nstate, delta)

    def rmepsilon(
        self,
        connect: bool = True,
        weight: Any = None,
        nstate: int = NO_STATE_ID,
        delta: float = DELTA,
    ) -> Self:
        """Without arcs that have epsilon on both sides."""
        threshold = None if weight is None else self._weight(weight)
        return self._operate(
            algorithms.rmepsilon, connect=connect, weight=threshold, nstate=nstate, delta=delta
        )


def _bytes_of(table: bytes | SymbolTable | None) -> bytes:
    return table.table.to_bytes() if isinstance(table, SymbolTable) else table or b""


def equal(ifst1: FstBase, ifst2: FstBase, delta: float = DELTA) -> bool:
    """Whether states and arcs are the same, in the same order, and weights differ by at most `delta`."""
    if ifst1._arc is not ifst2._arc:
        raise TypeError(f"arcs of type {ifst1._arc.type()} and {ifst2._arc.type()}; expected the same")
    return ifst1.native.same(ifst2.native, delta)
