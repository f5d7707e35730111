"""Commands that make graphs: pipes of Kaldi's scripts, on the files of a real Kaldi run."""

import math
from pathlib import Path

import pytest

from sonant import fst as operations
from sonant.errors import ArkError, FstError, OptionError, SpecifierError
from sonant.fst import Fst

DATA = Path(__file__).parents[2] / "data" / "kaldi-yesno"
ARPA = """\\data\\
ngram 1=4
ngram 2=3

\\1-grams:
-1.0 <s> -0.3
-0.6 </s>
-0.5 yes -0.2
-0.7 no -0.1

\\2-grams:
-0.2 <s> yes
-0.3 yes no
-0.4 no </s>

\\end\\
"""


@pytest.fixture
def pipe(run):
    """Runs commands one after the other, each on what the one before wrote."""

    def through(*stages: str, stdin: bytes = b"") -> bytes:
        for stage in stages:
            status, stdin = run(*stage.split(), stdin=stdin)
            assert status == 0, stage
        return stdin

    return through


def test_the_lg_of_the_yesno_recipe(pipe):
    made = pipe(
        f"fsttablecompose {DATA}/L_disambig.fst {DATA}/G.fst",
        "fstdeterminizestar --use-log=true",
        "fstminimizeencoded",
        "fstpushspecial",
        "fstarcsort --sort_type=ilabel",
    )
    assert operations.isomorphic(Fst.read(made), Fst.read(str(DATA / "LG.fst")))


def test_text_there_and_back(pipe, run):
    tables = f"--isymbols={DATA}/phones.txt --osymbols={DATA}/words.txt"
    text = pipe(f"fstprint {tables} {DATA}/L.fst")
    assert b"\tSIL\t<eps>" in text.replace(b"<eps>\t", b"\t") or b"SIL" in text
    compiled = pipe(f"fstcompile {tables}", stdin=text)
    assert Fst.read(compiled).equal(Fst.read(str(DATA / "L.fst")))
    kept = pipe(f"fstcompile {tables} --keep_isymbols --keep_osymbols", stdin=text)
    assert pipe("fstprint", stdin=kept) == text
    assert pipe("fstprint --numeric", stdin=kept) == pipe(f"fstprint {DATA}/L.fst")
    assert pipe("fstsymbols --clear_isymbols --clear_osymbols", stdin=kept) == compiled
    assert Fst.read(pipe("fstconvert --fst_type=const", stdin=compiled)).format == "const"
    info = pipe("fstinfo", stdin=kept).decode()
    assert f"{'# of states':<50}{Fst.read(kept).num_states}\n" in info and f"{'string':<50}n\n" in info
    assert pipe("fstdraw --portrait", stdin=kept).startswith(b"digraph FST {")


@pytest.mark.parametrize("arc_type", ["standard", "log", "lattice4"])
def test_filters_do_what_the_functions_do(pipe, arc_type):
    text = b"0 1 3 1\n0 1 2 0\n0 2 0 0\n1 2 1 2\n2\n"
    start = pipe(f"fstcompile --arc_type={arc_type}", stdin=text)
    fst = Fst.read(start)
    expected = {
        "fstarcsort": operations.arcsort(fst),
        "fstarcsort --sort_type=olabel": operations.arcsort(fst, "olabel"),
        "fstclosure --closure_plus": operations.closure(fst, True),
        "fstconnect": fst,
        "fstinvert": operations.invert(fst),
        "fstproject --project_output=true": operations.project(fst, True),
        "fstproject --project_type=output": operations.project(fst, True),
        "fstreverse": operations.reverse(fst),
        "fstrmepsilon": operations.rmepsilon(fst),
        "fsttopsort": operations.topsort(fst),
        "fstmap --map_type=superfinal": operations.arcmap(fst, "superfinal"),
        "fstpush --push_weights": operations.push(fst),
        "fstrandgen --npath=3 --seed=4": operations.randgen(fst, 3, 4),
    }
    if arc_type != "log":
        expected["fstshortestpath --nshortest=2"] = operations.shortest_path(fst, 2)
        expected["fstprune --weight=1"] = operations.prune(fst, 1.0)
    for command, result in expected.items():
        assert Fst.read(pipe(command, stdin=start)).equal(result, 1e-6), command
    assert pipe("fstshortestdistance", stdin=start).startswith(b"0\t0")


