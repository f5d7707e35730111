"""Lang directories: Kaldi's own comes out byte for byte, what is written is read, errors name the line."""

import math
import random
import shutil
from pathlib import Path

import pytest
from sonant._native import Input

from sonant.errors import FstError, SonantError, SpecifierError
from sonant.fst import Fst, SymbolTable
from sonant.fst.graphs import Dictionary, Lang, Lexicon, prepare_lang
from sonant.fst.graphs.prepare import topology_text
from sonant.kaldi.hmm import HmmTopology

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_yesno_comes_out_byte_for_byte(tmp_path):
    lang = prepare_lang(YESNO / "dict", "<SIL>", position_dependent=False, style="older")
    lang.write(tmp_path / "lang")
    expected = contents(YESNO / "lang")
    del expected["G.fst"]
    assert contents(tmp_path / "lang") == expected
    shutil.copy(YESNO / "lang" / "G.fst", tmp_path / "lang")
    Lang.read(tmp_path / "lang").write(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(YESNO / "lang")


DICT = {
    "lexicon.txt": "<UNK> SPN\nread R EH1 D\nread R IY0 D\nred R EH1 D\nI AY1\n",
    "silence_phones.txt": "SIL\nSPN\n",
    "nonsilence_phones.txt": "AY1\nD\nEH0 EH1\nIY0\nR\n",
    "optional_silence.txt": "SIL\n",
    "extra_questions.txt": "EH1 AY1\n",
}


@pytest.fixture
def dictionary(tmp_path) -> Path:
    directory = tmp_path / "dict"
    directory.mkdir()
    for name, text in DICT.items():
        (directory / name).write_text(text)
    return directory


def test_phones_that_depend_on_the_position(dictionary, tmp_path):
    lang = prepare_lang(dictionary, "<UNK>")
    lang.write(tmp_path / "lang")
    files = {name: data.decode("latin-1") for name, data in contents(tmp_path / "lang").items()}
    assert files["words.txt"] == "<eps> 0\n<UNK> 1\nI 2\nread 3\nred 4\n#0 5\n<s> 6\n</s> 7\n"
    phones = files["phones.txt"].split("\n")
    assert phones[:7] == ["<eps> 0", "SIL 1", "SIL_B 2", "SIL_E 3", "SIL_I 4", "SIL_S 5", "SPN 6"]
    assert phones[11:13] == ["AY1_B 11", "AY1_E 12"]
    assert phones[-5:-1] == ["#0 35", "#1 36", "#2 37", "#3 38"]
    assert files["oov.txt"] == "<UNK>\n" and files["oov.int"] == "1\n"
    sets = files["phones/sets.txt"].split("\n")
    assert sets[0] == "SIL SIL_B SIL_E SIL_I SIL_S"
    assert sets[4] == "EH0_B EH0_E EH0_I EH0_S EH1_B EH1_E EH1_I EH1_S"
    assert files["phones/roots.txt"].split("\n")[4] == f"shared split {sets[4]}"
    assert files["phones/word_boundary.txt"].split("\n")[:6] == [
        "SIL nonword",
        "SIL_B begin",
        "SIL_E end",
        "SIL_I internal",
        "SIL_S singleton",
        "SPN nonword",
    ]
    assert files["phones/word_boundary.int"].startswith("1 nonword\n2 begin\n")
    assert files["phones/extra_questions.txt"].split("\n")[:3] == [
        "EH1_B EH1_E EH1_I EH1_S AY1_B AY1_E AY1_I AY1_S",
        "AY1_B D_B EH0_B EH1_B IY0_B R_B",
        "AY1_E D_E EH0_E EH1_E IY0_E R_E",
    ]
    assert files["phones/extra_questions.txt"].split("\n")[5] == "SIL SPN"
    assert files["phones/align_lexicon.txt"] == (
        "<UNK> <UNK> SPN_S\n<eps> <eps> SIL\nI I AY1_S\nread read R_B EH1_I D_E\nread read R_B IY0_I D_E\n"
        "red red R_B EH1_I D_E\n"
    )
    assert files["phones/silence.csl"] == "1:2:3:4:5:6:7:8:9:10\n"
    assert files["phones/optional_silence.int"] == "1\n"
    assert files["phones/disambig.csl"].startswith("35:36")
    read = Lang.read(tmp_path / "lang")
    assert read.words == lang.words and read.phones == lang.phones
    for field in ("disambig", "phone_sets", "roots", "align_lexicon", "word_boundary", "oov", "topology"):
        assert getattr(read, field) == getattr(lang, field)
    assert read.lexicon_disambig is not None and lang.lexicon_disambig is not None
    assert read.lexicon_disambig.equal(lang.lexicon_disambig)
    assert read.disambig_labels == [35, 36, 37, 38]


def test_shared_silence_and_further_symbols(dictionary, tmp_path):
    lang = prepare_lang(
        dictionary,
        "<UNK>",
        position_dependent=False,
        share_silence_phones=True,
        share_state_roots=False,
        word_disambig=["#nonterm"],
        extra_phone_disambig=2,
    )
    assert lang.phone_sets[0] == ("SIL", "SPN")
    assert [(r.shared, r.split) for r in lang.roots[:2]] == [(False, False), (False, True)]
    assert lang.word_boundary is None
    assert lang.disambig == ("#0", "#1", "#2", "#3", "#4", "#nonterm")
    assert lang.word_disambig == ("#0", "#nonterm") and lang.words["#nonterm"] == 8
    fst = lang.lexicon_disambig
    assert fst is not None
    passed = [(i, o) for i, o, _, to in fst.arcs_of(1) if to == 1 and o in (lang.words["#0"], 8)]
    assert passed == [(lang.phones["#0"], lang.words["#0"]), (lang.phones["#nonterm"], 8)]
    lang.write(tmp_path / "lang")
    assert Lang.read(tmp_path / "lang").word_disambig == ("#0", "#nonterm")


def test_silence_beside_words(dictionary):
    """lexiconp_silprob.txt is taken before lexicon.txt: L has a loop state after silence, and another."""
    (dictionary / "lexiconp_silprob.txt").write_text("<UNK> 1 0.5 1 1 SPN\nread 1 0.25 1.5 0.5 R IY0 D\n")
    (dictionary / "silprob.txt").write_text("<s> 0.9\n</s>_s 1.5\n</s>_n 0.25\noverall 0.2\n")
    lang = prepare_lang(dictionary, "<UNK>")
    fst, words, phones = lang.lexicon_disambig, lang.words, lang.phones
    assert fst is not None and "red" not in words
    mark = phones["#1"]  # no pronunciation needs one, so that it is that of silence
    assert [(i, o, to) for i, o, _, to in fst.arcs_of(0)] == [(mark, 0, 1), (phones["SIL"], 0, 2)]
    for state, correction in ((1, 0.5), (2, 1.5)):
        costs = {words.symbol(o): weight for i, o, weight, _ in fst.arcs_of(state)}
        assert costs == {"<UNK>": 0, "read": pytest.approx(-math.log(correction)), "#0": 0}
    assert fst.final(2) == pytest.approx(-math.log(1.5)) and fst.final(1) == pytest.approx(-math.log(0.25))


def test_the_phones_of_a_model_keep_their_keys(dictionary):
    given = SymbolTable(
        [
            ("<eps>", 0),
            *((p, 20 - k) for k, p in enumerate(["SIL", "SPN", "AY1", "D", "EH0", "EH1", "IY0", "R"])),
            ("#0", 30),
        ]
    )
    lang = prepare_lang(dictionary, "<UNK>", position_dependent=False, phone_symbols=given)
    assert lang.phones["SIL"] == 20 and lang.phones["R"] == 13 and lang.phones["#1"] == 31
    assert [key for _, key in lang.phones] == sorted(key for _, key in lang.phones)
    with pytest.raises(FstError, match="phones of the dictionary are not in"):
        prepare_lang(dictionary, "<UNK>", phone_symbols=given)


def test_a_lexicon_alone(tmp_path):
    (tmp_path / "lex.txt").write_text("b B\na A B\n")
    lang = prepare_lang(tmp_path / "lex.txt", position_dependent=False)
    assert lang.silence_phones == ("SIL",) and lang.nonsilence_phones == ("A", "B") and lang.oov is None
    none = Dictionary.of_lexicon(Lexicon.from_text("b B\na A B\n"), (), None)
    lang = prepare_lang(none, position_dependent=False)
    assert lang.optional_silence == () and lang.phones.to_text().startswith("<eps>\t0\nA\t1\nB\t2\n#0\t3\n")
    with pytest.raises(FstError, match="optional_silence='SIL' is not in"):
        Dictionary.of_lexicon(Lexicon.from_text("b B\n"), ("NSN",))
    with pytest.raises(FstError, match="oov='x' is not in the lexicon"):
        prepare_lang(none, "x")
    with pytest.raises(FstError, match="silence_states=0"):
        prepare_lang(none, silence_states=0)


def test_topologies_are_kaldis():
    phones = SymbolTable(["<eps>", "SIL", "A", "B"])
    assert topology_text(phones, ["SIL"], ["A", "B"], 5, 3) == (YESNO / "lang" / "topo").read_text()
    for silence, speech in ((1, 1), (2, 3), (4, 5)):
        text = topology_text(phones, ["SIL"], ["A", "B"], silence, speech)
        for line in text.split("\n"):
            found = [float(p) for p in line.split()[6::3]] if "<Transition>" in line else [1.0]
            assert math.isclose(sum(found), 1.0)
        assert text.count("<PdfClass>") == silence + speech
        topology = HmmTopology()
        topology.read(Input.from_bytes(text.encode()), False)
        topology.check()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("silence_phones.txt", "SIL\nSPN SIL\n", "silence_phones.txt:2: 'SIL' comes twice"),
        ("nonsilence_phones.txt", "D\nSIL\n", "nonsilence_phones.txt:2: 'SIL' comes twice"),
        ("nonsilence_phones.txt", "#1\n", "nonsilence_phones.txt:1: the phone '#1'"),
        ("nonsilence_phones.txt", "R_B\n", "nonsilence_phones.txt:1: 'R_B' ends like a mark"),
        ("nonsilence_phones.txt", "\n", "nonsilence_phones.txt: has no phones"),
        ("nonsilence_phones.txt", "R\nEH1\nD\nAY1\n", "lexicon.txt:3: 'read' has the phone 'IY0'"),
        ("optional_silence.txt", "SIL SPN\n", "optional_silence.txt: has"),
        ("optional_silence.txt", "R\n", "expected one phone of silence_phones.txt"),
        ("extra_questions.txt", "R\nR X\n", "extra_questions.txt:2: 'X' is in neither"),
        ("lexiconp.txt", "red 2 R\n", "lexiconp.txt:1: the probability of 'red' is '2'"),
        ("word_boundary.txt", "SIL nonword\nR middle\n", "word_boundary.txt:2: 'R middle'"),
    ],
)
def test_errors_of_dictionaries(dictionary, file, text, message):
    (dictionary / file).write_text(text)
    with pytest.raises(FstError) as caught:
        Dictionary.read(dictionary)
    assert message in str(caught.value)


