"""Commands of lattices: what they write is what the library makes, which tests hold to Kaldi's."""

import math
from pathlib import Path
from typing import Any

import pytest

from sonant.kaldi import fstext
from sonant.kaldi.fstext import SymbolTable, utils
from sonant.kaldi.lat import align, functions
from sonant.kaldi.lat.rescoring import LatticeLmRescorer
from sonant.kaldi.lat.sausages import MinimumBayesRisk
from sonant.kaldi.lm import build_const_arpa_lm
from sonant.kaldi.lm.arpa import ArpaLmCompiler, ArpaParseOptions
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.lattice import Lattice

GOLDEN = Path(__file__).parents[2] / "lattice" / "golden"
RAW, MODEL, MDL = f"ark:{GOLDEN / 'random.ark'}", f"ark:{GOLDEN / 'model.ark'}", str(GOLDEN / "model.mdl")
BOS, EOS, BACKOFF = 41, 42, 43


def archive(path, kind: Any = table.SequentialCompactLatticeReader):
    with kind(f"ark:{path}") as reader:
        return dict(reader)


def same(ours: Any, theirs: Any, delta: float = 1e-3) -> bool:
    return fstext.equal(ours, theirs, delta)


@pytest.fixture
def make(run, tmp_path):
    """Runs a command with its last argument an archive, and reads that."""

    def call(*arguments, kind: Any = table.SequentialCompactLatticeReader, status: int = 0):
        out = tmp_path / f"{arguments[0]}.out"
        assert run(*arguments, f"ark:{out}")[0] == status
        return archive(out, kind)

    return call


@pytest.fixture(scope="module")
def compact(tmp_path_factory):
    """A table of determinized lattices."""
    path = tmp_path_factory.mktemp("lattices") / "clat.ark"
    with table.CompactLatticeWriter(f"ark:{path}") as writer:
        for key, raw in archive(GOLDEN / "random.ark", table.SequentialLatticeReader).items():
            made = functions.determinize_lattice_pruned(raw, 6.0)
            functions.top_sort_lattice_if_needed(made)
            writer[key] = made
    return path


def test_determinization_and_pruning(make, compact):
    made = make("lattice-determinize-pruned", "--beam=6", RAW)
    again = make("lattice-determinize-pruned", "--beam=6", "--acoustic-scale=0.5", RAW)
    minimal = make("lattice-determinize-pruned", "--beam=6", "--minimize=true", RAW)
    pruned = make("lattice-prune", "--beam=2", "--acoustic-scale=0.5", f"ark:{compact}")
    for key, raw in archive(GOLDEN / "random.ark", table.SequentialLatticeReader).items():
        opts = functions.DeterminizeLatticePrunedOptions(max_mem=50_000_000, max_loop=500_000)
        expected = functions.determinize_lattice_pruned(raw, 6.0, opts)
        assert same(made[key], expected)
        assert minimal[key].num_states() <= made[key].num_states()
        best = Lattice.of(again[key]).scale(acoustic=0.5).best_path()
        assert best.cost == pytest.approx(Lattice.of(raw).scale(acoustic=0.5).best_path().cost, abs=1e-3)
        kept = Lattice.of(pruned[key]).scale(acoustic=0.5)
        expected = Lattice.of(archive(compact)[key]).raw().scale(acoustic=0.5).prune(2).compact()
        assert kept.num_arcs == expected.num_arcs
        assert kept.best_path().cost == pytest.approx(expected.best_path().cost, abs=1e-3)


def fst_of(lattice):
    return fstext.CompactLatticeVectorFst.of_native(lattice.compact().fst.native)


def scaled_by(clat, scale):
    made = clat.copy()
    utils.scale_compact_lattice(scale, made)
    return made


