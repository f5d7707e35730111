"""Operations on automata in a process of their own, by one of five libraries.

    python fst_peers.py LIBRARY OPERATION FOLDER

reads the automata that the operation needs from FOLDER and does it once for each line that it reads. Runs
under Python 3.7 too, for Kaldi."""

import json
import sys
import time
from pathlib import Path

LIBRARIES = ("sonant", "pywrapfst", "kaldifst", "kaldi", "rustfst")
INPUTS = {
    "compose": ("L", "G"),
    "minimize": ("det",),
    "encode+minimize": ("star",),
    "determinize": ("LG",),
    "determinize_star": ("LG",),
}
ANY = ("any",)  # of all other operations


def sonant():
    from sonant import fst

    return (
        fst.Fst.read,
        lambda f: f.copy(),
        lambda f: f.num_states,
        {
            "compose": fst.compose,
            "determinize": fst.determinize,
            "determinize_star": fst.determinize_star,
            "encode+minimize": fst.minimize_encoded,
            "minimize": fst.minimize,
            "connect": fst.connect,
            "reverse": fst.reverse,
            "rmepsilon": fst.rmepsilon,
            "push": fst.push,
            "distance": fst.shortest_distance,
            "distance back": lambda f: fst.shortest_distance(f, reverse=True),
            "1 best": fst.shortest_path,
            "100 best": lambda f: fst.shortest_path(f, 100),
            "prune": lambda f: fst.prune(f, 3.0),
        },
    )


def in_place(fst, change):
    change(fst)
    return fst


def pywrapfst():
    import pywrapfst as p

    def copied(fst):
        fst = fst.copy()
        fst.set_start(fst.start())  # copies share what they hold until one changes
        return fst

    def encoded(fst):
        mapper = p.EncodeMapper(encode_labels=True, encode_weights=True)
        return fst.encode(mapper).minimize(allow_nondet=True).decode(mapper)

    return (
        p.Fst.read,
        copied,
        lambda f: f.num_states(),
        {
            "compose": p.compose,
            "determinize": p.determinize,
            "encode+minimize": encoded,
            "minimize": lambda f: f.minimize(),
            "connect": lambda f: f.connect(),
            "reverse": p.reverse,
            "rmepsilon": lambda f: f.rmepsilon(),
            "push": lambda f: f.push(),
            "distance": p.shortestdistance,
            "distance back": lambda f: p.shortestdistance(f, reverse=True),
            "1 best": p.shortestpath,
            "100 best": lambda f: p.shortestpath(f, nshortest=100),
            "prune": lambda f: f.prune(weight=3.0),
        },
    )


def kaldifst():
    import kaldifst as k

    def copied(fst):
        fst = fst.copy()
        fst.start = fst.start
        return fst

    def states(fst):
        return (fst if hasattr(fst, "num_states") else k.StdVectorFst(fst)).num_states

    return (
        k.StdVectorFst.read,
        copied,
        states,
        {
            "compose": lambda a, b: k.StdVectorFst(k.compose(a, b)),
            "determinize": k.determinize,
            "determinize_star": lambda f: in_place(f, k.determinize_star),
            "encode+minimize": lambda f: in_place(f, k.minimize_encoded),
            "minimize": lambda f: in_place(f, k.minimize),
            "connect": lambda f: in_place(f, k.connect),
            "reverse": k.reverse,
            "rmepsilon": lambda f: in_place(f, k.rmepsilon),
            "1 best": lambda f: k.shortest_path(f, 1),
            "100 best": lambda f: k.shortest_path(f, 100),
        },
    )


def kaldi():
    import kaldi.fstext as k
    from kaldi.fstext import utils

    def copied(fst):
        fst = fst.copy()
        fst.set_start(fst.start())
        return fst

    return (
        k.StdVectorFst.read,
        copied,
        lambda f: f.num_states(),
        {
            "compose": k.compose,
            "determinize": k.determinize,
            "encode+minimize": lambda f: in_place(f, utils.minimize_encoded_std_fst),
            "connect": lambda f: f.connect(),
            "reverse": k.reverse,
            "rmepsilon": lambda f: f.rmepsilon(),
            "push": lambda f: k.push(f, push_weights=True),
            "distance": k.shortestdistance,
            "distance back": lambda f: k.shortestdistance(f, reverse=True),
            "1 best": k.shortestpath,
            "100 best": lambda f: k.shortestpath(f, nshortest=100),
            "prune": lambda f: k.prune(f, weight=3.0),
        },
    )


def rustfst():
    from rustfst import VectorFst
    from rustfst.algorithms.minimize import MinimizeConfig
    from rustfst.algorithms.shortest_path import ShortestPathConfig

    return (
        VectorFst.read,
        lambda f: f.copy(),
        lambda f: f.num_states(),
        {
            "compose": lambda a, b: a.compose(b),
            "determinize": lambda f: f.determinize(),
            "minimize": lambda f: f.minimize(MinimizeConfig(1 / 1024, False)),
            "connect": lambda f: f.connect(),
            "reverse": lambda f: f.reverse(),
            "rmepsilon": lambda f: f.rm_epsilon(),
            "1 best": lambda f: f.shortest_path(),
            "100 best": lambda f: f.shortest_path(ShortestPathConfig(100, False)),
        },
    )


def in_memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def main():
    library, operation, folder = sys.argv[1:]
    read, copied, states, operations = globals()[library]()
    run = operations.get(operation)
    print("ready", flush=True)
    if run is None:
        for _ in sys.stdin:
            print("null", flush=True)
        return
    options = {"map": False} if library == "sonant" else {}
    before = in_memory("VmRSS")
    machines = [read(f"{folder}/{name}.fst", **options) for name in INPUTS.get(operation, ANY)]
    first = True
    for _ in sys.stdin:
        # The first time tells memory: the most that the automata and the work on them took.
        taken = machines if first and len(machines) == 1 else [copied(machine) for machine in machines]
        if first:
            Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        start = time.process_time()
        try:
            result = run(*taken)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            print(f"{library} has no {operation}: {error!r}", file=sys.stderr)
            print("null", flush=True)
            return
        answer = {"seconds": time.process_time() - start}
        if first:
            answer["memory"] = in_memory("VmHWM") - before
            answer["states"] = states(result) if hasattr(result, "num_states") else None
            del machines, taken, result
            machines = [read(f"{folder}/{name}.fst", **options) for name in INPUTS.get(operation, ANY)]
            first = False
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
