"""Rspecifiers, wspecifiers and script files."""

from pathlib import Path

import pytest

from sonant.errors import ArkError, SpecifierError
from sonant.kaldi.util.table import (
    MatrixWriter,
    RandomAccessMatrixReader,
    RspecifierType,
    SequentialMatrixReader,
    WspecifierType,
    classify_rspecifier,
    classify_wspecifier,
    read_script_file,
    write_script_file,
)


@pytest.mark.parametrize(
    ("rspecifier", "kind", "name", "options"),
    [
        ("ark:x", 1, "x", ""),
        ("ark,b:x", 1, "x", ""),
        ("ark,t:x", 1, "x", ""),
        ("b ark:x", 1, "x", ""),
        ("ark,no,np,ns,ncs:x", 1, "x", ""),
        ("scp,p,cs:y", 2, "y", "p cs"),
        ("ark,s,o,bg:-", 1, "-", "o s bg"),
        ("ark:gunzip -c x:y |", 1, "gunzip -c x:y |", ""),
        ("ark:", 1, "", ""),
        *((bad, 0, "", "") for bad in ("", "x", "ark", "ark, b:x", "ark,:x", " ark:x", "foo:x", "ark,scp:y")),
        *((bad, 0, "", "") for bad in ("ark:x ", "scp:x\n", "ark,ark:x", "f,ark:x")),
    ],
)
def test_rspecifiers(rspecifier: str, kind: int, name: str, options: str):
    found, rxfilename, opts = classify_rspecifier(rspecifier)
    assert (found, rxfilename) == (RspecifierType(kind), name)
    letters = dict(once="o", sorted="s", called_sorted="cs", permissive="p", background="bg")
    assert {letter for field, letter in letters.items() if getattr(opts, field)} == set(options.split())
    if not kind:
        with pytest.raises(SpecifierError, match="expected 'ark:' or 'scp:'"):
            SequentialMatrixReader().open(rspecifier)


@pytest.mark.parametrize(
    ("wspecifier", "kind", "archive", "script", "options"),
    [
        ("ark:x", 1, "x", "", "b"),
        ("ark,t:x", 1, "x", "", ""),
        ("t,ark:-", 1, "-", "", ""),
        ("ark,f,p:x", 1, "x", "", "b f p"),
        ("ark,f,nf:x", 1, "x", "", "b"),
        ("scp:x", 2, "", "x", "b"),
        ("ark,scp:a,b", 3, "a", "b", "b"),
        ("ark,scp,t:a,b,c", 3, "a", "b,c", ""),
        *(
            (bad, 0, "", "", "b")
            for bad in ("", "scp,ark:a,b", "ark,scp:a", "ark:x ", "scp,scp:a", "ark,s:x")
        ),
    ],
)
def test_wspecifiers(wspecifier: str, kind: int, archive: str, script: str, options: str):
    found, *names, opts = classify_wspecifier(wspecifier)
    assert (found, names) == (WspecifierType(kind), [archive, script])
    letters = dict(binary="b", flush="f", permissive="p")
    assert {letter for field, letter in letters.items() if getattr(opts, field)} == set(options.split())
    if not kind:
        with pytest.raises(SpecifierError, match="expected 'ark:file'"):
            MatrixWriter().open(wspecifier)


@pytest.mark.parametrize("line", ["k", "k ", " k x", "k x[]", "k [0:1]", ""])
def test_script_lines_that_make_no_sense(tmp_path: Path, line: str):
    (tmp_path / "s.scp").write_text(f"{line}\n")
    with pytest.raises(ArkError, match=r"s\.scp:1: "):
        SequentialMatrixReader(f"scp:{tmp_path}/s.scp")
    with pytest.raises(ArkError, match=r"s\.scp:1: "):
        RandomAccessMatrixReader(f"scp:{tmp_path}/s.scp")
    assert read_script_file(f"{tmp_path}/s.scp", False) == (False, [])


def test_script_files(tmp_path: Path):
    script = [("a", "x.ark:12"), ("b", "sox x.wav -t wav - |"), ("c", "y.ark:3[0:5]")]
    assert write_script_file(f"{tmp_path}/s", script)
    assert (tmp_path / "s").read_text() == "a x.ark:12\nb sox x.wav -t wav - |\nc y.ark:3[0:5]\n"
    assert read_script_file(f"cat {tmp_path}/s |", True) == (True, script)
    assert read_script_file(f"{tmp_path}/none", False) == (False, [])
    with pytest.raises(ArkError, match="expected a word"):
        write_script_file(f"{tmp_path}/s", [("a b", "x")])
