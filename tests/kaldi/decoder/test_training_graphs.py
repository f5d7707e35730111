"""Graphs of transcripts: those of a Kaldi run."""

from pathlib import Path

import pytest

from sonant import fst as operations
from sonant.errors import FstError
from sonant.kaldi.decoder import TrainingGraphCompiler, TrainingGraphCompilerOptions
from sonant.kaldi.fstext import LatticeVectorFst, StdVectorFst
from sonant.kaldi.fstext.utils import make_linear_acceptor
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.tree import ContextDependency
from sonant.kaldi.util.table import SequentialFstReader

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"


@pytest.fixture(scope="module")
def compiler(read) -> TrainingGraphCompiler:
    return TrainingGraphCompiler(
        read(TransitionModel(), YESNO / "0.mdl"),
        read(ContextDependency(), YESNO / "tree"),
        StdVectorFst.read(YESNO / "L.fst"),
        [4, 5],
        TrainingGraphCompilerOptions(transition_scale=0.0, self_loop_scale=0.0),
    )


@pytest.fixture(scope="module")
def transcripts() -> dict[str, list[int]]:
    words = dict(line.split() for line in (YESNO / "words.txt").read_text().splitlines())
    lines = [line.split() for line in (YESNO / "text").read_text().splitlines()]
    return {key: [int(words[word]) for word in spoken] for key, *spoken in lines}


def test_graphs_of_a_kaldi_run(compiler, transcripts):
    with SequentialFstReader(f"ark:gunzip -c {YESNO}/fsts.1.gz |") as reader:
        expected = dict(reader)
    graphs = compiler.compile_graphs_from_text([transcripts[key] for key in expected])
    for graph, theirs in zip(graphs, expected.values(), strict=True):
        assert graph.num_states() == theirs.num_states()
        assert operations.isomorphic(graph.to_fst(), theirs.to_fst(), 1e-6)
    key = next(iter(expected))
    alone = compiler.compile_graph_from_text(transcripts[key])
    assert alone.to_fst().equal(graphs[0].to_fst(), 0)
    words = StdVectorFst()
    make_linear_acceptor(transcripts[key], words)
    assert compiler.compile_graph(words).to_fst().equal(alone.to_fst(), 0)


def test_words_that_are_not_there(compiler):
    with pytest.raises(FstError, match="transcript 1: the lexicon does not have the words 77"):
        compiler.compile_graphs_from_text([[2, 3], [2, 77]])
    with pytest.raises(FstError, match="a LatticeVectorFst of words; expected a StdVectorFst"):
        compiler.compile_graph(LatticeVectorFst())
    assert compiler.compile_graphs([]) == []
