"""Encoders: labels and weights of arcs packed into labels, and back."""

from enum import Flag
from typing import Any

from sonant.fst.automaton import Fst as NativeFst
from sonant.fst.composition import Encoder
from sonant.fst.pywrapfst.arcs import Arc
from sonant.fst.pywrapfst.errors import FstOpError, operating
from sonant.fst.pywrapfst.flags import EncodeMapperFlags, FstProperties
from sonant.fst.pywrapfst.symbols import SymbolTableView, _EncodeMapperSymbolTableView
from sonant.fst.pywrapfst.weights import TYPES, Weight, cost_of


class EncodeMapper:
    """Give it to `encode` and `decode` of an automaton, or call it with an arc.

    Its table lives as long as it does; it cannot be written to a file yet."""

    def __init__(self, arc_type: str = "standard", encode_labels: bool = False, encode_weights: bool = False):
        if arc_type not in TYPES:
            raise FstOpError(f"Unknown arc type: {arc_type!r}; expected {', '.join(TYPES)}")
        self._arc_type, self._labels, self._weights = arc_type, encode_labels, encode_weights
        self._encoder = Encoder(encode_labels, encode_weights, "log" if arc_type == "log64" else arc_type)

    def __repr__(self) -> str:
        return f"<EncodeMapper at {id(self):#x}>"

    def __call__(self, arc: Arc) -> Arc:
        weight_type = TYPES[self._arc_type]
        one = NativeFst(self._encoder.arc_type)
        one.add_states(2)
        one.set_start(0)
        one.add_arc(0, arc.ilabel, arc.olabel, cost_of(weight_type, arc.weight), 1)
        tables = self._encoder.input_symbols, self._encoder.output_symbols
        with operating():
            ilabel, olabel, weight, _ = self._encoder.encode(one).arcs_of(0)[0]
        self._encoder.input_symbols, self._encoder.output_symbols = tables
        assert isinstance(weight, float)
        return Arc(ilabel, olabel, Weight(weight_type, weight), arc.nextstate)

    def arc_type(self) -> str:
        return self._arc_type

    def weight_type(self) -> str:
        return TYPES[self._arc_type]

    def flags(self) -> EncodeMapperFlags:
        labels = EncodeMapperFlags.ENCODE_LABELS if self._labels else EncodeMapperFlags(0)
        return labels | (EncodeMapperFlags.ENCODE_WEIGHTS if self._weights else EncodeMapperFlags(0))

    def properties(self, mask: Flag) -> Any:
        """What an encoded automaton is known to be."""
        known = FstProperties.ACCEPTOR if self._labels else FstProperties.NULL_PROPERTIES
        if self._weights:
            known |= FstProperties.UNWEIGHTED
        return known & mask

    def input_symbols(self) -> _EncodeMapperSymbolTableView | None:
        return self._view(self._encoder.input_symbols)

    def output_symbols(self) -> _EncodeMapperSymbolTableView | None:
        return self._view(self._encoder.output_symbols)

    @staticmethod
    def _view(table: object) -> _EncodeMapperSymbolTableView | None:
        return None if table is None else _EncodeMapperSymbolTableView._over(lambda: table)  # pyright: ignore

    def set_input_symbols(self, syms: SymbolTableView | None) -> "EncodeMapper":
        self._encoder.input_symbols = None if syms is None else syms._table.copy()
        return self

    def set_output_symbols(self, syms: SymbolTableView | None) -> "EncodeMapper":
        self._encoder.output_symbols = None if syms is None else syms._table.copy()
        return self
