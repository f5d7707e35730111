"""Log-likelihoods of 1,000 frames under all pdfs of a model of triphones' size, on one thread: Kaldi and us.

    python benchmarks/gmm.py --kaldi PYTHON

PYTHON: one that has pykaldi, which holds Kaldi itself: Python 3.7 with `pip install 'numpy<1.22' pykaldi`.

The model has 2,000 pdfs of 15,000 Gaussians in all, of 40 dimensions, and is read by both from one file.
Kaldi's likelihoods are those that its decoder asks for: FasterDecoder, through a graph of one state with an
arc for each pdf and no pruning, so that no Python is in the loop; the same search over a matrix of numbers is
timed too, and taken off. A second peer is Kaldi's product of matrices for one mixture of all the Gaussians
(log_likelihoods_matrix), which sums nothing up. They take turns with us; ratios are of CPU times, medians.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from kaldi_peer import Peer

from sonant import _native
from sonant.kaldi.gmm import DiagGmm
from sonant.kaldi.gmm.am import AmDiagGmm

PDFS, GAUSSIANS, DIM, FRAMES, TURNS = 2000, 15000, 40, 1000, 9

KALDI = """
import json, sys, time
import numpy as np
from kaldi.decoder import DecodableMatrixScaled, FasterDecoder, FasterDecoderOptions
from kaldi.fstext import StdArc, StdVectorFst, TropicalWeight
from kaldi.gmm import DiagGmm
from kaldi.gmm.am import AmDiagGmm, DecodableAmDiagGmmUnmapped
from kaldi.matrix import Matrix
from kaldi.util.io import xopen

model, mixture = AmDiagGmm(), DiagGmm()
for obj, name in ((model, "model"), (mixture, "mixture")):
    with xopen(sys.argv[1] + "/" + name) as file:
        obj.read(file.stream(), file.binary)
frames = Matrix(np.load(sys.argv[1] + "/frames.npy"))
graph = StdVectorFst()
state = graph.add_state()
graph.set_start(state)
graph.set_final(state, TropicalWeight.one())
for pdf in range(model.num_pdfs()):
    graph.add_arc(state, StdArc(pdf + 1, 0, TropicalWeight.one(), state))
options = FasterDecoderOptions()
options.beam = 1e9

def search(decodable):
    started = time.process_time()
    FasterDecoder(graph, options).decode(decodable)
    return time.process_time() - started

decodable = DecodableAmDiagGmmUnmapped(model, frames)
sample = [[decodable.log_likelihood(t, pdf + 1) for pdf in range(model.num_pdfs())] for t in (0, 500, 999)]
np.save(sys.argv[1] + "/sample.npy", np.array(sample, np.float32))
known = Matrix(np.zeros((frames.num_rows, model.num_pdfs()), np.float32))
print("ready", flush=True)
for _ in iter(sys.stdin.readline, ""):
    result = {"Kaldi's decoder": search(DecodableAmDiagGmmUnmapped(model, frames))}
    result["its search alone"] = search(DecodableMatrixScaled(known, 1.0))
    started = time.process_time()
    mixture.log_likelihoods_matrix(frames)
    result["Kaldi's product of matrices"] = time.process_time() - started
    print(json.dumps(result), flush=True)
"""


def model_and_frames() -> tuple[AmDiagGmm, DiagGmm, np.ndarray]:
    """The model, all its Gaussians as one mixture, and frames (FRAMES, DIM) around its means."""
    rng = np.random.default_rng(0)
    counts = 1 + rng.multinomial(GAUSSIANS - PDFS, rng.dirichlet(np.full(PDFS, 3.0)))
    means = rng.standard_normal((GAUSSIANS, DIM)) * 2
    inverses = 1 / rng.uniform(0.5, 2, (GAUSSIANS, DIM))
    model, first = AmDiagGmm(), 0
    for count in counts:
        rows = slice(first, first + int(count))
        model.add_pdf(mixture(rng.dirichlet(np.full(int(count), 3.0)), means[rows], inverses[rows]))
        first = rows.stop
    frames = means[rng.integers(0, GAUSSIANS, FRAMES)] + rng.standard_normal((FRAMES, DIM))
    return model, mixture(np.full(GAUSSIANS, 1 / GAUSSIANS), means, inverses), frames.astype(np.float32)


def mixture(weights: np.ndarray, means: np.ndarray, inverses: np.ndarray) -> DiagGmm:
    gmm = DiagGmm(len(weights), DIM)
    gmm.set_weights(weights)
    gmm.set_inv_vars_and_means(inverses, means)
    gmm.compute_gconsts()
    return gmm


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kaldi", metavar="PYTHON", required=True, help="a Python that has pykaldi")
    python = parser.parse_args().kaldi
    model, together, frames = model_and_frames()
    times: dict[str, list[float]] = {"sonant": [], "sonant, each Gaussian": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, obj in (("model", model), ("mixture", together)):
            stream = _native.Output.in_memory()
            stream.header(True)
            obj.write(stream, True)
            Path(folder, name).write_bytes(stream.getvalue())
        np.save(Path(folder, "frames.npy"), frames)
        kaldi = Peer(python, ["-c", KALDI, folder])
        for _ in range(TURNS):
            started = time.process_time()
            found = model.log_likelihoods_matrix(frames, num_threads=1)
            times["sonant"].append(time.process_time() - started)
            started = time.process_time()
            together.log_likelihoods_matrix(frames)
            times["sonant, each Gaussian"].append(time.process_time() - started)
            for name, seconds in kaldi.ask("").items():
                times.setdefault(name, []).append(seconds)
        kaldi.close()
        sample = np.load(Path(folder, "sample.npy"))
    difference = np.abs(found.numpy()[[0, 500, 999]] / sample - 1).max()

    sizes = f"{FRAMES} frames, {PDFS} pdfs, {GAUSSIANS} Gaussians, {DIM} dimensions"
    print(f"{sizes}, one thread, medians of {TURNS} turns")
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        print(f"{name:28}{1e3 * seconds:10.1f} ms CPU")
    likelihoods = medians["Kaldi's decoder"] - medians["its search alone"]
    product = medians["Kaldi's product of matrices"]
    print(f"Kaldi's likelihoods / ours: {likelihoods / medians['sonant']:.1f}")
    print(f"Kaldi's product of matrices / ours: {product / medians['sonant']:.1f}")
    print(f"largest relative difference of likelihoods: {difference:.1e}")


if __name__ == "__main__":
    main()
