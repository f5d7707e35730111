"""kaldi.feat.pitch: PyKaldi's names, shapes and numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonant.errors import FeatureError, MatrixError, SonantError
from sonant.features import Pitch, PitchConfig, ProcessPitchConfig
from sonant.kaldi.feat.pitch import (
    OnlinePitchFeature,
    OnlineProcessPitch,
    PitchExtractionOptions,
    ProcessPitchOptions,
    compute_and_process_kaldi_pitch,
    compute_kaldi_pitch,
    process_pitch,
)
from sonant.kaldi.itf import OnlineBaseFeature, OnlineFeatureInterface
from sonant.kaldi.matrix import DoubleVector, Matrix, SubVector, Vector
from sonant.kaldi.util.options import ParseOptions

TESTS = Path(__file__).parents[2]
GOLDEN = np.load(TESTS / "features" / "golden" / "pitch.npz")
DESCRIBED = json.loads(str(GOLDEN["cases"]))
ONLINE = [(f"c{i}", case) for i, case in enumerate(DESCRIBED["cases"]) if case["kind"] == "online"]


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    """Two seconds on the scale of 16-bit integers."""
    file, begin, end = DESCRIBED["excerpts"]["aishell"]
    return soundfile.read(TESTS / "data" / "speech" / file, dtype="int16")[0][begin:end].astype(np.float32)


def options(kind, **values):
    made = kind()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def pieces(samples: np.ndarray, lengths: list[int]):
    at, i = 0, 0
    while at < len(samples):
        yield samples[at : at + lengths[i % len(lengths)]]
        at += lengths[i % len(lengths)]
        i += 1


def rows(online: OnlineFeatureInterface) -> np.ndarray:
    found = Matrix(online.num_frames_ready(), online.dim())
    online.get_frames(list(range(online.num_frames_ready())), found)
    return found.numpy()


@pytest.mark.parametrize(("key", "case"), ONLINE)
def test_online_is_kaldis_at_every_piece(key, case, wave):
    pitch = OnlinePitchFeature(options(PitchExtractionOptions, **case["pitch"]))
    processed = OnlineProcessPitch(options(ProcessPitchOptions, delta_pitch_noise_stddev=0.0), pitch)
    ready = []
    for i, piece in enumerate(pieces(wave, case["chunks"])):
        pitch.accept_waveform(16000.0, SubVector(piece))
        ready.append([pitch.num_frames_ready(), processed.num_frames_ready()])
        if i == 12 and f"{key}_middle" in GOLDEN:
            differs = ~np.isclose(rows(pitch), GOLDEN[f"{key}_middle"], rtol=1e-5, atol=2e-6)
            assert differs.any(1).sum() <= 1  # where two paths tie
    pitch.input_finished()
    ready.append([pitch.num_frames_ready(), processed.num_frames_ready()])
    assert ready == GOLDEN[f"{key}_ready"].tolist()
    np.testing.assert_allclose(rows(pitch), GOLDEN[key], rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(rows(processed), GOLDEN[f"{key}_processed"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("frames_per_chunk", [1, 10])
def test_online_is_offline_at_the_end_of_the_input(frames_per_chunk, wave):
    """In chunks as long as the options say, all numbers are those of the offline functions, bit for bit."""
    opts = options(PitchExtractionOptions, frames_per_chunk=frames_per_chunk)
    process_opts = ProcessPitchOptions(delay=2)
    pitch = OnlinePitchFeature(opts)
    processed = OnlineProcessPitch(process_opts, pitch)
    for piece in pieces(wave, [160 * frames_per_chunk]):
        pitch.accept_waveform(16000.0, piece)
    pitch.input_finished()
    track = compute_kaldi_pitch(opts, wave)
    np.testing.assert_array_equal(rows(pitch), track.numpy())
    np.testing.assert_array_equal(rows(processed), process_pitch(process_opts, track).numpy())
    together = compute_and_process_kaldi_pitch(opts, process_opts, wave)
    np.testing.assert_array_equal(rows(processed), together.numpy())


def test_the_first_pass_is_what_an_online_decoder_sees(wave):
    opts = options(
        PitchExtractionOptions, frames_per_chunk=10, simulate_first_pass_online=True, max_frames_latency=4
    )
    process_opts = ProcessPitchOptions(normalization_right_context=15)
    pitch = OnlinePitchFeature(opts)
    processed = OnlineProcessPitch(process_opts, pitch)
    seen, seen_processed = [], []
    chunks = list(pieces(wave, [1600]))
    for i, chunk in enumerate(chunks):
        pitch.accept_waveform(16000.0, Vector(chunk))
        if i + 1 == len(chunks):
            pitch.input_finished()
        for online, frames in ((pitch, seen), (processed, seen_processed)):
            for frame in range(len(frames), online.num_frames_ready()):
                frames.append(Vector(online.dim()))
                online.get_frame(frame, frames[-1])
    np.testing.assert_array_equal(np.stack(seen), compute_kaldi_pitch(opts, wave).numpy())
    np.testing.assert_array_equal(
        np.stack(seen_processed), compute_and_process_kaldi_pitch(opts, process_opts, wave).numpy()
    )


@pytest.mark.parametrize("kind", [Vector, SubVector, DoubleVector, np.array, list])
def test_results_are_matrices_whatever_holds_the_samples(kind, wave):
    track = compute_kaldi_pitch(PitchExtractionOptions(), kind(wave))
    assert isinstance(track, Matrix)
    np.testing.assert_array_equal(track.numpy(), Pitch(PitchConfig(sample_scale=1.0)).compute(wave))
    processed = process_pitch(ProcessPitchOptions(), track.numpy())
    assert isinstance(processed, Matrix)
    together = compute_and_process_kaldi_pitch(PitchExtractionOptions(), ProcessPitchOptions(), kind(wave))
    np.testing.assert_array_equal(processed.numpy(), together.numpy())
    both = Pitch(PitchConfig(sample_scale=1.0), ProcessPitchConfig())
    np.testing.assert_array_equal(together.numpy(), both.compute(wave))


def test_where_there_is_no_frame_the_matrix_is_empty():
    for length in (0, 1, 300):
        short = np.zeros(length, np.float32)
        assert compute_kaldi_pitch(PitchExtractionOptions(), short).shape == (0, 0)
        both = compute_and_process_kaldi_pitch(PitchExtractionOptions(), ProcessPitchOptions(), short)
        assert both.shape == (0, 0)
    assert process_pitch(ProcessPitchOptions(), Matrix()).shape == (0, 0)


def test_options_have_kaldis_names_on_command_lines(wave):
    parser = ParseOptions("")
    opts, process_opts = PitchExtractionOptions(), ProcessPitchOptions()
    opts.register(parser)
    process_opts.register(parser)
    line = (
        "x --sample-frequency=8000 --frame-shift=5 --preemphasis-coefficient=0.1 --resample-frequency=3000 "
        "--max-frames-latency=7 --simulate-first-pass-online --snip-edges=false --add-raw-log-pitch=true "
        "--delta-pitch-noise-stddev=0 --normalization-left-context=9"
    )
    parser.parse_args(line.split())
    assert (opts.samp_freq, opts.frame_shift_ms) == (8000, 5)
    assert (opts.preemph_coeff, opts.resample_freq) == (0.1, 3000)
    assert (opts.max_frames_latency, opts.simulate_first_pass_online, opts.snip_edges) == (7, True, False)
    assert process_opts.add_raw_log_pitch
    assert process_opts.normalization_left_context == 9
    assert process_opts.delta_pitch_noise_stddev == 0
    assert (opts.nccf_window_size, opts.nccf_window_shift) == (75, 15)


def test_defaults_are_those_of_the_configurations():
    """Which the golden files hold to Kaldi's."""
    pairs = (PitchExtractionOptions(), PitchConfig()), (ProcessPitchOptions(), ProcessPitchConfig())
    for opts, config in pairs:
        for name, declared in opts.__dataclass_fields__.items():
            assert getattr(opts, name) == getattr(config, declared.metadata["name"].replace("-", "_")), name