def test_what_is_done_arc_by_arc(make, compact):
    given = archive(compact)
    scaled = make("lattice-scale", "--acoustic-scale=0.1", "--lm-scale=2", f"ark:{compact}")
    moved = make("lattice-scale", "--acoustic2lm-scale=0.5", "--inv-acoustic-scale=4", f"ark:{compact}")
    penalized = make("lattice-add-penalty", "--word-ins-penalty=0.5", f"ark:{compact}")
    pushed = make("lattice-push", f"ark:{compact}")
    strings = make("lattice-push", "--push-weights=false", f"ark:{compact}")
    minimal = make("lattice-minimize", f"ark:{compact}")
    limited = make("lattice-limit-depth", "--max-arcs-per-frame=3", f"ark:{compact}")
    trigrams = make("lattice-expand-ngram", "--n=3", f"ark:{compact}")
    bare = make("lattice-rmali", f"ark:{compact}")
    words = make("lattice-project", f"ark:{compact}")
    ids = make("lattice-project", "--project-output=false", f"ark:{compact}")
    for key, clat in given.items():
        lattice = Lattice.of(clat)
        path = lattice.best_path()
        assert same(scaled[key], scaled_by(clat, [[2.0, 0.0], [0.0, 0.1]]))
        assert same(moved[key], scaled_by(clat, [[1.0, 0.5], [0.0, 0.25]]))
        assert same(penalized[key], fst_of(lattice.add_word_penalty(0.5)))
        strings_of = clat.copy()
        functions.push_compact_lattice_strings(strings_of)
        assert same(strings[key], strings_of)
        functions.push_compact_lattice_weights(strings_of)
        assert same(pushed[key], strings_of)
        assert same(minimal[key], fst_of(lattice.minimize()))
        assert same(limited[key], fst_of(lattice.limit_depth(3)))
        assert Lattice.of(trigrams[key]).best_path().cost == pytest.approx(path.cost, abs=1e-3)
        assert trigrams[key].num_states() >= clat.num_states()
        assert Lattice.of(bare[key]).best_path().alignment == ()
        assert Lattice.of(words[key]).best_path().alignment == path.words
        assert Lattice.of(ids[key]).best_path().words == path.alignment


def test_best_and_nbest_paths(run, make, compact, tmp_path):
    words, ids, paths = (tmp_path / name for name in ("1.tra", "1.ali", "1.lats"))
    given = (f"ark:{compact}", f"ark:{words}", f"ark:{ids}")
    assert run("lattice-best-path", "--acoustic-scale=0.5", f"--write-lattices=ark:{paths}", *given)[0] == 0
    best = make("lattice-1best", "--acoustic-scale=0.5", f"ark:{compact}")
    nbest = make("lattice-to-nbest", "--n=4", "--acoustic-scale=0.5", f"ark:{compact}")
    found = {}
    for key, clat in archive(compact).items():
        lattice = Lattice.of(clat).scale(acoustic=0.5)
        expected = lattice.nbest(4)
        assert archive(words, table.SequentialIntVectorReader)[key] == list(expected[0].words)
        assert archive(ids, table.SequentialIntVectorReader)[key] == list(expected[0].alignment)
        for path in (best[key], archive(paths)[key], nbest[f"{key}-1"]):
            one = Lattice.of(path)
            assert one.num_arcs == one.num_states - 1
            assert one.scale(acoustic=0.5).best_path().cost == pytest.approx(expected[0].cost, abs=1e-3)
        for n, path in enumerate(expected, 1):
            found[f"{key}-{n}"] = Lattice.of(nbest[f"{key}-{n}"]).best_path()
            assert found[f"{key}-{n}"].words == path.words
    assert len(nbest) == len(found)

    # Apart, and together again.
    kinds = (table.SequentialIntVectorReader,) * 2 + (table.SequentialFloatReader,) * 2
    names = [tmp_path / name for name in ("n.ali", "n.tra", "n.lm", "n.ac")]
    nbests = tmp_path / "lattice-to-nbest.out"
    assert run("nbest-to-linear", f"ark:{nbests}", *(f"ark:{name}" for name in names))[0] == 0
    parts = [archive(name, kind) for name, kind in zip(names, kinds, strict=True)]
    for key, path in found.items():
        values = [part[key] for part in parts]
        assert values[:2] == [list(path.alignment), list(path.words)]
        assert values[2:] == pytest.approx([path.graph_cost, path.acoustic_cost], rel=1e-5)
    again = make("linear-to-nbest", *(f"ark:{name}" for name in names))
    for key, path in found.items():
        assert Lattice.of(again[key]).best_path().cost == pytest.approx(path.cost, rel=1e-5)
        assert Lattice.of(again[key]).best_path().alignment == path.alignment
    # Lattices with more paths than one are passed over.
    assert run("nbest-to-linear", f"ark:{compact}", "ark:/dev/null")[0] == 1


