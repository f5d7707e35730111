"""MFCC, fbank, PLP and spectrogram of 60 s of real speech on one thread, no dither: against Kaldi itself.

    pip install kaldi-native-fbank
    python benchmarks/features.py --kaldi PYTHON

PYTHON is an interpreter that has Kaldi in it: Python 3.7 with `pip install 'numpy<1.22' pykaldi==0.2.1` (for
any other version of Python pip installs an empty package of that name). It runs beside this one, on one
thread, and computes when it is asked to. Without it only kaldi-native-fbank is compared, which has no PLP and
no spectrogram.

All take turns, on the same samples, so that whatever else the machine does meets them alike; the times are
CPU times (medians), which a busy machine disturbs less than the clock. Making samples of the kind that a peer
takes is not counted. Every peer's features are compared with ours, to show that nobody is timed for something
else (where a frame is digital silence, Kaldi's PLP is not a number). Then a list of recordings on one thread
and on two, by the clock: the shortest of many turns, since two threads need two cores that do nothing else.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
from kaldi_peer import Peer
from speech import RATE, SECONDS, speech

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

TURNS, LIST, LIST_TURNS = 15, 16, 40
OURS = {
    "mfcc": Mfcc(MfccConfig(dither=0.0)),
    "fbank": Fbank(FbankConfig(dither=0.0, num_mel_bins=80)),
    "plp": Plp(PlpConfig(dither=0.0)),
    "spectrogram": Spectrogram(SpectrogramConfig(dither=0.0)),
}

# What the other interpreter runs: reads the name of a feature, answers with seconds of CPU.
KALDI = """
import importlib, json, sys, time
import numpy as np
from kaldi.matrix import Vector
wave, folder = Vector(np.load(sys.argv[1])), sys.argv[2]
computers = {}
for feature in sys.argv[3:]:
    module = importlib.import_module("kaldi.feat." + feature)
    opts = getattr(module, feature.capitalize() + "Options")()
    opts.frame_opts.dither = 0.0
    if feature == "fbank":
        opts.mel_opts.num_bins = 80
    computers[feature] = getattr(module, feature.capitalize())(opts)
    np.save(folder + "/" + feature + ".npy", computers[feature].compute(wave, 1.0).numpy())
print("ready", flush=True)
for line in sys.stdin:
    started = time.process_time()
    computers[line.strip()].compute(wave, 1.0)
    print(time.process_time() - started, flush=True)
"""


class Kaldi(Peer):
    """Kaldi in another process: `ask(feature)` is the seconds of CPU of one turn."""

    def __init__(self, python: str, samples: np.ndarray, folder: str):
        wave = str(Path(folder) / "wave.npy")
        np.save(wave, samples * 32768)
        super().__init__(python, ["-c", KALDI, wave, folder, *OURS])
        self.features = {feature: np.load(Path(folder) / f"{feature}.npy") for feature in OURS}


def native(feature: str, samples: list[float]) -> np.ndarray:
    """kaldi-native-fbank's."""
    options = {"mfcc": knf.MfccOptions, "fbank": knf.FbankOptions}[feature]()
    options.frame_opts.dither = 0.0
    if feature == "fbank":
        options.mel_opts.num_bins = 80
    stream = {"mfcc": knf.OnlineMfcc, "fbank": knf.OnlineFbank}[feature](options)
    stream.accept_waveform(RATE, samples)
    stream.input_finished()
    return np.stack([stream.get_frame(i) for i in range(stream.num_frames_ready)])


def timed(compute: Callable[[], object]) -> float:
    started = time.process_time()
    compute()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kaldi", help="a Python 3.7 with pykaldi 0.2.1 and numpy below 1.22")
    python = parser.parse_args().kaldi
    samples = speech()
    numbers = (samples * 32768).tolist()

    with tempfile.TemporaryDirectory() as folder:
        kaldi = Kaldi(python, samples, folder) if python else None
        print(f"{SECONDS} s of speech, one thread, CPU ms, medians of {TURNS} turns\n")
        print(f"{'':13}{'sonant':>8}{'Kaldi':>8}{'ratio':>7}{'median |diff|':>15}", end="")
        print(f"{'k-n-fbank':>11}{'ratio':>7}{'median |diff|':>15}")
        for feature, ours in OURS.items():
            expected = ours.compute(samples)
            turns: dict[str, list[float]] = {"ours": [], "kaldi": [], "native": []}
            has_native = feature in ("mfcc", "fbank")
            for _ in range(TURNS):
                turns["ours"].append(timed(lambda ours=ours: ours.compute(samples)))
                if kaldi:
                    turns["kaldi"].append(kaldi.ask(feature))
                if has_native:
                    turns["native"].append(timed(lambda feature=feature: native(feature, numbers)))
            used = {name: 1e3 * statistics.median(times) for name, times in turns.items() if times}
            print(f"{feature:13}{used['ours']:8.2f}", end="")
            for name, found in (
                ("kaldi", kaldi.features[feature] if kaldi else None),
                ("native", native(feature, numbers) if has_native else None),
            ):
                width = 8 if name == "kaldi" else 11
                if found is None:
                    print(f"{'-':>{width}}{'-':>7}{'-':>15}", end="")
                    continue
                difference = np.nanmedian(np.abs(found - expected))
                print(f"{used[name]:{width}.1f}{used[name] / used['ours']:7.1f}{difference:15.1e}", end="")
            print()
        if kaldi:
            kaldi.close()

    print(f"\n{LIST} x {SECONDS} s, clock ms, best of {LIST_TURNS}")
    print(f"{'':13}{'1 thread':>10}{'2 threads':>11}{'speed-up':>10}")
    for feature, ours in OURS.items():
        clock: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(LIST_TURNS):
            for threads, times in clock.items():
                started = time.perf_counter()
                ours.compute([samples] * LIST, num_threads=threads)
                times.append(1e3 * (time.perf_counter() - started))
        one, two = (min(times) for times in clock.values())
        print(f"{feature:13}{one:10.1f}{two:11.1f}{one / two:10.2f}")


if __name__ == "__main__":
    main()
