"""Grammars for a lexicon, and L o G: beside Kaldi's yesno graph, and all its paths beside the parts."""

import math
from pathlib import Path

import numpy as np
import pytest

from sonant.errors import FstError, SonantError, SpecifierError
from sonant.fst import Fst, NgramLm, SymbolTable, isomorphic
from sonant.fst.graphs import Dictionary, Lexicon, compose_lg, prepare_lang, read_grammar
from sonant.fst.graphs.lexicon import word_table

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"
ARPA = r"""
\data\
ngram 1=6
ngram 2=3

\1-grams:
-99 <s> -0.3
-0.8 </s>
-0.6 red -0.25
-0.7 read -0.1
-1.5 reader
-0.9 unheard

\2-grams:
-0.1 <s> red
-0.2 red read
-0.4 read unheard

\end\
"""


@pytest.fixture
def arpa(tmp_path) -> Path:
    path = tmp_path / "lm.arpa"
    path.write_text(ARPA)
    return path


def without_weights(fst: Fst) -> Fst:
    arcs, states = fst.arcs, fst.states
    source = np.repeat(np.arange(fst.num_states), states["num_arcs"])
    finals = np.where(np.isfinite(states["final"]), 0, np.inf)
    flat = np.zeros(len(arcs))
    return Fst.from_arrays(fst.start, finals, source, arcs["ilabel"], arcs["olabel"], flat, arcs["nextstate"])


def test_lg_of_yesno_is_kaldis_but_for_pushing():
    lang = prepare_lang(YESNO / "dict", "<SIL>", position_dependent=False, style="older")
    assert lang.lexicon_disambig is not None
    lg = compose_lg(lang.lexicon_disambig, read_grammar(YESNO / "G.fst", lang.words))
    assert isomorphic(without_weights(lg), without_weights(Fst.read(YESNO / "LG.fst")))


def test_lg_has_the_paths_of_l_and_g(arpa):
    lexicon = Lexicon.from_text(
        "red 1.0 R EH D\nread 0.5 R EH D\nread 1.0 R IY D\nreader 1.0 R IY D ER\n", "lexiconp"
    )
    lang = prepare_lang(Dictionary.of_lexicon(lexicon), position_dependent=False, silence_probability=0.2)
    assert lang.lexicon_disambig is not None
    steps = []
    grammar = read_grammar(arpa, lang.words, missing="ignore")
    lg = compose_lg(
        lang.lexicon_disambig, grammar, report=lambda step, fst: steps.append((step, fst.num_arcs))
    )
    assert [step for step, _ in steps] == ["L o G", "determinized", "minimized", "pushed"]
    by_state = np.repeat(np.arange(lg.num_states), lg.states["num_arcs"])
    labels = lg.arcs["ilabel"]
    assert (labels > 0).all()  # no epsilons, and one arc a label
    assert len(set(zip(by_state.tolist(), labels.tolist(), strict=True))) == len(labels)
    # The best path of each sentence and spelling, found by walking all paths of at most 12 labels.
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}

    def follow(state, cost, phones, words):
        final = lg.final(state)
        if math.isfinite(final):
            key = tuple(p for p in phones if not p.startswith("#")), words
            found[key] = min(found.get(key, math.inf), cost + final)
        if len(phones) < 12:
            for ilabel, olabel, weight, target in lg.arcs_of(state):
                word = (lang.words[olabel],) if olabel else ()
                follow(target, cost + weight, (*phones, lang.phones[ilabel]), words + word)

    follow(lg.start, 0.0, (), ())
    lm = NgramLm.read(arpa)
    none, sil = -math.log(0.8), -math.log(0.2)
    red, read = ("R", "EH", "D"), ("R", "IY", "D")
    for phones, words, cost in [
        (red, ("red",), 2 * none),
        (("SIL", *red), ("red",), sil + none),
        (("SIL", *red, "SIL"), ("red",), 2 * sil),
        (red, ("read",), 2 * none + math.log(2)),
        (read, ("read",), 2 * none),
        ((*red, *read), ("red", "read"), 3 * none),
        ((*red, "SIL", *read), ("red", "read"), 2 * none + sil),
        ((*read, "ER"), ("reader",), 2 * none),
    ]:
        assert found[phones, words] == pytest.approx(cost - lm.score_sentence(" ".join(words)), abs=5e-3)
    assert not any("unheard" in words for _, words in found)


