"""sonant graph: what it writes, what it says, and what it leaves when it fails."""

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from sonant.cli import main
from sonant.fst import Fst, SymbolTable, compose, isomorphic, shortest_path
from sonant.text import Tokens

YESNO = Path(__file__).parents[1] / "data" / "kaldi-yesno"
ARPA = r"""
\data\
ngram 1=5
ngram 2=2

\1-grams:
-99 <s> -0.3
-0.8 </s>
-0.5 YES -0.25
-0.7 NO -0.1
-0.9 MAYBE

\2-grams:
-0.1 <s> YES
-0.4 YES NO

\end\
"""


@pytest.fixture
def arpa(tmp_path) -> Path:
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(ARPA.encode()))
    return path


def run(*arguments: object) -> int:
    return main(["graph", *map(str, arguments)])


def files(directory: Path) -> set[str]:
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}


def best(graph: Fst, labels: Sequence[int | str], words: SymbolTable) -> list[str]:
    chain = Fst.from_text(
        "".join(f"{t} {t + 1} {x} {x}\n" for t, x in enumerate(labels)) + f"{len(labels)}\n"
    )
    found = shortest_path(compose(chain, graph)).arcs
    return [str(words[int(label)]) for label in found["olabel"] if label]


def test_lg_of_a_lang_directory(tmp_path, arpa, capsys, caplog):
    assert run(YESNO / "lang", arpa, "--out", tmp_path / "graph") == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"{tmp_path / 'graph' / 'LG.fst'}: ") and told.out.endswith(" MB\n")
    assert [line.split()[0] for line in told.err.splitlines()][:2] == ["L", "G"]
    assert "1 of 3 words have no pronunciation in the lexicon: MAYBE" in caplog.text
    expected = {"words.txt", "phones.txt", "LG.fst", "phones/silence.csl"}
    expected |= {f"phones/{n}" for n in ("disambig.txt", "disambig.int", "align_lexicon.txt")}
    expected |= {f"phones/optional_silence.{end}" for end in ("txt", "int", "csl")}
    assert files(tmp_path / "graph") == expected | {"phones/align_lexicon.int"}
    graph = Fst.read(tmp_path / "graph" / "LG.fst")
    assert graph.format == "const"
    words = SymbolTable.read(tmp_path / "graph" / "words.txt")
    assert words.to_text().replace("\t", " ") == (YESNO / "words.txt").read_text()


def test_a_grammar_that_is_an_fst(tmp_path):
    assert run(YESNO / "dict", YESNO / "lang/G.fst", "--out", tmp_path / "g", "--format", "vector") == 0
    assert Fst.read(tmp_path / "g/LG.fst").format == "vector"
    assert "phones/word_boundary.int" in files(tmp_path / "g")


def test_tlg_of_tokens(tmp_path, arpa):
    (tmp_path / "lexicon.txt").write_text("YES y e s\nNO n o\nMAYBE m a y b e\n")
    (tmp_path / "tokens.txt").write_text("".join(f"{t} {k}\n" for k, t in enumerate(["<b>", *"yesnomab"])))
    for topology in ("standard", "compact", "minimal"):
        out = tmp_path / topology
        arguments = ("--tokens", tmp_path / "tokens.txt", "--topology", topology, "--missing", "error")
        assert run(tmp_path / "lexicon.txt", arpa, "--out", out, *arguments) == 0
        assert files(out) == {"TLG.fst", "words.txt", "tokens.txt"}
        tokens, words = SymbolTable.read(out / "tokens.txt"), SymbolTable.read(out / "words.txt")
        assert tokens["<blk>"] == 1 and tokens["y"] == 2
        frames = [tokens[c] for c in "yesno"]
        frames.insert(3, tokens["<blk>"])
        assert best(Fst.read(out / "TLG.fst"), frames, words) == ["YES", "NO"]


