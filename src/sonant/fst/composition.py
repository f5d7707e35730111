"""Composition, determinization, minimization and what belongs to them, on `Fst`.

All return new automata and leave their arguments alone. A list of automata in place of the first one means
a list of results, made in parallel. `max_states` and `max_arcs` bound the result (FstError where it would
have more); without them it may take half of the memory of this machine.
"""

import os
from typing import Any, Literal

from sonant import _native
from sonant.errors import FstError
from sonant.fst.algorithms import DELTA, like, same_type
from sonant.fst.automaton import Fst
from sonant.fst.bounds import bounds
from sonant.fst.parallel import over_lists

Filter = Literal["auto", "null", "trivial", "sequence", "alt_sequence", "match", "no_match"]
Special = Literal["phi", "rho", "sigma"]

FILTERS = {
    name: number
    for number, name in enumerate(
        ("auto", "null", "trivial", "sequence", "alt_sequence", "match", "no_match")
    )
}
_SPECIALS = {None: 0, "phi": 1, "rho": 2, "sigma": 3}

_MATCHED = (_native.StdFst, _native.LogFst, _native.LatticeFst)


def _check_delta(delta: float) -> float:
    if not 0 < delta < 1e6:
        raise FstError(f"delta={delta}; expected a small positive number, such as 1/1024")
    return float(delta)


def _check_kind(fst: Fst, operation: str) -> Any:
    if not isinstance(fst.native, _MATCHED):
        raise FstError(f"{operation} of arcs of type {fst.arc_type}; expected standard, log or lattice4")
    return fst.native


def matching(filter: Filter, special: tuple[Special, int] | None) -> tuple[int, int]:
    """(what a label of the right automaton means, the label), as the native core takes them; checks both.

    Raises FstError where the filter or the meaning has no such name, or the label is negative.
    """
    if filter not in FILTERS:
        raise FstError(f"filter={filter!r}; expected {', '.join(FILTERS)}")
    kind, label = special or (None, -1)
    if kind not in _SPECIALS:
        raise FstError(f"special={special!r}; expected 'phi', 'rho' or 'sigma' with a label")
    if special and label < 0:
        raise FstError(f"special={special!r}; expected a label that is not negative")
    return _SPECIALS[kind], label


def _pair(
    name: str,
    left: Fst,
    right: Fst,
    filter: Filter,
    connect: bool,
    meaning: tuple[int, int],
    most: tuple[int, int],
) -> Fst:
    same_type(name, left, right)
    native = getattr(_native, name)(left.native, right.native, FILTERS[filter], connect, *meaning, *most)
    result = like(left, native)
    result.output_symbols = right.output_symbols
    return result


