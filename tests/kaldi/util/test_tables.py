"""What tables do: specifiers and options, keys, ranges, pipes, errors."""

import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sonant.errors import ArkError, MatrixError, SpecifierError
from sonant.kaldi.matrix import Matrix, Vector
from sonant.kaldi.util.table import (
    FloatWriter,
    IntVectorWriter,
    IntWriter,
    MatrixWriter,
    RandomAccessFloatReaderMapped,
    RandomAccessIntReader,
    RandomAccessMatrixReader,
    RandomAccessMatrixReaderMapped,
    RandomAccessTokenReader,
    SequentialIntReader,
    SequentialIntVectorReader,
    SequentialMatrixReader,
    SequentialTokenReader,
    SequentialTokenVectorReader,
    SequentialVectorReader,
    TokenWriter,
    VectorWriter,
)

ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder with a.ark and a.scp: three matrices under sorted keys."""
    with MatrixWriter(f"ark,scp:{tmp_path}/a.ark,{tmp_path}/a.scp") as out:
        for i, key in enumerate(("a", "b", "c")):
            out[key] = ROWS + i
    return tmp_path


# Reading


@pytest.mark.parametrize(
    "rspecifier", ["ark:{}/a.ark", "scp:{}/a.scp", "ark:cat {}/a.ark |", "scp,p:{}/a.scp"]
)
@pytest.mark.parametrize("options", ["", ",bg", ",s", ",s,cs,o"])
def test_every_way_to_the_same_matrices(table: Path, rspecifier: str, options: str):
    rspecifier = rspecifier.format(table).replace(":", options + ":", 1)
    with SequentialMatrixReader(rspecifier) as reader:
        found = list(reader)
        assert reader.done()
    assert [key for key, _ in found] == ["a", "b", "c"]
    for i, (_, matrix) in enumerate(found):
        assert isinstance(matrix, Matrix)
        np.testing.assert_array_equal(matrix.numpy(), ROWS + i)
    with RandomAccessMatrixReader(rspecifier) as random:
        for i, key in enumerate("abc"):
            assert key in random
            np.testing.assert_array_equal(random[key].numpy(), ROWS + i)
        assert "d" not in random
        with pytest.raises(KeyError, match="d"):
            random["d"]


def test_any_order_and_again(table: Path):
    for rspecifier in (f"ark:{table}/a.ark", f"scp:{table}/a.scp", f"ark:cat {table}/a.ark |"):
        with RandomAccessMatrixReader(rspecifier) as random:
            for key, first in (("c", 2), ("a", 0), ("a", 0), ("b", 1), ("c", 2)):
                assert random.value(key).numpy()[0, 0] == first
            assert not random.has_key("0")


def test_the_plain_calls(table: Path):
    reader = SequentialMatrixReader()
    assert not reader.is_open()
    for call in (reader.done, reader.key, reader.value, reader.next, reader.free_current, reader.close):
        with pytest.raises(RuntimeError, match="is not open"):
            call()
    assert reader.open(f"ark:{table}/a.ark")
    keys = []
    while not reader.done():
        keys.append((reader.key(), reader.value().numpy()[0, 0], reader.value().numpy()[0, 1]))
        reader.next()
    assert keys == [("a", 0, 1), ("b", 1, 2), ("c", 2, 3)]
    for call in (reader.key, reader.value, reader.free_current):
        with pytest.raises(ArkError, match="at its end"):
            call()
    reader.next()
    assert reader.open(f"scp:{table}/a.scp")
    reader.free_current()
    assert reader.key() == "a"
    with pytest.raises(ArkError, match="let go of"):
        reader.value()
    assert reader.close()
    assert not reader.is_open()
    random = RandomAccessMatrixReader()
    for call in (lambda: "a" in random, lambda: random["a"], random.close):
        with pytest.raises(RuntimeError, match="is not open"):
            call()
    writer = MatrixWriter()
    with pytest.raises(RuntimeError, match="is not open"):
        writer["a"] = ROWS


def test_an_empty_table(tmp_path: Path):
    for name in ("e.ark", "e.scp"):
        (tmp_path / name).touch()
    for rspecifier in (f"ark:{tmp_path}/e.ark", f"scp:{tmp_path}/e.scp", "ark:true |"):
        with SequentialMatrixReader(rspecifier) as reader:
            assert reader.done()
            assert list(reader) == []
        with RandomAccessMatrixReader(rspecifier) as random:
            assert "a" not in random


def test_white_space_before_keys_and_crlf_lines(tmp_path: Path):
    (tmp_path / "t").write_bytes(b"\n  a [ 1 2 ]\r\n\nb\t[ 3 ]\n c  [\n ]\n")
    with SequentialVectorReader(f"ark:{tmp_path}/t") as reader:
        entries = []
        with pytest.raises(ArkError, match="is it a matrix"):
            for key, vector in reader:
                entries.append((key, vector.numpy().tolist()))
    assert entries == [("a", [1, 2]), ("b", [3])]


def test_the_last_line_may_lack_its_newline(tmp_path: Path):
    (tmp_path / "t").write_bytes(b"a 1 2\nb 3")
    with SequentialIntVectorReader(f"ark:{tmp_path}/t") as reader:
        assert dict(reader) == {"a": [1, 2], "b": [3]}
    with SequentialTokenVectorReader(f"ark:{tmp_path}/t") as reader:
        assert dict(reader) == {"a": ["1", "2"], "b": ["3"]}


def test_keys_in_any_encoding(tmp_path: Path):
    (tmp_path / "u").write_bytes("schön 1 \n".encode() + b"\xff\xfe 2 \n")
    with SequentialIntReader(f"ark:{tmp_path}/u") as reader:
        keys = [key for key, _ in reader]
    assert keys[0] == "schön"
    with IntWriter(f"ark,t:{tmp_path}/v") as out:
        for i, key in enumerate(keys, 1):
            out[key] = i
    assert (tmp_path / "v").read_bytes() == (tmp_path / "u").read_bytes()


# Ranges, as Kaldi itself cuts them


@pytest.mark.parametrize(
    ("inside", "shape"),
    [
        ("0:1", (2, 4)),
        ("0:9", (10, 4)),
        ("0:12", (10, 4)),  # up to three past the end
        ("9:11", (1, 4)),
        (":,1:2", (10, 2)),
        ("1:2,:", (2, 4)),
        ("1:2,3:3", (2, 1)),
        (":", (10, 4)),
        *(
            (bad, None)
            for bad in ("0:13", "2:1", "0:1,0:4", "1", "0:1,0:1,0:1", "12:12", "-1:2", "a:b", "0:1:2")
        ),
    ],
)
def test_ranges_of_matrices(table: Path, inside: str, shape: tuple[int, int] | None):
    (table / "r.scp").write_text(f"k {table}/a.ark:2[{inside}]\n")
    with SequentialMatrixReader(f"scp:{table}/r.scp") as reader:
        if shape is None:
            with pytest.raises(ArkError, match=r"cannot be cut|ranges"):
                reader.value()
        else:
            assert reader.value().numpy().shape == shape
    with RandomAccessMatrixReader(f"scp,p:{table}/r.scp") as random:
        assert ("k" in random) == (shape is not None)


def test_ranges_of_vectors(tmp_path: Path):
    with VectorWriter(f"ark:{tmp_path}/v.ark") as out:
        out["k"] = np.arange(10)
    for inside, expected in (("2:4", [2, 3, 4]), ("9:12", [9]), (":", list(range(10)))):
        (tmp_path / "v.scp").write_text(f"k {tmp_path}/v.ark:2[{inside}]\n")
        with SequentialVectorReader(f"scp:{tmp_path}/v.scp") as reader:
            assert reader.value().numpy().tolist() == expected
    for inside in ("0:1,0:1", ":,:", "0:13"):
        (tmp_path / "v.scp").write_text(f"k {tmp_path}/v.ark:2[{inside}]\n")
        with SequentialVectorReader(f"scp:{tmp_path}/v.scp") as reader, pytest.raises(ArkError, match=r"\["):
            reader.value()


def test_what_has_no_ranges_says_so(tmp_path: Path):
    with IntWriter(f"ark:{tmp_path}/i.ark") as out:
        out["k"] = 3
    (tmp_path / "i.scp").write_text(f"k {tmp_path}/i.ark:2[0:1]\n")
    with (
        SequentialIntReader(f"scp:{tmp_path}/i.scp") as reader,
        pytest.raises(ArkError, match="int has no ranges"),
    ):
        reader.value()


# Writing


def test_archive_and_script(table: Path):
    assert (table / "a.scp").read_text() == "".join(
        f"{key} {table}/a.ark:{2 + 177 * i}\n" for i, key in enumerate("abc")
    )


def test_a_script_file_says_where_objects_go(tmp_path: Path):
    (tmp_path / "w.scp").write_text(f"a {tmp_path}/1.mat\nb | gzip -c > {tmp_path}/2.mat.gz\n")
    with MatrixWriter(f"scp:{tmp_path}/w.scp") as out:
        out["b"] = ROWS
        out["a"] = ROWS + 1
        with pytest.raises(ArkError, match="key 'c' has no line in the script file"):
            out["c"] = ROWS
    with MatrixWriter(f"scp,p:{tmp_path}/w.scp") as out:
        out["c"] = ROWS
    (tmp_path / "r.scp").write_text(f"a {tmp_path}/1.mat\nb gunzip -c {tmp_path}/2.mat.gz |\n")
    with RandomAccessMatrixReader(f"scp:{tmp_path}/r.scp") as random:
        assert random["a"].numpy()[0, 0] == 1
        np.testing.assert_array_equal(random["b"].numpy(), ROWS)


def test_what_can_be_a_matrix(tmp_path: Path):
    values = [
        ROWS,
        Matrix(ROWS),
        ROWS.astype(np.float64),
        ROWS.astype(np.int16),
        ROWS.tolist(),
        ROWS[:, ::2],
        ROWS.T[:4].T,
    ]
    with MatrixWriter(f"ark:{tmp_path}/m.ark") as out:
        for i, value in enumerate(values):
            out[str(i)] = value
    with SequentialMatrixReader(f"ark:{tmp_path}/m.ark") as reader:
        for key, matrix in reader:
            np.testing.assert_array_equal(matrix.numpy(), np.asarray(values[int(key)]))


@pytest.mark.parametrize(
    ("writer", "value", "error"),
    [
        (MatrixWriter, np.zeros(3), MatrixError),
        (MatrixWriter, np.zeros((2, 2, 2)), MatrixError),
        (MatrixWriter, "matrix", MatrixError),
        (MatrixWriter, np.zeros((2, 2), complex), MatrixError),
        (VectorWriter, ROWS, MatrixError),
        (IntWriter, 1.5, ArkError),
        (IntWriter, 1 << 31, ArkError),
        (IntVectorWriter, [1, "2"], ArkError),
        (IntVectorWriter, 5, ArkError),
        (FloatWriter, "x", ArkError),
        (TokenWriter, "two words", ArkError),
        (TokenWriter, "", ArkError),
    ],
)
def test_a_bad_value_leaves_the_table_whole(
    tmp_path: Path, writer: type, value: object, error: type[Exception]
):
    good = {MatrixWriter: ROWS, VectorWriter: ROWS[0], IntWriter: 1, IntVectorWriter: [1], FloatWriter: 0.5}
    with writer(f"ark:{tmp_path}/x.ark") as out:
        out["a"] = good.get(writer, "word")
        with pytest.raises(error, match="expected"):
            out["b"] = value
        out["c"] = good.get(writer, "word")
    size = (tmp_path / "x.ark").stat().st_size
    data = (tmp_path / "x.ark").read_bytes()
    assert data[: size // 2] == data[size // 2 :].replace(b"c ", b"a ", 1)


@pytest.mark.parametrize("key", ["", "a b", "a\n", " a", 5, None])
def test_keys_that_are_no_words(tmp_path: Path, key: str):
    with IntWriter(f"ark:{tmp_path}/x.ark") as out, pytest.raises(ArkError, match="expected a word"):
        out[key] = 1
    assert (tmp_path / "x.ark").read_bytes() == b""


def test_an_exception_of_the_caller_loses_nothing(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), IntWriter(f"ark,t:{tmp_path}/x.ark") as out:
        out["a"] = 1
        _ = 1 / 0
    assert (tmp_path / "x.ark").read_text() == "a 1 \n"


def test_flush(tmp_path: Path):
    for options, seen in (("ark,t", ""), ("ark,t,f", "a 1 \n")):
        with IntWriter(f"{options}:{tmp_path}/x.ark") as out:
            out["a"] = 1
            assert (tmp_path / "x.ark").read_text() == seen
            out.flush()
            assert (tmp_path / "x.ark").read_text() == "a 1 \n"


def test_a_full_disk_is_an_error():
    with (
        pytest.raises(ArkError, match=r"/dev/full.*No space left on device"),
        MatrixWriter("ark:/dev/full") as out,
    ):
        for i in range(100):
            out[str(i)] = np.zeros((500, 80))
    writer = IntWriter("ark:/dev/full")
    writer["a"] = 1
    with pytest.raises(ArkError, match="No space left on device"):
        writer.close()


def test_what_cannot_be_opened(tmp_path: Path):
    for rspecifier in (f"ark:{tmp_path}/none", f"scp:{tmp_path}/none", f"ark:{tmp_path}/a.ark:x |y"):
        with pytest.raises(OSError, match="cannot be"):
            SequentialMatrixReader(rspecifier)
        with pytest.raises(OSError, match="cannot be"):
            RandomAccessMatrixReader(rspecifier)
    with pytest.raises(OSError, match="No such file or directory"):
        MatrixWriter(f"ark:{tmp_path}/no/folder")
    with pytest.raises(OSError, match="No such file or directory"):
        MatrixWriter(f"ark,scp:{tmp_path}/a,{tmp_path}/no/folder")
    with pytest.raises(ArkError, match="cannot be read: Is a directory"):
        SequentialMatrixReader(f"ark:{tmp_path}")


# Pipes


def test_a_command_that_fails(table: Path):
    failure = pytest.raises(SpecifierError, match=r"the command 'cat .*; exit 3' ended with exit status 3")
    with failure, SequentialMatrixReader(f"ark:cat {table}/a.ark; exit 3 |") as reader:
        assert len(list(reader)) == 3
    (table / "p.scp").write_text(f"a cat {table}/none |\nb tail -c +3 {table}/a.ark |\n")
    with SequentialMatrixReader(f"scp:{table}/p.scp") as reader:
        with pytest.raises(SpecifierError, match="ended with exit status 1"):
            reader.value()
        reader.next()
        np.testing.assert_array_equal(reader.value().numpy(), ROWS)
    with SequentialMatrixReader(f"scp,p:{table}/p.scp") as reader:
        assert [key for key, _ in reader] == ["b"]
    with pytest.raises(SpecifierError, match="exit status 1"), IntWriter("ark:| false") as out:
        out["a"] = 1
    with pytest.raises(SpecifierError, match="without a command"):
        SequentialMatrixReader("ark: |")


def test_a_reader_may_have_had_enough(table: Path):
    with SequentialMatrixReader(f"ark:while cat {table}/a.ark; do :; done |") as reader:
        assert reader.key() == "a"
        reader.next()


def test_pipes_as_output(tmp_path: Path):
    with MatrixWriter(f"ark:| gzip -c > {tmp_path}/z.gz") as out:
        for i in range(50):
            out[f"key{i}"] = ROWS + i
    with SequentialMatrixReader(f"ark:gunzip -c {tmp_path}/z.gz |") as reader:
        assert [matrix.numpy()[0, 0] for _, matrix in reader] == list(range(50))


def test_standard_streams(table: Path):
    code = (
        "from sonant.kaldi.util.table import *\n"
        "with SequentialMatrixReader('ark:-') as r, MatrixWriter('ark:-') as w:\n"
        "    for key, matrix in r: w[key] = matrix.numpy() + 1"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=(table / "a.ark").read_bytes(), capture_output=True, check=True
    )
    (table / "b.ark").write_bytes(result.stdout)
    with SequentialMatrixReader(f"ark:{table}/b.ark") as reader:
        assert [matrix.numpy()[0, 0] for _, matrix in reader] == [1, 2, 3]


# Damage


def test_permissive(table: Path):
    data = (table / "a.ark").read_bytes()
    (table / "cut.ark").write_bytes(data[:-5])
    for command in ("ark{}:{}/cut.ark", "ark{}:cat {}/cut.ark |"):
        with SequentialMatrixReader(command.format(",p", table)) as reader:
            assert [key for key, _ in reader] == ["a", "b"]
        with SequentialMatrixReader(command.format("", table)) as reader:
            reader.next()
            with pytest.raises(ArkError, match=r"cut\.ark.*:\d+: .*cut off"):
                reader.next()
        with RandomAccessMatrixReader(command.format(",p", table)) as random:
            assert "b" in random and "c" not in random and "d" not in random
        with RandomAccessMatrixReader(command.format("", table)) as random:
            assert "b" in random
            with pytest.raises(ArkError, match="cut off"):
                _ = "c" in random
    lines = (table / "a.scp").read_text().replace("a.ark:179", "a.ark:180").splitlines()
    (table / "bad.scp").write_text("\n".join([*lines, f"d {table}/none.ark:5", ""]))
    with SequentialMatrixReader(f"scp,p:{table}/bad.scp") as reader:
        assert [key for key, _ in reader] == ["a", "c"]
    with RandomAccessMatrixReader(f"scp,p:{table}/bad.scp") as random:
        assert "a" in random and "b" not in random and "d" not in random
    with SequentialMatrixReader(f"scp:{table}/bad.scp") as reader:
        reader.next()
        with pytest.raises(ArkError, match=r"a\.ark:180: expected a matrix"):
            reader.value()


def test_keys_that_are_not_sorted(tmp_path: Path):
    (tmp_path / "u").write_text("b 1\na 2\nc 3\n")
    for rspecifier in (f"ark,s:{tmp_path}/u", f"ark,s:cat {tmp_path}/u |"):
        with (
            RandomAccessIntReader(rspecifier) as random,
            pytest.raises(ArkError, match="'a' comes after 'b'"),
        ):
            _ = "c" in random
    with RandomAccessIntReader(f"ark:{tmp_path}/u") as random:
        assert random["c"] == 3


def test_sorted_keys_end_a_search(tmp_path: Path):
    (tmp_path / "s").write_text("a 1\nc 2\nd x\n")
    with RandomAccessIntReader(f"ark,s:{tmp_path}/s") as random:
        assert "b" not in random  # without meeting the damage in 'd'
        assert random["c"] == 2


def test_a_key_twice(tmp_path: Path):
    (tmp_path / "t").write_text("a 1\na 2\n")
    with (
        RandomAccessIntReader(f"ark:{tmp_path}/t") as random,
        pytest.raises(ArkError, match="'a' is there twice"),
    ):
        _ = "b" in random
    (tmp_path / "t.scp").write_text("a x\na y\n")
    with pytest.raises(ArkError, match="'a' is there twice"):
        RandomAccessIntReader(f"scp:{tmp_path}/t.scp")


def test_another_kind_of_object(table: Path):
    with pytest.raises(ArkError, match=r"a\.ark:4: expected a vector .* found 'FM "):
        SequentialVectorReader(f"ark:{table}/a.ark")
    with pytest.raises(ArkError, match="expected"):
        SequentialIntReader(f"ark:{table}/a.ark")
    with SequentialMatrixReader(f"scp:{table}/a.scp") as reader:
        reader.next()
    with pytest.raises(ArkError, match="expected a matrix"):
        SequentialMatrixReader(f"ark:{table}/a.scp")


# Maps, threads, background, memory


def test_mapped_readers(table: Path):
    with TokenWriter(f"ark,t:{table}/utt2spk") as out:
        for utterance, speaker in (("u1", "a"), ("u2", "b"), ("u3", "a"), ("u4", "z")):
            out[utterance] = speaker
    with RandomAccessMatrixReaderMapped(f"scp:{table}/a.scp", f"ark:{table}/utt2spk") as mapped:
        assert [mapped[key].numpy()[0, 0] for key in ("u3", "u2", "u1")] == [0, 1, 0]
        assert "u4" not in mapped and "a" not in mapped
        for key in ("u4", "a"):
            with pytest.raises(KeyError):
                mapped[key]
    with RandomAccessMatrixReaderMapped(f"scp:{table}/a.scp", "") as mapped:
        assert "a" in mapped and mapped["b"].numpy()[0, 0] == 1
    with FloatWriter(f"ark:{table}/f") as out:
        out["a"] = 0.5
    with RandomAccessFloatReaderMapped(f"ark:{table}/f", f"ark:{table}/utt2spk") as mapped:
        assert mapped["u3"] == 0.5
    with (
        SequentialTokenReader(f"ark:{table}/utt2spk") as words,
        RandomAccessTokenReader(f"ark:{table}/utt2spk") as by_key,
    ):
        assert all(by_key[key] == word for key, word in words)


def test_threads_share_a_reader(table: Path):
    with MatrixWriter(f"ark,scp:{table}/m.ark,{table}/m.scp") as out:
        for i in range(100):
            out[f"{i:03}"] = np.full((50, 40), i)
    for rspecifier in (f"ark:{table}/m.ark", f"scp:{table}/m.scp"):
        wrong: list[int] = []
        with RandomAccessMatrixReader(rspecifier) as random:

            def read(seed: int, random: RandomAccessMatrixReader = random, wrong: list[int] = wrong) -> None:
                for i in np.random.default_rng(seed).permutation(100):
                    if not (random[f"{i:03}"].numpy() == i).all():
                        wrong.append(i)

            threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert wrong == []


def test_the_background_reader_tells_errors_and_stops(table: Path):
    data = (table / "a.ark").read_bytes()
    (table / "cut.ark").write_bytes(data[:-5])
    seen = []
    with (
        pytest.raises(ArkError, match="cut off"),
        SequentialMatrixReader(f"ark,bg:{table}/cut.ark") as reader,
    ):
        for key, _ in reader:
            seen.append(key)
    assert seen == ["a", "b"]
    before = threading.active_count()
    for _ in range(5):
        reader = SequentialMatrixReader(f"ark,bg:{table}/a.ark")
        reader.close()
    with SequentialMatrixReader(f"ark,bg:while cat {table}/a.ark; do :; done |") as reader:
        reader.next()
    assert threading.active_count() == before


def test_a_program_may_end_while_it_reads_ahead(table: Path):
    script = f"""