def test_risk_times_and_confidences(run, compact, tmp_path):
    outs = [tmp_path / name for name in ("m.tra", "m.risk", "m.sau", "m.times")]
    kinds = (
        table.SequentialIntVectorReader,
        table.SequentialFloatReader,
        table.SequentialPosteriorReader,
        table.SequentialFloatPairVectorReader,
    )
    scale = "--acoustic-scale=0.1"
    assert run("lattice-mbr-decode", scale, f"ark:{compact}", *(f"ark:{out}" for out in outs))[0] == 0
    words, risks, sausages, times = (archive(out, kind) for out, kind in zip(outs, kinds, strict=True))
    status, text = run("lattice-to-ctm-conf", scale, "--frame-shift=0.03", f"ark:{compact}", "-")
    assert status == 0
    lines = text.decode().splitlines()
    given = run("lattice-to-ctm-conf", scale, "--decode-mbr=false", f"ark:{compact}", f"ark:{outs[0]}", "-")[
        1
    ]
    assert [line.split()[4] for line in given.decode().splitlines()] == [line.split()[4] for line in lines]
    expected = []
    for key, clat in archive(compact).items():
        found = MinimumBayesRisk(scaled_by(clat, [[1.0, 0.0], [0.0, 0.1]]))
        assert words[key] == found.get_one_best()
        assert risks[key] == pytest.approx(found.get_bayes_risk(), rel=1e-5)
        assert [[w for w, _ in bin] for bin in sausages[key]] == [
            [w for w, _ in bin] for bin in found.get_sausage_stats()
        ]
        assert len(times[key]) == len(found.get_sausage_times())
        parts = (found.get_one_best(), found.get_one_best_times(), found.get_one_best_confidences())
        for word, (begin, end), confidence in zip(*parts, strict=True):
            expected.append(f"{key} 1 {0.03 * begin:.2f} {0.03 * (end - begin):.2f} {word} {confidence:.2f}")
    assert lines == expected
    with pytest.raises(Exception, match="expected the name of a file"):
        run("lattice-to-ctm-conf", f"ark:{compact}", "ark:-")


