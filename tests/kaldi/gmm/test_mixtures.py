"""Mixtures against Kaldi's: files, likelihoods, selections, splits, merges; and nonsense."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import AcousticModelError, ArkError, MatrixError
from sonant.kaldi.gmm import DiagGmm, DiagGmmNormal, FullGmm, FullGmmNormal
from sonant.kaldi.matrix import Matrix, Vector

GOLDEN = Path(__file__).parent / "golden"
ARRAYS = np.load(GOLDEN / "mixtures.npz")
FRAMES = ARRAYS["frames"]
KINDS = {"diag": DiagGmm, "full": FullGmm}


def load(name: str, cls=DiagGmm):
    stream = _native.Input.from_bytes((GOLDEN / f"{name}.bin").read_bytes(), name)
    stream.header()
    gmm = cls()
    gmm.read(stream, True)
    return gmm


def assert_close(gmm, expected, rtol: float = 1e-4):
    """The same parameters, to within float's precision of what they are computed from."""
    for name in ("_weights", "_means", "_inverses", "_gconsts"):
        ours, theirs = getattr(gmm, name), getattr(expected, name)
        assert ours.shape == theirs.shape, name
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(theirs).max(), err_msg=name)


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def gmm(kind: str):
    return load(kind, KINDS[kind])


def test_files_are_kaldis_byte_for_byte(kind: str, read, written):
    for path in sorted(GOLDEN.glob(f"{kind}*.bin")):
        text = path.with_suffix(".txt").read_bytes()
        cls = FullGmm if text.startswith(b"<Full") else DiagGmm
        assert written(read(cls(), path)) == (path.read_bytes(), text), path.name
        assert written(read(cls(), text))[1] == text, path.name


def test_weights_of_zero(read, written):
    """Kaldi cannot read its own text of these; we can."""
    binary, text = ((GOLDEN / f"zero_weight{s}").read_bytes() for s in (".bin", ".txt"))
    for data in (binary, text):
        gmm = read(DiagGmm(), data)
        assert gmm.compute_gconsts() == 2
        assert gmm.gconsts().numpy().tolist()[2:] == [-np.inf] * 2
        assert np.isfinite(gmm.log_likelihood([0, 0, 0]))
    assert written(read(DiagGmm(), binary)) == (binary, text)


def test_likelihoods(kind: str, gmm):
    expected = ARRAYS[f"{kind}_log_likelihoods"]
    np.testing.assert_allclose(gmm.log_likelihoods_matrix(FRAMES).numpy(), expected, rtol=1e-4, atol=1e-4)
    totals = ARRAYS[f"{kind}_log_likelihood"]
    found, posteriors = gmm.component_posteriors_matrix(Matrix(FRAMES))
    np.testing.assert_allclose(found.numpy(), totals, rtol=1e-4)
    np.testing.assert_allclose(posteriors.numpy(), ARRAYS[f"{kind}_posteriors"], atol=1e-4)
    for i, frame in enumerate(FRAMES):
        assert gmm.log_likelihood(Vector(frame)) == pytest.approx(totals[i], rel=1e-4)
        np.testing.assert_allclose(gmm.log_likelihoods(frame).numpy(), expected[i], rtol=1e-4, atol=1e-4)
    total, one = gmm.component_posteriors(FRAMES[0])
    assert total == pytest.approx(totals[0], rel=1e-4)
    np.testing.assert_allclose(one.numpy(), posteriors.numpy()[0], atol=1e-6)
    assert gmm.component_log_likelihood(FRAMES[0], 2) == pytest.approx(expected[0, 2], rel=1e-4)
    np.testing.assert_allclose(
        gmm.log_likelihoods_preselect(FRAMES[0], [4, 1]).numpy(), expected[0, [4, 1]], rtol=1e-4
    )


