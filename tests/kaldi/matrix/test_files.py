"""Bytes and text of every type: Kaldi's own, there and back, cut off and damaged."""

import json
import runpy
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sonant._native import Input, Output

from sonant.errors import ArkError, MatrixError
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector, Matrix, SubMatrix, SubVector, Vector
from sonant.kaldi.matrix.compressed import CompressedMatrix, CompressionMethod
from sonant.kaldi.matrix.htk import HtkHeader, read_htk, write_htk, write_sphinx
from sonant.kaldi.matrix.packed import DoubleSpMatrix, DoubleTpMatrix, SpMatrix, TpMatrix
from sonant.kaldi.matrix.sparse import (
    DoubleSparseMatrix,
    DoubleSparseVector,
    GeneralMatrix,
    SparseMatrix,
    SparseVector,
)

HERE = Path(__file__).parent
EXPRESSIONS = runpy.run_path(str(HERE / "expressions.py"))
STREAMS = json.loads((HERE / "golden" / "streams.json").read_text())
OBJECTS = dict(EXPRESSIONS["to_write"]("sonant.kaldi"))
MATRIX = Matrix([[1, 2, 3], [4, 5, 6.5]])


def written(item, binary):
    output = Output.in_memory()
    item.write(output, binary)
    return output.getvalue()


def read_back(kind, data, binary):
    source = Input.from_bytes(data)
    made = kind().read_(source, binary)
    return made, source.read()


def read_htk_features(data):
    matrix, header = Matrix(), HtkHeader()
    assert read_htk(Input.from_bytes(data), matrix, header)
    return matrix, header


# Kaldi's bytes


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("mode", ["binary", "text"])
def test_bytes_are_kaldis_and_are_read(name, mode):
    item, binary = OBJECTS[name], mode == "binary"
    data = bytes.fromhex(STREAMS[f"{name} {mode}"])
    assert written(item, binary) == data
    kind = {SubMatrix: Matrix, SubVector: Vector}.get(type(item), type(item))
    if "Sub" in kind.__name__:
        kind = DoubleMatrix if np.ndim(item) == 2 else DoubleVector
    made, rest = read_back(kind, data + b"next", binary)
    assert written(made, binary) == data and rest.strip() == b"next"
    if binary:
        assert np.array_equal(np.asarray(made), np.asarray(item)) and np.shape(made) == np.shape(item)


@pytest.mark.parametrize("number", range(len(list(EXPRESSIONS["to_compress"]()))))
def test_compression_is_kaldis_to_the_byte(number):
    array = list(EXPRESSIONS["to_compress"]())[number]
    want = json.loads((HERE / "golden" / "compressed.json").read_text().splitlines()[number])
    for method in CompressionMethod:
        whole = CompressedMatrix.new(array, method)
        variants = [whole]
        for arguments in EXPRESSIONS["parts_of"](*array.shape):
            variants.append(CompressedMatrix.new_with_range(whole, *arguments))
        scaled = CompressedMatrix.new_with_other(whole)
        scaled.scale(2.5)
        for place, item in enumerate([*variants, scaled]):
            data, checksum = bytes.fromhex(want.pop(0)), want.pop(0)
            assert zlib.crc32(np.asarray(item).tobytes()) == checksum, (method, place)
            assert written(item, True) == data, (method, place)
            made, rest = read_back(CompressedMatrix, data, True)
            assert made == item and not rest
            general, _ = read_back(GeneralMatrix, data, True)
            full, _ = read_back(Matrix, data, True)
            assert general.get_compressed_matrix() == item and full == Matrix(item)
    assert not want


def test_htk_and_sphinx_are_kaldis():
    header = HtkHeader(mNSamples=2, mSamplePeriod=100000, mSampleSize=12, mSampleKind=0o20006)
    output = Output.in_memory()
    assert write_htk(output, MATRIX, header)
    assert output.getvalue().hex() == STREAMS["htk"]
    assert read_htk_features(output.getvalue()) == (MATRIX, header)
    output = Output.in_memory()
    assert write_sphinx(output, MATRIX.numpy())
    assert output.getvalue().hex() == STREAMS["sphinx"]


# There and back

