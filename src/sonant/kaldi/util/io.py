"""Extended filenames: files, offsets, standard streams and commands (PyKaldi's `kaldi.util.io`).

| for reading | for writing | is |
|---|---|---|
| `foo.ark` | `foo.ark` | a file |
| `foo.ark:1234` | | a file from that byte on |
| `gunzip -c foo.gz \\|` | `\\| gzip -c > foo.gz` | what a shell command writes, or reads |
| `-` or nothing | `-` or nothing | standard input or output |
"""

import atexit
import contextlib
import shlex
import weakref
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from sonant.errors import ArkError, SpecifierError
from sonant.kaldi.base import io as base_io
from sonant.kaldi.util.pipes import Pipe, open_content, open_pipe

if TYPE_CHECKING:
    from sonant.kaldi.matrix import DoubleMatrix, DoubleVector, Matrix, Vector


class InputType(IntEnum):
    NO_INPUT = 0
    FILE_INPUT = 1
    STANDARD_INPUT = 2
    OFFSET_FILE_INPUT = 3
    PIPE_INPUT = 4


class OutputType(IntEnum):
    NO_OUTPUT = 0
    FILE_OUTPUT = 1
    STANDARD_OUTPUT = 2
    PIPE_OUTPUT = 3


def _offset(filename: str) -> int | None:
    """Where `filename` ends in ':' and digits: how long the part before is."""
    head = filename.rstrip("0123456789")
    return len(head) - 1 if head != filename and head.endswith(":") else None


def classify_rxfilename(rxfilename: str) -> InputType:
    """What kind of input an extended filename names: NO_INPUT where it makes no sense as one."""
    if rxfilename in ("", "-"):
        return InputType.STANDARD_INPUT
    if rxfilename.startswith("|"):
        return InputType.NO_INPUT
    if rxfilename.endswith("|"):
        return InputType.PIPE_INPUT
    if rxfilename[0].isspace() or rxfilename[-1].isspace():
        return InputType.NO_INPUT
    if _offset(rxfilename) is not None:
        return InputType.OFFSET_FILE_INPUT
    return InputType.NO_INPUT if "|" in rxfilename else InputType.FILE_INPUT


def classify_wxfilename(wxfilename: str) -> OutputType:
    """What kind of output an extended filename names: NO_OUTPUT where it makes no sense as one."""
    if wxfilename in ("", "-"):
        return OutputType.STANDARD_OUTPUT
    if wxfilename.startswith("|"):
        return OutputType.PIPE_OUTPUT
    if wxfilename[0].isspace() or wxfilename[-1].isspace() or "|" in wxfilename:
        return OutputType.NO_OUTPUT
    return OutputType.NO_OUTPUT if _offset(wxfilename) is not None else OutputType.FILE_OUTPUT


def printable_rxfilename(rxfilename: str) -> str:
    """The name for a message, quoted as a shell would need it."""
    return "standard input" if rxfilename in ("", "-") else _quoted(rxfilename)


def printable_wxfilename(wxfilename: str) -> str:
    return "standard output" if wxfilename in ("", "-") else _quoted(wxfilename)


def _quoted(name: str) -> str:
    # shlex takes a colon for special, and offsets have one.
    return name if shlex.quote(name.replace(":", "")) == name.replace(":", "") else shlex.quote(name)


# Those with threads behind them, which must not be at work when the interpreter is taken apart.
_with_threads: "weakref.WeakSet[OpenedInput | OpenedOutput]" = weakref.WeakSet()


@atexit.register
def _close_at_exit() -> None:
    for opened in list(_with_threads):
        _close_quietly(opened)