def test_tlg_of_pieces(tmp_path, arpa, capsys):
    tokens = Tokens.train(["YES NO", "NO YES NO MAYBE"] * 5, 14)
    tokens.save(tmp_path / "bpe.model")
    (tmp_path / "words").write_text("YES\nNO\nZÜRICH\nMAYBE\n", encoding="utf-8")
    assert run(tmp_path / "words", arpa, "--out", tmp_path / "g", "--tokens", tmp_path / "bpe.model") == 0
    assert "cannot spell 1 of 4 words: ZÜRICH; they are left out" in capsys.readouterr().err
    table, words = SymbolTable.read(tmp_path / "g/tokens.txt"), SymbolTable.read(tmp_path / "g/words.txt")
    frames = [1]
    for token in tokens.encode("NO MAYBE"):
        assert table[tokens.pieces[token]] == token + 1
        frames += [token + 1, token + 1, 1]
    assert best(Fst.read(tmp_path / "g/TLG.fst"), frames, words) == ["NO", "MAYBE"]
    arguments = ("--tokens", tmp_path / "bpe.model", "--missing", "error")
    assert run(tmp_path / "words", arpa, "--out", tmp_path / "h", *arguments) == 1
    assert not (tmp_path / "h").exists()


def test_errors_are_lines_and_nothing_is_written(tmp_path, arpa, capsys):
    def said(*arguments: object) -> str:
        before = sorted(tmp_path.iterdir())
        assert run(*arguments, "--out", tmp_path / "out") == 1
        assert sorted(tmp_path.iterdir()) == before
        return capsys.readouterr().err.splitlines()[-1]

    lexicon = tmp_path / "lex.txt"
    lexicon.write_text("YES y\nNO\n")
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("<blk> 0\ny 1\nn 2\n")
    assert f"error: {lexicon}:2: 'NO' has no phones" in said(lexicon, arpa)
    lexicon.write_text("YES y\nNO n x\n")
    assert f"error: {lexicon}:2: 'NO' has the phone 'x'" in said(lexicon, arpa, "--tokens", tokens)
    assert "MAYBE" in said(lexicon, arpa, "--missing", "error")
    lexicon.write_text("PERHAPS p\n")
    assert "3 of 3 words have no pronunciation in the lexicon: YES, NO, MAYBE" in said(lexicon, arpa)
    lexicon.write_text("")
    assert "there is no pronunciation" in said(lexicon, arpa)
    assert "no such file" in said(tmp_path / "none", arpa)
    assert "is a lang directory" in said(YESNO / "lang", arpa, "--tokens", tokens)
    assert "name one" in said(YESNO / "lang", arpa, "--tokens", tokens, "--model", tmp_path)
    assert "neither an automaton nor an ARPA model" in said(YESNO / "lang", YESNO / "words.txt")
    assert "more than max_states=2" in said(YESNO / "lang", arpa, "--max-states", 2)
    model = tmp_path / "model"
    model.mkdir()
    shutil.copy(YESNO / "phones.txt", model)
    assert "tree: is not there" in said(YESNO / "lang", arpa, "--model", model)
    (model / "phones.txt").write_text("<eps> 0\nSIL 1\nY 3\nN 2\n")
    assert "differ in 2 phones: N, Y" in said(YESNO / "lang", arpa, "--model", model)
    (tmp_path / "out").write_text("a file")
    assert "no directory" in said(YESNO / "lang", arpa)
    assert (tmp_path / "out").read_text() == "a file"


def test_hclg_of_a_kaldi_model(tmp_path):
    model = tmp_path / "mono"
    model.mkdir()
    for name, source in (("tree", "tree"), ("final.mdl", "40.mdl"), ("phones.txt", "phones.txt")):
        shutil.copy(YESNO / source, model / name)
    out = tmp_path / "graph"
    assert run(YESNO / "lang", YESNO / "G.fst", "--model", model, "--out", out) == 0
    assert {"HCLG.fst", "num_pdfs", "disambig_tid.int"} <= files(out)
    assert (out / "num_pdfs").read_text() == "11\n" and (out / "disambig_tid.int").read_text() == "31\n"
    # That of the real run, states numbered as they may be.
    assert isomorphic(Fst.read(out / "HCLG.fst"), Fst.read(YESNO / "HCLG.fst"), delta=1e-4)
