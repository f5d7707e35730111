"""From whatever a caller has to bytes that can be read and sought."""

import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from sonant.errors import AudioError

Bytes = str | os.PathLike[str] | bytes | BinaryIO
SPOOL = 32 << 20  # bytes of a stream kept in memory; more goes to a temporary file


@dataclass(frozen=True)
class Data:
    """An open recording. path: where a library may open it by itself, None where only `file` has it."""

    name: str
    file: Any  # BinaryIO, as far as read, seek and tell go
    size: int
    path: str | None


def shown(source: Any) -> str:
    """What messages call a source."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return "<bytes>"
    if hasattr(source, "__array__"):
        return "<array>"
    named = getattr(source, "name", None)
    return named if isinstance(named, str) else "<file>"


@contextmanager
def opened(source: Any) -> Iterator[Data]:
    """Open a path, bytes or file object. Raises AudioError where there is nothing to read."""
    name = shown(source)
    if isinstance(source, str | os.PathLike):
        with _open_path(source, name) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                yield _sized(name, file, os.fspath(source))
            else:  # a pipe or a device
                with _spooled(file, name) as spooled:
                    yield _sized(name, View(spooled))
    elif isinstance(source, bytes | bytearray | memoryview):
        yield _sized(name, View(io.BytesIO(source)))
    elif hasattr(source, "read"):
        if _seekable(source):
            yield _sized(name, View(source))
        else:
            with _spooled(source, name) as spooled:
                yield _sized(name, View(spooled))
    else:
        raise AudioError(
            f"a {type(source).__name__} is no recording; expected a path, bytes, a binary file object or "
            "an array"
        )


def _open_path(path: Any, name: str) -> BinaryIO:
    try:
        if os.path.isdir(path):
            raise AudioError(f"{name}: is a directory; expected an audio file")
        return open(path, "rb")
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file (looked in {os.getcwd()})") from error
    except (OSError, ValueError) as error:
        raise AudioError(
            f"{name!r}: cannot be opened: {getattr(error, 'strerror', None) or error}"
        ) from error


def _seekable(file: Any) -> bool:
    try:
        return (
            bool(file.seekable())
            if hasattr(file, "seekable")
            else hasattr(file, "seek") and hasattr(file, "tell")
        )
    except (OSError, ValueError) as error:
        raise AudioError(f"{shown(file)}: the file object cannot be used: {error}") from error


@contextmanager
def _spooled(file: Any, name: str) -> Iterator[Any]:
    with tempfile.SpooledTemporaryFile(max_size=SPOOL) as spooled:
        try:
            shutil.copyfileobj(file, spooled, 1 << 16)
        except (TypeError, AttributeError) as error:
            raise AudioError(
                f"{name}: the file object does not give bytes; open it in binary mode, 'rb'"
            ) from error
        except (OSError, ValueError, EOFError) as error:
            raise AudioError(f"{name}: reading failed: {error}") from error
        yield spooled


def _sized(name: str, file: Any, path: str | None = None) -> Data:
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        file.read(1)
        file.seek(0)
    except OSError as error:
        raise AudioError(f"{name}: reading failed: {error}") from error
    if isinstance(file, View):
        file.check(name)
    if size == 0:
        raise AudioError(f"{name}: is empty (0 bytes); expected an audio file")
    return Data(name, file, size, path)


class View(io.RawIOBase):
    """`prefix`, then the bytes `start` to `end` of a file, as one file that a C library can read through.

    A library's callbacks print exceptions and go on, so none is raised here: the first one is kept, the file
    then reads as ended, and `check` raises it as an AudioError. A seek to before the start goes to the start.
    """

    def __init__(self, file: Any, prefix: bytes = b"", start: int = 0, end: int | None = None):
        super().__init__()
        self._file, self._prefix, self._start = file, prefix, start
        self._at = 0
        self.failure: Exception | None = None
        stop: int = self._guard(self._length, start) if end is None else end
        self._size = len(prefix) + stop - start

    def _length(self) -> int:
        self._file.seek(0, os.SEEK_END)
        return self._file.tell()

    def _guard(self, action: Any, otherwise: Any) -> Any:
        try:
            return action()
        except Exception as error:  # whatever the caller's file object raises
            self.failure = self.failure or error
            return otherwise

    def check(self, name: str) -> None:
        """Raise what went wrong while a library was reading."""
        inner = self._file.failure if isinstance(self._file, View) else None
        if failure := self.failure or inner:
            raise AudioError(f"{name}: reading failed: {failure}") from failure

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._size - self._at)
        size = left if size is None or size < 0 else min(size, left)
        data = self._prefix[self._at : self._at + size]
        rest = size - len(data)
        if rest:
            data += self._guard(lambda: self._body(self._at + len(data), rest), b"")
        self._at += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _body(self, at: int, size: int) -> bytes:
        self._file.seek(self._start + at - len(self._prefix))
        pieces = []
        while size:  # an unbuffered file may give less than was asked for
            piece = self._file.read(size)
            if isinstance(piece, str):
                raise TypeError("the file object gives text; open it in binary mode, 'rb'")
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
