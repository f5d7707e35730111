"""Commands that copy: what comes out is what went in, in the format that was asked for."""

import struct

import numpy as np
import pytest

from sonant.errors import OptionError, SonantError, SpecifierError
from sonant.kaldi.feat.wave import WaveData
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.matrix.compressed import CompressedMatrix, CompressionMethod
from sonant.kaldi.util import table
from sonant.kaldi.util.io import read_matrix, read_vector, xopen

RNG = np.random.default_rng(3)
MATRICES = {f"utt{i}": RNG.normal(size=(n, 5)).astype(np.float32) for i, n in enumerate([30, 4, 1, 0])}


@pytest.fixture
def feats(tmp_path):
    with table.MatrixWriter(f"ark,scp:{tmp_path}/feats.ark,{tmp_path}/feats.scp") as writer:
        for key, value in MATRICES.items():
            writer[key] = value
    return tmp_path


def contents(reader):
    with reader:
        return {key: np.array(value) for key, value in reader}


def test_feats_are_copied_in_binary_text_and_by_script(run, feats, capfd):
    status, out = run("copy-feats", f"scp:{feats}/feats.scp", "ark:-")
    assert status == 0
    assert out == (feats / "feats.ark").read_bytes()
    assert "LOG (copy-feats) Copied 4 feature matrices." in capfd.readouterr().err

    status, text = run("copy-feats", "ark:-", f"ark,t,scp:{feats}/t.ark,{feats}/t.scp", stdin=out)
    assert status == 0 and text == b""
    assert (feats / "t.ark").read_text().startswith("utt0  [\n  ")
    for key, value in contents(table.SequentialMatrixReader(f"scp:{feats}/t.scp")).items():
        np.testing.assert_allclose(value, MATRICES[key].reshape(value.shape), rtol=1e-6)


def test_feats_are_compressed_and_counted(run, feats):
    status, lengths = run(
        "copy-feats",
        "--compress=true",
        "--compression_method=5",
        "--write-num-frames=ark,t:-",
        f"ark:{feats}/feats.ark",
        f"ark:{feats}/c.ark",
    )
    assert status == 0
    assert lengths.decode().split() == ["utt0", "30", "utt1", "4", "utt2", "1", "utt3", "0"]
    with table.SequentialCompressedMatrixReader(f"ark:{feats}/c.ark") as reader:
        for key, value in reader:
            expected = CompressedMatrix(Matrix(MATRICES[key]), CompressionMethod.ONE_BYTE_AUTO)
            assert np.array_equal(np.asarray(value), np.asarray(expected))
    assert b"CM3 " in (feats / "c.ark").read_bytes()


def test_a_single_file_is_copied_and_a_range_of_it(run, feats):
    line = (feats / "feats.scp").read_text().split()[1]
    status, text = run("copy-feats", "--binary=false", line, "-")
    assert status == 0 and text.startswith(b" [\n")
    (feats / "part.scp").write_text(f"part {line}[2:4,1:2]\n")
    assert run("copy-feats", f"scp:{feats}/part.scp", f"ark:{feats}/part.ark")[0] == 0
    part = contents(table.SequentialMatrixReader(f"ark:{feats}/part.ark"))["part"]
    assert np.array_equal(part, MATRICES["utt0"][2:5, 1:3])


@pytest.mark.parametrize("order", "<>")
def test_sphinx_features_are_read(run, tmp_path, order):
    values = RNG.normal(size=(7, 13)).astype(np.float32)
    path = tmp_path / "one.mfc"
    path.write_bytes(struct.pack(f"{order}i", values.size) + values.astype(f"{order}f4").tobytes())
    assert run("copy-feats", "--sphinx-in", path, f"{tmp_path}/out")[0] == 0
    assert np.array_equal(read_matrix(f"{tmp_path}/out").numpy(), values)
    (tmp_path / "s.scp").write_text(f"a {path}\n")
    assert run("copy-feats", "--sphinx-in", f"scp:{tmp_path}/s.scp", f"ark:{tmp_path}/s.ark")[0] == 0
    assert np.array_equal(contents(table.SequentialMatrixReader(f"ark:{tmp_path}/s.ark"))["a"], values)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SonantError, match="Sphinx"):
        run("copy-feats", "--sphinx-in", path, f"{tmp_path}/out")


def test_htk_features_are_read(run, tmp_path):
    values = RNG.normal(size=(7, 4)).astype(np.float32)
    path = tmp_path / "one.htk"
    path.write_bytes(struct.pack(">iihH", 7, 100_000, 16, 6) + values.astype(">f4").tobytes())
    assert run("copy-feats", "--htk-in", path, f"{tmp_path}/out")[0] == 0
    assert np.array_equal(read_matrix(f"{tmp_path}/out").numpy(), values)
    (tmp_path / "h.scp").write_text(f"a {path}\n")
    assert run("copy-feats", "--htk-in", f"scp:{tmp_path}/h.scp", f"ark:{tmp_path}/h.ark")[0] == 0
    assert np.array_equal(contents(table.SequentialMatrixReader(f"ark:{tmp_path}/h.ark"))["a"], values)


