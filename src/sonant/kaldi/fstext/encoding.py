"""PyKaldi's encoders: labels and weights of arcs packed into labels, and back.

As in Kaldi a final weight is encoded as an arc without labels, and files are those of its OpenFst (1.6)."""

import os
from typing import Any, ClassVar, Self

from sonant import _native
from sonant.errors import FstError, SpecifierError
from sonant.fst.files import reading, writing
from sonant.kaldi.fstext import arcs, enums
from sonant.kaldi.fstext import properties as bits
from sonant.kaldi.fstext.automata import NO_LABEL, NO_STATE_ID, FstBase, MutableFstBase
from sonant.kaldi.fstext.symbols import SymbolTable, deserialize_symbol_table


class EncodeTuple:
    """What a label of a table stands for."""

    def __init__(self) -> None:
        self.ilabel, self.olabel = 0, 0
        self.weight: Any = None


class EncodeTable:
    """Numbers (input label, output label, weight) from 1 on; what `flags` does not name is left out."""

    Tuple = EncodeTuple
    _native_type: ClassVar[Any]
    _arc: ClassVar[type[arcs.Arc]]

    def __init__(self, flags: int):
        """flags: ENCODE_LABELS and ENCODE_WEIGHTS, as bits."""
        if not 0 <= flags <= enums.ENCODE_FLAGS:
            raise FstError(f"flags={flags}; expected ENCODE_LABELS (1), ENCODE_WEIGHTS (2), both or 0")
        self._flags = flags
        self.native = self._native_type(
            bool(flags & enums.ENCODE_LABELS), bool(flags & enums.ENCODE_WEIGHTS), finals_as_epsilons=True
        )
        self._isymbols: SymbolTable | None = None
        self._osymbols: SymbolTable | None = None

    def flags(self) -> int:
        return self._flags

    def size(self) -> int:
        return len(self.native)

    def encode(self, arc: arcs.Arc) -> int:
        """The label for this arc, a new one if need be."""
        return self.native.number(arc.ilabel, arc.olabel, self._raw(arc))

    def get_label(self, arc: arcs.Arc) -> int:
        """The label for this arc, -1 where there is none."""
        return self.native.find(arc.ilabel, arc.olabel, self._raw(arc)) or NO_LABEL

    def decode(self, key: int) -> EncodeTuple:
        """Raises FstError where the label is not one of this table."""
        found = self.Tuple()
        found.ilabel, found.olabel, weight = self.native.triple(key)
        found.weight = self._arc.weight_type.of_raw(weight)
        return found

    def _raw(self, arc: arcs.Arc) -> Any:
        if not isinstance(arc, self._arc):
            raise TypeError(f"a {type(arc).__name__}; {type(self).__name__} takes {self._arc.__name__}")
        return arc._raw

    def input_symbols(self) -> SymbolTable | None:
        return self._isymbols

    def output_symbols(self) -> SymbolTable | None:
        return self._osymbols

    def set_input_symbols(self, syms: SymbolTable | None) -> None:
        self._isymbols = None if syms is None else syms.copy()

    def set_output_symbols(self, syms: SymbolTable | None) -> None:
        self._osymbols = None if syms is None else syms.copy()

    @classmethod
    def read(cls, strm: _native.Input, source: str) -> Self:
        """From where the stream stands; newer files of OpenFst are read, too. Raises ArkError."""
        native, flags, isymbols, osymbols = cls._native_type.read(strm)
        table = cls(flags)
        table.native = native
        table._isymbols, table._osymbols = (
            deserialize_symbol_table(symbols) if symbols else None for symbols in (isymbols, osymbols)
        )
        return table

    def write(self, strm: _native.Output, source: str) -> bool:
        tables = (self._isymbols, self._osymbols)
        self.native.write(strm, *(b"" if table is None else table.table.to_bytes() for table in tables))
        return True


class StdEncodeTable(EncodeTable):
    _native_type, _arc = _native.StdEncodeTable, arcs.StdArc


class LogEncodeTable(EncodeTable):
    _native_type, _arc = _native.LogEncodeTable, arcs.LogArc


class LatticeEncodeTable(EncodeTable):
    _native_type, _arc = _native.LatticeEncodeTable, arcs.LatticeArc


class CompactLatticeEncodeTable(EncodeTable):
    _native_type, _arc = _native.CompactLatticeEncodeTable, arcs.CompactLatticeArc


class KwsIndexEncodeTable(EncodeTable):
    _native_type, _arc = _native.KwsIndexEncodeTable, arcs.KwsIndexArc


