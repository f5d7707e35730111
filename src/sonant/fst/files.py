"""Files of this room: opened for the native streams, and replaced whole."""

import contextlib
import os
import stat
from collections.abc import Iterator

from sonant import _native
from sonant.errors import SpecifierError

Path = str | os.PathLike[str]


def _failed(path: str, what: str, error: Exception) -> SpecifierError:
    return SpecifierError(f"{path}: cannot be {what}: {getattr(error, 'strerror', None) or error}")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[_native.Input]:
    """Raises SpecifierError (an OSError) where the file cannot be opened."""
    name = os.fspath(path)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _failed(name, "opened", error) from None
    stream = _native.Input(descriptor, name, True)
    try:
        yield stream
    finally:
        stream.close()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[_native.Output]:
    """A file appears, or is replaced, when all of it is written: who reads or maps the old one keeps it.

    Raises SpecifierError (an OSError) where that cannot be.
    """
    name = os.fspath(path)
    try:
        ordinary = stat.S_ISREG(os.stat(name).st_mode)
    except FileNotFoundError:
        ordinary = True
    except (OSError, ValueError) as error:
        raise _failed(name, "written", error) from None
    target = os.path.realpath(name) if ordinary else name
    temporary = ""
    try:
        if ordinary:
            folder, base = os.path.split(target)
            temporary = os.path.join(folder, f".{base}.{os.urandom(6).hex()}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        else:  # a device or a named pipe
            descriptor = os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _failed(name, "written", error) from None
    stream = _native.Output(descriptor, name, True)
    try:
        yield stream
        stream.close()
        if temporary:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(Exception):
            stream.close()
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError) and not isinstance(error, SpecifierError):
            raise _failed(name, "written", error) from None
        raise
