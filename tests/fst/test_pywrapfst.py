"""sonant.fst.pywrapfst beside pywrapfst itself: its names and arguments, and what programs print."""

import contextlib
import gc
import inspect
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from sonant.errors import SonantError
from sonant.fst import Fst, pywrapfst

sys.path.insert(0, str(Path(__file__).parent))

import pywrapfst_programs as programs  # pyright: ignore[reportMissingImports]

GOLDEN = json.loads((Path(__file__).parent / "golden/pywrapfst.json").read_text())


def _arguments(function: Any) -> list[str]:
    parameters = list(inspect.signature(function).parameters.values())
    star = [f"*{p.name}" for p in parameters if p.kind == p.VAR_POSITIONAL]
    return [p.name for p in parameters if p.kind != p.VAR_POSITIONAL and p.name != "self"] + star


@pytest.mark.parametrize("name", GOLDEN["names"])
def test_names_and_arguments(name: str):
    wanted = GOLDEN["names"][name]
    ours = getattr(pywrapfst, name)
    if isinstance(wanted, list):
        assert _arguments(ours) == wanted
    elif isinstance(wanted, dict):
        for method, arguments in wanted.items():
            found = getattr(ours, method)
            if callable(found) and not method.startswith("__"):
                assert _arguments(found) == arguments, method


@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.__name__)
def test_programs_print_what_pywrapfst_prints(program: Any):
    wanted = GOLDEN["programs"][program.__name__]
    found = programs.lines(program, pywrapfst)
    gc.collect()  # archives are whole when their writers are gone
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours == theirs


def test_errors_are_sonants_too():
    for wrong in (lambda: pywrapfst.VectorFst("foo"), lambda: pywrapfst.Fst.read("/nowhere/x")):
        with pytest.raises(SonantError):
            wrong()
    with pytest.raises(OSError, match="/nowhere/x"):
        pywrapfst.Fst.read("/nowhere/x")
    with pytest.raises(pywrapfst.FstOpError, match="calls itself"):
        pywrapfst.replace([(1, programs.compiled(pywrapfst, "0 1 1 1; 1"))])


def test_log64_is_read_and_computed_as_log():
    golden = bytes.fromhex(  # written by pywrapfst: state 0, final 1/3, an arc to itself with 0.1
        "d6fdb27e06000000766563746f72050000006c6f67363402000000000000000300815a81000000000000000000"
        "000001000000000000000000000000000000555555555555d53f010000000000000001000000010000009a9999999999b93f00000000"
    )
    fst = Fst.read(golden)
    assert fst.arc_type == "log"
    assert fst.arcs_of(0) == [(1, 1, pytest.approx(0.1), 0)]
    assert fst.final(0) == pytest.approx(1 / 3)


def test_archives_of_pywrapfst_are_read_and_ours_are_the_same_but_for_properties(tmp_path: Path):
    theirs, ours = tmp_path / "theirs.far", tmp_path / "ours.far"
    theirs.write_bytes(bytes.fromhex(GOLDEN["archive"]))
    programs.archive(pywrapfst, ours)
    gc.collect()
    found = [[(key, fst.print()) for key, fst in pywrapfst.FarReader.open(path)] for path in (theirs, ours)]
    assert found[0] == found[1]
    assert [key for key, _ in found[0]] == ["first", "second"]
    assert len(theirs.read_bytes()) == len(ours.read_bytes())


def test_archives_that_are_cut_or_changed(tmp_path: Path):
    path = tmp_path / "a.far"
    writer = pywrapfst.FarWriter.create(path)
    for key in ("a", "b"):
        writer[key] = programs.compiled(pywrapfst, "0 1 1 2 0.5; 1 0.25")
    with pytest.raises(pywrapfst.FstArgError, match="ascend"):
        writer["a"] = pywrapfst.VectorFst()
    del writer
    gc.collect()
    whole = path.read_bytes()
    rng = random.Random(1)
    for cut in range(0, len(whole), 5):
        path.write_bytes(whole[:cut])
        with pytest.raises(SonantError):
            list(pywrapfst.FarReader.open(path))
    for _ in range(100):
        data = bytearray(whole)
        data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        with contextlib.suppress(SonantError):
            list(pywrapfst.FarReader.open(path))
