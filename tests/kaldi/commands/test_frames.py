"""Commands that take features apart and put them together."""

import numpy as np
import pytest

from sonant.errors import FeatureError, OptionError, SonantError
from sonant.kaldi.feat.functions import (
    DeltaFeaturesOptions,
    ShiftedDeltaFeaturesOptions,
    compute_deltas,
    compute_shift_deltas,
    splice_frames,
)
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util import table
from sonant.kaldi.util.io import read_matrix, write_matrix

RNG = np.random.default_rng(5)
FEATS = {key: RNG.normal(size=(n, 6)).astype(np.float32) for key, n in [("a", 20), ("b", 3), ("c", 11)]}


@pytest.fixture
def feats(tmp_path):
    with table.MatrixWriter(f"ark,scp:{tmp_path}/feats.ark,{tmp_path}/feats.scp") as writer:
        for key, value in FEATS.items():
            writer[key] = value
    return tmp_path


@pytest.fixture
def convert(run, feats):
    """Runs a command with options from feats.ark to a new archive, and returns what is in that."""

    def call(command, *arguments, source=None, status=0):
        source = source or f"ark:{feats}/feats.ark"
        assert run(command, *arguments, source, f"ark:{feats}/out.ark")[0] == status
        with table.SequentialMatrixReader(f"ark:{feats}/out.ark") as reader:
            return {key: value.numpy().copy() for key, value in reader}

    return call


def check(found, change, keys=tuple(FEATS)):
    assert tuple(found) == keys
    for key in keys:
        np.testing.assert_allclose(found[key], change(FEATS[key]), rtol=1e-6, atol=1e-6)


def test_dimensions_and_lengths(run, feats):
    for source in (f"ark:{feats}/feats.ark", f"scp:{feats}/feats.scp", f"ark:cat {feats}/feats.ark |"):
        assert run("feat-to-dim", source, "-") == (0, b"6\n")
        assert run("feat-to-dim", source, "ark,t:-") == (0, b"a 6 \nb 6 \nc 6 \n")
        assert run("feat-to-len", source, "ark,t:-") == (0, b"a 20 \nb 3 \nc 11 \n")
        assert run("feat-to-len", source) == (0, b"34\n")
    with pytest.raises(SonantError, match="no features to tell"):
        run("feat-to-dim", "ark:-", "-")
    assert run("feat-to-len", "ark:-", "ark:-") == (1, b"")


def test_deltas(convert, feats):
    options = DeltaFeaturesOptions()
    options.order, options.window = 1, 3
    found = convert("add-deltas", "--delta-order=1", "--delta-window=3", "--truncate=4")
    check(found, lambda x: compute_deltas(options, x[:, :4]).numpy())
    shifted = ShiftedDeltaFeaturesOptions()
    shifted.num_blocks = 3
    check(convert("add-deltas-sdc", "--num-blocks=3"), lambda x: compute_shift_deltas(shifted, x).numpy())
    with pytest.raises(FeatureError, match="a has 6 columns; expected --truncate=9"):
        convert("add-deltas", "--truncate=9")


def test_frames_without_content_are_passed_over_by_add_deltas(convert, run, feats, capfd):
    with table.MatrixWriter(f"ark:{feats}/empty.ark") as writer:
        writer["x"] = Matrix()
    assert convert("add-deltas", source=f"ark:{feats}/empty.ark") == {}  # and Kaldi's exit status is 0
    assert "WARNING (add-deltas) x has no frames" in capfd.readouterr().err
    with pytest.raises(FeatureError):
        convert("splice-feats", source=f"ark:{feats}/empty.ark")


def test_splicing(convert):
    check(
        convert("splice-feats", "--left-context=1", "--right-context=2"),
        lambda x: splice_frames(x, 1, 2).numpy(),
    )