import sys
from sonant.kaldi.util.table import SequentialMatrixReader
command = "while cat {table}/a.ark; do :; done"
sys.kept = [SequentialMatrixReader(f"ark,bg:{{command}} |"), SequentialMatrixReader("ark,bg:{table}/a.ark")]
"""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, "terminate" in done.stderr) == (0, False), done.stderr


def test_memory_map(table: Path):
    before = (table / "a.ark").read_bytes()
    for rspecifier in (f"ark:{table}/a.ark", f"scp:{table}/a.scp"):
        with RandomAccessMatrixReader(rspecifier, memory_map=True) as random:
            held = random["b"]
            np.testing.assert_array_equal(held.numpy(), ROWS + 1)
            with pytest.raises(MatrixError, match="read-only"):
                held.set_zero_()
            with pytest.raises(ValueError, match="read-only"):
                held.numpy()[0] = 1
        np.testing.assert_array_equal(held.numpy(), ROWS + 1)  # it outlives the reader
        with SequentialMatrixReader(rspecifier, memory_map=True) as reader:
            for i, (_, matrix) in enumerate(list(reader)):
                np.testing.assert_array_equal(matrix.numpy(), ROWS + i)
    assert (table / "a.ark").read_bytes() == before
    # What cannot be mapped is read: text, another type, a pipe.
    with MatrixWriter(f"ark,t:{table}/t.ark") as out:
        out["a"] = ROWS
    for rspecifier in (f"ark:{table}/t.ark", f"ark:cat {table}/a.ark |"):
        with SequentialMatrixReader(rspecifier, memory_map=True) as reader:
            np.testing.assert_array_equal(reader.value().numpy(), ROWS)


def test_ten_gigabytes_open_at_once_and_take_the_memory_of_one_item(tmp_path: Path):
    """A sparse file of ten matrices of 1 GB (zeros that take no disk), and a small one."""
    rows, cols = 250_000, 1000
    with open(tmp_path / "huge.ark", "wb") as file:
        for i in range(10):
            file.write(b"k%d \0BFM \4" % i + rows.to_bytes(4, "little") + b"\4" + cols.to_bytes(4, "little"))
            file.truncate(file.seek(4 * rows * cols, 1))
    with MatrixWriter(f"ark:{tmp_path}/small.ark") as out:
        out["last"] = ROWS
    with open(tmp_path / "huge.ark", "ab") as file:
        file.write((tmp_path / "small.ark").read_bytes())
    assert (tmp_path / "huge.ark").stat().st_size > 10_000_000_000

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB

    before, started = peak(), time.perf_counter()
    with RandomAccessMatrixReader(f"ark:{tmp_path}/huge.ark") as random:
        np.testing.assert_array_equal(random["last"].numpy(), ROWS)
    with RandomAccessMatrixReader(f"ark:{tmp_path}/huge.ark", memory_map=True) as random:
        for i in range(10):
            assert random[f"k{i}"].numpy()[rows // 2, 7] == 0.0
    with SequentialMatrixReader(f"ark:{tmp_path}/huge.ark", memory_map=True) as reader:
        assert sum(matrix.numpy().shape[0] for _, matrix in reader) == 10 * rows + 10
    assert time.perf_counter() - started < 1
    assert peak() - before < 50_000


def test_vectors_of_a_table_are_ours(tmp_path: Path):
    with VectorWriter(f"ark:{tmp_path}/v") as out:
        out["a"] = Vector([1, 2, 3])
    with SequentialVectorReader(f"ark:{tmp_path}/v") as reader:
        vector = reader.value()
    assert isinstance(vector, Vector)
    vector.numpy()[0] = 7
    assert vector[0] == 7
