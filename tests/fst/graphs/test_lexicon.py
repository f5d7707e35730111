"""Lexicons and L: forms, errors, L arc for arc beside a reference that prints what fstcompile reads."""

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import FstError, SonantError, SpecifierError
from sonant.fst import Fst, SymbolTable
from sonant.fst.graphs import Lexicon, Pronunciation, SilenceProbabilities, WordSilence, lexicon_fst
from sonant.fst.graphs.lexicon import word_table

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"
SILENCE = SilenceProbabilities(0.9, 1.5, 0.25, 0.2)


def entries(lexicon: Lexicon) -> list[tuple[str, float, tuple[str, ...]]]:
    return [(e.word, e.probability, e.phones) for e in lexicon.pronunciations]


# Reading


def test_forms(tmp_path):
    plain = tmp_path / "lexicon.txt"
    plain.write_bytes("yes\t J  ES \r\n\nja  J A\n東京 t o:\n x\u3000y A\n".encode())
    lexicon = Lexicon.read(plain)
    assert entries(lexicon) == [
        ("yes", 1.0, ("J", "ES")),
        ("ja", 1.0, ("J", "A")),
        ("東京", 1.0, ("t", "o:")),
        ("x\u3000y", 1.0, ("A",)),  # blanks are those of ASCII
    ]
    assert [e.line for e in lexicon.pronunciations] == [1, 3, 4, 5]
    assert lexicon.words == ["yes", "ja", "東京", "x\u3000y"]
    assert lexicon.phones == ["J", "ES", "A", "t", "o:"]
    weighted = tmp_path / "lexiconp.txt"
    weighted.write_text("a 1.0\tA\na 0.25 A A\nb 1e-3 B\n")
    assert entries(Lexicon.read(weighted)) == [
        ("a", 1.0, ("A",)),
        ("a", 0.25, ("A", "A")),
        ("b", 0.001, ("B",)),
    ]
    assert entries(Lexicon.read(weighted, "lexicon"))[0] == ("a", 1.0, ("1.0", "A"))
    (tmp_path / "silprob.txt").write_text("<s> 0.9\n</s>_s 1.5\n</s>_n 0.25\noverall 0.2\n")
    (tmp_path / "lexiconp_silprob.txt").write_text("a 1.0 0.5 1.25 0.75 A B\n")
    lexicon = Lexicon.read(tmp_path / "lexiconp_silprob.txt")
    assert lexicon.silence == SILENCE
    assert lexicon.pronunciations[0].silence == WordSilence(0.5, 1.25, 0.75)
    assert lexicon.pronunciations[0].phones == ("A", "B")


def test_any_bytes_are_a_word():
    lexicon = Lexicon.from_text(b"\xff\xfe A\n")
    words = SymbolTable(["<eps>", *lexicon.words])
    assert words.to_text().encode("utf-8", "surrogateescape") == b"<eps>\t0\n\xff\xfe\t1\n"
    assert lexicon.text().encode("utf-8", "surrogateescape") == b"\xff\xfe A\n"


def test_variants_of_cmudict():
    text = ";;; a comment\na AH\na(2) EY # foreign\nb(1) B IY\n"
    assert entries(Lexicon.from_text(text)) == [
        ("a", 1.0, ("AH",)),
        ("a", 1.0, ("EY",)),
        ("b", 1.0, ("B", "IY")),
    ]
    assert Lexicon.from_text(text, variants=False).words == ["a", "a(2)", "b(1)"]
    # Where no word has a variant, brackets belong to words.
    assert Lexicon.from_text("smile(1) S\nlaugh L\n").words == ["smile(1)", "laugh"]


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ("a A\nb\n", "lexicon", "lex:2: 'b' has no phones; expected at least one"),
        ("a A\n\na B\na A\n", "lexicon", "lex:4: 'a' has this pronunciation twice: A is in lex:1 too"),
        ("a A\n<eps> B\n", "lexicon", "lex:2: <eps> is a word"),
        ("a A\n</s> B\n", "lexicon", "lex:2: </s> is a word"),
        ("a A\n#0 B\n", "lexicon", "lex:2: the word '#0' looks like a disambiguation symbol"),
        ("a A #1\n", "lexicon", "lex:1: 'a' has the phone '#1'"),
        ("a A <eps>\n", "lexicon", "lex:1: 'a' has the phone '<eps>'"),
        ("a 1.5 A\n", "lexiconp", "lex:1: the probability of 'a' is '1.5'; expected a number above 0, and 1"),
        ("a 0 A\n", "lexiconp", "lex:1: the probability of 'a' is '0'"),
        ("a A\n", "lexiconp", "lex:1: the probability of 'a' is 'A'"),
        ("a nan A\n", "lexiconp", "lex:1: the probability of 'a' is 'nan'"),
        ("a\n", "lexiconp", "lex:1: 'a' has 0 fields behind it; expected probability, and phones"),
        ("a 1 0.5 inf 1 A\n", "lexiconp_silprob", "lex:1: the correction after silence of 'a' is 'inf'"),
        ("a 1 0.5 1 A\n", "lexiconp_silprob", "lex:1: the correction after none of 'a' is 'A'"),
        ("", "lexicon", "lex: there is no pronunciation"),
    ],
)
def test_errors_name_the_line(text, form, message):
    with pytest.raises(FstError) as caught:
        Lexicon.from_text(text, form, source="lex", silence=SILENCE)
    assert message in str(caught.value)


