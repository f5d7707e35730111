"""Drawings, against what OpenFst writes (by PyKaldi 0.2.1)."""

import shutil
from pathlib import Path

import pytest

from sonant.errors import FstError
from sonant.fst import DrawingStyle, Fst, SymbolTable
from sonant.kaldi.fstext import (
    CompactLatticeArc,
    CompactLatticeVectorFst,
    CompactLatticeWeight,
    LatticeWeight,
    StdVectorFst,
)

HEAD = """digraph FST {
rankdir = LR;
size = "8.5,11";
label = "";
center = 1;
orientation = Landscape;
ranksep = "0.4";
nodesep = "0.25";
"""
OPENFST = (
    HEAD
    + """0 [label = "0", shape = circle, style = bold, fontsize = 14]
\t0 -> 1 [label = "1:2/0.5", fontsize = 14];
\t0 -> 2 [label = "0:4/1.25", fontsize = 14];
1 [label = "1", shape = doublecircle, style = solid, fontsize = 14]
\t1 -> 2 [label = "3:0", fontsize = 14];
2 [label = "2/3.5", shape = doublecircle, style = solid, fontsize = 14]
}
"""
)


@pytest.fixture
def fst() -> Fst:
    made = Fst()
    made.add_states(3)
    made.set_start(0)
    made.add_arc(0, 1, 2, 0.5, 1)
    made.add_arc(0, 0, 4, 1.25, 2)
    made.add_arc(1, 3, 0, 0.0, 2)
    made.set_final(1, 0.0)
    made.set_final(2, 3.5)
    return made


def test_openfst_s_drawing(fst: Fst, tmp_path: Path):
    assert fst.dot() == OPENFST
    named = StdVectorFst(fst)
    named.draw(tmp_path / "f.dot")
    assert (tmp_path / "f.dot").read_text() == OPENFST
    named.draw(
        tmp_path / "f.dot", acceptor=True, portrait=True, vertical=True, show_weight_one=True, precision=2
    )
    text = (tmp_path / "f.dot").read_text()
    assert "orientation = Portrait;" in text and "rankdir = BT;" in text
    assert '0:4/1.2"' in text and '[label = "1/0"' in text and '"3:0/0"' in text


def test_compact_lattices(tmp_path: Path):
    lattice = CompactLatticeVectorFst()
    for _ in range(2):
        lattice.add_state()
    lattice.set_start(0)
    lattice.add_arc(0, CompactLatticeArc(1, 1, CompactLatticeWeight(LatticeWeight(1, 2), [3, 4]), 1))
    lattice.set_final(1)
    lattice.draw(tmp_path / "l.dot")
    assert (
        (tmp_path / "l.dot").read_text()
        == HEAD
        + """0 [label = "0", shape = circle, style = bold, fontsize = 14]
\t0 -> 1 [label = "1:1/1,2,3_4", fontsize = 14];
1 [label = "1", shape = doublecircle, style = solid, fontsize = 14]
}
"""
    )
    lattice.draw(tmp_path / "l.dot", acceptor=True)
    assert '"1/1,2,3_4"' in (tmp_path / "l.dot").read_text()


def test_symbols_are_escaped_and_must_be_there(fst: Fst):
    fst.input_symbols = SymbolTable([("<eps>", 0), ('a"b', 1), ("c\\d", 3)])
    assert '"a\\"b:2/0.5"' in fst.dot() and '"c\\\\d:0"' in fst.dot()
    fst.output_symbols = SymbolTable([("<eps>", 0)])
    with pytest.raises(FstError, match="label 2 has no symbol"):
        fst.dot()


def test_nothing_to_draw():
    assert Fst().dot() == HEAD + "}\n"


def test_rendering(fst: Fst, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Graphviz, which `make test` installs where it may; a stand-in shows what it is asked where it may not.
    if shutil.which("dot") is None:
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir()
        program.write_text('#!/bin/sh\necho "<svg $1>"; cat\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    fst.draw(tmp_path / "f.svg", DrawingStyle(title="two paths"))
    assert "<svg" in (tmp_path / "f.svg").read_text()
    assert "<svg" in (fst._repr_svg_() or "") and "<svg" in (StdVectorFst(fst)._repr_svg_() or "")
    fst.draw(tmp_path / "f.gv")
    assert (tmp_path / "f.gv").read_text() == OPENFST


def test_without_graphviz(fst: Fst, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fst._repr_svg_() is None  # a notebook shows the text
    with pytest.raises(FstError, match="apt-get install graphviz"):
        fst.draw(tmp_path / "f.png")
