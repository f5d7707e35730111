"""What Kaldi's special operations make of small random automata and lattices.

PyKaldi's Python, in the root of the repository:
python tests/oracle/make_fst_special_golden.py tests/kaldi/fstext/golden/special.json.gz
"""

import gzip
import json
import random
import sys

from kaldi.fstext import (
    LatticeArc,
    LatticeVectorFst,
    LatticeWeight,
    StdArc,
    StdVectorFst,
    TropicalWeight,
    special,
    utils,
)

YESNO = ["L_disambig.fst", "G.fst", "LG.fst"]


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


def make_lattice(spec):
    fst = LatticeVectorFst()
    for _ in range(spec["n"]):
        fst.add_state()
    fst.set_start(0)
    for state, cost in spec["finals"]:
        fst.set_final(state, LatticeWeight.from_pair(cost, 0.5))
    for state, ilabel, olabel, cost, to in spec["arcs"]:
        weight = LatticeWeight.from_pair(cost, 2 * cost + 0.125 * ilabel)
        fst.add_arc(state, LatticeArc(ilabel, olabel, weight, to))
    return fst


def random_spec(r, n, m, labels, eps, acyclic=False, acceptor=False):
    arcs = []
    for _ in range(m):
        i = 0 if r.random() < eps else r.randrange(1, labels + 1)
        o = i if acceptor else 0 if r.random() < eps else r.randrange(1, labels + 1)
        s, t = r.randrange(n), r.randrange(n)
        if acyclic and s >= t:
            continue
        arcs.append([s, i, o, r.randrange(32) / 16, t])
    finals = [[s, r.randrange(8) / 4] for s in range(n) if r.random() < 0.4] or [[n - 1, 0.5]]
    return {"n": n, "finals": finals, "arcs": sorted(arcs)}


def texts(spec):
    """What each operation in place makes, as text of the connected automaton."""
    connected = make(spec) if isinstance(spec, dict) else spec
    connected.connect()
    made = {"a": connected.text()}
    if connected.num_states() == 0:
        return None
    acyclic = isinstance(spec, dict) and all(arc[0] < arc[4] for arc in spec["arcs"])
    operations = {
        "preceding": lambda f: utils.make_preceding_input_symbols_same(False, f),
        "preceding_start": lambda f: utils.make_preceding_input_symbols_same(True, f),
        "following": lambda f: utils.make_following_input_symbols_same(False, f),
        "following_end": lambda f: utils.make_following_input_symbols_same(True, f),
        "useless": utils.remove_useless_arcs,
        "local": special.remove_eps_local,
        "local_special": lambda f: special.remove_eps_local(f, True),
        "push_special": special.push_special,
    }
    for name, operation in operations.items():
        fst = connected.copy()
        operation(fst)
        made[name] = fst.text(show_weight_one=True)
    # PyKaldi takes remove_total_weight for remove_common_affix, and the other way round.
    for to_final in (False, True) if acyclic else ():
        fst = connected.copy()
        special.push_in_log(fst, push_weights=True, to_final=to_final)
        made[f"push_in_log {to_final:d}"] = fst.text(show_weight_one=True)
    low, high = TropicalWeight(), TropicalWeight()
    made["stochastic"] = []
    for found in (utils.is_stochastic_fst, utils.is_stochastic_fst_in_log):
        answer = found(connected, 0.25, low, high)
        made["stochastic"].append([bool(answer), low.value, high.value])
    return made


def aligned(r, spec):
    fst = make(spec)
    fst.connect()
    if fst.num_states() == 0:
        return None
    case = {"a": fst.text(), "align": []}
    for _ in range(6):
        length, seed = r.randrange(12), r.randrange(1 << r.randrange(1, 32))
        path = StdVectorFst()
        done = utils.equal_align(fst, length, seed, path)
        case["align"].append([length, seed, path.text(show_weight_one=True) if done else None])
    return case


def safe(spec):
    fst = make(spec) if isinstance(spec, dict) else spec
    fst.connect()
    if fst.num_states() == 0:
        return None
    case = {"a": fst.text()}
    for name in ("wrapper", "minimize_wrapper", "minimize_wrapper_in_log"):
        result = StdVectorFst()
        getattr(utils, "safe_determinize_" + name)(fst.copy(), result)
        case[name] = result.text(show_weight_one=True)
    return case


