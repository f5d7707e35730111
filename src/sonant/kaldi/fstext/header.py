"""The header of OpenFst's files, and options of reading and writing."""

import struct
from enum import IntEnum

from sonant import _native

_MAGIC = 2125659606


class FileReadMode(IntEnum):
    READ = 0
    MAP = 1


class FstReadOptions:
    """Which symbol tables to keep. (Whether files are mapped is for `read` to choose.)"""

    FileReadMode = FileReadMode

    def __init__(self) -> None:
        self.source = "<unspecified>"
        self.mode = FileReadMode.READ
        self.read_isymbols = True
        self.read_osymbols = True

    @staticmethod
    def read_mode(mode: str) -> FileReadMode:
        """Of 'read' or 'map'."""
        return FileReadMode.MAP if mode == "map" else FileReadMode.READ

    def debug_string(self) -> str:
        return f"source: {self.source}, mode: {self.mode.name}, read_isymbols: {self.read_isymbols}"


class FstWriteOptions:
    """Which symbol tables to write, and whether to align the tables of a const automaton."""

    def __init__(self) -> None:
        self.source = "<unspecified>"
        self.write_header = True
        self.write_isymbols = True
        self.write_osymbols = True
        self.align = False
        self.stream_write = False


class FstHeader:
    """What a file says of its automaton before it comes. `read` takes it from a stream."""

    def __init__(self) -> None:
        self._fst_type = self._arc_type = ""
        self._version = self._flags = self._properties = self._num_states = self._num_arcs = 0
        self._start = -1

    def read(self, strm: _native.Input, source: str = "", rewind: bool = False) -> bool:
        """`rewind`: goes back to where the stream was. Raises ArkError where this is no header."""
        at = strm.tell()

        def take(form: str) -> int:
            size = struct.calcsize(form)
            data = strm.read(size)
            if len(data) < size:
                strm.error("expected the header of an OpenFst file, found the end: the file is cut off")
            return struct.unpack(form, data)[0]

        def text() -> str:
            length = take("<i")
            if not 0 <= length <= 256:
                strm.error(f"a type of {length} bytes in the header of an OpenFst file; expected 0 to 256")
            return strm.read(length).decode("utf-8", "backslashreplace")

        if take("<i") != _MAGIC:
            strm.error("expected an OpenFst file, which begins with the bytes d6 fd b2 7e")
        self._fst_type, self._arc_type = text(), text()
        self._version, self._flags = take("<i"), take("<I")
        self._properties, self._start = take("<Q"), take("<q")
        self._num_states, self._num_arcs = take("<q"), take("<q")
        if rewind:
            strm.seek(at)
        return True

    def write(self, strm: _native.Output, source: str = "") -> bool:
        types = (self._fst_type.encode(), self._arc_type.encode())
        strm.write(struct.pack("<i", _MAGIC) + b"".join(struct.pack("<i", len(t)) + t for t in types))
        strm.write(struct.pack("<iIQ", self._version, self._flags, self._properties))
        strm.write(struct.pack("<qqq", self._start, self._num_states, self._num_arcs))
        return True

    # fmt: off
    def fst_type(self) -> str: return self._fst_type
    def arc_type(self) -> str: return self._arc_type
    def version(self) -> int: return self._version
    def get_flags(self) -> int: return self._flags
    def properties(self) -> int: return self._properties
    def start(self) -> int: return self._start
    def num_states(self) -> int: return self._num_states
    def num_arcs(self) -> int: return self._num_arcs
    def set_fst_type(self, type: str) -> None: self._fst_type = type
    def set_arc_type(self, type: str) -> None: self._arc_type = type
    def set_version(self, version: int) -> None: self._version = version
    def set_flags(self, flags: int) -> None: self._flags = flags
    def set_properties(self, properties: int) -> None: self._properties = properties
    def set_start(self, start: int) -> None: self._start = start
    def set_num_states(self, numstates: int) -> None: self._num_states = numstates
    def set_num_arcs(self, numarcs: int) -> None: self._num_arcs = numarcs
    # fmt: on

    def debug_string(self) -> str:
        return (
            f"fst_type: {self._fst_type} arc_type: {self._arc_type} version: {self._version} "
            f"flags: {self._flags} properties: {self._properties:#x} start: {self._start} "
            f"states: {self._num_states} arcs: {self._num_arcs}"
        )
