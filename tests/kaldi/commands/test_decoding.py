"""Decoding as a recipe's scripts do it, on a real Kaldi run: features, graph and model in, words out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import SonantError
from sonant.kaldi import asr
from sonant.kaldi.decoder import LatticeFasterDecoderOptions
from sonant.kaldi.fstext import SymbolTable, equal
from sonant.kaldi.gmm.am import DecodableAmDiagGmmScaled
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util import table

RUN = Path(__file__).parents[2] / "data" / "kaldi-yesno"
FEATS = (
    "ark,s,cs:apply-cmvn --utt2spk=ark:utt2spk scp:cmvn.scp scp:feats.scp ark:- | add-deltas ark:- ark:- |"
)


@pytest.fixture(autouse=True)
def in_the_run_s_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in RUN.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    speakers = dict.fromkeys(line.split()[0] for line in (RUN / "spk2utt").read_text().splitlines())
    lines = (RUN / "spk2utt").read_text().splitlines()
    assert list(speakers) == ["global"]
    text = "".join(f"{key} global\n" for line in lines for key in line.split()[1:])
    (tmp_path / "utt2spk").write_text(text)


def archive(path: str, kind: Any):
    with kind(f"ark:{path}") as reader:
        return dict(reader)


def words_of(path: str) -> dict[str, list[int]]:
    """Without the one recording that Kaldi has wrong, too (decoder/test_decoders.py)."""
    found = archive(path, table.SequentialIntVectorReader)
    found.pop("0_1_0_1_0_0_0_0", None)
    return found


def references() -> dict[str, list[int]]:
    symbols = SymbolTable.read_text("words.txt")
    lines = (RUN / "text").read_text().splitlines()
    said = {line.split()[0]: [symbols.find_index(word) for word in line.split()[1:]] for line in lines}
    del said["0_1_0_1_0_0_0_0"]
    return said


def test_lattices_of_features_are_those_of_the_library_and_right(run):
    words = ("ark:1.lats", "ark:1.tra", "ark:1.ali")
    assert (
        run("gmm-latgen-faster", "--beam=13", "--lattice-beam=6", "40.mdl", "HCLG.fst", FEATS, *words)[0] == 0
    )
    assert words_of("1.tra") == references()
    opts = LatticeFasterDecoderOptions(beam=13.0, lattice_beam=6.0)
    recognizer = asr.GmmLatticeFasterRecognizer.from_files(
        "40.mdl", "HCLG.fst", None, allow_partial=False, decoder_opts=opts
    )
    lattices = archive("1.lats", table.SequentialCompactLatticeReader)
    ids = archive("1.ali", table.SequentialIntVectorReader)
    with table.SequentialMatrixReader(FEATS) as reader:
        for key, feats in list(reader)[:4]:
            found = recognizer.decode(feats)
            assert equal(lattices[key], found["lattice"]) and ids[key] == found["alignment"]
    # On to the words with the least expected number of errors, and the lattices' own best paths.
    assert run("lattice-mbr-decode", "--acoustic-scale=0.1", "ark:1.lats", "ark:2.tra")[0] == 0
    assert words_of("2.tra") == references()
    assert (
        run("gmm-latgen-faster", "--determinize-lattice=false", "40.mdl", "HCLG.fst", FEATS, "ark:3.lats")[0]
        == 0
    )
    assert run("lattice-best-path", "--acoustic-scale=0.1", "ark:3.lats", "ark:3.tra", "ark:3.ali")[0] == 0
    assert words_of("3.tra") == references()
    assert archive("3.ali", table.SequentialIntVectorReader) == ids


def test_words_of_features_and_of_scores_agree(run):
    given = ("40.mdl", "HCLG.fst", FEATS, "ark:1.tra", "ark:1.ali", "ark:1.lats")
    assert run("gmm-decode-faster", "--beam=13", *given)[0] == 0
    assert words_of("1.tra") == references()
    ids = archive("1.ali", table.SequentialIntVectorReader)
    assert run("lattice-best-path", "ark:1.lats", "ark:/dev/null", "ark:2.ali")[0] == 0
    assert archive("2.ali", table.SequentialIntVectorReader) == ids

    # Log-likelihoods of pdfs; and of transition-ids, which are the labels of the graph.
    transitions, gmm = asr.GmmFasterRecognizer.read_model("40.mdl")
    pdf_of = [transitions.transition_id_to_pdf(i) for i in range(1, transitions.num_transition_ids() + 1)]
    with (
        table.SequentialMatrixReader(FEATS) as reader,
        table.MatrixWriter("ark:pdfs.ark") as pdfs,
        table.MatrixWriter("ark:ids.ark") as labels,
    ):
        for key, feats in reader:
            decodable = DecodableAmDiagGmmScaled(gmm, transitions, feats, 1.0)
            by_id = np.array(
                [[decodable.log_likelihood(t, i + 1) for i in range(len(pdf_of))] for t in range(3)],
                np.float32,
            )
            scores = gmm.log_likelihoods_matrix(feats).numpy()
            np.testing.assert_allclose(scores[:3, pdf_of], by_id, rtol=1e-4)
            pdfs[key], labels[key] = Matrix(scores), Matrix(scores[:, pdf_of])
    assert (
        run(
            "decode-faster-mapped",
            "--beam=13",
            "40.mdl",
            "HCLG.fst",
            "ark:pdfs.ark",
            "ark:3.tra",
            "ark:3.ali",
        )[0]
        == 0
    )
    assert run("decode-faster", "--beam=13", "HCLG.fst", "ark:ids.ark", "ark:4.tra", "ark:4.ali")[0] == 0
    assert (
        run(
            "latgen-faster-mapped",
            "40.mdl",
            "HCLG.fst",
            "ark:pdfs.ark",
            "ark:5.lats",
            "ark:5.tra",
            "ark:5.ali",
        )[0]
        == 0
    )
    for n in (3, 4, 5):
        assert words_of(f"{n}.tra") == references()
        assert archive(f"{n}.ali", table.SequentialIntVectorReader) == ids


def test_each_utterance_may_have_its_graph_and_what_cannot_be_decoded_is_passed_over(run, capfd):
    from sonant.kaldi.fstext import read_fst_kaldi

    keys = list(references())[:3]
    graph: Any = read_fst_kaldi("HCLG.fst")
    with table.FstWriter("ark:graphs.ark") as writer:
        for key in (*keys, "nobody"):
            writer[key] = graph
    feats = FEATS.replace("ark,s,cs:", "ark:")
    assert run("gmm-latgen-faster", "40.mdl", "ark:graphs.ark", feats, "ark:1.lats", "ark:1.tra")[0] == 0
    assert words_of("1.tra") == {key: references()[key] for key in keys}
    assert "nobody" in capfd.readouterr().err
    with table.MatrixWriter("ark:bad.ark") as writer, table.SequentialMatrixReader(FEATS) as reader:
        key, good = next(iter(reader))
        writer["a-empty"] = Matrix(0, 39)
        writer["b-short"] = Matrix(good.numpy()[:2])
        writer["c-wide"] = Matrix(5, 7)
        writer[key] = good
    given = ("40.mdl", "HCLG.fst", "ark:bad.ark", "ark:2.lats", "ark:2.tra")
    try:
        status = run("gmm-latgen-faster", *given)[0]
    except SonantError as error:  # as Kaldi ends for features of another size
        assert "7" in str(error)
    else:
        assert status == 0
    said = capfd.readouterr().err
    assert "a-empty" in said and "no final-state reached" in said
