"""Files of automata: what is whole goes through; what is corrupt, cut off or hostile raises at no cost."""

import contextlib
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import ArkError, FstError, FstIndexError, SonantError, SpecifierError
from sonant.fst import Fst, SymbolTable

ARC_TYPES = ["standard", "log", "lattice4", "compactlattice44", "tropical_LT_tropical_LT_tropical"]
single = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def weights(draw, arc_type: str):
    parts = dict(standard=1, log=1, lattice4=2, compactlattice44=2).get(arc_type, 3)
    costs = tuple(draw(single) for _ in range(parts))
    if arc_type == "compactlattice44":
        return (*costs, tuple(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4))))
    return costs[0] if parts == 1 else costs


@st.composite
def automata(draw, arc_types=tuple(ARC_TYPES)):
    arc_type = draw(st.sampled_from(arc_types))
    fst = Fst(arc_type)
    states = draw(st.integers(0, 6))
    fst.add_states(states)
    if states:
        state = st.integers(0, states - 1)
        label = st.one_of(st.integers(0, 5), st.integers(0, 2**31 - 1))
        for _ in range(draw(st.integers(0, 12))):
            fst.add_arc(draw(state), draw(label), draw(label), draw(weights(arc_type)), draw(state))
        for s in draw(st.sets(state)):
            fst.set_final(s, draw(weights(arc_type)))
        if draw(st.booleans()):
            fst.set_start(draw(state))
    return fst


def everything(fst: Fst):
    return (
        fst.start,
        [(fst.final(s), fst.arcs_of(s)) for s in range(fst.num_states)],
    )


@given(automata())
def test_binary_goes_there_and_back(fst: Fst):
    again = Fst.read(fst.to_bytes())
    assert everything(again) == everything(fst)
    assert again.to_bytes() == fst.to_bytes()
    if fst.arc_type == "compactlattice44":
        with pytest.raises(FstError, match="const"):
            fst.to_bytes("const")
        return
    for align in (False, True):
        const = Fst.read(fst.to_bytes("const", align=align))
        assert (const.format, everything(const)) == ("const", everything(fst))
        assert const.to_bytes("const", align=align) == fst.to_bytes("const", align=align)
        assert [const.states[s]["num_arcs"] for s in range(fst.num_states)] == [
            len(fst.arcs_of(s)) for s in range(fst.num_states)
        ]


@given(automata())
def test_text_goes_there_and_back(fst: Fst):
    text = fst.text()
    again = Fst.from_text(text, fst.arc_type, keep_state_numbering=True)
    assert again.text() == text
    stream = _native.Input.from_bytes(b"\n" + text.encode() + b"\nnext")
    if fst.arc_type in ("lattice4", "compactlattice44"):
        read = _native.read_lattice_text(stream)
    else:
        read = _native.read_fst_text(stream, fst.arc_type)
    assert stream.read() == b"next"
    assert read.text(None, None, None, False, False, "") == text


@given(automata(arc_types=("standard", "log", "lattice4")), st.data())
def test_arrays_make_the_same_automaton(fst: Fst, data):
    arcs, states = fst.arcs, fst.states
    source = np.repeat(np.arange(len(states)), states["num_arcs"])
    # Arcs of one state stay in their order whatever stands between them.
    mixed = np.array(data.draw(st.permutations(range(len(arcs)))), int)
    mixed = mixed[np.lexsort((np.arange(len(mixed)), source[mixed], mixed % 2))] if len(mixed) else mixed
    order = np.concatenate([np.sort(mixed[mixed % 2 == parity]) for parity in (0, 1)])
    made = Fst.from_arrays(
        fst.start,
        states["final"],
        source[order],
        arcs["ilabel"][order],
        arcs["olabel"][order],
        arcs["weight"][order],
        arcs["nextstate"][order],
        arc_type=fst.arc_type,
    )
    assert sorted(map(repr, made.arcs)) == sorted(map(repr, arcs))
    np.testing.assert_array_equal(made.states["num_arcs"], states["num_arcs"])
    np.testing.assert_array_equal(made.states["num_input_epsilons"], states["num_input_epsilons"])