def test_columns(convert):
    check(convert("select-feats", "0,4-2,5"), lambda x: x[:, [0, 4, 3, 2, 5]])
    with pytest.raises(FeatureError, match="a has 6 columns; expected 8 or more for 3-7"):
        convert("select-feats", "3-7")
    with pytest.raises(OptionError, match="selection '1,x': 'x'; expected columns"):
        convert("select-feats", "1,x")


def test_every_nth_frame(convert, capfd):
    check(convert("subsample-feats", "--n=3"), lambda x: x[::3])
    check(convert("subsample-feats", "--n=-2"), lambda x: x.repeat(2, axis=0))
    check(convert("subsample-feats", "--n=2", "--offset=3"), lambda x: x[3::2], ("a", "c"))
    assert "b has 3 frames, of which none would be left" in capfd.readouterr().err
    for options in (["--n=0"], ["--n=-2", "--offset=1"], ["--offset=-1"]):
        with pytest.raises(OptionError, match="expected --n=1 or more"):
            convert("subsample-feats", *options)


def test_features_side_by_side(run, feats, capfd):
    with table.MatrixWriter(f"ark:{feats}/other.ark") as writer:
        writer["a"] = FEATS["a"][:18, :2]
        writer["b"] = FEATS["b"][:2]
    inputs, output = (f"ark:{feats}/feats.ark", f"ark:{feats}/other.ark"), f"ark:{feats}/out.ark"
    assert run("paste-feats", "--length-tolerance=2", *inputs, output)[0] == 0
    with table.SequentialMatrixReader(output) as reader:
        found = {key: value.numpy().copy() for key, value in reader}
    assert list(found) == ["a", "b"]
    assert np.array_equal(found["a"], np.hstack([FEATS["a"][:18], FEATS["a"][:18, :2]]))
    assert "c is missing in" in capfd.readouterr().err
    assert run("paste-feats", *inputs, output)[0] == 255
    assert "a: 18 and 20 frames; expected" in capfd.readouterr().err
    for name in "ab":
        write_matrix(Matrix(FEATS["c"]), f"{feats}/{name}.mat")
    assert run("paste-feats", f"{feats}/a.mat", f"{feats}/b.mat", f"{feats}/c.mat")[0] == 0
    assert np.array_equal(read_matrix(f"{feats}/c.mat").numpy(), np.hstack([FEATS["c"]] * 2))
    write_matrix(Matrix(FEATS["a"]), f"{feats}/a.mat")
    assert run("paste-feats", f"{feats}/a.mat", f"{feats}/b.mat", f"{feats}/c.mat")[0] == 1


def test_transforms(run, feats, capfd):
    linear, affine = RNG.normal(size=(4, 6)).astype(np.float32), RNG.normal(size=(6, 7)).astype(np.float32)
    write_matrix(Matrix(linear), f"{feats}/lda.mat")
    source, output = f"ark:{feats}/feats.ark", f"ark:{feats}/out.ark"
    assert run("transform-feats", f"{feats}/lda.mat", source, output)[0] == 0
    assert "Overall average [pseudo-]logdet is" in capfd.readouterr().err
    with table.SequentialMatrixReader(output) as reader:
        for key, value in reader:
            np.testing.assert_allclose(value.numpy(), FEATS[key] @ linear.T, rtol=1e-4, atol=1e-5)
    with table.MatrixWriter(f"ark:{feats}/t.ark") as writer:
        writer["s"], writer["t"] = affine, RNG.normal(size=(6, 8))
    (feats / "utt2spk").write_text("a s\nb t\n")
    transforms = f"ark:{feats}/t.ark"
    assert run("transform-feats", f"--utt2spk=ark:{feats}/utt2spk", transforms, source, output)[0] == 0
    with table.SequentialMatrixReader(output) as reader:
        found = {key: value.numpy().copy() for key, value in reader}
    assert list(found) == ["a"]
    expected = FEATS["a"] @ affine[:, :6].T + affine[:, 6]
    np.testing.assert_allclose(found["a"], expected, rtol=1e-4, atol=1e-5)
    said = capfd.readouterr().err
    assert (
        "b: a transform of 6x8 for 6 columns: was it made by compose-transforms without --b-is-affine?"
        in said
    )
    assert "no transform for c, or for its speaker" in said
    logdet = np.log(abs(np.linalg.det(affine[:, :6].astype(float))))
    assert f"Overall average logdet is {logdet:g} over 20 frames" in said


