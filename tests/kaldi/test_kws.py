"""Keyword search: beside Kaldi's (tests/oracle/make_kws_golden.py), and by all paths of lattices."""

import json
import math
import runpy
from pathlib import Path
from typing import Any

import pytest

from sonant.errors import FstError
from sonant.fst import Fst
from sonant.kaldi import kws
from sonant.kaldi.fstext import (
    CompactLatticeVectorFst,
    KwsIndexEncodeTable,
    KwsIndexVectorFst,
    StdArc,
    StdVectorFst,
    TropicalWeight,
)
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.lat import align, functions
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import SequentialLatticeReader
from sonant.lattice import Lattice

LATTICES = Path(__file__).parents[1] / "lattice"
GOLDEN = LATTICES / "golden"
KALDI = json.loads((GOLDEN / "kws.json").read_text())
PATHS = runpy.run_path(str(LATTICES / "paths.py"))
TYPES = ["nonword", "begin", "end", "internal", "singleton", "begin", "end"]


def acceptor(sentences):
    """Of sentences, each a list of words and a cost."""
    fst = StdVectorFst()
    fst.set_start(fst.add_state())
    end = fst.add_state()
    fst.set_final(end, TropicalWeight(0.0))
    for words, cost in sentences:
        state = 0
        for i, word in enumerate(words):
            last = i + 1 == len(words)
            to = end if last else fst.add_state()
            fst.add_arc(state, StdArc(word, word, TropicalWeight(cost if last else 0.0), to))
            state = to
    return fst


def archive(name):
    with SequentialLatticeReader(f"ark:{GOLDEN / name}.ark") as reader:
        return [lattice for _, lattice in reader]


def random_lattices():
    for number, raw in enumerate(archive("random")[:8], 1):
        yield number, functions.determinize_lattice_pruned(raw, 5.0)


def with_silences(folder):
    """Lattices aligned by words; silences are words 0."""
    boundaries = folder / "word_boundary.int"
    boundaries.write_text("".join(f"{phone} {kind}\n" for phone, kind in enumerate(TYPES, 1)))
    tmodel = TransitionModel()
    with xopen(str(GOLDEN / "model.mdl")) as file:
        tmodel.read(file.stream(), file.binary)
    for i, raw in enumerate(archive("model")):
        opts = align.WordBoundaryInfoNewOpts(reorder=i % 2 == 0)
        info = align.WordBoundaryInfo.from_file(opts, str(boundaries))
        clat = functions.determinize_lattice_pruned(raw, 100.0)
        yield i + 1, align.word_align_lattice(clat, tmodel, info, 0)[1]


def searchable(lattices, silence=50):
    index = None
    for number, clat in lattices:
        made = kws.lattice_to_kws_index(clat, number, silence)
        index = made if index is None else index.union(made)
    assert index is not None
    kws.optimize_kws_index(index)
    table = KwsIndexEncodeTable(1)
    kws.encode_kws_disambiguation_symbols(index, table)
    return index, table


@pytest.mark.parametrize("name", KALDI)
def test_what_is_found_is_what_kaldi_finds(name, tmp_path):
    lattices = random_lattices() if name == "random" else with_silences(tmp_path)
    index, table = searchable(lattices, 50 if name == "random" else int(name))
    for keyword, (results, stats, labels) in zip(*KALDI[name], strict=True):
        ours = kws.search_kws_index(index, acceptor(keyword), table, -1, True)
        assert close(sorted(ours[0]), sorted(results)), keyword
        assert [cost for *_, cost in ours[0]] == sorted(cost for *_, cost in ours[0])
        # PyKaldi has epsilons among the words of each way.
        ways = sorted(
            (tuple(s), [word for word in said if word]) for s, said in zip(stats, labels, strict=True)
        )
        mine = sorted(zip(ours[1], ours[2], strict=True))
        assert close([s for s, _ in mine], [s for s, _ in ways])
        assert [words for _, words in mine] == [words for _, words in ways]
        best = kws.search_kws_index(index, acceptor(keyword), table, 2)
        assert best == ours[0][:2]