arrays = st.tuples(st.integers(0, 5), st.integers(1, 5), st.randoms(use_true_random=False)).map(
    lambda drawn: np.array(
        [
            [drawn[2].choice([0, 1, -2.5, 1e30, drawn[2].gauss(0, 1)]) for _ in range(drawn[1])]
            for _ in range(drawn[0])
        ],
        np.float64,
    ).reshape(drawn[0], drawn[1])
)


def kinds_of(array):
    vector = array.ravel()
    yield from (Matrix(array), DoubleMatrix(array), Vector(vector), DoubleVector(vector))
    yield from (SparseMatrix.from_matrix(array), DoubleSparseMatrix.from_matrix(array))
    yield from (SparseVector.from_vector(vector), DoubleSparseVector.from_vector(vector))
    yield from (GeneralMatrix(array), GeneralMatrix(SparseMatrix.from_matrix(array)))
    size = min(array.shape)
    square = array[:size, :size]
    yield from (SpMatrix(square), TpMatrix(square), DoubleSpMatrix(square), DoubleTpMatrix(square))


@settings(max_examples=30, deadline=None)
@given(arrays)
def test_every_type_survives_its_file(array):
    for item in kinds_of(array):
        made, rest = read_back(type(item), written(item, True), True)
        # Without rows, no columns are written.
        whole = np.asarray(item) if array.size else np.zeros_like(made)
        assert np.array_equal(np.asarray(made), whole, equal_nan=True) and not rest
        made, rest = read_back(type(item), written(item, False), False)
        assert np.allclose(np.asarray(made), whole, rtol=1e-6, equal_nan=True) and not rest.strip()


@settings(max_examples=30, deadline=None)
@given(arrays, st.sampled_from(list(CompressionMethod)))
def test_compression_errs_by_at_most_a_step_and_survives(array, method):
    array = np.clip(array, 0, 1) if method not in (1, 2, 3, 5) else np.clip(array, -5, 5)
    item = CompressedMatrix(array, method)
    assert np.shape(item) == (array.shape if array.size else (0, 0))
    made, rest = read_back(CompressedMatrix, written(item, True), True)
    assert made == item and not rest
    if array.size:
        step = {4: 0.51, 6: 0.51, 7: 0.01}.get(method, np.ptp(array) / 60 + 1e-6)
        assert np.abs(np.asarray(item) - array).max() <= step


@settings(max_examples=40, deadline=None)
@given(arrays, st.data())
def test_cut_and_damaged_bytes_raise_or_give_an_object(array, data):
    for item in [*kinds_of(array), CompressedMatrix(np.clip(array, -5, 5))]:
        for binary in (True, False):
            good = written(item, binary)
            place = data.draw(st.integers(0, len(good)))
            for bad in (
                good[:place],
                good[:place] + bytes([data.draw(st.integers(0, 255))]) + good[place + 1 :],
            ):
                try:
                    read_back(type(item), bad, binary)
                except ArkError as problem:
                    assert str(problem).startswith("bytes:")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([b"", b"SV ", b"SM ", b"CM ", b"FM ", b"FP "]), st.booleans())
def test_random_bytes_are_refused(noise, start, binary):
    for kind in (Matrix, Vector, SpMatrix, SparseVector, SparseMatrix, GeneralMatrix, CompressedMatrix):
        try:
            read_back(kind, start + noise, binary)
        except ArkError as problem:
            assert str(problem).startswith("bytes:")


def test_reading_adds_and_keeps_views_in_shape():
    data = written(MATRIX, True)
    assert Matrix(MATRIX).read_(Input.from_bytes(data), True, True) == Matrix(2 * MATRIX.numpy())
    assert DoubleVector([1, 2]).read_(Input.from_bytes(b" [ 1 2 ]\n"), False, add=True) == DoubleVector(
        [2, 4]
    )
    doubled = SpMatrix([[2, 1], [1, 3]])
    packed = written(doubled, True)
    assert doubled.read_(Input.from_bytes(packed), True, True) == SpMatrix([[4, 2], [2, 6]])
    mine = np.zeros((2, 3), np.float32)
    view = SubMatrix(mine)
    view.read(Input.from_bytes(data), True)
    assert mine[1, 2] == 6.5
    with pytest.raises(MatrixError, match="SubMatrix of 2x2 is a view and cannot become SubMatrix of 2x3"):
        view[:, :2].read_(Input.from_bytes(data), True)
    with pytest.raises(MatrixError, match="read Matrix of 2x3 to be added to Matrix of 1x1"):
        Matrix(1, 1).read_(Input.from_bytes(data), True, True)