def test_pairs_and_comparisons(pipe, run, tmp_path):
    for name, text in {"a": b"0 1 1 1 0.5\n1\n", "b": b"0 1 1 1 0.25\n1\n", "c": b"0 1 2 2\n1\n"}.items():
        (tmp_path / name).write_bytes(pipe("fstcompile --acceptor=false", stdin=text))
    a, b, c = (tmp_path / name for name in "abc")
    assert pipe(f"fstcompose {a} {b}", "fstprint") == b"0\t1\t1\t1\t0.75\n1\n"
    assert pipe(f"fstintersect {a} {b}", "fstprint --acceptor") == b"0\t1\t1\t0.75\n1\n"
    assert pipe(f"fstdifference {a} {c}", "fstprint --acceptor") == b"0\t1\t1\t0.5\n1\n"
    assert len(pipe(f"fstunion {a} {c}", "fstprint").splitlines()) == 5
    assert pipe(f"fstconcat {a} {c}", "fstrmepsilon", "fsttopsort", "fstprint --acceptor").count(b"\n") == 3
    for command in ("fstequal", "fstequivalent", "fstisomorphic", "fstequivalent --random"):
        assert run(*command.split(), a, a)[0] == 0
        assert run(*command.split(), a, b)[0] == 2
    (tmp_path / "pairs").write_text("1 7\n")
    assert pipe(f"fstrelabel --relabel_opairs={tmp_path}/pairs {a}", "fstprint") == b"0\t1\t1\t7\t0.5\n1\n"
    (tmp_path / "old").write_text("<eps> 0\nyes 1\n")
    (tmp_path / "new").write_text("<eps> 0\nyes 4\n")
    relabelled = pipe(
        f"fstrelabel --isymbols={tmp_path}/old --relabel_isymbols={tmp_path}/new {a}", "fstprint"
    )
    assert relabelled == b"0\t1\tyes\t1\t0.5\n1\n"


def test_grammars(pipe, run, tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA)
    (tmp_path / "words.txt").write_text("<eps> 0\nno 1\nyes 2\n#0 3\n<s> 4\n</s> 5\n")
    target = tmp_path / "G.fst"
    options = ("--disambig-symbol=#0", f"--read-symbol-table={tmp_path}/words.txt")
    assert run("arpa2fst", *options, tmp_path / "lm.arpa", target) == (0, b"")
    words = operations.SymbolTable.read(str(tmp_path / "words.txt"))
    expected = operations.read_arpa(str(tmp_path / "lm.arpa"), words)
    assert Fst.read(str(target)).equal(expected, 0) and Fst.read(str(target)).input_symbols is None
    status, out = run("arpa2fst", f"--write-symbol-table={tmp_path}/new.txt", tmp_path / "lm.arpa", "-")
    assert status == 0 and Fst.read(out).num_states > 2
    assert (tmp_path / "new.txt").read_text().splitlines()[:3] == ["<eps>\t0", "<s>\t1", "</s>\t2"]
    status, out = run("arpa2fst", "--ilabel-sort=false", tmp_path / "lm.arpa", "-")
    assert Fst.read(out).input_symbols is not None
    with pytest.raises(FstError, match=r"words.txt has no symbol '#1'"):
        run("arpa2fst", "--disambig-symbol=#1", options[1], tmp_path / "lm.arpa", target)

    numbers = ARPA.replace("<s>", "4").replace("</s>", "5").replace("yes", "2").replace("no", "1")
    (tmp_path / "int.arpa").write_text(numbers)
    carpa = tmp_path / "G.carpa"
    assert run("arpa-to-const-arpa", "--bos-symbol=4", "--eos-symbol=5", tmp_path / "int.arpa", carpa)[0] == 0
    assert b"<ConstArpaLm>" in carpa.read_bytes()
    with pytest.raises(OptionError, match="the numbers of <s> and </s>"):
        run("arpa-to-const-arpa", tmp_path / "int.arpa", carpa)


