"""Kaldi's numbers: against kaldi-native-fbank, and against the definition in double precision.

No implementation in float32 can give the logarithm of an energy that is near float32's epsilon times the
energy of the whole frame, such as that of the empty top band of a recording that was once an MP3: the
rounding of the other frequencies is louder. So the tolerance is 1e-3 wherever a filter holds more than twice
that, and grows in proportion as it holds less. Of linear spectra, the logarithms are compared.
"""

import dataclasses
import random

import kaldi_native_fbank as knf
import numpy as np
import pytest

from sonant import _native
from sonant.errors import FeatureError
from sonant.features import Fbank, FbankConfig
from sonant.features.frames import native_options

TOLERANCE = 1e-3
EPSILON = np.finfo(np.float32).eps


def windows(n: int, kind: str, blackman: float) -> np.ndarray:
    a = 2 * np.pi * np.arange(n) / (n - 1)
    return {
        "povey": (0.5 - 0.5 * np.cos(a)) ** 0.85,
        "hanning": 0.5 - 0.5 * np.cos(a),
        "hamming": 0.54 - 0.46 * np.cos(a),
        "sine": np.sin(0.5 * a),
        "rectangular": np.ones(n),
        "blackman": blackman - 0.5 * np.cos(a) + (0.5 - blackman) * np.cos(2 * a),
    }[kind]


