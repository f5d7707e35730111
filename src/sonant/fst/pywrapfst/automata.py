"""The automata: `Fst`, which cannot be changed, and `VectorFst`, which can."""

from collections.abc import Iterable
from enum import Flag
from typing import Any, Self

from sonant import _native
from sonant.errors import FstError, FstIndexError
from sonant.fst import algorithms, composition
from sonant.fst.automaton import Fst as NativeFst
from sonant.fst.drawing import DrawingStyle, dot
from sonant.fst.files import writing
from sonant.fst.pywrapfst.arcs import Arc, _ArcIterator, _MutableArcIterator, _StateIterator
from sonant.fst.pywrapfst.encoding import EncodeMapper
from sonant.fst.pywrapfst.errors import (
    FstArgError,
    FstConstructionError,
    FstIOError,
    FstOpError,
    chosen,
    operating,
    reading_or_writing,
)
from sonant.fst.pywrapfst.flags import FstProperties
from sonant.fst.pywrapfst.symbols import (
    Filename,
    SymbolTableView,
    _FstSymbolTableView,
    _MutableFstSymbolTableView,
)
from sonant.fst.pywrapfst.weights import TYPES, Weight, WeightLike, cost_of

NO_LABEL = -1
NO_STATE_ID = -1
DELTA = 1 / 1024
SHORTEST_DELTA = 1e-6
REWEIGHT_TYPES = ("to_initial", "to_final")


def check_arc_type(arc_type: str) -> str:
    if arc_type not in TYPES:
        raise FstOpError(f"Unknown arc type: {arc_type!r}; expected {', '.join(TYPES)}")
    return arc_type


def wrapped(fst: NativeFst, arc_type: str, kind: "type[Fst] | None" = None) -> Any:
    """An automaton of this module over one of sonant.fst. `arc_type` tells log64 from log."""
    made: Fst = (kind or VectorFst).__new__(kind or VectorFst)
    made._fst = fst
    made._arc_type = arc_type
    return made


