"""What is done to features (deltas, splicing, normalisation, waveform files), against Kaldi itself.

    python benchmarks/feature_processing.py --kaldi PYTHON

PYTHON is an interpreter that has Kaldi in it: Python 3.7 with `pip install 'numpy<1.22' pykaldi==0.2.1` (for
any other version of Python pip installs an empty package of that name). The same lines, WORK, run in both,
with `kaldi` or `sonant.kaldi` for the package's name, on one thread, turn by turn: CPU times, medians.
"""

import argparse
import json
import statistics
import sys
import tempfile

from kaldi_peer import Peer

TURNS = 15

WORK = """
import json, sys, time
from importlib import import_module

import numpy as np

root, folder = sys.argv[1:]
ff = import_module(root + ".feat.functions")
fo = import_module(root + ".feat.online")
mx = import_module(root + ".matrix")
cmvn = import_module(root + ".transform.cmvn").Cmvn(40)
WaveData = import_module(root + ".feat.wave").WaveData
xopen = import_module(root + ".util.io").xopen

FRAMES = 6000
rng = np.random.RandomState(0)
feats = mx.Matrix(rng.standard_normal((FRAMES, 40)).astype(np.float32))
output, wide, row = mx.Matrix(FRAMES, 40), mx.Matrix(FRAMES, 120), mx.Vector(40)
variance = ff.SlidingWindowCmnOptions()
variance.normalize_variance = True
shifted = ff.ShiftedDeltaFeaturesOptions()
source = fo.OnlineMatrixFeature(feats)
delta = fo.OnlineDeltaFeature(ff.DeltaFeaturesOptions(), source)
cmvn.accumulate(feats)
state = fo.OnlineCmvnState.from_stats(mx.DoubleMatrix(cmvn.stats))
wave = WaveData.from_data(16000.0, mx.Matrix((rng.standard_normal((1, 9600000)) * 1000).astype(np.float32)))

def online(frames):
    normal = fo.OnlineCmvn(fo.OnlineCmvnOptions(), state, source)
    if frames == FRAMES:
        normal.get_frames(list(range(FRAMES)), output)
    else:
        for frame in range(frames):
            normal.get_frame(frame, row)

def write():
    with xopen(folder + "/" + root + ".wav", "wb", write_header=False) as ko:
        wave.write(ko.stream())

def read():
    with xopen(folder + "/" + root + ".wav", "rb") as ki:
        WaveData().read(ki.stream())

WORK = {
    "compute_deltas, order 2": lambda: ff.compute_deltas(ff.DeltaFeaturesOptions(), feats),
    "compute_shift_deltas, 7 blocks": lambda: ff.compute_shift_deltas(shifted, feats),
    "splice_frames, 4 and 4": lambda: ff.splice_frames(feats, 4, 4),
    "sliding_window_cmn": lambda: ff.sliding_window_cmn(ff.SlidingWindowCmnOptions(), feats, output),
    "sliding_window_cmn, variance": lambda: ff.sliding_window_cmn(variance, feats, output),
    "Cmvn.accumulate": lambda: cmvn.accumulate(feats),
    "Cmvn.apply, norm_vars": lambda: cmvn.apply(output, True),
    "OnlineDeltaFeature.get_frames": lambda: delta.get_frames(list(range(FRAMES)), wide),
    "OnlineCmvn.get_frames": lambda: online(FRAMES),
    "OnlineCmvn.get_frame, 1000 of them": lambda: online(1000),
    "WaveData.write, 10 minutes": write,
    "WaveData.read, 10 minutes": read,
}
for call in WORK.values():
    call()
print(json.dumps(list(WORK)), flush=True)
for line in sys.stdin:
    started = time.process_time()
    WORK[line.strip()]()
    print(time.process_time() - started, flush=True)
"""


class Worker(Peer):
    """An interpreter that runs WORK: `ask(name)` is the seconds of CPU of one turn."""

    def __init__(self, python: str, root: str, folder: str):
        super().__init__(python, ["-c", WORK, root, folder], root)
        self.names = json.loads(self.greeting)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kaldi", required=True, help="a Python 3.7 with pykaldi 0.2.1 and numpy below 1.22")
    with tempfile.TemporaryDirectory() as folder:
        ours = Worker(sys.executable, "sonant.kaldi", folder)
        kaldi = Worker(parser.parse_args().kaldi, "kaldi", folder)
        print(f"6000 frames of 40, one thread, CPU ms, medians of {TURNS} turns\n")
        print(f"{'':36}{'sonant':>8}{'Kaldi':>8}{'ratio':>7}")
        for name in ours.names:
            turns = [(ours.ask(name), kaldi.ask(name)) for _ in range(TURNS)]
            mine, theirs = (1000 * statistics.median(times) for times in zip(*turns, strict=True))
            print(f"{name:36}{mine:8.2f}{theirs:8.2f}{theirs / mine:7.1f}")
        ours.close()
        kaldi.close()


if __name__ == "__main__":
    main()
