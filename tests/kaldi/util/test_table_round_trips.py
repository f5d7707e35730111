"""Whatever is written is read again: any values of every plain kind, in binary and in text, in every way."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sonant.errors import SonantError
from sonant.kaldi.util import table

INT = st.integers(-(1 << 31), (1 << 31) - 1)
FLOAT = st.floats(width=32, allow_nan=False)
DOUBLE = st.floats(allow_nan=False)
WORD = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=8)

KINDS: dict[str, st.SearchStrategy] = {
    "Int": INT,
    "Float": FLOAT,
    "Double": DOUBLE,
    "Bool": st.booleans(),
    "Int8Vector": st.lists(st.integers(-128, 127)),
    "IntVector": st.lists(INT),
    "IntVectorVector": st.lists(st.lists(INT)),
    "IntPairVector": st.lists(st.tuples(INT, INT)),
    "FloatPairVector": st.lists(st.tuples(FLOAT, FLOAT)),
    "Posterior": st.lists(st.lists(st.tuples(INT, FLOAT))),
    "GaussPost": st.lists(
        st.lists(st.tuples(INT, arrays.arrays(np.float32, st.integers(0, 4), elements=FLOAT)))
    ),
    "Token": WORD,
    "TokenVector": st.lists(WORD),
    "Vector": arrays.arrays(np.float32, st.integers(0, 30), elements=FLOAT),
    "DoubleVector": arrays.arrays(np.float64, st.integers(0, 30), elements=DOUBLE),
    "Matrix": arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=FLOAT),
    "DoubleMatrix": arrays.arrays(
        np.float64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=DOUBLE
    ),
}


def plain(value: Any) -> Any:
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def same(found: Any, given: Any, text: bool) -> bool:
    if isinstance(given, list):
        pairs = zip(found, given, strict=False)
        return len(found) == len(given) and all(same(a, b, text) for a, b in pairs)
    if isinstance(given, float):
        # Seven digits in text; the smallest numbers have fewer.
        return found == given or (text and math.isclose(found, given, rel_tol=1e-6, abs_tol=1e-44))
    return found == given and type(found) is type(given)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), text=st.booleans())
def test_values_survive(tmp_path: Path, kind: str, data: st.DataObject, text: bool):
    values = data.draw(st.dictionaries(WORD, KINDS[kind], max_size=4))
    path = tmp_path / "x"
    with getattr(table, f"{kind}Writer")(f"ark{',t' if text else ''},scp:{path}.ark,{path}.scp") as out:
        for key, value in values.items():
            out[key] = value
    for rspecifier in (f"ark:{path}.ark", f"scp:{path}.scp"):
        with getattr(table, f"Sequential{kind}Reader")(rspecifier) as reader:
            found = list(reader)
        assert [key for key, _ in found] == list(values)
        with getattr(table, f"RandomAccess{kind}Reader")(rspecifier) as random:
            for key, value in found:
                assert same(plain(value), plain(values[key]), text), (value, values[key])
                assert same(plain(random[key]), plain(value), False)


def test_nothing_stays_open(tmp_path: Path):
    """Descriptors, whatever goes wrong."""
    (tmp_path / "bad.ark").write_bytes(b"a \0BFM \4\1\0\0\0\4\1\0\0\0ab")
    (tmp_path / "bad.scp").write_text(f"a {tmp_path}/bad.ark:2\nb {tmp_path}/none\nc false |\n")
    (tmp_path / "worse.scp").write_text("a\n")
    names = [("ark", "bad.ark"), ("scp", "bad.scp"), ("scp", "worse.scp"), ("ark", "none"), ("ark", "")]
    rspecifiers = [
        f"{kind}{options}:{tmp_path}/{name}" for options in ("", ",p", ",bg") for kind, name in names
    ]
    rspecifiers += [f"ark:cat {tmp_path}/bad.ark |", "ark:false |", "ark:no-such-command-here 2>/dev/null |"]

    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for rspecifier in rspecifiers * 3:
        for reader in (table.SequentialMatrixReader, table.RandomAccessMatrixReader):
            try:
                with reader(rspecifier) as opened:
                    if isinstance(opened, table.SequentialMatrixReader):
                        list(opened)
                    else:
                        for key in "abc":
                            _ = key in opened and opened[key]
            except SonantError:
                pass
        for writer in (
            f"ark:{tmp_path}/no/folder",
            f"ark,scp:{tmp_path}/a,{tmp_path}/no/folder",
            "ark:| false",
        ):
            try:
                with table.MatrixWriter(writer) as out:
                    out["a"] = np.zeros((2, 2))
            except SonantError:
                pass
    assert count() == before
