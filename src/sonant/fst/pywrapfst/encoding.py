"""Encoders: labels and weights of arcs packed into labels, and back."""

import math
from enum import Flag
from typing import Any

from sonant.fst import properties as bits
from sonant.fst.encoding import Encoder
from sonant.fst.pywrapfst.arcs import Arc
from sonant.fst.pywrapfst.errors import FstOpError, operating, reading_or_writing
from sonant.fst.pywrapfst.flags import EncodeMapperFlags, FstProperties
from sonant.fst.pywrapfst.symbols import Filename, SymbolTableView, _EncodeMapperSymbolTableView
from sonant.fst.pywrapfst.weights import TYPES, Weight, cost_of

NO_LABEL = NO_STATE = -1


class EncodeMapper:
    """Give it to `encode` and `decode` of an automaton, or call it with an arc.

    Files are OpenFst's; one of log64 arcs is written as one of log arcs."""

    def __init__(self, arc_type: str = "standard", encode_labels: bool = False, encode_weights: bool = False):
        if arc_type not in TYPES:
            raise FstOpError(f"Unknown arc type: {arc_type!r}; expected {', '.join(TYPES)}")
        self._arc_type = arc_type
        self._encoder = Encoder(encode_labels, encode_weights, "log" if arc_type == "log64" else arc_type)

    def __repr__(self) -> str:
        return f"<EncodeMapper at {id(self):#x}>"

    def __call__(self, arc: Arc) -> Arc:
        encoder, weight_type = self._encoder, self.weight_type()
        cost = cost_of(weight_type, arc._weight)
        if arc.nextstate == NO_STATE and not (encoder.weights and cost < math.inf):
            return arc.copy()  # what there is to say of a state that is not final, or where costs stay
        labels = (arc.ilabel, arc.olabel) if arc.nextstate != NO_STATE else (NO_LABEL, NO_LABEL)
        with operating():
            label = encoder.label(*labels, cost)
        weight = Weight.one(weight_type) if encoder.weights else Weight(weight_type, cost)
        return Arc(label, label if encoder.labels else arc.olabel, weight, arc.nextstate)

    def arc_type(self) -> str:
        return self._arc_type

    def weight_type(self) -> str:
        return TYPES[self._arc_type]

    def flags(self) -> EncodeMapperFlags:
        labels = EncodeMapperFlags.ENCODE_LABELS if self._encoder.labels else EncodeMapperFlags(0)
        return labels | (EncodeMapperFlags.ENCODE_WEIGHTS if self._encoder.weights else EncodeMapperFlags(0))

    def properties(self, mask: Flag) -> Any:
        """What an encoded automaton is known to be where the properties `mask` are known of the given one."""
        kept, gained = bits.FST_PROPERTIES, 0
        if self._encoder.labels:
            kept &= bits.I_LABEL_INVARIANT_PROPERTIES & bits.O_LABEL_INVARIANT_PROPERTIES
            gained |= bits.ACCEPTOR
        if self._encoder.weights:
            kept &= bits.I_LABEL_INVARIANT_PROPERTIES & bits.WEIGHT_INVARIANT_PROPERTIES
            kept &= bits.ADD_SUPERFINAL_PROPERTIES
            gained |= bits.UNWEIGHTED | bits.UNWEIGHTED_CYCLES
        if gained:
            kept |= bits.I_DETERMINISTIC
        return FstProperties(int(mask.value) & kept | gained)

    @classmethod
    def read(cls, source: Filename) -> "EncodeMapper":
        with reading_or_writing():
            return cls._over(Encoder.read(source))

    @staticmethod
    def read_from_string(state: bytes) -> "EncodeMapper":
        with reading_or_writing():
            return EncodeMapper._over(Encoder.read(state))

    @classmethod
    def _over(cls, encoder: Encoder) -> "EncodeMapper":
        mapper = cls(encoder.arc_type)
        mapper._encoder = encoder
        return mapper

    def write(self, source: Filename) -> None:
        with reading_or_writing():
            self._encoder.write(source)

    def write_to_string(self) -> bytes:
        return self._encoder.to_bytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return EncodeMapper.read_from_string, (self.write_to_string(),)

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
