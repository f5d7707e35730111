"""Archives of 2,000 float matrices of 500 x 80 (320 MB): written, read, read by script in another order.

    pip install kaldi-native-io kaldiio
    python benchmarks/tables.py [--kaldi PYTHON] [--folder DIR]

PYTHON: one that has pykaldi, which holds Kaldi itself: Python 3.7 with `pip install 'numpy<1.22' pykaldi`.
All take turns in one run. Times are the process's CPU times, medians; the file is in the page cache. Of every
matrix that is read the middle value is looked at; before the turns, all are compared. `sonant, mapped` is the
same reader with memory_map=True: nothing is copied until it is used.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable

TURNS = 9
JOBS = ("write", "read", "by script")

# Runs under Python 3.7 too: it is what Kaldi's own process executes.
SHARED = """
import os, time
import numpy as np
N, ROWS, COLS = 2000, 500, 80
MATRICES = [np.random.RandomState(i).standard_normal((ROWS, COLS)).astype(np.float32) for i in range(8)]
KEYS = ["utterance-%04d" % i for i in range(N)]
ORDER = [KEYS[i * 777 % N] for i in range(N)]

def seconds(job, folder, run):
    if job == "write":
        for name in ("a.ark", "a.scp"):
            if os.path.exists(os.path.join(folder, name)):
                os.unlink(os.path.join(folder, name))
    started = time.process_time()
    run(folder + "/a")
    return time.process_time() - started
"""

KALDI = """
import json, sys
from kaldi.matrix import Matrix
from kaldi.util.table import MatrixWriter, RandomAccessMatrixReader, SequentialMatrixReader

OURS = [Matrix(m) for m in MATRICES]
def write(name):
    with MatrixWriter("ark,scp:%s.ark,%s.scp" % (name, name)) as out:
        for i, key in enumerate(KEYS): out[key] = OURS[i % 8]
def read(name):
    with SequentialMatrixReader("ark:%s.ark" % name) as reader:
        for key, matrix in reader: matrix[250, 40]
def by_script(name):
    with RandomAccessMatrixReader("scp:%s.scp" % name) as reader:
        for key in ORDER: reader[key][250, 40]
runs = {"write": write, "read": read, "by script": by_script}
for line in iter(sys.stdin.readline, ""):
    job, folder = json.loads(line)
    print(json.dumps(seconds(job, folder, runs[job])), flush=True)
