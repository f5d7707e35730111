"""Operations on lattices (PyKaldi's `kaldi.lat.functions`).

Functions that get a lattice to change change that one, as PyKaldi's do.
"""

import logging
from typing import Any

from sonant import _native
from sonant.fst import compose_on_demand
from sonant.kaldi.fstext import CompactLatticeVectorFst, LatticeVectorFst
from sonant.kaldi.fstext.on_demand import StdDeterministicOnDemandFst
from sonant.kaldi.fstext.semirings import DELTA
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.lat._lattices import compact_of, lattice_of, raw_of, transitions_of
from sonant.kaldi.lat.acoustics import get_per_frame_acoustic_costs as get_per_frame_acoustic_costs
from sonant.kaldi.lat.acoustics import rescore_compact_lattice_speedup as rescore_compact_lattice_speedup
from sonant.kaldi.lat.acoustics import rescore_lattice as rescore_lattice
from sonant.kaldi.lat.options import ComposeLatticePrunedOptions as ComposeLatticePrunedOptions
from sonant.kaldi.lat.options import (
    DeterminizeLatticePhonePrunedOptions as DeterminizeLatticePhonePrunedOptions,
)
from sonant.kaldi.lat.options import DeterminizeLatticePrunedOptions as DeterminizeLatticePrunedOptions
from sonant.kaldi.lat.phones import compact_lattice_to_word_alignment as compact_lattice_to_word_alignment
from sonant.kaldi.lat.phones import compact_lattice_to_word_prons as compact_lattice_to_word_prons
from sonant.kaldi.lat.phones import convert_compact_lattice_to_phones as convert_compact_lattice_to_phones
from sonant.kaldi.lat.phones import convert_lattice_to_phones as convert_lattice_to_phones
from sonant.kaldi.lat.phones import lattice_active_phones as lattice_active_phones
from sonant.kaldi.lat.phones import lattice_boost as lattice_boost
from sonant.kaldi.lat.phones import lattice_forward_backward_mmi as lattice_forward_backward_mmi
from sonant.kaldi.lat.phones import (
    lattice_forward_backward_mpe_variants as lattice_forward_backward_mpe_variants,
)

_log = logging.getLogger("sonant.kaldi.lat")
_STOPPED = (
    "determinization stopped early, as one of max_mem, max_states and max_arcs was reached: the result is "
    "pruned more than by the beam"
)

# Determinization


def determinize_lattice_pruned(
    ifst: Any, prune: float, opts: DeterminizeLatticePrunedOptions | None = None, compact_out: bool = True
) -> Any:
    """A lattice with the best path of each sequence of words within the beam `prune`.

    Compact, or, without `compact_out`, with words as input labels and transition-ids on chains of arcs.
    Where a limit was reached the log has a warning. Raises FstError for cycles and costs that are no
    numbers."""
    options = opts or DeterminizeLatticePrunedOptions()
    native, complete = _native.lattice_determinize_pruned(
        raw_of(ifst).fst.native,
        prune,
        options.delta,
        options.max_mem,
        options.max_loop,
        options.max_states,
        options.max_arcs,
        options.retry_cutoff,
        compact_out,
    )
    if not complete:
        _log.warning(_STOPPED)
    return (CompactLatticeVectorFst if compact_out else LatticeVectorFst).of_native(native)


def determinize_lattice_phone_pruned(
    ifst: Any,
    trans_model: TransitionModel,
    prune: float,
    opts: DeterminizeLatticePhonePrunedOptions | None = None,
    destructive: bool = True,
) -> CompactLatticeVectorFst:
    """The same with phones first, which needs less for deep lattices. The input stays as it is, whatever
    `destructive`. Raises FstError for transition-ids that the model does not have, too."""
    del destructive
    options = opts or DeterminizeLatticePhonePrunedOptions()
    native, complete = _native.lattice_determinize_phone_pruned(
        raw_of(ifst).fst.native,
        transitions_of(trans_model).first_phones,
        prune,
        options.delta,
        options.max_mem,
        options.phone_determinize,
        options.word_determinize,
        options.minimize,
    )
    if not complete:
        _log.warning(_STOPPED)
    return CompactLatticeVectorFst.of_native(native)


def minimize_compact_lattice(clat: Any, delta: float = DELTA) -> bool:
    """Makes equal states one, in place; push strings and weights before. Raises FstError for a cycle."""
    clat.native = _native.lattice_minimize(compact_of(clat).fst.native, delta)
    return True


def push_compact_lattice_strings(clat: Any) -> bool:
    """Moves what all strings from a state on begin with towards the start, in place."""
    clat.native = _native.lattice_push_strings(compact_of(clat).fst.native)
    return True


def push_compact_lattice_weights(clat: Any) -> bool:
    """Moves best costs towards the start, in place."""
    clat.native = _native.lattice_push_weights(compact_of(clat).fst.native)
    return True