def test_errors_of_files(tmp_path):
    with pytest.raises(SpecifierError, match="cannot be opened"):
        Lexicon.read(tmp_path / "none.txt")
    with pytest.raises(FstError, match=r"lexicon\.txt:2: 'b' has the phone 'B', which is not in the set"):
        (tmp_path / "lexicon.txt").write_text("a A\nb B\n")
        Lexicon.read(tmp_path / "lexicon.txt", phones={"A"})
    with pytest.raises(FstError, match=r"needs the probabilities of silprob\.txt"):
        Lexicon.from_text("a 1 1 1 1 A\n", "lexiconp_silprob")
    path = tmp_path / "silprob.txt"
    for text, message in {
        "<s> 2\n": "silprob.txt:1: the value of <s> is '2'; expected a number above 0, and 1 at most",
        "<s> 0.5\n": "there is no line for </s>_s, </s>_n, overall",
        "<s> 0.5\nx 1\n": "silprob.txt:2: expected a number behind one of",
    }.items():
        path.write_text(text)
        with pytest.raises(FstError) as caught:
            SilenceProbabilities.read(path)
        assert message in str(caught.value)
    path.write_text(SILENCE.text())
    assert SilenceProbabilities.read(path) == SILENCE


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["lexicon", "lexiconp", "lexiconp_silprob"]))
def test_any_bytes_make_a_lexicon_or_an_error(data, form):
    try:
        lexicon = Lexicon.from_text(data, form, silence=SILENCE, variants=False)
    except SonantError as error:
        assert "text" in str(error)
        return
    again = lexicon.text().encode("utf-8", "surrogateescape")
    if form != "lexiconp" or any(e.probability != 1 for e in lexicon.pronunciations):
        read = Lexicon.from_text(again, form, silence=SILENCE, variants=False)
        assert [(e.word, e.phones, e.probability, e.silence) for e in read.pronunciations] == [
            (e.word, e.phones, e.probability, e.silence) for e in lexicon.pronunciations
        ]


def test_spelled():
    lexicon = Lexicon.spelled(["cab", "a", "cab"], list)
    assert entries(lexicon) == [("cab", 1.0, ("c", "a", "b")), ("a", 1.0, ("a",))]
    with pytest.raises(FstError, match="words: 'x' has no phones"):
        Lexicon.spelled(["x"], lambda word: [])


# Positions and disambiguation


def test_positions():
    lexicon = Lexicon.from_text("a A\nb A B\nc A B C D\n").with_positions()
    assert [" ".join(e.phones) for e in lexicon.pronunciations] == ["A_S", "A_B B_E", "A_B B_I C_I D_E"]


def test_disambiguation():
    text = "red R EH D\nread R EH D\nread R IY D\nreader R IY D ER\nlone L\n"
    lexicon, highest = Lexicon.from_text(text).disambiguated()
    assert highest == 2
    assert [" ".join(e.phones) for e in lexicon.pronunciations] == [
        "R EH D #1",
        "R EH D #2",
        "R IY D #1",
        "R IY D ER",
        "L",
    ]
    lexicon, highest = Lexicon.from_text("a\nb\nc C\nd C\n", allow_empty=True).disambiguated()
    # Symbols of empty pronunciations are used nowhere else.
    assert [e.phones for e in lexicon.pronunciations] == [("#1",), ("#2",), ("C", "#3"), ("C", "#4")]
    assert highest == 4
    lexicon, highest = Lexicon.from_text("a A\nb A\n").disambiguated(first=4)
    assert ([e.phones[-1] for e in lexicon.pronunciations], highest) == (["#4", "#5"], 5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from("ABC"), max_size=4), min_size=1, max_size=12))
