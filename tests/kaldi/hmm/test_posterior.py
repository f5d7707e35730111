"""Posteriors against Kaldi's."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import AcousticModelError, ArkError
from sonant.kaldi.hmm import (
    Posterior,
    TransitionModel,
    merge_posteriors,
    posterior_entries_are_disjoint,
    vector_to_posterior_entries,
)
from sonant.kaldi.util import ConstIntegerSet

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())["posteriors"]
YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"


@pytest.fixture(scope="module")
def model(read) -> TransitionModel:
    return read(TransitionModel(), YESNO / "40.mdl")


def assert_same(found, expected, ordered: bool = True):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        ours, theirs = ((e if ordered else sorted(e)) for e in (ours, [tuple(e) for e in theirs]))
        assert [i for i, _ in ours] == [i for i, _ in theirs]
        assert [w for _, w in ours] == pytest.approx([w for _, w in theirs], rel=1e-6)


def posterior(key: str = "frames") -> Posterior:
    return Posterior.from_posteriors(EXPECTED[key])


def test_files_are_kaldis_byte_for_byte(read, written):
    binary, text = ((GOLDEN / f"posterior{s}").read_bytes() for s in (".bin", ".txt"))
    assert written(posterior()) == (binary, text)
    for data in (binary, text):
        assert written(read(Posterior(), data)) == (binary, text)
        with pytest.raises(ArkError):
            read(Posterior(), data[:-8])


def test_conversions(model: TransitionModel):
    # Kaldi leaves the order open.
    assert_same(posterior().convert_transitions_to_pdfs(model).get_posteriors(), EXPECTED["pdfs"], False)
    assert_same(posterior().convert_transitions_to_phones(model).get_posteriors(), EXPECTED["phones"], False)
    np.testing.assert_allclose(posterior().to_matrix(30).numpy(), EXPECTED["matrix"], rtol=1e-6)
    np.testing.assert_allclose(posterior().to_pdf_matrix(model).numpy(), EXPECTED["pdf_matrix"], rtol=1e-6)
    with pytest.raises(AcousticModelError, match="id 20"):
        posterior().to_matrix(20)


@pytest.mark.parametrize("kind", ["weighted", "silenced"])
@pytest.mark.parametrize("method", ["weight_silence", "weight_silence_distributed"])
def test_silence(kind: str, method: str, model: TransitionModel):
    for silence in ([1], {1}, ConstIntegerSet([1])):
        weighted = posterior()
        getattr(weighted, method)(model, silence, 0.1 if kind == "weighted" else 0.0)
        assert_same(weighted.get_posteriors(), EXPECTED[f"{kind}_{method}"])


def test_merging():
    for merge, drop, count, frames in EXPECTED["merged"]:
        found, merged = merge_posteriors(posterior(), posterior("second"), merge, drop)
        assert found == count
        assert_same(merged.get_posteriors(), frames)
    with pytest.raises(AcousticModelError, match="6 and 0 frames"):
        merge_posteriors(posterior(), Posterior(), True, True)
    assert posterior_entries_are_disjoint([(1, 2.0)], [(2, 1.0)])
    assert not posterior_entries_are_disjoint([(1, 2.0), (3, 1.0)], [(3, 1.0)])


def test_small_parts(model: TransitionModel):
    post = posterior()
    assert post.total() == pytest.approx(EXPECTED["total"])
    post.scale(2.0)
    assert post.total() == pytest.approx(2 * EXPECTED["total"])
    post.scale(0.0)
    assert post.get_posteriors() == [[]] * 6
    assert Posterior.from_alignment([3, 1]).get_posteriors() == [[(3, 1.0)], [(1, 1.0)]]
    post = Posterior.from_posteriors([[(25, 1.0), (1, 0.5), (26, 0.25), (3, 0.1)]])
    post.sort_by_pdfs(model)
    assert [i for i, _ in post.get_posteriors()[0]] == [1, 3, 25, 26]


def test_the_likeliest_entries():
    for likes, select, least, (total, entries) in EXPECTED["entries"]:
        found, ours = vector_to_posterior_entries(np.array(likes, np.float32), select, least)
        assert found == pytest.approx(total, rel=1e-5, abs=1e-5)
        assert_same([ours], [entries])
    for arguments in (([], 1, 0.0), ([1.0], 0, 0.0), ([1.0], 1, 1.0), ([np.nan], 1, 0.0)):
        with pytest.raises(AcousticModelError):
            vector_to_posterior_entries(*arguments)


weights = st.floats(0, 100, width=32)
frames = st.lists(st.lists(st.tuples(st.integers(0, 2**31 - 1), weights), max_size=4), max_size=4)


@given(frames=frames)
def test_any_posteriors_survive_their_file(frames):
    for binary in (True, False):
        stream = _native.Output.in_memory()
        Posterior.from_posteriors(frames).write(stream, binary)
        read = Posterior()
        read.read(_native.Input.from_bytes(stream.getvalue()), binary)
        if binary:
            assert read.get_posteriors() == frames
        else:
            assert_same(read.get_posteriors(), frames)