def test_online_features_keep_the_interface(wave):
    pitch = OnlinePitchFeature(PitchExtractionOptions())
    processed = OnlineProcessPitch(ProcessPitchOptions(delay=3), pitch)
    assert isinstance(pitch, OnlineBaseFeature)
    assert isinstance(processed, OnlineFeatureInterface)
    assert (pitch.dim(), processed.dim()) == (2, 3)
    assert pitch.frame_shift_in_seconds() == processed.frame_shift_in_seconds() == 0.01
    assert (pitch.num_frames_ready(), processed.num_frames_ready()) == (0, 0)
    assert not pitch.is_last_frame(-1)
    assert not processed.is_last_frame(-1)
    pitch.accept_waveform(16000, wave[:16000])
    assert (pitch.num_frames_ready(), processed.num_frames_ready()) == (96, 24)
    assert not pitch.is_last_frame(95)
    pitch.input_finished()
    pitch.input_finished()
    assert (pitch.num_frames_ready(), processed.num_frames_ready()) == (98, 101)
    assert [pitch.is_last_frame(frame) for frame in (-1, 0, 96, 97)] == [False, False, False, True]
    assert [processed.is_last_frame(frame) for frame in (-1, 0, 2, 99, 100)] == [False] * 4 + [True]
    scattered = np.zeros((4, 3), np.float32)
    processed.get_frames([5, 6, 3, 100], scattered)
    np.testing.assert_array_equal(scattered, rows(processed)[[5, 6, 3, 100]])
    nothing = OnlinePitchFeature(PitchExtractionOptions())
    after = OnlineProcessPitch(ProcessPitchOptions(), nothing)
    nothing.input_finished()
    assert (after.num_frames_ready(), after.is_last_frame(-1), nothing.is_last_frame(-1)) == (0, True, True)


