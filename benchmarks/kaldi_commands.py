"""A pipe of a recipe, in threads and in processes, against Kaldi; and how long a command takes to start.

    python benchmarks/kaldi_commands.py --kaldi PYTHON

PYTHON is an interpreter that has Kaldi in it: Python 3.7 with `pip install 'numpy<1.22' pykaldi==0.2.1`.
Without it only our times are printed. All compute MFCC with deltas of the same waveforms and write them to an
archive; times are CPU times of all processes and threads together (medians of turns).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import soundfile

from sonant.kaldi import commands

SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
UTTERANCES, SECONDS, TURNS = 400, 5, 5
SONANT = Path(sys.executable).with_name("sonant")
CHAIN = "{0}compute-mfcc-feats --dither=0 scp:wav.scp ark:- | {0}add-deltas ark:- ark:- |"
KALDI = """
from kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
from kaldi.feat.mfcc import Mfcc, MfccOptions
from kaldi.util.table import MatrixWriter, SequentialWaveReader
opts, deltas = MfccOptions(), DeltaFeaturesOptions()
opts.frame_opts.dither = 0
mfcc = Mfcc(opts)
with MatrixWriter("ark:kaldi.ark") as writer:
    for key, wave in SequentialWaveReader("scp:wav.scp"):
        writer[key] = compute_deltas(deltas, mfcc.compute_features(wave.data()[0], wave.samp_freq, 1.0))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kaldi", help="an interpreter with pykaldi")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_waves()
        silence()
        work: dict[str, Callable[[], object]] = {
            "threads (sonant kaldi, in this process)": lambda: in_threads("threads.ark"),
            "processes (a shell's pipe)": lambda: subprocess.run(
                [
                    "sh",
                    "-c",
                    CHAIN.format(f"{SONANT} kaldi ") + f" {SONANT} kaldi copy-feats ark:- ark:shell.ark",
                ],
                check=True,
                stderr=subprocess.DEVNULL,
            ),
        }
        if arguments.kaldi:
            work["Kaldi (pykaldi, no pipe)"] = lambda: subprocess.run(
                [arguments.kaldi, "-c", KALDI], check=True
            )
        print(f"MFCC and deltas of {UTTERANCES} x {SECONDS} s of speech, CPU s")
        times = {name: median(one) for name, one in work.items()}
        for name, seconds in times.items():
            ratio = seconds / times["threads (sonant kaldi, in this process)"]
            print(f"  {name:<42}{seconds:7.3f}  {ratio:5.1f}x")
        assert Path("threads.ark").read_bytes() == Path("shell.ark").read_bytes()
        empty = [sys.executable, "-c", "import numpy"]
        start = [str(SONANT), "kaldi", "feat-to-dim", "--print-args=false", "ark:threads.ark", "/dev/null"]
        bare, command = (
            median(lambda line=line: subprocess.run(line, check=True)) for line in (empty, start)
        )
        print(f"start and end of a command: {command:.3f} s, of Python with numpy {bare:.3f} s")
        begun = time.perf_counter()
        for _ in range(100):
            commands.run(
                ["feat-to-dim", "--print-args=false", "ark:copy-feats scp:one.scp ark:- |", "/dev/null"]
            )
        print(f"of a stage in a thread: {(time.perf_counter() - begun) * 10:.2f} ms by the clock")


def in_threads(target: str) -> None:
    commands.run(["copy-feats", f"ark:{CHAIN.format('sonant kaldi ')}", f"ark:{target}"])


def write_waves() -> None:
    samples, rate = soundfile.read(SPEECH / "jfk.flac", dtype="int16")
    lines = []
    for number in range(UTTERANCES):
        first = number * 37 % (len(samples) - SECONDS * rate)
        name = f"u{number:04}"
        soundfile.write(f"{name}.wav", samples[first : first + SECONDS * rate], rate, subtype="PCM_16")
        lines.append(f"{name} {name}.wav\n")
    Path("wav.scp").write_text("".join(lines))
    commands.run(["compute-mfcc-feats", "scp:wav.scp", "ark,scp:mfcc.ark,mfcc.scp"])
    Path("one.scp").write_text(Path("mfcc.scp").read_text().splitlines()[0] + "\n")


def silence() -> None:
    """Commands speak on standard error."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def median(work: Callable[[], object]) -> float:
    """CPU seconds of this process and those that it starts."""

    def spent() -> float:
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    times = []
    for _ in range(TURNS):
        before = spent()
        work()
        times.append(spent() - before)
    return statistics.median(times)


if __name__ == "__main__":
    main()