def test_selections(kind: str, gmm):
    chosen, totals = ARRAYS[f"{kind}_selected"], ARRAYS[f"{kind}_selected_log_likelihood"]
    for i, frame in enumerate(FRAMES):
        total, best = gmm.gaussian_selection(frame, 3)
        assert best == chosen[i].tolist() and total == pytest.approx(totals[i], rel=1e-4)
        preselected = gmm.gaussian_selection_preselect(frame, [0, 2, 3, 5], 2)[1]
        assert preselected == ARRAYS[f"{kind}_preselected"][i].tolist()
    total, best = gmm.gaussian_selection_matrix(FRAMES, 3)
    assert best == chosen.tolist() and total == pytest.approx(totals.sum(), rel=1e-4)
    assert len(gmm.gaussian_selection(FRAMES[0], 99)[1]) == gmm.num_gauss()
    with pytest.raises(AcousticModelError, match="to select"):
        gmm.gaussian_selection(FRAMES[0], 0)


def test_fewer_and_more_gaussians(kind: str, gmm):
    cls = KINDS[kind]
    merged = cls().copy(gmm)
    order = merged.merge(3 if kind == "diag" else 5)
    assert_close(merged, load(f"{kind}_merged", cls))
    if kind == "diag":
        assert order == ARRAYS["diag_merge_order"].tolist()
    one = cls().copy(gmm)
    one.merge(1)
    assert_close(one, load(f"{kind}_one", cls))
    assert one.merge(1) == []
    split = cls.from_other(gmm)
    assert split.split(13, 0.0) == ARRAYS[f"{kind}_split_order"].tolist()
    assert_close(split, load(f"{kind}_split", cls))
    removed = cls().copy(gmm)
    removed.remove_components([1, 4], True)
    assert not removed.valid_gconsts()
    removed.compute_gconsts()
    assert_close(removed, load(f"{kind}_removed", cls))
    for method, arguments in ((gmm.merge, (0,)), (gmm.merge, (99,)), (gmm.split, (1, 0.1))):
        with pytest.raises(AcousticModelError):
            method(*arguments)
    with pytest.raises(AcousticModelError, match="one to stay"):
        gmm.remove_components(range(gmm.num_gauss()), True)
    with pytest.raises(AcousticModelError, match="no Gaussian 99"):
        gmm.remove_component(99, True)


def test_perturbing_moves_by_standard_deviations(kind: str, gmm):
    many = KINDS[kind]().copy(gmm)
    many.split(2000, 0.0)
    before = many.get_means().numpy().copy()
    many.perturb(0.1)
    moved = many.get_means().numpy() - before
    if kind == "diag":
        units = moved / np.sqrt(many.get_vars().numpy())
        assert units.std() == pytest.approx(0.1, rel=0.05)
    assert np.abs(moved).max() > 0 and many.valid_gconsts()
    halves = KINDS[kind]().copy(gmm)
    (i,) = halves.split(gmm.num_gauss() + 1, 0.5)
    middle = (halves.get_means().numpy()[i] + halves.get_means().numpy()[-1]) / 2
    np.testing.assert_allclose(middle, gmm.get_means().numpy()[i], atol=1e-5)


def test_one_kind_from_the_other():
    diag, full = load("diag"), load("full", FullGmm)
    assert_close(FullGmm().copy(diag), load("full_from_diag", FullGmm))
    assert_close(DiagGmm().copy(full), load("diag_from_full"))
    for cls in (DiagGmm, FullGmm):
        with pytest.raises(AcousticModelError, match="expected a DiagGmm or FullGmm"):
            cls().copy(1)


@pytest.mark.parametrize("flags", [15, 1, 5])
def test_interpolation(flags: int):
    mixed = load("diag")
    mixed.interpolate(0.3, load("other"), flags)
    assert_close(mixed, load(f"interpolated_{flags}"))
    full, other = FullGmm().copy(load("diag")), FullGmm().copy(load("other"))
    full.interpolate(0.3, other, flags)
    assert_close(DiagGmm().copy(full), mixed)
    with pytest.raises(AcousticModelError, match="to interpolate with"):
        mixed.interpolate(0.3, DiagGmm(2, 2))


