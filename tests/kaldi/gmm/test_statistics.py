"""Statistics and updates of mixtures against Kaldi's."""

from pathlib import Path

import numpy as np
import pytest

from sonant.errors import AcousticModelError, ArkError, MatrixError
from sonant.kaldi.gmm import (
    AccumDiagGmm,
    AccumFullGmm,
    DiagGmm,
    FullGmm,
    GmmUpdateFlags,
    MapDiagGmmOptions,
    MleDiagGmmOptions,
    MleFullGmmOptions,
    augment_gmm_flags,
    get_split_targets,
    gmm_flags_to_string,
    map_diag_gmm_update,
    ml_objective,
    mle_diag_gmm_update,
    mle_full_gmm_update,
    string_to_gmm_flags,
)
from sonant.kaldi.matrix import DoubleVector
from sonant.kaldi.util.options import ParseOptions

GOLDEN = Path(__file__).parent / "golden"
ARRAYS = np.load(GOLDEN / "mixtures.npz")
FRAMES = ARRAYS["frames"]
ALL = GmmUpdateFlags.ALL


@pytest.fixture
def gmm(read) -> DiagGmm:
    return read(DiagGmm(), GOLDEN / "diag.bin")


@pytest.fixture
def acc(read) -> AccumDiagGmm:
    return read(AccumDiagGmm(), GOLDEN / "acc.bin", False)


