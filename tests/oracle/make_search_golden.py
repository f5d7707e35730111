"""What Kaldi's decoders find in small random graphs: raw lattices state by state and arc by arc.

PyKaldi's Python, in the root of the repository:
python tests/oracle/make_search_golden.py tests/search/golden
"""

import json
import sys

import numpy as np
from kaldi.decoder import (
    DecodableMatrixScaled,
    FasterDecoder,
    FasterDecoderOptions,
    LatticeFasterDecoder,
    LatticeFasterDecoderOptions,
    LatticeFasterOnlineDecoder,
)
from kaldi.fstext import StdArc, StdVectorFst, TropicalWeight
from kaldi.matrix import Matrix

# states, arcs, labels, frames, part of arcs that are epsilon, part of states that are final
GRAPHS = [
    (12, 40, 6, 12, 0.2, 0.4),
    (60, 240, 12, 20, 0.0, 0.2),
    (60, 240, 12, 52, 0.1, 0.1),
    (200, 1000, 20, 27, 0.2, 0.1),
    (1000, 5000, 40, 16, 0.15, 0.05),
    (40, 50, 8, 40, 0.1, 0.1),  # dead ends
]
OPTIONS = [
    {"beam": 6, "lattice_beam": 3},
    {"beam": 8, "lattice_beam": 2, "max_active": 25, "min_active": 5},
    {"beam": 1, "lattice_beam": 2, "min_active": 12, "prune_interval": 1},
    {
        "beam": 5,
        "lattice_beam": 2.5,
        "max_active": 100,
        "min_active": 20,
        "prune_interval": 3,
        "hash_ratio": 1.0,
    },
    {"beam": 7, "lattice_beam": 1, "beam_delta": 0.1, "prune_scale": 0.5, "max_active": 40, "min_active": 0},
]


def graph_of(r, states, arcs, labels, epsilons, finals):
    fst = StdVectorFst()
    for _ in range(states):
        fst.add_state()
    fst.set_start(0)
    for state in range(states):
        if r.random_sample() < finals or state == states - 1:
            fst.set_final(state, TropicalWeight(float(np.float32(r.random_sample()))))
    for k in range(arcs):
        s, t = int(r.randint(states)), int(r.randint(states))
        if k < 5:
            s = 0
        ilabel = int(r.randint(1, labels + 1))
        if r.random_sample() < epsilons:
            if s == t:
                continue
            s, t, ilabel = min(s, t), max(s, t), 0  # no cycles of epsilons: Kaldi ends the process there
        cost = float(np.float32(2 * r.random_sample()))
        fst.add_arc(s, StdArc(ilabel, int(r.randint(0, 5)), TropicalWeight(cost), t))
    return fst


def graph_arrays(fst):
    finals = np.array([fst.final(s).value for s in fst.states()], np.float32)
    arcs = [(s, a.ilabel, a.olabel, a.nextstate, a.weight.value) for s in fst.states() for a in fst.arcs(s)]
    ints = np.array([arc[:4] for arc in arcs], np.int32).reshape(-1, 4)
    return finals, ints, np.array([arc[4] for arc in arcs], np.float32)


def lattice_arrays(fst):
    """Arcs (state, input, output, next), costs, final costs."""
    arcs = [(s, a.ilabel, a.olabel, a.nextstate, a.weight) for s in fst.states() for a in fst.arcs(s)]
    ints = np.array([arc[:4] for arc in arcs], np.int32).reshape(-1, 4)
    costs = np.array([(a[4].value1, a[4].value2) for a in arcs], np.float32).reshape(-1, 2)
    finals = np.array([(fst.final(s).value1, fst.final(s).value2) for s in fst.states()], np.float32)
    return ints, costs, finals.reshape(-1, 2)


def put(out, name, decoder, method, *args):
    try:
        fst = getattr(decoder, method)(*args)
    except RuntimeError:
        out[name + "/none"] = np.array(1)
        return
    out[name + "/arcs"], out[name + "/costs"], out[name + "/finals"] = lattice_arrays(fst)


def set_options(kind, options):
    opts = kind()
    for key, value in options.items():
        if hasattr(opts, key):
            setattr(opts, key, value)
    return opts


def main(folder):
    r = np.random.RandomState(1)
    for g, (states, arcs, labels, frames, epsilons, finals) in enumerate(GRAPHS):
        out = {}
        fst = graph_of(r, states, arcs, labels, epsilons, finals)
        scores = np.log(r.dirichlet(np.full(labels, 0.3), frames) + 1e-5).astype(np.float32)
        out["finals"], out["arcs"], out["costs"] = graph_arrays(fst)
        out["scores"], out["options"] = scores, np.array(json.dumps(OPTIONS))
        matrix = Matrix(scores)  # decodables do not keep it
        for o, options in enumerate(OPTIONS):
            name = f"options{o}"
            opts = set_options(LatticeFasterDecoderOptions, options)
            decoder = LatticeFasterDecoder(fst, opts)
            decoder.decode(DecodableMatrixScaled(matrix, 0.7))
            put(out, name + "/lattice", decoder, "get_raw_lattice")
            out[name + "/relative"] = np.array(decoder.final_relative_cost(), np.float32)
            online = LatticeFasterOnlineDecoder(fst, opts)
            decodable = DecodableMatrixScaled(matrix, 0.7)
            online.init_decoding()
            online.advance_decoding(decodable, frames // 2)
            put(out, name + "/half", online, "get_best_path", False)
            out[name + "/half_relative"] = np.array(online.final_relative_cost(), np.float32)
            if o % 2 == 0:
                put(
                    out, name + "/half_lattice", online, "get_raw_lattice_pruned", options["lattice_beam"] / 4
                )
            online.advance_decoding(decodable)
            online.finalize_decoding()
            put(out, name + "/path", online, "get_best_path")
            faster = FasterDecoder(fst, set_options(FasterDecoderOptions, options))
            faster.decode(DecodableMatrixScaled(matrix, 0.7))
            put(out, name + "/faster", faster, "get_best_path")
            out[name + "/faster_final"] = np.array(faster.reached_final())
        np.savez_compressed(f"{folder}/graph{g}.npz", **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
