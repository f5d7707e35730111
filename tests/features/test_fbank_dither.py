import numpy as np

from sonant import _native
from sonant.features import Fbank, FbankConfig
from sonant.features.frames import native_options

SILENCE = np.zeros(160_000, np.float32)


def frame_energies(config: FbankConfig, num_samples: int = len(SILENCE)) -> np.ndarray:
    """Energy of each frame of dithered silence: the sum of the squares of its noise."""
    return np.exp(Fbank(config).compute(SILENCE[:num_samples])[:, 0].astype(np.float64))


PLAIN = dict(use_energy=True, remove_dc_offset=False)


def test_same_seed_same_features_and_other_seed_others(speech):
    first, again, other = (Fbank(FbankConfig(seed=seed)).compute(speech) for seed in (5, 5, 2**64 - 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_is_normal_with_the_deviation_asked_for():
    for dither in (1.0, 0.1, 3.0):
        # 4000 frames of 40 samples each, side by side: chi-square with 40 degrees of freedom.
        frame = dict(frame_length=2.5, frame_shift=2.5, num_mel_bins=3, low_freq=200.0)
        c = FbankConfig(dither=dither, **frame, **PLAIN)
        energies = frame_energies(c) / dither**2
        assert len(energies) == 4000
        assert abs(energies.mean() - 40) < 5 * np.sqrt(80 / 4000)
        assert abs(energies.var() / 80 - 1) < 0.15  # 1 only if the fourth moment is that of a normal number


def test_noise_is_white_and_has_no_mean():
    # Filters hold energy in proportion to their weights, at low and at high frequencies alike.
    bare = dict(use_log_fbank=False, window_type="rectangular", preemphasis_coefficient=0.0, num_mel_bins=10)
    c = FbankConfig(**bare, **PLAIN)
    flat = Fbank(c).compute(SILENCE)[:, 1:].mean(0)
    impulse = np.zeros(400, np.float32)
    impulse[0] = 1 / 32768
    weights = Fbank(FbankConfig(dither=0.0, **bare, **PLAIN)).compute(impulse)[0, 1:]
    np.testing.assert_allclose(flat / weights, 400, rtol=0.08)


def test_noise_belongs_to_samples_not_to_frames():
    # Frames that overlap contain the same noise: energy over [0, 800) is that over [0, 400) and [400, 800).
    short = frame_energies(FbankConfig(frame_shift=25.0, **PLAIN))
    long = frame_energies(FbankConfig(frame_length=50.0, frame_shift=50.0, **PLAIN))
    np.testing.assert_allclose(short.reshape(-1, 2).sum(1), long, rtol=1e-4)


def test_every_kernel_makes_the_same_noise(speech):
    config = FbankConfig(dither=100.0)
    widest = Fbank(config).compute(speech)
    options = native_options(_native.FbankOptions, config)
    (narrow,) = _native.FrameFeature(options, 4).compute([speech], [1.0], 1)
    np.testing.assert_allclose(narrow, widest, atol=1e-3)
