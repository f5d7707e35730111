"""Graphs that cannot be made: what is wrong is named, and nothing crashes or goes on for ever."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from sonant import fst
from sonant.errors import FstError
from sonant.fst import Fst
from sonant.fst.graphs import (
    ContextLabels,
    TrainingGraphs,
    TransitionTables,
    add_self_loops,
    add_transition_probs,
    compose_hclg,
    h_transducer,
)
from sonant.kaldi.hmm import HmmTopology, TransitionModel
from sonant.kaldi.tree import ContextDependency, monophone_context_dependency

TOPOLOGY = """<Topology> <TopologyEntry> <ForPhones> 1 2 3 </ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.75 <Transition> 1 0.25 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.5 <Transition> 2 0.5 </State>
<State> 2 </State> </TopologyEntry> </Topology> """


@pytest.fixture(scope="module")
def tree() -> ContextDependency:
    return monophone_context_dependency([1, 2, 3], [-1, 2, 2, 2])


@pytest.fixture(scope="module")
def model(tree) -> TransitionModel:
    from sonant import _native

    topology = HmmTopology()
    topology.read(_native.Input.from_bytes(TOPOLOGY.encode()), False)
    return TransitionModel.from_topo(tree, topology)


def chain(*labels: int) -> Fst:
    arcs = [f"{place} {place + 1} {label} {label}\n" for place, label in enumerate(labels)]
    return Fst.from_text("".join(arcs) + f"{len(labels)}\n")


def graph(lg: Fst, tree: Any, model: Any, disambig: Any = (5,), **options: Any) -> Fst:
    return compose_hclg(lg, tree, model, disambig=disambig, **options)


def test_phones_that_the_model_does_not_have(tree, model):
    message = r"phone 4 of the window \[4\] has no entry in the topology, whose phones are 1-3"
    with pytest.raises(FstError, match=message):
        graph(chain(1, 4, 2), tree, model)
    with pytest.raises(FstError, match=r"phone 5 of the window \[5\].*are all disambiguation symbols given"):
        graph(chain(1, 5), tree, model, disambig=())
    small = monophone_context_dependency([1, 2], [-1, 2, 2])
    with pytest.raises(FstError, match=r"tree has no pdf for the phones \[3\] and pdf-class 0"):
        graph(chain(1, 3), small, model)


def test_a_disambiguation_symbol_that_is_a_phone_of_the_model(tree, model):
    lexicon = Fst.from_text("0 1 1 7\n1 2 3 0\n2\n")
    with pytest.raises(FstError, match="3 is a phone and the disambiguation symbol as well"):
        TrainingGraphs(model, tree, lexicon, [3])
    with pytest.raises(FstError, match="lexicon has no start state"):
        TrainingGraphs(model, tree, Fst())
    graphs = TrainingGraphs(model, tree, lexicon)
    with pytest.raises(FstError, match="transcript 1: the lexicon does not have the words 8, 9"):
        graphs.of_transcripts([[7], [9, 8]])
    with pytest.raises(FstError, match="transcript 0: no path through the lexicon spells it"):
        graphs.of_transcripts([[7, 7]])
    assert graphs.of_transcripts([]) == []


def test_windows_that_are_not_those_of_the_tree(tree, model):
    for window in ([1, 2], [1, 2, 3], []):
        with pytest.raises(FstError, match=f"label 1 has a window of {len(window)} phones; expected 1"):
            h_transducer([[], window], tree, model)
    with pytest.raises(FstError, match="no transition-state has phone 1, state 0 and the pdfs 9 and 9"):
        h_transducer([[], [1]], Shifted(tree, 9), model)
    wrong = ContextLabels(np.array([0, 0, 7]), np.array([1], np.int32))
    with pytest.raises(FstError, match="do not fit together"):
        h_transducer(wrong, tree, model)


class Shifted:
    """A tree with other pdfs."""

    def __init__(self, tree: ContextDependency, shift: int):
        self._tree, self._shift = tree, shift

    def context_width(self) -> int:
        return 1

    def central_position(self) -> int:
        return 0

    def compute_pdfs(self, windows: np.ndarray, pdf_class: int) -> np.ndarray:
        return self._tree.compute_pdfs(windows, pdf_class) + self._shift


def test_graphs_without_paths_or_of_another_kind(tree, model):
    with pytest.raises(FstError, match="no start state: is the LG empty"):
        graph(Fst(), tree, model)
    with pytest.raises(FstError, match=r"no path of LG \(2 states\) leads through H to a final state"):
        graph(Fst.from_text("0 1 1 1\n"), tree, model)
    with pytest.raises(FstError, match="arcs of type log; expected standard"):
        graph(fst.arcmap(chain(1), "to_log"), tree, model)
    with pytest.raises(FstError, match="add_self_loops of arcs of type log"):
        add_self_loops(Fst("log"), model)
    with pytest.raises(FstError, match=r"graph .0 states. has no start state"):
        add_self_loops(Fst(), model)
    with pytest.raises(FstError, match="arcs of type log; expected standard or lattice4"):
        add_transition_probs(Fst("log"), model)


def test_what_cannot_be_determinized(tree, model):
    homophones = Fst.from_text("0 1 1 7\n0 2 1 8\n1 3 2 0\n2 3 2 0\n3 0 3 0\n3\n")
    with pytest.raises(FstError, match="determinize"):
        graph(homophones, tree, model)
    loop = Fst.from_text("0 1 1 7\n1 1 5 9\n1 2 2 0\n2\n")  # a cycle of a disambiguation symbol, with output
    assert graph(loop, tree, model).num_states > 3
    cycles = Fst.from_text("0 1 1 7\n1 1 2 0 1\n1 2 3 8\n0 3 1 0\n3 3 2 0 2\n3 2 3 9\n2\n")
    with pytest.raises(FstError, match="determinize"):
        graph(cycles, tree, model, max_states=1000)


@pytest.mark.parametrize("limits", [{"max_states": 3}, {"max_arcs": 3}])
def test_graphs_that_become_too_big(tree, model, limits):
    with pytest.raises(FstError, match=r"more than max_(states|arcs)=3 "):
        graph(chain(1, 2, 3, 1, 2, 3), tree, model, **limits)
    with pytest.raises(FstError, match="expected a positive number"):
        graph(chain(1), tree, model, max_states=0)
    with pytest.raises(FstError, match=r"H of 4 labels.* more than max_(states|arcs)=3 "):
        h_transducer([[], [1], [2], [3]], tree, model, **limits)
    h, _ = h_transducer([[], [1], [2], [3]], tree, model)
    with pytest.raises(
        FstError, match=r"adding self-loops of a graph of 7 states.* more than max_(states|arcs)=3 "
    ):
        add_self_loops(h, model, **limits)


def test_labels_and_scales_that_cannot_be(tree, model):
    h, _ = h_transducer([[], [1], [-5]], tree, model)
    with pytest.raises(
        FstError, match=r"input label 13 is neither a transition-id .1 to 12. nor one of the 0"
    ):
        add_self_loops(h, model)
    with pytest.raises(FstError, match="input label 13 is neither"):
        add_transition_probs(h, model)
    looped = add_self_loops(h, model, [13])
    with pytest.raises(FstError, match="has the self-loop 1 already"):
        add_self_loops(looped, model, [13])
    assert add_self_loops(looped, model, [13], check_no_self_loops=False).num_arcs > looped.num_arcs
    nonterminal = Fst.from_text("0 1 10000001 0\n1\n")  # of a grammar: Kaldi lets these through
    assert add_self_loops(nonterminal, model).equal(nonterminal, 0)
    for scale in (-1.0, float("nan"), float("inf")):
        with pytest.raises(FstError, match=r"self_loop_scale=.* expected a number of 0 or more"):
            add_self_loops(h, model, [13], scale)
        with pytest.raises(FstError, match="transition_scale="):
            h_transducer([[], [1]], tree, model, scale)
    with pytest.raises(FstError, match="disambiguation symbols from -1 to -1"):
        add_self_loops(h, model, [-1])


def test_tables_that_do_not_fit(model):
    tables = model.tables()
    for changed in (
        {"entry_of": np.array([-1, 5], np.int32)},
        {"first_state": np.array([0, 2], np.int32)},
        {"first_transition": tables.first_transition[:-1]},
        {"destination": tables.destination + np.int32(2)},
        {"probability": tables.probability[1:]},
        {"pdf_classes": np.array([[0, -1], [1, 1], [-1, -1]], np.int32)},
        {"tuples": tables.tuples + np.int32(1)},
        {"log_probs": tables.log_probs[1:]},
    ):
        with pytest.raises(FstError, match="transition model"):
            _ = replace(tables, **changed).native


def test_random_tables_and_labels_never_crash(tree, model):
    rng = np.random.default_rng(11)
    names = [field.name for field in fields(TransitionTables)]
    tables = model.tables()
    labels = ContextLabels.of([[], [1], [-5], [2], [3]])
    pdfs = np.array([[0, 0], [0, 1], [0, 0], [2, 3], [4, 5]], np.int32)
    for _ in range(400):
        name = names[rng.integers(len(names))]
        values = getattr(tables, name).copy()
        if values.size:
            values.flat[rng.integers(values.size)] += rng.integers(-3, 4)
        changed = replace(tables, **{name: values})
        begins, symbols = labels.begins.copy(), labels.symbols.copy()
        begins[rng.integers(len(begins))] += rng.integers(-1, 2)
        symbols[rng.integers(len(symbols))] += rng.integers(-5, 6)
        try:
            h, disambig = changed.native.h_transducer(begins, symbols, 1, 0, pdfs, 1.0, 0, 0)
            changed.native.add_self_loops(h, np.array(disambig, np.int32), 1.0, True, True, 0, 0)
        except FstError:
            continue