def test_oracle_confidence_depth_and_posteriors(run, make, compact, tmp_path, capfd):
    references = tmp_path / "ref"
    given = archive(compact)
    with table.IntVectorWriter(f"ark:{references}") as writer:
        for key, clat in list(given.items())[1:]:
            writer[key] = [7, *Lattice.of(clat).nbest(3)[-1].words]
    distances, paths = tmp_path / "distance", tmp_path / "oracle.lats"
    options = (f"--write-lattices=ark:{paths}", f"ark:{compact}", f"ark:{references}")
    status, _ = run("lattice-oracle", *options, f"ark:{tmp_path / 'o.tra'}", f"ark:{distances}")
    said = capfd.readouterr().err
    assert status == 0 and "Overall %WER" in said and "1 not present in ref." in said
    for key, errors in archive(distances, table.SequentialIntReader).items():
        words = archive(tmp_path / "o.tra", table.SequentialIntVectorReader)[key]
        found = Lattice.of(given[key]).oracle(archive(references, table.SequentialIntVectorReader)[key])
        assert (errors, words) == (found.errors, list(found.path.words))
        assert Lattice.of(archive(paths)[key]).best_path().words == found.path.words
    ignored = run("lattice-oracle", "--wildcard-symbols=7", *options[1:], "ark:/dev/null", "ark,t:-")[1]
    assert {line.split()[1] for line in ignored.decode().splitlines()} <= {"0"}

    confidence = make(
        "lattice-confidence", "--acoustic-scale=0.2", f"ark:{compact}", kind=table.SequentialFloatReader
    )
    depth = make("lattice-depth", f"ark:{compact}", kind=table.SequentialFloatReader)
    frames = make("lattice-depth-per-frame", f"ark:{compact}", kind=table.SequentialIntVectorReader)
    likes = tmp_path / "likes"
    status, _ = run(
        "lattice-to-post",
        "--acoustic-scale=0.2",
        f"ark:{compact}",
        f"ark:{tmp_path / 'post'}",
        f"ark:{likes}",
    )
    assert status == 0
    posteriors = archive(tmp_path / "post", table.SequentialPosteriorReader)
    for key, clat in given.items():
        lattice = Lattice.of(clat)
        scaled = lattice.scale(acoustic=0.2)
        assert confidence[key] == pytest.approx(min(1e10, scaled.sentence_confidence().difference), rel=1e-5)
        assert depth[key] == pytest.approx(lattice.depth(), rel=1e-5)
        assert frames[key] == lattice.depth_per_frame().tolist()
        assert [[i for i, _ in frame] for frame in posteriors[key]] == [
            [i for i, _ in frame] for frame in scaled.posteriors().frames
        ]
        assert archive(likes, table.SequentialFloatReader)[key] == pytest.approx(
            scaled.posteriors().log_probability, rel=1e-5
        )


def test_two_tables(make, compact, tmp_path):
    given = archive(compact)
    other = tmp_path / "other.ark"
    with table.CompactLatticeWriter(f"ark:{other}") as writer:
        for key, clat in list(given.items())[2:]:
            writer[key] = fst_of(Lattice.of(clat).scale(0.5).prune(3))
    union = make("lattice-union", f"ark:{compact}", f"ark:{other}")
    both = make("lattice-interp", "--alpha=0.75", f"ark:{compact}", f"ark:{other}")
    assert list(union) == list(given) and list(both) == list(given)[2:]
    for key, clat in given.items():
        lattice = Lattice.of(clat)
        if key not in both:
            assert Lattice.of(union[key]).best_path().words == lattice.best_path().words
            continue
        second = Lattice.of(archive(other)[key])
        best = {}
        for path in (*lattice.nbest(100), *second.nbest(100)):
            best[path.words] = min(path.cost, best.get(path.words, math.inf))
        found = Lattice.of(union[key]).nbest(20)
        assert [path.cost for path in found] == pytest.approx(sorted(best.values())[: len(found)], abs=1e-3)
        costs = [{path.words: path.cost for path in part.nbest(100)} for part in (lattice, second)]
        joined = {w: 0.75 * costs[0][w] + 0.25 * costs[1][w] for w in costs[1] if w in costs[0]}
        assert Lattice.of(both[key]).best_path().cost == pytest.approx(min(joined.values()), abs=1e-3)


def grammar(name, path):
    symbols = SymbolTable()
    for word in range(1, BOS + 4):
        symbols.add_pair(str(word), word)
    compiler = ArpaLmCompiler(ArpaParseOptions(bos_symbol=BOS, eos_symbol=EOS), BACKOFF, symbols)
    with xopen(str(GOLDEN / name), "rt") as file:
        compiler.read(file.stream())
    made = compiler.fst()
    made.write(str(path))
    return made


