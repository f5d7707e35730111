"""Grammars with sub-graphs, beside the same graphs with the sub-graphs copied into their places."""

import math
from typing import Any

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.fst import Fst, SymbolTable
from sonant.fst.graphs.ctc import compose_ctc
from sonant.fst.graphs.lexicon import Lexicon
from sonant.search import GrammarGraph, GraphSearch, GraphSearchConfig, phrase_graph
from tests.search.test_dynamic_graphs import acyclic_graph, bare, logs
from tests.search.test_graph_search import random_scores

NAMES = {"first": 11, "second": 12}
WIDE = GraphSearchConfig(beam=1000.0, lattice_beam=1000.0)
WIDE_PATH = GraphSearchConfig(beam=1000.0, lattice=False)


def with_calls(rng: np.random.Generator, graph: Fst, labels: list[int]) -> Fst:
    """Some arcs that go on to higher states call sub-graphs."""
    arcs = graph.arcs
    source = np.repeat(np.arange(graph.num_states), graph.states["num_arcs"])
    calls = (rng.random(len(source)) < 0.3) & (arcs["nextstate"] > source) & (arcs["ilabel"] != 0)
    ilabel = np.where(calls, rng.choice(labels, len(source)), arcs["ilabel"])
    finals, costs, to = graph.states["final"], arcs["weight"], arcs["nextstate"]
    return Fst.from_arrays(0, finals, source, ilabel, arcs["olabel"], costs, to)


def put_in(top: Fst, graphs: dict[int, Fst]) -> Fst:
    """The definition: an arc that calls is an epsilon to a copy of the sub-graph, whose final states lead to
    where the arc led."""
    made = Fst()

    def copy(graph: Fst, back: int | None) -> int:
        offset = made.num_states
        for state in range(graph.num_states):
            made.add_state()
            final = float(graph.states["final"][state])
            if back is None and math.isfinite(final):
                made.set_final(offset + state, final)
        for state in range(graph.num_states):
            final = float(graph.states["final"][state])
            if back is not None and math.isfinite(final):
                made.add_arc(offset + state, 0, 0, final, back)
            for ilabel, olabel, cost, to in graph.arcs_of(state):
                if ilabel in graphs:
                    if graphs[ilabel].start >= 0:
                        first = copy(graphs[ilabel], offset + to) + graphs[ilabel].start
                        made.add_arc(offset + state, 0, olabel, cost, first)
                else:
                    made.add_arc(offset + state, ilabel, olabel, cost, offset + to)
        return offset

    copy(top, None)
    made.set_start(top.start)
    return made


def random_grammar(rng: np.random.Generator) -> tuple[Fst, dict[str, Fst]]:
    second = acyclic_graph(rng, 4, 9)
    first = with_calls(rng, acyclic_graph(rng, 5, 10), [NAMES["second"]])
    return with_calls(rng, acyclic_graph(rng, 6, 20), list(NAMES.values())), {
        "first": first,
        "second": second,
    }


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("ctc", [False, True])
def test_a_grammar_is_its_graphs_put_in_their_places(seed: int, ctc: bool):
    rng = np.random.default_rng(seed)
    top, subgraphs = random_grammar(rng)
    grammar = GrammarGraph(
        top, subgraphs, labels=NAMES, ctc_blank=9 if ctc else None, max_bytes=int(rng.choice([800, 1 << 20]))
    )
    whole = put_in(top, {NAMES[name]: graph for name, graph in subgraphs.items()})
    columns = None
    if ctc:
        whole = compose_ctc(whole, [9, 1, 2, 3, 4])
        columns = [-1, 1, 2, 3, 4, -1, -1, -1, -1, 0]
    scores = random_scores(rng, int(rng.integers(1, 9)), 5 if ctc else 4)
    for config in WIDE, WIDE_PATH:
        (ours,) = GraphSearch(grammar, config, columns=columns).search([scores])
        if whole.start < 0:
            assert not ours.reached_final
            continue
        (expected,) = GraphSearch(whole, config, columns=columns).search([scores])
        assert ours.reached_final == expected.reached_final
        if not expected.reached_final:
            continue
        assert ours.cost == pytest.approx(expected.cost, abs=1e-3)
        if config.lattice:
            assert ours.lattice is not None and expected.lattice is not None
            assert logs(ours.lattice) == pytest.approx(logs(expected.lattice), abs=1e-3)


TOKENS = SymbolTable(["<eps>", "<blk>", *"abcdeghilmnorty ", "#nonterm:contacts"])
WORDS = SymbolTable(["<eps>", "call", "anna", "bob", "carl", "ann", "a"])
LEXICON = Lexicon.spelled(["call", "anna", "bob", "carl", "ann", "a"], lambda word: [*word, " "])


def call_graph() -> Fst:
    """'call', then one of the contacts."""
    top = phrase_graph(["call"], LEXICON, TOKENS, WORDS)
    end = next(s for s in range(top.num_states) if math.isfinite(top.states["final"][s]))
    top.set_final(end, math.inf)
    last = top.add_state()
    top.set_final(last, 0.0)
    top.add_arc(end, TOKENS.find("#nonterm:contacts") or 0, 0, 0.0, last)
    top.input_symbols, top.output_symbols = TOKENS, WORDS
    return top


