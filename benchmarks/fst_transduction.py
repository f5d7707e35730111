"""Operations that keep a weighted relation: beside OpenFst.

    pip install pynini==2.1.7
    python benchmarks/fst_transduction.py [--words 5000] [--turns 5]

Machines, made here: a lexicon transducer (a random pronunciation for each word, some words with several), its
closure, and a network of a thousand phrases that call each other over three levels. The peer is pywrapfst on
the same automata; both take turns in one thread. Ratios are of CPU times (medians), the peer's over ours."""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import pywrapfst  # pyright: ignore[reportMissingImports]

from sonant import fst
from sonant.fst import Fst


def lexicon(words: int, rng: random.Random, ambiguous: bool) -> Fst:
    """Phones in, the word with the first phone; the last state is shared."""
    machine = Fst()
    start, end = machine.add_state(), machine.add_state()
    machine.set_start(start)
    machine.set_final(end, 0.0)
    for word in range(1, words + 1):
        for pronunciation in range(1 + (word % 7 == 0)):
            phones = [rng.randint(1, 40) for _ in range(rng.randint(2, 9))]
            at = start
            for i, phone in enumerate(phones):
                to = end if i + 1 == len(phones) else machine.add_state()
                label = phone if ambiguous else 0 if i else word
                machine.add_arc(at, phone, label, 0.25 * pronunciation if i == 0 else 0.0, to)
                at = to
    return machine


def network(phrases: int, rng: random.Random) -> list[tuple[int, Fst]]:
    pairs = []
    for name in range(phrases):
        machine = Fst()
        states = phrases if name == 0 else 6
        machine.add_states(states)
        machine.set_start(0)
        machine.set_final(states - 1, 0.0)
        level = 0 if name == 0 else 1 + 3 * name // phrases
        first, last = 1 + level * phrases // 3, (level + 1) * phrases // 3
        for state in range(states - 1):
            called = (
                10**6 + rng.randint(first, last - 1) if level < 2 and first < last else rng.randint(1, 999)
            )
            machine.add_arc(state, called, called, 0.5, state + 1)
            machine.add_arc(state, 7, rng.randint(1, 999), 1.5, state + 1)
        pairs.append((10**6 + name, machine))
    return pairs


def seconds(operation: Callable[[], Any], turns: int) -> tuple[float, Any]:
    taken, result = [], None
    for _ in range(turns):
        begin = time.process_time()
        result = operation()
        taken.append(time.process_time() - begin)
    return statistics.median(taken), result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--words", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    rng = random.Random(1)
    words = lexicon(options.words, rng, ambiguous=False)
    late = fst.push_labels(words, to_final=True)
    strings = lexicon(options.words, rng, ambiguous=True)
    calls = network(min(options.words // 5, 1000), rng)
    theirs = {
        name: pywrapfst.Fst.read_from_string(machine.to_bytes())
        for name, machine in (("words", words), ("late", late), ("strings", strings))
    }
    their_calls = [(name, pywrapfst.Fst.read_from_string(machine.to_bytes())) for name, machine in calls]
    rows = {
        "push labels to the end": (
            lambda: fst.push_labels(words, to_final=True),
            lambda: pywrapfst.push(theirs["words"], push_labels=True, reweight_type="to_final"),
        ),
        "push labels to the start": (
            lambda: fst.push_labels(late),
            lambda: pywrapfst.push(theirs["late"], push_labels=True),
        ),
        "synchronize": (lambda: fst.synchronize(words), lambda: pywrapfst.synchronize(theirs["words"])),
        "epsnormalize, input": (
            lambda: fst.epsnormalize(late),
            lambda: pywrapfst.epsnormalize(theirs["late"]),
        ),
        "epsnormalize, output": (
            lambda: fst.epsnormalize(words, "output"),
            lambda: pywrapfst.epsnormalize(theirs["words"], "output"),
        ),
        "disambiguate": (
            lambda: fst.disambiguate(strings),
            lambda: pywrapfst.disambiguate(theirs["strings"]),
        ),
        "replace": (lambda: fst.replace(calls), lambda: pywrapfst.replace(their_calls)),
    }
    columns = ("operation", "states in", "states out", "sonant (ms)", "pywrapfst (ms)", "ratio")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, (ours, other) in rows.items():
        mine, made = seconds(ours, options.turns)
        peer, their_made = seconds(other, options.turns)
        given = (
            sum(m.num_states for _, m in calls)
            if name == "replace"
            else (strings if name == "disambiguate" else words).num_states
        )
        states = made.num_states, their_made.num_states()
        shown = states[0] if states[0] == states[1] else f"{states[0]}, {states[1]}"
        print(f"| {name} | {given} | {shown} | {1e3 * mine:.1f} | {1e3 * peer:.1f} | {peer / mine:.1f} |")


if __name__ == "__main__":
    main()
