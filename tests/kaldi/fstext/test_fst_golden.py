"""What OpenFst and Kaldi make and write (tests/oracle/make_fst_golden.py asked them), byte for byte."""

import base64
import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.fst import Fst, SymbolTable
from sonant.kaldi import fstext
from sonant.kaldi.fstext import properties, utils, weight
from sonant.kaldi.util import table

HERE = Path(__file__).parent / "golden"
YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"
GOLDEN = json.loads((HERE / "automata.json").read_text())
ALL = 2**64 - 1
TABLES = dict(Std="Fst", Log="LogFst", KwsIndex="KwsIndexFst")


def weight_of(kind: str, numbers: Any) -> Any:
    if kind == "Std":
        return fstext.TropicalWeight(numbers)
    if kind == "Log":
        return fstext.LogWeight(numbers)
    if kind == "Lattice":
        return fstext.LatticeWeight(*numbers)
    if kind == "CompactLattice":
        return fstext.CompactLatticeWeight(fstext.LatticeWeight(*numbers[:2]), numbers[2])
    cost, begin, end = map(fstext.TropicalWeight, numbers)
    return fstext.KwsIndexWeight(cost, fstext.KwsTimeWeight(begin, end))


def take_step(fst: Any, kind: str, step: list) -> None:
    name, *rest = step
    if name == "add_arc" or name == "set_value":
        *rest, ilabel, olabel, numbers, nextstate = rest
        arc = getattr(fstext, f"{kind}Arc")(ilabel, olabel, weight_of(kind, numbers), nextstate)
        if name == "add_arc":
            fst.add_arc(*rest, arc)
        else:
            arcs = fst.mutable_arcs(rest[0])
            arcs.seek(rest[1])
            arcs.set_value(arc)
            assert arcs.value() == arc
    elif name == "set_final":
        fst.set_final(rest[0], weight_of(kind, rest[1]))
    elif name == "delete_last_arcs":
        fst.delete_arcs(*rest)
    elif name == "topsort":
        try:
            fst.topsort()
        except ValueError as error:
            assert "cycle" in str(error)
    else:
        getattr(fst, name)(*rest)


@pytest.mark.parametrize("number", range(len(GOLDEN["automata"])))
def test_random_changes_leave_what_openfst_has(number: int):
    entry = GOLDEN["automata"][number]
    kind = entry["kind"]
    fst = getattr(fstext, f"{kind}VectorFst")()
    for at, (step, known) in enumerate(entry["steps"]):
        take_step(fst, kind, step)
        assert fst.properties(ALL, False) == known, (at, step)
    data = base64.b64decode(entry["vector"])
    assert fst.to_bytes() == data
    assert [fst.text(), fst.text(acceptor=True), str(fst)] == entry["text"]
    assert fst.verify() == entry["sound"]

    again = type(fst).from_bytes(data)
    assert again.to_bytes() == data
    assert fstext.equal(fst, again, 0)
    if "found" in entry:
        assert again.copy().properties(ALL, True) == entry["found"]
    if "const" in entry:
        const = getattr(fstext, f"{kind}ConstFst")(fst)
        assert const.to_bytes() == base64.b64decode(entry["const"])
        assert type(const).from_bytes(const.to_bytes()).to_bytes() == const.to_bytes()
        assert type(fst)(type(const).from_bytes(const.to_bytes())).text() == fst.text()
    if "aligned" in entry:
        options = fstext.FstWriteOptions()
        options.align = True
        stream = fstext.automata._native.Output.in_memory()
        const.write_to_stream(stream, options)
        assert stream.getvalue() == base64.b64decode(entry["aligned"])
        assert type(const).from_bytes(stream.getvalue()).text() == fst.text()


@pytest.mark.parametrize(
    "archive", GOLDEN["archives"], ids=lambda a: f"{a['kind']}-{'t' if a['text'] else 'b'}"
)
def test_archives_are_read_and_written(archive: dict, tmp_path: Path):
    kind, data = archive["kind"], base64.b64decode(archive["data"])
    path = tmp_path / "given.ark"
    path.write_bytes(data)
    name = TABLES.get(kind, kind)
    with getattr(table, f"Sequential{name}Reader")(f"ark:{path}") as reader:
        read = list(reader)
    assert [key for key, _ in read] == [f"key{i}" for i in archive["entries"]]
    for number, (_, fst) in zip(archive["entries"], read, strict=True):
        entry = GOLDEN["automata"][number]
        if archive["text"]:
            assert fst.text() == entry["text"][0]
        else:
            assert fst.to_bytes() == base64.b64decode(entry["vector"])
    written = tmp_path / "written.ark"
    with getattr(table, f"{name}Writer")(f"ark{',t' * archive['text']}:{written}") as writer:
        for key, fst in read:
            writer[key] = fst
    assert written.read_bytes() == data


