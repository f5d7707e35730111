"""What Kaldi adds to automata (PyKaldi's `kaldi.fstext.special`)."""

from enum import IntEnum
from typing import Any

import numpy as np

from sonant import _native
from sonant.errors import FstError
from sonant.fst import special as operations
from sonant.kaldi.fstext.automata import MutableFstBase
from sonant.kaldi.fstext.composition import check, combined, made, reducible
from sonant.kaldi.fstext.context import StdInverseContextFst as StdInverseContextFst
from sonant.kaldi.fstext.context import add_subsequential_loop as add_subsequential_loop
from sonant.kaldi.fstext.context import compose_context as compose_context
from sonant.kaldi.fstext.context import create_ilabel_info_symbol_table as create_ilabel_info_symbol_table
from sonant.kaldi.fstext.enums import ComposeFilter, MatchType
from sonant.kaldi.fstext.kinds import (
    VECTOR_TYPES,
    CompactLatticeVectorFst,
    LatticeVectorFst,
    StdVectorFst,
)
from sonant.kaldi.fstext.on_demand import ScaleDeterministicOnDemandFst as ScaleDeterministicOnDemandFst
from sonant.kaldi.fstext.on_demand import (
    StdBackoffDeterministicOnDemandFst as StdBackoffDeterministicOnDemandFst,
)
from sonant.kaldi.fstext.on_demand import StdCacheDeterministicOnDemandFst as StdCacheDeterministicOnDemandFst
from sonant.kaldi.fstext.on_demand import (
    StdComposeDeterministicOnDemandFst as StdComposeDeterministicOnDemandFst,
)
from sonant.kaldi.fstext.on_demand import StdDeterministicOnDemandFst as StdDeterministicOnDemandFst
from sonant.kaldi.fstext.on_demand import StdUnweightedNgramFst as StdUnweightedNgramFst
from sonant.kaldi.fstext.on_demand import (
    compose_deterministic_on_demand_fst as compose_deterministic_on_demand_fst,
)
from sonant.kaldi.fstext.operations import push
from sonant.kaldi.fstext.semirings import DELTA

# Of a state of a lattice and an arc that leads to it, roughly.
_STATE_BYTES = 44


class NonterminalValues(IntEnum):
    """Symbols of grammars, counted from the first nonterminal phone."""

    kNontermBos = 0
    kNontermBegin = 1
    kNontermEnd = 2
    kNontermReenter = 3
    kNontermUserDefined = 4
    kNontermMediumNumber = 1000
    kNontermBigNumber = 10000000


