"""MFCC, PLP and spectrogram against their definitions, and MFCC against kaldi-native-fbank."""

import dataclasses
import random

import kaldi_native_fbank as knf
import numpy as np
import pytest

from sonant import _native
from sonant.errors import FeatureError
from sonant.features import Fbank, Mfcc, MfccConfig, Plp, PlpConfig, Spectrogram, SpectrogramConfig
from sonant.features.frames import native_options

FEATURES = {
    "mfcc": (Mfcc, MfccConfig),
    "plp": (Plp, PlpConfig),
    "spectrogram": (Spectrogram, SpectrogramConfig),
}

FRAME: dict[str, tuple] = {
    "frame_length": (25.0, 20.0, 32.0, 15.5, 25.125),
    "frame_shift": (10.0, 5.0, 12.5, 40.0),
    "preemphasis_coefficient": (0.97, 0.5, 1.0),
    "remove_dc_offset": (True, False),
    "window_type": ("povey", "hamming", "hanning", "blackman", "sine"),
    "round_to_power_of_two": (True, False),
    "snip_edges": (True, False),
    "energy_floor": (0.0, 1e7),
    "raw_energy": (True, False),
}
MEL: dict[str, tuple] = {
    "num_mel_bins": (23, 30, 20),
    "low_freq": (20.0, 0.0, 64.0),
    "high_freq": (0.0, -400.0, 7600.0),
    "htk_mode": (False, True),
    "vtln_warp": (1.0, 0.85, 1.15),
    "use_energy": (True, False),
    "htk_compat": (False, True),
    "num_ceps": (13, 5, 1),
    "cepstral_lifter": (22.0, 0.0, 11.5),
}
CHOICES = {
    "mfcc": {**FRAME, **MEL, "num_ceps": (13, 20, 1)},
    "plp": {
        **FRAME,
        **MEL,
        "lpc_order": (12, 16),
        "compress_factor": (0.33333, 0.25, 0.5),
        "cepstral_scale": (1.0, -2.0),
    },
    "spectrogram": {**FRAME, "return_raw_fft": (False, True)},
}


def check(paper, feature, samples, config):
    ours, theirs = FEATURES[feature][0](config).compute(samples), getattr(paper, feature)(samples, config)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    assert np.all(np.abs(ours - theirs) <= paper.tolerance(feature, samples, config))


@pytest.mark.parametrize("feature", FEATURES)
def test_every_recording(paper, recordings, feature):
    for _, samples, rate in recordings:
        check(paper, feature, samples, FEATURES[feature][1](sample_frequency=float(rate), dither=0.0))


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("seed", range(40))
def test_options_together(paper, speech, feature, seed):
    draw = random.Random(seed)
    options = {name: draw.choice(values) for name, values in CHOICES[feature].items()}
    config = FEATURES[feature][1](dither=0.0, **options)
    check(paper, feature, speech[: draw.randrange(2000, 20000)], config)