class Fst:
    """An automaton as files hold it: `Fst.read` gives a VectorFst where it can be changed.

    The arc type log64 is computed in the log semiring with single-precision costs (sums in double precision),
    and written as log.
    """

    _fst: NativeFst
    _arc_type: str

    def __init__(self) -> None:
        raise FstConstructionError("Cannot construct Fst; use Fst.read, or VectorFst()")

    # Files

    @classmethod
    def read(cls, source: Filename) -> Any:
        with reading_or_writing():
            return cls._read(NativeFst.read(source), str(source))

    @classmethod
    def read_from_string(cls, state: bytes) -> Any:
        with reading_or_writing():
            return cls._read(NativeFst.read(state), "bytes")

    @staticmethod
    def _read(fst: NativeFst, name: str) -> Any:
        if fst.arc_type not in TYPES:
            raise FstIOError(f"{name}: arcs of type {fst.arc_type}; expected {', '.join(TYPES)}")
        return wrapped(fst, fst.arc_type, VectorFst if fst.format == "vector" else Fst)

    def write(self, source: Filename) -> None:
        with reading_or_writing():
            self._fst.write(source, "vector" if self.fst_type() == "vector" else "const")

    def write_to_string(self) -> bytes:
        return self._fst.to_bytes("vector" if self.fst_type() == "vector" else "const")

    def __reduce__(self) -> Any:
        return Fst.read_from_string, (self.write_to_string(),)

    # Showing

    def print(
        self,
        isymbols: SymbolTableView | None = None,
        osymbols: SymbolTableView | None = None,
        ssymbols: SymbolTableView | None = None,
        acceptor: bool = False,
        show_weight_one: bool = False,
        missing_sym: str = "",
    ) -> str:
        """A line for each arc and final state, with symbols from these tables or the automaton's own."""
        tables = self._tables(isymbols, osymbols, ssymbols)
        with operating():
            return self._fst.native.text(
                *(None if table is None else table._native() for table in tables),
                acceptor,
                show_weight_one,
                missing_sym,
            )

    def _tables(self, *given: SymbolTableView | None) -> list[Any]:
        own = (self._fst.input_symbols, self._fst.output_symbols, None)
        return [table if view is None else view._table for view, table in zip(given, own, strict=True)]

    def __str__(self) -> str:
        return self.print()

    def __repr__(self) -> str:
        return f"<{self.fst_type()} Fst at {id(self):#x}>"

    def draw(
        self,
        source: Filename,
        isymbols: SymbolTableView | None = None,
        osymbols: SymbolTableView | None = None,
        ssymbols: SymbolTableView | None = None,
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
        float_format: Any = "g",
        show_weight_one: bool = False,
    ) -> None:
        """Writes the automaton in Graphviz's language."""
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
        with reading_or_writing(), writing(source) as stream:
            stream.write(dot(self._fst.native, style, *self._tables(isymbols, osymbols, ssymbols)).encode())

    def _repr_svg_(self) -> Any:
        return self._fst._repr_svg_()

    # Looking

    def arc_type(self) -> str:
        return self._arc_type

    def weight_type(self) -> str:
        return TYPES[self._arc_type]

    def fst_type(self) -> str:
        return self._fst.format

    def copy(self) -> Self:
        return wrapped(self._fst.copy(), self._arc_type, type(self))

    def start(self) -> int:
        return self._fst.start

    def final(self, state: int) -> Weight:
        return self._weight(self._fst.final(state))

    def _weight(self, raw: Any) -> Weight:
        return Weight(self.weight_type(), raw)

    def num_arcs(self, state: int) -> int:
        return self._fst.native.num_arcs(state)

    def num_input_epsilons(self, state: int) -> int:
        return self._fst.native.num_input_epsilons(state)

    def num_output_epsilons(self, state: int) -> int:
        return self._fst.native.num_output_epsilons(state)

    def num_states_if_known(self) -> int | None:
        return self._fst.num_states

    def arcs(self, state: int) -> _ArcIterator:
        return _ArcIterator(self, state)

    def states(self) -> _StateIterator:
        return _StateIterator(self)

    def input_symbols(self) -> _FstSymbolTableView | None:
        return self._view(_FstSymbolTableView, "input_symbols")

    def output_symbols(self) -> _FstSymbolTableView | None:
        return self._view(_FstSymbolTableView, "output_symbols")

    def _view(self, kind: Any, side: str) -> Any:
        fst = self._fst
        return None if getattr(fst, side) is None else kind._over(lambda: getattr(fst, side))

    def properties(self, mask: Flag, test: bool) -> Any:
        """What is known of the automaton, or all that can be found out where `test`."""
        return FstProperties(self._fst.native.properties(mask.value, test))

    def verify(self) -> bool:
        try:
            self._fst.check()
        except FstError:
            return False
        return True