def test_voice_activity(run, feats, capfd):
    energies = {"a": [9, 9, 1, 1, 1, 9], "silent": [1, 1, 1]}
    with table.MatrixWriter(f"ark:{feats}/e.ark") as writer:
        for key, value in energies.items():
            writer[key] = np.array(value, np.float32)[:, np.newaxis] + np.zeros((1, 2), np.float32)
        writer["empty"] = Matrix()
    options = ["--vad-energy-threshold=5", "--vad-energy-mean-scale=0"]
    status, out = run("compute-vad", *options, f"ark:{feats}/e.ark", "ark,t:-")
    assert (status, out) == (0, b"a  [ 1 1 0 0 0 1 ]\nsilent  [ 0 0 0 ]\n")
    said = capfd.readouterr().err
    assert "WARNING (compute-vad) silent has no voiced frames" in said
    assert "WARNING (compute-vad) empty has no frames" in said
    assert (
        run("compute-vad", "--omit-unvoiced-utts", *options, f"ark:{feats}/e.ark", "ark,t:-")[1].count(b"\n")
        == 1
    )
    run("compute-vad", *options, f"ark:{feats}/e.ark", f"ark:{feats}/vad.ark")
    arguments = (f"ark:{feats}/e.ark", f"ark:{feats}/vad.ark", f"ark:{feats}/out.ark")
    assert run("select-voiced-frames", *arguments)[0] == 0
    with table.SequentialMatrixReader(f"ark:{feats}/out.ark") as reader:
        assert {key: value.numpy()[:, 0].tolist() for key, value in reader} == {"a": [9, 9, 9]}
    # Features and decisions that do not belong together.
    assert run("select-voiced-frames", f"ark:{feats}/feats.ark", *arguments[1:])[0] == 1
    said = capfd.readouterr().err
    assert "a has 20 frames and voice activity of 6" in said
    assert "no voice activity for c" in said


def test_sums(run, feats):
    one = f"ark:{feats}/feats.ark"
    assert run("matrix-sum", "--scale1=2", "--scale2=-0.5", one, one, f"ark:{feats}/out.ark")[0] == 0
    with table.SequentialMatrixReader(f"ark:{feats}/out.ark") as reader:
        check({key: value.numpy().copy() for key, value in reader}, lambda x: 1.5 * x)
    assert run("matrix-sum", one, one, one, f"ark:{feats}/out.ark")[0] == 0
    with table.SequentialMatrixReader(f"ark:{feats}/out.ark") as reader:
        check({key: value.numpy().copy() for key, value in reader}, lambda x: 3 * x)
    text = b"a  [\n  1 2 ]\nb  [\n  3 4 ]\nc  [\n  1 ]\n"
    assert run("matrix-sum", "--binary=false", "ark:-", "-", stdin=text) == (0, b" [\n  4 6 ]\n")
    assert run("matrix-sum", "--binary=false", "--average", "ark:-", "-", stdin=text)[1] == b" [\n  2 3 ]\n"
    assert run("vector-sum", "--binary=false", "ark:-", "-", stdin=b"a  [ 1 2 ]\nb  [ 3 4 ]\n") == (
        0,
        b" [ 4 6 ]\n",
    )
    for name in "xy":
        write_matrix(Matrix(FEATS["b"]), f"{feats}/{name}")
    assert run("matrix-sum", f"{feats}/x", f"{feats}/y", f"{feats}/z")[0] == 0
    np.testing.assert_allclose(read_matrix(f"{feats}/z").numpy(), 2 * FEATS["b"], rtol=1e-6)
    with pytest.raises(OptionError, match="--average is for one table"):
        run("matrix-sum", "--average", one, one, "ark:-")
