"""What tables of each kind look like, byte for byte, as Kaldi itself writes them (by PyKaldi 0.2.1)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.kaldi.util import table

THIRD = 1 / 3

# kind, value, what follows the key in a binary archive, what does in a text archive
KINDS: list[tuple[str, Any, bytes, bytes]] = [
    ("Int", 3, b"\0B\x04\x03\0\0\0", b"3 \n"),
    ("Float", THIRD, b"\0B\x04\xab\xaa\xaa>", b"0.3333333 \n"),
    ("Double", THIRD, b"\0B\x08UUUUUU\xd5?", b"0.3333333 \n"),
    ("Bool", True, b"\0BT", b"T \n"),
    ("Bool", False, b"\0BF", b"F \n"),
    ("IntVector", [1, -2], b"\0B\x04\x02\0\0\0\x04\x01\0\0\0\x04\xfe\xff\xff\xff", b"1 -2 \n"),
    ("IntVector", [], b"\0B\x04\0\0\0\0", b"\n"),
    ("Int8Vector", [1, -2], b"\0B\x04\x02\0\0\0\x01\x01\x01\xfe", b"1 -2 \n"),
    (
        "IntVectorVector",
        [[1, 2], [], [3]],
        b"\0B\x04\x03\0\0\0\x04\x02\0\0\0\x04\x01\0\0\0\x04\x02\0\0\0\x04\0\0\0\0\x04\x01\0\0\0\x04\x03\0\0\0",
        b"1 2 ; ; 3 ; \n",
    ),
    ("IntVectorVector", [], b"\0B\x04\0\0\0\0", b"\n"),
    (
        "IntPairVector",
        [(1, 2), (3, 4)],
        b"\0B\x04\x02\0\0\0\x04\x01\0\0\0\x04\x02\0\0\0\x04\x03\0\0\0\x04\x04\0\0\0",
        b"1 2 ; 3 4 \n",
    ),
    ("FloatPairVector", [(1.5, 2.0)], b"\0B\x04\x01\0\0\0\x04\0\0\xc0?\x04\0\0\0@", b"1.5 2 \n"),
    (
        "Posterior",
        [[(1, 0.5), (2, 0.25)], []],
        b"\0B\x04\x02\0\0\0\x04\x02\0\0\0\x04\x01\0\0\0\x04\0\0\0?\x04\x02\0\0\0\x04\0\0\x80>\x04\0\0\0\0",
        b"[ 1 0.5 2 0.25 ] [ ] \n",
    ),
    (
        "GaussPost",
        [[(5, np.array([0.5, 0.25], np.float32))], [], [(1, np.array([3.0], np.float32))]],
        b"\0B\x04\x03\0\0\0\x04\x01\0\0\0\x04\x05\0\0\0FV \x04\x02\0\0\0\0\0\0?\0\0\x80>\x04\0\0\0\0"
        b"\x04\x01\0\0\0\x04\x01\0\0\0FV \x04\x01\0\0\0\0\0@@",
        b"3 1 5  [ 0.5 0.25 ]\n0 1 1  [ 3 ]\n\n",
    ),
    ("Token", "word", b"word\n", b"word\n"),
    ("TokenVector", ["a", "b"], b"a b\n", b"a b\n"),
    ("TokenVector", [], b"\n", b"\n"),
    (
        "Matrix",
        np.array([[1, 2.5], [1e-20, THIRD]], np.float32),
        b"\0BFM \x04\x02\0\0\0\x04\x02\0\0\0\0\0\x80?\0\0 @\x08\xe5<\x1e\xab\xaa\xaa>",
        b" [\n  1 2.5 \n  1e-20 0.3333333 ]\n",
    ),
    ("Matrix", np.zeros((0, 0), np.float32), b"\0BFM \x04\0\0\0\0\x04\0\0\0\0", b" [ ]\n"),
    ("DoubleMatrix", np.array([[THIRD]]),
     b"\0BDM \x04\x01\0\0\0\x04\x01\0\0\0UUUUUU\xd5?", b" [\n  0.3333333 ]\n"),
    ("Vector", np.array([1, 1e10], np.float32),
     b"\0BFV \x04\x02\0\0\0\0\0\x80?\xf9\x02\x15P", b" [ 1 1e+10 ]\n"),
    ("Vector", np.zeros(0, np.float32), b"\0BFV \x04\0\0\0\0", b" [ ]\n"),
    ("DoubleVector", np.array([THIRD]), b"\0BDV \x04\x01\0\0\0UUUUUU\xd5?", b" [ 0.3333333 ]\n"),
]  # fmt: skip


def plain(value: Any) -> Any:
    """Lists in place of vectors and matrices, for comparisons."""
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def rounded(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return pytest.approx(value, rel=10.0**-digits)
    return [rounded(item, digits) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("kind", "value", "binary", "text"), KINDS, ids=lambda x: x if isinstance(x, str) else ""
)
def test_kaldi_s_bytes_written_and_read(tmp_path: Path, kind: str, value: Any, binary: bytes, text: bytes):
    writer, reader = getattr(table, f"{kind}Writer"), getattr(table, f"Sequential{kind}Reader")
    for options, expected in (("ark", binary), ("ark,t", text)):
        path = tmp_path / "x.ark"
        with writer(f"{options}:{path}") as out:
            out["k"] = value
            out["l"] = value
        assert path.read_bytes() == b"k " + expected + b"l " + expected
        with reader(f"ark:{path}") as read:
            entries = list(read)
        assert [key for key, _ in entries] == ["k", "l"]
        for _, found in entries:
            assert plain(found) == rounded(plain(value), 6)


def test_bytes(tmp_path: Path):
    with table.BytesWriter(f"ark:{tmp_path}/b.ark") as out:
        out["k"] = b"abc\n\0"
    assert (tmp_path / "b.ark").read_bytes() == b'k \0B\x14\x11" \x05\0\0\0\0\0\0\0abc\n\0'
    with table.SequentialBytesReader(f"ark:{tmp_path}/b.ark") as read:
        assert list(read) == [("k", b"abc\n\0")]
