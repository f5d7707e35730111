"""Transcribe a recording with the bundled model: text, word times, speed.

python examples/demo.py [RECORDING]
"""

import json
import sys
import time
from pathlib import Path

import sonant

SPEECH = Path(__file__).resolve().parent.parent / "tests" / "data" / "speech"
DEFAULT = SPEECH / "84-121123-0021.mp3"


def reference_of(recording: Path) -> str | None:
    """What was really said, for a recording of tests/data/speech."""
    lines = (SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    entries = (json.loads(line) for line in lines if line)
    return next((e["text"] for e in entries if (SPEECH / e["audio"]).resolve() == recording.resolve()), None)


def main() -> None:
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT

    started = time.perf_counter()
    model = sonant.load()
    loaded = time.perf_counter()
    transcript = model.transcribe(recording)
    seconds = time.perf_counter() - loaded

    print(f"recording  {recording.name}, {transcript.duration:.2f} s")
    if reference := reference_of(recording):
        print(f"was said   {reference}")
    print(f"text       {transcript.text}")
    print(f"\n{'word':<16}{'start':>8}{'end':>8}{'confidence':>12}")
    for word in transcript.words:
        print(f"{word.text:<16}{word.start:>8.2f}{word.end:>8.2f}{word.confidence:>12.2f}")
    print(f"\nmodel loaded in {loaded - started:.2f} s, transcribed in {seconds:.2f} s")
    print(f"real-time factor {seconds / transcript.duration:.3f} (1 is as long as the recording)")


if __name__ == "__main__":
    main()
