"""What Kaldi adds to OpenFst's operations. Each gives a new automaton; a list of them a list."""

import logging
from typing import Any

from sonant import _native
from sonant.errors import FstError
from sonant.fst.algorithms import DELTA, connect, like, relabel, remove_eps_local
from sonant.fst.automaton import Fst
from sonant.fst.composition import determinize_star, minimize_encoded
from sonant.fst.parallel import over_lists

_log = logging.getLogger("sonant.fst")


def _tropical(operation: str, fst: Fst) -> Any:
    if fst.arc_type != "standard":
        raise FstError(f"{operation} of arcs of type {fst.arc_type}; expected standard")
    return fst.native


@over_lists
def push_special(fst: Fst, delta: float = DELTA) -> Fst:
    """Weights moved so that all states sum to the same probability; final states lead back to the start.

    Unlike `push` this always can be: paths need no finite sum. What states sum to is the dominant eigenvalue
    of the matrix of probabilities (Hannemann and Povey 2013), 1 for a stochastic automaton. Two states differ
    by less than `delta` (in the log domain); where 2000 iterations do not get there the log has a warning.
    Raises FstError where a state leads to no final one.
    """
    if not delta > 0:
        raise FstError(f"delta={delta}; expected a small positive number, such as 1/1024")
    native, spread, iterations = _native.push_special(_tropical("push_special", fst), delta)
    if spread > delta:
        _log.warning(
            "push_special: after %d iterations sums differ by %g; delta is %g", iterations, spread, delta
        )
    return like(fst, native)


@over_lists
def propagate_final(fst: Fst, phi_label: int) -> Fst:
    """A state without a final cost gets that of the state its arc with the input label `phi_label` leads to,
    and that arc's: composition with failure arcs then ends where it may. FstError where such arcs have a
    cycle or a state has two of them."""
    return like(fst, _native.propagate_final(_tropical("propagate_final", fst), phi_label))


@over_lists
def make_preceding_input_symbols_same(fst: Fst, start_is_epsilon: bool = False) -> Fst:
    """All arcs that come to a state get one input label, through new states and epsilons where needed;
    `start_is_epsilon` counts being the start as an epsilon that comes there."""
    native = _tropical("make_preceding_input_symbols_same", fst)
    return like(fst, _native.make_preceding_input_symbols_same(native, start_is_epsilon))


@over_lists
def make_following_input_symbols_same(fst: Fst, end_is_epsilon: bool = False) -> Fst:
    """All arcs that leave a state get one input label, through new states and epsilons where needed;
    `end_is_epsilon` counts being final as an epsilon that leaves."""
    native = _tropical("make_following_input_symbols_same", fst)
    return like(fst, _native.make_following_input_symbols_same(native, end_is_epsilon))


@over_lists
def remove_useless_arcs(fst: Fst) -> Fst:
    """Without arcs that no best path needs: the worse ones of those with one input label from a state to
    another, and input epsilons from a state to itself."""
    return like(fst, _native.remove_useless_arcs(_tropical("remove_useless_arcs", fst)))


@over_lists
def equal_align(fst: Fst, length: int, seed: int, num_retries: int = 10) -> Fst:
    """A random path with exactly `length` input labels: a random walk, and the self-loops on its way, as many
    rounds as are missing, shared out evenly. The same `seed` gives the path that Kaldi finds on Linux.

    Raises FstError where all of `num_retries` walks are too long, or there is no loop to make one longer.
    """
    native = _tropical("equal_align", fst)
    return like(fst, _native.equal_align(native, length, seed % 2**32, num_retries))


def predeterminize(fst: Fst, first_label: int = 0) -> tuple[Fst, list[int]]:
    """Adds input labels, from `first_label` or the first free one on, so that determinization keeps apart the
    states that more than one path leads to: the result can be determinized, and then is no bigger.

    Returns it and the labels. Raises FstError where the automaton is not connected.
    """
    if fst.arc_type not in ("standard", "log"):
        raise FstError(f"predeterminize of arcs of type {fst.arc_type}; expected standard or log")
    first = max(first_label, 1 + max(0, int(fst.arcs["ilabel"].max(initial=0))))
    native, added = _native.predeterminize(fst.native, first)
    return like(fst, native), list(range(first, first + added))


@over_lists
def safe_determinize(fst: Fst, delta: float = DELTA, *, use_log: bool = False, minimize: bool = False) -> Fst:
    """Determinizes as far as the result is no bigger than the automaton (Kaldi's SafeDeterminizeWrapper):
    labels of their own keep states apart that more than one path leads to, and are epsilons in the end.

    `use_log` adds up probabilities. `minimize` removes epsilons locally and merges equal states afterwards.
    """
    if fst.arc_type not in ("standard", "log"):
        raise FstError(f"safe_determinize of arcs of type {fst.arc_type}; expected standard or log")
    ready, labels = predeterminize(connect(fst))
    made = determinize_star(ready, delta, use_log=use_log)
    result = relabel(made, [(label, 0) for label in labels])
    if minimize:
        result = minimize_encoded(remove_eps_local(result), delta)
    return like(fst, result.native)


@over_lists
def determinize_lattice(
    fst: Fst, compact: bool = True, delta: float = DELTA, max_states: int | None = None
) -> Fst:
    """A lattice with one path for each string of input labels, the best one (Kaldi's DeterminizeLattice).

    Output labels become the strings of a compact lattice, or, without `compact`, chains of arcs. Input
    epsilons are removed. Raises FstError where output is owed without end, and beyond `max_states`.
    """
    if fst.arc_type != "lattice4":
        raise FstError(f"determinize_lattice of arcs of type {fst.arc_type}; expected lattice4")
    if max_states is not None and max_states <= 0:
        raise FstError(f"max_states={max_states}; expected a positive number, or None")
    operation = _native.determinize_lattice_compact if compact else _native.determinize_lattice
    return like(fst, operation(fst.native, delta, max_states or 0))
