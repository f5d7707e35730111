import numpy as np
import pytest

from sonant.errors import FeatureError
from sonant.features import Fbank, FbankConfig

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
