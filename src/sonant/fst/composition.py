"""Composition, determinization, minimization and what belongs to them, on `Fst`.

All return new automata and leave their arguments alone. A list of automata in place of the first one means
a list of results, made in parallel. `max_states` and `max_arcs` bound the result (FstError where it would
have more); without them it may take half of the memory of this machine.
"""

import os
from collections.abc import Sequence
from typing import Any, Literal, overload

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.bounds import bounds
from sonant.fst.parallel import each

Filter = Literal["auto", "null", "trivial", "sequence", "alt_sequence", "match", "no_match"]
Special = Literal["phi", "rho", "sigma"]
Fsts = Sequence[Fst]

_FILTERS = {
    name: number
    for number, name in enumerate(
        ("auto", "null", "trivial", "sequence", "alt_sequence", "match", "no_match")
    )
}
_SPECIALS = {None: 0, "phi": 1, "rho": 2, "sigma": 3}
DELTA = 1 / 1024
_MATCHED = (_native.StdFst, _native.LogFst, _native.LatticeFst)


def _made(native: Any, inputs: Fst, outputs: Fst) -> Fst:
    """With the symbol tables of the two sides."""
    result = Fst.of_native(native)
    result.input_symbols = None if inputs.input_symbols is None else inputs.input_symbols.copy()
    result.output_symbols = None if outputs.output_symbols is None else outputs.output_symbols.copy()
    return result


def _check_delta(delta: float) -> float:
    if not 0 < delta < 1e6:
        raise FstError(f"delta={delta}; expected a small positive number, such as 1/1024")
    return float(delta)


def _check_kind(fst: Fst, operation: str) -> Any:
    if not isinstance(fst.native, _MATCHED):
        raise FstError(f"{operation} of arcs of type {fst.arc_type}; expected standard, log or lattice4")
    return fst.native


def _pair(
    name: str,
    left: Fst | Fsts,
    right: Fst,
    filter: str,
    connect: bool,
    special: str | None,
    label: int,
    most: tuple[int, int],
) -> Any:
    if filter not in _FILTERS:
        raise FstError(f"filter={filter!r}; expected {', '.join(_FILTERS)}")

    def operation(one: Fst) -> Fst:
        if one.arc_type != right.arc_type:
            raise FstError(f"{name} of arcs of type {one.arc_type} and {right.arc_type}; expected the same")
        native = getattr(_native, name)(
            one.native, right.native, _FILTERS[filter], connect, _SPECIALS[special], label, *most
        )
        return _made(native, one, right)

    return each(operation, left)