class OpenedInput:
    """The native stream of an extended filename, and the commands behind it if there are any."""

    def __init__(self, rxfilename: str):
        kind = classify_rxfilename(rxfilename)
        self.name = rxfilename
        self.stream: Any
        self._pipe: Pipe | None = None
        if kind == InputType.FILE_INPUT:
            self.stream = base_io.open_file_to_read(rxfilename)
        elif kind == InputType.OFFSET_FILE_INPUT:
            end = rxfilename.rindex(":")
            self.stream = base_io.open_file_to_read(rxfilename[:end])
            self.stream.seek(int(rxfilename[end + 1 :]))
        elif kind == InputType.STANDARD_INPUT:
            self.stream = base_io.get_stdin()
        elif kind == InputType.PIPE_INPUT:
            self.stream = open_content(rxfilename[:-1])
            if self.stream is None:
                self._pipe = open_pipe(rxfilename[:-1], reading=True)
                self.stream = base_io.istream(self._pipe.descriptor, rxfilename, True)
                if self._pipe.in_process:
                    _with_threads.add(self)
        else:
            raise SpecifierError(
                f"'{rxfilename}' cannot be read; expected a file, 'file:offset', 'command |', or '-', "
                "without blanks at either end"
            )

    def close(self) -> None:
        """Raises SpecifierError where a command failed, unless it was not read to its end."""
        if self.stream.closed:
            return
        at_end = self.stream.ended
        self.stream.close()
        if self._pipe is not None:
            self._pipe.finish(may_be_cut_off=not at_end)

    def close_quietly(self) -> None:
        """Closes where an exception is on its way already, or what is left does not matter."""
        _close_quietly(self)


class OpenedOutput:
    """The native stream of an extended filename, and the commands behind it if there are any."""

    def __init__(self, wxfilename: str):
        kind = classify_wxfilename(wxfilename)
        self.name = wxfilename
        self._pipe: Pipe | None = None
        if kind == OutputType.FILE_OUTPUT:
            self.stream = base_io.open_file_to_write(wxfilename)
        elif kind == OutputType.STANDARD_OUTPUT:
            self.stream = base_io.get_stdout()
        elif kind == OutputType.PIPE_OUTPUT:
            self._pipe = open_pipe(wxfilename[1:], reading=False)
            self.stream = base_io.ostream(self._pipe.descriptor, wxfilename, True)
            if self._pipe.in_process:
                _with_threads.add(self)
        else:
            raise SpecifierError(
                f"'{wxfilename}' cannot be written; expected a file, '| command', or '-', without blanks at "
                "either end"
            )

    def close(self) -> None:
        """Raises ArkError where not all could be written, SpecifierError where a command failed."""
        if self.stream.closed:
            return
        try:
            self.stream.close()
        finally:
            if self._pipe is not None:
                self._pipe.finish(may_be_cut_off=False)


class Input:
    """An extended filename, opened for reading: a context manager, and an iterator over lines.

    `binary` (the argument): whether `read` and its like return bytes, after Kaldi's binary header if
    there is one; False for text, which they return as str. `binary` (the attribute): whether it was there.
    """

    def __init__(self, rxfilename: str | None = None, binary: bool = True):
        self.binary = False
        self._opened: OpenedInput | None = None
        self._text = not binary
        if rxfilename is not None:
            self.open(rxfilename, binary)

    def open(self, rxfilename: str, binary: bool = True) -> None:
        """Raises SpecifierError (an OSError) where it cannot be opened."""
        self.close()
        self._opened = OpenedInput(rxfilename)
        self._text = not binary
        self.binary = binary and self._opened.stream.header()

    def is_open(self) -> bool:
        return self._opened is not None

    def close(self) -> int:
        """Returns 0. Raises SpecifierError where a command failed that was read to its end."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
        return 0

    def stream(self) -> Any:
        """The native stream, for the `read` methods of Kaldi's objects."""
        if self._opened is None:
            raise ValueError("this Input is closed; open(rxfilename) it first")
        return self._opened.stream

    def read(self) -> Any:
        """Everything to the end: bytes, or str in text mode."""
        return self._decoded(self.stream().read())

    def readline(self) -> Any:
        """The next line with its newline; empty at the end."""
        return self._decoded(self.stream().readline())

    def readlines(self) -> list:
        return list(self)

    def __iter__(self) -> Iterator:
        while line := self.readline():
            yield line

    def _decoded(self, data: bytes) -> Any:
        if not self._text:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ArkError(
                f"{self.stream().name}: expected UTF-8 text, found byte {data[error.start]:#04x}: "
                "open it with mode 'rb'"
            ) from None

    def __enter__(self) -> "Input":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.close()
        else:
            _close_quietly(self)

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            _close_quietly(self)