def frames(x: np.ndarray, c: FbankConfig) -> np.ndarray:
    """(frames, frame length): mirrored at both ends unless edges are snipped."""
    length = int(c.sample_frequency * 0.001 * c.frame_length)
    shift = int(c.sample_frequency * 0.001 * c.frame_shift)
    if c.snip_edges:
        count, first = max(0, 1 + (len(x) - length) // shift), 0
    else:
        count, first = (len(x) + shift // 2) // shift, shift // 2 - length // 2
    index = first + shift * np.arange(count)[:, None] + np.arange(length)
    while ((index < 0) | (index >= len(x))).any():
        index = np.where(index < 0, -index - 1, index)
        index = np.where(index >= len(x), 2 * len(x) - 1 - index, index)
    return x[index]


def mel(hertz):
    return 1127.0 * np.log(1.0 + hertz / 700.0)


def hertz(mels):
    return 700.0 * (np.exp(mels / 1127.0) - 1.0)


def warp(f: float, c: FbankConfig, low: float, high: float, vtln_high: float) -> float:
    first, second = c.vtln_low * max(1.0, c.vtln_warp), vtln_high * min(1.0, c.vtln_warp)
    if f < low or f > high:
        return f
    if f < first:
        return low + (first / c.vtln_warp - low) / (first - low) * (f - low)
    if f < second:
        return f / c.vtln_warp
    return high + (high - second / c.vtln_warp) / (high - second) * (f - high)


def filters(padded: int, c: FbankConfig) -> np.ndarray:
    """(bins, padded / 2)"""
    nyquist = c.sample_frequency / 2
    low, high = c.low_freq, c.high_freq if c.high_freq > 0 else nyquist + c.high_freq
    vtln_high = c.vtln_high if c.vtln_high >= 0 else nyquist + c.vtln_high
    edges = np.linspace(mel(low), mel(high), c.num_mel_bins + 2)
    if c.vtln_warp != 1.0:
        edges = np.array([mel(warp(hertz(m), c, low, high, vtln_high)) for m in edges])
    m = mel(np.arange(padded // 2) * c.sample_frequency / padded)
    left, center, right = (edges[i : i + c.num_mel_bins, None] for i in range(3))
    weights = np.maximum(0, np.minimum((m - left) / (center - left), (right - m) / (right - center)))
    if c.htk_mode and low > 0:
        weights[0, np.flatnonzero(weights[0])[0]] = 0
    return weights


def fbank(samples: np.ndarray, c: FbankConfig) -> np.ndarray:
    """(frames, dim) float64. No dither."""
    x = frames(samples.astype(np.float64) * c.sample_scale, c)
    length = x.shape[1]
    padded = 1 << (length - 1).bit_length() if c.round_to_power_of_two else length
    if c.remove_dc_offset:
        x = x - x.mean(1, keepdims=True)
    energy = (x**2).sum(1)
    x = x - c.preemphasis_coefficient * np.concatenate([x[:, :1], x[:, :-1]], 1)
    x = x * windows(length, c.window_type, c.blackman_coeff)
    if not c.raw_energy:
        energy = (x**2).sum(1)
    spectrum = np.abs(np.fft.rfft(x, padded))[:, : padded // 2]
    y = (spectrum**2 if c.use_power else spectrum) @ filters(padded, c).T
    if c.htk_mode:
        y = np.maximum(y, 1.0)
    if c.use_log_fbank:
        y = np.log(np.maximum(y, EPSILON))
    if not c.use_energy:
        return y
    log_energy = np.log(np.maximum(np.maximum(energy, EPSILON), c.energy_floor))[:, None]
    return np.concatenate([y, log_energy] if c.htk_compat else [log_energy, y], 1)


def kaldi_native(samples: np.ndarray, c: FbankConfig) -> np.ndarray:
    options = knf.FbankOptions()
    frame, mels = options.frame_opts, options.mel_opts
    frame.samp_freq = c.sample_frequency
    frame.frame_length_ms = c.frame_length
    frame.frame_shift_ms = c.frame_shift
    frame.dither = 0.0
    frame.preemph_coeff = c.preemphasis_coefficient
    frame.remove_dc_offset = c.remove_dc_offset
    frame.window_type = c.window_type
    frame.round_to_power_of_two = c.round_to_power_of_two
    frame.blackman_coeff = c.blackman_coeff
    frame.snip_edges = c.snip_edges
    mels.num_bins = c.num_mel_bins
    mels.low_freq = c.low_freq
    mels.high_freq = c.high_freq
    mels.htk_mode = c.htk_mode
    options.use_energy = c.use_energy
    options.energy_floor = c.energy_floor
    options.raw_energy = c.raw_energy
    options.htk_compat = c.htk_compat
    options.use_log_fbank = c.use_log_fbank
    options.use_power = c.use_power
    stream = knf.OnlineFbank(options)
    stream.accept_waveform(c.sample_frequency, (samples * c.sample_scale).tolist())
    stream.input_finished()
    return np.stack([stream.get_frame(i) for i in range(stream.num_frames_ready)])


def excess(ours: np.ndarray, theirs: np.ndarray, samples: np.ndarray, c: FbankConfig) -> float:
    """The largest difference of the logarithms over its tolerance: at most 1 where the features are equal."""
    plain = dataclasses.replace(c, use_log_fbank=False, htk_mode=False)
    energy_first = dict(use_energy=True, raw_energy=True, energy_floor=0.0, htk_compat=False)
    columns = fbank(samples, dataclasses.replace(plain, **energy_first))
    share = columns[:, 1:] ** (1 if c.use_power else 2) / np.exp(columns[:, :1])
    if c.use_energy:
        share = np.insert(share, c.num_mel_bins if c.htk_compat else 0, 1.0, axis=1)
    if not c.use_log_fbank:
        filters = np.full(ours.shape[1], True)
        if c.use_energy:
            filters[c.num_mel_bins if c.htk_compat else 0] = False
        ours, theirs = (np.where(filters, np.log(np.maximum(y, EPSILON)), y) for y in (ours, theirs))
    tolerance = TOLERANCE * np.maximum(1.0, 2 * EPSILON / np.maximum(share, 1e-30))
    return float((np.abs(ours - theirs) / tolerance).max(initial=0.0))


def check(samples: np.ndarray, c: FbankConfig) -> None:
    ours, theirs = Fbank(c).compute(samples), kaldi_native(samples, c)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    assert excess(ours, theirs, samples, c) <= 1
    assert excess(ours, fbank(samples, c), samples, c) <= 1


def test_every_recording(recordings):
    for _, samples, rate in recordings:
        bins = 80 if rate == 16000 else 40
        check(samples, FbankConfig(sample_frequency=rate, num_mel_bins=bins, dither=0.0))


def test_recordings_without_an_empty_band_differ_by_less_than_the_tolerance_everywhere(recordings):
    full = [
        (x, rate) for name, x, rate in recordings if name.startswith(("BAC009", "0_0_0_0", "1898", "2416"))
    ]
    assert len(full) == 4
    for samples, rate in full:
        c = FbankConfig(sample_frequency=rate, num_mel_bins=80 if rate == 16000 else 40, dither=0.0)
        ours, theirs = Fbank(c).compute(samples), kaldi_native(samples, c)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


CHOICES: dict[str, tuple] = {
    "frame_length": (25.0, 20.0, 32.0, 15.5, 25.125),  # 400, 320, 512, 248 = 2^3 31 and 402 = 2 3 67 samples
    "frame_shift": (10.0, 5.0, 12.5, 40.0),
    "preemphasis_coefficient": (0.97, 0.0, 0.5, 1.0),
    "remove_dc_offset": (True, False),
    "window_type": ("povey", "hamming", "hanning", "blackman", "sine", "rectangular"),
    "round_to_power_of_two": (True, False),
    "blackman_coeff": (0.42, 0.3),
    "snip_edges": (True, False),
    "num_mel_bins": (23, 40, 80, 3),
    "low_freq": (20.0, 0.0, 64.0),
    "high_freq": (0.0, -400.0, 7600.0, 3800.0),
    "htk_mode": (False, True),
    "use_energy": (False, True),
    "energy_floor": (0.0, 2e6, 1e7),
    "raw_energy": (True, False),
    "htk_compat": (False, True),
    "use_log_fbank": (True, False),
    "use_power": (True, False),
}


@pytest.mark.parametrize(("name", "value"), [(n, value) for n in CHOICES for value in CHOICES[n][1:]])
def test_each_option_alone(speech, name, value):
    base = FbankConfig(dither=0.0, use_energy=name in ("energy_floor", "raw_energy", "htk_compat"))
    if name == "blackman_coeff":
        base = dataclasses.replace(base, window_type="blackman")
    changed = dataclasses.replace(base, **{name: value})
    if changed.num_mel_bins == 80:
        changed = dataclasses.replace(changed, low_freq=60.0)
    check(speech, changed)
    assert not np.array_equal(Fbank(changed).compute(speech), Fbank(base).compute(speech))


@pytest.mark.parametrize("seed", range(60))
def test_options_together(speech, seed):
    draw = random.Random(seed)
    c = FbankConfig(dither=0.0, **{name: draw.choice(values) for name, values in CHOICES.items()})
    try:
        Fbank(c)
    except FeatureError as error:  # 80 filters on a short transform
        assert "num_mel_bins=80" in str(error) or "num_mel_bins=40" in str(error)
        c = dataclasses.replace(c, num_mel_bins=20)
    check(speech[: draw.randrange(2000, 30000)], c)


@pytest.mark.parametrize("vtln_warp", [0.7, 0.8, 0.95, 1.05, 1.2, 1.4])
@pytest.mark.parametrize("knees", [(100.0, -500.0), (300.0, 6000.0)])
def test_vocal_tract_length_warp(speech, vtln_warp, knees):
    c = FbankConfig(dither=0.0, num_mel_bins=40, vtln_low=knees[0], vtln_high=knees[1], vtln_warp=vtln_warp)
    ours = Fbank(c).compute(speech)
    assert excess(ours, fbank(speech, c), speech, c) <= 1
    assert np.abs(ours - Fbank(dataclasses.replace(c, vtln_warp=1.0)).compute(speech)).max() > 0.1


def test_sample_scale(speech):
    scaled = Fbank(FbankConfig(dither=0.0)).compute(speech)
    integers = Fbank(FbankConfig(dither=0.0, sample_scale=1.0)).compute(speech * np.float32(32768))
    np.testing.assert_array_equal(scaled, integers)


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_every_kernel_that_this_processor_has(speech, lanes):
    magnitudes = FbankConfig(dither=0.0, round_to_power_of_two=False, use_power=False, use_energy=True)
    for c in (FbankConfig(dither=0.0), magnitudes):
        try:
            kernel = _native.FrameFeature(native_options(_native.FbankOptions, c), lanes)
        except FeatureError as error:
            assert lanes > 4 and "where the processor has as many" in str(error)
            return
        assert kernel.lanes == lanes
        (ours,) = kernel.compute([speech], [1.0], 1)
        assert excess(ours, fbank(speech, c), speech, c) <= 1


@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("num_samples", [0, 1, 79, 80, 81, 399, 400, 401, 559, 560, 561, 1000])
def test_short_waveforms(speech, num_samples, snip_edges):
    c = FbankConfig(dither=0.0, snip_edges=snip_edges, use_energy=True)
    samples = speech[20000 : 20000 + num_samples]
    features = Fbank(c).compute(samples)
    expected = max(0, 1 + (num_samples - 400) // 160) if snip_edges else (num_samples + 80) // 160
    assert features.shape == (expected, 24)
    assert Fbank(c).num_frames(num_samples) == expected
    if len(features):
        assert excess(features, fbank(samples, c), samples, c) <= 1


def test_digital_silence():
    silence = np.zeros(1000, np.float32)
    features = Fbank(FbankConfig(dither=0.0, use_energy=True)).compute(silence)
    np.testing.assert_allclose(features, np.log(EPSILON), rtol=1e-6)
    np.testing.assert_array_equal(Fbank(FbankConfig(dither=0.0, htk_mode=True)).compute(silence), 0.0)
    np.testing.assert_array_equal(Fbank(FbankConfig(dither=0.0, use_log_fbank=False)).compute(silence), 0.0)
