"""Automata and lattices are copied, in binary and text, and lattices in either of their forms."""

import gzip
from pathlib import Path

import pytest

from sonant.errors import OptionError

TESTS = Path(__file__).parents[2]
LATTICES = b"u1 \n0\t1\t7\t3\t0.5,1\n1\t2\t7\t0\t0.25,2\n2\t0,0.5\n\nu2 \n0\t1\t8\t4\t1,2\n1\n\n"


def test_graphs_of_a_kaldi_run(run):
    graphs = f"ark:gunzip -c {TESTS}/data/kaldi-yesno/fsts.1.gz |"
    status, binary = run("fstcopy", graphs, "ark:-")
    assert (status, binary) == (0, gzip.decompress((TESTS / "data/kaldi-yesno/fsts.1.gz").read_bytes()))
    status, text = run("fstcopy", graphs, "ark,t:-")
    assert status == 0
    assert run("fstcopy", "ark:-", "ark,t:-", stdin=text) == (0, text)
    assert run("fstcopy", "ark:-", "ark:-") == (1, b"")


@pytest.mark.parametrize(
    ("options", "source", "target", "expected"),
    [
        ([], "clat.ark", "ark:-", "clat.ark"),
        ([], "clat.ark", "ark,t:-", "clat.txt"),
        ([], "clat.txt", "ark,t:-", "clat.txt"),
        ([], "lat.ark", "ark:-", "clat.ark"),
        (["--write-compact=false"], "lat.ark", "ark,t:-", "lat.txt"),
        (["--write-compact=false"], "clat.ark", "ark:-", "lat_again.ark"),
    ],
)
def test_lattices_of_kaldi_in_both_forms(run, options, source, target, expected):
    golden = TESTS / "kaldi" / "fstext" / "golden"
    status, out = run("lattice-copy", *options, f"ark:{golden}/{source}", target)
    assert (status, out) == (0, (golden / expected).read_bytes())


def test_lattices_of_some_utterances(run, tmp_path, capfd):
    (tmp_path / "keys").write_text("u2 and more\nu9\n")
    status, out = run("lattice-copy", f"--include={tmp_path}/keys", "ark:-", "ark,t:-", stdin=LATTICES)
    assert status == 1  # of the lattice that is not there
    assert out.startswith(b"u2 ") and b"u1" not in out
    assert "1 keys of" in capfd.readouterr().err
    arguments = (f"--include={tmp_path}/keys", "--ignore-missing", "ark:-", "ark,t:-")
    assert run("lattice-copy", *arguments, stdin=LATTICES) == (0, out)
    status, out = run("lattice-copy", f"--exclude={tmp_path}/keys", "ark:-", "ark,t:-", stdin=LATTICES)
    assert status == 0
    assert out.startswith(b"u1 ") and b"u2" not in out
    with pytest.raises(OptionError, match="--include and --exclude"):
        run("lattice-copy", "--include=a", "--exclude=b", "ark:-", "ark:-")