class MutableFst(Fst):
    """What can be done to an automaton in place; each gives the automaton itself."""

    def _becomes(self, fst: NativeFst) -> Self:
        self._fst = fst
        return self

    def _operate(self, operation: Any, *args: Any, **options: Any) -> Self:
        with operating():
            return self._becomes(operation(self._fst, *args, **options))

    # Building

    def add_state(self) -> int:
        return self._fst.add_state()

    def add_states(self, n: int) -> None:
        self._fst.add_states(n)

    def add_arc(self, state: int, arc: Arc) -> Self:
        if not isinstance(arc, Arc):
            raise TypeError(f"Argument 'arc' has incorrect type (expected Arc, got {type(arc).__name__})")
        cost = cost_of(self.weight_type(), arc._weight)
        with operating():
            self._fst.add_arc(state, arc.ilabel, arc.olabel, cost, arc.nextstate)
        return self

    def set_start(self, state: int) -> Self:
        self._fst.set_start(state)
        return self

    def set_final(self, state: int, weight: WeightLike | None = None) -> Self:
        with operating():
            self._fst.set_final(state, cost_of(self.weight_type(), weight))
        return self

    def delete_arcs(self, state: int, n: int = 0) -> Self:
        """The last `n` arcs of a state; all of them where `n` is 0."""
        native = self._fst.native
        count = native.num_arcs(state)
        native.delete_last_arcs(state, min(n, count) if n > 0 else count)
        return self

    def delete_states(self, states: Iterable[int] | None = None) -> Self:
        """These states, or all."""
        if states is None:
            self._fst.native.delete_states()
        else:
            self._fst.native.delete_states(list(states))
        return self

    def reserve_arcs(self, state: int, n: int) -> Self:
        self._fst.native.reserve_arcs(state, n)
        return self

    def reserve_states(self, n: int) -> Self:
        self._fst.native.reserve_states(n)
        return self

    def num_states(self) -> int:
        return self._fst.num_states

    def mutable_arcs(self, state: int) -> _MutableArcIterator:
        return _MutableArcIterator(self, state)

    def mutable_input_symbols(self) -> _MutableFstSymbolTableView | None:
        return self._view(_MutableFstSymbolTableView, "input_symbols")

    def mutable_output_symbols(self) -> _MutableFstSymbolTableView | None:
        return self._view(_MutableFstSymbolTableView, "output_symbols")

    def set_input_symbols(self, syms: SymbolTableView | None) -> Self:
        self._fst.input_symbols = None if syms is None else syms._table.copy()
        return self

    def set_output_symbols(self, syms: SymbolTableView | None) -> Self:
        self._fst.output_symbols = None if syms is None else syms._table.copy()
        return self

    def set_properties(self, props: Flag, mask: Flag) -> Self:
        """Says that something is known; nothing checks it."""
        binary = FstProperties.BINARY_PROPERTIES & ~FstProperties.ERROR
        self._fst.native.set_properties(props.value, mask.value & ~binary.value)
        return self

    # Operations

    def arcsort(self, sort_type: str = "ilabel") -> Self:
        self._fst.arc_sort(chosen("sort type", sort_type, ("ilabel", "olabel")))  # pyright: ignore
        return self

    def topsort(self) -> Self:
        """Numbers states so that arcs lead to higher ones; where there is a cycle nothing changes."""
        self._fst.native.topological_sort()
        return self

    def connect(self) -> Self:
        return self._operate(algorithms.connect)

    def invert(self) -> Self:
        return self._operate(algorithms.invert)

    def closure(self, closure_type: str = "star") -> Self:
        return self._operate(
            algorithms.closure, chosen("closure type", closure_type, ("star", "plus")) == "plus"
        )

    def concat(self, fst2: Fst) -> Self:
        return self._operate(algorithms.concat, fst2._fst)

    def union(self, *fsts2: Fst) -> Self:
        return self._operate(algorithms.union, *(fst._fst for fst in fsts2))

    def project(self, project_type: str) -> Self:
        output = chosen("projection type", project_type, ("input", "output")) == "output"
        return self._operate(algorithms.project, output)

    def encode(self, mapper: EncodeMapper) -> Self:
        return self._operate(lambda fst: mapper._encoder.encode(fst))

    def decode(self, mapper: EncodeMapper) -> Self:
        return self._operate(lambda fst: mapper._encoder.decode(fst))

    def minimize(self, delta: float = SHORTEST_DELTA, allow_nondet: bool = False) -> Self:
        return self._operate(composition.minimize, delta, allow_nondet)

    def prune(
        self, delta: float = DELTA, nstate: int = NO_STATE_ID, weight: WeightLike | None = None
    ) -> Self:
        return self._operate(algorithms.prune, self._threshold(weight), nstate, delta)

    def _threshold(self, weight: WeightLike | None) -> float | None:
        return None if weight is None else cost_of(self.weight_type(), weight)

    def push(
        self,
        delta: float = SHORTEST_DELTA,
        remove_total_weight: bool = False,
        reweight_type: str = "to_initial",
    ) -> Self:
        """Weights towards the start or the final states."""
        to_final = chosen("reweight type", reweight_type, REWEIGHT_TYPES) == "to_final"
        return self._operate(algorithms.push, to_final, delta, remove_total_weight)

    def reweight(self, potentials: Iterable[WeightLike], reweight_type: str = "to_initial") -> Self:
        to_final = chosen("reweight type", reweight_type, REWEIGHT_TYPES) == "to_final"
        costs = [cost_of(self.weight_type(), potential) for potential in potentials]
        return self._operate(algorithms.reweight, costs, to_final)

    def relabel_pairs(
        self,
        ipairs: Iterable[tuple[int, int]] | None = None,
        opairs: Iterable[tuple[int, int]] | None = None,
    ) -> Self:
        pairs = [list(given or ()) for given in (ipairs, opairs)]
        if not any(pairs):
            raise FstArgError("No relabeling pairs specified; give ipairs or opairs")
        return self._operate(algorithms.relabel, *pairs)

    def relabel_tables(
        self,
        old_isymbols: SymbolTableView | None = None,
        new_isymbols: SymbolTableView | None = None,
        unknown_isymbol: str = "",
        attach_new_isymbols: bool = True,
        old_osymbols: SymbolTableView | None = None,
        new_osymbols: SymbolTableView | None = None,
        unknown_osymbol: str = "",
        attach_new_osymbols: bool = True,
    ) -> Self:
        if new_isymbols is None and new_osymbols is None:
            raise FstArgError("No new SymbolTables specified; give new_isymbols or new_osymbols")
        old_i, new_i, old_o, new_o = (
            None if view is None else view._table.copy()
            for view in (old_isymbols, new_isymbols, old_osymbols, new_osymbols)
        )
        return self._operate(
            algorithms.relabel_tables,
            old_i,
            new_i,
            unknown_isymbol,
            attach_new_isymbols,
            old_o,
            new_o,
            unknown_osymbol,
            attach_new_osymbols,
        )

    def rmepsilon(
        self,
        queue_type: str = "auto",
        connect: bool = True,
        weight: WeightLike | None = None,
        nstate: int = NO_STATE_ID,
        delta: float = SHORTEST_DELTA,
    ) -> Self:
        chosen("queue type", queue_type, QUEUE_TYPES)
        return self._operate(
            algorithms.rmepsilon,
            connect=connect,
            weight=self._threshold(weight),
            nstate=nstate,
            delta=delta,
        )