@pytest.mark.parametrize(
    ("options", "change"),
    [
        (["--scale=0.5"], lambda x: 0.5 * x),
        (["--scale=-2", "--apply-exp"], lambda x: np.exp(-2 * x)),
        (["--apply-exp", "--apply-power=0.5"], lambda x: np.sqrt(np.exp(x))),
        (["--apply-softmax-per-row"], lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),
    ],
)
def test_matrices_are_changed_as_options_say(run, feats, options, change):
    assert run("copy-matrix", *options, f"ark:{feats}/feats.ark", f"ark:{feats}/m.ark")[0] == 0
    for key, value in contents(table.SequentialMatrixReader(f"ark:{feats}/m.ark")).items():
        np.testing.assert_allclose(value, change(MATRICES[key]).reshape(value.shape), rtol=1e-5)


def test_a_matrix_file_and_its_logarithm(run, tmp_path):
    status, text = run("copy-matrix", "--binary=false", "--apply-log", "-", "-", stdin=b" [\n  1 0 ]\n")
    assert (status, text) == (0, b" [\n  0 -inf ]\n")
    with pytest.raises(SonantError, match="no negative values"):
        run("copy-matrix", "--apply-log", "-", "-", stdin=b" [ -1 ]\n")
    with pytest.raises(OptionError, match="--apply-log and --apply-exp"):
        run("copy-matrix", "--apply-log", "--apply-exp", "-", "-")


def test_vectors(run, tmp_path):
    status, out = run("copy-vector", "--scale=3", "ark:-", "ark,t:-", stdin=b"a  [ 1 2 ]\nb  [ ]\n")
    assert (status, out) == (0, b"a  [ 3 6 ]\nb  [ ]\n")
    assert run("copy-vector", "-", f"{tmp_path}/v", stdin=b" [ 1 2.5 ]\n")[0] == 0
    assert read_vector(f"{tmp_path}/v").numpy().tolist() == [1, 2.5]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("copy-int-vector", b"a 1 2 3 \nb \n"),
        ("copy-int-vector-vector", b"a 1 2 ; 3 ; ; \nb \n"),
        ("copy-post", b"a [ 1 0.25 7 0.75 ] [ ] [ 3 1 ] \nb \n"),
    ],
)
def test_integers_and_posteriors(run, command, text):
    status, binary = run(command, "ark:-", "ark:-", stdin=text)
    assert status == 0 and b"\0B" in binary
    assert run(command, "ark:-", "ark,t:-", stdin=binary) == (0, text)


def test_posteriors_are_scaled_and_pruned(run):
    text = b"a [ 1 0.25 7 0.75 ] [ 3 1 ] \n"
    assert run("copy-post", "--scale=2", "ark:-", "ark,t:-", stdin=text)[1] == b"a [ 1 0.5 7 1.5 ] [ 3 2 ] \n"
    assert run("copy-post", "--scale=0", "ark:-", "ark,t:-", stdin=text)[1].split() == b"a [ ] [ ]".split()
    many = b"a " + b"[ 1 0.1 ] " * 5000 + b"\n"
    status, out = run("copy-post", "--random-prune=0.5", "ark:-", "ark,t:-", stdin=many)
    assert status == 0
    kept = out.count(b"[ 1 0.5 ]")
    assert kept + out.count(b"[ ]") == 5000
    assert abs(kept / 5000 - 0.2) < 0.03  # the mean weight is as before: 0.2 * 0.5 = 0.1


def test_waves(run, recordings, tmp_path):
    assert run("wav-copy", f"scp:{recordings}/wav.scp", f"ark,scp:{tmp_path}/w.ark,{tmp_path}/w.scp")[0] == 0
    files = dict(line.split() for line in (recordings / "wav.scp").read_text().splitlines())
    with table.SequentialWaveReader(f"scp:{tmp_path}/w.scp") as reader:
        for key, wave in reader:
            with xopen(files.pop(key), "rt") as file:
                expected = WaveData()
                expected.read(file.stream())
            assert wave.samp_freq == expected.samp_freq
            assert np.array_equal(wave.data().numpy(), expected.data().numpy())
    assert not files
    wav = recordings / "wav" / "sb-1.wav"
    assert run("wav-copy", wav, "-") == (0, wav.read_bytes())


def test_nothing_copied_is_status_1_and_arguments_that_do_not_fit_are_named(run, tmp_path, capfd):
    (tmp_path / "empty").write_bytes(b"")
    assert run("copy-feats", f"ark:{tmp_path}/empty", "ark:-") == (1, b"")
    assert run("copy-feats", "ark:a")[0] == 1
    assert "Usage: copy-feats [options] <feature-rspecifier> <feature-wspecifier>" in capfd.readouterr().err
    with pytest.raises(SpecifierError, match="one is a table, the other a file"):
        run("copy-matrix", "ark:a", "b")
    with pytest.raises(OptionError, match="--compress and --write-num-frames are for tables"):
        run("copy-feats", "--compress", "a", "b")
    with pytest.raises(OptionError, match="compression-method=9; expected 1 to 7"):
        run("copy-feats", "--compress", "--compression-method=9", f"ark:{tmp_path}/empty", "ark:-")
    with pytest.raises(OptionError, match="no option --scale"):
        run("copy-feats", "--scale=2", "ark:-", "ark:-")