def said(text: str) -> np.ndarray:
    """Log-probabilities that say the text, two frames a letter and a blank after each."""
    rows = [TOKENS.find(letter) for letter in text for _ in range(2)]
    labels = [k for pair in zip(rows[::2], rows[1::2], strict=True) for k in (*pair, 1)]
    scores = np.full((len(labels), len(TOKENS)), -6.0, np.float32)
    scores[np.arange(len(labels)), np.array(labels, int) - 1] = -0.1
    return scores


def test_phrases_are_replaced_for_an_utterance():
    grammar = GrammarGraph(call_graph(), {"contacts": ["anna", "bob"]}, lexicon=LEXICON, ctc_blank=1)
    utterances = [said("call anna "), said("call bob "), said("call carl ")]
    texts = [result.text for result in GraphSearch(grammar).search(utterances)]
    assert texts[:2] == ["call anna", "call bob"] and texts[2] != "call carl"
    other = grammar.replaced("contacts", {"carl": 3.0, "bob carl": 1.0})
    (result,) = GraphSearch(other).search(utterances[2:])
    assert result.text == "call carl" and result.reached_final
    assert result.graph_cost == pytest.approx(-math.log(0.75))
    assert result.word_frames == (0, 15)
    assert [result.text for result in GraphSearch(grammar).search(utterances)] == texts
    stream = GraphSearch(grammar).stream()
    for row in utterances[0]:
        stream.advance(row[None])
    stream.finish()
    (whole,) = GraphSearch(grammar).search(utterances[:1])
    assert stream.result() == bare(whole)
    (none,) = GraphSearch(grammar.replaced("contacts", [])).search(utterances[:1])
    assert not none.reached_final


def test_equal_tokens_at_a_border_need_a_blank():
    tokens = SymbolTable(["<eps>", "<blk>", "a", "#nonterm:more"])
    words = SymbolTable(["<eps>", "a"])
    lexicon = Lexicon.spelled(["a"], lambda word: [*word])
    top = Fst.from_text("0 1 2 1\n1 2 3 0\n2\n")
    top.input_symbols, top.output_symbols = tokens, words
    search = GraphSearch(
        GrammarGraph(top, {"more": ["a"]}, lexicon=lexicon, ctc_blank=1), GraphSearchConfig(beam=100)
    )
    sure = np.log(np.array([[0.01, 0.99]], np.float32))
    (twice, once) = search.search(
        [np.concatenate([sure, sure[:, ::-1], sure]), np.concatenate([sure, sure, sure])]
    )
    assert twice.words == (1, 1) and twice.alignment == (2, 1, 2)
    assert once.words == (1, 1) and once.cost > 4


def test_what_does_not_fit_is_named():
    top, sub = Fst.from_text("0 1 11 0\n1\n"), Fst.from_text("0 1 1 1\n1\n")
    wrong: Any = 5
    circle = {"first": Fst.from_text("0 1 12 0\n1\n"), "second": Fst.from_text("0 1 11 0\n1\n")}
    for make, message in (
        (lambda: GrammarGraph(wrong, {}), "the top graph: found a int"),
        (lambda: GrammarGraph(Fst("log"), {}), "the top graph: arcs of type log"),
        (lambda: GrammarGraph(top, {"first": sub}), "sub-graph 'first': no input label"),
        (lambda: GrammarGraph(top, {"first": ["a"]}, labels=NAMES), "phrases need a lexicon"),
        (lambda: GrammarGraph(top, {"first": Fst("log")}, labels=NAMES), "'first': arcs of type log"),
        (
            lambda: GrammarGraph(top, {"a": sub, "b": sub}, labels={"a": 11, "b": 11}),
            "two sub-graphs have one label",
        ),
        (lambda: GrammarGraph(top, circle, labels=NAMES), "in a circle: 'first' in 'second' in 'first'"),
        (lambda: GrammarGraph(top, {"first": top}, labels=NAMES), "in a circle: 'first' in 'first'"),
        (lambda: GrammarGraph(top, {"first": sub}, labels=NAMES, ctc_blank=1), "ctc_blank=1"),
        (lambda: GrammarGraph(top, {"first": sub}, labels=NAMES, ctc_blank=11), "ctc_blank=11"),
        (lambda: GrammarGraph(top, {}, max_bytes=0), "max_bytes=0"),
        (lambda: GrammarGraph(top, {"first": sub}, labels=NAMES).replaced("x", sub), "no sub-graph 'x'"),
        (lambda: phrase_graph(["dora"], LEXICON, TOKENS, WORDS), "'dora' is not in the lexicon"),
        (lambda: phrase_graph(["bob"], LEXICON, TOKENS, SymbolTable(["<eps>"])), "'bob' is not in the table"),
        (lambda: phrase_graph(["bob"], LEXICON, SymbolTable(["<eps>"]), WORDS), "its token 'b'"),
        (lambda: phrase_graph([" "], LEXICON, TOKENS, WORDS), "no words"),
        (lambda: phrase_graph({"bob": 0.0}, LEXICON, TOKENS, WORDS), "its weight is 0.0"),
    ):
        with pytest.raises(SearchError, match=message):
            make()
    grammar = GrammarGraph(top, {"first": sub}, labels=NAMES)
    grammar.replaced("first", sub)
    with pytest.raises(SearchError, match="'first' in 'first'"):
        grammar.replaced("first", top)
    later = Fst.from_text("0 1 1 0\n1\n")
    grammar = GrammarGraph(later, {})
    later.add_arc(0, 7, 0, 0.0, 1)  # after the grammar was made
    with pytest.raises(SearchError, match="input label 7, which it did not have"):
        GraphSearch(grammar).search([np.zeros((1, 9), np.float32)])
