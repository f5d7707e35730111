"""How the objects of a table are read by key.

Of an archive in a file, only where each object begins is kept, so that one of any size takes the memory of
its keys and one object. From a pipe, objects are kept until they are asked for.
"""

import threading
from typing import Any, Generic, NamedTuple

from sonant.errors import ArkError, SonantError
from sonant.kaldi.util.holders import TOKEN, Holder
from sonant.kaldi.util.io import OpenedInput
from sonant.kaldi.util.reading import Loader, Table, Value
from sonant.kaldi.util.specifiers import (
    RspecifierOptions,
    RspecifierType,
    checked_rspecifier,
    log,
    script_places,
)


class _Found(NamedTuple):
    offset: int | None  # in the file, or None where the value is kept
    value: Any = None


class _ArchiveIndex:
    """Random access to an archive: goes on reading until the key is found."""

    def __init__(self, opened: OpenedInput, holder: Holder, options: RspecifierOptions, memory_map: bool):
        self._opened, self._holder, self._options = opened, holder, options
        self._read_object = holder.map if memory_map and holder.map else holder.read
        self._stream = opened.stream
        self._found: dict[str, _Found] = {}
        self._in_file = self._stream.seekable and self._stream.remaining() >= 0
        self._resume = self._stream.tell()
        self._last: str | None = None  # the last key that was read
        self._ended = False

    def __contains__(self, key: str) -> bool:
        options = self._options
        if options.called_sorted and options.sorted and not self._in_file:
            for old in [old for old in self._found if old < key]:
                del self._found[old]
        while key not in self._found and not self._ended:
            if options.sorted and self._last is not None and self._last > key:
                return False
            try:
                self._read_next()
            except SonantError as error:
                self._ended = True
                if not options.permissive:
                    raise
                log.warning("%s; the rest of the archive is passed over (permissive)", error)
        return key in self._found

    def _read_next(self) -> None:
        stream = self._stream
        if self._in_file:
            stream.seek(self._resume)
        key = stream.key()
        if key is None:
            self._ended = True
            if not self._in_file:
                self._opened.close()  # says so where a command failed
            return
        if self._options.sorted and self._last is not None and key < self._last:
            raise ArkError(
                f"{stream.name}:{stream.tell()}: key '{key}' comes after '{self._last}'; expected sorted "
                "keys, as the option 's' says: sort the archive, or leave the option out"
            )
        if key in self._found:
            raise ArkError(
                f"{stream.name}:{stream.tell()}: key '{key}' is there twice; expected every key once"
            )
        offset = stream.tell()
        if self._in_file:
            (self._holder.skip or self._holder.read)(stream)
            self._resume = stream.tell()
            self._found[key] = _Found(offset)
        else:
            self._found[key] = _Found(None, self._holder.read(stream))
        self._last = key

    def value(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        found = self._found[key]
        if found.offset is None:
            if self._options.once:
                del self._found[key]
            return found.value
        self._stream.seek(found.offset)
        return self._read_object(self._stream)

    def close(self) -> None:
        self._opened.close_quietly()
        self._found.clear()


class _ScriptIndex:
    """Random access to the objects that a script file names."""

    def __init__(self, rxfilename: str, holder: Holder, options: RspecifierOptions, memory_map: bool):
        self._places = script_places(rxfilename)
        self._loader = Loader(holder, memory_map)
        self._permissive = options.permissive
        self._held: tuple[str, Any] | None = None  # what was read to see whether it can be

    def __contains__(self, key: str) -> bool:
        if key not in self._places or not self._permissive:
            return key in self._places
        try:
            self._held = (key, self._loader.load(self._places[key]))
        except SonantError as error:
            log.warning("%s; key '%s' is passed over (permissive)", error, key)
            return False
        return True

    def value(self, key: str) -> Any:
        held, self._held = self._held, None
        if held is not None and held[0] == key:
            return held[1]
        if self._permissive and key not in self:
            raise KeyError(key)
        return self._loader.load(self._places[key])

    def close(self) -> None:
        self._loader.close()
        self._places.clear()


class RandomAccessReader(Table, Generic[Value]):
    """Reads the objects of a table by key: `key in reader`, `reader[key]`. Threads may share it.

    rspecifier: as for SequentialReader; the options `o`, `s`, `cs` say how it will be asked, and save memory
    where the table comes through a pipe. memory_map: as there. Raises KeyError for a key that is not there.
    """

    def __init__(self, rspecifier: str = "", *, memory_map: bool = False):
        self._memory_map = memory_map
        self._index: _ArchiveIndex | _ScriptIndex | None = None
        self._lock = threading.Lock()
        self._ready = True
        if rspecifier:
            self.open(rspecifier)

    def open(self, rspecifier: str) -> bool:
        """Opens a table in place of the present one. Returns True."""
        if self.is_open():
            self.close()
        kind, rxfilename, options = checked_rspecifier(rspecifier)
        if kind == RspecifierType.ARCHIVE_SPECIFIER:
            self._index = _ArchiveIndex(OpenedInput(rxfilename), self._holder, options, self._memory_map)
        else:
            self._index = _ScriptIndex(rxfilename, self._holder, options, self._memory_map)
        return True

    def has_key(self, key: str) -> bool:
        self._require_open()
        with self._lock:
            return key in self._index  # type: ignore[operator]

    def value(self, key: str) -> Value:
        self._require_open()
        with self._lock:
            return self._index.value(key)  # type: ignore[union-attr]

    __contains__ = has_key
    __getitem__ = value

    def is_open(self) -> bool:
        return self._index is not None

    def close(self) -> bool:
        self._require_open()
        index, self._index = self._index, None
        index.close()  # type: ignore[union-attr]
        return True


class RandomAccessReaderMapped(Table, Generic[Value]):
    """RandomAccessReader by another key: `reader[utterance]` is the object of the utterance's speaker.

    map_rspecifier: a table of words, such as `ark:utt2spk`; with '' keys are looked up as they are.
    """

    def __init__(self, table_rspecifier: str = "", map_rspecifier: str = ""):
        self._table: RandomAccessReader | None = None
        self._map: RandomAccessReader | None = None
        self._ready = True
        if table_rspecifier:
            self.open(table_rspecifier, map_rspecifier)

    def open(self, table_rspecifier: str, map_rspecifier: str) -> bool:
        if self.is_open():
            self.close()
        table = _reader_of(self._holder)(table_rspecifier)
        self._map = _reader_of(TOKEN)(map_rspecifier) if map_rspecifier else None
        self._table = table
        return True

    def has_key(self, key: str) -> bool:
        self._require_open()
        if self._map is None:
            return key in self._table  # type: ignore[operator]
        return key in self._map and self._map[key] in self._table  # type: ignore[operator]

    def value(self, key: str) -> Value:
        self._require_open()
        return self._table[key if self._map is None else self._map[key]]  # type: ignore[index]

    __contains__ = has_key
    __getitem__ = value

    def is_open(self) -> bool:
        return self._table is not None

    def close(self) -> bool:
        self._require_open()
        for reader in (self._table, self._map):
            if reader is not None:
                reader.close()
        self._table = self._map = None
        return True


def _reader_of(holder: Holder) -> type[RandomAccessReader]:
    class Reader(RandomAccessReader, holder=holder):
        pass

    return Reader