def test_kaldis_filters(pipe, run, tmp_path):
    # The examples with which Kaldi's own sources explain these commands.
    phi = b"0 1 10 10 2.0\n0 3 11 11 2.0\n1 2 100 110 6.6\n3 10.0\n3 2 100 110 0.0\n2\n"
    (tmp_path / "a").write_bytes(pipe("fstcompile", stdin=b"0 1 10 10\n0 1 11 11\n1\n"))
    (tmp_path / "g").write_bytes(pipe("fstcompile", stdin=phi))
    composed = pipe(f"fstphicompose 100 {tmp_path}/a {tmp_path}/g", "fstprint")
    assert composed == b"0\t1\t10\t10\t2\n0\t2\t11\t11\t2\n1\t6.6\n2\t10\n"
    assert b"\n1\t6.6\n" in pipe(f"fstpropfinal 100 {tmp_path}/g", "fstprint")
    assert (
        pipe("fstcompile", "fstrmepslocal", "fstprint", stdin=b"0 1 1 0\n1 2 0 2\n2 0\n")
        == b"0\t1\t1\t2\n1\n"
    )
    both = pipe("fstcompile", "fstrmepslocal --use-log=true", "fstprint", stdin=b"0 1 0 0\n0 0\n1 0\n")
    assert float(both.split()[1]) == pytest.approx(-math.log(2))
    half = b"0 0 0 0 0.693147\n0 1 0 0 0.693147\n1 0\n"
    status, said = run("fstisstochastic", stdin=pipe("fstcompile", stdin=half))
    assert status == 0 and [float(part) for part in said.split()] == pytest.approx([0, 0], abs=1e-6)
    status, said = run("fstisstochastic", "--test-in-log=false", stdin=pipe("fstcompile", stdin=half))
    assert (status, said) == (1, b"0 0.693147\n")

    (tmp_path / "list").write_text("1\n3\n")
    fst = pipe("fstcompile", stdin=b"0 1 1 2 0.5\n0 1 2 3\n1\n")
    symbols = f"fstrmsymbols {{}} {tmp_path}/list"
    assert pipe(symbols.format(""), "fstprint", stdin=fst) == b"0\t1\t0\t2\t0.5\n0\t1\t2\t3\n1\n"
    assert pipe(symbols.format("--remove-from-output"), "fstprint", stdin=fst).endswith(b"0\t1\t2\t0\n1\n")
    assert pipe(symbols.format("--remove-arcs"), "fstprint", stdin=fst) == b"0\t1\t2\t3\n1\n"
    assert pipe(symbols.format("--penalty=2"), "fstprint", stdin=fst).startswith(b"0\t1\t1\t2\t2.5\n")


def test_determinization_by_labels_that_are_added(pipe, run, tmp_path):
    for seed in range(5):
        (tmp_path / "1.fst").write_bytes(pipe(f"fstrand --allow-empty=false --srand={seed}"))
        (tmp_path / "2.fst").write_bytes(
            pipe(
                f"fstpredeterminize {tmp_path}/list {tmp_path}/1.fst",
                "fstdeterminizestar",
                f"fstrmsymbols {tmp_path}/list",
            )
        )
        compare = ("fstequivalent", "--random", "--npath=20", "--seed=1", "--max_length=30")
        assert run(*compare, tmp_path / "1.fst", tmp_path / "2.fst")[0] == 0
    twins = pipe("fstcompile", stdin=b"0 0 1 0 1\n0 1 1 0\n1 1 1 0\n0 2 2 0\n2\n1\n")
    with pytest.raises(FstError, match=r"determinize_star of an automaton of 3 states.*last input is \[1"):
        run("fstdeterminizestar", "--max-states=1000", stdin=twins)