@pytest.mark.parametrize("number", range(len(GOLDEN["weights"])))
def test_weights_are_kaldis(number: int):
    entry = GOLDEN["weights"][number]
    kind = entry["kind"]
    words = dict(Std="tropical", Log="log", Lattice="lattice", CompactLattice="compact_lattice")
    word = words.get(kind, "kws_index")
    a, b = weight_of(kind, entry["a"]), weight_of(kind, entry["b"])

    def same(found: Any, numbers: Any) -> None:
        wanted = weight_of(kind, numbers).raw
        flat = [
            np.ravel(np.asarray(part, float)).tolist()
            for raw in (found.raw, wanted)
            for part in (raw if isinstance(raw, tuple) else (raw,))
        ]
        half = len(flat) // 2
        for x, y in zip(flat[:half], flat[half:], strict=True):
            assert x == pytest.approx(y, rel=1e-6, abs=1e-6, nan_ok=True)

    same(getattr(weight, f"plus_{word}_weight")(a, b), entry["plus"])
    same(getattr(weight, f"times_{word}_weight")(a, b), entry["times"])
    same(a.quantize(), entry["quantize"])
    assert a.member() == entry["member"]
    if "divide" in entry:
        same(getattr(weight, f"divide_{word}_weight")(a, b), entry["divide"])
    if "compare" in entry:
        assert getattr(weight, f"compare_{word}_weight")(a, b) == entry["compare"]
        assert getattr(weight, f"approx_equal_{word}_weight")(a, b) == entry["near"]


def test_symbol_tables_go_with_automata(tmp_path: Path):
    golden = GOLDEN["symbols"]
    data, text = base64.b64decode(golden["binary"]), base64.b64decode(golden["text"])
    syms = fstext.deserialize_symbol_table(data)
    assert fstext.serialize_symbol_table(syms) == data
    assert (syms.name(), syms.num_symbols(), syms.available_key()) == ("a table", 5, 12)
    syms.write_text(tmp_path / "symbols.txt")
    assert (tmp_path / "symbols.txt").read_bytes() == text
    assert list(SymbolTable.read(tmp_path / "symbols.txt")) == list(syms.table)

    compiler = fstext.StdFstCompiler(isymbols=syms, osymbols=syms, keep_isymbols=True, keep_osymbols=True)
    print("3 1 yes näh 0.5\n1 3 <eps> #0\n1 2.5", file=compiler)
    fst = compiler.compile()
    assert fst.to_bytes() == base64.b64decode(golden["fst"])
    assert str(fst) == golden["fst_text"]
    assert fstext.StdConstFst(fst).to_bytes() == base64.b64decode(golden["const"])
    read = fstext.StdConstFst.from_bytes(base64.b64decode(golden["const"]))
    assert read.to_bytes() == base64.b64decode(golden["const"])
    assert read.input_symbols().find_index("näh") == 2
    assert fstext.indices_to_symbols(read.output_symbols(), [1, 10]) == ["yes", "#0"]


def test_properties_have_openfsts_bits():
    assert {name: getattr(properties, name) for name in GOLDEN["properties"]} == GOLDEN["properties"]


# Lattices of a decoder


def read_lattices(kind: str, name: str) -> dict[str, Any]:
    with getattr(table, f"Sequential{kind}Reader")(f"ark:{HERE / name}") as reader:
        return dict(reader)


@pytest.mark.parametrize(
    ("kind", "name", "option"),
    [
        ("Lattice", "lat.ark", ""),
        ("Lattice", "lat.txt", ",t"),
        ("CompactLattice", "clat.ark", ""),
        ("CompactLattice", "clat.txt", ",t"),
        ("Lattice", "lat_again.ark", ""),
    ],
)
def test_lattices_of_a_decoder_go_through_whole(kind: str, name: str, option: str, tmp_path: Path):
    lattices = read_lattices(kind, name)
    with getattr(table, f"{kind}Writer")(f"ark{option}:{tmp_path / name}") as writer:
        for key, lattice in lattices.items():
            writer[key] = lattice
    assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes()


