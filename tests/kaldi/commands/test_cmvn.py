"""Commands of mean and variance normalisation, against sums written out here."""

import numpy as np
import pytest

from sonant.errors import ArkError, OptionError
from sonant.kaldi.matrix import DoubleMatrix
from sonant.kaldi.util import table
from sonant.kaldi.util.io import read_double_matrix

RNG = np.random.default_rng(11)
FEATS = {
    key: RNG.normal(3, 2, (n, 4)).astype(np.float32) for key, n in [("a-1", 50), ("a-2", 20), ("b-1", 9)]
}


@pytest.fixture
def feats(tmp_path):
    with table.MatrixWriter(f"ark,scp:{tmp_path}/feats.ark,{tmp_path}/feats.scp") as writer:
        for key, value in FEATS.items():
            writer[key] = value
    (tmp_path / "utt2spk").write_text("a-1 a\na-2 a\nb-1 b\n")
    (tmp_path / "spk2utt").write_text("a a-1 a-2\nb b-1\n")
    return tmp_path


def sums(*features, weights=None):
    x = np.concatenate(features).astype(np.float64)
    w = np.ones(len(x)) if weights is None else weights
    stats = np.zeros((2, x.shape[1] + 1))
    stats[0, :-1], stats[1, :-1], stats[0, -1] = w @ x, w @ (x * x), w.sum()
    return stats


def stats_of(path):
    with table.SequentialDoubleMatrixReader(f"ark:{path}") as reader:
        return {key: value.numpy().copy() for key, value in reader}


def matrices(path):
    with table.SequentialMatrixReader(f"ark:{path}") as reader:
        return {key: value.numpy().copy() for key, value in reader}


def test_statistics_of_utterances_speakers_and_all(run, feats):
    assert run("compute-cmvn-stats", f"scp:{feats}/feats.scp", f"ark:{feats}/u.ark")[0] == 0
    for key, stats in stats_of(feats / "u.ark").items():
        np.testing.assert_allclose(stats, sums(FEATS[key]), rtol=1e-5)
    arguments = (f"--spk2utt=ark:{feats}/spk2utt", f"scp:{feats}/feats.scp", f"ark:{feats}/s.ark")
    assert run("compute-cmvn-stats", *arguments)[0] == 0
    speakers = stats_of(feats / "s.ark")
    np.testing.assert_allclose(speakers["a"], sums(FEATS["a-1"], FEATS["a-2"]), rtol=1e-5)
    np.testing.assert_allclose(speakers["b"], sums(FEATS["b-1"]), rtol=1e-5)
    for binary in ("true", "false"):
        status, _ = run("compute-cmvn-stats", f"--binary={binary}", f"ark:{feats}/feats.ark", f"{feats}/all")
        assert status == 0
        np.testing.assert_allclose(
            read_double_matrix(f"{feats}/all").numpy(), sums(*FEATS.values()), rtol=1e-5
        )
    assert (feats / "all").read_text().startswith(" [\n")
    assert run("compute-cmvn-stats", f"ark:{feats}/feats.ark", f"{feats}/all")[0] == 0
    assert (feats / "all").read_bytes().startswith(b"\0BFM ")  # in single precision, as Kaldi's are


def test_weights_and_what_is_missing(run, feats, capfd):
    weights = {"a-1": RNG.random(50).astype(np.float32), "a-2": np.ones(19, np.float32)}
    with table.VectorWriter(f"ark:{feats}/w.ark") as writer:
        for key, value in weights.items():
            writer[key] = value
    status, _ = run(
        "compute-cmvn-stats", f"--weights=ark:{feats}/w.ark", f"scp:{feats}/feats.scp", f"ark:{feats}/u.ark"
    )
    assert status == 0
    found = stats_of(feats / "u.ark")
    assert list(found) == ["a-1"]
    np.testing.assert_allclose(found["a-1"], sums(FEATS["a-1"], weights=weights["a-1"]), rtol=1e-5)
    said = capfd.readouterr().err
    assert "a-2 has 20 frames and 19 weights" in said
    assert "no weights for b-1" in said
    assert "for 1 utterances; 2 had errors" in said
    (feats / "spk2utt").write_text("a a-1 a-9\nc c-1\n")
    arguments = (f"--spk2utt=ark:{feats}/spk2utt", f"ark:{feats}/feats.ark", f"ark:{feats}/s.ark")
    assert run("compute-cmvn-stats", *arguments)[0] == 0
    assert list(stats_of(feats / "s.ark")) == ["a"]
    said = capfd.readouterr().err
    assert "no features for a-9" in said
    assert "no statistics for speaker c" in said
    with pytest.raises(OptionError, match="--spk2utt with the file"):
        run("compute-cmvn-stats", "--spk2utt=ark:x", f"ark:{feats}/feats.ark", "all")


