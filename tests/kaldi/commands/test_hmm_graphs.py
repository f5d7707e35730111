"""The commands of Kaldi's mkgraph.sh and of training give what they gave in a Kaldi run."""

from pathlib import Path

import pytest

from sonant import fst as operations
from sonant.errors import FstError, OptionError
from sonant.fst import Fst
from sonant.kaldi.fstext import StdVectorFst
from sonant.kaldi.util.table import SequentialFstReader

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"


def made(output: bytes) -> Fst:
    return Fst.read(output)


def test_graph_of_a_kaldi_run(run, tmp_path):
    (tmp_path / "disambig").write_text("4\n5\n")
    options = ["--context-size=1", "--central-position=0", f"--read-disambig-syms={tmp_path}/disambig"]
    options += [f"--write-disambig-syms={tmp_path}/disambig_ilabels"]
    status, clg = run("fstcomposecontext", *options, f"{tmp_path}/ilabels", f"{YESNO}/LG.fst")
    assert status == 0 and made(clg).num_states == 3
    assert (tmp_path / "ilabels").read_bytes() == (YESNO / "ilabels_1_0").read_bytes()
    assert (tmp_path / "disambig_ilabels").read_text().split() == ["4"]
    arguments = [f"{tmp_path}/ilabels", f"{YESNO}/tree", f"{YESNO}/40.mdl"]
    status, h = run("make-h-transducer", f"--disambig-syms-out={tmp_path}/tid", *arguments)
    assert status == 0 and made(h).equal(Fst.read(YESNO / "Ha.fst"), 0)
    assert (tmp_path / "tid").read_text() == "31\n"
    status, graph = run("add-self-loops", "--self-loop-scale=0.1", f"{YESNO}/40.mdl", f"{YESNO}/HCLGa.fst")
    assert status == 0 and made(graph).equal(Fst.read(YESNO / "HCLG.fst"), 0)
    with pytest.raises(OptionError, match="--write-disambig-syms without --read-disambig-syms"):
        run("fstcomposecontext", "--write-disambig-syms=x", "y", f"{YESNO}/LG.fst")
    (tmp_path / "disambig").write_text("4\nfive\n")
    with pytest.raises(OptionError, match=r"disambig: .*'five'; expected integers"):
        run("fstcomposecontext", *options, f"{tmp_path}/ilabels", f"{YESNO}/LG.fst")


def test_training_graphs_of_a_kaldi_run(run, tmp_path, capfd):
    words = dict(line.split() for line in (YESNO / "words.txt").read_text().splitlines())
    lines = [line.split() for line in (YESNO / "text").read_text().splitlines()]
    with SequentialFstReader(f"ark:gunzip -c {YESNO}/fsts.1.gz |") as reader:
        expected = dict(reader)
    lines = [line for line in lines if line[0] in expected][:7]
    texts = [f"{key} {' '.join(words[word] for word in spoken)}\n" for key, *spoken in lines]
    (tmp_path / "text").write_text("".join([*texts[:2], "wrong 2 77\n", *texts[2:]]))
    (tmp_path / "disambig").write_text("4\n5\n")
    files = [f"{YESNO}/{name}" for name in ("tree", "0.mdl", "L.fst")]
    options = [f"--read-disambig-syms={tmp_path}/disambig"]
    tables = [f"ark:{tmp_path}/text", f"ark:{tmp_path}/graphs"]
    for batch in (1, 3, 250):
        assert run("compile-train-graphs", f"--batch-size={batch}", *options, *files, *tables)[0] == 0
        with SequentialFstReader(f"ark:{tmp_path}/graphs") as reader:
            graphs = dict(reader)
        assert list(graphs) == [key for key, *_ in lines]
        for key, graph in graphs.items():
            assert operations.isomorphic(graph.to_fst(), expected[key].to_fst(), 1e-6)
        said = capfd.readouterr().err
        assert "no graph for wrong: transcript" in said and "succeeded for 7 graphs, failed for 1" in said
    (tmp_path / "text").write_text("wrong 77\n")
    assert run("compile-train-graphs", *options, *files, *tables)[0] == 1
    with pytest.raises(OptionError, match="--batch-size=0"):
        run("compile-train-graphs", "--batch-size=0", *options, *files, *tables)


def test_labels_with_the_same_pdfs(run, tmp_path):
    (tmp_path / "ilabels").write_text("6 [ ]\n[ 1 ]\n[ 2 ]\n[ 1 ]\n[ -4 ]\n[ 2 ]\n")
    arguments = [f"{tmp_path}/ilabels", f"{YESNO}/tree", f"{YESNO}/40.mdl", f"{tmp_path}/new"]
    options = ["--binary=false", f"--old-to-new-mapping={tmp_path}/map"]
    options += [f"--write-disambig-syms={tmp_path}/disambig"]
    status, mapping = run("make-ilabel-transducer", *options, *arguments)
    assert status == 0
    assert (tmp_path / "map").read_text().split() == ["0", "1", "2", "1", "4", "2"]
    assert (tmp_path / "new").read_text() == "5 [ ]\n[ 1 ]\n[ 2 ]\n[ ]\n[ -4 ]\n"
    assert (tmp_path / "disambig").read_text() == "4\n"
    labels = [(1, 1), (2, 2), (1, 3), (4, 4), (2, 5)]
    assert made(mapping).arcs_of(0) == [(new, old, 0.0, 0) for new, old in labels]
    assert made(mapping).final(0) == 0


def test_loops_of_symbols(run, tmp_path):
    (tmp_path / "in").write_text("3\n4\n")
    (tmp_path / "out").write_text("5\n6\n")
    StdVectorFst(Fst.from_text("0 1 0 1\n0 2 1 0\n2 1 4 0\n1\n")).write(tmp_path / "fst")
    lists = [f"{tmp_path}/in", f"{tmp_path}/out"]
    status, looped = run("fstaddselfloops", *lists, f"{tmp_path}/fst")
    assert status == 0
    expected = "0 1 0 1\n0 2 1 0\n0 0 3 5\n0 0 4 6\n1 1 3 5\n1 1 4 6\n2 1 4 0\n1\n"
    assert made(looped).equal(Fst.from_text(expected, keep_state_numbering=True), 0)
    StdVectorFst().write(tmp_path / "empty")
    status, empty = run("fstaddselfloops", *lists, f"{tmp_path}/empty")
    assert status == 0 and made(empty).num_states == 0
    (tmp_path / "out").write_text("5\n")
    with pytest.raises(OptionError, match="2 symbols of inputs, 1 of outputs"):
        run("fstaddselfloops", *lists, f"{tmp_path}/fst")
    status, ended = run("fstaddsubsequentialloop", "9", f"{tmp_path}/fst")
    assert status == 0
    expected = "0 1 0 1\n0 2 1 0\n1 3 9 0\n1\n2 1 4 0\n3 3 9 0\n3\n"
    assert made(ended).equal(Fst.from_text(expected, keep_state_numbering=True), 0)
    with pytest.raises(FstError, match="symbol 4 is an input label of the automaton already"):
        run("fstaddsubsequentialloop", "4", f"{tmp_path}/fst")
    with pytest.raises(OptionError, match="-1"):
        run("fstaddsubsequentialloop", "-1", f"{tmp_path}/fst")