"""

shared: dict = {}
exec(SHARED, shared)
MATRICES, KEYS, ORDER, seconds = (shared[name] for name in ("MATRICES", "KEYS", "ORDER", "seconds"))


def sonant(memory_map: bool) -> dict[str, Callable]:
    from sonant.kaldi.util.table import MatrixWriter, RandomAccessMatrixReader, SequentialMatrixReader

    def write(name: str) -> None:
        with MatrixWriter(f"ark,scp:{name}.ark,{name}.scp") as out:
            for i, key in enumerate(KEYS):
                out[key] = MATRICES[i % 8]

    def read(name: str) -> None:
        with SequentialMatrixReader(f"ark:{name}.ark", memory_map=memory_map) as reader:
            for _, matrix in reader:
                matrix.numpy()[250, 40]

    def by_script(name: str) -> None:
        with RandomAccessMatrixReader(f"scp:{name}.scp", memory_map=memory_map) as reader:
            for key in ORDER:
                reader[key].numpy()[250, 40]

    return (
        {"read": read, "by script": by_script}
        if memory_map
        else dict(zip(JOBS, (write, read, by_script), strict=True))
    )


def kaldi_native_io() -> dict[str, Callable]:
    import kaldi_native_io as knio

    def write(name: str) -> None:
        with knio.FloatMatrixWriter(f"ark,scp:{name}.ark,{name}.scp") as out:
            for i, key in enumerate(KEYS):
                out.write(key, MATRICES[i % 8])

    def read(name: str) -> None:
        with knio.SequentialFloatMatrixReader(f"ark:{name}.ark") as reader:
            for _, matrix in reader:
                matrix[250, 40]

    def by_script(name: str) -> None:
        with knio.RandomAccessFloatMatrixReader(f"scp:{name}.scp") as reader:
            for key in ORDER:
                reader[key][250, 40]

    return dict(zip(JOBS, (write, read, by_script), strict=True))


def kaldiio() -> dict[str, Callable]:
    import kaldiio

    def write(name: str) -> None:
        with kaldiio.WriteHelper(f"ark,scp:{name}.ark,{name}.scp") as out:
            for i, key in enumerate(KEYS):
                out(key, MATRICES[i % 8])

    def read(name: str) -> None:
        with kaldiio.ReadHelper(f"ark:{name}.ark") as reader:
            for _, matrix in reader:
                matrix[250, 40]

    def by_script(name: str) -> None:
        loaded = kaldiio.load_scp(f"{name}.scp")
        for key in ORDER:
            loaded[key][250, 40]

    return dict(zip(JOBS, (write, read, by_script), strict=True))


def check(folder: str) -> None:
    import numpy as np

    from sonant.kaldi.util.table import SequentialMatrixReader

    for memory_map in (False, True):
        with SequentialMatrixReader(f"scp:{folder}/a.scp", memory_map=memory_map) as reader:
            for i, (key, matrix) in enumerate(reader):
                assert key == KEYS[i]
                np.testing.assert_array_equal(matrix.numpy(), MATRICES[i % 8])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kaldi", metavar="PYTHON", help="a Python that has pykaldi")
    parser.add_argument("--folder", help="where the archives go: on the file system of interest")
    options = parser.parse_args()
    here: dict[str, dict[str, Callable]] = {
        "sonant": sonant(False),
        "sonant, mapped": sonant(True),
        "kaldi-native-io": kaldi_native_io(),
        "kaldiio": kaldiio(),
    }
    names = [*here, "Kaldi"] if options.kaldi else list(here)
    times: dict[tuple[str, str], list[float]] = {(name, job): [] for name in names for job in JOBS}
    kaldi = None
    if options.kaldi:
        kaldi = subprocess.Popen(
            [options.kaldi, "-c", SHARED + KALDI],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for turn in range(TURNS + 1):
            for job in JOBS:
                for name in names:
                    if name == "Kaldi":
                        assert kaldi and kaldi.stdin and kaldi.stdout
                        kaldi.stdin.write(json.dumps([job, folder]) + "\n")
                        took = json.loads(kaldi.stdout.readline())
                    elif job in here[name]:
                        took = seconds(job, folder, here[name][job])
                    else:
                        continue
                    if turn:  # the first warms up
                        times[name, job].append(took)
            if not turn:
                check(folder)
    if kaldi and kaldi.stdin:
        kaldi.stdin.close()
        kaldi.wait()

    megabytes = len(KEYS) * MATRICES[0].nbytes / 1e6
    print(f"{megabytes:.0f} MB: MB per CPU second, medians of {TURNS} turns (and ours / theirs)")
    print(f"{'':18}" + "".join(f"{job:>22}" for job in JOBS))
    medians = {key: statistics.median(taken) for key, taken in times.items() if taken}
    for name in names:
        cells = []
        for job in JOBS:
            took = medians.get((name, job))
            ratio = (
                "" if name.startswith("sonant") or took is None else f" ({took / medians['sonant', job]:.2f})"
            )
            cells.append("" if took is None else f"{megabytes / took:.0f}{ratio}")
        print(f"{name:18}" + "".join(f"{cell:>22}" for cell in cells))
    for job in JOBS:
        peers = {name: medians[name, job] for name in names if not name.startswith("sonant")}
        best = min(peers, key=peers.__getitem__)
        line = f"{job}: fastest peer ({best}) / sonant: {peers[best] / medians['sonant', job]:.2f}"
        if ("sonant, mapped", job) in medians:
            line += f", mapped: {peers[best] / medians['sonant, mapped', job]:.1f}"
        print(line)


if __name__ == "__main__":
    main()
