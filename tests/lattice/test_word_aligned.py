"""Whether a lattice is another one aligned by words: lattices of the model of make_lattice_golden.py."""

from pathlib import Path

import pytest

from sonant.errors import FstError
from sonant.kaldi.fstext import CompactLatticeVectorFst
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.lat import align, functions
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import SequentialLatticeReader
from sonant.lattice import Lattice

GOLDEN = Path(__file__).parent / "golden"
TYPES = ["nonword", "begin", "end", "internal", "singleton", "begin", "end"]


def changed(lattice, *, graph=0.0):
    return CompactLatticeVectorFst.of_native(Lattice.of(lattice).add_word_penalty(graph).fst.native)


def test_aligned_lattices_are_told_from_others(tmp_path):
    tmodel = TransitionModel()
    with xopen(str(GOLDEN / "model.mdl")) as file:
        tmodel.read(file.stream(), file.binary)
    boundaries = tmp_path / "word_boundary.int"
    boundaries.write_text("".join(f"{phone} {kind}\n" for phone, kind in enumerate(TYPES, 1)))
    with SequentialLatticeReader(f"ark:{GOLDEN / 'model.ark'}") as reader:
        for i, (_, raw) in enumerate(reader):
            opts = align.WordBoundaryInfoNewOpts(reorder=i % 2 == 0, silence_label=9, partial_word_label=18)
            info = align.WordBoundaryInfo.from_file(opts, str(boundaries))
            clat = functions.determinize_lattice_pruned(raw, 100.0)
            whole, made = align.word_align_lattice(clat, tmodel, info, 0)
            assert whole == (i < 12)
            if not whole:
                with pytest.raises(FstError):
                    align.test_word_aligned_lattice(clat, tmodel, info, made)
                continue
            align.test_word_aligned_lattice(clat, tmodel, info, made)
            with pytest.raises(FstError, match=r"an arc of state|ends with transition-ids"):
                align.test_word_aligned_lattice(clat, tmodel, info, clat)
            with pytest.raises(FstError, match="other paths"):
                align.test_word_aligned_lattice(clat, tmodel, info, CompactLatticeVectorFst())
            with pytest.raises(FstError, match="other paths"):
                align.test_word_aligned_lattice(clat, tmodel, info, changed(made, graph=0.5))
