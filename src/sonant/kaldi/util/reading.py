"""What readers and writers of tables have in common, and how a table is read from beginning to end."""

import atexit
import contextvars
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, Generic, Self, TypeVar

from sonant.errors import ArkError, SonantError
from sonant.kaldi.util.holders import Holder
from sonant.kaldi.util.io import OpenedInput
from sonant.kaldi.util.specifiers import (
    RspecifierType,
    checked_rspecifier,
    extract_range_specifier,
    log,
    script_lines,
)

Value = TypeVar("Value")

# Archives that a script file's reader keeps open.
_OPEN_FILES = 8


# A key, its value, and what reads the value when it is first asked for (or None).
Entry = tuple[str, Any, Callable[[], Any] | None]


class Loader:
    """Reads the objects that script lines name."""

    def __init__(self, holder: Holder, memory_map: bool = False):
        self._holder = holder
        self._read_object = holder.map if memory_map and holder.map else holder.read
        self._open: dict[str, Any] = {}
        self._whole: tuple[str, Any] | None = None  # the last object of which a range was cut

    def load(self, place: str) -> Any:
        """place: an rxfilename, with a range behind it if it has one."""
        path, _, offset = place.rpartition(":")
        if path and offset.isdigit() and place[0] != "|":  # as classify_rxfilename has it, sooner
            stream = self._open.get(path) or self._stream(path)
            stream.seek(int(offset))
            return self._read_object(stream)
        if not place.endswith("]"):
            return self._read(place)
        split = extract_range_specifier(place)
        assert split is not None  # as script files are read
        if self._whole is None or self._whole[0] != split[0]:
            self._whole = (split[0], self.load(split[0]))
        return self._holder.cut(self._whole[1], split[1])

    def _read(self, rxfilename: str) -> Any:
        opened = OpenedInput(rxfilename)
        try:
            value = self._read_object(opened.stream)
        except BaseException:
            # A command that failed explains what is missing better than the bytes do.
            opened.close()
            raise
        opened.close()
        return value

    def _stream(self, path: str) -> Any:
        if len(self._open) == _OPEN_FILES:
            self._open.pop(next(iter(self._open))).close()
        self._open[path] = stream = OpenedInput(path).stream
        return stream

    def close(self) -> None:
        for stream in self._open.values():
            stream.close()
        self._open.clear()
        self._whole = None


def _archive_entries(
    opened: OpenedInput, holder: Holder, permissive: bool, memory_map: bool
) -> Iterator[Entry]:
    stream = opened.stream
    try:
        if holder.read_entry is not None and not memory_map:
            while (entry := holder.read_entry(stream)) is not None:
                yield (*entry, None)
                del entry
        else:
            read = holder.map if memory_map and holder.map else holder.read
            while (key := stream.key()) is not None:
                yield key, read(stream), None
        opened.close()
    except SonantError as error:
        if not permissive:
            raise
        log.warning("%s; the rest of the archive is passed over (permissive)", error)
    finally:
        opened.close_quietly()


def _script_entries(rxfilename: str, loader: Loader, permissive: bool) -> Iterator[Entry]:
    try:
        for key, place in script_lines(rxfilename):
            if not permissive:
                yield key, None, partial(loader.load, place)
                continue
            try:
                yield key, loader.load(place), None
            except SonantError as error:
                log.warning("%s; key '%s' is passed over (permissive)", error, key)
    finally:
        loader.close()


