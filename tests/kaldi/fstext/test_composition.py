"""PyKaldi's names of composition, determinization and encoding, used as a script of its would."""

import pytest

from sonant.errors import FstError
from sonant.kaldi.fstext import (
    LatticeVectorFst,
    LogVectorFst,
    StdEncodeMapper,
    StdFstCompiler,
    StdVectorFst,
    SymbolTable,
    compose,
    determinize,
    difference,
    equivalent,
    intersect,
)
from sonant.kaldi.fstext.special import (
    TableComposeOptions,
    determinize_star,
    determinize_star_in_log,
    table_compose,
)
from sonant.kaldi.fstext.utils import minimize_encoded_std_fst, phi_compose, rho_compose


def compiled(text: str) -> StdVectorFst:
    compiler = StdFstCompiler()
    print(text, file=compiler, end="")
    return compiler.compile()


def test_compose_and_its_relatives() -> None:
    a, b = compiled("0 1 1 2 1\n1 2\n"), compiled("0 1 2 3 4\n1 8\n")
    symbols = SymbolTable()
    symbols.add_symbol("<eps>")
    a.set_input_symbols(symbols)
    both = compose(a, b, connect=True, compose_filter="match")
    assert isinstance(both, StdVectorFst)
    assert both.text(acceptor=True, isymbols=SymbolTable(), missing_symbol="?") == "0\t1\t?\t3\t5\n1\t10\n"
    assert both.input_symbols() is not None
    into = StdVectorFst()
    table_compose(a, b, into, TableComposeOptions())
    assert into.num_arcs(0) == 1 and into.final(1).value == 10
    with pytest.raises(FstError, match="unknown compose filter 'nothing'"):
        compose(a, b, compose_filter="nothing")
    with pytest.raises(TypeError, match="expected the same"):
        compose(a, LogVectorFst())
    with pytest.raises(TypeError, match="lattice4 into StdVectorFst"):
        table_compose(LatticeVectorFst(), LatticeVectorFst(), into)
    one, two = compiled("0 1 1 1\n0 1 2 2\n1\n"), compiled("0 1 2 2\n1\n")
    assert [intersect(one, two).num_arcs(), difference(one, two).num_arcs()] == [1, 1]


def test_special_labels() -> None:
    words = compiled("0 1 5 5\n1\n")
    backing_off = compiled("0 1 9 0 1\n0 2 6 6\n1 2 5 7 2\n2\n").arcsort()
    failing, rest = StdVectorFst(), StdVectorFst()
    phi_compose(words, backing_off, 9, failing)
    assert str(failing.text()) == "0\t1\t5\t7\t3\n1\n"
    rho_compose(words, compiled("0 1 9 9 1\n1\n"), 9, rest)
    assert rest.text(acceptor=True) == "0\t1\t5\t1\n1\n"


def test_determinize_minimize_and_encode_in_place() -> None:
    fst = compiled("0 1 1 1 1\n0 2 1 1 2\n1 3 2 2\n2 3 2 2\n3\n")
    best = determinize(fst)
    assert (best.num_states(), best.num_arcs()) == (3, 2)
    assert equivalent(best, determinize_star(fst))
    determinize_star_in_log(fst)
    assert next(iter(fst.arcs(0))).weight.value == pytest.approx(0.6867, abs=1e-4)
    assert best.minimize() is best
    mapper = StdEncodeMapper(encode_labels=True, encode_weights=True)
    before = best.text()
    assert best.encode(mapper).text() != before
    assert best.decode(mapper).text() == before
    assert mapper.flags() == 3
    twice = compiled("0 1 1 2\n0 2 1 2\n1\n2\n")
    minimize_encoded_std_fst(twice)
    assert (twice.num_states(), twice.num_arcs()) == (2, 1)
    assert determinize(twice, weight=1, nstate=2).num_states() == 2
    with pytest.raises(FstError, match="encode the labels"):
        determinize(twice, det_type="nonfunctional")
    with pytest.raises(FstError, match="more than max_states=1 "):
        determinize_star(compiled("0 1 1 1\n1 2 1 1\n2\n"), max_states=1)
