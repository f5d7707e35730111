"""Kaldi's options of operations on lattices."""

from sonant.kaldi.fstext.semirings import DELTA
from sonant.kaldi.util.options import Options, option


class DeterminizeLatticePrunedOptions(Options):
    """Limits of determinization; negative: none."""

    delta: float = option(DELTA, "delta", "Costs of subsets that are closer are taken for equal")
    max_mem: int = option(-1, "max-mem", "Bytes, by Kaldi's count, that it may need")
    max_loop: int = option(-1, "max-loop", "Steps along epsilons from one subset")
    max_states: int = option(-1, "max-states", "States of the result")
    max_arcs: int = option(-1, "max-arcs", "Arcs of the result")
    retry_cutoff: float = option(
        0.5, "retry-cutoff", "Where less than this part of the beam was reached, try again with a smaller one"
    )


class DeterminizeLatticePhonePrunedOptions(Options):
    """How to determinize with phones first."""

    delta: float = option(DELTA, "delta", "Costs of subsets that are closer are taken for equal")
    max_mem: int = option(50000000, "max-mem", "Bytes, by Kaldi's count, that it may need")
    phone_determinize: bool = option(
        True, "phone-determinize", "Determinize with phones among the words first"
    )
    word_determinize: bool = option(True, "word-determinize", "Determinize the lattice of words")
    minimize: bool = option(False, "minimize", "Push and minimize afterwards")


class ComposeLatticePrunedOptions(Options):
    """How to compose a lattice with a language model best parts first."""

    lattice_compose_beam: float = option(
        6.0, "lattice-compose-beam", "Costs over the best path's beyond which nothing is made"
    )
    max_arcs: int = option(100000, "max-arcs", "Arcs of the result, about, once it has a path")
    initial_num_arcs: int = option(100, "initial-num-arcs", "Arcs before costs are computed anew")
    growth_ratio: float = option(
        1.5, "growth-ratio", "Costs are computed anew each time that the result has grown by this"
    )