class Output:
    """An extended filename, opened for writing: a context manager.

    binary: whether `write` takes bytes, after Kaldi's header if `write_header` is set; else it takes str.
    """

    def __init__(self, wxfilename: str | None = None, binary: bool = True, write_header: bool = True):
        self._opened: OpenedOutput | None = None
        self.binary = binary
        if wxfilename is not None:
            self.open(wxfilename, binary, write_header)

    def open(self, wxfilename: str, binary: bool, write_header: bool) -> None:
        """Raises SpecifierError (an OSError) where it cannot be opened."""
        self.close()
        self._opened = OpenedOutput(wxfilename)
        self.binary = binary
        self._opened.stream.header(binary and write_header)

    def is_open(self) -> bool:
        return self._opened is not None

    def close(self) -> bool:
        """Returns True. Raises ArkError where not all was written, SpecifierError where a command failed."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
        return True

    def stream(self) -> Any:
        """The native stream, for the `write` methods of Kaldi's objects."""
        if self._opened is None:
            raise ValueError("this Output is closed; open(wxfilename, binary, write_header) it first")
        return self._opened.stream

    def flush(self) -> None:
        self.stream().flush()

    def write(self, s: Any) -> None:
        """s: bytes, or str in text mode."""
        stream = self.stream()
        if isinstance(s, str) == self.binary:
            expected = "bytes" if self.binary else "str"
            raise TypeError(f"write({type(s).__name__}) to a stream that was opened for {expected}")
        stream.write(bytes(s) if self.binary else s.encode())

    def writelines(self, lines: Iterable) -> None:
        for line in lines:
            self.write(line)

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.close()
        else:
            _close_quietly(self)

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            _close_quietly(self)


def _close_quietly(stream: Any) -> None:
    """Closes where an exception is on its way already, or nobody could catch one."""
    with contextlib.suppress(ArkError, SpecifierError):
        stream.close()


def xopen(xfilename: str, mode: str = "r", write_header: bool = True) -> Any:
    """Opens an extended filename: an Input for a mode with `r`, an Output for one with `w`.

    mode: `r` or `w`, and `b` for binary (the default) or `t` for text.
    write_header: whether a binary Output begins with Kaldi's header, by which readers know it.
    """
    if not isinstance(xfilename, str):
        raise TypeError(f"xfilename={xfilename!r} is of type {type(xfilename).__name__}; expected a str")
    if not isinstance(mode, str) or sorted(mode) not in (
        ["r"],
        ["w"],
        *([a, b] for a in "bt" for b in "rw"),
        ["r", "t"],
    ):
        raise ValueError(f"mode={mode!r}; expected 'r' or 'w', and 'b' or 't' where wanted")
    binary = "t" not in mode
    return Input(xfilename, binary) if "r" in mode else Output(xfilename, binary, write_header)


def _read(filename: str, kind: str) -> Any:
    from sonant.kaldi import matrix

    value = getattr(matrix, kind)()
    with xopen(filename) as file:
        value.read_(file.stream(), file.binary)
    return value


def _write(value: Any, filename: str, binary: bool) -> None:
    with xopen(filename, "wb" if binary else "wt") as file:
        value.write(file.stream(), binary)


def read_matrix(filename: str) -> "Matrix":
    """From an extended filename, in any of the formats that matrices have."""
    return _read(filename, "Matrix")


def read_double_matrix(filename: str) -> "DoubleMatrix":
    return _read(filename, "DoubleMatrix")


def read_vector(filename: str) -> "Vector":
    return _read(filename, "Vector")


def read_double_vector(filename: str) -> "DoubleVector":
    return _read(filename, "DoubleVector")


def write_matrix(c: "Matrix", filename: str, binary: bool = True) -> None:
    _write(c, filename, binary)


def write_double_matrix(c: "DoubleMatrix", filename: str, binary: bool = True) -> None:
    _write(c, filename, binary)


def write_vector(c: "Vector", filename: str, binary: bool = True) -> None:
    _write(c, filename, binary)


def write_double_vector(c: "DoubleVector", filename: str, binary: bool = True) -> None:
    _write(c, filename, binary)