def test_no_disambiguated_pronunciation_begins_another(prons):
    lexicon = Lexicon(tuple(Pronunciation(f"w{k}", tuple(p)) for k, p in enumerate(prons)))
    lexicon, highest = lexicon.disambiguated()
    found = [e.phones for e in lexicon.pronunciations]
    for a in range(len(found)):
        assert found[a]
        for b in range(len(found)):
            assert a == b or found[b][: len(found[a])] != found[a]
    used = {int(p[1:]) for e in found for p in e if p.startswith("#")}
    assert max(used, default=0) == highest


# L


def reference(lexicon: Lexicon, sil, prob, disambig, loops, style) -> str:
    """What Kaldi's make_lexicon_fst.py, .pl and make_lexicon_fst_silprob.py print, line for line."""
    lines = []

    def arc(source, target, phone, word, cost):
        if cost < math.inf:
            lines.append(f"{source} {target} {phone} {word} {cost!r}")

    def minus_log(p):
        return -math.log(p) + 0.0 if p > 0 else math.inf

    state = 1
    ends: list[str] = []
    if lexicon.silence is not None:
        s = lexicon.silence
        arc(0, 1, disambig or "<eps>", "<eps>", minus_log(1 - s.begin))
        arc(0, 2, sil, "<eps>", minus_log(s.begin))
        state, loop_states = 3, [1, 2]
        for e in lexicon.pronunciations:
            assert e.silence is not None
            cost, first = minus_log(e.probability), e.phones[0]
            arc(1, state, first, e.word, cost + minus_log(e.silence.after_none))
            arc(2, state, first, e.word, cost + minus_log(e.silence.after_silence))
            for phone in e.phones[1:]:
                arc(state, state + 1, phone, "<eps>", 0.0)
                state += 1
            arc(state, 1, disambig or "<eps>", "<eps>", minus_log(1 - e.silence.behind))
            arc(state, 2, sil, "<eps>", minus_log(e.silence.behind))
            state += 1
        ends = [f"2 {minus_log(s.end_after_silence)!r}", f"1 {minus_log(s.end_after_none)!r}"]
    else:
        if sil is None or prob == 0:
            loop, sil_state = 0, None
        elif style == "older":
            loop, sil_state = 1, 3 if disambig else 2
            arc(0, 1, "<eps>", "<eps>", minus_log(1 - prob))
            arc(0, 2 if disambig else 1, sil, "<eps>", minus_log(prob))
            arc(sil_state, 2 if disambig else 1, sil, "<eps>", 0.0)
            if disambig:
                arc(2, 1, disambig, "<eps>", 0.0)
            state = 4 if disambig else 3
        else:
            loop, sil_state = 1, 2
            arc(0, 1, "<eps>", "<eps>", minus_log(1 - prob))
            arc(0, 2, "<eps>", "<eps>", minus_log(prob))
            arc(2, 3 if disambig else 1, sil, "<eps>", 0.0)
            if disambig:
                arc(3, 1, disambig, "<eps>", 0.0)
            state = 4 if disambig else 3
        loop_states = [loop]
        for e in lexicon.pronunciations:
            at, word, cost = loop, e.word, minus_log(e.probability)
            for phone in e.phones[:-1]:
                arc(at, state, phone, word, cost)
                at, word, cost, state = state, "<eps>", 0.0, state + 1
            last = e.phones[-1] if e.phones else "<eps>"
            if sil_state is None or (style == "older" and last == sil):
                arc(at, loop, last, word, cost)
            else:
                arc(at, loop, last, word, cost + minus_log(1 - prob))
                arc(at, sil_state, last, word, cost + minus_log(prob))
        ends = [f"{loop} 0"]
    for at in loop_states:
        for a, b in loops:
            arc(at, at, a, b, 0.0)
    return "\n".join(lines + ends) + "\n"


def random_lexicon(rng: random.Random, silprob: bool) -> Lexicon:
    seen = {}
    for _ in range(rng.randint(1, 30)):
        word = f"w{rng.randint(0, 12)}"
        phones = tuple(rng.choice(["SIL", "A", "B", "C"]) for _ in range(rng.randint(1, 5)))
        p = rng.choice([1.0, 0.5, rng.random() + 1e-6])
        beside = WordSilence(rng.choice([1.0, 0.3]), rng.uniform(0.1, 2), rng.uniform(0.1, 2))
        seen[word, phones] = Pronunciation(word, phones, min(p, 1.0), beside if silprob else None)
    return Lexicon(tuple(seen.values()), SILENCE if silprob else None)