def test_words_without_a_pronunciation(arpa, caplog, tmp_path):
    words = word_table(["red", "read", "reader"])
    grammar = read_grammar(arpa, words)
    assert "lm.arpa: 1 of 4 words have no pronunciation in the lexicon: unheard; their n-grams" in caplog.text
    assert len(caplog.records) == 1
    assert grammar.input_symbols is None
    caplog.clear()
    with pytest.raises(FstError, match=r"1 of 4 words .* unheard; add them"):
        read_grammar(arpa, words, missing="error")
    with pytest.raises(FstError, match="4 of 4 words"):
        read_grammar(arpa, word_table(["other"]), missing="ignore")
    assert not caplog.records
    # A grammar that is an automaton already: what is not in the vocabulary has no pronunciation.
    grammar.write(tmp_path / "G.fst")
    for source in (grammar, tmp_path / "G.fst"):
        read_grammar(source, words, vocabulary={"red", "read"})
        assert "1 of 3 words have no pronunciation in the lexicon: reader" in caplog.text
        caplog.clear()
    assert read_grammar(arpa, words, missing="ignore").to_bytes() == grammar.to_bytes()


def test_bad_grammars(arpa, tmp_path):
    words = word_table(["red"])
    with pytest.raises(FstError, match="lacks #0"):
        read_grammar(arpa, SymbolTable(["<eps>", "red"]))
    with pytest.raises(FstError, match=r"has the labels \[9\], which are not in"):
        read_grammar(Fst.from_text("0 0 9 9\n0\n"), words)
    with pytest.raises(FstError, match="accepts nothing"):
        read_grammar(Fst.from_text("0 1 1 1\n"), words)
    with pytest.raises(FstError, match="accepts nothing"):
        read_grammar(Fst(), words)
    with pytest.raises(FstError, match="expected 'warn', 'error' or 'ignore'"):
        read_grammar(arpa, words, missing="drop")  # type: ignore[arg-type]
    with pytest.raises(SpecifierError):
        read_grammar(tmp_path / "none", words)
    for data in (b"", b"\\1-grams:", ARPA.encode()[:60], b"\x1f\x8b\x08", b"\xd6\xfd\xb2\x7e\0\0"):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(SonantError):
            read_grammar(tmp_path / "bad", words)


def test_nothing_is_left():
    lexicon = Fst.from_text("0 0 1 1\n0\n").arc_sort("olabel")
    with pytest.raises(FstError, match="L o G accepts nothing"):
        compose_lg(lexicon, Fst.from_text("0 1 2 2\n1\n"))
    with pytest.raises(FstError, match="more than"):
        compose_lg(lexicon, Fst.from_text("0 1 1 1\n1 2 1 1\n2\n"), max_states=2)


def test_a_lexicon_that_was_not_disambiguated():
    """Homophones in a loop cannot be determinized: an error that says so, and not all memory."""
    lexicon = Fst.from_text("0 0 1 1\n0 0 1 2\n0\n").arc_sort("olabel")
    with pytest.raises(FstError):
        compose_lg(lexicon, Fst.from_text("0 0 1 1 1\n0 0 2 2 2\n0\n"))


def test_the_chain_is_kaldis():
    """Of tests/oracle/make_graphs_lg_golden.py: L arc for arc, LG state for state."""
    golden = Path(__file__).parent / "golden"
    lexicon = Lexicon.read(golden / "lexiconp.txt")
    lang = prepare_lang(Dictionary.of_lexicon(lexicon))
    assert lang.files()["phones.txt"] == (golden / "phones.txt").read_bytes()
    assert lang.files()["words.txt"] == (golden / "words.txt").read_bytes()
    marked, _ = lexicon.with_positions().disambiguated()
    assert marked.text() == (golden / "lexiconp_disambig.txt").read_text()
    assert lang.lexicon_disambig is not None
    # OpenFst's sorting leaves arcs with the same label in any order.
    l_lines, kaldi_lines = (
        sorted(fst.text(symbols=False).splitlines())
        for fst in (lang.lexicon_disambig, Fst.read(golden / "L_disambig.fst"))
    )
    assert l_lines == kaldi_lines
    lg = compose_lg(lang.lexicon_disambig, read_grammar(golden / "lm.arpa", lang.words, missing="ignore"))
    kaldi = Fst.read(golden / "LG.fst")
    assert isomorphic(lg, kaldi, delta=3e-3)
    assert lg.num_states > 100