def test_missing_files(dictionary, tmp_path):
    (dictionary / "optional_silence.txt").unlink()
    with pytest.raises(SpecifierError, match="optional_silence"):
        prepare_lang(dictionary)
    (dictionary / "lexicon.txt").unlink()
    with pytest.raises(FstError, match="is no dictionary directory"):
        prepare_lang(dictionary)
    with pytest.raises(SpecifierError, match=r"words\.txt"):
        Lang.read(tmp_path / "none")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("words.txt", "<eps> 0\na 1\n", "words.txt: lacks #0"),
        ("words.txt", "a 0\n", "words.txt: 'a' has the key 0; expected <eps>"),
        ("words.txt", "<eps> 0\n<SIL> 1\n#0 2\n", "wdisambig|align_lexicon.txt:3: 'NO' is not in"),
        ("words.txt", "<eps> x\n", "words.txt"),
        ("phones/silence.txt", "SIL\nX\n", "phones/silence.txt:2: 'X' is not in"),
        ("phones/silence.txt", "SIL\nY\n", "Y in phones/silence.txt and in phones/nonsilence.txt"),
        ("phones/roots.txt", "shared split SIL\nshared SIL\n", "roots.txt:2: 'shared SIL'; expected"),
        ("phones/disambig.txt", "", "disambig.txt: is not there, or empty"),
        ("oov.txt", "x\n", "oov.txt:1: 'x' is not in"),
        ("phones.txt", "<eps> 0\nSIL 1\nY 2\nN 3\n#0 4\n", "disambig.txt:2: '#1' is not in"),
    ],
)
def test_errors_of_lang_directories(tmp_path, file, text, message):
    lang = tmp_path / "lang"
    shutil.copytree(YESNO / "lang", lang)
    (lang / file).write_text(text)
    with pytest.raises(FstError) as caught:
        Lang.read(lang)
    assert any(part in str(caught.value) for part in message.split("|"))