def propagated(r, spec):
    arcs = [arc for arc in spec["arcs"] if arc[1] != 9]
    arcs += [[s, 9, 0, 0.25 * s, r.randrange(s)] for s in range(1, spec["n"]) if r.random() < 0.8]
    spec["arcs"], spec["finals"] = arcs, spec["finals"][:1]
    fst = make(spec)
    before = fst.text()
    utils.propagate_final(9, fst)
    return {"a": before, "final": fst.text(show_weight_one=True)}


def on_demand(r):
    """A walk through a grammar with backoff, and compositions with it."""
    n = r.randrange(2, 6)
    arcs = []
    for s in range(n):
        for label in range(1, 6):
            if s == 0 or r.random() < 0.4:
                arcs.append([s, label, r.randrange(0, 5), r.randrange(32) / 16, r.randrange(n)])
        if s:
            arcs.append([s, 0, 0, r.randrange(16) / 16, r.randrange(s)])
    grammar = {"n": n, "finals": [[r.randrange(n), 0.75]], "arcs": sorted(arcs)}
    fst = make(grammar)
    fst.arcsort("ilabel")
    backoff = special.StdBackoffDeterministicOnDemandFst(fst)
    scaled = special.ScaleDeterministicOnDemandFst(-0.5, backoff)
    history = special.StdUnweightedNgramFst(3)
    both = special.StdComposeDeterministicOnDemandFst(backoff, history)
    model = {"backoff": backoff, "scaled": scaled, "history": history, "both": both}
    left = make(random_spec(r, 4, 9, 5, 0.2, acyclic=True))
    case = {"grammar": fst.text(), "left": left.text(), "walks": {}, "composed": {}}
    for name, one in model.items():
        state, walk = one.start(), []
        for _ in range(8):
            label = r.randrange(1, 7)
            try:
                arc = one.get_arc(state, label)
            except ValueError:
                walk.append([label, None, one.final(state).value])
                continue
            state = arc.nextstate
            walk.append([label, arc.olabel, arc.weight.value, state, one.final(state).value])
        case["walks"][name] = walk
        for inverse in (False, True):
            made = special.compose_deterministic_on_demand_fst(left, one, inverse)
            case["composed"][name + str(inverse)] = made.text(show_weight_one=True)
    return case


def lattice(spec):
    fst = make_lattice(spec)
    fst.connect()
    if fst.num_states() == 0:
        return None
    return {
        "a": fst.text(),
        "compact": special.determinize_lattice(fst).text(show_weight_one=True),
        "plain": special.determinize_lattice(fst, False).text(show_weight_one=True),
    }


def main(path):
    r = random.Random(11)
    golden = {
        "texts": [texts(random_spec(r, r.randrange(2, 7), r.randrange(3, 14), 3, 0.35)) for _ in range(80)],
        "yesno": [texts(StdVectorFst.read("tests/data/kaldi-yesno/" + name)) for name in YESNO],
        "pushed": [
            texts(random_spec(r, r.randrange(2, 8), r.randrange(6, 20), 3, 0.35, acyclic=True))
            for _ in range(25)
        ],
        "yesno_safe": [safe(StdVectorFst.read("tests/data/kaldi-yesno/" + name)) for name in YESNO],
        "aligned": [
            aligned(r, random_spec(r, r.randrange(1, 6), r.randrange(2, 12), 3, 0.3)) for _ in range(40)
        ],
        "safe": [
            safe(random_spec(r, r.randrange(2, 7), r.randrange(3, 12), 2, 0.25, acceptor=k % 2 == 0))
            for k in range(60)
        ],
        "propagated": [propagated(r, random_spec(r, r.randrange(2, 7), 6, 3, 0)) for _ in range(30)],
        "on_demand": [on_demand(r) for _ in range(15)],
        "lattices": [
            lattice(random_spec(r, r.randrange(2, 8), r.randrange(6, 26), 3, 0.3, acyclic=True))
            for _ in range(60)
        ],
    }
    golden = {name: [case for case in cases if case] for name, cases in golden.items()}
    print({name: len(cases) for name, cases in golden.items()})
    with open(path, "wb") as file:
        file.write(gzip.compress(json.dumps(golden).encode(), 9))


if __name__ == "__main__":
    main(*sys.argv[1:])
