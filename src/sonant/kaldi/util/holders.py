"""How each kind of object stands in a table (`util/kaldi-holder.h` of Kaldi defines most of them)."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from operator import methodcaller
from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import ArkError, MatrixError
from sonant.kaldi.util.specifiers import cut


def _not_cut(value: Any, inside: str) -> Any:
    raise ArkError(f"[{inside}]: a {type(value).__name__} has no ranges; expected a name without brackets")


@dataclass(frozen=True)
class Holder:
    """One kind of object: from and to the streams of the native core, with what precedes it in a table."""

    read: Callable[[Any], Any]
    write: Callable[[Any, bool, Any], None]
    """Of an output, whether it is binary, and what `check` returned."""
    check: Callable[[Any], Any] = lambda value: value
    """Makes of a given value what `write` takes, before anything is written."""
    skip: Callable[[Any], Any] | None = None
    """Passes over an object without reading it; None where reading is as cheap."""
    cut: Callable[[Any, str], Any] = _not_cut
    """The part of a value that the range of a script line names."""
    read_entry: Callable[[Any], tuple[str, Any] | None] | None = None
    """The next key of an archive and its value, None at the end: where the native core reads both at once."""
    map: Callable[[Any], Any] | None = None
    """As `read`, without a copy: a view of the file, where its format allows one."""


def _with_header(read: Callable[[Any, bool], Any]) -> Callable[[Any], Any]:
    return lambda stream: read(stream, stream.header())


def _after_header(write: Callable[[Any, bool, Any], None]) -> Callable[[Any, bool, Any], None]:
    def write_both(stream: Any, binary: bool, value: Any) -> None:
        stream.header(binary)
        write(stream, binary, value)

    return write_both


# Vectors and matrices


def _array(kind: str, method: str, dtype: str, ndim: int) -> Holder:
    """Vectors and matrices, over numpy's memory."""
    made: list[type] = []

    def of(array: np.ndarray) -> Any:
        if not made:
            made.append(getattr(import_module("sonant.kaldi.matrix"), kind))
        # Not from_numpy, which checks: the native core has made the array of this very type.
        value = object.__new__(made[0])
        value._array = array
        return value

    def read(stream: Any) -> Any:
        return of(object_of(stream))

    def read_entry(stream: Any) -> tuple[str, Any] | None:
        entry = entry_of(stream)
        return None if entry is None else (entry[0], of(entry[1]))

    def mapped(stream: Any) -> Any:
        return of(stream.mapped_matrix(stream.header(), dtype))

    object_of, entry_of = methodcaller(f"{method}_object_{dtype}"), methodcaller(f"{method}_entry_{dtype}")

    kept = np.dtype(dtype)

    def check(value: Any) -> np.ndarray:
        array = value if type(value) is np.ndarray else np.asarray(value)
        if array.dtype is kept and array.ndim == ndim and array.flags.c_contiguous:
            return array
        if array.ndim != ndim or array.dtype.kind not in "biuf":
            expected = "(rows, columns)" if ndim == 2 else "(values,)"
            raise MatrixError(
                f"{type(value).__name__} of {array.dtype} and shape {array.shape}; expected a {kind}, or an "
                f"array {expected} of numbers"
            )
        return np.ascontiguousarray(array, kept)

    def write(stream: Any, binary: bool, array: np.ndarray) -> None:
        stream.header(binary)
        getattr(stream, method)(binary, array)

    skip = _with_header(lambda stream, binary: getattr(stream, f"skip_{method}")(binary))
    return Holder(
        read,
        write,
        check,
        skip,
        lambda value, inside: of(np.ascontiguousarray(cut(value.numpy(), inside))),
        read_entry,
        mapped if ndim == 2 else None,
    )


def _object(
    module: str, kind: str, method: str = "read", cut: Callable[[Any, str], Any] = _not_cut
) -> Holder:
    """Objects that read and write themselves."""

    def made() -> Any:
        return getattr(import_module(f"sonant.kaldi.{module}"), kind)

    def read(stream: Any, binary: bool) -> Any:
        value = made()()
        getattr(value, method)(stream, binary)
        return value

    def check(value: Any) -> Any:
        return value if isinstance(value, made()) else made()(value)

    return Holder(
        _with_header(read),
        _after_header(lambda stream, binary, value: value.write(stream, binary)),
        check,
        cut=cut,
    )


def _cut_to_matrix(value: Any, inside: str) -> Any:
    from sonant.kaldi.matrix import Matrix

    return type(value)(Matrix.from_numpy(cut(np.asarray(value), inside)))


# Numbers and lists of them


def _integer(bits: int) -> Callable[[Any], int]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def check(value: Any) -> int:
        number = value.__index__() if hasattr(value, "__index__") else None
        if number is None or not low <= number <= high:
            raise ArkError(f"{value!r}; expected an integer from {low} to {high}")
        return number

    return check


