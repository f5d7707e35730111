"""Operations on automata in a process of their own, by one of five libraries: what benchmarks of automata run.

    python fst_peers.py LIBRARY OPERATION FOLDER

reads the automata that the operation needs from FOLDER and does it once for each line that it reads. Runs under
Python 3.7 too, for Kaldi."""

import json
import statistics
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
LONG = 20.0  # seconds: what takes longer is done once more only


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
    machines = [read("%s/%s.fst" % (folder, name), **options) for name in INPUTS.get(operation, ANY)]
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
            print("%s has no %s: %r" % (library, operation, error), file=sys.stderr)
            print("null", flush=True)
            return
        answer = {"seconds": time.process_time() - start}
        if first:
            answer["memory"] = in_memory("VmHWM") - before
            answer["states"] = states(result) if hasattr(result, "num_states") else None
            del machines, taken, result
            machines = [read("%s/%s.fst" % (folder, name), **options) for name in INPUTS.get(operation, ANY)]
            first = False
        print(json.dumps(answer), flush=True)


class Table:
    """Rows of a table in Markdown: CPU milliseconds and peak memory of each library, and their ratios."""

    def __init__(self, kaldi_python, turns):
        self.pythons = {name: sys.executable for name in LIBRARIES}
        self.pythons["kaldi"] = kaldi_python
        if kaldi_python is None:
            del self.pythons["kaldi"]
        self.turns = turns
        self.ratios, self.memories = [], []
        print("| machine | operation | states | ms: %s | ratio |" % ", ".join(self.pythons), end="")
        print(" MB: %s | part |\n|---|---|---|---|---|---|---|" % ", ".join(self.pythons), flush=True)

    def row(self, machine, operation, folder):
        from kaldi_peer import Peer

        peers = {
            name: Peer(python, [__file__, name, operation, folder], name)
            for name, python in self.pythons.items()
        }
        firsts = {name: peer.ask("first") for name, peer in peers.items()}
        firsts = {name: first for name, first in firsts.items() if first}
        turns = 1 if max(first["seconds"] for first in firsts.values()) > LONG else self.turns
        times = {name: [] for name in firsts}
        for _ in range(turns):
            for name in times:
                times[name].append(peers[name].ask("again")["seconds"])
        for peer in peers.values():
            peer.__exit__()
        median = {name: statistics.median(spent) for name, spent in times.items()}
        memory = {name: first["memory"] for name, first in firsts.items()}
        others = [name for name in median if name != "sonant"]
        self.ratios.append(min(median[name] for name in others) / median["sonant"])
        self.memories.append(memory["sonant"] / min(memory[name] for name in others))

        def shown(values, digits):
            return ", ".join(
                "%.*f" % (digits, values[name]) if name in values else "-" for name in self.pythons
            )

        sizes = sorted({first["states"] for first in firsts.values() if first["states"] is not None})
        print(
            "| %s | %s | %s | %s | %.1f | %s | %.2f |"
            % (
                machine,
                operation,
                ", ".join(map(str, sizes)),
                shown({name: 1000 * value for name, value in median.items()}, 1),
                self.ratios[-1],
                shown(memory, 0),
                self.memories[-1],
            ),
            flush=True,
        )

    def end(self):
        print("\nratio of CPU times, the fastest peer's over ours: geometric mean %.2f, least %.2f"
              % (statistics.geometric_mean(self.ratios), min(self.ratios)))  # fmt: skip
        print("part of the memory of the peer that needs least: geometric mean %.2f, most %.2f"
              % (statistics.geometric_mean(self.memories), max(self.memories)))  # fmt: skip


if __name__ == "__main__":
    main()
