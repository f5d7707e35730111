"""Augmentation: what was asked for is what was done."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonant import audio
from sonant.data import SpecAugment, WaveAugment
from sonant.data.augment import change_speed, mix_noise, narrowband, reverberate
from sonant.errors import ConfigError

SPEECH = Path(__file__).parent / "speech"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return audio.load(SPEECH / "jfk.flac").samples[:64000]


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return audio.load(SPEECH / "0_0_0_0_1_1_1_1.flac", target_rate=16000).samples[:30000]


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


@pytest.mark.parametrize("snr", [-5.0, 0.0, 12.5, 30.0])
@pytest.mark.parametrize("length", [1000, 64000])
def test_noise_is_as_loud_as_asked(speech, noise, snr, length):
    wave = speech[20000 : 20000 + length]
    mixed = mix_noise(wave, noise, snr, np.random.default_rng(0))
    assert mixed.shape == wave.shape and mixed.dtype == np.float32
    assert 10 * np.log10(power(wave) / power(mixed - wave)) == pytest.approx(snr, abs=0.05)


def test_noise_starts_anywhere_and_is_repeated(speech):
    noise = np.sin(np.arange(100) * 0.7).astype(np.float32) + np.linspace(0, 1, 100, dtype=np.float32)
    added = [mix_noise(speech, noise, 0.0, np.random.default_rng(seed)) - speech for seed in range(3)]
    np.testing.assert_allclose(added[0][100:5000], added[0][:4900], atol=1e-6)
    assert not np.allclose(added[0], added[1], atol=1e-3)


def test_silence_is_left_alone(speech, noise):
    silence = np.zeros_like(speech)
    generator = np.random.default_rng(0)
    assert np.array_equal(mix_noise(silence, noise, 10.0, generator), silence)
    assert np.array_equal(mix_noise(speech, np.zeros(50, np.float32), 10.0, generator), speech)
    assert np.array_equal(reverberate(silence, noise), silence)
    assert np.array_equal(reverberate(speech, np.zeros(50, np.float32)), speech)
    nothing = np.zeros(0, np.float32)
    assert len(mix_noise(nothing, noise, 10.0, generator)) == len(reverberate(nothing, noise)) == 0


def test_an_empty_noise_or_response_is_named(speech):
    nothing = np.zeros(0, np.float32)
    with pytest.raises(ConfigError, match="a noise recording has no samples"):
        mix_noise(speech, nothing, 10.0, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="a room impulse response has no samples"):
        reverberate(speech, nothing)


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_speed_changes_length_and_pitch_together(speech, speed):
    assert len(change_speed(speech, speed, 16000)) == pytest.approx(len(speech) / speed, abs=1)
    tone = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    played = change_speed(tone, speed, 16000)
    peak = np.abs(np.fft.rfft(played * np.hanning(len(played)))).argmax() * 16000 / len(played)
    assert peak == pytest.approx(500 * speed, abs=2)
    assert played.dtype == np.float32


@pytest.mark.parametrize("delay", [0, 7, 400])
def test_reverberation_stays_in_time_and_keeps_the_power(speech, delay):
    generator = np.random.default_rng(0)
    tail = generator.standard_normal(4000) * np.exp(-np.arange(4000) / 800) * 0.1
    response = np.concatenate([np.zeros(delay), [1.0], tail]).astype(np.float32)
    wet = reverberate(speech, response)
    assert wet.shape == speech.shape and wet.dtype == np.float32
    assert power(wet) == pytest.approx(power(speech), rel=1e-3)
    lags = range(-20, 21)
    likeness = [float(np.dot(speech[1000:60000], wet[1000 + lag : 60000 + lag])) for lag in lags]
    assert lags[int(np.argmax(likeness))] == 0


def test_reverberation_is_convolution():
    generator = np.random.default_rng(0)
    samples, response = (generator.standard_normal(n).astype(np.float32) for n in (300, 40))
    start = int(np.argmax(np.abs(response)))
    expected = np.convolve(samples, response)[start : start + 300]
    expected *= np.sqrt(power(samples) / power(expected))
    np.testing.assert_allclose(reverberate(samples, response), expected, atol=1e-4)


def test_each_augmentation_has_its_probability(speech, noise):
    wave = speech[:2000]
    response = np.array([1.0, 0.0, 0.5], np.float32)
    changed = {"noise": 0, "reverb": 0}
    for seed in range(400):
        quiet = dict(noises=[noise], responses=[response], gain=(0.0, 0.0))
        for name in changed:
            only = {f"{other}_probability": 0.25 * (other == name) for other in changed}
            result = WaveAugment(**quiet, **only)(wave, np.random.default_rng(seed))
            changed[name] += not np.array_equal(result, wave)
    assert all(70 <= count <= 130 for count in changed.values()), changed


def test_gain_is_within_its_bounds(speech):
    augment = WaveAugment(gain=(-10.0, 3.0))
    gains = [
        10 * np.log10(power(augment(speech, np.random.default_rng(i))) / power(speech)) for i in range(50)
    ]
    assert min(gains) >= -10.01 and max(gains) <= 3.01 and np.ptp(gains) > 8


def test_the_same_generator_gives_the_same(speech, noise):
    augment = WaveAugment(
        noises=[noise], responses=[noise[:500]], noise_probability=0.5, reverb_probability=0.5
    )
    for seed in range(5):
        first, again = (augment(speech, np.random.default_rng([seed, 1])) for _ in range(2))
        assert np.array_equal(first, again)


def runs(masked: torch.Tensor) -> list[int]:
    """Lengths of the runs of True."""
    edges = torch.diff(torch.nn.functional.pad(masked.int(), (1, 1)))
    return ((edges == -1).nonzero() - (edges == 1).nonzero()).flatten().tolist()


@given(
    st.lists(st.integers(1, 120), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(0, 12),
    st.integers(0, 5),
    st.integers(0, 30),
    st.integers(0, 2**31),
)
def test_masks_are_within_their_bounds(
    lengths, frequency_masks, frequency_width, time_masks, time_width, seed
):
    torch.manual_seed(seed)
    augment = SpecAugment(frequency_masks, frequency_width, time_masks, time_width, time_fraction=0.2)
    features = torch.ones(len(lengths), max(lengths), 10)
    masked = augment(features, torch.tensor(lengths)) == 0
    assert (features == 1).all()
    for row, length in zip(masked, lengths, strict=True):
        frames, bins = row.all(dim=1), row.all(dim=0)
        if bins.all() or frames.all():
            continue
        # A cell is masked by its frame or by its bin; no frame beyond the recording is.
        assert torch.equal(row, frames[:, None] | bins)
        assert not frames[length:].any()
        assert int(frames.sum()) <= time_masks * -(-min(5 * time_width, length) // 5)
        assert int(bins.sum()) <= frequency_masks * frequency_width
        assert len(runs(bins)) <= frequency_masks and len(runs(frames)) <= time_masks


def test_masks_differ_between_recordings_and_follow_the_seed():
    features, lengths = torch.ones(3, 100, 40), torch.tensor([100, 100, 100])
    torch.manual_seed(1)
    first, second = SpecAugment()(features, lengths), SpecAugment()(features, lengths)
    torch.manual_seed(1)
    assert torch.equal(SpecAugment()(features, lengths), first)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])


def test_without_masks_nothing_changes():
    features = torch.randn(2, 20, 8)
    augment = SpecAugment(frequency_masks=0, time_masks=0)
    assert torch.equal(augment(features, torch.tensor([20, 11])), features)


def test_masks_of_a_seed_depend_on_nothing_else():
    augment = SpecAugment(time_warp=10, probability=0.8)
    features, lengths = torch.randn(4, 120, 20), torch.tensor([120, 90, 60, 120])
    seeds = [(7, 2, i) for i in (3, 1, 4, 5)]
    together = augment(features, lengths, seeds)
    torch.manual_seed(5)
    for i in range(4):
        length = int(lengths[i])
        # In another batch, with less padding, after other random numbers.
        alone = augment(features[i : i + 1, :length], lengths[i : i + 1], seeds[i : i + 1])
        torch.testing.assert_close(alone[0], together[i, :length])
    for other in ((8, 2, 3), (7, 3, 3), (7, 2, 6)):
        assert not torch.equal(augment(features[:1], lengths[:1], [other])[0], together[0])
    with pytest.raises(ConfigError, match="1 seeds for 4 recordings"):
        augment(features, lengths, seeds[:1])


def test_some_recordings_are_left_as_they_are():
    augment = SpecAugment(probability=0.3)
    features, lengths = torch.ones(500, 50, 10), torch.full((500,), 50)
    same = (augment(features, lengths, [(0, 0, i) for i in range(500)]) == 1).all(dim=(1, 2))
    assert 300 <= int(same.sum()) <= 400


def test_a_warp_moves_time_and_keeps_the_ends():
    augment = SpecAugment(frequency_masks=0, time_masks=0, time_warp=12)
    ramp = torch.arange(100.0)[None, :, None].repeat(200, 1, 3)
    lengths = torch.tensor([100, 80, 27, 26, 5] * 40)
    warped = augment(ramp, lengths, [(0, 0, i) for i in range(200)])
    for before, after, length in zip(ramp, warped, lengths.tolist(), strict=True):
        assert torch.equal(after[length:], before[length:])
        if length <= 26:  # no point is twelve frames from both ends
            assert torch.equal(after, before)
            continue
        line = after[:length, 0]
        assert line[0] == 0 and line[-1] == pytest.approx(length - 1, abs=1e-4)
        assert (line.diff() >= 0).all()
        assert float((line - before[:length, 0]).abs().max()) <= 12.001
    moved = (warped - ramp).abs().amax(dim=(1, 2))[lengths == 100]
    assert float(moved.max()) > 9 and moved.unique().numel() > 10


def spectrum(samples: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(samples)) ** 2


def test_a_narrow_band_has_nothing_above_4_khz(speech):
    found = narrowband(speech, 16000)
    assert found.shape == speech.shape and found.dtype == np.float32
    half = len(speech) // 4  # 4 kHz
    before, after = spectrum(speech), spectrum(found)
    assert after[half:].sum() < 1e-4 * before[half:].sum()
    low = slice(0, half * 3 // 4)
    assert after[low].sum() == pytest.approx(before[low].sum(), rel=0.01)
    # And it is in time.
    assert float(np.dot(found, speech)) / float(np.dot(speech, speech)) > 0.9
    assert len(narrowband(speech[:0], 16000)) == 0
    with pytest.raises(ConfigError, match="sample_rate 8000: is narrow already"):
        narrowband(speech, 8000)


def test_a_narrow_band_has_its_probability(speech):
    quiet = dict(gain=(0.0, 0.0), narrowband_probability=0.25)
    wave = speech[:2000]
    changed = sum(
        not np.array_equal(WaveAugment(**quiet)(wave, np.random.default_rng(i)), wave) for i in range(400)
    )
    assert 70 <= changed <= 130


@pytest.mark.parametrize(
    "options", [dict(noise_probability=1.5), dict(narrowband_probability=-0.1), dict(snr=(20.0, 5.0))]
)
def test_options_that_make_no_sense(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))} .*: expected"):
        WaveAugment(**options)
