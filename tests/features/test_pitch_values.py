"""Kaldi's pitch: golden files from Kaldi itself, and the definition in double precision.

Where two paths cost the same but for the rounding of floats, ours may be the other one: of the golden files'
24,750 frames that is so at 5, and at 20 more of those without a penalty for steps, where many paths tie. The
definition tells what each of them costs.
"""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonant import _native
from sonant.errors import FeatureError
from sonant.features import Pitch, PitchConfig, ProcessPitchConfig, process_pitch
from sonant.features.frames import native_options

GOLDEN = np.load(Path(__file__).parent / "golden" / "pitch.npz")
DESCRIBED = json.loads(str(GOLDEN["cases"]))
CASES = [dict(case, key=f"c{i}") for i, case in enumerate(DESCRIBED["cases"])]
SPEECH = Path(__file__).parents[1] / "data" / "speech"
NAMES = dict(
    samp_freq="sample_frequency",
    resample_freq="resample_frequency",
    frame_length_ms="frame_length",
    frame_shift_ms="frame_shift",
    preemph_coeff="preemphasis_coefficient",
)


def cases(*kinds: str):
    chosen = [case for case in CASES if case["kind"] in kinds]
    return pytest.mark.parametrize("case", chosen, ids=[f"{c['key']}-{c.get('wave')}" for c in chosen])


def config_of(case: dict) -> PitchConfig:
    rate = 8000.0 if case["wave"] == "yesno" else 16000.0
    options = {NAMES.get(name, name): value for name, value in case["pitch"].items()}
    return PitchConfig(sample_frequency=rate, sample_scale=1.0, **options)


def process_of(case: dict) -> ProcessPitchConfig:
    return ProcessPitchConfig(delta_pitch_noise_stddev=0.0, **case.get("process", {}))


@pytest.fixture(scope="module")
def waves() -> dict[str, np.ndarray]:
    """The excerpts, on the scale of 16-bit integers."""
    found = {}
    for name, (file, begin, end) in DESCRIBED["excerpts"].items():
        found[name] = soundfile.read(SPEECH / file, dtype="int16")[0][begin:end].astype(np.float32)
    return found


# ---- The definition (Ghahremani et al. 2014), in double precision


def sinc(t: np.ndarray, cutoff: float, zeros: int) -> np.ndarray:
    hanning = 0.5 + 0.5 * np.cos(2 * np.pi * cutoff / zeros * t)
    return np.where(np.abs(t) < zeros / (2 * cutoff), hanning, 0.0) * 2 * cutoff * np.sinc(2 * cutoff * t)


def downsampled(x: np.ndarray, c: PitchConfig) -> np.ndarray:
    factor = c.sample_frequency / c.resample_frequency
    n = math.ceil(len(x) / factor)
    reach = int(c.lowpass_filter_width * c.sample_frequency / (2 * c.lowpass_cutoff)) + 2
    padded = np.pad(x.astype(np.float64), reach + 1)
    nearest = np.round(np.arange(n) * factor).astype(int)
    index = nearest[:, None] + np.arange(-reach, reach + 1)
    t = index / c.sample_frequency - np.arange(n)[:, None] / c.resample_frequency
    filters = sinc(t, c.lowpass_cutoff, c.lowpass_filter_width) / c.sample_frequency
    return (padded[np.minimum(index + reach + 1, len(padded) - 1)] * filters).sum(1)


