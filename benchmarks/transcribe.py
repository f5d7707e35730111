"""Real-time factor, memory, load and import time of the bundled model, on one core.

    python benchmarks/transcribe.py [--seconds 120] [--runs 5]

Real speech of tests/data, repeated to the length asked. pocketsphinx (`pip install pocketsphinx`), a whole
system with a bundled English model as this one, is timed on the same audio in the same run: the ratio is CPU
seconds against CPU seconds, one thread each. It knows 134,000 words and a trigram where ours has none: the
ratio says nothing of accuracy.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

import sonant
from sonant import audio

SPEECH = Path(__file__).resolve().parent.parent / "tests" / "data" / "speech"


def speech(seconds: float) -> np.ndarray:
    """English recordings of tests/data, one after the other, as often as it takes."""
    waves = [audio.load(path).samples for path in sorted(SPEECH.glob("*.mp3"))]
    return np.resize(np.concatenate(waves), int(seconds * 16000))


def cpu_seconds(work, runs: int) -> float:
    """Median over the runs of the CPU time of one."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def import_seconds(runs: int) -> float:
    code = "import time; t = time.perf_counter(); import sonant; print(time.perf_counter() - t)"
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(runs)
    ]
    return statistics.median(float(seconds) for seconds in found)


def pocketsphinx_seconds(wave: np.ndarray, runs: int) -> float | None:
    try:
        import pocketsphinx
    except ImportError:
        print("pocketsphinx is not installed: pip install pocketsphinx")
        return None
    decoder = pocketsphinx.Decoder(samprate=16000, loglevel="FATAL")
    pcm = (wave * 32767).astype("<i2").tobytes()

    def work() -> None:
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()

    return cpu_seconds(work, runs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    result: dict[str, float] = {"import_sonant_s": import_seconds(options.runs)}
    began = time.perf_counter()
    model = sonant.load(threads=1)
    result["load_s"] = time.perf_counter() - began
    wave = speech(options.seconds)
    for head in ("ctc", "transducer"):
        for decoder in ("greedy", "beam"):
            work = partial(model.transcribe, wave, sample_rate=16000, decoder=decoder, head=head)
            seconds = cpu_seconds(work, options.runs)
            result[f"rtf_{head}_{decoder}"] = seconds / options.seconds
    pieces = [wave[i : i + 1600] for i in range(0, len(wave), 1600)]

    def stream() -> None:
        with model.stream() as session:
            for piece in pieces:
                session.feed(piece)
            session.finish()

    result["rtf_stream_100ms"] = cpu_seconds(stream, options.runs) / options.seconds
    result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peer = pocketsphinx_seconds(wave, max(1, options.runs // 2))
    if peer is not None:
        result["rtf_pocketsphinx"] = peer / options.seconds
        result["ratio"] = result["rtf_pocketsphinx"] / result[f"rtf_{model.config.head}_greedy"]
    print(f"{options.seconds:.0f} s of speech, one thread, medians of {options.runs}, CPU time")
    for name, value in result.items():
        print(f"{name:24}{value:10.4f}")


if __name__ == "__main__":
    main()
