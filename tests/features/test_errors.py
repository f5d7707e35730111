import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import FeatureError
from sonant.features import (
    Fbank,
    FbankConfig,
    Mfcc,
    MfccConfig,
    Plp,
    PlpConfig,
    Spectrogram,
    SpectrogramConfig,
)

BAD_OPTIONS = [
    (dict(sample_frequency=0.0), "sample_frequency=0 Hz; expected the positive rate"),
    (dict(sample_frequency=float("nan")), "sample_frequency=nan"),
    (dict(frame_length=0.0), "frame_length=0 ms .* is 0 samples; expected 2 to"),
    (dict(frame_length=-25.0), "frame_length=-25 ms"),
    (dict(frame_length=float("inf")), "frame_length=inf ms"),
    (dict(frame_length=1e9), "frame_length=1e[+]09 ms"),
    (dict(frame_shift=0.0), "frame_shift=0 ms .* expected 1 to"),
    (dict(frame_shift=float("nan")), "frame_shift=nan ms"),
    (dict(frame_length=25.0625, round_to_power_of_two=False), "is 401 samples .* expected an even number"),
    (dict(dither=-1.0), "dither=-1; expected the deviation"),
    (dict(preemphasis_coefficient=1.5), "preemphasis_coefficient=1.5; expected 0 to 1"),
    (dict(window_type="kaiser"), "window_type='kaiser'; expected one of 'povey'"),
    (dict(blackman_coeff=float("nan")), "blackman_coeff=nan"),
    (dict(num_mel_bins=0), "num_mel_bins=0; expected at least 3"),
    (dict(num_mel_bins=2), "num_mel_bins=2; expected at least 3"),
    (dict(num_mel_bins=300), r"num_mel_bins=300: filter \d+, .* has no frequency of a 512-point transform"),
    (dict(low_freq=-1.0), "expected 0 <= low < high <= 8000 Hz"),
    (dict(low_freq=4000.0, high_freq=4000.0), "high_freq=4000 make a band from 4000 to 4000 Hz"),
    (dict(high_freq=9000.0), "expected 0 <= low < high <= 8000 Hz"),
    (dict(high_freq=-8000.0), "make a band from 20 to 0 Hz"),
    (dict(low_freq=float("nan")), "low_freq=nan"),
    (dict(vtln_warp=0.0), "vtln_warp=0; expected a positive factor"),
    (dict(vtln_warp=float("nan")), "vtln_warp=nan"),
    (dict(vtln_warp=1.1, vtln_low=10.0), "expected 20 < vtln_low < vtln_high < 8000"),
    (dict(vtln_warp=0.9, vtln_high=8000.0), "put the knees of the warp at 100 and 8000 Hz"),
    (dict(energy_floor=-1.0), "energy_floor=-1"),
    (dict(sample_scale=0.0), "sample_scale=0; expected 32768"),
    (dict(seed=-1), "seed=-1 is of type int; expected an int from 0 to 2.64 - 1"),
    (dict(seed=2**64), "seed=18446744073709551616"),
    (dict(num_mel_bins=80.5), "num_mel_bins=80.5 is of type float; expected an int as 23"),
    (dict(frame_length="25"), "frame_length='25' is of type str; expected a float as 25.0"),
    (dict(snip_edges="no"), "snip_edges='no' is of type str; expected a bool as True"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=lambda x: str(x)[:40])
def test_options_that_make_no_features(options, message):
    with pytest.raises(FeatureError, match=message):
        Fbank(FbankConfig(**options))


def test_unused_warp_options_are_not_checked():
    # Kaldi looks at the knees only where there is a warp.
    assert Fbank(FbankConfig(vtln_low=0.0, vtln_high=9000.0)).dim == 23


BAD_SAMPLES = [
    (np.zeros(1000), r"samples: array of float64; expected float32 .*astype\(numpy.float32\)"),
    (np.zeros(1000, np.int16), "samples: array of int16; expected float32 .*32768"),
    (np.zeros((1000, 2), np.float32), r"array of shape \(1000, 2\); expected \(samples,\), one channel"),
    (np.float32(1), "samples: float32; expected a numpy array"),
    (b"RIFF", "samples: bytes; expected a numpy array"),
    (None, "samples: NoneType"),
    ([np.zeros(10, np.float32), np.zeros(10)], "waveform 1 of 2: array of float64"),
    ([0.5, 0.25], "waveform 0 of 2: float; expected a numpy array"),
]


@pytest.mark.parametrize(("samples", "message"), BAD_SAMPLES, ids=lambda x: str(x)[:40].replace("\n", " "))
def test_samples_of_another_kind(samples, message):
    with pytest.raises(FeatureError, match=message):
        Fbank().compute(samples)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 777, 47_999])
def test_samples_that_are_not_finite(speech, value, where):
    samples = speech.copy()
    samples[where] = value
    with pytest.raises(FeatureError, match=rf"sample {where} of 48000 is {value}; expected finite samples"):
        Fbank().compute(samples)
    with pytest.raises(FeatureError, match=rf"^waveform 1 of 4: sample {where} of 48000 is"):
        Fbank().compute([speech, samples, speech, samples], num_threads=2)