def test_a_matrix_without_rows_is_written_as_kaldi_can_read_it():
    assert written(Matrix(0, 3), True) == written(Matrix(), True)
    assert written(Matrix(3, 0), False) == b" [ ]\n"


# Damage


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SV \x04\x05\x00\x00\x00\x04\x02\x00\x00\x00", "expected"),
        (
            b"SV \x04\x02\x00\x00\x00\x04\x03\x00\x00\x00",
            "sparse vector of 2 with 3 elements; expected 0 to 2",
        ),
        (b"SV \x04\xff\xff\xff\xff\x04\x00\x00\x00\x00", "sparse vector of -1"),
        (b"SV \x04\xff\xff\xff\x7f\x04\xff\xff\xff\x7f\x04\x00\x00\x00\x00\x04\x00\x00\x00\x00", "found 1"),
    ],
)
def test_sparse_damage(data, message):
    with pytest.raises(ArkError, match=message):
        SparseVector().read_(Input.from_bytes(data), True)


def test_sparse_indices_rise():
    pairs = struct.pack("<BiBf", 4, 3, 4, 1.0) + struct.pack("<BiBf", 4, 1, 4, 1.0)
    head = b"SV \x04\x05\x00\x00\x00\x04\x02\x00\x00\x00"
    with pytest.raises(ArkError, match="do not rise"):
        SparseVector().read_(Input.from_bytes(head + pairs), True)
    with pytest.raises(ArkError, match="not of the same types"):
        SparseVector().read_(Input.from_bytes(head + pairs[:10] + b"\x08" + pairs[11:]), True)


@pytest.mark.parametrize(
    "text",
    [
        b"dim=x [ ]",
        b"dim=3 ( ]",
        b"dim=3 [ 1 ]",
        b"dim=3 [ a 1 ]",
        b"dim=3 [ 1 b ]",
        b"dim=3 [ 7 1 ]",
        b"dim=3 [ 1 2",
    ],
)
def test_sparse_text_damage(text):
    with pytest.raises(ArkError):
        SparseVector().read_(Input.from_bytes(text), False)
    with pytest.raises(ArkError):
        SparseMatrix().read_(Input.from_bytes(b"rows=1 " + text), False)


def test_rows_of_a_sparse_matrix_are_of_one_length():
    with pytest.raises(ArkError, match="row 1 of a sparse matrix has dimension 4; expected 3"):
        SparseMatrix().read_(Input.from_bytes(b"rows=2 dim=3 [ ] dim=4 [ ] \n"), False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"abc", "expected the 12 bytes of an HTK header, found 3"),
        (struct.pack(">iihH", 2, 1, 12, 6) + bytes(20), "expected 2 HTK frames of 12 bytes, found 20 bytes"),
        (struct.pack(">iihH", 2, 1, 12, 6 | 0o2000), "compressed"),
        (struct.pack(">iihH", 2, 1, 12, 5), "integer reflection coefficients"),
        (struct.pack(">iihH", 2, 1, 11, 6), "header of 2 frames of 11 bytes"),
        (struct.pack(">iihH", -2, 1, 12, 6), "header of -2 frames"),
        (struct.pack(">iihH", 2**31 - 1, 1, 12, 6), "found 0 bytes"),
    ],
)
def test_htk_damage(data, message):
    with pytest.raises(ArkError, match=message):
        read_htk_features(data)


def test_htk_header_and_matrix_agree():
    with pytest.raises(
        MatrixError, match="header of 3 frames of 12 bytes for Matrix of 2x3; expected 2 frames"
    ):
        write_htk(Output.in_memory(), MATRIX, HtkHeader(3, 100000, 12, 6))
    with pytest.raises(MatrixError, match="cannot be written"):
        write_htk(Output.in_memory(), MATRIX, HtkHeader(2, 100000, 12, 70000))
    matrix, header = read_htk_features(struct.pack(">iihH", 1, 1, 4, 6 | 0o10000) + bytes(4) + b"xx")
    assert matrix == Matrix(1, 1) and header.mSampleKind == 0o10006