def sample(arc_type: str, symbols: bool = False) -> Fst:
    weight = dict(standard=0.5, log=0.5, lattice4=(0.5, 1), compactlattice44=(0.5, 1, (7, 8, 9)))
    fst = Fst(arc_type)
    fst.add_states(3)
    fst.set_start(1)
    for s in range(3):
        fst.add_arc(s, s, 1, weight.get(arc_type, (0.5, 1, 2)), (s + 1) % 3)
    fst.set_final(2, weight.get(arc_type, (0.5, 1, 2)))
    if symbols:
        fst.input_symbols = SymbolTable(["<eps>", "a", "b"], name="in")
        fst.output_symbols = SymbolTable(["<eps>", "x"], name="out")
    return fst


@pytest.mark.parametrize("arc_type", ARC_TYPES)
@pytest.mark.parametrize("form", ["vector", "const"])
def test_a_file_that_is_cut_off_anywhere_raises(arc_type: str, form: str):
    if (arc_type, form) == ("compactlattice44", "const"):
        form = "vector"
    data = sample(arc_type, symbols=True).to_bytes(form)  # type: ignore[arg-type]
    assert Fst.read(data).to_bytes(form) == data  # type: ignore[arg-type]
    for length in range(len(data)):
        with pytest.raises(ArkError, match="bytes:"):
            Fst.read(data[:length])


@given(st.sampled_from(ARC_TYPES), st.booleans(), st.data())
def test_changed_bytes_raise_or_give_a_sound_automaton(arc_type: str, const: bool, data):
    form = "const" if const and arc_type != "compactlattice44" else "vector"
    whole = bytearray(sample(arc_type, symbols=True).to_bytes(form))  # type: ignore[arg-type]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    try:
        fst = Fst.read(bytes(whole))
    except SonantError:
        return
    for arc in (arc for s in range(fst.num_states) for arc in fst.arcs_of(s)):
        assert 0 <= arc[3] < fst.num_states
    fst.native.properties(2**64 - 1, True)
    fst.text(missing_symbol="?")
    fst.copy().arc_sort().native.topological_sort()
    Fst.read(fst.to_bytes())


@given(st.binary(max_size=200))
def test_random_bytes_raise(data: bytes):
    magic = struct.pack("<i", 2125659606)
    for given_data in (data, magic + data, magic + struct.pack("<i", 6) + b"vector" + data):
        with pytest.raises(SonantError):
            Fst.read(given_data)
    for read in (
        lambda stream: _native.read_lattice_text(stream),
        lambda stream: _native.read_fst_text(stream, "standard"),
    ):
        with contextlib.suppress(SonantError):
            read(_native.Input.from_bytes(b"\n" + data))
    for parse in (SymbolTable.from_bytes, SymbolTable.from_text):
        with contextlib.suppress(SonantError):
            parse(data)


# Where the counts of a header are: after the magic number, two texts, version and flags
def header(form: str, arc_type: str, start: int, states: int, arcs: int) -> bytes:
    texts = b"".join(struct.pack("<i", len(t)) + t.encode() for t in (form, arc_type))
    return struct.pack("<i", 2125659606) + texts + struct.pack("<iIQqqq", 2, 0, 3, start, states, arcs)


HOSTILE = [-(2**63), -2, 2, 2**20, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1]


@pytest.mark.parametrize("count", HOSTILE)
@pytest.mark.parametrize("arc_type", ARC_TYPES)
def test_hostile_counts_raise_and_take_no_memory(count: int, arc_type: str):
    body = b"\0" * 11
    weight = b"\0" * dict(standard=4, log=4, lattice4=8).get(arc_type, 12)
    tracemalloc.start()
    before = peak_memory()
    for data in (
        header("vector", arc_type, 0, count, 0) + body,
        header("vector", arc_type, 0, 1, 0) + weight + struct.pack("<q", count) + body,
        header("const", arc_type, 0, count, 0) + body,
        header("const", arc_type, 0, 0, count) + body,
        header("vector", arc_type, count, 1, 0) + body + b"\0" * 32,
    ):
        with pytest.raises(ArkError):
            Fst.read(data)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
    assert peak_memory() - before < 64 << 10  # kB


