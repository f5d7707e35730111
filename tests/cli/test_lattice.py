"""`sonant lattice`: archives in, words and archives out."""

from itertools import pairwise
from pathlib import Path

import pytest

from sonant.cli import main
from sonant.kaldi.lm import build_const_arpa_lm
from sonant.kaldi.lm.arpa import ArpaParseOptions
from sonant.kaldi.util import table

GOLDEN = Path(__file__).parents[1] / "kaldi" / "fstext" / "golden"
LATTICE = Path(__file__).parents[1] / "lattice" / "golden"
YESNO = Path(__file__).parents[1] / "data" / "kaldi-yesno"
RAW, COMPACT, WORDS = f"ark:{GOLDEN / 'lat.ark'}", str(GOLDEN / "clat.ark"), str(YESNO / "words.txt")
FIRST = "0_0_0_0_1_1_1_1 NO NO NO NO YES YES YES YES"


def run(capfd, *arguments, status=0):
    assert main(["lattice", *map(str, arguments)]) == status
    return capfd.readouterr()


def archive(path):
    with table.SequentialCompactLatticeReader(f"ark:{path}") as reader:
        return dict(reader)


def test_words_are_printed(capfd):
    for command in ("best", "mbr"):
        for source in (RAW, COMPACT):
            found = run(capfd, command, source, "--words", WORDS)
            assert found.out.splitlines()[0] == FIRST
    key, cost, *words = run(capfd, "nbest", COMPACT, "-n", 1).out.splitlines()[0].split()
    assert key == "0_0_0_0_1_1_1_1-1"
    assert float(cost) == pytest.approx(49172.34, abs=0.1)
    assert words == ["2"] * 4 + ["3"] * 4
    sausage = run(capfd, "mbr", COMPACT, "--sausage", "--words", WORDS).out.splitlines()
    assert sausage[2].split()[2:4] == ["NO", "1.0000"]


def test_archives_are_made(capfd, tmp_path):
    out = f"ark:{tmp_path / 'out.ark'}"
    run(capfd, "determinize", RAW, "--beam", 5, "--model", YESNO / "40.mdl", "--minimize", "-o", out)
    made = archive(tmp_path / "out.ark")
    assert len(made) == len(archive(COMPACT))
    run(capfd, "prune", tmp_path / "out.ark", "--beam", 0, "--out", f"ark:{tmp_path / 'one.ark'}")
    assert all(lattice.num_states() < 12 for lattice in archive(tmp_path / "one.ark").values())
    text = run(capfd, "copy", tmp_path / "one.ark", "--to", "raw").out
    assert text.startswith("0_0_0_0_1_1_1_1 \n0\t")
    run(capfd, "draw", tmp_path / "one.ark", "--words", WORDS, "--out", tmp_path / "one.dot")
    assert "NO" in (tmp_path / "one.dot").read_text()
    run(capfd, "draw", tmp_path / "one.ark", "--key", "none", status=1)