@pytest.mark.parametrize(
    ("given", "made", "kind"),
    [("lat.ark", "clat.ark", "CompactLattice"), ("clat.ark", "lat_again.ark", "Lattice")],
)
def test_one_kind_of_lattice_becomes_the_other_as_in_kaldi(given: str, made: str, kind: str):
    read = read_lattices(kind, given)  # the reader converts
    wanted = read_lattices(kind, made)
    assert read.keys() == wanted.keys()
    for key, lattice in read.items():
        assert lattice.text() == wanted[key].text()


def test_text_lattices_become_the_other_kind():
    for key, lattice in read_lattices("CompactLattice", "lat.txt").items():
        assert lattice.num_states() == read_lattices("CompactLattice", "clat.ark")[key].num_states()
    for key, lattice in read_lattices("Lattice", "clat.txt").items():
        assert lattice.num_states() == read_lattices("Lattice", "lat_again.ark")[key].num_states()


def test_scaled_lattices_are_kaldis():
    [(key, wanted)] = read_lattices("Lattice", "scaled.ark").items()
    lattice = read_lattices("Lattice", "lat.ark")[key]
    utils.scale_lattice(utils.lattice_scale(0.7, 0.1), lattice)
    assert fstext.equal(lattice, wanted, 1e-4)
    compact = utils.convert_lattice_to_compact_lattice(read_lattices("Lattice", "lat.ark")[key])
    utils.scale_compact_lattice(utils.lattice_scale(0.7, 0.1), compact)
    assert fstext.equal(utils.convert_lattice_to_compact_lattice(wanted), compact, 1e-3)


def test_lattices_lose_their_strings_or_their_weights():
    [compact, *_] = read_lattices("CompactLattice", "clat.ark").values()
    assert utils.compact_lattice_has_alignment(compact)
    costs = compact.to_fst().arcs["weight"].sum(axis=1)
    std = utils.convert_lattice_to_std(compact)
    np.testing.assert_allclose(std.to_fst().arcs["weight"], costs, rtol=1e-6)
    utils.remove_alignments_from_compact_lattice(compact)
    assert not utils.compact_lattice_has_alignment(compact)
    lattice = utils.convert_std_to_lattice(std)
    assert (lattice.to_fst().arcs["weight"][:, 1] == 0).all()
    assert utils.convert_lattice_to_std(lattice).text() == std.text()


# Graphs of a Kaldi run


@pytest.mark.parametrize("name", sorted(path.name for path in YESNO.glob("*.fst")))
def test_graphs_of_a_kaldi_run_round_trip(name: str, tmp_path: Path):
    data = (YESNO / name).read_bytes()
    fst = Fst.read(YESNO / name)
    assert fst.to_bytes(fst.format) == data
    fst.check()
    kaldis = fstext.read_fst_kaldi(str(YESNO / name))
    fstext.write_fst_kaldi(kaldis, f"| cat > {tmp_path / name}")
    assert (tmp_path / name).read_bytes() == data
    assert fstext.read_fst_kaldi(f"cat {YESNO / name} |").text() == fst.text()
    const = Fst.from_text(fst.text(), keep_state_numbering=True).to_bytes("const")
    arcs = Fst.read(const).arcs
    for field in ("ilabel", "olabel", "nextstate"):
        np.testing.assert_array_equal(arcs[field], fst.arcs[field])
    np.testing.assert_allclose(arcs["weight"], fst.arcs["weight"], rtol=1e-5)


def test_training_graphs_of_a_kaldi_run(tmp_path: Path):
    data = gzip.decompress((YESNO / "fsts.1.gz").read_bytes())
    with table.SequentialFstReader(f"ark:gunzip -c {YESNO / 'fsts.1.gz'} |") as reader:
        graphs = dict(reader)
    assert len(graphs) == 31
    with table.FstWriter(f"ark,scp:{tmp_path / 'fsts.ark'},{tmp_path / 'fsts.scp'}") as writer:
        for key, graph in graphs.items():
            writer[key] = graph
    assert (tmp_path / "fsts.ark").read_bytes() == data
    with table.RandomAccessFstReader(f"scp:{tmp_path / 'fsts.scp'}") as reader:
        for key in sorted(graphs, reverse=True):
            assert reader[key].text() == graphs[key].text()
    words = fstext.SymbolTable.read_text(str(YESNO / "words.txt"))
    key, graph = next(iter(graphs.items()))
    spoken = {"0": "NO", "1": "YES"}
    labels = utils.get_output_symbols(graph, False)
    assert {words.find_symbol(label) for label in labels} == {spoken[digit] for digit in key.split("_")}
    assert all(math.isfinite(cost) for cost in graph.to_fst().arcs["weight"])