def assert_close(ours, theirs, rtol: float = 1e-4):
    for a, b in zip(ours._arrays(), theirs._arrays(), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def test_files_are_kaldis_byte_for_byte(read, written):
    for name in ("acc", "acc_smooth", "acc_mixed"):
        binary, text = ((GOLDEN / f"{name}{s}").read_bytes() for s in (".bin", ".txt"))
        assert written(read(AccumDiagGmm(), binary, False)) == (binary, text)
        assert written(read(AccumDiagGmm(), text, False))[1] == text
        for end in range(len(binary) - 2):
            with pytest.raises((ArkError, AcousticModelError)):
                read(AccumDiagGmm(), binary[:end], False)


def test_accumulating(gmm: DiagGmm, acc: AccumDiagGmm, read):
    one_by_one, together = AccumDiagGmm.new(gmm, ALL), AccumDiagGmm.new(gmm, ALL)
    total = sum(0.75 * one_by_one.accumulate_from_diag(gmm, frame, 0.75) for frame in FRAMES)
    found = together.accumulate_from_diag_multi_threaded(gmm, FRAMES, np.full(len(FRAMES), 0.75), 2)
    assert found == pytest.approx(total, rel=1e-5)
    assert_close(one_by_one, acc)
    assert_close(together, acc)
    together.assert_equal(acc)
    assert (acc.num_gauss(), acc.dim(), acc.flags_) == (8, 5, 15)
    assert acc.occupancy().numpy().sum() == pytest.approx(0.75 * len(FRAMES), rel=1e-5)
    assert acc.mean_accumulator().numpy().shape == acc.variance_accumulator().numpy().shape == (8, 5)
    read(together, GOLDEN / "acc.bin", True)
    one_by_one.add(1.0, acc)
    assert_close(together, one_by_one)
    with pytest.raises(AcousticModelError, match="differ"):
        together.assert_equal(acc)


def test_single_frames(gmm: DiagGmm):
    acc, same = AccumDiagGmm.new(gmm, ALL), AccumDiagGmm.new(gmm, ALL)
    weights = np.zeros(8)
    weights[2] = 0.5
    acc.accumulate_for_component(FRAMES[0], 2, 0.5)
    same.accumulate_from_posteriors(FRAMES[0], weights)
    assert_close(acc, same, 1e-12)
    same.set_zero(ALL)
    x = FRAMES[0].astype(np.float64)
    same.add_stats_for_component(2, 0.5, 0.5 * x, 0.5 * x**2)
    assert_close(acc, same, 1e-12)
    for call in (
        lambda: acc.accumulate_for_component(FRAMES[0], 8, 1.0),
        lambda: acc.add(1.0, AccumDiagGmm()),
        lambda: acc.accumulate_from_diag(DiagGmm(2, 5), FRAMES[0], 1.0),
        lambda: AccumDiagGmm.new(gmm, 4).scale(2.0, 1),
    ):
        with pytest.raises(AcousticModelError):
            call()
    with pytest.raises(MatrixError):
        acc.accumulate_from_posteriors(FRAMES[0], [1.0])


def test_smoothing(gmm: DiagGmm, acc: AccumDiagGmm, read):
    smoothed = AccumDiagGmm.with_other(acc)
    smoothed.smooth_stats(2.0)
    assert_close(smoothed, read(AccumDiagGmm(), GOLDEN / "acc_smooth.bin", False))
    smoothed.smooth_with_model(3.0, gmm)
    smoothed.smooth_with_accum(1.5, acc)
    smoothed.add(0.3, acc)
    smoothed.scale(0.5, 7)
    assert_close(smoothed, read(AccumDiagGmm(), GOLDEN / "acc_mixed.bin", False))


@pytest.mark.parametrize(("flags", "kept"), [(1, 5), (2, 7), (3, 7), (4, 4), (8, 12)])
def test_what_is_accumulated(flags: int, kept: int, gmm: DiagGmm, written):
    acc = AccumDiagGmm.new(gmm, flags)
    assert acc.flags_ == kept == augment_gmm_flags(flags)
    acc.accumulate_from_diag(gmm, FRAMES[0], 1.0)
    assert [bool(array.any()) for array in acc._arrays()] == [True, bool(kept & 1), bool(kept & 2)]
    assert written(acc)[1].startswith(f"<GMMACCS> <VECSIZE> 5 <NUMCOMPONENTS> 8 <FLAGS> {kept} ".encode())


MLE = {
    "plain": (dict(min_gaussian_occupancy=3.0), ALL),
    "keep": (dict(min_gaussian_occupancy=6.0, remove_low_count_gaussians=False), ALL),
    "remove": (dict(min_gaussian_occupancy=6.0), ALL),
    "floor": (dict(min_gaussian_occupancy=0.0, min_variance=0.9), ALL),
    "floors": (dict(min_gaussian_occupancy=0.0, variance_floor_vector=[0.1, 0.5, 0.9, 1.0, 2.0]), ALL),
    "variances": (dict(min_gaussian_occupancy=0.0), 2),
    "means": (dict(min_gaussian_occupancy=0.0), 1),
    "weights": (dict(min_gaussian_occupancy=0.0), 4),
}


def assert_same_mixture(ours, theirs):
    for name in ("_weights", "_means", "_inverses", "_gconsts"):
        a, b = getattr(ours, name), getattr(theirs, name)
        assert a.shape == b.shape, name
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max(), err_msg=name)


@pytest.mark.parametrize("name", MLE)
def test_maximum_likelihood(name: str, gmm: DiagGmm, acc: AccumDiagGmm, read):
    options, flags = MLE[name]
    config = MleDiagGmmOptions()
    for key, value in options.items():
        setattr(config, key, DoubleVector(value) if isinstance(value, list) else value)
    result = mle_diag_gmm_update(config, acc, flags, gmm)
    expected = ARRAYS[f"mle_{name}"]
    assert result[:2] == pytest.approx(expected[:2], rel=1e-3, abs=1e-2)
    assert result[2:] == tuple(expected[2:])
    assert_same_mixture(gmm, read(DiagGmm(), GOLDEN / f"mle_{name}.bin"))
    assert gmm.valid_gconsts()


@pytest.mark.parametrize(("name", "flags"), [("all", ALL), ("means", 1), ("variances", 2)])
def test_maximum_a_posteriori(name: str, flags: int, gmm: DiagGmm, acc: AccumDiagGmm, read):
    result = map_diag_gmm_update(MapDiagGmmOptions(), acc, flags, gmm)
    assert result == pytest.approx(tuple(ARRAYS[f"map_{name}"]), rel=1e-3, abs=1e-2)
    assert_same_mixture(gmm, read(DiagGmm(), GOLDEN / f"map_{name}.bin"))


