"""Files of this room: opened for the native streams, and replaced whole."""

import contextlib
import os
import shutil
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


@contextlib.contextmanager
def whole_directory(path: Path) -> Iterator[str]:
    """A new directory to write into, which becomes `path` when the block ends well, and else goes away.

    Of a directory that is there the files of the same names are replaced, and the others stay. Raises
    SpecifierError (an OSError) where that cannot be.
    """
    target = os.path.realpath(path)
    name = os.fspath(path)
    if os.path.lexists(name) and not os.path.isdir(name):
        raise SpecifierError(f"{name}: cannot be written: it is there, and no directory")
    temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{os.urandom(6).hex()}")
    try:
        os.mkdir(temporary)
    except (OSError, ValueError) as error:
        raise _failed(name, "written", error) from None
    try:
        yield temporary
        if not os.path.isdir(target):
            os.rename(temporary, target)
            return
        for folder, folders, files in os.walk(temporary):
            at = os.path.normpath(os.path.join(target, os.path.relpath(folder, temporary)))
            for entry in folders:
                os.makedirs(os.path.join(at, entry), exist_ok=True)
            for entry in files:
                os.replace(os.path.join(folder, entry), os.path.join(at, entry))
    except OSError as error:
        if isinstance(error, SpecifierError):
            raise
        raise _failed(name, "written", error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
