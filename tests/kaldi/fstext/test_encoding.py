"""Encoders against what Kaldi itself made (tests/oracle/make_fst_encode_golden.py), and their files."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from sonant import _native, fst
from sonant.errors import ArkError, FstError, SonantError
from sonant.fst import Encoder, Fst
from sonant.kaldi import fstext
from sonant.kaldi.fstext import enums

GOLDEN = json.loads((Path(__file__).parent / "golden" / "encoders.json").read_text())
KINDS = ("Std", "Log", "Lattice", "CompactLattice", "KwsIndex")


def of(kind: str, name: str) -> Any:
    return getattr(fstext, kind + name)


def bytes_of(table: Any) -> bytes:
    stream = _native.Output.in_memory()
    assert table.write(stream, "memory")
    return stream.getvalue()


def example_arc(kind: str) -> Any:
    weight: dict[str, Any] = {"Lattice": (1, 2), "CompactLattice": (1, 2, (7, 8, 9)), "KwsIndex": (1, 2, 3)}
    return of(kind, "Arc").of_raw((5, 6, weight.get(kind, 0.5), 1))


@pytest.mark.parametrize("name", GOLDEN)
def test_encoders_and_their_files_are_kaldis(name: str, tmp_path: Path):
    golden, kind, flags = GOLDEN[name], name[:-1], int(name[-1])
    table, arc = of(kind, "EncodeTable")(flags), example_arc(kind)
    found = [table.get_label(arc), table.encode(arc), table.encode(arc), table.get_label(arc), table.size()]
    assert found == golden["table"]
    if flags == 3:
        symbols = fstext.SymbolTable()
        symbols.add_symbol("<eps>")
        table.set_output_symbols(symbols)
    data = bytes_of(table)
    assert data.hex() == golden["empty"]
    read = of(kind, "EncodeTable").read(_native.Input.from_bytes(data), "bytes")
    assert (read.flags(), read.size(), bytes_of(read)) == (flags, 1, data)

    (tmp_path / "encoder").write_bytes(data)
    mapper = of(kind, "EncodeMapper").read(tmp_path / "encoder")
    assert [mapper.properties(known) for known in (0, (1 << 48) - 1)] == golden["properties"]
    compiler = of(kind, "FstCompiler")()
    print(golden["text"], file=compiler)
    automaton = compiler.compile()
    assert str(automaton.encode(mapper)) == golden["encoded"]
    encoded = mapper(arc)
    assert [encoded.ilabel, encoded.olabel, encoded.nextstate] == golden["arc"]
    assert mapper.write(tmp_path / "written")
    assert (tmp_path / "written").read_bytes().hex() == golden["written"]
    back = of(kind, "EncodeMapper").from_other_with_type(mapper, enums.EncodeType.DECODE)
    decoded = back(encoded)
    assert decoded == arc
    assert str(automaton.decode(back)) == golden["decoded"]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_and_mappers_of_every_kind(kind: str, tmp_path: Path):
    arc = example_arc(kind)
    mapper = of(kind, "EncodeMapper")(True, True)
    final = of(kind, "Arc")(0, 0, arc.weight, -1)
    none = of(kind, "Arc")(0, 0, type(arc.weight).zero(), -1)
    assert (mapper(arc).ilabel, mapper(final).ilabel, mapper(none)) == (1, 2, none)
    other = of(kind, "EncodeMapper").from_other(mapper)
    assert other(arc).ilabel == 1
    assert other.type() == enums.EncodeType.ENCODE
    assert (mapper.flags(), mapper.input_symbols()) == (3, None)
    found = mapper.table.decode(1)
    assert (found.ilabel, found.olabel, found.weight) == (5, 6, arc.weight)
    with pytest.raises(FstError, match="label 17"):
        mapper.table.decode(17)
    with pytest.raises(FstError, match="flags=4"):
        of(kind, "EncodeTable")(4)
    with pytest.raises(TypeError):
        mapper(of("Log" if kind != "Log" else "Std", "Arc")())
    assert not mapper.write(tmp_path / "nowhere" / "x")
    data = bytes_of(mapper.table)
    read = Encoder.read(data, of(kind, "Arc").type())
    assert read.to_bytes() == data


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_of_encoders(kind: str):
    table, arc_type = of(kind, "EncodeTable")(3), of(kind, "Arc").type()
    table.encode(example_arc(kind))
    newer = Encoder(arc_type=arc_type)
    newer.label(*example_arc(kind).raw[:3])
    rng = random.Random(1)
    for data in (bytes_of(table), newer.to_bytes()):
        for size in range(len(data)):
            with pytest.raises(SonantError):
                Encoder.read(data[:size], arc_type)
        for _ in range(300):
            damaged = bytearray(data)
            damaged[rng.randrange(len(data))] = rng.randrange(256)
            try:
                read = Encoder.read(bytes(damaged), arc_type)
                read.decode(read.encode(Fst(arc_type)))
            except SonantError:
                pass
    many = bytearray(newer.to_bytes())
    at = 4 + 4 + len(arc_type) + 1
    many[at : at + 8] = (1 << 40).to_bytes(8, "little")
    with pytest.raises(ArkError, match="labels"):
        Encoder.read(bytes(many))
    with pytest.raises(FstError, match="give arc_type"):
        Encoder.read(bytes_of(table))
    with pytest.raises(FstError, match=f"an encoder of {arc_type} arcs; expected x"):
        Encoder.read(newer.to_bytes(), "x")


def random_compact(rng: random.Random, states: int) -> Fst:
    made = Fst("compactlattice44")
    made.add_states(states)
    made.set_start(0)
    for state in range(states - 1):
        for _ in range(rng.randint(1, 3)):
            word, string = rng.randint(0, 2), tuple(rng.choices((4, 5), k=rng.randint(0, 2)))
            weight = (rng.randint(0, 1), rng.randint(0, 1) / 2, string)
            made.add_arc(state, word, word, weight, rng.randrange(state + 1, states))
    made.set_final(states - 1, (0, 0.5, (4,) * rng.randint(0, 1)))
    return made


def all_paths(lattice: Fst) -> dict[Any, float]:
    """The best cost of each (words, string) and of each of its two costs."""
    found: dict[Any, float] = {}
    stack: list[Any] = [(lattice.start, (), (), 0.0, 0.0)] if lattice.num_states else []
    while stack:
        state, words, string, graph, acoustic = stack.pop()
        final: Any = lattice.final(state)
        if final[0] != float("inf"):
            found[words, string + final[2], graph + final[0], acoustic + final[1]] = 0
        for ilabel, _, weight, to in lattice.arcs_of(state):
            cost: Any = weight
            more = words + ((ilabel,) if ilabel else ())
            stack.append((to, more, string + cost[2], graph + cost[0], acoustic + cost[1]))
    return found


def test_minimize_encoded_of_compact_lattices_keeps_all_paths_and_merges_what_is_the_same():
    rng = random.Random(7)
    for _ in range(60):
        lattice = fst.connect(random_compact(rng, rng.randint(2, 7)))
        twice = fst.union(lattice, lattice)
        least = fst.minimize_encoded(twice)
        assert all_paths(least) == all_paths(lattice)
        assert least.num_states < twice.num_states - lattice.num_states + 3
        assert fst.minimize_encoded(least).num_states == least.num_states
        rows = {(str(least.final(s)), str(sorted(least.arcs_of(s)))) for s in range(least.num_states)}
        assert len(rows) == least.num_states
        encoder = Encoder(arc_type="compactlattice44")
        assert all_paths(encoder.decode(encoder.encode(lattice))) == all_paths(lattice)


def test_minimize_encoded_of_keyword_indexes():
    for end, states in ((0, 3), (1, 4)):
        text = f"0 1 1 1 1,2,3\n0 2 2 2 1,2,3\n1 3 3 3 0,1,0\n2 3 3 3 0,1,{end}\n3\n"
        index = Fst.from_text(text, "tropical_LT_tropical_LT_tropical")
        assert fst.minimize_encoded(index).num_states == states