def _real(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ArkError(f"{value!r}; expected a number") from None


def _items(value: Any, what: str) -> list:
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        return list(value)
    except TypeError:
        raise ArkError(f"{value!r} is of type {type(value).__name__}; expected {what}") from None


def _single(name: str, check: Callable[[Any], Any], write: Callable[[Any, bool, Any], None]) -> Holder:
    def write_line(stream: Any, binary: bool, value: Any) -> None:
        stream.header(binary)
        write(stream, binary, value)
        if not binary:
            stream.write(b"\n")

    return Holder(_with_header(getattr(_native, f"read_{name}")), write_line, check)


def _list(name: str, item: Callable[[Any], Any]) -> Holder:
    def check(value: Any) -> list:
        return [item(one) for one in _items(value, "a list of numbers")]

    return _native_list(f"{name}_list", check)


def _lists(name: str, item: Callable[[Any], Any]) -> Holder:
    def check(value: Any) -> list:
        outer = _items(value, "a list of lists")
        return [[item(one) for one in _items(inner, "a list of numbers")] for inner in outer]

    return _native_list(f"{name}_lists", check)


def _pairs(name: str, item: Callable[[Any], Any]) -> Holder:
    def check(value: Any) -> list:
        pairs = [tuple(_items(pair, "a pair")) for pair in _items(value, "a list of pairs")]
        for pair in pairs:
            if len(pair) != 2:
                raise ArkError(f"{pair!r} has {len(pair)} items; expected a pair of numbers")
        return [(item(first), item(second)) for first, second in pairs]

    return _native_list(f"{name}_pairs", check)


def _native_list(name: str, check: Callable[[Any], Any]) -> Holder:
    read, write = getattr(_native, f"read_{name}"), getattr(_native, f"write_{name}")
    return Holder(_with_header(read), _after_header(write), check)


def _check_posterior(value: Any) -> list:
    integer = _integer(32)
    frames = []
    for frame in _items(value, "a list of frames"):
        pairs = [tuple(_items(pair, "a pair")) for pair in _items(frame, "a list of (id, weight)")]
        for pair in pairs:
            if len(pair) != 2:
                raise ArkError(f"{pair!r} has {len(pair)} items; expected (id, weight)")
        frames.append([(integer(pair[0]), _real(pair[1])) for pair in pairs])
    return frames


# Gaussian posteriors: of each frame, (Gaussian's id, vector of weights) pairs


def _read_gauss_post(stream: Any, binary: bool) -> list:
    vector = import_module("sonant.kaldi.matrix").Vector.from_numpy
    frames = []
    for _ in range(_count(stream, binary, "frames")):
        entries = []
        for _ in range(_count(stream, binary, "Gaussians")):
            entries.append((stream.integer(binary), vector(stream.vector(binary, "float32"))))
        frames.append(entries)
    if not binary:
        stream.readline()
    return frames


def _count(stream: Any, binary: bool, what: str) -> int:
    count = stream.integer(binary)
    if count < 0:
        stream.error(f"expected the number of {what}, found {count}")
    return count


def _check_gauss_post(value: Any) -> list:
    vector, integer = VECTOR.check, _integer(32)
    frames = []
    for frame in _items(value, "a list of frames"):
        entries = []
        for pair in _items(frame, "a list of (id, vector)"):
            if len(pair) != 2:
                raise ArkError(f"{pair!r} has {len(pair)} items; expected (id, vector)")
            entries.append((integer(pair[0]), vector(pair[1])))
        frames.append(entries)
    return frames


def _write_gauss_post(stream: Any, binary: bool, frames: list) -> None:
    stream.integer(binary, len(frames))
    for entries in frames:
        stream.integer(binary, len(entries))
        for gaussian, weights in entries:
            stream.integer(binary, gaussian)
            stream.vector(binary, weights)
    if not binary:
        stream.write(b"\n")


# Words


def _read_token(stream: Any) -> str:
    words = _read_tokens(stream, may_lack_newline=False)
    if len(words) != 1:
        stream.error(f"expected one word on the line, found {len(words)}: {' '.join(words[:5])!r}")
    return words[0]


def _read_tokens(stream: Any, may_lack_newline: bool = True) -> list[str]:
    line = stream.readline()
    if not line or not (may_lack_newline or line.endswith(b"\n")):
        stream.error("expected a newline behind the words of a line, found the end: the file is cut off")
    return line.decode("utf-8", "surrogateescape").split()


def _check_token(value: Any) -> str:
    if not isinstance(value, str) or value.split() != [value]:
        raise ArkError(f"{value!r}; expected a word: at least one character, and no white space")
    return value


def _write_tokens(stream: Any, binary: bool, words: list[str]) -> None:
    # The same in binary tables, and without a header there.
    stream.write(" ".join(words).encode("utf-8", "surrogateescape") + b"\n")


# Bytes, in kaldi_native_io's format

_BYTES_MAGIC = b"\x14\x11\x22\x20"


def _read_bytes(stream: Any, binary: bool) -> bytes:
    header = stream.read(12)
    if not binary or len(header) < 12 or header[:4] != _BYTES_MAGIC:
        stream.error(f"expected bytes, which begin with \\0B, {_BYTES_MAGIC!r} and a count, found {header!r}")
    size = int.from_bytes(header[4:], "little", signed=True)
    data = stream.read(max(size, 0))
    if len(data) != size:
        stream.error(f"the header promises {size} bytes, found {len(data)}: the file is cut off")
    return data


def _write_bytes(stream: Any, binary: bool, data: bytes) -> None:
    if not binary:
        raise ArkError("bytes have no text form; expected a wspecifier without ',t'")
    stream.write(_BYTES_MAGIC + len(data).to_bytes(8, "little") + data)


def _check_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise ArkError(f"{type(value).__name__}; expected bytes")
    return bytes(value)


# Objects of other rooms, which are imported when they are needed


def _wave(kind: str) -> Holder:
    """RIFF files: as they are, without a header of the table's, in binary and in text."""

    def read(stream: Any) -> Any:
        value = getattr(import_module("sonant.kaldi.feat.wave"), kind)()
        value.read(stream)
        return value

    return Holder(read, lambda stream, binary, value: value.write(stream))


def _fst(kind: str) -> Holder:
    """Automata and lattices: OpenFst's binary format or text, without a header of the table's."""

    def read(stream: Any) -> Any:
        return getattr(import_module("sonant.kaldi.fstext.holders"), f"read_{kind}")(stream)

    def write(stream: Any, binary: bool, value: Any) -> None:
        getattr(import_module("sonant.kaldi.fstext.holders"), f"write_{kind}")(stream, value, binary)

    return Holder(read, write)


def _read_htk(stream: Any) -> tuple[Any, Any]:
    """(Matrix, HtkHeader), as the file has them: no header of the table's before it."""
    from sonant.kaldi.matrix import Matrix
    from sonant.kaldi.matrix.htk import HtkHeader, read_htk

    matrix, header = Matrix(), HtkHeader()
    if not read_htk(stream, matrix, header):
        stream.error("expected features in HTK's format, found bytes that are none")
    return matrix, header


def _check_htk(value: Any) -> tuple[Any, Any]:
    from sonant.kaldi.matrix import SubMatrix
    from sonant.kaldi.matrix.htk import HtkHeader

    if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], HtkHeader)):
        raise ArkError(f"{type(value).__name__}; expected a tuple (matrix, HtkHeader)")
    return SubMatrix(MATRIX.check(value[0])), value[1]


