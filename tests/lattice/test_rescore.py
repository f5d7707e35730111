"""Lattices with other language models, best parts first: beside Kaldi's (tests/oracle/
make_rescore_golden.py), and by all of their paths."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import FstError
from sonant.fst import Fst, NgramLm, OnDemand, SymbolTable
from sonant.kaldi.fstext import SymbolTable as KaldiSymbols
from sonant.kaldi.fstext.special import (
    ScaleDeterministicOnDemandFst,
    StdBackoffDeterministicOnDemandFst,
    StdComposeDeterministicOnDemandFst,
    StdUnweightedNgramFst,
)
from sonant.kaldi.lat import functions
from sonant.kaldi.lm import ConstArpaLm, ConstArpaLmDeterministicFst, build_const_arpa_lm
from sonant.kaldi.lm.arpa import ArpaLmCompiler, ArpaParseOptions
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import SequentialLatticeReader
from sonant.lattice import Lattice

GOLDEN = Path(__file__).parent / "golden"
KALDI = json.loads(gzip.decompress((GOLDEN / "rescored.json.gz").read_bytes()))
BOS, EOS, BACKOFF = 41, 42, 43
OPTIONS = {
    "usual": (6.0, 100000, 100, 1.5),
    "narrow": (2.0, 100000, 20, 1.2),
    "few": (8.0, 30, 10, 2.0),
    "exact": (1e4, 100000, 5, 1.1),
}


def grammar(name):
    table = KaldiSymbols()
    for word in range(1, BOS + 4):
        table.add_pair(str(word), word)
    compiler = ArpaLmCompiler(ArpaParseOptions(bos_symbol=BOS, eos_symbol=EOS), BACKOFF, table)
    with xopen(str(GOLDEN / name), "rt") as file:
        compiler.read(file.stream())
    return compiler.fst().arcsort()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "big.carpa"
    build_const_arpa_lm(ArpaParseOptions(bos_symbol=BOS, eos_symbol=EOS), str(GOLDEN / "big.arpa"), str(path))
    const = ConstArpaLm()
    with xopen(str(path)) as file:
        const.read(file.stream(), file.binary)
    old, new = (
        StdBackoffDeterministicOnDemandFst(grammar(name).project(True).arcsort())
        for name in ("small.arpa", "big.arpa")
    )
    return {
        "history": StdUnweightedNgramFst(3),
        "backoff": new,
        "const": ConstArpaLmDeterministicFst(const),
        "difference": StdComposeDeterministicOnDemandFst(ScaleDeterministicOnDemandFst(-0.8, old), new),
    }


def random_lattices():
    with SequentialLatticeReader(f"ark:{GOLDEN / 'random'}.ark") as reader:
        for key, raw in reader:
            made = functions.determinize_lattice_pruned(raw, 8.0)
            functions.top_sort_lattice_if_needed(made)
            yield key, made


LATTICES: dict[str, Any] = dict(random_lattices())


def dumped(lattice):
    fst: Any = Lattice.of(lattice).fst
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


@pytest.mark.parametrize("key", LATTICES)
def test_pruned_composition_is_arc_by_arc_kaldis(key, models):
    compared = 0
    for name, kaldi in KALDI[key].items():
        model, options = name.split()
        if model != "rescorer":
            beam, most, first, growth = OPTIONS[options]
            opts = functions.ComposeLatticePrunedOptions(
                lattice_compose_beam=beam, max_arcs=most, initial_num_arcs=first, growth_ratio=growth
            )
            made = functions.compose_compact_lattice_pruned(opts, LATTICES[key], models[model])
            assert alike(dumped(made), kaldi), (key, name)
            compared += 1
    assert compared == 8


# By all paths


def random_grammar(seed, words=3):
    """A bigram as automaton: a state for each word, and backoff."""
    rng = np.random.default_rng(seed)
    fst = Fst("standard")
    fst.add_states(words + 1)
    fst.set_start(0)
    for state in range(words + 1):
        fst.set_final(state, float(rng.uniform(0, 2)))
        for word in range(1, words + 1):
            if state == 0 or rng.random() < 0.6:
                fst.add_arc(state, word, word, float(rng.uniform(0, 3)), word)
        if state:
            fst.add_arc(state, 0, 0, float(rng.uniform(0, 1)), 0)
    return OnDemand.backoff(fst.arc_sort())


def cost_of(model, words):
    state, cost = model.start(), 0.0
    for word in words:
        more, _, state = model.step(state, word)
        cost += more
    return cost + model.final(state)


@pytest.mark.parametrize("seed", range(10))
def test_a_wide_beam_leaves_nothing_out_and_a_narrow_one_only_what_is_outside(seed, paths):
    lattice = paths.random_lattice(seed).determinize(1e6)
    model, old = random_grammar(seed), random_grammar(seed + 100)
    best = {
        words: cost + 0.7 * (cost_of(model, words) - cost_of(old, words))
        for words, cost in paths.best_of_words(lattice).items()
    }
    wide = lattice.rescore(model, 0.7, old=old, beam=1e4)
    assert paths.best_of_words(wide) == pytest.approx(best, abs=1e-3)
    assert paths.best_of_words(wide) == pytest.approx(
        paths.best_of_words(lattice.rescore(model, 0.7, old=old)), abs=1e-3
    )
    narrow = lattice.rescore(model, 0.7, old=old, beam=1.0)
    kept = paths.best_of_words(narrow)
    assert narrow.num_arcs <= wide.num_arcs
    assert all(kept[words] >= best[words] - 1e-3 for words in kept)
    # The costs of the model on the rest of a path are a guess: the best may be missed, but not by much.
    assert min(kept.values()) <= min(best.values()) + 1.0
    few = lattice.rescore(model, beam=1e4, max_arcs=3)
    assert 0 < few.num_arcs <= 2 * max(3, lattice.longest_sentence())


@pytest.mark.parametrize("seed", range(6))
def test_rescoring_there_and_back_best_parts_first_is_the_identity(seed, paths):
    lattice = paths.random_lattice(seed).determinize(1e6)
    model = random_grammar(seed)
    back = lattice.rescore(model, beam=1e4).rescore(model, -1.0, beam=1e4)
    assert paths.best_of_words(back) == pytest.approx(paths.best_of_words(lattice), abs=1e-3)
    plain = lattice.rescore(model).rescore(model, -1.0)
    assert paths.best_of_words(plain) == pytest.approx(paths.best_of_words(lattice), abs=1e-3)
    assert paths.best_of_words(lattice.rescore(model, old=model, beam=1e4)) == pytest.approx(
        paths.best_of_words(lattice), abs=1e-3
    )


def test_an_ngram_model_needs_no_automaton(tmp_path):
    table = SymbolTable()
    table.add("<eps>")
    for word in range(1, BOS + 2):
        table.add(str(word))
    path = tmp_path / "big.arpa"
    text = (GOLDEN / "big.arpa").read_text().replace("\t41", "\t<s>").replace("\t42", "\t</s>")
    path.write_text(text.replace(" 42", " </s>").replace("\t41 ", "\t<s> "))
    lattice = Lattice.of(LATTICES["random00"])
    ngram = lattice.rescore(OnDemand.ngram(NgramLm.read(path, table)), beam=5)
    grammar_of = lattice.rescore(
        OnDemand.backoff(Fst.of_native(grammar("big.arpa").project(True).arcsort().native)), beam=5
    )
    assert ngram.best_path().words == grammar_of.best_path().words
    assert ngram.best_path().cost == pytest.approx(grammar_of.best_path().cost, abs=1e-3)


# Models in Python


class Counted:
    """A model of Python's over another one, which counts what it is asked."""

    def __init__(self, model):
        self.model, self.steps, self.expected = model, 0, []

    def start(self):
        return self.model.start()

    def final(self, state):
        return self.model.final(state)

    def step(self, state, label):
        self.steps += 1
        return self.model.step(state, label)

    def expect(self, states):
        assert len(set(states)) == len(states) > 0
        self.expected.append(states)


