"""Decoders and recognizers by PyKaldi's names, beside Kaldi's on the yesno recordings (golden file of
tests/oracle/make_decoder_golden.py)."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.errors import DecodingError, SearchError
from sonant.kaldi import asr
from sonant.kaldi.decoder import (
    DecodableMapped,
    DecodableMatrixMapped,
    DecodableMatrixMappedOffset,
    DecodableMatrixScaled,
    DecodableMatrixScaledMapped,
    DecodableSum,
    DecodableSumScaled,
    FasterDecoder,
    FasterDecoderOptions,
    LatticeFasterDecoder,
    LatticeFasterDecoderOptions,
    LatticeFasterOnlineDecoder,
)
from sonant.kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
from sonant.kaldi.fstext import (
    LatticeVectorFst,
    StdFstCompiler,
    StdVectorFst,
    read_fst_kaldi,
    shortestpath,
)
from sonant.kaldi.fstext.utils import convert_compact_lattice_to_lattice, get_linear_symbol_sequence
from sonant.kaldi.gmm.am import DecodableAmDiagGmmScaled
from sonant.kaldi.itf import DecodableInterface
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.transform.cmvn import Cmvn
from sonant.kaldi.util.options import ParseOptions
from sonant.kaldi.util.table import SequentialDoubleMatrixReader, SequentialMatrixReader

RUN = Path(__file__).parents[2] / "data" / "kaldi-yesno"
GOLDEN = Path(__file__).parent / "golden" / "yesno.npz"
OPTIONS = {"beam": 10.0, "lattice_beam": 6.0, "max_active": 40, "min_active": 10}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(autouse=True)
def in_the_run_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(RUN)  # its scripts name files without a folder


@pytest.fixture(scope="module")
def features() -> dict[str, Matrix]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(RUN)
        with SequentialDoubleMatrixReader("scp:cmvn.scp") as reader:
            ((_, stats),) = list(reader)
        cmvn = Cmvn(13)
        cmvn.stats = stats
        made = {}
        with SequentialMatrixReader("scp:feats.scp") as reader:
            for key, feats in reader:
                cmvn.apply(feats)
                made[key] = compute_deltas(DeltaFeaturesOptions(), feats)
        return made


def options(kind: Any, **more: Any) -> Any:
    made = kind()
    for name, value in {**OPTIONS, **more}.items():
        if hasattr(made, name):
            setattr(made, name, value)
    return made


def recognizer(kind: Any = asr.GmmLatticeFasterRecognizer, **more: Any) -> Any:
    opts = options(kind._options, **more)
    return kind.from_files("40.mdl", "HCLG.fst", "words.txt", decoder_opts=opts)


def test_recordings_as_kaldi_recognizes_them(golden: dict[str, np.ndarray], features: dict[str, Matrix]):
    lattices = recognizer(determinize_lattice=False)
    paths = recognizer(asr.GmmFasterRecognizer)
    raw = 0
    for key, feats in features.items():
        for name, one in (("lattice", lattices), ("path", paths)):
            found = one.decode(feats)
            assert found["text"] == str(golden[f"{key}/{name}/text"])
            weight = golden[f"{key}/{name}/weight"]
            np.testing.assert_allclose([found["weight"].value1, found["weight"].value2], weight, rtol=1e-5)
            assert found["likelihood"] == pytest.approx(-weight.sum(), rel=1e-5)
            assert ("lattice" in found) == (name == "lattice")
        found = lattices.decode(feats)
        assert found["alignment"] == golden[f"{key}/alignment"].tolist()
        if f"{key}/raw/arcs" not in golden:
            continue
        lattice = lattices.decoder.get_raw_lattice()
        arcs = [
            (state, arc.ilabel, arc.olabel, arc.weight.value1, arc.weight.value2)
            for state in lattice.states()
            for arc in lattice.arcs(state)
        ]
        theirs = np.hstack([golden[f"{key}/raw/arcs"][:, :3], golden[f"{key}/raw/costs"]])
        assert lattice.num_states() == len(golden[f"{key}/raw/finals"])
        assert len(arcs) == len(theirs)
        # States may have other numbers within a frame: the arcs as a bag.
        np.testing.assert_allclose(
            np.array(sorted(arc[1:] for arc in arcs)), np.array(sorted(map(tuple, theirs[:, 1:]))), atol=2e-2
        )
        raw += 1
    assert raw == 4


def test_all_but_one_recording_of_the_training_set_are_right(features: dict[str, Matrix]):
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in (RUN / "text").read_text().splitlines()}
    one = asr.GmmLatticeFasterRecognizer.from_files("40.mdl", "HCLG.fst", "words.txt")
    wrong = [key for key, feats in features.items() if one.decode(feats)["text"] != said[key].strip()]
    assert wrong == ["0_1_0_1_0_0_0_0"]  # as Kaldi has it


def test_the_lattice_of_a_result_has_its_best_path(features: dict[str, Matrix]):
    feats = features["0_0_0_0_1_1_1_1"]
    found = recognizer().decode(feats)
    plain = convert_compact_lattice_to_lattice(found["lattice"])
    alignment, words, weight = get_linear_symbol_sequence(shortestpath(plain))
    assert (words, alignment) == (found["words"], found["alignment"])
    assert weight.value1 == pytest.approx(found["weight"].value1, rel=1e-5)
    assert 0.1 * weight.value2 == pytest.approx(found["weight"].value2, rel=1e-5)


def test_scores_of_a_matrix_say_the_same(features: dict[str, Matrix]):
    feats = features["0_1_1_1_1_1_1_1"]
    gmm = recognizer(asr.GmmFasterRecognizer)
    expected = gmm.decode(feats)
    decodable = DecodableAmDiagGmmScaled(gmm.acoustic_model, gmm.transition_model, feats, 1.0)
    likes = decodable._am._log_likelihoods(np.asarray(feats), -1.0, 1)
    opts = options(FasterDecoderOptions)
    mapped = asr.MappedFasterRecognizer.from_files("40.mdl", "HCLG.fst", "words.txt", decoder_opts=opts)
    assert mapped.decode(likes)["text"] == expected["text"]
    by_id = likes[:, gmm.transition_model._pdfs_by_id()[1:]]
    plain = asr.FasterRecognizer.from_files("HCLG.fst", "words.txt", decoder_opts=opts)
    assert plain.decode(Matrix(by_id))["alignment"] == expected["alignment"]
    for kind in (asr.LatticeFasterRecognizer, asr.MappedLatticeFasterRecognizer):
        files: Any = (
            ["HCLG.fst", "words.txt"] if kind is asr.LatticeFasterRecognizer else ["40.mdl", "HCLG.fst"]
        )
        one = kind.from_files(*files, decoder_opts=options(LatticeFasterDecoderOptions))
        found = one.decode(by_id if kind is asr.LatticeFasterRecognizer else likes)
        assert found["words"] == expected["words"]
    assert found["text"] == " ".join(map(str, expected["words"]))  # no symbols were given

    class Own(DecodableInterface):
        def log_likelihood(self, frame: int, index: int) -> float:
            return 0.1 * float(by_id[frame, index - 1])

        def is_last_frame(self, frame: int) -> bool:
            return frame == len(by_id) - 1

        def num_indices(self) -> int:
            return by_id.shape[1]

    decoder = gmm.decoder
    decoder.decode(Own())
    assert get_linear_symbol_sequence(decoder.get_best_path())[0] == expected["alignment"]


def test_a_recognizer_is_shared_between_threads(features: dict[str, Matrix]):
    one = recognizer()
    keys = list(features)[:8]
    expected = [one.decode(features[key])["alignment"] for key in keys]
    found: list[Any] = [None] * len(keys)

    def work(i: int) -> None:
        found[i] = one.decode(features[keys[i]])["alignment"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(keys))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_online_decoding(features: dict[str, Matrix]):
    gmm = recognizer(determinize_lattice=False)
    feats = features["0_0_1_1_1_1_1_0"]
    expected = gmm.decode(feats)
    decoder = LatticeFasterOnlineDecoder(read_fst_kaldi("HCLG.fst"), options(LatticeFasterDecoderOptions))
    decodable = DecodableAmDiagGmmScaled(gmm.acoustic_model, gmm.transition_model, feats, 0.1)
    decoder.init_decoding()
    assert decoder.num_frames_decoded() == 0
    said: list[int] = []
    while decoder.num_frames_decoded() < feats.num_rows:
        decoder.advance_decoding(decodable, 100)
        words = get_linear_symbol_sequence(decoder.get_best_path(False))[1]
        assert len(words) >= len(said)
        said = words
    pruned = decoder.get_raw_lattice_pruned(2.0)
    assert pruned.num_states() < decoder.get_raw_lattice().num_states()
    decoder.finalize_decoding()
    assert decoder.reached_final() and decoder.final_relative_cost() < 1e3
    assert get_linear_symbol_sequence(decoder.get_best_path())[0] == expected["alignment"]
    with pytest.raises(SearchError, match="finished"):
        decoder.get_raw_lattice(False)
    decoder.init_decoding()
    decoder.advance_decoding(decodable, 10)
    assert decoder.num_frames_decoded() == 10


def two_words() -> StdVectorFst:
    compiler = StdFstCompiler()
    for line in ("0 1 1 7", "1 2 2 8", "2 0.5"):
        print(line, file=compiler)
    return compiler.compile()


def test_what_fails_is_a_runtime_error():
    graph = two_words()
    good = np.zeros((2, 2), np.float32)
    for kind, decoder in (
        (asr.FasterRecognizer, FasterDecoder(graph, FasterDecoderOptions())),
        (asr.LatticeFasterRecognizer, LatticeFasterDecoder(graph, LatticeFasterDecoderOptions())),
    ):
        one = kind(decoder, allow_partial=False, acoustic_scale=1.0)
        assert one.decode(good)["words"] == [7, 8]
        with pytest.raises(RuntimeError, match="No final state was active"):
            one.decode(good[:1])
        one.allow_partial = True
        assert one.decode(good[:1])["words"] == [7]
        with pytest.raises(RuntimeError, match="No tokens survived") as caught:
            one.decode(np.zeros((3, 2), np.float32))
        assert isinstance(caught.value, DecodingError)
        with pytest.raises(SearchError, match="without frames"):
            one.decode(good[:0])
        with pytest.raises(SearchError, match="the graph reads column 1"):
            one.decode(good[:, :1])
        with pytest.raises(SearchError, match="frame 1, column 0"):
            one.decode(np.array([[0, 0], [np.nan, 0]], np.float32))
        with pytest.raises(TypeError, match="expected"):
            asr.FasterRecognizer(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a StdVectorFst"):
        FasterDecoder(LatticeVectorFst(), FasterDecoderOptions())
    decoder = LatticeFasterDecoder(graph, LatticeFasterDecoderOptions())
    assert decoder.decode(DecodableMatrixScaled(good, 1.0))
    assert not decoder.decode(DecodableMatrixScaled(np.zeros((3, 2), np.float32), 1.0))
    with pytest.raises(RuntimeError, match="No tokens survived"):
        decoder.get_raw_lattice()
    tight = options(LatticeFasterDecoderOptions, max_active=5, min_active=7)
    decoder.set_options(tight)
    assert decoder.get_options() is tight
    with pytest.raises(SearchError, match="min_active=7"):
        decoder.decode(DecodableMatrixScaled(good, 1.0))


def test_decodables():
    rng = np.random.default_rng(0)
    likes = rng.standard_normal((5, 6)).astype(np.float32)
    model = asr.MappedRecognizer.read_model("40.mdl")
    pdfs = model.num_pdfs()
    scaled = DecodableMatrixScaled(likes, 0.5)
    assert (scaled.num_frames_ready(), scaled.num_indices()) == (5, 6)
    assert scaled.log_likelihood(2, 3) == pytest.approx(0.5 * likes[2, 2])
    assert scaled.is_last_frame(4) and not scaled.is_last_frame(3)
    for frame, index in ((5, 1), (-1, 1), (0, 0), (0, 7)):
        with pytest.raises(SearchError, match="there is no"):
            scaled.log_likelihood(frame, index)
    wide = rng.standard_normal((4, pdfs)).astype(np.float32)
    mapped = DecodableMatrixMapped(model, wide)
    half = DecodableMatrixScaledMapped(model, wide, 0.5)
    assert mapped.num_indices() == model.num_transition_ids()
    online = DecodableMatrixMappedOffset(model)
    online.accept_log_likes(wide[:3], 0)
    online.accept_log_likes(wide[3:], 2)
    assert (online.first_available_frame(), online.num_frames_ready()) == (2, 4)
    assert not online.is_last_frame(3)
    online.input_is_finished()
    assert online.is_last_frame(3)
    for index in range(1, model.num_transition_ids() + 1):
        value = wide[3, model.transition_id_to_pdf(index)]
        assert mapped.log_likelihood(3, index) == pytest.approx(value)
        assert half.log_likelihood(3, index) == pytest.approx(0.5 * value)
        assert online.log_likelihood(3, index) == pytest.approx(value)
    with pytest.raises(SearchError, match="frames 1 to 1 are not there"):
        online.log_likelihood(1, 1)
    with pytest.raises(SearchError, match=f"the model has {pdfs} pdfs"):
        DecodableMatrixMapped(model, wide[:, 1:])
    turned = DecodableMapped([0, 6, 5, 4], scaled)
    assert turned.num_indices() == 4
    assert turned.log_likelihood(1, 2) == scaled.log_likelihood(1, 5)
    other = DecodableMatrixScaled(likes[::-1], 2.0)
    sums = DecodableSum(scaled, 0.25, other, 0.75)
    expected = 0.25 * scaled.log_likelihood(1, 2) + 0.75 * other.log_likelihood(1, 2)
    assert sums.log_likelihood(1, 2) == pytest.approx(expected)
    assert DecodableSum.new([(scaled, 0.25), (other, 0.75)]).log_likelihood(1, 2) == pytest.approx(expected)
    assert DecodableSumScaled(scaled, 0.25, other, 0.75, 3.0).log_likelihood(1, 2) == pytest.approx(
        3 * expected
    )
    assert DecodableSumScaled.new([(scaled, 1.0)], 3.0).log_likelihood(0, 1) == pytest.approx(
        1.5 * likes[0, 0]
    )
    with pytest.raises(SearchError, match="expected the same"):
        DecodableSum(scaled, 1.0, mapped, 1.0)
    decoder = FasterDecoder(two_words(), FasterDecoderOptions())
    decoder.decode(
        DecodableSum(DecodableMatrixScaled(likes[:2], 1), 1.0, DecodableMatrixScaled(likes[:2], 1), 1.0)
    )
    weight = get_linear_symbol_sequence(decoder.get_best_path())[2]
    assert weight.value2 == pytest.approx(-2 * (likes[0, 0] + likes[1, 1]))


def test_options_of_command_lines():
    parser = ParseOptions("usage")
    opts = LatticeFasterDecoderOptions()
    opts.register(parser)
    given = [
        "decode",
        "--print-args=false",
        "--beam=9",
        "--max-active=70",
        "--determinize-lattice=false",
        "--minimize=true",
    ]
    parser.parse_args(given)
    assert (opts.beam, opts.max_active, opts.determinize_lattice) == (9.0, 70, False)
    assert (opts.beam_delta, opts.min_active, opts.det_opts.minimize) == (0.5, 200, True)
    assert FasterDecoderOptions().min_active == 20