def get_encoding_multiple(nonterm_phones_offset: int) -> int:
    """The least multiple of 1000 that is above the phones: labels of grammars count in it."""
    medium = NonterminalValues.kNontermMediumNumber
    return medium * (nonterm_phones_offset // medium + 1)


def read_ilabel_info(is_: _native.Input, binary: bool) -> list[list[int]]:
    """The phones in context behind each input label of a context-dependent graph (Kaldi's ilabels
    files)."""
    count = is_.integer(binary)
    if count < 0:
        is_.error(f"{count} labels; expected 0 or more")
    return [is_.integers(binary).tolist() for _ in range(count)]


def write_ilabel_info(os: _native.Output, binary: bool, info: list[list[int]]) -> None:
    os.integer(binary, len(info))
    for phones in info:
        os.integers(binary, np.asarray(phones, np.int32))


# Determinization


def determinize_star(
    ifst: Any, delta: float = DELTA, max_states: int = -1, allow_partial: bool = False
) -> StdVectorFst:
    """Determinizes and removes input epsilons at once; several output labels become chains of arcs.

    Raises FstError, with the input that leads there, where the automaton is not functional, or where it
    would have more than `max_states` states (if positive), unless `allow_partial`: then there is what was
    done by then."""
    native, _ = _native.determinize_star(
        reducible(ifst, "determinize_star"), delta, max(max_states, 0), 0, allow_partial and max_states > 0
    )
    return made(native, ifst, ifst)


def determinize_star_in_log(fst: StdVectorFst, delta: float = DELTA, max_states: int = -1) -> None:
    """The same in place, adding up the probabilities of paths."""
    native = reducible(fst, "determinize_star_in_log")
    if not isinstance(native, _native.StdFst):
        raise TypeError(f"arcs of type {fst._arc.type()}; expected standard")
    fst.native = _native.determinize_star(native.to_log(), delta, max(max_states, 0), 0, False)[
        0
    ].to_tropical()


# Composition with tables: Kaldi's names of what `compose` does by itself where labels are dense


class TableMatcherOptions:
    """Kept for scripts: a state gets a table where it has 16 arcs and one of four labels at least."""

    def __init__(self) -> None:
        self.table_ratio = 0.25
        self.min_table_size = 4


class TableComposeOptions(TableMatcherOptions):
    """`connect` and `filter_type` are those of `compose`."""

    def __init__(self) -> None:
        super().__init__()
        self.connect = True
        self.filter_type = ComposeFilter.SEQUENCE_FILTER
        self.table_match_type = MatchType.MATCH_OUTPUT

    @classmethod
    def from_matcher_opts(
        cls,
        mo: TableMatcherOptions,
        connect: bool = True,
        filter_type: ComposeFilter = ComposeFilter.SEQUENCE_FILTER,
        table_match_type: MatchType = MatchType.MATCH_OUTPUT,
    ) -> "TableComposeOptions":
        options = cls()
        options.table_ratio, options.min_table_size = mo.table_ratio, mo.min_table_size
        options.connect, options.filter_type = connect, filter_type
        options.table_match_type = table_match_type
        return options


class _TableComposeCache:
    def __init__(self, opts: TableComposeOptions | None = None):
        self.opts = opts or TableComposeOptions()

    @classmethod
    def from_compose_opts(cls, opts: TableComposeOptions) -> "_TableComposeCache":
        return cls(opts)


class StdTableComposeCache(_TableComposeCache):
    """The options of compositions that have one side in common."""


class LatticeTableComposeCache(_TableComposeCache):
    """The same for lattices."""


def _into(ofst: Any, native_of: Any) -> None:
    if not isinstance(ofst, MutableFstBase):
        raise TypeError(f"a {type(ofst).__name__} to write into; expected a vector automaton")
    if ofst._arc is not native_of._arc:
        raise TypeError(f"arcs of type {native_of._arc.type()} into {type(ofst).__name__}")
    ofst.native = native_of.native
    ofst._isymbols, ofst._osymbols = native_of._isymbols, native_of._osymbols


def table_compose(ifst1: Any, ifst2: Any, ofst: Any, opts: TableComposeOptions | None = None) -> None:
    """`compose` into `ofst`."""
    options = opts or TableComposeOptions()
    name = ComposeFilter(options.filter_type).name.removesuffix("_FILTER").lower()
    if options.table_match_type not in (MatchType.MATCH_INPUT, MatchType.MATCH_OUTPUT):
        raise FstError(f"table_match_type={options.table_match_type!r}; expected MATCH_INPUT or MATCH_OUTPUT")
    _into(ofst, combined("compose", ifst1, ifst2, options.connect, name))


def table_compose_lattice(ifst1: Any, ifst2: Any, ofst: Any, opts: TableComposeOptions | None = None) -> None:
    """`compose` of lattices into `ofst`."""
    table_compose(ifst1, ifst2, ofst, opts)


def table_compose_cache(ifst1: Any, ifst2: Any, ofst: Any, cache: StdTableComposeCache) -> None:
    """`compose` into `ofst`, with the options of the cache."""
    table_compose(ifst1, ifst2, ofst, cache.opts)


def table_compose_cache_lattice(ifst1: Any, ifst2: Any, ofst: Any, cache: LatticeTableComposeCache) -> None:
    """`compose` of lattices into `ofst`, with the options of the cache."""
    table_compose(ifst1, ifst2, ofst, cache.opts)


def phi_compose(fst1: Any, fst2: Any, phi_label: int, ofst: Any) -> None:
    """Composition into `ofst` where arcs of `fst2` with the input label `phi_label` are failures, taken
    where the label that is asked for is not there. `fst2` must be sorted by input labels."""
    _into(ofst, combined("compose", fst1, fst2, special=1, label=phi_label))


def phi_compose_lattice(fst1: Any, fst2: Any, phi_label: int, ofst: Any) -> None:
    """`phi_compose` of lattices."""
    phi_compose(fst1, fst2, phi_label, ofst)


def rho_compose(fst1: Any, fst2: Any, rho_label: int, ofst: Any) -> None:
    """Composition into `ofst` where arcs of `fst2` with the input label `rho_label` take any label that is
    not there; in an acceptor that label goes through. `fst2` must be sorted by input labels."""
    _into(ofst, combined("compose", fst1, fst2, special=2, label=rho_label))


def minimize_encoded_std_fst(fst: StdVectorFst, delta: float = DELTA) -> None:
    """Merges states from which the same labels and costs can be read where they stand, in place."""
    fst.native = _native.minimize_encoded(reducible(fst, "minimize_encoded"), delta)


def remove_eps_local(fst: StdVectorFst, special: bool = False) -> None:
    """Removes those epsilons whose removal does not make the automaton bigger, in place. `special`: what
    leaves a state sums to the same probability as before."""
    fst.native = _native.fst_remove_epsilons_locally(fst.native, special)


# Pushing


def push_special(fst: StdVectorFst, delta: float = DELTA) -> None:
    """Moves weights so that all states sum to the same probability, in place; see `sonant.fst`."""
    fst.native = operations.push_special(fst.to_fst(), delta).native


def push_in_log(
    ifst: StdVectorFst,
    push_weights: bool = False,
    push_labels: bool = False,
    remove_common_affix: bool = False,
    remove_total_weight: bool = False,
    to_final: bool = False,
    delta: float = DELTA,
) -> None:
    """`push` in place, adding up the probabilities of paths."""
    if not isinstance(ifst.native, _native.StdFst):
        raise TypeError(f"arcs of type {ifst._arc.type()}; expected standard")
    log = VECTOR_TYPES["log"].of_native(ifst.native.to_log())
    flags = (push_weights, push_labels, remove_common_affix, remove_total_weight)
    ifst.native = push(log, *flags, to_final, delta).native.to_tropical()


# Lattices


def determinize_lattice(
    ifst: LatticeVectorFst,
    compact_output: bool = True,
    delta: float = DELTA,
    max_mem: int = -1,
    max_loop: int = -1,
) -> CompactLatticeVectorFst | LatticeVectorFst:
    """Of each string of input labels the best path; output labels become strings of a compact lattice.

    `max_mem` (bytes of states and arcs) and `max_loop` (states) bound it if positive. Raises FstError where
    it cannot be determinized, or beyond these bounds."""
    check(ifst, "determinize_lattice")
    limits = [max_mem // _STATE_BYTES + 1] * (max_mem > 0) + [max_loop] * (max_loop > 0)
    made = operations.determinize_lattice(
        ifst.to_fst(), compact_output, delta, min(limits) if limits else None
    ).native
    return (CompactLatticeVectorFst if compact_output else LatticeVectorFst).of_native(made)
