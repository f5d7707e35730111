"""HMMs in decoding graphs, by PyKaldi's names (Kaldi's `hmm/hmm-utils`), over `sonant.fst.graphs`."""

from collections.abc import Iterable, Sequence
from typing import Any

from sonant.errors import FstError
from sonant.fst import graphs
from sonant.kaldi.fstext.kinds import LatticeVectorFst, StdVectorFst
from sonant.kaldi.hmm.transition import TransitionModel
from sonant.kaldi.util.options import Options, option


class HTransducerConfig(Options):
    """`nonterm_phones_offset` belongs to grammars with nonterminals, which are not here: it stays -1."""

    transition_scale: float = option(1.0, "transition-scale", "Scale of transition probabilities")
    nonterm_phones_offset: int = option(-1, "nonterm-phones-offset", "The first nonterminal of grammars")


def get_h_transducer(
    ilabel_info: Iterable[Sequence[int]],
    ctx_dep: Any,
    trans_model: TransitionModel,
    config: HTransducerConfig | None = None,
) -> tuple[StdVectorFst, list[int]]:
    """(H without self-loops, the input labels of its disambiguation symbols).

    `ilabel_info` has the window of phones of each label of C, as `compose_context` gives it. Raises FstError
    for windows of another width than the tree's, and phones that the topology or the tree does not know.
    """
    options = config or HTransducerConfig()
    if options.nonterm_phones_offset >= 0:
        raise FstError(
            f"nonterm_phones_offset={options.nonterm_phones_offset}; expected -1: there are no grammars yet"
        )
    h, disambig = graphs.h_transducer(ilabel_info, ctx_dep, trans_model, options.transition_scale)
    return StdVectorFst.of_native(h.native), disambig


def add_self_loops(
    trans_model: TransitionModel,
    disambig_syms: Iterable[int],
    self_loop_scale: float,
    reorder: bool,
    check_no_self_loops: bool,
    fst: StdVectorFst,
) -> None:
    """Adds the self-loops of transition-ids, and the costs of leaving them, in place.

    With `reorder` a self-loop comes after the transition that leaves its state. Raises FstError for an input
    label that is no transition-id and not in the list, for self-loops that are there already where
    `check_no_self_loops`, and for a graph without a start state.
    """
    looped = graphs.add_self_loops(
        _graph(fst, StdVectorFst), trans_model, disambig_syms, self_loop_scale, reorder, check_no_self_loops
    )
    fst.native = looped.native


def add_transition_probs(
    trans_model: TransitionModel,
    disambig_syms: Iterable[int],
    transition_scale: float,
    self_loop_scale: float,
    fst: StdVectorFst,
) -> None:
    """Adds the costs of transition probabilities to a graph that was made without them, in place.

    Raises FstError for an input label that is no transition-id and not in the list.
    """
    fst.native = graphs.add_transition_probs(
        _graph(fst, StdVectorFst), trans_model, disambig_syms, transition_scale, self_loop_scale
    ).native


def add_transition_probs_lat(
    trans_model: TransitionModel, transition_scale: float, self_loop_scale: float, fst: LatticeVectorFst
) -> None:
    """The same of a lattice, whose graph costs grow."""
    fst.native = graphs.add_transition_probs(
        _graph(fst, LatticeVectorFst), trans_model, (), transition_scale, self_loop_scale
    ).native


def _graph(fst: Any, kind: type) -> Any:
    if not isinstance(fst, kind):
        raise TypeError(f"a {type(fst).__name__}; expected a {kind.__name__}")
    return fst.to_fst()
