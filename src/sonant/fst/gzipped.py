"""Text that may be compressed, as a native stream."""

import contextlib
import gzip
import os
import threading
import zlib
from collections.abc import Iterator

from sonant import _native
from sonant.errors import ArkError
from sonant.fst.files import Path, reading

_MAGIC = b"\x1f\x8b"


def _corrupt(name: str, error: Exception) -> ArkError:
    return ArkError(f"{name}: the compressed data are corrupt: {error}")


@contextlib.contextmanager
def reading_text(source: Path | bytes) -> Iterator[_native.Input]:
    """A file, or bytes; what begins as a gzip file is decompressed on the way, by a thread of its own.

    Raises SpecifierError where the file cannot be opened, ArkError where the compressed data are corrupt.
    """
    if isinstance(source, bytes):
        if source.startswith(_MAGIC):
            try:
                source = gzip.decompress(source)
            except (OSError, EOFError, zlib.error) as error:
                raise _corrupt("bytes", error) from None
        yield _native.Input.from_bytes(source, "bytes")
        return
    with reading(source) as stream:
        if not stream.seekable or stream.peek() != _MAGIC[0]:
            yield stream
            return
    with _decompressed(os.fspath(source)) as stream:
        yield stream


@contextlib.contextmanager
def _decompressed(path: str) -> Iterator[_native.Input]:
    ours, theirs = os.pipe()
    failures: list[Exception] = []

    def feed() -> None:
        try:
            with open(theirs, "wb", buffering=0) as pipe, gzip.open(path) as file:
                while block := file.read(1 << 18):
                    while block:
                        block = block[pipe.write(block) :]
        except BrokenPipeError:  # nobody wants the rest
            pass
        except (OSError, EOFError, zlib.error) as error:
            failures.append(error)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    stream = _native.Input(ours, path, True)
    try:
        try:
            yield stream
        finally:
            stream.close()
            thread.join()
    except Exception as error:
        if failures:
            raise _corrupt(path, failures[0]) from None
        raise error
    if failures:
        raise _corrupt(path, failures[0])