def test_two_channels(run, feats, capfd):
    calls = {"c-A": RNG.normal(size=(30, 3)), "c-B": RNG.normal(size=(30, 3)), "d-A": RNG.normal(size=(5, 3))}
    calls = {key: value.astype(np.float32) for key, value in calls.items()}
    with table.MatrixWriter(f"ark:{feats}/calls.ark") as writer:
        for key, value in calls.items():
            writer[key] = value
    (feats / "reco").write_text("d-A d A\nc-A c A\nc-B c B\nd-B d B\ne-A e A\n")
    status, _ = run(
        "compute-cmvn-stats-two-channel",
        "--quieter-channel-weight=0.1",
        f"{feats}/reco",
        f"ark:{feats}/calls.ark",
        f"ark:{feats}/stats.ark",
    )
    assert status == 0
    found = stats_of(feats / "stats.ark")
    louder = calls["c-A"][:, 0] > calls["c-B"][:, 0]
    np.testing.assert_allclose(
        found["c-A"], sums(calls["c-A"], weights=np.where(louder, 1, 0.1)), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        found["c-B"], sums(calls["c-B"], weights=np.where(louder, 0.1, 1)), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(found["d-A"], sums(calls["d-A"]), rtol=1e-4, atol=1e-5)
    said = capfd.readouterr().err
    assert "no features for d-B" in said
    assert "call e has 1 utterances, expected two" in said
    assert "for 3 utterances; 2 had errors" in said
    (feats / "reco").write_text("d-A d\n")
    with pytest.raises(ArkError, match="reco:1: expected 'utterance call side'"):
        run("compute-cmvn-stats-two-channel", f"{feats}/reco", f"ark:{feats}/calls.ark", "ark:-")


def test_normalisation_by_speaker_and_back(run, feats, capfd):
    run(
        "compute-cmvn-stats", f"--spk2utt=ark:{feats}/spk2utt", f"scp:{feats}/feats.scp", f"ark:{feats}/s.ark"
    )
    options = ["--norm-vars=true", f"--utt2spk=ark:{feats}/utt2spk", "--skip-dims=1:3"]
    arguments = (f"ark:{feats}/s.ark", f"scp:{feats}/feats.scp", f"ark:{feats}/n.ark")
    assert run("apply-cmvn", *options, *arguments)[0] == 0
    normal = matrices(feats / "n.ark")
    both = np.concatenate([normal["a-1"], normal["a-2"]])
    np.testing.assert_allclose(both.mean(axis=0)[[0, 2]], 0, atol=1e-5)
    np.testing.assert_allclose(both.std(axis=0)[[0, 2]], 1, atol=1e-5)
    assert np.array_equal(normal["a-1"][:, [1, 3]], FEATS["a-1"][:, [1, 3]])
    arguments = (f"ark:{feats}/s.ark", f"ark:{feats}/n.ark", f"ark:{feats}/back.ark")
    assert run("apply-cmvn", *options, "--reverse", *arguments)[0] == 0
    for key, value in matrices(feats / "back.ark").items():
        np.testing.assert_allclose(value, FEATS[key], atol=1e-5)
    (feats / "utt2spk").write_text("a-1 a\nb-1 c\n")
    assert run("apply-cmvn", *options, *arguments)[0] == 0
    assert list(matrices(feats / "back.ark")) == ["a-1"]
    assert "no statistics for b-1, or for its speaker" in capfd.readouterr().err


def test_normalisation_by_one_file_and_not_at_all(run, feats):
    run("compute-cmvn-stats", f"ark:{feats}/feats.ark", f"{feats}/all")
    assert run("apply-cmvn", f"{feats}/all", f"ark:{feats}/feats.ark", f"ark:{feats}/n.ark")[0] == 0
    mean = np.concatenate(list(FEATS.values())).mean(axis=0)
    for key, value in matrices(feats / "n.ark").items():
        np.testing.assert_allclose(value, FEATS[key] - mean, atol=1e-5)
    status, out = run("apply-cmvn", "--norm-means=false", f"{feats}/all", f"ark:{feats}/feats.ark", "ark:-")
    assert (status, out) == (0, (feats / "feats.ark").read_bytes())
    with pytest.raises(OptionError, match="--norm-vars with --norm-means=false"):
        run("apply-cmvn", "--norm-means=false", "--norm-vars", f"{feats}/all", "ark:-", "ark:-")
    with pytest.raises(OptionError, match="--utt2spk with the file"):
        run("apply-cmvn", "--utt2spk=ark:x", f"{feats}/all", "ark:-", "ark:-")


def test_a_window_that_slides(run, feats):
    options = ["--cmn-window=11", "--center=true"]
    assert (
        run(
            "apply-cmvn-sliding",
            *options,
            "--min-cmn-window=1",
            f"ark:{feats}/feats.ark",
            f"ark:{feats}/n.ark",
        )[0]
        == 0
    )
    x = FEATS["a-1"]
    found = matrices(feats / "n.ark")["a-1"]
    np.testing.assert_allclose(found[20], x[20] - x[15:26].mean(axis=0), atol=1e-5)


def test_statistics_are_modified(run, feats):
    stats = sums(FEATS["a-1"])
    with table.DoubleMatrixWriter(f"ark:{feats}/s.ark") as writer:
        writer["a"] = DoubleMatrix(stats)
    assert run("modify-cmvn-stats", "0:2", f"ark:{feats}/s.ark", f"ark:{feats}/m.ark")[0] == 0
    found = stats_of(feats / "m.ark")["a"]
    assert np.array_equal(found[:, [1, 3, 4]], stats[:, [1, 3, 4]])
    assert found[0, 0] == found[0, 2] == 0
    assert found[1, 0] == found[1, 2] == 50
    arguments = ("--convert-to-mean-and-var", f"ark:{feats}/s.ark", f"ark:{feats}/m.ark")
    assert run("modify-cmvn-stats", *arguments)[0] == 0
    expected = np.stack([FEATS["a-1"].mean(axis=0), FEATS["a-1"].var(axis=0)])
    np.testing.assert_allclose(stats_of(feats / "m.ark")["a"], expected, rtol=1e-5)
