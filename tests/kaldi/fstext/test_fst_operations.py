"""PyKaldi's names of the operations on automata: signatures, what changes in place and what is new."""

import pytest

from sonant.errors import FstError
from sonant.kaldi import fstext as f
from sonant.kaldi.fstext import special, utils


def compiled(text: str) -> f.StdVectorFst:
    compiler = f.StdFstCompiler()
    compiler.write(text)
    return compiler.compile()


TEXT = "0 1 1 2 0.5\n0 2 2 3 0.25\n1 3 0 0 0.5\n2 3 3 1 1.5\n3 0.25\n"


def test_methods_change_the_automaton_and_give_it_back() -> None:
    fst = compiled(TEXT)
    assert fst.connect() is fst and fst.rmepsilon() is fst
    assert (fst.num_states(), fst.num_arcs()) == (4, 3)
    assert fst.invert().project() is fst
    assert [arc.ilabel for arc in fst.arcs(0)] == [2, 3]
    fst.union(compiled("0 1 9 9\n1\n")).concat(compiled("0\n")).closure(closure_plus=True)
    assert fst.prune(weight=0.0).rmepsilon().num_arcs() > 0
    pushed = compiled(TEXT).push(remove_total_weight=True)
    assert f.shortestdistance(pushed, reverse=True)[0] == f.TropicalWeight.one()
    moved = compiled(TEXT).reweight([f.TropicalWeight(x) for x in (0, 1, 1, 0)])
    assert f.shortestdistance(moved, reverse=True)[0] == f.TropicalWeight(1.25)
    assert compiled(TEXT).relabel(ipairs=[(1, 7)]).arcs(0).value().ilabel == 7
    with pytest.raises(FstError, match="without pairs"):
        fst.relabel()
    with pytest.raises(TypeError, match="arcs of type log"):
        fst.union(f.LogVectorFst())


def test_functions_make_new_ones() -> None:
    fst = compiled(TEXT)
    before = fst.text()
    path = f.shortestpath(f.StdConstFst(fst), nshortest=2)
    assert isinstance(path, f.StdVectorFst) and path.num_states() == 5
    assert [w.value for w in f.shortestdistance(fst)] == [0, 0.5, 0.25, 1.0]
    assert f.rmepsilon(fst, queue_type="fifo", weight=f.TropicalWeight(3)).num_arcs() == 3
    assert f.isomorphic(fst, fst.copy())
    assert f.prune(fst, weight=0.5).num_arcs() == 2
    assert f.push(fst, push_weights=True).final(3) == f.TropicalWeight.one()
    assert f.arcmap(fst, "rmweight").final(3) == f.TropicalWeight.one()
    assert f.statemap(fst, "arc_sum").num_arcs() == 4
    assert f.randgen(fst, npath=3, seed=1).num_states() > 3
    assert fst.text() == before
    assert f.push(fst, push_labels=True).num_states() == fst.num_states()


def test_lattices() -> None:
    lattice = f.LatticeVectorFst()
    for _ in range(2):
        lattice.add_state()
    lattice.set_start(0).set_final(1, f.LatticeWeight(0.5, 0))
    lattice.add_arc(0, f.LatticeArc(4, 5, f.LatticeWeight(1, -3), 1))
    lattice.add_arc(0, f.LatticeArc(6, 7, f.LatticeWeight(2, -5), 1))
    best = f.shortestpath(lattice)
    assert best.arcs(0).value().ilabel == 6
    compact = utils.convert_lattice_to_compact_lattice(lattice)
    assert f.shortestpath(compact).arcs(0).value().weight.string == [6]
    distance = f.shortestdistance(compact, reverse=True)[compact.start()]
    assert (distance.weight.value1, distance.weight.value2, distance.string) == (2.5, -5, [6])


def test_paths_as_a_list() -> None:
    paths = utils.nbest_as_fsts(compiled(TEXT), 5)
    assert [path.num_states() for path in paths] == [3, 3]
    assert [f.shortestdistance(path)[-1].value for path in paths] == [1.0, 1.75]
    assert utils.nbest_as_fsts(f.StdVectorFst(), 3) == []
    with pytest.raises(FstError, match="part at the start only"):
        utils.convert_nbest_to_list(compiled("0 1 1 1\n1 2 1 1\n1 2 2 2\n2\n"))


def test_local_removal() -> None:
    fst = compiled("0 1 1 0 0.5\n1 2 0 2 0.25\n2\n")
    special.remove_eps_local(fst)
    assert fst.text().split("\n")[0] == "0\t1\t1\t2\t0.75"