class Definition:
    """The NCCF of every frame and state of a waveform, and what a path through them costs."""

    def __init__(self, x: np.ndarray, c: PitchConfig):
        y = downsampled(x * c.sample_scale, c)
        rate = c.resample_frequency
        window, shift = int(rate * c.frame_length / 1000), int(rate * c.frame_shift / 1000)
        margin = c.upsample_filter_width / (2 * rate)
        first, last = math.ceil(rate * (1 / c.max_f0 - margin)), math.floor(rate * (1 / c.min_f0 + margin))
        self.lags = (1 / c.max_f0) * (1 + c.delta_pitch) ** np.arange(
            1 + math.floor(math.log(c.max_f0 / c.min_f0 * (1 + 1e-7)) / math.log1p(c.delta_pitch))
        )
        full = window + last
        if c.snip_edges:
            starts = shift * np.arange(max(0, (len(y) - window) // shift + 1))
        else:
            starts = (2 * np.arange(int(len(y) / shift + 0.5)) + 1) * shift // 2 - full // 2
        ballast = (self.energies(y, x, c, full, starts) * window) ** 2 * c.nccf_ballast
        measured = np.arange(first, last + 1)
        weights = sinc(self.lags[:, None] - measured / rate, rate / 2, c.upsample_filter_width) / rate
        self.pitch, self.pov = [], []
        for start, lift in zip(starts, ballast, strict=True):
            index = start + np.arange(full)
            inside = (index >= 0) & (index < len(y))
            z = np.where(inside, y[np.clip(index, 0, len(y) - 1)], 0.0)
            if c.preemphasis_coefficient:
                before = np.where(np.arange(full) == inside.argmax(), z, np.roll(z, 1))
                z = np.where(inside, z - c.preemphasis_coefficient * before, 0.0)
            z = z - z[:window].mean()
            lagged = np.lib.stride_tricks.sliding_window_view(z, window)[measured]
            products, norms = lagged @ z[:window], (lagged**2).sum(1) * (z[:window] ** 2).sum()
            self.pitch.append(weights @ (products / np.sqrt(norms + lift + 1e-30)))
            self.pov.append(weights @ (products / np.sqrt(norms + 1e-30)))
        self.local = 1 - np.array(self.pitch) * (1 - c.soft_min_f0 * self.lags)
        self.factor = c.penalty_factor * math.log1p(c.delta_pitch) ** 2

    @staticmethod
    def energies(y: np.ndarray, x: np.ndarray, c: PitchConfig, full: int, starts: np.ndarray) -> np.ndarray:
        """The mean square of what had been seen when each frame was complete: it may have come in chunks."""
        energies = np.full(len(starts), np.var(y))
        if chunk := int(c.frames_per_chunk * c.sample_frequency * c.frame_shift / 1000):
            reach = c.lowpass_filter_width * c.sample_frequency / (2 * c.lowpass_cutoff)
            for end in range(len(x) // chunk * chunk, 0, -chunk):
                seen = max(0, math.ceil((end - reach) * c.resample_frequency / c.sample_frequency))
                energies[starts + full <= seen] = np.var(y[:seen])
        return energies

    def best_path(self) -> list[int]:
        states = np.arange(len(self.lags))
        steps = self.factor * (states[:, None] - states) ** 2
        cost, origins = np.zeros(len(states)), []
        for local in self.local:
            total = steps + cost
            origins.append(total.argmin(1))
            cost = total.min(1) + local
        path = [int(cost.argmin())]
        for origin in origins[:0:-1]:
            path.append(int(origin[path[-1]]))
        return path[::-1]

    def cost(self, path: np.ndarray) -> float:
        jumps = np.diff(path).astype(float)
        return float(self.local[np.arange(len(path)), path].sum() + self.factor * (jumps**2).sum())

    def states(self, pitch: np.ndarray) -> np.ndarray:
        return np.abs(np.log(pitch[:, None] * self.lags)).argmin(1)


# ---- Kaldi's own numbers


def differing(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.abs(ours / theirs - 1) > 1e-5)


@cases("pitch")
def test_the_track_is_kaldis(case, waves):
    ours, theirs = Pitch(config_of(case)).compute(waves[case["wave"]]), GOLDEN[case["key"]]
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    other = differing(ours[:, 1], theirs[:, 1])
    assert len(other) <= (18 if case["pitch"].get("penalty_factor") == 0 else 1)
    same = np.setdiff1d(np.arange(len(ours)), other)
    np.testing.assert_allclose(ours[same, 0], theirs[same, 0], rtol=0, atol=2e-6)


@cases("process")
def test_processing_is_kaldis(case):
    ours = process_pitch(GOLDEN["track"], process_of(case))
    assert ours.shape == GOLDEN[case["key"]].shape
    np.testing.assert_allclose(ours, GOLDEN[case["key"]], rtol=0, atol=1e-5)


@cases("both")
def test_computing_and_processing_is_kaldis(case, waves):
    pitch = Pitch(config_of(case), process_of(case))
    ours = pitch.compute(waves[case["wave"]])
    assert ours.shape == GOLDEN[case["key"]].shape
    assert ours.shape[1] == pitch.dim
    np.testing.assert_allclose(ours, GOLDEN[case["key"]], rtol=0, atol=1e-4)


def defined(case: dict) -> bool:
    """The definition knows chunks, but not how the first frames are searched again later."""
    c = config_of(case)
    searched_again = c.frames_per_chunk > 0 and c.recompute_frame > 0
    return not (searched_again or c.nccf_ballast_online or c.simulate_first_pass_online)


def check_definition(c: PitchConfig, wave: np.ndarray, *tracks: np.ndarray) -> None:
    definition = Definition(wave, c)
    best = definition.cost(np.array(definition.best_path()))
    for track in tracks:
        assert len(track) == len(definition.local)
        states = definition.states(track[:, 1])
        assert definition.cost(states) - best < 2e-6  # of a cost of about 1 in each frame
        of_path = np.array(definition.pov)[np.arange(len(states)), states]
        np.testing.assert_allclose(track[:, 0], of_path, rtol=0, atol=3e-5)


@cases("pitch")
def test_ours_and_kaldis_track_are_the_best_by_definition(case, waves):
    if defined(case):
        wave = waves[case["wave"]]
        check_definition(config_of(case), wave, Pitch(config_of(case)).compute(wave), GOLDEN[case["key"]])


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_every_kernel_that_this_processor_has(waves, lanes):
    changes = (
        dict(),
        dict(frame_length=24.25, max_f0=390.0, lowpass_filter_width=2),
        dict(delta_pitch=0.0004),
        dict(resample_frequency=3999.0, delta_pitch=0.3, upsample_filter_width=1),
    )
    for change in changes:
        c = PitchConfig(sample_scale=1.0, **change)
        try:
            kernel = _native.Pitch(native_options(_native.PitchOptions, c), None, lanes)
        except FeatureError as error:
            assert lanes > 4 and "where the processor has as many" in str(error)
            return
        wave = waves["child"][8000 : 9500 if "delta_pitch" in change else 14000]
        check_definition(c, wave, *kernel.compute([wave], 1))


def test_sample_scale(waves):
    integers = Pitch(PitchConfig(sample_scale=1.0)).compute(waves["child"])
    np.testing.assert_array_equal(Pitch().compute(waves["child"] / np.float32(32768)), integers)


def test_more_steps_than_one_search_level_holds(waves):
    wave = waves["child"][8000:10000]
    c = PitchConfig(sample_scale=1.0, delta_pitch=0.00004)  # 51,989 of them
    ours = Pitch(c).compute(wave)
    coarse = Pitch(dataclasses.replace(c, delta_pitch=0.005)).compute(wave)
    np.testing.assert_allclose(ours[:, 1], coarse[:, 1], rtol=0.01)


def test_silence():
    """Every path costs the same: the first state of each frame, which is the highest pitch."""
    for config in (PitchConfig(), PitchConfig(frames_per_chunk=5)):
        track = Pitch(config).compute(np.zeros(16000, np.float32))
        assert track.shape == (98, 2)
        np.testing.assert_array_equal(track, np.array([[0.0, 400.0]], np.float32).repeat(98, 0))


def test_a_constant_is_not_periodic_nor_trouble():
    track = Pitch().compute(np.full(16000, 0.25, np.float32))
    assert track.shape == (98, 2)
    assert np.isfinite(track).all()


def test_a_tone_has_its_pitch():
    t = np.arange(32000) / 16000
    for hertz in (61.0, 100.0, 234.5, 390.0):
        wave = (0.3 * np.sign(np.sin(2 * np.pi * hertz * t))).astype(np.float32)
        track = Pitch().compute(wave)[2:-2]
        np.testing.assert_allclose(track[:, 1], hertz, rtol=0.006)
        assert (track[:, 0] > 0.95).all()


@pytest.mark.parametrize("num_samples", [0, 1, 7, 8, 9, 399, 400, 401, 560])
@pytest.mark.parametrize("snip_edges", [True, False])
def test_short_waveforms(waves, num_samples, snip_edges):
    """Kaldi needs a whole frame of 100 samples at 4 kHz, with either treatment of the edges."""
    c = PitchConfig(snip_edges=snip_edges)
    track = Pitch(c).compute(waves["child"][:num_samples] / np.float32(32768))
    downsampled_length = math.ceil(num_samples / 4)
    frames = (downsampled_length - 100) // 40 + 1 if snip_edges else int(downsampled_length / 40 + 0.5)
    assert track.shape == (frames if downsampled_length >= 100 else 0, 2)
    assert Pitch(c, ProcessPitchConfig()).compute(np.zeros(num_samples, np.float32)).shape[1] == 3


def test_the_noise_of_the_delta(waves):
    wave = waves["child"] / np.float32(32768)
    plain = Pitch(process=ProcessPitchConfig(delta_pitch_noise_stddev=0.0)).compute(wave)
    noisy = Pitch(process=ProcessPitchConfig()).compute(wave)
    np.testing.assert_array_equal(noisy[:, :2], plain[:, :2])
    noise = noisy[:, 2] - plain[:, 2]
    assert abs(noise.mean()) < 0.01
    assert 0.04 < noise.std() < 0.06  # 0.005, scaled by 10
    np.testing.assert_array_equal(Pitch(process=ProcessPitchConfig()).compute(wave), noisy)
    other = Pitch(process=ProcessPitchConfig(seed=1)).compute(wave)
    assert abs(np.corrcoef(other[:, 2] - plain[:, 2], noise)[0, 1]) < 0.2


def test_windows_longer_than_the_waveform_and_of_one_frame(waves):
    track = GOLDEN["track"]
    logs = np.log(track[:, 1].astype(np.float64))
    whole = ProcessPitchConfig(
        normalization_left_context=10**9, normalization_right_context=10**9, delta_pitch_noise_stddev=0.0
    )
    n = np.minimum(np.abs(track[:, 0].astype(np.float64)), 1)
    r = -5.2 + 5.4 * np.exp(7.5 * (n - 1)) + 4.8 * n - 2 * np.exp(-10 * n) + 4.2 * np.exp(20 * (n - 1))
    mean = np.average(logs, weights=1 / (1 + np.exp(-r)))
    np.testing.assert_allclose(process_pitch(track, whole)[:, 1], 2 * (logs - mean), atol=2e-6)
    alone = dataclasses.replace(whole, normalization_left_context=0, normalization_right_context=0)
    np.testing.assert_array_equal(process_pitch(track, alone)[:, 1], 0.0)
