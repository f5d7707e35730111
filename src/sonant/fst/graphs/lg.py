"""Grammars for a lexicon, and L o G."""

import logging
import os
from collections.abc import Callable, Container
from typing import Literal

import numpy as np

from sonant.errors import FstError
from sonant.fst.algorithms import arcmap, arcsort
from sonant.fst.automaton import Fst
from sonant.fst.composition import compose, determinize_star, minimize_encoded
from sonant.fst.files import Path, reading
from sonant.fst.graphs.lang import BACKOFF
from sonant.fst.graphs.lexicon import EPSILON, decoded
from sonant.fst.gzipped import reading_text
from sonant.fst.ngram import read_arpa
from sonant.fst.special import push_special
from sonant.fst.symbols import SymbolTable

Missing = Literal["warn", "error", "ignore"]
Report = Callable[[str, Fst], None]  # told the name of each step, and what it made
_FST_MAGIC = b"\xd6\xfd\xb2\x7e"
_log = logging.getLogger("sonant.fst")


def silent(step: str, fst: Fst) -> None:
    """The report of who does not want one."""


def read_grammar(
    source: Path | Fst,
    words: SymbolTable,
    *,
    vocabulary: Container[str] | None = None,
    missing: Missing = "warn",
) -> Fst:
    """G over the words of a table, sorted by input label: of an ARPA model (gzip too), as Kaldi's arpa2fst
    makes it, or of a G.fst, or an automaton, with the labels of that table.

    Words of the model that are not in `words`, or not in the `vocabulary` (those that have pronunciations),
    cannot be recognised: n-grams with them are left out, and a warning in the log counts and names them.
    `missing="error"` makes that an FstError, "ignore" says nothing. <s>, </s> and #0 are no words. FstError
    too where the table has no #0, or the grammar a label that the table has not, and where no word is known.
    """
    if missing not in ("warn", "error", "ignore"):
        raise FstError(f"missing={missing!r}; expected 'warn', 'error' or 'ignore'")
    if words.find(BACKOFF) is None:
        raise FstError(f"the table of words '{words.name}' lacks #0, the symbol of backoff arcs; add it")
    name = "the grammar" if isinstance(source, Fst) else os.fspath(source)
    own = ("<s>", "</s>", BACKOFF, EPSILON)

    def known(word: str) -> bool:
        return word in words and (vocabulary is None or word in vocabulary)

    if isinstance(source, Fst):
        grammar = source
    elif _head(source).startswith(_FST_MAGIC):
        grammar = Fst.read(source)
    else:
        listed = [word for word in arpa_words(source) if word not in own]
        unknown = [word for word in listed if not known(word)]
        _tell(name, unknown, len(listed), missing)
        # What was told is not told again for each n-gram.
        warnings = 0 if unknown else 30
        grammar = read_arpa(source, words.copy(), backoff=BACKOFF, oov="skip", max_warnings=warnings)
        grammar.input_symbols = grammar.output_symbols = None
        return _checked(grammar, name)
    labels = np.unique(grammar.arcs["ilabel"])
    symbols = [(int(label), words.symbol(int(label))) for label in labels if label]
    lost = [label for label, symbol in symbols if symbol is None]
    if lost:
        raise FstError(
            f"{name}: has the labels {lost[:10]}, which are not in '{words.name}' of {len(words)} symbols; "
            "the grammar was made with another table of words"
        )
    listed = [symbol for _, symbol in symbols if symbol is not None and symbol not in own]
    _tell(name, [word for word in listed if not known(word)], len(listed), missing)
    return _checked(arcsort(grammar, "ilabel"), name)


def _head(path: Path) -> bytes:
    with reading(path) as stream:
        return stream.read(4)


def _checked(grammar: Fst, name: str) -> Fst:
    if grammar.start < 0 or not np.isfinite(grammar.states["final"]).any():
        raise FstError(f"{name}: accepts nothing; expected a grammar with a start state and a final state")
    return grammar


def _tell(name: str, unknown: list[str], total: int, missing: Missing) -> None:
    if not unknown:
        return
    some = ", ".join(unknown[:10]) + (", ..." if len(unknown) > 10 else "")
    text = f"{name}: {len(unknown)} of {total} words have no pronunciation in the lexicon: {some}"
    if len(unknown) == total:
        raise FstError(f"{text}; are the two of the same language, and of the same case?")
    if missing == "error":
        raise FstError(f"{text}; add them to the lexicon, or leave out their n-grams (missing='warn')")
    if missing == "warn":
        _log.warning("%s; their n-grams are left out", text)


def arpa_words(source: Path) -> list[str]:
    """The words of an ARPA model (gzip too): its unigrams; what is behind them is not read."""
    found: list[str] | None = None
    with reading_text(source) as stream:
        while line := stream.readline():
            if line.lstrip().startswith(b"\\"):
                if found is not None:
                    break
                if line.split()[0] == b"\\1-grams:":
                    found = []
            elif found is not None and len(fields := line.split()) > 1:
                found.append(decoded(fields[1]))
    if found is None:
        raise FstError(
            f"{os.fspath(source)}: is neither an automaton nor an ARPA model, which has a line \\1-grams:"
        )
    return found


def compose_lg(
    lexicon_disambig: Fst,
    grammar: Fst,
    *,
    push: bool = True,
    max_states: int | None = None,
    max_arcs: int | None = None,
    report: Report = silent,
) -> Fst:
    """L o G, deterministic and minimal, sorted by input label, as Kaldi's mkgraph.sh makes it: composition,
    determinization in the log semiring with epsilons removed, minimization as an acceptor, and costs moved
    so that all states sum to the same (`push_special`), unless `push` is false.

    The lexicon has disambiguation symbols, among them loops with #0. `max_states` and `max_arcs` bound each
    step. Raises FstError where a bound is exceeded, and where nothing is left.
    """
    # In the log semiring from the start: a copy of L and G, not of what is made of them.
    l_log, g_log = (arcmap(fst, map_type="to_log") for fst in (lexicon_disambig, grammar))
    lg = compose(l_log, g_log, max_states=max_states, max_arcs=max_arcs)
    report("L o G", lg)
    if lg.start < 0:
        raise FstError(
            "L o G accepts nothing: no sentence of the grammar has all its words in the lexicon, or the two "
            "were made with different tables of words"
        )
    lg = determinize_star(lg, max_states=max_states, max_arcs=max_arcs, consume=True)
    lg = arcmap(lg, map_type="to_std")
    report("determinized", lg)
    lg = minimize_encoded(lg)
    report("minimized", lg)
    if push:
        lg = push_special(lg)
        report("pushed", lg)
    return lg.arc_sort("ilabel")
