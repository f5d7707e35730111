"""Lattices beside Kaldi's: tests/oracle/make_lattice_golden.py made these files."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.fst import OnDemand
from sonant.kaldi.fstext.utils import convert_lattice_to_compact_lattice
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.lat import align, functions
from sonant.kaldi.lat.sausages import MinimumBayesRisk, MinimumBayesRiskOptions
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import SequentialLatticeReader
from sonant.lattice import Lattice

GOLDEN = Path(__file__).parent / "golden"
KALDI = json.loads(gzip.decompress((GOLDEN / "kaldi.json.gz").read_bytes()))
TYPES = ["nonword", "begin", "end", "internal", "singleton", "begin", "end"]

LEXICON = {1: "2 3", 2: "2 4 3", 3: "5", 4: "6 4 4 7", 5: "6 3", 6: "2 7"}


def archive(name):
    with SequentialLatticeReader(f"ark:{GOLDEN / name}.ark") as reader:
        return dict(reader)


RANDOM, MODEL = archive("random"), archive("model")


@pytest.fixture(scope="module")
def tmodel():
    model = TransitionModel()
    with xopen(str(GOLDEN / "model.mdl")) as file:
        model.read(file.stream(), file.binary)
    return model


def dumped(lattice):
    fst: Any = lattice.fst if isinstance(lattice, Lattice) else Lattice.of(lattice).fst
    states = []
    for state in range(fst.num_states):
        final = fst.final(state)
        arcs = [[word, *weight[:2], list(weight[2]), to] for word, _, weight, to in fst.arcs_of(state)]
        states.append([[*final[:2], list(final[2])] if math.isfinite(final[0]) else None, arcs])
    return states


def alike(ours, kaldi, tolerance=2e-5):
    if isinstance(kaldi, list):
        return len(ours) == len(kaldi) and all(
            alike(a, b, tolerance) for a, b in zip(ours, kaldi, strict=True)
        )
    if kaldi is None or ours is None:
        return kaldi is ours
    return ours == kaldi or abs(ours - kaldi) <= tolerance * (1 + abs(kaldi))


def any_order(states):
    """Arcs of a state in an order of their own: removal of epsilons has another one in Kaldi."""
    return [[final, sorted(arcs, key=lambda arc: (arc[0], arc[4], arc[3]))] for final, arcs in states]


def sentences(lattice):
    return [[path.cost, list(path.words), list(path.alignment)] for path in lattice.nbest(20)]


def determinized(raw, beam, **options):
    opts = functions.DeterminizeLatticePrunedOptions()
    for name, value in options.items():
        setattr(opts, name, value)
    return functions.determinize_lattice_pruned(raw, beam, opts)


@pytest.mark.parametrize("key", RANDOM)
def test_determinization_is_state_by_state_kaldis(key):
    raw, kaldi = RANDOM[key], KALDI[key]
    assert alike(dumped(determinized(raw, 8.0)), kaldi["wide"])
    assert alike(dumped(determinized(raw, 4.0)), kaldi["narrow"])
    assert alike(dumped(determinized(raw, 8.0, max_states=20)), kaldi["max_states"])
    assert alike(dumped(determinized(raw, 6.0, max_arcs=20, retry_cutoff=0.1)), kaldi["max_arcs"])
    chains = functions.determinize_lattice_pruned(raw, 4.0, compact_out=False)
    compact = convert_lattice_to_compact_lattice(chains, False)
    assert alike(sentences(Lattice.of(compact)), sentences(Lattice.of(determinized(raw, 4.0))))


@pytest.mark.parametrize("key", RANDOM)
def test_operations_are_kaldis(key):
    kaldi = KALDI[key]
    made = determinized(RANDOM[key], 4.0)

    def changed(*operations):
        lattice = type(made)(made)
        for operation in operations:
            operation(lattice)
        return dumped(lattice)

    push = (functions.push_compact_lattice_strings, functions.push_compact_lattice_weights)
    assert alike(changed(push[0]), kaldi["push_strings"])
    assert alike(changed(*push), kaldi["push_weights"])
    assert alike(changed(*push, functions.minimize_compact_lattice), kaldi["minimize"])
    assert alike(
        changed(lambda lattice: functions.compact_lattice_limit_depth(3, lattice)), kaldi["limit_depth"]
    )
    assert alike(
        changed(lambda lattice: functions.add_word_ins_pen_to_compact_lattice(0.5, lattice)), kaldi["penalty"]
    )
    assert alike(changed(lambda lattice: functions.prune_lattice(1.50037, lattice)), kaldi["pruned"])
    assert alike(changed(functions.top_sort_lattice_if_needed), kaldi["sorted"])
    assert alike(dumped(Lattice.of(made).rescore(OnDemand.history(3))), kaldi["history"])
    assert alike(dumped(functions.compact_lattice_shortest_path(made)), kaldi["best"])
    difference, number, *sentences = functions.sentence_level_confidence(made)
    assert number == 2
    assert alike([difference, *sentences], kaldi["confidence"])
    assert functions.longest_sentence_length_in_lattice(made) == kaldi["longest"]


@pytest.mark.parametrize("key", RANDOM)
def test_costs_times_and_depths_are_kaldis(key):
    kaldi = KALDI[key]
    made = determinized(RANDOM[key], 4.0)
    functions.top_sort_lattice_if_needed(made)
    assert functions.lattice_state_times(made)[1] == kaldi["times"]
    assert alike(functions.compact_lattice_depth(made)[0], kaldi["depth"])
    assert functions.compact_lattice_depth_per_frame(made) == kaldi["depth_per_frame"]
    for best, costs in zip((False, True), kaldi["costs"], strict=True):
        _, forward, backward = functions.compute_lattice_alphas_and_betas(made, best)
        assert alike([forward, backward], costs)
    assert alike(functions.compute_compact_lattice_alphas(made), kaldi["costs"][0][0])
    assert alike(functions.compute_compact_lattice_betas(made), kaldi["costs"][0][1])
    total, posteriors, acoustic = functions.lattice_forward_backward(RANDOM[key])
    posteriors = [[list(pair) for pair in frame] for frame in posteriors]
    assert alike([total, posteriors, acoustic], kaldi["posteriors"])


@pytest.mark.parametrize("key", RANDOM)
def test_minimum_bayes_risk_is_kaldis(key):
    made = determinized(RANDOM[key], 4.0)
    for name, kaldi in KALDI[key]["mbr"].items():
        opts = MinimumBayesRiskOptions()
        opts.decode_mbr, opts.print_silence = name[0] == "1", name[1] == "1"
        mbr = MinimumBayesRisk(made, opts)
        assert mbr.get_one_best() == kaldi["words"]
        assert alike([list(pair) for pair in mbr.get_one_best_times()], kaldi["times"], 1e-4)
        assert alike(mbr.get_one_best_confidences(), kaldi["confidences"])
        assert alike(mbr.get_bayes_risk(), kaldi["risk"])
        sausage = [[list(pair) for pair in position] for position in mbr.get_sausage_stats()]
        assert alike(sausage, kaldi["sausage"])
        assert alike([list(pair) for pair in mbr.get_sausage_times()], kaldi["sausage_times"], 1e-4)


@pytest.mark.parametrize("key", MODEL)
def test_lattices_of_a_model_are_kaldis(key, tmodel, tmp_path):
    raw, kaldi = MODEL[key], KALDI[key]
    compact = determinized(raw, 100.0)
    assert alike(dumped(compact), kaldi["lattice"])
    options = functions.DeterminizeLatticePhonePrunedOptions()
    pruned = functions.determinize_lattice_phone_pruned(raw, tmodel, 8.0, options)
    assert alike(dumped(pruned), kaldi["phone_pruned"])
    options.minimize = True
    pruned = functions.determinize_lattice_phone_pruned(raw, tmodel, 8.0, options)
    assert alike(dumped(pruned), kaldi["phone_minimized"])

    boundaries = tmp_path / "word_boundary.int"
    boundaries.write_text("".join(f"{phone} {kind}\n" for phone, kind in enumerate(TYPES, 1)))
    for silence in (0, 9):
        opts = align.WordBoundaryInfoNewOpts()
        opts.reorder, opts.silence_label, opts.partial_word_label = kaldi["reorder"], silence, 2 * silence
        info = align.WordBoundaryInfo.from_file(opts, str(boundaries))
        ok, made = align.word_align_lattice(compact, tmodel, info, 0)
        expected, states = kaldi[f"words{silence}"]
        assert ok == expected
        assert alike(any_order(dumped(made)), any_order(states))
    for name in ("plain", "epsilons", "phones"):
        opts = align.PhoneAlignLatticeOptions()
        opts.reorder, opts.remove_epsilon = kaldi["reorder"], name != "epsilons"
        opts.replace_output_symbols = name == "phones"
        ok, made = align.phone_align_lattice(compact, tmodel, opts)
        expected, states = kaldi[f"phones_{name}"]
        assert ok == expected
        assert alike(any_order(dumped(made)), any_order(states))

    lexicon = tmp_path / "align_lexicon.int"
    lexicon.write_text("0 0 1\n" + "".join(f"{word} {word} {pron}\n" for word, pron in LEXICON.items()))
    entries = align.read_lexicon_for_word_align(str(lexicon))
    opts = align.WordAlignLatticeLexiconOpts()
    opts.reorder = kaldi["reorder"]
    info = align.WordAlignLatticeLexiconInfo(entries)
    ok, made = align.word_align_lattice_lexicon(compact, tmodel, info, opts)
    assert ok == kaldi["lexicon"][0]
    assert alike(any_order(dumped(made)), any_order(kaldi["lexicon"][1]))

    phones = type(raw)(raw)
    functions.convert_lattice_to_phones(tmodel, phones)
    fst = Lattice.of(phones).fst
    assert [[arc[1] for arc in fst.arcs_of(state)] for state in range(fst.num_states)] == kaldi["to_phones"]


def test_the_files_are_what_they_should_be():
    assert len(RANDOM) == len(MODEL) == 16
    assert np.mean([len(KALDI[key]["narrow"]) for key in RANDOM]) > 15
