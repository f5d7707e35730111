"""Kaldi's compositions with special labels and its determinize_star, of small random automata.

PyKaldi's Python: python make_fst_composition_golden.py tests/fst/golden/composition.json
"""

import json
import random
import sys

from kaldi.fstext import StdArc, StdVectorFst, TropicalWeight
from kaldi.fstext.special import _special_ops, determinize_star_in_log
from kaldi.fstext.utils import phi_compose, rho_compose

SPECIAL = 9


def make(spec):
    fst = StdVectorFst()
    for _ in range(spec["n"]):
        fst.add_state()
    fst.set_start(0)
    for state, cost in spec["finals"]:
        fst.set_final(state, TropicalWeight(cost))
    for state, ilabel, olabel, cost, to in spec["arcs"]:
        fst.add_arc(state, StdArc(ilabel, olabel, TropicalWeight(cost), to))
    return fst


def dump(fst):
    zero = TropicalWeight.zero()
    states = range(fst.num_states())
    finals = [[s, round(fst.final(s).value, 5)] for s in states if fst.final(s) != zero]
    arcs = [
        [s, a.ilabel, a.olabel, round(a.weight.value, 5), a.nextstate] for s in states for a in fst.arcs(s)
    ]
    return {"start": fst.start(), "n": len(states), "finals": finals, "arcs": arcs}


def random_spec(r, n, m, labels, eps, acceptor, special=False):
    arcs = []
    for _ in range(m):
        i = 0 if r.random() < eps else r.randrange(1, labels + 1)
        o = i if acceptor else 0 if r.random() < eps else r.randrange(1, labels + 1)
        arcs.append([r.randrange(n), i, o, r.randrange(16) / 4, r.randrange(n)])
    for s in range(n - 1 if special else 0):
        if r.random() < 0.6:
            o = SPECIAL if acceptor else 0
            arcs.append([s, SPECIAL, o, r.randrange(16) / 4, r.randrange(s + 1, n)])
    finals = [[s, r.randrange(8) / 4] for s in range(n) if r.random() < 0.5]
    return {"n": n, "finals": finals, "arcs": sorted(arcs)}


def main(path):
    r = random.Random(7)
    specials, stars = [], []
    for k in range(150):
        case = {
            "a": random_spec(r, r.randrange(1, 4), r.randrange(2, 9), 3, 0.2, k % 2 == 0),
            "b": random_spec(r, r.randrange(2, 6), r.randrange(2, 9), 3, 0.15, k % 4 < 2, special=True),
        }
        a, b = make(case["a"]), make(case["b"]).arcsort("ilabel")
        for name, compose in (("phi", phi_compose), ("rho", rho_compose)):
            result = StdVectorFst()
            compose(a, b, SPECIAL, result)
            case[name] = dump(result)
        specials.append(case)
    for k in range(100):
        spec = random_spec(r, r.randrange(2, 6), r.randrange(2, 8), 4, 0.3, k % 3 == 0)
        spec["arcs"] = [arc for arc in spec["arcs"] if arc[0] < arc[4]]
        case = {"a": spec}
        try:
            # (PyKaldi's determinize_star takes what this returns, that it was stopped, for success)
            result = StdVectorFst()
            _special_ops._determinize_star(make(spec), result, 1 / 1024, -1, False)
            case["star"] = dump(result)
            in_log = make(spec)
            determinize_star_in_log(in_log)
            case["log"] = dump(in_log)
        except RuntimeError:
            case["error"] = True
        stars.append(case)
    with open(path, "w") as out:
        json.dump({"special": specials, "star": stars}, out, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1])