def test_parameters_in_and_out():
    gmm = load("diag")
    means, variances = gmm.get_means().numpy(), gmm.get_vars().numpy()
    other = DiagGmm(8, 5)
    assert not other.valid_gconsts()
    other.set_weights(gmm.weights())
    other.set_inv_vars_and_means(gmm.inv_vars(), means)
    other.compute_gconsts()
    assert_close(other, gmm, 1e-6)
    other.set_means(np.zeros((8, 5)))
    other.set_inv_vars(np.ones((8, 5)))
    for i in range(8):
        other.set_component_inv_var(i, 1 / variances[i])
        other.set_component_mean(i, means[i])
        other.set_component_weight(i, gmm.weights()[i])
    other.compute_gconsts()
    assert_close(other, gmm, 1e-5)
    out = Vector(5)
    gmm.get_component_mean(3, out)
    np.testing.assert_array_equal(out.numpy(), means[3])
    gmm.get_component_variance(3, out)
    np.testing.assert_array_equal(out.numpy(), variances[3])
    np.testing.assert_allclose(gmm.means_invvars().numpy(), means * gmm.inv_vars().numpy(), rtol=1e-6)
    gmm.weights().numpy()[0] = 9  # a copy
    assert gmm.weights()[0] < 1
    np.testing.assert_allclose(DiagGmmNormal(gmm).vars_, variances, rtol=1e-6)


def test_full_parameters_in_and_out():
    gmm = load("full", FullGmm)
    covariances, means = gmm.get_covars_and_means()
    other = FullGmm(6, 5)
    other.set_weights(gmm.weights())
    other.set_inv_covars_and_means(gmm.inv_covars(), means)
    other.compute_gconsts()
    assert_close(other, gmm, 1e-4)
    other.set_inv_covars([np.eye(5)] * 6)
    other.set_inv_covars_and_means_inv_covars(gmm.inv_covars(), gmm.means_invcovars())
    other.compute_gconsts()
    assert_close(other, gmm, 1e-6)
    other.set_means(means)
    np.testing.assert_allclose(other.means_invcovars().numpy(), gmm.means_invcovars().numpy(), atol=1e-4)
    np.testing.assert_allclose(np.asarray(gmm.get_covars()[0]), np.asarray(covariances[0]))
    out = Vector(5)
    gmm.get_component_mean(2, out)
    np.testing.assert_array_equal(out.numpy(), means.numpy()[2])
    normal = FullGmmNormal.new_with_other(gmm)
    other.resize(6, 5)
    normal.copy_to_full(other)
    other.compute_gconsts()
    assert_close(other, gmm, 1e-4)
    with pytest.raises(AcousticModelError, match="5 inverse covariances"):
        gmm.set_inv_covars([np.eye(5)] * 5)


def test_random_frames_have_the_mean():
    gmm = load("diag")
    frame, total = Vector(5), np.zeros(5)
    for _ in range(3000):
        gmm.generate(frame)
        total += frame.numpy()
    mean = gmm.weights().numpy() @ gmm.get_means().numpy()
    assert np.abs(total / 3000 - mean).max() < 0.15


def test_random_frames_of_full_mixtures():
    gmm = load("full", FullGmm)
    frames = Matrix(4000, 5)
    FullGmmNormal.new_with_other(gmm).rand(frames)
    weights, means, covariances = gmm._moments()
    mean = weights @ means
    second = np.einsum("m,mij->ij", weights, covariances) + (weights[:, None] * means).T @ means
    np.testing.assert_allclose(frames.numpy().mean(0), mean, atol=0.2)
    np.testing.assert_allclose(np.cov(frames.numpy().T), second - np.outer(mean, mean), atol=0.4)


def test_what_was_changed_must_be_computed(kind: str, gmm, written):
    gmm.set_weights(gmm.weights())
    for use in (
        lambda: gmm.log_likelihood(FRAMES[0]),
        lambda: gmm.log_likelihoods_matrix(FRAMES),
        gmm.gconsts,
        lambda: written(gmm),
    ):
        with pytest.raises(AcousticModelError, match="compute_gconsts"):
            use()
    gmm.compute_gconsts()
    assert np.isfinite(gmm.log_likelihood(FRAMES[0]))
    for frame in ([1, 2], FRAMES):
        with pytest.raises(MatrixError):
            gmm.log_likelihood(frame)
    with pytest.raises(AcousticModelError, match=r"frame 0 under mixture 0 is (nan|inf)"):
        gmm.log_likelihood([np.nan] * 5)
    with pytest.raises(AcousticModelError, match="0 or more"):
        KINDS[kind](-1, 2)