def test_a_model_is_told_of_many_states_at_once_and_asked_less_with_a_beam():
    lattice = Lattice.of(LATTICES["random03"])
    plain, pruned = Counted(OnDemand.history(3)), Counted(OnDemand.history(3))
    wide = lattice.rescore(OnDemand.of(plain))
    narrow = lattice.rescore(OnDemand.scaled(0.5, OnDemand.of(pruned)), old=random_grammar(1, 40), beam=4.0)
    assert wide.num_arcs > narrow.num_arcs > 0
    assert max(map(len, plain.expected)) > 10
    assert max(map(len, pruned.expected)) > 5
    assert len({s for states in pruned.expected for s in states}) == sum(map(len, pruned.expected))
    # Nothing but time depends on it.
    silent: Any = Counted(OnDemand.history(3))
    silent = type("Silent", (), {name: getattr(silent, name) for name in ("start", "final", "step")})()
    same = lattice.rescore(OnDemand.scaled(0.5, OnDemand.of(silent)), old=random_grammar(1, 40), beam=4.0)
    assert dumped(same.fst) == dumped(narrow.fst)


class Asked(Counted):
    """Of another kind than those that are told of many states."""

    expect: Any = None


def test_a_model_is_asked_less_with_a_beam():
    lattice = Lattice.of(LATTICES["random03"])
    plain, pruned = Asked(OnDemand.history(3)), Asked(OnDemand.history(3))
    lattice.rescore(OnDemand.of(plain))
    lattice.rescore(OnDemand.of(pruned), beam=2.0)
    assert 0 < pruned.steps < plain.steps / 3


