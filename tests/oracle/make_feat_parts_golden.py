"""The parts of features by Kaldi itself, for tests/kaldi/feat: windows, filters, linear prediction, options.

    python3.7 tests/oracle/make_feat_parts_golden.py    # with pykaldi==0.2.1 and numpy==1.21.6

Writes tests/kaldi/feat/golden/parts.npz, from the waveforms that make_features_golden.py cut.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
from kaldi.feat import fbank, mel, mfcc, online, plp, spectrogram, window
from kaldi.matrix import SubVector, Vector
from kaldi.util.options import ParseOptions

TESTS = os.path.join(os.path.dirname(__file__), "..")
WAVES = np.load(os.path.join(TESTS, "features", "golden", "waves.npz"))
MODULES = {"Fbank": fbank, "Mfcc": mfcc, "Plp": plp, "Spectrogram": spectrogram}

# How the frames of the "window" cases are cut: options, and the frame that is taken.
WINDOWS = [
    [{}, 3],
    [{"preemph_coeff": 0.0, "window_type": "hamming"}, 3],
    [{"remove_dc_offset": False, "frame_length_ms": 20.0}, 2],
    [{"snip_edges": False}, 0],
    [{"snip_edges": False}, 49],
    [{"round_to_power_of_two": False}, 1],
]
RESAMPLED = [
    ["down", "mandarin16k", 16000.0, {"samp_freq": 8000.0, "allow_downsample": True}],
    ["up", "yesno8k", 8000.0, {"samp_freq": 16000.0}],
]


def frame_options(given):
    opts = window.FrameExtractionOptions()
    opts.dither = 0.0
    for name, value in given.items():
        setattr(opts, name, value)
    return opts


def registered(kind):
    """{option: [type, default]}, read from the usage that Kaldi prints."""
    program = (
        f"from kaldi.util.options import ParseOptions; from kaldi.feat.{kind.lower()} import {kind}Options; "
        f"po = ParseOptions(''); {kind}Options().register(po); po.print_usage()"
    )
    ran = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=True)
    text = ran.stderr.decode(errors="replace")
    found = re.findall(r"^  --([\w-]+) +: .*\((\w+), default = (.*)\)$", text, re.MULTILINE)
    return {name: [kind, default] for name, kind, default in found}


def main():
    wave = WAVES["mandarin16k"][4000:12000].astype(np.float32)
    arrays, told = {}, {"windows": WINDOWS, "options": {kind: registered(kind) for kind in MODULES}}

    counts = []
    for given, frame in WINDOWS:
        opts = frame_options(given)
        function, cut = window.FeatureWindowFunction.from_options(opts), Vector()
        window.extract_window(0, Vector(wave), frame, opts, function, cut)
        arrays[f"window {len(counts)}"] = cut.numpy().copy()
        counts.append(
            [window.num_frames(n, opts, flush) for n in (0, 399, 400, 1000, 8000) for flush in (True, False)]
            + [window.first_sample_of_frame(7, opts)]
        )
    told["counts"] = counts

    windowed = arrays["window 0"]
    for kind, module in MODULES.items():
        opts = getattr(module, kind + "Options")()
        computer = getattr(module, kind + "Computer")(opts)
        feature = Vector(computer.dim())
        computer.compute(12.5, 1.1, Vector(windowed), feature)
        arrays["computer " + kind] = feature.numpy().copy()
        told["needs " + kind] = computer.need_raw_log_energy()

    samples = Vector(wave[:400])
    window.preemphasize(samples, 0.9)
    arrays["preemphasized"] = samples.numpy().copy()

    spectrum = np.abs(np.fft.rfft(windowed)) ** 2
    arrays["spectrum"] = spectrum.astype(np.float32)
    for warp in (1.0, 1.15):
        banks = mel.MelBanks(mel.MelBanksOptions(), frame_options({}), warp)
        energies = Vector(banks.num_bins())
        banks.compute(SubVector(arrays["spectrum"]), energies)
        arrays[f"energies {warp:g}"] = energies.numpy().copy()
        arrays[f"centers {warp:g}"] = banks.get_center_freqs().numpy().copy()
        arrays[f"loudness {warp:g}"] = mel.get_equal_loudness_vector(banks).numpy().copy()
    hertz = [10.0, 60.0, 100.0, 105.0, 1000.0, 4000.0, 6900.0, 7400.0, 7999.0, 8100.0]
    told["hertz"] = hertz
    told["mel"] = [mel.MelBanks.mel_scale(f) for f in hertz]
    told["back"] = [mel.MelBanks.inverse_mel_scale(f) for f in hertz]
    told["warped"] = [mel.MelBanks.vtln_warp_freq(100.0, 7500.0, 20.0, 8000.0, 1.1, f) for f in hertz]
    told["warped mel"] = [mel.MelBanks.vtln_warp_mel_freq(100.0, 7500.0, 20.0, 8000.0, 0.9, f) for f in hertz]

    coefficients = Vector(13)
    mel.compute_lifter_coeffs(22.0, coefficients)
    arrays["lifter"] = coefficients.numpy().copy()
    autocorrelation = np.fft.irfft(spectrum)[:13].astype(np.float32)
    predictor = Vector(12)
    told["residual"] = mel.compute_lpc(Vector(autocorrelation), predictor)
    arrays["autocorrelation"], arrays["predictor"] = autocorrelation, predictor.numpy().copy()

    # Waveforms of another rate than that of the options, which allow it.
    for name, recording, rate, given in RESAMPLED:
        opts = mfcc.MfccOptions()
        for option, value in dict(given, dither=0.0).items():
            setattr(opts.frame_opts, option, value)
        if "allow_upsample" not in dir(opts.frame_opts):
            parser = ParseOptions("")
            opts.register(parser)
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
                conf.write("--allow-upsample=true\n")
                conf.flush()
                parser.read_config_file(conf.name)
        opts.mel_opts.high_freq = 3700.0
        samples = Vector(WAVES[recording].astype(np.float32))
        arrays["resampled " + name] = mfcc.Mfcc(opts).compute_features(samples, rate, 1.0).numpy().copy()
        feature = online.OnlineMfcc(opts)
        for start in range(0, len(samples), 1000):
            feature.accept_waveform(rate, Vector(samples[start : start + 1000]))
        feature.input_finished()
        frames = np.zeros((feature.num_frames_ready(), 13), dtype=np.float32)
        for i, row in enumerate(frames):
            frame = Vector(13)
            feature.get_frame(i, frame)
            row[:] = frame.numpy()
        arrays["resampled online " + name] = frames

    path = os.path.join(TESTS, "kaldi", "feat", "golden", "parts.npz")
    np.savez_compressed(path, told=np.array(json.dumps(told)), **arrays)


if __name__ == "__main__":
    main()