@pytest.mark.parametrize("style", ["current", "older"])
@pytest.mark.parametrize("kind", ["none", "optional", "silprob"])
def test_l_is_kaldis_arc_for_arc(kind, style):
    rng = random.Random(f"{kind} {style}")
    for round in range(60):
        lexicon = random_lexicon(rng, kind == "silprob")
        disambiguated = round % 2 == 1
        highest = 0
        if disambiguated:
            lexicon, highest = lexicon.disambiguated()
        phones = SymbolTable(["<eps>", "SIL", "A", "B", "C", *(f"#{k}" for k in range(highest + 2))])
        words = word_table(lexicon.words)
        sil = None if kind == "none" else "SIL"
        disambig = f"#{highest + 1}" if disambiguated and sil else None
        probability = rng.choice([0.5, 0.2, 0.8])
        loops = [("#0", "#0")] if disambiguated else []
        made = lexicon_fst(
            lexicon,
            phones,
            words,
            silence_phone=sil,
            silence_probability=probability,
            silence_disambiguation=disambig,
            pass_through=[(phones.find(a) or 0, words.find(b) or 0) for a, b in loops],
            style=style,
        )
        text = reference(lexicon, sil, probability, disambig, loops, style)
        expected = Fst.from_text(
            text, input_symbols=phones, output_symbols=words, keep_state_numbering=True
        ).arc_sort("olabel")
        expected.input_symbols = expected.output_symbols = None
        assert made.text(symbols=False) == expected.text(symbols=False)
        if disambiguated or kind == "none":  # no state is left out
            assert made.to_bytes() == expected.to_bytes()


def test_an_empty_pronunciation_and_no_silence_probability():
    lexicon = Lexicon.from_text("a\nb B\n", allow_empty=True)
    phones, words = SymbolTable(["<eps>", "SIL", "B"]), word_table(lexicon.words)
    fst = lexicon_fst(lexicon, phones, words, silence_phone="SIL", silence_probability=0)
    assert fst.text(symbols=False) == "0\t0\t0\t1\n0\t0\t2\t2\n0\n"


def test_l_of_yesno():
    for name in ("L", "L_disambig"):
        lexicon, highest = Lexicon.read(YESNO / "lexicon.txt"), 0
        phones, words = SymbolTable.read(YESNO / "phones.txt"), SymbolTable.read(YESNO / "words.txt")
        disambig = name == "L_disambig"
        if disambig:
            lexicon, highest = lexicon.disambiguated()
        fst = lexicon_fst(
            lexicon,
            phones,
            words,
            silence_phone="SIL",
            silence_disambiguation=f"#{highest + 1}" if disambig else None,
            pass_through=[(4, 4)] if disambig else [],
            style="older",
        )
        assert fst.to_bytes() == (YESNO / f"{name}.fst").read_bytes()


def test_errors_of_l():
    lexicon = Lexicon.from_text("a A\nb B\n", source="lex")
    phones, words = SymbolTable(["<eps>", "A", "B"], "p"), SymbolTable(["<eps>", "a", "b"])
    with pytest.raises(FstError, match="lex:2: 'B' is not in the table of phones 'p' of 2 symbols"):
        lexicon_fst(lexicon, SymbolTable(["<eps>", "A"], "p"), words)
    with pytest.raises(FstError, match="lex:2: 'b' is not in the table of words"):
        lexicon_fst(lexicon, phones, SymbolTable(["<eps>", "a"]))
    with pytest.raises(FstError, match="'SIL' is not in the table of phones"):
        lexicon_fst(lexicon, phones, words, silence_phone="SIL")
    for probability in (1.0, -0.1, math.nan):
        with pytest.raises(FstError, match="silence_probability"):
            lexicon_fst(lexicon, phones, words, silence_phone="A", silence_probability=probability)
    with pytest.raises(FstError, match="expected 'current' or 'older'"):
        lexicon_fst(lexicon, phones, words, style="new")  # type: ignore[arg-type]
    with pytest.raises(FstError, match="expected a silence_phone"):
        lexicon_fst(Lexicon.from_text("a 1 1 1 1 A\n", "lexiconp_silprob", silence=SILENCE), phones, words)
