"""Tables that kaldi_native_io and kaldiio write are read, and they read ours: every kind that is shared."""

from pathlib import Path
from typing import Any

import kaldi_native_io as knio
import kaldiio
import numpy as np
import pytest

from sonant.kaldi.util import table

RANDOM = np.random.default_rng(0)
MATRIX = RANDOM.standard_normal((20, 7)).astype(np.float32)

# ours, kaldi_native_io's, values
SHARED: list[tuple[str, str, list[Any]]] = [
    ("Int", "Int32", [3, -(1 << 31), (1 << 31) - 1]),
    ("Float", "Float", [0.5, -1e30, 0.0]),
    ("Double", "Double", [0.1, -1e300]),
    ("Bool", "Bool", [True, False]),
    ("Int8Vector", "Int8Vector", [[1, -2, 127, -128], []]),
    ("IntVector", "Int32Vector", [[1, -2, 3], [], list(range(3000))]),
    ("IntVectorVector", "Int32VectorVector", [[[1, 2], [], [3]], []]),
    ("IntPairVector", "Int32PairVector", [[(1, 2), (3, 4)], []]),
    ("FloatPairVector", "FloatPairVector", [[(0.5, 2.0), (3.0, 4.0)], []]),
    ("Posterior", "Posterior", [[[(1, 0.5), (2, 0.25)], [], [(3, 1.0)]], []]),
    ("Token", "Token", ["word", "x"]),
    ("TokenVector", "TokenVector", [["a", "b"], ["c"]]),
    ("Bytes", "Blob", [b"abc\0\n", b"x" * 5000]),
    ("Vector", "FloatVector", [MATRIX[0], MATRIX[:, 1].copy(), np.zeros(0, np.float32)]),
    ("DoubleVector", "DoubleVector", [MATRIX[0].astype(np.float64)]),
    ("Matrix", "FloatMatrix", [MATRIX, MATRIX[:1], MATRIX[:, :1].copy()]),
    ("DoubleMatrix", "DoubleMatrix", [MATRIX.astype(np.float64)]),
]
BINARY_ONLY = {"Bytes"}


def plain(value: Any) -> Any:
    if isinstance(value, bytes | str):
        return value
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def close(found: Any, expected: Any, text: bool) -> None:
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            close(one, other, text)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6 if text else 1e-7, abs=0)
    else:
        assert found == expected


@pytest.mark.parametrize("options", ["", ",t"])
@pytest.mark.parametrize(("kind", "theirs", "values"), SHARED, ids=[kind for kind, *_ in SHARED])
def test_with_kaldi_native_io(tmp_path: Path, kind: str, theirs: str, values: list, options: str):
    if options and kind in BINARY_ONLY:
        return
    keys = [f"key{i}" for i in range(len(values))]
    with getattr(knio, f"{theirs}Writer")(f"ark{options},scp:{tmp_path}/a,{tmp_path}/a.scp") as out:
        for key, value in zip(keys, values, strict=True):
            out.write(key, value)
    with getattr(table, f"{kind}Writer")(f"ark{options},scp:{tmp_path}/b,{tmp_path}/b.scp") as out:
        for key, value in zip(keys, values, strict=True):
            out[key] = value
    # kaldi_native_io has text numbers of its own width; the bytes of binary tables are equal.
    if not options:
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a.scp").read_text().replace(f"{tmp_path}/a", f"{tmp_path}/b").split()[::2] == (
        tmp_path / "b.scp"
    ).read_text().split()[::2]

    for rspecifier in (f"ark:{tmp_path}/a", f"scp:{tmp_path}/a.scp"):
        with getattr(table, f"Sequential{kind}Reader")(rspecifier) as reader:
            found = dict(reader)
        assert list(found) == keys
        for key, value in zip(keys, values, strict=True):
            close(plain(found[key]), plain(value), bool(options))
    for rspecifier in (f"ark:{tmp_path}/b", f"scp:{tmp_path}/b.scp"):
        with getattr(knio, f"Sequential{theirs}Reader")(rspecifier) as reader:
            their_keys = []
            for key, value in reader:
                their_keys.append(key)
                close(plain(value), plain(values[keys.index(key)]), bool(options))
        assert their_keys == keys


def test_compressed_matrices_with_kaldi_native_io(tmp_path: Path):
    with knio.CompressedMatrixWriter(f"ark:{tmp_path}/a") as out:
        out.write("k", MATRIX, knio.CompressionMethod.kAutomaticMethod)
        out.write("few", MATRIX[:3], knio.CompressionMethod.kAutomaticMethod)
    with table.CompressedMatrixWriter(f"ark:{tmp_path}/b") as out:
        out["k"] = MATRIX
        out["few"] = MATRIX[:3]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with (
        table.SequentialMatrixReader(f"ark:{tmp_path}/a") as reader,
        knio.SequentialFloatMatrixReader(f"ark:{tmp_path}/b") as other,
    ):
        for (_, ours), (_, theirs) in zip(reader, other, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4, 5, 6, 7])
def test_kaldiio_s_matrices(tmp_path: Path, compression: int):
    matrix = (
        MATRIX
        if compression not in (4, 6, 7)
        else np.abs(MATRIX) % 1.0 * (1.0 if compression == 7 else 200.0)
    )
    path = f"{tmp_path}/k.ark,{tmp_path}/k.scp"
    with kaldiio.WriteHelper(f"ark,scp:{path}", compression_method=compression or None) as out:
        out("a", matrix)
        out("b", matrix[:, 0].copy() if not compression else matrix[:5])
    loaded = kaldiio.load_scp(f"{tmp_path}/k.scp")
    with table.RandomAccessMatrixReader(f"scp:{tmp_path}/k.scp") as random:
        np.testing.assert_allclose(
            random["a"].numpy(), loaded["a"], rtol=1e-6, atol=0.005 if compression == 4 else 1e-5
        )
    if not compression:
        with table.RandomAccessVectorReader(f"scp:{tmp_path}/k.scp") as random:
            np.testing.assert_array_equal(random["b"].numpy(), loaded["b"])


@pytest.mark.parametrize("options", ["", ",t"])
def test_kaldiio_reads_ours(tmp_path: Path, options: str):
    values = {"m": MATRIX, "d": MATRIX.astype(np.float64), "v": MATRIX[0], "e": np.zeros(0, np.float32)}
    if options:
        del values["e"]  # kaldiio cannot read an empty vector in text
    kinds = {"m": "Matrix", "d": "DoubleMatrix", "v": "Vector", "e": "Vector"}
    for name, value in values.items():
        wspecifier = f"ark{options},scp:{tmp_path}/{name},{tmp_path}/{name}.scp"
        with getattr(table, f"{kinds[name]}Writer")(wspecifier) as out:
            out["k"] = value
        found = kaldiio.load_scp(f"{tmp_path}/{name}.scp")["k"]
        np.testing.assert_allclose(found, value, rtol=1e-6)
        ((key, found),) = kaldiio.load_ark(f"{tmp_path}/{name}")
        assert key == "k"
        np.testing.assert_allclose(found, value, rtol=1e-6)