def native_mfcc(config: MfccConfig) -> knf.OnlineMfcc:
    options = knf.MfccOptions()
    frame, mels = options.frame_opts, options.mel_opts
    frame.samp_freq = config.sample_frequency
    frame.dither = 0.0
    frame.snip_edges = config.snip_edges
    mels.num_bins = config.num_mel_bins
    for name in ("num_ceps", "use_energy", "raw_energy", "htk_compat", "cepstral_lifter", "energy_floor"):
        setattr(options, name, getattr(config, name))
    return knf.OnlineMfcc(options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"snip_edges": False},
        {"use_energy": False, "htk_compat": True},
        {"num_mel_bins": 40, "num_ceps": 20, "raw_energy": False},
    ],
    ids=str,
)
def test_kaldi_native_fbank_piece_by_piece(paper, recordings, options):
    for _, samples, rate in recordings[::3]:
        config = MfccConfig(sample_frequency=float(rate), dither=0.0, **options)
        theirs, ours = native_mfcc(config), Mfcc(config).stream()
        parts, ready = [], 0
        for start in range(0, len(samples), 3000):
            piece = samples[start : start + 3000]
            theirs.accept_waveform(rate, (piece * 32768).tolist())
            parts.append(ours.feed(piece))
            # A frame comes from both at the same moment.
            ready += len(parts[-1])
            assert theirs.num_frames_ready == ready
        theirs.input_finished()
        found = np.concatenate([*parts, ours.finish()])
        expected = np.stack([theirs.get_frame(i) for i in range(theirs.num_frames_ready)])
        assert np.all(np.abs(found - expected) <= paper.tolerance("mfcc", samples, config, times=2))


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_kernel_that_this_processor_has(paper, speech, feature, lanes):
    kind, config = FEATURES[feature][0], FEATURES[feature][1](dither=0.0)
    try:
        kernel = _native.FrameFeature(native_options(kind._Options, config), lanes)
    except FeatureError as error:
        assert lanes > 4 and "where the processor has as many" in str(error)
        return
    (ours,) = kernel.compute([speech], [1.0], 1)
    error = np.abs(ours - getattr(paper, feature)(speech, config))
    assert np.all(error <= paper.tolerance(feature, speech, config))


@pytest.mark.parametrize("kind", [Fbank, Mfcc, Plp])
def test_a_warp_factor_for_each_waveform(speech, kind):
    feature = kind(kind._Config(dither=0.0))
    warps = [0.9, 1.0, 1.1, 0.9]
    together = feature.compute([speech] * 4, vtln_warp=warps, num_threads=2)
    for features, warp in zip(together, warps, strict=True):
        fixed = kind(dataclasses.replace(feature.config, vtln_warp=warp))
        np.testing.assert_array_equal(features, fixed.compute(speech))
        stream = feature.stream(vtln_warp=warp)
        np.testing.assert_array_equal(features, np.concatenate([stream.feed(speech), stream.finish()]))
    assert np.abs(together[0] - together[2]).max() > 0.1
    for warp in np.linspace(0.7, 1.4, 150):  # more than are kept
        feature.compute(speech[:400], vtln_warp=warp)
    np.testing.assert_array_equal(feature.compute(speech, vtln_warp=0.9), together[0])
    np.testing.assert_array_equal(feature.compute([speech], vtln_warp=0.9)[0], together[0])


def test_silence():
    silence = np.zeros(1000, np.float32)
    log_epsilon = np.log(np.finfo(np.float32).eps)
    mfcc = Mfcc(MfccConfig(dither=0.0)).compute(silence)
    np.testing.assert_allclose(mfcc, np.broadcast_to([log_epsilon] + [0.0] * 12, (4, 13)), atol=1e-4)
    # Kaldi's are NaN: a silent frame has no spectrum that could be predicted.
    plp = Plp(PlpConfig(dither=0.0)).compute(silence)
    np.testing.assert_allclose(plp, np.broadcast_to([log_epsilon] + [0.0] * 12, (4, 13)), atol=1e-6)
    spectrogram = Spectrogram(SpectrogramConfig(dither=0.0)).compute(silence)
    np.testing.assert_allclose(spectrogram, log_epsilon, rtol=1e-6)


def test_the_raw_transform_is_that_of_numpy(speech):
    config = SpectrogramConfig(
        dither=0.0,
        return_raw_fft=True,
        frame_length=32.0,
        window_type="rectangular",
        preemphasis_coefficient=0.0,
        remove_dc_offset=False,
        sample_scale=1.0,
    )
    (found,) = Spectrogram(config).compute(speech[20000:20512])
    spectrum = np.fft.rfft(speech[20000:20512].astype(np.float64))
    np.testing.assert_allclose(found[0], spectrum[0].real, atol=1e-5)
    np.testing.assert_allclose(found[1], spectrum[256].real, atol=1e-5)
    np.testing.assert_allclose(found[2:].view(np.complex64), spectrum[1:256], atol=1e-5)