def peak_memory() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("count", [count for count in HOSTILE if count != 2])
def test_hostile_counts_in_a_pipe_raise(count: int):
    for form in ("vector", "const"):
        data = header(form, "standard", 0, count, count) + b"\0" * 5000
        reading, writing = os.pipe()
        writer = threading.Thread(target=lambda w=writing, d=data: (os.write(w, d), os.close(w)))
        writer.start()
        stream = _native.Input(reading, "a pipe", True)
        with pytest.raises(ArkError, match="a pipe"):
            _native.read_fst(stream)
        writer.join()
        stream.close()


def test_states_may_go_on_to_the_end_of_the_file():
    data = header("vector", "standard", 0, -1, -1)
    data += struct.pack("<fqiifi", 1.5, 1, 3, 4, 0.5, 1) + struct.pack("<fq", 2.5, 0)
    fst = Fst.read(data)
    assert fst.text() == "0\t1\t3\t4\t0.5\n0\t1.5\n1\t2.5\n"
    with pytest.raises(ArkError, match="leads to state 1"):
        Fst.read(data[:-12])


def test_wider_numbers_become_ours():
    plain = header("vector", "lattice8", 0, 1, 0) + struct.pack("<ddqiiddi", 1.5, 2.5, 1, 3, 4, 0.5, 0.25, 0)
    assert Fst.read(plain).text() == "0\t0\t3\t4\t0.5,0.25\n0\t1.5,2.5\n"
    for name, number, symbol in (("48", "f", "q"), ("84", "d", "i"), ("88", "d", "q")):
        form = f"<2{number}i2{symbol}q2i2{number}i1{symbol}i"
        data = struct.pack(form, 1.5, 2.5, 2, 7, 8, 1, 5, 5, 0.5, 0.25, 1, 9, 0)
        fst = Fst.read(header("vector", "compactlattice" + name, 0, 1, 0) + data)
        assert fst.text(acceptor=True) == "0\t0\t5\t0.5,0.25,9\n0\t1.5,2.5,7_8\n"
        assert fst.arc_type == "compactlattice44"
    large = struct.pack("<2fi1q", 0, 0, 1, 2**31)
    with pytest.raises(ArkError, match="2147483648"):
        Fst.read(header("vector", "compactlattice48", 0, 1, 0) + large + b"\0" * 8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header("edit", "standard", 0, 1, 0), "expected vector, const, ngram"),
        (header("vector", "standard64", 0, 1, 0), "arcs of type 'standard64'"),
        (header("const", "lattice8", 0, 1, 0), "write it as vector"),
        (b"#!/bin/sh\n", "d6 fd b2 7e; found '#!/bin/sh"),
        (b"", "found the end"),
    ],
)
def test_errors_say_what_is_wrong(data: bytes, words: str):
    with pytest.raises(ArkError, match=words):
        Fst.read(data)


def test_a_text_cannot_ask_for_all_memory():
    for text in (
        "0 2000000000 1 1\n",
        "2000000000\n",
        "0 99999999999 1 1\n",
        "0 1 1 1 x\n",
        "0 1 1\n",
        "-1 0 1 1\n",
    ):
        with pytest.raises(SonantError):
            Fst.from_text(text, keep_state_numbering=True)
        with pytest.raises(SonantError):
            _native.read_fst_text(_native.Input.from_bytes(b"\n" + text.encode()), "standard")
    assert Fst.from_text("0 2000000000 1 1\n").num_states == 2  # numbered as they come


# Big const files are mapped


def big(tmp_path: Path, align: bool = False) -> Path:
    rng = np.random.default_rng(1)
    n = 20_000
    source = np.sort(rng.integers(0, n, 5 * n))
    finals = np.where(rng.random(n) < 0.1, 1.5, np.inf)
    labels = rng.integers(0, 100, (2, 5 * n))
    fst = Fst.from_arrays(3, finals, source, *labels, rng.random(5 * n), rng.integers(0, n, 5 * n))
    path = tmp_path / "big.fst"
    fst.write(path, "const", align=align)
    assert path.stat().st_size > 1 << 20
    return path