def _read_ahead(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same entries, read by a thread while the ones before them are used."""
    ready: queue.Queue = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def put(item: Any) -> None:
        while not stopped.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def run() -> None:
        try:
            for key, value, load in entries:
                put((key, load() if load else value, None))
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    # With its context, which says what standard input is.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), daemon=True, name="sonant-read-ahead")
    _reading_ahead[thread] = stopped
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
        del _reading_ahead[thread]
        entries.close()  # type: ignore[attr-defined]


# Threads that read ahead, and what stops them: one that is in the native core as Python ends would abort it.
_reading_ahead: dict[threading.Thread, threading.Event] = {}


@atexit.register
def _stop_reading_ahead() -> None:
    for thread, stopped in list(_reading_ahead.items()):
        stopped.set()
        thread.join(timeout=1)  # for one that waits for a pipe, no longer


class Table(ABC):
    """What readers and writers have in common."""

    _holder: ClassVar[Holder]

    def __init_subclass__(cls, holder: Holder | None = None, **arguments: Any):
        super().__init_subclass__(**arguments)
        if holder is not None:
            cls._holder = holder

    @abstractmethod
    def is_open(self) -> bool: ...

    @abstractmethod
    def close(self) -> bool: ...

    def _require_open(self) -> None:
        if not self.is_open():
            raise ArkError(f"this {type(self).__name__} is not open: open(specifier) it first")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            if self.is_open():
                self.close()
        else:
            self._close_quietly()

    def _close_quietly(self) -> None:
        """Closes where an exception is on its way already, or nobody could catch one."""
        try:
            if self.is_open():
                self.close()
        except SonantError as error:
            log.warning("%s", error)

    def __del__(self) -> None:
        if hasattr(self, "_ready"):
            self._close_quietly()


class SequentialReader(Table, Generic[Value]):
    """Reads a table from its beginning to its end: iterate over (key, value), or call done, key, value, next.

    rspecifier: `ark:` or `scp:` and an extended filename, with options: `p` passes over what cannot be read,
    `bg` reads ahead in a thread.
    memory_map: matrices are read-only views of the file where its format allows. Nothing is copied; the file
    must not be cut off or written to while they are held.
    Raises SpecifierError (an OSError) where it cannot be opened, ArkError where its bytes make no sense.
    """

    def __init__(self, rspecifier: str = "", *, memory_map: bool = False):
        self._entries: Iterator[Entry] | None = None
        self._entry: Entry | None = None
        self._memory_map = memory_map
        self._ready = True
        if rspecifier:
            self.open(rspecifier)

    def open(self, rspecifier: str) -> bool:
        """Opens a table in place of the present one, and reads its first key. Returns True."""
        if self.is_open():
            self.close()
        kind, rxfilename, options = checked_rspecifier(rspecifier)
        if kind == RspecifierType.ARCHIVE_SPECIFIER:
            entries = _archive_entries(
                OpenedInput(rxfilename), self._holder, options.permissive, self._memory_map
            )
        else:
            entries = _script_entries(rxfilename, Loader(self._holder, self._memory_map), options.permissive)
        self._entries = _read_ahead(entries) if options.background else entries
        try:
            self.next()
        except BaseException:
            self._entries = None
            raise
        return True

    def done(self) -> bool:
        """True behind the last object."""
        self._require_open()
        return self._entry is None

    def key(self) -> str:
        return self._current()[0]

    def value(self) -> Value:
        key, value, load = self._current()
        if load is not None:
            value = load()
            self._entry = (key, value, None)
        return value

    def _current(self) -> Entry:
        self._require_open()
        if self._entry is None:
            raise ArkError("this table is at its end: there is no object; ask done() first")
        return self._entry

    def next(self) -> None:
        """Goes to the next object."""
        if self._entries is None:
            self._require_open()
            return
        self._entry = None  # first: its memory may serve the next one
        self._entry = next(self._entries, None)

    def free_current(self) -> None:
        """Lets go of the memory of the present value."""
        self._entry = (self._current()[0], None, _gone)

    def is_open(self) -> bool:
        return self._entries is not None

    def close(self) -> bool:
        """Returns True. Raises SpecifierError where a command failed behind the table."""
        self._require_open()
        entries, self._entries, self._entry = self._entries, None, None
        if hasattr(entries, "close"):
            entries.close()  # type: ignore[union-attr]
        return True

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        self._require_open()
        while self._entry is not None:
            yield self._entry[0], self.value()
            if self.is_open():
                self.next()


def _gone() -> Any:
    raise ArkError("the present value was let go of by free_current()")