def test_samples_far_too_large(speech):
    samples = speech.copy()
    samples[3] = 1e30
    with pytest.raises(FeatureError, match=r"sample 3 of 48000 is 1e\+30; .* size for sample_scale=32768"):
        Fbank().compute(samples)


def test_counts_that_are_none():
    with pytest.raises(FeatureError, match="num_samples=-1"):
        Fbank().num_frames(-1)
    with pytest.raises(FeatureError, match="num_threads=-1"):
        Fbank().compute([], num_threads=-1)


BAD_CEPSTRA = [
    (Mfcc, MfccConfig(num_ceps=24), "num_ceps=24; expected 1 to 23, num_mel_bins"),
    (Mfcc, MfccConfig(num_ceps=0), "num_ceps=0; expected 1 to 23"),
    (Mfcc, MfccConfig(num_mel_bins=2), "num_mel_bins=2; expected at least 3"),
    (Mfcc, MfccConfig(cepstral_lifter=-1.0), "cepstral_lifter=-1; expected a positive number"),
    (Mfcc, MfccConfig(cepstral_lifter=float("inf")), "cepstral_lifter=inf"),
    (Mfcc, MfccConfig(num_ceps=13.0), "num_ceps=13.0 is of type float; expected an int"),  # type: ignore
    (Plp, PlpConfig(num_ceps=14), "num_ceps=14; expected 1 to 13, lpc_order"),
    (Plp, PlpConfig(lpc_order=0), "lpc_order=0; expected 1 to 24"),
    (Plp, PlpConfig(lpc_order=10**9), "lpc_order=1000000000; expected 1 to 24, num_mel_bins"),
    (Plp, PlpConfig(compress_factor=0.0), "compress_factor=0; expected an exponent above 0"),
    (Plp, PlpConfig(cepstral_scale=float("nan")), "cepstral_scale=nan"),
    (Plp, PlpConfig(cepstral_scale=1e30), "cepstral_scale=1e[+]30; expected a factor"),
    (Spectrogram, SpectrogramConfig(energy_floor=-1.0), "energy_floor=-1"),
    (Spectrogram, SpectrogramConfig(frame_length=0.0), "frame_length=0 ms"),
]


@pytest.mark.parametrize(("kind", "config", "message"), BAD_CEPSTRA)
def test_options_that_make_no_cepstra(kind, config, message):
    with pytest.raises(FeatureError, match=message):
        kind(config)


BAD_WARPS = [
    (0.0, "vtln_warp=0; expected a positive factor"),
    (-1.0, "vtln_warp=-1; expected a positive factor"),
    (float("nan"), "vtln_warp=nan"),
    (float("inf"), "vtln_warp=inf"),
    ("fast", "vtln_warp='fast'; expected a positive factor"),
    ([1.0, 1.0], r"vtln_warp=\[1.0, 1.0\] for one waveform; expected one factor"),
]


@pytest.mark.parametrize(("warp", "message"), BAD_WARPS, ids=str)
def test_warp_factors_that_are_none(speech, warp, message):
    mfcc = Mfcc()
    mfcc.compute(speech, vtln_warp=1.1)
    with pytest.raises(FeatureError, match=message):
        mfcc.compute(speech, vtln_warp=warp)
    with pytest.raises(FeatureError, match="vtln_warp: 1 factors for 2 waveforms; expected one for each"):
        mfcc.compute([speech, speech], vtln_warp=[1.0])
    with pytest.raises(FeatureError, match="vtln_warp=0; expected a positive factor"):
        mfcc.stream(vtln_warp=0.0)
    with pytest.raises(FeatureError, match="put the knees of the warp at 5 and"):
        Mfcc(MfccConfig(vtln_low=5.0)).compute(speech, vtln_warp=1.1)


NUMBERS = st.one_of(st.floats(), st.floats(0, 100), st.sampled_from([0.0, 1.0, 8000.0, -500.0]))
COUNTS = st.one_of(st.integers(-3, 60), st.integers(-(2**31), 2**31 - 1))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([Fbank, Mfcc, Plp, Spectrogram]), st.data())
def test_any_options_make_finite_features_or_an_error(kind, data):
    config = kind._Config()
    drawn = {
        name: data.draw(NUMBERS if isinstance(default, float) else COUNTS, label=name)
        for name, default in vars(config).items()
        if name not in ("sample_frequency", "frame_length", "frame_shift", "seed")  # many samples take long
        and type(default) in (int, float)
        and data.draw(st.integers(0, 9), label=f"other {name}") == 0
    }
    shape = data.draw(st.sampled_from([np.sin, np.sign, np.zeros_like, np.ones_like, np.sinc]), label="shape")
    loudness = data.draw(st.sampled_from([1e-30, 1e-3, 1.0, 1e6]), label="loudness")
    samples = (loudness * shape(np.arange(900) - 300)).astype(np.float32)
    try:
        features = kind(kind._Config(**drawn)).compute(samples)
    except FeatureError:
        return
    assert np.isfinite(features).all()