QUEUE_TYPES = ("auto", "fifo", "lifo", "shortest", "state", "top")


class VectorFst(MutableFst):
    """An automaton that grows; empty."""

    def __init__(self, arc_type: str = "standard"):
        self._arc_type = check_arc_type(arc_type)
        self._fst = NativeFst("log" if arc_type == "log64" else arc_type)


class Compiler:
    """Takes text in OpenFst's format, one arc or final state a line: print("0 1 1 2", file=compiler)."""

    def __init__(
        self,
        fst_type: str = "vector",
        arc_type: str = "standard",
        isymbols: SymbolTableView | None = None,
        osymbols: SymbolTableView | None = None,
        ssymbols: SymbolTableView | None = None,
        acceptor: bool = False,
        keep_isymbols: bool = False,
        keep_osymbols: bool = False,
        keep_state_numbering: bool = False,
        allow_negative_labels: bool = False,
    ):
        self._fst_type, self._arc_type = fst_type, arc_type
        self._symbols = (isymbols, osymbols, ssymbols)
        self._kept = (isymbols if keep_isymbols else None, osymbols if keep_osymbols else None)
        self._options = (acceptor, keep_state_numbering, allow_negative_labels)
        self._text: list[str] = []

    def write(self, expression: str) -> None:
        self._text.append(expression)

    def compile(self) -> Any:
        """The automaton that the text describes; the compiler is empty again. Raises FstOpError, which names
        the line, where the text makes no sense."""
        text = "".join(self._text)
        self._text.clear()
        fst = VectorFst(self._arc_type)
        kind: Any = _native.LogFst if self._arc_type != "standard" else _native.StdFst
        tables = (None if view is None else view._table._native() for view in self._symbols)
        with operating():
            fst._fst = NativeFst.of_native(kind.compile(text, *tables, *self._options))
        fst.set_input_symbols(self._kept[0]).set_output_symbols(self._kept[1])
        return fst if self._fst_type == "vector" else converted(fst, self._fst_type)


def converted(fst: Fst, fst_type: str) -> Any:
    if fst_type not in ("vector", "const"):
        raise FstOpError(f"Conversion to {fst_type!r} failed; expected 'vector' or 'const'")
    copy = fst._fst.copy()
    copy.format = fst_type
    return wrapped(copy, fst._arc_type, VectorFst if fst_type == "vector" else Fst)


__all__ = ["Compiler", "Fst", "FstIndexError", "MutableFst", "VectorFst"]
