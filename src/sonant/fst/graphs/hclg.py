"""The decoding graph HCLG: from LG to a graph over transition-ids, by the chain of Kaldi's
`utils/mkgraph.sh`."""

from collections.abc import Iterable
from typing import Any

from sonant import _native
from sonant.errors import FstError
from sonant.fst.algorithms import arcmap, remove_eps_local
from sonant.fst.automaton import Fst
from sonant.fst.composition import DELTA, compose, determinize_star, minimize_encoded
from sonant.fst.graphs.context import compose_context
from sonant.fst.graphs.hmm import DecisionTree, TransitionModel, add_self_loops, h_transducer


def compose_hclg(
    lg: Fst,
    tree: DecisionTree,
    transition_model: TransitionModel,
    *,
    disambig: Iterable[int],
    self_loop_scale: float = 0.1,
    transition_scale: float = 1.0,
    reorder: bool = True,
    self_loops: bool = True,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """The decoding graph of LG: input labels are transition-ids, output labels those of LG.

    C is composed with LG (a window of one phone, of a monophone tree, gives HLG), H with the result; input
    epsilons go and paths become deterministic, with their probabilities added up (`determinize_star` in the
    log semiring); then the disambiguation symbols go, and what can be merged is (`remove_eps_local`,
    `minimize_encoded`); at the end self-loops come in, unless `self_loops` is false (HCLGa, for training or
    as a part of other graphs).

    `disambig` are the disambiguation symbols among the phones of LG. `max_states` and `max_arcs` bound every
    stage that adds some. LG should be deterministic, minimal and stochastic before (`compose_lg`). Raises
    FstError where LG is empty or not tropical, where phones of LG are not known to the topology or the tree,
    where it cannot be determinized (for instance as disambiguation symbols are missing), and where a stage
    becomes too big."""
    if not isinstance(lg.native, _native.StdFst):
        raise FstError(f"compose_hclg of arcs of type {lg.arc_type}; expected standard")
    limits: dict[str, Any] = {"max_states": max_states, "max_arcs": max_arcs}
    clg, labels = compose_context(lg, disambig, tree.context_width(), tree.central_position(), **limits)
    h, symbols = h_transducer(labels, tree, transition_model, transition_scale, **limits)
    graph = compose(h, clg.arc_sort("ilabel"), **limits)
    del h, clg
    if graph.start < 0:
        raise FstError(
            f"no path of LG ({lg.num_states} states) leads through H to a final state: has LG one, and is it "
            "trimmed? connect(lg) shows"
        )
    graph = arcmap(graph, "to_log")  # not by use_log: one graph at a time stays in memory
    graph = determinize_star(graph, DELTA, **limits, consume=True)
    graph = without_symbols(arcmap(graph, "to_standard"), symbols)
    graph = remove_eps_local(graph, consume=True)
    graph = minimize_encoded(graph)
    if self_loops:
        graph = add_self_loops(graph, transition_model, (), self_loop_scale, reorder, **limits)
    return graph


def without_symbols(fst: Fst, symbols: Iterable[int]) -> Fst:
    """Input labels of the list become epsilon."""
    result = Fst.of_native(_native.fst_relabel(fst.native, [(int(s), 0) for s in symbols], []))
    result.output_symbols = fst.output_symbols
    return result