def test_what_a_lang_directory_may_lack(tmp_path):
    lang = tmp_path / "lang"
    (lang / "phones").mkdir(parents=True)
    for name in ("words.txt", "phones.txt", "phones/disambig.int", "L_disambig.fst"):
        shutil.copy(YESNO / "lang" / name, lang / name)
    read = Lang.read(lang)
    assert read.disambig == ("#0", "#1") and read.lexicon is None and read.grammar is None
    (lang / "phones/disambig.int").write_text("4\n9\n")
    with pytest.raises(FstError, match=r"disambig\.int:2: '9' is no key"):
        Lang.read(lang)
    for key in ("²", "9" * 5000):
        (lang / "phones/disambig.int").write_text(f"{key}\n")
        with pytest.raises(FstError, match="is no key"):
            Lang.read(lang)
    (lang / "phones/disambig.int").write_text("4\n")
    (lang / "L_disambig.fst").unlink()
    with pytest.raises(FstError, match="has neither L_disambig"):
        Lang.read(lang)
    Fst.from_text("0 1 9 1\n1\n").write(lang / "L.fst")
    with pytest.raises(FstError, match="has the input label 9"):
        Lang.read(lang)


def test_nothing_is_half_written(tmp_path):
    lang = prepare_lang(YESNO / "dict", "<SIL>", position_dependent=False)
    target = tmp_path / "lang"
    target.write_text("a file")
    with pytest.raises(SpecifierError, match="no directory"):
        lang.write(target)
    assert target.read_text() == "a file"
    target.unlink()
    with pytest.raises(SpecifierError, match="cannot be written"):
        lang.write(tmp_path / "none" / "lang")
    broken = Lang(lang.words, lang.phones, lang.lexicon, None, ("#9",))
    with pytest.raises(FstError, match="'#9' is not in"):
        broken.write(target)
    assert list(tmp_path.iterdir()) == []
    target.mkdir()
    (target / "G.fst").write_text("kept")
    (target / "topo").write_text("replaced")
    lang.write(target)
    assert (target / "G.fst").read_text() == "kept" and (target / "topo").read_text() == lang.topology
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lang"]
    assert (target / "oov.int").exists()
    (target / "G.fst").unlink()
    prepare_lang(YESNO / "dict", position_dependent=False).write(target)
    assert not (target / "oov.int").exists() and Lang.read(target).oov is None


def test_damaged_files_are_errors_or_harmless(tmp_path):
    """Cuts and random changes of every file: a lang directory, or an error of ours that names the file."""
    rng = random.Random(4)
    lang = tmp_path / "lang"
    shutil.copytree(YESNO / "lang", lang)
    failed = 0
    for path in sorted(p for p in lang.rglob("*") if p.is_file() and p.suffix != ".csl"):
        whole = path.read_bytes()
        damaged = [whole[:cut] for cut in rng.sample(range(len(whole)), min(6, len(whole)))]
        for _ in range(6 if whole else 0):
            changed = bytearray(whole)
            for _ in range(rng.randint(1, 3)):
                changed[rng.randrange(len(whole))] = rng.choice(b"\0\n #0aS\xff<")
            damaged.append(bytes(changed))
        for data in damaged:
            path.write_bytes(data)
            try:
                Lang.read(lang)
            except SonantError as error:
                failed += 1
                assert str(lang) in str(error) or "table" in str(error)
        path.write_bytes(whole)
    assert failed > 30
