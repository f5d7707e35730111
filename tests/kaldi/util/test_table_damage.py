"""Damaged tables of every kind: whatever the bytes, an ArkError or what is there, soon, and nothing else."""

import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sonant._native import Input

from sonant.errors import SonantError
from sonant.kaldi.util import holders, table

VALUES: dict[str, Any] = {
    "Int": 3,
    "Float": 0.5,
    "Double": 0.25,
    "Bool": True,
    "Int8Vector": [1, -2],
    "IntVector": [1, 2, 3],
    "IntVectorVector": [[1, 2], [], [3]],
    "IntPairVector": [(1, 2), (3, 4)],
    "FloatPairVector": [(1.5, 2.0)],
    "Posterior": [[(1, 0.5), (2, 0.25)], []],
    "GaussPost": [[(5, np.array([0.5, 0.25]))], []],
    "Token": "word",
    "TokenVector": ["a", "b"],
    "Bytes": b"abc\0",
    "Matrix": np.array([[1, 2.5], [3, 4]]),
    "DoubleMatrix": np.array([[0.5]]),
    "Vector": np.array([1, 2.5]),
    "DoubleVector": np.array([0.5]),
    "CompressedMatrix": np.arange(20.0).reshape(10, 2),
    "GeneralMatrix": np.array([[1, 2.5], [3, 4]]),
}
LISTS = {
    "IntVector",
    "Int8Vector",
    "IntVectorVector",
    "IntPairVector",
    "FloatPairVector",
    "Posterior",
    "TokenVector",
}
HOLDERS = {name: value for name, value in vars(holders).items() if isinstance(value, holders.Holder)}


def table_of(kind: str, options: str, path: Path) -> bytes:
    """A table of two entries."""
    with getattr(table, f"{kind}Writer")(f"ark{options}:{path}") as out:
        out["k"] = VALUES[kind]
        out["l"] = VALUES[kind]
    return path.read_bytes()


def read_all(kind: str, rspecifier: str) -> int:
    with getattr(table, f"Sequential{kind}Reader")(rspecifier) as reader:
        return len(list(reader))


@pytest.mark.parametrize("options", ["", ",t"])
@pytest.mark.parametrize("kind", VALUES)
def test_cut_off_at_every_byte(tmp_path: Path, kind: str, options: str):
    if kind == "Bytes" and options:
        return
    data = table_of(kind, options, tmp_path / "x")
    whole, cut = 0, tmp_path / "cut"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        try:
            found = read_all(kind, f"ark:{cut}")
        except SonantError as error:
            assert f"{cut}:" in str(error)
            continue
        if kind == "TokenVector" or (options and kind in LISTS):
            continue  # the last line may lack its newline, so that a cut there cannot be seen
        # No error is right only where nothing of an entry is left over but a newline behind a text object.
        whole += 1
        assert found <= 2
        assert found == 0 or length >= len(data) // 2 - 2
        assert read_all(kind, f"ark,p:{cut}") == found
    assert 1 <= whole <= 6 or kind in LISTS, "cut between entries, before or behind white space"


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), text=st.booleans())
def test_one_byte_changed(tmp_path: Path, kind: str, place: int, byte: int, text: bool):
    if kind == "Bytes":
        text = False
    data = bytearray(table_of(kind, ",t" if text else "", tmp_path / "x"))
    data[place % len(data)] = byte
    (tmp_path / "y").write_bytes(data)
    for rspecifier in (f"ark:{tmp_path}/y", f"ark,p:{tmp_path}/y"):
        try:
            assert read_all(kind, rspecifier) <= 3
        except SonantError as error:
            assert ",p:" not in rspecifier or "twice" in str(error)


SNIPPETS = [
    b"\0B",
    b"FM ",
    b"DV ",
    b"CM ",
    b"CM2 ",
    b"FP ",
    b"\4",
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff",
    b" [",
    b"]",
]
SNIPPETS += [
    b"\n",
    b" ",
    b"1 ",
    b"nan",
    b"; ",
    b"RIFF",
    b"WAVEfmt ",
    b"\xd6\xfd\xb2\x7e",
    b"SM ",
    b"\x14\x11\x22\x20",
]


@pytest.mark.parametrize("name", HOLDERS)
@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.one_of(st.sampled_from(SNIPPETS), st.binary(max_size=6)), max_size=12))
def test_any_bytes(name: str, parts: list[bytes]):
    stream = Input.from_bytes(b"".join(parts), "fuzz")
    holder = HOLDERS[name]
    for action in (holder.read, holder.skip):
        if action is not None:
            stream.seek(0)
            try:
                action(stream)
            except SonantError as error:
                assert str(error)


@pytest.mark.parametrize(
    "name", ["MATRIX", "VECTOR", "COMPRESSED_MATRIX", "INT_VECTOR", "POSTERIOR", "BYTES"]
)
def test_huge_counts_through_a_pipe_take_no_memory(name: str):
    """A pipe cannot be asked how long it is: what a header promises must not be allocated before it comes."""
    many, most = b"\xff\xff\0\0", b"\xff\xff\xff\x7f"
    bodies = {
        "MATRIX": b"\0BFM \4" + many + b"\4" + many,
        "VECTOR": b"\0BFV \4" + most,
        "COMPRESSED_MATRIX": b"\0BCM " + bytes(8) + many + many,
        "INT_VECTOR": b"\0B\4" + most,
        "POSTERIOR": b"\0B\4" + most,
        "BYTES": b"\0B\x14\x11\x22\x20\xff\xff\xff" + most + b"\0",
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading, writing = os.pipe()
    os.write(writing, bodies[name])
    os.close(writing)
    with pytest.raises(SonantError, match="pipe:"):
        HOLDERS[name].read(Input(reading, "pipe", True))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB
