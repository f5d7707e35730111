"""What Kaldi's decoders for big language models find in small random graphs: raw lattices arc by arc.

PyKaldi's Python, in the root of the repository:
python tests/oracle/make_biglm_golden.py tests/search/golden
"""

import json
import sys

import numpy as np
from kaldi.decoder import (
    BiglmFasterDecoder,
    BiglmFasterDecoderOptions,
    DecodableMatrixScaled,
    LatticeBiglmFasterDecoder,
    LatticeFasterDecoderOptions,
)
from kaldi.fstext import StdArc, StdVectorFst, TropicalWeight
from kaldi.fstext.special import (
    StdBackoffDeterministicOnDemandFst,
    StdCacheDeterministicOnDemandFst,
    StdComposeDeterministicOnDemandFst,
)
from kaldi.fstext.utils import apply_probability_scale
from kaldi.matrix import Matrix
from make_search_golden import graph_arrays, graph_of, put, set_options

# states, arcs, labels, frames, part of arcs that are epsilon, part of states that are final
GRAPHS = [(12, 40, 6, 12, 0.2, 0.4), (60, 240, 12, 30, 0.1, 0.2), (200, 1000, 20, 27, 0.2, 0.1)]
OPTIONS = [
    {"beam": 6, "lattice_beam": 3},
    {"beam": 8, "lattice_beam": 2, "max_active": 25, "min_active": 5, "prune_interval": 4},
    {"beam": 3, "lattice_beam": 2, "min_active": 12, "prune_interval": 3, "hash_ratio": 1.0},
]
WORDS = 4


def model_of(r, left_out):
    """A bigram: state 0 backs nobody off, state 1 is the start, states 2.. are words."""
    fst = StdVectorFst()
    for _ in range(WORDS + 2):
        fst.add_state()
    fst.set_start(1)

    def cost():
        return TropicalWeight(float(np.float32(3 * r.random_sample())))

    for s in range(WORDS + 2):
        if s != 0:
            fst.add_arc(s, StdArc(0, 0, cost(), 0))
        for word in range(1, WORDS + 1):
            if (s == 0 and word not in left_out) or (s != 0 and r.random_sample() < 0.4):
                fst.add_arc(s, StdArc(word, word, cost(), word + 1))
        if s == 0 or r.random_sample() < 0.3:
            fst.set_final(s, cost())
    return fst


def main(folder):
    r = np.random.RandomState(5)
    for g, (states, arcs, labels, frames, epsilons, finals) in enumerate(GRAPHS):
        out = {}
        fst = graph_of(r, states, arcs, labels, epsilons, finals)
        scores = np.log(r.dirichlet(np.full(labels, 0.3), frames) + 1e-5).astype(np.float32)
        old, new = model_of(r, []), model_of(r, [3] if g == 1 else [])
        for name, given in [("graph", fst), ("old", old), ("new", new)]:
            out[name + "/finals"], out[name + "/arcs"], out[name + "/costs"] = graph_arrays(given)
        out["scores"], out["options"] = scores, np.array(json.dumps(OPTIONS))
        matrix = Matrix(scores)  # decodables do not keep it
        apply_probability_scale(-1.0, old)
        for o, options in enumerate(OPTIONS):
            for kind in "difference", "single":
                first = StdBackoffDeterministicOnDemandFst(old)
                second = StdBackoffDeterministicOnDemandFst(new)
                composed = StdComposeDeterministicOnDemandFst(first, second)
                cached = StdCacheDeterministicOnDemandFst(composed)
                model = cached if kind == "difference" else second
                name = f"options{o}/{kind}"
                opts = set_options(LatticeFasterDecoderOptions, options)
                decoder = LatticeBiglmFasterDecoder(fst, opts, model)
                try:
                    decoder.decode(DecodableMatrixScaled(matrix, 0.7))
                except RuntimeError:  # no token survives: that ends Kaldi's process
                    out[name + "/dead"] = np.array(1)
                    continue
                out[name + "/reached"] = np.array(decoder.reached_final())
                put(out, name + "/lattice", decoder, "get_raw_lattice")
                out[name + "/start"] = np.array(decoder.get_raw_lattice().start())
                put(out, name + "/path", decoder, "get_best_path")
                faster = BiglmFasterDecoder(fst, set_options(BiglmFasterDecoderOptions, options), model)
                faster.decode(DecodableMatrixScaled(matrix, 0.7))
                put(out, name + "/faster", faster, "get_best_path")
                out[name + "/faster_reached"] = np.array(faster.reached_final())
        np.savez_compressed(f"{folder}/biglm{g}.npz", **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
