"""PyKaldi's LatticeLmRescorer: beside what Kaldi makes (tests/oracle/make_rescore_golden.py), and with
models on demand."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from sonant.kaldi.asr import LatticeLmRescorer
from sonant.kaldi.fstext import LatticeVectorFst, StdVectorFst, SymbolTable
from sonant.kaldi.fstext.special import StdBackoffDeterministicOnDemandFst
from sonant.kaldi.lat import functions
from sonant.kaldi.lm import ConstArpaLm, build_const_arpa_lm
from sonant.kaldi.lm.arpa import ArpaLmCompiler, ArpaParseOptions
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import SequentialLatticeReader
from sonant.lattice import Lattice

GOLDEN = Path(__file__).parent / "golden"
KALDI = json.loads(gzip.decompress((GOLDEN / "rescored.json.gz").read_bytes()))
BOS, EOS, BACKOFF = 41, 42, 43
OPTIONS = ArpaParseOptions(bos_symbol=BOS, eos_symbol=EOS)


def lattice(key):
    with SequentialLatticeReader(f"ark:{GOLDEN / 'random'}.ark") as reader:
        made = functions.determinize_lattice_pruned(dict(reader)[key], 8.0)
    functions.top_sort_lattice_if_needed(made)
    return made


def grammar(name):
    table = SymbolTable()
    for word in range(1, BOS + 4):
        table.add_pair(str(word), word)
    compiler = ArpaLmCompiler(OPTIONS, BACKOFF, table)
    with xopen(str(GOLDEN / name), "rt") as file:
        compiler.read(file.stream())
    return compiler.fst()


def on_demand(made: Any) -> StdBackoffDeterministicOnDemandFst:
    return StdBackoffDeterministicOnDemandFst(made.project(True).arcsort())


def const_arpa(name, folder):
    build_const_arpa_lm(OPTIONS, str(GOLDEN / name), str(folder / "lm.carpa"))
    lm = ConstArpaLm()
    with xopen(str(folder / "lm.carpa")) as file:
        lm.read(file.stream(), file.binary)
    return lm


def canonical(states: list[Any]) -> list[Any]:
    """States in the order in which they are found along words in order, which makes equal what differs in
    numbers only."""
    order, made = {0: 0}, []
    for s in order_of(states, order):
        end, arcs = states[s]
        made.append([end, [[*arc[:4], order[arc[4]]] for arc in sorted(arcs)]])
    return made


def order_of(states, order):
    for s in (queue := [0]):
        for *_, to in sorted(states[s][1]):
            if to not in order:
                order[to] = len(order)
                queue.append(to)
    return queue


def dumped(made):
    fst: Any = Lattice.of(made).fst
    states = []
    for state in range(fst.num_states):
        final = fst.final(state)
        arcs = [[word, *weight[:2], list(weight[2]), to] for word, _, weight, to in fst.arcs_of(state)]
        states.append([[*final[:2], list(final[2])] if math.isfinite(final[0]) else None, arcs])
    return states


def alike(ours: Any, kaldi: Any) -> bool:
    if isinstance(kaldi, list):
        return isinstance(ours, list) and len(ours) == len(kaldi) and all(map(alike, ours, kaldi))
    if kaldi is None or ours is None:
        return kaldi is ours
    return bool(ours == kaldi or abs(ours - kaldi) <= 3e-5 * (1 + abs(kaldi)))


@pytest.mark.parametrize("key", sorted(KALDI))
def test_lattices_are_kaldis(key):
    given = lattice(key)
    before = dumped(given)
    for name, phi in (("phi", BACKOFF), ("epsilon", None)):
        rescorer = LatticeLmRescorer(grammar("small.arpa"), grammar("big.arpa"), phi)
        made = rescorer.rescore(given)
        assert alike(canonical(dumped(made)), canonical(KALDI[key][f"rescorer {name}"])), (key, name)
        assert dumped(given) == before


def sentences(made):
    return {path.words: path.cost for path in Lattice.of(made).nbest(30)}


def test_models_on_demand_are_exact(tmp_path):
    given = lattice("random02")
    old, new = grammar("small.arpa"), grammar("big.arpa")
    const = const_arpa("big.arpa", tmp_path)
    by_grammar = LatticeLmRescorer(old, new, BACKOFF).rescore(given)
    by_const = LatticeLmRescorer(old, const).rescore(given)
    assert sentences(by_const) == pytest.approx(sentences(by_grammar), abs=1e-3)
    backoff = on_demand(new)
    same = LatticeLmRescorer(const, backoff).rescore(given)
    assert sentences(same) == pytest.approx(sentences(given), abs=1e-3)
    there = LatticeLmRescorer(const, on_demand(old))
    back = LatticeLmRescorer(there.new_lm, const)
    assert sentences(back.rescore(there.rescore(given))) == pytest.approx(sentences(given), abs=1e-3)


def test_files_and_what_cannot_be(tmp_path):
    for name in ("small", "big"):
        grammar(f"{name}.arpa").write(str(tmp_path / f"{name}.fst"))
    given = lattice("random03")
    rescorer = LatticeLmRescorer.from_files(str(tmp_path / "small.fst"), str(tmp_path / "big.fst"), BACKOFF)
    expected = LatticeLmRescorer(grammar("small.arpa"), grammar("big.arpa"), BACKOFF).rescore(given)
    assert dumped(rescorer.rescore(given)) == dumped(expected)
    with pytest.raises(TypeError, match="compact lattice"):
        rescorer.rescore(LatticeVectorFst())
    with pytest.raises(TypeError, match="new_lm: a str"):
        LatticeLmRescorer(StdVectorFst(), "lm")  # pyright: ignore[reportArgumentType]
