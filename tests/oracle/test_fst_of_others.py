"""OpenFst (through kaldifst) reads what we write, and writes it again byte for byte."""

from pathlib import Path

import kaldifst
import numpy as np
import pytest

from sonant.fst import Fst, SymbolTable


def graph(seed: int, arcs: int) -> Fst:
    rng = np.random.default_rng(seed)
    n = 1 + arcs // 3
    finals = np.where(rng.random(n) < 0.3, rng.random(n), np.inf)
    source, nextstate = rng.integers(0, n, (2, arcs))
    labels = rng.integers(0, 50, (2, arcs))
    fst = Fst.from_arrays(int(rng.integers(n)), finals, source, *labels, rng.random(arcs), nextstate)
    if seed % 2:
        fst.input_symbols = SymbolTable((f"word{i}" for i in range(50)), name="words")
    return fst


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("form", ["vector", "const"])
def test_openfst_reads_what_we_write(seed: int, form: str, tmp_path: Path):
    fst = graph(seed, seed**3)
    path = tmp_path / "ours.fst"
    fst.write(path, form)  # type: ignore[arg-type]
    theirs = (kaldifst.StdConstFst if form == "const" else kaldifst.StdVectorFst).read(str(path))
    assert theirs.start == fst.start
    assert theirs.write(str(tmp_path / "theirs.fst"))
    if form == "vector":
        assert theirs.num_states == fst.num_states
        assert theirs.to_str(show_weight_one=False).split() == fst.text().split()
        assert (tmp_path / "theirs.fst").read_bytes() == path.read_bytes()
    again = Fst.read(tmp_path / "theirs.fst")
    assert again.equal(fst, 0) and again.to_bytes() == Fst.read(path).to_bytes()


def test_openfst_reads_our_symbol_tables(tmp_path: Path):
    table = SymbolTable([("<eps>", 0), ("a", 1), ("b", 7)], name="some words")
    table.write(tmp_path / "ours.bin")
    table.write_text(tmp_path / "ours.txt")
    theirs = kaldifst.SymbolTable.read(str(tmp_path / "ours.bin"))
    assert (theirs.find("b"), theirs.num_symbols(), theirs.name) == (7, 3, "some words")
    theirs.write(str(tmp_path / "theirs.bin"))
    assert SymbolTable.read(tmp_path / "theirs.bin") == table
    assert kaldifst.SymbolTable.read_text(str(tmp_path / "ours.txt")).find("a") == 1