def test_language_models(run, make, compact, tmp_path):
    old, new = (grammar(f"{name}.arpa", tmp_path / f"{name}.fst") for name in ("small", "big"))
    projected = tmp_path / "small.projected.fst"
    old.copy().project(True).arcsort().write(str(projected))
    carpa = tmp_path / "big.carpa"
    options = ArpaParseOptions(bos_symbol=BOS, eos_symbol=EOS)
    build_const_arpa_lm(options, str(GOLDEN / "big.arpa"), str(carpa))
    without = make("lattice-lmrescore", "--lm-scale=-1", f"ark:{compact}", projected)
    assert len(without) == 16
    added = make("lattice-lmrescore-const-arpa", f"ark:{tmp_path / 'lattice-lmrescore.out'}", carpa)
    phi = make(
        "lattice-compose",
        f"--phi-label={BACKOFF}",
        f"ark:{tmp_path / 'lattice-lmrescore.out'}",
        tmp_path / "big.fst",
    )
    pruned = make(
        "lattice-lmrescore-pruned", "--lattice-compose-beam=20", "--acoustic-scale=0.5",
        "--add-const-arpa=true", tmp_path / "small.fst", carpa, f"ark:{compact}",
    )  # fmt: skip
    narrow = make(
        "lattice-lmrescore-pruned", "--lattice-compose-beam=2", "--acoustic-scale=0.5",
        tmp_path / "small.fst", tmp_path / "big.fst", f"ark:{compact}",
    )  # fmt: skip
    rescorer = LatticeLmRescorer(old, new, BACKOFF)
    for key, clat in archive(compact).items():
        expected = Lattice.of(rescorer.rescore(clat))
        for made in (added, phi):
            assert Lattice.of(made[key]).best_path().cost == pytest.approx(
                expected.best_path().cost, abs=1e-3
            )
        scaled = Lattice.of(pruned[key]).scale(acoustic=0.5)
        assert scaled.num_arcs >= Lattice.of(narrow[key]).num_arcs > 0
        assert math.isfinite(scaled.best_path().cost)
    # The same grammar taken away and added: nothing has changed.
    taken = (tmp_path / "lattice-lmrescore.out").rename(tmp_path / "taken.ark")
    back = make("lattice-lmrescore", f"ark:{taken}", projected)
    for key, clat in archive(compact).items():
        assert Lattice.of(back[key]).best_path().words == Lattice.of(clat).best_path().words
        assert Lattice.of(back[key]).best_path().cost == pytest.approx(
            Lattice.of(clat).best_path().cost, abs=1e-2
        )


