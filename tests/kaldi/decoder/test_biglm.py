"""Decoders and recognizers for big language models by PyKaldi's names, beside Kaldi's (golden files of
tests/oracle/make_biglm_golden.py)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.kaldi import asr
from sonant.kaldi.decoder import (
    BiglmFasterDecoder,
    BiglmFasterDecoderOptions,
    DecodableMatrixScaled,
    LatticeBiglmFasterDecoder,
    LatticeFasterDecoder,
    LatticeFasterDecoderOptions,
)
from sonant.kaldi.fstext import StdArc, StdVectorFst, TropicalWeight, special, utils
from sonant.kaldi.itf import DecodableInterface
from sonant.kaldi.matrix import Matrix

GOLDEN = Path(__file__).parents[2] / "search" / "golden"
RUN = Path(__file__).parents[2] / "data" / "kaldi-yesno"


def opened(number: int) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"biglm{number}.npz") as file:
        return dict(file)


def fst_of(golden: dict[str, np.ndarray], name: str, start: int) -> StdVectorFst:
    fst = StdVectorFst()
    for final in golden[name + "/finals"].tolist():
        state = fst.add_state()
        if np.isfinite(final):
            fst.set_final(state, TropicalWeight(final))
    fst.set_start(start)
    arcs = zip(golden[name + "/arcs"].tolist(), golden[name + "/costs"].tolist(), strict=True)
    for (state, ilabel, olabel, to), cost in arcs:
        fst.add_arc(state, StdArc(ilabel, olabel, TropicalWeight(cost), to))
    return fst


def options(kind: Any, given: dict[str, Any]) -> Any:
    made = kind()
    for name, value in given.items():
        if hasattr(made, name):
            setattr(made, name, value)
    return made


class Asked(DecodableInterface):
    """Is asked index by index."""

    def __init__(self, scores: np.ndarray):
        self.scores = scores

    def log_likelihood(self, frame: int, index: int) -> float:
        return float(np.float32(0.7) * self.scores[frame, index - 1])

    def is_last_frame(self, frame: int) -> bool:
        return frame == len(self.scores) - 1

    def num_frames_ready(self) -> int:
        return len(self.scores)

    def num_indices(self) -> int:
        return self.scores.shape[1]


@pytest.mark.parametrize("asked", [False, True])
def test_decoders_are_kaldis(asked: bool):
    golden = opened(2)
    given = json.loads(str(golden["options"]))[0]
    graph = fst_of(golden, "graph", 0)
    old, new = fst_of(golden, "old", 1), fst_of(golden, "new", 1)
    utils.apply_probability_scale(-1.0, old)
    model = special.StdCacheDeterministicOnDemandFst(
        special.StdComposeDeterministicOnDemandFst(
            special.StdBackoffDeterministicOnDemandFst(old), special.StdBackoffDeterministicOnDemandFst(new)
        )
    )
    scores = golden["scores"]
    decodable: Any = Asked(scores) if asked else DecodableMatrixScaled(Matrix(scores), 0.7)
    decoder = LatticeBiglmFasterDecoder(graph, options(LatticeFasterDecoderOptions, given), model)
    assert decoder.decode(decodable)
    assert decoder.reached_final() == bool(golden["options0/difference/reached"])
    raw = decoder.get_raw_lattice()
    assert raw.num_states() == len(golden["options0/difference/lattice/finals"])
    assert sum(raw.num_arcs(s) for s in raw.states()) == len(golden["options0/difference/lattice/costs"])
    for name, kind, opts in (
        ("path", None, None),
        ("faster", BiglmFasterDecoder, BiglmFasterDecoderOptions),
    ):
        if kind is not None:
            decoder = kind(graph, options(opts, given), model)
            decoder.decode(decodable)
        alignment, words, weight = utils.get_linear_symbol_sequence(decoder.get_best_path())
        arcs = golden[f"options0/difference/{name}/arcs"][:: 1 if kind else -1]
        assert alignment == [a for a in arcs[:, 1].tolist() if a]
        assert words == [w for w in arcs[:, 2].tolist() if w]
        finals = golden[f"options0/difference/{name}/finals"]
        cost = golden[f"options0/difference/{name}/costs"].sum() + finals[np.isfinite(finals)].sum()
        assert weight.value1 + weight.value2 == pytest.approx(cost, abs=1e-3)
    wrong: Any = new
    with pytest.raises(TypeError, match="a language model of type StdVectorFst"):
        LatticeBiglmFasterDecoder(graph, LatticeFasterDecoderOptions(), wrong)


def test_recognizers_of_files(tmp_path: Path):
    golden = opened(2)
    for name, start in (("graph", 0), ("old", 1), ("new", 1)):
        fst_of(golden, name, start).write(str(tmp_path / name))
    files = [str(tmp_path / name) for name in ("graph", "old", "new")]
    given = options(LatticeFasterDecoderOptions, json.loads(str(golden["options"]))[0])
    recognizer = asr.LatticeBiglmFasterRecognizer.from_files(*files, acoustic_scale=0.7, decoder_opts=given)
    found = recognizer.decode(Matrix(golden["scores"]))
    finals = golden["options0/difference/path/finals"]
    cost = golden["options0/difference/path/costs"].sum() + finals[np.isfinite(finals)].sum()
    assert found["likelihood"] == pytest.approx(-cost, abs=1e-3)
    words = golden["options0/difference/path/arcs"][::-1, 2]
    assert found["words"] == [w for w in words.tolist() if w]
    assert found["lattice"].num_states() > 1
    with pytest.raises(TypeError, match="expected LatticeBiglmFasterDecoder"):
        asr.LatticeBiglmFasterRecognizer(
            LatticeFasterDecoder(fst_of(golden, "graph", 0), LatticeFasterDecoderOptions())
        )


def test_the_same_model_twice_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A model against itself: the results are those without one."""
    monkeypatch.chdir(RUN)
    words = StdVectorFst()  # yes and no, as often
    words.set_start(words.add_state())
    words.set_final(0, TropicalWeight(0.3))
    for word in range(1, 8):
        words.add_arc(0, StdArc(word, word, TropicalWeight(word / 8), 0))
    words.write(str(tmp_path / "lm"))
    lm = str(tmp_path / "lm")
    scores = np.random.default_rng(0).normal(size=(40, 200)).astype(np.float32)
    plain = asr.MappedLatticeFasterRecognizer.from_files("40.mdl", "HCLG.fst", "words.txt")
    big = asr.MappedLatticeBiglmFasterRecognizer.from_files("40.mdl", "HCLG.fst", lm, lm, "words.txt")
    gmm = asr.GmmLatticeBiglmFasterRecognizer.from_files("40.mdl", "HCLG.fst", lm, lm, "words.txt")
    mfcc = np.random.default_rng(1).normal(size=(40, 39)).astype(np.float32)
    expected = asr.GmmLatticeFasterRecognizer.from_files("40.mdl", "HCLG.fst", "words.txt")
    for one, other, given in (plain, big, scores), (expected, gmm, mfcc):
        a, b = one.decode(given), other.decode(given)
        assert a["text"] == b["text"] and a["alignment"] == b["alignment"]
        assert a["likelihood"] == pytest.approx(b["likelihood"], abs=1e-3)