def test_wrong_use_is_named(wave):
    pitch = OnlinePitchFeature(PitchExtractionOptions())
    with pytest.raises(FeatureError, match="samples of 8000 Hz; expected the options' samp_freq=16000"):
        pitch.accept_waveform(8000.0, wave)
    pitch.accept_waveform(16000.0, wave)
    with pytest.raises(FeatureError, match="frame 1000 was asked for; expected 0 to"):
        pitch.get_frame(1000, Vector(2))
    with pytest.raises(FeatureError, match="frame -1 was asked for"):
        pitch.get_frames([0, -1], Matrix(2, 2))
    with pytest.raises(MatrixError, match="expected 2"):
        pitch.get_frame(0, Vector(3))
    pitch.input_finished()
    with pytest.raises(FeatureError, match="input is finished"):
        pitch.accept_waveform(16000.0, wave)
    processed = OnlineProcessPitch(ProcessPitchOptions(), pitch)
    with pytest.raises(FeatureError, match="src has frames of 3 features; expected 2"):
        OnlineProcessPitch(ProcessPitchOptions(), processed)
    with pytest.raises(FeatureError, match="input: 4x3; expected frames x 2"):
        process_pitch(ProcessPitchOptions(), Matrix(4, 3))
    with pytest.raises(FeatureError, match="pitch 0 Hz"):
        process_pitch(ProcessPitchOptions(), Matrix(4, 2))
    with pytest.raises(FeatureError, match="max_f0=10"):
        compute_kaldi_pitch(PitchExtractionOptions(max_f0=10.0), wave)
    with pytest.raises(SonantError):
        compute_kaldi_pitch(PitchExtractionOptions(), Matrix(2, 2))
    with pytest.raises(FeatureError, match="is nan; expected finite"):
        compute_kaldi_pitch(PitchExtractionOptions(), np.full(1000, np.nan, np.float32))
