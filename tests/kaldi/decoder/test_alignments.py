"""Alignments of a real training (tests/data/kaldi-yesno) come out of its graphs again."""

from pathlib import Path

import pytest

from sonant.kaldi.asr import GmmRecognizer
from sonant.kaldi.decoder import FasterDecoder, FasterDecoderOptions
from sonant.kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
from sonant.kaldi.fstext.utils import get_linear_symbol_sequence
from sonant.kaldi.gmm.am import DecodableAmDiagGmmScaled
from sonant.kaldi.hmm import add_transition_probs
from sonant.kaldi.transform.cmvn import Cmvn
from sonant.kaldi.util.table import (
    SequentialDoubleMatrixReader,
    SequentialFstReader,
    SequentialIntVectorReader,
    SequentialMatrixReader,
)

RUN = Path(__file__).parents[2] / "data" / "kaldi-yesno"


def test_its_alignments(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(RUN)  # its scripts name files without a folder
    transitions, mixtures = GmmRecognizer.read_model("40.mdl")
    with SequentialDoubleMatrixReader("scp:cmvn.scp") as reader:
        ((_, stats),) = list(reader)
    cmvn = Cmvn(13)
    cmvn.stats = stats
    with SequentialIntVectorReader("ark:gunzip -c ali.1.gz |") as reader:
        theirs = {key: list(alignment) for key, alignment in reader}
    with SequentialMatrixReader("scp:feats.scp") as reader:
        feats = dict(reader)
    options = FasterDecoderOptions()
    options.beam = 10.0
    different = {}
    with SequentialFstReader("ark:gunzip -c fsts.1.gz |") as graphs:
        for key, graph in graphs:
            cmvn.apply(feats[key])
            frames = compute_deltas(DeltaFeaturesOptions(), feats[key])
            add_transition_probs(transitions, [], 1.0, 0.1, graph)
            decoder = FasterDecoder(graph, options)
            decoder.decode(DecodableAmDiagGmmScaled(mixtures, transitions, frames, 0.1))
            assert decoder.reached_final()
            ours = get_linear_symbol_sequence(decoder.get_best_path())[0]
            assert len(ours) == len(theirs[key])
            if ours != theirs[key]:
                different[key] = sum(a != b for a, b in zip(ours, theirs[key], strict=True))
    # The archive was made two iterations before the model that is here.
    assert len(theirs) == 31 and list(different.values()) == [2]
