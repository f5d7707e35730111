"""Graphs for CTC networks: a topology over tokens, a lexicon of tokens, and a grammar."""

from collections.abc import Iterable, Sequence

from sonant.errors import FstError
from sonant.fst.algorithms import connect, relabel, remove_eps_local, rmepsilon
from sonant.fst.automaton import Fst
from sonant.fst.composition import compose, minimize_encoded
from sonant.fst.files import Path
from sonant.fst.graphs.ctc import Topology, compose_ctc
from sonant.fst.graphs.lang import BACKOFF
from sonant.fst.graphs.lexicon import EPSILON, Lexicon, word_table
from sonant.fst.graphs.lexicon_fst import lexicon_fst
from sonant.fst.graphs.lg import Missing, Report, compose_lg, read_grammar, silent
from sonant.fst.symbols import SymbolTable


def compose_hlg(
    h: Fst,
    lexicon_disambig: Fst,
    grammar: Fst,
    *,
    disambig: Iterable[int] = (),
    max_states: int | None = None,
    max_arcs: int | None = None,
    report: Report = silent,
) -> Fst:
    """H o L o G for any H whose output labels are the input labels of the lexicon, such as a CTC topology.

    L o G is determinized and minimized with its disambiguation symbols, whose labels `disambig` names; then
    they become epsilons, and H is composed with it, so that H needs no arcs for them and each path of H has
    one path for each of L o G. The result is sorted by input label. Raises FstError as `compose_lg` does.
    """
    lg = _erased(lexicon_disambig, grammar, disambig, max_states, max_arcs, report)
    hlg = compose(h, lg, max_states=max_states, max_arcs=max_arcs)
    if hlg.start < 0:
        raise FstError("H o L o G accepts nothing: H writes no label that the lexicon reads")
    report("HLG", hlg)
    return hlg.arc_sort("ilabel")


def _erased(
    l_disambig: Fst,
    grammar: Fst,
    disambig: Iterable[int],
    max_states: int | None,
    max_arcs: int | None,
    report: Report,
) -> Fst:
    """LG whose disambiguation symbols have done their work: gone, or epsilons where that would cost arcs."""
    lg = compose_lg(l_disambig, grammar, max_states=max_states, max_arcs=max_arcs, report=report)
    lg = remove_eps_local(relabel(lg, dict.fromkeys(disambig, 0)))
    lg = minimize_encoded(lg).arc_sort("ilabel")
    report("LG", lg)
    return lg


def compose_tlg(
    tokens: Sequence[str],
    lexicon: Lexicon,
    grammar: Fst | Path,
    topology: Topology = "standard",
    *,
    words: SymbolTable | None = None,
    self_loops: bool = True,
    missing: Missing = "warn",
    max_states: int | None = None,
    max_arcs: int | None = None,
    report: Report = silent,
) -> Fst:
    """The graph of a CTC network: frames of tokens in, words out, with the costs of the grammar.

    tokens: the network's tokens by their ids, of which 0 is the blank. Token k has the input label k + 1;
    the table of these labels comes as `input_symbols`, that of the words as `output_symbols`.
    lexicon: words in tokens: phones, characters or pieces (`Lexicon.spelled`).
    grammar, missing: see `read_grammar`; `words` is its table (default: the words of the lexicon, sorted).
    topology, self_loops: see `ctc_topology`.

    Raises FstError where the lexicon has tokens that the network has not, with the line; see `compose_lg`.
    """
    lg, words = _token_lg(tokens, lexicon, grammar, words, missing, max_states, max_arcs, report)
    tlg = compose_ctc(
        lg,
        range(1, len(tokens) + 1),
        topology,
        self_loops=self_loops,
        max_states=max_states,
        max_arcs=max_arcs,
    )
    if tlg.start < 0:
        raise FstError("T o L o G accepts nothing: the lexicon has no word of the grammar")
    report("TLG", tlg)
    tlg.input_symbols = SymbolTable([EPSILON, *tokens], "tokens.txt")
    tlg.output_symbols = words.copy()
    return tlg


def compose_token_lg(
    tokens: Sequence[str],
    lexicon: Lexicon,
    grammar: Fst | Path,
    *,
    words: SymbolTable | None = None,
    missing: Missing = "warn",
    max_states: int | None = None,
    max_arcs: int | None = None,
    report: Report = silent,
) -> Fst:
    """LG for a transducer's search over a graph: tokens in, words out, no arc that reads and says nothing.

    tokens: the network's tokens by their ids, of which 0 is the blank. Token k has the input label k.
    lexicon, grammar, words, missing, errors: as of `compose_tlg`.
    """
    lg, words = _token_lg(tokens, lexicon, grammar, words, missing, max_states, max_arcs, report)
    lg = connect(rmepsilon(relabel(lg, {k + 1: k for k in range(1, len(tokens))})))
    if lg.start < 0:
        raise FstError("L o G accepts nothing: the lexicon has no word of the grammar")
    report("LG without epsilons", lg)
    lg.input_symbols = SymbolTable([EPSILON, *tokens[1:]], "tokens.txt")
    lg.output_symbols = words.copy()
    return lg.arc_sort("ilabel")


def _token_lg(
    tokens: Sequence[str],
    lexicon: Lexicon,
    grammar: Fst | Path,
    words: SymbolTable | None,
    missing: Missing,
    max_states: int | None,
    max_arcs: int | None,
    report: Report,
) -> tuple[Fst, SymbolTable]:
    """LG over token labels k + 1, and the table of its words."""
    if len(set(tokens)) != len(tokens) or EPSILON in tokens:
        raise FstError(
            f"{len(tokens)} tokens, {len(set(tokens))} different ones; expected no two alike, no <eps>"
        )
    lexicon.check(set(tokens[1:]))
    words = word_table(lexicon.words) if words is None else words
    disambiguated, highest = lexicon.disambiguated()
    symbols = [f"#{number}" for number in range(highest + 1)]
    table = SymbolTable([EPSILON, *tokens, *symbols], "tokens.txt")
    if len(table) != 1 + len(tokens) + len(symbols):
        raise FstError(f"tokens such as {symbols[0]} look like disambiguation symbols; give them other names")
    backoff = words.find(BACKOFF)
    g = read_grammar(grammar, words, vocabulary=set(lexicon.words), missing=missing)
    l_disambig = lexicon_fst(
        disambiguated, table, words, pass_through=[(len(tokens) + 1, backoff)] if backoff else ()
    )
    labels = range(len(tokens) + 1, len(table))
    lg = _erased(l_disambig, g, labels, max_states, max_arcs, report)
    return lg, words
