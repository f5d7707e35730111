"""PyKaldi's fstext by its names: what scripts do with automata, arcs, weights and symbol tables."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import ArkError, FstError, FstIndexError
from sonant.fst import Fst
from sonant.kaldi.base import io
from sonant.kaldi.fstext import (
    CompactLatticeArc,
    CompactLatticeConstFst,
    CompactLatticeVectorFst,
    CompactLatticeWeight,
    FstHeader,
    FstReadOptions,
    FstWriteOptions,
    KwsIndexVectorFst,
    LatticeArc,
    LatticeVectorFst,
    LatticeWeight,
    LogArc,
    LogConstFst,
    LogVectorFst,
    LogWeight,
    StdArc,
    StdConstFst,
    StdFstCompiler,
    StdVectorFst,
    SymbolTable,
    SymbolTableIterator,
    TropicalWeight,
    compat_symbols,
    enums,
    equal,
    indices_to_symbols,
    properties,
    relabel_symbol_table,
    special,
    symbols_to_indices,
    utils,
    weight,
)
from sonant.kaldi.util import table


def diamond() -> StdVectorFst:
    fst = StdVectorFst()
    for _ in range(4):
        fst.add_state()
    fst.set_start(0)
    for arc in (StdArc(2, 3, TropicalWeight(1.5), 1), StdArc(1, 0, TropicalWeight(0.5), 2)):
        fst.add_arc(0, arc)
    fst.add_arc(1, StdArc(0, 4, TropicalWeight.one(), 3)).add_arc(2, StdArc(3, 3, TropicalWeight(0.25), 3))
    return fst.set_final(3, TropicalWeight(0.125))


def test_states_and_arcs_are_walked_through_both_ways():
    fst = diamond()
    assert list(fst.states()) == [0, 1, 2, 3]
    assert [(a.ilabel, a.olabel, a.weight.value, a.nextstate) for a in fst.arcs(0)] == [
        (2, 3, 1.5, 1),
        (1, 0, 0.5, 2),
    ]
    seen = []
    states = fst.states()
    while not states.done():
        arcs = fst.arcs(states.value())
        while not arcs.done():
            assert arcs.position() == len([s for s in seen if s[0] == states.value()])
            seen.append((states.value(), arcs.value().nextstate))
            arcs.next()
        states.next()
    assert seen == [(0, 1), (0, 2), (1, 3), (2, 3)]
    for at_end in (states, fst.arcs(3)):
        with pytest.raises(FstIndexError, match="end"):
            at_end.value()
    states.reset()
    assert states.value() == 0
    assert (fst.num_arcs(0), fst.num_arcs(), fst.num_input_epsilons(1), fst.num_output_epsilons(0)) == (
        2,
        4,
        1,
        1,
    )
    assert (fst.final(3).value, fst.final(0)) == (0.125, TropicalWeight.zero())
    assert [fst.type(), StdConstFst(fst).type(), fst.start(), fst.num_states()] == ["vector", "const", 0, 4]


def test_arcs_change_where_they_are_set():
    fst = diamond()
    arcs = fst.mutable_arcs(0)
    for arc in arcs:
        arc.olabel += 10
        arc.weight = TropicalWeight(7)
        arcs.set_value(arc)
    assert fst.text().startswith("0\t1\t2\t13\t7\n0\t2\t1\t10\t7\n")
    loose = next(iter(fst.arcs(1)))
    loose.ilabel = 99
    assert next(iter(fst.arcs(1))).ilabel == 0
    with pytest.raises(TypeError, match="expected StdArc"):
        fst.mutable_arcs(0).set_value(LogArc())
    fst.arcsort()
    assert [arc.ilabel for arc in fst.arcs(0)] == [1, 2]
    fst.arcsort(sort_type="olabel")
    assert [arc.olabel for arc in fst.arcs(0)] == [10, 13]
    with pytest.raises(ValueError, match="unknown sort type 'weight'"):
        fst.arcsort("weight")


def test_a_copy_and_its_origin_go_their_own_ways():
    fst = diamond()
    copy, const, array = fst.copy(), StdConstFst(fst), fst.to_fst().arcs
    text = fst.text()
    fst.delete_arcs(0, 1).delete_states([2])
    assert (copy.text(), const.text(), StdVectorFst(const).text()) == (text, text, text)
    assert array["ilabel"].tolist() == [2, 1, 0, 3]
    assert fst.text() == "0\t1\t2\t3\t1.5\n1\t2\t0\t4\n2\t0.125\n"
    assert equal(copy, const) and not equal(copy, fst)
    fst.delete_states()
    assert (fst.num_states(), fst.start(), fst.text(), str(fst)) == (0, -1, "", "")
    copy.delete_arcs(0)
    copy.delete_arcs(1, 0)
    copy.delete_states([])
    assert (copy.num_arcs(), copy.num_states()) == (2, 4)
    assert not hasattr(const, "add_state")


def test_types_are_kept_apart():
    fst = diamond()
    for wrong in (
        lambda: LogVectorFst(fst),
        lambda: fst.add_arc(0, LogArc(1, 1, LogWeight(1), 0)),
        lambda: fst.set_final(0, LogWeight(1)),
        lambda: StdArc(1, 1, LogWeight(1), 0),
        lambda: TropicalWeight(LogWeight(1)),
        lambda: equal(fst, LogVectorFst()),
        lambda: utils.convert_lattice_to_compact_lattice(fst),  # type: ignore[arg-type]
        lambda: weight.plus_tropical_weight(TropicalWeight(1), LogWeight(2)),  # type: ignore[arg-type]
        lambda: TropicalWeight("heavy"),  # type: ignore[arg-type]
    ):
        with pytest.raises((TypeError, ValueError), match=r"expected|argument|could not convert"):
            wrong()
    with pytest.raises(FstError, match="LogVectorFst has log"):
        LogVectorFst.from_bytes(fst.to_bytes())
    assert fst.text() == diamond().text()
    for missing in (
        lambda: fst.arcs(4),
        lambda: fst.final(-1),
        lambda: fst.num_arcs(9),
        lambda: fst.set_start(4),
    ):
        with pytest.raises(IndexError, match="is not there"):
            missing()
    with pytest.raises(FstError, match="cannot be deleted"):
        fst.delete_arcs(0, 3)
    with pytest.raises(FstError, match="more arcs than"):
        fst.reserve_arcs(0, 2**40)
    fst.reserve_states(100).reserve_arcs(0, 10)
    assert fst.text() == diamond().text()


def test_streams_files_and_headers(tmp_path: Path):
    fst = diamond()
    fst.set_input_symbols(symbols())
    path = tmp_path / "a.fst"
    assert fst.write(str(path))
    assert StdVectorFst.read(str(path)).to_bytes() == fst.to_bytes() == path.read_bytes()
    assert str(StdConstFst.read(str(path))) == str(fst)
    header = FstHeader()
    stream = io.open_file_to_read(str(path))
    assert header.read(stream, "a.fst", True)
    assert (header.fst_type(), header.arc_type(), header.num_states(), header.start()) == (
        "vector",
        "standard",
        4,
        0,
    )
    options = FstReadOptions()
    options.read_isymbols = False
    assert StdVectorFst.read_from_stream(stream, options).input_symbols() is None
    made = io.ostringstream()
    header.write(made)
    assert path.read_bytes().startswith(made.getvalue())
    without = FstWriteOptions()
    without.write_isymbols = False
    made = io.ostringstream()
    fst.write_to_stream(made, without)
    assert made.getvalue() == diamond().to_bytes()
    with pytest.raises(OSError, match="cannot be opened"):
        StdVectorFst.read("/nowhere/a.fst")
    with pytest.raises(OSError, match="cannot be written"):
        fst.write("/nowhere/a.fst")
    with pytest.raises(ArkError, match="cut off"):
        FstHeader().read(io.istringstream.from_str(path.read_bytes()[:30]))
    with pytest.raises(FstError, match="const"):
        CompactLatticeConstFst(CompactLatticeVectorFst()).to_bytes()


def test_from_numpy_and_back():
    fst = StdVectorFst(Fst.from_arrays(0, [np.inf, 0], [0, 0], [1, 2], [3, 4], [0.5, 1], [1, 1]))
    assert fst.text() == "0\t1\t1\t3\t0.5\n0\t1\t2\t4\t1\n1\n"
    assert fst.to_fst().arcs["weight"].tolist() == [0.5, 1.0]
    assert not fst.to_fst().arcs.flags.writeable


def test_properties_are_found_when_asked():
    fst = diamond()
    mask = properties.ACCEPTOR | properties.I_DETERMINISTIC | properties.ACYCLIC | properties.STRING
    assert fst.properties(mask, True) == properties.I_DETERMINISTIC | properties.ACYCLIC
    assert fst.properties(properties.MUTABLE | properties.EXPANDED, False) == 3
    assert StdConstFst(fst).properties(properties.MUTABLE | properties.EXPANDED, False) == 1
    assert fst.verify()
    fst.add_arc(3, StdArc(1, 1, TropicalWeight(0), 77))
    assert not fst.verify()
    with pytest.raises(FstError, match="77"):
        fst.properties(properties.CYCLIC, True)
    cyclic = diamond().add_arc(3, StdArc(1, 1, 0.0, 0))
    with pytest.raises(FstError, match="cycle"):
        cyclic.topsort()
    assert cyclic.properties(properties.CYCLIC | properties.INITIAL_CYCLIC, True) == (
        properties.CYCLIC | properties.INITIAL_CYCLIC
    )


def test_lattices_hold_their_weights():
    lattice = CompactLatticeVectorFst()
    for _ in range(2):
        lattice.add_state()
    lattice.set_start(0)
    w = CompactLatticeWeight(LatticeWeight(1, 2), [3, 4])
    lattice.add_arc(0, CompactLatticeArc(7, 7, w, 1))
    lattice.set_final(1, CompactLatticeWeight((0.5, 0.25), [5]))
    assert str(lattice) == "0\t1\t7\t1,2,3_4\n1\t0.5,0.25,5\n"
    [arc] = lattice.arcs(0)
    assert (arc.weight, arc.weight.string, arc.weight.weight.value2) == (w, [3, 4], 2)
    plain = utils.convert_compact_lattice_to_lattice(lattice)
    assert plain.text() == "0\t2\t3\t7\t1,2\n1\t3\t5\t0\t0.5,0.25\n2\t1\t4\t0\n3\n"
    assert utils.convert_compact_lattice_to_lattice(lattice, False).text().startswith("0\t2\t7\t3\t1,2\n")
    assert (
        equal(utils.convert_lattice_to_compact_lattice(plain), lattice) is False
    )  # the string of the final weight
    assert utils.get_linear_symbol_sequence(plain) == ([3, 4, 5], [7], LatticeWeight(1.5, 2.25))
    assert utils.get_linear_symbol_sequence(lattice)[2] == CompactLatticeWeight((1.5, 2.25), [3, 4, 5])
    with pytest.raises(FstError, match="shape"):
        utils.scale_lattice([[1, 2]], plain)
    assert [LatticeArc().weight, CompactLatticeArc().nextstate] == [LatticeWeight.one(), -1]
    assert CompactLatticeVectorFst(lattice).final(1).string == [5]


@pytest.mark.parametrize(
    "lines",
    [
        "0 1 2 3 0.5,0.25,1_2\n1 0,0,\n",
        "0 1 2 3\n0 1 2 3 1,2,\n",
        "0 1 2\n1\n",
        "0 1 2 1,2,\n",
        "0 1 2 1,2,3_4\n1 1,2,3\n",
        "0\n",
        "",
    ],
)
def test_compact_lattices_are_told_from_plain_ones_in_text(lines: str, tmp_path: Path):
    path = tmp_path / "lat.ark"
    path.write_text(f"a \n{lines}\nb \n{lines}\n")
    with table.SequentialCompactLatticeReader(f"ark:{path}") as reader:
        assert [key for key, _ in reader] == ["a", "b"]
    with table.SequentialLatticeReader(f"ark:{path}") as reader:
        assert [key for key, _ in reader] == ["a", "b"]


@pytest.mark.parametrize(
    "lines",
    ["0 1 2 3 4 5\n", "0 1 2 0.5\n", "0 1 2 0.5,1,2_\n", "0 x\n", "0 1 2 1,2,\n0 1 2 3 1,2\n", "-1\n"],
)
def test_bad_lines_of_lattices_are_shown(lines: str, tmp_path: Path):
    path = tmp_path / "lat.ark"
    path.write_text(f"a \n{lines}\n")
    for reader in (table.SequentialLatticeReader, table.SequentialCompactLatticeReader):
        with pytest.raises(ArkError, match="expected 'state nextstate"), reader(f"ark:{path}") as opened:
            list(opened)
    path.write_bytes(b"a \xd7nonsense")
    with pytest.raises(ArkError, match="0xd6"), table.SequentialFstReader(f"ark:{path}") as opened:
        list(opened)
    path.write_bytes(b"a " + LatticeVectorFst().to_bytes())
    with (
        pytest.raises(ArkError, match="expected standard"),
        table.SequentialFstReader(f"ark:{path}") as opened,
    ):
        list(opened)
    with pytest.raises(TypeError, match="expected StdVectorFst"), table.FstWriter(f"ark:{path}") as writer:
        writer["a"] = LogVectorFst()  # type: ignore[assignment]


def symbols() -> SymbolTable:
    syms = SymbolTable.from_name("words")
    for word in ("<eps>", "yes", "no", "perhaps"):
        syms.add_symbol(word)
    return syms


def test_symbol_tables(tmp_path: Path):
    syms = symbols()
    assert (syms.find_index("no"), syms.find_index("never"), syms.find_symbol(3), syms.find_symbol(9)) == (
        2,
        -1,
        "perhaps",
        "",
    )
    assert (syms.member_symbol("no"), syms.member_index(9), syms.get_nth_key(1), syms.get_nth_key(9)) == (
        True,
        False,
        1,
        -1,
    )
    assert (syms.name(), syms.num_symbols(), syms.available_key()) == ("words", 4, 4)
    assert list(SymbolTableIterator(syms)) == [(0, "<eps>"), (1, "yes"), (2, "no"), (3, "perhaps")]
    assert indices_to_symbols(syms, np.array([1, 2])) == ["yes", "no"]
    assert symbols_to_indices(syms, ["yes", "no"]) == [1, 2]
    for missing in (lambda: indices_to_symbols(syms, [99]), lambda: symbols_to_indices(syms, ["never"])):
        with pytest.raises(KeyError, match="is not in the symbol table 'words'"):
            missing()
    other = syms.copy()
    assert compat_symbols(syms, other) and compat_symbols(syms, None) and other.checksum() == syms.checksum()
    other.remove_symbol(1)
    other.add_table(syms)
    assert other.find_index("yes") == 4
    assert not compat_symbols(syms, other) and other.labeled_checksum() != syms.labeled_checksum()
    assert list(relabel_symbol_table(syms, [(1, 2), (2, 1)]))[1:3] == [(2, "yes"), (1, "no")]
    syms.write(tmp_path / "w")
    syms.write_text(tmp_path / "w.txt")
    assert SymbolTable.read(tmp_path / "w").name() == "words"
    assert SymbolTable.read_text(tmp_path / "w.txt").num_symbols() == 4

    fst = diamond().set_input_symbols(syms)
    syms.add_symbol("later")
    assert fst.input_symbols().num_symbols() == 4
    assert fst.text().startswith("0\t1\tno\t3\t1.5\n")
    with pytest.raises(FstError, match="label 4 has no symbol"):
        fst.text(osymbols=fst.input_symbols())
    assert "\t?" in fst.text(osymbols=fst.input_symbols(), missing_symbol="?")
    assert fst.text(ssymbols=syms).startswith("<eps>\tyes\tno")
    assert fst.set_input_symbols(None).text() == diamond().text()


def test_compilers_name_the_line():
    for text, options, words in (
        ("0 1 1\n", {}, "line 1 of the text: 3 columns"),
        ("0 1 1 2 3 4\n", {}, "6 columns"),
        ("0 1 1 1\n0 1 a 1\n", {}, "line 2 of the text: 'a' is no label"),
        (
            "0 1 yes never\n",
            dict(isymbols=symbols(), osymbols=symbols()),
            "'never' is not in the symbol table 'words'",
        ),
        ("0 1 1 1 heavy\n", {}, "'heavy' is no weight"),
        ("0 1 -1 1\n", {}, "negative"),
        ("x 1 1 1\n", {}, "'x' is no state"),
        ("0 1 1 1 nan\n", {}, "no weight"),
    ):
        compiler = StdFstCompiler(**options)
        compiler.write(text)
        with pytest.raises(FstError, match=words):
            compiler.compile()
        assert compiler.compile().num_states() == 0
    compiler = StdFstCompiler(acceptor=True, allow_negative_labels=True)
    print("0 1 -1 inf\n\n1 +2e-1", file=compiler)
    assert compiler.compile().text() == "0\t1\t-1\t-1\tInfinity\n1\t0.2\n"


def test_utils_of_labels_and_weights():
    fst = StdVectorFst()
    utils.make_linear_acceptor([5, 6, 5], fst)
    assert utils.get_linear_symbol_sequence(fst) == ([5, 6, 5], [5, 6, 5], TropicalWeight.one())
    assert utils.get_input_symbols(fst, False) == [5, 6]
    utils.make_linear_acceptor_with_alternatives([[1, 2], [3]], fst)
    assert fst.text() == "0\t1\t1\t1\n0\t1\t2\t2\n1\t2\t3\t3\n2\n"
    with pytest.raises(FstError, match="not linear"):
        utils.get_linear_symbol_sequence(fst)
    assert utils.get_linear_symbol_sequence(StdVectorFst()) == ([], [], TropicalWeight.zero())
    fst = diamond()
    assert (utils.highest_numbered_input_symbol(fst), utils.highest_numbered_output_symbol(fst)) == (3, 4)
    assert utils.get_output_symbols(fst, True) == [0, 3, 4]
    assert utils.get_symbols(symbols(), False) == [1, 2, 3]
    utils.remove_some_input_symbols([2, 9], fst)
    utils.map_input_symbols([0, 11], fst)
    assert [arc.ilabel for s in fst.states() for arc in fst.arcs(s)] == [0, 11, 0, 3]
    utils.apply_probability_scale(2, fst)
    assert (fst.final(3).value, [arc.weight.value for arc in fst.arcs(0)]) == (0.25, [3.0, 1.0])
    utils.remove_weights(fst)
    assert {arc.weight.value for s in fst.states() for arc in fst.arcs(s)} == {0.0}
    assert (fst.final(3).value, fst.final(0)) == (0.0, TropicalWeight.zero())
    utils.clear_symbols(True, False, fst)
    assert utils.get_input_symbols(fst, True) == [0] and utils.get_output_symbols(fst, False) == [3, 4]
    assert utils.following_input_symbols_are_same(True, fst) and utils.preceding_input_symbols_are_same(
        True, fst
    )
    assert not utils.following_input_symbols_are_same(True, diamond())
    assert not utils.preceding_input_symbols_are_same(False, diamond())
    assert utils.is_stochastic_fst(fst)
    low, high = TropicalWeight(), TropicalWeight()
    assert not utils.is_stochastic_fst_in_log(fst, min_sum=low, max_sum=high)
    assert (low.value, high.value) == (pytest.approx(-np.log(2)), 0.0)
    paths = utils.convert_nbest_to_list(diamond())
    assert [utils.get_linear_symbol_sequence(p) for p in paths] == [
        ([2], [3, 4], TropicalWeight(1.625)),
        ([1, 3], [3], TropicalWeight(0.875)),
    ]
    log = utils.cast_std_to_log(diamond())
    assert (
        isinstance(log, LogVectorFst) and utils.cast_log_to_std(LogConstFst(log)).text() == diamond().text()
    )


def test_ilabel_info_of_a_kaldi_run():
    data = (Path(__file__).parents[2] / "data" / "kaldi-yesno" / "ilabels_1_0").read_bytes()
    stream = io.istringstream.from_str(data)
    info = special.read_ilabel_info(stream, stream.header())
    assert info == [[], [1], [2], [3], [-5]]  # phones, and the disambiguation symbol #1
    made = io.ostringstream()
    made.header(True)
    special.write_ilabel_info(made, True, info)
    assert made.getvalue() == data
    with pytest.raises(ArkError):
        special.read_ilabel_info(io.istringstream.from_str(b"\x04\xff\xff\xff\xff"), True)
    assert special.get_encoding_multiple(999) == 1000 and special.get_encoding_multiple(1000) == 2000
    fst = diamond()
    special.add_subsequential_loop(9, fst)
    assert fst.text().endswith("3\t4\t9\t0\t0.125\n3\t0.125\n4\t4\t9\t0\n4\n")


def test_names_of_choices():
    assert enums.GetArcSortType("olabel") == enums.ArcSortType.OLABEL_SORT
    assert enums.GetMapType("to_standard") == enums.MapType.TO_STD_MAPPER == 14
    assert enums.GetQueueType("shortest") == enums.QueueType.SHORTEST_FIRST_QUEUE == 3
    assert enums.GetComposeFilter("match") == 5 and enums.GetDeterminizeType("disambiguate") == 2
    assert enums.GetRandArcSelection("fast_log_prob") == 2
    assert enums.GetReplaceLabelType("both", False) == 4 and enums.GetReplaceLabelType("both", True) == 1
    assert (enums.GetPushFlags(True, False, True, False), enums.GetEncodeFlags(True, True)) == (5, 3)
    with pytest.raises(ValueError, match="unknown queue type 'nearest'; expected auto"):
        enums.GetQueueType("nearest")


def test_weights_show_and_compare():
    assert [str(w) for w in (TropicalWeight(1 / 3), TropicalWeight.zero(), LogWeight.no_weight())] == [
        "0.333333",
        "Infinity",
        "BadNumber",
    ]
    assert TropicalWeight(1 / 3).value == np.float32(1 / 3)
    assert {TropicalWeight(1), TropicalWeight(1.0), LogWeight(1)} == {TropicalWeight(1), LogWeight(1)}
    assert TropicalWeight(1) != 1 and float(TropicalWeight(1)) == 1
    assert repr(CompactLatticeWeight((1, 2), [3])) == "CompactLatticeWeight(1,2,3)"
    divided = weight.divide_compact_lattice_weight(
        CompactLatticeWeight((3, 2), [1, 2, 3]),
        CompactLatticeWeight((1, 1), [1]),
        weight.DivideType.DIVIDE_LEFT,
    )
    assert divided == CompactLatticeWeight((2, 1), [2, 3])
    right = weight.DivideType.DIVIDE_RIGHT
    assert weight.divide_compact_lattice_weight(divided, CompactLatticeWeight((0, 0), []), right) == divided
    with pytest.raises(FstError, match="divided by"):
        weight.divide_compact_lattice_weight(divided, CompactLatticeWeight((0, 0), [2]), right)


def test_one_automaton_serves_many_threads():
    """What works with an automaton goes on with what it was while another thread changes it."""
    rng = np.random.default_rng(0)
    n, m = 2000, 20_000
    graph = Fst.from_arrays(0, np.zeros(n), *rng.integers(0, n, (3, m)), rng.random(m), rng.integers(0, n, m))
    fst = StdVectorFst(graph)
    sound: list[Any] = []

    def work(what: Any) -> None:
        try:
            for _ in range(20):
                sound.append(what())
        except BaseException as error:
            sound.append(error)

    jobs = [
        lambda: StdVectorFst.from_bytes(fst.to_bytes()).num_states() >= n,
        lambda: fst.to_fst().arcs["ilabel"].sum() > 0,
        lambda: fst.copy().arcsort().num_states() >= n,
        lambda: bool(fst.properties(properties.CYCLIC, True)),
        lambda: fst.add_state() and fst.add_arc(1, StdArc(1, 1, 0.5, 0)) and True,
        lambda: fst.set_final(3, 0.25) and True,
    ]
    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sound == [True] * 20 * len(jobs)
    assert (fst.num_states(), fst.num_arcs()) == (n + 20, m + 20)


def test_keyword_indexes_and_their_arcs():
    kws = KwsIndexVectorFst()
    kws.add_state()
    time = weight.KwsTimeWeight(TropicalWeight(2), TropicalWeight(3))
    kws.set_start(0).set_final(0, weight.KwsIndexWeight(TropicalWeight(1), time))
    assert kws.text() == "0\t1,2,3\n"
    assert (kws.final(0).value1, kws.final(0).value2) == (TropicalWeight(1), time)
