"""Windows, filters, linear prediction and single frames: Kaldi's numbers (make_feat_parts_golden.py)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sonant.errors import FeatureError, MatrixError, OptionError
from sonant.kaldi.feat.fbank import FbankComputer, FbankOptions
from sonant.kaldi.feat.mel import (
    MelBanks,
    MelBanksOptions,
    compute_lifter_coeffs,
    compute_lpc,
    get_equal_loudness_vector,
)
from sonant.kaldi.feat.mfcc import MfccComputer, MfccOptions
from sonant.kaldi.feat.plp import PlpComputer, PlpOptions
from sonant.kaldi.feat.spectrogram import SpectrogramComputer, SpectrogramOptions
from sonant.kaldi.feat.window import (
    FeatureWindowFunction,
    FrameExtractionOptions,
    dither,
    extract_window,
    first_sample_of_frame,
    num_frames,
    preemphasize,
    process_window,
)
from sonant.kaldi.matrix import SubVector, Vector
from sonant.kaldi.util.options import ParseOptions

COMPUTERS = {
    "Fbank": (FbankComputer, FbankOptions),
    "Mfcc": (MfccComputer, MfccOptions),
    "Plp": (PlpComputer, PlpOptions),
    "Spectrogram": (SpectrogramComputer, SpectrogramOptions),
}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("golden") / "parts.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def told(golden):
    return json.loads(str(golden["told"]))


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    with np.load(Path(__file__).parents[2] / "features" / "golden" / "waves.npz") as archive:
        return archive["mandarin16k"][4000:12000].astype(np.float32)


def frame_options(given: dict) -> FrameExtractionOptions:
    return FrameExtractionOptions(**{"dither": 0.0, **given})


def test_windows(golden, told, wave):
    for i, (given, frame) in enumerate(told["windows"]):
        opts, window = frame_options(given), Vector()
        function = FeatureWindowFunction.from_options(opts)
        log_energy = extract_window(0, Vector(wave), frame, opts, function, window)
        np.testing.assert_allclose(window.numpy(), golden[f"window {i}"], rtol=1e-4, atol=5e-3)
        assert len(window) == opts.padded_window_size()
        assert 10 < log_energy < 30
        counts = [num_frames(n, opts, flush) for n in (0, 399, 400, 1000, 8000) for flush in (True, False)]
        assert [*counts, first_sample_of_frame(7, opts)] == told["counts"][i]


def test_a_window_from_the_middle_of_a_waveform_and_into_an_array(golden, wave):
    opts = frame_options({})
    function = FeatureWindowFunction.from_other(FeatureWindowFunction.from_options(opts))
    window = np.ones(512, np.float32)
    extract_window(100, wave[100:1000], 3, opts, function, window)
    np.testing.assert_allclose(window, golden["window 0"], rtol=1e-4, atol=5e-3)
    processed = wave[480:880].copy()
    process_window(opts, function, processed)
    np.testing.assert_array_equal(processed, window[:400])


BAD_WINDOWS = [
    (0, 8000, 49, {}, "frame 49 is samples 7840 to 8239; wave has 0 to 7999"),
    (500, 1000, 3, {}, "frame 3 is samples 480 to 879; wave has 500 to 1499"),
    (0, 8000, -1, {}, "frame -1 is samples"),
    (0, 0, 0, {"snip_edges": False}, "wave has 0 to -1"),
    (500, 1000, 3, {"snip_edges": False}, "frame 3 begins at sample 360; wave begins at 500"),
]


@pytest.mark.parametrize(("offset", "length", "frame", "given", "message"), BAD_WINDOWS)
def test_windows_that_are_not_in_the_waveform(wave, offset, length, frame, given, message):
    opts = frame_options(given)
    with pytest.raises(FeatureError, match=message):
        extract_window(offset, wave[:length], frame, opts, FeatureWindowFunction.from_options(opts), Vector())


def test_preemphasis_and_noise(golden, wave):
    samples = Vector(wave[:400])
    preemphasize(samples, 0.9)
    np.testing.assert_allclose(samples.numpy(), golden["preemphasized"], atol=1e-3)
    with pytest.raises(FeatureError, match=r"preemph_coeff=1\.5; expected 0 to 1"):
        preemphasize(samples, 1.5)
    noise = Vector(100000)
    dither(noise, 2.0)
    assert abs(noise.numpy().mean()) < 0.03
    assert abs(noise.numpy().std() - 2) < 0.03


@pytest.mark.parametrize("kind", COMPUTERS)
def test_computers(golden, told, kind):
    computer = COMPUTERS[kind][0].from_other(COMPUTERS[kind][0](COMPUTERS[kind][1]()))
    frame, feature = golden["window 0"].copy(), Vector(computer.dim())
    computer.compute(12.5, 1.1, SubVector(frame), feature)
    np.testing.assert_allclose(feature.numpy(), golden[f"computer {kind}"], atol=1e-3)
    assert computer.need_raw_log_energy() is told[f"needs {kind}"]
    assert computer.get_frame_options() == FrameExtractionOptions()
    np.testing.assert_array_equal(frame, golden["window 0"])
    with pytest.raises(FeatureError, match="a windowed frame of 400 samples; expected 512"):
        computer.compute(12.5, 1.0, frame[:400], feature)
    with pytest.raises(MatrixError, match="feature"):
        computer.compute(12.5, 1.0, frame, Vector(3))


@pytest.mark.parametrize("warp", [1.0, 1.15])
def test_mel_filters(golden, warp):
    banks = MelBanks.from_other(MelBanks(MelBanksOptions(), frame_options({}), warp))
    assert banks.num_bins() == 25
    energies = Vector(25)
    for spectrum in (golden["spectrum"], golden["spectrum"][:-1]):
        banks.compute(spectrum, energies)
        np.testing.assert_allclose(energies.numpy(), golden[f"energies {warp:g}"], rtol=1e-4)
    np.testing.assert_allclose(banks.get_center_freqs().numpy(), golden[f"centers {warp:g}"], rtol=1e-5)
    np.testing.assert_allclose(
        get_equal_loudness_vector(banks).numpy(), golden[f"loudness {warp:g}"], rtol=1e-4
    )
    with pytest.raises(FeatureError, match="fft_energies has 100 frequencies; expected 257"):
        banks.compute(golden["spectrum"][:100], energies)


def test_htk_mode_has_no_energy_below_1():
    opts = MelBanksOptions(23)
    opts.htk_mode = True
    energies = Vector(23)
    MelBanks(opts, frame_options({})).compute(np.zeros(257, np.float32), energies)
    np.testing.assert_array_equal(energies.numpy(), 1.0)


def test_mel_scale_and_warp(told):
    for i, f in enumerate(told["hertz"]):
        assert math.isclose(MelBanks.mel_scale(f), told["mel"][i], rel_tol=1e-5)
        assert math.isclose(MelBanks.inverse_mel_scale(f), told["back"][i], rel_tol=1e-5)
        warped = MelBanks.vtln_warp_freq(100.0, 7500.0, 20.0, 8000.0, 1.1, f)
        assert math.isclose(warped, told["warped"][i], rel_tol=1e-5)
        warped = MelBanks.vtln_warp_mel_freq(100.0, 7500.0, 20.0, 8000.0, 0.9, f)
        assert math.isclose(warped, told["warped mel"][i], rel_tol=1e-5)
    with pytest.raises(FeatureError, match="expected low < low knee < high knee < high"):
        MelBanks.vtln_warp_freq(10.0, 7500.0, 20.0, 8000.0, 1.1, 100.0)


def test_lifter_and_linear_prediction(golden, told):
    coefficients, predictor = Vector(13), Vector(12)
    compute_lifter_coeffs(22.0, coefficients)
    np.testing.assert_allclose(coefficients.numpy(), golden["lifter"], rtol=1e-5)
    residual = compute_lpc(Vector(golden["autocorrelation"]), predictor)
    assert math.isclose(residual, told["residual"], rel_tol=1e-4)
    np.testing.assert_allclose(predictor.numpy(), golden["predictor"], atol=1e-3)
    assert compute_lpc(np.zeros(3, np.float32), np.ones(2, np.float32)) == -math.inf
    with pytest.raises(FeatureError, match="an autocorrelation of 1 values; expected two or more"):
        compute_lpc(np.zeros(1, np.float32), np.ones(2, np.float32))


@pytest.mark.parametrize("kind", COMPUTERS)
def test_options_have_the_names_types_and_defaults_of_kaldi(told, kind):
    parser = ParseOptions("")
    opts = COMPUTERS[kind][1]()
    opts.register(parser)
    found = {}
    for name, option in parser._options.items():
        kind_name = {bool: "bool", int: "int", float: "float", str: "string"}[option.kind]
        found[name] = [kind_name, option.shown]
    standard = {"config", "help", "print-args", "verbose"}
    assert found == {name: value for name, value in told["options"][kind].items() if name not in standard}


def test_options_from_a_command_line():
    parser, opts = ParseOptions("usage"), MfccOptions()
    opts.register(parser)
    parser.parse_args(
        ["x", "--use-energy=false", "--num-mel-bins=40", "--sample-frequency=8000", "--low-freq=40", "a"]
    )
    assert (opts.use_energy, opts.mel_opts.num_bins, opts.mel_opts.low_freq) == (False, 40, 40.0)
    assert (opts.frame_opts.samp_freq, opts.frame_opts.window_size()) == (8000.0, 200)
    assert (opts.frame_opts.window_shift(), opts.frame_opts.padded_window_size()) == (80, 256)
    with pytest.raises(OptionError, match=r"MelBanksOptions.num_bins='40' is of type str"):
        opts.mel_opts.num_bins = "40"  # type: ignore
    assert MelBanksOptions(40).num_bins == 40
    assert (MelBanksOptions().num_bins, MfccOptions().mel_opts.num_bins) == (25, 23)
