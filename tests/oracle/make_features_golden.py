"""Features by Kaldi itself, for tests/features/test_golden.py.

    python tests/oracle/make_features_golden.py waves     # with soundfile: cuts tests/data/speech
    python3.7 tests/oracle/make_features_golden.py        # with pykaldi==0.2.1 and numpy==1.21.6

Writes tests/features/golden/<feature>.npz: for each case the features, and under "cases" what the case is, as
JSON: {name: {"wave": [recording, first, end], "warp": factor, "options": {Kaldi's name: value}}}.
"""

import json
import os
import sys
import tempfile

import numpy as np

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "features", "golden")
SPEECH = os.path.join(os.path.dirname(__file__), "..", "data", "speech")

# Waveforms, as [recording, first sample, end].
SENTENCE, HALF, BIT = ["mandarin16k", 0, 16000], ["mandarin16k", 4000, 12000], ["mandarin16k", 8000, 10000]
ENGLISH, PHONE = ["jfk16k", 0, 16000], ["yesno8k", 0, 8000]
SHORT = [["mandarin16k", 8000, 8000 + n] for n in (80, 399, 400, 401, 560, 1000)]

FRAME = [
    {"frame-length": 20.0},
    {"frame-length": 32.0},
    {"frame-length": 15.5},
    {"frame-length": 15.5, "round-to-power-of-two": False},
    {"round-to-power-of-two": False},
    {"frame-shift": 5.0},
    {"frame-shift": 12.5},
    {"preemphasis-coefficient": 0.0},
    {"preemphasis-coefficient": 0.5},
    {"remove-dc-offset": False},
    {"window-type": "hamming"},
    {"window-type": "hanning"},
    {"window-type": "sine"},
    {"window-type": "rectangular"},
    {"window-type": "blackman"},
    {"window-type": "blackman", "blackman-coeff": 0.3},
    {"snip-edges": False},
]
MEL = [
    {"num-mel-bins": 40},
    {"low-freq": 64.0, "high-freq": 7600.0},
    {"high-freq": -400.0},
    {"htk-mode": True},
]
ENERGY = [
    {"use-energy": True, "energy-floor": 1e9},
    {"use-energy": True, "raw-energy": False},
    {"use-energy": True, "htk-compat": True},
    {"use-energy": False, "htk-compat": True},
    {"use-energy": False},
    {"use-energy": True},
]
CEPSTRA = [{"num-ceps": 7}, {"cepstral-lifter": 0}, {"cepstral-lifter": 10}]
WARPS = [0.8, 0.95, 1.05, 1.2]
YESNO = {"sample-frequency": 8000}
OPTIONS = {
    "fbank": FRAME
    + MEL
    + ENERGY
    + [{"use-log-fbank": False}, {"use-power": False}, {"use-log-fbank": False, "use-power": False}],
    "mfcc": FRAME
    + MEL
    + ENERGY
    + CEPSTRA
    + [
        {"num-ceps": 23, "use-energy": False},
        {"num-mel-bins": 40, "num-ceps": 40, "low-freq": 20, "high-freq": -400, "use-energy": False},
    ],
    "plp": FRAME
    + MEL
    + ENERGY
    + CEPSTRA
    + [
        {"lpc-order": 8, "num-ceps": 9},
        {"lpc-order": 20, "num-ceps": 13, "use-energy": False},
        {"compress-factor": 0.5},
        {"cepstral-scale": 10.0, "use-energy": False},
        {"use-energy": False, "htk-mode": True, "htk-compat": True},
    ],
    "spectrogram": [*FRAME, {"energy-floor": 1e9}, {"raw-energy": False}, {"return-raw-fft": True}],
}


def cases(feature):
    """(name, wave, warp, options), none twice."""
    mel = feature != "spectrogram"
    for wave in (SENTENCE, ENGLISH, HALF, *SHORT) if mel else (HALF, *SHORT):
        yield wave, 1.0, {}
    for wave in SHORT:
        yield wave, 1.0, {"snip-edges": False}
    yield PHONE if mel else ["yesno8k", 2000, 5000], 1.0, YESNO
    for options in OPTIONS[feature]:
        yield HALF if mel else BIT, 1.0, options
    for warp in WARPS if mel else ():
        yield HALF, warp, {}
        yield ["yesno8k", 2000, 6000], warp, dict(YESNO, **{"vtln-low": 60, "vtln-high": 3600})
        yield HALF, warp, {"vtln-low": 300, "vtln-high": 6000, "num-mel-bins": 40}


def compute(feature, wave, warp, options):
    import importlib

    from kaldi.matrix import Vector
    from kaldi.util.options import ParseOptions

    module = importlib.import_module("kaldi.feat." + feature)
    opts = getattr(module, feature.capitalize() + "Options")()
    parser = ParseOptions("")
    opts.register(parser)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        for name, value in dict(options, dither=0).items():
            if name == "htk-mode":  # which no command line of Kaldi's has
                opts.mel_opts.htk_mode = value
                continue
            conf.write(f"--{name}={str(value).lower() if isinstance(value, bool) else value}\n")
        conf.flush()
        parser.read_config_file(conf.name)
    matrix = getattr(module, feature.capitalize())(opts).compute(Vector(wave), warp)
    return np.array(matrix.numpy(), dtype=np.float32)


def make_waves():
    import soundfile

    cut = {}
    for name, file, first, samples in (
        ("mandarin16k", "BAC009S0724W0121.flac", 20000, 16000),
        ("jfk16k", "jfk.flac", 6000, 16000),
        ("yesno8k", "0_0_0_0_1_1_1_1.flac", 4000, 8000),
    ):
        found, _ = soundfile.read(os.path.join(SPEECH, file), dtype="int16")
        cut[name] = found[first : first + samples]
    np.savez_compressed(os.path.join(GOLDEN, "waves.npz"), **cut)


def make_features():
    waves = np.load(os.path.join(GOLDEN, "waves.npz"))
    for feature in OPTIONS:
        described, arrays = {}, {}
        for wave, warp, options in cases(feature):
            recording, first, end = wave
            values = [f"{option}={value}" for option, value in sorted(options.items())]
            name = " ".join([f"{recording}[{first}:{end}]", f"warp={warp:g}", *values])
            assert name not in described, name
            described[name] = {"wave": wave, "warp": warp, "options": options}
            arrays[name] = compute(feature, waves[recording][first:end].astype(np.float32), warp, options)
        arrays = {str(i): arrays[name] for i, name in enumerate(described)}
        np.savez_compressed(
            os.path.join(GOLDEN, feature + ".npz"), cases=np.array(json.dumps(described)), **arrays
        )


if __name__ == "__main__":
    make_waves() if sys.argv[1:] == ["waves"] else make_features()