def test_a_change_is_seen_by_likelihoods():
    gmm = load("diag")
    before = gmm.log_likelihood(FRAMES[0])
    gmm.set_means(gmm.get_means().numpy() + 1)
    gmm.compute_gconsts()
    assert gmm.log_likelihood(FRAMES[0]) != before


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("<WEIGHTS>  [ 0.5", "<WEIGHTS>  [ -0.5", "negative weight"),
        ("<WEIGHTS>  [ 0.5", "<WEIGHTS>  [ nan", "not a number"),
        ("<WEIGHTS>  [ 0.5", "<WEIGHTS>  [ 0.25 0.25", "5 weights"),
        ("<INV_VARS>  [\n  ", "<INV_VARS>  [\n  -", "variance"),
        ("<INV_VARS>  [\n  ", "<INV_VARS>  [\n 1 1 1\n", "variances"),
    ],
)
def test_mixtures_that_make_no_sense(old: str, new: str, what: str, read):
    text = (GOLDEN / "zero_weight.txt").read_text()
    assert old in text
    with pytest.raises(AcousticModelError, match=f"bytes:.*{what}"):
        read(DiagGmm(), text.replace(old, new).encode())


def test_full_mixtures_that_make_no_sense(read):
    text = (GOLDEN / "full_from_diag.txt").read_text()
    with pytest.raises(AcousticModelError, match="not positive definite"):
        read(FullGmm(), text.replace("<INV_COVARS> [\n", "<INV_COVARS> [\n-").encode())
    with pytest.raises(AcousticModelError, match="equal numbers of Gaussians"):
        read(FullGmm(), text.replace("<WEIGHTS>  [ ", "<WEIGHTS>  [ 0.1 ").encode())


def test_constants_of_a_file_are_mended_where_wrong(read):
    right = load("diag")
    text = (GOLDEN / "diag.txt").read_text()
    start = text.index("<GCONSTS>")
    wrong = f"{text[:start]}<GCONSTS>  [ {'1 ' * 8}]\n{text[text.index('<WEIGHTS>') :]}"
    without = text[:start] + text[text.index("<WEIGHTS>") :]
    for data in (wrong, without):
        np.testing.assert_allclose(
            read(DiagGmm(), data.encode()).gconsts().numpy(), right.gconsts().numpy(), rtol=1e-5
        )


def test_cut_off_anywhere(kind: str, read):
    for suffix in ("bin", "txt"):
        data = (GOLDEN / f"{kind}_merged.{suffix}").read_bytes()
        for end in range(len(data) - 2):
            with pytest.raises((ArkError, AcousticModelError)):
                read(KINDS[kind](), data[:end])


@st.composite
def mixtures(draw):
    count, dim = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    values = np.random.default_rng(draw(st.integers(0, 2**32)))
    gmm = DiagGmm(count, dim)
    gmm.set_weights(values.dirichlet(np.ones(count)))
    scale = 10.0 ** draw(st.integers(-6, 6))
    gmm.set_inv_vars_and_means(
        values.uniform(0.1, 2, (count, dim)) / scale**2, values.standard_normal((count, dim)) * scale
    )
    gmm.compute_gconsts()
    return gmm


@given(gmm=mixtures())
def test_any_mixture_survives_its_file(gmm: DiagGmm):
    for binary in (True, False):
        stream = _native.Output.in_memory()
        gmm.write(stream, binary)
        read = DiagGmm()
        read.read(_native.Input.from_bytes(stream.getvalue()), binary)
        again = _native.Output.in_memory()
        read.write(again, binary)
        assert again.getvalue() == stream.getvalue()


@given(position=st.integers(2, 500), value=st.binary(min_size=1, max_size=4))
def test_damaged_files_raise_or_read(position: int, value: bytes):
    for cls, name in ((DiagGmm, "diag"), (FullGmm, "full_merged")):
        data = bytearray((GOLDEN / f"{name}.bin").read_bytes())
        data[position : position + len(value)] = value
        stream = _native.Input.from_bytes(bytes(data))
        stream.header()
        with suppress(ArkError, AcousticModelError):
            cls().read(stream, True)