class EncodeMapper:
    """What encoded labels stand for: give it to `fst.encode` and `fst.decode`, or call it with an arc."""

    _table_type: ClassVar[type[EncodeTable]]

    def __init__(self, encode_labels: bool = False, encode_weights: bool = False, encode: bool = True):
        self.table = self._table_type(enums.GetEncodeFlags(encode_labels, encode_weights))
        self._type = enums.EncodeType.ENCODE if encode else enums.EncodeType.DECODE

    @classmethod
    def from_other(cls, mapper: Self) -> Self:
        """Another one with the same table: what one adds to it the other knows."""
        return cls.from_other_with_type(mapper, mapper._type)

    @classmethod
    def from_other_with_type(cls, mapper: Self, type: enums.EncodeType) -> Self:
        other = cls.__new__(cls)
        other.table, other._type = mapper.table, enums.EncodeType(type)
        return other

    @classmethod
    def read(cls, filename: str | os.PathLike[str], type: enums.EncodeType = enums.EncodeType.ENCODE) -> Self:
        """Raises SpecifierError (an OSError) where it cannot be opened, ArkError where it is no such file."""
        mapper = cls.__new__(cls)
        with reading(filename) as stream:
            mapper.table = cls._table_type.read(stream, os.fspath(filename))
        mapper._type = enums.EncodeType(type)
        return mapper

    def write(self, filename: str | os.PathLike[str]) -> bool:
        """False where the file cannot be written."""
        try:
            with writing(filename) as stream:
                return self.table.write(stream, os.fspath(filename))
        except SpecifierError:
            return False

    def __call__(self, arc: arcs.Arc) -> arcs.Arc:
        """The arc encoded or decoded, as `type` says; one without a next state stands for a final weight."""
        kind, flags = self.table._arc, self.flags()
        final = arc.nextstate == NO_STATE_ID
        weights = bool(flags & enums.ENCODE_WEIGHTS)
        if self._type == enums.EncodeType.ENCODE:
            if final and (not weights or arc.weight == kind.weight_type.zero()):
                return kind.of_raw(arc.raw)
            label = self.table.encode(arc)
            weight = kind.weight_type.one() if weights else arc.weight
            return kind(label, label if flags & enums.ENCODE_LABELS else arc.olabel, weight, arc.nextstate)
        if final or arc.ilabel == 0:
            return kind.of_raw(arc.raw)
        found = self.table.decode(arc.ilabel)
        olabel = found.olabel if flags & enums.ENCODE_LABELS else arc.olabel
        return kind(found.ilabel, olabel, found.weight if weights else arc.weight, arc.nextstate)

    def flags(self) -> int:
        """ENCODE_LABELS and ENCODE_WEIGHTS, as bits."""
        return self.table.flags()

    def type(self) -> enums.EncodeType:
        return self._type

    def properties(self, inprops: int) -> int:
        """What is known of the result where `inprops` is known of the automaton that is given."""
        mask = bits.FST_PROPERTIES
        if self.flags() & enums.ENCODE_LABELS:
            mask &= bits.I_LABEL_INVARIANT_PROPERTIES & bits.O_LABEL_INVARIANT_PROPERTIES
        if self.flags() & enums.ENCODE_WEIGHTS:
            encode = self._type == enums.EncodeType.ENCODE
            mask &= bits.I_LABEL_INVARIANT_PROPERTIES & bits.WEIGHT_INVARIANT_PROPERTIES
            mask &= bits.ADD_SUPERFINAL_PROPERTIES if encode else bits.RM_SUPERFINAL_PROPERTIES
        return inprops & mask

    def input_symbols(self) -> SymbolTable | None:
        return self.table.input_symbols()

    def output_symbols(self) -> SymbolTable | None:
        return self.table.output_symbols()

    def set_input_symbols(self, syms: SymbolTable | None) -> None:
        self.table.set_input_symbols(syms)

    def set_output_symbols(self, syms: SymbolTable | None) -> None:
        self.table.set_output_symbols(syms)

    def _encode(self, fst: MutableFstBase) -> None:
        native = self.table.native.encode(self._native_of(fst))
        self.set_input_symbols(fst.input_symbols())
        self.set_output_symbols(fst.output_symbols())
        fst.native = native
        fst._isymbols = fst._osymbols = None

    def _decode(self, fst: MutableFstBase) -> None:
        fst.native = self.table.native.decode(self._native_of(fst))
        fst._isymbols, fst._osymbols = self.input_symbols(), self.output_symbols()

    def _native_of(self, fst: FstBase) -> Any:
        if fst._arc is not self.table._arc:
            raise TypeError(
                f"arcs of type {fst._arc.type()}; {type(self).__name__} has {self.table._arc.type()}"
            )
        return fst.native


class StdEncodeMapper(EncodeMapper):
    """For automata with tropical costs."""

    _table_type = StdEncodeTable


class LogEncodeMapper(EncodeMapper):
    """For automata with costs in the log semiring."""

    _table_type = LogEncodeTable


class LatticeEncodeMapper(EncodeMapper):
    """For lattices."""

    _table_type = LatticeEncodeTable


class CompactLatticeEncodeMapper(EncodeMapper):
    """For compact lattices."""

    _table_type = CompactLatticeEncodeTable


class KwsIndexEncodeMapper(EncodeMapper):
    """For keyword indexes."""

    _table_type = KwsIndexEncodeTable