def test_alignment_and_criteria(run, make, tmp_path):
    from sonant.kaldi.hmm import TransitionModel

    tmodel = TransitionModel()
    with xopen(MDL) as file:
        tmodel.read(file.stream(), file.binary)
    types = ["nonword", "begin", "end", "internal", "singleton", "begin", "end"]
    boundaries, lexicon = tmp_path / "word_boundary.int", tmp_path / "align_lexicon.int"
    boundaries.write_text("".join(f"{phone} {kind}\n" for phone, kind in enumerate(types, 1)))
    words = {1: "2 3", 2: "2 4 3", 3: "5", 4: "6 4 4 7", 5: "6 3", 6: "2 7"}
    lexicon.write_text("0 0 1\n" + "".join(f"{word} {word} {phones}\n" for word, phones in words.items()))
    clats = make("lattice-determinize-phone-pruned", "--beam=8", MDL, MODEL)
    source = f"ark:{tmp_path / 'lattice-determinize-phone-pruned.out'}"
    by_words = make("lattice-align-words", "--silence-label=9", boundaries, MDL, source)
    by_lexicon = make("lattice-align-words-lexicon", lexicon, MDL, source)
    phones = make("lattice-align-phones", "--replace-output-symbols=true", MDL, source)
    make("lattice-to-phone-lattice", MDL, MODEL)
    opts = align.WordBoundaryInfoNewOpts(silence_label=9)
    info = align.WordBoundaryInfo.from_file(opts, str(boundaries))
    entries = align.WordAlignLatticeLexiconInfo(align.read_lexicon_for_word_align(str(lexicon)))
    for key, clat in clats.items():
        assert same(by_words[key], align.word_align_lattice(clat, tmodel, info, 0)[1])
        _, expected = align.word_align_lattice_lexicon(
            clat, tmodel, entries, align.WordAlignLatticeLexiconOpts()
        )
        assert same(by_lexicon[key], expected)
        options = align.PhoneAlignLatticeOptions(replace_output_symbols=True)
        _, expected = align.phone_align_lattice(clat, tmodel, options)
        functions.top_sort_lattice_if_needed(expected)
        assert Lattice.of(phones[key]).best_path().words == Lattice.of(expected).best_path().words
    make("lattice-1best", f"ark:{tmp_path / 'lattice-align-words.out'}")
    status, text = run("nbest-to-ctm", "--frame-shift=0.02", f"ark:{tmp_path / 'lattice-1best.out'}", "-")
    assert status == 0
    first = text.decode().splitlines()[0].split()
    assert first[0] == "model00" and float(first[2]) == 0.0

    alignments = tmp_path / "ali"
    assert run("lattice-best-path", MODEL, "ark:/dev/null", f"ark:{alignments}")[0] == 0
    boosted = make("lattice-boost-ali", "--b=0.3", "--silence-phones=1", MDL, MODEL, f"ark:{alignments}")
    assert len(boosted) == 16
    for name, criterion in (("lattice-to-mpe-post", "mpfe"), ("lattice-to-smbr-post", "smbr")):
        made = make(
            name,
            "--silence-phones=1:2",
            MDL,
            f"ark:{alignments}",
            MODEL,
            kind=table.SequentialPosteriorReader,
        )
        for key, raw in archive(GOLDEN / "model.ark", table.SequentialLatticeReader).items():
            functions.top_sort_lattice_if_needed(raw)
            ids = archive(alignments, table.SequentialIntVectorReader)[key]
            _, expected = functions.lattice_forward_backward_mpe_variants(
                tmodel, [1, 2], raw, ids, criterion, False
            )
            assert [[i for i, _ in frame] for frame in made[key]] == [[i for i, _ in f] for f in expected]


def test_a_bad_lattice_is_named_and_the_others_go_on(run, make, tmp_path, capfd):
    bad = tmp_path / "bad.ark"
    good = next(iter(archive(GOLDEN / "random.ark", table.SequentialLatticeReader).values()))
    cyclic = fstext.LatticeVectorFst()
    for _ in range(2):
        cyclic.add_state()
    cyclic.set_start(0)
    cyclic.set_final(1, fstext.LatticeWeight(0.0, 0.0))
    for s, d in ((0, 1), (1, 0)):
        cyclic.add_arc(s, fstext.LatticeArc(1, 1, fstext.LatticeWeight(1.0, 1.0), d))
    with table.LatticeWriter(f"ark:{bad}") as writer:
        for key, lattice in (("a", good), ("b", cyclic), ("c", fstext.LatticeVectorFst()), ("d", good)):
            writer[key] = lattice
    for name in (
        "lattice-determinize-pruned", "lattice-prune", "lattice-1best", "lattice-to-nbest",
        "lattice-minimize", "lattice-push", "lattice-limit-depth", "lattice-depth",
        "lattice-confidence", "lattice-to-post",
    ):  # fmt: skip
        capfd.readouterr()
        assert run(name, f"ark:{bad}", "ark:/dev/null")[0] == 0, name
        said = capfd.readouterr().err
        assert f"WARNING ({name}) b: " in said and "cycle" in said, name
    whole = bad.read_bytes()
    cut = tmp_path / "cut.ark"
    cut.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(Exception, match=r"cut\.ark"):
        run("lattice-1best", f"ark:{cut}", f"ark:{tmp_path / 'kept.ark'}")
    with pytest.raises(Exception, match="acoustic-scale=0"):
        run("lattice-prune", "--acoustic-scale=0", f"ark:{bad}", "ark:/dev/null")
