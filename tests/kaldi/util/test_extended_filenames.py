from pathlib import Path

import numpy as np
import pytest

from sonant.errors import ArkError, SpecifierError
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector, Matrix, Vector
from sonant.kaldi.util.io import (
    Input,
    InputType,
    Output,
    OutputType,
    classify_rxfilename,
    classify_wxfilename,
    printable_rxfilename,
    printable_wxfilename,
    read_double_matrix,
    read_double_vector,
    read_matrix,
    read_vector,
    write_double_matrix,
    write_double_vector,
    write_matrix,
    write_vector,
    xopen,
)

# As Kaldi itself classifies them.
NAMES = [
    ("", 2, 2),
    ("-", 2, 2),
    (" a", 0, 0),
    ("a ", 0, 0),
    ("|a", 0, 3),
    ("a|", 4, 0),
    ("a |b", 0, 0),
    ("a:12", 3, 0),
    ("a:", 1, 1),
    ("b,c", 1, 1),
    (":12", 3, 0),
    ("12", 1, 1),
    ("a:1x", 1, 1),
    ("|a|", 0, 3),
    ("a:-1", 1, 1),
    ("a|b:1", 3, 0),
    ("x y", 1, 1),
]


@pytest.mark.parametrize(("name", "reading", "writing"), NAMES)
def test_kinds_of_names(name: str, reading: int, writing: int):
    assert classify_rxfilename(name) == InputType(reading)
    assert classify_wxfilename(name) == OutputType(writing)
    if not reading:
        with pytest.raises(OSError, match="cannot be read; expected a file"):
            Input(name)
    if not writing:
        with pytest.raises(OSError, match="cannot be written; expected a file"):
            Output(name)


def test_names_for_people():
    assert [printable_rxfilename(n) for n in ("", "-", "a:12", "x y", "gunzip -c x |")] == [
        "standard input",
        "standard input",
        "a:12",
        "'x y'",
        "'gunzip -c x |'",
    ]
    assert printable_wxfilename("-") == "standard output"
    assert printable_wxfilename("| gzip -c > x") == "'| gzip -c > x'"


def test_bytes_and_text(tmp_path: Path):
    name = f"{tmp_path}/x"
    with xopen(name, "w") as out:
        out.write(b"one\n")
        out.writelines([b"two\n", b"three"])
        with pytest.raises(TypeError, match="opened for bytes"):
            out.write("text")
        out.flush()
    assert Path(name).read_bytes() == b"\0Bone\ntwo\nthree"
    with xopen(name) as file:
        assert file.binary
        assert file.readline() == b"one\n"
        assert list(file) == [b"two\n", b"three"]
        assert file.readline() == b""
        assert file.read() == b""
    with xopen(f"{name}:6") as file:
        assert not file.binary
        assert file.readlines() == [b"two\n", b"three"]
    with xopen(name, "wb", write_header=False) as out:
        out.write(bytearray(b"\xc3\xa9\n\xff"))
    with xopen(name, "rt") as file:
        assert file.readline() == "é\n"
        with pytest.raises(ArkError, match="expected UTF-8 text, found byte 0xff"):
            file.read()
    with xopen(name, "wt") as out:
        out.write("é")
        with pytest.raises(TypeError, match="opened for str"):
            out.write(b"bytes")
    assert Path(name).read_bytes() == "é".encode()


def test_closed_streams(tmp_path: Path):
    file, out = Input(), Output()
    assert not file.is_open() and not out.is_open()
    for call in (file.read, file.readline, file.stream, out.flush, out.stream, lambda: out.write(b"x")):
        with pytest.raises(ValueError, match="is closed"):
            call()
    out.open(f"{tmp_path}/x", binary=True, write_header=False)
    out.write(b"abc")
    assert out.close() and out.close()
    file.open(f"{tmp_path}/x")
    assert file.is_open()
    assert file.read() == b"abc"
    file.open(f"{tmp_path}/x", binary=False)  # in place of the other
    assert file.read() == "abc"
    assert file.close() == 0


@pytest.mark.parametrize("mode", ["", "x", "rw", "rbt", "b", "rr", "r+", 5])
def test_modes_that_are_none(mode: str):
    with pytest.raises(ValueError, match="mode="):
        xopen("x", mode)


def test_names_that_are_none():
    with pytest.raises(TypeError, match="xfilename=5"):
        xopen(5)  # type: ignore[arg-type]
    with pytest.raises(SpecifierError, match="null"):
        xopen("a\0b")


def test_commands(tmp_path: Path):
    with xopen(f"| tr a-z A-Z > {tmp_path}/x", "wt") as out:
        out.write("words\n" * 10000)
    with xopen(f"sort -u {tmp_path}/x |", "rt") as file:
        assert file.read() == "WORDS\n"
    for name in ("false |", "exit 4 |"):
        with pytest.raises(SpecifierError, match="ended with exit status"), xopen(name) as file:
            file.read()
    with pytest.raises(SpecifierError, match="was ended by signal 9"), xopen("kill -9 $$ |") as file:
        file.read()
    with xopen("yes |") as file:  # whoever has read enough may close
        assert file.readline() == b"y\n"


def test_matrices_and_vectors(tmp_path: Path):
    values = np.arange(6).reshape(2, 3) / 3
    for name in (f"{tmp_path}/x", f"| gzip -c > {tmp_path}/x.gz"):
        back = name if not name.startswith("|") else f"gunzip -c {tmp_path}/x.gz |"
        for binary in (True, False):
            write_matrix(Matrix(values), name, binary)
            np.testing.assert_allclose(read_matrix(back).numpy(), values, rtol=1e-6)
            np.testing.assert_allclose(read_double_matrix(back).numpy(), values, rtol=1e-6)
            write_double_matrix(DoubleMatrix(values), name, binary)
            np.testing.assert_allclose(
                read_double_matrix(back).numpy(), values, rtol=1e-15 if binary else 1e-6
            )
            write_vector(Vector(values[0]), name, binary)
            np.testing.assert_allclose(read_vector(back).numpy(), values[0], rtol=1e-6)
            write_double_vector(DoubleVector(values[0]), name, binary)
            np.testing.assert_allclose(read_double_vector(back).numpy(), values[0], rtol=1e-6)
    with pytest.raises(ArkError, match="expected a vector"):
        read_vector(_matrix_file(tmp_path))


def _matrix_file(folder: Path) -> str:
    write_matrix(Matrix([[1, 2]]), f"{folder}/m", True)
    return f"{folder}/m"