@over_lists
def compose(
    left: Fst,
    right: Fst,
    filter: Filter = "auto",
    connect: bool = True,
    *,
    special: tuple[Special, int] | None = None,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """The relation of `left` followed by that of `right`; epsilons by a filter of Allauzen and Mohri
    (2010).

    One side must be sorted by the labels in the middle (FstError where none is). `connect` leaves out what
    leads to no final state. `special` gives a label of the right automaton's input side a meaning: ('phi',
    label) a failure arc, which is taken where the label that is asked for is not there; ('rho', label) any
    label that is not there; ('sigma', label) any label.
    """
    meaning = matching(filter, special)
    return _pair("compose", left, right, filter, connect, meaning, bounds(max_states, max_arcs))


@over_lists
def intersect(
    left: Fst,
    right: Fst,
    filter: Filter = "auto",
    connect: bool = True,
    *,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """The strings that both acceptors have, with both costs. Raises FstError where one is a transducer."""
    meaning = matching(filter, None)
    return _pair("intersect", left, right, filter, connect, meaning, bounds(max_states, max_arcs))


@over_lists
def difference(
    left: Fst,
    right: Fst,
    connect: bool = True,
    *,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """The paths of `left` whose output is no string of `right`, which must be an unweighted, deterministic
    acceptor without epsilons: FstError where it is not."""
    meaning = matching("auto", None)
    return _pair("difference", left, right, "auto", connect, meaning, bounds(max_states, max_arcs))


@over_lists
def determinize(
    fst: Fst,
    delta: float = DELTA,
    *,
    disambiguate: bool = False,
    subsequential_label: int = 0,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """At most one arc with an input label leaves a state (Mohri 1997); epsilon is a label like others.

    Transducers must be functional; with `disambiguate` the best output of each input is kept instead.
    Output that is owed at the end comes on arcs with the input label `subsequential_label`. Costs that
    differ by less than `delta` are taken for equal. Raises FstError, with the input that leads there, where
    there are two outputs, where output is owed without end, and beyond `max_states` (default: 50 times the
    states and arcs, at least a million).
    """
    # Keyword indexes, too.
    native = fst.native if isinstance(fst.native, _native.KwsIndexFst) else _check_kind(fst, "determinize")
    most = bounds(max_states, max_arcs)
    result = _native.determinize(native, _check_delta(delta), disambiguate, subsequential_label, *most)
    return like(fst, result)


@over_lists
def determinize_star(
    fst: Fst,
    delta: float = DELTA,
    *,
    use_log: bool = False,
    max_states: int | None = None,
    max_arcs: int | None = None,
    allow_partial: bool = False,
    consume: bool = False,
) -> Fst:
    """Kaldi's determinization: input epsilons are removed on the way, several output labels become chains.

    `use_log` adds up the probabilities of paths of a tropical automaton. Errors are those of `determinize`;
    `allow_partial` gives what there is at `max_states` instead. With `consume` the given automaton is empty
    afterwards, which takes less memory.
    """
    most = bounds(max_states, max_arcs)
    native: Any = _check_kind(fst, "determinize_star")
    as_log = use_log and isinstance(native, _native.StdFst)
    native = native.to_log() if as_log else native
    result, _ = _native.determinize_star(native, _check_delta(delta), *most, allow_partial, consume or as_log)
    return like(fst, result.to_tropical() if as_log else result)


@over_lists
def minimize(fst: Fst, delta: float = DELTA, allow_nondet: bool = False) -> Fst:
    """The least automaton with the same paths, of a deterministic one: costs and output labels are pushed
    towards the start, states from which the same can be read become one (Mohri 2000).

    Costs are rounded to multiples of `delta`; arcs with several output labels become chains. Raises
    FstError where it is not deterministic, unless `allow_nondet`, and then the result is smaller but maybe
    not the least.
    """
    native = _native.minimize(_check_kind(fst, "minimize"), _check_delta(delta), allow_nondet)
    return like(fst, native)


@over_lists
def minimize_encoded(fst: Fst, delta: float = DELTA) -> Fst:
    """Kaldi's: states become one from which the same labels and costs (in multiples of `delta`) can be
    read, where they stand. For any automaton."""
    return like(fst, _native.minimize_encoded(fst.native, _check_delta(delta)))


def equivalent(left: Fst, right: Fst, delta: float = DELTA) -> bool:
    """Whether two deterministic acceptors without epsilons have the same strings with the same costs, up to
    `delta`: exactly (Hopcroft and Karp 1971). Raises FstError for others: see `random_equivalent`."""
    if left.arc_type != right.arc_type:
        return False
    kinds = _check_kind(left, "equivalent"), right.native
    return _native.equivalent(*kinds, _check_delta(delta))


def random_equivalent(
    left: Fst,
    right: Fst,
    paths: int = 1,
    delta: float = DELTA,
    seed: int | None = None,
    max_length: int = 2**31 - 1,
    select: Literal["uniform", "log_prob", "fast_log_prob"] = "uniform",
) -> bool:
    """Draws paths of both and compares the costs of all paths with their labels; longer ones than
    `max_length` are left out. False is sure, True is not. The same `seed` draws the same paths.

    `select`: each arc of a state is as likely, or as likely as its weight says."""
    if select not in ("uniform", "log_prob", "fast_log_prob"):
        raise FstError(f"select={select!r}; expected uniform, log_prob or fast_log_prob")
    if left.arc_type != right.arc_type:
        return False
    if seed is None:
        seed = int.from_bytes(os.urandom(8), "little")
    lefts, rights = (  # compose looks labels up, and one chain after another is sorted
        _check_kind(fst, "random_equivalent") for fst in (left, right)
    )
    by_weight = select != "uniform"
    return _native.random_equivalent(
        lefts, rights, paths, seed % 2**64, _check_delta(delta), max_length, by_weight
    )
