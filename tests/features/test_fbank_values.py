"""Kaldi's numbers: against kaldi-native-fbank, and against the definition in double precision.

No implementation in float32 can give the logarithm of an energy that is near float32's epsilon times the
energy of the whole frame, such as that of the empty top band of a recording that was once an MP3: the
rounding of the other frequencies is louder. So the tolerance is 1e-3 wherever a filter holds more than twice
that, and grows in proportion as it holds less. Of linear spectra, the logarithms are compared.
"""

import dataclasses
import random
import runpy
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import pytest

from sonant import _native
from sonant.errors import FeatureError
from sonant.features import Fbank, FbankConfig
from sonant.features.frames import native_options

TOLERANCE = 1e-3
EPSILON = np.finfo(np.float32).eps
fbank = runpy.run_path(str(Path(__file__).with_name("paper.py")))["fbank"]


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