def close(ours, theirs):
    """Kaldi rounds costs to 1 / 1024 on each arc."""
    return len(ours) == len(theirs) and all(
        tuple(a[:3]) == tuple(b[:3]) and abs(a[3] - b[3]) < 0.01 for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("seed", range(8))
def test_probabilities_are_expected_counts(seed):
    """But for sequences at several times whose ends the index cannot tell apart: as Kaldi's, it then has the
    likelier."""
    whole = 0
    lattice = PATHS["random_lattice"](seed).determinize(1e6)
    every = PATHS["all_paths"](lattice)
    total = sum(math.exp(-cost) for *_, cost in every)
    index, table = searchable([(7, compact(lattice))])
    for words in ([1], [2], [3], [1, 2], [2, 2], [3, 1], [1, 1, 1]):
        n = len(words)
        expected = sum(
            math.exp(-cost) * sum(list(said[i : i + n]) == words for i in range(len(said)))
            for said, _, cost in every
        )
        found = kws.search_kws_index(index, acceptor([[words, 0.0]]), table)
        assert {utterance for utterance, *_ in found} <= {7}
        share = sum(math.exp(-cost) for *_, cost in found)
        assert share < 1.01 * expected / total + 1e-3
        whole += share == pytest.approx(expected / total, rel=0.02, abs=1e-3)
    assert whole >= 5


def compact(lattice):
    return CompactLatticeVectorFst.of_native(lattice.compact().fst.native)


def test_bounds_change_nothing_that_is_found():
    number, clat = next(iter(random_lattices()))
    bounded = kws.lattice_to_kws_index(clat, number, max_states=2)
    whole = kws.lattice_to_kws_index(clat, number)
    assert bounded.num_states() != whole.num_states() > 2
    found = []
    for index in (bounded, whole):
        table = KwsIndexEncodeTable(1)
        kws.encode_kws_disambiguation_symbols(index, table)
        found.append(kws.search_kws_index(index, acceptor([[[3], 0.0]]), table))
    assert close(sorted(found[0]), sorted(found[1]))


def test_what_cannot_be_is_named():
    number, clat = next(iter(random_lattices()))
    index = kws.lattice_to_kws_index(clat, number)
    keyword = acceptor([[[Lattice.of(clat).best_path().words[0]], 0.0]])
    with pytest.raises(FstError, match="utterance 0"):
        kws.lattice_to_kws_index(clat, 0)
    cyclic = Fst("compactlattice44")
    cyclic.add_states(2)
    cyclic.set_start(0)
    cyclic.set_final(1, (0.0, 0.0, []))
    for s, d in ((0, 1), (1, 0)):
        cyclic.add_arc(s, 1, 1, (1.0, 1.0, [1]), d)
    with pytest.raises(FstError, match="cycle"):
        kws.lattice_to_kws_index(compact(Lattice(cyclic)), 1)
    wrong: Any = StdVectorFst()
    with pytest.raises(TypeError, match="KwsIndexVectorFst"):
        kws.optimize_kws_index(wrong)
    with pytest.raises(TypeError, match="keyword"):
        kws.search_kws_index(index, clat, KwsIndexEncodeTable(1))
    assert kws.search_kws_index(index, keyword, KwsIndexEncodeTable(1)) == []  # not encoded
    # Nothing in, nothing out.
    empty = kws.lattice_to_kws_index(CompactLatticeVectorFst(), 1)
    assert empty.num_states() == 0
    table = KwsIndexEncodeTable(1)
    kws.encode_kws_disambiguation_symbols(index, table)
    assert kws.search_kws_index(index, acceptor([[[40, 40, 40], 0.0]]), table) == []
    assert kws.search_kws_index(KwsIndexVectorFst(), keyword, table) == []