@pytest.mark.parametrize("align", [False, True])
def test_a_mapped_file_is_the_same_automaton(align: bool, tmp_path: Path):
    path = big(tmp_path, align)
    mapped, read = Fst.read(path), Fst.read(path, map=False)
    assert mapped.equal(read, 0)
    assert mapped.to_bytes("const", align=align) == path.read_bytes()
    assert mapped.to_bytes() == read.to_bytes()
    labels = mapped.arcs["ilabel"]
    np.testing.assert_array_equal(labels, read.arcs["ilabel"])
    # It can be written over the file that it lies in, and changed.
    mapped.write(path, "const", align=align)
    mapped.add_arc(0, 1, 2, 0.5, 0)
    read.add_arc(0, 1, 2, 0.5, 0)
    assert mapped.to_bytes() == read.to_bytes()
    np.testing.assert_array_equal(labels, Fst.read(path).arcs["ilabel"])
    assert not list(tmp_path.glob(".*"))


def test_a_mapped_file_that_lies_is_found_out(tmp_path: Path):
    path = big(tmp_path)
    data = bytearray(path.read_bytes())
    data[-4:] = struct.pack("<i", 10**9)  # the last nextstate
    path.write_bytes(data)
    fst = Fst.read(path)
    assert fst.num_states == 20_000
    with pytest.raises(FstError, match="1000000000"):
        fst.native.properties(2**64 - 1, True)
    with pytest.raises(FstError, match="1000000000"):
        fst.check()
    with pytest.raises(FstError, match="1000000000"):
        fst.add_state()
    data = bytearray(big(tmp_path).read_bytes())
    at = 65 + 20 * 7  # the record of state 7: final, begin, arcs
    data[at + 4 : at + 12] = struct.pack("<II", 99_999, 1000)
    path.write_bytes(data)
    fst = Fst.read(path)
    for use in (lambda: fst.arcs_of(7), fst.text, fst.arc_sort, lambda: fst.arcs, fst.check, fst.to_bytes):
        with pytest.raises(FstError, match="corrupt"):
            use()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "a.fst"
    path.write_bytes(b"precious")
    with pytest.raises(FstError):
        sample("compactlattice44").write(path, "const")
    assert path.read_bytes() == b"precious"
    link = tmp_path / "link.fst"
    link.symlink_to(path)
    sample("standard").write(link)
    assert link.is_symlink()
    assert Fst.read(path).num_states == 3
    with pytest.raises(SpecifierError, match="No such file"):
        Fst.read(tmp_path / "b.fst")
    with pytest.raises(SpecifierError, match="written"):
        sample("standard").write(tmp_path / "no" / "b.fst")
    script = "import sys; from sonant.fst import Fst; Fst.read(sys.argv[1]).write('/dev/stdout')"
    piped = subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=True)
    assert piped.stdout == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.fst", "link.fst"]


def test_states_that_are_not_there_are_named():
    fst = sample("standard")
    for use in (
        lambda: fst.final(3),
        lambda: fst.arcs_of(-1),
        lambda: fst.add_arc(7, 1, 1, 0, 0),
        lambda: fst.set_start(9),
        lambda: fst.set_final(3, 0),
    ):
        with pytest.raises(FstIndexError, match=r"state -?\d is not there; the automaton has 3 states"):
            use()
    lattice = sample("compactlattice44")
    for weight in ((1, 2, ["x"]), (1, 2, [2**31]), (1, 2, None), (1, 2), (1, "x", []), 0.5, None):
        with pytest.raises((FstError, TypeError)):
            lattice.add_arc(0, 1, 1, weight, 0)  # type: ignore[arg-type]
    assert everything(lattice) == everything(sample("compactlattice44"))
    fst.add_arc(0, 1, 1, 0.0, 99)
    with pytest.raises(FstError, match="leads to state 99"):
        fst.check()
    with pytest.raises(ArkError, match="leads to state 99"):
        Fst.read(fst.to_bytes())


def test_long_automata_are_told_and_not_printed():
    short, long = (
        Fst.from_text("".join(f"{i} {i + 1} 1 2\n" for i in range(n)) + f"{n}\n") for n in (9, 3000)
    )
    assert str(short) == short.text() and str(short).count("\n") == 10
    assert str(long) == (
        "Fst(standard, 3001 states, 3000 arcs, start 0): 6001 arcs and states, too many to read; "
        "print(fst.text()) writes them all"
    )
    assert long.text().count("\n") == 3001
