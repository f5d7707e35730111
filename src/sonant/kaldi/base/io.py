"""Streams, and Kaldi's basic types on them (PyKaldi's `kaldi.base.io`).

An `istream` is the native core's Input, an `ostream` its Output: every object of `sonant.kaldi` reads itself
from the one and writes itself to the other. Reading what is not there raises ArkError.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np

from sonant._native import Input as istream
from sonant._native import Output as ostream
from sonant.errors import SpecifierError


def open_file_to_read(filename: str) -> istream:
    """Raises SpecifierError (an OSError) where the file cannot be opened."""
    try:
        descriptor = os.open(filename, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise SpecifierError(f"{filename}: cannot be opened for reading: {_reason(error)}") from None
    return istream(descriptor, filename, True)


def open_file_to_write(filename: str) -> ostream:
    """Makes the file, or empties it. Raises SpecifierError (an OSError) where that is not allowed."""
    try:
        descriptor = os.open(filename, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as error:
        raise SpecifierError(f"{filename}: cannot be opened for writing: {_reason(error)}") from None
    return ostream(descriptor, filename, True)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


class ifstream:
    """Files to read."""

    from_file = staticmethod(open_file_to_read)


class ofstream:
    """Files to write."""

    from_file = staticmethod(open_file_to_write)


class istringstream(istream):
    """Memory to read."""

    def __init__(self, data: bytes = b""):
        super().__init__(data, "memory")
        self._data = data

    @classmethod
    def from_str(cls, text: str | bytes) -> "istringstream":
        return cls(text.encode() if isinstance(text, str) else bytes(text))

    def to_bytes(self) -> bytes:
        """All that there was to read."""
        return self._data

    def to_str(self) -> str:
        return self._data.decode()


class ostringstream(ostream):
    """Memory to write."""

    @classmethod
    def from_str(cls, text: str | bytes) -> "ostringstream":
        """One that begins with this text."""
        stream = cls()
        stream.write(text.encode() if isinstance(text, str) else bytes(text))
        return stream

    def to_bytes(self) -> bytes:
        """What was written."""
        return self.getvalue()

    def to_str(self) -> str:
        return self.getvalue().decode()


# The descriptors that `-` stands for: in a thread that is a stage of a pipe, those of its pipes.
_standard: ContextVar[tuple[int, int]] = ContextVar("standard", default=(0, 1))


def standard_descriptors() -> tuple[int, int]:
    """The descriptors of standard input and output, of the process or of the stage that this thread is."""
    return _standard.get()


@contextlib.contextmanager
def standard_streams(input: int, output: int) -> Iterator[None]:
    """Within it, in this thread, standard input and output are these descriptors."""
    token = _standard.set((input, output))
    try:
        yield
    finally:
        _standard.reset(token)


def get_stdin() -> istream:
    return istream(_standard.get()[0], "standard input", False)


def get_stdout() -> ostream:
    output = _standard.get()[1]
    if output == 1:
        sys.stdout.flush()
    return ostream(output, "standard output", False)


def get_stderr() -> ostream:
    sys.stderr.flush()
    return ostream(2, "standard error", False)


def flush(os: ostream) -> None:
    os.flush()


def read(is_: istream) -> bytes:
    """Everything to the end."""
    return is_.read()


def read_text(is_: istream) -> str:
    return is_.read().decode()


def readline(is_: istream) -> bytes:
    """The next line with its newline; empty at the end."""
    return is_.readline()


def readline_text(is_: istream) -> str:
    return is_.readline().decode()


def write(os: ostream, b: bytes) -> None:
    os.write(b)


def write_text(os: ostream, s: str) -> None:
    os.write(s.encode())


def init_kaldi_input_stream(is_: istream) -> tuple[bool, bool]:
    """(True, whether the stream is binary), having taken the header of a binary one."""
    return True, is_.header()


def init_kaldi_output_stream(os: ostream, binary: bool) -> None:
    """Writes the header of a binary stream."""
    os.header(binary)


def peek(is_: istream, binary: bool) -> int:
    """The next byte, after white space if the stream is text; -1 at the end."""
    while not binary and (byte := is_.peek()) >= 0 and chr(byte).isspace():
        is_.skip(1)
    return is_.peek()


def peek_token(is_: istream, binary: bool) -> int:
    """The first character of the next token, or what follows its `<`; -1 at the end."""
    first = is_.peek_token(binary)
    return ord(first) if first else -1


def read_token(is_: istream, binary: bool) -> str:
    return is_.token(binary)


def expect_token(is_: istream, binary: bool, token: str) -> None:
    is_.expect(binary, token)


def write_token(os: ostream, binary: bool, token: str) -> None:
    os.token(binary, token)


def read_int(is_: istream, binary: bool) -> int:
    """A 32-bit integer."""
    return is_.integer(binary)


def read_float(is_: istream, binary: bool) -> float:
    """A float or a double, whichever is there."""
    return is_.real(binary)


read_double = read_float


def read_bool(is_: istream, binary: bool) -> bool:
    return is_.boolean(binary)


def read_int_vector(is_: istream, binary: bool) -> list[int]:
    return is_.integers(binary).tolist()


def read_int_pair_vector(is_: istream, binary: bool) -> list[tuple[int, int]]:
    return [(first, second) for first, second in is_.integer_pairs(binary).tolist()]


def write_int(os: ostream, binary: bool, t: int) -> None:
    os.integer(binary, t)


def write_float(os: ostream, binary: bool, t: float) -> None:
    os.float32(binary, t)


def write_double(os: ostream, binary: bool, t: float) -> None:
    os.float64(binary, t)


def write_bool(os: ostream, binary: bool, t: bool) -> None:
    os.boolean(binary, t)


def write_int_vector(os: ostream, binary: bool, v: list[int]) -> None:
    os.integers(binary, np.asarray(v, np.int32))


def write_int_pair_vector(os: ostream, binary: bool, v: list[tuple[int, int]]) -> None:
    os.integer_pairs(binary, np.asarray(v, np.int32).reshape(-1, 2))
