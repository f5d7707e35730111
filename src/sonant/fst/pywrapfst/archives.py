"""FAR archives: automata under keys, as OpenFst's far extension writes them ('sttable').

The file: magic number, version; for each automaton its key (length and bytes) and its binary file; then how
many they are, where each begins, and how many they are again. Keys are in ascending order.
"""

import os
import struct
import weakref
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, BinaryIO

from sonant.fst.pywrapfst.automata import Fst, check_arc_type
from sonant.fst.pywrapfst.errors import FstArgError, FstConstructionError, FstIOError, FstOpError, chosen
from sonant.fst.pywrapfst.symbols import Filename

_MAGIC, _VERSION = 2125656924, 1
_HEAD = struct.Struct("<ii")
_LENGTH = struct.Struct("<i")
_COUNT = struct.Struct("<q")


def _entries(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    def wrong(what: str) -> FstIOError:
        return FstIOError(f"Read failed: {name}: {what}")

    if len(data) < _HEAD.size + _COUNT.size:
        raise wrong(f"{len(data)} bytes are too few for an archive")
    magic, version = _HEAD.unpack_from(data)
    if (magic, version) != (_MAGIC, _VERSION):
        raise wrong(f"begins with {magic} and {version}; a FAR archive with {_MAGIC} and {_VERSION}")
    (count,) = _COUNT.unpack_from(data, len(data) - _COUNT.size)
    end = len(data) - _COUNT.size * (count + 2)
    if count < 0 or end < _HEAD.size:
        raise wrong(f"promises {count} automata in {len(data)} bytes")
    again, *begins = [*struct.unpack_from(f"<{count + 1}q", data, end), end]
    if again != count or begins[0] != _HEAD.size or any(b <= a + _LENGTH.size for a, b in pairwise(begins)):
        raise wrong("the places of its automata are no places")
    for begin, after in pairwise(begins):
        (length,) = _LENGTH.unpack_from(data, begin)
        value = begin + _LENGTH.size + length
        if length < 0 or value > after:
            raise wrong(f"a key of {length} bytes at {begin}")
        key = data[begin + _LENGTH.size : value].decode("utf-8", "surrogateescape")
        yield key, data[value:after]


class FarReader:
    """The automata of archives in the order of their keys: `for key, fst in FarReader.open("a.far")`."""

    def __init__(self) -> None:
        raise FstConstructionError("Cannot construct FarReader; use FarReader.open")

    @classmethod
    def open(cls, *sources: Filename) -> "FarReader":
        reader = cls.__new__(cls)
        found: list[tuple[str, bytes]] = []
        for source in sources:
            try:
                with open(source, "rb") as file:
                    found.extend(_entries(os.fspath(source), file.read()))
            except OSError as error:
                if isinstance(error, FstIOError):
                    raise
                raise FstIOError(f"Read failed: {os.fspath(source)}: {error.strerror}") from None
        if not found:
            raise FstIOError(f"Read failed: {sources}: no automata")
        reader._found = sorted(found, key=lambda entry: entry[0])
        reader._position = 0
        reader._arc_type = reader.get_fst().arc_type()
        return reader

    _found: list[tuple[str, bytes]]
    _position: int
    _arc_type: str

    def __repr__(self) -> str:
        return f"<{self.far_type()} FarReader at {id(self):#x}>"

    def arc_type(self) -> str:
        return self._arc_type

    def far_type(self) -> str:
        return "sttable"

    def error(self) -> bool:
        """What cannot be read is an exception here."""
        return False

    def done(self) -> bool:
        return self._position >= len(self._found)

    def next(self) -> None:
        self._position += 1

    def reset(self) -> None:
        self._position = 0

    def find(self, key: str) -> bool:
        """Goes to this key; where it is not there, to the next one."""
        keys = [found for found, _ in self._found]
        self._position = next((i for i, found in enumerate(keys) if found >= key), len(keys))
        return not self.done() and keys[self._position] == key

    def _here(self) -> tuple[str, bytes]:
        if self.done():
            raise FstOpError(f"the reader is at the end of {len(self._found)} automata; reset() it first")
        return self._found[self._position]

    def get_key(self) -> str:
        return self._here()[0]

    def get_fst(self) -> Any:
        return Fst.read_from_string(self._here()[1])

    def __getitem__(self, key: str) -> Any:
        if not self.find(key):
            raise KeyError(key)
        return self.get_fst()

    def __iter__(self) -> "FarReader":
        return self

    def __next__(self) -> tuple[str, Any]:
        if self.done():
            raise StopIteration
        entry = self.get_key(), self.get_fst()
        self.next()
        return entry


def _finish(file: BinaryIO, begins: list[int]) -> None:
    file.write(b"".join(_COUNT.pack(number) for number in (len(begins), *begins, len(begins))))
    file.close()


class FarWriter:
    """Writes an archive, which is whole when the writer is gone (`del writer`), as pywrapfst's is."""

    def __init__(self) -> None:
        raise FstConstructionError("Cannot construct FarWriter; use FarWriter.create")

    @classmethod
    def create(cls, source: Filename, arc_type: str = "standard", far_type: str = "default") -> "FarWriter":
        chosen("FAR type", far_type, ("default", "sttable"))
        writer = cls.__new__(cls)
        writer._arc_type = check_arc_type(arc_type)
        try:
            writer._file = open(source, "wb")  # noqa: SIM115
        except OSError as error:
            raise FstIOError(f"Write failed: {os.fspath(source)}: {error.strerror}") from None
        writer._file.write(_HEAD.pack(_MAGIC, _VERSION))
        writer._begins, writer._last = [], ""
        weakref.finalize(writer, _finish, writer._file, writer._begins)
        return writer

    _arc_type: str
    _file: BinaryIO
    _begins: list[int]
    _last: str

    def __repr__(self) -> str:
        return f"<{self.far_type()} FarWriter at {id(self):#x}>"

    def arc_type(self) -> str:
        return self._arc_type

    def far_type(self) -> str:
        return "sttable"

    def error(self) -> bool:
        """What cannot be written is an exception here."""
        return False

    def add(self, key: str, ifst: Fst) -> None:
        """Keys come in ascending order: FstArgError where one does not."""
        if self._begins and key <= self._last:
            raise FstArgError(f"the key {key!r} after {self._last!r}; keys of an archive ascend")
        if ifst.arc_type() != self._arc_type:
            raise FstOpError(f"arcs of type {ifst.arc_type()} in an archive of {self._arc_type}")
        name = key.encode("utf-8", "surrogateescape")
        self._begins.append(self._file.tell())
        self._last = key
        self._file.write(_LENGTH.pack(len(name)) + name + ifst.write_to_string())

    def __setitem__(self, key: str, fst: Fst) -> None:
        self.add(key, fst)