def test_tables(run, tmp_path, capfd):
    graphs = f"ark:gunzip -c {DATA}/fsts.1.gz |"
    keys = [line.split()[0] for line in run("fsts-project", graphs, "ark,t:-")[1].split(b"\n\n") if line]
    assert len(keys) == 31
    status, out = run("fsts-to-transcripts", graphs, "ark,t:-")
    words = {line.split()[0]: line.split()[1:] for line in (DATA / "text").read_text().splitlines()}
    numbers = {}
    for line in (DATA / "words.txt").read_text().splitlines():
        word, number = line.split()
        numbers[word] = number
    for line in out.decode().splitlines():
        key, *labels = line.split()
        assert labels == [numbers[word] for word in words[key]]
    assert status == 0

    a, b = tmp_path / "a.ark", tmp_path / "b.ark"
    a.write_text("k1 \n0 1 1 1 0.5\n1\n\nk1 \n0 1 2 2 0.5\n1\n\nk2 \n0 1 3 3\n1 0.5\n\n")
    b.write_text("k1 \n0 1 1 1\n1\n\n")
    assert run("fsts-union", f"ark:{a}", "ark,t:-")[1].count(b"k1") == 1
    assert run("fsts-scale", "--alpha=2", f"ark:{a}", "ark,t:-")[1].count(b"\t1\t") >= 2
    status, out = run("fsts-concat", f"ark:{a}", f"ark:{b}", "ark,t:-")
    assert status == 0 and out.count(b"k1") == 2 and b"k2" not in out
    assert "Skipping 'k2'" in capfd.readouterr().err
    status, out = run("fsts-difference", f"ark:{a}", f"ark:{b}", "ark,t:-")
    assert status == 0 and b"k2 \n0\t1\t3\t3" in out
    status, out = run("fsttablecompose", f"ark:{a}", f"ark:{b}", "ark,t:-")
    assert status == 0 and b"k1 \n0\t1\t1\t1\t0.5" in out
    assert "No such key k2" in capfd.readouterr().err
    (tmp_path / "one").write_bytes(run("fstcompile", stdin=b"0 1 3 3 1\n1\n")[1])
    assert b"k2 \n0\t1\t3\t3\t1\n1\t0.5" in run("fsttablecompose", f"ark:{a}", tmp_path / "one", "ark,t:-")[1]
    status, out = run("fstdeterminizestar", f"ark:{a}", "ark,t:-")
    assert status == 0 and out.count(b"k") == 3
    with pytest.raises(OptionError, match="tables in take a table out"):
        run("fsttablecompose", f"ark:{a}", tmp_path / "one", "-")


def test_bad_input(run, tmp_path):
    fst = run("fstcompile", stdin=b"0 1 1 2\n1\n")[1]
    for cut in (0, 3, 20, len(fst) - 1):
        with pytest.raises((ArkError, SpecifierError)):
            run("fstarcsort", stdin=fst[:cut])
    with pytest.raises(FstError, match="line 1"):
        run("fstcompile", stdin=b"0 1 a b\n1\n")
    with pytest.raises(SpecifierError, match=r"none\.fst"):
        run("fstprint", tmp_path / "none.fst")
    with pytest.raises(FstError, match="by='both'"):
        run("fstarcsort", "--sort_type=both", stdin=fst)
    for command in ("fstphicompose 0 a b", "fstrhocompose x a b", "fstpropfinal -3 a"):
        with pytest.raises(OptionError, match="expected a positive integer"):
            run(*command.split())
    with pytest.raises(OptionError, match="--weight=x"):
        run("fstprune", "--weight=x", stdin=fst)
    (tmp_path / "list").write_text("one\n")
    with pytest.raises(FstError, match="expected integers"):
        run("fstrmsymbols", tmp_path / "list", stdin=fst)