class Failing(Counted):
    def step(self, state, label):
        if self.steps == 5:
            raise ValueError("the fifth")
        return super().step(state, label)


def test_what_a_model_raises_comes_through():
    with pytest.raises(ValueError, match="the fifth"):
        Lattice.of(LATTICES["random00"]).rescore(OnDemand.of(Failing(OnDemand.history(2))), beam=4)


def test_what_cannot_be_is_named():
    lattice, model = Lattice.of(LATTICES["random00"]), OnDemand.history(2)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("beam=-1", {"beam": -1}),
        ("beam=nan", {"beam": math.nan}),
        ("max_arcs=0", {"beam": 1, "max_arcs": 0}),
        ("scale=inf", {"beam": 1, "scale": math.inf}),
        ("max_states", {"beam": 1e4, "max_states": 3}),
    ]
    for match, options in wrong:
        with pytest.raises(FstError, match=match):
            lattice.rescore(model, **options)
    opts = functions.ComposeLatticePrunedOptions(growth_ratio=1.0)
    with pytest.raises(FstError, match="growth ratio"):
        functions.compose_compact_lattice_pruned(opts, LATTICES["random00"], StdUnweightedNgramFst(2))
    nowhere: Any = type(
        "Nowhere", (), {"start": lambda s: 0, "final": lambda s, q: math.nan, "step": lambda *a: (0, 1, 0)}
    )
    with pytest.raises(FstError, match="ending in state"):
        lattice.rescore(OnDemand.of(nowhere()), beam=4)
    cyclic = Fst("compactlattice44")
    cyclic.add_states(2)
    cyclic.set_start(0)
    cyclic.set_final(1, (0.0, 0.0, []))
    for s, d in ((0, 1), (1, 0)):
        cyclic.add_arc(s, 1, 1, (1.0, 1.0, [1]), d)
    with pytest.raises(FstError, match="cycle"):
        Lattice(cyclic).rescore(model, beam=4)
    assert Lattice(Fst("compactlattice44")).rescore(model, beam=4).num_states == 0