def _write_htk(stream: Any, binary: bool, value: tuple[Any, Any]) -> None:
    from sonant.kaldi.matrix.htk import write_htk

    write_htk(stream, *value)


VECTOR = _array("Vector", "vector", "float32", 1)
DOUBLE_VECTOR = _array("DoubleVector", "vector", "float64", 1)
MATRIX = _array("Matrix", "matrix", "float32", 2)
DOUBLE_MATRIX = _array("DoubleMatrix", "matrix", "float64", 2)
COMPRESSED_MATRIX = _object("matrix.compressed", "CompressedMatrix", cut=_cut_to_matrix)
GENERAL_MATRIX = _object("matrix.sparse", "GeneralMatrix", cut=_cut_to_matrix)
HTK_MATRIX = Holder(_read_htk, _write_htk, _check_htk)
INT = _single("int32", _integer(32), lambda stream, binary, value: stream.integer(binary, value))
FLOAT = _single("float32", _real, lambda stream, binary, value: stream.float32(binary, value))
DOUBLE = _single("float64", _real, lambda stream, binary, value: stream.float64(binary, value))
BOOL = _single("bool", bool, lambda stream, binary, value: stream.boolean(binary, value))
INT8_VECTOR = _list("int8", _integer(8))
INT_VECTOR = _list("int32", _integer(32))
INT_VECTOR_VECTOR = _lists("int32", _integer(32))
INT_PAIR_VECTOR = _pairs("int32", _integer(32))
FLOAT_PAIR_VECTOR = _pairs("float32", _real)
POSTERIOR = _native_list("posterior", _check_posterior)
GAUSS_POST = Holder(_with_header(_read_gauss_post), _after_header(_write_gauss_post), _check_gauss_post)
TOKEN = Holder(_read_token, lambda stream, binary, word: _write_tokens(stream, binary, [word]), _check_token)
TOKEN_VECTOR = Holder(
    _read_tokens,
    _write_tokens,
    lambda value: [_check_token(word) for word in _items(value, "a list of words")],
)
BYTES = Holder(_with_header(_read_bytes), _after_header(_write_bytes), _check_bytes)
WAVE = _wave("WaveData")
WAVE_INFO = _wave("WaveInfo")
FST = _fst("fst")
LOG_FST = _fst("log_fst")
LATTICE = _fst("lattice")
COMPACT_LATTICE = _fst("compact_lattice")
KWS_INDEX_FST = _fst("kws_index_fst")