def test_the_likelihood_rises(gmm: DiagGmm):
    """Expectation and maximization, as Shennong trains its universal background models."""
    rng = np.random.default_rng(1)
    frames = np.concatenate([rng.normal(-2, 0.5, (300, 5)), rng.normal(2, 1.5, (200, 5))]).astype(np.float32)
    likelihoods = []
    for _ in range(6):
        acc = AccumDiagGmm()
        acc.resize_with_gmm(gmm, ALL)
        total = acc.accumulate_from_diag_multi_threaded(gmm, frames, np.ones(len(frames)), 1)
        likelihoods.append(total / len(frames))
        mle_diag_gmm_update(MleDiagGmmOptions(remove_low_count_gaussians=False), acc, ALL, gmm)
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] > likelihoods[0] + 1


def test_the_auxiliary_function(gmm: DiagGmm, acc: AccumDiagGmm):
    assert ml_objective(gmm, acc) == pytest.approx(float(ARRAYS["objective"]), rel=1e-4)
    with pytest.raises(AcousticModelError, match="the statistics have 4"):
        mle_diag_gmm_update(MleDiagGmmOptions(), AccumDiagGmm.new(gmm, 4), ALL, gmm)
    with pytest.raises(AcousticModelError, match="3 variance floors"):
        mle_diag_gmm_update(MleDiagGmmOptions(variance_floor_vector=DoubleVector(3)), acc, ALL, gmm)
    empty = AccumDiagGmm.new(gmm, ALL)
    assert mle_diag_gmm_update(MleDiagGmmOptions(), empty, ALL, gmm)[4] == 7  # one stays
    assert gmm.num_gauss() == 1 and gmm.weights().numpy().tolist() == [1.0]


def test_shares_of_gaussians():
    for power, least in ((0.25, 20.0), (1.0, 0.0), (0.2, 100.0)):
        found = get_split_targets(ARRAYS["occupancies"], 200, power, least)
        assert found == ARRAYS[f"targets_{power:g}_{least:g}"].tolist()
    assert get_split_targets([0.0, 0.0], 10, 1.0, 1.0) == [1, 1]
    assert get_split_targets([], 10, 1.0, 1.0) == []


def test_flags_as_letters():
    assert string_to_gmm_flags("mvwt") == string_to_gmm_flags("a") == ALL == 15
    assert string_to_gmm_flags("vwm") == 7 and string_to_gmm_flags("") == 0
    assert gmm_flags_to_string(ALL) == "mvwt" and gmm_flags_to_string(3) == "mv"
    with pytest.raises(AcousticModelError, match="'b'"):
        string_to_gmm_flags("abc")
    with pytest.raises(AcousticModelError, match="flags 16"):
        augment_gmm_flags(16)


def test_options_by_kaldis_names():
    config, parser = MleDiagGmmOptions(), ParseOptions("")
    config.register(parser)
    parser.parse_args(
        ["x", "--min-gaussian-occupancy=3", "--remove-low-count-gaussians=false", "--print-args=false"]
    )
    assert config.min_gaussian_occupancy == 3 and not config.remove_low_count_gaussians
    assert config.min_gaussian_weight == 1e-5 and config.min_variance == 0.001
    assert (MapDiagGmmOptions().mean_tau, MapDiagGmmOptions().variance_tau) == (10.0, 50.0)


def full_statistics(read) -> tuple[FullGmm, AccumFullGmm]:
    gmm = read(FullGmm(), GOLDEN / "full.bin")
    acc = AccumFullGmm.new_with_full(gmm, ALL)
    for frame in FRAMES:
        acc.accumulate_from_full(gmm, frame, 0.75)
    acc.accumulate_for_component(FRAMES[0], 1, 2.0)
    acc.accumulate_from_posteriors(FRAMES[1], [0.1, 0.2, 0.3, 0, 0, 0.4])
    return gmm, acc


