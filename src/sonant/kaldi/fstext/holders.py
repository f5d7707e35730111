"""Automata and lattices in Kaldi's archives.

An entry has no binary header: white space after the key means text (lines, then an empty line), the first
byte of OpenFst's magic number (0xd6) means binary. A reader of lattices takes compact ones, and the other way
round.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sonant import _native
from sonant.kaldi.fstext.automata import MutableFstBase
from sonant.kaldi.fstext.kinds import (
    CompactLatticeVectorFst,
    KwsIndexVectorFst,
    LatticeVectorFst,
    LogVectorFst,
    StdVectorFst,
)

_BINARY = 0xD6

Kind = TypeVar("Kind", bound=MutableFstBase)


def _read(stream: _native.Input, kind: type[Kind], read_text: Callable[[_native.Input], Any]) -> Kind:
    first = stream.peek()
    native: Any = None
    isymbols = osymbols = b""
    if first == _BINARY:
        native, _, isymbols, osymbols, *_ = _native.read_fst(stream)
    elif first >= 0 and chr(first).isspace():
        native = read_text(stream)
    else:
        found = f"the byte {first:#04x}" if first >= 0 else "the end"
        stream.error(
            f"expected an automaton: white space (text) or the byte 0xd6 (OpenFst's format), found {found}"
        )
    wanted = kind._native_type
    if wanted is _native.CompactLatticeFst and isinstance(native, _native.LatticeFst):
        native = native.to_compact(True)
    elif wanted is _native.LatticeFst and isinstance(native, _native.CompactLatticeFst):
        native = native.to_plain(True)
    if not isinstance(native, wanted):
        stream.error(f"an automaton with arcs of type {native.arc_type}; expected {wanted.arc_type}")
    return kind.of_native(native, isymbols, osymbols)


def _text_of(kind: type[MutableFstBase]) -> Callable[[_native.Input], Any]:
    return lambda stream: _native.read_fst_text(stream, kind._arc.type())


def _write(stream: _native.Output, value: Any, binary: bool, kind: type[MutableFstBase]) -> None:
    native: Any = getattr(value, "native", None)
    if not isinstance(native, kind._native_type):
        raise TypeError(f"a {type(value).__name__}; expected {kind.__name__}")
    if binary:
        # An archive's automata are vector ones, whatever was given.
        (value if type(value) is kind else kind(value)).write_to_stream(stream)
    else:
        stream.write(b"\n")
        native.write_text(stream, kind is CompactLatticeVectorFst)
        stream.write(b"\n")


def read_fst(stream: _native.Input) -> StdVectorFst:
    """Raises ArkError (file and offset) where the entry is not one, as all readers here do."""
    return _read(stream, StdVectorFst, _text_of(StdVectorFst))


def read_log_fst(stream: _native.Input) -> LogVectorFst:
    return _read(stream, LogVectorFst, _text_of(LogVectorFst))


def read_kws_index_fst(stream: _native.Input) -> KwsIndexVectorFst:
    return _read(stream, KwsIndexVectorFst, _text_of(KwsIndexVectorFst))


def read_lattice(stream: _native.Input) -> LatticeVectorFst:
    return _read(stream, LatticeVectorFst, _native.read_lattice_text)


def read_compact_lattice(stream: _native.Input) -> CompactLatticeVectorFst:
    return _read(stream, CompactLatticeVectorFst, _native.read_lattice_text)


def write_fst(stream: _native.Output, value: StdVectorFst, binary: bool) -> None:
    _write(stream, value, binary, StdVectorFst)


def write_log_fst(stream: _native.Output, value: LogVectorFst, binary: bool) -> None:
    _write(stream, value, binary, LogVectorFst)


def write_kws_index_fst(stream: _native.Output, value: KwsIndexVectorFst, binary: bool) -> None:
    _write(stream, value, binary, KwsIndexVectorFst)


def write_lattice(stream: _native.Output, value: LatticeVectorFst, binary: bool) -> None:
    _write(stream, value, binary, LatticeVectorFst)


def write_compact_lattice(stream: _native.Output, value: CompactLatticeVectorFst, binary: bool) -> None:
    _write(stream, value, binary, CompactLatticeVectorFst)
