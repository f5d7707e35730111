"""Options and samples that no pitch can be computed from."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import FeatureError, SonantError
from sonant.features import Pitch, PitchConfig, ProcessPitchConfig, process_pitch

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(sample_frequency=0.0), "sample_frequency=0; expected a rate in Hz above 0"),
        (dict(sample_frequency=16000.5), "sample_frequency=16000.5; expected whole Hz"),
        (dict(sample_frequency=NAN), "sample_frequency=nan"),
        (dict(resample_frequency=-4000.0), "resample_frequency=-4000"),
        (dict(lowpass_cutoff=2500.0), "lowpass_cutoff=2500; expected at most half of sample_frequency=16000"),
        (dict(lowpass_cutoff=0.0), "lowpass_cutoff=0"),
        (dict(lowpass_cutoff=1e-9), "too many weights"),
        (dict(sample_frequency=999999937.0, resample_frequency=4001.0), "too many weights"),
        (dict(lowpass_filter_width=0), "lowpass_filter_width=0; expected 1 or more"),
        (dict(upsample_filter_width=-1), "upsample_filter_width=-1; expected 1 or more"),
        (dict(upsample_filter_width=100), "lags -40 to"),
        (dict(frame_length=0.1), "frame_length=0.1 ms is 0.4 samples at resample_frequency=4000"),
        (dict(frame_length=INF), "frame_length=inf"),
        (dict(frame_shift=-10.0), "frame_shift=-10; expected milliseconds above 0"),
        (dict(frame_shift=1e9), "frame_shift=1e"),
        (dict(min_f0=0.0), "min_f0=0; expected a pitch in Hz above 0"),
        (dict(min_f0=1e-5), "min_f0=1e-05"),
        (dict(max_f0=50.0), "max_f0=50; expected more than min_f0=50"),
        (dict(max_f0=INF), "max_f0=inf"),
        (dict(max_f0=4000.0), "lower max_f0 or the width"),
        (dict(soft_min_f0=-1.0), "soft_min_f0=-1; expected 0 or more"),
        (dict(penalty_factor=NAN), "penalty_factor=nan; expected 0 or more"),
        (dict(nccf_ballast=-1.0), "nccf_ballast=-1; expected 0 or more"),
        (dict(delta_pitch=0.0), "delta_pitch=0; expected a relative step above 0"),
        (dict(delta_pitch=1e-9), "makes too many steps; expected at most 65535"),
        (dict(delta_pitch=2e-5), "makes too many steps"),
        (dict(preemphasis_coefficient=INF), "preemphasis_coefficient=inf"),
        (dict(max_frames_latency=-1), "max_frames_latency=-1; expected 0 or more"),
        (dict(frames_per_chunk=-1), "frames_per_chunk=-1; expected 0 or more"),
        (dict(frames_per_chunk=2**31 - 1), "samples; expected 1 to a billion"),
        (dict(recompute_frame=-1), "recompute_frame=-1; expected 0 or more"),
        (dict(simulate_first_pass_online=True), "expected frames_per_chunk above 0"),
        (dict(sample_scale=0.0), "sample_scale=0; expected 32768 for samples in"),
        (dict(sample_frequency="16000"), "sample_frequency='16000' is of type str; expected a float"),
        (dict(snip_edges=1), "snip_edges=1 is of type int; expected a bool as True"),
        (dict(recompute_frame=1.5), "recompute_frame=1.5 is of type float; expected an int as 500"),
    ],
)
def test_options(options, message):
    with pytest.raises(FeatureError) as caught:
        Pitch(PitchConfig(**options))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(pitch_scale=NAN), "pitch_scale=nan; expected a number"),
        (dict(pov_scale=INF), "pov_scale=inf"),
        (dict(pov_offset=NAN), "pov_offset=nan"),
        (dict(delta_pitch_scale=NAN), "delta_pitch_scale=nan"),
        (dict(delta_pitch_noise_stddev=-0.1), "delta_pitch_noise_stddev=-0.1; expected the deviation"),
        (dict(normalization_left_context=-1), "normalization_left_context=-1; expected 0 or more"),
        (dict(normalization_right_context=-1), "normalization_right_context=-1; expected 0 or more"),
        (dict(delta_window=0), "delta_window=0; expected 1 to 999"),
        (dict(delta_window=1000), "delta_window=1000; expected 1 to 999"),
        (dict(delay=-1), "delay=-1; expected 0 or more"),
        (
            dict.fromkeys(["add_pov_feature", "add_normalized_log_pitch", "add_delta_pitch"], False),
            "no feature is",
        ),
        (dict(seed=-1), "seed=-1 is of type int; expected an int from 0 to 2^64 - 1 as 0"),
        (dict(delay="3"), "delay='3' is of type str; expected an int as 0"),
    ],
)
def test_process_options(options, message):
    with pytest.raises(FeatureError) as caught:
        Pitch(process=ProcessPitchConfig(**options))
    assert message in str(caught.value)
    with pytest.raises(FeatureError) as caught:
        process_pitch(np.ones((3, 2), np.float32), ProcessPitchConfig(**options))
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e10])
@pytest.mark.parametrize("place", [0, 1, 12345, -1])
def test_samples_that_are_no_sound(speech, value, place):
    spoilt = speech.copy()
    spoilt[place] = value
    for config in (PitchConfig(), PitchConfig(frames_per_chunk=10)):
        with pytest.raises(FeatureError, match=f"sample {place % 48000} of 48000 is .*; expected finite"):
            Pitch(config).compute(spoilt)
    with pytest.raises(FeatureError, match=f"waveform 1 of 3: sample {place % len(speech)} of 48000"):
        Pitch().compute([speech, spoilt, spoilt])


def test_samples_of_another_kind(speech):
    for bad, message in [
        (speech.astype(np.float64), "samples: array of float64; expected float32"),
        (speech[None], r"samples: array of shape \(1, 48000\); expected \(samples,\)"),
        ("speech.wav", "samples: str; expected a numpy array"),
        ([speech, 3], "waveform 1 of 2: int; expected a numpy array"),
    ]:
        with pytest.raises(FeatureError, match=message):
            Pitch().compute(bad)
    with pytest.raises(FeatureError, match="num_threads=-1"):
        Pitch().compute(speech, num_threads=-1)


def test_loud_samples_stay_finite():
    loud = np.tile(np.array([1.0, -1.0, 0.5], np.float32) * 2**24, 3000)
    assert np.isfinite(Pitch(PitchConfig(sample_scale=1.0)).compute(loud)).all()
    faint = loud * np.float32(2.0**-149)
    assert np.isfinite(Pitch(PitchConfig(sample_scale=1.0)).compute(faint)).all()


@pytest.mark.parametrize(
    ("track", "message"),
    [
        (np.ones((3, 3), np.float32), "track: 3 columns; expected 2"),
        (np.ones((3, 2)), "track: array of float64; expected float32"),
        (np.ones(2, np.float32), r"track: array of shape \(2,\); expected \(frames, dim\)"),
        ([[1, 2]], "track: list"),
        (np.array([[0.5, 100], [0.5, 0]], np.float32), "frame 1: NCCF 0.5 and pitch 0 Hz"),
        (np.array([[0.5, -100]], np.float32), "frame 0: NCCF 0.5 and pitch -100 Hz"),
        (np.array([[NAN, 100]], np.float32), "frame 0: NCCF nan"),
        (np.array([[0.5, INF]], np.float32), "pitch inf Hz"),
    ],
)
def test_tracks_that_cannot_be_processed(track, message):
    with pytest.raises(FeatureError, match=message):
        process_pitch(track)


def test_an_empty_track_makes_no_frames():
    assert process_pitch(np.zeros((0, 2), np.float32), ProcessPitchConfig(delay=3)).shape == (0, 3)


NUMBERS = st.one_of(
    st.floats(width=32), st.sampled_from([0.0, 1.0, 50.0, 400.0, 1000.0, 4000.0, 16000.0, 25.0, 1e-3, 0.5])
)
COUNTS = st.one_of(st.integers(-1, 30), st.integers(-(2**31), 2**31 - 1))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_options_compute_or_are_refused(data):
    """Whatever the options, no crash, no hang: features of the shape that is due, or a FeatureError."""
    kinds = {float: NUMBERS, int: COUNTS, bool: st.booleans()}
    changes = {
        field.name: data.draw(kinds[type(field.default)])
        for field in dataclasses.fields(PitchConfig)
        if data.draw(st.integers(0, 4)) == 0
    }
    wave = np.sin(np.arange(data.draw(st.integers(0, 3000)), dtype=np.float32))
    try:
        process = data.draw(st.sampled_from([None, ProcessPitchConfig()]))
        track = Pitch(PitchConfig(**changes), process).compute(wave)
    except SonantError:
        return
    assert np.isfinite(track).all()
    assert track.ndim == 2