@overload
def compose(
    left: Fst,
    right: Fst,
    filter: Filter = ...,
    connect: bool = ...,
    *,
    special: tuple[Special, int] | None = ...,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> Fst: ...
@overload
def compose(
    left: Fsts,
    right: Fst,
    filter: Filter = ...,
    connect: bool = ...,
    *,
    special: tuple[Special, int] | None = ...,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> list[Fst]: ...
def compose(
    left: Fst | Fsts,
    right: Fst,
    filter: Filter = "auto",
    connect: bool = True,
    *,
    special: tuple[Special, int] | None = None,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst | list[Fst]:
    """The relation of `left` followed by that of `right`; epsilons by a filter of Allauzen and Mohri
    (2010).

    One side must be sorted by the labels in the middle (FstError where none is). `connect` leaves out what
    leads to no final state. `special` gives a label of the right automaton's input side a meaning: ('phi',
    label) a failure arc, which is taken where the label that is asked for is not there; ('rho', label) any
    label that is not there; ('sigma', label) any label.
    """
    kind, label = special or (None, -1)
    if kind not in _SPECIALS:
        raise FstError(f"special={special!r}; expected 'phi', 'rho' or 'sigma' with a label")
    if special and label < 0:
        raise FstError(f"special={special!r}; expected a label that is not negative")
    return _pair("compose", left, right, filter, connect, kind, label, bounds(max_states, max_arcs))


@overload
def intersect(
    left: Fst,
    right: Fst,
    filter: Filter = ...,
    connect: bool = ...,
    *,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> Fst: ...
@overload
def intersect(
    left: Fsts,
    right: Fst,
    filter: Filter = ...,
    connect: bool = ...,
    *,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> list[Fst]: ...
def intersect(
    left: Fst | Fsts,
    right: Fst,
    filter: Filter = "auto",
    connect: bool = True,
    *,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst | list[Fst]:
    """The strings that both acceptors have, with both costs. Raises FstError where one is a transducer."""
    return _pair("intersect", left, right, filter, connect, None, -1, bounds(max_states, max_arcs))


@overload
def difference(
    left: Fst,
    right: Fst,
    connect: bool = ...,
    *,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> Fst: ...
@overload
def difference(
    left: Fsts,
    right: Fst,
    connect: bool = ...,
    *,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> list[Fst]: ...
def difference(
    left: Fst | Fsts,
    right: Fst,
    connect: bool = True,
    *,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst | list[Fst]:
    """The paths of `left` whose output is no string of `right`, which must be an unweighted, deterministic
    acceptor without epsilons: FstError where it is not."""
    return _pair("difference", left, right, "auto", connect, None, -1, bounds(max_states, max_arcs))


@overload
def determinize(
    fst: Fst,
    delta: float = ...,
    *,
    disambiguate: bool = ...,
    subsequential_label: int = ...,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> Fst: ...
@overload
def determinize(
    fst: Fsts,
    delta: float = ...,
    *,
    disambiguate: bool = ...,
    subsequential_label: int = ...,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
) -> list[Fst]: ...
def determinize(
    fst: Fst | Fsts,
    delta: float = DELTA,
    *,
    disambiguate: bool = False,
    subsequential_label: int = 0,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst | list[Fst]:
    """At most one arc with an input label leaves a state (Mohri 1997); epsilon is a label like others.

    Transducers must be functional; with `disambiguate` the best output of each input is kept instead.
    Output that is owed at the end comes on arcs with the input label `subsequential_label`. Costs that
    differ by less than `delta` are taken for equal. Raises FstError, with the input that leads there, where
    there are two outputs, where output is owed without end, and beyond `max_states` (default: 50 times the
    states and arcs, at least a million).
    """
    most = bounds(max_states, max_arcs)

    def operation(one: Fst) -> Fst:
        native = _check_kind(one, "determinize")
        delta_ = _check_delta(delta)
        return _made(_native.determinize(native, delta_, disambiguate, subsequential_label, *most), one, one)

    return each(operation, fst)


@overload
def determinize_star(
    fst: Fst,
    delta: float = ...,
    *,
    use_log: bool = ...,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
    allow_partial: bool = ...,
    consume: bool = ...,
) -> Fst: ...
@overload
def determinize_star(
    fst: Fsts,
    delta: float = ...,
    *,
    use_log: bool = ...,
    max_states: int | None = ...,
    max_arcs: int | None = ...,
    allow_partial: bool = ...,
    consume: bool = ...,
) -> list[Fst]: ...
def determinize_star(
    fst: Fst | Fsts,
    delta: float = DELTA,
    *,
    use_log: bool = False,
    max_states: int | None = None,
    max_arcs: int | None = None,
    allow_partial: bool = False,
    consume: bool = False,
) -> Fst | list[Fst]:
    """Kaldi's determinization: input epsilons are removed on the way, several output labels become chains.

    `use_log` adds up the probabilities of paths of a tropical automaton. Errors are those of `determinize`;
    `allow_partial` gives what there is at `max_states` instead. With `consume` the given automaton is empty
    afterwards, which takes less memory.
    """
    most = bounds(max_states, max_arcs)

    def operation(one: Fst) -> Fst:
        native: Any = _check_kind(one, "determinize_star")
        as_log = use_log and isinstance(native, _native.StdFst)
        native = native.to_log() if as_log else native
        taken = consume or as_log
        result, _ = _native.determinize_star(native, _check_delta(delta), *most, allow_partial, taken)
        return _made(result.to_tropical() if as_log else result, one, one)

    return each(operation, fst)


@overload
def minimize(fst: Fst, delta: float = ..., allow_nondet: bool = ...) -> Fst: ...
@overload
def minimize(fst: Fsts, delta: float = ..., allow_nondet: bool = ...) -> list[Fst]: ...
def minimize(fst: Fst | Fsts, delta: float = DELTA, allow_nondet: bool = False) -> Fst | list[Fst]:
    """The least automaton with the same paths, of a deterministic one: costs and output labels are pushed
    towards the start, states from which the same can be read become one (Mohri 2000).

    Costs are rounded to multiples of `delta`; arcs with several output labels become chains. Raises
    FstError where it is not deterministic, unless `allow_nondet`, and then the result is smaller but maybe
    not the least.
    """
    return each(
        lambda one: _made(
            _native.minimize(_check_kind(one, "minimize"), _check_delta(delta), allow_nondet), one, one
        ),
        fst,
    )


@overload
def minimize_encoded(fst: Fst, delta: float = ...) -> Fst: ...
@overload
def minimize_encoded(fst: Fsts, delta: float = ...) -> list[Fst]: ...
def minimize_encoded(fst: Fst | Fsts, delta: float = DELTA) -> Fst | list[Fst]:
    """Kaldi's: states become one from which the same labels and costs (in multiples of `delta`) can be
    read, where they stand. For any automaton."""
    return each(
        lambda one: _made(_native.minimize_encoded(one.native, _check_delta(delta)), one, one),
        fst,
    )


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