def test_rescoring_with_a_model(capfd, tmp_path):
    arpa = tmp_path / "lm.arpa"
    arpa.write_text("\\data\\\nngram 1=4\n\n\\1-grams:\n-99 <s>\n-0.5 </s>\n-0.4 NO\n-0.6 YES\n\n\\end\\\n")
    words = tmp_path / "words.txt"
    words.write_text("<eps> 0\n<SIL> 1\nNO 2\nYES 3\n#0 4\n<s> 5\n</s> 6\n")
    given = ("--words", words, "--out", f"ark:{tmp_path / 'new.ark'}")
    run(capfd, "rescore", COMPACT, "--lm", arpa, *given)
    ours = [line.split()[1] for line in run(capfd, "nbest", tmp_path / "new.ark", "-n", 1).out.splitlines()]
    before = [line.split()[1] for line in run(capfd, "nbest", COMPACT, "-n", 1).out.splitlines()]
    # Four of each word and the end.
    assert float(ours[0]) - float(before[0]) == pytest.approx(2.302585 * (4 * 0.4 + 4 * 0.6 + 0.5), abs=0.02)
    assert "itself" in run(capfd, "rescore", tmp_path / "new.ark", "--old", arpa, *given, status=1).err
    back = ("--words", words, "--out", f"ark:{tmp_path / 'back.ark'}")
    run(capfd, "rescore", tmp_path / "new.ark", "--old", arpa, *back)
    again = run(capfd, "nbest", tmp_path / "back.ark", "-n", 1).out.splitlines()
    assert float(again[0].split()[1]) == pytest.approx(float(before[0]), abs=0.02)
    assert "--lm" in run(capfd, "rescore", COMPACT, status=1).err
    # Best parts first, and a const-arpa model: the same best path.
    numbers = tmp_path / "numbers.arpa"
    text = arpa.read_text().replace("<s>", "5").replace("</s>", "6").replace("NO", "2").replace("YES", "3")
    numbers.write_text(text)
    options = ArpaParseOptions(bos_symbol=5, eos_symbol=6)
    build_const_arpa_lm(options, str(numbers), str(tmp_path / "lm.carpa"))
    for model in (arpa, tmp_path / "lm.carpa"):
        pruned = ("--beam", 5, "--words", words, "--out", f"ark:{tmp_path / 'pruned.ark'}")
        run(capfd, "rescore", COMPACT, "--lm", model, *pruned)
        best = run(capfd, "nbest", tmp_path / "pruned.ark", "-n", 1).out.splitlines()
        assert [float(line.split()[1]) for line in best] == pytest.approx(list(map(float, ours)), abs=0.02)


def test_times(capfd, tmp_path):
    mbr = run(capfd, "to-ctm", COMPACT, "--words", WORDS).out.splitlines()
    key, channel, _, _, word, confidence = mbr[0].split()
    assert (key, channel, word, confidence) == ("0_0_0_0_1_1_1_1", "1", "NO", "1.00")
    boundaries = tmp_path / "word_boundary.int"
    boundaries.write_text("1 nonword\n2 singleton\n3 singleton\n")
    aligned = run(capfd, "to-ctm", COMPACT, "--words", WORDS, "--model", YESNO / "40.mdl",
                  "--word-boundary", boundaries).out.splitlines()  # fmt: skip
    assert len(aligned) == len(mbr)
    times = [(float(line.split()[2]), float(line.split()[3])) for line in aligned[:8]]
    assert all(b[0] >= a[0] + a[1] - 0.011 for a, b in pairwise(times))
    assert "go together" in run(capfd, "to-ctm", COMPACT, "--model", YESNO / "40.mdl", status=1).err


def test_oracle_error_rate(capfd, tmp_path):
    found = run(capfd, "oracle", COMPACT, "--words", WORDS, "--references", YESNO / "text")
    assert "oracle error rate 0.00 %" in found.err
    wrong = tmp_path / "text"
    wrong.write_text("0_0_0_0_1_1_1_1 NO NO MAYBE NO YES YES YES YES\n")
    found = run(capfd, "oracle", COMPACT, "--words", WORDS, "--references", wrong, status=1)
    assert "(1 of 8 words)" in found.err
    assert "has no line for it" in found.err


def test_archives_that_are_cut_off_end_in_an_error(capfd, tmp_path):
    data = Path(COMPACT).read_bytes()
    cut = tmp_path / "cut.ark"
    cut.write_bytes(data[: len(data) * 2 // 3])
    found = run(capfd, "best", cut, status=1)
    assert "cut.ark" in found.err
    cut.write_bytes(b"")
    assert "there is no lattice" in run(capfd, "best", cut, status=1).err
    table_without = tmp_path / "words.txt"
    table_without.write_text("<eps> 0\nNO 2\n")
    assert "word 3 has no symbol" in run(capfd, "best", COMPACT, "--words", table_without, status=1).err
