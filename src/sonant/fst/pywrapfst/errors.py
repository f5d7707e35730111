"""pywrapfst's exceptions. All are sonant's `FstError` too.

FstError
├── FstArgError           an argument that names nothing
├── FstBadWeightError     a weight that is none
├── FstConstructionError  a class that is not made by calling it
├── FstIndexError         a state that is not there
├── FstIOError            a file that cannot be read or written
└── FstOpError            an operation that cannot be done
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sonant.errors import ArkError, FstError, FstIndexError, SpecifierError


class FstArgError(FstError):
    pass


class FstBadWeightError(FstError):
    pass


class FstConstructionError(FstError, NotImplementedError):
    """Abstract by design, as in pywrapfst, whose programs catch NotImplementedError here: the message names
    the function that makes one."""


class FstIOError(FstError, OSError):
    pass


class FstOpError(FstError, RuntimeError):
    pass


_OURS = (FstArgError, FstBadWeightError, FstConstructionError, FstIndexError, FstIOError, FstOpError)


@contextmanager
def operating() -> Iterator[None]:
    """What goes wrong within is an FstOpError, unless it says more."""
    try:
        yield
    except _OURS:
        raise
    except FstError as error:
        raise FstOpError(str(error)) from None


@contextmanager
def reading_or_writing() -> Iterator[None]:
    try:
        yield
    except (SpecifierError, ArkError, FstError) as error:
        raise FstIOError(str(error)) from None


def chosen(what: str, given: Any, choices: tuple[str, ...]) -> str:
    if given not in choices:
        raise FstArgError(f"Unknown {what}: {given!r}; expected {', '.join(choices)}")
    return given
