"""Pitch of 60 s of real speech on one thread, against Kaldi itself; and Kaldi's resampling.

    python benchmarks/pitch.py --kaldi PYTHON

PYTHON is an interpreter that has Kaldi in it: Python 3.7 with `pip install 'numpy<1.22' pykaldi==0.2.1` (for
any other version of Python pip installs an empty package of that name). It runs beside this one, on one
thread, and computes when it is asked to. Without it only our times are printed.

Both take turns, on the same samples, so that whatever else the machine does meets them alike; the times are
CPU times (medians), which a busy machine disturbs less than the clock. Making samples of the kind that Kaldi
takes is not counted. Kaldi's results are compared with ours, to show that nobody is timed for something else.
Then a list of recordings on one thread and on two, by the clock.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from kaldi_peer import Peer
from speech import SECONDS, speech

from sonant.features import Pitch, PitchConfig, ProcessPitchConfig
from sonant.kaldi.feat.signal import downsample_wave_form

TURNS, LIST = 15, 16
QUIET = ProcessPitchConfig(delta_pitch_noise_stddev=0.0)
CHUNKS = PitchConfig(frames_per_chunk=10, simulate_first_pass_online=True)
OURS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pitch": Pitch().compute,
    "pitch, processed": Pitch(process=QUIET).compute,
    "first pass, chunks of 0.1 s": Pitch(CHUNKS, QUIET).compute,
    "resampled to 8 kHz": lambda samples: downsample_wave_form(16000, samples, 8000).numpy(),
    "resampled by 11025/16000": lambda samples: downsample_wave_form(16000, samples, 11025).numpy(),
}

# What the other interpreter runs: reads the number of a task, answers with seconds of CPU.
KALDI = """
import sys, time
import numpy as np
from kaldi.feat import pitch, signal
from kaldi.matrix import Vector
wave, folder = Vector(np.load(sys.argv[1])), sys.argv[2]
opts, chunks = pitch.PitchExtractionOptions(), pitch.PitchExtractionOptions()
process = pitch.ProcessPitchOptions()
process.delta_pitch_noise_stddev = 0.0
chunks.frames_per_chunk, chunks.simulate_first_pass_online = 10, True
tasks = [
    lambda: pitch.compute_kaldi_pitch(opts, wave),
    lambda: pitch.compute_and_process_kaldi_pitch(opts, process, wave),
    lambda: pitch.compute_and_process_kaldi_pitch(chunks, process, wave),
    lambda: signal.downsample_wave_form(16000, wave, 8000),
    lambda: signal.downsample_wave_form(16000, wave, 11025),
]
for i, task in enumerate(tasks):
    np.save(folder + "/%d.npy" % i, task().numpy())
print("ready", flush=True)
for line in sys.stdin:
    started = time.process_time()
    tasks[int(line)]()
    print(time.process_time() - started, flush=True)
"""


class Kaldi(Peer):
    """Kaldi in another process: `ask(str(i))` is the seconds of CPU of one turn of task i."""

    def __init__(self, python: str, samples: np.ndarray, folder: str):
        wave = str(Path(folder) / "wave.npy")
        np.save(wave, samples * 32768)
        super().__init__(python, ["-c", KALDI, wave, folder])
        self.results = [np.load(Path(folder) / f"{i}.npy") for i in range(len(OURS))]


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

    with tempfile.TemporaryDirectory() as folder:
        kaldi = Kaldi(python, samples, folder) if python else None
        print(f"{SECONDS} s of speech, one thread, CPU ms, medians of {TURNS} turns\n")
        print(f"{'':30}{'sonant':>8}{'Kaldi':>8}{'ratio':>7}   values that differ by more than 1e-5")
        for task, (name, compute) in enumerate(OURS.items()):
            given = samples * np.float32(32768) if name.startswith("resampled") else samples
            expected = compute(given)
            ours, theirs = [], []
            for _ in range(TURNS):
                ours.append(timed(lambda compute=compute, given=given: compute(given)))
                if kaldi:
                    theirs.append(kaldi.ask(str(task)))
            used = 1e3 * statistics.median(ours)
            print(f"{name:30}{used:8.2f}", end="")
            if kaldi:
                peer = 1e3 * statistics.median(theirs)
                largest = np.abs(expected).max(0)  # pitch has up to 400 Hz, samples up to 32768
                differ = np.abs(kaldi.results[task] - expected) > 1e-5 * np.maximum(largest, 1.0)
                print(f"{peer:8.1f}{peer / used:7.1f}   {differ.sum()} of {differ.size}", end="")
            print()
        if kaldi:
            kaldi.close()

    print(f"\n{LIST} x {SECONDS} s, clock ms, medians of 5")
    print(f"{'':30}{'1 thread':>10}{'2 threads':>11}{'speed-up':>10}")
    for name, pitch in (("pitch", Pitch()), ("pitch, processed", Pitch(process=QUIET))):
        clock: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(5):
            for threads, times in clock.items():
                started = time.perf_counter()
                pitch.compute([samples] * LIST, num_threads=threads)
                times.append(1e3 * (time.perf_counter() - started))
        one, two = (statistics.median(times) for times in clock.values())
        print(f"{name:30}{one:10.1f}{two:11.1f}{one / two:10.2f}")


if __name__ == "__main__":
    main()
