"""A recording of three hours is read in bounded memory."""

import subprocess
import sys

SCRIPT = """
import resource, sys, tracemalloc
import numpy as np, soundfile, soxr
from sonant.audio import blocks, describe

path = sys.argv[1]
with soundfile.SoundFile(path, "w", 1000, 2, "PCM_U8", format="WAV") as file:
    minute = np.zeros((60_000, 2), np.float32)
    for _ in range(180):
        file.write(minute)
assert describe(path).duration == 3 * 3600
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tracemalloc.start()
count = sum(len(block) for block in blocks(path, target_rate=4000, seconds=30))
peak = tracemalloc.get_traced_memory()[1]
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count, peak, (after - before) * 1024)
"""


def test_three_hours(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "long.wav")], capture_output=True, text=True, check=True
    )
    count, peak, grown = map(int, done.stdout.split())
    assert count == 3 * 3600 * 4000
    assert peak < 8 << 20  # bytes; the whole is 172 MB
    assert grown < 40 << 20
