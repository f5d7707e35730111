"""Native log-likelihoods: every kernel against double precision, every way of asking against the others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import AcousticModelError, MatrixError
from sonant.kaldi.gmm import DiagGmm
from sonant.kaldi.gmm.am import (
    AmDiagGmm,
    DecodableAmDiagGmm,
    DecodableAmDiagGmmScaled,
    DecodableAmDiagGmmUnmapped,
)
from sonant.kaldi.hmm import TransitionModel


def kernels() -> list[int]:
    """The numbers of lanes that this processor has."""
    nothing = np.zeros((1, 1), np.float32)
    found = []
    for lanes in (4, 8, 16):
        try:
            _native.DiagGmms(nothing[0], nothing, nothing, np.array([1]), lanes)
        except ValueError:
            continue
        found.append(lanes)
    return found


def random_mixtures(seed: int, pdfs: int, dim: int, most: int = 12):
    """(counts, weights, means, inverse variances)"""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, most + 1, pdfs)
    total = int(counts.sum())
    weights = np.concatenate([rng.dirichlet(np.ones(n)) for n in counts])
    return counts, weights, rng.standard_normal((total, dim)), 1 / rng.uniform(0.5, 2, (total, dim))


def packed(counts, weights, means, inverses, lanes: int = 0):
    weights, inverses = weights.astype(np.float32), inverses.astype(np.float32)
    means = means.astype(np.float32) * inverses
    gconsts, bad = _native.diag_gconsts(weights, means, inverses)
    assert bad == 0
    return _native.DiagGmms(gconsts, means, inverses, np.cumsum(counts), lanes)


def reference(frames, counts, weights, means, inverses):
    """The definition, in double precision: ((frames, gaussians), (frames, pdfs))."""
    distance = ((frames[:, None] - means) ** 2 * inverses).sum(2)
    constant = np.log(weights) + 0.5 * np.log(inverses / (2 * np.pi)).sum(1)
    components = constant - 0.5 * distance
    ends = np.cumsum(counts)
    parts = [components[:, end - n : end] for n, end in zip(counts, ends, strict=True)]
    return components, np.stack([np.logaddexp.reduce(part, 1) for part in parts], 1)


@pytest.mark.parametrize("lanes", kernels())
@pytest.mark.parametrize(
    ("pdfs", "dim", "frames", "most"), [(1, 1, 1, 1), (3, 5, 200, 9), (40, 39, 150, 12), (2, 13, 70, 500)]
)
def test_every_kernel_is_the_definition(lanes: int, pdfs: int, dim: int, frames: int, most: int):
    given = random_mixtures(pdfs, pdfs, dim, most)
    x = np.random.default_rng(dim).standard_normal((frames, dim)).astype(np.float32)
    gmms = packed(*given, lanes)
    assert gmms.lanes == lanes
    components, mixtures = reference(x.astype(np.float64), *given)
    np.testing.assert_allclose(gmms.component_log_likelihoods(x), components, rtol=1e-5, atol=2e-4)
    found, bad = gmms.log_likelihoods(x)
    assert bad == -1
    np.testing.assert_allclose(found, mixtures, rtol=1e-5, atol=2e-4)


@given(
    seed=st.integers(0, 1000),
    frames=st.integers(0, 150),
    start=st.integers(0, 150),
    threads=st.integers(1, 3),
)
def test_a_value_depends_on_its_frame_alone(seed: int, frames: int, start: int, threads: int):
    """Bit for bit, whatever other frames are computed with it, on however many threads."""
    given = random_mixtures(seed % 5, 7, 6)
    gmms = packed(*given)
    x = np.random.default_rng(seed).standard_normal((frames, 6)).astype(np.float32)
    whole, _ = gmms.log_likelihoods(x, 0.0, 1)
    assert whole.shape == (frames, 7)
    part, _ = gmms.log_likelihoods(x[min(start, frames) :], 0.0, threads)
    np.testing.assert_array_equal(part, whole[min(start, frames) :])
    np.testing.assert_array_equal(
        gmms.component_log_likelihoods(x[:1], threads), gmms.component_log_likelihoods(x)[:1]
    )


def test_long_inputs_on_threads():
    gmms = packed(*random_mixtures(1, 5, 4))
    x = np.random.default_rng(0).standard_normal((5000, 4)).astype(np.float32)
    one, several = gmms.log_likelihoods(x, 0.0, 1)[0], gmms.log_likelihoods(x, 0.0, 3)[0]
    np.testing.assert_array_equal(one, several)
    np.testing.assert_array_equal(one[4100:4110], gmms.log_likelihoods(x[4100:4110])[0])


def test_pruning():
    """Gaussians that are further below the best than this do not count."""
    counts, weights = np.array([3]), np.array([0.5, 0.3, 0.2])
    means, inverses = np.array([[0.0], [2.0], [4.0]]), np.ones((3, 1))
    gmms, x = packed(counts, weights, means, inverses), np.zeros((1, 1), np.float32)
    components, _ = reference(x, counts, weights, means, inverses)
    for prune, kept in ((0.0, 3), (1.0, 1), (3.0, 2), (20.0, 3)):
        expected = np.logaddexp.reduce(components[0, :kept])
        assert gmms.log_likelihoods(x, prune)[0][0, 0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_values_that_are_not_finite_are_named(value: float):
    model = acoustic_model()
    x = np.zeros((100, 6), np.float32)
    x[77, 3] = value
    with pytest.raises(AcousticModelError, match="frame 77 under mixture 0 is"):
        model.log_likelihoods_matrix(x)
    with pytest.raises(AcousticModelError, match="finite"):
        model.log_likelihood(0, x[77])
    with pytest.raises(AcousticModelError, match="finite"):
        model.get_pdf(0).component_posteriors(x[77])


def acoustic_model(seed: int = 0, pdfs: int = 7) -> AmDiagGmm:
    counts, weights, means, inverses = random_mixtures(seed, pdfs, 6)
    model, end = AmDiagGmm(), 0
    for count in counts:
        rows = slice(end, end + int(count))
        gmm = DiagGmm(int(count), 6)
        gmm.set_weights(weights[rows])
        gmm.set_inv_vars_and_means(inverses[rows], means[rows])
        gmm.compute_gconsts()
        model.add_pdf(gmm)
        end = rows.stop
    return model


def test_all_pdfs_together_are_each_alone():
    model = acoustic_model()
    x = np.random.default_rng(3).standard_normal((90, 6)).astype(np.float32)
    together = model.log_likelihoods_matrix(x).numpy()
    assert together.shape == (90, 7)
    alone = [[model.log_likelihood(pdf, frame) for pdf in range(7)] for frame in x]
    np.testing.assert_array_equal(together, np.array(alone, np.float32))
    empty = model.log_likelihoods_matrix(np.zeros((0, 6)))
    assert empty.numpy().shape in ((0, 7), (0, 0))


def test_a_change_of_one_pdf_is_seen_by_all():
    model = acoustic_model()
    x = np.random.default_rng(3).standard_normal((20, 6)).astype(np.float32)
    before = model.log_likelihoods_matrix(x).numpy().copy()
    model.set_gaussian_mean(2, 0, np.full(6, 9.0))
    with pytest.raises(AcousticModelError, match="compute_gconsts"):
        model.log_likelihoods_matrix(x)
    assert model.compute_gconsts() == 0
    after = model.log_likelihoods_matrix(x).numpy()
    assert (after[:, 2] != before[:, 2]).any()
    np.testing.assert_array_equal(np.delete(after, 2, 1), np.delete(before, 2, 1))
    out = np.zeros(6, np.float32)
    model.get_gaussian_mean(2, 0, out)
    np.testing.assert_allclose(out, 9.0, rtol=1e-6)
    model.get_gaussian_variance(2, 0, out)
    assert (out > 0).all()


def test_models_by_hand():
    model = AmDiagGmm()
    assert model.num_pdfs() == model.num_gauss() == model.dim() == 0
    with pytest.raises(AcousticModelError, match="read one first"):
        model.log_likelihoods_matrix(np.zeros((1, 0)))
    source = acoustic_model()
    model.init(source.get_pdf(1), 3)
    assert model.num_pdfs() == 3 and model.num_gauss() == 3 * source.num_gauss_in_pdf(1)
    model.split_pdf(0, source.num_gauss_in_pdf(1) + 2, 0.1)
    assert model.num_gauss_in_pdf(0) == source.num_gauss_in_pdf(1) + 2
    assert source.num_gauss_in_pdf(1) == model.num_gauss_in_pdf(1)
    model.copy_from_am_diag(source)
    assert model.num_gauss() == source.num_gauss()
    with pytest.raises(AcousticModelError, match="of dimension 2"):
        model.add_pdf(DiagGmm(1, 2))
    with pytest.raises(AcousticModelError, match="no pdf 7"):
        model.log_likelihood(7, np.zeros(6))
    with pytest.raises(MatrixError):
        model.log_likelihoods_matrix(np.zeros((3, 5)))


class Transitions(TransitionModel):
    """Transition-id i stands for pdf i - 1."""

    def transition_id_to_pdf(self, trans_id: int) -> int:
        return trans_id - 1

    def num_transition_ids(self) -> int:
        return 7


def test_decodables():
    model = acoustic_model()
    x = np.random.default_rng(3).standard_normal((600, 6)).astype(np.float32)
    expected = model.log_likelihoods_matrix(x).numpy()
    unmapped = DecodableAmDiagGmmUnmapped(model, x)
    mapped = DecodableAmDiagGmm(model, Transitions(), x)
    scaled = DecodableAmDiagGmmScaled(model, Transitions(), x, 0.1)
    own = DecodableAmDiagGmmScaled.own_feats(model, Transitions(), 0.1, -1.0, x)
    for decodable in (unmapped, mapped, scaled, own):
        assert decodable.num_frames_ready() == 600 and decodable.num_indices() == 7
        assert not decodable.is_last_frame(598) and decodable.is_last_frame(599)
        scale = 0.1 if isinstance(decodable, DecodableAmDiagGmmScaled) else 1.0
        for frame in (0, 255, 256, 599, 3):  # back and forth
            for pdf in (0, 6):
                found = decodable.log_likelihood(frame, pdf + 1)
                assert found == pytest.approx(scale * float(expected[frame, pdf]), rel=1e-6)
        for frame, index in ((600, 1), (-1, 1), (0, 8)):
            with pytest.raises(AcousticModelError):
                decodable.log_likelihood(frame, index)
    assert isinstance(mapped.trans_model(), Transitions)


def test_native_refuses_what_does_not_fit():
    ones = np.ones((2, 3), np.float32)
    for arguments in (
        (ones[0, :2], ones, ones, np.array([1])),
        (ones[0, :2], ones, ones, np.array([1, 1, 2])),
        (ones[0], ones, ones, np.array([3])),
        (ones[0, :2], ones, ones[:, :2].copy(), np.array([2])),
        (ones[0, :2], ones, ones, np.array([2]), 5),
    ):
        with pytest.raises(ValueError):
            _native.DiagGmms(*arguments)
    gmms = _native.DiagGmms(ones[0, :2].copy(), ones, ones, np.array([2]))
    with pytest.raises(ValueError, match="dimension"):
        gmms.log_likelihoods(np.zeros((4, 2), np.float32))
