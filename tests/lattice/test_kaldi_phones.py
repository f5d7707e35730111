"""What a model says of lattices, and scores of training, beside Kaldi's golden data."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import ArkError, FstError
from sonant.kaldi.fstext import CompactLatticeVectorFst, LatticeVectorFst
from sonant.kaldi.fstext.utils import convert_compact_lattice_to_lattice
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.itf import DecodableInterface
from sonant.kaldi.lat import align, functions
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import SequentialLatticeReader
from sonant.lattice import Lattice

GOLDEN = Path(__file__).parent / "golden"
KALDI = json.loads(gzip.decompress((GOLDEN / "kaldi.json.gz").read_bytes()))
with SequentialLatticeReader(f"ark:{GOLDEN / 'model.ark'}") as reader:
    MODEL = dict(reader)
SCORES = np.arange(40 * 42, dtype=np.float32).reshape(40, 42) % 17


class Decodable(DecodableInterface):
    def __init__(self, frames):
        self._frames = frames

    def log_likelihood(self, frame, index):
        return 0.5 * float(SCORES[frame, index - 1])

    def is_last_frame(self, frame):
        return frame == self._frames - 1

    def num_indices(self):
        return SCORES.shape[1]


@pytest.fixture(scope="module")
def tmodel():
    model = TransitionModel()
    with xopen(str(GOLDEN / "model.mdl")) as file:
        model.read(file.stream(), file.binary)
    return model


def alike(ours, kaldi, tolerance=2e-5):
    if isinstance(kaldi, list):
        return len(ours) == len(kaldi) and all(
            alike(a, b, tolerance) for a, b in zip(ours, kaldi, strict=True)
        )
    return ours == kaldi or abs(ours - kaldi) <= tolerance * (1 + abs(kaldi))


def weights(lattice):
    fst: Any = Lattice.of(lattice).fst
    return [[list(arc[2][:2]) for arc in fst.arcs_of(state)] for state in range(fst.num_states)]


def determinized(raw):
    return functions.determinize_lattice_pruned(raw, 100.0)


@pytest.mark.parametrize("key", MODEL)
def test_words_phones_and_scores_are_kaldis(key, tmodel):
    kaldi = KALDI[key]
    raw = LatticeVectorFst(MODEL[key])
    functions.top_sort_lattice_if_needed(raw)
    compact = determinized(raw)
    opts = align.WordAlignLatticeLexiconOpts()
    opts.reorder = kaldi["reorder"]
    lexicon = [
        [0, 0, 1],
        [1, 1, 2, 3],
        [2, 2, 2, 4, 3],
        [3, 3, 5],
        [4, 4, 6, 4, 4, 7],
        [5, 5, 6, 3],
        [6, 6, 2, 7],
    ]
    info = align.WordAlignLatticeLexiconInfo(lexicon)
    _, aligned = align.word_align_lattice_lexicon(compact, tmodel, info, opts)
    best = functions.compact_lattice_shortest_path(aligned)
    assert list(functions.compact_lattice_to_word_alignment(best)) == kaldi["word_alignment"]
    assert list(functions.compact_lattice_to_word_prons(tmodel, best)) == kaldi["word_prons"]
    linear = convert_compact_lattice_to_lattice(functions.compact_lattice_shortest_path(compact))
    assert alike(functions.get_per_frame_acoustic_costs(linear).numpy().tolist(), kaldi["frame_costs"])
    assert [sorted(x) for x in functions.lattice_active_phones(raw, tmodel, [1])] == kaldi["active"]
    phones = CompactLatticeVectorFst(compact)
    functions.convert_compact_lattice_to_phones(tmodel, phones)
    fst: Any = Lattice.of(phones).fst
    for state, (final, arcs) in enumerate(kaldi["compact_to_phones"]):
        assert [list(arc[2][2]) for arc in fst.arcs_of(state)] == [arc[3] for arc in arcs]
        assert final is None or list(fst.final(state)[2]) == final[2]


@pytest.mark.parametrize("key", MODEL)
def test_training_criteria_are_kaldis(key, tmodel):
    kaldi = KALDI[key]
    raw = LatticeVectorFst(MODEL[key])
    functions.top_sort_lattice_if_needed(raw)
    for name, (total, posteriors) in kaldi["mmi"].items():
        flags = [flag == "1" for flag in name]
        ours = functions.lattice_forward_backward_mmi(tmodel, raw, kaldi["alignment"], *flags)
        assert alike(ours[0], total)
        # Entries that cancel to nothing may be there or not.
        found, expected = ({(t, i): p for t, f in enumerate(x) for i, p in f if abs(p) > 1e-5}
                           for x in (ours[1], posteriors))  # fmt: skip
        assert found == pytest.approx(expected, abs=2e-5)
    for name, (value, posteriors) in kaldi["mpe"].items():
        ours = functions.lattice_forward_backward_mpe_variants(
            tmodel, [1], raw, kaldi["alignment"], name[:-1], name[-1] == "1"
        )
        assert alike(ours[0], value)
        found, expected = ({(t, i): p for t, f in enumerate(x) for i, p in f if abs(p) > 1e-5}
                           for x in (ours[1], posteriors))  # fmt: skip
        assert found == pytest.approx(expected, abs=2e-5)
    boosted = LatticeVectorFst(raw)
    functions.lattice_boost(tmodel, kaldi["alignment"], [1], 0.3, 0.5, boosted)
    assert alike(weights(boosted), kaldi["boosted"])


@pytest.mark.parametrize("key", MODEL)
def test_acoustic_rescoring_is_kaldis(key, tmodel):
    kaldi = KALDI[key]
    raw = LatticeVectorFst(MODEL[key])
    functions.top_sort_lattice_if_needed(raw)
    compact = determinized(raw)
    frames = len(kaldi["alignment"])
    functions.rescore_lattice(Decodable(frames), raw)
    assert alike(weights(raw), kaldi["rescored"])
    again = CompactLatticeVectorFst(compact)
    functions.rescore_lattice(Decodable(frames), compact)
    ours = [[list(arc[1:3]) for arc in arcs] for _, arcs in kaldi["rescored_compact"]]
    assert alike(weights(compact), ours)
    functions.rescore_compact_lattice_speedup(tmodel, 1.0, Decodable(frames), again)
    assert alike(weights(again), ours)
    with pytest.raises(FstError, match="fewer frames"):
        functions.rescore_lattice(Decodable(frames - 1), again)


def test_costs_of_epsilons_go_to_the_frame_before(tmodel):
    lattice = LatticeVectorFst()
    fst = Lattice.of(lattice).fst.copy()
    fst.add_states(7)
    fst.set_start(0)
    for state, label in enumerate((0, 1, 0, 0, 2, 0)):
        fst.add_arc(state, label, 0, (0.0, 2.0**state), state + 1)
    fst.set_final(6, (0.0, 1000.0))
    lattice = LatticeVectorFst.of_native(fst.native)
    assert functions.get_per_frame_acoustic_costs(lattice).numpy().tolist() == [15, 48]  # as Kaldi's


def test_what_does_not_fit_is_named(tmodel, tmp_path):
    raw = next(iter(MODEL.values()))
    with pytest.raises(FstError, match="alignment of 3"):
        functions.lattice_forward_backward_mmi(tmodel, raw, [1, 2, 3], False, False, False)
    with pytest.raises(FstError, match="alignment of 3"):
        functions.lattice_boost(tmodel, [1, 2, 3], [], 0.1, 0.5, LatticeVectorFst(raw))
    with pytest.raises(FstError, match="max_silence_error=2"):
        functions.lattice_boost(tmodel, [], [], 0.1, 2, LatticeVectorFst(raw))
    with pytest.raises(FstError, match="one path"):
        functions.get_per_frame_acoustic_costs(raw)
    with pytest.raises(TypeError, match="CompactLatticeVectorFst"):
        functions.compact_lattice_depth(raw)
    with pytest.raises(FstError, match="one path"):
        functions.compact_lattice_to_word_alignment(determinized(raw))
    bad = tmp_path / "bad"
    bad.write_text("1 nonword\n2 middle\n")
    with pytest.raises(ArkError, match="line 2"):
        align.WordBoundaryInfo.from_file(align.WordBoundaryInfoNewOpts(), str(bad))
    bad.write_text("0 0 1\n3\n")
    with pytest.raises(ArkError, match="line 2"):
        align.read_lexicon_for_word_align(str(bad))
    info = align.WordAlignLatticeLexiconInfo([[1, 2, 5], [3, 2, 6], [0, 0, 1]])
    assert info.equivalence_class_of(3) == 1
    assert info.is_valid_entry([2, 6])
    assert not info.is_valid_entry([1, 5])
    assert math.isinf(functions.sentence_level_confidence(functions.compact_lattice_shortest_path(
        determinized(raw)))[0])  # fmt: skip