# Costs, pruning, composition


def add_word_ins_pen_to_compact_lattice(word_ins_penalty: float, clat: Any) -> None:
    """Adds this to the graph cost of each word, in place."""
    clat.native = compact_of(clat).add_word_penalty(word_ins_penalty).fst.native


def prune_lattice(beam: float, lat: Any) -> None:
    """Takes arcs away whose best path costs more than `beam` over the best of all, in place."""
    lat.native = lattice_of(lat).prune(beam).fst.native


def compact_lattice_limit_depth(max_arcs_per_frame: int, clat: Any) -> None:
    """Keeps the best arcs of each frame, in place."""
    clat.native = compact_of(clat).limit_depth(max_arcs_per_frame).fst.native


def top_sort_lattice_if_needed(lat: Any) -> None:
    """States in topological order, in place. Raises FstError for a cycle."""
    lat.native = lattice_of(lat).sorted().fst.native


def compose_compact_lattice_deterministic(
    clat: Any, det_fst: StdDeterministicOnDemandFst
) -> CompactLatticeVectorFst:
    """With the costs of a language model added to the graph costs."""
    if not isinstance(det_fst, StdDeterministicOnDemandFst):
        raise TypeError(f"a {type(det_fst).__name__}; expected a StdDeterministicOnDemandFst")
    composed = compose_on_demand(compact_of(clat).fst, det_fst.model(), connect=True)
    return CompactLatticeVectorFst.of_native(composed.native)


def compose_compact_lattice_pruned(
    opts: ComposeLatticePrunedOptions, clat: Any, det_fst: StdDeterministicOnDemandFst
) -> CompactLatticeVectorFst:
    """The same best parts first, and without what is not within the beam of the best path."""
    if not isinstance(det_fst, StdDeterministicOnDemandFst):
        raise TypeError(f"a {type(det_fst).__name__}; expected a StdDeterministicOnDemandFst")
    made = compact_of(clat)._compose_pruned(
        det_fst.model(), opts.lattice_compose_beam, opts.max_arcs, opts.initial_num_arcs, opts.growth_ratio
    )
    return CompactLatticeVectorFst.of_native(made.fst.native)


def compact_lattice_shortest_path(clat: Any) -> CompactLatticeVectorFst:
    """The best path; empty where there is none."""
    best = _native.fst_shortest_path(compact_of(clat).sorted().fst.native, 1, False, float("inf"), -1)
    if best.start() >= 0:
        best.topological_sort()
    return CompactLatticeVectorFst.of_native(best)


def sentence_level_confidence(lat: Any) -> tuple[float, int, list[int], list[int]]:
    """(difference of costs of the best two sentences, how many there are, up to two, the best, the second).

    The difference is 0 where there is no path, infinite where there is one."""
    found = lattice_of(lat).sentence_confidence()
    sentences = [list(words) for words in (found.best, found.second) if words is not None]
    return found.difference, len(sentences), *([*sentences, [], []][:2])


# Times and depth


def lattice_state_times(lat: Any) -> tuple[int, list[int]]:
    """(frames, the frame of each state). Raises FstError where ways to a state are not equally long."""
    frames, times = lattice_of(lat).state_times()
    return frames, times.tolist()


def compact_lattice_depth(clat: Any) -> tuple[float, int]:
    """(how many arcs cross a frame on average, frames)."""
    depths = compact_of(clat).depth_per_frame()
    return float(depths.mean()) if depths.size else 1.0, len(depths)


def compact_lattice_depth_per_frame(clat: Any) -> list[int]:
    return compact_of(clat).depth_per_frame().tolist()


def longest_sentence_length_in_lattice(lat: Any) -> int:
    """The most words that a path has."""
    return lattice_of(lat).longest_sentence()


# Forward-backward


def compute_lattice_alphas_and_betas(lat: Any, viterbi: bool) -> tuple[float, list[float], list[float]]:
    """(total, forward, backward): logarithms of probabilities, of the best paths where `viterbi`."""
    total, forward, backward = lattice_of(lat).costs(best=viterbi)
    return -total, (-forward).tolist(), (-backward).tolist()


def compute_compact_lattice_alphas(clat: Any) -> list[float]:
    """The logarithm of the probability of all paths to each state."""
    return (-compact_of(clat).costs()[1]).tolist()


def compute_compact_lattice_betas(clat: Any) -> list[float]:
    """The logarithm of the probability of all paths from each state on."""
    return (-compact_of(clat).costs()[2]).tolist()


def lattice_forward_backward(lat: Any) -> tuple[float, list[list[tuple[int, float]]], float]:
    """(log-probability, probabilities of transition-ids at each frame, expected acoustic score)."""
    found = raw_of(lat).posteriors()
    return found.log_probability, found.frames, found.acoustic