def test_full_statistics(read, written):
    gmm, acc = full_statistics(read)
    binary, text = ((GOLDEN / f"acc_full{s}").read_bytes() for s in (".bin", ".txt"))
    theirs = read(AccumFullGmm(), binary, False)
    assert_close(acc, theirs)
    assert written(theirs) == (binary, text)
    weights = read(AccumFullGmm(), GOLDEN / "acc_full_weights.bin", False)
    assert written(weights)[0] == (GOLDEN / "acc_full_weights.bin").read_bytes()
    assert weights.flags() == 4 and weights.covariance_accumulator() == []
    twice = read(AccumFullGmm.new_with_other(theirs), binary, True)
    np.testing.assert_allclose(twice.occupancy().numpy(), 2 * theirs.occupancy().numpy())
    outer = FRAMES.T @ (FRAMES * 0.75) + 2 * np.outer(FRAMES[0], FRAMES[0]) + np.outer(FRAMES[1], FRAMES[1])
    total = sum(np.asarray(c) for c in acc.covariance_accumulator())
    np.testing.assert_allclose(total, outer, rtol=1e-4, atol=1e-4)
    diag = DiagGmm().copy(gmm)
    before = acc.occupancy().numpy().sum()
    assert acc.accumulate_from_diag(diag, FRAMES[0], 2.0) == pytest.approx(
        diag.log_likelihood(FRAMES[0]), rel=1e-5
    )
    assert acc.occupancy().numpy().sum() == pytest.approx(before + 2)
    acc.resize_with_full(gmm, 1)
    assert acc.flags() == 5
    acc.resize_var_accumulator(2, 3)
    assert acc.flags() == 7 and acc.num_gauss() == 2
    for end in range(0, len(binary) - 2, 7):
        with pytest.raises((ArkError, AcousticModelError)):
            read(AccumFullGmm(), binary[:end], False)


@pytest.mark.parametrize(("cls", "name"), [(AccumDiagGmm, "acc"), (AccumFullGmm, "acc_full_weights")])
def test_huge_sizes_are_not_believed(cls, name: str, read):
    data = (GOLDEN / f"{name}.bin").read_bytes()
    for token in (b"<VECSIZE> \x04", b"<NUMCOMPONENTS> \x04"):
        at = data.index(token) + len(token)
        for size in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff"):
            if name == "acc" or token.startswith(b"<N"):
                with pytest.raises((ArkError, AcousticModelError)):
                    read(cls(), data[:at] + size + data[at + 4 :], False)
            else:  # without means nothing contradicts it
                assert read(cls(), data[:at] + size + data[at + 4 :], False).num_gauss() == 2


FULL = {
    "all": (ALL, {}),
    "floor": (ALL, dict(variance_floor=0.5)),
    "condition": (ALL, dict(max_condition=3.0)),
    "variances": (2, {}),
    "means": (1, {}),
}


@pytest.mark.parametrize("name", FULL)
def test_maximum_likelihood_of_full_mixtures(name: str, read):
    gmm, acc = full_statistics(read)
    flags, options = FULL[name]
    config = MleFullGmmOptions(min_gaussian_occupancy=2.0, remove_low_count_gaussians=False, **options)
    gain, count = mle_full_gmm_update(config, acc, flags, gmm)
    expected = np.load(GOLDEN / "full_updates.npz")[name]
    assert (gain, count) == pytest.approx(tuple(expected), rel=1e-3, abs=1e-2)
    assert_same_mixture(gmm, read(FullGmm(), GOLDEN / f"fmle_{name}.bin"))
    with pytest.raises(AcousticModelError, match="flags 15"):
        mle_full_gmm_update(config, AccumFullGmm.new_with_full(gmm, 4), ALL, gmm)
    assert mle_full_gmm_update(MleFullGmmOptions(), AccumFullGmm.new_with_full(gmm, ALL), ALL, gmm)[1] == 0
    assert gmm.num_gauss() == 1  # all but one had too few frames
